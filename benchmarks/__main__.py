"""Measures gemot, the floor and the peers that are named: ``python -m benchmarks [PEER ... | all]``.

Rounds are interleaved (A B C A B C ...), each measurement is an operating-system process of its own, and the machine's
load is noted before each. The table goes to standard output, everything else to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import itertools
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.environments import OURS, peers, python_of, versions
from benchmarks.measuring import NoFigure, Place, Subject, Workload
from benchmarks.plan import plan
from benchmarks.plotting import plot
from benchmarks.reporting import Findings, reach, reach_table, table

RESULTS = Path(__file__).resolve().parent / "results"


def adapter(system: str) -> Any:
    """The module that speaks to a system. It imports the system itself only when it runs."""
    return importlib.import_module(f"benchmarks.systems.{system.replace('-', '_')}")


def subjects(names: list[str]) -> list[Subject]:
    """The systems in all their modes, ours first."""
    return [Subject(name, mode) for name in (*OURS, *names) for mode in adapter(name).MODES]


def measure(workloads: list[Workload], all_subjects: list[Subject], rounds: int) -> Findings:
    """Every workload, round by round."""
    findings: Findings = {workload.key: {} for workload in workloads}
    for workload in workloads:
        for number in range(rounds):
            for subject in all_subjects:
                most = workload.rounds if subject.is_ours else workload.peer_rounds
                if number >= most or (subject.is_ours and workload.modes and subject.mode not in workload.modes):
                    continue
                past = findings[workload.key].setdefault(subject.name, [])
                if cannot := adapter(subject.system).CANNOT.get(workload.key):
                    past[:] = [{"load": round(os.getloadavg()[0], 2), "error": cannot}]
                    continue
                if past and "error" in past[-1]:
                    continue  # what failed once is said once
                load = os.getloadavg()[0]
                try:
                    figures = workload.run(subject)
                except NoFigure as error:
                    figures = {"error": str(error)}
                past.append({"load": round(load, 2), **figures})
                print(
                    f"{workload.key} {number + 1} {subject.name}: {_brief(figures)} (load {load:.1f})", file=sys.stderr
                )
    return findings


def _brief(figures: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float | int) else f"{key}: {value}"
        for key, value in figures.items()
        if key != "curve"
    )


def curves(findings: Findings) -> dict[str, dict[str, list[float]]]:
    """Of each system the cost of every turn: the median over rounds."""
    panels: dict[str, dict[str, list[float]]] = {}
    for kind, title in (("wall_ms", "Wall milliseconds a turn"), ("cpu_ms", "CPU milliseconds a turn")):
        lines = panels.setdefault(title, {})
        for name, rounds in findings.get("w1_long", {}).items():
            costs = [one["curve"][kind] for one in rounds if "curve" in one]
            if costs:
                lines[name] = [round(statistics.median(turn), 4) for turn in zip(*costs, strict=False)]
    return panels


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "peers", nargs="*", help=f"which peers besides gemot and the floor: all, or of {', '.join(peers())}"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="workloads, separated by commas: w1,w2_1000,...")
    parser.add_argument("--tiny", action="store_true", help="sizes that only show that it runs; nothing is kept")
    asked = parser.parse_args()
    names = list(peers()) if asked.peers == ["all"] else asked.peers
    if unknown := [name for name in names if name not in peers()]:
        parser.error(f"no adapter for {', '.join(unknown)}; there are: {', '.join(peers())}")
    every = subjects(names)
    unknown = set(filter(None, asked.only.split(","))) - {one.key for one in plan(1)}
    if unknown:
        parser.error(
            f"no workload is called {', '.join(sorted(unknown))}; there are: {', '.join(one.key for one in plan(1))}"
        )
    workloads = [one for one in plan(asked.rounds, asked.tiny) if not asked.only or one.key in asked.only.split(",")]
    for subject in every:
        python_of(subject.system)
        with Place(subject) as place:
            place.work("import")  # compiled modules are on the disk from here on
    began = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    findings = measure(workloads, every, asked.rounds)
    aims = reach(findings)
    pages = f"{table(findings, workloads, every)}\n\n{reach_table(aims)}\n"
    print(pages)
    if not asked.tiny:
        keep(began, names, findings, aims, pages, bool(asked.only))


def keep(
    began: str, names: list[str], findings: Findings, aims: list[dict[str, Any]], pages: str, partial: bool
) -> None:
    """Write the results. A run of some workloads only goes to files of its own and replaces no whole run."""
    RESULTS.mkdir(exist_ok=True)
    stem = "partial" if partial else "latest"
    panels = curves(findings)
    for key in ("w1", "w1_long"):
        for one in itertools.chain(*findings.get(key, {}).values()):
            one.pop("curve", None)
    loads = [one["load"] for subject in findings.values() for rounds in subject.values() for one in rounds]
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "load_min": min(loads),
        "load_median": statistics.median(loads),
        "load_max": max(loads),
    }
    kept = {
        "began": began,
        "machine": machine,
        "versions": {name: versions(name) for name in ("gemot", *names)},
        "aims": aims,
        "findings": findings,
        "cost_of_each_turn": panels,
    }
    note = f"Began {began}; {machine['cores']} cores, Python {machine['python']}, load {machine['load_min']} to {machine['load_max']} (median {machine['load_median']:.2f}).\n\n"
    (RESULTS / f"{stem}.json").write_text(json.dumps(kept) + "\n")
    (RESULTS / f"{stem}.md").write_text(note + pages)
    if any(panels.values()):
        (RESULTS / f"{stem}.svg").write_text(plot(panels))


if __name__ == "__main__":
    main()
