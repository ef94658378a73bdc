"""What a driver says about itself, signed off by a person: its tools, their arguments, and what they do to the world."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Effect = Literal["computes", "reads", "writes", "sends"]
"""computes: nothing outside is touched; reads: looks at the world; writes: changes it here; sends: leaves the machine."""


class ToolSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """One action of a driver.

    ``name`` is ``driver/tool``. ``schema`` is the JSON schema of its arguments (an object). ``effect`` says what it
    does to the world, ``repeatable`` whether doing it twice is the same as once: only then is it tried again after
    a crash. ``paths`` names the arguments that are paths in the process's tree; ``needs`` is the mode their mount must
    have. ``asks``: a person confirms every single use. ``seconds_max`` bounds one use.
    """

    name: str
    description: str
    schema: dict[str, Any]
    effect: Effect
    repeatable: bool
    paths: tuple[str, ...] = ()
    needs: Literal["ro", "rw"] = "ro"
    asks: bool = False
    seconds_max: int = 60


class Manifest(Struct, frozen=True, gc=False, omit_defaults=True):
    """A driver's description as a whole; the kernel knows only tools that stand in a manifest."""

    driver: str
    version: str
    description: str
    tools: tuple[ToolSpec, ...]
