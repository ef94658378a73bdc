"""Standstill: whether trees can go on by themselves, or only a person can bring them further."""

from __future__ import annotations

from collections.abc import Collection

from gemot.kernel import Kernel
from gemot.kernel.process import Timer


def waits_for_person(kernel: Kernel, roots: Collection[int]) -> bool:
    """Every living process of these trees waits, and nothing that is under way or due will wake any of them.

    True also for trees that have ended. What they wait for is an open ask, or a message that only a person can send.
    """
    living = [process for process in kernel.processes.values() if process.root in roots and process.alive]
    for process in living:
        if process.state not in ("asking", "waiting"):
            return False
        if any(work.state in ("ready", "started", "interrupted") for work in process.work):
            return False
    mine = {process.pid for process in living}
    return not any(timer.pid in mine and _rings(kernel, timer) for _, _, timer in kernel.timers)


def _rings(kernel: Kernel, timer: Timer) -> bool:
    """Whether what set the timer is still there; see `gemot.kernel.waiting.ring`."""
    process = kernel.processes[timer.pid]
    match timer.kind:
        case "alarm":
            return timer.token in process.alarms
        case "wait":
            return timer.token == process.waits and process.state == "waiting"
        case "deadline":
            return True
