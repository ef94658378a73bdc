"""Pages: everything a reading could show, in the order in which it came, numbered from 1. Nothing ever leaves here.

They are kept in pieces: each has pages of its own and begins where another one stood when it was forked. So forks share
what came before, and what is blanked in a shared piece is blanked in all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any, cast

import msgspec
from msgspec import Struct

from gemot.abi.messages import Image, Message, Part, Reasoning, Text, ToolRequest, ToolResult, length_chars


class Mark(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is known of a page beside its words. ``pinned``: which of its parts never leave a reading. ``sources``: (part, pid,
    entry) for each part that holds what another process said, which came with that answer. ``of``: (part, first, last) for each part that tells pages again.
    ``derived``: a model wrote it about those pages."""

    pinned: tuple[int, ...] = ()
    sources: tuple[tuple[int, int, int], ...] = ()
    of: tuple[tuple[int, int, int], ...] = ()
    derived: bool = False


PLAIN = Mark()


class Page(Struct, frozen=True, gc=False, omit_defaults=True):
    """A page as it is written down."""

    message: Message
    mark: Mark = PLAIN


class Piece:
    """``own`` pages after the first ``before_length`` of ``before``; ``marks`` of those that have one, by number. ``blanks``: how
    often something in it was blanked; ``taken``: the parts as they were, by what was put there, and ``untold``: whose words that were, for forks that share them and are told
    next (it is not written down). ``number`` is what it is kept under, with the first ``kept`` of its own pages (0: it
    is not kept)."""

    __slots__ = (
        "__weakref__",
        "before",
        "before_length",
        "blanks",
        "kept",
        "marks",
        "number",
        "own",
        "taken",
        "untold",
    )

    def __init__(self, before: Piece | None = None, before_length: int = 0) -> None:
        self.before, self.before_length = before, before_length
        self.own: list[Message] = []
        self.marks: dict[int, Mark] | None = None
        self.taken: dict[tuple[int, int, str], Part] | None = None
        self.untold: dict[tuple[int, int, str], set[tuple[int, int]]] | None = None
        self.blanks = self.number = self.kept = 0

    @classmethod
    def of(cls, before: Piece | None, before_length: int, pages: Sequence[Page]) -> Piece:
        """A piece made of its parts, as they were written down."""
        piece = cls(before, before_length)
        for page in pages:
            piece.add(page.message, page.mark)
        return piece

    def __len__(self) -> int:
        return self.before_length + len(self.own)

    def add(self, message: Message, mark: Mark = PLAIN) -> int:
        """A new page; its number."""
        self.own.append(message)
        number = self.before_length + len(self.own)
        if mark is not PLAIN and mark != PLAIN:
            self._mark(number, mark)
        return number

    def _mark(self, number: int, mark: Mark) -> None:
        self.marks = self.marks or {}
        self.marks[number] = mark

    def fork(self) -> Piece:
        return Piece(self, len(self))

    def pages(self, start: int, stop: int) -> list[Page]:
        """Its own pages from one index to another, to be written down."""
        marks, first = self.marks or {}, self.before_length + 1
        return [Page(one, marks.get(first + at, PLAIN)) for at, one in enumerate(self.own[start:stop], start)]

    def messages(self, after: int = 0, last: int | None = None) -> tuple[Message, ...]:
        """The pages after number ``after``, up to ``last`` or the end."""
        end = len(self) if last is None else last
        pieces: list[list[Message]] = []
        for piece in self.chain():
            start = piece.before_length
            if end > start:
                pieces.append(piece.own[max(0, after - start) : end - start])
                end = start
            if end <= after:
                break
        return tuple(pieces[0]) if len(pieces) == 1 else tuple(chain.from_iterable(reversed(pieces)))

    def message(self, number: int) -> Message:
        piece = self.piece(number)
        return piece.own[number - piece.before_length - 1]

    def mark(self, number: int) -> Mark:
        return (self.piece(number).marks or {}).get(number, PLAIN)

    def piece(self, number: int) -> Piece:
        """The piece that a page is in. Raises :class:`LookupError`."""
        if not 0 < number <= len(self):
            raise LookupError(f"there is no page {number}; there are 1 to {len(self)}")
        return next(one for one in self.chain() if number > one.before_length)

    def chain(self) -> Iterator[Piece]:
        """Itself and the pieces before it, the last first."""
        piece: Piece | None = self
        while piece is not None:
            yield piece
            piece = piece.before

    def stamp(self, last: int | None = None) -> int:
        """Another number after anything in the pages up to ``last`` was blanked."""
        stamp, piece = 0, self
        while piece is not None:  # several times in each turn, so without a generator
            if last is None or piece.before_length < last:
                stamp += piece.blanks
            piece = piece.before
        return stamp

    def sourced(self, pid: int, entry: int) -> list[tuple[int, int]]:
        """(number, part) of all that holds what a process said and came with this answer, in the order of the pages."""
        end, found = len(self), list[tuple[int, int]]()
        for piece in self.chain():
            for number, mark in (piece.marks or {}).items():
                found += [(number, part) for part, *of in mark.sources if of == [pid, entry] and number <= end]
            end = min(end, piece.before_length)
        return sorted(set(found))

    def untold_at(self, places: Collection[tuple[int, int]], words: str) -> list[tuple[int, int, int]]:
        """(number, part, pid) of all that another fork has just had blanked with ``words``, and held what that process said and came
        with an answer: ``places`` (entry, pid)."""
        return sorted(
            (number, part, pid)
            for piece in self.chain()
            for (number, part, put), said in (piece.untold or {}).items()
            for pid, entry in said
            if put == words and (entry, pid) in places and number <= len(self)
        )

    def telling(self, number: int) -> list[tuple[int, int]]:
        """(number, part) of all that tells a page again: copies of it, and what was derived from it."""
        end, found = len(self), list[tuple[int, int]]()
        for piece in self.chain():
            for one, mark in (piece.marks or {}).items():
                found += [(one, part) for part, first, last in mark.of if first <= number <= last and one <= end]
            end = min(end, piece.before_length)
        return sorted(set(found))

    def blank(self, number: int, part: int, words: str, pid: int | None = None) -> Piece:
        """Put ``words`` in the place of a part, for everybody who shares the page; of a part that holds several processes' words
        only in the place of those of ``pid``, where they can be told apart. Returns the piece, which must be written anew.
        Raises :class:`LookupError`."""
        piece = self.piece(number)
        at, mark = number - piece.before_length - 1, self.mark(number)
        parts = list(piece.own[at].parts)
        if not 0 <= part < len(parts):
            raise LookupError(f"page {number} has no part {part}; it has {len(parts)}")
        others = {source for place, source, _ in mark.sources if place == part} - {pid}
        piece.taken = piece.taken or {}
        piece.taken.setdefault((number, part, words), parts[part])
        parts[part] = blanked(parts[part], words, pid if others else None)
        piece.own[at] = Message(piece.own[at].role, tuple(parts))
        gone = [one for one in mark.sources if one[0] == part and pid in (None, one[1])]
        if gone:
            piece.untold = piece.untold or {}
            piece.untold.setdefault((number, part, words), set()).update((source, entry) for _, source, entry in gone)
            left = tuple(one for one in mark.sources if one not in gone)
            piece._mark(number, msgspec.structs.replace(mark, sources=left))
        piece.kept = 0
        piece.blanks += 1
        return piece

    def put(self, number: int, part: int, words: Part, why: str) -> None:
        """Put something else in the place of a part, for everybody who shares the page; ``why``: as in :meth:`was`. Raises
        :class:`LookupError`."""
        piece = self.piece(number)
        at = number - piece.before_length - 1
        parts = list(piece.own[at].parts)
        piece.taken = piece.taken or {}
        piece.taken.setdefault((number, part, why), parts[part])
        parts[part] = words
        piece.own[at] = Message(piece.own[at].role, tuple(parts))
        piece.kept = 0
        piece.blanks += 1

    def was(self, number: int, part: int, words: str) -> Part | None:
        """A part as it is; or as it was, where another fork has just had it blanked with these ``words``. None where there is none."""
        parts = self.message(number).parts
        now = parts[part] if part < len(parts) else None
        return (self.piece(number).taken or {}).get((number, part, words), now)


def blanked(part: Part, words: str, pid: int | None = None) -> Part:
    """A part with ``words`` in the place of all it says; with a ``pid``, if possible only of what that process said."""
    match part:
        case Text():
            return Text(words)
        case Image():
            return Text(words)
        case Reasoning():
            return Reasoning(words)
        case ToolRequest():
            return ToolRequest(part.id, part.name, msgspec.json.encode({"blank": words}).decode())
        case ToolResult():
            text = _without(part.text, words, pid) if pid is not None else words
            return ToolResult(part.id, part.name, text, part.ok)


SAID: dict[str, tuple[str, ...]] = {
    "pid": ("value", "error", "claims", "receipt", "changed", "note", "finding"),
    "finding_by": ("finding",),
    "sender": ("text",),
    "said_by": ("text",),
    "author": ("name", "text", "acceptance"),
    "done_by": ("result", "result_sent_back"),
    "note_by": ("note",),
}
"""In answers that tell of several processes: what names one, and what of it are its words."""


def _without(text: str, words: str, pid: int) -> str:
    try:
        value: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return words
    left = taken(value, words, pid)
    return (
        msgspec.json.encode(left).decode() if left != value else words
    )  # it is not said whose is what: none of it stays


def taken(value: Any, words: str, pid: int) -> Any:
    """An answer that tells of several processes, with ``words`` in the place of those of one."""
    if isinstance(value, list):
        return [taken(one, words, pid) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    gone = {key for name, said in SAID.items() if members.get(name) == pid for key in said}
    return {key: words if key in gone else taken(one, words, pid) for key, one in members.items()}


def images_of(message: Message) -> tuple[Image, ...]:
    """All images that a page shows, in its order."""
    images: tuple[Image, ...] = ()
    for part in message.parts:
        if isinstance(part, ToolResult):
            images += part.images
        elif isinstance(part, Image):
            images += (part,)
    return images


def size_chars(message: Message) -> int:
    """The length of a page, as a model is shown it."""
    return 8 + sum(map(length_chars, message.parts))
