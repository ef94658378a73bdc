"""The workloads: what one round of each runs, and the figures it gives. A figure is a float; a reason for none is a text."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import OURS, python_of
from benchmarks.job import KILLS

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / "build" / "bench"
"""On the disk that the project is on: a folder for temporary files may be in memory, where a sync costs nothing."""

EDGE_TURNS = 21
"""Turns around turn 10, and before the last one, whose median is that turn's cost."""

Figures = dict[str, Any]


class NoFigure(Exception):
    """A measurement that gave none; the message says why."""


@dataclass(frozen=True)
class Subject:
    """A system in one of its modes."""

    system: str
    mode: str

    @property
    def name(self) -> str:
        return f"{self.system}, {self.mode}"

    @property
    def is_ours(self) -> bool:
        return self.system in OURS


@dataclass(frozen=True)
class Workload:
    """``run`` gives the figures of one round. ``rounds``: at most so many; ``peer_rounds``: the same for peers."""

    key: str
    title: str
    run: Callable[[Subject], Figures]
    units: dict[str, str]
    rounds: int = 5
    peer_rounds: int = 5
    no_peers: str = ""
    """Why no peer takes part, where none does. What one peer can't do is in its adapter's ``CANNOT``."""
    modes: tuple[str, ...] = ()
    """Modes of ours that take part; none named: all."""


class Place:
    """A scratch folder in which a subject's data outlives its operating-system process."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def __enter__(self) -> Place:
        SCRATCH.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(dir=SCRATCH))
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and path.name != "ledger")

    def work(self, do: str, *, seconds: float = 300, killed: bool = False, **order: Any) -> Figures:
        """One worker; returns its finding. ``killed``: it is expected to be killed. Raises :class:`NoFigure`."""
        subject = self._subject
        order |= {"system": subject.system, "mode": subject.mode, "do": do, "folder": str(self.folder)}
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        command = [python_of(subject.system), "-m", "benchmarks.worker", json.dumps(order)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise NoFigure(f"not done in {seconds:g} s") from None
        if killed and done.returncode == -9:
            return {}
        if killed or done.returncode != 0:
            said = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["said nothing"]
            raise NoFigure(f"failed (exit {done.returncode}): {said[-1][:200]}")
        return json.loads(done.stdout.rstrip().rpartition("\n")[2])


def one_conversation(turns: int, seconds: float) -> Callable[[Subject], Figures]:
    """W1. What it costs at which turn is in ``curve``: milliseconds of wall and of CPU for each turn."""

    def run(subject: Subject) -> Figures:
        with Place(subject) as place:
            job = {"turns": turns, "seconds_max": seconds}
            found = place.work("converse", seconds=seconds + 60, count=1, job=job)
            wall, cpu = _differences(found["wall"]), _differences(found["cpu"])
            reached = len(wall)
            figures: Figures = {
                "turns_per_s": reached / sum(wall) * 1000,
                "cpu_ms_turn": sum(cpu) / reached,
                "disk_kb": place.bytes() / 1000,
                "curve": {"wall_ms": wall, "cpu_ms": cpu},
            }
            if not found["finished"]:
                figures["note"] = f"stopped at turn {reached} after {seconds:g} s"
            if reached >= 2 * EDGE_TURNS:
                for name, costs in (("wall", wall), ("cpu", cpu)):
                    early, late = statistics.median(costs[:EDGE_TURNS]), statistics.median(costs[-EDGE_TURNS:])
                    figures |= {f"{name}_ms_10": early, f"{name}_ms_last": late, f"{name}_growth": late / early}
            return figures

    return run


def _differences(times: list[float]) -> list[float]:
    return [round((after - before) * 1000, 4) for before, after in itertools.pairwise(times)]


def many_conversations(count: int, turns: int, model_seconds: float, seconds: float) -> Callable[[Subject], Figures]:
    """W2."""

    def run(subject: Subject) -> Figures:
        with Place(subject) as place:
            job = {"turns": turns, "model_seconds": model_seconds}
            found = place.work("converse", seconds=seconds, count=count, job=job)
            return {
                "wall_s": found["total_wall_s"],
                "cpu_s": found["total_cpu_s"],
                "kb_each": (found["peak_bytes"] - found["before_bytes"]) / count / 1000,
                "disk_kb_each": place.bytes() / count / 1000,
            }

    return run


def forks(turns: int, chars: int, ours: int, peers: int) -> Callable[[Subject], Figures]:
    """W3: forks of a conversation of ``turns`` turns whose tool says ``chars`` characters each time."""

    def run(subject: Subject) -> Figures:
        with Place(subject) as place:
            job = {
                "turns": turns,
                "chars": chars,
                "hold": int(subject.system == "gemot"),
            }  # what has ended can't be forked
            count = ours if subject.is_ours else peers
            place.work("converse", count=1, job=job)
            before = place.bytes()
            found = place.work("fork", forks=count, job={"turns": turns, "hold": 10**9})
            return {
                "cpu_ms": found["cpu_s"] / count * 1000,
                "wall_ms": found["wall_s"] / count * 1000,
                "disk_bytes": (place.bytes() - before) / count,
                "memory_bytes": found["memory_bytes"] / count,
            }

    return run


def start_up(subject: Subject) -> Figures:
    """W4."""
    with Place(subject) as place:
        imported = place.work("import")
        turned = place.work("converse", count=1, job={"turns": 1})
        return {"import_cpu_s": imported["cpu_s"], "first_turn_cpu_s": turned["process_cpu_s"]}


def kills(turns: int) -> Callable[[Subject], Figures]:
    """W5: killed in the middle at each of three moments, then run again; what was finished and done once more is counted."""

    def run(subject: Subject) -> Figures:
        figures: Figures = {"models_repeated": 0, "tools_repeated": 0, "tools_not_done": 0}
        for moment in KILLS:
            with Place(subject) as place:
                job = {"turns": turns, "ledger": str(place.folder / "ledger")}
                place.work("converse", count=1, killed=True, job={**job, "kill": moment, "kill_turn": turns // 2})
                place.work("converse", count=1, resume=True, seconds=60, job=job)
                done = Counter((place.folder / "ledger").read_text().splitlines())
                for line, times in done.items():
                    figures["models_repeated" if line.startswith("model") else "tools_repeated"] += times - 1
                figures["tools_not_done"] += turns - sum(line.startswith("tool") for line in done)
        return figures

    return run


def restart(count: int, turns: int) -> Callable[[Subject], Figures]:
    """W5: killed while ``count`` conversations are live, then the time to the first model call."""

    def run(subject: Subject) -> Figures:
        with Place(subject) as place:
            held = {"turns": turns, "hold": count, "kill_held": True}
            place.work("converse", seconds=120, count=count, killed=True, job=held)
            found = place.work(
                "converse", seconds=120, count=count, resume=True, job={"turns": turns + 1, "stop_first": True}
            )
            return {"first_step_s": found["wall"][0]}

    return run
