"""Retraction: what was said leaves every reading, what was built on it is undone or told, what was done is listed."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import EVERY_SYSCALL, PLENTY, KernelWorld, answer_to, replied, started

from gemot.abi.answers import Error, Ok, Retraction
from gemot.abi.effects import AskModel, Effect, StopWork, TakeBack
from gemot.abi.events import Retracted
from gemot.abi.grants import Budget, BudgetRequest, Grant
from gemot.abi.syscalls import (
    Accept,
    Add,
    Call,
    Claim,
    Complete,
    Exec,
    Exit,
    Fork,
    Generate,
    ListTasks,
    Receive,
    Retract,
    Send,
    Spawn,
    Task,
    ToolUse,
    Wait,
)
from gemot.kernel import retracting

ALL = tuple(grant.tool for grant in (*EVERY_SYSCALL, Grant("*")))


def share(world: KernelWorld, parent: int) -> BudgetRequest:
    """A third of what it has."""
    left = world.kernel.processes[parent].left
    return BudgetRequest(
        tokens=left.tokens // 3, processes=left.processes // 3, depth=left.depth - 1, calls=left.calls // 3
    )


def child(world: KernelWorld, parent: int, program: str = "worker", brief: str = "do it") -> int:
    return world.born(parent, Spawn(brief, program, grants=ALL, budget=share(world, parent)))


def think(world: KernelWorld, pid: int) -> None:
    """Its model is asked: what it says from now on may rest on all that it was told."""
    (work,) = started(world.trap(pid, Generate()))
    world.done(work, replied())


def take_back(world: KernelWorld, pid: int) -> tuple[Retraction, list[Effect]]:
    """By the person."""
    foreseen = retracting.foreseen(world.kernel, world.kernel.processes[pid])
    return foreseen, world.feed(Retracted(world.at, pid, "it was wrong"))


def blanks(effects: list[Effect]) -> dict[int, tuple[tuple[int, int], ...]]:
    return {one.pid: one.places for one in effects if isinstance(one, TakeBack)}


def chain(world: KernelWorld) -> tuple[int, int, int]:
    """A root whose child has read its own child's answer."""
    root = world.tree()
    middle = child(world, root, "talker")
    leaf = child(world, middle)
    world.trap(leaf, Exit("poison"))
    world.trap(middle, Wait())
    return root, middle, leaf


def test_an_answer_leaves_the_reading_of_whoever_read_it(world: KernelWorld) -> None:
    _, middle, leaf = chain(world)
    foreseen, effects = take_back(world, leaf)
    assert foreseen.told == (middle,) and foreseen.ended == ()
    assert blanks(effects) == {middle: ((2, leaf),)}
    outcome = world.kernel.processes[leaf].outcome
    assert outcome is not None and (outcome.state, outcome.value, outcome.rule) == ("failed", None, "retracted")
    assert "taken back: it was wrong" in world.kernel.processes[middle].mailbox[0].text


def test_what_was_made_of_it_goes_too(world: KernelWorld) -> None:
    """Two levels built on it: the middle's answer was read by the root, which has made a child since."""
    root, middle, leaf = chain(world)
    think(world, middle)
    world.trap(middle, Exit("derived from poison"))
    world.trap(root, Wait())
    later = child(world, root, brief="go on with what we know")
    foreseen, effects = take_back(world, leaf)
    assert foreseen.rewound == (root,) and foreseen.ended == (later,)
    assert blanks(effects)[root] == ((2, middle),)
    assert not world.kernel.processes[later].alive
    middles = world.kernel.processes[middle].outcome
    assert middles is not None and middles.value is None


def test_what_was_there_before_stays(world: KernelWorld) -> None:
    root, middle, leaf = chain(world)
    innocent = child(world, root)
    world.trap(root, Wait((innocent,)))
    take_back(world, leaf)
    assert world.kernel.processes[innocent].alive
    assert world.kernel.processes[root].state == "waiting"
    assert world.kernel.processes[middle].alive


def test_effects_that_were_done_are_listed(world: KernelWorld) -> None:
    root = world.tree()
    middle = child(world, root, "talker")
    before = Call((ToolUse("disk/write", {"path": "before.md"}),))
    world.done(started(world.trap(middle, before))[0])
    leaf = child(world, middle)
    world.trap(leaf, Exit("poison"))
    world.trap(middle, Wait())
    think(world, middle)
    for tool, path in (("disk/read", "a.md"), ("disk/write", "after.md")):
        world.done(started(world.trap(middle, Call((ToolUse(tool, {"path": path}),))))[0])
    foreseen, _ = take_back(world, leaf)
    assert foreseen.effects == (f'process {middle}: disk/write {{"path":"after.md"}}',)


def test_a_program_that_is_code_is_put_back_and_what_it_began_since_is_stopped(world: KernelWorld) -> None:
    root = world.tree()
    leaf = child(world, root)
    world.trap(leaf, Exit("poison"))
    world.trap(root, Wait())
    after = child(world, root)
    (use,) = started(world.trap(root, Call((ToolUse("disk/read", {"path": "a.md"}),))))
    _, effects = take_back(world, leaf)
    assert [one.effect for one in effects if isinstance(one, StopWork)] == [use]
    process = world.kernel.processes[root]
    assert process.syscall is None and process.entries == 2 and not process.children
    assert not world.kernel.processes[after].alive
    assert process.left.tokens == PLENTY.tokens
    assert process.uncollected == [leaf]


def test_a_model_that_is_being_asked_is_asked_again_without_it(world: KernelWorld) -> None:
    _, middle, leaf = chain(world)
    (work,) = started(world.trap(middle, Generate()))
    _, effects = take_back(world, leaf)
    kinds = [type(one) for one in effects]
    assert kinds.index(TakeBack) < kinds.index(StopWork) < kinds.index(AskModel)
    assert next(one for one in effects if isinstance(one, StopWork)).effect == work


def test_words_that_nobody_has_read_yet_are_gone(world: KernelWorld) -> None:
    root = world.tree()
    leaf = child(world, root)
    world.trap(leaf, Send(0, "poison"))
    take_back(world, leaf)
    assert not [mail for mail in world.kernel.processes[root].mailbox if mail.sender == leaf]


def test_messages_are_words_too(world: KernelWorld) -> None:
    root = world.tree()
    leaf = child(world, root)
    world.trap(leaf, Send(0, "poison"))
    world.trap(root, Receive())
    foreseen, effects = take_back(world, leaf)
    assert foreseen.rewound == (root,) and blanks(effects) == {root: ((2, leaf),)}


def test_a_fork_knows_what_its_parent_read(world: KernelWorld) -> None:
    _, middle, leaf = chain(world)
    twin = world.born(middle, Fork("the same"))
    foreseen, _ = take_back(world, leaf)
    assert foreseen.told == (middle, twin)


def test_after_exec_it_can_only_be_told(world: KernelWorld) -> None:
    root = world.tree()
    leaf = child(world, root)
    world.trap(leaf, Exit("poison"))
    world.trap(root, Wait())
    world.trap(root, Exec("worker", "go on with the poison"))
    foreseen, effects = take_back(world, leaf)
    assert foreseen.told == (root,) and blanks(effects) == {root: ((0, leaf),)}


def test_results_on_the_board_are_gone(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Add((Task("a"),)))
    leaf = child(world, root)
    world.trap(leaf, Claim(1))
    world.trap(leaf, Complete(1, "poison"))
    world.trap(root, ListTasks())
    foreseen, _ = take_back(world, leaf)
    assert root in foreseen.rewound
    item = world.kernel.boards[root].items[1]
    assert (item.state, item.owner, item.result) == ("open", None, "")


def test_a_result_on_the_board_is_taken_back_also_once_accepted_and_whoever_waits_is_told(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Add((Task("a", name="a"), Task("b", after=("a",)))))
    leaf, watcher = child(world, root), child(world, root)
    world.trap(leaf, Claim(1, 10.0))
    world.trap(leaf, Complete(1, "poison"))
    world.trap(root, Accept(1))
    world.trap(watcher, Wait(board=True))
    assert answer_to(watcher, world.trap(watcher, Wait(board=True))) is None
    _, effects = take_back(world, leaf)
    answer = answer_to(watcher, effects)
    assert isinstance(answer, Ok) and 1 in answer.value.tasks
    assert isinstance(answer_to(watcher, world.trap(watcher, Claim(2))), Error)
    world.work(root, Claim(1))
    world.later(20_000)
    assert world.kernel.boards[root].items[1].owner == 0, "no old lease returns it"


def test_what_a_person_did_is_nobody_elses(world: KernelWorld) -> None:
    root = world.tree()
    world.work(root, Add((Task("a"),)))
    world.work(root, Complete(1, "mine"))
    leaf = child(world, root)
    assert isinstance(answer_to(root, world.trap(root, ListTasks())), Ok)
    take_back(world, leaf)
    assert world.kernel.boards[root].items[1].result == "mine"


def test_whoever_takes_a_task_over_reads_what_the_one_before_did(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Add((Task("a"),)))
    leaf, other = child(world, root), child(world, root)
    world.trap(leaf, Claim(1))
    world.trap(leaf, Complete(1, "poison"))
    world.trap(root, Accept(1, False, "no"))
    world.trap(other, Claim(1))
    foreseen, _ = take_back(world, leaf)
    assert other in (*foreseen.told, *foreseen.rewound)
    item = world.kernel.boards[root].items[1]
    assert (item.state, item.owner, item.result) == ("claimed", other, "")


def test_a_living_process_ends_with_its_words(world: KernelWorld) -> None:
    root = world.tree()
    leaf = child(world, root)
    world.trap(leaf, Send(0, "poison"))
    foreseen, _ = take_back(world, leaf)
    assert foreseen.ended == (leaf,) and not world.kernel.processes[leaf].alive


def test_a_parent_takes_back_its_childs_answer_and_knows_that_it_did(world: KernelWorld) -> None:
    root, middle, leaf = chain(world)
    effects = world.trap(middle, Retract(leaf, "two runs differ"))
    answer: Any = answer_to(middle, effects)
    assert isinstance(answer, Ok) and answer.value["told"] == [middle]
    assert blanks(effects) == {middle: ((2, leaf),)}
    assert not world.kernel.processes[middle].mailbox
    assert isinstance(answer_to(root, world.trap(root, Retract(leaf, "x"))), Error)


@pytest.mark.parametrize("reason", ["", "x" * 10_000])
def test_a_retraction_says_why(world: KernelWorld, reason: str) -> None:
    _, middle, leaf = chain(world)
    assert isinstance(answer_to(middle, world.trap(middle, Retract(leaf, reason))), Error)


def test_a_result_under_review_that_was_built_on_it_is_not_accepted(world: KernelWorld) -> None:
    from gemot.abi.reviews import AgreementCheck

    root = world.tree()
    check = (AgreementCheck(2, 3),)
    middle = world.born(root, Spawn("x", "worker", grants=ALL, budget=share(world, root), review=check, arguments={}))
    leaf = child(world, middle)
    world.trap(leaf, Exit("poison"))
    world.trap(middle, Wait())
    world.trap(middle, Exit("derived"))
    judges = list(world.kernel.processes[middle].children)
    take_back(world, leaf)
    assert world.kernel.processes[middle].alive and world.kernel.processes[middle].state == "running"
    assert not any(world.kernel.processes[one].alive for one in judges)


def test_a_tree_of_a_thousand_is_reached_at_once(world: KernelWorld) -> None:
    wide = Budget(tokens=100_000, usd_micros=0, millis=10_000, processes=2_000, depth=10, calls=100_000)
    root = world.tree(budget=wide)
    leaf = child(world, root)
    world.trap(leaf, Exit("poison"))
    world.trap(root, Wait())
    branch = BudgetRequest(tokens=1_000, processes=40, depth=3, calls=1_000)
    for _ in range(25):
        one = world.born(root, Spawn("x", "worker", grants=ALL, budget=branch))
        for _ in range(39):
            world.born(one, Spawn("y", "worker", budget=BudgetRequest(tokens=10, processes=0)))
    foreseen, _ = take_back(world, leaf)
    assert len(foreseen.ended) == 25 * 40
    assert world.kernel.processes[root].left.processes == wide.processes
