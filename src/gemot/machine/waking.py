"""Waking: trees that sleep go on, if their programs can be had here. Questions that wait for a provider are put at once."""

from __future__ import annotations

from gemot.abi.events import Resumed
from gemot.machine.loop import Loop, MachineError


def resume(loop: Loop, root: int | None) -> list[int]:
    """Let the tree of this root go on, or all; returns the roots that do. Raises :class:`MachineError` where none can."""
    loop.must_run()
    hastened = loop.stage.attempts.hasten(root)
    return sorted({*_woken(loop, root), *hastened})


def _woken(loop: Loop, root: int | None) -> list[int]:
    kernel = loop.kernel
    roots = [one for one in (sorted(kernel.asleep) if root is None else [root]) if one in kernel.asleep]
    for one in roots:
        if kernel.away.get(one):  # it has work to go on with: see whether its programs are here
            kernel.processes.get(one)
    missing = {kernel.processes[one].root: why for one, why in loop.cast.missing.items()}
    if roots and all(one in missing for one in roots):
        raise MachineError(missing[roots[0]])
    if root is None and roots and not missing:
        loop.happens_now(Resumed(loop.now(), 0))
        return roots
    roots = [one for one in roots if one not in missing]
    loop.happens_now(*(Resumed(loop.now(), one) for one in roots))
    return roots
