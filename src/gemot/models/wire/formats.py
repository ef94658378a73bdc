"""What the modules of the wire formats have in common: the form of a format, and the words that several of them use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from gemot.abi.messages import Message
from gemot.models.cards import Card
from gemot.models.counting import whole
from gemot.models.wire.calls import mended
from gemot.models.wire.gathering import NAME_CHARS_MAX, Gathering, members
from gemot.models.wire.view import View

_FINISHES: Mapping[str, str] = {
    "stop": "stop", "end_turn": "stop", "stop_sequence": "stop", "eos": "stop", "completed": "stop", "complete": "stop",
    "eos_token": "stop", "pause_turn": "stop", "tool_calls": "tool_call", "tool_call": "tool_call", "tool_use": "tool_call",
    "function_call": "tool_call", "length": "length", "max_tokens": "length", "max_output_tokens": "length",
    "model_length": "length", "model_context_window_exceeded": "length", "content_filter": "filter", "safety": "filter",
    "recitation": "filter", "prohibited_content": "filter", "blocklist": "filter", "spii": "filter", "image_safety": "filter",
    "language": "filter", "refusal": "refusal", "malformed_function_call": "garbled", "unexpected_tool_call": "garbled",
}  # fmt: skip
"""Why a reply ended, in the words of servers and in ours."""

__all__ = [
    "Failed", "Format", "encode", "finish_of", "items", "members", "name_of", "object_of", "put_together", "total", "words",
]  # fmt: skip

encode = msgspec.json.encode


class Failed(Exception):
    """The server says in the middle of a reply that it failed; ``error`` is what it sent."""

    def __init__(self, error: Any) -> None:
        super().__init__("the server sent an error")
        self.error = error


class Format(Protocol):
    """One wire format. It holds nothing of any conversation."""

    def path(self, model: str) -> str:
        """The path and query of a call, after the base address."""
        ...

    def headers(self, key: str | None) -> Mapping[str, str]:
        """The headers of a call."""
        ...

    def turn(self, view: View, turn: Message) -> bytes:
        """A turn as it stands in the list of messages: each message after a comma."""
        ...

    def body(
        self, view: View, card: Card, model: str, system: str, pages: Sequence[bytes], rest: Sequence[Message]
    ) -> list[bytes]:
        """The body of a request: ``pages`` are encoded turns, ``rest`` the turns after them."""
        ...

    def hear(self, gathering: Gathering, name: str, document: dict[str, Any]) -> None:
        """Take one document of the reply in. Raises :class:`Failed`."""
        ...


def put_together(
    head: Mapping[str, Any], field: str, first: bytes, pages: Sequence[bytes], rest: bytes, more: Mapping[str, bytes]
) -> list[bytes]:
    """A body: the members of ``head``, those of ``more``, which are encoded, and the list of messages under ``field``.

    ``first`` is an encoded message before all others, or empty; ``pages`` and ``rest`` are encoded ones after commas.
    """
    start = [encode(head)[:-1]]
    for name, value in more.items():
        start.append(b',"%s":%s' % (name.encode(), value))
    start.append(b',"%s":[' % field.encode())
    pieces = [*pages, rest] if rest else list(pages)
    if first:
        start.append(first)
    elif pieces:
        pieces[0] = pieces[0][1:]
    return [b"".join(start), *pieces, b"]}"]


def finish_of(word: object) -> str:
    """Why a reply ended, in our words where there are some; empty where the server does not say it."""
    if not isinstance(word, str) or not (plain := word.strip().lower()):
        return ""
    return _FINISHES.get(plain) or mended(word.strip())[:NAME_CHARS_MAX]


def name_of(word: object) -> str:
    """The name of a model, as a server gives it; empty where it gives none."""
    return mended(word)[:NAME_CHARS_MAX] if isinstance(word, str) else ""


def items(value: object) -> list[Any]:
    """A list as it is; of anything else nothing."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def words(value: object) -> str:
    """A text, or the texts in a list of parts."""
    if isinstance(value, str):
        return value
    return "".join(words(members(part).get("text", part if isinstance(part, str) else "")) for part in items(value))


def object_of(arguments: str) -> dict[str, Any]:
    """Arguments as formats want them that take no text: what is no object stands in one."""
    try:
        value = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {"arguments": arguments}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"arguments": value}


def total(*counts: object) -> int | None:
    """The sum of the counts that are there; None where none is."""
    known = [count for count in map(whole, counts) if count is not None]
    return sum(known) if known else None
