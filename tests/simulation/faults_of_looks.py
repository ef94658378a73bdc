"""Faults in the index of trees: each makes an excerpt tell something else than all records do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gemot.journal.contract import INDEX
from gemot.kernel import Kernel
from gemot.machine import excerpts, stretches
from gemot.machine.stretches import Stretch, Stretches

Patch = pytest.MonkeyPatch
FAULTS: list[Callable[[Patch], None]] = []


def fault(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
    FAULTS.append(plant)
    return plant


@fault
def index_ahead_of_the_journal(patch: Patch) -> None:
    """The index names records that are not written yet, and nobody compares it with the checkpoint."""
    inner = Stretches.pieces

    def pieces(self: Stretches) -> Any:
        for number, start, body in inner(self):
            row = stretches.read(body)
            held = list(stretches.stretches_of(row))
            if number > INDEX:
                held[-1] = Stretch(held[-1].first, held[-1].last + 3, held[-1].numbers, held[-1].parts)
            yield number, start, msgspec.msgpack.encode(stretches.row_of(row.start, held))

    patch.setattr(Stretches, "pieces", pieces)


@fault
def index_behind_the_journal(patch: Patch) -> None:
    """The last note before a checkpoint is not in the index."""
    inner = Stretches.pieces

    def pieces(self: Stretches) -> Any:
        for number, start, body in inner(self):
            row = stretches.read(body)
            held = list(stretches.stretches_of(row))
            yield number, start, msgspec.msgpack.encode(stretches.row_of(row.start, held[:-1] or held))

    patch.setattr(Stretches, "pieces", pieces)


@fault
def numbers_of_others_forgotten(patch: Patch) -> None:
    """What an event of many trees gave to others is not known when one tree is folded."""
    patch.setattr(Kernel, "part", lambda self, root, number=0: None)


@fault
def excerpt_never_compared(patch: Patch) -> None:
    """The index lacks records, and the tables are not compared with those of the checkpoint."""
    index_behind_the_journal(patch)
    patch.setattr(excerpts.Excerpt, "_must_fit", lambda self, journal: None)
