"""The floor: asyncio and sqlite3 that append to one table, and nothing else. A physical limit, not a product."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.job import Job

MODES = {"full": "synchronous=FULL", "normal": "synchronous=NORMAL"}
CANNOT: dict[str, str] = {}


def load() -> None:
    """Everything is imported above."""


class Log:
    """One table. Appends of one moment share a commit; ``append`` returns when what it wrote is durable."""

    def __init__(self, folder: Path, mode: str) -> None:
        self._db = sqlite3.connect(folder / "floor.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(f"PRAGMA synchronous={mode.upper()}")
        self._db.execute("CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, conversation INTEGER, body TEXT)")
        self._batch: list[tuple[int, str]] = []
        self._written: asyncio.Future[None] | None = None

    def append(self, conversation: int, body: str) -> asyncio.Future[None]:
        self._batch.append((conversation, body))
        if self._written is None:
            loop = asyncio.get_running_loop()
            self._written = loop.create_future()
            loop.call_soon(self._commit)
        return self._written

    def _commit(self) -> None:
        written, self._written = self._written, None
        batch, self._batch = self._batch, []
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO log (conversation, body) VALUES (?,?)", batch)
        self._db.execute("COMMIT")
        assert written is not None
        written.set_result(None)

    def conversations(self) -> dict[int, list[str]]:
        found: defaultdict[int, list[str]] = defaultdict(list)
        for conversation, body in self._db.execute("SELECT conversation, body FROM log ORDER BY id"):
            found[conversation].append(body)
        return found

    def close(self) -> None:
        self._db.close()


async def _converse(log: Log, job: Job, number: int, context: list[str]) -> None:
    """``context``: the goal, then by turns what the model said and what the tool said."""
    if not context:
        context.append("go")
        await log.append(number, "go")
    while (step := await job.ask((len(context) - 1) // 2)) is not None:
        said = f'{{"words":"{step.words}","tool":"echo","turn":{step.turn},"text":"{step.text}"}}'
        context.append(said)
        await log.append(number, said)
        result = job.use(step.turn, step.text)
        context.append(result)
        await log.append(number, result)
    await log.append(number, "done")


async def converse(folder: Path, mode: str, job: Job, count: int, resume: bool) -> None:
    """``count`` conversations at once; ``resume``: those that are in the log go on."""
    log = Log(folder, mode)
    contexts = log.conversations() if resume else {number: [] for number in range(count)}
    for context in contexts.values():
        if context and len(context) % 2 == 0:
            context.pop()  # a reply whose tool use was not finished: asked again
    try:
        await asyncio.gather(*(_converse(log, job, number, context) for number, context in contexts.items()))
    finally:
        log.close()


async def fork(folder: Path, mode: str, job: Job, forks: int) -> None:
    """A fork is a row that names the conversation it goes on from, and its length then."""
    log = Log(folder, mode)
    contexts: dict[int, list[str] | tuple[int, int]] = dict(log.conversations())
    length = len(contexts[0])
    gc.collect()
    with job.measure():
        for number in range(1, forks + 1):
            contexts[number] = (0, length)
            await log.append(number, f"fork of 0 at {length}")
    log.close()
