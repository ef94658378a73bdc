"""The driver ``python``: Python programs, run behind walls, on the same file tree that the file tools see."""

from __future__ import annotations

from typing import Any

from gemot.boxes import Call
from gemot.drivers import boxed
from gemot.drivers.kit import Driver, ToolError
from gemot.drivers.place import Place

python = Driver(
    "python", "Python on the files that this process sees, behind walls: no network, nothing else of the computer."
)


@python.tool(
    effect="writes", repeatable=False, seconds_max=boxed.SECONDS_MAX, walls=boxed.WALLS, paths=("keep",), guards=True
)
async def run(place: Place, code: str, seconds: int = 60, keep: str = "") -> dict[str, Any]:
    """Run a Python program in the top folder. code: its source, which prints what you want to know; seconds: at most 600.

    It starts anew each time. It sees this process's files at the same paths, a scratch folder /tmp that is gone afterwards,
    and no network. What runs code later (.git, .envrc, .vscode, conftest.py, ...) is read-only, and moved aside where it is new; keep:
    one such path that the program may write all the same, for which a person is asked. Processes that still run when the program has ended are ended, and named under "ended". Returns exit_code, stdout and stderr; of long output the beginning and the end are kept.
    """
    if not code.strip():
        raise ToolError("the code is empty")
    try:
        code.encode()
    except UnicodeEncodeError as error:
        raise ToolError(f"the code has a half of a character at position {error.start}; write it as UTF-8") from None
    call = Call(python=code, folder=boxed.top(place), seconds=seconds, cpu_seconds=2 * seconds)
    return await boxed.run(place, call, keep)
