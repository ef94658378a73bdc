"""What authority needs to know of a process: what it may do, what it has read, and which values it can name."""

from __future__ import annotations

from typing import Protocol

from gemot.abi.grants import Grant, Mount
from gemot.abi.labels import Handle, Label
from gemot.authority.documents import Document


class Holder(Protocol):
    """Whoever holds rights. The kernel's process is one; see :class:`gemot.kernel.process.Process` for the parts."""

    pid: int
    grants: list[Grant]
    mounts: tuple[Mount, ...]
    label: Label
    handles: dict[int, Handle]
    documents: dict[int, Document]
    confirmed: frozenset[str]
