"""Faults planted in the rights: what goes with them to a child, and what comes back. They join those of ``faults``."""

from __future__ import annotations

from faults import Patch, fault

from gemot.kernel import news, revoking, rights
from gemot.kernel.kernel import Kernel
from gemot.kernel.process import Process


@fault
def plan_that_binds_its_maker_only(patch: Patch) -> None:
    """The children that a process has when its plan is endorsed go on as before."""
    patch.setattr(revoking, "bind", lambda *_: None)


@fault
def uses_that_come_back_and_stay(patch: Patch) -> None:
    """What a process has left at its end comes back to its parent twice."""
    inner = rights.return_uses

    def twice(kernel: Kernel, process: Process, index: int) -> bool:
        grant = process.grants[index]
        back = inner(kernel, process, index)
        process.grants[index] = grant
        return inner(kernel, process, index) and back

    patch.setattr(rights, "return_uses", twice)


@fault
def fork_with_the_count_of_its_original(patch: Patch) -> None:
    """Who is forked by a person may do again all that was counted."""
    patch.setattr(news, "without_uses", lambda grant: grant)
