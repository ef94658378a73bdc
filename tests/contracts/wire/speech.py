"""What a wire server is told to say: one description for every wire format."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Speech:
    """One reply.

    ``refuses``: the model won't, in the provider's own form for that; with ``text`` where there is room for words.
    ``tools``: pairs of a name (``files/read``; put into the form that the request offered) and its arguments, an
    object or the raw text. ``status`` other than 200 is an error with ``headers``. ``dies``: the stream ends after
    half of its events, by a broken connection (``broken``) or as if it were complete (``quiet``). ``holds``: the
    reply waits for this event, and notices when the client goes away meanwhile.
    """

    text: str = ""
    tools: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    reasoning: str = ""
    signature: str = ""
    refuses: bool = False
    status: int = 200
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    dies: Literal["", "broken", "quiet"] = ""
    holds: threading.Event | None = None
    tokens_in: int = 100
    tokens_out: int = 20
    tokens_cached: int = 0

    def words(self) -> list[str]:
        """The text in pieces, as a model would stream it."""
        pieces = self.text.split(" ")
        return [piece + " " for piece in pieces[:-1]] + pieces[-1:] if self.text else []

    def calls(self, number: int) -> list[tuple[str, str, str]]:
        """Id, name on the wire and arguments as text, for each request to use a tool."""
        return [
            (f"call_{number}_{index}", wire_name(name), given if isinstance(given, str) else json.dumps(given))
            for index, (name, given) in enumerate(self.tools)
        ]


def wire_name(name: str) -> str:
    return name.replace("/", "__")


def halves(text: str) -> list[str]:
    """Arguments arrive in pieces, too."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]
