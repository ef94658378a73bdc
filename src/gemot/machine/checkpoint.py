"""Checkpoints: the machine's tables at a position of its journal, so that opening it reads those and a tail.

A checkpoint has one part for the machine as a whole and one for each tree; only trees that changed are written again. A
tree is read when something happens in it, not before; one in which everybody waits is taken out of memory again. So a
sleeping tree costs rows, and opening a machine costs what its tail costs.

A checkpoint is never the truth: whatever is wrong with one (damaged, written by another version, a program that is gone),
the journal is folded from its first record instead, and gives the same.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import gemot
from gemot.journal.contract import Damaged, Journal, JournalError, KeptTree
from gemot.kernel import Kernel
from gemot.kernel import freezing as tables
from gemot.machine.cast import Cast
from gemot.programs import freezing as folds

if TYPE_CHECKING:
    from gemot.machine.home import Home
    from gemot.machine.loop import Loop

RECORDS = 20_000
"""Records between two checkpoints of a busy machine: about a third of a second of folding."""

RECORDS_PER_PROGRAM = 20
"""And so many more for each program in memory: what is written must stay small beside what was done."""

RECORDS_AT_CLOSE = 500
"""A machine that is closed leaves a checkpoint behind if it has more than this to fold."""


class Checkpoint(msgspec.Struct, frozen=True):
    """``version``: of the gemot that wrote it; another one folds by its own rules. ``readings``: the last number of a piece
    of a reading that was given."""

    version: str
    kernel: tables.FrozenKernel
    readings: int


class Tree(msgspec.Struct, frozen=True):
    tables: tables.FrozenTree
    programs: folds.FrozenPrograms


@functools.cache
def _decoders() -> tuple[msgspec.msgpack.Decoder[Checkpoint], msgspec.msgpack.Decoder[Tree]]:
    return msgspec.msgpack.Decoder(Checkpoint), msgspec.msgpack.Decoder(Tree)


def take(journal: Journal, kernel: Kernel, cast: Cast, changed: Collection[int]) -> None:
    """Keep the tables as they are at the journal's end, and of the trees those that ``changed`` since the last checkpoint.
    There must be no event that is not in the journal. Raises :class:`JournalError`."""
    if journal.checkpoint() is None and (kernel.away or isinstance(kernel.processes.fetch, _Lost)):
        raise JournalError("trees that are not in memory are kept nowhere else any more")
    shelf = cast.shelf
    trees = list(_kept(kernel, cast, changed))
    frozen = Checkpoint(gemot.__version__, tables.freeze(kernel), shelf.last)
    journal.put_checkpoint(journal.position, msgspec.msgpack.encode(frozen), trees, shelf.new())
    shelf.written()


def _kept(kernel: Kernel, cast: Cast, changed: Collection[int]) -> Iterable[KeptTree]:
    for frozen in tables.freeze_trees(kernel, [root for root in sorted(changed) if root in kernel.trees]):
        pids = tuple(kernel.trees[frozen.root])
        programs = folds.freeze({pid: cast.programs[pid] for pid in pids if pid in cast.programs}, cast.shelf)
        yield KeptTree(frozen.root, pids, msgspec.msgpack.encode(Tree(frozen, programs)))


def restore(journal: Journal, kernel: Kernel, cast: Cast) -> int:
    """Bring a fresh ``kernel`` and ``cast`` to the newest checkpoint; returns its position, 0 where there is none to use.

    From then on trees that are not in memory are fetched from the journal when the kernel names one of their processes."""
    kept = journal.checkpoint()
    position = 0
    if kept is not None:
        try:
            frozen = _decoders()[0].decode(kept[1])
        except msgspec.DecodeError:
            frozen = None
        if frozen is not None and frozen.version == gemot.__version__:
            tables.thaw(frozen.kernel, kernel)
            cast.shelf.last = frozen.readings
            position = kept[0]
    if not position and journal.position:
        journal.drop_checkpoint()
    kernel.processes.fetch = functools.partial(_fetch, journal, kernel, cast)
    return position


def _fetch(journal: Journal, kernel: Kernel, cast: Cast, pid: int) -> None:
    if not 0 < pid <= kernel.numbers[1]:
        return
    try:
        body = journal.tree(pid)
        if body is None:
            return
        tree = _decoders()[1].decode(body)
    except (Damaged, msgspec.DecodeError, LookupError) as error:
        raise _lose(journal, kernel, f"what is kept of the tree of process {pid}", error) from error
    tables.thaw_tree(tree.tables, kernel)
    cast.bring(tree.programs)


def _lose(journal: Journal, kernel: Kernel, what: str, error: Exception) -> Damaged:
    journal.drop_checkpoint()
    why = (
        f"{what} can't be read ({error}). The records have all of it: they are folded from the first when this machine is "
        "opened next"
    )
    kernel.processes.fetch = _Lost(why, kernel.numbers[1])
    return Damaged(why, 0)


class _Lost:
    """From here on nothing is fetched: the other trees' rows are given up too, and are not to be taken for trees that never
    were. Whoever names one learns ``why``; a step that does stops the machine. ``last``: the last pid there is."""

    def __init__(self, why: str, last: int) -> None:
        self.why, self.last = why, last

    def __call__(self, pid: int) -> None:
        if 0 < pid <= self.last:
            raise Damaged(self.why, 0)


def sleepers(kernel: Kernel, cast: Cast, stirred: set[int]) -> list[int]:
    """Roots of the trees in memory in which nothing has happened of late, and nothing is under way."""
    absent = {kernel.processes[pid].root for pid in cast.missing}
    return [root for root in kernel.trees if root not in stirred and root not in absent and tables.waits(kernel, root)]


def drop(kernel: Kernel, cast: Cast, roots: list[int]) -> None:
    """Take trees out of memory that the newest checkpoint has as they are."""
    for root in roots:
        for pid in kernel.trees[root]:
            cast.forget(pid)
    tables.drop_trees(kernel, roots)


def trees(journal: Journal, kernel: Kernel) -> Iterator[tables.FrozenTree]:
    """All trees as the checkpoint of this kernel keeps them, to be looked at. Raises :class:`JournalError`."""
    if isinstance(kernel.processes.fetch, _Lost):
        raise Damaged(kernel.processes.fetch.why, 0)
    try:
        yield from _trees(journal)
    except (Damaged, msgspec.DecodeError) as error:
        raise _lose(journal, kernel, "what is kept of a tree", error) from error


def _trees(journal: Journal) -> Iterator[tables.FrozenTree]:
    for body in journal.trees():
        yield _decoders()[1].decode(body).tables


def kept(loop: Loop, home: Home | None) -> Iterator[tables.FrozenTree]:
    """All trees of a machine, also of one that was closed. Raises :class:`JournalError`."""
    return trees_of(home.journal) if loop.closed and home is not None else trees(loop.journal, loop.kernel)


def trees_of(path: Path) -> Iterator[tables.FrozenTree]:
    """The same, of the journal in a file that no machine has open."""
    from gemot.journal.sqlite import SqliteJournal

    reader = SqliteJournal(path, writing=False)
    try:
        yield from _trees(reader)
    finally:
        reader.close()
