"""The journal on LMDB: one file that is mapped into memory, one writer, every record with a checksum.

For those who have LMDB already, and to show that the contract is not SQLite in other words: `Machine.open(journal=...)`.

Durability. LMDB writes pages to new places and then points to them; without a sync in between, a cut of the power could
take also what was synced before. So every batch waits for its pages, and one that asks for ``synced`` waits for the
pointer, too: one sync and two, where SQLite needs none and one. On a slow disk that is felt.

What we don't like: LMDB believes its own pages. What is kept in them has checksums; a damaged page may be found as such,
or end the process.
"""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from struct import Struct

from gemot.journal.contract import FORMAT, INDEX, Damaged, Fenced, JournalError, KeptTree, Record, TooNew
from gemot.journal.mapped import MappedFile, Transaction, delete
from gemot.journal.runs import Run, joined, stretches

RECORD, RUN, VALUE, TREE, ROOT_OF, PIECE, CHECKPOINT = b"r", b"n", b"v", b"t", b"o", b"p", b"checkpoint"
"""What keys begin with: then come a position; the last position of a run; a digest; a root; a pid; a number and a start; nothing. Beside
them: ``format`` and ``epoch``."""

_number, _at_pid, _checksum = Struct(">Q"), Struct(">qQ"), Struct(">I")


def _key(table: bytes, number: int) -> bytes:
    return table + _number.pack(number)


def _sealed(key: bytes, body: bytes) -> bytes:
    """A row: CRC-32 over its key and itself, so that it can't be moved or changed unnoticed by accident; then the body."""
    return _checksum.pack(zlib.crc32(body, zlib.crc32(key))) + body


def _unsealed(key: bytes, row: bytes | None) -> bytes | None:
    """The body of a row; None if it is not there, or not what was written."""
    body = None if row is None else row[_checksum.size :]
    return body if body is not None and row == _sealed(key, body) else None


class LmdbJournal:
    """A journal in the file ``path``, and its lock beside it. ``writing=False`` looks only, beside a running machine."""

    base = 0

    def __init__(self, path: Path, *, writing: bool = True) -> None:
        self.path = path
        self.fresh: set[str] | None = None
        self._file = MappedFile(path, writing)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        with self._file.reading() as txn:
            written, rows = txn.get(b"format"), txn.stat()["entries"]
            self._epoch = int(txn.get(b"epoch", b"0"))
        if written is None and (rows or not self._file.writing):
            raise JournalError(f"{self.path} is no journal of gemot, and is left as it is")
        if written is not None and int(written) > FORMAT:
            raise TooNew(
                f"the journal {self.path} was written by a newer gemot (format {int(written)}, this one reads up to "
                f"{FORMAT}). Nothing was changed. Upgrade gemot, or name another file"
            )
        if self._file.writing:
            self._file.change(self._take)
        with self._file.reading() as txn:
            cursor = txn.cursor()
            cursor.set_range(_key(RECORD, (1 << 64) - 1))
            last = cursor.key() if cursor.prev() else b""
        self.position: int = int.from_bytes(last[1:]) if last.startswith(RECORD) else 0

    def _take(self, txn: Transaction) -> None:
        self._epoch = int(txn.get(b"epoch", b"0")) + 1
        txn.put(b"epoch", b"%d" % self._epoch)
        txn.put(b"format", b"%d" % FORMAT)

    def _check_fence(self, txn: Transaction, expected: int) -> None:
        if int(txn.get(b"epoch", b"0")) != self._epoch or expected != self.position:
            raise Fenced(f"another machine has opened {self.path} since, so this one may not write to it any more")

    def _change(self, work: Callable[[Transaction], object], expected: int) -> None:
        """Do ``work`` in one transaction, if this is the newest writer. It may be done twice, and the first time undone."""

        def fenced(txn: Transaction) -> None:
            self._check_fence(txn, expected)
            work(txn)

        self._file.change(fenced)

    def append(self, expected: int, entries: Iterable[tuple[int, int, bytes]], *, synced: bool) -> int:
        batch = [Record(position, *entry) for position, entry in enumerate(entries, expected + 1)]
        self._change(lambda txn: [_put(txn, record) for record in batch], expected)
        self.position = expected + len(batch)
        if synced:
            self._file.sync()
        return self.position

    def read(self, after: int = 0, pid: int | None = None) -> Iterator[Record]:
        expected = after + 1
        for key, row in self._file.rows(RECORD, _key(RECORD, expected), expected):
            position = int.from_bytes(key[1:])
            first = position if position == expected else self._first(position)
            if first > expected:
                raise self._missing(expected)
            record = self._record(position, row)
            expected = position + 1
            if pid is None or record.pid == pid:
                yield record if first == position else Record(position, record.at, 0, record.body, first)

    def _first(self, position: int) -> int:
        """The first position of the run that ends here; the position itself, where none does."""
        with self._file.reading() as txn:
            return int.from_bytes(txn.get(_key(RUN, position), _number.pack(position)))

    def _record(self, position: int, row: bytes | None) -> Record:
        body = _unsealed(_key(RECORD, position), row)
        if body is None:
            raise self._missing(position)
        at, pid = _at_pid.unpack_from(body)
        return Record(position, at, pid, body[_at_pid.size :])

    def _missing(self, position: int) -> Damaged:
        return Damaged(
            f"record {position} of the journal {self.path} is missing or not what was written; those before it are whole",
            position,
        )

    def put_value(self, text: str) -> str:
        body = text.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(body).hexdigest()
        self._file.change(lambda txn: txn.put(VALUE + digest.encode(), body, overwrite=False))
        if self.fresh is not None:
            self.fresh.add(digest)
        return digest

    def value(self, digest: str, start: int = 0, length: int | None = None) -> str:
        with self._file.reading() as txn:
            body = txn.get(VALUE + digest.encode())
        if body is None or hashlib.sha256(body).hexdigest() != digest:
            raise Damaged(f"the value {digest[:12]} in the journal {self.path} is gone or not what was written", 0)
        return body.decode("utf-8", "surrogatepass")[start : None if length is None else start + length]

    def put_checkpoint(
        self,
        position: int,
        body: bytes,
        trees: Iterable[KeptTree] = (),
        pieces: Iterable[tuple[int, int, bytes]] = (),
    ) -> None:
        kept, new = list(trees), list(pieces)

        def work(txn: Transaction) -> None:
            for tree in kept:
                key = _key(TREE, tree.root)
                txn.put(key, _sealed(key, tree.body))
                for pid in tree.pids:
                    txn.put(_key(ROOT_OF, pid), key)
            for number, start, part in new:
                if not start:
                    delete(txn, _key(PIECE, number))
                key = _key(PIECE, number) + _number.pack(start)
                txn.put(key, _sealed(key, part))
            txn.put(CHECKPOINT, _sealed(CHECKPOINT, _number.pack(position) + body))

        self._change(work, self.position)

    def checkpoint(self) -> tuple[int, bytes] | None:
        with self._file.reading() as txn:
            body = _unsealed(CHECKPOINT, txn.get(CHECKPOINT))
        position = 0 if body is None else int.from_bytes(body[:8])
        return None if body is None or position > self.position else (position, body[8:])

    def tree(self, pid: int) -> bytes | None:
        with self._file.reading() as txn:
            self._check_fence(txn, self.position)
            key = txn.get(_key(ROOT_OF, pid), b"")
            row = txn.get(key) if key else None
        return None if row is None else self._tree(key, row)

    def pieces(self, number: int) -> list[bytes]:
        return [self._tree(key, row) for key, row in self._file.rows(_key(PIECE, number), _key(PIECE, number))]

    def trees(self) -> Iterator[bytes]:
        return (self._tree(key, row) for key, row in self._file.rows(TREE, TREE))

    def roots(self, before: int, most: int) -> list[int]:
        with self._file.reading() as txn:
            cursor = txn.cursor()
            there = cursor.set_range(_key(TREE, before or 1 << 62))
            keys = cursor.iterprev(values=False) if there or cursor.last() else iter(())
            older = (key for key in keys if key < _key(TREE, before or 1 << 62))
            mine = itertools.takewhile(lambda key: key.startswith(TREE), older)
            return [int.from_bytes(key[1:9]) for key in itertools.islice(mine, most)]

    def _tree(self, key: bytes, row: bytes) -> bytes:
        body = _unsealed(key, row)
        if body is None:
            raise Damaged(
                f"what the journal {self.path} keeps of tree {int.from_bytes(key[1:9])} is not what was written. Its records "
                "have all of it: they are folded from the first when the journal is opened next",
                0,
            )
        return body

    def blank(self, roots: Collection[int], records: Iterable[tuple[int, bytes]], pids: Collection[int] = ()) -> None:
        blanks = list(records)

        def work(txn: Transaction) -> None:
            near = [
                run for stretch in stretches(position for position, _ in blanks) for run in self._near(txn, *stretch)
            ]
            for run in joined(blanks, dict.fromkeys(near)):
                old = self._record(run.last, txn.get(_key(RECORD, run.last)))
                for position in range(run.first, run.last):
                    txn.delete(_key(RECORD, position))
                    txn.delete(_key(RUN, position))
                _put(txn, Record(run.last, old.at, 0, run.body))
                txn.put(_key(RUN, run.last), _number.pack(run.first))
            for root in roots:
                delete(txn, _key(TREE, root))
                delete(txn, _key(PIECE, INDEX + root))
            for pid in pids:
                txn.delete(_key(ROOT_OF, pid))

        self._change(work, self.position)

    def digests(self, after: str, most: int) -> list[str]:
        with self._file.reading() as txn:
            cursor = txn.cursor()
            keys = cursor.iternext(values=False) if cursor.set_range(VALUE + after.encode() + b"\0") else iter(())
            mine = itertools.takewhile(lambda key: key.startswith(VALUE), keys)
            return [key[1:].decode() for key in itertools.islice(mine, most)]

    def numbers(self) -> list[int]:
        with self._file.reading() as txn:
            cursor = txn.cursor()
            keys = cursor.iternext(values=False) if cursor.set_range(PIECE) else iter(())
            mine = itertools.takewhile(lambda key: key.startswith(PIECE), keys)
            return sorted({int.from_bytes(key[1:9]) for key in mine})

    def forget(self, digests: Collection[str], numbers: Collection[int] = ()) -> None:
        def work(txn: Transaction) -> None:
            for digest in digests:
                txn.delete(VALUE + digest.encode())
            for number in numbers:
                delete(txn, _key(PIECE, number))

        self._change(work, self.position)

    def _near(self, txn: Transaction, first: int, last: int) -> Iterator[Run]:
        """The runs that these positions lie in or beside."""
        cursor = txn.cursor()
        there = cursor.set_range(_key(RUN, first - 1))
        while there and cursor.key().startswith(RUN):
            run = Run(int.from_bytes(cursor.value()), int.from_bytes(cursor.key()[1:]), b"")
            if run.first > last + 1:
                return
            yield run._replace(body=self._record(run.last, txn.get(_key(RECORD, run.last))).body)
            there = cursor.next()

    def drop_checkpoint(self) -> None:
        self._change(lambda txn: [delete(txn, table) for table in (CHECKPOINT, TREE, ROOT_OF, PIECE)], self.position)

    def close(self) -> None:
        self._file.close()


def _put(txn: Transaction, record: Record) -> None:
    key = _key(RECORD, record.position)
    txn.put(key, _sealed(key, _at_pid.pack(record.at, record.pid) + record.body))
