"""Gates: what is to stay on the other side of one does, however a process ends, is put back, or is refused a judge."""

from __future__ import annotations

import pytest
from worlds import KernelWorld, answer_to, ends

from gemot.abi.answers import Error, Ok
from gemot.abi.effects import Begin
from gemot.abi.events import Retracted, Rewound
from gemot.abi.grants import BudgetRequest
from gemot.abi.labels import Label
from gemot.abi.reviews import AgreementCheck, ReviewerCheck
from gemot.abi.syscalls import Exit, Spawn, Status, Wait

JUDGE = ReviewerCheck(program="worker")


def judges(effects: list) -> list[int]:
    return [one.pid for one in effects if isinstance(one, Begin)]


def test_where_only_some_of_the_judges_can_begin_none_goes_on(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(
        root, Spawn("x", "worker", budget=BudgetRequest(processes=1), review=(AgreementCheck(2, 3),), tries=2)
    )
    effects = world.trap(child, Exit(1))
    (judge,) = judges(effects)
    assert ends(effects)[judge].state == "killed"
    answer = answer_to(child, effects)
    assert isinstance(answer, Error) and "could not be checked" in answer.message
    process = world.kernel.processes[child]
    assert not process.children and not process.uncollected
    world.trap(child, Exit(2))
    assert world.kernel.processes[child].state == "failed"


@pytest.mark.parametrize("check", [JUDGE, AgreementCheck(2, 3)])
def test_a_process_is_put_back_while_it_is_judged(world: KernelWorld, check: ReviewerCheck | AgreementCheck) -> None:
    root = world.tree(review=(check,))
    world.ask(root, Status())
    process = world.kernel.processes[root]
    moment, entry = world.kernel.moment, process.entries
    begun = judges(world.trap(root, Exit("early")))
    effects = world.feed(Rewound(world.at, root, entry, moment, Label()))
    assert begun and set(ends(effects)) == set(begun)
    assert not process.children and not process.uncollected
    (judge, *_) = judges(world.trap(root, Exit("late")))
    result = {"accepted": True, "reason": ""} if check is JUDGE else "late"
    effects = world.trap(judge, Exit(result))
    assert ends(effects)[root].value == "late"


def test_what_a_result_was_built_on_is_taken_back_while_it_is_judged(world: KernelWorld) -> None:
    root = world.tree(review=(JUDGE,))
    child = world.born(root, Spawn("y", "worker"))
    world.trap(child, Exit("a lie"))
    world.ask(root, Wait())
    (judge,) = judges(world.trap(root, Exit("built on it")))
    effects = world.feed(Retracted(world.at, child, "it was a lie"))
    assert judge in ends(effects) and root not in ends(effects)
    answer = world.ask(root, Wait((child,)))
    assert isinstance(answer, Ok) and "a lie" not in repr(answer.value.ended[0].value)
