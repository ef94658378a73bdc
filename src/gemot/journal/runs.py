"""Runs: a stretch of archived records is kept as one blank. This joins a new stretch with the runs beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

ALONE = b'{"type":"condensed"'
"""How a record begins that stands in the place of others, and is never joined with them: it holds a tree."""


class Run(NamedTuple):
    """In the place of the records ``first`` to ``last`` stands ``body``, with the time of the last of them."""

    first: int
    last: int
    body: bytes


def joined(blanks: Iterable[tuple[int, bytes]], near: Iterable[Run]) -> list[Run]:
    """The runs that these blanks make, together with the runs that lie ``near``: neighbours become one, with the body of the last.
    A position in the middle of a run has no record of its own any more, and is passed over."""
    runs = list(near)
    fresh = {position: body for position, body in blanks if not any(run.first <= position < run.last for run in runs)}
    ends = {run.last for run in runs}
    runs = [run._replace(body=fresh[run.last]) if run.last in fresh else run for run in runs]
    runs += [Run(position, position, body) for position, body in fresh.items() if position not in ends]
    made: list[Run] = []
    for run in sorted(runs):
        if (
            made
            and made[-1].last + 1 == run.first
            and not (run.body.startswith(ALONE) or made[-1].body.startswith(ALONE))
        ):
            run = Run(made.pop().first, run.last, run.body)
        made.append(run)
    return made


def stretches(positions: Iterable[int]) -> list[tuple[int, int]]:
    """Consecutive positions as (first, last), in their order."""
    made: list[tuple[int, int]] = []
    for position in sorted(set(positions)):
        if made and made[-1][1] + 1 == position:
            made[-1] = (made[-1][0], position)
        else:
            made.append((position, position))
    return made
