"""Which prompts the engine still holds, and how a new one takes over the beginning that it shares with one of them.

The engine remembers what it computed in cells, one for each token, and a cell may belong to several sequences. The
sequences that are kept here form a tree: each is a path from its root, and two that begin alike share the cells of
what they share. So a fork finds what its parent read, and a later turn what an earlier one read, by tokens alone;
nothing here knows of processes.

Invariants: a kept sequence holds in the engine exactly the tokens that are written here, from position 0 on; no kept
sequence is the beginning of another after :meth:`Prefixes.settle`; what is let go first was used longest ago. The
engine does not tell how many cells are taken, so they are counted here, at least as many as there are; should the
engine have no cell left all the same, :meth:`Prefixes.let_go` makes room for another try.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol


class Memory(Protocol):
    """What the engine does with its cells."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Let the empty sequence ``target`` share the first ``length`` cells of ``source``."""
        ...

    def cut(self, sequence: int, start: int) -> None:
        """Take the cells from position ``start`` on out of a sequence; those that no other one has are free."""
        ...

    def clear(self) -> None: ...


@dataclass(slots=True)
class Kept:
    """One sequence and its tokens. ``used_at`` counts requests."""

    sequence: int
    tokens: list[int] = field(default_factory=list[int])
    used_at: int = 0


class Prefixes:
    """``sequences`` numbers of the engine's are used here; all that is kept fits ``cells``.

    ``sharing`` False: nothing is kept from one request to the next and nothing is ever shared.
    """

    def __init__(self, memory: Memory, sequences: int, cells: int, sharing: bool) -> None:
        self._memory = memory
        self._cells = cells
        self._sharing = sharing
        self._every = [Kept(number) for number in range(sequences)]
        self._requests = 0

    @property
    def kept(self) -> list[Kept]:
        """What is held, the least recently used first."""
        return sorted((one for one in self._every if one.tokens), key=lambda one: one.used_at)

    def begin(self, prompt: list[int], room: int) -> Kept:
        """A sequence that holds the longest kept beginning of ``prompt`` and nothing else.

        It never holds the last two tokens: the last one's logits are wanted, and a token that is computed alone is
        rounded otherwise than among others. There are cells for the rest of the prompt and for ``room`` tokens more.
        """
        self._requests += 1
        if not self._sharing:
            self.forget()
            return self._every[0]
        best = max(self._every, key=lambda one: (shared(one.tokens, prompt), one.used_at))
        length = min(shared(best.tokens, prompt), max(0, len(prompt) - 2))
        best.used_at = self._requests
        mine = best if len(best.tokens) <= length + 2 else self._branch(best, length)
        mine.used_at = self._requests
        self.cut(mine, length)
        while self.cells_taken + len(prompt) - length + room > self._cells and self.let_go(mine):
            pass
        return mine

    def _branch(self, best: Kept, length: int) -> Kept:
        """Another sequence with the first ``length`` tokens of ``best``."""
        others = [one for one in self._every if one is not best]
        mine = min(others, key=lambda one: (bool(one.tokens), one.used_at))
        self._drop(mine)
        if length:
            self._memory.copy(best.sequence, mine.sequence, length)
        mine.tokens = best.tokens[:length]
        return mine

    def cut(self, mine: Kept, length: int) -> None:
        """Leave of a sequence no more than its first ``length`` tokens, also where the engine has more of it."""
        if self._sharing:
            self._memory.cut(mine.sequence, length)
            del mine.tokens[length:]

    def settle(self, mine: Kept) -> None:
        """Work on a sequence has ended: those that are no more than its beginning hold nothing that it does not."""
        for one in self.kept:
            if one is not mine and one.tokens == mine.tokens[: len(one.tokens)]:
                self._drop(one)

    def let_go(self, mine: Kept) -> bool:
        """Let go of what was used longest ago, apart from ``mine``. False: there is nothing else."""
        others = [one for one in self.kept if one is not mine]
        if others:
            self._drop(others[0])
        return bool(others)

    def forget(self) -> None:
        """Let go of everything."""
        self._memory.clear()
        for one in self._every:
            one.tokens = []

    def _drop(self, one: Kept) -> None:
        if one.tokens:
            self.cut(one, 0)

    @property
    def cells_taken(self) -> int:
        """At least the cells that are taken: one for each token of the tree, and two for each sequence, which may have
        computed a token anew that another one holds, too."""
        kept = self.kept
        return 2 * len(kept) + _tree_size(one.tokens for one in kept)


def shared(left: list[int], right: list[int]) -> int:
    """How many tokens two lists begin with in common."""
    return bisect_left(
        range(1, min(len(left), len(right)) + 1), True, key=lambda length: left[:length] != right[:length]
    )


def _tree_size(paths: Iterable[list[int]]) -> int:
    """The nodes of the tree that the paths make."""
    ordered = sorted(paths)  # then what a path shares with any before it, it shares with the one just before it
    return sum(map(len, ordered)) - sum(shared(one, other) for one, other in pairwise(ordered))
