"""Packed replies (gzip, deflate), unpacked as they arrive and in pieces of a bounded size."""

from __future__ import annotations

import zlib

PIECE_BYTES_MAX = 1 << 20
"""No piece is longer: a little packed data may be very much."""
PACKINGS = frozenset(["gzip", "x-gzip", "deflate"])
"""The packings that can be unpacked."""

_HEADED = 47  # gzip, or deflate in the form that HTTP's standard asks for
_BARE = -15  # deflate in the form that some servers send


class Unpacker:
    """Feed it packed bytes with :meth:`feed`, and take pieces with :meth:`take` until they are empty. Both raise :class:`zlib.error`."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_HEADED)
        self._waiting = b""
        self._first = b""
        self._any = False

    def feed(self, data: bytes) -> None:
        self._waiting += data

    def take(self) -> bytes:
        """The next piece; empty when everything that was fed has been taken."""
        while self._waiting:
            if self._inner.eof:  # another part may follow
                self._inner = zlib.decompressobj(_HEADED)
            data, self._waiting = self._waiting, b""
            try:
                piece = self._inner.decompress(data, PIECE_BYTES_MAX)
            except zlib.error:
                piece = self._again(data)
            self._waiting = self._inner.unconsumed_tail or self._inner.unused_data
            if self._inner.eof and not self._waiting.strip(b"\0"):
                self._waiting = b""
            if piece:
                self._any = True
                return piece
            if not self._any and len(self._first) < 2:
                self._first += data
        return b""

    @property
    def whole(self) -> bool:
        """Whether what was fed ends where a packed part ends."""
        return not self._waiting and (self._inner.eof or not (self._any or self._first))

    def _again(self, data: bytes) -> bytes:
        """Take the beginning for the bare form."""
        if self._any:
            raise zlib.error("the packed data is damaged")
        self._inner = zlib.decompressobj(_BARE)
        return self._inner.decompress(self._first + data, PIECE_BYTES_MAX)
