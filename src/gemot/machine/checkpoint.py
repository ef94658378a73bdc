"""Checkpoints: the machine's tables at a position of its journal, so that opening it reads those and a tail.

A checkpoint has one part for the machine as a whole and one for each tree; only trees that changed are written again. A
tree is read when something happens in it, not before; one in which everybody waits is taken out of memory again. So a
sleeping tree costs rows, and opening a machine costs what its tail costs.

A checkpoint is never the truth where the records can be folded: whatever is wrong with one (damaged, a program that is gone), the
journal is folded from its first record instead, and gives the same.

Another version begins at the checkpoint, too (decision 56). What is kept says the number of its shape (:data:`SCHEMA`), and
an earlier shape is migrated when it is read. The records before it are evidence then, and are not folded again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

import gemot
from gemot.abi.rules import RULES
from gemot.journal.contract import Damaged, Journal, JournalError, KeptTree
from gemot.kernel import Kernel
from gemot.kernel import freezing as tables
from gemot.machine import versions
from gemot.machine.stretches import Index, Stretches

if TYPE_CHECKING:
    from gemot.machine.cast import Cast
    from gemot.machine.home import Home
    from gemot.machine.loop import Loop
    from gemot.machine.trees import Tree

RECORDS = 20_000
"""Records between two checkpoints of a busy machine: about a third of a second of folding."""

RECORDS_PER_PROGRAM = 20
"""And so many more for each program in memory: what is written must stay small beside what was done."""

RECORDS_AT_CLOSE = 500
"""A machine that is closed leaves a checkpoint behind if it has more than this to fold."""


SCHEMA = 2
"""The shape of what is kept: of :class:`Checkpoint`, :class:`Tree`, and all that is in them. Shapes before 2 have no number."""

Plain = dict[str, Any]


class Migration(NamedTuple):
    """From one shape to the next: what to do with the whole, and with each tree, as plain dictionaries."""

    whole: Callable[[Plain], Plain]
    tree: Callable[[Plain], Plain]


MIGRATIONS: dict[int, Migration] = {}
"""By the shape that they begin with. A shape that only got fields with defaults needs none."""


class Checkpoint(msgspec.Struct, frozen=True):
    """``version``: of the gemot that wrote it. ``readings``: the last number of a piece of a reading that was given. ``rules``: those
    that decided the last record before it; -1: it does not say. ``index``: of the index of trees that is kept with it."""

    version: str
    kernel: tables.FrozenKernel
    readings: int
    schema: int = 1
    rules: int = -1
    index: Index = Index()


class Seen(msgspec.Struct, frozen=True):
    """A tree as it is looked at, without its programs (:class:`gemot.machine.trees.Tree` has them)."""

    tables: tables.FrozenTree
    schema: int = 1


class _Shape(msgspec.Struct, frozen=True):
    """What every shape has."""

    schema: int = 1
    rules: int = -1
    version: str = ""


Kept = TypeVar("Kept", bound=msgspec.Struct)


@functools.cache
def _decoder(kind: type[Kept]) -> msgspec.msgpack.Decoder[Kept]:
    return msgspec.msgpack.Decoder(kind)


@functools.cache
def _shape() -> msgspec.msgpack.Decoder[_Shape]:
    return msgspec.msgpack.Decoder(_Shape)


def _read(body: bytes, kind: type[Kept]) -> Kept:
    """What was kept, in today's shape. Raises :class:`msgspec.DecodeError` where it can't be had, :class:`TooNew`."""
    shape = _shape().decode(body)
    if shape.schema > SCHEMA or shape.rules > RULES:
        raise versions.newer(
            f"its checkpoint has the shape {shape.schema} and the rules {shape.rules}, this gemot reads up to {SCHEMA} and {RULES}"
        )
    steps = [MIGRATIONS[number] for number in range(shape.schema, SCHEMA) if number in MIGRATIONS]
    if not steps:
        return _decoder(kind).decode(body)
    plain: Plain = msgspec.msgpack.decode(body)
    try:
        for step in steps:
            plain = step.whole(plain) if issubclass(kind, Checkpoint) else step.tree(plain)
    except (LookupError, TypeError, ValueError) as error:
        raise msgspec.ValidationError(f"it can't be migrated ({error!r})") from error
    return msgspec.convert(plain, kind)


def of(journal: Journal) -> tuple[int, Checkpoint] | None:
    """The newest checkpoint and its position, if it is whole and its shape can be migrated. Raises :class:`TooNew`."""
    kept = journal.checkpoint()
    if kept is None:
        return None
    try:
        found = _read(kept[1], Checkpoint)
    except msgspec.DecodeError:
        return None
    if found.rules < 0:
        found = msgspec.structs.replace(found, rules=versions.rules_at(journal, kept[0]))
    return kept[0], found


def tree_of(body: bytes) -> Tree:
    """A tree as it was kept. Raises :class:`msgspec.DecodeError`, :class:`TooNew`."""
    from gemot.machine.trees import Tree

    return _read(body, Tree)


def is_ours(kept: Checkpoint) -> bool:
    """Whether this version wrote it."""
    return (kept.version, kept.schema, kept.rules) == (gemot.__version__, SCHEMA, RULES)


def take(
    journal: Journal, kernel: Kernel, cast: Cast, changed: Collection[int], stretches: Stretches | None = None
) -> None:
    """Keep the tables as they are at the journal's end, of the trees those that ``changed`` since the last checkpoint, and the index.
    There must be no event that is not in the journal. Raises :class:`JournalError`."""
    if journal.checkpoint() is None and (kernel.away or isinstance(kernel.processes.fetch, _Lost)):
        raise JournalError("trees that are not in memory are kept nowhere else any more")
    shelf = cast.shelf
    trees = list(_kept(kernel, cast, changed))
    index = Index() if stretches is None else stretches.index
    frozen = Checkpoint(gemot.__version__, tables.freeze(kernel), shelf.last, SCHEMA, kernel.rules, index)
    pieces = shelf.new() if stretches is None else chain(shelf.new(), stretches.pieces())
    journal.put_checkpoint(journal.position, msgspec.msgpack.encode(frozen), trees, pieces)
    shelf.written()
    if stretches is not None:
        stretches.written(journal.position)


def _kept(kernel: Kernel, cast: Cast, changed: Collection[int]) -> Iterable[KeptTree]:
    from gemot.machine.trees import Tree
    from gemot.programs import freezing as folds

    for frozen in tables.freeze_trees(kernel, [root for root in sorted(changed) if root in kernel.trees]):
        pids = tuple(kernel.trees[frozen.root])
        programs = folds.freeze({pid: cast.programs[pid] for pid in pids if pid in cast.programs}, cast.shelf)
        yield KeptTree(frozen.root, pids, msgspec.msgpack.encode(Tree(frozen, programs, SCHEMA)))


def restore(
    journal: Journal, kernel: Kernel, cast: Cast, writing: bool = True, stretches: Stretches | None = None
) -> tuple[int, bool]:
    """Bring a fresh ``kernel`` and ``cast`` to the newest checkpoint; returns its position, 0 where there is none to use, and whether
    it is of another version.

    Of another version every tree is tried: one that can't be migrated must not be found out in the middle of a day. From
    then on trees that are not in memory are fetched from the journal when the kernel names one of their processes."""
    kept = of(journal)
    aged = kept is not None and not is_ours(kept[1])
    if kept is None or (aged and not _all_can_be_read(journal)):
        if journal.position and writing:
            journal.drop_checkpoint()
        kernel.rules = versions.rules_first(journal)
        kernel.processes.fetch = functools.partial(_fetch, journal, kernel, cast) if writing else None
        if stretches is not None:
            stretches.begin(journal.base)
        return 0, aged
    position, frozen = kept
    tables.thaw(frozen.kernel, kernel)
    kernel.rules = frozen.rules
    cast.shelf.last = frozen.readings
    kernel.processes.fetch = functools.partial(_fetch, journal, kernel, cast)
    if stretches is not None:
        stretches.begin(position, frozen.index)
    return position, aged


def stand(journal: Journal, kernel: Kernel, stretches: Stretches | None = None) -> int:
    """Bring a fresh ``kernel`` to the newest checkpoint, to be looked at; returns its position, 0 where there is none to use. No program is
    there, and nothing is given up: what can't be read raises :class:`Damaged` when the kernel names it."""
    kept = of(journal)
    if kept is None:
        kernel.rules = versions.rules_first(journal)
        return 0
    position, frozen = kept
    tables.thaw(frozen.kernel, kernel)
    kernel.rules = frozen.rules
    kernel.processes.fetch = functools.partial(_fetch_tables, journal, kernel)
    if stretches is not None:
        stretches.begin(position, frozen.index)
    return position


def _fetch_tables(journal: Journal, kernel: Kernel, pid: int) -> None:
    body = journal.tree(pid) if 0 < pid <= kernel.numbers[1] else None
    if body is not None:
        tables.thaw_tree(read_tree(body, pid).tables, kernel)


def read_tree(body: bytes, pid: int) -> Seen:
    """A tree as it was kept, to be looked at. Raises :class:`Damaged`, :class:`TooNew`."""
    try:
        return _read(body, Seen)
    except msgspec.DecodeError as error:
        raise Damaged(f"what is kept of the tree of process {pid} can't be read ({error})", 0) from error


def _all_can_be_read(journal: Journal) -> bool:
    try:
        for body in journal.trees():
            tree_of(body)
    except (Damaged, msgspec.DecodeError):
        return False
    return True


def _fetch(journal: Journal, kernel: Kernel, cast: Cast, pid: int) -> None:
    if not 0 < pid <= kernel.numbers[1]:
        return
    try:
        body = journal.tree(pid)
        if body is None and pid not in kernel.away:
            return
        tree = tree_of(body or b"")
        if all(process.pid != pid for process in tree.tables.processes):
            raise LookupError(f"process {pid} is not in it")
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
        yield _read(body, Seen).tables


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
