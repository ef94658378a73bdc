"""Google's generateContent."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

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
from gemot.models.wire.view import NEXT, Picture, View, results_of

NO_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
"""The signature that Google documents for requests which other models made."""


class Google:
    """generateContent, as Gemini's server speaks it."""

    def path(self, model: str) -> str:
        name = model if "/" in model else f"models/{model}"
        return f"/v1beta/{quote(name)}:streamGenerateContent?alt=sse"

    def headers(self, key: str | None) -> Mapping[str, str]:
        return {"x-goog-api-key": key} if key else {}

    def turn(self, view: View, turn: Message) -> bytes:
        return b"".join(b"," + encode(content) for content in _contents(view, turn))

    def body(
        self, view: View, card: Card, model: str, system: str, pages: Sequence[bytes], rest: Sequence[Message]
    ) -> list[bytes]:
        request = view.request
        config: dict[str, Any] = {"maxOutputTokens": request.tokens_out_max}
        if request.temperature is not None and card.takes_temperature:
            config["temperature"] = request.temperature
        head: dict[str, Any] = {"generationConfig": config}
        more: dict[str, bytes] = {}
        if system:
            head["systemInstruction"] = {"parts": [{"text": system}]}
        if view.tools.offers:
            more["tools"] = b'[{"functionDeclarations":%s}]' % view.tools.list("google", _tool)
            if request.choose:
                head["toolConfig"] = {"functionCallingConfig": {"mode": "NONE"}}
        return put_together(head, "contents", b"", pages, b"".join(self.turn(view, turn) for turn in rest), more)

    def hear(self, gathering: Gathering, name: str, document: dict[str, Any]) -> None:
        if document.get("error"):
            raise Failed(document)
        gathering.model = name_of(document.get("modelVersion")) or gathering.model
        _usage(gathering, members(document.get("usageMetadata")))
        blocked = members(document.get("promptFeedback")).get("blockReason")
        if blocked:
            gathering.finish, gathering.blocked = "filter", as_text(blocked)
        for candidate in items(document.get("candidates"))[:1]:
            candidate = members(candidate)
            for part in items(members(candidate.get("content")).get("parts")):
                _part(gathering, members(part))
            if candidate.get("finishReason") != "FINISH_REASON_UNSPECIFIED":
                gathering.finish = finish_of(candidate.get("finishReason")) or gathering.finish


def _tool(name: str, description: str, schema: dict[str, Any]) -> object:
    return {"name": name, "description": description, "parametersJsonSchema": schema}


def _contents(view: View, turn: Message) -> list[dict[str, Any]]:
    if turn.role == "model":
        return [{"role": "model", "parts": _said(view, turn)}]
    results = results_of(turn)
    answers: list[dict[str, Any]] = []
    after: list[Picture | str] = []
    for number, result in enumerate(results, 1):
        text, within, outside = view.result(result, f"result {number} of {len(results)}")
        response: dict[str, Any] = {
            "id": result.id,
            "name": view.wire(result.name),
            "response": {"result" if result.ok else "error": text},
        }
        if within:
            response["parts"] = list(map(_blob, within))
        answers.append({"functionResponse": response})
        after += outside
    after += [
        part.text if isinstance(part, Text) else view.seen(part)
        for part in turn.parts
        if isinstance(part, Text | Image)
    ]
    said = [{"text": part} if isinstance(part, str) else _blob(part) for part in after]
    # Function responses share a content with nothing else.
    return [{"role": "user", "parts": parts} for parts in (answers, said) if parts]


def _said(view: View, turn: Message) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    signature: str | None = None
    first_call = True
    for part in turn.parts:
        own = view.own(part)
        if isinstance(part, Reasoning):
            signature = members(own.get(NEXT)).get("thought_signature") or signature
            thought = members(own.get("details")).get("thought_signature") or own.get("signature")
            if part.provider == view.provider and thought:
                parts.append({"text": part.text, "thought": True, "thoughtSignature": thought})
            continue
        if isinstance(part, Text):
            parts.append({"text": part.text} | ({"thoughtSignature": signature} if signature else {}))
        elif isinstance(part, ToolRequest):
            call = {"id": part.id, "name": view.wire(part.name), "args": object_of(part.arguments)}
            given = members(own.get("details")).get("thought_signature") or (NO_SIGNATURE if first_call else None)
            parts.append({"functionCall": call} | ({"thoughtSignature": given} if given else {}))
            first_call = False
        signature = None
    return parts


def _blob(picture: Picture) -> dict[str, Any]:
    return {"inlineData": {"mimeType": picture.media_type, "data": base64.b64encode(picture.data).decode()}}


# The reply.


def _part(gathering: Gathering, part: dict[str, Any]) -> None:
    signature = part.get("thoughtSignature")
    details = {"thought_signature": signature} if isinstance(signature, str) and signature else {}
    call = members(part.get("functionCall"))
    if call:
        extra = {"details": details} if details else {}
        gathering.call_whole(call.get("id"), call.get("name"), call.get("args") or {}, extra)
    elif part.get("thought"):
        gathering.thought(as_text(part.get("text")), {"details": details} if details else {})
    elif "text" in part:
        gathering.words(as_text(part.get("text")), details)


def _usage(gathering: Gathering, usage: dict[str, Any]) -> None:
    if not usage:
        return
    thoughts = total(usage.get("thoughtsTokenCount"))
    gathering.usage(
        Counts(
            total(usage.get("promptTokenCount"), usage.get("toolUsePromptTokenCount")),
            total(usage.get("candidatesTokenCount"), thoughts),
            total(usage.get("cachedContentTokenCount")),
            None,
            thoughts,
        )
    )
