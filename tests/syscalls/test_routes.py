"""Routes and priorities: which model takes the place of one that fails, and how urgent a process's calls are."""

from __future__ import annotations

import pytest
from worlds import PLENTY, KernelWorld, answer_to, replied, started, stopped

from gemot.abi import limits
from gemot.abi.answers import Error, Ok
from gemot.abi.effects import AskModel, Effect
from gemot.abi.events import Copied, Failure, Moved, Trapped
from gemot.abi.grants import Budget
from gemot.abi.syscalls import Call, Fork, Generate, Spawn, ToolUse
from gemot.kernel.routes import further, provider_of, stronger

ROUTE = ("a:1", "b:2", "c:3")
GONE = Failure("model", "a:1 is unreachable.")


def asked(effects: list[Effect]) -> AskModel:
    (effect,) = [one for one in effects if isinstance(one, AskModel)]
    return effect


def begun(world: KernelWorld, route: tuple[str, ...] = ROUTE, **more: object) -> int:
    return world.tree(models=("a:1", "b:2", "c:3", "other"), route=route, **more)  # type: ignore[arg-type]


def test_a_model_that_fails_is_followed_by_the_next_of_its_route(world: KernelWorld) -> None:
    root = begun(world)
    first = asked(world.trap(root, Generate("q")))
    second = asked(world.done(first.effect, GONE))
    third = asked(world.done(second.effect, Failure("limit", "enough for today")))
    assert [one.model for one in (first, second, third)] == list(ROUTE)
    assert second.generate == first.generate
    answer = answer_to(root, world.done(third.effect, replied("aye")))
    assert isinstance(answer, Ok) and answer.value.parts[0].text == "aye"
    assert world.kernel.processes[root].models == ("c:3", "b:2", "a:1", "other")
    assert asked(world.trap(root, Generate("more"))).model == "c:3", "it stays where it went"


def test_the_last_model_of_a_route_fails_for_good(world: KernelWorld) -> None:
    root = begun(world)
    effects = world.trap(root, Generate("q"))
    for _ in ROUTE:
        effects = world.done(asked(effects).effect, Failure("model", "gone.")) if started(effects) else effects
    answer = answer_to(root, effects)
    assert isinstance(answer, Error) and answer.rule == "model"
    assert answer.message == "gone. It was the last model of its route (a:1, b:2, c:3)"


def test_without_a_route_the_failure_says_how_to_write_one(world: KernelWorld) -> None:
    root = begun(world, route=())
    answer = answer_to(root, world.done(asked(world.trap(root, Generate("q"))).effect, GONE))
    assert isinstance(answer, Error) and answer.message.startswith(GONE.message)
    assert "--model THIS --model ANOTHER" in answer.message and "[[route]]" in answer.message


@pytest.mark.parametrize("rule", ["deadline", "failed", "malformed"])
def test_what_another_model_could_not_mend_moves_nobody(world: KernelWorld, rule: str) -> None:
    root = begun(world)
    answer = answer_to(root, world.done(asked(world.trap(root, Generate("q"))).effect, Failure(rule, "no")))
    assert answer == Error(rule, "no")
    assert world.kernel.processes[root].models[0] == "a:1"


def test_a_model_that_costs_more_than_is_left_is_passed_over(world: KernelWorld) -> None:
    root = begun(world, budget=Budget(10_000, 50, 60_000, 2, 2, 100))
    prices = {"b:2": 51, "c:3": 50}
    first = asked(world.feed(Trapped(world.at, root, Generate("q"), None, prices)))
    second = asked(world.done(first.effect, GONE))
    assert second.model == "c:3"
    prices = {"b:2": 51, "c:3": 51}
    poor = begun(world, budget=Budget(10_000, 50, 60_000, 2, 2, 100))
    first = asked(world.feed(Trapped(world.at, poor, Generate("q"), None, prices)))
    answer = answer_to(poor, world.done(first.effect, GONE))
    assert isinstance(answer, Error) and "b:2, c:3" in answer.message and "0.0001 dollars" in answer.message


def test_time_that_is_used_up_is_used_up_for_every_model(world: KernelWorld) -> None:
    root = begun(world, budget=Budget(10_000, 50, 1_000, 2, 2, 100))
    first = asked(world.trap(root, Generate("q")))
    second = asked(world.done(first.effect, GONE, 400))
    assert (first.millis_max, second.millis_max) == (1_000, 600)
    answer = answer_to(root, world.done(second.effect, GONE, 600))
    assert isinstance(answer, Error) and "used up" in answer.message


def test_a_process_moved_off_its_route_stays_where_a_person_put_it(world: KernelWorld) -> None:
    root = begun(world)
    world.feed(Moved(world.at, root, "other"))
    first = asked(world.trap(root, Generate("q")))
    answer = answer_to(root, world.done(first.effect, GONE))
    assert isinstance(answer, Error) and "moved off its route" in answer.message
    back = world.feed(Moved(world.at, root, "b:2"))
    assert not started(back)
    assert asked(world.done(asked(world.trap(root, Generate("q"))).effect, GONE)).model == "c:3"


def test_a_tree_that_sleeps_asks_the_next_model_when_it_wakes(world: KernelWorld) -> None:
    root = begun(world)
    first = asked(world.trap(root, Generate("q")))
    world.pause(root)
    assert not started(world.done(first.effect, GONE)), "the call was given up, so that it failed tells nothing"
    again = asked(world.resume(root))
    assert again.model == "a:1"
    second = asked(world.done(again.effect, GONE))
    world.reboot()
    assert asked(world.resume(root)).model == second.model == "b:2"


def test_a_child_goes_on_along_its_parents_route_from_its_own_model(world: KernelWorld) -> None:
    root = begun(world)
    inherits, chosen, off, twin = (
        world.born(root, Spawn("x", "worker")),
        world.born(root, Spawn("x", "worker", model="b:2")),
        world.born(root, Spawn("x", "worker", model="other")),
        world.born(root, Fork("x")),
    )
    processes = world.kernel.processes
    assert [further(processes[pid]) for pid in (inherits, chosen, off, twin)] == [
        ("b:2", "c:3"), ("c:3",), (), ("b:2", "c:3"),
    ]  # fmt: skip
    world.trap(root, Generate("q"))
    world.feed(Copied(world.at, root, "and you", PLENTY))
    assert processes[max(processes)].route == ROUTE


def test_stronger_is_one_step_up_until_there_is_none(world: KernelWorld) -> None:
    """What a review that rejects an answer does."""
    root, plain = begun(world), begun(world, route=())
    kernel, process = world.kernel, world.kernel.processes[root]
    kernel.changed.clear()
    assert stronger(kernel, process) and process.models[0] == "b:2" and kernel.changed == {root}
    assert stronger(kernel, process) and process.models[0] == "c:3"
    assert not stronger(kernel, process) and process.models[0] == "c:3"
    assert not stronger(kernel, kernel.processes[plain]) and kernel.processes[plain].models[0] == "a:1"


def test_a_step_up_in_the_middle_of_a_question_puts_it_to_the_stronger_model(world: KernelWorld) -> None:
    root = begun(world)
    first = asked(world.trap(root, Generate("q")))
    effects = world.feed(Moved(world.at, root, "b:2"))
    assert stopped(effects) == [first.effect] and asked(effects).model == "b:2"
    assert asked(world.done(asked(effects).effect, GONE)).model == "c:3"


def test_a_step_up_in_the_middle_of_a_batch_leaves_its_tools_alone(world: KernelWorld) -> None:
    root = begun(world)
    one, two = started(
        world.trap(root, Call((ToolUse("disk/read", {"path": "a"}), ToolUse("disk/read", {"path": "b"}))))
    )
    world.done(one)
    assert stopped(world.feed(Moved(world.at, root, "b:2"))) == []
    assert answer_to(root, world.done(two)) is not None
    assert asked(world.trap(root, Generate("q"))).model == "b:2"


# Priorities


def test_a_call_says_whose_turn_it_is_to_be(world: KernelWorld) -> None:
    root = begun(world, priority=7)
    child = world.born(root, Spawn("x", "worker", priority=3))
    call = asked(world.trap(child, Generate("q")))
    assert (call.root, call.share, call.priority) == (root, 7, 3)


def test_a_child_is_at_most_as_urgent_as_its_parent(world: KernelWorld) -> None:
    root = begun(world)
    child = world.born(root, Fork("x", priority=4))
    assert world.kernel.processes[world.born(child, Spawn("x", "worker"))].priority == 4
    for pid, wanted in ((root, 6), (child, 5), (root, 0), (root, limits.PRIORITY_MAX + 1)):
        answer = world.ask(pid, Spawn("x", "worker", priority=wanted))
        assert isinstance(answer, Error) and answer.rule == "grant" and str(wanted) in answer.message
    assert world.kernel.processes[world.born(root, Spawn("x", "worker", priority=limits.PRIORITY_MIN))].priority == 1


# What was paid


def test_what_a_provider_was_paid_today_is_kept(world: KernelWorld) -> None:
    root = begun(world)
    for price in (30, 12):
        world.done(asked(world.trap(root, Generate("q"))).effect, replied(usd_micros=price))
    day = world.at // 86_400_000
    assert world.kernel.bills == {"a": (day, 42)}
    world.later(86_400_000)
    world.done(asked(world.trap(root, Generate("q"))).effect, replied(usd_micros=5))
    assert world.kernel.bills == {"a": (day + 1, 5)}


def test_a_provider_is_what_a_models_name_begins_with() -> None:
    names = ("openai:gpt-5", "openai/gpt-5", "hand:http://127.0.0.1/v1", "embedded")
    assert [provider_of(name) for name in names] == ["openai", "openai", "hand", "embedded"]
