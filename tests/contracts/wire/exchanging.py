"""Questions to a server of exact bytes, and the reply that it gives most often."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

from gemot.abi.messages import Reply
from gemot.models.connection import Connection
from gemot.models.port import ModelFailed
from gemot.models.wire.http import CONNECTIONS_MAX
from wire.asking import question
from wire.recorded import sse
from wire.recorded_chat import HI, STOP
from wire.replaying import connection

BODY = sse(*HI, STOP, done=True)
OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"content-length: %d\r\n\r\n" % len(BODY)
CLOSED = OK + b"connection: close\r\n\r\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def is_clean(client: Connection) -> None:
    """Every place of the client is free, and no task is left."""
    assert client._client._places._value == CONNECTIONS_MAX
    assert asyncio.all_tasks() == {asyncio.current_task()}


def ask(url: str, *, times: int = 1, environment: dict[str, str] | None = None, **seconds: Any) -> list[Any]:
    """The outcomes of some questions, one after the other, on one client."""

    async def run() -> list[Any]:
        client = connection(url, environment=environment, **seconds)
        outcomes: list[Reply | ModelFailed] = []
        for _ in range(times):
            try:
                outcomes.append(await client.ask(question(), lambda _: None))
            except ModelFailed as failure:
                outcomes.append(failure)
            is_clean(client)
        await client.close()
        return outcomes

    outcomes = asyncio.run(run())
    gc.collect()  # an exception that nobody took would be printed now
    return outcomes


def failure(url: str, **options: Any) -> ModelFailed:
    (outcome,) = ask(url, **options)
    assert isinstance(outcome, ModelFailed), outcome
    assert "Traceback" not in str(outcome)
    return outcome
