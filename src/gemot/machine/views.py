"""Views: what people see of the process table. Plain data, made from the kernel's tables on request."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gemot.abi.answers import Outcome, State
from gemot.abi.effects import Asked
from gemot.abi.grants import Budget
from gemot.abi.syscalls import Call, Wait, name_of
from gemot.abi.tasks import TaskState
from gemot.authority.ledger import Means, add
from gemot.authority.narrowing import listed
from gemot.board.table import DONE_WITH, Board, wants_person
from gemot.kernel import Kernel, loops
from gemot.kernel.dates import rings_at
from gemot.kernel.freezing import FrozenTree
from gemot.kernel.process import Process
from gemot.machine.standstill import waits_for_person


class AlarmView(Struct, frozen=True, omit_defaults=True):
    """An alarm that is set. ``at``: when it rings next (milliseconds since 1970)."""

    number: int
    at: int
    note: str = ""
    every: str = ""
    zone: str = ""
    missed: str = "once"


class OutageView(Struct, frozen=True, omit_defaults=True):
    """Why a process waits for its model's provider."""

    why: str
    """What the last attempt met with."""
    attempts: int
    """How many attempts have failed."""
    until: int
    """When the next one is made (milliseconds since 1970)."""
    since: int
    """Since when it waits (milliseconds since 1970)."""


class ProcessView(Struct, frozen=True, omit_defaults=True):
    """One row of `gemot ps`. ``state`` is ``asleep`` where the tree waits to be resumed. ``tree_spent`` counts the process
    and all of its descendants; ``spent`` the process alone, and ``tokens_cached`` those of its tokens that its models took from
    a cache. ``note``: how far it says it is, and when it said so; ``heard_at``: when it last did anything (milliseconds since
    1970). ``still``: it was told that nothing in its tree would end its wait, waits again, and nothing does, nor was a person asked
    for anything: only they can. ``repeats``: which requests it makes again and again with the same result, in words, where its
    parent or person is to know. ``outage``: its model's provider fails, and is asked again later."""

    pid: int
    parent: int
    root: int
    name: str
    program: str
    model: str
    state: State | str
    doing: str
    brief: str
    spent: Budget
    tree_spent: Budget
    left: Budget
    grants: str = ""
    outcome: Outcome | None = None
    tokens_cached: int = 0
    note: str = ""
    noted_at: int = 0
    note_foreign: bool = False
    heard_at: int = 0
    alarms: tuple[AlarmView, ...] = ()
    still: bool = False
    repeats: str = ""
    outage: OutageView | None = None


class TaskView(Struct, frozen=True, omit_defaults=True):
    """A task on the board of the tree ``root``, as people see it. ``author``, ``owner``: pids, 0 for the person; nobody: None.
    ``blockers``: of those that it comes after, the ones that are not done with. ``until_ms``: when its lease is over (0: it has
    none). ``sent_back``: why that was done last, if ``note`` says something else by now. ``ready``: it can be claimed now. ``foreign``: who wrote some of it had read third parties' text."""

    root: int
    number: int
    state: TaskState
    text: str
    acceptance: str = ""
    name: str = ""
    author: int = 0
    owner: int | None = None
    after: tuple[int, ...] = ()
    blockers: tuple[int, ...] = ()
    priority: int = 0
    until_ms: int = 0
    result: str = ""
    note: str = ""
    rejections: int = 0
    foreign: bool = False
    ready: bool = False
    sent_back: str = ""

    @property
    def wants_person(self) -> bool:
        """See :func:`gemot.board.table.wants_person`."""
        return wants_person(self.state, self.author)

    @property
    def done_with(self) -> bool:
        """Nobody has to do anything about it."""
        return self.state in DONE_WITH


def task_views(boards: Iterable[tuple[int, Board]]) -> list[TaskView]:
    """All tasks of these boards (each with the root of its tree), in the order in which they are to be done."""
    return [
        TaskView(
            root,
            item.number,
            item.state,
            item.text,
            item.acceptance,
            item.name,
            item.author,
            item.owner,
            item.after,
            tuple(board.blockers(item)),
            item.priority,
            item.until if item.lease else 0,
            item.result,
            item.note,
            item.rejections,
            item.label.integrity == "foreign",
            board.ready(item),
            item.before,
        )
        for root, board in boards
        for item in board.items.values()
    ]


def process_views(kernel: Kernel, chosen: Iterable[Process]) -> list[ProcessView]:
    """What is to be seen of these processes: whole trees, in the order of their pids."""
    chosen = list(chosen)
    below: dict[int, Means] = {process.pid: Means() for process in chosen}
    for process in reversed(chosen):
        add(below[process.pid], process.spent)
        if process.parent in below:
            add(below[process.parent], below[process.pid])
    told = {process.root for process in chosen if process.stood and process.alive}
    asked = {one.root for one in kernel.asks.values()}  # there a person is waited for already, and knows what for
    asked |= {root for root in told if root in kernel.boards and kernel.boards[root].wants_person}
    still = {root for root in told - asked if waits_for_person(kernel, (root,))}
    return [_view(kernel, process, below[process.pid], process.root in still) for process in chosen]


def all_views(kernel: Kernel, kept: Iterable[FrozenTree]) -> list[ProcessView]:
    """Every process, in the order of their pids: those in memory as they are, the others as they are ``kept``."""
    everybody = dict(kernel.processes)
    for tree in kept:
        if tree.root not in kernel.trees:
            everybody.update({process.pid: process for process in tree.processes})
    return process_views(kernel, [everybody[pid] for pid in sorted(everybody)])


def state_of(kernel: Kernel, process: Process) -> str:
    """The state of a process as people are told it."""
    return "asleep" if process.alive and process.root in kernel.asleep else str(process.state)


def _view(kernel: Kernel, process: Process, total: Means, still: bool) -> ProcessView:
    progress = process.progress
    return ProcessView(
        pid=process.pid,
        parent=process.parent,
        root=process.root,
        name=process.name,
        program=process.program.name,
        model=process.models[0],
        state=state_of(kernel, process),
        doing=_doing(process),
        brief=process.brief,
        spent=process.spent.frozen(),
        tree_spent=total.frozen(),
        left=process.left.frozen(),
        grants=listed(process.grants, process.mounts) if process.alive else "",
        outcome=process.outcome,
        tokens_cached=process.tokens_cached,
        note="" if progress is None else progress.text,
        noted_at=0 if progress is None else progress.at - kernel.lead,
        note_foreign=progress is not None and progress.label.integrity == "foreign",
        heard_at=max(0, process.heard_at - kernel.lead),
        alarms=tuple(
            AlarmView(number, rings_at(kernel, alarm) - kernel.lead, alarm.note, alarm.every, alarm.zone, alarm.missed)
            for number, alarm in process.alarms.items()
        ),
        still=still and process.stood and process.state == "waiting",
        repeats=loops.summary(kernel, process),
        outage=_outage(kernel, process),
    )


def _outage(kernel: Kernel, process: Process) -> OutageView | None:
    outage = process.outage if process.alive else None
    if outage is None:
        return None
    return OutageView(outage.why, outage.attempts, outage.until - kernel.lead, outage.since - kernel.lead)


def _doing(process: Process) -> str:
    match process.syscall:
        case None:
            return ""
        case Call(uses):
            return ", ".join(use.tool for use in uses)
        case Wait(children, board=board):
            what = [", ".join(map(str, children))] if children else []
            return " for ".join(["wait", " and ".join([*what, "the board"] if board else what)]).removesuffix(" for ")
        case syscall:
            return name_of(syscall)


def ask_views(kernel: Kernel) -> list[Asked]:
    return [opened.asked for opened in kernel.asks.values()]
