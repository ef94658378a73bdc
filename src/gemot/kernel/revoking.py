"""Rights that move while everybody lives: a parent gives a child one of its own, or takes one back from it and all below it.

A right that is taken back is gone at once: what was allowed under it and has not begun does not begin. Where it was a part
of a wider grant (``files/*`` without ``files/write``), what stays is named tool by tool; a wider grant that is counted can't
be told apart so, and goes as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Ok, Returned
from gemot.abi.grants import Grant
from gemot.abi.labels import Label
from gemot.abi.syscalls import SYSCALLS, Call, GrantTo, Revoke
from gemot.authority.labels import join, words_of
from gemot.authority.narrowing import GONE, covers, described, grant_within, used
from gemot.authority.refusal import Refused, closest
from gemot.kernel import asking, working
from gemot.kernel.families import own_child, remember_sources, requested
from gemot.kernel.process import Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def grant(kernel: Kernel, process: Process, syscall: GrantTo) -> None:
    child = own_child(kernel, process, syscall.pid)
    if not child.alive:
        raise Refused("state", f"{child.pid} has ended ({child.state}), so it can't be given anything")
    if not syscall.grants:
        raise Refused("malformed", "name at least one grant")
    if len(child.grants) + len(syscall.grants) > limits.GRANTS_MAX:
        raise Refused("limit", f"a process holds at most {limits.GRANTS_MAX} grants")
    handed = requested(kernel, process, syscall.grants, child.mounts)
    for one, index in handed:
        process.grants[index] = used(process.grants[index], one.uses)
        child.grants.append(one)
    child.label = join(child.label, words_of(process))  # what a grant says is told to the child's model
    remember_sources(kernel, child)
    given = ", ".join(described(one, process.mounts) for one, _ in handed)
    kernel.answer(process, Ok(f"{child.pid} may now use {given}"))


def revoke(kernel: Kernel, process: Process, syscall: Revoke) -> None:
    child = own_child(kernel, process, syscall.pid)
    if not child.alive:
        raise Refused("state", f"{child.pid} has ended ({child.state}), and its rights with it")
    if not _known(kernel, syscall.tool):
        raise Refused("unknown", f"there is no tool {syscall.tool!r}; {closest(syscall.tool, kernel.tools)}")
    told: list[str] = []
    take(kernel, child, syscall.tool, told)
    if not told:
        raise Refused(
            "state", f"neither {child.pid} nor any process below it may use {syscall.tool}: nothing to take back"
        )
    kernel.answer(process, Ok("taken back: " + "; ".join(told[: limits.BATCH_MAX])))


def _known(kernel: Kernel, tool: str) -> bool:
    return tool == "*" or tool in SYSCALLS or any(covers(tool, one) for one in kernel.tools)


def take(kernel: Kernel, process: Process, tool: str, told: list[str]) -> None:
    """Take a right from a process and all below it, the lowest first, so that uses come back step by step. ``told``: what
    was taken, in words."""
    for pid in list(process.children):
        take(kernel, kernel.processes[pid], tool, told)
    parent = kernel.processes[process.parent] if process.parent else None
    kept: list[Grant] = []
    lost: list[int] = []
    for index, one in enumerate(process.grants):
        if one.tool == GONE.tool or not _overlap(one.tool, tool):
            continue
        lost.append(index)
        if not covers(tool, one.tool) and one.uses is None:
            rest = (name for name in sorted(kernel.tools) if covers(one.tool, name) and not covers(tool, name))
            kept += [msgspec.structs.replace(one, tool=name) for name in rest]
        told.append(f"{described(one, process.mounts)} from {process.pid}{_uses_back(one, parent, process)}")
    for index in lost:
        process.grants[index] = GONE
    if not lost:
        return
    process.grants += kept
    _settle(kernel, process, lost, tool)


def _overlap(held: str, tool: str) -> bool:
    """Is there a tool that both names mean?"""
    return covers(held, tool) or covers(tool, held) or (held.endswith("*") and tool == "*")


def _uses_back(one: Grant, parent: Process | None, process: Process) -> str:
    """Give the uses that are left back to the parent's grant that they came from, where there is only one that could be it."""
    if not one.uses:
        return ""
    free = msgspec.structs.replace(one, uses=None, until_ms=None)
    from_here: list[int] = []
    for index, held in enumerate(parent.grants if parent is not None else ()):
        if held.tool != GONE.tool and grant_within(free, msgspec.structs.replace(held, uses=None, until_ms=None)):
            from_here.append(index)
    if parent is None or len(from_here) != 1 or parent.grants[from_here[0]].uses is None:
        return f", {one.uses} uses gone"
    held = parent.grants[from_here[0]]
    parent.grants[from_here[0]] = msgspec.structs.replace(held, uses=(held.uses or 0) + one.uses)
    return f", {one.uses} uses back with {parent.pid}"


def _settle(kernel: Kernel, process: Process, lost: list[int], tool: str) -> None:
    """What waits to begin under a grant that is gone does not begin."""
    if not isinstance(process.syscall, Call):
        return
    asked: dict[int, asking.Waiting] = {}
    for work in process.work:
        waits = work.state in ("asking", "held", "ready") or (work.state == "interrupted" and work.repeatable)
        if work.grant in lost and waits:
            if work.ask in kernel.asks:
                actions = kernel.asks[work.ask].asked.actions
                asked[work.ask] = list(zip(asking.asked_about(process, work.ask), actions, strict=False))
            kernel.stop(work)
            why = f"the right to use {tool} was taken back before this was done"
            work.result = Returned(process.syscall.uses[work.index].tool, False, why, rule="grant", label=Label())
    for together in asked.values():
        asking.again(kernel, process, together)
    working.finish(kernel, process)
