"""Soak: one machine that works for a long time grows in nothing but its journal, and in that by the same for each run.

Bounds are on counts: processes and trees in memory, open files, threads, tasks, bytes of the home for each run. No time is asserted.
``GEMOT_SOAK_SECONDS`` says how long (``make slow``: 1,200).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gemot import Grant, Machine, request, scripted
from gemot.abi.grants import Budget
from gemot.drivers.kit import Driver
from gemot.journal.sqlite import SqliteJournal
from gemot.machine import loop
from gemot.programs.native import Calls, program

SECONDS = float(os.environ.get("GEMOT_SOAK_SECONDS") or 4)
AT_ONCE = 20
"""Runs in one round. Each has a child and a conversation of some turns with a tool in a thread."""
TURNS = 5
ROUNDS_MIN = 6
BUDGET = Budget(10**7, 10**7, 10**7, 5, 3, 1_000)


class Held(NamedTuple):
    """What a machine holds between two rounds."""

    processes: int
    programs: int
    working: int
    timers: int
    endings: int
    files: int
    threads: int
    tasks: int


def held(machine: Machine) -> Held:
    inner = machine._loop
    return Held(
        len(machine.kernel.processes),
        len(inner.cast.programs),
        len(machine.kernel.working),
        len(machine.kernel.timers),
        len(inner._endings) + len(inner._births),
        len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0,
        threading.active_count(),
        len(asyncio.all_tasks()),
    )


@program()
async def clerk(calls: Calls, brief: str) -> str:
    """Has a child that talks, and an alarm meanwhile."""
    await calls.alarm(0.001)
    child = await calls.spawn(brief, "solo", grants=("till/note",))
    waited = await calls.wait([child], timeout_seconds=3_600)
    while not waited.ended:  # the alarm
        waited = await calls.wait([child], timeout_seconds=3_600)
    return str(waited.ended[0].value)


def till() -> Driver:
    driver = Driver("till", "Notes.")

    @driver.tool(effect="writes", repeatable=True)
    def note(what: str) -> str:
        """Write a text down. what: the text."""
        return f"noted {what}"

    return driver


def converse(question: Any) -> Any:
    said = sum(message.role == "model" for message in question.messages)
    return request("till/note", what=f"item {said}") if said < TURNS else request("exit", value="done")


def size(home: Path, machine: Machine) -> int:
    """Bytes of the journal, when its log is in its place."""
    journal = machine._loop.journal
    assert isinstance(journal, SqliteJournal) and journal._file.move_log(all_of_it=True)
    return (home / "journal.db").stat().st_size


async def soak(home: Path) -> tuple[list[Held], list[int]]:
    rights = (Grant("till/*"), Grant("spawn"), Grant("alarm"), Grant("wait"), Grant("exit"))
    counts: list[Held] = []
    sizes: list[int] = []
    end = time.monotonic() + SECONDS
    opened = await Machine.open(home, drivers=[till()], programs=[clerk], models={"s": scripted(converse)})
    async with opened as machine:
        while time.monotonic() < end or len(counts) < ROUNDS_MIN:
            pids = await asyncio.gather(
                *(
                    machine.start(f"goal {len(counts)}", program="clerk", model="s", grants=rights, budget=BUDGET)
                    for _ in range(AT_ONCE)
                )
            )
            for outcome in await asyncio.gather(*map(machine.result, pids)):
                assert outcome.value == "done", outcome
            while not machine._loop.quiet:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            machine._loop._sweep_out()
            machine._loop.checkpoint(0)
            counts.append(held(machine))
            sizes.append(size(home, machine))
    return counts, sizes


def test_long_work_holds_no_more_and_writes_as_much_for_each_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SWEEP_SECONDS", 3_600.0)  # the rounds sweep by themselves
    counts, sizes = asyncio.run(soak(tmp_path / "home"))
    print(
        f"{len(counts)} rounds of {AT_ONCE} runs; {counts[2]} then, {counts[-1]} at the end; {sizes[2]} to {sizes[-1]} bytes"
    )
    early = counts[2]
    for number, count in enumerate(counts[3:], 3):
        for name, before, now in zip(Held._fields, early, count, strict=True):
            assert now <= before + AT_ONCE, f"round {number}: {name} were {before}, now {now}"
    middle = len(sizes) // 2
    first = (sizes[middle] - sizes[1]) / (middle - 1)
    second = (sizes[-1] - sizes[middle]) / (len(sizes) - 1 - middle)
    assert second <= 1.25 * first + 65_536 / (len(sizes) - 1 - middle), f"bytes a round: {first:.0f}, then {second:.0f}"
