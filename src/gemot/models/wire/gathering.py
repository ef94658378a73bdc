"""A reply while it arrives: words, reasoning, tool requests and usage, whatever the order and the shape that a server gives them.

Each format's module tells a :class:`Gathering` what a document holds. The rules that all servers share are here, in
:mod:`gemot.models.wire.calls`, :mod:`gemot.models.wire.thinking` and :mod:`gemot.models.wire.counts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from gemot.abi import limits
from gemot.abi.messages import Part, Reasoning, Text, ToolRequest
from gemot.models.counting import text as as_text
from gemot.models.wire.calls import CALLS_MAX, Call, Calls, joined, mended, written
from gemot.models.wire.counts import Counts, Ledger
from gemot.models.wire.thinking import Tags, before_end_tag

__all__ = ["Counts", "Gathering", "members"]

REPLY_SLACK = 1.5
"""A reply is cut when it has this many times the tokens that it was allowed, by an estimate that is itself not exact."""
CUT_CHARS_PER_TOKEN = 8
"""Hardly any text has more characters in a token."""
CHARS_MAX = 16 * 1024 * 1024
"""A reply without a limit is cut at so many characters."""
DOCUMENTS_PER_TOKEN = 4
"""A reply with more documents than this for each token that it was allowed, and DOCUMENTS_BESIDE, is cut: they hold nothing."""
DOCUMENTS_BESIDE = 20_000
"""So many documents may hold no token."""
NAME_CHARS_MAX = 200
"""A server's word for why a reply ended, and its name of a model, are no longer."""


class Gathering:
    """``offered``: whether a name on the wire is one of the offered tools. ``heard``: told each piece of text.

    ``out_max``: the tokens that the reply may have; 0: without a bound.
    """

    def __init__(self, offered: Callable[[str], bool], heard: Callable[[str], None], out_max: int = 0) -> None:
        self._offered, self._heard = offered, heard
        self._parts: list[_Words | _Thought | Call] = []
        self._calls = Calls(offered)
        self._chars = self._documents = 0
        self._chars_max = min(CHARS_MAX, int(out_max * CUT_CHARS_PER_TOKEN * REPLY_SLACK)) if out_max else CHARS_MAX
        self._documents_max = out_max * DOCUMENTS_PER_TOKEN + DOCUMENTS_BESIDE if out_max else CHARS_MAX
        self._ledger = Ledger()
        self._tags = Tags()
        self._half = ""  # of a character whose other half is still to come
        self.finish = ""
        """Why the reply ended, in our words or in the server's."""
        self.blocked = ""
        """Why the question was not answered at all."""
        self.model = ""
        """The model that answered, as the server names it."""
        self.ended = False
        """The server has said that the reply is whole."""
        self.cut = False
        """The reply was cut here because it had clearly passed its limit."""
        self.marks: set[object] = set()
        """What a format remembers of this reply."""
        self._refusal: list[str] = []

    # What a format tells.

    def document(self) -> None:
        """Another document has come."""
        self._documents += 1
        if self._documents > self._documents_max:
            self.cut = self.ended = True

    def words(self, text: str, extra: dict[str, Any] | None = None) -> None:
        """A piece of the text. ``extra``: what the provider wants back with it."""
        if not text and not extra:
            return
        self._count(len(text))
        said, thought = self._tags.feed(text)
        if thought:
            self._thought().pieces.append(thought)
        self._say(said, extra)

    def _say(self, text: str, extra: dict[str, Any] | None = None) -> None:
        last = self._parts[-1] if self._parts else None
        if not isinstance(last, _Words) or extra:
            if not text and not extra:
                return
            last = _Words()
            self._parts.append(last)
        if extra:
            last.extra |= extra
        if text:
            last.pieces.append(text)
            self._hear(text)

    def _hear(self, text: str) -> None:
        """Whoever listens is told whole characters."""
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        if text:
            self._heard(mended(text))

    def refuse(self, text: str) -> None:
        """A piece of a refusal that stands in a field of its own."""
        if text:
            self._count(len(text))
            self._refusal.append(text)

    def thought(self, text: str, extra: dict[str, Any] | None = None, *, anew: bool = False) -> None:
        """A piece of reasoning. ``anew``: it begins a new one."""
        if not text and not extra and not anew:
            return
        self._count(len(text))
        thought = self._thought(anew)
        if text:
            thought.pieces.append(text)
        for key, value in (extra or {}).items():
            if key == "signature" and isinstance(value, str):
                self._count(len(value))
                thought.signature.append(value)
            else:
                thought.extra[key] = value

    def details(self, details: list[Any]) -> None:
        """Pieces of reasoning that the provider wants back as it sent them (OpenRouter). Pieces of one text are put together."""
        kept = self._thought().details
        for detail in map(members, details):
            if not kept or not kept[-1].takes(detail):
                kept.append(_Detail(dict(detail)))
            self._count(kept[-1].add(detail))

    def _thought(self, anew: bool = False) -> _Thought:
        last = self._parts[-1] if self._parts else None
        if anew or not isinstance(last, _Thought):
            last = _Thought()
            self._parts.append(last)
        return last

    def call(
        self, index: object, id_: object, name: object, arguments: object, extra: dict[str, Any] | None = None
    ) -> None:
        """A piece of a request. Each of the four may be missing (None), repeated, or of another type than it should be."""
        self._count(len(as_text(name)) + len(arguments) if isinstance(arguments, str) else 1)
        call = self._calls.hear(index, id_, name, arguments)
        self._add_new(call)
        if extra:
            call.extra |= extra

    def call_whole(self, id_: object, name: object, arguments: object, extra: dict[str, Any]) -> None:
        """A request that comes in one piece."""
        self._add_new(self._calls.whole(id_, name, arguments, extra))

    def settle_call(self, index: object, id_: object, name: object, arguments: object) -> None:
        """A request as it is when it is whole: pieces of it may have come before."""
        self._add_new(self._calls.settle(index, id_, name, arguments))

    def _add_new(self, call: Call | None) -> None:
        if call is not None and call is self._calls.all[-1] and not call.shown:
            call.shown = True
            self._parts.append(call)
            if len(self._calls.all) > CALLS_MAX:
                self.cut = self.ended = True

    def usage(self, counts: Counts) -> None:
        self._ledger.add(counts)

    def _count(self, chars: int) -> None:
        self._chars += chars
        if self._chars > self._chars_max:
            self.cut = self.ended = True

    # What comes of it.

    @property
    def any(self) -> bool:
        """Whether anything of a reply has come."""
        return bool(self._parts or self._chars)

    @property
    def requests(self) -> bool:
        """Whether a request for a tool has come."""
        return bool(self._calls.all)

    @property
    def refuses(self) -> bool:
        """Whether a refusal has come in a field of its own."""
        return bool(self._refusal)

    @property
    def half(self) -> bool:
        """Whether the arguments of a request break off."""
        return self._calls.half

    @property
    def text(self) -> str:
        """The words so far."""
        return joined([piece for part in self._parts if isinstance(part, _Words) for piece in part.pieces])

    def counts(self) -> Counts:
        """The usage of the whole reply, as far as the server told it."""
        return self._ledger.total(self._chars)

    @property
    def out_estimated(self) -> int:
        """The tokens that the reply has by its length."""
        return self._chars // limits.CHARS_PER_TOKEN + 1

    def end(self) -> None:
        """The reply has ended."""
        rest, thought = self._tags.end()
        if thought:
            self._thought().pieces.append(thought)
        self._say(rest)
        if self._half:
            half, self._half = self._half, ""
            self._heard(mended(half))

    def parts(
        self, ours: Callable[[str], str], keep: Callable[[dict[str, Any]], dict[str, Any]], provider: str
    ) -> tuple[Part, ...]:
        """The parts of the reply. ``ours``: our name of a tool; ``keep``: what is kept of an extra."""
        parts: list[Part] = []
        ids: set[str] = set()
        seen: set[tuple[str, str, str]] = set()
        for part in self._parts:
            match part:
                case _Thought():
                    parts += part.reasoning(provider, keep, self._tags.thought)
                case _Words():
                    if part.extra:
                        parts.append(Reasoning("", provider, keep({"next": _plain(part.extra)})))
                    thought, text = "", joined(part.pieces)
                    if text and not parts:
                        thought, text = before_end_tag(text)
                    if thought:
                        parts.append(Reasoning(thought, provider))
                    if text:
                        parts.append(Text(text))
                case Call():
                    same = (part.id, part.name, part.arguments)
                    if part.id and same in seen:
                        continue  # the same request, told twice
                    seen.add(same)
                    id_ = _fresh(mended(part.id), ids)
                    name = ours(mended(part.name))
                    parts.append(ToolRequest(id_, name, same[2] or "{}", keep(_plain(part.extra))))
        refusal = joined(self._refusal)
        if refusal and not any(isinstance(part, Text) and refusal in part.text for part in parts):
            parts.append(Text(refusal))
        return tuple(parts if self.requests else self._written_calls(parts, ours))

    def _written_calls(self, parts: list[Part], ours: Callable[[str], str]) -> Iterable[Part]:
        """Requests that the server left in the text."""
        number = 0
        for part in parts:
            calls = written(part.text, self._offered) if isinstance(part, Text) else None
            if calls is None:
                yield part
                continue
            before, requests = calls
            if before:
                yield Text(before)
            for name, arguments in requests:
                yield ToolRequest(f"written-{number}", ours(name), mended(arguments))
                number += 1


@dataclass(slots=True)
class _Words:
    pieces: list[str] = field(default_factory=list[str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class _Detail:
    """One of OpenRouter's pieces of reasoning."""

    head: dict[str, Any]
    texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def takes(self, detail: dict[str, Any]) -> bool:
        """Whether ``detail`` goes on with this one."""
        return "index" in detail and all(self.head.get(key) == detail.get(key) for key in ("type", "index"))

    def add(self, detail: dict[str, Any]) -> int:
        """Take ``detail`` in; how many characters that is."""
        chars = 0
        for key in ("text", "summary", "data", "signature"):
            piece = detail.get(key)
            if isinstance(piece, str):
                self.texts.setdefault(key, []).append(piece)
                chars += len(piece)
        return chars

    def whole(self) -> dict[str, Any]:
        return self.head | {key: joined(pieces) for key, pieces in self.texts.items()}


@dataclass(slots=True)
class _Thought:
    pieces: list[str] = field(default_factory=list[str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    signature: list[str] = field(default_factory=list[str])
    details: list[_Detail] = field(default_factory=list[_Detail])

    def reasoning(
        self, provider: str, keep: Callable[[dict[str, Any]], dict[str, Any]], tags: bool
    ) -> Iterable[Reasoning]:
        """It, as a part of the reply. ``tags``: it stood in tags, between empty lines."""
        text = joined(self.pieces)
        extra = dict(self.extra)
        if self.signature:
            extra["signature"] = joined(self.signature)
        if self.details:
            extra["reasoning_details"] = [detail.whole() for detail in self.details]
        if text or extra:
            yield Reasoning(text.strip("\n") if tags else text, provider, keep(_plain(extra)))


def _fresh(id_: str, ids: set[str]) -> str:
    """An id that no other request of the reply has."""
    own, number = id_ or "call-0", len(ids)
    while own in ids:
        own, number = f"{id_ or 'call'}-{number}", number + 1
    ids.add(own)
    return own


def _plain(extra: dict[str, Any]) -> dict[str, Any]:
    """An extra without halves of characters."""
    return {key: _mended(value) for key, value in extra.items()}


def _mended(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return mended(value)
    if depth > 64:
        return None
    if isinstance(value, list):
        return [_mended(part, depth + 1) for part in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {mended(str(key)): _mended(part, depth + 1) for key, part in cast("dict[Any, Any]", value).items()}
    return value


def members(value: object) -> dict[str, Any]:
    """An object as it is; of anything else nothing."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
