"""The in-memory journal: the reference that every other store is compared with, and the store of machines that need none."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator

from gemot.journal.contract import INDEX, Damaged, Fenced, KeptTree, Record
from gemot.journal.runs import Run, joined


class MemoryJournal:
    """Lasts as long as the object. ``open_again`` gives a new writer over the same records and fences this one off."""

    base = 0

    def __init__(self) -> None:
        self.fresh: set[str] | None = None
        self._records: list[Record | None] = []
        """None: in the middle of a run."""
        self._runs: dict[int, int] = {}
        """By the last position of a run: the first."""
        self._values: dict[str, str] = {}
        self._epochs = [1]
        self._epoch = 1
        self._checkpoint: list[tuple[int, bytes]] = []
        self._trees: dict[int, KeptTree] = {}
        self._roots: dict[int, int] = {}
        self._pieces: dict[int, dict[int, bytes]] = {}

    @property
    def position(self) -> int:
        return len(self._records)

    def open_again(self) -> MemoryJournal:
        other = MemoryJournal()
        other._records, other._values, other._epochs = self._records, self._values, self._epochs
        other._checkpoint, other._trees, other._roots = self._checkpoint, self._trees, self._roots
        other._pieces, other._runs = self._pieces, self._runs
        self._epochs[0] += 1
        other._epoch = self._epochs[0]
        return other

    def append(self, expected: int, entries: Iterable[tuple[int, int, bytes]], *, synced: bool) -> int:
        self._check_fence(expected)
        self._records.extend(
            [Record(expected + 1 + index, at, pid, body) for index, (at, pid, body) in enumerate(entries)]
        )
        return self.position

    def _check_fence(self, expected: int) -> None:
        if self._epoch != self._epochs[0] or expected != self.position:
            raise Fenced("another machine has opened this journal since, so this one may not write to it any more")

    def read(self, after: int = 0, pid: int | None = None) -> Iterator[Record]:
        for record in self._records[after:]:
            if record is not None and (pid is None or record.pid == pid):
                yield record

    def put_value(self, text: str) -> str:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        self._values[digest] = text
        if self.fresh is not None:
            self.fresh.add(digest)
        return digest

    def value(self, digest: str, start: int = 0, length: int | None = None) -> str:
        if digest not in self._values:
            raise Damaged(f"the value {digest[:12]} is not in the journal", 0)
        return self._values[digest][start : None if length is None else start + length]

    def put_checkpoint(
        self,
        position: int,
        body: bytes,
        trees: Iterable[KeptTree] = (),
        pieces: Iterable[tuple[int, int, bytes]] = (),
    ) -> None:
        self._check_fence(self.position)
        for tree in list(trees):  # all of them are there before the first is kept
            self._trees[tree.root] = tree
            self._roots.update(dict.fromkeys(tree.pids, tree.root))
        for number, start, part in pieces:
            kept = self._pieces.setdefault(number, {})
            if not start:
                kept.clear()
            kept[start] = part
        self._checkpoint[:] = [(position, body)]

    def checkpoint(self) -> tuple[int, bytes] | None:
        return self._checkpoint[0] if self._checkpoint else None

    def tree(self, pid: int) -> bytes | None:
        self._check_fence(self.position)
        tree = self._trees.get(self._roots.get(pid, 0))
        return None if tree is None else tree.body

    def pieces(self, number: int) -> list[bytes]:
        kept = self._pieces.get(number, {})
        return [kept[start] for start in sorted(kept)]

    def trees(self) -> Iterator[bytes]:
        return (self._trees[root].body for root in sorted(self._trees))

    def roots(self, before: int, most: int) -> list[int]:
        return sorted((root for root in self._trees if not before or root < before), reverse=True)[:most]

    def blank(self, roots: Collection[int], records: Iterable[tuple[int, bytes]], pids: Collection[int] = ()) -> None:
        self._check_fence(self.position)
        near = [Run(first, last, self._at(last).body) for last, first in self._runs.items()]
        for run in joined(list(records), near):
            first, last = run.first, run.last
            blank = Record(last, self._at(last).at, 0, run.body, first if first < last else 0)
            self._records[first - 1 : last] = [*[None] * (last - first), blank]
            for position in range(first, last):
                self._runs.pop(position, None)
            self._runs[last] = first
        for root in roots:
            self._trees.pop(root, None)
            self._pieces.pop(INDEX + root, None)
        for pid in pids:
            self._roots.pop(pid, None)

    def digests(self, after: str, most: int) -> list[str]:
        return sorted(digest for digest in self._values if digest > after)[:most]

    def numbers(self) -> list[int]:
        return sorted(self._pieces)

    def forget(self, digests: Collection[str], numbers: Collection[int] = ()) -> None:
        self._check_fence(self.position)
        for digest in digests:
            self._values.pop(digest, None)
        for number in numbers:
            self._pieces.pop(number, None)

    def _at(self, position: int) -> Record:
        record = self._records[position - 1]
        assert record is not None, "a run ends at a record"
        return record

    def drop_checkpoint(self) -> None:
        self._check_fence(self.position)
        for kept in (self._checkpoint, self._trees, self._roots, self._pieces):
            kept.clear()

    def close(self) -> None:
        pass
