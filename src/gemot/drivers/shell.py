"""The driver ``shell``: commands, run behind walls, on the same file tree that the file tools see."""

from __future__ import annotations

from typing import Any

from gemot.boxes import Call
from gemot.drivers import boxed
from gemot.drivers.kit import Driver, ToolError
from gemot.drivers.place import Place

shell = Driver(
    "shell", "Commands on the files that this process sees, behind walls: no network, nothing else of the computer."
)


@shell.tool(
    effect="writes", repeatable=False, seconds_max=boxed.SECONDS_MAX, walls=boxed.WALLS, paths=("keep",), guards=True
)
async def run(place: Place, command: str, seconds: int = 60, keep: str = "") -> dict[str, Any]:
    """Run a shell command (/bin/sh) in the top folder. command: one or more lines; seconds: at most 600.

    It sees this process's files at the same paths, a scratch folder /tmp that is gone afterwards, and no network. What runs code
    later (.git, .envrc, .vscode, conftest.py, ...) is read-only, and moved aside where it is new; keep: one such path that the
    command may write all the same, for which a person is asked. Processes that still run when the command has ended are ended, and named under "ended"; start a server and what
    uses it in one command. Returns exit_code, stdout and stderr; of long output the beginning and the end are kept.
    """
    if not command.strip():
        raise ToolError("the command is empty")
    if "\0" in command:
        raise ToolError("the command has a NUL character in it; leave it out")
    call = Call(("/bin/sh", "-c", command), folder=boxed.top(place), seconds=seconds, cpu_seconds=2 * seconds)
    return await boxed.run(place, call, keep)
