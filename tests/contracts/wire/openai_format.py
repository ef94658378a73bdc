"""OpenAI chat completions as its server speaks them, and what it refuses. Ollama's /v1 is a dialect of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from wire.pictures import Picture, decoded, wrong_picture
from wire.speech import Speech, halves

PATH = re.compile(r"^/v1/chat/completions$")
_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_FIELDS = {
    "system": {"role", "content"},
    "developer": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls"},
    "tool": {"role", "content", "tool_call_id"},
}


_DATA_URL = re.compile(r"^data:(image/[a-z]+);base64,(.*)$", re.DOTALL)
_TYPES = {
    "openai": ("image/png", "image/jpeg", "image/webp", "image/gif"),
    "ollama": ("image/png", "image/jpeg", "image/webp"),
}
_IMAGE_BYTES_MAX = 20_000_000
BLIND = {
    "openai": (400, "Invalid content type. image_url is only supported by certain models."),
    "ollama": (400, "this model does not support image input (ref: b8bd630e-4a39-4b57-82af-9158ee9d5703)"),
}
"""Status and words for images that the model doesn't take."""


def pictures(request: dict[str, Any]) -> list[Picture]:
    """The images of a request, in their order."""
    contents = [message.get("content") for message in request.get("messages") or []]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return pictures_at(part["image_url"]["url"] for part in parts if part["type"] == "image_url")


def pictures_at(urls: Iterable[str]) -> list[Picture]:
    """The images in these addresses, as far as they hold some."""
    return [(match[1], decoded(match[2]) or b"") for url in urls if (match := _DATA_URL.match(url))]


def _wrong_content(message: dict[str, Any], at: int, dialect: str) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str | None):
        return
    for number, part in enumerate(content):
        where = f"messages[{at}].content[{number}]"
        if part["type"] == "text":
            if set(part) != {"type", "text"} or not part["text"].strip():
                yield f"{where}: text {part!r}"
        elif part["type"] != "image_url":
            yield f"{where}: Invalid value: {part['type']!r}. Supported values are: 'text', 'image_url'"
        elif message["role"] != "user":
            yield (
                f"Invalid 'messages[{at}]'. Image URLs are only allowed for messages with role 'user', "
                f"but this message with role {message['role']!r} contains an image URL."
            )
        elif not (url := _DATA_URL.match(part["image_url"]["url"])):
            yield f"{where}: Invalid image URL"
        else:
            bad = "You uploaded an unsupported image."
            data = decoded(url[2])
            yield from wrong_picture(where, url[1], data, _TYPES[dialect], mismatch=bad, broken=bad)
            if data is not None and len(data) > _IMAGE_BYTES_MAX:
                yield f"{where}: image is too large"


def wrong(request: dict[str, Any], dialect: str, signatures: set[str]) -> Iterator[str]:
    """What OpenAI would refuse about ``request``."""
    del signatures  # chat completions carry none
    messages = request.get("messages") or []
    if not messages:
        yield "messages is empty"
    waiting: list[str] = []
    for at, message in enumerate(messages):
        role = message.get("role")
        if role not in _FIELDS:
            yield f"messages[{at}]: role {role!r}"
            continue
        allowed = _FIELDS[role] | ({"reasoning"} if dialect == "ollama" else set())
        if unknown := set(message) - allowed:
            yield f"messages[{at}]: unknown fields {sorted(unknown)}"
        yield from _wrong_content(message, at, dialect)
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                yield f"messages[{at}]: a tool message must follow an assistant message with its tool_call"
            else:
                waiting.remove(message["tool_call_id"])
        elif waiting:
            yield f"messages[{at}]: tool_call_ids without a tool message: {waiting}"
            waiting = []
        if role == "assistant":
            calls = message.get("tool_calls")
            if not message.get("content") and not calls:
                yield f"messages[{at}]: an assistant message needs content or tool_calls"
            if calls == []:
                yield f"messages[{at}]: tool_calls must not be empty"
            for call in calls or []:
                waiting.append(call["id"])
                if len(call["id"]) > 40:
                    yield f"messages[{at}]: tool call id is too long"
                if not _NAME.match(call["function"]["name"]):
                    yield f"messages[{at}]: function name {call['function']['name']!r}"
                if not isinstance(call["function"]["arguments"], str):
                    yield f"messages[{at}]: arguments must be a string"
        elif not message.get("content"):
            yield f"messages[{at}]: empty content"
    if waiting:
        yield f"tool_call_ids without a tool message: {waiting}"
    for tool in request.get("tools") or []:
        function = tool["function"]
        if not _NAME.match(function["name"]):
            yield f"tools: name {function['name']!r}"
        if function["parameters"].get("type") != "object" or "properties" not in function["parameters"]:
            yield f"tools: {function['name']}: parameters must be an object with properties"
    if "tools" not in request and "tool_choice" in request:
        yield "tool_choice is only allowed with tools"


def events(
    speech: Speech, request: dict[str, Any], number: int, dialect: str
) -> Iterator[tuple[str, dict[str, Any] | str]]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> tuple[str, dict[str, Any]]:
        return "", _head(request, number, "chat.completion.chunk") | {
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
        }

    yield chunk({"role": "assistant", "content": ""})
    if speech.reasoning:
        yield chunk({_thought_field(dialect): speech.reasoning})
    for word in speech.words():
        yield chunk({_words_field(speech): word})
    for index, (call_id, name, arguments) in enumerate(speech.calls(number)):
        start = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        yield chunk({"tool_calls": [start]})
        for piece in halves(arguments):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, "tool_calls" if speech.tools else "stop")
    if (request.get("stream_options") or {}).get("include_usage"):
        yield "", _head(request, number, "chat.completion.chunk") | {"choices": [], "usage": _usage(speech)}
    yield "", "[DONE]"


def whole(speech: Speech, request: dict[str, Any], number: int, dialect: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None} | {_words_field(speech): speech.text or None}
    if speech.reasoning:
        message[_thought_field(dialect)] = speech.reasoning
    if speech.tools:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in speech.calls(number)
        ]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if speech.tools else "stop"}
    return _head(request, number, "chat.completion") | {"choices": [choice], "usage": _usage(speech)}


def error(status: int, message: str) -> dict[str, Any]:
    kind = {401: "invalid_request_error", 429: "rate_limit_error"}.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def streams(path: str, request: dict[str, Any]) -> bool:
    return bool(request.get("stream"))


def _words_field(speech: Speech) -> str:
    return "refusal" if speech.refuses else "content"


def _thought_field(dialect: str) -> str:
    return "reasoning" if dialect == "ollama" else "reasoning_content"


def _head(request: dict[str, Any], number: int, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1_760_000_000, "model": request.get("model", "")}


def _usage(speech: Speech) -> dict[str, Any]:
    return {
        "prompt_tokens": speech.tokens_in,
        "completion_tokens": speech.tokens_out,
        "total_tokens": speech.tokens_in + speech.tokens_out,
        "prompt_tokens_details": {"cached_tokens": speech.tokens_cached},
    }
