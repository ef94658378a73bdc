"""Long-term memories: what is kept for later conversations, and on which shelf. It outlives processes, trees and journals."""

from __future__ import annotations

from typing import Literal

from gemot.abi.labels import Label
from gemot.abi.strict import Struct

Scope = Literal["person", "project", "program"]
"""Whose memories: the person's (all that is kept in one home), those of the folder that the person mounted, or those of the
program by its name, so that it keeps what it learned when its text changes."""


class Shelf(Struct, frozen=True, omit_defaults=True):
    """Where a memory is kept and looked for. ``name``: the project's folder on this computer, or the program's name."""

    scope: Scope
    name: str = ""


class Memory(Struct, frozen=True, omit_defaults=True):
    """One memory as it is recalled. ``writer``: the process that wrote it, 0 for the person; ``label``: of that process at that
    moment, with the origins of all that it had read. ``about``: a few words by which it is found better."""

    number: int
    text: str
    scope: Scope
    age_seconds: int
    about: str = ""
    writer: int = 0
    label: Label = Label()
