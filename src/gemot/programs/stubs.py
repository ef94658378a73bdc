"""Stubs: what stands in a reading where pages have left it. What they were, and the numbers that bring them back.

A new stub has a line for each exchange; when stubs take more than their share they are folded into one that counts, so that
however much has left a reading, what tells of it stays small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from gemot.abi.messages import Message, Text, ToolRequest, ToolResult
from gemot.programs.pages import Piece

LINE_CHARS = 120
"""The longest line about an exchange."""

LINE_CHARS_MIN = 48
"""A line shorter than this says nothing; then the stub only counts."""

KINDS_MAX = 6
"""How many kinds of requests a count names."""

NAMES_MAX = 24
"""How many kinds are counted: a model may write any name, and there must be an end to it."""

NAME_CHARS = 40


class Stub(Struct, frozen=True, gc=False, tag="stub", omit_defaults=True):
    """``pages`` of those from ``first`` to ``last`` have left; ``what``: the requests in them, by name, and how many. ``ranges``:
    which they are, where each exchange has a line of at most ``chars``."""

    first: int
    last: int
    pages: int
    what: tuple[tuple[str, int], ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()
    chars: int = 0


def stub_of(ranges: Sequence[tuple[int, int]], log: Piece, room_chars: int) -> Stub:
    """A stub for pages (runs of them); its lines together take about ``room_chars``, or there are none."""
    pages = [log.message(number) for first, last in ranges for number in range(first, last + 1)]
    names = Counter(
        part.name[:NAME_CHARS]
        for page in pages
        if page.role == "model"
        for part in page.parts
        if isinstance(part, ToolRequest)
    )
    chars = min(LINE_CHARS, room_chars // max(1, len(_exchanges(ranges, log))))
    told = chars >= LINE_CHARS_MIN
    return Stub(
        ranges[0][0],
        ranges[-1][1],
        len(pages),
        tuple(names.most_common(NAMES_MAX)),
        tuple(ranges) if told else (),
        chars if told else 0,
    )


def folded(one: Stub, other: Stub) -> Stub:
    """One stub in the place of two, which only counts."""
    names = Counter(dict(one.what)) + Counter(dict(other.what))
    first, last = min(one.first, other.first), max(one.last, other.last)
    return Stub(first, last, one.pages + other.pages, tuple(names.most_common(NAMES_MAX)))


def text_of(stub: Stub, log: Piece) -> str:
    """A stub as a model reads it."""
    if stub.ranges:
        return "\n".join(
            [
                "[paged out; page_in(pages=[...]) brings pages back by their numbers]",
                *lines(stub.ranges, log, stub.chars),
            ]
        )
    named = ", ".join(f"{name} {count}" for name, count in stub.what[:KINDS_MAX])
    more = ", ..." if len(stub.what) > KINDS_MAX else ""
    held = f", with these requests: {named}{more}" if named else ""
    return (
        f"[paged out: {stub.pages} of the pages {stub.first} to {stub.last}{held}. page_in(pages=[...]) brings pages back by "
        "their numbers; page_in() lists them]"
    )


def lines(ranges: Iterable[tuple[int, int]], log: Piece, chars: int = LINE_CHARS) -> list[str]:
    """A line for each exchange (a model's words, and what they led to) or other page in these runs of pages."""
    return [_line(first, last, log, chars) for first, last in _exchanges(ranges, log)]


def _exchanges(ranges: Iterable[tuple[int, int]], log: Piece) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, last in ranges:
        for number in range(first, last + 1):
            if log.message(number).role == "tool" and found and found[-1][1] == number - 1:
                found[-1] = (found[-1][0], number)
            else:
                found.append((number, number))
    return found


def _line(first: int, last: int, log: Piece, chars: int) -> str:
    number = str(first) if first == last else f"{first}-{last}"
    if log.mark(first).derived:
        retold = ", ".join(f"{one} to {other}" for _, one, other in log.mark(first).of)
        return f"{number}: a summary of the pages {retold}"[:chars]
    begun, ended = log.message(first), log.message(last)
    if first == last:
        return f"{number}: {_said(begun, chars - len(number) - 2)}"
    asked = _said(begun, max(chars // 2, 24))
    return f"{number}: {asked} -> {_said(ended, chars - len(number) - len(asked) - 6)}"


def _said(message: Message, chars: int) -> str:
    """The beginning of a page on one line: what it requests, else what it says, in quotes."""
    requests = [part for part in message.parts if isinstance(part, ToolRequest)]
    if requests:
        more = f" and {len(requests) - 1} more" if len(requests) > 1 else ""
        return _clipped(f"{requests[0].name} {_values(requests[0].arguments)}", max(1, chars - len(more))) + more
    said = next((part.text for part in message.parts if isinstance(part, Text | ToolResult) and part.text), "")
    return f'"{_clipped(said, max(1, chars - 2))}"'


def _values(arguments: str) -> str:
    """What a tool is asked about, without the names that its schema gives that."""
    try:
        value: Any = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments
    if not isinstance(value, dict):
        return arguments
    values = cast("dict[str, Any]", value).values()
    return ", ".join(one if isinstance(one, str) else msgspec.json.encode(one).decode() for one in values)


def _clipped(text: str, chars: int) -> str:
    """The beginning of a text without line breaks and whatever else could end a line."""
    plain = " ".join(text[: chars * 4].split())
    kept = "".join(one if one.isprintable() else "?" for one in plain[:chars]).replace('"', "'")
    return kept if len(plain) <= chars and len(text) <= chars * 4 else kept[: max(0, chars - 3)] + "..."


def sizes(stubs: Iterable[Stub], log: Piece) -> int:
    """How long stubs are together."""
    return sum(len(text_of(one, log)) for one in stubs)
