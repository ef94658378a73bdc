"""The reading: what a model is shown of a log. It only ever grows at its end, and a fork shares what came before.

A reading is a chain of pieces: each piece has messages of its own and begins where another one stood when it was forked.
Forking costs one small object, whatever the length.
"""

from __future__ import annotations

from itertools import chain

from gemot.abi.messages import Message, ToolRequest, ToolResult


class Reading:
    """``own`` messages after the first ``before_length`` of ``before``. ``size_chars`` is the length of everything in it.
    ``number`` is what it is kept under, with the first ``kept`` of its own messages (0: it is not kept)."""

    __slots__ = ("__weakref__", "before", "before_length", "kept", "number", "own", "size_chars")

    def __init__(self, before: Reading | None = None) -> None:
        self.before = before
        self.before_length = len(before) if before is not None else 0
        self.own: list[Message] = []
        self.size_chars = before.size_chars if before is not None else 0
        self.number = self.kept = 0

    @classmethod
    def of(cls, before: Reading | None, before_length: int, own: list[Message], chars: int) -> Reading:
        """A reading made of its parts, as they were written down."""
        reading = cls()
        reading.before, reading.before_length, reading.own, reading.size_chars = before, before_length, own, chars
        return reading

    def __len__(self) -> int:
        return self.before_length + len(self.own)

    def add(self, message: Message) -> None:
        self.own.append(message)
        self.size_chars += size_chars(message)

    def fork(self) -> Reading:
        return Reading(self)

    def messages(self) -> tuple[Message, ...]:
        if self.before is None:
            return tuple(self.own)
        pieces: list[list[Message]] = [self.own]
        before, length = self.before, self.before_length
        while before is not None:
            pieces.append(before.own[: max(0, length - before.before_length)])
            before, length = before.before, min(length, before.before_length)
        return tuple(chain.from_iterable(reversed(pieces)))


def size_chars(message: Message) -> int:
    total = 8
    for part in message.parts:
        if isinstance(part, ToolRequest):
            total += len(part.name) + len(part.arguments)
        elif isinstance(part, ToolResult):
            total += len(part.name) + len(part.text)
        else:
            total += len(part.text)
    return total
