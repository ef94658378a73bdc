"""coder: what passes the tests on a copy is merged, what does not is not, and whoever says otherwise is not believed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from working import UNITTEST, WHY_NOT, Work, brief_of, shop
from worlds import MachineWorld

from gemot import request, scripted
from gemot.abi.messages import Request, ToolResult
from gemot.drivers import shipped
from gemot.models.scripted import heard

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"NOTHING ABOUT CODER IS TESTED HERE: {WHY_NOT}")

CAUSE = request(
    "files/edit",
    path="shop/money.py",
    old="round(amount * Decimal(rate) / 100)",
    new='int((amount * Decimal(rate) / 100).quantize(Decimal(1), "ROUND_HALF_UP"))',
)
SYMPTOM = request("files/edit", path="shop/invoice.py", old="return self.net + sum", new="return self.net + 1 + sum")
DONE = request("exit", value="all tests pass", claims={"all tests pass": "shell/run"})


def steps(*replies: Sequence[Any] | Callable[[], Sequence[Any]]) -> Any:
    """A hand that gives these replies, one after the other; what it was told after each is kept in ``told``."""
    told: list[tuple[ToolResult, ...]] = []

    def script(question: Request) -> Any:
        told.append(heard(question))
        reply = replies[len(told) - 1]
        return list(reply() if callable(reply) else reply)

    script.told = told  # type: ignore[attr-defined]
    return script


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_does_not_pass_comes_back_and_what_passes_is_merged(tmp_path: Path) -> None:
    work = Work(shop(tmp_path))
    before = texts(work.folder)
    hand = steps([SYMPTOM], [DONE], [CAUSE, request("files/edit", path="shop/invoice.py", old=" + 1", new="")], [DONE])
    outcome = work.run("coder", hand, check=UNITTEST)
    assert outcome.state == "done" and "merged 1: shop/money.py" in outcome.value and "failed before" in outcome.value
    (rejected,) = hand.told[2]
    assert not rejected.ok and "FAILED" in rejected.text and "2 times more" in rejected.text
    after = texts(work.folder)
    assert after.keys() == before.keys(), "nothing that the tests leave behind"
    assert {path for path in after if after[path] != before[path]} == {"shop/money.py"}
    ran = work.named("after").receipt.uses
    assert [(use.tool, use.exit) for use in ran] == [("shell/run", 0)]


def test_a_hand_that_only_says_so_changes_nothing(tmp_path: Path) -> None:
    work = Work(shop(tmp_path))
    before = texts(work.folder)
    outcome = work.run("coder", steps([SYMPTOM], [DONE], [DONE], [DONE]), check=UNITTEST)
    assert outcome.state == "failed" and "nothing was changed" in outcome.error and "gemot diff 3" in outcome.error
    assert "all tests pass" not in str(outcome), "not a word of what was not accepted"
    assert texts(work.folder) == before


def test_a_hand_that_gives_up_is_not_merged(tmp_path: Path) -> None:
    work = Work(shop(tmp_path))
    before = texts(work.folder)
    outcome = work.run("coder", steps([CAUSE], [request("exit", failed="the test is wrong")]), check=UNITTEST)
    assert outcome.state == "failed" and "(gemot log 3, gemot receipt 3)" in outcome.error
    assert "the test is wrong" not in outcome.error, "no check has looked at it"
    assert texts(work.folder) == before


def test_what_is_to_be_kept_is_compared_by_the_gate(tmp_path: Path) -> None:
    work = Work(shop(tmp_path))
    weaken = request("files/edit", path="tests/test_invoice.py", old='{"7": 11}', new='{"7": 10}')
    total = request("files/edit", path="tests/test_invoice.py", old="161", new="160")
    empty = request("shell/run", command="cp /original/tests/*.py tests/")
    extra = request("files/write", path="tests/test_more.py", content="")
    drop = request("shell/run", command="rm tests/test_more.py")
    hand = steps([weaken, total], [DONE], [empty, CAUSE, extra], [DONE], [drop], [DONE])
    outcome = work.run("coder", hand, check=UNITTEST, keep=("tests", "README.md"))
    assert outcome.state == "done" and "merged 1: shop/money.py" in outcome.value
    assert "test_invoice.py differ" in hand.told[2][0].text
    assert "Only in ./tests: test_more.py" in hand.told[4][0].text
    assert "/original" in str(work.questions[0].messages[0]) and "tests, README.md" in brief_of(work.questions[0])


def test_what_lies_in_what_is_kept_is_put_back_before_the_tests_run(tmp_path: Path) -> None:
    """A compiled test that says yes, with the facts of the real one, where Python looks for it first."""
    work = Work(shop(tmp_path))
    plant = """
import importlib.util, marshal, os, pathlib, struct
for name in ("test_invoice", "test_money"):
    source = pathlib.Path(f"tests/{name}.py")
    facts = source.stat()
    code = compile("import unittest\\nclass T(unittest.TestCase):\\n    def test(self): pass\\n", str(source), "exec")
    into = pathlib.Path(importlib.util.cache_from_source(str(source)))
    into.parent.mkdir(exist_ok=True)
    head = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, int(facts.st_mtime), facts.st_size)
    into.write_bytes(head + marshal.dumps(code))
"""
    run = request("shell/run", command=f"python3 - <<'END'\n{plant}\nEND\npython3 -m unittest")
    hand = steps([run], [DONE])
    outcome = work.run("coder", hand, check=UNITTEST, keep=("tests",), tries=1)
    assert '"exit_code":0' in hand.told[1][0].text, "it works for whoever has planted it"
    assert outcome.state == "failed" and "nothing was changed" in outcome.error


def test_nothing_of_what_is_kept_is_merged_whatever_lies_in_it(tmp_path: Path) -> None:
    """Where the command itself leaves nothing behind, what was planted is no litter; and the gate can't see it."""
    work = Work(shop(tmp_path))
    plant = request("shell/run", command="mkdir tests/__pycache__ && echo x > tests/__pycache__/test_invoice.pyc")
    outcome = work.run("coder", steps([CAUSE, plant], [DONE]), check="python3 -B -m unittest -q", keep=("tests/",))
    assert outcome.state == "done" and "merged 1: shop/money.py" in outcome.value
    assert not list(work.folder.rglob("__pycache__"))


@pytest.mark.parametrize(("keep", "why"), [("/etc", "from the top folder"), ("../x", "goes up"), ("tets", "tests")])
def test_what_is_to_be_kept_must_be_there(tmp_path: Path, keep: str, why: str) -> None:
    work = Work(shop(tmp_path))
    outcome = work.run("coder", steps(), check=UNITTEST, keep=(keep,))
    assert outcome.state == "failed" and why in outcome.error and not work.questions


def test_a_machine_that_falls_while_the_tests_run_goes_on(tmp_path: Path) -> None:
    work = Work(shop(tmp_path))

    async def story() -> Any:
        hand = scripted(steps([CAUSE], [DONE]))
        world = MachineWorld(drivers=shipped(), models={"s": hand})
        machine = world.boot()
        check = {"check": f"sleep 0.2; {UNITTEST}"}
        pid = await machine.start("mend it", program="coder", model="s", work=work.folder, arguments=check)
        while not machine.kernel.working:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        world.crash()
        machine = world.boot(resume=True)
        outcome = await machine.result(pid)
        await machine.close()
        return outcome

    outcome = asyncio.run(story())
    assert outcome.state == "done" and "merged 1: shop/money.py" in outcome.value, outcome.error


def test_whoever_talks_without_end_is_cut_short(tmp_path: Path) -> None:
    long = request("exit", value="x" * 39_999)
    outcome = Work(shop(tmp_path / "a")).run("coder", steps([CAUSE], [long]), check=UNITTEST)
    assert outcome.state == "done" and outcome.value.startswith("merged 1: shop/money.py"), outcome.error
    reasons = request("exit", failed="y" * 1_999)
    outcome = Work(shop(tmp_path / "b")).run("coder", steps([reasons]), check=UNITTEST)
    assert outcome.state == "failed" and outcome.error.startswith("not done, and nothing was changed")


@pytest.mark.parametrize("seconds", [0, -1, 10**9])
def test_a_time_that_means_nothing_is_refused(tmp_path: Path, seconds: int) -> None:
    work = Work(shop(tmp_path))
    outcome = work.run("coder", steps(), check=UNITTEST, seconds=seconds)
    assert outcome.state == "failed" and "seconds" in outcome.error and not work.questions


@pytest.mark.parametrize("answer", ["merge the rest", "merge nothing"])
def test_what_runs_code_later_only_the_person_merges(tmp_path: Path, answer: str) -> None:
    work = Work(shop(tmp_path))
    before = texts(work.folder)
    later = request("files/write", path=".github/workflows/tests.yml", content="on: push\n")
    outcome = work.run("coder", steps([CAUSE, later], [DONE]), [answer], check=UNITTEST)
    assert ".github/workflows/tests.yml" in work.asked[0] and "gemot merge 3 --accept" in work.asked[0]
    assert not (work.folder / ".github" / "workflows").exists()
    if answer == "merge the rest":
        assert outcome.state == "done" and "not merged: .github/workflows" in outcome.value
    else:
        assert outcome.state == "failed" and "as you said" in outcome.error and texts(work.folder) == before


def test_what_was_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    work = Work(shop(tmp_path))

    def meanwhile() -> Sequence[Any]:
        (work.folder / "shop" / "money.py").write_text("mine = True\n")
        return [CAUSE]

    hand = steps([request("files/read", path="shop/money.py")], meanwhile, [DONE])
    outcome = work.run("coder", hand, ["merge the rest"], check=UNITTEST)
    assert "it was changed" in work.asked[0] or "changed" in work.asked[0]
    assert outcome.state == "failed" and "does not pass in the folder as it is now" in outcome.error
    assert (work.folder / "shop" / "money.py").read_text() == "mine = True\n"


def test_who_works_on_a_copy_merges_into_that(tmp_path: Path) -> None:
    work = Work(shop(tmp_path), "cow")
    before = texts(work.folder)
    outcome = work.run("coder", steps([CAUSE], [DONE]), check=UNITTEST, keep=("tests",))
    assert outcome.state == "done" and "merged 1: shop/money.py" in outcome.value, outcome.error
    assert texts(work.folder) == before, "the person has not merged anything yet"


def test_where_nothing_can_be_merged_no_model_is_asked(tmp_path: Path) -> None:
    work = Work(shop(tmp_path), "ro")
    outcome = work.run("coder", steps(), check=UNITTEST)
    assert outcome.state == "failed" and "may write" in outcome.error and not work.questions
    for check in ("", " \n"):
        outcome = Work(shop(tmp_path / f"{len(check)}"), "rw").run("coder", steps(), check=check)
        assert "can't be empty" in outcome.error


def test_a_command_that_passes_already_is_said_to_show_nothing_yet(tmp_path: Path) -> None:
    work = Work(shop(tmp_path))
    outcome = work.run("coder", steps([request("exit", value="nothing to do")]), check="true")
    assert "first add a test" in brief_of(work.questions[0])
    assert "there was nothing to merge" in outcome.value and "it passed before, too" in outcome.value


def test_a_command_that_hangs_or_is_not_there_is_no_pass(tmp_path: Path) -> None:
    for number, check in enumerate(("sleep 100", "no-such-command", "exit 1; '")):
        outcome = Work(shop(tmp_path / str(number))).run(
            "coder", steps([DONE], [DONE]), check=check, seconds=1, tries=1
        )
        assert outcome.state == "failed" and "nothing was changed" in outcome.error, check


def test_a_new_package_is_merged_without_what_the_tests_leave_in_it(tmp_path: Path) -> None:
    work = Work(shop(tmp_path))
    new = [
        request("files/write", path="tools/__init__.py", content="X = 1\n"),
        request("shell/run", command="python3 -c 'import tools, shop.money'"),
    ]
    outcome = work.run("coder", steps([CAUSE, *new], [DONE]), check=f"{UNITTEST} && python3 -c 'import tools'")
    assert outcome.state == "done" and (work.folder / "tools" / "__init__.py").exists()
    assert not list(work.folder.rglob("__pycache__"))
