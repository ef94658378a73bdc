"""What a person is shown, and what their yes is good for. Each test is here because without it a changed mandate, or a changed
endorsing of values, went unnoticed (``make mutants``)."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from guarded import INBOX, guarded, kept
from test_mandate import BASE, LETTER, LOOK, answer, the_ask, with_policy
from worlds import EVERY_SYSCALL, KernelWorld, answer_to

from gemot.abi import limits
from gemot.abi.answers import Error, Ok
from gemot.abi.effects import Asked
from gemot.abi.events import Revoked
from gemot.abi.grants import BudgetRequest, Grant, Rule, Source
from gemot.abi.labels import PERSON, Handle, Label
from gemot.abi.syscalls import Call, Endorse, Fork, Mandate, Revoke, Step, Syscall, ToolUse
from gemot.authority.documents import Document
from gemot.authority.narrowing import GONE

SECRET = Label(("tool:mail/list",), "foreign", ("mail",))


def asked(world: KernelWorld) -> Asked:
    return world.kernel.asks[the_ask(world)].asked


def both(world: KernelWorld, pid: int) -> list[Any]:
    """The process in the kernel, and in the one that the witness compares it with."""
    return [kernel.processes[pid] for kernel in (world.kernel, world.witness.shadow)]


def refused(world: KernelWorld, pid: int, syscall: Syscall) -> Error:
    error = world.ask(pid, syscall)
    assert isinstance(error, Error) and not world.kernel.asks, error
    return error


# What a plan is.


def test_a_plan_is_as_long_as_it_may_be_and_no_longer(world: KernelWorld) -> None:
    nothing = with_policy(world)
    step = Step("x" * limits.NAME_CHARS_MAX, ())
    assert world.ask(nothing, Mandate((step,) * limits.PLAN_STEPS_MAX)) == Ok(
        {"endorsed": list(range(1, limits.PLAN_STEPS_MAX + 1))}
    )
    assert refused(world, nothing, Mandate((step,) * (limits.PLAN_STEPS_MAX + 1))).rule == "limit"
    for title in ("x" * (limits.NAME_CHARS_MAX + 1), "   ", "", "a\nb"):
        assert refused(world, nothing, Mandate((step, Step(title, ())))).rule == "malformed"


def test_a_plan_has_as_many_grants_as_it_may_and_no_more(world: KernelWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRANTS_MAX", 6)
    root = world.tree(grants=BASE)
    many = (Grant("sums/add"),) * 3
    error = refused(world, root, Mandate((Step("a", many), Step("b", (*many, Grant("sums/add"))))))
    assert error.rule == "limit" and "this has 7" in error.message
    world.trap(root, Mandate((Step("a", many), Step("b", many))))
    assert len(asked(world).plan) == 2


def test_a_plan_of_who_has_read_foreign_text_breaks_the_rule_of_integrity(world: KernelWorld) -> None:
    root = world.tree(grants=BASE)
    for process in both(world, root):
        process.label = SECRET
    assert refused(world, root, Mandate((LETTER,))).rule == "integrity"


# What a person is shown of it.


def test_a_person_is_shown_each_step_with_its_number_its_grants_and_whether_their_policy_allows_it(
    world: KernelWorld,
) -> None:
    root = with_policy(world, Grant("disk/read"))
    mixed = Step("Both", (Grant("disk/read"), Grant("sums/add", {"text": Rule(prefix="1", chars_max=1)})))
    steps = (LOOK, mixed, LETTER)
    world.trap(root, Mandate(steps))
    told = asked(world)
    assert told.plan == (
        "1. Look at the files\n   disk/read\n   = your policy allows this step already",
        "2. Both\n   disk/read\n   sums/add (text: a text that begins with '1' and at most 1 characters)",
        "3. Tell Ada\n   post/send (text: 'hello'; 1 times)",
    )
    assert [(one.title, one.foreseen) for one in told.steps] == [
        (steps[0].title, True),
        ("Both", False),
        (LETTER.title, False),
    ]
    assert [one.grants for one in told.steps] == [one.grants for one in steps]
    assert told.question == f"May worker ({root}) do this, and nothing else?" and told.untrusted == ()
    shown = msgspec.json.encode([told.question, told.plan, steps], order="sorted")
    assert told.digest == hashlib.sha256(shown).hexdigest()
    other = with_policy(world)
    world.trap(other, Mandate((LETTER,)))
    assert [one.asked.pid for one in world.kernel.asks.values()] == [root, other], "each question has its number"
    world.answer(max(world.kernel.asks), allow=False)
    (work,) = world.kernel.processes[root].work
    assert (work.index, work.state, work.kind, work.ask) == (0, "asking", "question", told.ask)
    answer(world, True)
    assert world.kernel.processes[root].plan == []


def test_a_tree_puts_only_so_many_questions(world: KernelWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    other = world.tree(grants=BASE)
    monkeypatch.setattr(limits, "ASKS_OPEN_MAX", 3)
    letter = Call((ToolUse("post/send", {"text": "x"}),))
    for _ in range(3):
        world.trap(world.born(other, Fork("x")), letter)
    root = world.tree(grants=BASE)
    for _ in range(2):
        world.trap(world.born(root, Fork("x")), letter)
    last = world.born(root, Fork("y"))
    world.trap(last, Mandate((LETTER,)))
    assert sum(one.root == root for one in world.kernel.asks.values()) == limits.ASKS_OPEN_MAX
    error = world.ask(root, Mandate((LETTER,)))
    assert isinstance(error, Error) and error.rule == "limit"


# What a policy counts.


def test_policy_endorses_as_many_uses_as_it_counts_in_the_whole_tree(world: KernelWorld) -> None:
    policy = Grant("post/send", {"text": Rule(one_of=("hello", "bye"))}, uses=3)
    root = with_policy(world, policy)
    children = [world.born(root, Fork("x", budget=BudgetRequest())) for _ in range(2)]
    twice = Step("Tell Ada twice", (msgspec.structs.replace(LETTER.grants[0], uses=2),))
    assert world.ask(children[0], Mandate((twice,))) == Ok({"endorsed": [1]})
    world.trap(children[1], Mandate((twice,)))
    assert [one.foreseen for one in asked(world).steps] == [False], "one is left"
    world.answer(the_ask(world), allow=False)
    assert world.ask(children[1], Mandate((LETTER,))) == Ok({"endorsed": [1]})
    assert [one.uses for one in world.kernel.processes[root].policy] == [0]


def test_steps_of_one_plan_use_a_policy_up_together(world: KernelWorld) -> None:
    root = with_policy(world, msgspec.structs.replace(LETTER.grants[0], uses=2))
    world.trap(root, Mandate((LETTER, Step("Twice", LETTER.grants * 2), LOOK, LETTER)))
    assert [one.foreseen for one in asked(world).steps] == [True, False, False, True]


def test_policy_that_allows_each_value_once_endorses_no_plan(world: KernelWorld) -> None:
    each = Grant("post/send", once_per="text")
    root = with_policy(world, each)
    world.trap(root, Mandate((Step("Tell each", (each,)),)))
    assert [one.foreseen for one in asked(world).steps] == [False]


# What is left after a yes.


def held(world: KernelWorld, pid: int, tool: str) -> list[tuple[int | None, bool]]:
    """How many uses a process has of each grant of a tool, and whether a plan says so."""
    return [(one.uses, one.planned) for one in world.kernel.processes[pid].grants if one.tool == tool]


COUNTED = (*EVERY_SYSCALL, Grant("clock/now"), Grant("post/send"), Grant("sums/add", uses=5))
ADD = Step("Add", (Grant("sums/add", uses=1),))


def test_uses_of_a_step_are_counted_off_what_its_process_had(world: KernelWorld) -> None:
    guarded(world)
    root = world.tree(grants=COUNTED)
    world.trap(root, Mandate((LETTER, ADD)))
    answer(world, True)
    assert held(world, root, "sums/add") == [(1, True), (4, False)]


def test_uses_of_a_child_that_made_a_plan_still_go_back_to_its_parent(world: KernelWorld) -> None:
    guarded(world)
    root = world.tree(grants=COUNTED)
    child = world.born(root, Fork("x", grants=(*EVERY_SYSCALL, Grant("post/send"), Grant("sums/add", uses=4))))
    world.trap(child, Mandate((LETTER, ADD)))
    answer(world, True)
    assert (held(world, root, "sums/add"), held(world, child, "sums/add")) == ([(1, False)], [(1, True), (3, False)])
    world.ask(root, Revoke(child, "sums/add"))
    assert (held(world, root, "sums/add"), held(world, child, "sums/add")) == ([(5, False)], [])


def test_uses_of_a_child_go_back_to_a_parent_that_made_a_plan(world: KernelWorld) -> None:
    guarded(world)
    root = world.tree(grants=COUNTED)
    child = world.born(root, Fork("x", grants=(*EVERY_SYSCALL, Grant("clock/now"), Grant("sums/add", uses=2))))
    world.trap(root, Mandate((LETTER,)))
    answer(world, True)
    assert (held(world, root, "sums/add"), held(world, child, "sums/add")) == ([(3, False)], [(2, False)])
    world.ask(root, Revoke(child, "sums/add"))
    assert held(world, root, "sums/add") == [(5, False)]


def test_nothing_is_left_of_what_was_taken_back_before_a_plan(world: KernelWorld) -> None:
    guarded(world)
    root = world.tree(grants=COUNTED)
    world.feed(Revoked(world.at, root, "clock/now"))
    assert GONE in world.kernel.processes[root].grants
    world.trap(root, Mandate((LETTER,)))
    answer(world, True)
    assert GONE not in world.kernel.processes[root].grants


def test_yes_to_what_was_taken_back_meanwhile_is_told_to_have_come_too_late(world: KernelWorld) -> None:
    guarded(world)
    root = world.tree(grants=COUNTED)
    child = world.born(root, Fork("x"))
    world.trap(child, Mandate((LETTER,)))
    world.ask(root, Revoke(child, "post/send"))
    before = list(world.kernel.processes[child].grants)
    told = answer_to(child, world.answer(the_ask(world), allow=True))
    assert isinstance(told, Error) and told.rule == "grant"
    assert told.message.startswith("the person said yes, and since they were asked something was taken back: ")
    assert world.kernel.processes[child].grants == before


def test_after_a_yes_a_process_keeps_all_that_neither_writes_nor_sends(world: KernelWorld) -> None:
    names = [one.tool for one in EVERY_SYSCALL]
    for held, left in [
        (Grant("*"), ["disk/read", "sums/add"]),
        (Grant("disk/*"), ["disk/read"]),
        (Grant("disk/write"), []),
        (Grant("sums/*"), ["sums/*"]),
        (Grant("sums/add", {"text": Rule(prefix="a")}, uses=3), ["sums/add"]),
    ]:
        root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send"), held))
        world.trap(root, Mandate((LETTER,)))
        answer(world, True)
        grants = world.kernel.processes[root].grants
        assert [one.tool for one in grants] == ["post/send", *names, *left]
        assert all((one.where, one.uses) == (held.where, held.uses) for one in grants[1 + len(names) :])


def test_a_person_who_endorses_a_grant_is_sure_of_all_of_it(world: KernelWorld) -> None:
    root = world.tree(grants=BASE)
    rule = {"text": Rule(one_of=("hello", "bye"))}
    for process in both(world, root):
        process.grants = [*EVERY_SYSCALL, Grant("post/send", rule, unsure=("text",))]
    world.trap(root, Mandate((LETTER,)))
    answer(world, True)
    (mine,) = (one for one in world.kernel.processes[root].grants if one.tool == "post/send")
    assert mine.endorsed and mine.unsure == ()


def test_the_sources_that_a_plan_names_are_kept_from_then_on(world: KernelWorld) -> None:
    root = guarded(world)
    assert "bank/list" not in world.kernel.processes[root].sourced
    pay = Grant("bank/pay", {"recipient": Rule(source=(Source("bank/list", "recipient", pick="any"),))})
    world.trap(root, Mandate((Step("Pay as before", (pay,)),)))
    answer(world, True)
    assert "bank/list" in world.kernel.processes[root].sourced


@pytest.mark.parametrize(("text", "said"), [("", ""), ("not now", ": not now")])
def test_a_no_is_told_with_the_persons_words(world: KernelWorld, text: str, said: str) -> None:
    root = world.tree(grants=BASE)
    world.trap(root, Mandate((LETTER,)))
    told = answer_to(root, world.answer(the_ask(world), allow=False, text=text))
    assert told == Error("refused", f"the person did not endorse this{said}")
    assert world.kernel.processes[root].plan == []


# Values that a person vouches for.


def holding(world: KernelWorld, text: str | None, preview: str, size: int) -> int:
    """A process with handle 9 on a value of this size; without ``text`` the kernel has only the preview."""
    root = guarded(world)
    for process in both(world, root):
        process.handles[9] = Handle(9, "d" * 64, size, preview, SECRET)
        process.documents[9] = Document("mail/list", {}, text, SECRET)
    return root


def test_a_value_that_is_not_held_can_not_be_endorsed(world: KernelWorld) -> None:
    root = guarded(world)
    error = refused(world, root, Endorse(4, "x"))
    assert error.rule == "unknown" and error.message == "there is no handle 4; this process has: none"
    first, second = kept(world, root, "mail/list", INBOX), kept(world, root, "mail/list", INBOX)
    assert refused(world, root, Endorse(99, "x")).message.endswith(f"has: {first}, {second}")


@pytest.mark.parametrize(
    ("text", "preview", "size", "shown"),
    [
        ("all of it", "all", 9, "all of it"),
        (None, "all", 3, "all"),
        (None, "all", 9, ""),
        ("all", "all", 9, ""),
        ("x" * limits.NOTE_CHARS_MAX, "x", limits.NOTE_CHARS_MAX, "x" * limits.NOTE_CHARS_MAX),
        ("x" * (limits.NOTE_CHARS_MAX + 1), "x", limits.NOTE_CHARS_MAX + 1, ""),
    ],
)
def test_a_person_sees_all_of_what_they_endorse(
    world: KernelWorld, text: str | None, preview: str, size: int, shown: str
) -> None:
    root = holding(world, text, preview, size)
    if not shown:
        assert refused(world, root, Endorse(9, "x")).rule == "limit"
        return
    world.trap(root, Endorse(9, "it is the bill"))
    told = asked(world)
    assert told.plan == (shown,) and told.untrusted == ("value",) and "it is the bill" in told.question
    digest = hashlib.sha256(msgspec.json.encode([told.question, (shown,), 9], order="sorted")).hexdigest()
    assert told.digest == digest


def test_person_who_is_asked_about_a_value_sees_why_and_whether_third_parties_wrote_the_question(
    world: KernelWorld,
) -> None:
    for reason, says in ("it is the bill", ' It says why: "it is the bill"'), ("", ""):
        root = holding(world, "all of it", "all", 9)
        world.trap(root, Endorse(9, reason))
        told = asked(world)
        assert told.question == f"Is this right, and may it be acted upon?{says}" and told.reason == reason
        world.answer(the_ask(world), allow=False)
        for process in both(world, root):
            process.label = SECRET
        world.trap(root, Endorse(9, reason))
        assert asked(world).untrusted == ("value", "question")
        world.answer(the_ask(world), allow=False)


def test_a_reason_is_short(world: KernelWorld) -> None:
    root = holding(world, "a", "a", 1)
    assert refused(world, root, Endorse(9, "x" * (limits.NOTE_CHARS_MAX + 1))).rule == "limit"
    world.trap(root, Endorse(9, "x" * limits.NOTE_CHARS_MAX))
    assert world.kernel.asks


@pytest.mark.parametrize("held", [True, False])
def test_a_yes_makes_a_value_a_persons_word_that_still_tells_of_its_secrets(world: KernelWorld, held: bool) -> None:
    root = holding(world, "a", "a", 1)
    for process in both(world, root) if not held else ():
        del process.documents[9]
    world.trap(root, Endorse(9, "x"))
    told = answer_to(root, world.answer(the_ask(world), allow=True, text="I asked Ann"))
    assert told == Ok("the person vouches for handle 9")
    process = world.kernel.processes[root]
    label = Label((PERSON,), "person", ("mail",))
    assert process.handles[9] == Handle(9, "d" * 64, 1, "a", label)
    unseen = SECRET  # the arguments of its call, which nobody was shown
    assert process.documents == ({9: Document("mail/list", {}, "a", label, called=unseen)} if held else {})
    assert process.state == "running" and not process.work


def test_a_no_leaves_a_value_as_it_was(world: KernelWorld) -> None:
    root = holding(world, "a", "a", 1)
    world.trap(root, Endorse(9, "x"))
    world.answer(the_ask(world), allow=False)
    process = world.kernel.processes[root]
    assert process.handles[9].label == process.documents[9].label == SECRET
