"""Faults planted in the labels of words that the kernel passes on. They join those of ``faults``."""

from __future__ import annotations

from typing import Any

import msgspec
from faults import Patch, fault

from gemot.abi.answers import Outcome
from gemot.abi.labels import Label
from gemot.authority.holder import Holder
from gemot.kernel import families, moves, reviewing, waiting
from gemot.kernel.process import Process


def trusted(process: Holder) -> Label:
    """A label that forgets what the speaker has read."""
    return Label((f"process:{process.pid}",))


@fault
def message_without_its_label(patch: Patch) -> None:
    """A message is trusted as if its sender had read nothing."""
    patch.setattr(waiting, "words_of", trusted)


@fault
def task_without_its_label(patch: Patch) -> None:
    """So is what stands on a board."""
    patch.setattr(moves, "words_of", trusted)


@fault
def brief_without_its_label(patch: Patch) -> None:
    """So is the brief of a child, and what a process says of how far it is."""
    patch.setattr(families, "words_of", trusted)


@fault
def result_without_its_label(patch: Patch) -> None:
    """So is what a process leaves as its result."""
    inner = reviewing.signed

    def signed(process: Process, outcome: Outcome, *rest: Any) -> Outcome:
        return msgspec.structs.replace(inner(process, outcome, *rest), label=trusted(process))

    patch.setattr(reviewing, "signed", signed)
