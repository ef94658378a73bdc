"""A model that is a Python function: shipped, fast, exact. For tests, for demonstrations, for rules instead of words.

    from gemot.models.scripted import request, say, scripted

    def clerk(question):
        if not heard(question):
            return [request("files/read", path="a.md"), request("files/read", path="b.md")]
        return say("Both are read.")

    model = scripted(clerk)

The function gets the :class:`Request` and returns words (a ``str`` or :func:`say`), requests (:func:`request`, several
in a list are parallel), a mixed list, or a whole :class:`Reply`. It may be ``async``. Usage is counted as characters
divided by four, so that budgets mean something; the price is nothing. Images are in the messages as they are, and their
bytes, by digest, in the question's ``images``.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from gemot.abi.messages import (
    Message,
    Part,
    Reasoning,
    Reply,
    Request,
    Text,
    ToolRequest,
    ToolResult,
    Usage,
    length_chars,
)
from gemot.models.port import Heard, ModelFailed

Said = str | Part | Reply | Sequence[str | Part]
"""What a script may return."""

Script = Callable[[Request], Said | Awaitable[Said]]

CHARACTERS_PER_TOKEN = 4

TOKENS_MAX = 0
"""The window of a script that names none: it takes in anything. A file may say, for all of its scripts, ``window = 8_000``."""


def say(text: str) -> Text:
    """Words."""
    return Text(text)


def request(name: str, /, **arguments: Any) -> ToolRequest:
    """A request to use the tool (or syscall) ``name``; its id is filled in when it is said."""
    return ToolRequest("", name, json.dumps(arguments))


def heard(question: Request) -> tuple[ToolResult, ...]:
    """The results of the last requests, if they are what the conversation ends with: what a script decides on."""
    results: list[ToolResult] = []
    for message in reversed(question.messages):
        if message.role == "model":
            break
        results[:0] = [part for part in message.parts if isinstance(part, ToolResult)]
    return tuple(results)


def scripted(
    function: Script, name: str = "scripted", seconds: float = 0.0, tokens_max: int = TOKENS_MAX
) -> ScriptedModel:
    """A model that answers what ``function`` returns, after ``seconds``. ``tokens_max``: its window."""
    return ScriptedModel(function, name, seconds, tokens_max)


class ScriptedModel:
    def __init__(self, function: Script, name: str, seconds: float, tokens_max: int) -> None:
        self.name = name
        self.tokens_max = tokens_max
        self._function = function
        self._seconds = seconds

    def __repr__(self) -> str:
        return f"ScriptedModel({self.name!r})"

    async def generate(self, request: Request, heard: Heard) -> Reply:
        """What the script says. Raises :class:`ModelFailed` (``garbled``) where it says something unsayable."""
        if self._seconds:
            await asyncio.sleep(self._seconds)
        said = self._function(request)
        if inspect.isawaitable(said):
            said = await said
        reply = said if isinstance(said, Reply) else _replied(self._parts(said))
        if request.choose:
            self._check_choice(reply, request.choose)
        for part in reply.parts:
            if isinstance(part, Text) and part.text:
                heard(part.text)
        before = len(request.messages)
        return Reply(
            tuple([_with_id(part, before, index) for index, part in enumerate(reply.parts)]),
            _counted(request, reply) if reply.usage == Usage() else reply.usage,
            reply.model or self.name,
            reply.finish,
        )

    async def close(self) -> None:
        """Nothing to close."""

    def _parts(self, said: object) -> tuple[Part, ...]:
        if isinstance(said, str):
            return (Text(said),)
        if isinstance(said, Text | Reasoning | ToolRequest):
            return (said,)
        if isinstance(said, list | tuple):
            parts: list[Part] = []
            for one in cast(Sequence[object], said):
                parts += self._parts(one)
            return tuple(parts)
        raise ModelFailed(
            "garbled",
            f"The script behind {self.name} returned {type(said).__name__}. "
            "It may return a str, say(...), request(...), a list of these, or a Reply.",
        )

    def _check_choice(self, reply: Reply, options: tuple[str, ...]) -> None:
        text = "".join(part.text for part in reply.parts if isinstance(part, Text))
        if text not in options:
            raise ModelFailed("garbled", f"The script behind {self.name} was to choose one of {options}, not {text!r}.")


def _replied(parts: tuple[Part, ...]) -> Reply:
    requests = any(isinstance(part, ToolRequest) for part in parts)
    return Reply(parts, finish="tool_call" if requests else "stop")


def _with_id(part: Part, before: int, index: int) -> Part:
    """Ids come from the place in the conversation, so that the same log always gets the same ids."""
    if isinstance(part, ToolRequest) and not part.id:
        return ToolRequest(f"request-{before}-{index}", part.name, part.arguments, part.extra)
    return part


def _counted(request: Request, reply: Reply) -> Usage:
    asked = request.size_chars or sum(map(_characters, request.messages))
    said = sum(map(length_chars, reply.parts))
    return Usage(-(-asked // CHARACTERS_PER_TOKEN), -(-said // CHARACTERS_PER_TOKEN))


def _characters(message: Message) -> int:
    return sum(map(length_chars, message.parts))
