"""Recorded replies: the bytes that a server sends, and what is to come of them.

The bytes are our own writing, in the shapes that servers are known for. One module for each family has the records:
``recorded_chat``, ``recorded_calls``, ``recorded_responses``, ``recorded_anthropic`` and ``recorded_google``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gemot.models.cards import Dialect

Event = dict[str, Any] | list[Any] | str | bytes
"""A document; the text of an event's data; or bytes as they are."""


@dataclass(frozen=True)
class Recorded:
    """One reply."""

    name: str
    """What is special about it."""
    dialect: Dialect
    """The family."""
    body: bytes
    """The bytes after the head."""
    text: str = ""
    """The words that are to come of it."""
    thought: str = ""
    """The reasoning."""
    calls: Sequence[tuple[str, Any]] = ()
    """The requests: name, and arguments as a value; a text that is no JSON as it is."""
    finish: str = ""
    """Why it ended; empty: ``tool_call`` with requests, else ``stop``."""
    usage: tuple[int, ...] | None = (10, 5)
    """Tokens in, out, cached, written, reasoning; the last ones may be left out. None: estimated."""
    fails: str = ""
    """The kind of the failure; empty: none."""
    passes: bool = True
    """Of a failure: another attempt may go better."""
    words: Sequence[str] = ()
    """Of a failure: what its message holds."""
    framed: bool = True
    """Its head says where it ends."""
    breaks: bool = False
    """The connection is reset at its end."""
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    """Further headers of the reply."""
    out_max: int = 4_096
    """The tokens that the reply may have."""
    cuts: Literal["every", "some"] = "every"
    """At how many places the bytes are cut in tests."""
    ends: Sequence[int] = field(default=())
    """Where a reply that is cut short may be taken for whole: the lengths."""

    @property
    def head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in self.headers)]
        if self.framed:
            lines.append(f"content-length: {len(self.body)}")
        else:
            lines.append("connection: close")
        return "\r\n".join(lines).encode() + b"\r\n\r\n"


def sse(*events: Event, end: str = "\n", done: bool = False, named: bool = False) -> bytes:
    """Events as bytes. ``named``: each with a line that names it by its ``type``."""
    pieces: list[bytes] = []
    for event in (*events, "[DONE]") if done else events:
        if isinstance(event, bytes):
            pieces.append(event)
            continue
        name = f"event: {event['type']}{end}" if named and isinstance(event, dict) else ""
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=_has_halves(event))
        pieces.append(f"{name}data: {data}{end}{end}".encode())
    return b"".join(pieces)


def _has_halves(event: Event) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in json.dumps(event, ensure_ascii=False))


def lines(*documents: dict[str, Any]) -> bytes:
    """Documents as lines of JSON."""
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)
