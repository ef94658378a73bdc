"""The journal on SQLite: one file, write-ahead log, one writer, every record with a checksum.

Durability. ``synchronous`` is switched per transaction: FULL where the caller asks for ``synced`` (the batch holds the
intent of something that must not happen twice, or a person's word), NORMAL otherwise. In WAL mode NORMAL survives a
killed process, not a power cut.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from gemot.journal.contract import FORMAT, Damaged, Fenced, Full, JournalError, KeptTree, Record, TooNew

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    position INTEGER PRIMARY KEY, at INTEGER NOT NULL, pid INTEGER NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL
);
DROP INDEX IF EXISTS records_of_process;
CREATE TABLE IF NOT EXISTS checkpoints (position INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS trees (root INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pieces (
    number INTEGER NOT NULL, start INTEGER NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (number, start)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS root_of (pid INTEGER PRIMARY KEY, root INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS contents (digest TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""


PATIENCE_SECONDS = 30.0
"""How long a write waits for another program that holds the file: a backup, a database browser."""
LOCK_SECONDS = 2.0
"""How long SQLite itself waits before that is said."""

LOG_PAGES = 4_000
"""Pages (16 MB) of the write-ahead log before they are moved to their place, which costs two syncs."""


_log = logging.getLogger("gemot.journal")


def _is_held(error: sqlite3.OperationalError) -> bool:
    """Whether another program has the file's lock."""
    return "locked" in str(error) or "busy" in str(error)


def checksum(position: int, at: int, pid: int, body: bytes) -> int:
    """CRC-32 over the whole record, so that a record can't be moved or changed unnoticed by accident."""
    return zlib.crc32(body, zlib.crc32(f"{position},{at},{pid}".encode()))


class SqliteJournal:
    """A journal in the file ``path``. ``writing=False`` looks only, beside a running machine."""

    def __init__(self, path: Path, *, writing: bool = True) -> None:
        self.path = path
        self._synced = True
        try:
            if writing:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            target = str(path) if writing else f"{path.absolute().as_uri()}?mode=ro"
            self._db = sqlite3.connect(
                target, isolation_level=None, uri=not writing, check_same_thread=False, cached_statements=32
            )
            with self._explained():
                self._open(writing)
        except (OSError, sqlite3.OperationalError) as error:
            raise JournalError(
                f"the journal {path} can't be opened: {error}. Check that the folder exists and that you may write to it"
            ) from error

    def _open(self, writing: bool) -> None:
        db = self._db
        db.execute(f"PRAGMA busy_timeout={round(LOCK_SECONDS * 1000)}")
        if writing:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA journal_size_limit=67108864")
            db.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
        known = db.execute("SELECT name FROM sqlite_master WHERE name='about'").fetchone()
        written = dict(db.execute("SELECT key, value FROM about")) if known else {}
        if written.get("format", FORMAT) > FORMAT:
            raise TooNew(
                f"the journal {self.path} was written by a newer gemot (format {written['format']}, this one reads up to {FORMAT}). "
                "Nothing was changed. Upgrade gemot, or name another folder with --home"
            )
        self._epoch = written.get("epoch", 0)
        if writing:
            db.executescript(_SCHEMA)
            self._epoch += 1
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT OR REPLACE INTO about VALUES ('epoch', ?), ('format', ?)", (self._epoch, FORMAT))
            db.execute("COMMIT")
        else:
            self._stand_in()
        has_records = db.execute("SELECT name FROM sqlite_master WHERE name='records'").fetchone()
        self.position: int = (
            db.execute("SELECT coalesce(max(position), 0) FROM records").fetchone()[0] if has_records else 0
        )

    def _stand_in(self) -> None:
        """For tables that this file does not have, because an earlier version made it, have empty ones that are not in it."""
        there = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        for table in ("checkpoints", "trees", "pieces", "root_of", "contents"):
            if there and table not in there:
                start = _SCHEMA.index(f"CREATE TABLE IF NOT EXISTS {table} ")
                made = _SCHEMA[start : _SCHEMA.index(";", start)]
                self._db.execute(made.replace("TABLE IF NOT EXISTS", "TEMP TABLE"))

    @contextlib.contextmanager
    def _explained(self, position: int = 0) -> Generator[None]:
        """SQLite's errors in the words of the contract."""
        try:
            yield
        except sqlite3.OperationalError as error:
            words = str(error)
            if "full" in words or "readonly" in words or "I/O" in words:
                raise Full(
                    f"the journal {self.path} can't be written: {words}. Nothing of this step was kept or done; make room, then `gemot resume`"
                ) from error
            if _is_held(error):
                raise JournalError(
                    f"the journal {self.path} is held by another program (a backup, a database browser?), also after "
                    f"{PATIENCE_SECONDS:.0f} s. Nothing of this step was kept or done; end that program, then `gemot resume`"
                ) from error
            raise JournalError(f"the journal {self.path} can't be used: {words}") from error
        except sqlite3.ProgrammingError as error:
            raise JournalError(f"the journal {self.path} can't be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise Damaged(
                f"the journal {self.path} is damaged ({error}). `gemot doctor --salvage` keeps the damaged file and goes on with what can be read",
                position,
            ) from error

    def _patiently(self, words: str, values: tuple[Any, ...] = ()) -> None:
        """Execute what needs the file's lock; another program may have it for a while. Waiting is said once."""
        until = time.monotonic() + PATIENCE_SECONDS
        said = False
        while True:
            try:
                self._db.execute(words, values)
                return
            except sqlite3.OperationalError as error:
                if not _is_held(error) or time.monotonic() > until:
                    raise
                if not said:
                    _log.warning("gemot: another program holds the journal %s; waiting for it", self.path)
                said = True

    def append(self, expected: int, entries: Iterable[tuple[int, int, bytes]], *, synced: bool) -> int:
        rows = [
            (position, at, pid, body, checksum(position, at, pid, body))
            for position, (at, pid, body) in enumerate(entries, expected + 1)
        ]
        db = self._db
        with self._explained(expected):
            if synced != self._synced:
                db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
                self._synced = synced
            self._patiently("BEGIN IMMEDIATE")
            try:
                self._check_fence(expected)
                db.executemany("INSERT INTO records VALUES (?,?,?,?,?)", rows)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        self.position = expected + len(rows)
        return self.position

    def _check_fence(self, expected: int) -> None:
        epoch = self._db.execute("SELECT value FROM about WHERE key='epoch'").fetchone()[0]
        if epoch != self._epoch or expected != self.position:
            raise Fenced(f"another machine has opened {self.path} since, so this one may not write to it any more")

    def read(self, after: int = 0, pid: int | None = None) -> Iterator[Record]:
        where, values = ("AND pid=?", (after, pid)) if pid is not None else ("", (after,))
        last = after
        with self._explained(after + 1):
            cursor = self._db.execute(
                f"SELECT position, at, pid, body, checksum FROM records WHERE position>? {where} ORDER BY position",
                values,
            )
        while True:
            with self._explained(last + 1):
                row = cursor.fetchone()
            if row is None:
                return
            position, at, owner, body, written = row
            whole = isinstance(body, bytes) and checksum(position, at, owner, body) == written
            if not whole or (pid is None and position != last + 1):
                raise Damaged(
                    f"record {last + 1} of the journal {self.path} is missing or not what was written. "
                    f"`gemot doctor --salvage` keeps the damaged file and goes on with the {last} records before it",
                    last + 1,
                )
            last = position
            yield Record(position, at, owner, body)

    def put_value(self, text: str) -> str:
        body = text.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(body).hexdigest()
        with self._explained():
            self._patiently("INSERT OR IGNORE INTO contents VALUES (?,?)", (digest, body))
        return digest

    def value(self, digest: str, start: int = 0, length: int | None = None) -> str:
        with self._explained():
            row = self._db.execute("SELECT body FROM contents WHERE digest=?", (digest,)).fetchone()
        if row is None or hashlib.sha256(row[0]).hexdigest() != digest:
            raise Damaged(f"the value {digest[:12]} in the journal {self.path} is gone or not what was written", 0)
        text = row[0].decode("utf-8", "surrogatepass")
        return text[start : None if length is None else start + length]

    def put_checkpoint(
        self,
        position: int,
        body: bytes,
        trees: Iterable[KeptTree] = (),
        pieces: Iterable[tuple[int, int, bytes]] = (),
    ) -> None:
        with self._explained():
            db = self._db
            self._patiently("BEGIN IMMEDIATE")
            try:
                self._check_fence(self.position)
                for tree in trees:
                    db.execute("REPLACE INTO trees VALUES (?,?,?)", (tree.root, tree.body, zlib.crc32(tree.body)))
                    db.executemany(
                        "INSERT OR IGNORE INTO root_of VALUES (?,?)", [(pid, tree.root) for pid in tree.pids]
                    )
                written = list(pieces)
                db.executemany("DELETE FROM pieces WHERE number=?", [(one[0],) for one in written if not one[1]])
                db.executemany(
                    "REPLACE INTO pieces VALUES (?,?,?,?)",
                    [(number, start, part, zlib.crc32(part)) for number, start, part in written],
                )
                db.execute("DELETE FROM checkpoints")
                db.execute("INSERT INTO checkpoints VALUES (?,?,?)", (position, body, zlib.crc32(body)))
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def checkpoint(self) -> tuple[int, bytes] | None:
        with self._explained():
            rows = self._db.execute(
                "SELECT position, body, checksum FROM checkpoints WHERE position<=?", (self.position,)
            ).fetchall()
        return next(((at, body) for at, body, written in rows if zlib.crc32(body) == written), None)

    def tree(self, pid: int) -> bytes | None:
        with self._explained():
            self._check_fence(self.position)
            row = self._db.execute(
                "SELECT trees.root, body, checksum FROM root_of JOIN trees ON trees.root=root_of.root WHERE pid=?",
                (pid,),
            ).fetchone()
        return None if row is None else self._whole(*row)

    def pieces(self, number: int) -> list[bytes]:
        with self._explained():
            rows = self._db.execute(
                "SELECT number, body, checksum FROM pieces WHERE number=? ORDER BY start", (number,)
            ).fetchall()
        return [self._whole(*row) for row in rows]

    def trees(self) -> Iterator[bytes]:
        with self._explained():
            rows = self._db.execute("SELECT root, body, checksum FROM trees ORDER BY root")
        for row in rows:
            yield self._whole(*row)

    def _whole(self, root: int, body: bytes, written: int) -> bytes:
        if zlib.crc32(body) != written:
            raise Damaged(
                f"what the journal {self.path} keeps of tree {root} is not what was written. Its records have all of it: "
                "they are folded from the first when the journal is opened next",
                0,
            )
        return body

    def blank(self, root: int, records: Iterable[tuple[int, bytes]]) -> None:
        with self._explained(), self._db as db:
            self._patiently("BEGIN IMMEDIATE")
            self._check_fence(self.position)
            for position, body in records:
                (at,) = db.execute("SELECT at FROM records WHERE position=?", (position,)).fetchone()
                db.execute(
                    "UPDATE records SET pid=0, body=?, checksum=? WHERE position=?",
                    (body, checksum(position, at, 0, body), position),
                )
            db.execute("DELETE FROM trees WHERE root=?", (root,))
            db.execute("DELETE FROM root_of WHERE root=?", (root,))

    def drop_checkpoint(self) -> None:
        with self._explained(), self._db as db:
            self._patiently("BEGIN IMMEDIATE")
            self._check_fence(self.position)
            for table in ("checkpoints", "trees", "root_of", "pieces"):
                db.execute(f"DELETE FROM {table}")

    def values(self) -> Iterator[str]:
        """Every text that was kept."""
        for (body,) in self._db.execute("SELECT body FROM contents"):
            yield body.decode("utf-8", "surrogatepass")

    def close(self) -> None:
        self._db.close()


def salvage(path: Path, kept: Path, last: int) -> int:
    """Move a damaged journal to ``kept`` and write a new one with its records up to ``last``; returns how many those are.

    Nothing is lost: the damaged file stays as it is, under its new name.
    """
    for suffix in ("", "-wal", "-shm"):
        old = Path(f"{path}{suffix}")
        if old.exists():
            old.rename(f"{kept}{suffix}")
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
    with contextlib.suppress(JournalError, sqlite3.DatabaseError):
        for text in old.values():
            new.put_value(text)
    old.close()
    new.close()
    return new.position
