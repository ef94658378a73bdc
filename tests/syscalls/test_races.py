"""best_of: the first valid result wins whatever the order, the others are ended, and the means add up (Work looks at that)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from working import WHY_NOT, Work, brief_of

from gemot import Budget, Calls, program, request
from gemot.abi.messages import Request
from gemot.programs.shipped.best_of import COMPARED

boxed = pytest.mark.skipif(bool(WHY_NOT), reason=f"NO RACE WITH A COMMAND IS TESTED HERE: {WHY_NOT}")


def racers(*kinds: str) -> Any:
    """A program of which each process does what stands at its place."""

    @program(grants=("files/*", "shell/run", "receive"))
    async def racer(calls: Calls, brief: str) -> Any:
        """Races."""
        name = (await calls.status())["name"]
        kind = kinds[int(name.split()[1]) - 1]
        if kind == "hangs":
            await calls.receive()
        if kind == "fails":
            await calls.exit(failed="it can't be done")
        if kind == "cheats":
            await calls.call("shell/run", command="echo true > check.sh")
        if kind == "right":
            await calls.call("files/write", path="answer.txt", content="42")
            await calls.call("shell/run", command="mkdir litter; touch litter/mine")
        return f"{kind}: 42" if kind != "says so" else kind

    return racer


KINDS = ("hangs", "says so", "cheats", "right")
CHECK = "mkdir -p litter; touch litter/$$; sh check.sh"


@boxed
@pytest.mark.parametrize("first", range(len(KINDS)))
def test_the_right_one_wins_whatever_the_order(tmp_path: Path, first: int) -> None:
    kinds = (*KINDS[first:], *KINDS[:first])
    (tmp_path / "check.sh").write_text("grep -qx 42 answer.txt\n")
    work = Work(tmp_path, programs=[racers(*kinds)])
    outcome = work.run("best_of", n=4, program="racer", check=CHECK, keep=("check.sh",))
    assert outcome.state == "done", outcome
    assert outcome.value.startswith("right: 42\n[racer ") and "merged 1: answer.txt" in outcome.value
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer.txt", "check.sh"]
    states = {kind: work.named(f"racer {number} of 4").state for number, kind in enumerate(kinds, 1)}
    assert (
        states["right"] == "done"
        and states["hangs"] == "killed"
        and "done" not in (states["says so"], states["cheats"])
    )


@boxed
def test_where_nobody_is_right_nothing_is_merged(tmp_path: Path) -> None:
    (tmp_path / "check.sh").write_text("grep -qx 42 answer.txt\n")
    work = Work(tmp_path, programs=[racers("says so", "cheats", "fails")])
    outcome = work.run("best_of", n=3, program="racer", check=CHECK, keep=("check.sh",))
    assert outcome.state == "failed" and "no valid result of 3" in outcome.error
    assert "it can't be done" not in outcome.error and "its words wait for a person" in outcome.error
    assert [path.name for path in tmp_path.iterdir()] == ["check.sh"]


@boxed
def test_who_races_knows_the_command_what_it_says_and_what_must_stay(tmp_path: Path) -> None:
    (tmp_path / "check.sh").write_text("echo no answer yet; grep -qx 42 answer.txt\n")
    briefs: list[str] = []

    def model(question: Request) -> Any:
        briefs.append(brief_of(question))
        return request("exit", failed="enough seen")

    Work(tmp_path).run("best_of", model, n=2, program="coder_hand", check="sh check.sh", keep=("check.sh",))
    assert len(briefs) == 2
    for said in ("bring it about\n", "\nsh check.sh\n", "> no answer yet", "must stay as they are in /original"):
        assert all(said in brief for brief in briefs)


@boxed
def test_a_command_that_accepts_anything_is_refused(tmp_path: Path) -> None:
    outcome = Work(tmp_path).run("best_of", check="true")
    assert outcome.state == "failed" and "passes already" in outcome.error


@boxed
def test_without_a_command_the_first_result_wins_and_nobody_may_write(tmp_path: Path) -> None:
    work = Work(tmp_path, programs=[racers("hangs", "fails", "right", "cheats")])
    assert work.run("best_of", n=4, program="racer").value == "cheats: 42"
    refused = work.named("racer 3 of 4")
    assert refused.state == "failed" and "read-only" in refused.error
    assert not list(tmp_path.iterdir())


def test_so_many_must_agree(tmp_path: Path) -> None:
    said = iter(["Blue", "red", " blue ", "green", "red"])

    def model(question: Request) -> Any:
        assert brief_of(question) == f"bring it about\n\n{COMPARED}"
        return request("exit", value=next(said))

    work = Work(tmp_path)
    outcome = work.run("best_of", model, n=5, agree=2)
    assert outcome.value == "Blue"
    none = iter(["a", "b", 3])
    outcome = Work(tmp_path).run("best_of", lambda _: request("exit", value=next(none)), n=3, agree=2)
    assert outcome.state == "failed" and "result that 2 agree on of 3" in outcome.error
    assert [said in outcome.error for said in ("done: a", "done: b", "done: 3")] == [True] * 3


@pytest.mark.parametrize(("n", "agree"), [(0, 1), (-1, 1), (10**9, 1), (3, 4), (3, 0)])
def test_numbers_that_mean_nothing_are_refused(tmp_path: Path, n: int, agree: int) -> None:
    outcome = Work(tmp_path).run("best_of", n=n, agree=agree)
    assert outcome.state == "failed" and "n is 1 to" in outcome.error


def test_a_budget_that_is_too_small_says_so(tmp_path: Path) -> None:
    outcome = Work(tmp_path).run("best_of", n=5, budget=Budget(10**5, 10**5, 10**5, 3, 3, 1_000), program="runner")
    assert outcome.state == "failed" and "processes" in outcome.error
