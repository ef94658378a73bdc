"""Excerpts: the records of one group of trees, folded without all others, as the index says where they stand (decision 64).

The index in the journal goes up to its checkpoint. For the records after it a running machine says what it has noted. Where none
runs, they are folded here, which are few. Whatever does not fit raises :class:`NotIndexed`, and the reader folds all records instead: the
index is never believed where the tables of the checkpoint say otherwise."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gemot.journal.contract import INDEX, Damaged, Journal, JournalError, Record
from gemot.journal.picking import picked
from gemot.journal.sqlite import SqliteJournal
from gemot.kernel import Kernel
from gemot.kernel.process import Process
from gemot.machine import checkpoint, looking, notes, versions
from gemot.machine.snapshot import Snapshot
from gemot.machine.stretches import WHOLE, Noted, Row, Start, Stretch, Stretches, read, stretches_of
from gemot.machine.whole import with_values

if TYPE_CHECKING:
    from gemot.machine.home import Home
    from gemot.machine.loop import Loop


class NoProcess(Exception):
    """There is no process of this number."""


class NotIndexed(Exception):
    """The index does not have all of this tree, or does not fit the journal."""


def noted_by(loop: Loop, home: Home | None, pid: int, after: int) -> Noted:
    """What a running machine has noted of the tree of ``pid`` since its checkpoint; pid 0: of all trees with records after a position."""
    if not pid:
        return loop.stretches.noted(0, after)
    with looking.trees_of(loop, home) as trees:
        root = trees.root_of(pid)
    return loop.stretches.noted(root, after) if root else Noted(0, loop.stretches.index, {})


def noted_in(journal: Journal, pid: int, after: int = 0) -> Noted:
    """The same of a journal that no machine has open: the records after its checkpoint are folded. Raises ``JournalError``."""
    kernel, stretches = Kernel(), Stretches()
    position = checkpoint.stand(journal, kernel, stretches)
    if not position:
        stretches.begin(journal.base)
    for record in journal.read(position):
        rules = kernel.rules
        event = versions.read(record, rules)
        try:
            kernel.handle(with_values(event, kernel, journal.value))
        except (AssertionError, LookupError, msgspec.DecodeError) as error:
            raise versions.misfit(record, rules, str(error)) from error
        stretches.note(record.position, event, record.pid, kernel)
    if not pid:
        return stretches.noted(0, after)
    root = looking.Trees(kernel, journal if position else None).root_of(pid)
    return stretches.noted(root, after) if root else Noted(0, stretches.index, {})


def groups_after(journal: SqliteJournal, position: int, noted: Noted) -> list[int]:
    """The groups with records after a position, as far as they are known. Raises :class:`NotIndexed`, ``JournalError``."""
    roots = journal.database.execute(
        "SELECT DISTINCT root FROM records JOIN root_of USING (pid) WHERE position>?", (position,)
    ).fetchall()
    born = journal.database.execute(
        "SELECT DISTINCT number FROM pieces WHERE number>? AND start>?", (INDEX, position)
    ).fetchall()
    forks: dict[int, Any] = noted.index.forks
    found = {forks.get(root, root) for (root,) in roots}.union([number - INDEX for (number,) in born], noted.rows)
    return sorted(found - {WHOLE})


class Excerpt(Snapshot):
    """The kernel's tables with the trees of one group only; :meth:`go_on` takes in what was written since. ``ask`` gives what is noted since
    the checkpoint. ``group``: where ``ask`` does not name it."""

    def __init__(
        self, path: Path, ask: Callable[[SqliteJournal], Noted], group: int = 0, readings: bool = False
    ) -> None:
        super().__init__(path, readings)
        self._group, self._ask = group, ask

    def go_on(self) -> Iterator[tuple[Record, list[notes.Note]]]:
        """The records of the group that were not folded yet, each with what there is to tell about it. Raises :class:`NoProcess`,
        ``JournalError``; :class:`NotIndexed`, also after it gave some: then nothing that it gave is to be believed."""
        if self._journal is None:
            if not self._is_there():
                raise NoProcess
            self._journal = SqliteJournal(self._path, writing=False)
        journal, noted = self._journal, self._ask(self._journal)
        self._group = self._group or noted.group
        if not self._group:
            raise NoProcess
        kept = journal.checkpoint()
        plan = Plan(journal, self._group, noted, 0 if kept is None else kept[0], self.position)
        if not self.position:
            self._begin(journal, plan.start)
        try:
            yield from self._through(journal, plan.kept)
            if plan.kept and (kept := journal.checkpoint()) is not None and kept[0] == plan.upto:
                self._must_fit(journal)
            yield from self._through(journal, plan.noted)
        except (Damaged, KeyError) as error:
            raise NotIndexed(str(error)) from error

    def _begin(self, journal: SqliteJournal, start: Start) -> None:
        kernel = self.kernel
        kernel.rules, kernel.now, kernel.lead = start.rules, start.now, start.lead
        for record in picked(journal, start.installed, start.installed):
            self.take(record)

    def _through(self, journal: SqliteJournal, plan: list[Stretch]) -> Iterator[tuple[Record, list[notes.Note]]]:
        kernel = self.kernel
        for stretch in plan:
            if stretch.numbers[3]:
                kernel.numbers = (*stretch.numbers[:3], kernel.numbers[3])
                kernel.moment = stretch.numbers[3]
            kernel.feed = {(root, number): given for root, number, given in stretch.parts}
            for record in picked(journal, stretch.first, stretch.last):
                yield record, self.take(record)
            kernel.feed = {}

    def _must_fit(self, journal: Journal) -> None:
        """The tables must be those of the checkpoint. Raises :class:`NotIndexed`."""
        for root in self.kernel.trees:
            body = journal.tree(root)
            if body is None:
                continue  # it was archived meanwhile
            kept = checkpoint.read_tree(body, root).tables.processes
            if [_seen(process) for process in kept] != [_seen(process) for process in self.kernel.tree(root)]:
                raise NotIndexed(f"tree {root} is not as the checkpoint has it")


def _seen(process: Process) -> tuple[object, ...]:
    return process.pid, process.name, process.state, process.entries, process.spent.frozen()


class Plan:
    """Which records are folded, after those up to ``done``: ``kept``, those that the checkpoint at ``upto`` has the index of, and ``noted``
    those after it. Raises :class:`NotIndexed`."""

    def __init__(self, journal: Journal, group: int, noted: Noted, upto: int, done: int) -> None:
        mine, whole = _rows(journal, group), _rows(journal, WHOLE)
        later = [noted.rows[one] for one in (group,) if one in noted.rows]
        starts = [row.start for row in (*mine, *later) if row.start is not None]
        if not starts or noted.index.since < 0 or starts[-1].position <= noted.index.since or not starts[-1].installed:
            raise NotIndexed(f"the records of tree {group} are not all in the index")
        self.start, self.upto = starts[-1], upto
        after = max(done, self.start.position - 1)
        self.kept = self._merged(_after(mine, after), _after(whole, after))
        if self.kept and self.kept[-1].last > upto:
            raise NotIndexed("it is ahead of the checkpoint")
        more = [noted.rows[WHOLE]] if WHOLE in noted.rows else []
        since = max(after, upto)
        self.noted = self._merged(_after(later, since), _after(more, since))

    @staticmethod
    def _merged(mine: list[Stretch], whole: list[Stretch]) -> list[Stretch]:
        """In their order. A record that stands in both is the group's."""
        own = {stretch.first for stretch in mine}
        alone = (Stretch(at, at, (0, 0, 0, 0)) for one in whole for at in range(one.first, one.last + 1))
        others = (one for one in alone if one.first not in own)
        return list(heapq.merge(mine, others, key=lambda stretch: stretch.first))


def _rows(journal: Journal, group: int) -> list[Row]:
    try:
        return [read(body) for body in journal.pieces(INDEX + group)]
    except (JournalError, msgspec.DecodeError, ValueError) as error:
        raise NotIndexed(str(error)) from error


def _after(rows: Iterable[Row], position: int) -> list[Stretch]:
    """The stretches after a position; of one that goes on after it, the rest, before which no number was given to others."""
    found: list[Stretch] = []
    try:
        for stretch in (one for row in rows for one in stretches_of(row)):
            if stretch.first > stretch.last or (found and stretch.first <= found[-1].last):
                raise NotIndexed("its stretches are not in their order")
            if stretch.first > position:
                found.append(stretch)
            elif stretch.last > position:
                found.append(Stretch(position + 1, stretch.last, (0, 0, 0, 0)))
    except ValueError as error:
        raise NotIndexed(str(error)) from error
    return found
