"""Children without a named budget get equal shares, and draw more from a purse; nothing is made or lost."""

from __future__ import annotations

import random

import pytest
from worlds import KernelWorld, replied, started

from gemot.abi import limits
from gemot.abi.answers import Error
from gemot.abi.effects import AskModel
from gemot.abi.events import Cost
from gemot.abi.grants import Budget, BudgetRequest
from gemot.abi.syscalls import Exit, Fork, Generate, Spawn

DAY = Budget(1_000_000, 2_000_000, 3_600_000, 64, 6, 100_000)
QUESTION = Cost(tokens=6_000, usd_micros=10_000)


def left(world: KernelWorld, pid: int) -> Budget:
    return world.kernel.processes[pid].left.frozen()


def asked(world: KernelWorld, pid: int, estimate: Cost = QUESTION) -> AskModel:
    """The model call that a process can make."""
    effects = world.trap(pid, Generate("q"), estimate)
    calls = [effect for effect in effects if isinstance(effect, AskModel)]
    assert calls, effects
    return calls[0]


@pytest.mark.parametrize("count", [3, 24, 50])
def test_children_without_a_budget_get_equal_shares(world: KernelWorld, count: int) -> None:
    root = world.tree(DAY)
    children = [world.born(root, Spawn("x", "talker", name=f"{number}")) for number in range(count)]
    shares = [left(world, child) for child in children]
    assert len(set(shares)) == 1, shares
    assert shares[0].tokens >= 15_000 and shares[0].millis >= 50_000
    assert left(world, root).tokens == DAY.tokens - count * shares[0].tokens


def test_fifty_children_all_start_and_each_can_ask_its_model(world: KernelWorld) -> None:
    root = world.tree(DAY)
    children = [world.born(root, Spawn("x", "talker")) for _ in range(50)]
    for child in children:
        call = asked(world, child)
        assert call.tokens_out_max >= 4_096 and call.millis_max >= 50_000


def test_children_that_may_have_children_do_not_take_all_places(world: KernelWorld) -> None:
    root = world.tree(DAY)
    children = [world.born(root, Fork("x")) for _ in range(50)]
    world.born(children[-1], Fork("y"))
    assert left(world, root).processes >= 0


def test_a_child_that_runs_short_draws_from_its_parent(world: KernelWorld) -> None:
    root = world.tree(DAY)
    child = world.born(root, Spawn("x", "talker"))
    given = left(world, child).tokens
    call = asked(world, child, Cost(tokens=10 * given))
    assert call.tokens_out_max == 4_096
    assert left(world, child).tokens + left(world, root).tokens == DAY.tokens


def test_a_grandchild_draws_from_the_nearest_bounded_ancestor(world: KernelWorld) -> None:
    root = world.tree(DAY)
    bounded = world.born(root, Fork("x", budget=BudgetRequest(tokens=100_000)))
    child = world.born(bounded, Fork("y"))
    grandchild = world.born(child, Fork("z"))
    before = left(world, root).tokens
    asked(world, grandchild, Cost(tokens=50_000))
    assert left(world, root).tokens == before and left(world, bounded).tokens < 100_000 - 50_000


def test_a_named_budget_is_a_wall(world: KernelWorld) -> None:
    root = world.tree(DAY)
    child = world.born(root, Spawn("x", "talker", budget=BudgetRequest(tokens=5_000)))
    answer = world.ask(child, Generate("q"), Cost(tokens=6_000))
    assert isinstance(answer, Error) and answer.rule == "budget"


def test_a_purse_keeps_what_its_owner_needs_to_end(world: KernelWorld) -> None:
    root = world.tree(DAY)
    child = world.born(root, Spawn("x", "talker"))
    answer = world.ask(child, Generate("q"), Cost(tokens=990_000))
    assert isinstance(answer, Error) and answer.rule == "budget"
    assert left(world, root).tokens == DAY.tokens // limits.RESERVE_SHARE


def test_what_was_drawn_comes_back(world: KernelWorld) -> None:
    root = world.tree(DAY)
    child = world.born(root, Spawn("x", "talker"))
    call = asked(world, child, Cost(tokens=100_000))
    world.done(call.effect, replied(tokens_in=90_000, tokens_out=10), 1_000)
    world.trap(child, Exit("done"))
    assert left(world, root).tokens == DAY.tokens - 90_010
    assert left(world, root).processes == DAY.processes


def test_an_ai_child_that_could_not_ask_its_model_once_is_refused_with_numbers(world: KernelWorld) -> None:
    root = world.tree(Budget(1_500, 0, 60_000, 64, 6, 1_000))
    answer = world.ask(root, Spawn("x", "talker"))
    assert isinstance(answer, Error) and answer.rule == "budget"
    assert "1,500" in answer.message and "2,000" in answer.message and "name a budget" in answer.message


@pytest.mark.parametrize("seed", range(20))
def test_means_are_conserved_whatever_is_drawn(world: KernelWorld, seed: int) -> None:
    """The witness adds them up after every event."""
    chance = random.Random(seed)
    root = world.tree(Budget(200_000, 100_000, 900_000, 12, 4, 3_000))
    for _ in range(150):
        free = [pid for pid, one in world.kernel.processes.items() if one.alive and one.syscall is None]
        if not free:
            break
        pid = chance.choice(free)
        match chance.randrange(4):
            case 0:
                wanted = None if chance.random() < 0.6 else BudgetRequest(tokens=chance.randrange(3_000))
                world.trap(pid, Spawn("x", chance.choice(["talker", "worker"]), budget=wanted))
            case 1:
                world.trap(pid, Fork("x"))
            case 2:
                for effect in started(world.trap(pid, Generate("q"), Cost(tokens=chance.randrange(40_000)))):
                    world.done(effect, replied(tokens_in=chance.randrange(50_000)), chance.randrange(200_000))
            case _:
                if pid != root and chance.random() < 0.5:
                    world.trap(pid, Exit("done"))
