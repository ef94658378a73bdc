"""Budgets are split and come back; nothing makes them. The witness adds them up after every event."""

from __future__ import annotations

import msgspec
import pytest
from worlds import KernelWorld, answer_to, ends, replied, started

from gemot.abi import limits
from gemot.abi.answers import Error, Ok
from gemot.abi.effects import AskModel, StartTool
from gemot.abi.events import Cost, Replied
from gemot.abi.grants import Budget, BudgetRequest
from gemot.abi.messages import Reply, Text, Usage
from gemot.abi.syscalls import Call, Exit, Fork, Generate, Kill, Spawn, Status, ToolUse, Wait
from gemot.kernel.freezing import freeze, freeze_trees

BUDGET = Budget(tokens=1_000, usd_micros=500, millis=10_000, processes=9, depth=4, calls=100)


def left(world: KernelWorld, pid: int) -> Budget:
    return world.kernel.processes[pid].left.frozen()


def test_a_named_budget_moves_from_parent_to_child_and_back(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    share = BudgetRequest(tokens=400, usd_micros=100, seconds=2, processes=3, depth=1, calls=10)
    child = world.born(root, Fork("x", budget=share))
    assert left(world, child) == Budget(400, 100, 2_000, 3, 1, 10)
    assert left(world, root) == Budget(600, 400, 8_000, 5, 4, 89)
    (effect,) = started(world.trap(child, Generate("q")))
    world.done(effect, replied(tokens_in=50, tokens_out=25, usd_micros=7), 300)
    world.trap(child, Exit())
    assert left(world, root) == Budget(925, 493, 9_700, 9, 4, 97)


def test_a_budget_that_is_not_named_is_a_small_share(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    child = world.born(root, Fork("x"))
    part = limits.SHARE_OF_PARENT
    assert left(world, child) == Budget(1_000 // part, 500 // part, 10_000 // part, 8 // part, 3, 99 // part)


def test_a_killed_childs_budget_comes_back_with_its_childrens(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    child = world.born(root, Fork("x", budget=BudgetRequest(tokens=900, processes=4, calls=50)))
    for _ in range(3):
        world.born(child, Fork("y", budget=BudgetRequest(tokens=100, calls=1)))
    assert left(world, root).tokens == 100
    world.trap(root, Kill(child))
    assert left(world, root).tokens == 1_000
    assert left(world, root).processes == 9


@pytest.mark.parametrize("name", ["tokens", "usd_micros", "processes", "depth", "calls"])
def test_more_than_there_is_is_refused(world: KernelWorld, name: str) -> None:
    root = world.tree(BUDGET)
    answer = world.ask(root, Spawn("x", "worker", budget=BudgetRequest(**{name: 10_000})))
    assert isinstance(answer, Error) and answer.rule == "budget" and name in answer.message


def test_no_more_children_may_live_than_there_are_places(world: KernelWorld) -> None:
    root = world.tree(Budget(1_000, 0, 1_000, 2, 3, 100))
    one = world.born(root, Fork("x", budget=BudgetRequest(processes=0)))
    world.born(root, Fork("x", budget=BudgetRequest(processes=0)))
    answer = world.ask(root, Fork("x"))
    assert isinstance(answer, Error) and "processes" in answer.message and "wait" in answer.message
    world.trap(one, Exit())
    world.born(root, Fork("x"))


def test_a_model_call_that_the_tokens_do_not_cover_is_refused_before_it_costs(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    answer = world.ask(root, Generate("q"), Cost(tokens=990))
    assert isinstance(answer, Error) and answer.rule == "budget" and "1,000" in answer.message
    assert world.kernel.processes[root].spent.tokens == 0


def test_a_model_call_is_bounded_by_what_is_left(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    (effect,) = [one for one in world.trap(root, Generate("q"), Cost(tokens=900)) if isinstance(one, AskModel)]
    assert (effect.tokens_out_max, effect.millis_max) == (100, 10_000)


def test_a_model_call_that_the_money_does_not_cover_is_refused(world: KernelWorld) -> None:
    answer = world.ask(world.tree(BUDGET), Generate("q"), Cost(tokens=1, usd_micros=501))
    assert isinstance(answer, Error) and answer.rule == "budget" and "dollars" in answer.message


@pytest.mark.parametrize("most", [0, -5])
def test_a_reply_of_no_tokens_is_refused(world: KernelWorld, most: int) -> None:
    answer = world.ask(world.tree(BUDGET), Generate("q", tokens_out_max=most))
    assert isinstance(answer, Error) and answer.rule == "malformed"


def test_time_for_tools_is_split_over_a_batch_and_bounded_by_the_tool(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    uses = tuple(ToolUse("disk/read", {"path": str(one)}) for one in range(4))
    effects = [one for one in world.trap(root, Call(uses)) if isinstance(one, StartTool)]
    assert [one.millis_max for one in effects] == [2_500] * 4


def test_without_time_left_nothing_is_started(world: KernelWorld) -> None:
    root = world.tree(Budget(1_000, 0, 100, 1, 1, 100))
    (effect,) = started(world.trap(root, Generate("q")))
    world.done(effect, replied(), 100)
    assert isinstance(world.ask(root, Generate("q")), Error)
    answer = world.ask(root, Call((ToolUse("disk/read", {"path": "a"}),)))
    assert isinstance(answer, Ok) and answer.value[0].rule == "budget"


def test_what_a_provider_takes_beyond_its_share_is_paid_by_the_next_of_kin(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    child = world.born(root, Fork("x", budget=BudgetRequest(tokens=100)))
    (effect,) = started(world.trap(child, Generate("q")))
    world.done(effect, replied(tokens_in=300, tokens_out=50))
    assert left(world, child).tokens == 0
    assert left(world, root).tokens == 1_000 - 350
    assert world.kernel.processes[child].spent.tokens == 350
    assert not world.kernel.overdrawn


def test_what_nobody_has_is_owed_and_paid_from_what_comes_back(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    spender = world.born(root, Fork("x", budget=BudgetRequest(tokens=500)))
    saver = world.born(root, Fork("x", budget=BudgetRequest(tokens=500)))
    (effect,) = started(world.trap(spender, Generate("q")))
    world.done(effect, replied(tokens_in=700, tokens_out=0))
    assert world.kernel.overdrawn[root].tokens == 200
    assert isinstance(world.ask(root, Generate("q")), Error), "a tree in debt starts nothing that costs"
    world.trap(saver, Exit())
    assert not world.kernel.overdrawn
    assert left(world, root).tokens == 300


def test_what_a_dead_process_still_cost_is_booked(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    child = world.born(root, Fork("x"))
    (effect,) = started(world.trap(child, Generate("q")))
    world.trap(root, Kill(child))
    assert world.done(effect, replied(tokens_in=30, tokens_out=3), 40) == [], "booked, and nothing else comes of it"
    assert world.kernel.processes[child].spent.tokens == 33
    assert left(world, root).tokens == 1_000 - 33
    assert world.done(effect, replied(tokens_in=30, tokens_out=3), 40) == [], "told twice, booked once"
    assert world.kernel.processes[child].spent.tokens == 33


def test_what_an_ended_tree_still_cost_is_booked(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    (effect,) = started(world.trap(root, Generate("q")))
    world.stop(root)
    world.done(effect, replied(tokens_in=2_000, tokens_out=0))
    assert world.kernel.processes[root].spent.tokens == 2_000
    assert world.kernel.overdrawn[root].tokens == 1_000


def test_a_process_that_has_no_syscalls_left_ends_and_its_parent_learns(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    child = world.born(root, Fork("x", budget=BudgetRequest(calls=3)))
    world.trap(root, Wait())
    for _ in range(3):
        world.ask(child, Status())
    effects = world.trap(child, Status())
    assert ends(effects)[child].rule == "budget"
    answer = answer_to(root, effects)
    assert isinstance(answer, Ok) and "syscalls" in answer.value.ended[0].error


def test_the_bill_of_a_tree_is_what_its_journal_says(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    for tokens in (10, 20, 30):
        child = world.born(root, Fork("x"))
        (effect,) = started(world.trap(child, Generate("q")))
        world.done(effect, replied(tokens_in=tokens, tokens_out=1))
        world.trap(child, Exit())
    assert world.witness.billed[root] == 63 == sum(one.spent.tokens for one in world.kernel.tree(root))


@pytest.mark.parametrize("claimed, booked", [(0, 0), (80, 80), (100, 100), (10**9, 100), (-5, 0)])
def test_what_a_model_had_cached_is_counted_among_what_was_spent_and_is_no_more(
    world: KernelWorld, claimed: int, booked: int
) -> None:
    root = world.tree(BUDGET)
    (effect,) = started(world.trap(root, Generate("q")))
    world.done(effect, Replied(Reply((Text("yes"),), Usage(100, 5, claimed), "m")))
    process = world.kernel.processes[root]
    assert (process.spent.tokens, process.tokens_cached) == (105, booked)


def test_a_bill_that_no_table_keeps_is_not_believed(world: KernelWorld) -> None:
    root = world.tree(BUDGET)
    (effect,) = started(world.trap(root, Generate("q")))
    usage = Usage(10**30, 10**30, 10**30, 10**30)
    world.done(effect, Replied(Reply((Text("yes"),), usage, "m")), 10**30)
    assert msgspec.msgpack.encode(freeze_trees(world.kernel, [root])) and msgspec.msgpack.encode(freeze(world.kernel))
