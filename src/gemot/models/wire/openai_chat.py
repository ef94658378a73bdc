"""OpenAI's chat completions, and the servers that speak it: Ollama, vLLM, llama.cpp, NIM, OpenRouter, DeepSeek, Mistral and others."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from hashlib import blake2s
from typing import Any

from gemot.abi.messages import Image, Message, Reasoning, Text, ToolRequest
from gemot.models.cards import Card
from gemot.models.counting import text as as_text
from gemot.models.counting import whole
from gemot.models.wire.formats import (
    Failed,
    encode,
    finish_of,
    items,
    members,
    name_of,
    put_together,
    total,
    words,
)
from gemot.models.wire.gathering import Counts, Gathering
from gemot.models.wire.view import Picture, View, results_of

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""The fields in which servers send reasoning."""


class OpenAiChat:
    """Chat completions."""

    def path(self, model: str) -> str:
        return "/chat/completions"

    def headers(self, key: str | None) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def turn(self, view: View, turn: Message) -> bytes:
        messages = [_said(view, turn)] if turn.role == "model" else _heard(view, turn)
        return b"".join(b"," + encode(message) for message in messages)

    def body(
        self, view: View, card: Card, model: str, system: str, pages: Sequence[bytes], rest: Sequence[Message]
    ) -> list[bytes]:
        request = view.request
        head: dict[str, Any] = {"model": model, "stream": True}
        more: dict[str, bytes] = {}
        if card.stream_usage:
            head["stream_options"] = {"include_usage": True}
        if request.tokens_out_max:
            head[card.reply_limit_name] = request.tokens_out_max
        if request.temperature is not None and card.takes_temperature:
            head["temperature"] = request.temperature
        if view.tools.offers:
            more["tools"] = view.tools.list("openai-chat", _tool)
            if request.choose and card.takes_tool_choice:
                head["tool_choice"] = "none"
        first = encode({"role": card.system_role, "content": system}) if system else b""
        return put_together(head, "messages", first, pages, b"".join(self.turn(view, turn) for turn in rest), more)

    def hear(self, gathering: Gathering, name: str, document: dict[str, Any]) -> None:
        gathering.model = name_of(document.get("model")) or gathering.model
        choice = _choice(gathering, items(document.get("choices")))
        _usage(gathering, document, choice)
        if document.get("error") or _is_error(document):
            raise Failed(document)
        if choice.get("error") or choice.get("finish_reason") == "error":
            raise Failed(choice if choice.get("error") else document)
        delta = members(choice.get("delta"))
        if delta:
            _delta(gathering, delta)
        elif message := members(choice.get("message")):
            _message(gathering, message)
            gathering.ended = gathering.ended or document.get("object") != "chat.completion.chunk"
        if isinstance(plain := choice.get("text"), str):
            gathering.words(plain)
        gathering.finish = finish_of(choice.get("finish_reason")) or gathering.finish


def _choice(gathering: Gathering, choices: list[Any]) -> dict[str, Any]:
    """The choice that counts: the first one. Others were not asked for, and their words would mix."""
    for choice in map(members, choices):
        if not whole(choice.get("index")):
            gathering.marks.add("choice 0")
            return choice
    return {} if "choice 0" in gathering.marks or not choices else members(choices[0])


def _is_error(document: dict[str, Any]) -> bool:
    """Whether it is an error without a field of that name."""
    said = document.get("message") or document.get("detail")
    return bool(said) and not document.keys() & {"id", "choices", "object", "usage"}


def _tool(name: str, description: str, schema: dict[str, Any]) -> object:
    # Without strict mode: the schema goes as the driver wrote it, and the trap checks the arguments anyway.
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


def _said(view: View, turn: Message) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    texts = [part.text for part in turn.parts if isinstance(part, Text)]
    message["content"] = "\n\n".join(texts) if texts else None
    calls = [
        {
            "id": _id(view, part.id),
            "type": "function",
            "function": {"name": view.wire(part.name), "arguments": part.arguments or "{}"},
        }
        for part in turn.parts
        if isinstance(part, ToolRequest)
    ]
    if calls:
        message["tool_calls"] = calls
    for part in turn.parts:
        own = view.own(part)
        if not isinstance(part, Reasoning) or not own or part.provider != view.provider:
            continue
        if details := own.get("reasoning_details"):
            message["reasoning_details"] = details
        elif field := _back(view.reasoning_field, own.get("field") or own.get("id")):
            message[field] = message.get(field, "") + part.text
    return message


def _back(named: str | None, came_in: object) -> str | None:
    """The field in which reasoning goes back; None where it does not. ``came_in`` is the field that it came in."""
    if named == "received":
        return came_in if isinstance(came_in, str) and came_in in _THOUGHTS else None
    return named if came_in not in (None, "content") else None


def _heard(view: View, turn: Message) -> list[dict[str, Any]]:
    results = results_of(turn)
    messages: list[dict[str, Any]] = []
    after: list[Picture | str] = []  # the images that can't stand in their results, when all results are said
    for number, result in enumerate(results, 1):
        text, _, outside = view.result(result, f"result {number} of {len(results)}")
        messages.append({"role": "tool", "tool_call_id": _id(view, result.id), "content": text})
        after += outside
    if after:
        messages.append({"role": "user", "content": _content(after)})
    said: list[Picture | str] = [
        part.text if isinstance(part, Text) else view.seen(part)
        for part in turn.parts
        if isinstance(part, Text | Image)
    ]
    if said:
        messages.append({"role": "user", "content": _content(said)})
    return messages


def _content(parts: Sequence[Picture | str]) -> str | list[dict[str, Any]]:
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return [{"type": "text", "text": part} if isinstance(part, str) else _image(part) for part in parts]


def _image(picture: Picture) -> dict[str, Any]:
    data = base64.b64encode(picture.data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{picture.media_type};base64,{data}"}}


def _id(view: View, id_: str) -> str:
    """An id as the server takes one: Mistral's are nine letters and digits."""
    if view.tool_ids != "alnum9" or (len(id_) == 9 and id_.isalnum() and id_.isascii()):
        return id_
    return blake2s(id_.encode(), digest_size=5).hexdigest()[:9]


def _delta(gathering: Gathering, delta: dict[str, Any]) -> None:
    for field in _THOUGHTS:
        if thought := words(delta.get(field)):
            gathering.thought(thought, {"field": field})
            break
    if details := items(delta.get("reasoning_details")):
        gathering.details(details)
    content = delta.get("content")
    if parts := items(content):
        for part in parts:
            part = members(part)
            if part.get("type") == "thinking":
                gathering.thought(words(part.get("thinking")), {"field": "content"})
            else:
                gathering.words(words(part.get("text")))
    elif content:
        gathering.words(as_text(content))
    gathering.refuse(words(delta.get("refusal")))
    calls = _calls(delta)
    for call, function in calls:
        gathering.call(call.get("index"), call.get("id"), function.get("name"), function.get("arguments"))
    _old_call(gathering, delta, bool(calls))


def _message(gathering: Gathering, message: dict[str, Any]) -> None:
    """A message that is not streamed; after a stream some servers send all of it again."""
    if gathering.any and as_text(message.get("content")) == gathering.text:
        return
    calls = _calls(message)
    _delta(gathering, {key: value for key, value in message.items() if key not in ("tool_calls", "function_call")})
    for call, function in calls:
        gathering.call_whole(call.get("id"), function.get("name"), function.get("arguments"), {})
    _old_call(gathering, message, bool(calls))


def _calls(message: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The requests in a message, each with what it says of the function. A single one may stand without a list."""
    calls = items(message.get("tool_calls")) or [message.get("tool_calls")]
    known = [members(call) for call in calls]
    return [(call, members(call.get("function")) or call) for call in known if call]


def _old_call(gathering: Gathering, message: dict[str, Any], calls: bool) -> None:
    """A request in the form that came before ``tool_calls``. Some servers send both."""
    if calls:
        gathering.marks.add("tool_calls")
    old = members(message.get("function_call"))
    if old and "tool_calls" not in gathering.marks:
        gathering.call("function_call", None, old.get("name"), old.get("arguments"))


def _usage(gathering: Gathering, document: dict[str, Any], choice: dict[str, Any]) -> None:
    groq, moonshot = members(document.get("x_groq")), choice
    usage = members(document.get("usage")) or members(groq.get("usage")) or members(moonshot.get("usage"))
    if not usage:
        return
    known = members(usage.get("prompt_tokens_details"))
    cached = total(known.get("cached_tokens"))
    if cached is None:
        cached = total(usage.get("prompt_cache_hit_tokens"))  # DeepSeek
    if cached is None:
        cached = total(usage.get("cached_tokens"))  # Moonshot
    asked, said, both = (total(usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    reasoning = total(members(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    if both is not None and asked is not None:
        if said is None:
            said = max(0, both - asked)
        elif reasoning and both == asked + said + reasoning:
            said += reasoning  # xAI counts it beside the reply
    gathering.usage(Counts(asked, said, cached, total(known.get("cache_write_tokens")), reasoning))
