"""Salvage: gather what is whole of a damaged journal into a new file beside it. The damaged one is only read.

Rows are read through the tables as far as those can be followed; then page by page (:mod:`gemot.journal.carving`). A row counts when its own
checksum fits: a record by its CRC, a text by its digest, what a checkpoint keeps by its sum. Checksums begin with the number of the journal, so
rows of another one never count: the number of the file counts, else that of the mark, else that of most rows. Then the chain of seals is checked. A batch
that does not fit its seal was rewritten, so its records do not count.

Positions stay. Each stretch of records that can't be had becomes one row that says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gemot.journal import carving, endmark
from gemot.journal.contract import FORMAT, Full, JournalError, TooNew
from gemot.journal.database import is_held, log_of, ready_of
from gemot.journal.endmark import POSITIONS_MAX, Mark
from gemot.journal.inspecting import LOST_TEXT, named_in
from gemot.journal.seals import (
    Chain,
    Origin,
    checksum,
    is_run,
    kept_fits,
    kept_sum,
    number_of,
    seal_of,
    sum_fits,
)
from gemot.journal.sqlite import KEPT, SALVAGED, SCHEMA, TREES

SUFFIX = ".salvage"
"""What the name of a file that is being gathered ends with."""

_LARGEST = 1 << 62
_PORTION = 256
_VOTES = 64
"""So many records are asked to which journal they belong, where nothing else says it."""


class Gathered(NamedTuple):
    """``whole``: records that were brought back. ``lost``: stretches of positions of those that were not. ``end``: the last position that
    there was. ``base``: from where it was folded before. ``parted``: the mark of the end names another record than the one that stands at
    this position, so this is not the journal that was written last; 0 where it does not. ``texts``: those that are whole; ``texts_lost``: the digests of others that records name.
    ``trees``: those that a checkpoint keeps whole; ``has_checkpoint``: the checkpoint itself is whole."""

    whole: int
    lost: list[tuple[int, int]]
    end: int
    base: int
    parted: int
    texts: int
    texts_lost: set[bytes]
    trees: int
    has_checkpoint: bool


def gather(path: Path, into: Path) -> Gathered:
    """Gather what is whole of the journal ``path`` in the new file ``into``. Raises :class:`TooNew`, OSError; :class:`Full` where
    ``into`` can't be written."""
    discard(into)
    for file in filter(Path.exists, (path, log_of(path), endmark.path_of(path))):
        os.close(os.open(file, os.O_RDONLY | os.O_CLOEXEC))  # what may not be read is not lost
    os.close(os.open(into, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    new = sqlite3.connect(into, isolation_level=None)
    try:
        new.execute("PRAGMA auto_vacuum=INCREMENTAL")
        new.execute("PRAGMA synchronous=OFF")
        new.execute("PRAGMA journal_mode=MEMORY")
        new.execute("BEGIN")
        for statement in filter(str.strip, (SCHEMA + TREES).split(";")):
            new.execute(statement)
        gathered = _Gathering(path, new).all()
        new.execute("COMMIT")
        return gathered
    except sqlite3.Error as error:
        raise Full(
            f"{into} can't be written ({error}), so nothing was changed. Make room, then try it again"
        ) from error
    finally:
        new.close()


def discard(file: Path) -> None:
    """Remove a file that was gathered."""
    for path in (file, *beside(file)):
        path.unlink(missing_ok=True)


def beside(path: Path) -> tuple[Path, ...]:
    """What belongs to a journal's file and stands beside it."""
    return log_of(path), Path(f"{path}-shm"), Path(f"{path}-journal"), endmark.path_of(path)


def swap(path: Path, new: Path, kept: Path) -> None:
    """Put the file ``new``, which is synced and closed, in the place of the journal, and keep the damaged one as ``kept``. Where this
    is broken off, each is there under one of its two names; :func:`finish_swap` does the rest."""
    ready = ready_of(path)
    if endmark.path_of(new) != endmark.path_of(ready):
        raise ValueError(f"{new.name} and {ready.name} have marks of different names")
    new.rename(ready)
    finish_swap(path, kept)


def finish_swap(path: Path, kept: Path) -> None:
    """What :func:`swap` does after its first step, from wherever it was broken off. The new journal has its place last."""
    ready = ready_of(path)
    mark_of_new = endmark.path_of(ready)
    for old in (path, *beside(path)):
        is_mark = old == endmark.path_of(path)
        if old.exists() and (not is_mark or mark_of_new.exists()):
            old.rename(
                endmark.path_of(kept) if is_mark else kept.with_name(kept.name + old.name.removeprefix(path.name))
            )
    if mark_of_new.exists():
        mark_of_new.rename(endmark.path_of(path))
    ready.rename(path)
    sync(path.parent)


def sync(place: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Gathering:
    def __init__(self, path: Path, new: sqlite3.Connection) -> None:
        self._path, self._new = path, new
        self._broken = False
        """Not every row can be reached through the tables."""
        self._old: sqlite3.Connection | None = None
        try:
            self._old = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            self._old.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            self._must_be_free(error)
            self._broken, self._old = True, None

    def all(self) -> Gathered:
        self._mark = endmark.read(self._path)
        about = self._about_file()
        if about.get("format", FORMAT) > FORMAT:
            raise TooNew(
                f"the journal {self._path} was written by a newer gemot, so this one can't tell what is whole of it"
            )
        self._chain = about.get("chain", 0) if about.get("format", FORMAT) >= 2 else _LARGEST
        seal = "seal" if about.get("format", FORMAT) >= 2 else "checksum"
        records = f"SELECT position, at, pid, body, {seal} FROM records"
        self._is_numbered = "numbered" in about
        """It is known which records bear the number of the journal."""
        self._origin = Origin(self._number(about, records), about.get("numbered", 0))
        for row in self._scan(records, "position"):
            self._record(*row)
        for row in self._scan("SELECT last, first, at, body, seal, own, lost FROM runs", "last"):
            self._run(*row)
        for row in self._scan("SELECT digest, body FROM contents", "digest"):
            self._text(*row)
        trees = self._kept()
        if self._broken:
            for row in carving.rows(self._path):
                self._carved(row)
        if self._old is not None:
            self._old.close()
        return self._finished(about, trees)

    def _must_be_free(self, error: sqlite3.Error) -> None:
        """Raises :class:`JournalError` where another program holds the file: that is no damage."""
        if is_held(error):
            raise JournalError(
                f"the journal {self._path} is held by another program (a backup, a database browser?), so it can't be told what is whole of "
                "it. Nothing was changed; end that program, then try it again"
            ) from error

    def _about(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for key, value in self._scan("SELECT key, value FROM about", "key"):
            if isinstance(key, str) and type(value) is int and 0 <= value < POSITIONS_MAX:
                found[key] = value
        return found

    def _about_file(self) -> dict[str, int]:
        """What the file says of itself. Where its log is that of another journal, the log is left out from here on."""
        about = self._about()
        try:
            alone = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error:
            return about
        before: dict[str, int] = {}
        with contextlib.suppress(sqlite3.Error):
            before = dict(alone.execute("SELECT key, value FROM about"))
        if before.get("number") in (None, about.get("number")):
            alone.close()
            return about
        if self._old is not None:
            self._old.close()
        self._old, self._broken = alone, True
        return self._about()

    def _number(self, about: dict[str, int], records: str) -> int:
        """The number of the journal; 0 of an earlier format."""
        if "number" in about or about.get("format", FORMAT) < 3:
            return about.get("number", 0)
        if isinstance(self._mark, Mark) and self._mark.number:
            return self._mark.number
        rows = itertools.islice(self._scan(records, "position"), _VOTES)
        carved = (
            (row.key, *row.values[1:])
            for row in carving.rows(self._path)
            if len(row.values) == 5 and row.values[0] is None
        )
        return number_of([*rows, *itertools.islice(carved, _VOTES)])  # type: ignore[arg-type]

    def _scan(self, words: str, key: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a table in the order of their key, from both ends as far as they can be read."""
        if self._old is None:
            return
        seen: set[Any] = set()
        for order, compare in (("", ">"), (" DESC", "<")):
            last: Any = None
            while True:
                where = "" if last is None else f" WHERE {key}{compare}?"
                given = () if last is None else (last,)
                try:
                    rows = self._old.execute(f"{words}{where} ORDER BY {key}{order} LIMIT {_PORTION}", given).fetchall()
                except sqlite3.Error as error:
                    if "no such" in str(error) and "runs" in words:
                        return  # a journal of format 1 has none
                    self._must_be_free(error)
                    self._broken = True
                    break
                if not rows and order == "":
                    return  # to the end without an error
                fresh = [row for row in rows if row[0] not in seen]
                if not fresh:
                    break
                seen.update(row[0] for row in fresh)
                yield from fresh
                last = rows[-1][0]

    # Rows, each checked by itself.

    def _record(self, position: Any, at: Any, pid: Any, body: Any, written: Any) -> bool:
        if not (
            type(position) is type(at) is type(pid) is int and isinstance(body, bytes) and 0 < position < POSITIONS_MAX
        ):
            return False
        if not self._fits(position, at, pid, body, written):
            return False
        self._new.execute("INSERT OR IGNORE INTO records VALUES (?,?,?,?,?)", (position, at, pid, body, written))
        return True

    def _fits(self, position: int, at: int, pid: int, body: bytes, written: Any) -> bool:
        """Whether a record is whole, and of this journal."""
        if sum_fits(position, at, pid, body, written, self._origin.seed(position)):
            return True
        if self._is_numbered and position > self._origin.after:
            return False
        return sum_fits(position, at, pid, body, written, 0) or written == checksum(position, at, pid, body)

    def _run(self, last: Any, first: Any, at: Any, body: Any, seal: Any, own: Any, lost: Any) -> bool:
        if not is_run(first, last, at, body, seal, own, self._origin) or last >= POSITIONS_MAX:
            return False
        self._new.execute(
            "INSERT OR IGNORE INTO runs VALUES (?,?,?,?,?,?,?)", (last, first, at, body, seal, own, int(bool(lost)))
        )
        return True

    def _text(self, digest: Any, body: Any) -> bool:
        if not isinstance(body, bytes) or hashlib.sha256(body).hexdigest() != digest:
            return False
        self._new.execute("INSERT OR IGNORE INTO contents VALUES (?,?)", (digest, body))
        return True

    def _kept(self) -> int:
        """What a checkpoint keeps. Its rows are replaced again and again, so none is taken from a page that no table names."""
        for position, body, written in self._scan("SELECT position, body, checksum FROM checkpoints", "position"):
            if kept_fits(body, written, self._origin, position):
                self._new.execute(
                    "REPLACE INTO checkpoints VALUES (?,?,?)",
                    (position, body, kept_sum(body, self._origin.number, position)),
                )
        trees = 0
        for root, body, written in self._scan("SELECT root, body, checksum FROM trees", "root"):
            if kept_fits(body, written, self._origin, root):
                self._new.execute(
                    "INSERT OR IGNORE INTO trees VALUES (?,?,?)",
                    (root, body, kept_sum(body, self._origin.number, root)),
                )
                trees += 1
        for pid, root in self._scan("SELECT pid, root FROM root_of", "pid"):
            if type(pid) is type(root) is int:
                self._new.execute("INSERT OR IGNORE INTO root_of VALUES (?,?)", (pid, root))
        self._pieces()
        return trees

    def _pieces(self) -> None:
        numbers = [number for (number,) in self._scan("SELECT DISTINCT number FROM pieces", "number")]
        for number in numbers:
            rows = (
                list(
                    self._scan(
                        f"SELECT start, body, checksum FROM (SELECT * FROM pieces WHERE number={number!r})", "start"
                    )
                )
                if type(number) is int
                else []
            )
            if all(kept_fits(body, written, self._origin, number, start) for start, body, written in rows):
                for start, body, _ in rows:
                    self._new.execute(
                        "REPLACE INTO pieces VALUES (?,?,?,?)",
                        (number, start, body, kept_sum(body, self._origin.number, number, start)),
                    )

    def _carved(self, row: carving.Row) -> None:
        match row:
            case carving.Row(key, (None, at, pid, bytes(body), written)):
                self._record(key, at, pid, body, written)
            case carving.Row(key, (None, first, at, bytes(body), seal, own, lost)):
                self._run(key, first, at, body, seal, own, lost)
            case carving.Row(0, (str(digest), bytes(body))):
                self._text(digest, body)
            case _:
                pass

    # All of it together.

    def _finished(self, about: dict[str, int], trees: int) -> Gathered:
        new = self._new
        for first, last in new.execute("SELECT first, last FROM runs").fetchall():
            new.execute("DELETE FROM records WHERE position BETWEEN ? AND ?", (first, last))
        origin = self._origin
        if origin.number and not self._is_numbered:
            origin = Origin(origin.number, self._last_without())
        chain = 0
        if self._chain:
            for position, at, pid, body, written in new.execute("SELECT * FROM records ORDER BY position DESC"):
                if isinstance(written, int) and written == checksum(position, at, pid, body):
                    chain = position
                    break
        else:
            chain = self._before_seals()
        self._drop_rewritten(chain, origin)
        mark = self._mark
        end = max(
            new.execute("SELECT coalesce(max(position), 0) FROM records").fetchone()[0],
            new.execute("SELECT coalesce(max(last), 0) FROM runs").fetchone()[0],
            mark.end.position if isinstance(mark, Mark) else 0,
        )
        lost = self._missing(end)
        for first, last in lost:
            new.execute("INSERT INTO runs VALUES (?,?,0,x'',x'',x'',1)", (last, first))
        base = self._base()
        new.executemany(
            "INSERT OR REPLACE INTO about VALUES (?,?)",
            [
                *(("format", FORMAT), ("epoch", about.get("epoch", 0)), ("chain", chain), ("base", base)),
                *(("number", origin.number), ("numbered", origin.after)),
            ],
        )
        kept = new.execute("SELECT position FROM checkpoints").fetchone()
        if kept is not None and not base <= kept[0] <= end:
            kept = None
        if kept is None:
            for table in KEPT:
                new.execute(f"DELETE FROM {table}")
        whole = new.execute("SELECT count(*) FROM records").fetchone()[0]
        texts = new.execute("SELECT count(*) FROM contents").fetchone()[0]
        texts_lost = self._texts_lost()
        return Gathered(
            whole,
            [stretch for stretch in lost if stretch[1] > base],
            end,
            base,
            self._parted(mark, chain),
            texts,
            texts_lost,
            trees,
            kept is not None,
        )

    def _before_seals(self) -> int:
        """The last of the records at the beginning that have a CRC of format 1, where nothing says it: the table about is lost."""
        chain = 0
        for position, at, pid, body, written in self._new.execute("SELECT * FROM records ORDER BY position"):
            if not isinstance(written, int) or written != checksum(position, at, pid, body):
                break
            chain = position
        return chain

    def _missing(self, end: int) -> list[tuple[int, int]]:
        """The stretches up to ``end`` of which nothing is there. Rows are counted, not positions: a number may be of any size."""
        lost: list[tuple[int, int]] = []
        next_one = 1
        there = self._new.execute(
            "SELECT position, position FROM records UNION ALL SELECT first, last FROM runs ORDER BY 1"
        )
        for first, last in there:
            if first > next_one:
                lost.append((next_one, first - 1))
            next_one = max(next_one, last + 1)
        return [*lost, (next_one, end)] if next_one <= end else lost

    def _parted(self, mark: Mark | str, chain: int) -> int:
        """The position that the mark names, where another record stands there."""
        if not isinstance(mark, Mark):
            return 0
        at, seal = mark.end
        if mark.number and self._origin.number and mark.number != self._origin.number:
            return max(1, at)
        row = self._new.execute("SELECT seal FROM records WHERE position=?", (at,)).fetchone()
        if row is not None:
            return at if seal_of(row[0], at <= chain) != seal else 0
        row = self._new.execute("SELECT seal FROM runs WHERE last=? AND NOT lost", (at,)).fetchone()
        return at if row is not None and row[0] and row[0] != seal else 0

    def _texts_lost(self) -> set[bytes]:
        """Write down which texts are named by a record and are not there."""
        new = self._new
        named: set[bytes] = set()
        for (body,) in new.execute("SELECT body FROM records"):
            named |= named_in(body)
        named -= {digest.encode() for (digest,) in new.execute("SELECT digest FROM contents")}
        new.executemany(
            "INSERT OR REPLACE INTO about VALUES (?,1)", [(LOST_TEXT + digest.decode(),) for digest in sorted(named)]
        )
        return named

    def _base(self) -> int:
        """Where folding began last: before the last record of a salvage."""
        row = self._new.execute(
            "SELECT max(position) FROM records WHERE substr(body, 1, ?)=?", (len(SALVAGED), SALVAGED)
        ).fetchone()
        return row[0] - 1 if row[0] is not None else 0

    def _last_without(self) -> int:
        """The last record that does not bear the number of the journal, since an earlier format wrote it."""
        for position, at, pid, body, written in self._new.execute("SELECT * FROM records ORDER BY position DESC"):
            if not sum_fits(position, at, pid, body, written, self._origin.number):
                return position
        return 0

    def _drop_rewritten(self, chain: int, origin: Origin) -> None:
        """Take out each batch that does not fit its seal."""
        new = self._new
        bad: list[tuple[int, int]] = []
        for first, last in self._batches():
            rows = new.execute(
                "SELECT position, at, pid, body, seal FROM records WHERE position BETWEEN ? AND ? ORDER BY position",
                (first, last),
            ).fetchall()
            before = self._seal_before(first, chain)
            checked = Chain(before, origin)
            fitting = [
                checked.fits(position, at, pid, body, written, position <= chain)
                for position, at, pid, body, written in rows
            ]
            if not all(fitting):
                bad.append((first, last))
        for first, last in bad:
            new.execute("DELETE FROM records WHERE position BETWEEN ? AND ?", (first, last))

    def _batches(self) -> list[tuple[int, int]]:
        """The whole batches: stretches of records that end with a seal, and begin after one."""
        found: list[tuple[int, int]] = []
        first = previous = 0
        for position, written in self._new.execute("SELECT position, seal FROM records ORDER BY position"):
            first = position if position != previous + 1 or not first else first
            previous = position
            if isinstance(written, bytes):
                found.append((first, position))
                first = 0
        return found

    def _seal_before(self, first: int, chain: int) -> bytes:
        """The seal before a batch; empty where it is not known, because what stood there is lost."""
        if first == 1:
            return bytes(16)
        row = self._new.execute("SELECT seal FROM records WHERE position=?", (first - 1,)).fetchone()
        if row is None:
            row = self._new.execute("SELECT seal FROM runs WHERE last=?", (first - 1,)).fetchone()
            return row[0] if row is not None else b""
        return seal_of(row[0], first - 1 <= chain)
