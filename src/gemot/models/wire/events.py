"""The bytes of a reply -> its documents: server-sent events, lines of JSON, or one JSON document that was not streamed.

What servers send in the place of a document says nothing and is left out: comments, events without data, empty data, pings, byte
order marks. Lines end with LF, CRLF or CR. A document may be cut anywhere, also within a character. The work is in proportion to
the bytes, however they are cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import msgspec

DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
"""A longer document, or line, is none that a model's reply has."""
STRAY_CHARS = 200
"""So much of what is no event is kept, for a person who looks for the reason."""

_TRIES = 8
"""So many times the end of a document is looked for at a place where it may be."""
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_NO_EVENTS = frozenset(["ping", "keepalive", "keep-alive", "heartbeat"])
_PINGS = frozenset([b"ping", b"pong", b"keepalive", b"keep-alive", b"heartbeat", b"processing", b"connected"])
_FIELDS = frozenset([b"", b"data", b"event", b"id", b"retry"])
"""What a line of an event may begin with; nothing before the colon is a comment."""

_decode = msgspec.json.Decoder().decode


class Unreadable(Exception):
    """The bytes of a reply are not what its format says."""


class WebPage(Unreadable):
    """The reply is a page for people: no model is at this address."""


class Documents:
    """Feed it bytes, get documents."""

    def __init__(self) -> None:
        self.done = False
        """The server has said that nothing follows."""
        self.whole = False
        """A list of documents has come to its end: the reply was not streamed."""
        self.stray = ""
        """The beginning of what is no event."""
        self._begun = False
        self._after_cr = False
        self._rest: list[bytes] = []  # the pieces of a line that has not ended
        self._size = 0  # of the line and the document that have not ended
        self._data: list[bytes] = []
        self._bare = False  # the lines in _data are a document without `data:`
        self._tries = 0
        self._name = ""

    def feed(self, data: bytes) -> Iterator[tuple[str, Any]]:
        """The documents that are complete now: (the event's name, the document). Raises :class:`Unreadable`."""
        if not self._begun:
            data = self._first(data)
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
        if not data or self.done:
            return
        self._after_cr = data[-1:] == b"\r"
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._size += len(data)
        if self._size > DOCUMENT_BYTES_MAX:
            raise Unreadable(f"a document of it is longer than {DOCUMENT_BYTES_MAX:,} bytes")
        lines = data.split(b"\n")
        if len(lines) == 1:
            self._rest.append(data)
            return
        lines[0] = b"".join((*self._rest, lines[0]))
        last = lines.pop()
        self._rest = [last] if last else []
        for line in lines:
            yield from self._line(line)
            if self.done:
                return
        if not self._data:
            self._size = len(last)

    def end(self) -> Iterator[tuple[str, Any]]:
        """What is left when the reply has ended. Raises :class:`Unreadable`."""
        if self.done:
            return
        rest, self._rest = b"".join(self._rest), []
        if rest:
            yield from self._line(rest)
        if self._data and not self.done:
            yield from self._event()

    def _first(self, data: bytes) -> bytes:
        """Look at how a reply begins. Blanks and byte order marks before it say nothing."""
        data = b"".join((*self._rest, data))
        self._rest = []
        while True:
            data = data.lstrip(_BLANK)
            if not data.startswith(_BOM):
                break
            data = data[len(_BOM) :]
        if not data or _BOM.startswith(data):
            self._rest = [data] if data else []
            return b""
        self._begun = True
        if data[:1] == b"<":
            raise WebPage("it is a web page, and not a model's reply")
        return data

    def _line(self, line: bytes) -> Iterator[tuple[str, Any]]:
        if not line:
            if self._data and not self._bare:
                yield from self._event()
            elif not self._data:
                self._name = ""
            return
        if line[:1] in b" \t" and not self._bare:
            line = line.lstrip(b" \t")
        field, _, value = line.partition(b":")
        if field == b"data":
            yield from self._data_line(value[1:] if value[:1] == b" " else value)
        elif self._bare:
            yield from self._bare_line(line)
        elif line[:1] in b"{[":
            if self._data:
                yield from self._event()
            self._bare = True
            yield from self._bare_line(line)
        elif field == b"event":
            self._name = value.strip().decode("utf-8", "replace")
        elif field not in _FIELDS and len(self.stray) < STRAY_CHARS:
            self.stray += line[:STRAY_CHARS].decode("utf-8", "replace") + " "

    def _data_line(self, value: bytes) -> Iterator[tuple[str, Any]]:
        if self._bare:
            self._data, self._bare = [], False  # what stood before the events is no document
        if self._data and (value[:1] == b"{" or value.strip() == b"[DONE]") and self._may_end(b"}"):
            # A server that leaves out the empty line after an event.
            ready = self._tried()
            if ready is not None:
                yield ready
        if value or self._data:
            self._data.append(value)

    def _bare_line(self, line: bytes) -> Iterator[tuple[str, Any]]:
        first = not self._data
        self._data.append(line)
        if first or (line[:1] in b"}]" and self._may_end(b"}]")):
            ready = self._tried()
            if ready is not None:
                yield from self._listed(ready[1])

    def _may_end(self, ends: bytes) -> bool:
        return self._data[-1].rstrip(_BLANK)[-1:] in ends and self._tries < _TRIES

    def _tried(self) -> tuple[str, Any] | None:
        """The document in the lines so far, if they are one."""
        self._tries += 1
        try:
            ready = self._name, _decode(b"\n".join(self._data))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        self._clear()
        return ready

    def _event(self) -> Iterator[tuple[str, Any]]:
        name, bare, data = self._name, self._bare, b"\n".join(self._data)
        self._clear()
        stripped = data.strip(_BLANK)
        while stripped.startswith(_BOM):
            stripped = stripped[len(_BOM) :].lstrip(_BLANK)
        plain = stripped.lower().strip(b'"')
        if plain == b"[done]":
            self.done = True
        elif plain and plain not in _PINGS and stripped[:1] != b":" and name.lower() not in _NO_EVENTS:
            if bare:
                yield from self._listed(decoded(stripped))
            elif (document := decoded(stripped, name)) not in (None, "", [], {}):
                yield name, document

    def _listed(self, document: Any) -> Iterator[tuple[str, Any]]:
        """The documents of one that was not an event. Google's form without events is a list."""
        if not isinstance(document, list):
            yield "", document
            return
        self.whole = True
        yield from (("", part) for part in cast("list[Any]", document))

    def _clear(self) -> None:
        self._data, self._name, self._bare, self._tries, self._size = [], "", False, 0, 0


def decoded(data: bytes, name: str = "") -> Any:
    """JSON as servers write it; of an error's event also words. Raises :class:`Unreadable`."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    text = data.decode("utf-8", "replace")
    try:  # NaN, halves of characters, control characters in texts
        return json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        if name.lower() == "error":
            return {"error": {"message": text}}
        raise Unreadable(f"{' '.join(str(error).split())}: {text[:80]!r}") from None
