"""Rights on their way: a grant passes from a parent to a child, and counted uses come back along the same link.

A grant is named by its place in its holder's list. A place is never used for another grant while a link leads to it: what is
taken back leaves :data:`gemot.authority.narrowing.GONE` in its place. ``came_from`` of a process says, by the place of a grant,
in which place of the parent's list the grant lies that it is a part of. Counted uses return to that grant and to no other. So a
grant that was made later never receives uses that were counted off an earlier one.

A plan that a person endorsed (``mandate``) binds its process and all descendants. What a descendant holds already is cut to the
plan when the person answers. What is handed to the process itself afterwards must lie within an uncounted grant of the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from gemot.abi.grants import Grant
from gemot.abi.rules import PLANS_BIND_REPEATS
from gemot.abi.syscalls import Call
from gemot.authority.narrowing import GONE, Handed, described, grant_within, has_consequences, unused, used
from gemot.authority.refusal import Refused
from gemot.kernel.process import Process, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def hand_on(parent: Process, child: Process, handed: Handed) -> None:
    """Give a child grants, each a part of the parent's grant with that index. The parent loses the uses that the child gets."""
    for grant, index in handed:
        parent.grants[index] = used(parent.grants[index], grant.uses)
        child.came_from[len(child.grants)] = index
        child.grants.append(grant)


def return_uses(kernel: Kernel, process: Process, index: int) -> bool:
    """Move the uses that are left of a grant to the parent's grant that it is a part of. Returns whether there is one: uses
    that an uncounted grant lent, or whose source is gone, end here."""
    grant = process.grants[index]
    if not grant.uses:
        return False
    process.grants[index] = msgspec.structs.replace(grant, uses=0)
    source = process.came_from.get(index, -1)
    parent = kernel.processes[process.parent] if process.parent else None
    if parent is None or not 0 <= source < len(parent.grants):
        return False
    held = parent.grants[source]
    if held.tool == GONE.tool or held.uses is None:
        return False
    parent.grants[source] = msgspec.structs.replace(held, uses=held.uses + grant.uses)
    return True


def return_all(kernel: Kernel, process: Process) -> None:
    """A process ends: the uses that it has left go back to its parent, and its rights with them."""
    for index in range(len(process.grants)):
        return_uses(kernel, process, index)
    process.grants, process.came_from, process.mandate = [], {}, None


def spend(kernel: Kernel, process: Process, grant: Grant, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Note the values that a use is about under a grant that allows each once. Returns those that were not used before."""
    if not keys:
        return ()
    spent = kernel.processes[process.root].used_once.setdefault(grant.pool, [])
    first = tuple(dict.fromkeys(key for key in keys if key not in spent))
    spent.extend(first)
    return first


def give_back(kernel: Kernel, process: Process, work: Work) -> None:
    """A use is counted when it is checked, so that two of one batch can't share the last one; what was not begun comes back."""
    if work.once and work.state in ("asking", "held", "ready") and 0 <= work.grant < len(process.grants):
        spent = kernel.processes[process.root].used_once.get(process.grants[work.grant].pool, [])
        spent[:] = [key for key in spent if key not in work.once]
        work.once = ()
    if work.kind == "tool" and work.state in ("asking", "held", "ready") and 0 <= work.grant < len(process.grants):
        grant = process.grants[work.grant]
        process.grants[work.grant] = grant if grant.tool == GONE.tool else unused(grant)


def plans_above(kernel: Kernel, process: Process) -> Iterator[tuple[int, tuple[Grant, ...]]]:
    """The plans that bind a process, each with the pid of the process that made it: its own first, then its ancestors'."""
    at: Process | None = process
    while at is not None:
        if at.mandate is not None:
            yield at.pid, at.mandate
        at = kernel.processes[at.parent] if at.parent else None


def within_plan(grant: Grant, plan: Iterable[Grant]) -> bool:
    """Does everything that a grant allows lie within an uncounted grant of a plan?"""
    return any(step.uses is None and grant_within(grant, step) for step in plan)


def must_fit_plans(kernel: Kernel, process: Process, grant: Grant, tool: str) -> None:
    """A use that writes or sends happens under a grant that lies within each plan above it, counts aside: those are the
    grants' own. The list of tools may have changed since the plan was endorsed. Raises :class:`Refused`."""
    free = msgspec.structs.replace(grant, uses=None)
    for pid, plan in plans_above(kernel, process):
        if not any(grant_within(free, msgspec.structs.replace(step, uses=None)) for step in plan):
            raise Refused(
                "grant",
                f"{tool} is not in the plan that the person endorsed for process {pid}, and nothing else is allowed",
            )


def fits_plans(kernel: Kernel, process: Process, work: Work) -> bool:
    """Whether the plans that were endorsed since a use began let it be tried again."""
    if kernel.rules < PLANS_BIND_REPEATS or work.grant < 0 or not isinstance(process.syscall, Call):
        return True
    tool = kernel.tools.get(process.syscall.uses[work.index].tool)
    if tool is None or tool.effect not in ("writes", "sends"):
        return True
    try:
        must_fit_plans(kernel, process, process.grants[work.grant], tool.name)
    except Refused:
        return False
    return True


def must_be_planned(kernel: Kernel, child: Process, grants: Iterable[Grant]) -> None:
    """Rights that a process gets after its plan was endorsed lie within it. Raises :class:`Refused`."""
    if child.mandate is None:
        return
    for grant in grants:
        if has_consequences(grant, kernel.tools) and not within_plan(grant, child.mandate):
            raise Refused(
                "grant",
                f"{described(grant, child.mounts)} is outside the plan that the person endorsed for process {child.pid}: "
                "it may get what neither writes nor sends, and what a step of the plan allows without a count",
            )
