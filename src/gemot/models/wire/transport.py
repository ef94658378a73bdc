"""One connection to a server, and the reply that is under way on it. `httptools` (llhttp) parses."""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import httptools
from msgspec import Struct

from gemot.models.wire.unpacking import PACKINGS, Unpacker

UNREAD_BYTES_MAX = 1 << 20
"""A connection is not read from while so much of its reply waits to be taken."""
HEAD_BYTES_MAX = 64 * 1024
"""A reply whose headers are longer is not HTTP that a provider sends."""


class Limits(Struct, frozen=True):
    """How long each step of a call may take, in seconds; None: without a limit."""

    connect: float | None = 10.0
    """To resolve the name, to connect, and to agree on TLS."""
    first_byte: float | None = 120.0
    """From the end of the request to the first byte of the reply."""
    silence: float | None = 600.0
    """Between two pieces of the reply."""
    whole: float | None = None
    """From the beginning of the call to the end of the reply."""


class ConnectionFailed(Exception):
    """The call did not come to its end. ``silent``: not one byte of a reply had come. ``final``: another call fails in the same way."""

    def __init__(self, message: str, *, silent: bool, final: bool = False) -> None:
        super().__init__(message)
        self.silent, self.final = silent, final


class NotHttp(ConnectionFailed):
    """The server's bytes are not an HTTP reply that this client can read."""


class Connection(asyncio.Protocol):
    """One connection, and the reply that is under way on it."""

    def __init__(self, ended: Callable[[Connection], None]) -> None:
        """``ended`` is told when a call on it has ended, or was given up."""
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._released = True
        self.ended_by_peer = False
        self._error: Exception | None = None
        self._sending = False
        self._timer: asyncio.TimerHandle | None = None
        self._clear()

    def _clear(self) -> None:
        self._parser: Any = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self._head_bytes = 0
        self._has_head = self._complete = self._stays = self._paused = self._tunnelling = False
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._unpack: Unpacker | None = None
        self._limits = Limits()
        self._silence: float | None = None
        self._begun = self._heard = 0.0
        self._any = False
        self._end_by: float | None = None
        self._unsent = 0

    # What a call does.

    async def send(self, head: bytes, body: Sequence[bytes], limits: Limits) -> None:
        """Send a request and wait for the head of its reply. Raises :class:`ConnectionFailed`."""
        self._clear()
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True, lenient_keep_alive=True)
        self._released = False
        self._limits, self._silence = limits, limits.first_byte
        self._begun = self._heard = self._loop.time()
        self._watch()
        self.transport.writelines([head, *body])
        self._unsent = self.transport.get_write_buffer_size()
        while not self._has_head:
            await self._next()  # a reply may come while the request is still on its way: an error, most likely

    async def tunnel(self, head: bytes, limits: Limits) -> int:
        """Ask a proxy to connect; the status that it answers with."""
        self._clear()
        self._tunnelling = True
        self._parser = httptools.HttpResponseParser(self)
        self._limits, self._silence = limits, limits.connect
        self._begun = self._heard = self._loop.time()
        self.transport.write(head)
        while not self._has_head:
            await self._next()
        return self.status

    async def read(self) -> bytes:
        while True:
            if self._unpack is not None and (data := self._unpacked(self._unpack)):
                await asyncio.sleep(0)  # a little packed data may be very much: others have their turn in between
                return data
            if self._pieces:
                data = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
                self._pieces.clear()
                self._waiting_bytes = 0
                if self._paused:
                    self._paused = False
                    self.transport.resume_reading()
                if self._unpack is None:
                    return data
                self._unpack.feed(data)
            elif self._complete:
                if self._unpack is not None and not self._unpack.whole:
                    raise NotHttp("the packed reply breaks off", silent=False)
                return b""
            else:
                await self._next()

    def release(self) -> None:
        """The call has ended, or is given up."""
        if self._released:
            return
        self._released = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._complete or self._pieces:
            self.abort()
        self._ended(self)

    def abort(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.transport.abort()

    def end_within(self, seconds: float) -> None:
        if self._end_by is None and not self._complete:
            self._end_by = self._loop.time() + seconds
            self._watch()

    @property
    def framed(self) -> bool:
        return "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def reusable(self) -> bool:
        return (
            self._error is None
            and not self.ended_by_peer
            and not self.transport.is_closing()
            and not self.transport.get_write_buffer_size()  # a reply may come before its request has been sent
            and (self._parser is None or (self._complete and self.framed and self._stays))
        )

    async def _next(self) -> None:
        """Wait until something has happened. Raises what ended the connection."""
        if self._error is not None:
            raise self._error
        self._wake = self._loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None
        if self._error is not None and not self._pieces and not self._complete:
            raise self._error

    def _unpacked(self, unpack: Unpacker) -> bytes:
        try:
            return unpack.take()
        except zlib.error as error:
            raise NotHttp(f"the reply can't be unpacked ({error})", silent=False) from None

    # Limits.

    def _watch(self) -> None:
        """One timer for all limits. It is set anew when it rings, not at each piece."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ends: list[float] = []
        if self._silence is not None:
            ends.append(self._heard + self._silence)
        if self._limits.whole is not None:
            ends.append(self._begun + self._limits.whole)
        if self._end_by is not None:
            ends.append(self._end_by)
        if ends:
            self._timer = self._loop.call_at(min(ends), self._rang)

    def _rang(self) -> None:
        self._timer = None
        now = self._loop.time()
        whole = self._limits.whole
        if whole is not None and now >= self._begun + whole:
            self._fail(f"the reply had not ended after {whole:g} s")
        elif self._end_by is not None and now >= self._end_by:
            self._fail("the reply went on after its end")
        elif self._sends():
            self._heard = now
            self._watch()
        elif self._silence is not None and now >= self._heard + self._silence:
            what = "nothing came" if self._any else "it did not answer"
            if self._sending:
                what = "it took nothing of the request"
            self._fail(f"{what} for {self._silence:g} s")
        else:
            self._watch()

    def _sends(self) -> bool:
        """Whether the request is still on its way, and moves."""
        if not self._sending or self._has_head:
            return False
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        return self._unsent < before

    def _fail(self, message: str, kind: type[ConnectionFailed] = ConnectionFailed) -> None:
        if self._error is None:
            self._error = kind(message, silent=not self._any)
        self.transport.abort()
        self._stir()

    def _stir(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._complete:
            self._spoil()
            return
        self._any = True
        self._heard = self._loop.time()
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("the server wants to speak another protocol", NotHttp)
        except httptools.HttpParserError as error:
            if not self._complete:
                self._fail(f"its answer is not HTTP ({_short(error)})", NotHttp)
        if not self._has_head and self._head_bytes > HEAD_BYTES_MAX:
            self._fail(f"the headers of its answer have more than {HEAD_BYTES_MAX:,} bytes", NotHttp)
        self._stir()

    def _spoil(self) -> None:
        """Bytes came that no request asked for: this connection is not used again."""
        self.ended_by_peer = True
        self.transport.abort()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended_by_peer = self.ended_by_peer or self._error is None
        if self._has_head and not self._complete and not self.framed and exc is None and self._error is None:
            self._complete = True  # the end of the connection is the end of such a reply
        elif not self._complete and self._error is None:
            what = "the connection broke off" if self._any else "the connection was closed without an answer"
            self._error = ConnectionFailed(f"{what}{f' ({exc})' if exc else ''}", silent=not self._any)
        self._sending = False
        self._stir()

    def pause_writing(self) -> None:
        self._sending = True

    def resume_writing(self) -> None:
        self._sending = False
        self._heard = self._loop.time()  # the wait for the reply begins with the end of the request

    # httptools

    def on_message_begin(self) -> None:
        if self._complete:
            self._spoil()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # after the body, or of a reply that no request asked for
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._has_head:
            return
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        packing = self.headers.get("content-encoding", "").strip().lower()
        if packing in PACKINGS:
            self._unpack = Unpacker()
        elif packing not in ("", "identity", "none", "utf-8"):
            self._fail(f"its answer is packed as {packing!r:.40}, which was not asked for", NotHttp)
            return
        self._has_head = True
        before, self._silence = self._silence, self._limits.silence
        if not self._tunnelling and self._silence is not None and (before is None or self._silence < before):
            self._watch()

    def on_body(self, data: bytes) -> None:
        if self._complete or self._error is not None:
            return
        self._pieces.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > UNREAD_BYTES_MAX and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._has_head:
            self._complete = True
            self._stays = self._parser.should_keep_alive()  # the parser knows this until the message ends
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        else:  # 100 Continue, 103 Early Hints: the real answer follows
            self.headers = {}


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__
