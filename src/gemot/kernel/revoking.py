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
from gemot.authority.narrowing import GONE, covers, described, grant_within, harmless_part, has_consequences, inherited
from gemot.authority.refusal import Refused, closest
from gemot.kernel import asking, rights, working
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
    rights.must_be_planned(kernel, child, (grant for grant, _ in handed))
    rights.hand_on(process, child, handed)
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


def holders(kernel: Kernel, process: Process, tool: str) -> list[int]:
    """The pids, from ``process`` down, that hold a grant which a revocation of ``tool`` would take or cut.

    Raises :class:`Refused` where no tool and no syscall has that name.
    """
    if not _known(kernel, tool):
        raise Refused("unknown", f"there is no tool {tool!r}; {closest(tool, (*kernel.tools, *SYSCALLS))}")
    mine = any(grant.tool != GONE.tool and _overlap(grant.tool, tool) for grant in process.grants)
    below = [pid for child in process.children for pid in holders(kernel, kernel.processes[child], tool)]
    return [process.pid, *below] if mine else below


def take(kernel: Kernel, process: Process, tool: str, told: list[str]) -> None:
    """Take a right from a process and all below it, the lowest first, so that uses come back step by step. A person's word that
    a use need not be confirmed is gone with it. ``told``: what was taken, in words of the kernel's own: what a rule names may be words of whoever wrote it."""
    for pid in list(process.children):
        take(kernel, kernel.processes[pid], tool, told)
    process.confirmed = frozenset(name for name in process.confirmed if not covers(tool, name))
    process.confirmed_below = frozenset(name for name in process.confirmed_below if not covers(tool, name))
    lost = [index for index, held in enumerate(process.grants) if held.tool != GONE.tool and _overlap(held.tool, tool)]
    kept: list[Grant] = []
    for work in process.work:
        if work.grant in lost:
            rights.give_back(kernel, process, work)
    for index in lost:
        held = process.grants[index]
        if not covers(tool, held.tool) and held.uses is None:
            rest = (name for name in sorted(kernel.tools) if covers(held.tool, name) and not covers(tool, name))
            kept += [msgspec.structs.replace(held, tool=name) for name in rest]
        told.append(f"{held.tool} from {process.pid}{_uses_back(kernel, process, index)}")
    replace(kernel, process, lost, kept, f"the right to use {tool} was taken back before this was done")


def _uses_back(kernel: Kernel, process: Process, index: int) -> str:
    """Give back the uses that are left of a grant; says where they went."""
    uses = process.grants[index].uses
    back = rights.return_uses(kernel, process, index)
    return "" if not uses else f", {uses} uses back with {process.parent}" if back else f", {uses} uses gone"


def replace(kernel: Kernel, process: Process, lost: list[int], kept: list[Grant], why: str) -> None:
    """Put other grants in the place of some. What waits to begin under one that is lost does not begin, and is told ``why``."""
    if not lost:
        return
    for index in lost:
        process.grants[index] = GONE
    process.grants += kept
    _settle(kernel, process, lost, why)


def _overlap(held: str, tool: str) -> bool:
    """Is there a tool that both names mean?"""
    return covers(held, tool) or covers(tool, held) or (held.endswith("*") and tool == "*")


def bind(kernel: Kernel, process: Process, plan: tuple[Grant, ...], words: Label, moved: dict[int, int]) -> None:
    """Cut the rights of a descendant to a plan that was endorsed above it. What lies within an uncounted grant of the plan
    stays. What a step counts stays with the process that made the plan, which hands it on. ``words``: the label of the plan. ``moved``: where the grants that
    stayed with the parent are now, by where they were."""
    process.came_from = {place: moved[source] for place, source in process.came_from.items() if source in moved}
    process.label = join(process.label, words)  # the steps are told to whoever holds them
    lost: list[int] = []
    kept: list[Grant] = []
    for index, held in enumerate(process.grants):
        if not has_consequences(held, kernel.tools):
            continue
        if rights.within_plan(held, plan):
            process.grants[index] = msgspec.structs.replace(held, planned=True)
            continue
        lost.append(index)
        kept += harmless_part(held, kernel.tools)
        kept += [
            inherited(step, step, process.label) for step in plan if step.uses is None and grant_within(step, held)
        ]
    new = [grant for place, grant in enumerate(kept) if grant not in kept[:place] and grant not in process.grants]
    replace(
        kernel, process, lost, new, "the plan that the person endorsed for a process above this one does not allow it"
    )
    for pid in list(process.children):
        bind(kernel, kernel.processes[pid], plan, words, {place: place for place in range(len(process.grants))})


def _settle(kernel: Kernel, process: Process, lost: list[int], why: str) -> None:
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
            work.result = Returned(process.syscall.uses[work.index].tool, False, why, rule="grant", label=Label())
    for together in asked.values():
        asking.again(kernel, process, together)
    working.finish(kernel, process)
