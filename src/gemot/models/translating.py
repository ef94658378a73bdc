"""Between gemot's own form and pydantic-ai's, both ways. Imported with the first call to a provider, not before.

What a provider adds to its words (signatures, ids, reasoning) is kept in ``extra`` under that provider's name. It
goes back to that provider alone; every other provider is sent the words and the requests, and no reasoning at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic_ai import messages as wire
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from gemot.abi.messages import Message, Part, Reasoning, Request, Text, ToolRequest, ToolResult
from gemot.models.catalogue import Family
from gemot.models.naming import ToolNames, self_contained
from gemot.models.repairing import Conversation

NEXT = "next"
"""Key in a Reasoning's extra: what belongs to the text after it (our Text has no extra of its own)."""


class Translation:
    """The translation of one request for one provider.

    ``provider`` is the name under which extras are kept, ``system`` the name pydantic-ai knows the provider by.
    """

    def __init__(
        self, request: Request, conversation: Conversation, family: Family, provider: str, system: str
    ) -> None:
        self.request = request
        self.conversation = conversation
        self.family: Family = family
        self.provider = provider
        self.system = system
        self.names = ToolNames(tool.name for tool in request.tools)

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
        parts: list[wire.ModelRequestPart] = []
        for part in turn.parts:
            if isinstance(part, ToolResult):
                # Chat completions have no mark for a failed result, and pydantic-ai would wrap the text in JSON.
                failed = not part.ok and self.family != "openai"
                parts.append(
                    wire.ToolReturnPart(
                        tool_name=self.names.wire(part.name),
                        content=part.text if part.text.strip() else "(no output)",
                        tool_call_id=part.id,
                        outcome="failed" if failed else "success",
                    )
                )
            elif isinstance(part, Text):
                parts.append(wire.UserPromptPart(part.text))
        return wire.ModelRequest(parts=parts)

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
                    parts.append(Text(part.content))
            elif isinstance(part, wire.ThinkingPart):
                own = {"id": part.id, "signature": part.signature, "details": part.provider_details}
                parts.append(Reasoning(part.content, self.provider, self._extra(own)))
            elif isinstance(part, wire.ToolCallPart):
                own_id = part.tool_call_id if part.tool_call_id not in ids else f"{part.tool_call_id}-{len(ids)}"
                ids.add(own_id)
                name = self.names.ours(part.tool_name)
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


def _as_written(arguments: str | dict[str, Any] | None) -> str:
    if isinstance(arguments, str):
        return arguments or "{}"
    return json.dumps(arguments or {}, ensure_ascii=False)
