"""The embedded model: a small language model inside gemot, which chooses where it can't be trusted to write.

It stands behind the same port as any other model. Asked to choose a text, it returns one of them; offered tools, it
returns one request whose arguments were copied from the goal or from results; otherwise it writes a bounded text.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gemot.abi.messages import Image, Message, Reply, Request, Text, ToolOffer, ToolRequest, ToolResult
from gemot.models.embedded.acting import Action, Ending, next_action
from gemot.models.embedded.choosing import Scales, Spent, choose
from gemot.models.embedded.install import weights
from gemot.models.embedded.link import Link
from gemot.models.embedded.results import Step
from gemot.models.port import Heard, ModelFailed
from gemot.models.seeing import UNSEEN, in_words

TOKENS_MAX = 0
"""Of a conversation it looks at the goal and the steps, each in small parts, so that its engine's window of 4,096 tokens is no
bound for a reading; what is shown to it as a whole and does not fit is refused when it is asked."""
TEXT_TOKENS_MAX = 512
"""The longest free text; a small model that goes on longer repeats itself."""
END_CHARS_MAX = 2000
"""The longest result a task ends with."""
MODEL = "SmolLM2-135M-Instruct (Q8_0)"
END = "exit"
FROM_PERSON = "[message from the person]"
"""How a reading marks what the person wrote while the process was at work."""


class EmbeddedModel:
    """SmolLM2-135M-Instruct in a worker process. ``threads`` None: as many as processors are free, at most four.

    ``find_weights`` returns the weights file or raises :class:`ModelFailed`; it is called when the worker starts.
    ``sharing`` False: every prompt is computed whole, also where another began like it; for comparison.
    """

    name = "embedded"
    tokens_max = TOKENS_MAX

    def __init__(
        self, threads: int | None = None, find_weights: Callable[[], Path] = weights, *, sharing: bool = True
    ) -> None:
        count = threads or min(4, os.cpu_count() or 1)
        self._link = Link(find_weights, count, sharing=sharing)
        self._scales = Scales(self._link.ask)

    async def generate(self, request: Request, heard: Heard) -> Reply:
        """One reply, never longer than the request allows. Raises :class:`ModelFailed`."""
        spent = Spent()
        if request.choose:
            return await self._choose(request, spent)
        if request.tools:
            return await self._act(request, spent)
        return await self._write(request.messages, request.tokens_out_max, heard)

    async def count(self, text: str) -> int:
        """How many tokens a text is."""
        return (await self._link.ask("count", text=text))["tokens"]

    async def check(self) -> str:
        """Start it and compute something: why it computes every prompt whole here, ``""`` where prompts that begin alike
        share what was computed. Raises :class:`ModelFailed` where it can't compute at all."""
        await self.count("")
        return self._link.unshared

    async def close(self) -> None:
        await self._link.close()

    async def _choose(self, request: Request, spent: Spent) -> Reply:
        if len(request.choose) == 1:
            return _reply((Text(request.choose[0]),), spent, 0)
        asked = [text for role, text in _turns(request.messages) if role == "user"]
        chosen = await choose(asked[-1] if asked else "", request.choose, self._scales, spent)
        return _reply((Text(chosen),), spent, max(1, len(chosen) // 4))

    async def _act(self, request: Request, spent: Spent) -> Reply:
        goal, steps = _conversation(request.messages)
        offers = [offer for offer in request.tools if "/" in offer.name]
        end = next((offer for offer in request.tools if offer.name == END), None)
        decided: Action | Ending = Ending("")
        if offers and goal:
            decided = await next_action(goal, steps, offers, self._scales, spent)
        if isinstance(decided, Action):
            name, arguments = decided.offer.name, decided.filling.arguments
        else:
            text = decided.text
            if not text and not steps and not decided.failed:
                asked = (Message("user", (Text(goal),)),)  # a brief about tools only confuses so small a model
                written = await self._write(asked, min(request.tokens_out_max, 128), lambda piece: None)
                text = "".join(part.text for part in written.parts if isinstance(part, Text))
                usage = written.usage
                spent.add(usage.tokens_in - usage.tokens_cached, usage.tokens_cached, usage.millis)
            if end is None:
                return _reply((Text(text[:END_CHARS_MAX]),), spent, max(1, len(text) // 4))
            text = text[: min(END_CHARS_MAX, request.tokens_out_max * 2)]
            name, arguments = END, _end_arguments(end, text, decided.failed)
        written_arguments = msgspec.json.encode(arguments).decode()
        number = hashlib.sha256(f"{len(steps)} {name} {written_arguments}".encode()).hexdigest()[:8]
        part = ToolRequest(f"embedded-{len(request.messages)}-{number}", name, written_arguments)
        return _reply((part,), spent, max(1, len(written_arguments) // 4))

    async def _write(self, messages: Sequence[Message], tokens_out_max: int, heard: Heard) -> Reply:
        done = await self._link.ask(
            "complete",
            heard,
            turns=[list(turn) for turn in _turns(messages)],
            lead="",
            tokens_max=max(1, min(tokens_out_max, TEXT_TOKENS_MAX)),
            until=[],
        )
        spent = Spent(done["tokens_in"], done["tokens_cached"], done["millis"])
        return Reply((Text(done["text"]),), spent.usage(done["tokens_out"]), MODEL, done["finish"])


def _turns(messages: Sequence[Message]) -> list[tuple[str, str]]:
    roles = {"system": "system", "user": "user", "model": "assistant", "tool": "user"}
    turns: list[tuple[str, str]] = []
    for message in messages:
        texts: list[str] = []
        for part in message.parts:
            match part:
                case Text():
                    texts.append(part.text)
                case ToolRequest():
                    texts.append(f"{part.name} {part.arguments}")
                case ToolResult():
                    texts.append(f"{part.name}: {part.text[:2000]}")
                    texts += [in_words(image, UNSEEN) for image in part.images]
                case Image():
                    texts.append(in_words(part, UNSEEN))
                case _:
                    pass
        if texts:
            turns.append((roles[message.role], "\n".join(texts)))
    return turns


def _conversation(messages: Sequence[Message]) -> tuple[str, list[Step]]:
    """The goal, which is the first message and what the person wrote since, and the answered requests, in order.

    Other mail and the kernel's reminders are no goals: authority comes from people's words. What an image is about is none,
    either: whoever made it may have said so.
    """
    goals: list[str] = []
    requests: dict[str, ToolRequest] = {}
    steps: list[Step] = []
    for message in messages:
        for part in message.parts:
            match part:
                case Text(text) if message.role == "user" and text.startswith(FROM_PERSON):
                    goals.append(text.removeprefix(FROM_PERSON).strip())
                case Text(text) if message.role == "user" and not goals:
                    goals.append(text.strip())
                case ToolRequest():
                    requests[part.id] = part
                case ToolResult(id, name, text, ok) if "/" in name:
                    steps.append(Step(name, _arguments(requests[id].arguments if id in requests else ""), text, ok))
                case _:
                    pass
    return "\n".join(goals), steps


def _arguments(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _end_arguments(offer: ToolOffer, text: str, failed: bool) -> dict[str, Any]:
    """The arguments that end a task, as far as its schema says what they are."""
    properties: dict[str, Any] = offer.schema.get("properties", {})
    if failed and "failed" in properties:
        return {"failed": text}
    required: list[str] = list(offer.schema.get("required", []))
    name = "value" if "value" in properties or not properties else (required or list(properties))[0]
    return {name: _of_type(properties.get(name, {}), text)}


def _of_type(schema: dict[str, Any], text: str) -> Any:
    if "enum" in schema:
        named = [one for one in schema["enum"] if str(one).lower() in text.lower()]
        return (named or schema["enum"])[0]
    match schema.get("type"):
        case "integer" | "number":
            try:
                number = float(text.replace(",", "").split()[0])
            except (ValueError, IndexError):
                return 0
            return int(number) if schema["type"] == "integer" else number
        case "boolean":
            return text.strip().lower() in ("true", "yes", "ok", "1")
        case "array":
            return [line for line in text.split("\n") if line]
        case "object":
            return {"text": text}
        case _:
            return text


def _reply(parts: tuple[Text | ToolRequest, ...], spent: Spent, tokens_out: int) -> Reply:
    finish = "tools" if isinstance(parts[0], ToolRequest) else "stop"
    return Reply(parts, spent.usage(tokens_out), MODEL, finish)


__all__ = ["EmbeddedModel", "ModelFailed"]
