"""The reading: what a model is shown of a log. It only ever grows at its end, and a fork shares what came before.

A reading is a chain of pieces: each piece has messages of its own and begins where another one stood when it was forked.
Forking costs one small object, whatever the length.
"""

from __future__ import annotations

from itertools import chain

from gemot.abi.messages import Message, Reasoning, Text, ToolRequest, ToolResult


class Reading:
    """``size_chars`` is the length of everything in it."""

    __slots__ = ("_before", "_before_length", "_own", "size_chars")

    def __init__(self, before: Reading | None = None) -> None:
        self._before = before
        self._before_length = len(before) if before is not None else 0
        self._own: list[Message] = []
        self.size_chars = before.size_chars if before is not None else 0

    def __len__(self) -> int:
        return self._before_length + len(self._own)

    def add(self, message: Message) -> None:
        self._own.append(message)
        self.size_chars += size_chars(message)

    def fork(self) -> Reading:
        return Reading(self)

    def messages(self) -> tuple[Message, ...]:
        pieces: list[list[Message]] = [self._own]
        before, length = self._before, self._before_length
        while before is not None:
            own = before._own[: max(0, length - before._before_length)]
            pieces.append(own)
            before, length = before._before, min(length, before._before_length)
        return tuple(chain.from_iterable(reversed(pieces)))


def size_chars(message: Message) -> int:
    total = 8
    for part in message.parts:
        match part:
            case Text(text) | Reasoning(text):
                total += len(text)
            case ToolRequest(_, name, arguments):
                total += len(name) + len(arguments)
            case ToolResult(_, name, text):
                total += len(name) + len(text)
    return total
