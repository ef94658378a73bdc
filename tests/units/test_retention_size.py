"""A home is as large as what it keeps, whatever was done in it. GEMOT_RUNS and GEMOT_KEPT: the long form (make slow)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from gemot import Budget, Calls, Grant, Machine, program, request, scripted, tool
from gemot.machine.retention import Limit, Retention

RUNS = int(os.environ.get("GEMOT_RUNS", "600"))
KEPT = int(os.environ.get("GEMOT_KEPT", "60"))
ROUNDS = 10
"""How often what has ended leaves meanwhile."""


@tool("long/text", effect="reads", repeatable=True)
def long_text(of: str) -> str:
    """A text that is too long for a reading."""
    return f"{of} " * 2_000


@program(grants=("long/text",))
async def worker(calls: Calls, brief: str) -> str:
    """Reads a text of its own and ends."""
    await calls.call_all(("long/text", {"of": brief}))
    return brief


def speak(question: Any) -> Any:
    return [request("exit", value="done")]


async def work(home: Path, runs: int, kept: int, kind: str) -> int:
    """So many trees, of which the newest ``kept`` stay; the size of the home then."""
    rules = Retention(Limit(most=kept), Limit(most=kept))
    means = Budget(tokens=10**8, calls=10**6, millis=10**9, processes=10, depth=2)
    models = {"s": scripted(speak)}
    for _ in range(ROUNDS):
        async with await Machine.open(
            home, programs=[worker], tools=[long_text], models=models, retention=Retention(schedules=Limit())
        ) as machine:
            for _ in range(runs // ROUNDS):
                name = f"goal {machine.kernel.numbers[1]:09}"
                words = {"program": "worker", "grants": [Grant("long/text")]} if kind == "code" else {}
                pid = await machine.start(name, model="s", budget=means, **words)
                await machine.result(pid)
            await machine.clear(rules)
            machine._loop.checkpoint(0)
            assert len({one.root for one in machine.processes()}) == min(kept, machine.kernel.numbers[1])
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_socket())


@pytest.mark.parametrize("kind", ["code", "model"])
def test_home_is_as_large_as_what_it_keeps(tmp_path: Path, kind: str) -> None:
    many = asyncio.run(work(tmp_path / "many", RUNS, KEPT, kind))
    few = asyncio.run(work(tmp_path / "few", KEPT, KEPT, kind))
    print(f"{kind}: {RUNS} runs of which {KEPT} stay: {many} bytes; {KEPT} runs: {few} bytes; {many / few:.3f}")
    assert many <= 1.2 * few
