"""Regaining: trees that began after a gap in a damaged journal are folded by themselves.

What the lost records changed is not known, so the trees from before the gap can't be followed. A tree that began later can: all its
records are there. They do not say which numbers the kernel gave, since numbers are counted through every record. But later records
name processes and work by their numbers, so each number is read from the records that follow:

- a new process has the first new pid after its birth whose program asks for what is recorded;
- the work of a syscall has the numbers that its results name.

A program that decides otherwise than its records say shows that a number was wrong, or that the tree needs what is lost. That tree is left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from gemot.abi.events import (
    Adopted,
    Answered,
    Arrived,
    Booted,
    Copied,
    Done,
    Event,
    Faulted,
    Installed,
    Paused,
    Resumed,
    Ticked,
    Trapped,
    Worked,
)
from gemot.abi.syscalls import Call, Fork, Spawn, Syscall
from gemot.journal.contract import JournalError
from gemot.kernel import Kernel
from gemot.kernel import freezing as tables
from gemot.machine.cast import Decided
from gemot.machine.recording import Recording
from gemot.machine.whole import with_values


class Later(NamedTuple):
    """A whole record after a gap."""

    position: int
    """Where it stands."""
    pid: int
    """The process that it concerns; 0 for the machine, and for a birth."""
    event: Event
    """What happened."""


class Regaining:
    """Folds the trees that begin in the records ``later``. ``kernel``: the tables at the gap. ``gaps``: positions of further records that are
    lost. ``cast_of``: makes a cast for a kernel. ``value``: the text under a digest.

    ``goals``: by the position of its first record, the root of each tree that was followed."""

    def __init__(
        self,
        kernel: Kernel,
        later: list[Later],
        gaps: Iterable[int],
        cast_of: Callable[[Kernel], Recording],
        value: Callable[[str], str],
    ) -> None:
        self._cast_of, self._value, self._later = cast_of, value, later
        self._gaps = sorted(gaps)
        self.kernel = _without_trees(kernel)
        self.cast = cast_of(self.kernel)
        self.births: dict[int, int] = {}
        """By the position of the record with which a tree began, its root."""
        self._left: set[int] = set()
        """Roots of trees that can't be followed from the gap after them."""
        self._broken: set[int] = set()
        """Roots of trees that did otherwise than their records say."""
        self._decided: dict[int, Decided] = {}
        self._numbers: dict[int, dict[int, int]] = {}
        """By process, what the work of its syscall is called in the records, and here."""
        self._records: defaultdict[int, list[Later]] = defaultdict(list)
        known = kernel.numbers[1]
        for record in later:
            if record.pid > known:
                self._records[record.pid].append(record)
        self._new = sorted(self._records, key=lambda pid: self._records[pid][0].position)
        """Pids that were given after the tables were known, in the order of their first records."""
        self._last = known
        """The largest pid that is known to have been given."""
        self._is_dense = False
        """A birth after the gap was read, so the next one has the next pid."""

    def all(self) -> None:
        """Follow every tree as far as its records go."""
        gaps = iter([*self._gaps, 1 << 62])
        gap = next(gaps)
        for record in self._later:
            while record.position > gap:
                self._left |= {root for root in self.kernel.trees if self.kernel.processes[root].alive}
                gap = next(gaps)
            event = self._of_ours(record)
            if event is None:
                self._pass_over(record)
                continue
            root = self._root(record.pid)
            try:
                self._take_in(record, event)
            except (JournalError, AssertionError, LookupError, msgspec.DecodeError):
                self._broken.add(root or self.births.get(record.position, 0))

    def trees(self) -> list[int]:
        """The roots of the trees that are as their records say, up to their end or to a gap."""
        return [root for root in self.kernel.trees if root not in self._broken]

    def is_followed(self, pid: int) -> bool:
        """Whether a process is known up to its last record."""
        root = self._root(pid)
        return root != 0 and root not in self._left and root not in self._broken

    def _root(self, pid: int) -> int:
        process = self.kernel.processes.get(pid) if pid else None
        return process.root if process is not None else 0

    def _of_ours(self, record: Later) -> Event | None:
        """The event, as far as it concerns the trees that are followed."""
        event, kernel = record.event, self.kernel
        match event:
            case Installed() | Booted() | Arrived():
                return event
            case Copied(_, pid):
                return event if self.is_followed(pid) else None
            case Adopted(_, tree):
                taken = any(process.pid in kernel.processes for process in tables.carried(tree).tree.processes)
                return None if taken else event
            case Ticked():
                rings = tuple(ring for ring in event.rings if self.is_followed(ring[0]))
                return replace(event, rings=rings)
            case Resumed(_, root) | Paused(_, root):
                return event if not root or self.is_followed(root) else None
            case Worked(_, root):
                return event if self.is_followed(root) else None
            case Answered(_, ask):
                if ask in kernel.asks or len(kernel.asks) != 1:
                    return event if ask in kernel.asks else None
                return replace(event, ask=next(iter(kernel.asks)))
            case Done(_, effect):
                numbers = self._numbers.get(record.pid, {})
                return replace(event, effect=numbers[effect]) if effect in numbers else None
            case _:
                return event if self.is_followed(record.pid) else None

    def _take_in(self, record: Later, event: Event) -> None:
        kernel = self.kernel
        syscall = event.syscall if isinstance(event, Trapped) else None
        if isinstance(event, Trapped | Faulted):
            mine = self._decided.pop(event.pid, None)
            if isinstance(event, Trapped) and event.pid not in self.cast.missing and mine != event.syscall:
                raise LookupError("the program decides otherwise")
        born = isinstance(event, Arrived | Copied) or isinstance(syscall, Spawn | Fork)
        numbers, pids, asks, wake = kernel.numbers
        if syscall is not None:
            numbers = self._before_work(record, syscall, numbers)
        if born:
            pids = self._pid_after(record, event) - 1
        kernel.numbers = numbers, pids, asks, wake
        self.cast.see(event)
        before = len(kernel.processes)
        for effect in kernel.handle(with_values(event, kernel, self._value)):
            decided = self.cast.play(effect)
            if decided is not None:
                self._decided[decided[0]] = decided[1]
        if len(kernel.processes) > before:
            self._last, self._is_dense = max(self._last, kernel.numbers[1]), True
            if syscall is None:
                self.births[record.position] = kernel.processes[kernel.numbers[1]].root
        if syscall is not None:
            self._name_work(record)

    def _pid_after(self, record: Later, event: Event) -> int:
        """The pid that a birth gave."""
        fitting = [pid for pid in self._new if pid > self._last and self._records[pid][0].position > record.position]
        if self._is_dense:
            fitting.sort(key=lambda pid: pid != self._last + 1)
        if isinstance(event, Arrived) and fitting:
            decided = self._first_decision(event)
            for pid in fitting:
                first = self._records[pid][0].event
                if decided is None or (isinstance(first, Trapped) and first.syscall == decided):
                    return pid
        return fitting[0] if fitting else max(self._last, *self._new, 0) + 1

    def _pass_over(self, record: Later) -> None:
        """A birth in a tree that can't be followed takes a pid, too."""
        event = record.event
        if isinstance(event, Copied) or (isinstance(event, Trapped) and isinstance(event.syscall, Spawn | Fork)):
            self._last, self._is_dense = max(self._last, self._pid_after(record, event)), True

    def _first_decision(self, event: Arrived) -> Decided | None:
        """What the first process of a tree asks for first; None where its program is not here."""
        trial = _without_trees(self.kernel)
        cast = self._cast_of(trial)
        decided = [cast.play(effect) for effect in trial.handle(event)]
        for pid in list(cast.programs):
            cast.forget(pid)
        return next((found[1] for found in decided if found is not None), None)

    def _reported(self, record: Later) -> list[int]:
        """The numbers of the work of a syscall, as its results name them."""
        records = self._records[record.pid]
        reported: list[int] = []
        for after in records[bisect_right(records, record.position, key=lambda later: later.position) :]:
            if isinstance(after.event, Trapped):
                break
            if isinstance(after.event, Done):
                reported.append(after.event.effect)
        return sorted(reported)

    def _before_work(self, record: Later, syscall: Syscall, given: int) -> int:
        """The last number that was given before a syscall's work."""
        reported = self._reported(record)
        if not reported:
            return given
        count = len(syscall.uses) if isinstance(syscall, Call) else 1
        if len(reported) < count and reported[0] > given >= reported[-1] - count:
            return given
        return max(given, min(reported[0] - 1, reported[-1] - count) if len(reported) < count else reported[0] - 1)

    def _name_work(self, record: Later) -> None:
        """Remember which number in the records means which work here."""
        process = self.kernel.process(record.pid)
        reported = self._reported(record)
        if process is None or not reported:
            return
        works = [work.effect for work in process.work]
        if not set(reported) <= set(works):
            self._numbers[record.pid] = dict(zip(reported, works, strict=False))
        else:
            self._numbers[record.pid] = {number: number for number in works}


def _without_trees(kernel: Kernel) -> Kernel:
    """A kernel with the tables of another one that concern the machine."""
    frozen = tables.freeze(kernel)
    frozen = replace(frozen, asks={}, asleep=set(), working={}, away={}, dated={})
    alone = Kernel()
    tables.thaw(msgspec.msgpack.decode(msgspec.msgpack.encode(frozen), type=tables.FrozenKernel), alone)
    alone.rules = kernel.rules
    return alone
