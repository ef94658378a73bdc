"""The reason why a machine does not run any more, kept in the home for later commands.

A machine that runs has a small file in its home that says that it does. One that is closed takes it away. One that stops over an error writes
the reason into it, so a file without a reason beside a free lock is left by a machine that was killed, or that crashed. The file
has its full size from the beginning: on a full disk it can still be overwritten.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from gemot.journal.endmark import path_of

if TYPE_CHECKING:
    from gemot.machine.home import Home

SIZE_BYTES = 4_096
REASON_CHARS_MAX = 600


class Words(msgspec.Struct, frozen=True, omit_defaults=True):
    """``at``: seconds since 1970. ``pid``: of the machine's process."""

    at: float
    pid: int
    reason: str = ""


def runs(home: Home) -> None:
    """A machine begins to run here."""
    _write(home, Words(time.time(), os.getpid()))


def stopped(home: Home, error: BaseException) -> None:
    """The machine stops over an error."""
    reason = (str(error).strip() or type(error).__name__).encode("utf-8", "replace").decode()
    _write(home, Words(time.time(), os.getpid(), reason[:REASON_CHARS_MAX]))


def closed(home: Home) -> None:
    """The machine of this process was closed. What it stopped over before stays there."""
    words = _read(home)
    if words is not None and words.pid == os.getpid() and not words.reason:
        with suppress(OSError):
            home.state.unlink(missing_ok=True)


def said(home: Home) -> str:
    """Why the machine of a home does not run, if that is no clean end; else nothing. Nothing is written."""
    words = _read(home)
    if words is None or home.runs() is not None:
        return ""
    if words.reason:
        return f"the machine stopped at {_when(words.at)}: {words.reason}. `gemot resume --detach` starts it again"
    return (
        f"the machine (process {words.pid}) was not closed: it was killed, or it crashed, at {_when(_last_sign(home, words.at))} or "
        "later. `gemot resume --detach` starts it again"
    )


def _read(home: Home) -> Words | None:
    try:
        return msgspec.json.decode(home.state.read_bytes().rstrip(b"\0"), type=Words)
    except (OSError, msgspec.DecodeError):
        return None


def _last_sign(home: Home, began: float) -> float:
    """When it last wrote something."""
    with suppress(OSError):
        return max(began, path_of(home.journal).stat().st_mtime)
    return began


def _when(at: float) -> str:
    there = datetime.fromtimestamp(at)
    return f"{there:%H:%M}" if there.date() == datetime.now().date() else f"{there:%Y-%m-%d %H:%M}"


def _write(home: Home, words: Words) -> None:
    """Overwrite the file in its place. Where that can't be done, nobody is told; the machine's end does not depend on it."""
    body = msgspec.json.encode(words)[:SIZE_BYTES]
    with suppress(OSError):
        file = os.open(home.state, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, body.ljust(SIZE_BYTES, b"\0"), 0)
        finally:
            os.close(file)
