"""Every store there is, by name, and how to open it again and again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gemot.journal import Journal
from gemot.journal.memory import MemoryJournal
from gemot.journal.sqlite import SqliteJournal

STORES = ("memory", "sqlite")
ON_FILES = ("sqlite",)

Entry = tuple[int, int, bytes]
A, B, C = (1, 10, b"a"), (2, 20, b"b"), (3, 10, b"c")


class Stores:
    """``open`` gives a writer; the next one opens the same records again and fences the first off."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.path = kind, folder / f"journal.{kind}"
        self._memory: MemoryJournal | None = None
        self._open: list[Journal] = []

    def open(self) -> Journal:
        journal: Journal
        if self.kind == "sqlite":
            journal = SqliteJournal(self.path)
        else:
            journal = self._memory = MemoryJournal() if self._memory is None else self._memory.open_again()
        self._open.append(journal)
        return journal

    def close(self) -> None:
        for journal in self._open:
            journal.close()
        self._open.clear()

    def spoil(self, what: str) -> None:
        """Change what is on the file, as a failing disk would: all that was kept of the checkpoint, or of record 2."""
        with sqlite3.connect(self.path) as database:
            database.execute(SPOILING[what])
        database.close()


SPOILING = {
    "the body": "UPDATE records SET body = x'00' WHERE position = 2",
    "the pid": "UPDATE records SET pid = 77 WHERE position = 2",
    "the time": "UPDATE records SET at = 77 WHERE position = 2",
    "all of it": "DELETE FROM records WHERE position = 2",
    "the tree": "UPDATE trees SET body = CAST(body || 'x' AS BLOB)",
    "the checkpoint": "UPDATE checkpoints SET body = CAST(body || 'x' AS BLOB)",
    "the value": "UPDATE contents SET body = CAST(body || 'x' AS BLOB)",
}


def entries(journal: Journal, after: int = 0, pid: int | None = None) -> list[Entry]:
    return [(one.at, one.pid, one.body) for one in journal.read(after, pid)]
