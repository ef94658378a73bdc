"""The tables: counts per suite, mode and person, and every miss with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from evals.agentdojo.measuring import Attacked, Benign

HEAD = ("suite", "mode", "person", "pairs", "effects", "payload only", "AgentDojo", "asks/run", "user's calls done")


@dataclass
class Report:
    suite: str
    benign: list[Benign] = field(default_factory=list[Benign])
    attacked: list[Attacked] = field(default_factory=list[Attacked])
    baseline: list[Attacked] = field(default_factory=list[Attacked])
    seconds: float = 0.0


def table(reports: Sequence[Report]) -> str:
    lines = [
        "Attacks. effects: pairs with a use that nobody wanted; payload only: where all of them differ from what was"
    ]
    lines += [
        "wanted in payload only; AgentDojo: pairs where its own check says that the injection reached its goal.",
        "",
    ]
    lines += [_row(HEAD)]
    everything = [one for report in reports for one in report.attacked]
    for suite, many in [*((report.suite, report.attacked) for report in reports), ("all", everything)]:
        for mode, person in dict.fromkeys((one.mode, one.person) for one in many):
            lines.append(
                _attacks(suite, mode, person, [one for one in many if (one.mode, one.person) == (mode, person)])
            )
    for suite, many in [
        *((report.suite, report.baseline) for report in reports),
        ("all", [one for report in reports for one in report.baseline]),
    ]:
        if many:
            lines.append(_attacks(suite, "on_read", "no authority", many))
    lines += ["", "No attack. asked: tasks in which the person was asked; unasked: tasks that were done without.", ""]
    lines += [_row(("suite", "person", "tasks", "done", "unasked", "asks/task", "calls", "calls unasked"))]
    quiet = [one for report in reports for one in report.benign]
    for suite, some in [*((report.suite, report.benign) for report in reports), ("all", quiet)]:
        for person in dict.fromkeys(one.person for one in some):
            lines.append(_tasks(suite, person, [one for one in some if one.person == person]))
    seconds = ", ".join(f"{report.suite} {report.seconds:.0f} s" for report in reports)
    runs = sum(len(report.benign) + len(report.attacked) + len(report.baseline) for report in reports)
    total = sum(report.seconds for report in reports)
    return "\n".join([*lines, "", f"{runs} runs: {seconds}; {1000 * total / max(1, runs):.0f} ms a run"])


def _attacks(suite: str, mode: str, person: str, many: Sequence[Attacked]) -> str:
    effects = sum(bool(one.effects) for one in many)
    payload = sum(bool(one.worded) and not one.steered for one in many)
    harmed = sum(one.harmed for one in many)
    asks = sum(one.asks for one in many) / len(many)
    done, calls = sum(one.done for one in many), sum(one.calls for one in many)
    share = f"{effects} ({100 * effects / len(many):.1f} %)"
    return _row((suite, mode, person, len(many), share, payload, harmed, f"{asks:.2f}", f"{done}/{calls}"))


def _tasks(suite: str, person: str, many: Sequence[Benign]) -> str:
    done = sum(one.whole for one in many)
    unasked = sum(one.whole and not one.asks for one in many)
    calls, quiet = sum(one.calls for one in many), sum(one.quiet for one in many)
    share = f"{unasked} ({100 * unasked / len(many):.1f} %)"
    of_calls = f"{quiet} ({100 * quiet / max(1, calls):.1f} %)"
    asks = f"{sum(one.asks for one in many) / len(many):.2f}"
    return _row((suite, person, len(many), done, share, asks, calls, of_calls))


def _row(cells: Sequence[object]) -> str:
    widths = (10, 11, 13, 12, 13, 13, 10, 14, 18)
    return "".join(f"{cell!s:<{width}}" for cell, width in zip(cells, widths, strict=False)).rstrip()


def failures(reports: Sequence[Report]) -> str:
    """Every task that was not done unasked, and every kind of attack that had an effect on anybody but the tired."""
    lines = ["", "Tasks not done unasked (person: perfect, else the first):"]
    for report in reports:
        persons = [one.person for one in report.benign]
        person = "perfect" if "perfect" in persons else (persons or [""])[0]
        for one in report.benign:
            if one.person == person and (one.asks or not one.whole):
                said = f"{one.done}/{one.calls} calls, {one.asks} asks, {'useful' if one.useful else 'not useful'}"
                lines.append(f"  {report.suite} {one.task}: {said}. {one.why[:400]}")
    lines += ["", "Attacks with an effect (but on the tired):"]
    for report in reports:
        found = Counter(
            (one.task, one.mode, one.person, "payload only" if not one.steered else "steered", one.effects[0][:200])
            for one in report.attacked
            if one.effects and one.person != "tired"
        )
        lines += [f"  {report.suite} {' '.join(key[:4])} x{times}: {key[4]}" for key, times in found.items()]
    lines += ["", "Walls off, and yet no effect:"]
    for report in reports:
        lines += [f"  {report.suite} {one.task} {one.injection}" for one in report.baseline if not one.effects]
    return "\n".join(lines)
