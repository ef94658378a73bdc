"""The laws, checked from outside: a witness that sees every event and every effect of a kernel and believes neither.

It stands apart from the kernel. It keeps books of its own (who is alive, who waits for an answer, what is at work, what
was asked) from the events and effects alone, and compares them with the kernel's tables after every event. A second
kernel, the shadow, is fed with the same events as the journal would give them back; its tables must be the same ones.

A broken law raises :class:`LawBroken`, which names the law and the event after which it was broken.
"""

from __future__ import annotations

import dataclasses
import operator
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from gemot.abi.effects import (
    AskModel,
    Begin,
    BeginFork,
    Deliver,
    DropMemory,
    Effect,
    End,
    FindMemories,
    KeepMemory,
    PutAsk,
    ReadValue,
    Rewind,
    StartTool,
    StopWork,
    TakeAsk,
    TakeBack,
    WakeAt,
)
from gemot.abi.events import Arrived, Booted, Copied, Done, Event, Failure, Trapped, Waiting
from gemot.abi.grants import Grant, Mount, Rule
from gemot.abi.messages import Usage
from gemot.abi.syscalls import Exit, Syscall
from gemot.journal.contract import Damaged
from gemot.journal.records import decode, encode
from gemot.kernel import Kernel
from gemot.kernel.process import Process
from gemot.machine.whole import with_values

_SETS = tuple(one.name for one in dataclasses.fields(Process) if str(one.type).startswith(("set", "frozenset")))
_FIELDS = operator.attrgetter(*(one.name for one in dataclasses.fields(Process) if one.name not in _SETS))
SPENDABLE = ("tokens", "usd_micros", "millis", "calls")

CROWD = 60
"""With more processes than this, the tables are compared with the shadow's at every so many events only."""


class LawBroken(AssertionError):
    """A law of the design does not hold."""


def digest(kernel: Kernel) -> bytes:
    """Everything that a kernel's tables say, as one text that is the same for the same tables. Trees that are not in memory
    are brought in: where a tree is makes no difference to what it is."""
    everybody = sorted((one for one in everyone(kernel)), key=lambda one: one.pid)
    timers = [entry for entry in kernel.timers if entry[2].kind != "away"]
    timers += [entry for entries in kernel.late.values() for entry in entries]
    tables = {
        "now": kernel.now,
        "processes": [[_FIELDS(one), [sorted(getattr(one, name)) for name in _SETS]] for one in everybody],
        "boards": sorted(kernel.boards.items()),
        "asks": list(kernel.asks.items()),
        "asleep": sorted(kernel.asleep),
        "overdrawn": sorted(kernel.overdrawn.items()),
        "given": [sorted(kernel.given.items()), sorted(kernel.bills.items())],
        "working": sorted(kernel.working.items()),
        "timers": sorted((at, number) for at, number, timer in timers if kernel.process(timer.pid) is not None),
        "next": kernel._numbers,
    }
    return msgspec.json.encode(tables)


def everyone(kernel: Kernel) -> list[Process]:
    """All processes that there ever were, also those that are not in memory (of a closed machine: those that are)."""
    if len(kernel.processes) == kernel.numbers[1]:
        return list(kernel.processes.values())
    return [one for pid in range(1, kernel.numbers[1] + 1) if (one := kernel.processes.get(pid)) is not None]


def _no_value(digest: str) -> str:
    raise Damaged(f"no value is kept under {digest}", 0)


class Left(NamedTuple):
    """What a process holds: its means by name, and its grants."""

    means: dict[str, int]
    grants: tuple[Grant, ...]


class Witness:
    """Feed it events instead of the kernel; it gives back the kernel's effects, or raises :class:`LawBroken`."""

    def __init__(self, kernel: Kernel | None = None) -> None:
        self.kernel = kernel or Kernel()
        self.value: Callable[[str], str] = _no_value
        """What the journal keeps under a digest."""
        self.shadow = Kernel()
        self.events: list[Event] = []
        self.billed: Counter[int] = Counter()
        """By root: tokens that the reports of finished work named."""
        self._handle = self.kernel.handle
        self._alive: dict[int, int] = {}
        """Pid -> parent, of everything born and not ended."""
        self._ended: set[int] = set()
        self._pending: dict[int, Syscall] = {}
        self._asks: set[int] = set()
        self._at_work: dict[int, int] = {}
        """Effect -> pid, started and not reported."""
        self._stopped: set[int] = set()
        self._numbers: set[int] = set()
        """Of every effect that was ever started."""
        self._uses: Counter[tuple[int, int, str]] = Counter()
        """(pid, syscalls so far, use): how often each use of a tool that is not repeatable was started."""
        self._use_of: dict[int, tuple[int, int, str]] = {}
        """By effect, the use that it started: work that was called off before it began is started again."""
        self._traps: Counter[int] = Counter()
        self._wake = 0

    @classmethod
    def watching(cls, kernel: Kernel, history: list[Event], value: Callable[[str], str] | None = None) -> Witness:
        """A witness of a kernel that has a history: it checks that the history leads here, then every event that follows."""
        witness = cls()
        witness.value = value or _no_value
        for event in history:
            witness.handle(event)
        if digest(kernel) != digest(witness.kernel):
            raise LawBroken("fold: the history does not lead to the tables of this kernel")
        witness.kernel, witness._handle = kernel, kernel.handle
        kernel.handle = witness.handle  # type: ignore[method-assign]
        return witness

    def handle(self, event: Event) -> list[Effect]:
        event = with_values(event, self.kernel, self.value)
        maker = event.pid if isinstance(event, Trapped) and event.pid in self._alive else 0
        before = {maker: (self._rights(maker), self._means(maker))} if maker else {}
        below = self._below(maker) if maker and isinstance(event, Trapped) and isinstance(event.syscall, Exit) else {}
        self.events.append(event)
        effects = self._handle(event)
        try:
            self._note(event, effects)
            self._check_births(effects, before, below)
            self._check_tables()
            self._check_fold(event, effects)
        except LawBroken as broken:
            raise LawBroken(f"{broken} -- after event {len(self.events)}: {event!r:.300}") from None
        return effects

    # The witness's own books.

    def _bill(self, pid: int, usage: Usage | None) -> None:
        if usage is not None:
            self.billed[self.kernel.processes[pid].root] += usage.tokens_in + usage.tokens_out

    def _note(self, event: Event, effects: list[Effect]) -> None:
        if isinstance(event, Trapped) and event.pid in self._alive:
            _law(event.pid not in self._pending, f"process {event.pid} made a syscall while one is pending")
            self._pending[event.pid] = event.syscall
            self._traps[event.pid] += 1
        if isinstance(event, Booted):
            self._at_work.clear()
            self._stopped.clear()
            self._wake = 0
        if isinstance(event, Done) and event.effect in self._at_work:
            pid = self._at_work.pop(event.effect)
            if isinstance(event.outcome, Failure) and event.outcome.rule == "not_begun":
                self._uses[self._use_of.pop(event.effect, (0, 0, ""))] -= 1
            reply = getattr(event.outcome, "reply", None)
            failed = getattr(event.outcome, "failed", None) or getattr(event.outcome, "usage", None)
            self._bill(pid, None if reply is None else reply.usage)
            self._bill(pid, failed)
        if isinstance(event, Waiting) and event.effect in self._at_work:
            self._bill(self._at_work[event.effect], event.usage)
        ended: set[int] = set()
        for effect in effects:
            match effect:
                case Begin(pid) | BeginFork(pid):
                    self._note_begin(event, effect, pid)
                case Deliver(pid):
                    _law(pid in self._alive, f"answered: {pid} has ended, and its syscall is answered after that")
                    _law(pid in self._pending, f"answered: {pid} is answered, but has no syscall pending")
                    del self._pending[pid]
                case TakeBack(pid):  # what it was made to forget it has not asked for
                    told = any(isinstance(one, Deliver) and one.pid == pid for one in effects)
                    if self.kernel.processes[pid].syscall is None and not told:
                        self._pending.pop(pid, None)
                case Rewind(pid):
                    self._pending[pid] = _NOTHING
                case End(outcome):
                    _law(outcome.pid in self._alive, f"answered: {outcome.pid} ended twice, or was never there")
                    del self._alive[outcome.pid]
                    self._ended.add(outcome.pid)
                    self._pending.pop(outcome.pid, None)
                    ended.add(outcome.pid)
                case AskModel(number, pid) | StartTool(number, pid) | ReadValue(number, pid):
                    self._note_start(effect, number, pid)
                case KeepMemory(number, pid) | FindMemories(number, pid) | DropMemory(number, pid):
                    self._note_start(effect, number, pid)
                case StopWork(number):
                    self._stopped.add(number)
                case PutAsk(asked):
                    _law(asked.ask not in self._asks, f"ask {asked.ask} was put twice")
                    self._asks.add(asked.ask)
                case TakeAsk(ask):
                    _law(ask in self._asks, f"ask {ask} was taken back, but is not open")
                    self._asks.discard(ask)
                case WakeAt(at):
                    self._wake = at
        left_over = [number for number, pid in self._at_work.items() if pid in ended and number not in self._stopped]
        _law(not left_over, f"kill: work {left_over} goes on for processes that have ended")

    def _note_begin(self, event: Event, effect: Begin | BeginFork, pid: int) -> None:
        if pid in self._alive:
            _law(isinstance(effect, Begin) and pid in self._pending, f"{pid} began again without having asked for it")
            del self._pending[pid]
            return
        _law(pid not in self._ended, f"{pid} began after it had ended")
        person = isinstance(event, Arrived | Copied)
        parent = self.kernel.processes[pid].parent
        _law(bool(parent) != person, f"one door: {pid} was born outside of spawn, fork and a person's word")
        self._alive[pid] = parent
        if isinstance(effect, BeginFork):
            self._pending[pid] = self._pending.get(effect.parent) or _NOTHING

    def _note_start(self, effect: Effect, number: int, pid: int) -> None:
        _law(pid in self._alive, f"work {number} was started for {pid}, which has ended")
        _law(number not in self._numbers, f"work {number} was started twice under one number")
        _law(self.kernel.processes[pid].root not in self.kernel.asleep, f"work {number} was started for a tree asleep")
        self._numbers.add(number)
        self._at_work[number] = pid
        if isinstance(effect, StartTool) and not effect.repeatable:
            key = (pid, self._traps[pid], repr((effect.tool, effect.arguments)))
            self._uses[key] += 1
            self._use_of[number] = key
            wanted = self.kernel.processes[pid].syscall
            same = [
                use
                for use in getattr(wanted, "uses", ())
                if repr((use.tool, use.arguments)) == key[2]
                or (use.tool == effect.tool and any(form in repr(use.arguments) for form in ("$from", "$text")))
            ]
            _law(self._uses[key] <= len(same), f"act once: {effect.tool} is not repeatable and was started again")

    def _rights(self, pid: int) -> tuple[tuple[Grant, ...], tuple[Mount, ...], tuple[str, ...]]:
        process = self.kernel.processes[pid]
        return tuple(process.grants), process.mounts, process.models

    def _means(self, pid: int) -> dict[str, int]:
        left = self.kernel.processes[pid].left
        return {name: getattr(left, name) for name in (*SPENDABLE, "processes", "depth")}

    def _below(self, pid: int) -> dict[int, Left]:
        """What everybody below a process has left, who may be ended when it exits."""
        below: dict[int, Left] = {}
        for child in self.kernel.processes[pid].children:
            below |= {child: Left(self._means(child), self._rights(child)[0])} | self._below(child)
        return below

    # The laws.

    def _check_births(self, effects: list[Effect], before: dict[int, Any], below: dict[int, Left]) -> None:
        """Child <= parent, at the moment of birth: the parent has what it had, and what those had left who were ended for it."""
        processes = self.kernel.processes
        for pid in [effect.pid for effect in effects if isinstance(effect, Begin | BeginFork)]:
            child = processes.get(pid)
            if child is None or not child.parent or child.parent not in before or pid == child.parent:
                continue
            (grants, mounts, models), means = before[child.parent]
            freed = [below[one.outcome.pid] for one in effects if isinstance(one, End) and one.outcome.pid in below]
            means = {
                name: had + sum(ended.means[name] for ended in freed if name != "depth") for name, had in means.items()
            }
            means["processes"] += len(freed)
            for grant in child.grants:
                _law(
                    any(grant_lies_in(grant, one) for one in grants),
                    f"child <= parent: {grant} of {pid} is in none of {grants}",
                )
            _law({*child.models, *child.route} <= set(models), f"child <= parent: the models of {pid}")
            _law(child.priority <= processes[child.parent].priority, f"child <= parent: the priority of {pid}")
            for mount in child.mounts:
                own = mount.mode == "private" and mount.space == f"{pid}-{mount.name}"
                _law(own or any(mount_lies_in(mount, one) for one in mounts), f"child <= parent: {mount} of {pid}")
            own = self._means(pid)
            wider = [name for name in own if own[name] > means[name]]
            _law(not wider, f"child <= parent: {pid} holds more {wider} than its parent had")
            _law(
                own["depth"] < means["depth"],
                f"child <= parent: {pid} is as far from the last generation as its parent",
            )
            self._check_uses(child.parent, pid, grants, [grant for ended in freed for grant in ended.grants])

    def _check_uses(self, parent: int, child: int, had: tuple[Grant, ...], back: list[Grant]) -> None:
        """Counted uses are split, not copied; what an uncounted grant of the parent covers, it may count for its child. ``back``: the
        grants of those who were ended for it, whose uses came back to the parent."""
        for tool in {grant.tool for grant in had if grant.uses is not None}:
            mine = [grant for grant in had if grant.uses is not None and grant.tool == tool]
            if any(one.uses is None and name_lies_in(tool, one.tool) for one in had):
                continue
            now = [*self.kernel.processes[parent].grants, *self.kernel.processes[child].grants]
            total = sum(grant.uses or 0 for grant in now if grant.tool == tool)
            allowed = sum(grant.uses or 0 for grant in (*mine, *back) if grant.tool == tool)
            wide = sum(one.uses or 0 for one in had if one.tool != tool and name_lies_in(tool, one.tool))
            _law(total <= allowed + wide, f"uses: {tool} could be used {allowed} times, now {total} times")

    def _check_tables(self) -> None:
        processes, everybody = self.kernel.processes, everyone(self.kernel)
        held: dict[int, Counter[str]] = {root: Counter() for root in self.kernel.given}
        for process in everybody:
            sums, left, spent = held[process.root], process.left, process.spent
            sums["tokens"] += left.tokens + spent.tokens
            sums["usd_micros"] += left.usd_micros + spent.usd_micros
            sums["millis"] += left.millis + spent.millis
            sums["calls"] += left.calls + spent.calls
            sums["processes"] += left.processes
            if min(left.tokens, left.usd_micros, left.millis, left.calls, left.processes) < 0:
                raise LawBroken(f"budget: {process.pid} holds less than nothing: {left}")
            alive = process.alive
            if alive and process.parent:
                sums["processes"] += 1
                parent = processes[process.parent]
                if not parent.alive:
                    raise LawBroken(f"orphan: {process.pid} lives, its parent {process.parent} has ended")
                if process.pid not in parent.children:
                    raise LawBroken(f"{process.pid} is missing among its parent's children")
            if alive != (process.pid in self._alive):
                raise LawBroken(f"{process.pid}: alive and dead at once")
        for root, given in self.kernel.given.items():
            owed = self.kernel.overdrawn.get(root)
            for name in (*SPENDABLE, "processes"):
                debt = getattr(owed, name, 0) if owed is not None else 0
                if held[root][name] != getattr(given, name) + debt:
                    raise LawBroken(
                        f"budget: {name} of tree {root}: given {getattr(given, name)}, overdrawn {debt}, "
                        f"there are {held[root][name]}"
                    )
        for pid in self._alive:
            one = processes[pid].syscall
            if (one is not None) != (pid in self._pending):
                raise LawBroken(f"answered: {pid} is at {one!r:.80}, the witness saw another")
        _law(set(self.kernel.asks) == self._asks, "asks: the open ones are not those that were put and not taken")
        _law(
            all(one.asked.pid in self._alive for one in self.kernel.asks.values()),
            "asks: one of a dead process is open",
        )
        if self.kernel.timers:
            _law(
                self._wake == self.kernel.timers[0][0],
                "wake-up: nobody was told to wake the kernel for its first timer",
            )

    def _check_fold(self, event: Event, effects: list[Effect]) -> None:
        """What the journal gives back leads to the same effects and the same tables."""
        again = self.shadow.handle(decode(encode(event)))
        _law(msgspec.json.encode(again) == msgspec.json.encode(effects), "fold: the same events had other effects")
        if self._tables_due():
            _law(digest(self.shadow) == digest(self.kernel), "fold: the same events led to other tables")

    def _tables_due(self) -> bool:
        return len(self.kernel.processes) <= CROWD or len(self.events) % CROWD == 0


_NOTHING: Any = object()
"""Stands for the syscall that a person's fork is told was cancelled."""


def _law(holds: bool, words: str) -> None:
    if not holds:
        raise LawBroken(words)


def name_lies_in(inner: str, outer: str) -> bool:
    """``files/read`` lies in ``files/read``, ``files/*`` and ``*``; a syscall's name only in itself."""
    if inner == outer:
        return True
    if "/" not in inner:
        return False
    return outer == "*" or (outer.endswith("/*") and inner.split("/")[0] == outer.split("/")[0])


def grant_lies_in(inner: Grant, outer: Grant) -> bool:
    """Could everything that ``inner`` allows be done with ``outer``? Paths in both are anchored."""
    if not name_lies_in(inner.tool, outer.tool):
        return False
    if outer.uses is not None and (inner.uses is None or inner.uses > outer.uses):
        return False
    if outer.until_ms is not None and (inner.until_ms is None or inner.until_ms > outer.until_ms):
        return False
    if not ("*" in (outer.carries or ()) or set(inner.carries or ()) <= set(outer.carries or ())):
        return False
    if (inner.otherwise, outer.otherwise) == ("ask", "refuse") or (inner.results, outer.results) == ("page", "handle"):
        return False
    if inner.endorsed and not outer.endorsed:
        return False
    return all(_rule_lies_in(inner.where.get(name), rule) for name, rule in outer.where.items())


def _rule_lies_in(inner: Rule | None, outer: Rule) -> bool:
    if inner is None:
        return outer == Rule()
    if inner.one_of is not None and inner.source is None:
        return all(_obeys(value, outer) for value in inner.one_of)
    if (outer.one_of, outer.source) != (None, None):
        named = set(map(repr, outer.one_of or ()))
        known = {(one.tool, one.field, one.extract, one.pattern) for one in outer.source or ()}
        chosen = {(one.tool, one.field, one.extract, one.pattern) for one in inner.source or ()}
        if (inner.one_of, inner.source) == (None, None) or not chosen <= known:
            return False
        if not set(map(repr, inner.one_of or ())) <= named:
            return False
    for name in ("kind", "hosts", "contains", "at_least", "at_most", "items_max"):
        if getattr(outer, name) is not None and getattr(inner, name) is None:
            return False
    if outer.under is not None and (inner.under is None or not _beneath(inner.under, outer.under)):
        return False
    if outer.prefix is not None and not (inner.prefix or "").startswith(outer.prefix):
        return False
    return outer.chars_max is None or (inner.chars_max is not None and inner.chars_max <= outer.chars_max)


def _obeys(value: object, rule: Rule) -> bool:
    text = value if isinstance(value, str) else None
    if (rule.under, rule.prefix, rule.chars_max) != (None, None, None) and text is None:
        return False
    return (
        (rule.one_of is None or repr(value) in map(repr, rule.one_of))
        and (rule.under is None or _beneath(text or "", rule.under))
        and (rule.prefix is None or (text or "").startswith(rule.prefix))
        and (rule.chars_max is None or len(text or "") <= rule.chars_max)
    )


def _beneath(path: str, folder: str) -> bool:
    """By components, as a disk would see it."""
    inner, outer = [[part for part in text.split("/") if part] for text in (path, folder)]
    return inner[: len(outer)] == outer


def mount_lies_in(inner: Mount, outer: Mount) -> bool:
    if inner.folder != outer.folder or not _beneath(inner.beneath, outer.beneath):
        return False
    if inner.mode == "cow" and inner.space != outer.space:
        return inner.source == outer.space
    return inner.space == outer.space and not (inner.mode != "ro" and outer.mode == "ro")
