"""The kernel's tables as values and back: all that concerns the machine as a whole in one, and each tree in its own.

So a tree can be kept apart from the others: written down only when it changed, taken out of memory while everybody in
it waits, and opening a machine reads what concerns it as a whole and a tail of records, not all of its past.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from gemot.abi.events import Cost
from gemot.abi.programs import ProgramSpec
from gemot.abi.tools import ToolSpec
from gemot.authority.ledger import Means
from gemot.board.table import Board
from gemot.kernel import dates, standing
from gemot.kernel.asking import asked_about
from gemot.kernel.process import OpenAsk, Process, Timer

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


class FrozenKernel(Struct, frozen=True):
    """What is known apart from the trees. ``numbers``: the last number, pid, ask and wake-up that were given. ``away``: the
    living trees, whether they have work to go on with, when the first of their timers is due, and when the first of those
    was that came due while they slept (0: none)."""

    now: int
    moment: int
    boots: int
    tools: dict[str, ToolSpec]
    programs: dict[str, ProgramSpec]
    asks: dict[int, OpenAsk]
    asleep: set[int]
    working: dict[int, int]
    bills: dict[str, tuple[int, int]]
    numbers: tuple[int, int, int, int]
    away: dict[int, tuple[bool, int, int]]
    lead: int = 0
    """By how much the order is ahead of the time of day."""
    dated: dict[int, int] | None = None
    """By root, when the first of a tree's timers is due that is a date; ``away`` has the first of the others. None: it has all."""


class FrozenTree(Struct, frozen=True):
    """One tree between two events, all of its processes. ``boots``: how often the machine had been started then."""

    boots: int
    processes: list[Process]
    board: Board | None
    overdrawn: Cost | None
    given: Means
    timers: list[tuple[int, int, Timer]]
    late: list[tuple[int, int, Timer]]
    lead: int = 0
    """By how much the order was ahead of the time of day then."""

    @property
    def root(self) -> int:
        return self.processes[0].root

    @property
    def alive(self) -> bool:
        return self.processes[0].alive


def freeze(kernel: Kernel) -> FrozenKernel:
    """The machine as a whole, as it is; to be encoded before the kernel handles another event, since it is shared."""
    busy = dict(kernel.away)
    for root in kernel.trees:
        if kernel.processes[root].alive:
            busy[root] = _busy(kernel, root)
    first, dated = _first(kernel, kernel.timers)
    late = _soonest(kernel, (entry for entries in kernel.late.values() for entry in entries))
    away = {root: (one, first.get(root, 0), late.get(root, 0)) for root, one in busy.items()}
    return FrozenKernel(
        kernel.now,
        kernel.moment,
        kernel.boots,
        kernel.tools,
        kernel.programs,
        kernel.asks,
        kernel.asleep,
        kernel.working,
        kernel.bills,
        kernel.numbers,
        away,
        kernel.lead,
        {root: at for root, at in dated.items() if root in away},
    )


def _first(kernel: Kernel, timers: Iterable[dates.Entry]) -> tuple[dict[int, int], dict[int, int]]:
    """What is due first by the order, and what by the time of day."""
    passing: list[dates.Entry] = []
    dated: list[dates.Entry] = []
    for entry in timers:
        (dated if dates.is_dated(kernel, entry[2]) else passing).append(entry)
    return _soonest(kernel, passing), _soonest(kernel, dated)


def _soonest(kernel: Kernel, timers: Iterable[dates.Entry]) -> dict[int, int]:
    """By root, when the first of a tree's timers is due that somebody still waits for."""
    first: dict[int, int] = {}
    for at, _, timer in timers:
        root = _living_root(kernel, timer)
        first[root] = min(at, first.get(root, at))
    return first


def _living_root(kernel: Kernel, timer: Timer) -> int:
    """The root of the tree that a timer belongs to; 0 if its process has ended."""
    if timer.kind == "away":
        return timer.pid if timer.pid in kernel.away else 0
    process = kernel.processes[timer.pid]
    return process.root if process.alive else 0


def _busy(kernel: Kernel, root: int) -> bool:
    """Whether there is something to go on with when the tree is resumed."""
    begun = (work.state for process in kernel.tree(root) for work in process.work)
    return any(state in ("ready", "started", "interrupted") for state in begun) or bool(standing.whom(kernel, root))


def freeze_trees(kernel: Kernel, roots: Collection[int]) -> list[FrozenTree]:
    """These trees as they are, all of them in memory; to be encoded before the kernel handles another event."""
    timers: defaultdict[int, list[tuple[int, int, Timer]]] = defaultdict(list)
    for entry in kernel.timers:
        if entry[2].kind != "away":
            timers[_living_root(kernel, entry[2])].append(entry)
    return [
        FrozenTree(
            kernel.boots,
            kernel.tree(root),
            kernel.boards.get(root),
            kernel.overdrawn.get(root),
            kernel.given[root],
            timers.get(root, []),
            kernel.late.get(root, []),
            kernel.lead,
        )
        for root in roots
    ]


def waits(kernel: Kernel, root: int) -> bool:
    """Whether everybody in a tree waits (for a person, a child, an alarm, or to be woken), or it has ended."""
    return all(
        not process.alive or (process.syscall is not None and not any(work.state == "started" for work in process.work))
        for process in kernel.tree(root)
    )


def drop_trees(kernel: Kernel, roots: Collection[int]) -> None:
    """Take trees out of memory that are kept elsewhere as they are."""
    gone = set(roots)
    nobody = gone | {0}
    first, dated = _first(kernel, kernel.timers)
    kept = [entry for entry in kernel.timers if _living_root(kernel, entry[2]) not in nobody]
    kept += [_away(root, first[root]) for root in gone if root in first]
    kept += [_away(root, dated[root], dates.DATED) for root in gone if root in dated]
    for root in gone:
        late = _soonest(kernel, kernel.late.pop(root, ())).get(root)
        if late is not None:
            kernel.late[root] = [_away(root, late)]
    kernel.away.update({root: _busy(kernel, root) for root in gone if kernel.processes[root].alive})
    for root in gone:
        for pid in kernel.trees.pop(root):
            del kernel.processes[pid]
            kernel.awaited.pop(pid, None)
        for table in (kernel.boards, kernel.overdrawn, kernel.given):
            table.pop(root, None)
    heapq.heapify(kept)
    kernel.timers = kept


def _away(root: int, at: int, token: int = 0) -> tuple[int, int, Timer]:
    """Something of a tree that is away is due then. Its number is one that no other timer has."""
    return at, -root, Timer(root, "away", token)


def thaw(frozen: FrozenKernel, kernel: Kernel) -> None:
    """Give a fresh kernel the tables, with every tree away; the frozen value must not be used again."""
    kernel.now, kernel.moment, kernel.boots = frozen.now, frozen.moment, frozen.boots
    kernel.tools, kernel.programs = frozen.tools, frozen.programs
    kernel.asks, kernel.asleep, kernel.working = frozen.asks, frozen.asleep, frozen.working
    kernel.bills = frozen.bills
    kernel.away = {root: busy for root, (busy, _, _) in frozen.away.items()}
    kernel.timers = [_away(root, at) for root, (_, at, _) in frozen.away.items() if at]
    kernel.late = {root: [_away(root, at)] for root, (_, _, at) in frozen.away.items() if at}
    kernel.lead = frozen.lead
    if frozen.dated is None:
        kernel.undated = {timer.pid for _, _, timer in kernel.timers}
    else:
        kernel.timers += [_away(root, at, dates.DATED) for root, at in frozen.dated.items()]
    heapq.heapify(kernel.timers)
    kernel.numbers = frozen.numbers


def thaw_tree(frozen: FrozenTree, kernel: Kernel) -> None:
    """Bring a tree back into memory; the frozen value must not be used again."""
    root = frozen.root
    for process in frozen.processes:
        kernel.enter(process)
        if frozen.boots != kernel.boots:
            process.interrupt()
    kernel.away.pop(root, None)
    kernel.undated.discard(root)
    kernel.given[root] = frozen.given
    if frozen.board is not None:
        kernel.boards[root] = frozen.board
    if frozen.overdrawn is not None:
        kernel.overdrawn[root] = frozen.overdrawn
    timers, late = frozen.timers, [entry for entry in frozen.late if _living_root(kernel, entry[2])]
    if kernel.lead != frozen.lead:
        later = kernel.lead - frozen.lead
        timers, late = dates.moved(kernel, timers, later), dates.moved(kernel, late, later)
    if root in kernel.late:
        kernel.late[root] = late
    else:  # the tree was resumed while it was away
        timers = timers + late
    for entry in timers:
        heapq.heappush(kernel.timers, entry)


class CarriedTree(Struct, frozen=True):
    """A tree with all that the kernel holds of it, on its way to another machine. ``numbers``: of all that were given where it
    comes from, the last; ``moment``: of its last event."""

    tree: FrozenTree
    asks: list[OpenAsk]
    numbers: int
    moment: int


def carry(kernel: Kernel, root: int) -> bytes:
    """A tree as one value that another machine can adopt."""
    (frozen,) = freeze_trees(kernel, [root])
    asks = [opened for opened in kernel.asks.values() if opened.root == root]
    return msgspec.msgpack.encode(CarriedTree(frozen, asks, kernel.numbers[0], kernel.moment))


def carried(body: bytes) -> CarriedTree:
    """Raises :class:`msgspec.DecodeError`."""
    return msgspec.msgpack.decode(body, type=CarriedTree)


def adopt(kernel: Kernel, coming: CarriedTree) -> Process:
    """Enter the tables of a tree that was carried here, asleep; its pids must be free. Returns its first process."""
    tree = coming.tree
    first = tree.processes[0]
    assert not any(process.pid in kernel.processes for process in tree.processes), "a pid is taken"
    kernel.moment = max(kernel.moment, coming.moment)
    numbers, pids, asks, wake = kernel.numbers
    kernel.numbers = max(numbers, coming.numbers), max(pids, *(one.pid for one in tree.processes)), asks, wake
    for process in tree.processes:
        process.interrupt()
    for process in tree.processes:
        process.copies = ()  # these stayed where it comes from; here the numbers may be others'
    thaw_tree(tree, kernel)
    kernel.asleep.add(first.pid)
    kernel.changed.add(first.pid)
    asked = [(opened, asked_about(kernel.processes[opened.asked.pid], opened.asked.ask)) for opened in coming.asks]
    for opened, works in asked:
        number = kernel.ask()
        for work in works:
            work.ask = number
        kernel.put_ask(OpenAsk(msgspec.structs.replace(opened.asked, ask=number), opened.effect, first.pid))
    return first
