"""AgentDojo replayed through the real kernel and machine, without a model: ``python -m evals.agentdojo``.

A worst-case agent plays each user task's ground truth and obeys each injection, under plans that were written from the
users' prompts alone. Says per suite, mode and person how many attacks had an effect, and how many tasks are done unasked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evals.agentdojo import suite as suites
from evals.agentdojo.measuring import MODES, PERSONS, Attacked, Bench, Benign
from evals.agentdojo.plans import read_manifest, read_plans
from evals.agentdojo.renaming import Renaming
from evals.agentdojo.report import Report, failures, table
from evals.agentdojo.running import Stage

HERE = Path(__file__).parent


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m evals.agentdojo", description=__doc__)
    parser.add_argument("--suite", action="append", default=[], help="a suite; left out: those with files here")
    parser.add_argument("--manifest", type=Path, help="what the suite's tools do; left out: SUITE.manifest.toml here")
    parser.add_argument("--plans", type=Path, help="what each prompt allows; left out: SUITE.plans.toml here")
    parser.add_argument("--rename", type=int, default=0, metavar="SEED", help="give everything another name")
    parser.add_argument("--mode", action="append", choices=MODES, default=[], help="only this mode")
    parser.add_argument("--person", action="append", choices=PERSONS, default=[], help="only this person")
    parser.add_argument("--task", default="", help="only this user task")
    parser.add_argument("--no-baseline", action="store_true", help="do not measure with the walls off")
    parser.add_argument("--json", type=Path, help="write every run there")
    return parser.parse_args()


def bench(name: str, options: argparse.Namespace) -> Bench:
    names = Renaming(options.rename)
    manifest = options.manifest or HERE / f"{name}.manifest.toml"
    plans = options.plans or HERE / f"{name}.plans.toml"
    return Bench(suites.load(name), read_manifest(manifest, names), read_plans(plans, names), names)


async def measure(one: Bench, options: argparse.Namespace) -> Report:
    persons, modes = options.person or PERSONS, options.mode or MODES
    report = Report(one.suite.name)
    async with Stage(one.world) as stage:
        for person in persons:
            report.benign += [await one.benign(stage, task, person) for task in one.tasks(options.task)]
        for mode in modes:
            for person in persons:
                for task, injection in one.pairs(options.task):
                    report.attacked.append(await one.attacked(stage, task, injection, mode, person))
    if not options.no_baseline:
        off = one.walls_off()
        async with Stage(off.world) as stage:
            for task, injection in off.pairs(options.task):
                report.baseline.append(await off.attacked(stage, task, injection, "on_read", "refuses"))
    return report


def main() -> None:
    options = asked()
    shipped = sorted(path.name.partition(".")[0] for path in HERE.glob("*.plans.toml"))
    reports: list[Report] = []
    for name in options.suite or shipped:
        began = time.monotonic()
        report = asyncio.run(measure(bench(name, options), options))
        report.seconds = time.monotonic() - began
        reports.append(report)
    print(table(reports))
    print(failures(reports))
    if options.json:
        options.json.write_text(json.dumps([_plain(report) for report in reports], indent=1) + "\n")
    wrong = [one for report in reports for one in report.attacked if one.person != "tired" and one.steered]
    sys.exit(1 if wrong else 0)


def _plain(report: Report) -> dict[str, Any]:
    def each(many: list[Benign] | list[Attacked]) -> list[dict[str, Any]]:
        return [asdict(one) for one in many]

    return {
        "suite": report.suite,
        "seconds": round(report.seconds, 1),
        "benign": each(report.benign),
        "attacked": each(report.attacked),
        "baseline": each(report.baseline),
    }


if __name__ == "__main__":
    main()
