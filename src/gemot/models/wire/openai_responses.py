"""OpenAI's responses. Nothing is stored at the provider: each request holds the whole conversation, with reasoning in encrypted form."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from gemot.abi.messages import Image, Message, Reasoning, Text, ToolRequest
from gemot.models.cards import Card
from gemot.models.counting import text as as_text
from gemot.models.wire.formats import Failed, encode, finish_of, items, members, name_of, put_together, total
from gemot.models.wire.gathering import Counts, Gathering
from gemot.models.wire.view import Picture, View, results_of


class OpenAiResponses:
    """Responses."""

    def path(self, model: str) -> str:
        return "/responses"

    def headers(self, key: str | None) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def turn(self, view: View, turn: Message) -> bytes:
        given = _said(view, turn) if turn.role == "model" else _heard(view, turn)
        return b"".join(b"," + encode(item) for item in given)

    def body(
        self, view: View, card: Card, model: str, system: str, pages: Sequence[bytes], rest: Sequence[Message]
    ) -> list[bytes]:
        request = view.request
        head: dict[str, Any] = {
            "model": model,
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }
        more: dict[str, bytes] = {}
        if system:
            head["instructions"] = system
        if request.tokens_out_max:
            head["max_output_tokens"] = max(16, request.tokens_out_max)  # it refuses less
        if request.temperature is not None and card.takes_temperature:
            head["temperature"] = request.temperature
        if view.tools.offers:
            more["tools"] = view.tools.list("openai-responses", _tool)
            if request.choose and card.takes_tool_choice:
                head["tool_choice"] = "none"
        return put_together(head, "input", b"", pages, b"".join(self.turn(view, turn) for turn in rest), more)

    def hear(self, gathering: Gathering, name: str, document: dict[str, Any]) -> None:
        kind = as_text(document.get("type")) or name
        index = document.get("output_index")
        if index is None:
            index = document.get("item_id") or members(document.get("item")).get("id")
        response = members(document.get("response")) or document
        if kind in ("error", "response.failed") or response.get("error") or response.get("status") == "failed":
            _usage(gathering, response)
            raise Failed(response)
        if kind == "response.output_text.delta":
            gathering.marks.add("message")
            gathering.words(as_text(document.get("delta")))
        elif kind == "response.refusal.delta":
            gathering.marks.add("message")
            gathering.refuse(as_text(document.get("delta")))
        elif kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            gathering.marks.add("reasoning")
            gathering.thought(as_text(document.get("delta")))
        elif kind == "response.output_item.added":
            item = members(document.get("item"))
            if item.get("type") == "function_call":
                gathering.call(index, item.get("call_id"), item.get("name"), item.get("arguments") or None)
            elif item.get("type") == "reasoning":
                gathering.marks.add("reasoning begun")
                gathering.thought("", {}, anew=True)
        elif kind == "response.function_call_arguments.delta":
            gathering.call(index, None, None, document.get("delta"))
        elif kind == "response.output_item.done":
            _done(gathering, index, members(document.get("item")))
        elif kind in ("response.completed", "response.incomplete") or document.get("object") == "response":
            if not gathering.any:  # not streamed, or not in pieces
                for item in items(response.get("output")):
                    _whole(gathering, members(item))
            _end(gathering, response)


def _tool(name: str, description: str, schema: dict[str, Any]) -> object:
    # Not strict: the schema goes as the driver wrote it, and the trap checks the arguments anyway.
    return {"type": "function", "name": name, "description": description, "parameters": schema, "strict": False}


def _said(view: View, turn: Message) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = []
    for part in turn.parts:
        own = view.own(part)
        if isinstance(part, Text):
            given.append({"role": "assistant", "content": [{"type": "output_text", "text": part.text}]})
        elif isinstance(part, ToolRequest):
            given.append(
                {
                    "type": "function_call",
                    "call_id": part.id,
                    "name": view.wire(part.name),
                    "arguments": part.arguments or "{}",
                }
            )
        elif isinstance(part, Reasoning) and part.provider == view.provider and (item := members(own.get("item"))):
            given.append(item)
    return given


def _heard(view: View, turn: Message) -> list[dict[str, Any]]:
    results = results_of(turn)
    given: list[dict[str, Any]] = []
    after: list[Picture | str] = []
    for number, result in enumerate(results, 1):
        text, within, outside = view.result(result, f"result {number} of {len(results)}")
        output: Any = [{"type": "input_text", "text": text}, *map(_image, within)] if within else text
        given.append({"type": "function_call_output", "call_id": result.id, "output": output})
        after += outside
    after += [
        part.text if isinstance(part, Text) else view.seen(part)
        for part in turn.parts
        if isinstance(part, Text | Image)
    ]
    if after:
        content = [{"type": "input_text", "text": part} if isinstance(part, str) else _image(part) for part in after]
        given.append({"role": "user", "content": content})
    return given


def _image(picture: Picture) -> dict[str, Any]:
    data = base64.b64encode(picture.data).decode()
    return {"type": "input_image", "image_url": f"data:{picture.media_type};base64,{data}"}


# The reply.


def _done(gathering: Gathering, index: object, item: dict[str, Any]) -> None:
    """A whole item, which has come in pieces before, or not. Ids and indexes of items are not the same in all its events everywhere."""
    kind = as_text(item.get("type"))
    if kind == "function_call":
        gathering.settle_call(index, item.get("call_id"), item.get("name"), item.get("arguments"))
    elif kind not in gathering.marks:
        _whole(gathering, item)
    elif kind == "reasoning":
        _reasoning(gathering, item)
    gathering.marks -= {kind, "reasoning begun"}


def _whole(gathering: Gathering, item: dict[str, Any]) -> None:
    kind = item.get("type")
    if kind == "message":
        for part in map(members, items(item.get("content"))):
            if part.get("type") == "refusal":
                gathering.refuse(as_text(part.get("refusal")))
            else:
                gathering.words(as_text(part.get("text")))
    elif kind == "function_call":
        gathering.call_whole(item.get("call_id"), item.get("name"), item.get("arguments"), {})
    elif kind == "reasoning":
        texts = items(item.get("summary")) or items(item.get("content"))
        anew = "reasoning begun" not in gathering.marks
        gathering.thought("".join(as_text(members(part).get("text")) for part in texts), {}, anew=anew)
        _reasoning(gathering, item)


def _reasoning(gathering: Gathering, item: dict[str, Any]) -> None:
    if item.get("encrypted_content"):
        kept = {key: item[key] for key in ("type", "id", "summary", "encrypted_content") if key in item}
        gathering.thought("", {"item": kept})


def _end(gathering: Gathering, response: dict[str, Any]) -> None:
    gathering.model = name_of(response.get("model")) or gathering.model
    reason = members(response.get("incomplete_details")).get("reason")
    gathering.finish = finish_of(reason) or finish_of(response.get("status")) or "stop"
    gathering.ended = True
    _usage(gathering, response)


def _usage(gathering: Gathering, response: dict[str, Any]) -> None:
    usage = members(response.get("usage"))
    if usage:
        gathering.usage(
            Counts(
                total(usage.get("input_tokens")),
                total(usage.get("output_tokens")),
                total(members(usage.get("input_tokens_details")).get("cached_tokens")),
                None,
                total(members(usage.get("output_tokens_details")).get("reasoning_tokens")),
            )
        )
