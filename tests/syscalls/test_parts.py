"""Rules about parts of arguments: what fits one, what a child's may be, and what steers where they bound it."""

from __future__ import annotations

import pytest
from guarded import guarded, refer, spoiled, tried
from hypothesis import given, settings
from hypothesis import strategies as some
from test_references import refusal
from test_rules import rules, scalars
from worlds import KernelWorld

from gemot.abi.answers import Error
from gemot.abi.grants import Grant, Rule, Source
from gemot.abi.syscalls import Fork
from gemot.authority.narrowing import grant_within
from gemot.authority.rules import fits_inside, rule_within, steps_of

objects = some.recursive(
    scalars, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from("ab"), inner, max_size=2)
)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({"id": "x"}, True),
        ([{"id": "x"}, {"id": None}], True),
        ([{"id": "x"}, {"id": "y"}], False),
        ([{"id": ["x", "x"]}], True),
        ([{"id": ["x", "y"]}], False),
        ([{"other": "y"}, {}], True),
        ([[{"id": "y"}]], False),
        ([], True),
        (None, True),
        ("x", False),
        (["x"], False),
        ({"id": {"id": "x"}}, False),
    ],
)
def test_a_rule_about_a_part_holds_of_each_part(value: object, good: bool) -> None:
    assert fits_inside(Rule(one_of=("x", None)), value, ("id",)) is good
    assert fits_inside(Rule(one_of=("x",)), value, ("id",)) is (
        good and value != [] and "None" not in repr(value) and "other" not in repr(value)
    )


@settings(max_examples=1_000, deadline=None)
@given(some.dictionaries(some.sampled_from(("a", "a.a", "a.b", "a.b.a")), rules(0), max_size=3), rules(0), some.data())
def test_what_fits_the_childs_parts_fits_the_parents(
    where: dict[str, Rule], other: Rule, data: some.DataObject
) -> None:
    changed = dict(where)
    for name in data.draw(some.sets(some.sampled_from(("a", "a.a", "a.b", "a.b.a")))):
        changed[name] = other
    if grant_within(Grant("t/t", changed), Grant("t/t", where)):
        assert where.keys() <= changed.keys() | {name for name, rule in where.items() if rule_within(Rule(), rule)}
        value = data.draw(objects)
        for_all = lambda rules: all(fits_inside(rule, value, steps_of(name)[1:]) for name, rule in rules.items())  # noqa: E731
        assert for_all(where) or not for_all(changed), value


# At the trap.

PARTS = {"to": Rule(one_of=("ann@x.org",)), "files.id": Rule(one_of=("f1", "f2"))}


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        ([{"id": "f1"}, {"id": "f2"}], "done"),
        ({"id": "f1"}, "done"),
        ([], "grant"),
        ([{"id": "f3"}], "grant"),
        ([{}], "grant"),
        (None, "grant"),
        ([{"id": "f1", "copies": 2}], "steering"),
        ([{"id": "f1", "files.id": "f1"}], "steering"),
        ([{"id": "f1", "else": None}], "done"),
    ],
)
def test_each_part_of_what_steers_is_bounded(world: KernelWorld, files: object, answer: str) -> None:
    root = guarded(world, Grant("mail/list"), Grant("mail/pack", PARTS, carries=("mail",)))
    spoiled(world, root)
    assert tried(world, root, "mail/pack", to="ann@x.org", files=files) == answer


def test_a_part_that_a_spoiled_process_bounded_is_not(world: KernelWorld) -> None:
    root = guarded(world, Grant("*", carries=("*",)))
    clean = world.born(root, Fork("x", grants=(Grant("mail/pack", PARTS, carries=("*",)), Grant("mail/list"))))
    spoiled(world, root)
    child = world.born(root, Fork("y", grants=(Grant("mail/pack", PARTS, carries=("*",)),)))
    pack = {"to": "ann@x.org", "files": [{"id": "f1"}]}
    assert tried(world, child, "mail/pack", **pack) == "asked", "narrower, but nobody meant it"
    spoiled(world, clean)
    assert tried(world, clean, "mail/pack", **pack) == "done"


def test_a_part_comes_from_its_source(world: KernelWorld) -> None:
    source = Source("mail/list", "sender", where={"subject": Rule(contains="bill")})
    root = guarded(
        world, Grant("mail/list"), Grant("mail/pack", {"files.id": Rule(source=(source,))}, carries=("mail",))
    )
    number = spoiled(world, root)
    refused = refusal(world, root, "mail/pack", files=[{"id": "ann@x.org"}])
    assert "but files.id must be a reference to" in refused and f'"$from":{number}' in refused
    assert tried(world, root, "mail/pack", files=[{"id": refer(number, "[0].sender")}]) == "done"
    assert tried(world, root, "mail/pack", files=[{"id": refer(number, "[1].sender")}]) == "grant"
    assert tried(world, root, "mail/pack", files={"id": refer(number, "[0].sender")}) == "done"


def test_a_child_keeps_its_parents_rules_about_parts(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/pack", PARTS, carries=("mail",)))
    for where in (
        {"to": PARTS["to"]},
        PARTS | {"files.id": Rule(one_of=("f3",))},
        {"files": PARTS["files.id"], "to": PARTS["to"]},
    ):
        answer = world.ask(root, Fork("x", grants=(Grant("mail/pack", where),)))
        assert isinstance(answer, Error) and answer.rule == "grant", where
    child = world.born(root, Fork("x", grants=(Grant("mail/pack", PARTS | {"files.id": Rule(one_of=("f1",))}),)))
    assert [tried(world, child, "mail/pack", to="ann@x.org", files=[{"id": one}]) for one in ("f1", "f2")] == [
        "done",
        "grant",
    ]


def test_a_rule_about_a_part_without_a_name_is_refused(world: KernelWorld) -> None:
    answer = world.ask(guarded(world), Fork("x", grants=(Grant("mail/pack", {"files.": Rule()}),)))
    assert isinstance(answer, Error) and "files.id" in answer.message
