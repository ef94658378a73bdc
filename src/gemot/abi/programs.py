"""What the kernel knows about a program: its name, what it asks for, and which text it is."""

from __future__ import annotations

from typing import Any, Literal

from gemot.abi.grants import BudgetRequest, Grant
from gemot.abi.strict import Struct


class ProgramSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """A program as installed. ``digest`` is the SHA-256 of its text in the blob store (AI) or of its source (native).

    ``grants``: what it asks for; a process gets of it what its parent has. ``model``: the one it prefers. ``limits``: the
    most that a process of it is given, whoever starts it. ``parameters``: a JSON schema of ``Spawn.arguments``.
    ``inline_mail``: messages come with the next answer (AI programs) instead of waiting for `receive`. ``summaries``: what
    leaves its reading is summed up by a child first.
    """

    name: str
    description: str
    kind: Literal["ai", "native"]
    digest: str
    grants: tuple[Grant, ...] = ()
    model: str = ""
    limits: BudgetRequest = BudgetRequest()
    dialect: str = "native"
    parameters: dict[str, Any] = {}
    inline_mail: bool = False
    summaries: bool = False
