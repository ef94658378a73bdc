"""The mandate: a plan made of grants, endorsed by a person or by their policy; and values that a person vouches for."""

from __future__ import annotations

import msgspec
import pytest
from worlds import EVERY_SYSCALL, PLENTY, KernelWorld

from gemot.abi.answers import Ok
from gemot.abi.effects import Begin
from gemot.abi.events import Arrived
from gemot.abi.grants import Grant, Mount, Rule
from gemot.abi.syscalls import Call, Mandate, Step, ToolUse
from gemot.kernel.mandate import understood

LETTER = Step("Tell Ada", (Grant("post/send", {"text": Rule(one_of=("hello",))}, uses=1),))
LOOK = Step("Look at the files", (Grant("disk/read"),))
BASE = (*EVERY_SYSCALL, Grant("*"))


def send(what: str = "hello") -> Call:
    return Call((ToolUse("post/send", {"text": what}),))


def the_ask(world: KernelWorld) -> int:
    (number,) = world.kernel.asks
    return number


def answer(world: KernelWorld, allow: bool, text: str = "") -> list[object]:
    return list(world.answer(the_ask(world), allow=allow, text=text))


@pytest.mark.parametrize(
    ("text", "steps"),
    [("", [1, 2, 3]), ("yes", [1, 2, 3]), (" All ", [1, 2, 3]), ("1 3", [1, 3]), ("3,1", [1, 3]), ("2", [2])],
)
def test_a_person_endorses_all_or_some(text: str, steps: list[int]) -> None:
    assert understood(text, 3) == steps


@pytest.mark.parametrize("text", ["4", "0", "1 4", "maybe", "-1", "1;2", "yes 1", "1" * 2000])
def test_what_is_no_answer_is_none(text: str) -> None:
    assert understood(text, 3) is None


def names(world: KernelWorld, pid: int) -> set[str]:
    return {grant.tool for grant in world.kernel.processes[pid].grants}


def test_what_is_endorsed_is_all_that_is_left_of_what_writes_or_sends(world: KernelWorld) -> None:
    root = world.tree(grants=BASE)
    world.trap(root, Mandate((LETTER, LOOK)))
    assert world.kernel.processes[root].state == "asking"
    asked = world.kernel.asks[the_ask(world)].asked
    assert (
        len(asked.plan) == 2 and "Tell Ada" in asked.plan[0] and "hello" in asked.plan[0] and "1 times" in asked.plan[0]
    )
    answer(world, True)
    consequential = {name for name, tool in world.kernel.tools.items() if tool.effect in ("writes", "sends")}
    held = world.kernel.processes[root].grants
    assert {one.tool for one in held} & consequential == {"post/send"}
    assert [one.endorsed for one in held if one.tool == "post/send"] == [True]
    assert not any(one.tool == "*" or (one.tool.endswith("/*") and one.tool[:-2] == "post") for one in held)


def test_only_the_named_steps_are_endorsed(world: KernelWorld) -> None:
    root = world.tree(grants=BASE)
    world.trap(root, Mandate((LETTER, LOOK)))
    answer(world, True, "2")
    assert "post/send" not in names(world, root)
    result = world.trap(root, send())
    assert "may not use post/send" in str(result)


def test_a_refused_plan_changes_nothing(world: KernelWorld) -> None:
    root = world.tree(grants=BASE)
    before = names(world, root)
    world.trap(root, Mandate((LETTER,)))
    answer(world, False, "not now")
    assert names(world, root) == before and not world.kernel.asks


def test_an_answer_that_names_no_step_leaves_the_question_open(world: KernelWorld) -> None:
    root = world.tree(grants=BASE)
    world.trap(root, Mandate((LETTER,)))
    answer(world, True, "7")
    assert len(world.kernel.asks) == 1 and world.kernel.processes[root].state == "asking"


def test_a_plan_can_not_hold_more_than_its_maker_has(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("disk/read")))
    assert "more than this process has" in str(world.trap(root, Mandate((LETTER,))))
    one = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send", uses=1)))
    assert "more than this process has" in str(world.trap(one, Mandate((LETTER, LETTER)))), "uses are conserved"


def test_nobody_endorses_themselves(world: KernelWorld) -> None:
    root = world.tree(grants=BASE)
    forged = Step("Trust me", (Grant("post/send", endorsed=True),))
    assert "only a person endorses" in str(world.trap(root, Mandate((forged,))))


def test_who_has_read_foreign_text_makes_no_plan(world: KernelWorld) -> None:
    root = world.tree(grants=BASE)
    for kernel in (world.kernel, world.witness.shadow):
        process = kernel.processes[root]
        process.label = msgspec.structs.replace(process.label, integrity="foreign")
    assert "before reading" in str(world.trap(root, Mandate((LETTER,))))


@pytest.mark.parametrize("steps", [(), (LETTER,) * 33, (Step("", ()),), (Step("a\nb", ()),), (Step("x" * 500, ()),)])
def test_a_plan_has_a_shape(world: KernelWorld, steps: tuple[Step, ...]) -> None:
    root = world.tree(grants=BASE)
    world.trap(root, Mandate(steps))
    assert not world.kernel.asks
    assert world.kernel.processes[root].last_rule in ("limit", "malformed")


def with_policy(world: KernelWorld, *policy: Grant) -> int:
    mounts = (Mount("work", "/srv/data", "rw"),)
    effects = world.feed(Arrived(world.at, "a goal", "worker", ("m",), mounts, PLENTY, BASE, policy=policy))
    return next(effect.pid for effect in effects if isinstance(effect, Begin))


def test_a_policy_endorses_in_advance_what_lies_within_it(world: KernelWorld) -> None:
    policy = Grant("post/send", {"text": Rule(one_of=("hello", "bye"))}, uses=3)
    root = with_policy(world, policy)
    assert world.ask(root, Mandate((LETTER,))) == Ok({"endorsed": [1]})
    assert [one.endorsed for one in world.kernel.processes[root].grants if one.tool == "post/send"] == [True]
    wider = with_policy(world, policy)
    world.trap(wider, Mandate((Step("Tell all", (Grant("post/send"),)),)))
    assert len(world.kernel.asks) == 1, "what is not within it is asked"


def test_the_answer_says_which_steps(world: KernelWorld) -> None:
    root = world.tree(grants=BASE)
    world.trap(root, Mandate((LETTER, LOOK)))
    effects = answer(world, True, "1")
    answers = [getattr(one, "answer", None) for one in effects]
    assert Ok({"endorsed": [1]}) in answers
