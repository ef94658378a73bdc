"""How labels join, and what a process has let in: everything that enters a reading goes through :func:`read_by`.

A process's label only ever gets worse, and every value that it writes bears it. A model's reply is let in like anything
else, so what a process with a model writes is at best a model's words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

import msgspec

from gemot.abi.answers import Answer, Mail, Ok, Outcome, Returned, Waited
from gemot.abi.labels import KERNEL, PERSON, Integrity, Label
from gemot.abi.limits import ORIGINS_MAX
from gemot.abi.memories import Memory
from gemot.abi.messages import Reply
from gemot.abi.tools import ToolSpec
from gemot.authority.holder import Holder

RANK: dict[Integrity, int] = {"person": 3, "vouched": 2, "model": 1, "foreign": 0}


def least(one: Integrity, other: Integrity) -> Integrity:
    """The lesser integrity."""
    return one if RANK[one] <= RANK[other] else other


def join(one: Label, other: Label) -> Label:
    """What both had a part in. The same object where ``other`` adds nothing, so that most joins cost nothing."""
    adds = RANK[other.integrity] < RANK[one.integrity] or not set(other.secrets) <= set(one.secrets)
    if not adds and (len(one.origins) >= ORIGINS_MAX or set(other.origins) <= set(one.origins)):
        return one
    return Label(
        tuple(sorted({*one.origins, *other.origins}))[:ORIGINS_MAX],
        least(one.integrity, other.integrity),
        tuple(sorted({*one.secrets, *other.secrets})),
    )


def joined(labels: Iterable[Label], first: Label | None = None) -> Label:
    """All of them together."""
    whole = Label() if first is None else first
    for one in labels:
        whole = join(whole, one)
    return whole


def of_result(tool: ToolSpec | None, used: Label, reported: Label) -> Label:
    """The label of a tool's result: what its driver says of it, and no better than what it was called with (``used``). A tool
    that is not there any more vouches for nothing."""
    integrity = "foreign" if tool is None or tool.foreign else reported.integrity
    secrets = {*used.secrets, *reported.secrets, *((tool.secret,) if tool is not None and tool.secret else ())}
    return Label(reported.origins, least(integrity, used.integrity), tuple(sorted(secrets)))


def words_of(process: Holder) -> Label:
    """The label of anything that a process says."""
    return Label((f"process:{process.pid}",), process.label.integrity, process.label.secrets)


class Author(NamedTuple):
    """Whose words a text is that the kernel passes on. Every function that passes a process's words to others takes one."""

    pid: int
    """The process; 0: the person; -1: the kernel."""
    label: Label
    """The label of the words."""


KERNEL_WORDS = Author(-1, Label((KERNEL,)))
PERSON_WORDS = Author(0, Label((PERSON,)))


def author(process: Holder) -> Author:
    """A process as the author of what it says now."""
    return Author(process.pid, words_of(process))


def written_by(process: Holder) -> Label:
    """The label of what a process leaves behind: as of all that it says, and from where it had what it knows, since nobody may be
    there any more who could be asked."""
    return join(words_of(process), Label(process.label.origins))


def read_by(process: Holder, answer: Answer) -> None:
    """Let an answer into a process's reading."""
    for mail in answer.mail:
        process.label = join(process.label, mail.label)
    value = answer.value if isinstance(answer, Ok) else None
    match value:
        case None | str() | int():
            pass
        case Reply():
            process.label = join(process.label, Label((f"model:{process.pid}",), "model"))
        case Outcome(label=label):
            process.label = join(process.label, label)
        case Waited(ended):
            process.label = joined((one.label for one in ended), process.label)
        case tuple():
            for one in cast("tuple[object, ...]", value):
                if isinstance(one, Mail | Memory) or (
                    isinstance(one, Returned) and not (one.handle and one.handle.sealed)
                ):
                    process.label = join(process.label, one.label)
        case _:
            pass


def vouched(label: Label) -> Label:
    """The label of a field that the driver itself wrote, in a value of this label."""
    if RANK[label.integrity] >= RANK["vouched"]:
        return label
    return msgspec.structs.replace(label, integrity="vouched")
