"""Labels only get worse and rights only narrower, part by part. Each example is here because without it a changed kernel went
unnoticed (``make mutants``)."""

from __future__ import annotations

import msgspec
import pytest
from guarded import guarded, spoiled
from worlds import KernelWorld

from gemot.abi.grants import Grant, Mount, Rule
from gemot.abi.labels import Integrity, Label
from gemot.abi.limits import ORIGINS_MAX
from gemot.abi.syscalls import Exit, Fork, Wait
from gemot.abi.tools import ToolSpec
from gemot.authority.labels import join, joined, least, of_result, vouched
from gemot.authority.narrowing import covers, grant_within, inherited, narrowed, used, within_reach
from gemot.authority.refusal import Refused

WORST_LAST: tuple[Integrity, ...] = ("person", "vouched", "model", "foreign")
CLEAN, FOREIGN = Label(), Label((), "foreign")
ANN, BOTH = {"to": Rule(one_of=("ann",))}, {"to": Rule(one_of=("ann", "bob"))}
HERE = (Mount("work", "/srv/data", "rw"),)


# Labels.


def test_the_lesser_integrity_is_the_one_that_is_trusted_less() -> None:
    for place, one in enumerate(WORST_LAST):
        for other_place, other in enumerate(WORST_LAST):
            worse = WORST_LAST[max(place, other_place)]
            assert least(one, other) == worse
            assert join(Label((), one), Label((), other)).integrity == worse


def test_a_joined_label_is_sorted_and_names_no_more_origins_than_it_may() -> None:
    names = tuple("hgfedcba")
    assert join(Label(names[:4], secrets=names[:4]), Label(names[4:], secrets=names[4:])) == Label(
        tuple("abcdefgh"), secrets=tuple("abcdefgh")
    )
    many = tuple(f"m{number:02}" for number in range(ORIGINS_MAX))
    full = Label(many)
    assert join(full, Label(("a",))) is full, "one more origin is no reason to make a new label"
    assert join(full, Label(("a",), "foreign")).origins == ("a", *many[:-1])
    assert len(join(Label(many[1:]), Label(("a", "b", "c"))).origins) == ORIGINS_MAX
    assert joined([Label(("b",)), Label(("c",))], Label(("a",))).origins == ("a", "b", "c")


def test_a_result_tells_of_all_secrets_that_had_a_part_in_it() -> None:
    tool = ToolSpec("mail/list", "", {}, "reads", True, secret="m")
    label = of_result(tool, Label(("x",), "model", ("u", "z", "y")), Label(("y",), "vouched", ("r", "a", "b")))
    assert label == Label(("y",), "model", ("a", "b", "m", "r", "u", "y", "z"))
    assert of_result(msgspec.structs.replace(tool, foreign=True, secret=""), Label(), Label()) == FOREIGN
    assert of_result(None, Label(), Label()) == FOREIGN


def test_a_drivers_own_field_is_vouched_for_and_a_persons_word_stays_a_persons() -> None:
    for before, after in zip(WORST_LAST, ("person", "vouched", "vouched", "vouched"), strict=True):
        assert vouched(Label(("x",), before, ("y",))) == Label(("x",), after, ("y",))  # type: ignore[arg-type]


def test_waiting_for_a_clean_child_cleans_nobody(world: KernelWorld) -> None:
    root = guarded(world)
    child = world.born(root, Fork("x"))
    spoiled(world, root)
    world.trap(child, Exit("done"))
    world.ask(root, Wait())
    label = world.kernel.processes[root].label
    assert (label.integrity, label.secrets) == ("foreign", ("mail",))


# Grants.


@pytest.mark.parametrize(
    ("pattern", "tool", "does"),
    [
        ("*", "disk/read", True),
        ("*", "spawn", False),
        ("disk/*", "disk/read", True),
        ("disk/*", "disks/read", False),
        ("disk/*", "disk", False),
        ("disk/read", "disk/read", True),
        ("disk/read", "disk/real", False),
        ("disk/read", "disk/read2", False),
        ("spawn", "spawn", True),
        ("fork", "for", False),
    ],
)
def test_what_a_name_covers(pattern: str, tool: str, does: bool) -> None:
    assert covers(pattern, tool) is does


@pytest.mark.parametrize(
    ("child", "parent", "within"),
    [
        (Grant("a/b"), Grant("*"), True),
        (Grant("a/*"), Grant("*"), True),
        (Grant("*"), Grant("*"), True),
        (Grant("*"), Grant("*/*"), False),
        (Grant("*"), Grant("a/*"), False),
        (Grant("spawn"), Grant("*"), False),
        (Grant("spawn"), Grant("spawn"), True),
        (Grant("a/b", uses=2), Grant("a/b", uses=2), True),
        (Grant("a/b", uses=3), Grant("a/b", uses=2), False),
        (Grant("a/b", until_ms=5), Grant("a/b", until_ms=5), True),
        (Grant("a/b", until_ms=6), Grant("a/b", until_ms=5), False),
        (Grant("a/b", otherwise="ask"), Grant("a/b", otherwise="ask"), True),
        (Grant("a/b", otherwise="ask"), Grant("a/b"), False),
        (Grant("a/b"), Grant("a/b", otherwise="ask"), True),
        (Grant("a/b", results="handle"), Grant("a/b", results="handle"), True),
        (Grant("a/b"), Grant("a/b", results="handle"), False),
        (Grant("a/b", results="handle"), Grant("a/b"), True),
        (Grant("a/b", ANN), Grant("a/b", BOTH), True),
        (Grant("a/b", BOTH), Grant("a/b", ANN), False),
        (Grant("a/b", {"other": Rule(one_of=("ann",))}), Grant("a/b", ANN), False),
        (Grant("a/b", ANN), Grant("a/b", {**ANN, "other": Rule(one_of=("x",))}), False),
    ],
)
def test_what_grant_lies_within(child: Grant, parent: Grant, within: bool) -> None:
    assert grant_within(child, parent) is within


@pytest.mark.parametrize(
    ("parent", "maker", "unsure"),
    [
        (Grant("a/b"), CLEAN, ()),
        (Grant("a/b"), FOREIGN, ("also", "to")),
        (Grant("a/b", BOTH), FOREIGN, ("also",)),
        (Grant("a/b", BOTH, unsure=("to",)), FOREIGN, ("also", "to")),
        (Grant("a/b", BOTH, unsure=("to",)), CLEAN, ("to",)),
        (Grant("a/b", {"to": Rule(kind="text")}), FOREIGN, ("also", "to")),
        (Grant("a/b", {"to": Rule(kind="text")}, unsure=("to",)), CLEAN, ("to",)),
        (Grant("a/b", {"to": Rule(kind="text")}), CLEAN, ()),
    ],
)
def test_a_rule_vouches_only_if_it_narrows_one_that_does_or_was_written_clean(
    parent: Grant, maker: Label, unsure: tuple[str, ...]
) -> None:
    child = Grant("a/b", {**ANN, "also": Rule(one_of=(1,))})
    assert inherited(child, parent, maker).unsure == unsure


def test_the_arguments_of_which_nobody_is_sure_are_sorted() -> None:
    child = Grant("a/b", dict.fromkeys("gfedcba", Rule(one_of=(1,))))
    assert inherited(child, Grant("a/b"), FOREIGN).unsure == tuple("abcdefg")


@pytest.mark.parametrize(
    ("child", "parent", "endorsed"),
    [
        (Grant("a/b"), Grant("a/b", endorsed=True), True),
        (Grant("a/b"), Grant("a/b"), False),
        (Grant("a/b", ANN), Grant("a/b", endorsed=True), False),
        (Grant("a/b", ANN), Grant("a/b", BOTH, endorsed=True), True),
        (Grant("a/b", ANN), Grant("a/b", {"to": Rule(kind="text")}, endorsed=True), False),
        (Grant("a/b", {**ANN, "also": Rule(one_of=(1,))}), Grant("a/b", BOTH, endorsed=True), False),
        (Grant("a/b", {"to": Rule(kind="text")}), Grant("a/b", endorsed=True), True),
        (Grant("a/b", {"to": Rule(chars_max=3, kind="text")}), Grant("a/b", BOTH, endorsed=True), True),
    ],
)
def test_a_person_has_seen_a_grant_only_if_they_saw_all_of_its_choice(
    child: Grant, parent: Grant, endorsed: bool
) -> None:
    assert inherited(child, parent, CLEAN).endorsed is endorsed


def test_uses_are_taken_and_never_made() -> None:
    three = Grant("a/b", uses=3)
    assert used(three, 2).uses == 1 and used(three, 3).uses == 0 and used(three, 4).uses == 0
    assert used(three, None) == three and used(Grant("a/b"), 2) == Grant("a/b") and used(three, 0) == three
    with pytest.raises(AssertionError):
        used(three, -1)


def test_each_wanted_grant_is_a_part_of_the_first_that_holds_it_and_takes_its_uses() -> None:
    have = [Grant("c/d"), Grant("a/b", uses=3), Grant("a/*", uses=5, endorsed=True)]
    two = Grant("a/b", uses=2)
    assert narrowed((two, two, two), have, HERE, CLEAN) == [
        (two, 1),
        (msgspec.structs.replace(two, endorsed=True), 2),
        (msgspec.structs.replace(two, endorsed=True), 2),
    ]
    with pytest.raises(Refused) as caught:
        narrowed((two, two, two, two), have, HERE, CLEAN)
    assert caught.value.rule == "grant" and "a/b (2 times) can't be given" in caught.value.message
    assert "a/b (1 times), a/* (1 times)" in caught.value.message, "and it says what is left"
    assert narrowed((Grant("a/x", ANN, uses=1),), have, HERE, FOREIGN) == [
        (Grant("a/x", ANN, uses=1, unsure=("to",)), 2)
    ]


def test_a_program_gets_what_it_asks_for_where_that_is_less_and_what_its_parent_has_where_that_is_less() -> None:
    have = [Grant("a/b", BOTH, endorsed=True), Grant("c/*", uses=3)]
    assert within_reach((Grant("a/b", ANN),), have, CLEAN) == [(Grant("a/b", ANN, endorsed=True), 0)]
    assert within_reach((Grant("a/*"),), have, CLEAN) == [(have[0], 0)]
    assert within_reach((Grant("e/f"), Grant("a/b", {"to": Rule(one_of=("eve",))})), have, CLEAN) == []
    assert within_reach((Grant("*"),), have, CLEAN) == [(have[0], 0), (have[1], 1)]
    assert within_reach((Grant("a/*"), Grant("a/b"), Grant("*", uses=0)), have, CLEAN) == [(have[0], 0)], "each once"
    open_ = [Grant("a/b", endorsed=True)]
    assert within_reach((Grant("a/b", ANN),), open_, FOREIGN) == [(Grant("a/b", ANN, unsure=("to",)), 0)]


def test_what_a_program_asks_for_takes_the_uses_of_what_its_parent_has() -> None:
    have = [Grant("c/*", uses=3)]
    asked = (Grant("c/d", uses=2), Grant("c/e", uses=2), Grant("c/f", uses=1))
    assert within_reach(asked, have, CLEAN) == [(Grant("c/d", uses=2), 0), (Grant("c/f", uses=1), 0)]
    assert have == [Grant("c/*", uses=3)], "what the parent has is its own to change"
