"""Spawn, fork, exec, exit, kill, status: how processes come, change, end and are seen."""

from __future__ import annotations

import msgspec
import pytest
from worlds import KernelWorld, answer_to, ends, started, stopped

from gemot.abi import limits
from gemot.abi.answers import Born, Error, Ok, Waited
from gemot.abi.effects import Begin, BeginFork, Deliver, StopWork
from gemot.abi.events import Faulted, Trapped
from gemot.abi.grants import Budget, BudgetRequest, Grant, Mount
from gemot.abi.syscalls import (
    SYSCALLS,
    UNAVAILABLE,
    Accept,
    Add,
    Alarm,
    Ask,
    Call,
    Claim,
    Complete,
    Exec,
    Exit,
    Fork,
    Generate,
    Kill,
    Reorder,
    Send,
    Spawn,
    Status,
    Syscall,
    Task,
    ToolUse,
    Wait,
    name_of,
)


def test_spawn_answers_the_childs_pid_and_begins_it_with_its_brief_alone(world: KernelWorld) -> None:
    root = world.tree()
    effects = world.trap(root, Spawn("count the files", "worker", name="counter"))
    begun = next(effect for effect in effects if isinstance(effect, Begin))
    assert (begun.brief, begun.name) == ("count the files", "counter")
    assert answer_to(root, effects) == Ok(Born(begun.pid))


def test_fork_tells_the_parent_the_pid_and_the_child_its_task(world: KernelWorld) -> None:
    root = world.tree()
    effects = world.trap(root, Fork("the left half"))
    child = next(effect.pid for effect in effects if isinstance(effect, BeginFork))
    assert answer_to(root, effects) == Ok(Born(child))
    assert answer_to(child, effects) == Ok(Born(0, "the left half"))
    order = [type(effect) for effect in effects if isinstance(effect, BeginFork | Deliver)]
    assert order[0] is BeginFork, "the child must share the log before anybody goes on"


@pytest.mark.parametrize(
    ("syscall", "rule", "words"),
    [
        (Spawn("x", "wroker"), "unknown", "worker"),
        (Spawn(" ", "worker"), "malformed", "brief"),
        (Spawn("x", "worker", budget=BudgetRequest(tokens=10**9)), "budget", "100000 tokens"),
        (Spawn("x", "worker", budget=BudgetRequest(tokens=-1)), "budget", "negative"),
        (Spawn("x", "worker", budget=BudgetRequest(seconds=1e300)), "budget", "seconds"),
        (Spawn("x", "worker", budget=BudgetRequest(seconds=-0.5)), "budget", "seconds"),
        (Spawn("x", "worker", grants=(Grant("dsik/read"),)), "unknown", "disk/read"),
        (Spawn("x", "worker", model="z"), "grant", "m, n"),
        (Spawn("x", "worker", name="n" * 200), "limit", str(limits.NAME_CHARS_MAX)),
        (Spawn("x" * (limits.TEXT_CHARS_MAX + 1), "worker"), "limit", str(limits.TEXT_CHARS_MAX)),
        (Spawn("x", "worker", deadline_seconds=0), "malformed", "deadline"),
        (Spawn("x", "worker", task=3), "state", "board is empty"),
        (Spawn("x", "worker", arguments={"a": 1}), "malformed", "takes none"),
        (Fork("x", model="z"), "grant", "m, n"),
        (Exec("wroker", "x"), "unknown", "worker"),
        (Exec("worker", ""), "malformed", "brief"),
        (Kill(99), "family", "none"),
        (Status(99), "family", "none"),
    ],
)
def test_a_refusal_names_the_rule_and_what_would_be_allowed(
    world: KernelWorld, syscall: Spawn, rule: str, words: str
) -> None:
    answer = world.ask(world.tree(), syscall)
    assert isinstance(answer, Error)
    assert answer.rule == rule
    assert words in answer.message


@pytest.mark.parametrize("name", sorted(UNAVAILABLE))
def test_a_syscall_that_is_not_built_yet_is_answered(world: KernelWorld, name: str) -> None:
    filled = {
        "text": "t",
        "title": "t",
        "query": "q",
        "pages": (1,),
        "pid": 1,
        "grants": (),
        "tool": "t",
        "reason": "r",
    }
    kind = SYSCALLS[name]
    syscall = kind(**{field: filled.get(field, 1) for field in kind.__struct_fields__})
    answer = world.ask(world.tree(), syscall)
    assert isinstance(answer, Error) and answer.rule == "unavailable" and name in answer.message


@pytest.mark.parametrize(
    "syscall",
    [
        Spawn("x", "worker"),
        Fork("x"),
        Exec("worker", "x"),
        Kill(1),
        Send(0, "x"),
        Alarm(1),
        Ask("x"),
        Add((Task("x"),)),
        Claim(1),
        Complete(1, "x"),
        Accept(1),
        Reorder((1,)),
    ],
    ids=name_of,
)
def test_a_syscall_without_its_grant_is_refused(world: KernelWorld, syscall: Syscall) -> None:
    answer = world.ask(world.tree(grants=(Grant("disk/read"),)), syscall)
    assert isinstance(answer, Error) and answer.rule == "grant"
    assert name_of(syscall) in answer.message and "disk/read" in answer.message


def test_exit_ends_the_process_with_its_value_and_what_it_spent(world: KernelWorld) -> None:
    root = world.tree()
    outcome = ends(world.trap(root, Exit({"n": 3})))[root]
    assert (outcome.state, outcome.value, outcome.spent.calls) == ("done", {"n": 3}, 1)


def test_exit_with_failed_is_a_failure_that_says_why(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("x", "worker"))
    world.trap(child, Exit(failed="no such folder"))
    answer = world.ask(root, Wait())
    assert isinstance(answer, Ok)
    (outcome,) = answer.value.ended
    assert (outcome.state, outcome.error) == ("failed", "no such folder")


def test_a_result_that_does_not_fit_is_sent_back_and_then_fails(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("x", "worker", returns={"type": "object", "required": ["n"]}))
    for _ in range(limits.EXIT_TRIES_MAX - 1):
        answer = world.ask(child, Exit("nonsense"))
        assert isinstance(answer, Error) and answer.rule == "schema" and "object" in answer.message
    outcome = ends(world.trap(child, Exit("nonsense")))[child]
    assert (outcome.state, outcome.rule) == ("failed", "schema")


def test_a_result_that_fits_is_taken_after_one_that_did_not(world: KernelWorld) -> None:
    child = world.born(world.tree(), Spawn("x", "worker", returns={"enum": ["good", "bad"]}))
    world.ask(child, Exit("so-so"))
    assert ends(world.trap(child, Exit("good")))[child].value == "good"


@pytest.mark.parametrize(
    "returns",
    [
        {"type": 5},
        {"type": "strnig"},
        {"required": 3},
        {"required": [1]},
        {"properties": []},
        {"properties": {"a": 7}},
        {"enum": 5},
        {"anyOf": [3]},
        {"minLength": "x"},
        {"items": 4},
        {"$ref": 1},
        {"$defs": {"a": 1}},
    ],
)
def test_a_schema_that_is_none_is_refused_when_it_is_asked_for(world: KernelWorld, returns: dict[str, object]) -> None:
    answer = world.ask(world.tree(), Spawn("x", "worker", returns=returns))
    assert isinstance(answer, Error) and answer.rule == "schema"


def test_a_schema_that_stands_for_itself_is_refused_when_it_is_asked_for(world: KernelWorld) -> None:
    knot = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}
    answer = world.ask(world.tree(), Spawn("x", "worker", returns={"$ref": "#/$defs/a", "$defs": {"a": knot}}))
    assert isinstance(answer, Error) and answer.rule == "schema" and "stands for itself" in answer.message


def test_exec_goes_on_as_another_program_with_the_same_pid_rights_and_children(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("x", "worker"))
    held = world.kernel.processes[root]
    grants, left = list(held.grants), held.left.tokens
    effects = world.trap(root, Exec("talker", "go on"))
    begun = next(effect for effect in effects if isinstance(effect, Begin))
    assert (begun.pid, begun.program.name, begun.brief) == (root, "talker", "go on")
    assert (held.grants, held.left.tokens, held.children) == (grants, left, [child])


def test_killed_parent_leaves_no_child_and_stops_all_their_work(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x", budget=BudgetRequest(processes=5)))
    grandchild = world.born(child, Fork("x"))
    model = started(world.trap(child, Generate("q")))
    tool = started(world.trap(grandchild, Call((ToolUse("disk/read", {"path": "a"}),))))
    effects = world.trap(root, Kill(child))
    assert set(ends(effects)) == {child, grandchild}
    assert set(stopped(effects)) == {*model, *tool}
    assert ends(effects)[grandchild].error == f"its parent {child} ended"
    answer = answer_to(root, effects)
    assert isinstance(answer, Ok) and answer.value.state == "killed"


def test_exit_takes_the_children_along(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x"))
    assert set(ends(world.trap(root, Exit("done")))) == {root, child}


def test_a_person_stops_a_process_that_waits_for_its_child_and_it_is_not_woken(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x"))
    world.trap(root, Wait())
    effects = world.stop(root)
    assert set(ends(effects)) == {root, child}
    assert not [effect for effect in effects if isinstance(effect, Deliver)]


def test_a_syscall_of_a_process_that_ended_meanwhile_does_nothing(world: KernelWorld) -> None:
    root = world.tree()
    world.stop(root)
    assert world.feed(Trapped(world.at, root, Spawn("x", "worker"))) == []


def test_killing_somebody_elses_child_is_refused(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x", budget=BudgetRequest(processes=5)))
    grandchild = world.born(child, Fork("x"))
    for pid in (root, grandchild):
        answer = world.ask(root, Kill(pid))
        assert isinstance(answer, Error) and answer.rule == "family" and str(child) in answer.message
    assert isinstance(world.ask(grandchild, Kill(child)), Error)


def test_killing_a_child_that_has_ended_answers_how_it_ended(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x"))
    world.trap(child, Exit("fine"))
    answer = world.ask(root, Kill(child))
    assert isinstance(answer, Ok) and answer.value.value == "fine"
    assert isinstance(world.ask(root, Wait()), Error), "it was collected by the kill"


def test_status_shows_oneself_and_ones_descendants_and_nobody_else(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x", name="left"))
    world.trap(child, Generate("q"))
    answer = world.ask(root, Status())
    assert isinstance(answer, Ok)
    (seen,) = answer.value["children"]
    assert (answer.value["pid"], seen["name"], seen["doing"]) == (root, "left", "generate")
    other = world.tree()
    assert isinstance(world.ask(other, Status(root)), Error)
    world.done(world.witness.kernel.processes[child].work[0].effect)
    assert isinstance(world.ask(child, Status(root)), Error), "the parent sees the child, never the reverse"


def test_a_program_that_breaks_a_rule_ends_and_its_parent_learns(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x"))
    world.trap(root, Wait())
    effects = world.feed(Faulted(world.at, child, "it raised KeyError"))
    answer = answer_to(root, effects)
    assert isinstance(answer, Ok) and isinstance(answer.value, Waited)
    assert (answer.value.ended[0].rule, answer.value.ended[0].error) == ("fault", "it raised KeyError")


def test_a_deadline_ends_a_child_and_what_it_does(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("x", "worker", deadline_seconds=5))
    work = started(world.trap(child, Generate("q")))
    world.trap(root, Wait())
    assert world.later(4_999) == []
    effects = world.later(1)
    assert ends(effects)[child].rule == "deadline"
    assert StopWork(work[0]) in effects
    answer = answer_to(root, effects)
    assert isinstance(answer, Ok) and answer.value.ended[0].state == "failed"


def test_a_deadline_of_a_child_that_has_ended_does_nothing(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("x", "worker", deadline_seconds=5))
    world.trap(child, Exit("quick"))
    assert ends(world.later(10_000)) == {}


def test_generations_are_counted(world: KernelWorld) -> None:
    pid = world.tree(Budget(1000, 1000, 1000, 10, 2, 100))
    for _ in range(2):
        pid = world.born(pid, Fork("x", budget=BudgetRequest(processes=1, calls=5)) if _ == 0 else Fork("x"))
    answer = world.ask(pid, Fork("x")) if world.kernel.processes[pid].left.calls else None
    assert answer is None or (isinstance(answer, Error) and "depth" in answer.message)


def test_a_child_without_mounts_of_its_own_sees_what_its_parent_sees(world: KernelWorld) -> None:
    mounts = (Mount("work", "/srv/data", "rw"), Mount("notes", "/srv/notes"))
    root = world.tree(mounts=mounts)
    assert world.kernel.processes[world.born(root, Fork("x"))].mounts == mounts


@pytest.mark.parametrize("syscall", [Spawn("x", "worker"), Fork("x")])
def test_a_child_holds_as_many_grants_as_anybody(world: KernelWorld, syscall: Spawn | Fork) -> None:
    root = world.tree()
    many = ("disk/read",) * (limits.GRANTS_MAX + 1)
    answer = world.ask(root, msgspec.structs.replace(syscall, grants=many))
    assert isinstance(answer, Error) and answer.rule == "limit"
