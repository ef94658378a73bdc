"""Which workloads there are, in which sizes, and what is aimed at."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measuring import (
    Workload,
    forks,
    kills,
    many_conversations,
    one_conversation,
    restart,
    start_up,
)

COST = {"turns_per_s": "turns/s", "cpu_ms_turn": "CPU ms/turn", "disk_kb": "disk kB"}
GROWTH = {
    "wall_ms_10": "ms at turn 10",
    "wall_ms_last": "ms at the last",
    "wall_growth": "x",
    "cpu_ms_10": "CPU ms at 10",
    "cpu_ms_last": "at the last",
    "cpu_growth": "x CPU",
    "disk_kb": "disk kB",
}
MANY = {"wall_s": "wall s", "cpu_s": "CPU s", "kb_each": "memory kB each", "disk_kb_each": "disk kB each"}
FORK = {"cpu_ms": "CPU ms", "wall_ms": "wall ms", "disk_bytes": "disk bytes", "memory_bytes": "memory bytes"}
START = {"import_cpu_s": "CPU s to import", "first_turn_cpu_s": "CPU s to the end of a durable turn"}
KILL = {
    "models_repeated": "model calls repeated",
    "tools_repeated": "tool uses repeated",
    "tools_not_done": "tool uses not done",
}
PEER_SECONDS = 45.0
"""A long workload is stopped after this, and what it had reached is said."""


def plan(rounds: int, tiny: bool = False) -> list[Workload]:
    """All workloads; ``tiny``: in sizes that only show that they run."""
    long, many, crowd, live, big = (30, 10, 20, 20, 20) if tiny else (1_000, 100, 1_000, 1_000, 10_000)
    seconds = PEER_SECONDS
    loads = "not measured: see 1,000"
    small = forks(5, 100, 5, 2) if tiny else forks(50, 4_000, 1_000, 20)
    large = forks(10, 100, 5, 2) if tiny else forks(500, 4_000, 1_000, 5)
    return [
        Workload(
            "w1",
            f"W1: one conversation, {200 if not tiny else 5} turns",
            one_conversation(5 if tiny else 200, seconds),
            COST,
            rounds,
            rounds,
        ),
        Workload(
            "w1_long", f"W1, {long:,} turns: what a late turn costs", one_conversation(long, seconds), GROWTH, rounds, 1
        ),
        Workload(
            "w2_100",
            f"W2: {many} conversations x 10 turns at once, a model that takes 50 ms",
            many_conversations(many, 10, 0.05, 2 * seconds),
            MANY,
            rounds,
            min(rounds, 3),
        ),
        Workload(
            "w2_1000",
            f"W2: {crowd:,} conversations x 10 turns at once",
            many_conversations(crowd, 10, 0.05, 4 * seconds),
            MANY,
            rounds,
            1,
        ),
        Workload(
            "w2_10000",
            f"W2: {big:,} conversations x 10 turns at once",
            many_conversations(big, 10, 0.05, 5 * seconds),
            MANY,
            rounds,
            0,
            loads,
            ("full",),
        ),
        Workload("w3_400kb", "W3: fork a context of 400 kB", small, FORK, rounds, rounds),
        Workload("w3_4mb", "W3: fork a context of 4 MB", large, FORK, rounds, 1),
        Workload("w4", "W4: start-up, cold process", start_up, START, rounds, rounds),
        Workload("w5_kill", "W5: kill -9 at three moments, run again", kills(20), KILL, 1, 1),
        Workload(
            "w5_restart",
            f"W5: kill -9 with {live:,} live conversations, open again",
            restart(live, 10),
            {"first_step_s": "s to the first model call"},
            rounds,
            1,
        ),
    ]


Figure = Callable[[str, str, str], list[float]]
"""(workload, subject, figure) -> what each round gave."""


@dataclass(frozen=True)
class Target:
    """``measured`` is computed from what the rounds gave; met if it is at most (or with ``at_least``, at least) ``bound``."""

    text: str
    bound: float
    measured: Callable[[Figure], float | None]
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


def _ratio(one: tuple[str, str, str], other: tuple[str, str, str]) -> Callable[[Figure], float | None]:
    """Round by round where both have as many (they ran beside each other), else median by median."""

    def measured(figure: Figure) -> float | None:
        above, below = figure(*one), figure(*other)
        if not above or not below:
            return None
        if len(above) != len(below):
            return statistics.median(above) / statistics.median(below)
        return statistics.median(over / under for over, under in zip(above, below, strict=True))

    return measured


def _one(workload: str, subject: str, name: str) -> Callable[[Figure], float | None]:
    def measured(figure: Figure) -> float | None:
        found = figure(workload, subject, name)
        return statistics.median(found) if found else None

    return measured


FULL, NORMAL, FLOOR, DELTA = "gemot, full", "gemot, normal", "floor, full", "langgraph, delta"

TARGETS = [
    Target(
        "W1 turns/s, full, of the floor", 0.5, _ratio(("w1", FULL, "turns_per_s"), ("w1", FLOOR, "turns_per_s")), True
    ),
    Target(
        "W1 turns/s, full, x langgraph delta",
        8,
        _ratio(("w1", FULL, "turns_per_s"), ("w1", DELTA, "turns_per_s")),
        True,
    ),
    Target("W1 CPU ms a turn, full", 0.5, _one("w1", FULL, "cpu_ms_turn")),
    Target(
        "W1 turns/s, normal, x langgraph delta",
        30,
        _ratio(("w1", NORMAL, "turns_per_s"), ("w1", DELTA, "turns_per_s")),
        True,
    ),
    Target("W1 ms at turn 1,000 / turn 10, full", 1.15, _one("w1_long", FULL, "wall_growth")),
    Target("W1 CPU at turn 1,000 / turn 10, normal", 1.15, _one("w1_long", NORMAL, "cpu_growth")),
    Target("W1 disk at 1,000 / 200 turns", 5.5, _ratio(("w1_long", FULL, "disk_kb"), ("w1", FULL, "disk_kb"))),
    Target("W2 wall, 1,000, x the floor", 1.6, _ratio(("w2_1000", FULL, "wall_s"), ("w2_1000", FLOOR, "wall_s"))),
    Target(
        "W2 wall, 1,000, langgraph x gemot",
        50,
        _ratio(("w2_1000", "langgraph, default", "wall_s"), ("w2_1000", FULL, "wall_s")),
        True,
    ),
    Target(
        "W2 wall, 1,000, langgraph delta x gemot",
        50,
        _ratio(("w2_1000", DELTA, "wall_s"), ("w2_1000", FULL, "wall_s")),
        True,
    ),
    Target("W2 memory kB a process, 1,000", 12, _one("w2_1000", FULL, "kb_each")),
    Target("W2 wall, 10,000, x the floor", 2, _ratio(("w2_10000", FULL, "wall_s"), ("w2_10000", FLOOR, "wall_s"))),
    Target("W3 CPU ms a fork, 400 kB", 0.2, _one("w3_400kb", FULL, "cpu_ms")),
    Target("W3 disk bytes a fork, 400 kB", 1_000, _one("w3_400kb", FULL, "disk_bytes")),
    Target("W3 memory bytes a fork, 400 kB", 1_000, _one("w3_400kb", FULL, "memory_bytes")),
    Target("W3 CPU ms a fork, 4 MB", 0.2, _one("w3_4mb", FULL, "cpu_ms")),
    Target("W3 disk bytes a fork, 4 MB", 1_000, _one("w3_4mb", FULL, "disk_bytes")),
    Target("W3 memory bytes a fork, 4 MB", 1_000, _one("w3_4mb", FULL, "memory_bytes")),
    Target("W4 CPU s to import", 0.2, _one("w4", FULL, "import_cpu_s")),
    Target("W4 CPU s to the first durable turn", 0.3, _one("w4", FULL, "first_turn_cpu_s")),
    Target("W5 model calls repeated", 0, _one("w5_kill", FULL, "models_repeated")),
    Target("W5 tool uses repeated", 0, _one("w5_kill", FULL, "tools_repeated")),
    Target("W5 model calls repeated, normal", 0, _one("w5_kill", NORMAL, "models_repeated")),
    Target("W5 tool uses repeated, normal", 0, _one("w5_kill", NORMAL, "tools_repeated")),
    Target("W5 s to the first step, 1,000 live", 0.5, _one("w5_restart", FULL, "first_step_s")),
]
