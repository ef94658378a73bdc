"""Google generateContent as the Gemini server speaks it, and what it refuses."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from wire.pictures import Picture, decoded, wrong_picture
from wire.speech import Speech

PATH = re.compile(r"^/v1(?:beta)?/models/[^/:]+:(?:streamGenerateContent|generateContent)$")
_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$")
_NO_SIGNATURE = b64encode(b"skip_thought_signature_validator").decode()
"""The signature that Google documents for requests which other models made."""


_TYPES = ("image/png", "image/jpeg", "image/webp")
BLIND = {"google": (400, "Image input modality is not enabled for models/gemini-2.5-flash")}


def pictures(request: dict[str, Any]) -> list[Picture]:
    """The images of a request, in their order."""
    found: list[Picture] = []
    for content in request.get("contents") or []:
        for part in content.get("parts") or []:
            for one in [part, *part.get("functionResponse", {}).get("parts", [])]:
                if blob := _blob(one):
                    found.append((blob["mime_type"], decoded(blob["data"], either_alphabet=True) or b""))
    return found


def _blob(part: dict[str, Any]) -> dict[str, Any] | None:
    """A part's inline data; like every field, it may have either of its two spellings, and Google's own client mixes them."""
    blob = part.get("inlineData") or part.get("inline_data")
    return blob and {"data": blob["data"], "mime_type": blob.get("mimeType") or blob["mime_type"]}


def _wrong_blobs(part: dict[str, Any], role: str | None, at: int, dialect: str) -> Iterator[str]:
    inside = part.get("functionResponse", {}).get("parts")
    if inside is not None and not dialect.startswith("gemini-3"):
        yield "Unable to submit request because `function_response.parts` is not supported for this model."
    for one in [part, *(inside or [])]:
        if blob := _blob(one):
            if role != "user":
                yield f"contents[{at}]: inlineData of the {role}"
            bad = "Unable to process input image."
            data = decoded(blob["data"], either_alphabet=True)
            yield from wrong_picture(f"contents[{at}]", blob["mime_type"], data, _TYPES, mismatch=bad, broken=bad)


def wrong(request: dict[str, Any], dialect: str, signatures: set[str]) -> Iterator[str]:
    """What Google would refuse about ``request``; ``signatures`` are those that this server gave out. ``dialect`` is the
    model's name: since Gemini 3, images may stand inside a function's response."""
    contents = request.get("contents") or []
    if not contents or contents[0].get("role") != "user":
        yield "contents: the first turn must be the user's"
    if contents and contents[-1].get("role") != "user":
        yield "contents: please ensure that the last turn is the user's"
    waiting: list[str] = []
    for at, content in enumerate(contents):
        parts = content.get("parts") or []
        if not parts:
            yield f"contents[{at}]: parts must not be empty"
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if waiting and [answer["name"] for answer in answers] != waiting:
            yield f"contents[{at}]: function response parts must equal the function call parts of the turn before"
        if answers and not waiting:
            yield f"contents[{at}]: function responses without function calls"
        if any(not isinstance(answer.get("response"), dict) for answer in answers):
            yield f"contents[{at}]: functionResponse.response must be an object"
        if answers and len(answers) != len(parts):
            yield f"contents[{at}]: function responses share a content with other parts"
        calls = [part for part in parts if "functionCall" in part]
        waiting = [part["functionCall"]["name"] for part in calls]
        if calls and content.get("role") != "model":
            yield f"contents[{at}]: function calls belong to the model"
        if calls and not calls[0].get("thoughtSignature"):
            yield f"contents[{at}]: the first function call lacks a thought_signature"
        for part in parts:
            yield from _wrong_blobs(part, content.get("role"), at, dialect)
            if part.get("text", "-") == "" and not part.get("thoughtSignature"):
                yield f"contents[{at}]: empty text"
            given = part.get("thoughtSignature")
            if given and given != _NO_SIGNATURE and given not in signatures:
                yield f"contents[{at}]: thought signature is not valid"
    if waiting:
        yield "contents: function calls without responses"
    for tool in request.get("tools") or []:
        for declared in tool.get("functionDeclarations") or []:
            if not _NAME.match(declared["name"]):
                yield f"tools: name {declared['name']!r}"


def events(
    speech: Speech, request: dict[str, Any], number: int, dialect: str
) -> Iterator[tuple[str, dict[str, Any] | str]]:
    del request, dialect
    pieces: list[list[dict[str, Any]]] = [[{"text": word}] for word in speech.words()]
    if speech.reasoning:
        pieces.insert(0, [{"text": speech.reasoning, "thought": True}])
    if speech.tools:
        pieces.append(_calls(speech, number))
    elif speech.signature:
        pieces.append([{"text": "", "thoughtSignature": speech.signature}])
    for at, parts in enumerate(pieces or [[]]):
        last = at >= len(pieces) - 1
        yield "", _body(speech, number, parts, _finish(speech) if last else None)


def whole(speech: Speech, request: dict[str, Any], number: int, dialect: str) -> dict[str, Any]:
    del request, dialect
    parts: list[dict[str, Any]] = [{"text": speech.text}] if speech.text else []
    if speech.reasoning:
        parts.insert(0, {"text": speech.reasoning, "thought": True})
    return _body(speech, number, parts + _calls(speech, number), _finish(speech))


def _finish(speech: Speech) -> str:
    return "SAFETY" if speech.refuses else "STOP"


def error(status: int, message: str) -> dict[str, Any]:
    names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
    return {"error": {"code": status, "message": message, "status": names.get(status, "INTERNAL")}}


def streams(path: str, request: dict[str, Any]) -> bool:
    del request
    return ":stream" in path


def _calls(speech: Speech, number: int) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = [
        {"functionCall": {"id": call_id, "name": name, "args": json.loads(arguments)}}
        for call_id, name, arguments in speech.calls(number)
    ]
    if calls and speech.signature:
        calls[0]["thoughtSignature"] = speech.signature
    return calls


def _body(speech: Speech, number: int, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish:
        candidate["finishReason"] = finish
    usage = {
        "promptTokenCount": speech.tokens_in,
        "candidatesTokenCount": speech.tokens_out,
        "cachedContentTokenCount": speech.tokens_cached,
        "totalTokenCount": speech.tokens_in + speech.tokens_out,
    }
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": f"response-{number}",
    }
