"""Looking: the views of trees for people and their commands, the newest tree first, a portion at a time.

A portion is small, however much there is: a person who looks never keeps a machine busy, and no reply fills a connection. Trees that are
not in memory are read from their rows and stay where they are. Receipts are long, so they come only on request."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec
from msgspec import Struct

from gemot.abi.answers import Receipt
from gemot.abi.effects import Asked
from gemot.board.table import Board
from gemot.journal.contract import Journal
from gemot.kernel import Kernel, gates, receipts
from gemot.kernel.process import Process
from gemot.machine import checkpoint
from gemot.machine.views import ProcessView, TaskView, ask_views, process_views, state_of, task_views

if TYPE_CHECKING:
    from gemot.machine.home import Home
    from gemot.machine.loop import Loop

TREES_AT_ONCE = 50
"""Trees in one portion, at most: some milliseconds of work for the machine."""

PORTION_BYTES = 1 << 20
"""A portion ends with the first tree, process or ask that makes it longer than this."""

TREES_SHOWN = 200
"""Trees that a person is shown without asking for more."""

Which = Literal["living", "alarms", "all"]
"""``alarms``: those living trees that have something due, the first due first."""

Item = TypeVar("Item", bound=Struct)


class Place(Struct, frozen=True, array_like=True):
    """Where a portion begins: after so many views and tasks of the tree ``root``, or before that tree where ``views`` is -1. ``root`` 0: at the newest."""

    root: int = 0
    views: int = -1
    tasks: int = 0


class Sight(Struct, frozen=True, omit_defaults=True):
    """A portion of what there is to see. ``next``: where the next one begins; none: there is no more. ``left``: how many trees of the
    kind come after it, where that is known."""

    views: list[ProcessView] = []
    tasks: list[TaskView] = []
    next: Place | None = None
    left: int = 0


class ReceiptView(Struct, frozen=True):
    """The receipt of a process, at work or ended."""

    pid: int
    name: str
    state: str
    receipt: Receipt


class Trees:
    """The trees of a kernel: those in memory as they are, the others as the checkpoint in ``journal`` keeps them."""

    def __init__(self, kernel: Kernel, journal: Journal | None) -> None:
        self._kernel, self._journal = kernel, journal

    def root_of(self, pid: int) -> int:
        """The first process of the tree of ``pid``; 0 where there is no such process."""
        held = self._kernel.processes.held(pid)
        if held is not None:
            return held.root
        if self._journal is None or not 0 < pid <= self._kernel.numbers[1]:
            return 0
        row = self._journal.tree(pid)
        return 0 if row is None else checkpoint.read_tree(row, pid).tables.root

    def tree(self, root: int) -> tuple[list[Process], Board | None]:
        """The processes of a tree, in the order of their pids, and its board."""
        if root in self._kernel.trees:
            return self._kernel.tree(root), self._kernel.boards.get(root)
        row = None if self._journal is None else self._journal.tree(root)
        if row is None:
            return [], None
        tables = checkpoint.read_tree(row, root).tables
        return tables.processes, tables.board

    def process(self, pid: int) -> Process | None:
        held = self._kernel.processes.held(pid)
        if held is not None:
            return held
        processes, _ = self.tree(self.root_of(pid))
        return next((process for process in processes if process.pid == pid), None)

    def state(self, process: Process) -> str:
        """The state of one of them, as people are told it."""
        return state_of(self._kernel, process)

    def roots(self, which: Which, before: int, most: int = TREES_AT_ONCE) -> tuple[list[int], int]:
        """The roots of the next portion, and how many come after it (0 or 1 where that would have to be counted)."""
        most = min(most or TREES_AT_ONCE, TREES_AT_ONCE)
        kernel, before = self._kernel, max(-1, min(before, self._kernel.numbers[1] + 1))
        if which == "all":
            kept = [] if self._journal is None else self._journal.roots(before, most + 1)
            held = (root for root in kernel.trees if not before or root < before)
            found = sorted({*kept, *heapq.nlargest(most + 1, held)}, reverse=True)
            return found[:most], int(len(found) > most)
        found = self._due() if which == "alarms" else self._living()
        start = found.index(before) + 1 if before in found else 0
        if before and not start and which == "living":
            start = next((index for index, root in enumerate(found) if root < before), len(found))
        chosen = found[start : start + most]
        return chosen, max(0, len(found) - start - len(chosen))

    def _living(self) -> list[int]:
        kernel = self._kernel
        held = [root for root in kernel.trees if kernel.processes[root].alive]
        return sorted([*held, *kernel.away], reverse=True)

    def _due(self) -> list[int]:
        """Roots of living trees with timers, the first due first."""
        kernel, first = self._kernel, dict[int, int]()
        late = (entry for entries in kernel.late.values() for entry in entries)
        for at, _, timer in (*kernel.timers, *late):
            process = kernel.processes.held(timer.pid)
            root = timer.pid if timer.kind == "away" else 0 if process is None or not process.alive else process.root
            if root:
                first[root] = min(at, first.get(root, at))
        return sorted(first, key=lambda root: (first[root], root))


@contextlib.contextmanager
def trees_of(loop: Loop, home: Home | None) -> Generator[Trees]:
    """The trees of a machine, also of one that was closed."""
    from gemot.journal.sqlite import SqliteJournal

    if not loop.closed or home is None:
        yield Trees(loop.kernel, None if loop.closed else loop.journal)
        return
    reader = SqliteJournal(home.journal, writing=False)
    try:
        yield Trees(loop.kernel, reader)
    finally:
        reader.close()


def portion(
    trees: Trees,
    kernel: Kernel,
    which: Which,
    place: Place | None = None,
    root: int = 0,
    receipts_too: bool = False,
    most: int = TREES_AT_ONCE,
) -> Sight:
    """The portion that begins at a place. ``root``: only of that tree. ``most``: so many trees at most, if not 0. Raises
    :class:`JournalError`."""
    place = Place() if place is None else place
    begun = [place.root] if place.views >= 0 else []
    more, left = ([root], 0) if root and not begun else ([], 0) if root else trees.roots(which, place.root, most)
    views: list[ProcessView] = []
    tasks: list[TaskView] = []
    size = 0
    order = [*begun, *more]
    for index, one in enumerate(order):
        processes, board = trees.tree(one)
        skipped, passed = (place.views, place.tasks) if one in begun else (0, 0)
        seen = process_views(kernel, processes)[skipped:]
        mine, size = _fitting((view if receipts_too else _bare(view) for view in seen), size)
        listed = task_views([] if board is None else [(one, board)])[passed:]
        shown, size = _fitting(listed, size) if len(mine) == len(seen) else ([], size)
        views += mine
        tasks += shown
        after = left + len(order) - index - 1
        if len(mine) < len(seen) or len(shown) < len(listed):
            return Sight(views, tasks, Place(one, skipped + len(mine), passed + len(shown)), after)
        if size >= PORTION_BYTES and after:
            return Sight(views, tasks, Place(one), after)
    return Sight(views, tasks, Place(order[-1]) if left and order else None, left)


def _fitting(items: Iterable[Item], size: int) -> tuple[list[Item], int]:
    """The first items that fit into a portion which holds ``size`` bytes already, and the bytes that it holds then."""
    chosen: list[Item] = []
    for item in items:
        if size >= PORTION_BYTES:
            break
        chosen.append(item)
        size += len(msgspec.json.encode(item))
    return chosen, size


def _bare(view: ProcessView) -> ProcessView:
    """Without its receipt."""
    if view.outcome is None or view.outcome.receipt == Receipt():
        return view
    return msgspec.structs.replace(view, outcome=msgspec.structs.replace(view.outcome, receipt=Receipt()))


def asks_after(kernel: Kernel, number: int) -> list[Asked]:
    """A portion of the open asks that come after this number; none: there are no more."""
    return _fitting((asked for asked in ask_views(kernel) if asked.ask > number), 0)[0]


def gathered(next_portion: Callable[[Place | None], Sight], trees_max: int = 0, before: int = 0) -> Sight:
    gathering = Gathering(trees_max, before)
    while gathering.take(next_portion(gathering.place)):
        pass
    return gathering.whole()


def look(
    loop: Loop, home: Home | None, which: Which, place: Place | None, pid: int, receipts_too: bool, most: int = 0
) -> Sight:
    """A portion of a machine's trees, or of the tree of ``pid``."""
    with trees_of(loop, home) as trees:
        root = trees.root_of(pid) if pid else 0
        return Sight() if pid and not root else portion(trees, loop.kernel, which, place, root, receipts_too, most)


def processes(loop: Loop, home: Home | None, root: int) -> list[ProcessView]:
    """One tree of a machine, with receipts."""
    with trees_of(loop, home) as trees:
        return process_views(loop.kernel, trees.tree(root)[0])


def receipt(loop: Loop, home: Home | None, pid: int) -> ReceiptView | None:
    with trees_of(loop, home) as trees:
        return receipt_of(trees, pid)


def receipt_of(trees: Trees, pid: int) -> ReceiptView | None:
    process = trees.process(pid)
    if process is None:
        return None
    given = gates.receipt_for_person(process) or receipts.receipt(process, {})
    return ReceiptView(pid, process.name, trees.state(process), given)


class Gathering:
    """Portions that are put together until there are so many trees (0: all), those before a tree (0: the newest). ``place``: where the
    next one begins."""

    def __init__(self, trees_max: int = 0, before: int = 0) -> None:
        self.place: Place | None = Place(before) if before else None
        self._trees_max = trees_max
        self._views: list[ProcessView] = []
        self._tasks: list[TaskView] = []
        self._left = 0

    def take(self, sight: Sight) -> bool:
        """Says whether another portion is wanted."""
        self._views += sight.views
        self._tasks += sight.tasks
        self.place, self._left = sight.next, sight.left
        if self.place is None or not self._trees_max or self.place.views >= 0:
            return self.place is not None
        return len({view.root for view in self._views}) < self._trees_max

    def whole(self) -> Sight:
        """All of it, the oldest first. ``next``: where there are more trees than were wanted."""
        views = sorted(self._views, key=lambda view: view.pid)
        return Sight(views, sorted(self._tasks, key=lambda task: task.root), self.place, self._left)
