"""Standstill: whether trees can go on by themselves, or only a person can bring them further."""

from __future__ import annotations

from collections.abc import Collection

from gemot.kernel import Kernel
from gemot.kernel.process import Timer


def waits_for_person(kernel: Kernel, roots: Collection[int]) -> bool:
    """Every living process of these trees waits, and nothing that is under way or due will wake any of them.

    True also for trees that have ended. What they wait for is an open ask, a message, or a move on
    their board that only a person can make; whoever waited for less was told so (:mod:`gemot.kernel.standing`).
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
    return timer.pid in kernel.away if timer.kind == "away" else kernel.rings(timer)
