"""Guests: the connections at a machine's door, and how much of the machine each of them may have.

A client may send without end, not read what it is sent, or begin lines that it does not finish. Each costs memory and time that the others
need. So everything that a guest holds is counted, alone and together with the others:

- a line has a longest length, and a time within which it must end once it has begun;
- who leaves unread what it is sent is not read from any more, and is dropped after a while, or when it is too much;
- when all guests together hold too much, the one that holds most is dropped;
- after each wish the others have their turn.
"""

from __future__ import annotations

import asyncio
import contextlib

LINE_SECONDS_MAX = 30.0
"""How long a line may take from its first byte to its end. The longest takes a second on a slow computer."""

UNREAD_SECONDS_MAX = 30.0
"""How long a client may leave an answer unread before it is dropped."""

HELD_BYTES_MAX = 64 << 20
"""How much all clients together may leave unread and unfinished: a few of the longest lines at once."""

GUESTS_MAX = 800
"""Connections at once. A process has 1,024 open files by default, and the machine needs some for its work."""

PORTION_BYTES = 64 << 10
"""How much is read at once."""


class Unwelcome(Exception):
    """The guest must leave; the message says which limit it broke."""


class Guest:
    """One connection. ``line_bytes_max``: the longest line; ``unread_bytes_max``: how much it may leave unread."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line_bytes_max: int, unread_bytes_max: int
    ) -> None:
        self.writer = writer
        self._line_bytes_max, self._unread_bytes_max = line_bytes_max, unread_bytes_max
        self.task = asyncio.current_task()
        self._reader = reader
        self._begun = bytearray()
        self.why = ""
        """Why it was dropped."""

    @property
    def unread(self) -> int:
        """Bytes that it was sent and has not read."""
        return self.writer.transport.get_write_buffer_size()

    @property
    def held(self) -> int:
        """Bytes of memory that it holds."""
        return len(self._begun) + self.unread

    async def lines(self, guests: Guests) -> list[bytes]:
        """The whole lines of what comes next; none at the end. Raises :class:`Unwelcome`."""
        while True:
            within = LINE_SECONDS_MAX if self._begun else None
            try:
                came = await asyncio.wait_for(self._reader.read(PORTION_BYTES), within)
            except TimeoutError:
                raise Unwelcome(f"a line must end within {LINE_SECONDS_MAX:g} s of its beginning") from None
            if not came:
                return []
            *whole, rest = came.split(b"\n")
            if not whole:
                self._begun += rest
                if len(self._begun) > self._line_bytes_max:
                    raise Unwelcome(f"a line has at most {self._line_bytes_max} bytes")
                guests.must_fit()
                continue
            whole[0] = bytes(self._begun) + whole[0]
            self._begun = bytearray(rest)
            return whole

    def tell(self, line: bytes) -> None:
        """Send a line. One that leaves too much unread is dropped."""
        if self.writer.transport.is_closing():
            return
        self.writer.write(line + b"\n")
        if self.unread > self._unread_bytes_max:
            self.drop(f"it left more than {self._unread_bytes_max} bytes unread")

    async def rest(self) -> None:
        """Wait until it has read most of what it was sent, and give the others their turn."""
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(self.writer.drain(), UNREAD_SECONDS_MAX)
        except TimeoutError:
            self.drop(f"it read nothing for {UNREAD_SECONDS_MAX:g} s")

    def drop(self, why: str) -> None:
        self.why = why
        self._begun = bytearray()
        self.writer.transport.abort()
        if self.task is not None:
            self.task.cancel()

    async def dismiss(self, line: bytes) -> None:
        """Say a last word, if it is heard within a second."""
        self.tell(line)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(self.writer.drain(), 1)


class Guests(dict[asyncio.StreamWriter, Guest]):
    """All connections."""

    def must_fit(self) -> None:
        """Drop who holds most, while all of them hold too much."""
        while sum(guest.held for guest in self.values()) > HELD_BYTES_MAX:
            largest = max(self.values(), key=lambda guest: guest.held)
            largest.drop(f"all clients together held more than {HELD_BYTES_MAX} bytes, and it held most")
            del self[largest.writer]
