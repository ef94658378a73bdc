"""A reply while it arrives: words, reasoning, tool requests and usage, whatever the order and the shape that a server gives them.

Each format's module tells a :class:`Gathering` what a document holds; the rules that all servers share are here:

- A tool request is known by its index, its id, or its place; servers repeat, omit and number these as they like.
- Reasoning may stand in tags at the beginning of the text.
- Of several counts of usage the last ones count; what is told piece by piece is summed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.messages import Part, Reasoning, Text, ToolRequest
from gemot.models.counting import text as as_text
from gemot.models.counting import whole

REPLY_SLACK = 1.5
"""A reply is cut when it has this many times the tokens that it was allowed, by an estimate that is itself not exact."""
CUT_CHARS_PER_TOKEN = 8
"""Hardly any text has more characters in a token."""
CALLS_MAX = 4_096
"""A reply with more requests than this is cut."""

_TAG = re.compile(r"<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_TAGS = ("<think>", "<thinking>", "<thought>", "<reasoning>")
_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_WRITTEN_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)


@dataclass(slots=True)
class Call:
    """One request for a tool, as far as it has arrived."""

    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list[str])
    """The arguments, as they were written."""
    given: Any = None
    """The arguments, where the server gave them as a value instead of a text."""
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the provider wants back with this request."""

    @property
    def arguments(self) -> str:
        if self.given is not None:
            return (
                self.given if isinstance(self.given, str) else json.dumps(self.given, ensure_ascii=False, default=str)
            )
        return _once_decoded("".join(self.pieces))

    @property
    def complete(self) -> bool:
        """Whether its arguments are a whole JSON value."""
        if self.given is not None:
            return True
        if not self.pieces or self.pieces[-1].rstrip()[-1:] not in ("}", '"', ""):
            return False  # most pieces are in the middle: the whole text is not parsed for each
        text = "".join(self.pieces).strip()
        return bool(text) and _is_json(text)


@dataclass(slots=True)
class Counts:
    """Usage as the server tells it; None: it said nothing of this."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    cached: int | None = None
    written: int | None = None
    reasoning: int | None = None

    @property
    def any(self) -> bool:
        return bool(self.tokens_in or self.tokens_out)


class Gathering:
    """``offered``: whether a name on the wire is one of the offered tools. ``heard``: told each piece of text.

    ``out_max``: the tokens that the reply may have; 0: without a bound.
    """

    def __init__(self, offered: Callable[[str], bool], heard: Callable[[str], None], out_max: int = 0) -> None:
        self._offered, self._heard = offered, heard
        self._parts: list[_Words | _Thought | Call] = []
        self._by_index: dict[int, Call] = {}
        self._calls: list[Call] = []
        self._last: Call | None = None
        self._chars = 0
        self._chars_max = int(out_max * CUT_CHARS_PER_TOKEN * REPLY_SLACK) if out_max else 0
        self._counts: list[Counts] = []
        self._tags = _Tags()
        self.finish = ""
        """Why the reply ended, in the server's words."""
        self.refusal = ""
        """The words of a refusal that stand in a field of their own."""
        self.model = ""
        """The model that answered, as the server names it."""
        self.ended = False
        """The server has said that the reply is whole."""
        self.cut = False
        """The reply was cut here because it had clearly passed its limit."""

    # What a format tells.

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
            self._heard(text)

    def thought(self, text: str, extra: dict[str, Any] | None = None, *, anew: bool = False) -> None:
        """A piece of reasoning. ``anew``: it begins a new one."""
        if not text and not extra and not anew:
            return
        self._count(len(text))
        thought = self._thought(anew)
        if text:
            thought.pieces.append(text)
        for key, value in (extra or {}).items():
            before = thought.extra.get(key)
            pieces = key == "signature" and isinstance(before, str) and isinstance(value, str)
            thought.extra[key] = f"{before}{value}" if pieces else value

    def details(self, details: list[Any]) -> None:
        """Pieces of reasoning that the provider wants back as it sent them (OpenRouter). Pieces of one text are put together."""
        kept_details: list[Any] = self._thought().extra.setdefault("reasoning_details", [])
        for detail in details:
            detail = members(detail)
            last = members(kept_details[-1]) if kept_details else {}
            if last and _same_detail(last, detail):
                for key in ("text", "summary", "data", "signature"):
                    piece = detail.get(key)
                    if isinstance(piece, str):
                        last[key] = as_text(last.get(key)) + piece
            else:
                kept_details.append(dict(detail))

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
        place, key, called = whole(index), as_text(id_), as_text(name)
        call = self._call_of(place, key, called, arguments)
        self._last = call
        if key:
            call.id = call.id or key
        if called:
            self._name(call, called)
        if isinstance(arguments, str):
            self._count(len(arguments))
            call.pieces.append(arguments)
        elif arguments is not None:
            call.given = arguments
        if extra:
            call.extra |= extra

    def call_whole(self, id_: object, name: object, arguments: object, extra: dict[str, Any]) -> None:
        """A request that comes in one piece."""
        call = Call(as_text(id_), as_text(name), given=arguments, extra=extra)
        self._calls.append(call)
        self._parts.append(call)
        if len(self._calls) > CALLS_MAX:
            self.cut = self.ended = True

    def settle_call(self, index: object, id_: object, name: object, arguments: object) -> None:
        """A request as it is when it is whole: pieces of it may have come before."""
        known = self._by_index.get(whole(index) or 0)
        if known is None or (known.id and as_text(id_) and known.id != as_text(id_)):
            self.call(index, id_, name, arguments)
            return
        known.id, known.name = known.id or as_text(id_), as_text(name) or known.name
        if arguments:
            known.pieces, known.given = [], arguments

    def _call_of(self, place: int | None, key: str, name: str, arguments: object) -> Call:
        known = self._by_index.get(place) if place is not None else None
        if known is None and place is None:
            known = next((call for call in self._calls if key and call.id == key), None)
            if known is None and not key:
                known = self._last
        if known is None or self._begins(known, key, name, arguments):
            before, known = known, Call()
            if before is not None and not name and not key:
                known.name = before.name  # its server gives a name once for all requests of one tool
            self._calls.append(known)
            self._parts.append(known)
            if len(self._calls) > CALLS_MAX:
                self.cut = self.ended = True
        if place is not None:
            self._by_index[place] = known
        return known

    def _begins(self, call: Call, key: str, name: str, arguments: object) -> bool:
        """Whether this piece is the first one of another request than ``call``, in the same place."""
        if key and call.id and key != call.id:
            return True
        if isinstance(arguments, str):
            more = arguments.lstrip()[:1] == "{"
        else:
            more = arguments is not None and arguments != call.given and key != call.id
        if (more or (name and name != call.name)) and call.complete:
            return True
        if not name or not call.name or name == call.name:
            return False
        written = "".join(call.pieces).strip()
        return not written and self._offered(call.name) and not self._offered(call.name + name)

    def _name(self, call: Call, name: str) -> None:
        if not call.name:
            call.name = name
        elif name != call.name and not self._offered(call.name):
            call.name += name  # a name in pieces

    def usage(self, counts: Counts) -> None:
        if counts.any or counts.cached:
            self._counts.append(counts)

    def _count(self, chars: int) -> None:
        self._chars += chars
        if self._chars_max and self._chars > self._chars_max:
            self.cut = self.ended = True

    # What comes of it.

    @property
    def any(self) -> bool:
        """Whether anything of a reply has come."""
        return bool(self._parts or self._chars or self.refusal)

    @property
    def whole(self) -> bool:
        """Whether every request that has begun has whole arguments."""
        return all(call.complete or not "".join(call.pieces).strip() for call in self._calls)

    def counts(self) -> Counts:
        """The usage of the whole reply, as far as the server told it."""
        if not self._counts:
            return Counts()
        said = [counts.tokens_out or 0 for counts in self._counts]
        total = Counts()
        for counts in self._counts:  # a later report may leave out what an earlier one told
            for name in ("tokens_in", "tokens_out", "cached", "written", "reasoning"):
                value = getattr(counts, name)
                if value is not None and (value or getattr(total, name) is None):
                    setattr(total, name, value)
        most = max(said)
        if len(said) > 2 and most * CUT_CHARS_PER_TOKEN * 2 < self._chars:
            total.tokens_out = sum(said)  # far too few for so much text: each report was of its own chunk
        elif (total.tokens_out or 0) < most:
            total.tokens_out = most
        return total

    @property
    def out_estimated(self) -> int:
        """The tokens that the reply has by its length."""
        return self._chars // limits.CHARS_PER_TOKEN + 1

    def parts(
        self, ours: Callable[[str], str], keep: Callable[[dict[str, Any]], dict[str, Any]], provider: str
    ) -> tuple[Part, ...]:
        """The parts of the reply. ``ours``: our name of a tool; ``keep``: what is kept of an extra."""
        rest, thought = self._tags.end()
        if thought:
            self._thought().pieces.append(thought)
        self._say(rest)
        parts: list[Part] = []
        seen: list[tuple[str, str, str]] = []
        ids: set[str] = set()
        for part in self._parts:
            match part:
                case _Thought():
                    if part.pieces or part.extra:
                        parts.append(Reasoning("".join(part.pieces), provider, keep(part.extra)))
                case _Words():
                    if part.extra:
                        parts.append(Reasoning("", provider, keep({"next": part.extra})))
                    if text := "".join(part.pieces):
                        parts += _split_thought(text, provider)
                case Call():
                    arguments = part.arguments
                    same = (part.id, part.name, arguments)
                    if part.id and same in seen:
                        continue  # the same request, told twice
                    seen.append(same)
                    own = part.id if part.id and part.id not in ids else f"{part.id or 'call'}-{len(ids)}"
                    ids.add(own)
                    parts.append(ToolRequest(own, ours(part.name), arguments or "{}", keep(part.extra)))
        if self.refusal and not any(isinstance(part, Text) for part in parts):
            parts.append(Text(self.refusal))
        return tuple(parts if self._calls else self._written_calls(parts, ours))

    def _written_calls(self, parts: list[Part], ours: Callable[[str], str]) -> Iterable[Part]:
        """Requests that the server left in the text, as models write them: it has no parser for them."""
        for part in parts:
            if (
                not isinstance(part, Text)
                or "<tool_call>" not in part.text
                or not part.text.rstrip().endswith("</tool_call>")
            ):
                yield part
                continue
            calls = [_written(found) for found in _WRITTEN_CALL.findall(part.text)]
            if not calls or not all(call is not None and self._offered(call[0]) for call in calls):
                yield part
                continue
            before = part.text[: part.text.index("<tool_call>")].rstrip()
            if before:
                yield Text(before)
            for number, call in enumerate(calls):
                assert call is not None
                yield ToolRequest(f"written-{number}", ours(call[0]), call[1])


@dataclass(slots=True)
class _Words:
    pieces: list[str] = field(default_factory=list[str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class _Thought:
    pieces: list[str] = field(default_factory=list[str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


class _Tags:
    """Tells reasoning in tags at the beginning of a text from the text, however it is cut."""

    __slots__ = ("_held", "_state")

    def __init__(self) -> None:
        self._state = "start"
        self._held = ""

    def feed(self, text: str) -> tuple[str, str]:
        """What of it is text, and what is reasoning, as far as that is known."""
        if self._state == "after":
            return text, ""
        self._held += text
        if self._state == "start":
            begun = self._held.lstrip()
            tag = _TAG.match(begun)
            if tag is not None:
                self._state, self._held = "inside", begun[tag.end() :]
            elif any(name.startswith(begun.lower()) for name in _TAGS):
                return "", ""  # it may become a tag
            else:
                self._state = "after"
                return self._released(), ""
        end = _END.search(self._held)
        if end is not None:
            thought, rest = self._held[: end.start()], self._held[end.end() :]
            self._held = rest
            self._state = "trim"
            return self._trimmed(), thought.strip("\n")
        if self._state == "trim":
            return self._trimmed(), ""
        safe = self._held.rfind("<")
        kept = len(self._held) if safe < 0 or len(self._held) - safe > 12 else safe
        thought, self._held = self._held[:kept], self._held[kept:]
        return "", thought

    def _trimmed(self) -> str:
        """The text after the reasoning, without the blank lines between."""
        text = self._held.lstrip()
        self._held = ""
        if text:
            self._state = "after"
        return text

    def _released(self) -> str:
        text, self._held = self._held, ""
        return text

    def end(self) -> tuple[str, str]:
        """The rest, when the reply has ended."""
        text = self._released()
        inside, self._state = self._state == "inside", "after"
        return ("", text) if inside else (text, "")


def _same_detail(last: dict[str, Any], detail: dict[str, Any]) -> bool:
    return last.get("type") == detail.get("type") and last.get("index") == detail.get("index") and "index" in detail


def members(value: object) -> dict[str, Any]:
    """An object as it is; of anything else nothing."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _split_thought(text: str, provider: str) -> list[Part]:
    """A text, without the reasoning before a closing tag whose opening tag the server has left out."""
    end = _END.search(text)
    if end is None or _TAG.search(text[: end.start()]):
        return [Text(text)]
    parts: list[Part] = [Reasoning(text[: end.start()].strip(), provider)] if text[: end.start()].strip() else []
    rest = text[end.end() :].lstrip()
    return [*parts, Text(rest)] if rest else parts


def _written(text: str) -> tuple[str, str] | None:
    """(name, arguments) of a request in a text; None where it is none."""
    try:
        value: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    members = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    name, arguments = members.get("name"), members.get("arguments", members.get("parameters", {}))
    if not isinstance(name, str):
        return None
    return name, arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _once_decoded(text: str) -> str:
    """Arguments that were encoded twice, or given as ``null``, as the text of one object."""
    stripped = text.strip()
    if stripped == "null":
        return ""
    if stripped[:1] != '"':
        return text
    try:
        value: Any = msgspec.json.decode(stripped)
    except (msgspec.DecodeError, RecursionError):
        return text
    return value if isinstance(value, str) and value.strip()[:1] == "{" else text


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
