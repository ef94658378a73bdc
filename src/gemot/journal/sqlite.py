"""The journal on SQLite: one file, write-ahead log, one writer, every record with a seal, and a mark of the end beside it.

Durability. ``synchronous`` is switched per transaction: FULL where the caller asks for ``synced`` (the batch holds the
intent of something that must not happen twice, or a person's word), NORMAL otherwise. In WAL mode NORMAL survives a
killed process, not a power cut.

Format 1 had a CRC in the column of the seal. Such a file is taken over when it is opened to be written: the column is renamed, and the
chain begins with the next record. From format 3 on rows bear the number of their journal (:class:`gemot.journal.seals.Origin`); those of an
earlier format stay as they are. Nothing else is rewritten, so taking over takes no longer for a long journal.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from gemot.journal import endmark
from gemot.journal.contract import FORMAT, INDEX, Damaged, Fenced, JournalError, KeptTree, Record, TooNew
from gemot.journal.database import Database, log_of, must_be_in_place
from gemot.journal.endmark import POSITIONS_MAX, EndMark, Mark
from gemot.journal.runs import Run, joined, stretches
from gemot.journal.seals import ROOT, Chain, Origin, drawn, is_run, kept_fits, kept_sum, run_seal, seal_of, sealed

SCHEMA = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
    position INTEGER PRIMARY KEY, at INTEGER NOT NULL, pid INTEGER NOT NULL, body BLOB NOT NULL, seal BLOB NOT NULL
);
DROP INDEX IF EXISTS records_of_process;
CREATE TABLE IF NOT EXISTS runs (
    last INTEGER PRIMARY KEY, first INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL, seal BLOB NOT NULL,
    own BLOB NOT NULL, lost INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS checkpoints (position INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS contents (digest TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""
TREES = """
CREATE TABLE IF NOT EXISTS trees (root INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pieces (
    number INTEGER NOT NULL, start INTEGER NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (number, start)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS root_of (pid INTEGER PRIMARY KEY, root INTEGER NOT NULL);
"""
KEPT = ("checkpoints", "trees", "root_of", "pieces")
"""The tables of a checkpoint."""

PORTION = 256
"""Records that are read at once. Nothing is open between two portions, so a reader that stands still holds up nobody."""

BATCH_MAX = 1_000
"""How far back the end of a batch is looked for, to check the chain from there. A step of the machine has at most a tenth of this."""

PAGES_AT_CLOSE = 2_000
"""Unused pages (8 MB) that a machine gives back when it closes, at most."""

_PLAIN = "SELECT position, at, pid, body, {seal}, 0, NULL FROM records WHERE position>?1 ORDER BY 1 LIMIT ?2"
_WITH_RUNS = """
SELECT position, at, pid, body, seal, 0, NULL FROM records WHERE position>?1
UNION ALL SELECT last, at, 0, body, seal, first, own FROM runs WHERE last>?1 ORDER BY 1 LIMIT ?2
"""

SALVAGED = b'{"type":"salvaged"'
"""The beginning of the record of a salvage."""

_log = logging.getLogger("gemot.journal")


class SqliteJournal:
    """A journal in the file ``path``. ``writing=False`` looks only, beside a running machine. ``trusting``: whatever the end mark says;
    for those who look at what is left. ``moment``: only looking, and all that is read is of one moment, whatever is written meanwhile. As long
    as that is open the log can't be moved, so it must be closed soon."""

    def __init__(self, path: Path, *, writing: bool = True, trusting: bool = False, moment: bool = False) -> None:
        self.path = path
        self._has_log = log_of(path).exists()
        self._mark: EndMark | None = None
        self._seal = ROOT
        self._synced: bool = True
        self.fresh: set[str] | None = None
        must_be_in_place(path, writing)
        try:
            mark = "" if trusting else endmark.read(path)
        except OSError as error:
            raise JournalError(f"{endmark.path_of(path)} can't be read: {error.strerror}") from error
        there = path.exists()
        if not there and isinstance(mark, Mark) and mark.end.position:
            raise endmark.ends_early(path, mark, 0, self._has_log)
        self._file = Database(path, writing)
        self._db = self._file.raw
        try:
            with self._file.explained():
                if moment and not writing:
                    self._db.execute("BEGIN")
                self._look(mark)
                if writing:
                    self._take()
                else:
                    self._stand_in()
        except BaseException:
            self.close()
            raise

    @property
    def database(self) -> sqlite3.Connection:
        """To look at the tables themselves."""
        return self._db

    @property
    def is_begun(self) -> bool:
        """It has tables: a file of no bytes, which a killed start leaves, has none."""
        return bool(self._tables)

    @property
    def seal(self) -> bytes:
        """The seal of the last record."""
        return self._seal_at(self.position)

    @property
    def is_dropped(self) -> bool:
        """A damaged page lies where checkpoints are kept, so there is none."""
        return self._dropped

    def _look(self, mark: Mark | str) -> None:
        """Learn where the journal stands. Nothing is written."""
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        is_begun = "about" in tables
        written: dict[str, int] = dict(self._db.execute("SELECT key, value FROM about")) if is_begun else {}
        self._format = written.get("format", FORMAT)
        lost = {"about", "records", *(("runs", "contents", *KEPT) if self._format >= 2 else ())} - tables
        lost |= {"about"} if self._format >= 3 and written and "number" not in written else set()
        if tables and (
            lost or not all(type(value) is int and 0 <= value < POSITIONS_MAX for value in written.values())
        ):
            raise self._unreadable(f"the table {min(lost)} is not there" if lost else "the table about is changed", 0)
        if self._format > FORMAT:
            raise TooNew(
                f"the journal {self.path} was written by a newer gemot (format {self._format}, this one reads up to {FORMAT}). "
                "Nothing was changed. Upgrade gemot, or name another folder with --home"
            )
        self._column = "seal" if self._format >= 2 else "checksum"
        self._epoch = written.get("epoch", 0)
        self._chain = written.get("chain", 0) if self._format >= 2 else (1 << 63)
        """Up to this position a record may have a CRC instead of a seal."""
        self._dropped = bool(written.get("dropped"))
        """A damaged page lies where checkpoints are kept: none is given, none is taken."""
        self._tables = tables
        self.base = written.get("base", 0)
        self.origin = Origin(written.get("number", 0), written.get("numbered", 0))
        self.position: int = 0
        if "records" in tables:
            self.position = self._db.execute("SELECT coalesce(max(position), 0) FROM records").fetchone()[0]
        if "runs" in tables:
            last = self._db.execute("SELECT coalesce(max(last), 0) FROM runs").fetchone()[0]
            self.position = max(self.position, last)
        if self.base:
            row = self._db.execute("SELECT body FROM records WHERE position=?", (self.base + 1,)).fetchone()
            if row is None or not (isinstance(row[0], bytes) and row[0].startswith(SALVAGED)):
                raise self._unreadable("the record from which all others are folded is not there", self.base + 1)
        if isinstance(mark, Mark):
            self._compare(mark)

    def _stand_in(self) -> None:
        """For tables that this file does not have, because an earlier version made it, have empty ones that are not in it."""
        made = SCHEMA + TREES
        for table in (*KEPT, "contents", "runs"):
            if self._tables and table not in self._tables:
                start = made.index(f"CREATE TABLE IF NOT EXISTS {table} ")
                words = made[start : made.index(";", start)]
                self._db.execute(words.replace("TABLE IF NOT EXISTS", "TEMP TABLE"))

    def _compare(self, mark: Mark) -> None:
        """Raises :class:`Damaged` where the journal does not hold what the end mark says was written."""
        end = mark.end
        is_other = bool(mark.number and self.origin.number) and mark.number != self.origin.number
        if end.position > self.position and not is_other:
            raise endmark.ends_early(self.path, mark, self.position, self._has_log)
        there = self._seal_at(end.position)
        if is_other or (there != end.seal and (there or self.is_amid(end.position))):
            raise endmark.names_another(self.path, end.position)

    def is_amid(self, position: int) -> bool:
        """Whether a batch goes on after this record, so no journal ended here. Where the record was archived that is not known."""
        if "records" not in self._tables or position <= self._chain:
            return False
        row = self._db.execute(f"SELECT {self._column} FROM records WHERE position=?", (position,)).fetchone()
        return row is not None and isinstance(row[0], int)

    def _take(self) -> None:
        """Become the writer: whoever was it before is fenced off."""
        db, file = self._db, self._file
        if not self._tables:
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        file.patiently("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA journal_size_limit=67108864")
        db.execute("PRAGMA wal_autocheckpoint=0")
        if file.was_left and not file.move_log(all_of_it=True):
            _log.warning("gemot: another program reads the journal %s, so its log stays where it is", self.path)
        with file.transaction():
            if self._format < 2 and "records" in self._tables:
                db.execute("ALTER TABLE records RENAME COLUMN checksum TO seal")
                db.execute("INSERT OR REPLACE INTO about VALUES ('chain', ?)", (self.position,))
                self._chain = self.position
            for statement in filter(str.strip, (SCHEMA + TREES).split(";")):
                db.execute(statement)
            self._epoch = dict(db.execute("SELECT key, value FROM about")).get("epoch", 0) + 1
            db.execute("INSERT OR REPLACE INTO about VALUES ('epoch', ?), ('format', ?)", (self._epoch, FORMAT))
            if not self.origin.number:
                self.origin = drawn(self.position)
                db.execute("INSERT OR REPLACE INTO about VALUES ('number', ?), ('numbered', ?)", self.origin)
        self._format, self._column, self._tables = FORMAT, "seal", self._tables | {"records", "runs", *KEPT}
        self._seal = self._seal_at(self.position)
        self._mark = EndMark(self.path, self.origin.number)
        self._mark.put(self.position, self._seal, synced=True)

    def _seal_at(self, position: int) -> bytes:
        """The seal from which the chain goes on after a position; empty where it is not known."""
        if not position:
            return ROOT
        with self._file.explained(position):
            if "records" in self._tables:
                row = self._db.execute(f"SELECT {self._column} FROM records WHERE position=?", (position,)).fetchone()
                if row is not None:
                    return seal_of(row[0], position <= self._chain)
            if "runs" in self._tables:
                row = self._db.execute("SELECT seal FROM runs WHERE last=?", (position,)).fetchone()
                return row[0] if row is not None and isinstance(row[0], bytes) else b""
        return b""

    def _batch_before(self, position: int) -> tuple[int, bytes]:
        """The end of the last batch up to a position, and its seal; the position itself and nothing where that is not known."""
        last, seal = position, self._seal_at(position)
        while not seal and position - last < BATCH_MAX and last != self.base:
            last -= 1
            seal = self._seal_at(last)
        return (last, seal) if seal or last == self.base else (position, b"")

    def append(self, expected: int, entries: Iterable[tuple[int, int, bytes]], *, synced: bool) -> int:
        rows, seal, size = sealed(self._seal, expected, entries, self.origin.number)
        file, db = self._file, self._db
        file.must_work()
        try:
            if synced != self._synced:
                db.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
                self._synced = synced
            file.patiently("BEGIN IMMEDIATE")
            self._check_fence(expected)
            db.executemany("INSERT INTO records VALUES (?,?,?,?,?)", rows)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise file.in_words(error, expected) from error
        finally:
            file.roll_back()
        self.position, self._seal = expected + len(rows), seal
        if self._mark is not None:
            self._mark.put(self.position, seal, synced)
        file.wrote(size)
        return self.position

    def _check_fence(self, expected: int) -> None:
        (epoch,) = self._db.execute("SELECT value FROM about WHERE key='epoch'").fetchone() or (0,)
        if epoch != self._epoch or expected != self.position:
            raise Fenced(f"another machine has opened {self.path} since, so this one may not write to it any more")

    def read(self, after: int = 0, pid: int | None = None, evidence: bool = False) -> Iterator[Record]:
        after = after if evidence else max(after, self.base)
        last, seal = self._batch_before(after)
        chain = Chain(seal, self.origin)
        while rows := self._portion(last):
            for position, at, owner, body, written, first, own in rows:
                if own is not None:
                    whole = (
                        is_run(first, position, at, body, written, own, self.origin) and first <= last + 1 <= position
                    )
                    chain.go_on(written)
                else:
                    whole = position == last + 1 and chain.fits(
                        position, at, owner, body, written, position <= self._chain
                    )
                if not whole:
                    raise self._unreadable(f"record {last + 1} is missing or not what was written", last + 1)
                last = position
                if position > after and (pid is None or owner == pid):
                    yield Record(position, at, owner, body, first if first != position else 0)

    def _unreadable(self, why: str, position: int) -> Damaged:
        return Damaged(
            f"the journal {self.path} is damaged ({why}). `gemot doctor --deep` says what is whole and what is lost; `gemot doctor --salvage` keeps "
            "the damaged file and goes on with what is whole",
            position,
        )

    def _portion(self, after: int) -> list[tuple[Any, ...]]:
        with self._file.explained(after + 1):
            if (
                "runs" in self._tables
                and self._db.execute("SELECT 1 FROM runs WHERE last>? LIMIT 1", (after,)).fetchone()
            ):
                return self._db.execute(_WITH_RUNS, (after, PORTION)).fetchall()
            if "records" not in self._tables:
                return []
            return self._db.execute(_PLAIN.format(seal=self._column), (after, PORTION)).fetchall()

    def put_value(self, text: str) -> str:
        body = text.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(body).hexdigest()
        self._file.must_work()
        with self._file.explained():
            self._file.patiently("INSERT OR IGNORE INTO contents VALUES (?,?)", (digest, body))
        if self.fresh is not None:
            self.fresh.add(digest)
        self._file.wrote(len(body))
        return digest

    def value(self, digest: str, start: int = 0, length: int | None = None) -> str:
        with self._file.explained():
            row = self._db.execute("SELECT body FROM contents WHERE digest=?", (digest,)).fetchone()
        if row is None or not isinstance(row[0], bytes) or hashlib.sha256(row[0]).hexdigest() != digest:
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
        if self._dropped:
            raise Damaged(
                f"a damaged page of the journal {self.path} lies where checkpoints are kept, so none is taken: all records are folded when "
                "it is opened. `gemot doctor --salvage` writes the file anew",
                0,
            )
        size, mine = len(body), self.origin.number
        with self._file.transaction() as db:
            self._check_fence(self.position)
            for tree in trees:
                db.execute(
                    "REPLACE INTO trees VALUES (?,?,?)", (tree.root, tree.body, kept_sum(tree.body, mine, tree.root))
                )
                db.executemany("INSERT OR IGNORE INTO root_of VALUES (?,?)", [(pid, tree.root) for pid in tree.pids])
                size += len(tree.body)
            written = list(pieces)
            db.executemany(
                "DELETE FROM pieces WHERE number=?", [(number,) for number, start, _ in written if not start]
            )
            db.executemany(
                "REPLACE INTO pieces VALUES (?,?,?,?)",
                [(number, start, part, kept_sum(part, mine, number, start)) for number, start, part in written],
            )
            db.execute("DELETE FROM checkpoints")
            db.execute("INSERT INTO checkpoints VALUES (?,?,?)", (position, body, kept_sum(body, mine, position)))
        self._file.wrote(size + sum(len(part) for _, _, part in written))

    def checkpoint(self) -> tuple[int, bytes] | None:
        if self._dropped or "checkpoints" not in self._tables:
            return None
        with self._file.explained():
            rows = self._db.execute(
                "SELECT position, body, checksum FROM checkpoints WHERE position<=?", (self.position,)
            ).fetchall()
        return next(((at, body) for at, body, written in rows if kept_fits(body, written, self.origin, at)), None)

    def tree(self, pid: int) -> bytes | None:
        with self._file.explained():
            self._check_fence(self.position)
            if self._dropped:
                return None
            row = self._db.execute(
                "SELECT trees.root, body, checksum FROM root_of JOIN trees ON trees.root=root_of.root WHERE pid=?",
                (pid,),
            ).fetchone()
        return None if row is None else self._whole(row[1], row[2], row[0])

    def pieces(self, number: int) -> list[bytes]:
        with self._file.explained():
            rows = self._db.execute(
                "SELECT number, start, body, checksum FROM pieces WHERE number=? ORDER BY start", (number,)
            ).fetchall()
        return [self._whole(body, written, number, start) for number, start, body, written in rows]

    def trees(self) -> Iterator[bytes]:
        last = -1
        while rows := [] if self._dropped else self._trees(last):
            for row in rows:
                yield self._whole(row[1], row[2], row[0])
            last = rows[-1][0]

    def _trees(self, after: int) -> list[Any]:
        with self._file.explained():
            return self._db.execute(
                "SELECT root, body, checksum FROM trees WHERE root>? ORDER BY root LIMIT ?", (after, PORTION)
            ).fetchall()

    def roots(self, before: int, most: int) -> list[int]:
        if self._dropped:
            return []
        with self._file.explained():
            rows = self._db.execute(
                "SELECT root FROM trees WHERE root<? ORDER BY root DESC LIMIT ?", (before or 1 << 62, most)
            )
            return [root for (root,) in rows.fetchall()]

    def _whole(self, body: Any, written: Any, *keys: int) -> bytes:
        if not kept_fits(body, written, self.origin, *keys):
            raise Damaged(
                f"what the journal {self.path} keeps of tree {keys[0]} is not what was written. Its records have all of it: "
                "they are folded from the first when the journal is opened next",
                0,
            )
        return body

    def blank(self, roots: Collection[int], records: Iterable[tuple[int, bytes]], pids: Collection[int] = ()) -> None:
        blanks = list(records)
        with self._file.transaction() as db:
            self._check_fence(self.position)
            near = [run for stretch in stretches(position for position, _ in blanks) for run in self._near(*stretch)]
            for first, last, body in joined(blanks, dict.fromkeys(near)):
                (at,) = db.execute(
                    "SELECT at FROM records WHERE position=?1 UNION ALL SELECT at FROM runs WHERE last=?1", (last,)
                ).fetchone()
                seal = self._seal_at(last)
                db.execute("DELETE FROM records WHERE position BETWEEN ? AND ?", (first, last))
                db.execute("DELETE FROM runs WHERE last BETWEEN ? AND ?", (first, last))
                own = run_seal(first, last, at, body, seal, self.origin.number)
                db.execute("INSERT INTO runs VALUES (?,?,?,?,?,?,0)", (last, first, at, body, seal, own))
            db.executemany("DELETE FROM trees WHERE root=?", [(root,) for root in roots])
            db.executemany("DELETE FROM root_of WHERE pid=?", [(pid,) for pid in pids])
            db.executemany("DELETE FROM pieces WHERE number=?", [(INDEX + root,) for root in roots])
        self._file.wrote(4096 * len(blanks))
        self._file.give_back(PAGES_AT_CLOSE)

    def _near(self, first: int, last: int) -> Iterator[Run]:
        """The runs of blanks that these positions lie in or beside."""
        rows = self._db.execute(
            "SELECT first, last, body FROM runs WHERE last>=? AND NOT lost ORDER BY last", (first - 1,)
        )
        for row in rows:
            if row[0] > last + 1:
                break
            yield Run(*row)

    def drop_checkpoint(self) -> None:
        self._file.must_work()
        with self._file.explained():
            self._check_fence(self.position)
        if self._file.writing and not self._keeps_any():
            return
        try:
            with self._file.transaction() as db:
                for table in KEPT:
                    db.execute(f"DELETE FROM {table}")
                return
        except Damaged:  # a damaged page can't be emptied; from now on nothing of it is believed
            with self._file.transaction() as db:
                db.execute("INSERT OR REPLACE INTO about VALUES ('dropped', 1)")
        self._dropped = True

    def _keeps_any(self) -> bool:
        """Whether there is anything of a checkpoint, or a damaged page where it could be."""
        try:
            return any(self._db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in KEPT)
        except sqlite3.DatabaseError:
            return True

    def digests(self, after: str, most: int) -> list[str]:
        query = "SELECT digest FROM contents WHERE digest>? ORDER BY digest LIMIT ?"
        with self._file.explained():
            return [digest for (digest,) in self._db.execute(query, (after, most))]

    def numbers(self) -> list[int]:
        with self._file.explained():
            return [number for (number,) in self._db.execute("SELECT DISTINCT number FROM pieces ORDER BY number")]

    def forget(self, digests: Collection[str], numbers: Collection[int] = ()) -> None:
        with self._file.transaction() as db:
            self._check_fence(self.position)
            db.executemany("DELETE FROM contents WHERE digest=?", [(digest,) for digest in digests])
            db.executemany("DELETE FROM pieces WHERE number=?", [(number,) for number in numbers])
        self._file.wrote(4096 * (len(digests) + len(numbers)))
        self._file.give_back(PAGES_AT_CLOSE)

    def close(self) -> None:
        """Idempotent."""
        if self._mark is not None:
            with contextlib.suppress(JournalError, sqlite3.Error):
                self._file.give_back(PAGES_AT_CLOSE)
                if self._file.move_log(all_of_it=True):
                    self._mark.put(self.position, self._seal, synced=True)
            self._mark.close()
            self._mark = None
        self._file.close()
