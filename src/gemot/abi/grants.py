"""Rights and means as data: what a process may use, see and spend. All of it only ever narrows from parent to child."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Rule(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one argument of a tool may be. Several fields set: all must hold. None set: anything.

    ``one_of``: exactly one of these texts. ``under``: a path inside this folder. ``prefix``: a text that begins so.
    ``chars_max``: a text no longer than this.
    """

    one_of: tuple[str, ...] | None = None
    under: str | None = None
    prefix: str | None = None
    chars_max: int | None = None


class Grant(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The right to use one tool (``files/read``), all tools of a driver (``files/*``) or a syscall (``spawn``).

    ``where`` bounds arguments by name. ``uses`` is how often (None: without bound). ``until_ms`` is when it ends,
    in milliseconds since 1970 (None: with the process).
    """

    tool: str
    where: dict[str, Rule] = {}
    uses: int | None = None
    until_ms: int | None = None


Mode = Literal["ro", "rw"]


class Mount(Struct, frozen=True, omit_defaults=True):
    """A host folder seen by one process as ``/name``. ``beneath`` is a path inside ``folder`` that is its root."""

    name: str
    folder: str
    mode: Mode = "ro"
    beneath: str = ""


class MountRequest(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a parent lets a child see of its own tree: ``path`` (in the parent's tree) as the child's mount ``name``."""

    path: str = "."
    name: str = "work"
    mode: Mode = "ro"


class Budget(Struct, frozen=True, omit_defaults=True):
    """Means that are split on spawn and returned on exit; never created.

    ``tokens`` in and out together; ``usd_micros``: millionths of a dollar; ``millis``: milliseconds that models and
    tools work for the process (waiting for a person, an alarm or a child costs none); ``processes``: how many
    descendants may live at once; ``depth``: how many generations may follow; ``calls``: syscalls.
    """

    tokens: int = 0
    usd_micros: int = 0
    millis: int = 0
    processes: int = 0
    depth: int = 0
    calls: int = 0


class BudgetRequest(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much of its own budget a parent gives a child; a field left out is a share of what the parent has left."""

    tokens: int | None = None
    usd_micros: int | None = None
    seconds: float | None = None
    processes: int | None = None
    depth: int | None = None
    calls: int | None = None
