"""Memories: the store of what is to outlive conversations, in one SQLite file of the home that outlives journals, too.

The kernel has decided the shelf and the label of what is kept. Here the label stands beside the text and is given back with it;
it decides nothing but who may have a memory forgotten. What is carried out is remembered by its key, so that a repetition after a
crash changes nothing. Several programs may have the file open at once.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
import zlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from gemot.abi import limits
from gemot.abi.effects import DropMemory, FindMemories, KeepMemory
from gemot.abi.labels import Label
from gemot.abi.memories import Memory, Scope, Shelf
from gemot.authority.labels import RANK
from gemot.machine import indexing

FORMAT = 2
"""2: each memory has a checksum."""

PATIENCE_MILLIS = 5_000
"""How long another program may be writing before this one gives up."""

LOOK = 200
"""How many memories are looked at in one go for those that can be trusted."""

_SCHEMA = """
CREATE TABLE shelves (
    shelf INTEGER PRIMARY KEY, scope TEXT NOT NULL, name TEXT NOT NULL, held INTEGER NOT NULL DEFAULT 0, UNIQUE (scope, name)
);
CREATE TABLE memories (
    number INTEGER PRIMARY KEY AUTOINCREMENT, shelf INTEGER NOT NULL, at INTEGER NOT NULL, trusted INTEGER NOT NULL,
    writer INTEGER NOT NULL, about TEXT NOT NULL, text TEXT NOT NULL, label BLOB NOT NULL,
    own INTEGER
);
CREATE INDEX memories_by_age ON memories (shelf, number);
CREATE INDEX trusted_by_age ON memories (shelf, number) WHERE trusted;
CREATE TABLE carried_out (key TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""

_ROW = "SELECT scope, name, at, writer, about, text, label, trusted, own FROM memories JOIN shelves USING (shelf)"


class MemoriesError(Exception):
    """It can't be done; ``rule`` as in :class:`gemot.abi.answers.Error`."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class Held(Struct, frozen=True, omit_defaults=True):
    """A memory and its shelf."""

    memory: Memory
    shelf: Shelf


class Memories:
    """``path``: the file, made when something is first kept or looked for; None: in memory, gone with this object. May be
    called from any thread. Every method raises :class:`MemoriesError`."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._database: sqlite3.Connection | None = None
        self._closed = False
        self.refused = ""
        """Why nothing is kept, in words; ``""``: memories are kept."""
        self._lock = threading.Lock()

    # What the kernel wants done.

    def keep(self, effect: KeepMemory) -> int:
        """Keep a memory, durably; its number."""
        with self._writing(effect.key) as (database, before):
            if before:
                return before
            shelf, held = _shelf(database, effect.shelf, make=True)
            if held >= limits.MEMORIES_MAX:
                raise MemoriesError(
                    "limit", f"this {effect.shelf.scope} has {held} memories, and no more are kept; forget some first"
                )
            about, text = _storable(effect.about), _storable(effect.text)
            trusted = effect.label.integrity != "foreign"
            row = effect.at, trusted, effect.pid, about, text, msgspec.json.encode(effect.label)
            number = database.execute(
                "INSERT INTO memories (shelf, at, trusted, writer, about, text, label, own) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (shelf, *row, checksum(*row)),
            ).lastrowid
            assert number is not None
            indexing.put(database, shelf, number, about, text)
            database.execute("UPDATE shelves SET held = held + 1 WHERE shelf = ?", (shelf,))
            _carried_out(database, effect.key, number)
            return number

    def find(self, effect: FindMemories) -> tuple[Memory, ...]:
        """The memories of a shelf that fit a query, best first; where it has no word in it, the newest."""
        with self._reading() as database:
            shelf, held = _shelf(database, effect.shelf)
            if not held:
                return ()
            numbers = itertools.islice(_fitting(database, shelf, effect.query, effect.trusted), effect.limit)
            return tuple(_of_a_page(one.memory for one in _held(database, numbers, effect.at)))

    def drop(self, effect: DropMemory) -> int:
        """Forget a memory; its number."""
        with self._writing(effect.key) as (database, before):
            if before:
                return before
            shelf, _ = _shelf(database, effect.shelf)
            theirs = database.execute(
                "SELECT label FROM memories WHERE number = ? AND shelf = ?", (effect.memory, shelf)
            ).fetchone()
            if theirs is None:
                raise MemoriesError(
                    "unknown",
                    f"this {effect.shelf.scope} has no memory {effect.memory}; recall gives the numbers of those it has",
                )
            integrity = msgspec.json.decode(theirs[0], type=Label).integrity
            if RANK[integrity] > RANK[effect.integrity]:
                raise MemoriesError(
                    "steering",
                    f"memory {effect.memory} can be trusted more ({integrity}) than what this process says "
                    f"({effect.integrity}), so it may not have it forgotten; the person can: gemot forget {effect.memory}",
                )
            _remove(database, [effect.memory])
            _carried_out(database, effect.key, effect.memory)
            return effect.memory

    # What a person does.

    def shelves(self) -> list[tuple[Shelf, int]]:
        """Every shelf that holds something, and how much."""
        with self._reading() as database:
            rows = database.execute("SELECT scope, name, held FROM shelves WHERE held ORDER BY scope, name").fetchall()
            return [(Shelf(scope, name), held) for scope, name, held in rows]

    def listed(self, shelf: Shelf, query: str, most: int, now_ms: int) -> list[Held]:
        """As :meth:`find`, however long the list is."""
        with self._reading() as database:
            place, held = _shelf(database, shelf)
            if not held:
                return []
            numbers = itertools.islice(_fitting(database, place, query, False), most)
            return list(_held(database, numbers, now_ms))

    def forget(self, *numbers: int) -> list[int]:
        """Forget memories, whoever wrote them; the numbers of those that there were."""
        with self._writing() as (database, _):
            return _remove(database, numbers)

    def clear(self, shelf: Shelf) -> int:
        """Forget all memories of a shelf; how many there were."""
        with self._writing() as (database, _):
            place, _held_there = _shelf(database, shelf)
            rows = database.execute("SELECT number FROM memories WHERE shelf = ?", (place,)).fetchall()
            return len(_remove(database, [number for (number,) in rows]))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._database is not None:
                self._database.close()
                self._database = None

    # The file.

    @contextlib.contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._explained():
            yield self._open()

    @contextlib.contextmanager
    def _writing(self, key: str = "") -> Generator[tuple[sqlite3.Connection, int]]:
        """One transaction; with it the memory that this key was about when it was carried out before, or 0."""
        with self._lock, self._explained():
            database = self._open()
            database.execute("BEGIN IMMEDIATE")
            try:
                row = database.execute("SELECT number FROM carried_out WHERE key = ?", (key,)).fetchone()
                yield database, 0 if row is None else row[0]
                self._commit(database)
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")

    def _commit(self, database: sqlite3.Connection) -> None:
        """Raises :class:`MemoriesError`: ``in_doubt`` where the disk failed, since what was written may be there or not."""
        try:
            database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_IOERR:
                raise
            raise MemoriesError(
                "in_doubt",
                f"in doubt: the disk failed while this was written ({error}); look with recall what is there now",
            ) from error

    def _open(self) -> sqlite3.Connection:
        if self.refused:
            raise MemoriesError("unavailable", f"no memory is kept: {self.refused}")
        if self._closed:
            raise MemoriesError("failed", "the machine was closed before this was done")
        if self._database is None:
            if self.path is not None:
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            database = sqlite3.connect(self.path or ":memory:", isolation_level=None, check_same_thread=False)
            try:
                self._prepare(database)
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute(f"PRAGMA busy_timeout = {PATIENCE_MILLIS}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("BEGIN IMMEDIATE")
        (written,) = database.execute("PRAGMA user_version").fetchone()
        if written > FORMAT:
            raise MemoriesError(
                "failed",
                f"{self.path} was written by a newer gemot (format {written}, this one knows {FORMAT}); nothing was changed",
            )
        if written == 1:
            database.execute("ALTER TABLE memories ADD COLUMN own INTEGER")
        if not written:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                database.execute(statement)
        if written < FORMAT:
            database.execute(f"PRAGMA user_version = {FORMAT}")
        database.execute("COMMIT")

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        """SQLite's errors in our words."""
        file = "the memories" if self.path is None else f"the memories in {self.path}"
        try:
            yield
        except sqlite3.OperationalError as error:
            raise MemoriesError("failed", f"{file} can't be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise MemoriesError(
                "failed", f"{file} can't be read: {error}. Move the file away, and gemot begins a new one"
            ) from error
        except OSError as error:
            raise MemoriesError("failed", f"{file} can't be used: {error.strerror}") from error


def _shelf(database: sqlite3.Connection, shelf: Shelf, make: bool = False) -> tuple[int, int]:
    """The number of a shelf (0: there is none) and how many memories it holds."""
    name = shelf.name
    if shelf.scope == "project":  # a link may lead to a name that is not UTF-8
        name = os.fsencode(os.path.realpath(name)).decode(errors="backslashreplace")
    where = (shelf.scope, _storable(name))
    row = database.execute("SELECT shelf, held FROM shelves WHERE scope = ? AND name = ?", where).fetchone()
    if row is None and make:
        number = database.execute("INSERT INTO shelves (scope, name) VALUES (?, ?)", where).lastrowid
        assert number is not None
        indexing.make(database, number)
        return number, 0
    return row or (0, 0)


def _fitting(database: sqlite3.Connection, shelf: int, query: str, trusted: bool) -> Iterator[int]:
    """The numbers of memories that fit, best first."""
    found = indexing.search(database, shelf, query)
    if found is None:
        only = "AND trusted" if trusted else ""
        rows = database.execute(f"SELECT number FROM memories WHERE shelf = ? {only} ORDER BY number DESC", (shelf,))
        return (number for (number,) in rows)
    return _trusted(database, found) if trusted else found


def _trusted(database: sqlite3.Connection, numbers: Iterator[int]) -> Iterator[int]:
    while some := list(itertools.islice(numbers, LOOK)):
        marks = ",".join("?" * len(some))
        rows = database.execute(f"SELECT number FROM memories WHERE trusted AND number IN ({marks})", some)
        kept = {number for (number,) in rows}
        yield from (number for number in some if number in kept)


def _held(database: sqlite3.Connection, numbers: Iterable[int], now_ms: int) -> Iterator[Held]:
    for number in numbers:
        row: tuple[Scope, str, int, int, str, str, bytes, int, int | None] | None
        row = database.execute(f"{_ROW} WHERE number = ?", (number,)).fetchone()
        if row is not None:
            scope, name, at, writer, about, text, label, trusted, own = row
            if own is not None and own != checksum(at, trusted, writer, about, text, label):
                raise MemoriesError(
                    "failed",
                    f"memory {number} is not what was kept: the file is damaged. gemot forget {number} takes it away",
                )
            age = max(0, now_ms - at) // 1000
            known = msgspec.json.decode(label, type=Label)
            yield Held(Memory(number, text, scope, age, about, writer, known), Shelf(scope, name))


def checksum(at: Any, trusted: Any, writer: Any, about: Any, text: Any, label: Any) -> int:
    """CRC-32 over a memory. Its parts may be anything."""
    return zlib.crc32(repr((at, int(bool(trusted)), writer, about, text, label)).encode("utf-8", "surrogatepass"))


def flaws(path: Path) -> Iterator[str]:
    """What is damaged in a file of memories, in words. Nothing is written."""
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            yield from (message for (message,) in database.execute("PRAGMA integrity_check(5)") if message != "ok")
            (written,) = database.execute("PRAGMA user_version").fetchone()
            if written > FORMAT:
                yield f"it was written by a newer gemot (format {written})"
                return
            if not written:
                return
            own = "own" if written > 1 else "NULL"
            rows = database.execute(f"SELECT number, at, trusted, writer, about, text, label, {own} FROM memories")
            for number, *parts, known in rows:
                if known is not None and known != checksum(*parts):
                    yield f"memory {number} is not what was kept"
            for shelf, held in database.execute("SELECT shelf, held FROM shelves").fetchall():
                (count,) = database.execute("SELECT count(*) FROM memories WHERE shelf = ?", (shelf,)).fetchone()
                if count != held:
                    yield f"shelf {shelf} has {count} memories, and says that it has {held}"
        finally:
            database.close()
    except sqlite3.Error as error:
        yield str(error)


def _of_a_page(memories: Iterable[Memory]) -> Iterator[Memory]:
    """As many as are read at once, and at least the best."""
    room = limits.RECALL_CHARS_MAX
    for memory in memories:
        room -= len(memory.text) + len(memory.about)
        if room < 0:
            return
        yield memory


def _remove(database: sqlite3.Connection, numbers: Iterable[int]) -> list[int]:
    gone: list[int] = []
    for number in numbers:
        row: Any = database.execute("SELECT shelf, about, text FROM memories WHERE number = ?", (number,)).fetchone()
        if row is not None:
            indexing.take(database, row[0], number, row[1], row[2])
            database.execute("DELETE FROM memories WHERE number = ?", (number,))
            database.execute("UPDATE shelves SET held = held - 1 WHERE shelf = ?", (row[0],))
            gone.append(number)
    return gone


def _carried_out(database: sqlite3.Connection, key: str, number: int) -> None:
    database.execute("INSERT INTO carried_out VALUES (?, ?)", (key, number))


def _storable(text: str) -> str:
    """What can't be written as UTF-8 becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
