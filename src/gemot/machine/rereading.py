"""Rereading: what a removal must know. All records are read once, and folded with a kernel of its own (decision 63).

It says which records are whose, what each blank must say, which trees need which others, what names which text; and of a tree that goes on,
its state at a moment when it only waited, which can stand in the place of its records up to there.
"""

from __future__ import annotations

import dataclasses
import re
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from gemot.abi.effects import Begin, Deliver, Effect, Rewind, TakeBack
from gemot.abi.events import (
    Adopted,
    Blank,
    Booted,
    Condensed,
    Copied,
    Event,
    Installed,
    Restored,
    Resumed,
    Rewound,
    Salvaged,
    Ticked,
    Trapped,
)
from gemot.abi.syscalls import Receive, Spawn, Syscall
from gemot.journal.contract import Journal, Record
from gemot.journal.records import encode
from gemot.kernel import Kernel, freezing, leaving
from gemot.machine import versions
from gemot.machine.cast import Cast
from gemot.machine.checkpoint import SCHEMA
from gemot.machine.whole import with_values
from gemot.programs import freezing as folds
from gemot.programs.library import Library

RECORDS_AT_ONCE = 64
"""Records that are folded in one turn, some milliseconds."""

ENDED_AT_ONCE = 200
"""Trees that have ended leave the memory of the pass in such portions."""

_DIGEST = re.compile(rb"[0-9a-f]{64}")
"""How anything that is kept names a text. What only looks like it keeps a text longer than it must."""

_EACH_BY_ITSELF = (Booted, Ticked, Installed, Blank, Salvaged)
"""What happens to several trees at once, and to each as if it were alone."""

_WITH_BYTES = (Adopted, Rewound, Restored, Salvaged, Condensed)
"""Events that hold packed tables or programs."""


@dataclass
class Stretch:
    """Records that follow each other and concern the same trees. ``known``: what the blank at the last one says; ``before``: at the one
    before."""

    first: int
    last: int
    roots: frozenset[int]
    known: Blank
    before: Blank | None = None

    def blanks(self, condensed: bytes = b"") -> Iterator[tuple[int, bytes]]:
        """What takes the place of each record. ``condensed``: of the last one. Only the last of a row of blanks is kept, so the
        others say nothing."""
        last = self.last - 1 if condensed else self.last
        for position in range(self.first, last):
            yield position, b""
        if condensed:
            if self.before is not None:
                yield self.last - 1, encode(self.before)
            yield self.last, condensed
        else:
            yield self.last, encode(self.known)


class Runs(NamedTuple):
    """What leaves a living tree: its ended processes up to a child."""

    after: int
    """The last child that leaves. The state of the tree is taken down after its end."""
    until: int
    """The first process that began later, and stays."""
    stays: frozenset[int] = frozenset()
    """Processes before it that stay: their records leave, what they did is in the state of the tree."""


class State(NamedTuple):
    """A living tree at a position, when nothing was left of what leaves it but its records."""

    position: int
    body: bytes
    """The record."""
    left: set[bytes]
    """The texts that records up to here name."""
    names: set[bytes]
    """The texts that the state names."""
    ties: dict[int, str]
    """As in :class:`Plan`, of what was until then."""


@dataclass
class Plan:
    """What the pass has read."""

    stretches: list[Stretch] = field(default_factory=list[Stretch])
    """Of trees that may go, and of living ones that may have their state in the place of their records."""
    ties: dict[int, dict[int, str]] = field(default_factory=lambda: defaultdict[int, dict[int, str]](dict))
    """By tree, those that must go for it to go, and why."""
    states: dict[int, State] = field(default_factory=dict[int, State])
    """Of living trees."""
    positions: dict[int, array[int]] = field(default_factory=lambda: defaultdict[int, "array[int]"](lambda: array("Q")))
    """Of the records of each tree, where files are wanted."""
    named: set[bytes] = field(default_factory=set[bytes])
    """The digests that what stays names."""
    named_by: dict[int, set[bytes]] = field(default_factory=lambda: defaultdict[int, set[bytes]](set))
    """The digests that the records of a tree name."""
    stays: dict[int, str] = field(default_factory=dict[int, str])
    """Trees that can't go, and why."""

    def settle(self, going: Collection[int]) -> set[int]:
        """Which of these trees go, with the living ones that have a state: all but those that others need. What stays has its words."""
        chosen = (set(going) | self.states.keys()) - self.stays.keys()
        waiting = list(chosen)
        needed_by: dict[int, list[int]] = defaultdict(list)
        for root in chosen:
            for other in self.ties.get(root, {}):
                needed_by[other].append(root)
        waiting = [other for other in needed_by if other not in chosen]
        for other in waiting:
            for root in needed_by.get(other, ()):
                if root in chosen:
                    chosen.discard(root)
                    self.stays[root] = self.ties[root][other]
                    waiting.append(root)
        for root in self.states.keys() - chosen:
            self.named |= self.states[root].left
        return chosen

    def leaving(self, chosen: set[int]) -> Iterator[Stretch]:
        """The stretches of records that leave with these trees."""
        ends = {root: state.position for root, state in self.states.items()}
        for stretch in self.stretches:
            if stretch.roots <= chosen and all(stretch.last <= ends.get(root, stretch.last) for root in stretch.roots):
                yield stretch


class Reading:
    """The fold of a pass. ``going``: trees that have ended and are to go. ``leaving``: by living tree, what leaves it. ``files``: the trees
    go to files."""

    def __init__(self, journal: Journal, going: Collection[int], runs: Mapping[int, Runs], files: bool) -> None:
        self.plan = Plan()
        self._journal = journal
        self._kernel = Kernel()
        self._kernel.rules = versions.rules_first(journal)
        self._cast = Cast(self._kernel, Library({}, {}), journal.value)
        self._going, self._leaving, self._files = frozenset(going), runs, files
        self._open = set(runs)
        """Living trees of which the records still leave."""
        self._roots: dict[int, int] = {}
        """By process, its tree: of those that the kernel here has forgotten."""
        self._ended: dict[int, None] = {}
        self._rolls: dict[int, folds.FrozenNative] = {}
        self._asked: dict[int, Syscall] = {}
        self._bills: dict[str, tuple[int, int]] = {}
        self._cut = 0
        """The position of the last state that was taken down: no stretch goes on over it."""

    def read(self, upto: int) -> Iterator[None]:
        """Fold the records up to a position. Raises ``JournalError``."""
        for number, record in enumerate(self._journal.read(), 1):
            if record.position > upto:
                break
            self._take(record)
            if not number % RECORDS_AT_ONCE:
                yield
        for root in sorted(self._open):
            self._close(root)

    def _take(self, record: Record) -> None:
        kernel = self._kernel
        event = versions.read(record, kernel.rules)
        versions.must_fit(record, event, kernel)
        pid = record.pid or getattr(event, "pid", 0) or getattr(event, "root", 0)
        parent = event.pid if isinstance(event, Trapped) and isinstance(event.syscall, Spawn) else 0
        if parent in self._open and kernel.numbers[1] + 1 >= self._leaving[parent].until:
            self._close(parent)
        kernel.changed.clear()
        rules = kernel.rules
        try:
            effects = kernel.handle(with_values(event, kernel, self._journal.value))
        except (AssertionError, LookupError, msgspec.DecodeError) as error:
            raise versions.misfit(record, rules, str(error)) from error
        roots = self._concerned(event, pid)
        self._note_rolls(event, effects)
        self._note_names(record, event, roots)
        if self._files and pid and (root := self._root(pid)) in self._going:
            self.plan.positions[root].append(record.position)
        self._note_ties(event, roots)
        if self._leaves(event, roots, pid):
            self._stretch(record, roots)
            if isinstance(event, Trapped) and len(roots) == 1 and event.pid in self._open:
                self._take_state(event.pid, record.position)
        self._forget_ended(roots)

    def _root(self, pid: int) -> int:
        held = self._kernel.processes.held(pid)
        return self._roots.get(pid, 0) if held is None else held.root

    def _concerned(self, event: Event, pid: int) -> frozenset[int]:
        """The trees that an event concerns."""
        roots = set(self._kernel.changed)
        if isinstance(event, Copied):  # what the fork is made of; and where it is gone nothing shows that it was made
            roots.discard(self._root(event.pid))
        elif pid and not isinstance(event, _EACH_BY_ITSELF):
            roots.add(self._root(pid))
        return frozenset(roots - {0})

    def _leaves(self, event: Event, roots: frozenset[int], pid: int) -> bool:
        """Whether a record may leave once the trees that it concerns have."""
        if isinstance(event, Installed | Blank | Salvaged):
            return False
        if isinstance(event, Booted | Ticked):
            if event.lead is not None:
                return False
            if isinstance(event, Booted):
                return self._kernel.boots > 1 and versions.is_ours(event) and self._may(roots)
            return self._may(roots)
        if not roots:
            return isinstance(event, Resumed) and not pid
        return self._may(roots)

    def _may(self, roots: frozenset[int]) -> bool:
        return all(root in self._going or root in self._open for root in roots)

    def _stretch(self, record: Record, roots: frozenset[int]) -> None:
        bills = self._bills if self._bills == self._kernel.bills else dict(self._kernel.bills)
        self._bills = bills
        known = msgspec.structs.replace(leaving.known(self._kernel), at=record.at, bills=bills)
        first, stretches = record.first or record.position, self.plan.stretches
        last = stretches[-1] if stretches else None
        if last is not None and last.last + 1 == first and last.roots == roots and last.last != self._cut:
            last.last, last.before, last.known = record.position, last.known, known
        else:
            stretches.append(Stretch(first, record.position, roots, known))

    def _note_ties(self, event: Event, roots: frozenset[int]) -> None:
        ties = self.plan.ties
        if isinstance(event, Copied):
            source = self._root(event.pid)
            for born in roots:
                ties[source][born] = (
                    f"tree {born} was forked from tree {source}, so what happened there is needed; archive {born} first"
                )
        elif isinstance(event, Restored) and self._kernel.processes[event.root].alive:
            self.plan.stays[event.root] = (
                f"tree {event.root} was living when this journal was salvaged, and is part of that"
            )
        elif (
            len(roots) > 1
            and not isinstance(event, _EACH_BY_ITSELF)
            and not (isinstance(event, Resumed) and not event.root)
        ):
            for root in roots:
                for other in roots - {root}:
                    ties[root][other] = f"tree {other} was changed together with tree {root}, so both must go together"

    def _note_names(self, record: Record, event: Event, roots: frozenset[int]) -> None:
        names = set(_DIGEST.findall(record.body))
        if isinstance(event, _WITH_BYTES):
            for name in event.__struct_fields__:
                body = getattr(event, name)
                names |= names_in(body) if isinstance(body, bytes) else set()
        if not names:
            return
        if roots and self._may(roots):
            for root in roots:
                self.plan.named_by[root] |= names
        else:
            self.plan.named |= names

    def _note_rolls(self, event: Event, effects: Iterable[Effect]) -> None:
        """Keep what the programs of living trees were told, since their state needs it."""
        if not self._open:
            return
        if isinstance(event, Trapped) and event.pid in self._open:
            self._asked[event.pid] = event.syscall
        for effect in effects:
            match effect:
                case Begin(pid) if pid in self._open:
                    self._rolls[pid] = folds.FrozenNative(self._cast.start_of(effect), [])
                case Deliver(pid, answer) if pid in self._rolls and pid in self._asked:
                    self._rolls[pid].history.append((self._asked[pid], answer))
                case TakeBack(pid) | Rewind(pid):
                    self._rolls.pop(pid, None)
                case _:
                    pass

    def _take_state(self, root: int, position: int) -> None:
        """Where a living tree waits for its next alarm, and all that are to leave it have ended: take its state down."""
        kernel = self._kernel
        process = kernel.process(root)
        waits = process is not None and isinstance(process.syscall, Receive) and root in self._rolls
        if process is None or not waits or self._leaving[root].after not in kernel.trees[root]:
            return
        busy = process.work or process.children or process.uncollected or process.mailbox
        if busy or root in kernel.boards or root in kernel.asleep or kernel.late.get(root) or kernel.asks_open(root):
            return
        (frozen,) = freezing.freeze_trees(kernel, [root])
        stays = [kernel.processes[pid] for pid in kernel.trees[root] if pid in self._leaving[root].stays]
        left = set(kernel.trees[root]) - {root} - self._leaving[root].stays
        alone = dataclasses.replace(process, heard=[one for one in process.heard if one.source not in left])
        programs = folds.FrozenPrograms([], [], {}, {root: self._rolls[root]})
        packed = (
            msgspec.msgpack.encode(msgspec.structs.replace(frozen, processes=[alone, *stays])),
            msgspec.msgpack.encode(programs),
        )
        known = self.plan.stretches[-1].known
        body = encode(Condensed(known.at, known, root, *packed, SCHEMA))
        before = self.plan.states[root].left if root in self.plan.states else set[bytes]()
        names = before | self.plan.named_by.pop(root, set())
        self.plan.states[root] = State(
            position, body, names, names_in(packed[0]) | names_in(packed[1]), dict(self.plan.ties[root])
        )
        self._cut = position

    def _close(self, root: int) -> None:
        """The records of a living tree stay from here on."""
        self._open.discard(root)
        if root in self.plan.states:
            self.plan.ties[root] = self.plan.states[root].ties
        else:
            self.plan.stays[root] = (
                f"the ended runs of tree {root} can't leave it now: there is no moment at which it only waited"
            )

    def _forget_ended(self, roots: frozenset[int]) -> None:
        """Trees that are to go need not be in memory once they have ended."""
        kernel = self._kernel
        for root in roots & self._going:
            process = kernel.processes.held(root)
            if process is not None and not process.alive:
                self._ended[root] = None
        if len(self._ended) < ENDED_AT_ONCE:
            return
        trees = [kernel.trees[root] for root in self._ended]
        pids = [pid for tree in trees for pid in tree if not any(kernel.processes[one].copies for one in tree)]
        self._ended.clear()
        self._roots.update((pid, kernel.processes[pid].root) for pid in pids)
        leaving.forget(kernel, pids)


def names_in(body: bytes) -> set[bytes]:
    """The digests of texts that something packed may name."""
    return set(_DIGEST.findall(body))
