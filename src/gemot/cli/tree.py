"""The tree: processes as rows with guides, states, tokens, money and time. The same rows for the live screen and for `gemot tree`."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from msgspec import Struct

from gemot.authority.quoting import named
from gemot.cli.plain import first_line, fitted, one_line
from gemot.cli.times import standing
from gemot.cli.wording import Style, cached, count, money, plural, seconds
from gemot.machine.views import ProcessView

ENDED = ("done", "failed", "killed")


class Row(Struct, frozen=True):
    pid: int
    style: Style
    text: str
    alive: bool


def rows(views: Sequence[ProcessView], roots: Sequence[int], rows_max: int = 10_000) -> list[Row]:
    """The trees of ``roots``, at most ``rows_max`` rows: what lives comes before what has ended when there are more."""
    by_pid = {view.pid: view for view in views}
    children: dict[int, list[ProcessView]] = {}
    for view in views:
        children.setdefault(view.parent, []).append(view)
    found: list[Row] = []
    # A stack, not recursion: a tree may be as deep as a budget lets it.
    stack = [(by_pid[root], "", "") for root in reversed(roots) if root in by_pid]
    while stack:
        view, lead, below = stack.pop()
        found.append(_row(view, lead))
        mine = children.get(view.pid, [])
        for index, child in reversed(list(enumerate(mine))):
            last = index == len(mine) - 1
            stack.append((child, below + ("└ " if last else "├ "), below + ("  " if last else "│ ")))
    return found if len(found) <= rows_max else _fewer(found, rows_max)


def _fewer(found: list[Row], rows_max: int) -> list[Row]:
    order = sorted(range(len(found)), key=lambda at: (at != 0, not found[at].alive, at))
    kept = sorted(order[: max(1, rows_max - 1)])
    left = len(found) - len(kept)
    return [
        *(found[at] for at in kept),
        Row(0, "quiet", f"... and {plural(left, 'more process', 'more processes')}", False),
    ]


def _row(view: ProcessView, lead: str) -> Row:
    parts = [f"{lead}{view.pid} {fitted(named(view.name), 40)}", str(view.state)]
    if view.spent.tokens or view.state in ENDED:
        parts += [
            f"{count(view.spent.tokens)} tokens{cached(view.tokens_cached)}",
            cost(view),
            seconds(view.spent.millis),
        ]
    what = _about(view)
    if what:
        parts.append(what)
    style: Style = "done" if view.state == "done" else "failed" if view.state in ENDED else "words"
    return Row(view.pid, "ask" if view.state == "asking" else style, "  ".join(parts), view.state not in ENDED)


def _about(view: ProcessView) -> str:
    if view.outcome is not None and view.outcome.state != "done":
        return first_line(view.outcome.error, 80)
    return "  ".join(filter(None, (one_line(view.doing, 80), *standing(view))))


def cost(view: ProcessView) -> str:
    if view.spent.usd_micros:
        return money(view.spent.usd_micros)
    return _unpaid(view.model) if view.spent.tokens else "free"


@functools.cache
def _unpaid(model: str) -> str:
    """Why nothing was booked: it is free, or nobody knows the price."""
    kind = model.partition(":")[0].partition("/")[0]
    if kind in ("embedded", "scripted"):
        return "free"
    from gemot.models.registry import price_known

    return "free" if price_known(model) else "cost unknown"


def total(views: Sequence[ProcessView], roots: Sequence[int]) -> str:
    """What whole trees used."""
    mine = [view for view in views if view.root in roots]
    tokens = sum(view.spent.tokens for view in mine)
    known = cached(sum(view.tokens_cached for view in mine))
    usd_micros = sum(view.spent.usd_micros for view in mine)
    costs = {cost(view) for view in mine}
    paid = money(usd_micros) if usd_micros else "cost unknown" if "cost unknown" in costs else "free"
    some = " and some of unknown cost" if usd_micros and "cost unknown" in costs else ""
    millis = sum(view.spent.millis for view in mine)
    return f"{plural(len(mine), 'process', 'processes')}, {count(tokens)} tokens{known}, {paid}{some}, {seconds(millis)} of work"
