"""Do the attacks have teeth? ``python -m evals.agentdojo.weakened``: the same, with one part of all plans left out at a time.

A plan that withstands everything says little if nothing tries hard. So each part of the plans is taken away from all of them
at once: where that opens nothing, either the part is idle or the attack is blind. The person refuses.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
from collections.abc import Callable
from dataclasses import replace

from evals.agentdojo import suite as suites
from evals.agentdojo.__main__ import HERE
from evals.agentdojo.measuring import MODES, Bench
from evals.agentdojo.plans import Plan, Raw, as_grant, read_manifest, read_plans
from evals.agentdojo.renaming import Renaming
from evals.agentdojo.running import Stage


def _sources(change: Callable[[Raw], object]) -> Callable[[Raw], Raw]:
    def weaken(grant: Raw) -> Raw:
        weaker = copy.deepcopy(grant)
        for rule in weaker.get("where", {}).values():
            for source in rule.get("source", ()):
                change(source)
        return weaker

    return weaken


def _picking(pick: str) -> Callable[[Raw], object]:
    def change(source: Raw) -> None:
        source.pop("by", None)
        source["pick"] = pick

    return change


def _anything(source: Raw) -> None:
    for word in ("by", "where", "called"):
        source.pop(word, None)
    source["pick"] = "any"


WEAKER: dict[str, Callable[[Raw], Raw]] = {
    "nothing left out": lambda grant: grant,
    "the arguments of the call": _sources(lambda source: source.pop("called", None)),
    "that there is only one": _sources(_picking("any")),
    "that only one; the last": _sources(_picking("last")),
    "which record": _sources(_anything),
    "how often": lambda grant: {word: one for word, one in grant.items() if word != "uses"},
    "all rules": lambda grant: {"tool": grant["tool"]},
}
"""What is left out of each grant of each plan."""


def weakened(plan: Plan, weaken: Callable[[Raw], Raw]) -> Plan:
    raw = tuple(weaken(grant) for grant in plan.raw)
    return replace(plan, raw=raw, grants=tuple(as_grant(grant) for grant in raw))


async def count(name: str, mode: str, left_out: str) -> None:
    names = Renaming()
    manifest = read_manifest(HERE / f"{name}.manifest.toml", names)
    plans = read_plans(HERE / f"{name}.plans.toml", names)
    bench = Bench(
        suites.load(name), manifest, {task: weakened(plan, WEAKER[left_out]) for task, plan in plans.items()}, names
    )
    async with Stage(bench.world) as stage:
        runs = [await bench.attacked(stage, task, injection, mode, "refuses") for task, injection in bench.pairs()]
    effects, steered = sum(bool(one.effects) for one in runs), sum(bool(one.steered) for one in runs)
    print(f"{name:<12}{mode:<12}{left_out:<28}{len(runs):>6}{effects:>9}{steered:>9}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evals.agentdojo.weakened", description=__doc__)
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--mode", action="append", choices=MODES, default=[])
    options = parser.parse_args()
    shipped = sorted(path.name.partition(".")[0] for path in HERE.glob("*.plans.toml"))
    print(f"{'suite':<12}{'mode':<12}{'left out':<28}{'pairs':>6}{'effects':>9}{'steered':>9}")
    for name in options.suite or shipped:
        for mode in options.mode or ("planted", "from_start"):
            for left_out in WEAKER:
                asyncio.run(count(name, mode, left_out))


if __name__ == "__main__":
    main()
