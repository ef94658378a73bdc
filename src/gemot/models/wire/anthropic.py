"""Anthropic's messages."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from gemot.abi.messages import Image, Message, Reasoning, Text, ToolRequest
from gemot.models.cards import Card
from gemot.models.counting import text as as_text
from gemot.models.wire.formats import (
    Failed,
    encode,
    finish_of,
    items,
    members,
    name_of,
    object_of,
    put_together,
    total,
)
from gemot.models.wire.gathering import Counts, Gathering
from gemot.models.wire.view import Picture, View, results_of

VERSION = "2023-06-01"
_CACHED = {"type": "ephemeral"}
"""Marks the end of what the provider is to keep for the next requests."""


class Anthropic:
    """Messages, as Anthropic and servers with its format speak them."""

    def path(self, model: str) -> str:
        return "/v1/messages"

    def headers(self, key: str | None) -> Mapping[str, str]:
        return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})

    def turn(self, view: View, turn: Message) -> bytes:
        return b"," + encode(_turn(view, turn))

    def body(
        self, view: View, card: Card, model: str, system: str, pages: Sequence[bytes], rest: Sequence[Message]
    ) -> list[bytes]:
        request = view.request
        head: dict[str, Any] = {"model": model, "stream": True, "max_tokens": request.tokens_out_max}
        more: dict[str, bytes] = {}
        if system:
            head["system"] = [{"type": "text", "text": system, "cache_control": _CACHED}]
        if request.temperature is not None and card.takes_temperature:
            head["temperature"] = request.temperature
        if view.tools.offers:
            more["tools"] = view.tools.list("anthropic", _tool)
        elif past := view.past_tools():
            # It takes requests in the past only from a client that still offers tools; `none` forbids their use.
            more["tools"] = encode([_tool(name, "No longer offered.", {"type": "object"}) for name in past])
        if "tools" in more and (request.choose or not view.tools.offers):
            head["tool_choice"] = {"type": "none"}
        turns = [_turn(view, turn) for turn in rest]
        if turns:
            turns[-1]["content"][-1]["cache_control"] = _CACHED
        return put_together(head, "messages", b"", pages, b"".join(b"," + encode(turn) for turn in turns), more)

    def hear(self, gathering: Gathering, name: str, document: dict[str, Any]) -> None:
        kind = document.get("type") or name
        index = document.get("index")
        if kind == "error" or document.get("error"):
            raise Failed(document)
        if kind == "message_start":
            _message(gathering, members(document.get("message")))
        elif kind == "message":  # not streamed
            _message(gathering, document)
            for number, block in enumerate(items(document.get("content"))):
                _block(gathering, number, members(block))
            gathering.ended = True
        elif kind == "content_block_start":
            _block(gathering, index, members(document.get("content_block")))
        elif kind == "content_block_delta":
            _delta(gathering, index, members(document.get("delta")))
        elif kind == "message_delta":
            _stop(gathering, members(document.get("delta")))
            _usage(gathering, members(document.get("usage")))
        elif kind == "message_stop":
            gathering.ended = True


def _tool(name: str, description: str, schema: dict[str, Any]) -> object:
    return {"name": name, "description": description, "input_schema": schema}


def _turn(view: View, turn: Message) -> dict[str, Any]:
    if turn.role == "model":
        return {"role": "assistant", "content": _said(view, turn)}
    results = results_of(turn)
    blocks: list[dict[str, Any]] = []
    after: list[Picture | str] = []
    for number, result in enumerate(results, 1):
        text, within, outside = view.result(result, f"result {number} of {len(results)}")
        content: Any = text
        if within:
            content = [{"type": "text", "text": text}, *map(_image, within)]
        block = {"type": "tool_result", "tool_use_id": result.id, "content": content}
        blocks.append(block if result.ok else block | {"is_error": True})
        after += outside
    after += [
        part.text if isinstance(part, Text) else view.seen(part)
        for part in turn.parts
        if isinstance(part, Text | Image)
    ]
    blocks += [{"type": "text", "text": part} if isinstance(part, str) else _image(part) for part in after]
    return {"role": "user", "content": blocks}


def _said(view: View, turn: Message) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for part in turn.parts:
        own = view.own(part)
        if isinstance(part, Text):
            blocks.append({"type": "text", "text": part.text})
        elif isinstance(part, ToolRequest):
            input_ = object_of(part.arguments)
            blocks.append({"type": "tool_use", "id": part.id, "name": view.wire(part.name), "input": input_})
        elif isinstance(part, Reasoning) and part.provider == view.provider and own.get("signature"):
            if own.get("id") == "redacted_thinking":
                blocks.append({"type": "redacted_thinking", "data": own["signature"]})
            else:
                blocks.append({"type": "thinking", "thinking": part.text, "signature": own["signature"]})
    return blocks


def _image(picture: Picture) -> dict[str, Any]:
    data = base64.b64encode(picture.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": picture.media_type, "data": data}}


# The reply.


def _message(gathering: Gathering, message: dict[str, Any]) -> None:
    gathering.model = name_of(message.get("model")) or gathering.model
    _stop(gathering, message)
    _usage(gathering, members(message.get("usage")))


def _block(gathering: Gathering, index: object, block: dict[str, Any]) -> None:
    kind = block.get("type")
    if kind == "text":
        gathering.words(as_text(block.get("text")))
    elif kind == "thinking":
        gathering.thought(as_text(block.get("thinking")), _signature(block), anew=True)
    elif kind == "redacted_thinking":
        gathering.thought("", {"id": kind, "signature": as_text(block.get("data"))}, anew=True)
    elif kind == "tool_use":
        gathering.marks.add(as_text(index))
        gathering.call(index, block.get("id"), block.get("name"), block.get("input") or None)


def _delta(gathering: Gathering, index: object, delta: dict[str, Any]) -> None:
    kind = delta.get("type")
    if kind == "text_delta":
        gathering.words(as_text(delta.get("text")))
    elif kind == "thinking_delta":
        gathering.thought(as_text(delta.get("thinking")))
    elif kind == "signature_delta":
        gathering.thought("", _signature(delta))
    elif kind == "input_json_delta" and as_text(index) in gathering.marks:  # others are of the provider's own tools
        gathering.call(index, None, None, delta.get("partial_json"))


def _signature(block: dict[str, Any]) -> dict[str, Any]:
    signature = block.get("signature")
    return {"signature": signature} if isinstance(signature, str) and signature else {}


def _stop(gathering: Gathering, delta: dict[str, Any]) -> None:
    gathering.finish = finish_of(delta.get("stop_reason")) or gathering.finish


def _usage(gathering: Gathering, usage: dict[str, Any]) -> None:
    cached, written = total(usage.get("cache_read_input_tokens")), total(usage.get("cache_creation_input_tokens"))
    fresh, said = total(usage.get("input_tokens")), total(usage.get("output_tokens"))
    gathering.usage(Counts(fresh, said, cached, written, apart=True))
