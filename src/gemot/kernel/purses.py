"""Purses: a child whose budget is not named starts with an equal share and draws more when it is short.

A means that was named at a spawn (or that a program's own limits name) is *bounded*: a child can't spend more of it. What is
not named is *open*. The purse of an open means is the nearest ancestor whose own means of that kind is bounded; the first
process of a tree always is one. What an open process is short of moves from its purse to it, so budgets stay conserved.

An equal share is one part in as many as may live at once, at most an eighth. It is fixed by the first child, and is the same
for all further ones while any of them lives. A purse keeps an eighth of what it was given for its own work. Places for
processes are shared as well, and idle ones of open descendants are taken back when none is left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gemot.abi import limits
from gemot.abi.grants import BudgetRequest
from gemot.authority.ledger import SPENDABLE, UNITS, Means
from gemot.authority.refusal import Refused
from gemot.kernel.process import Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

KINDS = (*SPENDABLE, "processes")
SPAWNING = frozenset({"spawn", "fork", "*"})
"""Grants without which a child has no use for places of its own."""


def part(parent: Process) -> Means:
    """An equal share of what a process has, as the first of its present children found it."""
    if parent.part is not None:
        return parent.part
    spare = max(0, parent.left.processes - 1)
    parts = max(limits.SHARE_OF_PARENT, spare)
    share = Means(*(getattr(parent.left, name) // parts for name in SPENDABLE[:3]))
    share.calls, share.processes = parent.left.calls // parts, spare // parts
    return share


def share(parent: Process, opened: frozenset[str]) -> Means:
    """What the next child gets of each kind that is not named: never more than half of what there is. Where its program has
    a limit of its own, it can't draw later, so it gets a larger part."""
    equal, found = part(parent), Means()
    for name in SPENDABLE:
        left = getattr(parent.left, name)
        wanted = getattr(equal, name) if name in opened else left // limits.SHARE_OF_PARENT
        setattr(found, name, min(wanted, left // 2))
    found.processes = min(equal.processes, max(0, parent.left.processes - 1))
    return found


def open_kinds(wanted: BudgetRequest | None, own: BudgetRequest) -> frozenset[str]:
    """The kinds that neither a spawn nor a program's own limits bound."""
    bounds = (own,) if wanted is None else (wanted, own)
    named = {"millis" if name == "seconds" else name for one in bounds for name in _named(one)}
    return frozenset(KINDS) - named


def _named(wanted: BudgetRequest) -> list[str]:
    return [name for name in BudgetRequest.__struct_fields__ if getattr(wanted, name) is not None]


def reserve_of(means: Means) -> Means:
    """What a purse keeps for its own work."""
    kept = Means()
    for name in SPENDABLE:
        setattr(kept, name, getattr(means, name) // limits.RESERVE_SHARE)
    return kept


def purse(kernel: Kernel, process: Process, kind: str) -> Process:
    """Where a process draws a kind of means from; itself where that is bounded."""
    while kind in process.open and process.parent:
        process = kernel.processes[process.parent]
    return process


def drawable(kernel: Kernel, process: Process, kind: str) -> int:
    """How much of a kind of means a process can draw."""
    source = purse(kernel, process, kind)
    return 0 if source is process else _spare(kernel, source, kind)


def _spare(kernel: Kernel, source: Process, kind: str) -> int:
    kept = source.reserve
    if kept is None:
        kept = reserve_of(kernel.given[source.root]) if not source.parent else source.left
    return max(0, getattr(source.left, kind) - getattr(kept, kind))


def ensure(kernel: Kernel, process: Process, kind: str, needed: int) -> None:
    """Draw what a process is short of, as far as its purse has it."""
    short = needed - getattr(process.left, kind)
    if short <= 0 or kind not in process.open:
        return
    amount = min(short, drawable(kernel, process, kind))
    source = purse(kernel, process, kind)
    setattr(source.left, kind, getattr(source.left, kind) - amount)
    setattr(process.left, kind, getattr(process.left, kind) + amount)


def ensure_time(kernel: Kernel, process: Process) -> None:
    """Draw time for a model call or a batch of tool uses: as much as that may take, and of a small purse one part, so that
    the first call of the first child does not take what its siblings need to begin."""
    part_of_rest = drawable(kernel, process, "millis") // limits.WORK_SHARE
    enough = max(process.left.millis + part_of_rest, limits.CHILD_MILLIS_MIN)
    ensure(kernel, process, "millis", min(limits.WORK_MILLIS, enough))


def with_places(kernel: Kernel, parent: Process, means: Means, opened: frozenset[str]) -> Means:
    """The means of a child to be, with the places that it could draw: what its judges, who are its children, may count on."""
    if "processes" not in opened:
        return means
    source = purse(kernel, parent, "processes")
    taken = 1 + means.processes if source is parent else 0
    return replace(means, processes=means.processes + max(0, source.left.processes - taken))


def ensure_place(kernel: Kernel, parent: Process) -> None:
    """A process wants another child: get it a place, from its purse or from open descendants that have idle ones."""
    if parent.left.processes > 0 or parent.left.depth < 1:
        return
    source = purse(kernel, parent, "processes")
    if source.left.processes < 1:
        _take_back_place(kernel, source)
    if source is not parent and source.left.processes > 0:
        source.left.processes -= 1
        parent.left.processes += 1


def _take_back_place(kernel: Kernel, source: Process) -> None:
    stack = list(source.children)
    while stack:
        child = kernel.processes[stack.pop()]
        if "processes" in child.open and child.left.processes > 0:
            source.left.processes += 1
            child.left.processes -= 1
            return
        if "processes" in child.open:
            stack += child.children


def pass_on_places(kernel: Kernel, parent: Process) -> None:
    """A child has ended: an open parent leaves the place to its purse, where others can have it."""
    source = purse(kernel, parent, "processes")
    if source is not parent:
        source.left.processes += parent.left.processes
        parent.left.processes = 0


def must_be_useful(kernel: Kernel, parent: Process, means: Means, opened: frozenset[str]) -> None:
    """Raises :class:`Refused` for an AI child whose share would not be enough for one model call."""
    for kind, least in (("tokens", limits.CHILD_TOKENS_MIN), ("millis", limits.CHILD_MILLIS_MIN)):
        if kind not in opened:
            continue
        source = purse(kernel, parent, kind)
        taken = getattr(means, kind) if source is parent else 0
        there = getattr(means, kind) + max(0, _spare(kernel, source, kind) - taken)
        if there < least:
            unit = UNITS.get(kind, kind)
            left = getattr(source.left, kind)
            raise Refused(
                "budget",
                f"{kind}: a child could get only {max(0, there):,} {unit} of the {left:,} that process {source.pid} has left "
                f"({len(parent.children)} children of yours are alive); one model call needs about {least:,}. Wait for a child to "
                f"end, whose rest comes back, do the work yourself, or name a budget if less is enough",
            )
