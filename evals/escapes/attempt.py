"""What an attempt is: a function that runs inside, and what the eval knows about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gemot.boxes import Limits

MIB = 1 << 20
SMALL = Limits(192 * MIB, 96 * MIB, 16, 2 * MIB, 64, 4 * MIB, 200, 4 * MIB, MIB)
"""So that a limit is reached soon; without walls, a few times as much must be possible."""
ROOMY = replace(SMALL, disk_bytes=1 << 40, disk_files=1 << 40)
"""The same with room on the disk: what others write there meanwhile must not be what stops an attempt."""


@dataclass(frozen=True)
class Attempt:
    """``function`` runs inside and is true if it got through. ``check``, if there is one, looks from outside instead: with the
    arena, it says whether harm was done. ``root``: only root could do it without walls. ``limits``: of its box.
    ``before``: Python that a box of the same owner and another label runs first. ``proxy``: its box has one.
    ``afresh``: what machines find out about the system once is found out again.
    """

    name: str
    group: str
    function: Callable[[Any], bool | None]
    check: Callable[[Any], bool] | None = None
    root: bool = False
    limits: Limits | None = None
    seconds: float = 20.0
    proxy: bool = False
    before: str = ""
    afresh: bool = False


class Group:
    """A family of attempts; its name is the first column of the table."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.attempts: list[Attempt] = []

    def attempt(self, name: str, **facts: Any) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
        def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
            self.attempts.append(Attempt(name, self.name, function, **facts))
            return function

        return register
