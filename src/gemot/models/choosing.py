"""A choice from a model that writes: the options in the prompt, the reply checked, one repeat, then a failure."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from gemot.abi.messages import Message, Reasoning, Reply, Request, Text, Usage
from gemot.models.counting import added
from gemot.models.port import Heard, ModelFailed

Ask = Callable[[Request, Heard], Awaitable[Reply]]


async def chosen(ask: Ask, request: Request, heard: Heard, who: str) -> Reply:
    """Ask so that the reply's text is exactly one of ``request.choose``; usage is that of all the asking."""
    options = "\n".join(f"- {option}" for option in request.choose)
    instruction = f"Answer with exactly one of these lines, word for word, and with nothing else:\n{options}"
    messages = (*request.messages, Message("user", (Text(instruction),)))
    first = await ask(replace(request, messages=messages), heard)
    choice = matched(_text(first), request.choose)
    if choice is not None:
        return _as_choice(first, choice, first.usage)
    said = _text(first)
    again = (
        *messages,
        Message("model", (Text(said or "(no words)"),)),
        Message("user", (Text(f"That is not one of the lines. {instruction}"),)),
    )
    try:
        second = await ask(replace(request, messages=again), heard)
    except ModelFailed as failure:
        failure.usage = first.usage if failure.usage is None else added(first.usage, failure.usage)
        raise
    choice = matched(_text(second), request.choose)
    if choice is None:
        wrote = _text(second)[:200]
        listed = ", ".join(repr(option) for option in request.choose)
        raise ModelFailed(
            "garbled",
            f"{who} was to answer with one of {listed}, and wrote {wrote!r} instead, twice. "
            "Use fewer or plainer options, or a bigger model (--model).",
            usage=added(first.usage, second.usage),
        )
    return _as_choice(second, choice, added(first.usage, second.usage))


def matched(text: str, options: tuple[str, ...]) -> str | None:
    """The option that ``text`` is, forgiving case, quotes, list marks, a full stop and white space; else None."""
    if text in options:
        return text
    plain = _plain(text)
    found = [option for option in options if _plain(option) == plain]
    return found[0] if len(found) == 1 else None


def _plain(text: str) -> str:
    bare = re.sub(r"^\s*(?:[-*\u2022]\s+)?", "", text)
    return " ".join(bare.strip(" \t\r\n\"'`*.").casefold().split())


def _text(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text)).strip()


def _as_choice(reply: Reply, choice: str, usage: Usage) -> Reply:
    reasoning = tuple(part for part in reply.parts if isinstance(part, Reasoning))
    return replace(reply, parts=(*reasoning, Text(choice)), usage=usage)
