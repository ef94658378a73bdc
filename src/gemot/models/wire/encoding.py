"""A growing conversation as bytes: each turn is encoded once, and a request is the bytes of the one before and a little more.

A :class:`Prefix` holds what the messages of an earlier request are on the wire. The next request of the same conversation, or of
a fork, begins with the same messages, the very same objects; it is found by its last ones. So a turn costs the same at any length,
but for the comparison of two tuples and the sending of the bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

from msgspec import Struct

from gemot.abi.messages import Message
from gemot.models.repairing import Repair

BYTES_MAX = 128 * 1024 * 1024
"""So many encoded bytes are kept for the next requests of one model."""
LOOK_BACK = 12
"""A request begins like the one before up to one of its last messages: a turn adds two or three, and mail."""


class Prefix(Struct, frozen=True, gc=False):
    """The beginning of a conversation."""

    messages: tuple[Message, ...]
    """What it encodes."""
    repair: Repair
    """How the conversation goes on after them."""
    pieces: tuple[bytes, ...]
    """The bytes of all turns that are closed, in order; few pieces, of which each is much longer than the next."""
    variant: Hashable
    """What else decides how a turn is encoded."""
    size: int
    """The bytes that only this prefix holds."""


class Pages:
    """The conversations of one model. ``bytes_max``: how many bytes are kept."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._kept: OrderedDict[int, Prefix] = OrderedDict()
        """By the id of the last message, the longest unused first."""
        self._bytes_max, self._bytes = bytes_max, 0

    def encoded(
        self, messages: tuple[Message, ...], variant: Hashable, encode: Callable[[Message], bytes]
    ) -> tuple[str, Sequence[bytes], tuple[Message, ...]]:
        """The system's words, the bytes of all closed turns, and the turns after them, which the next request may change."""
        before = self._longest(messages, variant)
        repair = Repair() if before is None else before.repair.copy()
        for message in messages[0 if before is None else len(before.messages) :]:
            repair.hear(message)
        added = b"".join(map(encode, repair.closed))
        repair.closed = []
        pieces = () if before is None else before.pieces
        size = 0
        if added:
            merged = [added]
            rest = list(pieces)
            while rest and len(rest[-1]) < 2 * sum(map(len, merged)):
                merged.append(rest.pop())
            pieces = (*rest, b"".join(reversed(merged)))
            size = len(pieces[-1])
        self._keep(Prefix(messages, repair, pieces, variant, size))
        return repair.system, pieces, repair.end()

    def _longest(self, messages: tuple[Message, ...], variant: Hashable) -> Prefix | None:
        for length in range(len(messages), max(0, len(messages) - LOOK_BACK), -1):
            prefix = self._kept.get(id(messages[length - 1]))
            if (
                prefix is not None
                and len(prefix.messages) == length
                and prefix.variant == variant
                and prefix.messages == messages[:length]
            ):
                self._kept.move_to_end(id(messages[length - 1]))
                return prefix
        return None

    def _keep(self, prefix: Prefix) -> None:
        if not prefix.messages:
            return
        key = id(prefix.messages[-1])
        gone = self._kept.pop(key, None)
        self._bytes += prefix.size - (0 if gone is None else gone.size)
        self._kept[key] = prefix
        while self._bytes > self._bytes_max and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].size
