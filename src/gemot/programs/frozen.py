"""A conversation written down, for a checkpoint or a fork."""

from __future__ import annotations

import msgspec

from gemot.abi.answers import Mail
from gemot.abi.messages import ToolRequest, ToolResult
from gemot.abi.syscalls import Syscall
from gemot.programs.leaving import Leaving
from gemot.programs.pages import Mark


class FrozenConversation(msgspec.Struct, frozen=True, gc=False):
    """A conversation written down; see :class:`gemot.programs.conversation.Conversation` for the parts."""

    reading: int
    head: int
    instructions: str
    summaries: bool
    entries: int
    queue: tuple[ToolRequest, ...]
    results: tuple[ToolResult, ...]
    mark: Mark
    asked: tuple[ToolRequest, ...]
    pending: Syscall | None
    silent: int
    mail: tuple[tuple[int, Mail], ...]
    failed: str
    leaving: Leaving | None
    fits_chars: int
    void: str = ""
    rules: int = 0
    """The rules that its tree lives by, see :mod:`gemot.abi.rules`."""
    cuts: int = 0
    """How many of its last replies, in a row, were cut off."""
