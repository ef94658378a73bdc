"""Recorded replies, read by the parser alone or over HTTP, and what came of them in one form."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from gemot.abi.messages import Reasoning, Reply, Request, Text, ToolRequest
from gemot.models.catalogue import PROVIDERS, card
from gemot.models.connection import Connection
from gemot.models.port import ModelFailed
from gemot.models.wire.formats import Failed
from gemot.models.wire.gathering import Gathering
from gemot.models.wire.reading import Reading
from gemot.models.wire.transport import ConnectionFailed
from wire.asking import CLOCK, READ, question
from wire.recorded import Recorded

TOOLS = (READ, CLOCK)
PROVIDER = {"openai-chat": "openai", "openai-responses": "openai", "anthropic": "anthropic", "google": "google"}
KEY = "sk-0123456789abcdef"

Piece = bytes | Callable[[socket.socket], None]
"""Bytes to send, or something else to do with the connection."""


def reset(connection: socket.socket) -> None:
    """End a connection as a server that crashes does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Raw:
    """A server that sends exact bytes: for each request one reply, the last again and again; then it closes the connection."""

    def __init__(self, *replies: Sequence[Piece], host: str = "127.0.0.1") -> None:
        self.replies = list(replies)
        self.asked: list[tuple[bytes, bytes]] = []
        """The head and the body of each request."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family)
        self.port: int = self._socket.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Raw:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in (self._thread, *self._threads):
            thread.join(10)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while self._answer(connection):
                    pass
            except OSError:
                pass  # the client has left

    def _answer(self, connection: socket.socket) -> bool:
        """Answer one request; whether another one may follow on the connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65_536)
            if not more:
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        while len(body) < length:
            body += connection.recv(1 << 20)
        self.asked.append((head, body))
        pieces = self.replies[min(len(self.asked), len(self.replies)) - 1]
        for piece in pieces:
            if isinstance(piece, bytes):
                connection.sendall(piece)
            else:
                piece(connection)
        stays = b"content-length" in (pieces[0].lower() if pieces and isinstance(pieces[0], bytes) else b"")
        if stays and not any(callable(piece) for piece in pieces):
            return True
        if not any(piece is reset for piece in pieces):
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
        return False


def connection(
    url: str, dialect: str = "openai-chat", environment: dict[str, str] | None = None, **seconds: float
) -> Connection:
    """A connection that makes single attempts. ``seconds``: limits that differ from the usual ones."""
    provider = PROVIDERS[PROVIDER[dialect]]
    known = card(provider, "m", environment={})
    known = replace(known, dialect=dialect, seconds=replace(known.seconds, **seconds))
    return Connection(provider, "m", url, KEY, provider.name, known, environment or {})


def request_for(record: Recorded) -> Request:
    return question(tools=TOOLS, tokens_out_max=record.out_max)


def over_http(record: Recorded, cuts: Iterable[int] = ()) -> Reply | ModelFailed:
    """The record's bytes, sent in pieces by a real server."""
    ends = [0, *cuts, len(record.body)]
    pieces: list[Piece] = [record.head, *(record.body[a:b] for a, b in pairwise(ends))]
    if record.breaks:
        pieces.append(reset)
    with Raw(pieces) as server:
        return attempt(server.url, record)


def attempt(url: str, record: Recorded) -> Reply | ModelFailed:
    async def ask() -> Reply | ModelFailed:
        client = connection(url, record.dialect)
        try:
            return await client.ask(request_for(record), lambda _: None)
        except ModelFailed as failure:
            return failure
        finally:
            await client.close()

    return asyncio.run(ask())


class Parser:
    """Reads the bodies of one record again and again. ``heard``: the words that whoever listens was told at the last time."""

    def __init__(self, record: Recorded) -> None:
        self._request = request_for(record)
        self._connection = connection("http://127.0.0.1:9/v1", record.dialect)
        self._view = self._connection._view(self._request, "")
        self._breaks = record.breaks
        self.heard: list[str] = []

    def read(self, framed: bool, *pieces: bytes) -> Reply | ModelFailed:
        own, self.heard = self._connection, []
        gathering = Gathering(self._view.tools.offered, self.heard.append, self._request.tokens_out_max)
        reading = Reading(own._format, gathering, own._faults)
        try:
            for piece in pieces:
                if reading.over:
                    break
                reading.feed(piece)
            if self._breaks and not reading.over:
                reading.break_off(ConnectionFailed("reset", silent=False))
            else:
                reading.end(framed=framed)
        except ModelFailed as failure:
            failure.usage = own._used(gathering, self._request)
            return failure
        except Failed as failed:
            failure = own._faults.of_event(failed.error, began=gathering.any)
            failure.usage = own._used(gathering, self._request)
            return failure
        gathering.end()
        return own._reply(self._view, gathering)


def shape(outcome: Reply | ModelFailed) -> dict[str, Any]:
    """What a record says of an outcome."""
    if isinstance(outcome, ModelFailed):
        return {"fails": outcome.kind, "passes": outcome.passing, "usage": _usage(outcome.usage)}
    return {
        "text": "".join(part.text for part in outcome.parts if isinstance(part, Text)),
        "thought": "".join(part.text for part in outcome.parts if isinstance(part, Reasoning)),
        "calls": [(part.name, _value(part.arguments)) for part in outcome.parts if isinstance(part, ToolRequest)],
        "finish": outcome.finish,
        "usage": _usage(outcome.usage),
    }


def expected(record: Recorded) -> dict[str, Any]:
    usage = None if record.usage is None else (*record.usage, 0, 0, 0)[:5]
    if record.fails:
        return {"fails": record.fails, "passes": record.passes, "usage": usage}
    calls = [(name, value) for name, value in record.calls]
    finish = record.finish or ("tool_call" if calls else "stop")
    return {"text": record.text, "thought": record.thought, "calls": calls, "finish": finish, "usage": usage}


def _usage(usage: Any) -> tuple[int, ...] | None:
    if usage is None or usage.estimated:
        return None
    return (usage.tokens_in, usage.tokens_out, usage.tokens_cached, usage.tokens_written, usage.tokens_reasoning)


def _value(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
