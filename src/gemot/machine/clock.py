"""The machine's two clocks: the order of events, and the time of day.

The order is set to the time of day when the machine opens. From then on it counts how much time has passed, and time that the computer
slept through counts. An alarm that is to ring in ten minutes rings in ten minutes, whatever happens to the computer's clock
meanwhile. The order never goes back: where the journal is ahead of the time of day, it goes on from there.

Dates go by the time of day as the computer's clock says it now. The difference between the two is the *lead*.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LEAD_MILLIS_MIN = 1_000
"""A smaller change of the lead is nothing that anybody must be told of."""

LARGE_MILLIS = 300_000
"""A clock that is off by more than five minutes was set wrong: a person is told."""


def passing() -> float:
    """Seconds since some moment in the past, sleep of the computer included where it can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Clock:
    """``wall`` is the computer's clock, in seconds since 1970. ``elapsed`` counts seconds, sleep of the computer included."""

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = passing) -> None:
        self._wall, self._elapsed = wall, elapsed
        self._began, self._since = wall(), elapsed()
        self._last = 0

    def begin_after(self, order: int) -> None:
        """Go on from this order, where the time of day is not beyond it."""
        self._began, self._since = max(self._wall(), order / 1000), self._elapsed()
        self._last = order

    def order(self) -> int:
        """In milliseconds since 1970."""
        self._last = max(self._last, int((self._began + self._elapsed() - self._since) * 1000))
        return self._last

    def today(self) -> int:
        """The time of day, in milliseconds since 1970."""
        return int(self._wall() * 1000)

    def lead(self) -> int:
        """By how many milliseconds the order is ahead of the time of day."""
        return self.order() - self.today()


def large(millis: int) -> str:
    """How much that is in words, if a clock that is off by it was set wrong; else nothing."""
    if abs(millis) < LARGE_MILLIS:
        return ""
    minutes = (abs(millis) + 30_000) // 60_000
    units = ((1440, "days"), (60, "hours"), (1, "minutes"))
    size, unit = next((size, unit) for size, unit in units if minutes >= 2 * size)
    return f"{minutes // size} {unit}"
