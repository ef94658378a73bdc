"""Between gemot's own form and pydantic-ai's, both ways. Imported with the first call to a provider, not before.

What a provider adds to its words (signatures, ids, reasoning) is kept in ``extra`` under that provider's name. It
goes back to that provider alone; every other provider is sent the words and the requests, and no reasoning at all.

Images go as bytes, each where the provider takes one: in a result, or else in a message of the user's right after the
results, under a line that says whose it is. One that can't be shown is spoken of in words, in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from msgspec import Struct
from pydantic_ai import messages as wire
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from gemot.abi.messages import Image, Message, Part, Reasoning, Request, Text, ToolRequest, ToolResult
from gemot.models.catalogue import Family
from gemot.models.counting import text as as_text
from gemot.models.naming import ToolNames, self_contained
from gemot.models.repairing import Conversation
from gemot.models.seeing import CROWDED, NOT_HERE, NOT_TAKEN, in_words

NEXT = "next"
"""Key in a Reasoning's extra: what belongs to the text after it (our Text has no extra of its own)."""


_MANY_IMAGES = 20
_SIDE_AMONG_MANY = 2_000
"""Anthropic refuses a request with more images than that, if one of them is wider or higher than this many pixels."""


class Sight(Struct, frozen=True):
    """How images are shown. ``types`` are the media types that the provider takes, ``in_results`` those that it takes inside
    a result; ``instead`` is what is said in the place of each image, where none is to be shown."""

    types: tuple[str, ...] = ()
    in_results: tuple[str, ...] = ()
    instead: str = ""


class Translation:
    """The translation of one request for one provider.

    ``provider`` is the name under which extras are kept, ``system`` the name pydantic-ai knows the provider by.
    ``shows_images``: it holds the bytes of at least one.
    """

    def __init__(
        self,
        request: Request,
        conversation: Conversation,
        family: Family,
        provider: str,
        system: str,
        sight: Sight,
    ) -> None:
        self.request = request
        self.conversation = conversation
        self.family: Family = family
        self.provider = provider
        self.system = system
        self.names = ToolNames(tool.name for tool in request.tools)
        self.sight = sight
        images = [image for turn in conversation.turns for image in _images(turn)]
        self._side_max: int | None = None  # in pixels, of every image
        if family == "anthropic" and sum(not self._hidden(image) for image in images) > _MANY_IMAGES:
            self._side_max = _SIDE_AMONG_MANY
        self.shows_images = any(not self._hidden(image) for image in images)

    def messages(self) -> list[wire.ModelMessage]:
        sent: list[wire.ModelMessage] = []
        for turn in self.conversation.turns:
            sent.append(self._said(turn) if turn.role == "model" else self._heard(turn))
        if self.conversation.system:
            first = cast(wire.ModelRequest, sent[0])
            sent[0] = wire.ModelRequest(parts=[wire.SystemPromptPart(self.conversation.system), *first.parts])
        return sent

    def parameters(self) -> ModelRequestParameters:
        tools = [self._tool(tool.name, tool.description, self_contained(tool.schema)) for tool in self.request.tools]
        if not tools and self.family == "anthropic":
            # Anthropic takes requests in the past only from somebody who still offers tools; `none` forbids their use.
            named = dict.fromkeys(part.name for turn in self.conversation.turns for part in _requests(turn))
            tools = [self._tool(name, "No longer offered.", self_contained({})) for name in named]
        return ModelRequestParameters(function_tools=tools, allow_text_output=True)

    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"max_tokens": self.request.tokens_out_max, "max_retries": 0}
        if self.request.temperature is not None:
            settings["temperature"] = self.request.temperature
        if self.request.choose or not self.request.tools:
            settings["tool_choice"] = "none"
        if self.family == "anthropic":
            # The other families cache by themselves; here the stable beginning and the last turn are marked.
            settings |= {"anthropic_cache_instructions": True, "anthropic_cache_messages": True}
        return settings

    def _tool(self, name: str, description: str, schema: dict[str, Any]) -> ToolDefinition:
        # strict=False: the schema goes as the driver wrote it, and the trap checks the arguments anyway.
        return ToolDefinition(
            name=self.names.wire(name), description=description, parameters_json_schema=schema, strict=False
        )

    def _heard(self, turn: Message) -> wire.ModelRequest:
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        parts: list[wire.ModelRequestPart] = []
        after: list[wire.UserContent] = []  # the images that can't stand in their results, when all results are said
        for number, result in enumerate(results, 1):
            within, outside = self._shown(result, f"result {number} of {len(results)}")
            # Chat completions have no mark for a failed result, and pydantic-ai would wrap the text in JSON.
            failed = not result.ok and self.family != "openai"
            parts.append(
                wire.ToolReturnPart(
                    tool_name=self.names.wire(result.name),
                    content=within[0] if len(within) == 1 else within,
                    tool_call_id=result.id,
                    outcome="failed" if failed else "success",
                )
            )
            after += outside
        if after:
            parts.append(wire.UserPromptPart(after))
        said = [
            part.text if isinstance(part, Text) else self._seen(part)
            for part in turn.parts
            if isinstance(part, Text | Image)
        ]
        if all(isinstance(one, str) for one in said):
            parts += [wire.UserPromptPart(one) for one in said if isinstance(one, str)]
        else:
            parts.append(wire.UserPromptPart(said))
        return wire.ModelRequest(parts=parts)

    def _shown(
        self, result: ToolResult, which: str
    ) -> tuple[list[str | wire.BinaryContent], list[str | wire.BinaryContent]]:
        """A result's words and images, the words first; and the images that must stand outside of it, each under its name."""
        lines = [result.text] if result.text.strip() else []
        within: list[str | wire.BinaryContent] = []
        outside: list[str | wire.BinaryContent] = []
        for number, image in enumerate(result.images, 1):
            seen = self._seen(image)
            if isinstance(seen, str):
                lines.append(seen)
            elif result.ok and image.media_type in self.sight.in_results:
                within.append(seen)  # one that failed may hold words only (Anthropic)
            else:
                whose = f"{which}, of {self.names.wire(result.name)} ({result.id})"
                called = f": {image.about}" if image.about else ":"
                outside += [f"[image {number} of {len(result.images)} from {whose}{called}]", seen]
        if outside:
            lines.append("[its images follow after the results]")
        text = "\n".join(lines) or ("(no words)" if within else "(no output)")
        return [text, *within], outside

    def _seen(self, image: Image) -> wire.BinaryContent | str:
        why = self._hidden(image)
        if why:
            return in_words(image, why)
        return wire.BinaryContent(self.request.images[image.digest], media_type=image.media_type)

    def _hidden(self, image: Image) -> str:
        """Why an image is not shown; empty where it is."""
        if image.digest not in self.request.images:
            return NOT_HERE
        if image.media_type not in self.sight.types:
            return NOT_TAKEN
        if self._side_max is not None and max(image.width, image.height) > self._side_max:
            return CROWDED
        return self.sight.instead

    def _said(self, turn: Message) -> wire.ModelResponse:
        parts: list[wire.ModelResponsePart] = []
        for_next: dict[str, Any] | None = None
        for part in turn.parts:
            extra = self._own_extra(part)
            if isinstance(part, Reasoning):
                for_next = extra.get(NEXT) or for_next
                if self._takes_back(part, extra):
                    parts.append(self._thought(part, extra))
                continue
            if isinstance(part, Text):
                parts.append(
                    wire.TextPart(part.text, provider_name=self.system if for_next else None, provider_details=for_next)
                )
            elif isinstance(part, ToolRequest):
                details = extra.get("details")
                parts.append(
                    wire.ToolCallPart(
                        tool_name=self.names.wire(part.name),
                        args=part.arguments,
                        tool_call_id=part.id,
                        provider_name=self.system if details else None,
                        provider_details=details,
                    )
                )
            for_next = None
        return wire.ModelResponse(parts=parts, provider_name=self.system)

    def _own_extra(self, part: Part) -> dict[str, Any]:
        if not isinstance(part, Reasoning | ToolRequest):
            return {}
        own = part.extra.get(self.provider)
        return cast(dict[str, Any], own) if isinstance(own, dict) else {}

    def _takes_back(self, part: Reasoning, extra: Mapping[str, Any]) -> bool:
        """Whether the provider reads this thought in its own form; otherwise it would be sent as visible text."""
        if part.provider != self.provider:
            return False
        if self.family == "openai":
            # Some compatible servers want the field they sent; OpenAI itself never sends one, and refuses it.
            return self.provider != "openai" and extra.get("id") not in (None, "content")
        details = cast(dict[str, Any], extra.get("details") or {})
        return bool(extra.get("signature") or details.get("thought_signature"))

    def _thought(self, part: Reasoning, extra: Mapping[str, Any]) -> wire.ThinkingPart:
        return wire.ThinkingPart(
            part.text,
            id=extra.get("id"),
            signature=extra.get("signature"),
            provider_name=self.system,
            provider_details=extra.get("details"),
        )

    def parts(self, response: wire.ModelResponse) -> tuple[Part, ...]:
        """What a provider answered, in our form. Ids are made unique; arguments stay exactly as written."""
        parts: list[Part] = []
        ids: set[str] = set()
        for part in response.parts:
            if isinstance(part, wire.TextPart):
                if part.provider_details and part.provider_details.get("thought_signature"):
                    parts.append(Reasoning("", self.provider, self._extra({NEXT: part.provider_details})))
                if part.content:
                    parts.append(Text(as_text(part.content)))
            elif isinstance(part, wire.ThinkingPart):
                own = {"id": part.id, "signature": part.signature, "details": part.provider_details}
                parts.append(Reasoning(as_text(part.content), self.provider, self._extra(own)))
            elif isinstance(part, wire.ToolCallPart):
                given = as_text(part.tool_call_id)
                own_id = given if given not in ids else f"{given}-{len(ids)}"
                ids.add(own_id)
                name = self.names.ours(as_text(part.tool_name))
                extra = self._extra({"details": part.provider_details})
                parts.append(
                    ToolRequest(own_id, name, _as_written(cast(str | dict[str, Any] | None, part.args)), extra)
                )
        refusal = (response.provider_details or {}).get("refusal")
        if isinstance(refusal, str) and not any(isinstance(part, Text) for part in parts):
            parts.append(Text(refusal))
        return tuple(parts)

    def _extra(self, own: Mapping[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in own.items() if value}
        if not kept:
            return {}
        # Through JSON: what rides along must survive a journal.
        return {self.provider: json.loads(json.dumps(kept, default=str))}


def _requests(turn: Message) -> list[ToolRequest]:
    return [part for part in turn.parts if isinstance(part, ToolRequest)]


def _images(turn: Message) -> list[Image]:
    images: list[Image] = []
    for part in turn.parts:
        if isinstance(part, Image):
            images.append(part)
        elif isinstance(part, ToolResult):
            images += part.images
    return images


def _as_written(arguments: str | dict[str, Any] | None) -> str:
    if isinstance(arguments, str):
        return arguments or "{}"
    return json.dumps(arguments or {}, ensure_ascii=False)
