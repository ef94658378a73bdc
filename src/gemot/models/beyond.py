"""Models of providers whose format gemot does not speak itself, through `pydantic-ai`: ``pydantic-ai:groq:llama-3.3-70b-versatile``.

Each call converts the whole conversation, and the first one imports a large library. What a provider adds to its words is kept as
that library tells it, and goes back to the same provider alone.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, cast

from gemot.abi import limits
from gemot.abi.messages import Image, Message, Part, Reasoning, Reply, Request, Text, ToolRequest, Usage
from gemot.models.choosing import chosen
from gemot.models.counting import text as as_text
from gemot.models.counting import whole
from gemot.models.port import Heard, ModelFailed
from gemot.models.redacting import Redactor, secrets_of
from gemot.models.repairing import repaired
from gemot.models.wire.view import Picture, Sight, Tools, View, kept, results_of

IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")
WORDS_MAX = 400
"""So much of a provider's own error message is passed on, in characters."""
_PASSING = frozenset([408, 409, 425, 429])


class BeyondModel:
    """``rest`` is a model's name as `pydantic-ai` knows it, ``name`` as a person types it."""

    tokens_max = 32_768
    remote = True

    def __init__(self, name: str, rest: str) -> None:
        self.name = name
        self._rest = rest
        self._model: Any = None
        self._redactor = Redactor({})

    async def generate(self, request: Request, heard: Heard) -> Reply:
        """The model's reply, in one attempt. Raises :class:`ModelFailed`."""
        if request.choose:
            return await chosen(self._ask, request, heard, self.name)
        return await self._ask(request, heard)

    async def close(self) -> None:
        self._model = None

    async def _ask(self, request: Request, heard: Heard) -> Reply:
        if self._model is None:
            self._model = await asyncio.to_thread(self._opened)
        from pydantic_ai import direct

        view = View(request, Tools.of(request.tools), self.name, Sight(IMAGE_TYPES))
        try:
            async with direct.model_request_stream(
                self._model,
                _messages(view),
                model_settings=cast("Any", _settings(request)),
                model_request_parameters=_parameters(view),
                instrument=False,
            ) as stream:
                async for event in stream:
                    heard(_text_of(event))
                response: Any = stream.get()
        except Exception as error:  # noqa: BLE001 - the edge: whatever the library raises becomes a named failure
            raise self._failure(error) from None
        return self._redactor.anything(_reply(view, response, self.name))

    def _opened(self) -> Any:
        import os

        if find_spec("pydantic_ai") is None:
            raise ModelFailed("missing", f"{self.name} needs a package that is not here: pip install gemot[beyond]")
        from pydantic_ai.models import infer_model

        self._redactor = Redactor(secrets_of(os.environ))
        try:
            return infer_model(self._rest)
        except ImportError as error:
            raise ModelFailed(
                "missing", f"{self.name} needs a package that is not here ({self._words(error)})"
            ) from None
        except Exception as error:  # noqa: BLE001 - the edge: unknown names and missing keys come as many kinds
            raise ModelFailed("missing", f"{self.name} can't be opened: {self._words(error)}") from None

    def _failure(self, error: Exception) -> ModelFailed:
        if isinstance(error, ModelFailed):
            return error
        status, words = getattr(error, "status_code", None), self._words(error)
        if isinstance(status, int) and status not in _PASSING and 400 <= status < 500:
            return ModelFailed("refused", f"{self.name} refused the request with status {status}: {words}")
        kind = "overloaded" if status else "unreachable" if "onnect" in words else "garbled"
        return ModelFailed(kind, f"{self.name}: the call failed: {words}", passing=True)

    def _words(self, error: Exception) -> str:
        text = re.sub(r"\b(?:sk-|AIza)[\w*.-]{6,}", "[key]", self._redactor.text(str(error) or type(error).__name__))
        words = " ".join(text.split())
        return words if len(words) <= WORDS_MAX else words[:WORDS_MAX].rpartition(" ")[0] + "..."


def _text_of(event: Any) -> str:
    """The piece of text that an event brings."""
    if event.event_kind == "part_start" and event.part.part_kind == "text":
        return as_text(event.part.content)
    if event.event_kind == "part_delta" and event.delta.part_delta_kind == "text":
        return as_text(event.delta.content_delta)
    return ""


def _settings(request: Request) -> dict[str, Any]:
    settings: dict[str, Any] = {"max_tokens": request.tokens_out_max}
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    if request.choose or not request.tools:
        settings["tool_choice"] = "none"
    return settings


def _parameters(view: View) -> Any:
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.tools import ToolDefinition

    tools = [
        ToolDefinition(
            name=view.wire(tool.name), description=tool.description, parameters_json_schema=schema, strict=False
        )
        for tool, schema in zip(view.tools.offers, view.tools.schemas, strict=True)
    ]
    return ModelRequestParameters(function_tools=tools, allow_text_output=True)


def _messages(view: View) -> Any:
    from pydantic_ai import messages as wire

    conversation = repaired(view.request.messages)
    sent: list[Any] = [
        wire.ModelResponse(parts=_said(view, turn, wire))
        if turn.role == "model"
        else wire.ModelRequest(parts=_heard(view, turn, wire))
        for turn in conversation.turns
    ]
    if conversation.system:
        sent[0] = wire.ModelRequest(parts=[wire.SystemPromptPart(conversation.system), *sent[0].parts])
    return sent


def _said(view: View, turn: Message, wire: Any) -> list[Any]:
    parts: list[Any] = []
    for part in turn.parts:
        own = view.own(part)
        if isinstance(part, Text):
            parts.append(wire.TextPart(part.text))
        elif isinstance(part, ToolRequest):
            parts.append(wire.ToolCallPart(view.wire(part.name), part.arguments, part.id))
        elif isinstance(part, Reasoning) and part.provider == view.provider and own.get("signature"):
            thought = {key: own.get(key) for key in ("id", "signature", "provider_name")}
            parts.append(wire.ThinkingPart(part.text, **thought))
    return parts


def _heard(view: View, turn: Message, wire: Any) -> list[Any]:
    results = results_of(turn)
    parts: list[Any] = []
    after: list[Picture | str] = []
    for number, result in enumerate(results, 1):
        text, _, outside = view.result(result, f"result {number} of {len(results)}")
        parts.append(wire.ToolReturnPart(view.wire(result.name), text, result.id))
        after += outside
    after += [
        part.text if isinstance(part, Text) else view.seen(part)
        for part in turn.parts
        if isinstance(part, Text | Image)
    ]
    if after:
        parts.append(wire.UserPromptPart(_content(after, wire)))
    return parts


def _content(parts: Sequence[Picture | str], wire: Any) -> Any:
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return [
        part if isinstance(part, str) else wire.BinaryContent(part.data, media_type=part.media_type) for part in parts
    ]


def _reply(view: View, response: Any, name: str) -> Reply:
    parts: list[Part] = []
    ids: set[str] = set()
    for part in response.parts:
        kind = part.part_kind
        if kind == "text" and part.content:
            parts.append(Text(as_text(part.content)))
        elif kind == "thinking":
            own = {key: as_text(getattr(part, key, None)) for key in ("id", "signature", "provider_name")}
            parts.append(Reasoning(as_text(part.content), name, kept(own, name)))
        elif kind == "tool-call":
            given = as_text(part.tool_call_id)
            id_ = given if given and given not in ids else f"{given or 'call'}-{len(ids)}"
            ids.add(id_)
            arguments = (
                part.args
                if isinstance(part.args, str)
                else json.dumps(part.args or {}, ensure_ascii=False, default=str)
            )
            parts.append(ToolRequest(id_, view.tools.names.ours(as_text(part.tool_name)), arguments or "{}"))
    finish = as_text(response.finish_reason) or "stop"
    finish = {"content_filter": "filter"}.get(finish, finish)
    if finish == "stop" and any(isinstance(part, ToolRequest) for part in parts):
        finish = "tool_call"
    return Reply(tuple(parts), _usage(view, response.usage), f"{name.partition(':')[0]}:{response.model_name}", finish)


def _usage(view: View, used: Any) -> Usage:
    tokens_in, tokens_out = whole(getattr(used, "input_tokens", 0)), whole(getattr(used, "output_tokens", 0))
    estimated = not tokens_in and not tokens_out
    return Usage(
        tokens_in or view.request.size_chars // limits.CHARS_PER_TOKEN + 1,
        tokens_out or 0,
        whole(getattr(used, "cache_read_tokens", 0)) or 0,
        None,
        estimated=estimated,
        tokens_written=whole(getattr(used, "cache_write_tokens", 0)) or 0,
    )
