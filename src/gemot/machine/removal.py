"""Removal: trees that have ended leave the journal, many in one pass, beside everything else that the machine does (decision 63).

    checkpoint -> reread all records once -> in small transactions: file, records, copies -> texts and pages that nothing names

Blanks take the place of the records (:mod:`gemot.machine.rereading`). Of a tree that goes on, its ended processes can leave.

Each step is whole by itself. A machine that is killed between two of them has lost some of what was to go, and nothing else; the next
removal does the rest. A removal is a generator that gives up its turn often: :func:`at_once` runs it to its end, :func:`in_turns` beside the
others.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from gemot.journal.contract import INDEX, Journal, Record
from gemot.kernel import leaving
from gemot.machine import carrying, checkpoint
from gemot.machine.carrying import CarryError
from gemot.machine.loop import Loop, MachineError
from gemot.machine.rereading import Plan, Reading, Runs, Stretch, names_in

TREES_AT_ONCE = 50
"""Trees that leave in one transaction, at most, but for those that can only leave together."""

TREES_IN_A_PASS = 20_000
"""Trees that leave after one reading, at most: what is known of them is in memory."""

TEXTS_AT_ONCE = 500
"""Texts that are forgotten in one transaction, at most."""

TRIES = 100
"""How many turns a moment is waited for at which a checkpoint can be taken."""

T = TypeVar("T")
Turns = Generator[None, None, T]
"""Work that gives up its turn between two steps."""


class Removed(NamedTuple):
    """What came of a removal."""

    roots: list[int]
    """Trees that are gone."""
    runs: dict[int, list[int]]
    """By tree that goes on, the ended processes that left it."""
    stays: dict[int, str]
    """Trees that could not go, and why."""


def at_once(turns: Turns[T]) -> T:
    """Do all of it now."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return end.value


async def in_turns(turns: Turns[T]) -> T:
    """Do it beside everything else."""
    try:
        while True:
            try:
                next(turns)
            except StopIteration as end:
                return end.value
            await asyncio.sleep(0)
    finally:
        turns.close()


def archive(loop: Loop, root: int, path: Path) -> None:
    """Write a tree to a file and take it out. Raises :class:`MachineError`; then nothing has left the journal."""
    why = why_stays(loop, root)
    if why:
        raise MachineError(why)
    removed = at_once(removing(loop, [root], {}, {root: path}))
    if root in removed.stays:
        raise CarryError(removed.stays[root])


def why_stays(loop: Loop, root: int) -> str:
    """Why a tree can't leave now, in words; empty where it can."""
    kernel = loop.kernel
    process = kernel.processes.get(root)
    if process is None:
        return f"there is no tree {root}; gemot ps --all shows all there were"
    if process.alive:
        return f"tree {root} has not ended; gemot kill {root} ends it, gemot export copies it"
    unmerged = [one.pid for one in kernel.tree(root) if loop.spaces.unmerged(one)]
    if unmerged:
        return (
            f"process {unmerged[0]} changed a copy of files that is not merged; gemot diff {unmerged[0]} shows it, gemot merge "
            f"{unmerged[0]} or gemot discard {unmerged[0]} settles it"
        )
    if not kernel.working.keys().isdisjoint(
        effect for effect, pid in kernel.working.items() if pid in kernel.trees[root]
    ):
        return f"something is under way in tree {root}; let it end, or stop the machine first"
    return ""


def removing(
    loop: Loop, going: Collection[int], runs: Mapping[int, Runs], files: Mapping[int, Path] | None = None
) -> Turns[Removed]:
    """Take these ended trees out, and of living trees these ended processes. ``files``: where each tree is written to before. Raises
    ``JournalError``, :class:`MachineError`."""
    journal = loop.journal
    if journal.fresh is not None:
        raise MachineError("trees are being taken out already; try again when that has ended")
    removed = Removed([], {}, {})
    journal.fresh, under_way = set(), set(loop.kernel.working)
    try:
        upto = yield from _checkpointed(loop, going, removed.stays)
        reading = Reading(journal, set(going) - removed.stays.keys(), runs, bool(files))
        yield from reading.read(upto)
        plan = reading.plan
        chosen = plan.settle(set(going) - removed.stays.keys())
        removed.stays.update(plan.stays)
        for roots, stretches in _batches(plan, chosen):
            yield
            _leave(loop, plan, roots, stretches, runs, files or {}, removed)
        loop.checkpoint(0)
        yield
        if not journal.base and under_way.isdisjoint(loop.kernel.working):
            yield from _forgetting(journal, plan, removed, upto)
        return removed
    finally:
        journal.fresh = None


def _checkpointed(loop: Loop, going: Collection[int], stays: dict[int, str]) -> Turns[int]:
    """Keep the tables as they are, so that opening begins after all that is taken out; returns the position up to which records can
    be."""
    for _ in range(TRIES):
        loop.must_run()
        if loop.checkpoint(0):
            return loop.checkpointed
        loop.step()
        yield
    kept = loop.journal.checkpoint()
    if kept is None:
        return loop.journal.position
    for root in going:
        row = loop.journal.tree(root)
        if row is None or checkpoint.read_tree(row, root).tables.alive:
            stays[root] = (
                f"tree {root} ended since the last checkpoint, and none can be taken while a program is not installed"
            )
    return kept[0]


def _batches(plan: Plan, chosen: set[int]) -> Iterator[tuple[list[int], list[Stretch]]]:
    """Trees that leave together, with the records that leave then: those of which no tree is left. What can only leave together is in one."""
    leader = {root: root for root in chosen}

    def find(root: int) -> int:
        while leader[root] != root:
            leader[root] = root = leader[leader[root]]
        return root

    for root in chosen:
        for other in plan.ties.get(root, {}):
            leader[find(root)] = find(other)
    groups: dict[int, list[int]] = defaultdict(list)
    for root in sorted(chosen):
        groups[find(root)].append(root)
    batches: list[list[int]] = [[]]
    for group in groups.values():
        if len(batches[-1]) + len(group) > TREES_AT_ONCE and batches[-1]:
            batches.append([])
        batches[-1] += group
    place = {root: number for number, roots in enumerate(batches) for root in roots}
    stretches: dict[int, list[Stretch]] = defaultdict(list)
    for stretch in plan.leaving(chosen):
        stretches[max((place[root] for root in stretch.roots), default=0)].append(stretch)
    for number, roots in enumerate(batches):
        yield roots, stretches.pop(number, [])


def _leave(
    loop: Loop,
    plan: Plan,
    roots: list[int],
    stretches: list[Stretch],
    runs: Mapping[int, Runs],
    files: Mapping[int, Path],
    removed: Removed,
) -> None:
    """A batch leaves: between two events, and the records in one transaction."""
    loop.must_run()
    kernel = loop.kernel
    for root in roots:
        why = why_stays(loop, root) if root not in plan.states else _why_runs_stay(loop, root, runs[root])
        if why:
            removed.stays[root] = why
    staying = _with_ties(plan, roots, removed.stays)
    ended = [root for root in roots if root not in plan.states and root not in staying]
    living = [root for root in roots if root in plan.states and root not in staying]
    for root in ended:
        if root in files:
            records = _records(loop.journal, plan.positions[root])
            carrying.write(carrying.pack(loop.journal, kernel, loop.cast, root, records), files[root])
    gone = {root: _runs_of(loop, root, runs[root]) for root in living}
    pids = [pid for root in ended for pid in kernel.trees[root]]
    family = [kernel.processes[pid] for pid in (*pids, *(pid for left in gone.values() for pid in left))]
    there = {*removed.roots, *removed.runs, *ended, *living}
    loop.journal.blank(
        ended,
        [blank for one in stretches if one.roots <= there for blank in _blanks(plan, one)],
        [process.pid for process in family],
    )
    for process in family:
        loop.spaces.forget(process)
    loop.leave(ended)
    groups = sorted({loop.stretches.group(root) for root in living})
    loop.stretches.forget(groups)
    loop.journal.forget((), [INDEX + group for group in groups])
    for root, left in gone.items():
        leaving.leave(kernel, root, left)
    if living:
        loop.checkpoint(0)
    removed.roots.extend(ended)
    removed.runs.update(gone)


def _blanks(plan: Plan, stretch: Stretch) -> Iterator[tuple[int, bytes]]:
    state = next((plan.states[root] for root in stretch.roots if root in plan.states), None)
    return stretch.blanks(state.body if state is not None and state.position == stretch.last else b"")


def _with_ties(plan: Plan, roots: Iterable[int], stays: dict[int, str]) -> set[int]:
    """Those of a batch that stay, with those that need them to go."""
    staying = {root for root in roots if root in stays}
    more = True
    while more:
        more = False
        for root in roots:
            other = next((other for other in plan.ties.get(root, {}) if other in staying), None)
            if root not in staying and other is not None:
                stays[root] = plan.ties[root][other]
                staying.add(root)
                more = True
    return staying


def _why_runs_stay(loop: Loop, root: int, runs: Runs) -> str:
    """Why the ended processes of a living tree can't leave it now; empty where they can."""
    kernel = loop.kernel
    if kernel.process(root) is None:
        return f"tree {root} has ended meanwhile"
    left = _runs_of(loop, root, runs)
    unmerged = [pid for pid in left if loop.spaces.unmerged(kernel.processes[pid])]
    if unmerged:
        return f"process {unmerged[0]} changed a copy of files that is not merged; gemot diff {unmerged[0]} shows it"
    if any(kernel.processes[pid].alive for pid in left):
        return f"something is under way in tree {root}"
    return ""


def _runs_of(loop: Loop, root: int, runs: Runs) -> list[int]:
    """The processes that leave a living tree."""
    pids = loop.kernel.trees[loop.kernel.processes[root].root]
    return [pid for pid in pids if root != pid < runs.until and pid not in runs.stays]


def _records(journal: Journal, positions: Collection[int]) -> Iterator[Record]:
    """The records at these positions."""
    wanted = set(positions)
    for record in journal.read(min(wanted) - 1) if wanted else ():
        if record.position in wanted:
            yield record
            wanted.discard(record.position)
        if not wanted:
            return


def _forgetting(journal: Journal, plan: Plan, removed: Removed, upto: int) -> Turns[None]:
    """Forget the texts and the pages that nothing names any more."""
    gone = {*removed.roots, *removed.runs}
    named = set(plan.named)
    for root, names in plan.named_by.items():
        if root not in removed.roots:
            named |= names
    for root, state in plan.states.items():
        named |= state.names if root in gone else state.left
    numbers = {number for number in journal.numbers() if number < INDEX}
    try:
        for count, body in enumerate(journal.trees()):
            named |= names_in(body)
            if numbers:
                numbers.difference_update(piece.number for piece in checkpoint.tree_of(body).programs.pieces)
            if not count % TREES_AT_ONCE:
                yield
    except msgspec.DecodeError:
        return  # an unreadable row may name anything
    for number in {number for number in journal.numbers() if number < INDEX} - numbers:
        for body in journal.pieces(number):
            named |= names_in(body)
        yield
    for record in journal.read(upto):
        named |= names_in(record.body)
    last = ""
    while digests := journal.digests(last, TEXTS_AT_ONCE):
        last = digests[-1]
        fresh = journal.fresh or set[str]()
        forgotten = [digest for digest in digests if digest.encode() not in named and digest not in fresh]
        if forgotten:
            journal.forget(forgotten)
        yield
    if numbers:
        journal.forget((), numbers)
