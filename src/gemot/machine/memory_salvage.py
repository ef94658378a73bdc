"""Salvage of memories: gather what is whole of a damaged file of memories into a new one beside it. The damaged one is only read.

A memory counts when its checksum fits. It is looked for by its number, so a damaged page costs those that lie on it. Where no table can be read, pages
are read without them (:mod:`gemot.journal.carving`). Then a memory that was forgotten may be among them, since its bytes may still be there.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gemot.journal import carving
from gemot.journal.salvage import sync
from gemot.machine import indexing
from gemot.machine.memories import Memories, checksum

SCOPES = ("person", "project", "program")
NUMBERS_MAX = 1_000_000
"""Numbers above are not looked for."""


class Regained(NamedTuple):
    """What a salvage of memories brings back."""

    kept: int
    """Memories that are whole."""
    lost: tuple[int, ...]
    """Numbers of those that are not, as far as the tables name them."""
    is_carved: bool
    """They were read without tables, so forgotten ones may be among them."""


def gather(path: Path, into: Path) -> Regained:
    """Write the whole memories of the file ``path`` to the new file ``into``. Raises OSError, ``MemoriesError``."""
    discard(into)
    shelves, rows, carried, lost, is_carved = _read(path)
    new = Memories(into)
    new.shelves()  # makes the tables
    new.close()
    database = sqlite3.connect(into, isolation_level=None)
    try:
        database.execute("BEGIN")
        held = {shelf: sum(row[1] == shelf for row in rows) for shelf in {row[1] for row in rows}}
        for shelf, (scope, name) in shelves.items():
            database.execute("INSERT INTO shelves VALUES (?,?,?,?)", (shelf, scope, name, held.pop(shelf, 0)))
            indexing.make(database, shelf)
        kept = [row for row in rows if row[1] not in held]
        for row in kept:
            database.execute("INSERT INTO memories VALUES (?,?,?,?,?,?,?,?,?)", row)
            indexing.put(database, row[1], row[0], row[5], row[6])
        database.executemany("INSERT OR IGNORE INTO carried_out VALUES (?,?)", carried)
        given = max([0, *lost, *(row[0] for row in rows), *(number for _, number in carried)])
        database.execute("DELETE FROM sqlite_sequence WHERE name='memories'")
        database.execute("INSERT INTO sqlite_sequence VALUES ('memories', ?)", (given,))  # none is given again
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode=DELETE")
    finally:
        database.close()
    sync(into)
    homeless = [row[0] for row in rows if row[1] in held]  # nothing says whose they are
    return Regained(len(kept), tuple(sorted({*lost, *homeless})), is_carved)


def discard(file: Path) -> None:
    """Remove a file that was gathered."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def swap(path: Path, new: Path, kept: Path) -> None:
    """Put ``new`` in the place of the memories, and keep the damaged file as ``kept``. There is a file at the place all the time."""
    os.link(path, kept)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{kept}{suffix}")
    new.replace(path)
    sync(path.parent)


_Shelves = dict[int, tuple[str, str]]
_Read = tuple[_Shelves, list[tuple[Any, ...]], list[tuple[str, int]], list[int], bool]


def _read(path: Path) -> _Read:
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error:
        return _carved(path)
    try:
        top = max(_number(database, "SELECT seq FROM sqlite_sequence WHERE name='memories'"), 0)
        top = max(top, _number(database, "SELECT max(number) FROM memories"))
        shelves = {
            shelf: (scope, name)
            for shelf, scope, name in _each(database, "SELECT shelf, scope, name FROM shelves WHERE shelf=?", top)
            if _is_shelf(scope, name)
        }
        rows: list[tuple[Any, ...]] = []
        lost: list[int] = []
        for number in range(1, min(top, NUMBERS_MAX) + 1):
            try:
                row = database.execute("SELECT * FROM memories WHERE number=?", (number,)).fetchone()
            except sqlite3.Error:
                lost.append(number)
                continue
            if row is not None:
                (rows if _is_whole(row) else lost).append(row if _is_whole(row) else number)  # type: ignore[arg-type]
        carried: list[tuple[str, int]] = []
        with contextlib.suppress(sqlite3.Error):
            for key, number in database.execute("SELECT key, number FROM carried_out"):
                if isinstance(key, str) and type(number) is int:
                    carried.append((key, number))
    except sqlite3.Error:
        return _carved(path)
    finally:
        database.close()
    return shelves, rows, carried, lost, False


def _number(database: sqlite3.Connection, words: str) -> int:
    row = database.execute(words).fetchone()
    return row[0] if row is not None and type(row[0]) is int else 0


def _each(database: sqlite3.Connection, words: str, top: int) -> Iterator[tuple[Any, ...]]:
    for number in range(1, min(top, NUMBERS_MAX) + 1):
        with contextlib.suppress(sqlite3.Error):
            row = database.execute(words, (number,)).fetchone()
            if row is not None:
                yield row


def _carved(path: Path) -> _Read:
    shelves: _Shelves = {}
    rows: dict[int, tuple[Any, ...]] = {}
    for row in carving.rows(path):
        match row:
            case carving.Row(key, (None, str(scope), str(name), int())) if _is_shelf(scope, name):
                shelves[key] = (scope, name)
            case carving.Row(key, (None, *rest)) if len(rest) == 8 and _is_whole((key, *rest)):
                rows[key] = (key, *rest)
            case _:
                pass
    return shelves, [rows[number] for number in sorted(rows)], [], [], True


def _is_shelf(scope: Any, name: Any) -> bool:
    return scope in SCOPES and isinstance(name, str)


def _is_whole(row: tuple[Any, ...]) -> bool:
    """Whether a memory is what was kept. One of format 1 has no checksum, so its types must do."""
    number, shelf, at, trusted, writer, about, text, label, own = row
    if not (type(number) is type(shelf) is type(at) is type(writer) is int and isinstance(label, bytes)):
        return False
    if not (isinstance(about, str) and isinstance(text, str)):
        return False
    return own is None or own == checksum(at, trusted, writer, about, text, label)
