"""Stretches: where in a journal the records of each tree stand, so that one tree is folded without the others (decision 64).

A *stretch* is a row of consecutive records of one tree, with the numbers that the kernel had given before them: those that follow from the
other trees' records, which are not folded. The machine notes each record when it has handled it, in memory. A checkpoint takes the
notes along, in its own transaction. So the index is never ahead of the journal, and is behind it as far as the checkpoint is.

Trees that a person forked from each other are one *group*, under the root of the first: to take back words reaches from one into the
others. Records that concern the machine as a whole stand in a list of their own, :data:`WHOLE`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from operator import sub

import msgspec
from msgspec import Struct

from gemot.abi.events import Adopted, Arrived, Booted, Copied, Event, Installed, Resumed, Salvaged, Ticked
from gemot.journal.contract import INDEX
from gemot.kernel import Kernel
from gemot.kernel.kernel import Part

WHOLE = 0
"""The group of the records that concern the machine as a whole."""

STRETCHES_MAX = 1_000_000
"""Where no checkpoint can be left, so many are held in memory. Then they are dropped, and older trees are folded with all others."""

Numbers = tuple[int, int, int, int]
_SPECIAL = frozenset((Adopted, Arrived, Booted, Copied, Installed, Resumed, Salvaged, Ticked))
"""Events that are not only news of one tree."""


class Stretch(Struct):
    """The records of one group from ``first`` to ``last``."""

    first: int
    last: int
    numbers: Numbers
    """The last number, pid and ask that were given before, and how many events were handled."""
    parts: tuple[Part, ...] = ()
    """Of a single record that concerns other groups, too: what it did here."""


class Start(Struct, frozen=True, array_like=True):
    """What was known apart from the trees before the first record of a group."""

    position: int
    """Of that record."""
    rules: int
    """The rules that decide it."""
    now: int
    """The order of events then."""
    lead: int
    """By how much that was ahead of the time of day."""
    installed: int
    """The position of the last `Installed` before."""


class Row(Struct, frozen=True, array_like=True):
    """Stretches of one group, as a checkpoint keeps them under the first position."""

    start: Start | None
    """Where the group begins here."""
    columns: list[tuple[int, ...]]
    """Of each stretch the six numbers, less those of the stretch before."""
    parts: dict[int, tuple[Part, ...]]
    """By the place of a stretch in this row."""


class Index(Struct, frozen=True, array_like=True):
    """What a checkpoint says of the index."""

    since: int = -1
    """All records after this position are in it; -1: there is none."""
    installed: int = 0
    """The position of the last `Installed`; 0: it is not known."""
    forks: dict[int, int] = {}
    """By the root of a tree that a person forked: the group that it belongs to."""


class Noted(Struct, frozen=True):
    """What a running machine has noted since its last checkpoint."""

    after: int
    """The position of that checkpoint."""
    index: Index
    rows: dict[int, Row]
    """By group."""
    group: int = 0
    """The group of the process that was asked for; 0: there is no such process, or none was named."""


_encode = msgspec.msgpack.Encoder().encode


def row_of(start: Start | None, stretches: Iterable[Stretch]) -> Row:
    columns: list[tuple[int, ...]] = []
    parts: dict[int, tuple[Part, ...]] = {}
    before: tuple[int, ...] = (0,) * 6
    for place, stretch in enumerate(stretches):
        now = (stretch.first, stretch.last, *stretch.numbers)
        columns.append(tuple(map(sub, now, before)))
        before = now
        if stretch.parts:
            parts[place] = stretch.parts
    return Row(start, columns, parts)


def stretches_of(row: Row) -> Iterator[Stretch]:
    """Raises :class:`ValueError` for a row that is not one."""
    first = last = number = pid = ask = moment = 0
    for place, (d_first, d_last, d_number, d_pid, d_ask, d_moment) in enumerate(row.columns):
        first, last, number = first + d_first, last + d_last, number + d_number
        pid, ask, moment = pid + d_pid, ask + d_ask, moment + d_moment
        yield Stretch(first, last, (number, pid, ask, moment), row.parts.get(place, ()))


@functools.cache
def _decoder() -> msgspec.msgpack.Decoder[Row]:
    return msgspec.msgpack.Decoder(Row)


def read(body: bytes) -> Row:
    """Raises :class:`msgspec.DecodeError`."""
    return _decoder().decode(body)


class Stretches:
    """The notes of one machine since its last checkpoint. ``changed``: roots of trees that changed, as
    :attr:`gemot.kernel.Kernel.changed` has them, since somebody last emptied this."""

    def __init__(self) -> None:
        self.changed: set[int] = set()
        self.after = self._since = self._installed = self._count = 0
        self._forks: dict[int, int] = {}
        self._held: dict[int, list[Stretch]] = {}
        self._open, self._alone = Stretch(0, 0, (0, 0, 0, 0)), set[int]()
        """The stretch that the last record belongs to, where it is of one tree, and the root of that."""
        self._starts: dict[int, Start] = {}

    def begin(self, position: int, index: Index | None = None) -> None:
        """Records from here on are noted. ``index``: what the checkpoint there says of those before."""
        known = Index(position) if index is None or index.since < 0 else index
        self.after, self._since, self._installed = position, known.since, known.installed
        self._forks = dict(known.forks)
        self._held, self._starts, self._count = {}, {}, 0
        self._open, self._alone = Stretch(0, 0, (0, 0, 0, 0)), set[int]()

    @property
    def index(self) -> Index:
        return Index(self._since, self._installed, self._forks)

    @property
    def knows_installed(self) -> bool:
        """Whether it is known which record says what is installed."""
        return self._installed > 0

    def note(self, position: int, event: Event, pid: int, kernel: Kernel) -> None:
        """``kernel`` has handled the event of this record just now. ``pid``: the process that it concerns."""
        changed = kernel.changed
        if changed == self._alone and self._open.last == position - 1 and event.__class__ not in _SPECIAL:
            self._open.last = position
        else:
            self._note(position, event, pid, kernel)
        self.changed |= changed
        changed.clear()

    def _note(self, position: int, event: Event, pid: int, kernel: Kernel) -> None:
        given, self._alone = kernel.before, set[int]()
        match event:
            case Installed():
                self._installed = position
                self._add(WHOLE, position, given)
            case Booted():
                self._add(WHOLE, position, given)
            case Salvaged():
                self.begin(position)
            case Ticked() | Resumed():
                self._note_many(position, event, kernel)
            case _:
                self._note_tree(position, event, pid, kernel)

    def _note_tree(self, position: int, event: Event, pid: int, kernel: Kernel) -> None:
        """A record of one tree, or of the trees of one group."""
        changed, given = kernel.changed, kernel.before
        if isinstance(event, Arrived | Adopted) and len(changed) == 1 and self._forks.keys().isdisjoint(changed):
            start = Start(position, kernel.rules, kernel.now, kernel.lead, self._installed)
            self._starts.update(dict.fromkeys(changed, start))
        elif isinstance(event, Copied) and kernel.numbers[1] > given[1]:
            original = kernel.processes[event.pid].root
            self._forks[kernel.numbers[1]] = self._forks.get(original, original)
        process = kernel.processes.held(pid) if pid and not changed else None
        roots = changed if process is None else {process.root}
        for group in {self.group(root) for root in roots}:
            self._open = self._add(group, position, given)
        self._alone = set(roots) if len(roots) == 1 else set[int]()

    def _note_many(self, position: int, event: Ticked | Resumed, kernel: Kernel) -> None:
        """A record that may concern many trees, each with numbers of its own."""
        given = kernel.before
        if (isinstance(event, Resumed) and not event.root) or (isinstance(event, Ticked) and event.lead is not None):
            self._add(WHOLE, position, given)
        named = {event.root} if isinstance(event, Resumed) and event.root else set[int]()
        mine: dict[int, list[Part]] = {}
        for part in kernel.parts:
            mine.setdefault(self._forks.get(part[0], part[0]), []).append(part)
        for group in {self.group(root) for root in kernel.changed | named}:
            self._add(group, position, given, tuple(mine.get(group, ())))

    def _add(self, group: int, position: int, given: Numbers, parts: tuple[Part, ...] = ()) -> Stretch:
        held = self._held.setdefault(group, [])
        if held and held[-1].last == position - 1 and not parts and not held[-1].parts:
            held[-1].last = position
            return held[-1]
        if self._count >= STRETCHES_MAX:
            self.begin(position, Index(position, self._installed))
            return self._open
        self._count += 1
        held.append(Stretch(position, position, given, parts))
        return held[-1]

    def group(self, root: int) -> int:
        """The group that a tree belongs to."""
        return self._forks.get(root, root)

    def forget(self, groups: Iterable[int]) -> None:
        """The records of these groups were taken out of the journal, or a state stands in their place."""
        gone = set(groups)
        for group in gone:
            self._held.pop(group, None)
            self._starts.pop(group, None)
        self._alone = set[int]()
        self._forks = {fork: group for fork, group in self._forks.items() if group not in gone}

    def pieces(self) -> Iterator[tuple[int, int, bytes]]:
        """What a checkpoint is to keep of them, as pieces."""
        for group, held in self._held.items():
            yield INDEX + group, held[0].first, _encode(row_of(self._starts.get(group), held))

    def written(self, position: int) -> None:
        """A checkpoint at this position has taken them."""
        self.begin(position, self.index)

    def noted(self, root: int, after: int) -> Noted:
        """Those of one tree; for root 0 those of all groups with records after this position."""
        group = self._forks.get(root, root)
        chosen = [group] if root else [one for one, held in self._held.items() if one and held[-1].last > after]
        rows = {one: row_of(self._starts.get(one), self._held[one]) for one in (*chosen, WHOLE) if one in self._held}
        return Noted(self.after, self.index, rows, group)
