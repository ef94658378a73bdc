"""Budgets: arithmetic that only moves means, never makes them.

For every process ``left`` is what it still holds and ``spent`` what it has used itself. A child's ``left`` was taken
from its parent and returns to it when the child ends. So at every instant, over any tree:

    what the root was given = sum of left + sum of spent            (tokens, usd_micros, millis, calls)
    what the root was given = sum of left + living descendants      (processes)

A provider may use more than it was asked to. The bill is then true and the excess is taken from the nearest ancestor
that has it; what nobody has is written down as ``overdrawn`` of the root and paid out of the first means that come back
to a process of the tree. While there is such a debt, it stands beside what the root was given.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from gemot.abi import limits
from gemot.abi.events import Cost
from gemot.abi.grants import Budget, BudgetRequest
from gemot.authority.refusal import Refused


@dataclass(slots=True)
class Means:
    """A budget that changes; the kernel's own form of :class:`Budget`."""

    tokens: int = 0
    usd_micros: int = 0
    millis: int = 0
    processes: int = 0
    depth: int = 0
    calls: int = 0

    def frozen(self) -> Budget:
        return Budget(self.tokens, self.usd_micros, self.millis, self.processes, self.depth, self.calls)


NOTHING = Cost()
SPENDABLE = ("tokens", "usd_micros", "millis", "calls")
NAMES = tuple(field.name for field in fields(Means))

UNITS = {
    "usd_micros": "millionths of a dollar",
    "millis": "milliseconds of work",
    "processes": "processes at once",
    "depth": "generations",
    "calls": "syscalls",
}


def means(budget: Budget) -> Means:
    """A person's budget as means. Raises :class:`Refused` where it is negative."""
    for name in NAMES:
        if getattr(budget, name) < 0:
            raise Refused("budget", f"a budget can't be negative: {name}={getattr(budget, name)}")
    if budget.depth > limits.DEPTH_MAX:
        raise Refused("budget", f"depth: at most {limits.DEPTH_MAX} generations, not {budget.depth}")
    return Means(*(getattr(budget, name) for name in NAMES))


def share(parent: Means, wanted: BudgetRequest | None, equal: Means | None = None) -> Means:
    """What a child gets of ``parent``: what was named, else the ``equal`` share, or where there is none one part of what is
    left. Raises :class:`Refused`; takes nothing yet."""
    wanted = wanted or BudgetRequest()
    if parent.depth < 1:
        raise Refused("budget", "depth: no further generation may follow below this process; do the work here")
    if parent.processes < 1:
        raise Refused(
            "budget", "processes: no more children may live at once; wait for one to end, or kill one, then try again"
        )
    if wanted.seconds is not None and not 0 <= wanted.seconds < 10**9:
        raise Refused("budget", f"seconds: a budget is a number of seconds of work, not {wanted.seconds}")
    millis = None if wanted.seconds is None else int(wanted.seconds * 1000)
    named = {"tokens": wanted.tokens, "usd_micros": wanted.usd_micros, "millis": millis, "calls": wanted.calls}
    child = Means(depth=parent.depth - 1)
    for name, amount in named.items():
        left = getattr(parent, name)
        unnamed = left // limits.SHARE_OF_PARENT if equal is None else getattr(equal, name)
        setattr(child, name, unnamed if amount is None else _within(name, amount, left))
    spare = parent.processes - 1
    unnamed = spare // limits.SHARE_OF_PARENT if equal is None else equal.processes
    child.processes = unnamed if wanted.processes is None else _within("processes", wanted.processes, spare)
    if wanted.depth is not None:
        child.depth = _within("depth", wanted.depth, parent.depth - 1)
    return child


AMOUNT_MAX = 1 << 53
"""No amount of anything is as large."""


def must_be_means(wanted: BudgetRequest) -> None:
    """Raises :class:`Refused` for a request that nobody could ever grant."""
    for name in BudgetRequest.__struct_fields__:
        amount = getattr(wanted, name)
        if amount is not None and not 0 <= amount <= AMOUNT_MAX:
            raise Refused("budget", f"{name}: a budget is a number from 0 to {AMOUNT_MAX}, not {amount!r:.40}")


def at_most(left: Means, wanted: BudgetRequest) -> BudgetRequest:
    """``wanted``, as far as whoever has ``left`` can give it."""
    spare = BudgetRequest(
        left.tokens, left.usd_micros, left.millis / 1000, left.processes - 1, left.depth - 1, left.calls
    )
    fields = BudgetRequest.__struct_fields__
    both = {name: (getattr(wanted, name), getattr(spare, name)) for name in fields}
    return BudgetRequest(
        **{name: None if one is None else max(0, min(one, most)) for name, (one, most) in both.items()}
    )


def capped(means: Means, limits: BudgetRequest) -> Means:
    """``means``, no more than a program's ``limits``: they are the program's own, so what is beyond them is not refused."""
    millis = None if limits.seconds is None else int(limits.seconds * 1000)
    bounds = {"tokens": limits.tokens, "usd_micros": limits.usd_micros, "millis": millis, "processes": limits.processes}
    for name, bound in (bounds | {"depth": limits.depth, "calls": limits.calls}).items():
        if bound is not None:
            setattr(means, name, min(getattr(means, name), max(0, bound)))
    return means


def _within(name: str, amount: int, left: int) -> int:
    if amount < 0:
        raise Refused("budget", f"{name}: a budget can't be negative ({amount})")
    if amount > left:
        unit = UNITS.get(name, name)
        raise Refused(
            "budget",
            f"{name}: {amount} asked for the child, but only {left} {unit} can be given; ask for less or leave it out",
        )
    return amount


def give(parent: Means, child: Means) -> None:
    """Move the child's means out of the parent's; one process is used up by the child itself."""
    for name in SPENDABLE:
        setattr(parent, name, getattr(parent, name) - getattr(child, name))
    parent.processes -= 1 + child.processes


def take_back(parent: Means, child: Means) -> None:
    """Move what an ended child holds back to its parent."""
    for name in SPENDABLE:
        setattr(parent, name, getattr(parent, name) + getattr(child, name))
        setattr(child, name, 0)
    parent.processes += 1 + child.processes
    child.processes = child.depth = 0


def spend(left: Means, spent: Means, cost: Cost) -> Cost:
    """Book ``cost``; returns the part that ``left`` could not cover (for the ancestors to cover)."""
    spent.tokens += cost.tokens
    spent.usd_micros += cost.usd_micros
    spent.millis += cost.millis
    return cover(left, cost)


def cover(left: Means, short: Cost) -> Cost:
    """Pay for a descendant out of ``left``; returns what is still not covered: :data:`NOTHING` where all of it is."""
    if short.tokens <= left.tokens and short.usd_micros <= left.usd_micros and short.millis <= left.millis:
        left.tokens -= short.tokens
        left.usd_micros -= short.usd_micros
        left.millis -= short.millis
        return NOTHING
    tokens, money = min(short.tokens, left.tokens), min(short.usd_micros, left.usd_micros)
    millis = min(short.millis, left.millis)
    left.tokens -= tokens
    left.usd_micros -= money
    left.millis -= millis
    return Cost(short.tokens - tokens, short.usd_micros - money, short.millis - millis)


def add(total: Means, part: Means | Budget) -> None:
    """Add up what was spent."""
    for name in SPENDABLE:
        setattr(total, name, getattr(total, name) + getattr(part, name))
