"""Holders: which other process has the lock of a journal, as far as the system says (Linux)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_FIRST_LOCK, _LAST_LOCK = 120, 122
"""The bytes of SQLite's index of the log that a writer locks. Source: https://www.sqlite.org/walformat.html, section 2.3.1."""


def holder(journal: Path, but: int) -> str:
    """The process that writes to the journal, in words; empty where no process but ``but`` does, or where it is not known."""
    log, whole = _inode(Path(f"{journal}-shm")), _inode(journal)
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        words = line.split()
        if len(words) != 8 or words[3] != "WRITE":  # one that waits has an arrow more
            continue
        pid, inode = int(words[4]), int(words[5].rpartition(":")[2])
        is_write = inode == log and _FIRST_LOCK <= int(words[6]) <= _LAST_LOCK
        if pid > 0 and pid != but and (is_write or inode == whole):
            return f"process {pid}{_name(pid)}"
    return ""


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return f" ({Path(f'/proc/{pid}/comm').read_text(errors='replace').strip()})"
    return ""


def other_holder(journal: Path) -> str:
    """The same, of processes that are not this one."""
    return holder(journal, os.getpid())
