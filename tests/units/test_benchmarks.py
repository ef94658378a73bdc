"""The benchmark runs: gemot and the floor, two rounds, in sizes that measure nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import measuring, prefix, race
from benchmarks.__main__ import measure
from benchmarks.measuring import Subject
from benchmarks.plan import plan
from benchmarks.plotting import plot
from benchmarks.reporting import reach, reach_table, table
from gemot.boxes import guarantees
from gemot.drivers.boxed import WALLS
from tests.units.embedded_weights import needs_weights

OURS = [Subject("gemot", "full"), Subject("floor", "full")]
RUN = ("w1", "w2_100", "w3_400kb", "w5_kill")


def test_the_workloads_give_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SCRATCH", tmp_path)
    workloads = [one for one in plan(rounds=2, tiny=True) if one.key in RUN]
    findings = measure(workloads, OURS, rounds=2)
    for workload in workloads:
        for subject in OURS:
            rounds = findings[workload.key][subject.name]
            assert len(rounds) == min(2, workload.rounds)
            assert all(set(workload.units) <= set(one) and "error" not in one for one in rounds), rounds
    killed = findings["w5_kill"]["gemot, full"][0]
    assert killed["models_repeated"] == killed["tools_repeated"] == 0
    page = table(findings, workloads, OURS) + reach_table(reach(findings))
    assert "gemot, full" in page and "not measured" in page
    assert not list(tmp_path.iterdir())


def test_what_fails_is_said_and_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SCRATCH", tmp_path)
    workloads = [one for one in plan(rounds=2, tiny=True) if one.key == "w1"]
    lost = Subject("floor", "no such mode")
    findings = measure(workloads, [lost], rounds=2)
    assert len(findings["w1"][lost.name]) == 1
    assert "—: failed" in table(findings, workloads, [lost])


@pytest.mark.skipif(bool(guarantees().missing(WALLS)), reason="NO RACE IS RUN HERE: there are no walls")
def test_of_a_race_nobody_is_left_and_the_budget_adds_up(tmp_path: Path) -> None:
    (figures,) = asyncio.run(race.measure(racers=3, rounds=1, live=6, samples=3, folder=tmp_path))
    print(figures)
    assert figures["processes"] >= 2 and figures["dead"] > 0


def test_a_plot_is_an_image() -> None:
    picture = ElementTree.fromstring(
        plot({"ms <a turn>": {"one": [1.0, 2.0] * 50, "other": [0.0] * 40, "short": [1.0]}})
    )
    assert picture.tag.endswith("svg")


@needs_weights
def test_forks_on_a_machine_compute_what_they_share_once() -> None:
    async def both() -> tuple[prefix.Side, prefix.Side]:
        reading = await prefix.reading_of(80)
        return await prefix.run(reading, 2, True), await prefix.run(reading, 2, False)

    shared, whole = asyncio.run(both())
    assert (shared.parent_tokens, shared.unshared) == (whole.parent_tokens, "")
    assert shared.tokens < 1.5 * shared.parent_tokens < 2.9 * whole.parent_tokens < whole.tokens
