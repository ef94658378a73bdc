"""What a driver says about itself, signed off by a person: its tools, their arguments, and what they do to the world."""

from __future__ import annotations

from typing import Any, Literal

from gemot.abi.strict import Struct

Effect = Literal["computes", "reads", "writes", "sends"]
"""computes: nothing outside is touched; reads: looks at the world; writes: changes it here; sends: leaves the machine."""


class ToolSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """One action of a driver.

    ``name`` is ``driver/tool``. ``schema`` is the JSON schema of its arguments (an object). ``effect`` says what it
    does to the world, ``repeatable`` whether doing it twice is the same as once: only then is it tried again after
    a crash. ``paths`` names the arguments that are paths in the process's tree; ``needs`` is the mode their mount must
    have. ``asks``: a person confirms every single use. ``seconds_max`` bounds one use. ``walls`` names the guarantees
    that the tool needs from the computer; where one does not hold, the tool is not offered.

    ``children`` names the arguments that are pids of children of whoever uses it; ``paths`` are then in the first one's tree,
    and ``needs`` is the mode of the mount that this is a copy of. ``guards``: a person is asked about every path that runs
    code later (see :mod:`gemot.authority.autorun_files`), unless it is in a copy. ``secrets`` names what of the person's keys the tool is
    handed by the machine; nobody else is.

    ``foreign``: its results hold third parties' text. ``vouches``: the fields of a record that the driver itself wrote, each
    by its path from the record (``sender``, ``from.address``, ``labels[]``), or from the top of the result where it begins
    with ``[``. Such a field holds a value, or a list of values; an object in it is not vouched for.
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
    steers: tuple[str, ...] | None = None
    payload: tuple[str, ...] = ()
    foreign: bool = False
    vouches: tuple[str, ...] = ()
    secret: str = ""
    secrets: tuple[str, ...] = ()
    walls: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    guards: bool = False
    records: str = ""
    """Where the records of a result stand, as a path from its top such as ``transfers[]``; empty: at the top."""


class Manifest(Struct, frozen=True, gc=False, omit_defaults=True):
    """A driver's description as a whole; the kernel knows only tools that stand in a manifest."""

    driver: str
    version: str
    description: str
    tools: tuple[ToolSpec, ...]
