"""The order of a batch: looks are done at the same time, what changes something in its place."""

from __future__ import annotations

import pytest
from worlds import EVERY_SYSCALL, KernelWorld, answer_to, put, started, stopped

from gemot.abi.answers import Ok
from gemot.abi.effects import StartTool
from gemot.abi.events import Failure
from gemot.abi.grants import Grant
from gemot.abi.syscalls import Call, ToolUse
from gemot.machine.standstill import waits_for_person

USES = {
    "r": ToolUse("disk/read", {"path": "a"}),
    "w": ToolUse("disk/write", {"path": "a"}),
    "c": ToolUse("sums/add", {"text": "1"}),
    "?": ToolUse("nothing/there"),
}


def batch(letters: str) -> Call:
    return Call(tuple(USES[one] for one in letters))


@pytest.mark.parametrize(
    ("uses", "steps"),
    [
        ("rrc", [3]),
        ("wr", [1, 1]),
        ("rrwrr", [2, 1, 2]),
        ("ww", [1, 1]),
        ("?w?r", [1, 1]),
        ("rw", [1, 1]),
        ("cwwr", [1, 1, 1, 1]),
    ],
)
def test_what_changes_something_is_done_in_its_place(world: KernelWorld, uses: str, steps: list[int]) -> None:
    root = world.tree()
    effects = world.trap(root, batch(uses))
    for step in steps:
        todo = started(effects)
        assert len(todo) == step
        for one in todo:
            effects = world.done(one)
    answer = answer_to(root, effects)
    assert isinstance(answer, Ok) and [one.ok for one in answer.value] == [one != "?" for one in uses]


def test_what_failed_is_out_of_the_way(world: KernelWorld) -> None:
    root = world.tree()
    (first,) = started(world.trap(root, batch("wr")))
    (second,) = started(world.done(first, Failure("failed", "no disk")))
    answer = answer_to(root, world.done(second))
    assert isinstance(answer, Ok) and [one.ok for one in answer.value] == [False, True]


def test_what_is_behind_a_question_waits_for_its_answer_and_nobody_is_busy(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("*")))
    letter = ToolUse("post/send", {"text": "x"})
    effects = world.trap(root, Call((letter, USES["r"])))
    (ask,) = put(effects)
    assert not started(effects) and waits_for_person(world.kernel, [root])
    world.reboot()
    assert not started(world.resume(root)) and waits_for_person(world.kernel, [root])
    effects = world.answer(ask, allow=False)
    (look,) = [one for one in effects if isinstance(one, StartTool)]
    assert look.tool == "disk/read" and not waits_for_person(world.kernel, [root])


def test_what_was_not_begun_when_its_process_ends_never_is(world: KernelWorld) -> None:
    root = world.tree()
    (first,) = started(world.trap(root, batch("ww")))
    effects = world.stop(root)
    assert stopped(effects) == [first] and not started(effects)


def test_a_batch_of_a_tree_asleep_begins_with_what_is_first(world: KernelWorld) -> None:
    root = world.tree()
    world.pause(root)
    assert not started(world.trap(root, batch("rwr")))
    (first,) = started(world.resume(root))
    (second,) = started(world.done(first))
    world.pause(root)
    assert not started(world.done(second))
    (third,) = started(world.resume(root))
    assert isinstance(answer_to(root, world.done(third)), Ok)
