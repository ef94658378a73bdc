"""Gates: what is to stay on the other side of one does, however a process ends, is put back, or is refused a judge."""

from __future__ import annotations

import msgspec
import pytest
from worlds import PLENTY, KernelWorld, answer_to, ends, replied, started

from gemot.abi.answers import Error, Ok
from gemot.abi.effects import Begin
from gemot.abi.events import Retracted, Rewound
from gemot.abi.labels import Label
from gemot.abi.reviews import AgreementCheck, ReviewerCheck
from gemot.abi.syscalls import Call, Exit, Generate, Kill, Spawn, Status, ToolUse, Wait

JUDGE = ReviewerCheck(program="worker")


def judges(effects: list) -> list[int]:
    return [one.pid for one in effects if isinstance(one, Begin)]


def test_where_only_some_of_the_judges_can_begin_none_goes_on(world: KernelWorld) -> None:
    """A review that was not looked at when it was asked for, as in a journal from before."""
    few = msgspec.structs.replace(PLENTY, processes=1)
    child = world.tree(review=(AgreementCheck(2, 3),), tries=2, budget=few)
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


def test_judge_of_acts_that_were_put_back_has_the_label_of_those_acts(world: KernelWorld) -> None:
    """The receipt tells what was done by a model's words, also after the process was put back to before it read them."""
    root = world.tree(review=(JUDGE,))
    world.ask(root, Status())
    process = world.kernel.processes[root]
    entry, moment, label = process.entries, world.kernel.moment, process.label
    (reply,) = started(world.trap(root, Generate("q")))
    world.done(reply, replied())
    (use,) = started(world.trap(root, Call((ToolUse("disk/read", {"path": "words of the model"}),))))
    world.done(use)
    assert process.label.integrity == "model"
    world.feed(Rewound(world.at, root, entry, moment, label))
    assert process.label.integrity == "person"
    (judge,) = judges(world.trap(root, Exit("late")))
    assert "words of the model" in world.kernel.processes[judge].brief
    assert world.kernel.processes[judge].label.integrity == "model"


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


SECRET = "an answer that nobody has looked at"


@pytest.mark.parametrize("how", ["failed", "killed", "stopped", "deadline"])
def test_a_result_that_was_not_accepted_reaches_nobody_however_its_process_ends(world: KernelWorld, how: str) -> None:
    root = world.tree()
    child = world.born(root, Spawn("x", "worker", review=(JUDGE,), deadline_seconds=60))
    result = Exit(SECRET, "so far" if how == "failed" else "", {SECRET: "disk/read"})
    effects = world.trap(child, result)
    match how:
        case "killed":
            answer = world.ask(root, Kill(child))
            assert isinstance(answer, Ok)
            outcome = answer.value
        case "stopped":
            outcome = ends(world.stop(child))[child]
        case "deadline":
            outcome = ends(world.later(60_000))[child]
        case _:
            outcome = ends(effects)[child]
    assert outcome.state != "done" and SECRET not in repr(outcome)


def test_without_a_gate_who_fails_hands_on_what_there_is(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("x", "worker"))
    outcome = ends(world.trap(child, Exit("half of it", "the rest is missing", {"half": "disk/read"})))[child]
    assert outcome.value == "half of it" and outcome.receipt.claims == {"half": "no receipt"}
