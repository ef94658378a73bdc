"""The work that every system is given: one script of a model, one tool, and what is noted about them.

It runs inside the system's own environment, so it imports the standard library only. A turn is one model call that
requests one tool use; after the last turn the model says that it is done. What turn a model call belongs to is told by
the adapter from the length of the conversation that the system shows its model: nothing is remembered here, so that a
conversation can be killed and go on in another operating-system process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

PAGE_BYTES = resource.getpagesize()
KILLS = ("in the model", "before the tool", "in the tool")
"""Where a system is killed: while the model works; when its reply has been handed over and the tool begins; when the tool
has had its effect and has not returned."""


@dataclass(frozen=True)
class Step:
    """What the model says in one turn: some words, and the arguments of the one tool use."""

    turn: int
    words: str
    text: str

    @property
    def arguments(self) -> dict[str, Any]:
        return {"turn": self.turn, "text": self.text}

    @property
    def request_id(self) -> str:
        return f"request-{self.turn}"


@dataclass
class Job:
    """``chars``: the length of the tool's argument and result. ``model_seconds``: how long a model call takes.
    ``kill``: one of ``KILLS``, at the turn ``kill_turn``. ``hold``: model calls after the last turn never return; when
    ``hold`` of them wait, ``held`` is set, or with ``kill_held`` everything is killed. ``stop_first``: end at the first model call. ``seconds_max``: then end, wherever it is.
    """

    turns: int
    chars: int = 100
    model_seconds: float = 0.0
    ledger: str = ""
    kill: str = ""
    kill_turn: int = 0
    hold: int = 0
    kill_held: bool = False
    stop_first: bool = False
    seconds_max: float = 0.0
    began: float = field(default_factory=time.perf_counter)
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    measured: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.held = asyncio.Event()
        self._holding = 0
        self._ledger = os.open(self.ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if self.ledger else None

    async def ask(self, turn: int) -> Step | None:
        """One model call. None: the turns are over."""
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())
        if self.stop_first:
            self.end(finished=True)
        if self.seconds_max and self.wall[-1] - self.began > self.seconds_max:
            self.end(finished=False)
        self._die("in the model", turn)
        if turn >= self.turns:
            if self.hold:
                self._holding += 1
                if self._holding >= self.hold:
                    if self.kill_held:
                        self.kill_now()
                    self.held.set()
                await asyncio.Event().wait()
            return None
        if self.model_seconds:
            await asyncio.sleep(self.model_seconds)
        self._note("model", turn)
        return Step(turn, f"Turn {turn}.", f"{turn:08}".ljust(self.chars, "."))

    def use(self, turn: int, text: str) -> str:
        """The tool: it says what it was told."""
        self._die("before the tool", turn)
        self._note("tool", turn)
        self._die("in the tool", turn)
        return text

    def _note(self, what: str, turn: int) -> None:
        if self._ledger is not None:
            os.write(self._ledger, f"{what} {turn}\n".encode())

    def _die(self, where: str, turn: int) -> None:
        if where == self.kill and turn == self.kill_turn:
            self.kill_now()

    def kill_now(self) -> None:
        """End as with ``kill -9``: no handler, no flush."""
        os.kill(os.getpid(), signal.SIGKILL)

    @contextlib.contextmanager
    def measure(self) -> Iterator[None]:
        """Note what the work inside costs: wall and CPU seconds, and bytes of memory that are held afterwards."""
        memory, cpu, wall = resident_bytes(), time.process_time(), time.perf_counter()
        yield
        self.measured["wall_s"] = time.perf_counter() - wall
        self.measured["cpu_s"] = time.process_time() - cpu
        self.measured["memory_bytes"] = resident_bytes() - memory

    def found(self, finished: bool) -> dict[str, Any]:
        """What was noted, as JSON can say it."""
        return {
            "finished": finished,
            "wall": [round(one - self.began, 6) for one in self.wall],
            "cpu": [round(one, 6) for one in self.cpu],
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            **self.measured,
        }

    def end(self, finished: bool) -> NoReturn:
        """Say what was noted so far, and end this operating-system process."""
        tell(self.found(finished))
        os._exit(0)


def tell(found: dict[str, Any]) -> None:
    """Hand a finding to the process that started this one: the last line of its standard output."""
    sys.stdout.write("\n" + json.dumps(found) + "\n")
    sys.stdout.flush()


def resident_bytes() -> int:
    """Memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
