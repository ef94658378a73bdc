"""Failing: every error as one sentence that says what would work, and the exit codes."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import TextIO

DONE, FAILED, USAGE, REFUSED, BUDGET, WAITING, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

CODES = {
    DONE: "done",
    FAILED: "failed",
    USAGE: "the command was not understood, or something it names does not exist",
    REFUSED: "refused, by a person or by a rule",
    BUDGET: "the budget was used up",
    WAITING: "waits for a person: see gemot asks",
    INTERRUPTED: "interrupted; gemot resume goes on",
}

REFUSALS = frozenset({"refused", "grant", "mount", "path"})


class Usage(Exception):
    """The command can't be carried out as it was given."""


class Interrupted(Exception):
    """A person stopped it."""


def put(text: str) -> None:
    """A line of what was asked for, on the standard output."""
    sys.stdout.write(text + "\n")


def columns_of(stream: TextIO) -> int | None:
    """How wide the terminal is that ``stream`` goes to; None where it goes elsewhere."""
    if not stream.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def say(text: str) -> None:
    """A word to the person, beside the result. On a terminal no word of it is broken."""
    with contextlib.suppress(OSError):  # when the terminal is gone there is nobody to tell
        columns = columns_of(sys.stderr)
        if columns is not None:
            from gemot.cli.plain import hanging

            text = "\n".join(piece for line in text.split("\n") for piece in hanging(line, columns))
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def finish(work: Callable[[], int]) -> None:
    """Do a command's work and end with its exit code; whatever goes wrong is said in a sentence."""
    try:
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has enough of it
        code = DONE
    except (KeyboardInterrupt, Interrupted) as error:
        if str(error):
            say(f"gemot: {error}")
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the edge: nobody who types a command is shown a traceback
        code = _explain(error)
    raise SystemExit(code if written() else max(code, FAILED))


def written() -> bool:
    """Write what is left of the output. Where that fails it is said (but not that a reader has enough of it), and nothing is
    left that Python would try again at its end, with an exit code of its own."""
    try:
        sys.stdout.flush()
        return True
    except BrokenPipeError:
        to_nobody()
        return True
    except OSError as error:
        to_nobody()
        say(f"gemot: the output can't be written: {error.strerror or error}")
        return False
    except ValueError:
        return True  # it is closed already


def to_nobody() -> None:
    """From here on the standard output goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(error: Exception) -> int:
    from gemot.cli.plain import plain

    if os.environ.get("GEMOT_DEBUG"):
        traceback.print_exception(error)
    words, code = _known(error)
    say(f"gemot: {plain(words, 4000)}")
    return code


def _folder_is_gone() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def _known(error: Exception) -> tuple[str, int]:
    from gemot.authority.refusal import Refused
    from gemot.journal.contract import JournalError
    from gemot.machine.errors import MachineError
    from gemot.machine.home import HomeError
    from gemot.machine.memories import MemoriesError
    from gemot.models.port import ModelFailed
    from gemot.programs.library import ProgramError

    match error:
        case Usage() | MachineError() | ProgramError() | ModelFailed() | Refused():
            return str(error), USAGE
        case HomeError() | JournalError() | MemoriesError():
            return str(error), FAILED
        case OSError() if _folder_is_gone():
            return "the folder you are in is not there any more; go to another one, or name whole paths", USAGE
        case OSError() if error.errno == errno.ENOSPC and not error.filename:
            return f"it can't be written: {error.strerror}", FAILED
        case OSError():
            where = f" {error.filename}" if error.filename else ""
            return f"the system refused{where}: {error.strerror or error}", FAILED
        case _:
            kind = type(error).__name__
            return f"this is a mistake in gemot ({kind}: {error}). GEMOT_DEBUG=1 shows where; please report it", FAILED
