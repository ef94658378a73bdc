"""Anthropic messages as its server speaks them, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from wire.pictures import Picture, decoded, size, wrong_picture
from wire.speech import Speech, halves

PATH = re.compile(r"^/v1/messages$")
_ID = re.compile(r"^[a-zA-Z0-9_-]+$")
_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")


_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")
_IMAGE_CHARS_MAX = 5 * 1024 * 1024
_SIDE_MAX, _SIDE_AMONG_MANY, _MANY = 8_000, 2_000, 20
BLIND = {"anthropic": (400, "this model does not support image input")}
"""Anthropic's own models all see; other servers that speak its format (here: Ollama) have models that don't."""


def pictures(request: dict[str, Any]) -> list[Picture]:
    """The images of a request, in their order."""
    sources = [block["source"] for block in _image_blocks(request)]
    return [(source["media_type"], decoded(source["data"]) or b"") for source in sources]


def _image_blocks(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in request.get("messages") or []:
        for block in message["content"] if isinstance(message["content"], list) else []:
            inside = block.get("content") if block["type"] == "tool_result" else None
            for one in [block, *(inside if isinstance(inside, list) else [])]:
                if one["type"] == "image":
                    yield one


def _wrong_image(block: dict[str, Any], where: str, many: bool) -> Iterator[str]:
    source = block["source"]
    data = decoded(source["data"])
    where = f"{where}.image.source.base64"
    mismatch = f"Image does not match the provided media type {source['media_type']}"
    yield from wrong_picture(
        where, source["media_type"], data, _TYPES, mismatch=mismatch, broken="Could not process image"
    )
    if source["type"] != "base64":
        yield f"{where}: source {source['type']!r}"
    if len(source["data"]) > _IMAGE_CHARS_MAX:
        yield f"{where}: image exceeds 5 MB maximum: {len(source['data'])} bytes > {_IMAGE_CHARS_MAX} bytes"
    side = max(size(source["media_type"], data)) if data else 0
    if side > _SIDE_MAX:
        yield f"{where}.data: At least one of the image dimensions exceed max allowed size: {_SIDE_MAX} pixels"
    elif many and side > _SIDE_AMONG_MANY:
        yield (
            f"{where}.data: At least one of the image dimensions exceed max allowed size for many-image requests: "
            f"{_SIDE_AMONG_MANY} pixels"
        )


def _wrong_result(block: dict[str, Any], where: str, many: bool) -> Iterator[str]:
    content = block.get("content") or []
    for one in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if block.get("is_error") and one["type"] != "text":
            yield f"{where}: all content must be type 'text' if 'is_error' is true"
        if one["type"] == "image":
            yield from _wrong_image(one, where, many)
        elif one["type"] != "text":
            yield f"{where}: block {one['type']!r} in a tool_result"
        elif not one["text"].strip():
            yield f"{where}: text content blocks must contain non-whitespace text"


def wrong(request: dict[str, Any], dialect: str, signatures: set[str]) -> Iterator[str]:
    """What Anthropic would refuse about ``request``; ``signatures`` are those that this server gave out."""
    del dialect
    if not isinstance(request.get("max_tokens"), int):
        yield "max_tokens: field required"
    messages = request.get("messages") or []
    if not messages or messages[0]["role"] != "user":
        yield "messages: the first message must use the user role"
    if messages and messages[-1]["role"] != "user":
        yield "messages: the last message must use the user role"
    waiting: list[str] = []
    seen: set[str] = set()
    uses_tools = False
    many = len(list(_image_blocks(request))) > _MANY
    for at, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            yield f"messages.{at}: role {message['role']!r}"
        if at and message["role"] == messages[at - 1]["role"]:
            yield f"messages.{at}: roles must alternate"
        blocks = message["content"]
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        if not blocks:
            yield f"messages.{at}: content must not be empty"
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if message["role"] == "user" and sorted(answered) != sorted(waiting):
            yield f"messages.{at}: tool_use ids {waiting} need tool_result blocks right after, got {answered}"
        if answered and [block["type"] for block in blocks[: len(answered)]] != ["tool_result"] * len(answered):
            yield f"messages.{at}: tool_result blocks come first"
        waiting = []
        for block in blocks:
            yield from _wrong_block(block, message["role"], at, seen, signatures, many)
            if block["type"] == "tool_use":
                waiting.append(block["id"])
            uses_tools |= block["type"] in ("tool_use", "tool_result")
    if uses_tools and not request.get("tools"):
        yield "Requests which have tool_use or tool_result blocks must define tools"
    for tool in request.get("tools") or []:
        if not _NAME.match(tool["name"]):
            yield f"tools: name {tool['name']!r}"
        if tool["input_schema"].get("type") != "object":
            yield f"tools: {tool['name']}: input_schema.type must be object"


def _wrong_block(
    block: dict[str, Any], role: str, at: int, seen: set[str], signatures: set[str], many: bool
) -> Iterator[str]:
    kind = block["type"]
    if kind == "text":
        if not block["text"].strip():
            yield f"messages.{at}: text content blocks must contain non-whitespace text"
    elif kind == "tool_use" and role == "assistant":
        if not _ID.match(block["id"]) or block["id"] in seen:
            yield f"messages.{at}: tool_use id {block['id']!r} is malformed or repeated"
        seen.add(block["id"])
        if not _NAME.match(block["name"]) or not isinstance(block["input"], dict):
            yield f"messages.{at}: tool_use {block['name']!r}"
    elif kind == "tool_result" and role == "user":
        yield from _wrong_result(block, f"messages.{at}.content.tool_result", many)
    elif kind == "image" and role == "user":
        yield from _wrong_image(block, f"messages.{at}.content", many)
    elif kind == "thinking" and role == "assistant":
        if block.get("signature") not in signatures:
            yield f"messages.{at}: invalid signature in thinking block"
    else:
        yield f"messages.{at}: block {kind!r} in a message of the {role}"


def events(
    speech: Speech, request: dict[str, Any], number: int, dialect: str
) -> Iterator[tuple[str, dict[str, Any] | str]]:
    del dialect

    def event(kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        return kind, {"type": kind} | fields

    index = 0
    start = _head(request, number) | {
        "content": [],
        "stop_reason": None,
        "usage": _usage(speech) | {"output_tokens": 1},
    }
    yield event("message_start", message=start)
    yield event("ping")
    if speech.reasoning:
        block = {"type": "thinking", "thinking": "", "signature": ""}
        yield event("content_block_start", index=index, content_block=block)
        yield _delta(index, {"type": "thinking_delta", "thinking": speech.reasoning})
        yield _delta(index, {"type": "signature_delta", "signature": speech.signature})
        yield event("content_block_stop", index=index)
        index += 1
    if speech.text:
        yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        for word in speech.words():
            yield _delta(index, {"type": "text_delta", "text": word})
        yield event("content_block_stop", index=index)
        index += 1
    for call_id, name, arguments in speech.calls(number):
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        yield event("content_block_start", index=index, content_block=block)
        for piece in halves(arguments):
            yield _delta(index, {"type": "input_json_delta", "partial_json": piece})
        yield event("content_block_stop", index=index)
        index += 1
    stop = {"stop_reason": _stop(speech), "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": speech.tokens_out})
    yield event("message_stop")


def _delta(index: int, delta: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}


def whole(speech: Speech, request: dict[str, Any], number: int, dialect: str) -> dict[str, Any]:
    del dialect
    content: list[dict[str, Any]] = []
    if speech.reasoning:
        content.append({"type": "thinking", "thinking": speech.reasoning, "signature": speech.signature})
    if speech.text:
        content.append({"type": "text", "text": speech.text})
    for call_id, name, arguments in speech.calls(number):
        content.append({"type": "tool_use", "id": call_id, "name": name, "input": json.loads(arguments)})
    return _head(request, number) | {"content": content, "stop_reason": _stop(speech), "usage": _usage(speech)}


def _stop(speech: Speech) -> str:
    return "refusal" if speech.refuses else "tool_use" if speech.tools else "end_turn"


def error(status: int, message: str) -> dict[str, Any]:
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}


def streams(path: str, request: dict[str, Any]) -> bool:
    del path
    return bool(request.get("stream"))


def _head(request: dict[str, Any], number: int) -> dict[str, Any]:
    return {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": request.get("model", "")}


def _usage(speech: Speech) -> dict[str, int]:
    return {
        "input_tokens": speech.tokens_in - speech.tokens_cached,
        "cache_read_input_tokens": speech.tokens_cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": speech.tokens_out,
    }
