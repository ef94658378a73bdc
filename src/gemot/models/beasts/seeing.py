"""What every beast looks at: a request tells it all there is to know, so that the same log always gets the same misdeed."""

from __future__ import annotations

from typing import Any

from gemot.abi.messages import Image, Message, Request, Text, ToolOffer, ToolRequest, ToolResult
from gemot.abi.syscalls import SYSCALLS
from gemot.models.seeing import UNSEEN, in_words

_PLAIN: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": False, "array": [], "object": {}}


def turn(question: Request) -> int:
    """How many replies came before this one."""
    return sum(message.role == "model" for message in question.messages)


def brief(question: Request) -> str:
    """What the process was told at its start."""
    return next((_text(message.parts) for message in question.messages if message.role == "user"), "")


def news(question: Request) -> list[str]:
    """Every text that came since the last reply: results of tools, mail, words of a person; not its own instructions. Of
    images, what they are said to be."""
    found: list[str] = []
    for message in reversed(question.messages):
        if message.role in ("model", "system"):
            break
        found[:0] = _told(message)
    return found


def _told(message: Message) -> list[str]:
    texts: list[str] = []
    for part in message.parts:
        match part:
            case Text(text):
                texts.append(text)
            case ToolResult(text=text, images=images):
                texts += [text, *(in_words(image, UNSEEN) for image in images)]
            case Image():
                texts.append(in_words(part, UNSEEN))
            case _:
                pass
    return texts


def all_results(question: Request) -> list[ToolResult]:
    """Every result of the whole conversation."""
    return [part for message in question.messages for part in message.parts if isinstance(part, ToolResult)]


def requested(question: Request, name: str) -> int:
    """How often the process has requested ``name`` so far."""
    parts = (part for message in question.messages for part in message.parts)
    return sum(isinstance(part, ToolRequest) and part.name == name for part in parts)


def tools(question: Request) -> list[ToolOffer]:
    """What it is offered besides syscalls."""
    return [offer for offer in question.tools if offer.name not in SYSCALLS]


def plain_arguments(tool: ToolOffer) -> dict[str, Any]:
    """Arguments that fit a tool's schema, as dull as can be."""
    known: dict[str, dict[str, Any]] = tool.schema.get("properties", {})
    return {name: _PLAIN.get(str(known[name].get("type")), "a.txt") for name in tool.schema.get("required", ())}


def _text(parts: tuple[object, ...]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, Text))
