"""The fork bomb: a million attempts inside one budget, and how long a neighbour's turns take meanwhile."""

from __future__ import annotations

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from evals.bestiary.running import settled
from evals.bestiary.world import World
from gemot import Budget, bestiary

ENDLESS = 10**15
"""Tokens and time enough for any bomb: what ends it is the number of its syscalls."""


@dataclass(frozen=True)
class Bomb:
    """``turns``: seconds that each of the neighbour's turns took while it went off, ``worked``: of processor time; ``alone``:
    before that."""

    attempts: int
    born: int
    alive_most: int
    calls: int
    calls_given: int
    seconds: float
    alone: list[float]
    turns: list[float]
    worked: list[float]
    neighbour: str
    memory_mb: int
    reached: list[str]


async def explode(attempts: int, processes: int = 64, alone: int = 300) -> Bomb:
    """Let ``forks`` loose with a budget of so many syscalls; nearly all of them are attempts to fork."""
    with tempfile.TemporaryDirectory(prefix="gemot bomb ") as folder:
        world = World(Path(folder), bestiary("forks"))
        machine = await world.boot()
        neighbour = await world.move_in()
        while len(world.neighbour.seconds) < alone:
            await settled()
        before, began = len(world.neighbour.seconds), time.perf_counter()
        given = Budget(ENDLESS, 0, ENDLESS, processes, 8, attempts)
        outcome = await machine.result(await world.loose("fork", given))
        seconds = time.perf_counter() - began
        turns, worked = world.neighbour.seconds[before:], world.neighbour.worked[before:]
        world.neighbour.over = True
        other = await machine.result(neighbour)
        assert outcome.rule == "budget", outcome
        bomb = Bomb(
            world.beast.tried["fork"],
            len(world.born),
            world.most,
            world.spent().calls,
            attempts,
            seconds,
            world.neighbour.seconds[1:before],
            turns,
            worked,
            str(other.value or other.error),
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            world.reached(),
        )
        await machine.close()
    return bomb


def told(bomb: Bomb) -> str:
    """The figures, in words."""
    return "\n".join(
        (
            f"{bomb.calls:,} of {bomb.calls_given:,} syscalls used in {bomb.seconds:.0f} s; {bomb.attempts:,} forks requested, "
            f"{bomb.born:,} processes born, at most {bomb.alive_most} alive at once; memory at most {bomb.memory_mb:,} MB",
            f"a neighbour's turn meanwhile: {_times(bomb.turns)}",
            f"of which processor time: {_times(bomb.worked)}",
            f"its turn alone: {_times(bomb.alone)}",
            f"the neighbour ended {bomb.neighbour}; reached outside of the budget: {', '.join(bomb.reached) or 'nothing'}",
        )
    )


def _times(seconds: list[float]) -> str:
    if len(seconds) < 3:
        return f"{len(seconds)} turns"
    cuts = quantiles(seconds, n=100, method="inclusive")
    return f"p50 {1000 * cuts[49]:.1f} ms, p99 {1000 * cuts[98]:.1f} ms, most {1000 * max(seconds):.1f} ms ({len(seconds):,} turns)"
