"""More faults planted by hand, in what limits and priorities promise; see ``faults.py``."""

from __future__ import annotations

import msgspec
from faults import Patch, fault

from gemot.kernel import families, freezing
from gemot.machine.pool import Pool


@fault
def child_more_urgent(patch: Patch) -> None:
    """A child is as urgent as its parent says, whatever its parent is."""
    patch.setattr(families, "_priority", lambda parent, wanted: wanted or parent.priority)


@fault
def place_never_freed(patch: Patch) -> None:
    """A model call that has ended keeps its place at its provider."""
    patch.setattr(Pool, "leave", lambda self, number, usage: None)


@fault
def bill_not_kept(patch: Patch) -> None:
    """What was paid today is kept by the machine that paid it, and by no checkpoint."""
    inner = freezing.freeze
    patch.setattr(freezing, "freeze", lambda kernel: msgspec.structs.replace(inner(kernel), bills={}))
