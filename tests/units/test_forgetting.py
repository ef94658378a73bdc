"""What a program that is code is told instead, when words in an answer that it had were taken back."""

from __future__ import annotations

import pytest
from worlds import EVERY_SYSCALL, KernelWorld

from gemot.abi.answers import Ok
from gemot.abi.effects import TakeBack
from gemot.abi.grants import Grant
from gemot.abi.syscalls import Accept, Add, Claim, Complete, ListTasks, Spawn
from gemot.abi.tasks import Task
from gemot.programs.forgetting import without

LIE = "what was never so"


@pytest.mark.parametrize(
    ("seen", "sent_back"),
    [
        (ListTasks(), False),
        (ListTasks(), True),
        (ListTasks(task=1), False),
        (ListTasks(task=1), True),
        (Claim(1), True),
    ],
)
def test_what_somebody_did_leaves_a_board_that_was_shown(
    world: KernelWorld, seen: ListTasks | Claim, sent_back: bool
) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("*")))
    world.ask(root, Add((Task("first"), Task("second"))))
    doer = world.born(root, Spawn("x", "worker", grants=("claim", "complete")))
    world.ask(doer, Claim(1))
    world.ask(doer, Complete(1, LIE))
    if sent_back:
        world.ask(root, Accept(1, False, "do it again"))
    shown = world.ask(root, seen)
    assert LIE in repr(shown)
    left = without(shown, TakeBack(root, ((1, doer),), "taken back"), 1)
    assert LIE not in repr(left) and "taken back" in repr(left) and "first" in repr(left)
    assert without(shown, TakeBack(root, ((1, doer + 1),), "taken back"), 1) == shown


def test_other_answers_stay_as_they_are() -> None:
    for value in (3, "text", {"pid": 2}, [1, "x"], None):
        assert without(Ok(value), TakeBack(1, ((1, 2),), "taken back"), 1) == Ok(value)
