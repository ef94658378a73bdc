"""OpenAI's responses as its server speaks them, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from wire.openai_format import error, pictures_at, streams
from wire.pictures import Picture, decoded, wrong_picture
from wire.speech import Speech, halves

__all__ = ["BLIND", "PATH", "error", "events", "pictures", "streams", "whole", "wrong"]

PATH = re.compile(r"^/v1/responses$")
BLIND = {"responses": (400, "Invalid content type. image_url is only supported by certain models.")}
"""Status and words for images that the model doesn't take."""
_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_FIELDS = {"model", "stream", "store", "include", "instructions", "input", "tools", "tool_choice", "max_output_tokens"}
"""A reasoning model takes no temperature."""
_ITEMS = {
    "message": {"type", "role", "content", "id", "status"},
    "function_call": {"type", "call_id", "name", "arguments", "id", "status"},
    "function_call_output": {"type", "call_id", "output", "id", "status"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content", "status"},
}
_CONTENTS = {"assistant": {"output_text", "refusal"}, "user": {"input_text", "input_image", "input_file"}}
_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/gif")


def pictures(request: dict[str, Any]) -> list[Picture]:
    """The images of a request, in their order."""
    contents = [item.get("content") or item.get("output") for item in request.get("input") or []]
    return pictures_at(
        part["image_url"] for content in contents for part in _list(content) if part["type"] == "input_image"
    )


def _list(content: Any) -> list[dict[str, Any]]:
    return content if isinstance(content, list) else []


def wrong(request: dict[str, Any], dialect: str, signatures: set[str]) -> Iterator[str]:
    """What OpenAI would refuse about ``request``."""
    del dialect
    yield from (f"Unknown or unsupported parameter: {name!r}." for name in sorted(set(request) - _FIELDS))
    if request.get("max_output_tokens", 16) < 16:
        yield "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16."
    items = request.get("input")
    if not items:
        yield "Missing required parameter: 'input'."
    waiting: list[str] = []
    thought = ""
    for at, item in enumerate(items or []):
        kind = item.get("type", "message")
        if kind not in _ITEMS:
            yield f"Invalid value: {kind!r} at input[{at}].type."
            continue
        yield from (f"Unknown parameter: 'input[{at}].{name}'." for name in sorted(set(item) - _ITEMS[kind]))
        if thought and not (kind in ("reasoning", "function_call") or item.get("role") == "assistant"):
            yield f"Item {thought!r} of type 'reasoning' was provided without its required following item."
        thought = item.get("id", "") if kind == "reasoning" else ""
        if kind == "function_call":
            yield from _wrong_call(item, at, waiting)
        elif kind == "function_call_output":
            if item["call_id"] not in waiting:
                yield f"No tool call found for function call output with call_id {item['call_id']}."
            else:
                waiting.remove(item["call_id"])
            yield from _wrong_content(item["output"], at, "user")
        elif kind == "reasoning":
            yield from _wrong_reasoning(item, at, signatures)
        else:
            yield from _wrong_message(item, at)
    if thought:
        yield f"Item {thought!r} of type 'reasoning' was provided without its required following item."
    yield from (f"No tool output found for function call {call_id}." for call_id in waiting)
    yield from _wrong_tools(request)


def _wrong_call(item: dict[str, Any], at: int, waiting: list[str]) -> Iterator[str]:
    if not item.get("call_id") or len(item["call_id"]) > 64:
        yield f"Invalid 'input[{at}].call_id': one to 64 characters are expected."
    if item["call_id"] in waiting:
        yield f"Duplicate call_id {item['call_id']}."
    waiting.append(item["call_id"])
    if not _NAME.match(item["name"]):
        yield f"Invalid 'input[{at}].name': it does not match {_NAME.pattern}."
    if not isinstance(item["arguments"], str):
        yield f"Invalid type for 'input[{at}].arguments': expected a string."
    if not item.get("id", "fc").startswith("fc"):
        yield f"Invalid 'input[{at}].id': Expected an ID that begins with 'fc'."


def _wrong_reasoning(item: dict[str, Any], at: int, signatures: set[str]) -> Iterator[str]:
    if not item.get("id", "").startswith("rs") or "summary" not in item:
        yield f"Invalid 'input[{at}]': reasoning needs an ID that begins with 'rs', and a summary."
    if item.get("encrypted_content") not in signatures:
        yield f"The encrypted content at input[{at}] could not be verified."


def _wrong_message(item: dict[str, Any], at: int) -> Iterator[str]:
    role = item.get("role")
    if role not in ("user", "assistant", "system", "developer"):
        yield f"Invalid value: {role!r} at input[{at}].role."
    elif not item.get("content"):
        yield f"Invalid 'input[{at}].content': it is empty."
    else:
        yield from _wrong_content(item["content"], at, "assistant" if role == "assistant" else "user")


def _wrong_content(content: Any, at: int, role: str) -> Iterator[str]:
    if not isinstance(content, str | list):
        yield f"Invalid type for 'input[{at}]': expected a string or a list."
    for number, part in enumerate(_list(content)):
        where = f"input[{at}].content[{number}]"
        if part["type"] not in _CONTENTS[role]:
            yield f"Invalid value: {part['type']!r} at {where}. Supported values are: {sorted(_CONTENTS[role])}"
        elif part["type"] == "input_image":
            yield from _wrong_image(part["image_url"], where)
        elif not isinstance(part.get("text", part.get("refusal")), str):
            yield f"{where}: a text is expected"


def _wrong_image(url: Any, where: str) -> Iterator[str]:
    match = re.fullmatch(r"data:(image/[a-z]+);base64,(.*)", url if isinstance(url, str) else "", re.DOTALL)
    if match is None:
        yield f"{where}: Invalid 'image_url'."
    else:
        bad = "You uploaded an unsupported image."
        yield from wrong_picture(where, match[1], decoded(match[2]), _IMAGES, mismatch=bad, broken=bad)


def _wrong_tools(request: dict[str, Any]) -> Iterator[str]:
    for tool in request.get("tools") or []:
        schema = tool.get("parameters") or {}
        if set(tool) - {"type", "name", "description", "parameters", "strict"} or tool.get("type") != "function":
            yield f"tools: {sorted(tool)} of type {tool.get('type')!r}"
        elif not _NAME.match(tool["name"]):
            yield f"tools: name {tool['name']!r}"
        elif schema.get("type") != "object" or "properties" not in schema:
            yield f"tools: {tool['name']}: parameters must be an object with properties"
        elif tool.get("strict", True) and (
            schema.get("additionalProperties") is not False
            or set(schema.get("required", [])) != set(schema["properties"])
        ):
            yield f"Invalid schema for function {tool['name']!r}: strict needs 'additionalProperties' false and all 'required'."
    if "tools" not in request and "tool_choice" in request:
        yield "Tool choice is only allowed with tools."


Event = tuple[str, dict[str, Any] | str]


def events(speech: Speech, request: dict[str, Any], number: int, dialect: str) -> Iterator[Event]:
    del dialect
    counter = iter(range(1_000_000))

    def event(kind: str, **fields: Any) -> Event:
        return f"response.{kind}", {"type": f"response.{kind}", "sequence_number": next(counter)} | fields

    begun = _response(speech, request, number, [], "in_progress")
    yield event("created", response=begun)
    yield event("in_progress", response=begun)
    output = _output(speech, number)
    for index, item in enumerate(output):
        place = {"item_id": item["id"], "output_index": index}
        empty = {"arguments": "", "content": [], "summary": []}
        yield event("output_item.added", output_index=index, item=item | {k: empty[k] for k in empty if k in item})
        for kind, piece in _pieces(speech, item):
            yield event(f"{kind}.delta", delta=piece, **place)
        yield event("output_item.done", output_index=index, item=item)
    yield event("completed", response=_response(speech, request, number, output, "completed"))


def _pieces(speech: Speech, item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if item["type"] == "function_call":
        yield from (("function_call_arguments", piece) for piece in halves(item["arguments"]))
    elif item["type"] == "reasoning":
        yield "reasoning_summary_text", speech.reasoning
    else:
        yield from (("refusal" if speech.refuses else "output_text", word) for word in speech.words())


def _output(speech: Speech, number: int) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if speech.reasoning:
        summary = [{"type": "summary_text", "text": speech.reasoning}]
        hidden = {"encrypted_content": speech.signature} if speech.signature else {}
        output.append({"type": "reasoning", "id": f"rs_{number}", "summary": summary} | hidden)
    if speech.text or not speech.tools:
        part: dict[str, Any] = {"type": "output_text", "text": speech.text, "annotations": []}
        if speech.refuses:
            part = {"type": "refusal", "refusal": speech.text}
        output.append(
            {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [part]}
        )
    for call_id, name, arguments in speech.calls(number):
        call = {"call_id": call_id, "name": name, "arguments": arguments, "status": "completed"}
        output.append({"type": "function_call", "id": f"fc_{call_id}"} | call)
    return output


def whole(speech: Speech, request: dict[str, Any], number: int, dialect: str) -> dict[str, Any]:
    del dialect
    return _response(speech, request, number, _output(speech, number), "completed")


def _response(
    speech: Speech, request: dict[str, Any], number: int, output: list[dict[str, Any]], status: str
) -> dict[str, Any]:
    usage = {
        "input_tokens": speech.tokens_in,
        "input_tokens_details": {"cached_tokens": speech.tokens_cached},
        "output_tokens": speech.tokens_out,
        "total_tokens": speech.tokens_in + speech.tokens_out,
    }
    head = {"id": f"resp_{number}", "object": "response", "status": status, "model": request.get("model", "")}
    return head | {"error": None, "output": output, "usage": usage if status == "completed" else None}
