"""Unsaying: what a conversation repeated of words that were taken back is blanked, too.

The words themselves are blanked where they stand (:meth:`gemot.programs.conversation.Conversation.take_back`). Then the
pages after them are gone through in their order. What the model wrote is searched for repeats. Whatever others said since is no
repeat and stays; if it says the same, the model may have had it from there. Results are others' words, too, until the
model has handed such words to a tool: from then on a result may be their echo.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from gemot.abi.messages import Message, Part, Reasoning, Text, ToolRequest, ToolResult
from gemot.programs.pages import SAID, Mark, Piece
from gemot.programs.repeated import AFTER, MARK, Repeats

KERNELS = frozenset({"receipt", "changed"})
"""What an outcome holds that the kernel says, though it is told with a process's words."""

_LEADS = ("[message from ", "[memory ", "[handle ", "[the first ")
"""How lines begin that tell of words and are none."""


def said_in(part: Part, pid: int | None) -> list[str]:
    """The texts in a part that a process said; without a ``pid`` all of them."""
    match part:
        case Text(text):
            return [_unquoted(text)]
        case ToolResult(text=text):
            return _said_in_result(text, pid)
        case ToolRequest(arguments=arguments):
            return list(_leaves(_decoded(arguments, arguments)))
        case Reasoning(text):
            return [text]
        case _:
            return []


def _said_in_result(text: str, pid: int | None) -> list[str]:
    value = _decoded(text, None)
    if value is None or isinstance(value, int | float):
        return [_unquoted(text)]
    if pid is None:
        return list(_leaves(value))
    return list(_of(value, pid)) or list(_leaves(value))


def _decoded(text: str, instead: Any) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return instead


def _of(value: Any, pid: int) -> Iterator[str]:
    """What a process said in an answer that tells of several."""
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _of(one, pid)
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        mine = {key for name, said in SAID.items() if members.get(name) == pid for key in said} - KERNELS
        for key, one in members.items():
            yield from _leaves(one) if key in mine else _of(one, pid)


def _leaves(value: Any, inner: bool = False) -> Iterator[str]:
    """The texts and numbers in a value. Of one with parts (``inner``) short numbers say nothing by themselves."""
    match value:
        case str():
            yield value
        case bool() | None:
            return
        case int() | float():
            text = msgspec.json.encode(value).decode()
            if not inner or len(text) > 2:
                yield text
        case list():
            for one in cast("list[Any]", value):
                yield from _leaves(one, True)
        case dict():
            for key, one in cast("dict[str, Any]", value).items():
                if not key.isidentifier() or not key.islower():  # a name of a field says nothing
                    yield key
                yield from _leaves(one, True)
        case _:
            return


def _unquoted(text: str) -> str:
    lines = (line.removeprefix("> ") for line in text.split("\n") if not line.startswith(_LEADS))
    return "\n".join(lines)


@dataclass(slots=True)
class Unsaid:
    """What was blanked: ``pages``, as (page, part, the text before); ``requests``: the ids of those that repeated it."""

    pages: list[tuple[int, int, Part]] = field(default_factory=list[tuple[int, int, Part]])
    """Parts of pages, each as it was."""
    requests: set[str] = field(default_factory=set[str])
    """Requests of the model that handed such words on."""


def unsay(log: Piece, repeats: Repeats, gone: Collection[tuple[int, int]], why: str, brief: int = 0) -> Unsaid:
    """Blank repeats in the pages of ``log`` after the first of those that had the words, which stood at the places ``gone`` (page,
    part) and are blank with the words ``why``. Pages before that are what was known besides. ``brief``: the page of a brief that was written with them (0: none was)."""
    unsaid = Unsaid()
    first = min((number for number, _ in gone), default=len(log))
    first = min(first, brief - 1) if brief else first
    for number, message in enumerate(log.messages(), 1):
        mark = log.mark(number)
        changed = False
        repeats.come_to(number)
        for part, words in enumerate(message.parts):
            if (number, part) in gone:
                continue
            if number > first and (number == brief or _is_own(message, part, mark, bool(unsaid.requests))):
                # another fork has just blanked it, or an earlier retraction with the same reason has: more may be left
                before = log.was(number, part, why) or words
                other = _blanked(words, repeats)
                for text in said_in(other, None):
                    repeats.learn(text, own=True)
                if before is not other:
                    changed = True
                    unsaid.pages.append((number, part, before))
                    if other is not words:
                        log.put(number, part, other, why)
                    if isinstance(words, ToolRequest):
                        unsaid.requests.add(words.id)
            else:
                for text in said_in(words, None):
                    repeats.learn(text)
        for part, words in enumerate(log.message(number).parts) if changed else ():
            if isinstance(words, Reasoning) and words.extra:  # what a provider keeps in it can't be looked at
                log.put(number, part, Reasoning(words.text), why)
    repeats.come_to(len(log) + 1)
    return unsaid


def _is_own(message: Message, part: int, mark: Mark, handed: bool) -> bool:
    """Whether a part is the model's own words, tells them again, or may be their echo, once it ``handed`` them to a tool."""
    if message.role == "model":
        return True
    if any(place == part for place, _, _ in mark.sources) and not _shows_notes(message.parts[part]):
        return False
    return any(place == part for place, _, _ in mark.of) or (handed and message.role == "tool")


def _shows_notes(part: Part) -> bool:
    """Whether a part is the answer to `status`: there the process's own note stands among others'."""
    return isinstance(part, ToolResult) and part.name == "status"


def _blanked(part: Part, repeats: Repeats) -> Part:
    """A part with marks in the place of repeats; itself where there are none."""
    match part:
        case Text(text):
            left = repeats.blanked(text)
            return part if left == text else Text(left.removesuffix(AFTER) + AFTER)
        case Reasoning(text):
            left = repeats.blanked(text)
            return part if left == text else Reasoning(left)
        case ToolResult(id, name, text, ok, images):
            left = repeats.blanked(text)
            return part if left == text else ToolResult(id, name, left.removesuffix(AFTER) + AFTER, ok, images)
        case ToolRequest(id, name, arguments):
            return _blanked_request(part, id, name, arguments, repeats)
        case _:
            return part


def _blanked_request(part: ToolRequest, id: str, name: str, arguments: str, repeats: Repeats) -> Part:
    value = _decoded(arguments, None)
    if value is None:
        return (
            ToolRequest(id, name, msgspec.json.encode({"blank": MARK}).decode()) if repeats.spans(arguments) else part
        )
    left = repeats.blanked_json(value)
    return part if left == value else ToolRequest(id, name, msgspec.json.encode(left).decode())


def blanked_results(results: Iterable[ToolResult], mark: Mark, repeats: Repeats) -> tuple[ToolResult, ...]:
    """Results that are not on a page yet and may be an echo."""
    theirs = {place for place, _, _ in mark.sources}
    return tuple(
        one if at in theirs and not _shows_notes(one) else cast("ToolResult", _blanked(one, repeats))
        for at, one in enumerate(results)
    )


def repeats_in(request: ToolRequest, repeats: Repeats) -> bool:
    return _blanked(request, repeats) is not request
