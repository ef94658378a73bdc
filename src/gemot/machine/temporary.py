"""Temporary folders of machines in memory, and what is left of those that were killed.

A folder is locked by the process that it belongs to, so one that nobody holds was left behind. It gets its name when it is locked:
another machine that clears never takes one that is just being made.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "gemot-spaces-"

_held: dict[Path, int] = {}
"""The locks of the folders that this process made."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make() -> Path:
    """A folder that is there until :func:`drop`, or until the process has ended and another machine begins."""
    made = Path(tempfile.mkdtemp(prefix="gemot-making-"))
    handle = os.open(made, _FOLDER)
    fcntl.flock(handle, fcntl.LOCK_EX)
    folder = made.with_name(f"{PREFIX}{secrets.token_hex(8)}")
    made.rename(folder)
    _held[folder] = handle
    return folder


def drop(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    handle = _held.pop(folder, None)
    if handle is not None:
        os.close(handle)


def clear() -> None:
    """Remove what processes of this person that were killed left in the temporary folder."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            handle = os.open(folder, _FOLDER)
            try:
                if os.fstat(handle).st_uid == os.geteuid():
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)
