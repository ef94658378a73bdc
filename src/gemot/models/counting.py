"""What a model reports, in whole numbers and texts: providers, and objects that a person gives for a model, report anything.

A number that is no whole one is rounded up, a text of digits is read, and what is no count at all is estimated by what was said. What is no
text becomes one. So no reply is lost, and none makes a journal that can't be read again.
"""

from __future__ import annotations

import json
import math
from typing import Any, cast

from msgspec.structs import replace

from gemot.abi import limits
from gemot.abi.messages import Part, Reasoning, Reply, Request, Text, ToolRequest, Usage

COUNT_MAX = 10**15
"""No call takes so much: a larger count is a mistake of the provider."""


def whole(count: object) -> int | None:
    """A count as a whole number, rounded up; None where it is none."""
    if isinstance(count, str):
        try:
            count = float(count) if not count.strip().isdecimal() else int(count)
        except ValueError:
            return None
    if isinstance(count, bool) or not isinstance(count, int | float):
        return None
    if isinstance(count, float) and not math.isfinite(count):
        return None
    return math.ceil(count) if 0 <= count <= COUNT_MAX else None


def text(words: object) -> str:
    """A text as it is; of anything else how it is written."""
    if isinstance(words, str):
        return words
    if words is None:
        return ""
    try:
        return json.dumps(words, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return type(words).__name__


def settled(reply: Reply, request: Request) -> Reply:
    """A reply of texts and whole numbers. One that reports no use is booked by what was said: nothing that works is free of tokens. Raises
    :class:`TypeError` for what is no reply."""
    if not isinstance(reply, Reply):  # pyright: ignore[reportUnnecessaryIsInstance]  # the model may be untyped code
        raise TypeError(f"a model gives a Reply, not {type(reply).__name__}")
    reply = replace(reply, parts=tuple(map(_part, reply.parts)), model=text(reply.model), finish=text(reply.finish))
    return replace(reply, usage=_usage(reply, request))


def added(first: Usage, second: Usage) -> Usage:
    """What two attempts used together. The price is unknown where one of the two is."""
    unknown = first.usd_micros is None or second.usd_micros is None
    return Usage(
        tokens_in=first.tokens_in + second.tokens_in,
        tokens_out=first.tokens_out + second.tokens_out,
        tokens_cached=first.tokens_cached + second.tokens_cached,
        usd_micros=None if unknown else (first.usd_micros or 0) + (second.usd_micros or 0),
        estimated=first.estimated or second.estimated,
        tokens_reasoning=first.tokens_reasoning + second.tokens_reasoning,
        tokens_written=first.tokens_written + second.tokens_written,
    )


def _usage(reply: Reply, request: Request) -> Usage:
    usage = reply.usage if isinstance(reply.usage, Usage) else Usage()  # pyright: ignore[reportUnnecessaryIsInstance]
    tokens_in, tokens_out = whole(usage.tokens_in), whole(usage.tokens_out)
    if not tokens_in and not tokens_out:
        tokens_in = tokens_out = None
    estimated = tokens_in is None or tokens_out is None
    said = sum(
        len(part.arguments) if isinstance(part, ToolRequest) else len(getattr(part, "text", "")) for part in reply.parts
    )
    per_token = limits.CHARS_PER_TOKEN
    return Usage(
        request.size_chars // per_token + 1 if tokens_in is None else tokens_in,
        said // per_token + 1 if tokens_out is None else tokens_out,
        whole(usage.tokens_cached) or 0,
        whole(usage.usd_micros),
        whole(usage.millis) or 0,
        usage.estimated is True or estimated,
        whole(usage.tokens_reasoning) or 0,
        whole(usage.tokens_written) or 0,
    )


def _part(part: Part) -> Part:
    match part:
        case Text(words):
            return part if isinstance(words, str) else replace(part, text=text(words))  # pyright: ignore[reportUnnecessaryIsInstance]
        case ToolRequest(name, wanted, arguments):
            return replace(part, id=text(name), name=text(wanted), arguments=text(arguments), extra=_plain(part.extra))
        case Reasoning():
            return replace(part, text=text(part.text), extra=_plain(part.extra))
        case _:
            return part


def _plain(extra: Any) -> dict[str, Any]:
    """What rides along, as JSON keeps it."""
    if not extra:
        return {}
    try:
        kept = json.loads(json.dumps(extra, default=str))
    except (TypeError, ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", kept) if isinstance(kept, dict) else {}
