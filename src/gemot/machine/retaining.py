"""The rules of retention, and what an application of them says, as data (decision 63). By itself: whoever asks a machine needs no more of it."""

from __future__ import annotations

from msgspec import Struct

RUNS_KEPT = 200
"""So many ended runs of a schedule are kept where nothing else is said: its tree is written as a whole, about a kilobyte a run."""


class Limit(Struct, frozen=True, omit_defaults=True):
    """Of what has ended."""

    most: int | None = None
    """The newest so many may stay; None: all."""
    millis: int | None = None
    """What ended longer ago than this leaves; None: nothing does."""
    both: bool = False
    """What leaves is beyond both limits, not beyond one of them."""

    @property
    def is_set(self) -> bool:
        return self.most is not None or self.millis is not None

    def leaves(self, newer: int, age: int) -> bool:
        """Whether something leaves of whose kind so many are newer, and that ended so long ago."""
        many = self.most is not None and newer >= self.most
        old = self.millis is not None and age > self.millis
        if self.both:
            return (many or self.most is None) and (old or self.millis is None) and self.is_set
        return many or old


class Retention(Struct, frozen=True, omit_defaults=True):
    """The rules of a home."""

    started: Limit = Limit()
    """For trees that a person started."""
    schedules: Limit = Limit(most=RUNS_KEPT)
    """For the runs of each schedule."""


class Ended(Struct, frozen=True, omit_defaults=True):
    """A tree that has ended, or a run of a schedule."""

    root: int
    pid: int
    name: str
    brief: str
    at: int
    """When it was last heard of (milliseconds since 1970)."""
    processes: int
    why: str = ""
    """Why it stays; empty where it may leave."""


class Cleared(Struct, frozen=True, omit_defaults=True):
    """What left, or would leave."""

    left: list[Ended] = []
    """The first ones of them."""
    stays: list[Ended] = []
    """Those that the rule names and that stay all the same, the first ones."""
    left_count: int = 0
    stays_count: int = 0
    runs_count: int = 0
    """Of those that left, runs of schedules."""
