"""The machine's clock: it tells the time of day when the machine opens, and from then on how much time has passed.

So an alarm that is to ring in ten minutes rings in ten minutes, whatever happens to the computer's clock meanwhile; time
that the computer slept through counts. When the machine opens again it goes by the time of day, but never back behind
what its journal holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def passing() -> float:
    """Seconds since some moment in the past, sleep of the computer included where it can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def steady(wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = passing) -> Callable[[], float]:
    """A clock in seconds since 1970 that is set by ``wall`` once, now, and goes on by ``elapsed``."""
    began, since = wall(), elapsed()
    return lambda: began + elapsed() - since
