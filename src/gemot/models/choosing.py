"""A choice from a model that writes: the options in the prompt, the reply checked, one repeat, then a failure."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from gemot.abi.messages import Message, Reasoning, Reply, Request, Text, Usage
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
    second = await ask(replace(request, messages=again), heard)
    choice = matched(_text(second), request.choose)
    if choice is None:
        wrote = _text(second)[:200]
        listed = ", ".join(repr(option) for option in request.choose)
        raise ModelFailed(
            "garbled",
            f"{who} was to answer with one of {listed}, and wrote {wrote!r} instead, twice. "
            "Use fewer or plainer options, or a bigger model (--model).",
        )
    return _as_choice(second, choice, added(first.usage, second.usage))


def matched(text: str, options: tuple[str, ...]) -> str | None:
    """The option that ``text`` is, forgiving case, quotes, list marks, a full stop and white space; else None."""
    if text in options:
        return text
    plain = _plain(text)
    found = [option for option in options if _plain(option) == plain]
    return found[0] if len(found) == 1 else None


def added(one: Usage, other: Usage) -> Usage:
    unknown = one.usd_micros is None or other.usd_micros is None
    return Usage(
        tokens_in=one.tokens_in + other.tokens_in,
        tokens_out=one.tokens_out + other.tokens_out,
        tokens_cached=one.tokens_cached + other.tokens_cached,
        usd_micros=None if unknown else (one.usd_micros or 0) + (other.usd_micros or 0),
        estimated=one.estimated or other.estimated,
        tokens_reasoning=one.tokens_reasoning + other.tokens_reasoning,
        tokens_written=one.tokens_written + other.tokens_written,
    )


def _plain(text: str) -> str:
    bare = re.sub(r"^\s*(?:[-*\u2022]\s+)?", "", text)
    return " ".join(bare.strip(" \t\r\n\"'`*.").casefold().split())


def _text(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text)).strip()


def _as_choice(reply: Reply, choice: str, usage: Usage) -> Reply:
    reasoning = tuple(part for part in reply.parts if isinstance(part, Reasoning))
    return replace(reply, parts=(*reasoning, Text(choice)), usage=usage)
