"""Every store there is, by name, and how to open it again and again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import lmdb

from gemot.journal import Journal
from gemot.journal.lmdb import LmdbJournal
from gemot.journal.memory import MemoryJournal
from gemot.journal.sqlite import SqliteJournal

ON_FILES: dict[str, type[SqliteJournal] | type[LmdbJournal]] = {"sqlite": SqliteJournal, "lmdb": LmdbJournal}
STORES = ("memory", *ON_FILES)

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
        if self.kind in ON_FILES:
            journal = ON_FILES[self.kind](self.path)
        else:
            journal = self._memory = MemoryJournal() if self._memory is None else self._memory.open_again()
        self._open.append(journal)
        return journal

    def look(self) -> Journal:
        """One that does not write, on what the others wrote."""
        journal = ON_FILES[self.kind](self.path, writing=False)
        self._open.append(journal)
        return journal

    def close(self) -> None:
        for journal in self._open:
            journal.close()
        self._open.clear()

    def spoil(self, what: str) -> None:
        """Change what is on the file, as a failing disk would: all that was kept of the checkpoint, or of record 2."""
        if self.kind == "lmdb":
            self._spoil_lmdb(what)
            return
        with sqlite3.connect(self.path) as database:
            database.execute(SPOILING[what])
        database.close()

    def _spoil_lmdb(self, what: str) -> None:
        table, at = SPOILING_LMDB[what]
        with lmdb.open(str(self.path), subdir=False) as file, file.begin(write=True) as txn:
            rows = [(key, row) for key, row in txn.cursor() if key.startswith(table)]
            key, row = rows[1 if table == b"r" else 0]
            if what == "all of it":
                txn.delete(key)
            elif what == "the format":
                txn.put(key, b"999")
            else:
                txn.put(key, row[:at] + bytes([row[at] ^ 1]) + row[at:][1:])


SPOILING_LMDB = {
    "the body": (b"r", -1),
    "the pid": (b"r", 19),
    "the time": (b"r", 11),
    "all of it": (b"r", 0),
    "the tree": (b"t", -1),
    "the checkpoint": (b"checkpoint", -1),
    "the value": (b"v", -1),
    "the format": (b"format", 0),
}
"""What keys begin with, and which byte of the row is another one afterwards."""

SPOILING = {
    "the body": "UPDATE records SET body = x'00' WHERE position = 2",
    "the pid": "UPDATE records SET pid = 77 WHERE position = 2",
    "the time": "UPDATE records SET at = 77 WHERE position = 2",
    "all of it": "DELETE FROM records WHERE position = 2",
    "the tree": "UPDATE trees SET body = CAST(body || 'x' AS BLOB)",
    "the checkpoint": "UPDATE checkpoints SET body = CAST(body || 'x' AS BLOB)",
    "the format": "UPDATE about SET value = 999 WHERE key = 'format'",
    "the value": "UPDATE contents SET body = CAST(body || 'x' AS BLOB)",
}


def entries(journal: Journal, after: int = 0, pid: int | None = None) -> list[Entry]:
    return [(one.at, one.pid, one.body) for one in journal.read(after, pid)]
