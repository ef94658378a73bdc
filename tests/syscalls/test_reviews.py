"""Reviews: an answer waits at the gate, in the journal and in nobody's reading, until every check has passed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from worlds import EVERY_SYSCALL, PLENTY, KernelWorld

from gemot.abi.answers import Error, Ok, Outcome, Waited
from gemot.abi.effects import Deliver, StartTool
from gemot.abi.events import Failure, Revoked, Value
from gemot.abi.grants import BudgetRequest, Grant, Mount
from gemot.abi.labels import Label
from gemot.abi.reviews import (
    AgreementCheck,
    Check,
    PersonCheck,
    ReceiptCheck,
    ReviewerCheck,
    SchemaCheck,
    ToolCheck,
)
from gemot.abi.syscalls import Call, Exit, Fork, Kill, Spawn, ToolUse, Wait
from gemot.abi.tools import ToolSpec
from gemot.kernel import judging

COMMAND = {
    "type": "object",
    "properties": {"command": {"type": "string"}},
    "required": ["command"],
    "additionalProperties": False,
}
SHELL = ToolSpec("box/run", "Run a command.", COMMAND, "writes", False)
VALUE = {"type": "object", "properties": {"result": {}}, "required": ["result"], "additionalProperties": False}
EVEN = ToolSpec("checks/even", "Is it even?", VALUE, "computes", True)
TESTS = ToolCheck("box/run", {"command": "make test"})
"""What a reviewed process's result is checked with."""


@pytest.fixture
def gated(world: KernelWorld) -> KernelWorld:
    from worlds import TOOLS

    world.install((*TOOLS, SHELL, EVEN))
    return world


def family(
    world: KernelWorld, *checks: Check, tries: int = 3, grants: tuple[str, ...] = ("disk/*",)
) -> tuple[int, int]:
    """A parent that waits for a child whose result is reviewed."""
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("*")), mounts=(Mount("work", "/srv/work", "rw"),))
    syscall = Spawn(
        "do it", "worker", grants=grants, review=checks, tries=tries, budget=BudgetRequest(processes=20, depth=3)
    )
    child = world.born(root, syscall)
    world.trap(root, Wait())
    return root, child


def told(effects: list[Any], pid: int) -> Any:
    return next(one.answer for one in effects if isinstance(one, Deliver) and one.pid == pid)


def ended(effects: list[Any], parent: int) -> Outcome:
    answer = told(effects, parent)
    assert isinstance(answer, Ok) and isinstance(answer.value, Waited), answer
    (outcome,) = answer.value.ended
    return outcome


def started(effects: list[Any]) -> StartTool:
    return next(one for one in effects if isinstance(one, StartTool))


def use_and_end(world: KernelWorld, pid: int, syscall: Call, outcome: Value | Failure) -> list[Any]:
    return world.done(started(world.trap(pid, syscall)).effect, outcome)


def ran(code: int, out: str = "") -> Value:
    return Value(msgspec.json.encode({"exit_code": code, "stdout": out, "stderr": ""}).decode())


def test_a_result_waits_until_its_check_has_passed(gated: KernelWorld) -> None:
    root, child = family(gated, TESTS)
    effects = gated.trap(child, Exit("all done"))
    use = started(effects)
    assert (use.pid, use.tool, use.arguments) == (child, "box/run", {"command": "make test"})
    assert gated.kernel.processes[child].state == "reviewing"
    assert not [one for one in effects if isinstance(one, Deliver)]
    outcome = ended(gated.done(use.effect, ran(0)), root)
    assert (outcome.state, outcome.value) == ("done", "all done")


def test_a_rejected_result_goes_back_with_the_reason_and_is_in_no_reading(gated: KernelWorld) -> None:
    root, child = family(gated, TESTS)
    use = started(gated.trap(child, Exit("poison")))
    effects = gated.done(use.effect, ran(1, "2 tests fail: poison"))
    answer = told(effects, child)
    assert isinstance(answer, Error) and answer.rule == "review"
    assert "2 tests fail" in answer.message and "2 times more" in answer.message
    assert not [one for one in effects if isinstance(one, Deliver) and one.pid == root]


def test_when_its_tries_are_used_up_the_parent_reads_only_the_verdict(gated: KernelWorld) -> None:
    root, child = family(gated, TESTS, tries=2)
    use_and_end(
        gated, child, Call((ToolUse("disk/read", {"path": "poison.md"}),)), Value("x", label=Label((), "foreign"))
    )
    for _ in range(2):
        use = started(gated.trap(child, Exit("poison")))
        effects = gated.done(use.effect, ran(1, "poison"))
    outcome = ended(effects, root)
    assert (outcome.state, outcome.value, outcome.rule) == ("failed", None, "review")
    assert "2 times, the last time by the check: tool" in outcome.error and f"gemot log {child}" in outcome.error
    assert "poison" not in msgspec.json.encode(outcome).decode()
    assert outcome.label.integrity == "model"
    assert [use.tool for use in outcome.receipt.uses] == ["disk/read"]


@pytest.mark.parametrize(
    "said",
    [
        Value("looks fine"),
        Value("[]"),
        Value("1"),
        Value('{"exit_code": true}'),
        Value('{"exit_code": 0, "stopped": "time"}'),
        Value('{"accepted": "yes"}'),
        Value('{"accepted": false, "exit_code": 0}'),
        Failure("deadline", "too slow"),
        Failure("failed", "no such command"),
    ],
)
def test_what_is_no_approval_is_a_rejection(gated: KernelWorld, said: Value | Failure) -> None:
    _, child = family(gated, TESTS)
    use = started(gated.trap(child, Exit("x")))
    answer = told(gated.done(use.effect, said), child)
    assert isinstance(answer, Error) and answer.rule == "review"


@pytest.mark.parametrize("said", ["true", '{"accepted": true}', '{"exit_code":0,"stdout":"' + "x" * 300])
def test_what_passes(gated: KernelWorld, said: str) -> None:
    root, child = family(gated, TESTS)
    use = started(gated.trap(child, Exit("x")))
    assert ended(gated.done(use.effect, Value(said)), root).state == "done"


def test_a_native_function_gets_the_result(gated: KernelWorld) -> None:
    root, child = family(gated, ToolCheck("checks/even", value="result"))
    use = started(gated.trap(child, Exit({"n": 4})))
    assert use.arguments == {"result": {"n": 4}}
    assert ended(gated.done(use.effect, Value("true")), root).value == {"n": 4}


def test_a_check_is_done_by_the_parents_rights(gated: KernelWorld) -> None:
    """The child may not run commands; its parent may, and wants one run."""
    root, child = family(gated, TESTS)
    assert not any(one.tool.startswith("box") for one in gated.kernel.processes[child].grants)
    assert ended(gated.done(started(gated.trap(child, Exit("x"))).effect, ran(0)), root).state == "done"


def test_a_check_that_its_parent_may_not_make_any_more_is_not_passed(gated: KernelWorld) -> None:
    root = gated.tree(
        grants=(*EVERY_SYSCALL, Grant("disk/*"), Grant("box/run")), mounts=(Mount("work", "/srv/work", "rw"),)
    )
    child = gated.born(root, Spawn("do it", "worker", review=(TESTS,), tries=1))
    gated.feed(Revoked(gated.at, root, "box/run"))
    gated.trap(root, Wait())
    outcome = ended(gated.trap(child, Exit("x")), root)
    assert (outcome.state, outcome.rule) == ("failed", "review")


def test_a_schema_and_a_receipt_are_looked_at_at_once(gated: KernelWorld) -> None:
    shown = ReceiptCheck("box/run", matching="pytest", exit=0)
    root, child = family(gated, SchemaCheck({"type": "integer"}), shown, grants=("box/run",))
    answer = told(gated.trap(child, Exit("four")), child)
    assert isinstance(answer, Error) and "(schema)" in answer.message
    answer = told(gated.trap(child, Exit(4)), child)
    assert isinstance(answer, Error) and "no receipt of a use of box/run with 'pytest'" in answer.message
    use_and_end(gated, child, Call((ToolUse("box/run", {"command": "pytest -q"}),)), ran(0))
    assert ended(gated.trap(child, Exit(4)), root).value == 4


@pytest.mark.parametrize("how", [ran(1), Failure("failed", "no")])
def test_a_use_that_failed_is_no_receipt(gated: KernelWorld, how: Value | Failure) -> None:
    _, child = family(gated, ReceiptCheck("box/run", exit=0), grants=("box/run",))
    use_and_end(gated, child, Call((ToolUse("box/run", {"command": "pytest -q"}),)), how)
    assert isinstance(told(gated.trap(child, Exit(4)), child), Error)


def test_claims_are_held_against_what_was_used(gated: KernelWorld) -> None:
    root, child = family(gated, grants=("box/run",))
    use_and_end(gated, child, Call((ToolUse("box/run", {"command": "make test"}),)), ran(0))
    outcome = ended(gated.trap(child, Exit("ok", claims={"tests pass": "box/run", "I asked Ada": "post/send"})), root)
    assert outcome.receipt.claims == {
        "tests pass": 'box/run {"command":"make test"}, exit code 0',
        "I asked Ada": "no receipt",
    }


def test_a_reviewer_knows_the_task_the_result_and_the_record_and_holds_no_more_than_the_reviewed(
    gated: KernelWorld,
) -> None:
    root, child = family(gated, ReviewerCheck("the sums", "talker"))
    use_and_end(gated, child, Call((ToolUse("disk/write", {"path": "a.md"}),)), Value("written"))
    gated.trap(child, Exit("42"))
    (judge,) = gated.kernel.processes[child].children
    process = gated.kernel.processes[judge]
    assert {grant.tool for grant in process.grants} == {"disk/read"}
    assert [mount.mode for mount in process.mounts] == ["ro"]
    for said in ("do it", "the sums", "42", "disk/write"):
        assert said in process.brief
    outcome = ended(gated.trap(judge, Exit({"accepted": True, "reason": ""})), root)
    assert outcome.value == "42"


def test_a_reviewers_no_goes_to_the_child(gated: KernelWorld) -> None:
    _, child = family(gated, ReviewerCheck(program="talker"))
    gated.trap(child, Exit("41"))
    (judge,) = gated.kernel.processes[child].children
    answer = told(gated.trap(judge, Exit({"accepted": False, "reason": "it is 42"})), child)
    assert isinstance(answer, Error) and "it is 42" in answer.message
    assert not gated.kernel.processes[child].uncollected


@pytest.mark.parametrize("how", ["killed", "failed", "garbage"])
def test_a_reviewer_that_fails_approves_nothing(gated: KernelWorld, how: str) -> None:
    _, child = family(gated, ReviewerCheck(program="talker"))
    gated.trap(child, Exit("41"))
    (judge,) = gated.kernel.processes[child].children
    match how:
        case "killed":
            effects = gated.stop(judge)
        case "failed":
            effects = gated.trap(judge, Exit(failed="I can't"))
        case _:
            for _ in range(3):
                effects = gated.trap(judge, Exit("accepted"))
    answer = told(effects, child)
    assert isinstance(answer, Error) and "could not be judged" in answer.message


def test_a_review_that_can_t_be_paid_for_is_not_passed(gated: KernelWorld) -> None:
    nobody = msgspec.structs.replace(PLENTY, processes=0)
    root = gated.tree(review=(ReviewerCheck(program="talker"),), tries=1, budget=nobody)
    gated.trap(root, Exit("41"))
    outcome = gated.kernel.processes[root].outcome
    assert outcome is not None and outcome.rule == "review"


@pytest.mark.parametrize(
    ("others", "same"), [(("4", "5"), True), (("5", "4"), True), (("5", "6"), False), (("5", None), False)]
)
def test_k_of_n_agree(gated: KernelWorld, others: tuple[str | None, ...], same: bool) -> None:
    root, child = family(gated, AgreementCheck(2, 3), tries=1)
    gated.trap(child, Exit("4"))
    judges = list(gated.kernel.processes[child].children)
    assert len(judges) == 2 and {gated.kernel.processes[one].brief for one in judges} == {"do it"}
    assert all(
        {grant.tool for grant in gated.kernel.processes[one].grants} <= {"disk/read", "sums/add"} for one in judges
    )
    for judge, value in zip(judges, others, strict=True):
        if gated.kernel.processes[judge].alive:
            effects = gated.trap(judge, Exit(value) if value is not None else Exit(failed="no idea"))
    assert ended(effects, root).state == ("done" if same else "failed")
    assert not any(gated.kernel.processes[one].alive for one in judges)


@pytest.mark.parametrize(
    ("check", "a", "b", "same"),
    [
        (AgreementCheck(), {"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (AgreementCheck(), 1, True, False),
        (AgreementCheck(equal="text"), " Yes \n", "yes", True),
        (AgreementCheck(equal="number", within=0.5), "3.1", 3, True),
        (AgreementCheck(equal="number", within=0.5), "3.6", 3, False),
        (AgreementCheck(equal="number"), "three", "three", False),
        (AgreementCheck(equal="number", within=9.0), "nan", "nan", False),
    ],
)
def test_equality_is_stated(check: AgreementCheck, a: Any, b: Any, same: bool) -> None:
    assert judging.same(check, a, b) is same


@pytest.mark.parametrize(("allow", "state"), [(True, "done"), (False, "failed")])
def test_a_person_looks_at_a_result(gated: KernelWorld, allow: bool, state: str) -> None:
    root, child = family(gated, PersonCheck(), tries=1)
    gated.trap(child, Exit("the report"))
    (ask,) = gated.kernel.asks
    assert gated.kernel.asks[ask].asked.plan[0] == "> the report"
    assert ended(gated.answer(ask, allow=allow), root).state == state


def test_checks_are_made_in_order_and_the_next_try_begins_with_the_first(gated: KernelWorld) -> None:
    root, child = family(gated, TESTS, ReviewerCheck(program="talker"))
    use = started(gated.trap(child, Exit("1")))
    gated.done(use.effect, ran(0))
    (judge,) = gated.kernel.processes[child].children
    gated.trap(judge, Exit({"accepted": False, "reason": "no"}))
    use = started(gated.trap(child, Exit("2")))
    gated.done(use.effect, ran(0))
    (judge,) = gated.kernel.processes[child].children
    assert ended(gated.trap(judge, Exit({"accepted": True, "reason": ""})), root).value == "2"


def test_killing_the_reviewed_ends_its_review(gated: KernelWorld) -> None:
    root, child = family(gated, AgreementCheck(2, 3))
    gated.trap(child, Exit("4"))
    judges = list(gated.kernel.processes[child].children)
    assert ended(gated.stop(child), root).state == "killed"
    assert not any(gated.kernel.processes[one].alive for one in judges)


def test_a_check_is_made_again_after_a_crash(gated: KernelWorld) -> None:
    root, child = family(gated, TESTS)
    gated.trap(child, Exit("x"))
    gated.reboot()
    use = started(gated.resume(root))
    assert ended(gated.done(use.effect, ran(0)), root).state == "done"


@pytest.mark.parametrize(
    "checks",
    [
        (ToolCheck("no/such"),),
        (ReceiptCheck("no/such"),),
        (ReviewerCheck(program="nobody"),),
        (SchemaCheck({"type": "nonsense"}),),
        (AgreementCheck(1, 3),),
        (AgreementCheck(4, 3),),
        (AgreementCheck(2, 1_000),),
        (SchemaCheck({}),) * 9,
    ],
)
def test_a_review_that_could_never_be_held_is_refused_at_once(gated: KernelWorld, checks: tuple[Check, ...]) -> None:
    root = gated.tree(grants=(*EVERY_SYSCALL, Grant("*")))
    answer = told(gated.trap(root, Spawn("x", "worker", review=checks)), root)
    assert isinstance(answer, Error)
    assert not gated.kernel.processes[root].children


def test_a_fork_is_reviewed_like_a_child(gated: KernelWorld) -> None:
    root = gated.tree(grants=(*EVERY_SYSCALL, Grant("*")))
    assert isinstance(told(gated.trap(root, Fork("x", review=(AgreementCheck(),))), root), Error)
    child = gated.born(root, Fork("x", review=(SchemaCheck({"type": "integer"}),)))
    assert isinstance(told(gated.trap(child, Exit("no")), child), Error)


# The first valid result wins.


def racers(world: KernelWorld, count: int, *checks: Check) -> tuple[int, list[int]]:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("*")), mounts=(Mount("work", "/srv/work", "rw"),), budget=PLENTY)
    share = BudgetRequest(tokens=1_000, processes=2, depth=2)
    return root, [
        world.born(root, Spawn("race", "worker", grants=("disk/*", "spawn"), budget=share, review=checks, tries=1))
        for _ in range(count)
    ]


def test_the_first_valid_result_wins_and_the_means_of_the_others_are_back_at_once(gated: KernelWorld) -> None:
    root, pids = racers(gated, 8, SchemaCheck({"type": "integer"}))
    gated.trap(root, Wait(tuple(pids), "first"))
    gated.trap(pids[5], Call((ToolUse("disk/read", {"path": "a.md"}),)))
    below = gated.born(pids[6], Spawn("help", "worker"))
    assert gated.trap(pids[0], Exit("wrong")) and gated.kernel.processes[root].state == "waiting"
    effects = gated.trap(pids[3], Exit(42))
    answer = told(effects, root)
    assert [one.state for one in answer.value.ended] == ["done", "failed", *["killed"] * 6]
    assert answer.value.ended[0].value == 42
    process = gated.kernel.processes[root]
    assert process.left.tokens == PLENTY.tokens and process.left.processes == PLENTY.processes
    assert not process.uncollected and not process.children
    assert not gated.kernel.processes[below].alive
    assert [type(one).__name__ for one in effects].count("StopWork") == 1


def test_when_nobody_wins_the_race_ends_all_the_same(gated: KernelWorld) -> None:
    root, pids = racers(gated, 2)
    gated.trap(root, Wait(tuple(pids), "first"))
    gated.trap(pids[0], Exit(failed="no"))
    answer = told(gated.trap(pids[1], Exit(failed="no")), root)
    assert [one.state for one in answer.value.ended] == ["failed", "failed"]


def test_a_result_that_was_there_before_wins(gated: KernelWorld) -> None:
    root, pids = racers(gated, 3)
    gated.trap(pids[1], Exit(7))
    answer = told(gated.trap(root, Wait(mode="first")), root)
    assert answer.value.ended[0].pid == pids[1] and not gated.kernel.processes[root].children


def test_a_killed_child_is_no_winner(gated: KernelWorld) -> None:
    root, pids = racers(gated, 2)
    gated.trap(root, Kill(pids[0]))
    gated.trap(root, Wait(tuple(pids), "first"))
    assert told(gated.trap(pids[1], Exit(1)), root).value.ended[0].pid == pids[1]
