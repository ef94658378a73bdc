"""Tasks: what is put on a board, the states they go through, and the moves that only a person can make."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from gemot.abi.grants import BudgetRequest, Grant
from gemot.abi.strict import Struct

TaskState = Literal["open", "claimed", "completed", "accepted", "stuck", "dropped"]
"""``open``: to be claimed, once all that it comes after is done with. ``claimed``: somebody has it. ``completed``: to be judged.
``accepted``: done, for good. ``stuck``: sent back so often that only a person can reopen it. ``dropped``: not wanted any more."""


class Task(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What a task is when it is put on the board."""

    text: str
    acceptance: Annotated[str, Meta(description="How to tell that it is done.")] = ""
    name: Annotated[str, Meta(description="A short name, by which other tasks can come after it.")] = ""
    after: Annotated[
        tuple[int | str, ...],
        Meta(
            description="Tasks that must be accepted before anybody can claim this one: the numbers of those on the board, "
            "the names of those in this add."
        ),
    ] = ()
    priority: Annotated[int, Meta(description="It is put before the tasks of lower priority; usually 0.")] = 0
    budget: Annotated[BudgetRequest | None, Meta(description="What spawn gives the child that works on it.")] = None
    grants: Annotated[tuple[Grant | str, ...] | None, Meta(description="Likewise, as in spawn.")] = None


class Reopen(Struct, frozen=True, gc=False, tag="reopen", omit_defaults=True):
    """A person opens a task again, whoever has it, with advice for whoever takes it next."""

    task: int
    advice: str = ""


class Drop(Struct, frozen=True, gc=False, tag="drop", omit_defaults=True):
    """A person takes a task off the board; what came after it does not wait for it any more."""

    task: int
    reason: str = ""
