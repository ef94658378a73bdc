"""Salvage: a new journal from what is whole of a damaged one."""

from __future__ import annotations

import contextlib
from pathlib import Path

from gemot.journal import endmark
from gemot.journal.contract import Damaged, JournalError
from gemot.journal.sqlite import SqliteJournal


def salvage(path: Path, kept: Path, last: int) -> int:
    """Move a damaged journal to ``kept`` and write a new one with its records up to ``last``; returns how many those are.

    Nothing is lost: the damaged file stays as it is, under its new name.
    """
    for suffix in ("", "-wal", "-shm"):
        old = Path(f"{path}{suffix}")
        if old.exists():
            old.rename(f"{kept}{suffix}")
    endmark.path_of(path).unlink(missing_ok=True)
    new = SqliteJournal(path)
    try:
        old = SqliteJournal(kept, writing=False)
    except JournalError:
        new.close()
        return 0
    whole: list[tuple[int, int, bytes]] = []
    with contextlib.suppress(Damaged):
        for record in old.read():
            if record.position > last:
                break
            whole.append((record.at, record.pid, record.body))
    new.append(0, whole, synced=True)
    with contextlib.suppress(JournalError):
        for text in old.values():
            new.put_value(text)
    old.close()
    new.close()
    return new.position
