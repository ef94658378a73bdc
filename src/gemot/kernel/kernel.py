"""The kernel: one pure, synchronous state machine. ``handle(event) -> effects``; no clock, no I/O, no chance.

Theory of operation. The machine hands over one event at a time, in the order in which the journal holds them. The kernel
changes its tables and returns what is to be done about it. The same events give the same tables and the same effects, so
recovery is folding, and a history can be replayed without a model, a key or a network.

Everything a process wants comes through one trap (:mod:`gemot.kernel.trap`); everything else is news from outside
(:mod:`gemot.kernel.news`). This file holds the tables and the few moves that all of them share: answer a syscall,
start and stop work, book a cost, deliver mail, set a timer, end a process.

Invariants, checked from outside by the tests: a syscall is answered exactly once (the end of its process counts as
``cancelled``); means are conserved; a child holds no right that its parent had not; no process outlives its parent.
"""

from __future__ import annotations

import heapq
from typing import Any

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Answer, Error, Mail, Ok, Outcome, Returned
from gemot.abi.effects import (
    Asked,
    AskModel,
    Begin,
    Deliver,
    Effect,
    End,
    PutAsk,
    ReadValue,
    StartTool,
    StopWork,
    TakeAsk,
    WakeAt,
)
from gemot.abi.events import RULES, Booted, Cost, Event, Ticked, Trapped
from gemot.abi.messages import Image, Reply
from gemot.abi.programs import ProgramSpec
from gemot.abi.syscalls import Call, Exit, Forget, Generate, Read, Recall, Remember
from gemot.abi.tools import ToolSpec
from gemot.authority import labels, ledger
from gemot.authority.ledger import NOTHING
from gemot.authority.narrowing import path_bounds
from gemot.authority.refusal import Refused
from gemot.board.table import Board
from gemot.kernel import (
    families,
    gates,
    hearing,
    loops,
    moves,
    news,
    purses,
    remembering,
    results,
    reviewing,
    rights,
    salvaged,
    standing,
    trap,
    waiting,
    working,
)
from gemot.kernel.process import OpenAsk, Process, Timer, Work
from gemot.kernel.table import Table

Given = tuple[int, int, int]
"""The last number, pid and ask that were given."""

Part = tuple[int, int, Given]
"""The root of a tree, the number of what an event did something for there (0: all of it), and what had been given before."""


class Kernel:
    """The tables of one machine. Read them freely; only :meth:`handle` changes them."""

    def __init__(self) -> None:
        self.now = 0
        """The order of events, in milliseconds since 1970: the latest time that one of them bore."""
        self.lead = 0
        """By how much that is ahead of the time of day (see :mod:`gemot.kernel.dates`)."""
        self.moment = 0
        """How many events were handled: what comes later has a larger one."""
        self.processes = Table()
        self.trees: dict[int, list[int]] = {}
        """By root: the pids of each tree that is in memory, living and ended, in their order."""
        self.away: dict[int, bool] = {}
        """Roots of living trees that are not in memory (see :mod:`gemot.kernel.table`), and whether they have work to go on with."""
        self.changed: set[int] = set()
        """Roots of trees that changed since somebody who keeps them elsewhere last emptied this."""
        self.boots = 0
        self.rules = RULES
        """The rules that decide the record at hand, and that a tree lives by if it begins now; see :mod:`gemot.abi.rules`."""
        self.tools: dict[str, ToolSpec] = {}
        self.programs: dict[str, ProgramSpec] = {}
        self.boards: dict[int, Board] = {}
        self.asks: dict[int, OpenAsk] = {}
        self.asleep: set[int] = set()
        """Roots of trees for which nothing new is started."""
        self.overdrawn: dict[int, Cost] = {}
        """By root: what was used beyond the tree's budget, as providers may do."""
        self.given: dict[int, ledger.Means] = {}
        """By root: what the person gave."""
        self.working: dict[int, int] = {}
        """Effect -> pid, for all work that the machine was told to do and has not reported on."""
        self.bills: dict[str, tuple[int, int]] = {}
        """By provider: the day (in days since 1970, UTC) on which it was last paid, and how much on that day (millionths of
        a dollar)."""
        self.timers: list[tuple[int, int, Timer]] = []
        self.settled: set[int] = set()
        """Roots of trees in which the event at hand made somebody wait, or end: they may stand still."""
        self.witnesses: dict[int, int] = {}
        """By root: a process that was at work when it was last looked whether the tree stands still. Only saves looking."""
        self.awaited: dict[int, list[int]] = {}
        """By waiting process: of the children that its wait names, those that may still run. Only saves looking."""
        self.undated: set[int] = set()
        """Roots of trees that are away and were kept without a word on which of their timers are dates."""
        self.late: dict[int, list[tuple[int, int, Timer]]] = {}
        """By root: timers that came due while their tree was asleep."""
        self.before = (0, 0, 0, 0)
        """The last number, pid and ask that were given before the event at hand, and how many events were handled."""
        self.parts: list[Part] = []
        """Of the last event that may concern many trees (`Ticked`, `Resumed`): what it did for each of them."""
        self.feed: dict[tuple[int, int], Given] = {}
        """By tree and number, as in :attr:`parts`: what had been given before that part. Only for folding some trees without the others."""
        self._numbers = 0
        self._pids = 0
        self._asks = 0
        self._wake = 0
        self._out: list[Effect] = []

    def handle(self, event: Event) -> list[Effect]:
        """Apply one event; returns what is to be done, in order."""
        out: list[Effect] = []
        self._out = out
        self.before = self._numbers, self._pids, self._asks, self.moment
        self.now = max(self.now, event.at)
        self.moment += 1
        if isinstance(event, Trapped):
            trap.trap(self, event)
        else:
            news.hear(self, event)
        if self.settled:
            settled, self.settled = sorted(self.settled), set()
            for root in settled:
                standing.look(self, root)
        due = bool(self.timers) and self.timers[0][0] <= self.now
        if isinstance(event, Booted) or (isinstance(event, Ticked) and due):
            self._wake = 0  # the alarm clock of the machine before this one is gone, or has rung and must again
        while self.timers and self._idle(self.timers[0][2]):
            heapq.heappop(self.timers)
        earliest = self.timers[0][0] if self.timers else 0
        if earliest and earliest != self._wake:
            out.append(WakeAt(earliest))
        self._wake = earliest
        return out

    @property
    def today(self) -> int:
        """The time of day, in milliseconds since 1970: dates go by it. It may go back."""
        return self.now - self.lead

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """The last number, pid, ask and wake-up that were given; set only when the tables are thawed."""
        return self._numbers, self._pids, self._asks, self._wake

    @numbers.setter
    def numbers(self, given: tuple[int, int, int, int]) -> None:
        self._numbers, self._pids, self._asks, self._wake = given

    # What every part of the kernel uses.

    def emit(self, effect: Effect) -> None:
        self._out.append(effect)

    def number(self) -> int:
        """A number that was never given before: for effects, alarms, handles and the order of timers."""
        self._numbers += 1
        return self._numbers

    def pid(self) -> int:
        """The next process's number: 1, 2, 3 ... as people will type it."""
        self._pids += 1
        return self._pids

    def ask(self) -> int:
        """The next ask's number."""
        self._asks += 1
        return self._asks

    def part(self, root: int, number: int = 0) -> None:
        """What follows of the event at hand is for this tree, and for what has this number in it."""
        given = self.feed.get((root, number)) if self.feed else None
        if given is not None:
            self._numbers, self._pids, self._asks = given
        self.parts.append((root, number, (self._numbers, self._pids, self._asks)))

    def process(self, pid: int) -> Process | None:
        """The living process of this pid."""
        process = self.processes.get(pid)
        return process if process is not None and process.alive else None

    def enter(self, process: Process) -> None:
        """Put a process into the tables: one that was just made, or one of a tree that comes back into memory."""
        self.processes[process.pid] = process
        process.heard_at = process.heard_at or self.now
        self.trees.setdefault(process.root, []).append(process.pid)

    def answer(self, process: Process, answer: Answer) -> None:
        """Answer the pending syscall; its program decides the next one."""
        asked, process.syscall = process.syscall, None
        process.work = []
        process.state = "running"
        process.last_rule = _rule(answer, process.last_rule)
        if process.mailbox and process.program.inline_mail:
            process.stood = process.stood and waiting.is_echo(self, process)
            answer = msgspec.structs.replace(answer, mail=tuple(process.mailbox))
            process.mailbox.clear()
        process.entries += 1
        labels.read_by(process, answer)
        hearing.heard(self, process, answer)
        if process.rules and asked is not None:
            loops.note(self, process, asked, answer)
        self.emit(Deliver(process.pid, answer))

    def start(self, process: Process, work: Work) -> None:
        """Tell the machine to do a piece of work, or keep it ready while the tree sleeps."""
        if process.root in self.asleep:
            work.state = "ready"
            return
        match process.syscall:
            case Call(uses):
                use = uses[work.index]
                tool = self.tools.get(use.tool)
                if tool is None:
                    gone = f"{use.tool} is not installed any more; it was not used"
                    work.state, work.result = "done", Returned(use.tool, False, gone, rule="unknown")
                    return
                if process.doubt and (not work.repeatable or tool.effect in ("writes", "sends")):
                    salvaged.doubt(self, process, work, use)
                    return
                if work.filled:
                    part = "only the beginning of a value was looked at when this was allowed; it was not used. Do it again"
                    work.state, work.result = "done", Returned(use.tool, False, part, rule="limit")
                    return
                arguments = use.arguments if work.arguments is None else work.arguments
                only = path_bounds(process.grants[work.grant], tool.paths)
                results.stored(self, process, tool, work.label)
                self.emit(
                    StartTool(
                        work.effect,
                        process.pid,
                        use.tool,
                        arguments,
                        process.mounts,
                        work.millis_max,
                        work.repeatable,
                        only,
                        results.wanted_whole(self, process, work, tool),
                        families.mounts_of_children(self, process, tool, arguments) if tool.children else {},
                    )
                )
            case Generate() as generate:
                self.emit(
                    AskModel(
                        work.effect,
                        process.pid,
                        process.models[0],
                        generate,
                        work.tokens_out_max,
                        work.millis_max,
                        process.root,
                        self.processes[process.root].priority,
                        process.priority,
                    )
                )
            case Exit():
                if not reviewing.start(self, process, work):
                    reviewing.reject(self, process, "the tool that was to check it is not installed any more")
                    return
            case Read(handle, start, length):
                self.emit(ReadValue(work.effect, process.pid, process.handles[handle].digest, start, length))
            case Remember() | Forget() if process.doubt:
                work.state = "done"
                self.answer(process, Error("in_doubt", salvaged.IN_DOUBT))
                return
            case Remember() | Recall() | Forget():
                self.emit(remembering.effect_of(self, process, work))
            case _:
                raise AssertionError(f"{process.syscall!r} has no work to start")
        work.state, work.outage = "started", None
        self.working[work.effect] = process.pid

    def book(self, process: Process, cost: Cost) -> None:
        """Charge a process; what it does not have is taken from its nearest ancestors that do."""
        short = ledger.spend(process.left, process.spent, cost)
        if short is NOTHING:
            return
        payer = process
        while short is not NOTHING and payer.parent:
            payer = self.processes[payer.parent]
            short = ledger.cover(payer.left, short)
        if short is not NOTHING:
            before = self.overdrawn.get(process.root, Cost())
            self.overdrawn[process.root] = Cost(
                before.tokens + short.tokens, before.usd_micros + short.usd_micros, before.millis + short.millis
            )

    def _repay(self, process: Process) -> None:
        """What a tree is in debt of is paid from what comes back to one of its processes."""
        debt = self.overdrawn.pop(process.root, None)
        if debt is not None:
            rest = ledger.cover(process.left, debt)
            if rest is not NOTHING:
                self.overdrawn[process.root] = rest

    def set_timer(self, at: int, timer: Timer) -> None:
        heapq.heappush(self.timers, (at, self.number(), timer))

    def post(self, process: Process, mail: Mail) -> None:
        """Put a message into a mailbox and wake its owner if it waits for one."""
        said_by = mail.said_by or max(mail.sender, 0)
        process.mailbox.append(msgspec.structs.replace(mail, moment=self.moment, said_by=said_by))
        waiting.mail_came(self, process)

    def board_changed(self, root: int) -> None:
        """Wake those who wait for the board of a tree, if it has one."""
        board = self.boards.get(root)
        if board is not None:
            waiting.board_changed(self, board)

    def begin(self, process: Process, arguments: dict[str, object], images: tuple[Image, ...] = ()) -> None:
        self.emit(Begin(process.pid, process.program, process.brief, arguments, process.name, images, process.rules))

    def end(self, process: Process, outcome: Outcome, author: labels.Author) -> None:
        """End a process: its descendants first, then its work, its rights and its place; its means go back. ``author``: of the
        error in the outcome."""
        if author.pid > 0:  # what the person and the kernel say needs no mark
            outcome = msgspec.structs.replace(outcome, label=labels.join(author.label, outcome.label))
        claims = process.syscall.claims if isinstance(process.syscall, Exit) else {}
        if process.review is not None and outcome.state != "done":  # what has not passed its gate is told to nobody
            outcome = msgspec.structs.replace(outcome, value=None)
        review, pending = process.review, process.syscall
        process.review = process.syscall = None  # its end is its answer: the end of a child must not wake it any more
        families.end_below(self, process)
        working.give_up(self, process, pending)
        whole = reviewing.signed(process, outcome, claims, review)
        process.outcome = outcome = gates.told(process, whole, review, author)
        process.whole = whole if whole is not outcome else None
        process.state = outcome.state
        process.mailbox, process.alarms, process.uncollected = [], {}, []
        process.progress = None
        self.awaited.pop(process.pid, None)
        rights.return_all(self, process)
        process.uses, process.changed, process.written = [], None, None
        process.documents, process.stored = {}, {}
        self.settled.add(process.root)
        self.emit(End(outcome))
        parent = self.processes[process.parent] if process.parent else None
        if parent is not None:
            ledger.take_back(parent.left, process.left)
            self._repay(parent)
            parent.children.remove(process.pid)
            purses.pass_on_places(self, parent)
            if not parent.children:
                parent.part = None
        if parent is None:
            self.asleep.discard(process.pid)
            self.late.pop(process.pid, None)
        elif parent.review is not None and process.pid in parent.review.judges:
            reviewing.judge_ended(self, parent, process)
        else:
            parent.uncollected.append(process.pid)
            waiting.child_ended(self, parent, process.pid)
        board = self.boards.get(process.root)
        if board is not None and board.owner_ended(outcome, self.moment, author):
            self.board_changed(process.root)

    def stop(self, work: Work) -> None:
        """Give up a piece of work."""
        if work.state == "started":
            self.emit(StopWork(work.effect))
        if work.ask and self.asks.pop(work.ask, None) is not None:
            self.emit(TakeAsk(work.ask))
        work.state = "done"

    def asks_open(self, root: int) -> int:
        return sum(one.root == root for one in self.asks.values())

    def question(self, process: Process, question: str, **shown: Any) -> None:
        """Put a question of a process before the person; its syscall is answered when they have answered. ``shown``: as in
        :class:`gemot.abi.effects.Asked`. Raises :class:`Refused`."""
        if self.asks_open(process.root) >= limits.ASKS_OPEN_MAX:
            raise Refused(
                "limit", f"{limits.ASKS_OPEN_MAX} questions of this tree are open; a person must answer some first"
            )
        work = Work(self.number(), 0, "asking", "question", ask=self.ask())
        process.work = [work]
        process.state = "asking"
        self.put_ask(OpenAsk(Asked(work.ask, process.pid, question, **shown), work.effect, process.root))

    def put_ask(self, opened: OpenAsk) -> None:
        self.asks[opened.asked.ask] = opened
        self.emit(PutAsk(opened.asked))

    def _idle(self, timer: Timer) -> bool:
        """Is whoever set this timer gone?"""
        if timer.kind == "away":
            return timer.pid not in self.away
        return not self.processes[timer.pid].alive

    def expecting(self) -> bool:
        """Will any timer of a tree that is awake still do something?"""
        return any(self._due(timer) for _, _, timer in self.timers)

    def _due(self, timer: Timer) -> bool:
        if timer.kind == "away":
            return timer.pid in self.away and timer.pid not in self.asleep
        process = self.process(timer.pid)
        return process is not None and process.root not in self.asleep and self.rings(timer)

    def rings(self, timer: Timer) -> bool:
        """Is what set a timer of a tree in memory still there?"""
        process = self.processes[timer.pid]
        if not process.alive:
            return False
        match timer.kind:
            case "wait":
                return process.state == "waiting" and timer.token == process.waits
            case "alarm":
                return timer.token in process.alarms
            case "lease":
                return moves.rings(self, timer)
            case _:
                return True

    def tree(self, root: int) -> list[Process]:
        """All processes of a tree, living and ended, in the order of their pids."""
        return [self.processes[pid] for pid in self.trees[self.processes[root].root]]


def _rule(answer: Answer, before: str) -> str:
    """The rule by which something was refused, so that a process that gives up because of it is known to have; a model's
    words in between change nothing."""
    match answer:
        case Error(rule):
            return rule
        case Ok(Reply()):
            return before
        case Ok(tuple()):
            results: tuple[object, ...] = answer.value
            return next((one.rule for one in results if isinstance(one, Returned) and not one.ok), "")
        case _:
            return ""
