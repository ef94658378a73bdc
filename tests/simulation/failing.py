"""Calls of the stores that fail: each call of a journal and of the memories, by its number and in each way in which it can.

The calls of a life are counted by name. The one that is drawn fails:

- ``full``: there was no room, and nothing was written.
- ``failed``: the disk refused, and nothing was written. The writer can't be used any more.
- ``unknown``: all was written, and the disk did not confirm it. The writer can't be used any more.
- ``unreadable``: what is looked for can't be read, now or ever.
"""

from __future__ import annotations

import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

from gemot.abi.effects import DropMemory, FindMemories, KeepMemory
from gemot.journal.contract import Damaged, DiskFailed, Full
from gemot.machine.memories import Memories

Value = TypeVar("Value")

WRITES = ("append", "put_value", "put_checkpoint")
READS = ("value", "checkpoint", "tree", "pieces", "read")
MEMORIES = ("keep", "find", "drop")
ALL = (*WRITES, *READS, *MEMORIES, *["put_value"] * 6)
"""Values more often than all else: they are written between an effect and the record of it."""


TESTS = (Path(__file__).parent, Path(__file__).parents[1])
STORES = ("failing.py", "disk.py")


class Failure(NamedTuple):
    """The call ``name`` number ``number`` of a life fails in the way ``kind``."""

    name: str
    number: int
    kind: str


def drawn(chance: Random) -> Failure:
    """A failure for a life; of those with a high number many lives see nothing."""
    name = chance.choice(ALL)
    kinds = ("unreadable",) if name in READS or name == "find" else ("full", "failed", "unknown")
    return Failure(name, 1 + int(chance.random() ** 2 * (40 if name == "append" else 6)), chance.choice(kinds))


class Failing:
    """Counts the calls of a life. ``happened``: the failure came."""

    def __init__(self, failure: Failure | None = None) -> None:
        self.failure = failure
        self.happened = False
        self.dead = False
        """The disk has failed once, so nothing is written any more."""
        self._calls: Counter[str] = Counter()

    def call(self, name: str, do: Callable[[], Value]) -> Value:
        """Do it, unless it is to fail. Raises what a journal raises."""
        kind = self._kind(name)
        if self.dead and name in WRITES:
            raise DiskFailed("the disk has failed before")
        match kind:
            case "":
                return do()
            case "full":
                raise Full("no room")
            case "unreadable":
                raise Damaged(f"{name}: it can't be read", 1)
            case _:
                self.dead = True
                if kind == "unknown":
                    do()
                raise DiskFailed("input/output error")

    def remember(self, name: str, do: Callable[[], Value]) -> Value:
        """The same for the memories. Raises what SQLite raises there."""
        kind = self._kind(name)
        if kind == "unknown":
            do()
        if kind:
            raise sqlite3.OperationalError("database or disk is full" if kind == "full" else "disk I/O error")
        return do()

    def _kind(self, name: str) -> str:
        failure = self.failure
        if failure is None or failure.name != name or (name in READS and _is_a_look()):
            return ""
        self._calls[name] += 1
        if failure.number != self._calls[name]:
            return ""
        self.happened = True
        return failure.kind


def _is_a_look() -> bool:
    """Do the laws look at the tables, and not the machine itself? A tree that is away is fetched for both."""
    frame = sys._getframe(1)
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.parent in TESTS and file.name not in STORES:
            return frame.f_code.co_name not in ("handle", "run", "result", "boot")
        frame = frame.f_back
    return False


class Shelves(Memories):
    """The memories of a home, which outlive its machines. ``failing``: the calls of the life that uses them."""

    def __init__(self) -> None:
        super().__init__(None)
        self.failing = Failing()

    def keep(self, effect: KeepMemory) -> int:
        return self.failing.remember("keep", lambda: Memories.keep(self, effect))

    def find(self, effect: FindMemories) -> tuple[Any, ...]:
        return self.failing.remember("find", lambda: Memories.find(self, effect))

    def drop(self, effect: DropMemory) -> int:
        return self.failing.remember("drop", lambda: Memories.drop(self, effect))

    def close(self) -> None:
        """They stay."""
