"""Faults planted by hand, as in `faults`: of alarms that ring again and again."""

from __future__ import annotations

import minds
import msgspec
from faults import Patch, fault

from gemot.abi.events import Due
from gemot.kernel import Kernel, alarms, freezing
from gemot.kernel.process import Process
from gemot.machine import calendar
from gemot.machine.clock import Clock


@fault
def rings_of_sleepers_forgotten(patch: Patch) -> None:
    """An alarm that came due while its tree slept goes on with its next time, and says nothing of what was missed."""
    inner = alarms.ring

    def ring(kernel: Kernel, process: Process, number: int, due: Due | None) -> bool:
        if due is not None and due.came > 1:
            due = msgspec.structs.replace(due, came=1)
        return inner(kernel, process, number, due)

    patch.setattr(alarms, "ring", ring)
    patch.setattr(
        minds, "_STEPS", [*minds._STEPS, *[minds.alarm] * 60]
    )  # histories with many alarms: in others this is rare


@fault
def calendar_by_order_clock(patch: Patch) -> None:
    """Dates go by the order of events, which never goes back, and not by the time of day."""
    patch.setattr(Clock, "lead", lambda self: 0)
    patch.setattr(minds, "_STEPS", [*minds._STEPS, *[minds.alarm] * 60])


@fault
def ring_told_again(patch: Patch) -> None:
    """What a tick says of an alarm is taken for what is so now, however long ago it was worked out."""
    inner = alarms.ring

    def ring(kernel: Kernel, process: Process, number: int, due: Due | None) -> bool:
        one = process.alarms.get(number)
        if one is not None and one.every and due is None:
            due = calendar.following(one.every, one.zone, one.at - 1, kernel.now)
        if one is not None and due is not None:
            due = msgspec.structs.replace(due, since=one.at, came=due.came + (due.since != one.at))
        return inner(kernel, process, number, due)

    patch.setattr(alarms, "ring", ring)


@fault
def recurring_alarm_rings_once(patch: Patch) -> None:
    """An alarm that was kept elsewhere with its tree rings once more, and then never again."""
    inner = freezing.thaw_tree

    def thaw_tree(frozen: freezing.FrozenTree, kernel: Kernel) -> None:
        inner(frozen, kernel)
        for process in frozen.processes:
            for one in process.alarms.values():
                one.every = ""

    patch.setattr(freezing, "thaw_tree", thaw_tree)
