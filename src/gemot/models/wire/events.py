"""The bytes of a reply -> its documents: server-sent events, or JSON that was not streamed.

What servers send in the place of a document says nothing and is left out: comments, events without data, empty data, byte
order marks. Lines end with LF, CRLF or CR. A document may be cut anywhere, also within a character.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import msgspec

DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
"""A longer document, or line, is none that a model's reply has."""
DONE = "[DONE]"

_decode = msgspec.json.Decoder().decode


class Unreadable(Exception):
    """The bytes of a reply are not what its format says."""


class WebPage(Unreadable):
    """The reply is a page for people: no model is at this address."""


class Documents:
    """Feed it bytes, get documents. ``done``: the server has said that nothing follows."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._name = ""
        self._whole: list[bytes] | None = None
        self._size = 0
        self._begun = False
        self.done = False
        self.whole = False
        """The reply was not streamed."""

    def feed(self, data: bytes) -> Iterator[tuple[str, Any]]:
        """The documents that are complete now: (the event's name, the document). Raises :class:`Unreadable`."""
        if not self._begun:
            data = self._first(data)
            if not data:
                return
        if self._whole is not None:
            self._size += len(data)
            if self._size > DOCUMENT_BYTES_MAX:
                raise Unreadable(f"it is longer than {DOCUMENT_BYTES_MAX:,} bytes")
            self._whole.append(data)
            return
        text = self._rest + data
        if b"\r" in text:
            held = text[-1:] == b"\r"  # the line feed that belongs to it may be still to come
            text = text[: len(text) - held].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + b"\r" * held
        *lines, self._rest = text.split(b"\n")
        if len(self._rest) > DOCUMENT_BYTES_MAX:
            raise Unreadable(f"a line of it is longer than {DOCUMENT_BYTES_MAX:,} bytes")
        for line in lines:
            if line:
                self._line(line)
            elif self._data:
                yield from self._event()
            else:
                self._name = ""

    def end(self) -> Iterator[tuple[str, Any]]:
        """What is left when the reply has ended. Raises :class:`Unreadable`."""
        if self._whole is not None:
            yield from self._parsed_whole(b"".join(self._whole))
            return
        if self._rest:
            line, self._rest = self._rest.rstrip(b"\r"), b""
            self._line(line)
        if self._data:
            yield from self._event()

    def _first(self, data: bytes) -> bytes:
        """Look at how a reply begins: a stream of events, one document, or a page for people."""
        data = self._rest + data
        if data[:3] == b"\xef\xbb\xbf":
            data = data[3:]
        elif b"\xef\xbb\xbf".startswith(data[:3]) and len(data) < 3:
            self._rest = data
            return b""
        start = data.lstrip()
        if not start:
            self._rest = b""
            return b""
        self._rest, self._begun = b"", True
        if start[:1] in b"{[":
            self._whole, self.whole = [], True
        elif start[:1] == b"<":
            raise WebPage("it is a web page, and not a model's reply")
        return data

    def _line(self, line: bytes) -> None:
        field, colon, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            if value or self._data:
                self._data.append(value)
                self._size += len(value)
                if self._size > DOCUMENT_BYTES_MAX:
                    raise Unreadable(f"an event of it is longer than {DOCUMENT_BYTES_MAX:,} bytes")
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif not colon and not self._data and line[:1] in b"{[":
            self._data.append(line)

    def _event(self) -> Iterator[tuple[str, Any]]:
        name, data = self._name, b"\n".join(self._data)
        self._name, self._data, self._size = "", [], 0
        stripped = data.strip()
        if not stripped:
            return
        if stripped == b"[DONE]":
            self.done = True
            return
        yield name, decoded(data)

    def _parsed_whole(self, data: bytes) -> Iterator[tuple[str, Any]]:
        try:
            document = decoded(data)
        except Unreadable:
            lines = [line for line in data.splitlines() if line.strip()]
            if len(lines) < 2:
                raise
            for line in lines:
                yield "", decoded(line)
            return
        # Google's form without events is a list.
        yield from (("", part) for part in (cast("list[Any]", document) if isinstance(document, list) else [document]))


def decoded(data: bytes) -> Any:
    """JSON as servers write it. Raises :class:`Unreadable`."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    try:  # NaN, halves of characters, control characters in texts
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{' '.join(str(error).split())}: {data[:80].decode('utf-8', 'replace')!r}") from None
