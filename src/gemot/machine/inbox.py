"""What has happened and was not taken in yet: a queue for each tree, and the trees take turns.

In one queue for all, whoever makes ten thousand syscalls at once makes everybody wait for each of them. Here each tree has
its next event taken in before any has its second, so what a tree waits for grows with the number of trees at work, not
with how much another one wants. What belongs to no tree yet, or to none that is known, is taken in first: those who start
trees, the clock and the person wait for it, and what begins together is written in one go.

Within a tree everything stays in the order in which it happened. The journal holds the order in which events were taken in,
and that is the order that counts.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator

from gemot.abi.events import Event


class Inbox:
    """``bool(inbox)``: something waits."""

    def __init__(self) -> None:
        self._first: deque[Event] = deque()
        self._trees: OrderedDict[int, deque[Event]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._first or self._trees)

    def put(self, root: int, event: Event) -> None:
        """An event of the tree with this root; 0: of none that is known."""
        if not root:
            self._first.append(event)
        elif root in self._trees:
            self._trees[root].append(event)
        else:
            self._trees[root] = deque((event,))

    def put_first(self, events: Iterable[Event]) -> None:
        """Events that are taken in before all that waits, in this order."""
        self._first.extendleft(reversed(tuple(events)))

    def take(self, most: int, of_one: int) -> Iterator[Event]:
        """The events of one step: at most so many, of one tree at most ``of_one``, and of those the ones whose tree has waited
        longest since its last one. What comes in meanwhile is among them if there is room."""
        taken: dict[int, int] = {}
        for _ in range(most):
            if self._first:
                yield self._first.popleft()
                continue
            if not self._trees:
                return
            root, waiting = next(iter(self._trees.items()))
            already = taken.get(root, 0)
            if already == of_one:
                return
            taken[root] = already + 1
            event = waiting.popleft()
            if waiting:
                self._trees.move_to_end(root)
            else:
                del self._trees[root]
            yield event
