"""Asking a wire server through gemot: the questions that the contracts share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gemot.abi.messages import Message, Reply, Request, Text, ToolOffer, ToolRequest
from gemot.models import ModelFailed
from gemot.models.providers import ProviderModel
from wire.server import WireServer
from wire.speech import Speech

READ = ToolOffer(
    "files/read",
    "Read a file.",
    {
        "type": "object",
        "properties": {"path": {"$ref": "#/$defs/Path"}, "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}}},
        "required": ["path"],
        "$defs": {"Path": {"type": "string", "description": "Beneath the mount."}, "Line": {"type": "integer"}},
    },
)
CLOCK = ToolOffer("clock/now", "What time it is.", {"type": "object"})
GO = (Message("system", (Text("Be brief."),)), Message("user", (Text("Read a.md and b.md."),)))


def question(*more: Message, tools: tuple[ToolOffer, ...] = (READ, CLOCK), **fields: Any) -> Request:
    return Request((*GO, *more), tools, **fields)


def at(server: WireServer, **options: Any) -> ProviderModel:
    """The model that ``server`` plays."""
    kind, _, model = server.model.partition(":")
    return ProviderModel(kind, model, **{"environment": server.environment} | options)


def ask(model: Any, *requests: Request) -> tuple[Reply, list[str]]:
    """The reply to the last of ``requests``, and what was heard of all of them."""
    heard: list[str] = []

    async def run() -> Reply:
        try:
            for request in requests[:-1]:
                await model.generate(request, heard.append)
            return await model.generate(requests[-1], heard.append)
        finally:
            await model.close()

    return asyncio.run(run()), [piece for piece in heard if piece]


def failure(model: Any, request: Request) -> ModelFailed:
    with pytest.raises(ModelFailed) as caught:
        ask(model, request)
    return caught.value


def text(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text))


def wanted(reply: Reply) -> list[ToolRequest]:
    return [part for part in reply.parts if isinstance(part, ToolRequest)]


def in_turn(*speeches: Speech | str) -> Callable[[dict[str, Any], int], Speech | str]:
    return lambda _, number: speeches[min(number, len(speeches) - 1)]
