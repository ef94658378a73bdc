"""A file of LMDB as the journal on it needs one: opened once in a process, growing, its errors in the contract's words.

A file can't outgrow the size of its map. A change that would (``MapFullError``) is rolled back, the map doubled, and the
change made again. That is allowed only while nobody in this process reads, so no transaction outlives a call.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeAlias

try:
    import lmdb
    from lmdb.verify import verify  # pyright: ignore[reportUnknownVariableType]
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError("the journal on LMDB needs one more package: pip install 'gemot[lmdb]'") from missing

from gemot.journal.contract import Damaged, Full, JournalError

Transaction: TypeAlias = "lmdb.Transaction[bytes]"

MAP_BYTES = 64 << 20
"""The map of a new file. It takes address space, not memory and not disk."""

ROWS_AT_ONCE = 256
"""Rows that are read in one transaction."""

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ENOMEM}


class _Opened:
    """``users``: how many in this process have the file open."""

    def __init__(self, path: Path) -> None:
        readonly = path.exists() and not os.access(path, os.W_OK)
        self.environment = lmdb.open(str(path), MAP_BYTES, subdir=False, readonly=readonly, metasync=False, mode=0o600)
        pages = (self.environment.info()["last_pgno"] + 1) * self.environment.stat()["psize"]
        if path.stat().st_size < pages and verify(
            str(path)
        ):  # it may end early; to read where it doesn't end the process
            self.environment.close()
            raise Damaged(f"the journal {path} is damaged: the end of the file is missing", 0)
        self.environment.reader_check()  # readers that were killed hold nothing back
        self.users = 0


_opened: dict[tuple[int, int], _Opened] = {}
"""By device and inode. LMDB's locks are the process's, so this is, too: whoever opens the same file shares it."""


class MappedFile:
    """Rows by key in the file ``path``. Raises :class:`JournalError`, :class:`Full`, :class:`Damaged`."""

    def __init__(self, path: Path, writing: bool) -> None:
        self.path, self.writing = path, writing
        self._open: _Opened | None = None
        with self._explained():
            there = path.stat() if path.exists() else None
            if not writing and there is None:
                raise JournalError(f"there is no journal {path}")
            shared = _opened.get((there.st_dev, there.st_ino)) if there else None
            if shared is None:
                shared, there = _Opened(path), path.stat()
                _opened[there.st_dev, there.st_ino] = shared
        shared.users += 1
        self._open = shared

    @contextlib.contextmanager
    def reading(self, position: int = 0) -> Generator[Transaction]:
        """``position``: of the record that is looked for."""
        with self._explained(position), self._begin() as txn:
            yield txn

    def change(self, work: Callable[[Transaction], object]) -> None:
        """Do ``work`` in one transaction, once more from its start where the map had to grow. Its pages are on the disk then;
        that they are the newest may be lost in a power cut, until :meth:`sync`."""
        environment = self._environment
        if not self.writing:
            raise JournalError(f"the journal {self.path} was opened to be looked at, not to be written")
        with self._explained():
            while True:
                try:
                    with self._begin(write=True) as txn:
                        work(txn)
                    return
                except lmdb.MapFullError:
                    environment.set_mapsize(2 * environment.info()["map_size"])

    def sync(self) -> None:
        try:
            self._environment.sync(True)
        except lmdb.Error as error:
            raise JournalError(
                f"the disk did not confirm what was written to the journal {self.path}: {error}. Whether it is there shows "
                "when the journal is opened next"
            ) from error

    def rows(self, prefix: bytes, first: bytes, position: int = 0) -> Iterator[tuple[bytes, bytes]]:
        """Keys and rows from the key ``first`` on, in order, as long as the keys begin so."""
        found = [(first, b"")]
        while found:
            with self.reading(position) as txn:
                cursor = txn.cursor()
                rest = cursor.iternext() if cursor.set_range(first) else iter(())
                mine = itertools.takewhile(lambda row: row[0].startswith(prefix), rest)
                found = list(itertools.islice(mine, ROWS_AT_ONCE))
            yield from found
            first = found[-1][0] + b"\0" if found else b""  # the least key after the last

    def close(self) -> None:
        """Idempotent."""
        shared, self._open = self._open, None
        if shared is not None:
            shared.users -= 1
            if not shared.users:
                for key in [key for key, one in _opened.items() if one is shared]:
                    del _opened[key]
                shared.environment.close()

    @property
    def _environment(self) -> lmdb.Environment:
        if self._open is None:
            raise JournalError(f"the journal {self.path} is closed")
        return self._open.environment

    def _begin(self, write: bool = False) -> Transaction:
        environment = self._environment
        try:
            return environment.begin(write=write)
        except lmdb.MapResizedError:  # another process has made the file larger
            environment.set_mapsize(0)
            return environment.begin(write=write)

    @contextlib.contextmanager
    def _explained(self, position: int = 0) -> Generator[None]:
        try:
            yield
        except lmdb.Error as error:
            if error.code in NO_ROOM or isinstance(error, lmdb.DiskError | lmdb.MemoryError):
                raise Full(
                    f"the journal {self.path} can't be written: {error}. Nothing of this step was kept or done; make room, "
                    "then `gemot resume`"
                ) from error
            if isinstance(error, lmdb.CorruptedError | lmdb.InvalidError | lmdb.PageNotFoundError):
                raise Damaged(f"the journal {self.path} is damaged ({error})", position) from error
            raise JournalError(
                f"the journal {self.path} can't be used: {error}. Check that the folder exists and that you may write to it"
            ) from error


def delete(txn: Transaction, prefix: bytes, row: bytes | None = None) -> None:
    """Take away what has a key that begins so; or of that what is ``row``."""
    cursor = txn.cursor()
    there = cursor.set_range(prefix)
    while there and cursor.key().startswith(prefix):
        there = cursor.delete() if row is None or cursor.value() == row else cursor.next()
