"""Requests for tools while they arrive, in whatever order and shape a server sends them.

To which request a piece belongs, where that is not plain:

- A request is known by its index, its id, or its place. Servers repeat, omit and number these as they like.
- Another id, or a name after complete arguments, begins another request, also under the same index.
- An id that comes with the middle of arguments, and without a name, was made up for that piece.
- What repeats a whole request is that request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from gemot.models.counting import text as as_text
from gemot.models.counting import whole

CALLS_MAX = 4_096
"""A reply with more requests than this is cut."""

NAME_CHARS_MAX = 1_000
"""A name that is longer does not grow: no tool has it."""

_MARK = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)
_WRITTEN = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)


class Depth:
    """Finds the end of a JSON value that comes in pieces. Each character is looked at once."""

    __slots__ = ("_depth", "_escaped", "_inside", "ended")

    def __init__(self) -> None:
        self._depth = 0
        self._inside = self._escaped = False
        self.ended = False
        """An object, a list or a text has come to its end."""

    def feed(self, text: str) -> None:
        for mark in _MARK.finditer(text, 1 if self._escaped and text else 0):
            sign = mark[0]
            if sign == '"':
                self._inside = not self._inside
                self.ended = self.ended or (not self._inside and not self._depth)
            elif self._inside or sign[0] == "\\":
                continue
            elif sign in "{[":
                self._depth += 1
            else:
                self._depth -= 1
                self.ended = self.ended or self._depth <= 0
        if text:
            self._escaped = self._inside and _ends_in_escape(text, self._escaped)


def _ends_in_escape(text: str, first_is_escaped: bool) -> bool:
    signs = len(text) - len(text.rstrip("\\"))
    return (signs - (first_is_escaped and signs == len(text))) % 2 == 1


@dataclass(slots=True, eq=False)
class Call:
    """One request for a tool, as far as it has arrived."""

    id: str = ""
    """As the server gave it; empty without one."""
    name: str = ""
    """The name on the wire."""
    pieces: list[str] = field(default_factory=list[str])
    """The arguments, as they were written."""
    given: Any = None
    """The arguments, where the server gave them as a value instead of a text."""
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the provider wants back with this request."""
    place: int | str | None = None
    """Its index."""
    depth: Depth = field(default_factory=Depth)
    looked: int = 0
    """So many pieces have been looked at."""
    shown: bool = False
    """It has its place among the parts of the reply."""

    @property
    def text(self) -> str:
        """The arguments as they were written so far."""
        return joined(self.pieces)

    @property
    def begun(self) -> bool:
        """Whether some of its arguments are here."""
        return self.given is not None or any(map(str.strip, self.pieces))

    @property
    def complete(self) -> bool:
        """Whether its arguments are a whole JSON value."""
        if self.given is not None:
            return True
        for piece in self.pieces[self.looked :]:
            self.depth.feed(piece)
        self.looked = len(self.pieces)
        return self.depth.ended or (len(self.pieces) == 1 and _is_json(self.pieces[0]))

    @property
    def half(self) -> bool:
        """Whether its arguments break off."""
        return self.begun and not self.complete and not _is_json(self.text)

    @property
    def arguments(self) -> str:
        """The arguments as the text of one object, as far as the model wrote that."""
        if self.given is not None and not isinstance(self.given, str):
            return mended(json.dumps(self.given, ensure_ascii=False, default=str))
        text = mended(self.given) if self.given is not None else self.text
        if len(self.pieces) > 1 and _is_object(self.pieces[-1]) and not _is_json(text) and _grows(self.pieces):
            text = self.pieces[-1]  # each piece was all that had been written until then
        return _once_decoded(text)

    def replace(self, arguments: object) -> None:
        """Take ``arguments`` in the place of all that came before."""
        self.pieces, self.given, self.depth, self.looked = [], None, Depth(), 0
        self.add(arguments)

    def add(self, arguments: object) -> None:
        if isinstance(arguments, str):
            self.pieces.append(arguments)
            if arguments.strip():
                self.given = None  # a value was the place for what comes in pieces
        elif arguments is not None:
            self.given = arguments


class Calls:
    """All requests of one reply. ``offered``: whether a name on the wire is one of the offered tools."""

    def __init__(self, offered: Callable[[str], bool]) -> None:
        self.all: list[Call] = []
        self._offered = offered
        self._by_place: dict[int | str, Call] = {}
        self._by_id: dict[str, Call] = {}
        self._last: Call | None = None

    def hear(self, index: object, id_: object, name: object, arguments: object) -> Call:
        """A piece of a request. Each of the four may be missing (None), repeated, or of another type than it should be."""
        place, key, called = _place(index), as_text(id_), as_text(name)
        known = self._find(place, key, called, arguments)
        if known is None or self._begins(known, key, called, arguments):
            call = Call(place=place)
            if known is not None and not called and not key:
                call.name = known.name  # its server gives a name once for all requests of one tool
            self.all.append(call)
        else:
            call = known
            if _repeats(call, place, key, called, arguments):
                arguments = None
            elif _is_filled(call, key, called, arguments):
                call.replace(None)
        if place is not None:
            self._by_place[place] = call
        if key and not call.id:
            call.id = key
        if key:
            self._by_id[key] = call
        if called:
            self._name(call, called)
        call.add(arguments)
        self._last = call
        return call

    def whole(self, id_: object, name: object, arguments: object, extra: dict[str, Any]) -> Call:
        """A request that comes in one piece."""
        call = Call(as_text(id_), as_text(name), given=arguments, extra=extra)
        self.all.append(call)
        self._last = call
        return call

    def settle(self, index: object, id_: object, name: object, arguments: object) -> Call | None:
        """A request as it is when it is whole. Returns it where no piece of it had come before."""
        place, key = _place(index), as_text(id_)
        known = self._by_place.get(place) if place is not None else self._by_id.get(key, self._last)
        if known is None or (known.id and key and known.id != key):
            return self.hear(index, id_, name, arguments)
        known.id, known.name = known.id or key, as_text(name) or known.name
        if arguments:
            known.replace(arguments)
        return None

    @property
    def half(self) -> bool:
        """Whether the arguments of a request break off."""
        return any(call.half for call in self.all)

    def _find(self, place: int | str | None, key: str, name: str, arguments: object) -> Call | None:
        known = self._by_place.get(place) if place is not None else None
        if key and (known is None or known.id != key):
            other = self._by_id.get(key)
            if other is not None and (place is None or other.place == place or _goes_on(other, name, arguments)):
                return other
        if known is not None or self._last is None:
            return known
        if (place is None and not key) or _goes_on(self._last, name, arguments):
            return self._last
        return None

    def _begins(self, call: Call, key: str, name: str, arguments: object) -> bool:
        """Whether this piece is the first of another request than ``call``, though it comes in its place."""
        other_name = bool(name and call.name and name != call.name)
        if key and call.id and key != call.id:
            starts = _opens(arguments) or (name and not as_text(arguments).strip())
            return bool(starts or not call.begun or other_name or call.complete)
        if not other_name and not _opens(arguments, '{"'):
            return False
        if not call.complete:
            longer = name if name.startswith(call.name) else call.name + name
            return other_name and not call.begun and self._offered(call.name) and not self._offered(longer)
        if other_name:
            return True
        # The same name, or none, after complete arguments: another request, or the same again.
        return not _repeats(call, None if name and not key else 0, key, name, arguments) and not _is_filled(
            call, key, name, arguments
        )

    def _name(self, call: Call, name: str) -> None:
        if len(call.name) > NAME_CHARS_MAX:
            return
        if not call.name or name.startswith(call.name):
            call.name = name
        elif name != call.name and (self._offered(call.name + name) or not self._offered(call.name)):
            call.name += name  # a name in pieces


def _place(index: object) -> int | str | None:
    """An index: a number, or a text that is none; None where there is no index."""
    number = whole(index)
    return number if number is not None else index if isinstance(index, str) and index else None


def _opens(arguments: object, signs: str = "{") -> bool:
    """Whether a piece looks like the first one of arguments."""
    if isinstance(arguments, str):
        return arguments.lstrip()[:1] in tuple(signs)
    return arguments is not None


def _goes_on(call: Call, name: str, arguments: object) -> bool:
    """Whether a piece under an id or index that is new is the next one of ``call``, whose arguments are not complete."""
    middle = isinstance(arguments, str) and bool(arguments.strip()) and not _opens(arguments)
    return middle and not name and call.begun and not call.complete


def _repeats(call: Call, place: int | str | None, key: str, name: str, arguments: object) -> bool:
    """Whether a piece says again all that ``call`` is."""
    if arguments is None or not call.complete or (key and key != call.id) or (name and name != call.name):
        return False
    if place is None and not key and name:
        return False  # it stands in a list, as one request after the other
    return arguments == call.given or (isinstance(arguments, str) and arguments.strip() == call.text.strip() != "")


def _is_filled(call: Call, key: str, name: str, arguments: object) -> bool:
    """Whether ``arguments`` take the place of what was there only until they came."""
    if not (key and key == call.id) and (key or name):
        return False
    if isinstance(arguments, str):
        return _opens(arguments, '{"') and call.complete and (call.given is not None or call.text.strip() == "{}")
    if not isinstance(arguments, dict) or not (isinstance(call.given, dict) or call.text.strip() == "{}"):
        return False
    return cast("dict[str, Any]", call.given or {}).items() <= cast("dict[str, Any]", arguments).items()


def _grows(pieces: list[str]) -> bool:
    """Whether each piece begins with the one before."""
    return all(pieces[at].startswith(pieces[at - 1]) for at in range(1, len(pieces)))


def joined(pieces: list[str]) -> str:
    """Pieces of a text, in which a character may be cut in two."""
    return mended("".join(pieces))


def mended(text: str) -> str:
    """A text without halves of characters: two that belong together become one, a single one a replacement."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def written(text: str, offered: Callable[[str], bool]) -> tuple[str, list[tuple[str, str]]] | None:
    """(the words before, [(name, arguments)]) of a text that ends in requests for offered tools, as models write them: its server
    has no parser for them. None: it does not."""
    if "<tool_call>" not in text or not text.rstrip().endswith("</tool_call>"):
        return None
    calls = [_written(match) for match in _WRITTEN.findall(text)]
    if not calls or not all(call is not None and offered(call[0]) for call in calls):
        return None
    return text[: text.index("<tool_call>")].rstrip(), [call for call in calls if call is not None]


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
    if stripped in ("null", ""):
        return ""
    if stripped[:1] != '"':
        return text
    try:
        value: Any = msgspec.json.decode(stripped)
    except (msgspec.DecodeError, RecursionError):
        return text
    if not isinstance(value, str):
        return text
    return value if value.strip()[:1] in ("{", "") else text


def _is_object(text: str) -> bool:
    return text.lstrip()[:1] == "{" and _is_json(text)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True
