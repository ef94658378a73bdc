"""Findings as a table for people and as JSON for programs."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.measuring import Subject, Workload
from benchmarks.plan import TARGETS

Findings = dict[str, dict[str, list[dict[str, Any]]]]
"""workload -> subject -> rounds; each round has its figures (or ``error``) and the machine's load when it began."""


def values(findings: Findings, workload: str, subject: str, figure: str) -> list[float]:
    """One figure of every round that gave it."""
    return [one[figure] for one in findings.get(workload, {}).get(subject, []) if figure in one]


def table(findings: Findings, workloads: list[Workload], subjects: list[Subject]) -> str:
    """Markdown, one table a workload: medians, with the least and the most where there were several rounds."""
    pages: list[str] = []
    for workload in workloads:
        heads = list(workload.units.values())
        rows = [["", *heads, "rounds"]]
        for subject in subjects:
            rows.append([subject.name, *_cells(findings, workload, subject, len(heads))])
        pages.append(f"### {workload.title}\n\n{_markdown(rows)}")
    return "\n\n".join(pages)


def _cells(findings: Findings, workload: Workload, subject: Subject, width: int) -> list[str]:
    rounds = findings.get(workload.key, {}).get(subject.name, [])
    good = [one for one in rounds if "error" not in one]
    if not good:
        why = rounds[0]["error"] if rounds else "not measured" if subject.is_ours else workload.no_peers
        return [f"—: {why}", *[""] * (width - 1), str(len(rounds))]
    cells = [_spread([one[figure] for one in good if figure in one]) for figure in workload.units]
    said = {one["note"] for one in good if "note" in one}
    failed = f", {len(rounds) - len(good)} failed" if len(good) < len(rounds) else ""
    return [*cells, f"{len(good)}{failed}" + "".join(f"; {note}" for note in sorted(said)[:1])]


def _spread(measured: list[float]) -> str:
    if not measured:
        return "—"
    middle = _short(statistics.median(measured))
    return middle if len(measured) == 1 else f"{middle} ({_short(min(measured))}-{_short(max(measured))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _markdown(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def reach(findings: Findings) -> list[dict[str, Any]]:
    """What is aimed at beside what was measured."""

    def figure(workload: str, subject: str, name: str) -> list[float]:
        return values(findings, workload, subject, name)

    found: list[dict[str, Any]] = []
    for target in TARGETS:
        value = target.measured(figure)
        met = None if value is None else target.met(value)
        found.append(
            {"what": target.text, "at_least": target.at_least, "bound": target.bound, "measured": value, "met": met}
        )
    return found


def reach_table(found: list[dict[str, Any]]) -> str:
    words = {True: "met", False: "FALLS SHORT", None: "not measured"}
    rows = [["what", "aim", "measured", ""]]
    for one in found:
        aim = f"{'>=' if one['at_least'] else '<='} {_short(one['bound'])}"
        rows.append([one["what"], aim, "—" if one["measured"] is None else _short(one["measured"]), words[one["met"]]])
    return "### Aims\n\n" + _markdown(rows)
