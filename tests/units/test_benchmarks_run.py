"""Every benchmark runs through in a short form, as a person types it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHORT: dict[str, tuple[tuple[str, ...], str]] = {
    "__main__": (("--tiny", "--rounds", "1", "--only", "w1,w4"), r"W1: one conversation"),
    "paging": (("--turns", "20", "--window", "6000"), r"a fork of it"),
    "recall": (("300",), r"bytes a memory"),
    "retract": (("--rounds", "2"), r"ratio [\d.]+"),
    "sleepers": (("--processes", "40", "--seconds", "0.5", "--lead", "2"), r"40 of the 40 that slept woke"),
    "stores": (("--rounds", "1"), r"a tree, fetched"),
    "trap": (("--times", "300", "--documents", "5"), r"by what it is +p50 .* n 300"),
}
"""A benchmark -> the options of its short form, and what stands in its report."""
ELSEWHERE = {
    "looking": "needs minutes, since each command is a process of its own; tests/units/test_looking.py holds what it measures",
    "prefix": "needs the weights of the embedded model: tests/units/test_benchmarks.py",
    "race": "needs walls: tests/units/test_benchmarks.py",
    "worker": "a process of a workload of __main__",
}
"""Entry points that another test runs, or that are no benchmark -> why."""


@pytest.mark.parametrize("name", SHORT)
def test_benchmark_runs_through_in_its_short_form(name: str) -> None:
    arguments, report = SHORT[name]
    module = "benchmarks" if name == "__main__" else f"benchmarks.{name}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV_")}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(report, done.stdout), done.stdout


def test_every_benchmark_has_a_short_form() -> None:
    entries = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in path.read_text()}
    assert entries == {*SHORT, *ELSEWHERE}
