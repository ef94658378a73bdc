"""The laws that need more than one event: nobody waits for what has happened, bills add up, trees that end are empty.

:class:`Watcher` is the :class:`checkers.Witness` with books on waiting and mail. It can be carried over from a machine that
crashed to the next one on the same journal (:meth:`Watcher.adopt`), which checks that folding leads where the history does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from authors import Authors
from boards import Boards
from checkers import LawBroken, Witness, digest, everyone
from forgotten import Forgotten
from gates import Gates
from outside import PASSES
from provenance import Provenance
from still import Still

from gemot.abi import limits
from gemot.abi.answers import Error, Mail, Ok, Outcome, Waited
from gemot.abi.effects import Begin, BeginFork, Deliver, Effect, End, PutAsk, StartTool
from gemot.abi.events import Answered, Copied, Done, Event, Retracted, Rewound, Said, Ticked, Trapped, Value
from gemot.abi.reviews import AgreementCheck, Check, PersonCheck, ReceiptCheck, ReviewerCheck, SchemaCheck, ToolCheck
from gemot.abi.syscalls import Alarm, Call, CancelAlarm, Exit, Generate, Read, Receive, Retract, Send, Syscall, Wait
from gemot.authority.schema import mismatch
from gemot.kernel import Kernel
from gemot.kernel.process import SetAlarm
from gemot.machine.clock import LARGE_MILLIS, LEAD_MILLIS_MIN


class Recurring:
    """The books on an alarm that rings again and again: ``told``: for how many firings the rings stand that its process
    has taken from its mailbox. In these histories all firings are ``step`` milliseconds apart."""

    def __init__(self, first: int, syscall: Alarm) -> None:
        self.first, self.rule = first, syscall.missed
        self.step = STEPS[syscall.every]
        self.told = 0

    def came(self, until: int) -> int:
        return 0 if until < self.first else (until - self.first) // self.step + 1


STEPS = {"2s": 2_000, "7s": 7_000, "90s": 90_000, "*/5 * * * *": 300_000}


class Watcher(Witness):
    """``intents``: for each token, at which position of the journal its use was started."""

    def __init__(self, kernel: Kernel | None = None) -> None:
        super().__init__(kernel)
        self.verdict: LawBroken | None = None
        self.today: Callable[[], int] | None = None
        """The time of day as the computer's clock says it, in milliseconds since 1970."""
        self.intents: defaultdict[str, list[int]] = defaultdict(list)
        self.started_at: dict[int, int] = {}
        """Work -> the position of the event that started it."""
        self.told: dict[str, tuple[str, str]] = {}
        """Token -> the tool, and what its process was told about it: ``ok`` or the rule."""
        self.billed_millis: Counter[int] = Counter()
        """By root: how long the work took that was reported."""
        self._wants: dict[int, tuple[Syscall, int]] = {}
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._collected: defaultdict[int, set[int]] = defaultdict(set)
        self._mail: Counter[int] = Counter()
        self._alarms: defaultdict[int, dict[int, int]] = defaultdict(dict)
        """By pid: when each alarm that rings once does."""
        self._recurring: dict[tuple[int, int], Recurring] = {}
        """By pid and number, those that are set."""
        self._recurred: set[tuple[int, int]] = set()
        """All there ever were; their rings have books of their own."""
        self._boards = Boards()
        self.forgotten = Forgotten()
        self._still = Still()
        self._gates = Gates()
        self._authors = Authors()
        self._provenance = Provenance()
        self._compared = 0
        self._passed: defaultdict[int, set[str]] = defaultdict(set)
        """By process whose result is under review: the kinds of checks that have passed since it last exited."""
        self._verdicts: defaultdict[int, list[object]] = defaultdict(list)
        """And what those said who judged it."""
        self._judges: dict[int, int] = {}
        self._reviews: dict[int, tuple[Check, ...]] = {}
        self._asked: dict[int, int] = {}

    # Carrying on.

    def adopt(self, kernel: Kernel, tail: list[Event]) -> None:
        """Watch ``kernel``, which was folded from the events that this watcher has seen, then ``tail``."""
        self.kernel = self.shadow
        for event in tail:
            self.events.append(event)
            effects = self.shadow.handle(event)
            self._note(event, effects)
        if digest(kernel) != digest(self.shadow):
            raise LawBroken("fold: recovery did not lead to the tables that the journal's events lead to")
        self.kernel, self._handle = kernel, kernel.handle
        self._check_tables()
        kernel.handle = self.handle  # type: ignore[method-assign]

    def handle(self, event: Event) -> list[Effect]:
        try:
            return super().handle(event)
        except LawBroken as broken:
            self.verdict = self.verdict or broken
            raise

    def compare(self) -> None:
        """The events so far, as stored, lead to the tables that are there."""
        if self._compared < len(self.events):
            self._compared = len(self.events)
            if digest(self.shadow) != digest(self.kernel):
                raise LawBroken(f"fold: the same events led to other tables, after event {self._compared}")
            self._still.check(self.kernel)

    def _tables_due(self) -> bool:
        return False  # compared once for each batch that is written, see `compare`

    # The books.

    def _note(self, event: Event, effects: list[Effect]) -> None:
        now, pid = self.kernel.now, getattr(event, "pid", 0)
        if isinstance(event, Done) and event.effect in self._at_work:
            self.billed_millis[self.kernel.processes[self._at_work[event.effect]].root] += event.millis
        if isinstance(event, Trapped) and pid in self._alive:
            self._wants[pid] = (event.syscall, now)
            self._passed.pop(pid, None)
            self._verdicts.pop(pid, None)
        self._note_approval(event)
        super()._note(event, effects)
        taken = isinstance(event, Retracted | Rewound) or isinstance(getattr(event, "syscall", None), Retract)
        wants = {one: syscall for one, (syscall, _) in self._wants.items()}
        self._boards.note(self.kernel, event, effects, wants, taken)
        self.forgotten.note(self.kernel, event, effects)
        self._provenance.note(self.kernel, event, effects)
        self._still.note(effects, wants)
        self._gates.note(self.kernel, event, effects)
        self._authors.note(self.kernel, event, effects)
        if isinstance(event, Said) and pid in self._alive:
            self._mail[pid] += 1
        if isinstance(event, Ticked):
            self._set_again(event)
            self._ring()
        for effect in effects:
            match effect:
                case Begin(child) | BeginFork(child):
                    self._born(event, effect, child)
                case Deliver(who, answer):
                    self._answered(who, answer, now)
                case End(outcome):
                    self._gate(event, outcome)
                    for books in (self._wants, self._mail, self._alarms):
                        books.pop(outcome.pid, None)  # type: ignore[attr-defined]
                    for key in [one for one in self._recurring if one[0] == outcome.pid]:
                        del self._recurring[key]
                case PutAsk(asked):
                    self._asked[asked.ask] = asked.pid
                case StartTool(number, _, _, arguments):
                    self.intents[str(arguments.get("what"))].append(len(self.events))
                    self.started_at[number] = len(self.events)
                case _:
                    number = getattr(effect, "effect", 0)
                    if number:
                        self.started_at.setdefault(number, len(self.events))
        if taken:
            self._forget()

    def _forget(self) -> None:
        """Who was put back does not know any more what it began and whom it has collected; what it was sent may be gone."""
        for pid in self._alive:
            process = self.kernel.processes[pid]
            if process.syscall is None:
                self._wants.pop(pid, None)
            self._collected[pid] = {one for one in self._children[pid] if one in self._ended} - set(process.uncollected)
            self._alarms[pid] = {number: one.at for number, one in process.alarms.items() if not one.every}
            told = [one for one in process.mailbox if not _is_notice(one) and (pid, one.alarm) not in self._recurred]
            self._mail[pid] = len(told)
        for pid, number in list(self._recurring):
            if number not in self.kernel.processes[pid].alarms:
                del self._recurring[pid, number]

    def _note_approval(self, event: Event) -> None:
        """What an event says about a result that waits; asked before the kernel's tables forget whose it was."""
        if isinstance(event, Done) and event.effect in self._at_work:
            pid = self._at_work[event.effect]
            exits = isinstance(self._wants.get(pid, (None,))[0], Exit)
            if exits and isinstance(event.outcome, Value) and event.outcome.text == "true":
                self._passed[pid].add("tool")
        if isinstance(event, Answered) and event.allow and event.ask in self._asked:
            self._passed[self._asked[event.ask]].add("person")

    def _gate(self, event: Event, outcome: Outcome) -> None:
        """A result that was reviewed is there only if every check has passed; of one that was not, nothing is left."""
        told_to_a_process = self.kernel.processes[outcome.pid].parent > 0  # the person reads the receipt of a first one
        rejected = (
            outcome.rule == "review" and outcome.pid in self._reviews
        )  # others may say that a review hindered them
        if rejected and (
            outcome.value is not None
            or (told_to_a_process and any(use.shown != use.tool for use in outcome.receipt.uses))
        ):
            raise LawBroken(f"gate: {outcome.pid} was not accepted, and yet its words are told: {outcome!r:.200}")
        judged = self._judges.pop(outcome.pid, 0)
        if judged and outcome.state == "done":
            self._verdicts[judged].append(outcome.value)
        for check in self._reviews.pop(outcome.pid, ()) if outcome.state == "done" else ():
            if not self._has_passed(check, outcome):
                raise LawBroken(f"gate: the result of {outcome.pid} is accepted, but not by {check!r:.80}")

    def _has_passed(self, check: Check, outcome: Outcome) -> bool:
        passed, verdicts = self._passed[outcome.pid], self._verdicts[outcome.pid]
        match check:
            case SchemaCheck(schema):
                return not mismatch(outcome.value, schema)
            case ReceiptCheck(tool):
                return any(use.tool == tool and use.ok for use in outcome.receipt.uses)
            case ToolCheck():
                return "tool" in passed
            case ReviewerCheck():
                return any(isinstance(one, dict) and one.get("accepted") is True for one in verdicts)
            case AgreementCheck(least):
                return 1 + verdicts.count(outcome.value) >= least
            case PersonCheck():
                return "person" in passed

    def _born(self, event: Event, effect: Begin | BeginFork, pid: int) -> None:
        process = self.kernel.processes[pid]
        if pid in self._children[process.parent]:
            self._wants.pop(pid, None)  # exec: the same process, another program
            return
        above = self.kernel.processes[process.parent] if process.parent else None
        if isinstance(self._wants.get(process.parent, (None,))[0], Exit) or (
            above is not None and above.state == "reviewing"
        ):
            self._judges[pid] = process.parent
            return
        if process.review is not None:
            self._reviews[pid] = process.review.checks
        self._children[process.parent].append(pid)
        if isinstance(event, Copied):
            self._mail[pid] += 1  # the person's words

    def _ring(self) -> None:
        """Every alarm that the kernel holds no more has rung, so its message must be there."""
        for pid, alarms in self._alarms.items():
            for number in [one for one in alarms if one not in self.kernel.processes[pid].alarms]:
                del alarms[number]
                self._mail[pid] += 1

    def _check_rings(self, pid: int, number: int, books: Recurring) -> None:
        """No firing is lost, none is told twice, and no more lie in the mailbox than the alarm's rule lets."""
        process = self.kernel.processes[pid]
        alarm = process.alarms.get(number)
        if alarm is None:
            raise LawBroken(f"rings: the alarm {number} of {pid} is gone, and nobody took it back")
        if (alarm.at - books.first) % books.step:
            raise LawBroken(f"rings: the alarm {number} of {pid} is due at {alarm.at}, which is none of its times")
        self._check_date(pid, number, alarm, books)
        unread = [mail for mail in process.mailbox if mail.alarm == number]
        accounted = books.told + alarm.skipped + sum(1 + mail.missed for mail in unread)
        came = books.came(alarm.at - 1)
        bounded = came - accounted > 0 and came > limits.MISSED_RINGS_MAX  # beyond that they are not counted
        if accounted > came or (accounted < came and not bounded):
            raise LawBroken(f"rings: {came} firings of the alarm {number} of {pid}, and {accounted} are accounted for")
        if len(unread) > (limits.MISSED_RINGS_MAX if books.rule == "all" else 1):
            raise LawBroken(
                f"rings: {len(unread)} rings of the alarm {number} of {pid} lie unread, by rule {books.rule}"
            )
        awake = process.root not in self.kernel.asleep
        if (
            awake
            and alarm.at <= self.kernel.now
            and not any(
                timer.kind == "alarm" and (timer.pid, timer.token) == (pid, number)
                for _, _, timer in self.kernel.timers
            )
        ):
            raise LawBroken(f"rings: the alarm {number} of {pid} is due, and nothing will make it ring")

    def _check_date(self, pid: int, number: int, alarm: SetAlarm, books: Recurring) -> None:
        """A date that comes every five minutes is never further away than that, by the time of day."""
        if self.today is None or not alarm.dated or self.kernel.processes[pid].root in self.kernel.asleep:
            return
        away = alarm.at - self.today()
        if away > books.step + LARGE_MILLIS + LEAD_MILLIS_MIN:
            raise LawBroken(f"dates: the alarm {number} of {pid} comes every {books.step} ms, and is due in {away} ms")

    def _set_again(self, event: Ticked) -> None:
        """The time of day went back: the same firings are counted from another date."""
        for pid, number, due in event.rings:
            books = self._recurring.get((pid, number))
            if books is not None and due.at and not due.came:
                books.first += due.at - due.since

    def _answered(self, pid: int, answer: object, now: int) -> None:
        syscall, _ = self._wants.pop(pid, (None, 0))
        if (
            isinstance(answer, Error) and answer.rule != "budget" and PASSES in answer.message
        ):  # means that are used up are told
            raise LawBroken(f"outage: {pid} is told of a failure that passes: {answer.message}")
        mail = getattr(answer, "mail", ())
        value = answer.value if isinstance(answer, Ok) else None
        match syscall:
            case Wait(named, mode) if isinstance(value, Waited):
                won = mode == "first" and any(one.state == "done" for one in value.ended)
                if won and any(one in self._alive for one in (self._children[pid] if named is None else named)):
                    raise LawBroken(f"race: {value.ended[0].pid} has won, and others of {pid} go on")
                self._collected[pid] |= {one.pid for one in value.ended}
            case Receive() if isinstance(value, tuple):
                self._take(pid, value)
            case Alarm() if isinstance(value, dict):
                at = now + round(value["in_seconds"] * 1000)
                if syscall.every:
                    at -= self.kernel.lead if "*" in syscall.every else 0
                    self._recurring[pid, value["alarm"]] = Recurring(at, syscall)
                    self._recurred.add((pid, value["alarm"]))
                else:
                    self._alarms[pid][value["alarm"]] = at
            case CancelAlarm(number) if isinstance(answer, Ok):
                self._alarms[pid].pop(number, None)
                self._recurring.pop((pid, number), None)
            case Send(to) if value == "sent":
                parent = self.kernel.processes[pid].parent
                self._mail[parent if to in (0, parent) else to] += 1
            case Call(uses) if isinstance(value, tuple):
                for use, result in zip(uses, value, strict=True):
                    self.told[str(use.arguments.get("what"))] = use.tool, "ok" if result.ok else result.rule
            case _:
                if getattr(syscall, "pid", 0) and isinstance(getattr(value, "pid", None), int):
                    self._collected[pid].add(value.pid)  # kill gives the outcome, so it is not waited for again
        self._take(pid, mail)

    def _take(self, pid: int, mail: tuple[Mail, ...]) -> None:
        """A process was told these messages."""
        for one in mail:
            books = self._recurring.get((pid, one.alarm))
            if books is not None:
                books.told += 1 + one.missed
            self._mail[pid] -= not _is_notice(one) and (pid, one.alarm) not in self._recurred

    # The laws.

    def _check_tables(self) -> None:
        super()._check_tables()
        for pid, (syscall, _) in self._wants.items():
            if isinstance(syscall, Wait | Receive):
                why = self._has_what_it_waits_for(pid, syscall)
                if why:
                    raise LawBroken(f"wake-up: {pid} waits on though {why}")
        if self.events and isinstance(self.events[-1], Done):
            self._check_bills()
        if self.events and isinstance(self.events[-1], Ticked):
            for (pid, number), books in self._recurring.items():
                self._check_rings(pid, number, books)

    def _has_what_it_waits_for(self, pid: int, syscall: Wait | Receive) -> str:
        mail = self._mail[pid] + sum(
            _is_notice(one) or (pid, one.alarm) in self._recurred for one in self.kernel.processes[pid].mailbox
        )
        if isinstance(syscall, Receive) or (syscall.messages and mail):
            return f"{mail} messages are there" if mail else ""
        if isinstance(syscall, Wait) and syscall.board and self._boards.unseen(self.kernel, pid):
            return f"others changed {self._boards.unseen(self.kernel, pid)}"
        named = syscall.children
        if named is None:
            ended = [one for one in self._children[pid] if one in self._ended and one not in self._collected[pid]]
            running = [one for one in self._children[pid] if one in self._alive]
        else:
            ended = [one for one in named if one in self._ended]
            running = [one for one in named if one in self._alive]
        if (syscall.mode == "any" and ended) or (
            syscall.mode != "any" and not running and (ended or named is not None)
        ):
            return f"children {ended} have ended"
        if syscall.mode == "first" and any(self.kernel.processes[one].state == "done" for one in ended):
            return f"one of {ended} is done"
        return ""

    def _check_bills(self) -> None:
        tokens: Counter[int] = Counter()
        millis: Counter[int] = Counter()
        for process in everyone(self.kernel):
            tokens[process.root] += process.spent.tokens
            millis[process.root] += process.spent.millis
        for root in tokens:
            if (tokens[root], millis[root]) != (self.billed[root], self.billed_millis[root]):
                raise LawBroken(
                    f"bill: tree {root} spent {tokens[root]} tokens and {millis[root]} ms, but the bills say "
                    f"{self.billed[root]} and {self.billed_millis[root]}"
                )

    def check_rest(self, now: int) -> None:
        """Nothing happens any more: then nobody who is awake waits for work, for time, or for its program."""
        self._boards.check_rest(self.kernel, now)
        for pid in self._alive:
            process = self.kernel.processes[pid]
            if process.root in self.kernel.asleep:
                continue
            if pid not in self._wants:
                raise LawBroken(f"rest: {pid} was answered, and never decided what is next")
            syscall, since = self._wants[pid]
            asked = any(one.asked.pid == pid for one in self.kernel.asks.values())
            if isinstance(syscall, Generate | Read) or (isinstance(syscall, Call) and not asked):
                raise LawBroken(f"rest: {pid} waits for {syscall!r:.120}, and nothing is under way")
            judged = any(judge in self._alive and whom == pid for judge, whom in self._judges.items())
            if isinstance(syscall, Exit) and not asked and not judged:
                raise LawBroken(f"rest: the result of {pid} waits for its review, and nobody is at it")
            timeout = getattr(syscall, "timeout_seconds", None)
            if timeout is not None:
                raise LawBroken(f"rest: {pid} waits since {since} for at most {timeout} s, and now it is {now}")
            if self._alarms[pid]:
                raise LawBroken(f"rest: {pid} has alarms {self._alarms[pid]} that never rang, and now it is {now}")


def _is_notice(mail: Mail) -> bool:
    """A word of the kernel about a board, or about what was taken back."""
    return mail.sender < 0 and not mail.alarm
