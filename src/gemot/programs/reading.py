"""The reading: what a model is shown of its pages. It grows at its end; now and then pages leave it, many at once.

It is a head and a tail. The head says which of the pages up to some number are shown, and what stands for the others; it is
made anew when pages leave, and never changed, so that forks share it. The tail is every page after that. So the beginning of
what a model is shown stays the same from turn to turn, a fork costs two small objects whatever the length, and what leaves one
reading stays in the others.

What may leave, and when, is decided in :mod:`gemot.programs.paging`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec
from msgspec import Struct

from gemot.abi.messages import Image, Message, Part, Reasoning, Text, ToolRequest, ToolResult, length_chars
from gemot.programs.album import Album
from gemot.programs.pages import PLAIN, Mark, Piece, images_of, size_chars
from gemot.programs.stubs import Stub, text_of

NOTE_CHARS = 120
"""What it takes to say that a part is shortened."""

NO_IMAGES = Album()
"""The album of every reading without images; nothing is added to it."""


class Shown(Struct, frozen=True, gc=False, tag="shown", omit_defaults=True):
    """Pages ``first`` to ``last``, as they are. Of a single one perhaps only these ``parts``, or (``chars``) of each part but
    those ``kept`` not more than so many characters."""

    first: int
    last: int
    parts: tuple[int, ...] = ()
    chars: int = 0
    kept: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.parts and not self.chars


Item = Shown | Stub


class FrozenHead(Struct, frozen=True):
    last: int
    items: tuple[Item, ...]


class Head:
    """What is shown of the pages up to ``last``."""

    __slots__ = ("_messages", "_stamp", "items", "last")

    def __init__(self, items: Sequence[Item], last: int) -> None:
        self.items, self.last = tuple(items), last
        self._messages: tuple[Message, ...] = ()
        self._stamp = -1

    def messages(self, log: Piece) -> tuple[Message, ...]:
        """The same for all who share it; made once, and again when something in these pages was blanked."""
        stamp = log.stamp(self.last)
        if stamp != self._stamp:
            self._messages = tuple(chain.from_iterable(shown(item, log) for item in self.items))
            self._stamp = stamp
        return self._messages


class Reading:
    """``log``: the pages. ``head``: None while all of them are shown."""

    __slots__ = ("_album", "_chars", "_stamp", "head", "log")

    def __init__(self, log: Piece | None = None, head: Head | None = None) -> None:
        self.log = Piece() if log is None else log
        self.head = head
        self._chars = 0
        self._album = NO_IMAGES
        self._stamp = 0 if log is None else -1
        """The log's stamp when both were made; -1: they were not."""

    def __len__(self) -> int:
        return len(self.log)

    @property
    def size_chars(self) -> int:
        """The length of everything that is shown."""
        self._measure()
        return self._chars

    @property
    def images(self) -> Mapping[str, int]:
        """The images that a question shows, as digest -> size in bytes. Most readings have none, and a turn does not search for
        them."""
        self._measure()
        return self._album.shown if self._album else {}

    def _measure(self) -> None:
        """Go through all pages, unless that was done: a turn must not cost more because the reading is long."""
        stamp = self.log.stamp()
        if stamp != self._stamp:
            messages = self.messages()
            self._chars = sum(map(size_chars, messages))
            images = [image for message in messages for image in images_of(message)]
            self._album = Album(images) if images else NO_IMAGES
            self._stamp = stamp

    def add(self, message: Message, mark: Mark = PLAIN) -> int:
        """A new page at the end; its number."""
        self._chars += size_chars(message)
        for image in images_of(message):
            if self._album is NO_IMAGES:
                self._album = Album()
            self._album.add(image)
        return self.log.add(message, mark)

    def fork(self) -> Reading:
        """A reading with the same pages so far. What is forked was asleep perhaps: its pages are measured here once, and not in
        each of its forks."""
        self._measure()
        twin = Reading(self.log.fork(), self.head)
        twin._chars, twin._stamp = self._chars, self._stamp
        twin._album = self._album.copy() if self._album else NO_IMAGES
        return twin

    def messages(self) -> tuple[Message, ...]:
        if self.head is None:
            return self.log.messages()
        return self.head.messages(self.log) + self.log.messages(self.head.last)

    def items(self) -> list[Item]:
        """What is shown, in its order: each page by itself, and each stub."""
        last = 0 if self.head is None else self.head.last
        found: list[Item] = []
        for item in () if self.head is None else self.head.items:
            if isinstance(item, Shown) and item.last > item.first:
                found += [Shown(number, number) for number in range(item.first, item.last + 1)]
            else:
                found.append(item)
        return found + [Shown(number, number) for number in range(last + 1, len(self.log) + 1)]

    def show(self, items: Iterable[Item]) -> None:
        """From now on show these, and what comes after all pages that there are now."""
        self.head = Head(_runs(items), len(self.log))
        self._stamp = -1

    def resident(self, number: int) -> bool:
        """Whether all of a page is shown."""
        if self.head is None or number > self.head.last:
            return 0 < number <= len(self.log)
        return any(isinstance(one, Shown) and one.first <= number <= one.last and one.whole for one in self.head.items)

    def out(self) -> list[tuple[int, int]]:
        """The pages that are not shown, or not whole, as runs (first, last)."""
        if self.head is None:
            return []
        shown = {
            n for one in self.head.items if isinstance(one, Shown) and one.whole for n in range(one.first, one.last + 1)
        }
        return runs(number for number in range(1, self.head.last + 1) if number not in shown)

    def sourced(self, pid: int, entry: int) -> list[tuple[int, int]]:
        """(page, part) of all that holds what a process said and came with this answer, shown or not."""
        return self.log.sourced(pid, entry)

    def blank(self, number: int, part: int, words: str, pid: int | None = None) -> Piece:
        """See :meth:`gemot.programs.pages.Piece.blank`: in this reading and in every other that shares the page."""
        return self.log.blank(number, part, words, pid)


def shown(item: Item, log: Piece) -> tuple[Message, ...]:
    """An item as messages."""
    if isinstance(item, Stub):
        return (Message("user", (Text(text_of(item, log)),)),)
    if item.whole:
        return log.messages(item.first - 1, item.last)
    message = log.message(item.first)
    if item.parts:
        return (Message(message.role, tuple(message.parts[part] for part in item.parts)),)
    parts = [
        part if at in item.kept else shortened(part, item.chars, item.first) for at, part in enumerate(message.parts)
    ]
    return (Message(message.role, tuple(part for part in parts if part is not None)),)


def too_long(part: Part, chars: int) -> bool:
    """Whether a part gets shorter if only so much of it is shown, with a line that says so."""
    return length_chars(part) > chars + NOTE_CHARS


def shortened(part: Part, chars: int, number: int) -> Part | None:
    """A part of which no more than so much is shown: None where a piece of it means nothing."""
    if not too_long(part, chars):
        return part
    rest = f"\n[the first {chars} of {{}} characters; page_in(pages=[{number}]) brings more of it]"
    match part:
        case Text(text):
            return Text(text[:chars] + rest.format(len(text)))
        case ToolResult(id, name, text, ok, images):
            unseen = (
                f"\n[not shown: {len(images)} of its images; page_in(pages=[{number}]) brings them]" if images else ""
            )
            cut = text[:chars] + rest.format(len(text)) if len(text) > chars + NOTE_CHARS else text
            return ToolResult(id, name, cut + unseen, ok)
        case Image(about=about):
            return Text(f"[an image that is not shown: {about}; page_in(pages=[{number}]) brings it]")
        case ToolRequest(id, name, arguments):
            told = {"shortened": arguments[:chars] + rest.format(len(arguments))}  # it must be JSON still
            return ToolRequest(id, name, msgspec.json.encode(told).decode())
        case Reasoning():
            return None


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers as (first, last) of what follows without a gap."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _runs(items: Iterable[Item]) -> list[Item]:
    """The same, with whole pages that follow each other as one item."""
    found: list[Item] = []
    for item in items:
        before = found[-1] if found else None
        if (
            isinstance(item, Shown)
            and isinstance(before, Shown)
            and item.whole
            and before.whole
            and before.last + 1 == item.first
        ):
            found[-1] = Shown(before.first, item.last)
        else:
            found.append(item)
    return found
