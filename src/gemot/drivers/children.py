"""What a tool is told of the children that its arguments name: what they see, and which of it are copies."""

from __future__ import annotations

from dataclasses import dataclass

from gemot.drivers.copying import Space
from gemot.drivers.place import Place, PlaceMount
from gemot.drivers.veil import OPEN, Veil


@dataclass(frozen=True)
class Copy:
    """A folder of a child's own: ``mount`` as the child sees it, the ``space`` it is in, and what it is a copy of (None: of
    nothing). ``ended``: the child has."""

    pid: int
    mount: PlaceMount
    space: Space
    into: PlaceMount | None
    ended: bool

    @property
    def veil(self) -> Veil:
        """What does not exist in its original."""
        return OPEN if self.into is None else self.into.veil


@dataclass(frozen=True)
class Child:
    """One child: its file tree, and the copies in it."""

    place: Place
    copies: tuple[Copy, ...]


@dataclass(frozen=True)
class Children:
    """The children that the arguments of a use name, by pid."""

    of: dict[int, Child]
