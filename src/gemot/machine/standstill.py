"""Standstill: whether trees can go on by themselves, or only a person can bring them further."""

from __future__ import annotations

from collections.abc import Collection

from gemot.kernel import Kernel, moves
from gemot.kernel.process import Timer


def waits_for_person(kernel: Kernel, roots: Collection[int]) -> bool:
    """Every living process of these trees waits, and nothing that is under way or due will wake any of them.

    True also for trees that have ended. What they wait for is an open ask, a message, or a move on
    their board that only a person can make.
    """
    held = [root for root in roots if root in kernel.trees]
    living = [process for root in held for process in kernel.tree(root) if process.alive]
    for process in living:
        if process.state not in ("asking", "waiting", "reviewing"):
            return False
        if any(work.state in ("ready", "started", "interrupted") for work in process.work):
            return False
    if any(kernel.away.get(root) for root in roots):
        return False
    mine = {process.pid for process in living} | {root for root in roots if root in kernel.away}
    return not any(timer.pid in mine and _rings(kernel, timer) for _, _, timer in kernel.timers)


def _rings(kernel: Kernel, timer: Timer) -> bool:
    """Whether what set the timer is still there; see `gemot.kernel.waiting.ring`."""
    if timer.kind == "away":
        return timer.pid in kernel.away
    process = kernel.processes[timer.pid]
    match timer.kind:
        case "alarm":
            return timer.token in process.alarms
        case "lease":
            return moves.rings(kernel, timer)
        case "wait":
            return timer.token == process.waits and process.state == "waiting"
        case _:
            return True
