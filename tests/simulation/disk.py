"""The disk under a simulated machine: it survives the machine, fills up, and loses at a power cut what was not synced.

:class:`FrailJournal` stands before a real journal. At seeded appends it cuts the power (:class:`PowerCut`: the batch was
just not written, or just was) or has no room; any other of its calls fails as :mod:`failing` says. A cut of the power drops a seeded suffix of what was appended after the last
synced batch; the end of a process drops nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from checkers import LawBroken
from failing import Failing

from gemot.abi.events import Event
from gemot.journal import endmark
from gemot.journal.contract import Full, Journal, KeptTree, Record
from gemot.journal.memory import MemoryJournal
from gemot.journal.records import decode
from gemot.journal.sqlite import SqliteJournal


class PowerCut(BaseException):
    """The machine is no more. It is no ``Exception``: nothing may catch it and go on."""


class Write(NamedTuple):
    """One transaction: a batch up to ``position``, the value ``digest``, or a checkpoint."""

    position: int = 0
    synced: bool = False
    digest: str = ""
    checkpoint: int = -1


class Disk:
    """``path``: a real file for SQLite; without one the records are kept in memory."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.dead = False
        """The power is cut: whoever still runs is not heard of."""
        self.newest: FrailJournal | None = None
        self.lost = 0
        """Records that power cuts took."""
        self._memory = MemoryJournal()
        self._writes: list[Write] = []

    def open(self) -> FrailJournal:
        """A new writer; older ones are fenced off by the journal itself."""
        inner: Any
        if self.path is None:
            inner = self._memory = self._memory.open_again()
        else:
            inner = SqliteJournal(self.path)
        self._sync()
        self.dead = False
        self.newest = FrailJournal(self, inner)
        return self.newest

    def records(self) -> list[Record]:
        """What is on the disk now, read by nobody's leave."""
        if self.path is None:
            return list(self._memory.read())
        if not self.path.exists():
            return []
        reader = SqliteJournal(self.path, writing=False)
        records = list(reader.read())
        reader.close()
        return records

    def history(self, after: int = 0) -> list[Event]:
        return [decode(record.body) for record in self.records()[after:]]

    def wrote(self, write: Write) -> None:
        self._writes.append(write)

    def _sync(self) -> None:
        """SQLite's journal syncs what was written before when a writer opens it, and when that closes it. So does the memory here: what is
        lost does not depend on the store."""
        self._writes[-1:] = [write._replace(synced=True) for write in self._writes[-1:]]

    def lose(self, chance: Random) -> None:
        """Drop a seeded suffix of what was written since the last sync."""
        writes = self._writes
        first = next((index + 1 for index in reversed(range(len(writes))) if writes[index].synced), 0)
        cut = chance.randint(first, len(writes))
        gone, self._writes = writes[cut:], writes[:cut]
        position = max((one.position for one in self._writes), default=0)
        before = len(self.records())
        self._truncate(
            position,
            sorted({one.digest for one in gone} - {one.digest for one in self._writes} - {""}),
            {one.checkpoint for one in gone} - {-1},
        )
        self.lost += before - position

    def _truncate(self, position: int, values: list[str], checkpoints: set[int]) -> None:
        if self.path is None:
            memory = self._memory
            del memory._records[position:]
            for digest in values:
                memory._values.pop(digest, None)
            if checkpoints:  # what they replaced is gone; then all is folded
                memory.drop_checkpoint()
            return
        db = sqlite3.connect(self.path, isolation_level=None)
        mark = endmark.read(self.path)
        assert isinstance(mark, endmark.Mark)
        endmark.path_of(self.path).write_bytes(endmark.packed(mark._replace(boot=b"another")))
        db.execute("DELETE FROM records WHERE position>?", (position,))
        db.executemany("DELETE FROM contents WHERE digest=?", [(one,) for one in values])
        if checkpoints:
            db.executescript("DELETE FROM checkpoints; DELETE FROM trees; DELETE FROM root_of; DELETE FROM pieces")
        db.close()


class FrailJournal:
    """One writer's view of the disk. ``before``, ``after``, ``full``: at which of its writes what happens (0: never)."""

    def __init__(self, disk: Disk, inner: Journal) -> None:
        self.disk, self.inner = disk, inner
        self.before = self.after = self.full = 0
        self.failing = Failing()
        self.appends = 0
        self.written = self.durable = inner.position
        """The last position that this writer knows to be written; and to survive a power cut."""
        self.on_written: Callable[[], None] = lambda: None

    @property
    def position(self) -> int:
        return self.inner.position

    @property
    def base(self) -> int:
        return self.inner.base

    def append(self, expected: int, entries: Iterable[tuple[int, int, bytes]], *, synced: bool) -> int:
        self._about_to_write()

        def append() -> int:
            position = self.inner.append(expected, entries, synced=synced)
            if self.disk.newest is not self:
                raise LawBroken("fence: a machine wrote to a journal that another has opened since")
            self.disk.wrote(Write(position, synced))
            return position

        position = self.failing.call("append", append)
        self.written = position
        if synced:
            self.durable = position
        self.on_written()
        self._has_written()
        return position

    def put_checkpoint(
        self,
        position: int,
        body: bytes,
        trees: Iterable[KeptTree] = (),
        pieces: Iterable[tuple[int, int, bytes]] = (),
    ) -> None:
        self._about_to_write()

        def put() -> None:
            self.inner.put_checkpoint(position, body, trees, pieces)
            self.disk.wrote(Write(checkpoint=position))

        self.failing.call("put_checkpoint", put)
        self._has_written()

    def _about_to_write(self) -> None:
        if self.disk.dead:
            raise PowerCut
        self.appends += 1
        if self.appends == self.full:
            raise Full("no room")
        if self.appends == self.before:
            self._cut()

    def _has_written(self) -> None:
        if self.appends == self.after:
            self._cut()

    def _cut(self) -> None:
        self.disk.dead = True
        raise PowerCut

    def read(self, after: int = 0, pid: int | None = None) -> Iterator[Record]:
        return self.failing.call("read", lambda: self.inner.read(after, pid))

    def put_value(self, text: str) -> str:
        if self.disk.dead:
            raise PowerCut

        def put() -> str:
            digest = self.inner.put_value(text)
            self.disk.wrote(Write(digest=digest))
            return digest

        return self.failing.call("put_value", put)

    def value(self, digest: str, start: int = 0, length: int | None = None) -> str:
        return self.failing.call("value", lambda: self.inner.value(digest, start, length))

    def checkpoint(self) -> tuple[int, bytes] | None:
        return self.failing.call("checkpoint", self.inner.checkpoint)

    def tree(self, pid: int) -> bytes | None:
        body = self.failing.call("tree", lambda: self.inner.tree(pid))
        if self.disk.newest is not self:
            raise LawBroken("fence: a machine read a tree in a journal that another has opened since")
        return body

    def pieces(self, number: int) -> list[bytes]:
        return self.failing.call("pieces", lambda: self.inner.pieces(number))

    def trees(self) -> Iterator[bytes]:
        return self.inner.trees()

    def roots(self, before: int, most: int) -> list[int]:
        return self.inner.roots(before, most)

    def drop_checkpoint(self) -> None:
        self.inner.drop_checkpoint()

    def drop(self) -> None:
        """As a killed process leaves it: nothing is synced, and the mark of the end stays as it is."""
        mark = getattr(self.inner, "_mark", None)
        if mark is not None:
            mark.close()
            self.inner._mark = None  # type: ignore[attr-defined]
        self.inner.close()

    def close(self) -> None:
        self.inner.close()
        if self.disk.newest is self:
            self.disk._sync()
