"""Turns: who is next of those that wait at a provider, and how much was let through in the last minute.

Trees take turns, each as often as its share: one with twice the share has twice the turns (stride scheduling: every turn
moves a tree on by a stride, and the one that is least far is next). A tree that comes to wait begins where the others
are, so that nobody saves up turns by being idle. Within a tree the more urgent call is next, then the one that came
first; each turn that its tree takes meanwhile makes a call that waits more urgent by an eighth of a step. So only calls
that come before 64 others of its tree were let through can pass one that waits, and every call has its turn.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field

from gemot.abi import limits

AGEING = 8
"""Turns of its tree that make a waiting call more urgent by one step."""

MINUTE_SECONDS = 60.0

_STRIDE = math.lcm(*range(limits.PRIORITY_MIN, limits.PRIORITY_MAX + 1))


@dataclass(slots=True)
class _Tree:
    share: int
    far: int
    taken: int = 0
    calls: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """(how late, call) as a heap. Calls that wait no more are in it until their turn comes."""


class Turns:
    """The line at one provider. A call is its number; later calls have higher ones."""

    def __init__(self) -> None:
        self._trees: dict[int, _Tree] = {}
        """By root: those in line, and those that are farther than the others."""
        self._order: list[tuple[int, int, int]] = []
        """(how far, number, root) of each tree in line."""
        self._waiting: set[int] = set()
        self._far = 0
        """How far the tree was that had the last turn."""
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, call: int, root: int, share: int, priority: int) -> None:
        tree = self._trees.get(root)
        if tree is None:
            tree = self._trees[root] = _Tree(share, self._far)
        tree.share = share
        self._waiting.add(call)
        if not tree.calls:
            tree.far = max(tree.far, self._far)
            self._line_up(root, tree)
        heapq.heappush(tree.calls, (tree.taken - priority * AGEING, call))

    def remove(self, call: int) -> None:
        """It waits no more."""
        self._waiting.discard(call)

    def first(self) -> int | None:
        """Whose turn it is."""
        while self._order:
            calls = self._trees[self._order[0][2]].calls
            while calls and calls[0][1] not in self._waiting:
                heapq.heappop(calls)
            if calls:
                return calls[0][1]
            heapq.heappop(self._order)
        return None

    def take(self) -> int:
        """Let the first one through; there must be one."""
        call = self.first()
        assert call is not None, "nobody waits"
        self._far, _, root = heapq.heappop(self._order)
        tree = self._trees[root]
        heapq.heappop(tree.calls)
        self._waiting.discard(call)
        tree.far += _STRIDE // tree.share
        tree.taken += 1
        if tree.calls:
            self._line_up(root, tree)
        if not self._waiting:  # nobody is before or behind anybody
            self._trees.clear()
            self._order.clear()
        elif len(self._trees) > 2 * len(self._order) + 64:  # those that would begin anew where they are
            self._trees = {one: kept for one, kept in self._trees.items() if kept.calls or kept.far > self._far}
        return call

    def _line_up(self, root: int, tree: _Tree) -> None:
        self._numbers += 1
        heapq.heappush(self._order, (tree.far, self._numbers, root))


@dataclass(slots=True)
class Taken:
    """So much was let through at this time (seconds); ``counts`` while that is less than a minute ago."""

    at: float
    amount: int
    counts: bool = True


class Window:
    """At most ``most`` in any sixty seconds (None: any amount). What is more than that by itself goes alone."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._total = 0
        self._taken: deque[Taken] = deque()

    def free_at(self, amount: int, now: float) -> float:
        """When so much more may go: ``now``, or later."""
        if self._most is None:
            return now
        while self._taken and self._taken[0].at + MINUTE_SECONDS <= now:
            past = self._taken.popleft()
            past.counts = False
            self._total -= past.amount
        over, at = self._total + amount - self._most, now
        for one in self._taken:
            if over <= 0:
                break
            over, at = over - one.amount, one.at + MINUTE_SECONDS
        return at

    def take(self, amount: int, now: float) -> Taken:
        taken = Taken(now, amount, self._most is not None)
        if taken.counts:
            self._taken.append(taken)
            self._total += amount
        return taken

    def correct(self, taken: Taken, amount: int) -> None:
        """It was another amount than was thought when it went."""
        if taken.counts:
            self._total += amount - taken.amount
            taken.amount = amount
