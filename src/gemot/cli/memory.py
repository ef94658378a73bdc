"""The garbage collector of a process that does nothing but host a machine."""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 50, 50)
"""Allocations between two collections of the young, and so on. A machine's data has hardly any cycles: it is freed when it
is let go of. Python's own thresholds have the collector look at all of it again and again: a quarter of the time with
10,000 processes."""


def settle() -> None:
    """What is there after opening stays; look at it no more. Only for a process of our own: a library leaves this alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
