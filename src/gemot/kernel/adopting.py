"""Adoption: a tree from a file goes on here with nothing that this kernel has not decided itself.

Anybody can have written the file. So its tables are taken for claims. Each label becomes third parties' text. Each grant is one
that no person has endorsed. Standing yeses, plans, policies and open asks are dropped. A pending syscall is decided again by
this kernel, as if it were made now. What was under way when the file was written is in doubt, unless the tool here may repeat.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gemot.abi.grants import Grant
from gemot.abi.labels import Label
from gemot.abi.syscalls import Syscall
from gemot.authority.labels import join
from gemot.authority.narrowing import without_uses
from gemot.kernel import freezing, purses
from gemot.kernel.process import Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

IMPORTED = Label(("import",), "foreign")
"""What a file says is third parties' text, whatever label it claims."""


def adopt(kernel: Kernel, body: bytes, decided_here: bool) -> Process:
    """Take in a tree that was carried here, asleep; its pids must be free. Returns its first process.

    ``decided_here``: nothing in the file counts as decided. Journals of 0.1.0 hold imports for which it did.
    """
    coming = freezing.carried(body)
    if not decided_here:
        return freezing.adopt(kernel, coming)
    for process in coming.tree.processes:
        _disarm(process)
        process.rules = kernel.rules
    tree = cast("freezing.FrozenTree", distrusted(coming.tree))
    return freezing.adopt(kernel, msgspec.structs.replace(coming, tree=tree, asks=[]))


def pending(body: bytes) -> list[tuple[Process, Syscall]]:
    """The living processes of a tree in a file, as they come in, each with the syscall that is to be decided anew."""
    arrivals: list[tuple[Process, Syscall]] = []
    for process in freezing.carried(body).tree.processes:
        _disarm(process)
        if process.alive and process.syscall is not None:
            arrivals.append((process, process.syscall))
    return arrivals


def _disarm(process: Process) -> None:
    """Take away everything that stands for a person's word, and for a decision of another kernel."""
    process.grants = [disarmed(grant) for grant in process.grants]
    if process.mandate is not None:  # a plan only narrows, whoever said yes to it
        process.mandate = tuple(disarmed(grant) for grant in process.mandate)
    process.confirmed = process.confirmed_below = frozenset()
    process.policy = ()
    process.plan = []
    if process.review is not None:  # its checks do nothing that the process may not do
        process.review.grants = [] if process.parent else [without_uses(grant) for grant in process.grants]
    process.habit = process.part = None
    process.reserve = purses.reserve_of(process.left) if process.parent else None
    process.open &= frozenset(purses.KINDS)
    process.documents = {}  # a source means a result that a tool gave here
    process.imported = True


def disarmed(grant: Grant) -> Grant:
    """The same grant, endorsed by nobody: its rules narrow, and vouch for nothing."""
    return msgspec.structs.replace(grant, endorsed=False, unsure=tuple(sorted(grant.where)))


def distrusted(value: Any) -> Any:
    """The same value, with every label in it joined with that of a file. Mutable parts are changed in place."""
    match value:
        case Label():
            return join(value, IMPORTED)
        case msgspec.Struct():
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            changed = {name: new for name, old in fields.items() if (new := distrusted(old)) is not old}
            return msgspec.structs.replace(value, **changed) if changed else value
        case list():
            items = cast("list[Any]", value)
            items[:] = [distrusted(item) for item in items]
            return items
        case dict():
            members = cast("dict[Any, Any]", value)
            for key in members:
                members[key] = distrusted(members[key])
            return members
        case tuple():
            items = cast("tuple[Any, ...]", value)
            changed_items = [distrusted(item) for item in items]
            if all(new is old for new, old in zip(changed_items, items, strict=True)):
                return items
            named = hasattr(items, "_fields")
            return type(items)(*changed_items) if named else tuple(changed_items)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            for field in dataclasses.fields(value):
                setattr(value, field.name, distrusted(getattr(value, field.name)))
            return value
        case _:
            return value
