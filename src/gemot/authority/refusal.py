"""The one way a check says no: raised before anything has changed, turned into an answer at the trap."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gemot.abi.labels import Label


class Refused(Exception):
    """``rule`` is for programs (see :class:`gemot.abi.answers.Error`); the message says what was asked and what would work.
    ``label``: of what is learned from being refused, if anything is."""

    def __init__(self, rule: str, message: str, label: Label | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.label = label


def closest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that does not exist: the nearest ones, or all if they are few."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 3, 0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(names)}" if names else "there are none"
