"""Retention: which trees that have ended leave a home by rule, so that it does not grow for ever (decision 63).

Two kinds have a rule each: trees that a person started, and the runs of a schedule. What only a person can settle stays: a living tree, an
open ask, a use in doubt, a copy with changes that nobody merged or discarded. So does what other trees need.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec import Struct

from gemot.journal.contract import JournalError
from gemot.kernel import receipts
from gemot.kernel.process import Process
from gemot.machine import checkpoint
from gemot.machine.loop import Loop, MachineError
from gemot.machine.removal import TREES_IN_A_PASS, Turns, in_turns, removing, why_stays
from gemot.machine.rereading import Runs
from gemot.machine.retaining import RUNS_KEPT as RUNS_KEPT
from gemot.machine.retaining import Cleared, Ended, Limit, Retention

SCHEDULE = "schedule"
"""The program whose ended children are runs."""

RUNS_IN_A_PASS = 2_000
"""Runs that leave one schedule after one reading, at most."""

KEEP_SECONDS = 600.0
"""How often a running machine looks whether something is to leave."""

SLACK = 50
"""So many more than the limit are let be: to read all records again must be worth it."""

SHOWN_MAX = 1_000
"""Trees that an answer names, at most."""

TREES_AT_ONCE = 50
_log = logging.getLogger("gemot.machine")

IN_DOUBT = ", in doubt"
"""How the words of a use end of which nobody knows whether it had its effect."""


class Standing(Struct, frozen=True):
    """What there is to choose from, the oldest first."""

    trees: list[Ended]
    runs: dict[int, list[Ended]]
    """By schedule that goes on."""
    children: dict[int, list[int]]
    """By schedule, its children in their order."""
    copying: set[int]
    """Trees of processes that may have copies of files."""


def standing(loop: Loop) -> Turns[Standing]:
    """All trees that have ended, and the runs of schedules that have. Raises ``JournalError``."""
    found = Standing([], {}, {}, set())
    kept = iter(checkpoint.trees(loop.journal, loop.kernel)) if loop.journal.checkpoint() is not None else iter(())
    seen: set[int] = set()
    for count, tables in enumerate(kept):
        seen.add(tables.root)
        if tables.root not in loop.kernel.trees:
            _note(found, tables.processes)
        if not count % TREES_AT_ONCE:
            yield
    for root in sorted(loop.kernel.trees):
        _note(found, loop.kernel.tree(root))
    found.trees.sort(key=lambda tree: (tree.at, tree.root))
    return found


def _note(found: Standing, processes: list[Process]) -> None:
    first = processes[0]
    if any(mount.space for process in processes for mount in process.mounts):
        found.copying.add(first.pid)
    if not first.alive:
        found.trees.append(_ended(first, processes))
    elif first.program.name == SCHEDULE and first.program.kind == "native":
        children = [process for process in processes if process.parent == first.pid]
        found.children[first.pid] = [child.pid for child in children]
        ends = [*(child.pid for child in children[1:]), 1 << 62]
        for child, end in zip(children, ends, strict=True):
            if not child.alive and child.pid not in first.uncollected:
                family = [process for process in processes if child.pid <= process.pid < end]
                found.runs.setdefault(first.pid, []).append(_ended(child, family))


def _ended(first: Process, family: list[Process]) -> Ended:
    doubts = next((process.pid for process in family if _is_in_doubt(process)), 0)
    why = (
        f"nobody knows whether something that process {doubts} did had its effect; gemot receipt {doubts} shows it"
        if doubts
        else ""
    )
    at = max(process.heard_at for process in family)
    return Ended(first.root, first.pid, first.name, first.brief[:200], at, len(family), why)


def _is_in_doubt(process: Process) -> bool:
    outcome = process.whole or process.outcome
    uses = receipts.receipt(process, {}).uses if outcome is None else outcome.receipt.uses
    return any(not use.ok and use.shown.endswith(IN_DOUBT) for use in uses)


def chosen(ended: list[Ended], limit: Limit, now: int) -> list[Ended]:
    """Those beyond a limit, the oldest first."""
    return [one for index, one in enumerate(ended) if limit.leaves(len(ended) - 1 - index, now - one.at)]


def clear(
    loop: Loop,
    retention: Retention,
    roots: Collection[int] | None = None,
    folder: Path | None = None,
    trial: bool = False,
) -> Turns[Cleared]:
    """Let leave what the rules say, or the ended trees ``roots``, whatever the rules. ``folder``: each tree goes to a file there before;
    runs of schedules don't go then, since they are no trees. ``trial``: nothing leaves. Raises :class:`MachineError`, ``JournalError``."""
    loop.must_run()
    found = yield from standing(loop)
    trees, runs = _wanted(loop, found, retention, roots, folder is None)
    left, stays, runs_count = list[Ended](), list[Ended](), 0
    going = list[Ended]()
    for tree in trees:
        why = tree.why if roots is None else ""
        if not why and (roots is not None or tree.root in found.copying):
            why = why_stays(loop, tree.root)
            yield
        (stays if why else going).append(msgspec.structs.replace(tree, why=why))
    if trial:
        left = [*going, *(run for leaving in runs.values() for run in leaving)]
        return _told(left, stays, sum(map(len, runs.values())))
    while going or runs:
        part, going = going[:TREES_IN_A_PASS], going[TREES_IN_A_PASS:]
        files = {tree.root: _file(folder, tree) for tree in part} if folder is not None else {}
        cuts = {root: _cut(loop, found, root, leaving) for root, leaving in runs.items()}
        removed = yield from removing(loop, [tree.root for tree in part], cuts, files)
        gone = set(removed.roots)
        left += [tree for tree in part if tree.root in gone]
        stays += [
            msgspec.structs.replace(tree, why=removed.stays.get(tree.root, ""))
            for tree in part
            if tree.root not in gone
        ]
        for root, leaving in runs.items():
            if root in removed.runs:
                left += leaving
                runs_count += len(leaving)
            else:
                why = removed.stays.get(root, "")
                stays += [msgspec.structs.replace(run, why=why) for run in leaving]
        runs = {}
    return _told(left, stays, runs_count)


def _told(left: list[Ended], stays: list[Ended], runs: int) -> Cleared:
    return Cleared(left[:SHOWN_MAX], stays[:SHOWN_MAX], len(left), len(stays), runs)


def _wanted(
    loop: Loop, found: Standing, retention: Retention, roots: Collection[int] | None, with_runs: bool
) -> tuple[list[Ended], dict[int, list[Ended]]]:
    """The trees that are to leave, and by schedule the runs: all up to the last one that is beyond the limit, but none after one that
    must stay."""
    now = loop.now()
    if roots is not None:
        known = {tree.root: tree for tree in found.trees}
        for root in roots:
            if root not in known:
                raise MachineError(why_stays(loop, root) or f"there is no tree {root}")
        return [known[root] for root in sorted(set(roots))], {}
    runs: dict[int, list[Ended]] = {}
    for root, ended in found.runs.items() if with_runs else ():
        leaving = [run for run in chosen(ended, retention.schedules, now) if not run.why][:RUNS_IN_A_PASS]
        if leaving:
            runs[root] = leaving
    return chosen(found.trees, retention.started, now), runs


def _cut(loop: Loop, found: Standing, root: int, leaving: list[Ended]) -> Runs:
    """What leaves a schedule: these runs, and what they started."""
    last = leaving[-1].pid
    children = found.children[root]
    ends = dict(zip(children, [*children[1:], 1 << 62], strict=True))
    tree = [process.pid for process in loop.kernel.tree(loop.kernel.processes[root].root)]
    going = {pid for run in leaving for pid in tree if run.pid <= pid < ends[run.pid]}
    stays = frozenset(pid for pid in tree if pid < ends[last]) - going - {root}
    return Runs(last, ends[last], stays)


def _file(folder: Path, tree: Ended) -> Path:
    """Where a tree goes. A file that is there already may be of a removal that was killed."""
    path, number = folder / f"{tree.root}.gemot", 1
    while path.exists():
        number += 1
        path = folder / f"{tree.root}-{number}.gemot"
    return path


def overdue(loop: Loop, rules: Retention) -> bool:
    """Whether enough is beyond a limit that all records are to be read again. Looks at numbers only."""
    started, schedules = rules.started, rules.schedules
    if started.most is not None:
        kernel, most = loop.kernel, started.most + max(SLACK, started.most // 4)
        living = {*kernel.away, *(root for root in kernel.trees if kernel.processes[root].alive)}
        there = {*kernel.trees, *loop.journal.roots(0, most + len(living) + 1)}
        if len(there - living) > most:
            return True
    if schedules.most is not None:
        most = schedules.most + max(SLACK, schedules.most // 4)
        for root, pids in loop.kernel.trees.items():
            first = loop.kernel.processes[root]
            if len(pids) > most and first.alive and first.program.name == SCHEDULE:
                return True
    return False


class Keeper:
    """Lets leave what the rules say, from time to time beside a running machine, and when it closes."""

    def __init__(self, loop: Loop, rules: Retention) -> None:
        self._loop, self._rules = loop, rules
        self._aged = rules.started.millis is not None or rules.schedules.millis is not None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if self._aged or rules.started.is_set or rules.schedules.is_set:
            self._later()

    def _later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._look)

    def _look(self) -> None:
        busy = self._task is not None and not self._task.done()
        if not busy and (self._aged or overdue(self._loop, self._rules)):
            self._task = asyncio.get_running_loop().create_task(self._keep())
        self._later()

    async def _keep(self) -> None:
        try:
            await in_turns(clear(self._loop, self._rules))
        except (JournalError, MachineError) as error:
            _log.warning("gemot: what the rules of retention say could not leave: %s", error)

    async def close(self) -> None:
        """No more; but what is overdue leaves before the machine is closed."""
        if self._timer is None:
            return
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._loop.broken is None and overdue(self._loop, self._rules):
            await self._keep()
