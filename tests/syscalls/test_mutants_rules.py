"""The law of arguments, word by word. Each example is here because without it a changed rule went unnoticed (``make mutants``)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gemot.abi.grants import Mount, Rule, Source
from gemot.authority.refusal import Refused
from gemot.authority.rules import (
    bounds,
    check,
    fits,
    fits_inside,
    flaw,
    in_words,
    literal,
    rule_within,
    same,
    source_in_words,
    source_within,
    steps_of,
)

S, T = Source("t/s", "a", pick="any"), Source("t/t", "a", pick="any")
ENDLESS = float("inf")


def test_one_value_is_one_whatever_number_it_is_written_as_and_nothing_else_is() -> None:
    assert same(4, 4.0) and same(4.0, 4) and same("a", "a") and same(None, None) and same(True, True)
    assert not same(1, True) and not same(True, 1) and not same(1, "1") and not same("1", 1) and not same(4, 5)
    assert not same(None, False) and not same("a", "b")


def test_what_somebody_wrote_comes_from_nowhere() -> None:
    assert literal((), (S,)) is False
    assert fits(Rule(source=(S,)), "a") is False
    assert not fits(Rule(one_of=("a",)), "b", lambda *_: True), "a rule without a source asks nobody where it is from"
    assert not fits(Rule(source=(S,), prefix="a"), "b", lambda *_: True), (
        "what comes from there must be as the rule says"
    )


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (Rule(at_least=2), [2, 3, "2"], [1, "1", "x", None]),
        (Rule(at_most=2), [2, 1, "2"], [3, "3", "x", None]),
        (Rule(under="n//a"), ["n//a", "n//a/b"], ["n//b", 7, None]),
        (Rule(prefix="a"), ["a", "ab"], ["b", 7, None]),
        (Rule(chars_max=2), ["", "ab"], ["abc", 7, None]),
        (Rule(contains="a"), ["xA"], ["x", 7, None]),
        (Rule(hosts=("x.org", "y.org")), ["https://x.org/", "https://y.org/"], ["https://z.org/", "x.org", 7]),
        (Rule(hosts=("",)), [], ["", "nowhere", 7]),
        (Rule(one_of=("a", "b")), [("a", "b"), ["b"]], [("a", "c"), "c", (), []]),
        (Rule(one_of=("a", None)), [("a",), [], ()], ["c"]),
        (Rule(source=(S,), one_of=(None,)), [[], None], ["c"]),
    ],
)
def test_each_condition_alone(rule: Rule, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not fits(rule, value)] == []
    assert [value for value in bad if fits(rule, value)] == []


# Parts of arguments.


def test_a_name_with_dots_leads_to_a_part_unless_an_argument_is_called_so() -> None:
    assert steps_of("to") == ("to",) and steps_of("to.id") == ("to", "id") and steps_of("a.b.c") == ("a", "b", "c")
    assert steps_of("to", ("to",)) == ("to",) and steps_of("to.id", ("to.id",)) == ("to.id",)
    assert steps_of("to.id", ("to",)) == ("to", "id")


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({"b": {"c": 1}}, True),
        ({"b": {"c": 2}}, False),
        ({"b": {"c": 1, "d": 2}, "c": 2}, True),
        ({"b": [{"c": 1}, {"c": 1}]}, True),
        ([{"b": {"c": 1}}, {"b": {"c": 2}}], False),
        ([{"b": {"c": 2}}, {"b": {"c": 1}}], False),
        (({"b": {"c": 1}}, {"b": {"c": 2}}), False),
        (({"b": {"c": 1}},), True),
        ([], False),
        ({"b": []}, False),
        ({"b": {"c": []}}, False),
        ({"b": 1}, False),
        ({"b": {"c": [1, 2]}}, False),
        ("text", False),
        (1, False),
    ],
)
def test_the_part_that_is_meant_is_judged(value: object, good: bool) -> None:
    assert fits_inside(Rule(one_of=(1,)), value, ("b", "c")) is good


def test_a_part_that_is_missing_is_null() -> None:
    for value in (None, {}, {"b": None}, {"b": {}}, [{"b": {"c": None}}, {}], [], {"b": []}, {"b": {"c": []}}):
        assert fits_inside(Rule(one_of=(None,)), value, ("b", "c"))
        assert not fits_inside(Rule(one_of=(1,)), value, ("b", "c"))
    assert not fits_inside(Rule(source=(S,)), None, ("b",), lambda *_: True), "what is not there comes from nowhere"


@pytest.mark.parametrize(
    ("value", "steps", "places"),
    [
        ("x", (), [()]),
        (["x", "y"], (), [(0,), (1,)]),
        ({"b": {"c": "x"}}, ("b", "c"), [("b", "c")]),
        ([{"b": "x"}, {"b": ["x", "y"]}], ("b",), [(0, "b"), (1, "b", 0), (1, "b", 1)]),
        ({"b": [{"c": "x"}, {"c": "y"}]}, ("b", "c"), [("b", 0, "c"), ("b", 1, "c")]),
    ],
)
def test_where_a_part_comes_from_is_asked_of_its_own_place(
    value: object, steps: tuple[str, ...], places: list[tuple[object, ...]]
) -> None:
    asked: list[tuple[object, ...]] = []

    def yes(place: tuple[object, ...], sources: tuple[Source, ...]) -> bool:
        assert sources == (S,)
        asked.append(place)
        return True

    assert fits_inside(Rule(source=(S,)), value, steps, yes)
    assert asked == places
    for wrong in places:
        assert not fits_inside(Rule(source=(S,)), value, steps, lambda place, _, wrong=wrong: place != wrong)


# Within.


@pytest.mark.parametrize(
    ("child", "parent", "within"),
    [
        (Rule(one_of=("x",), prefix="y"), Rule(one_of=("x",), prefix="y"), True),
        (Rule(kind="email"), Rule(), True),
        # items
        (Rule(items_max=2, prefix="a"), Rule(items_max=2), True),
        (Rule(items_max=1), Rule(items_max=2), True),
        (Rule(items_max=3), Rule(items_max=2), False),
        (Rule(prefix="a"), Rule(items_max=2), False),
        (Rule(one_of=("a",)), Rule(items_max=2), False),
        (Rule(one_of=("ab",), items_max=0), Rule(prefix="a", items_max=0), True),
        # what is named
        (Rule(one_of=("ab", "ac")), Rule(prefix="a"), True),
        (Rule(one_of=("ab", "bc")), Rule(prefix="a"), False),
        (Rule(one_of=("a",)), Rule(one_of=("a", "b")), True),
        (Rule(one_of=("a", "c")), Rule(one_of=("a", "b")), False),
        (Rule(one_of=("a",)), Rule(source=(S,)), False),
        (Rule(one_of=()), Rule(source=(S,)), True),
        (Rule(one_of=("a",)), Rule(one_of=("a", "b"), source=(S,)), True),
        (Rule(one_of=("c",)), Rule(one_of=("a", "b"), source=(S,)), False),
        # sources
        (Rule(), Rule(source=(S,)), False),
        (Rule(), Rule(one_of=("a",)), False),
        (Rule(prefix="a"), Rule(one_of=("a",), source=(S,)), False),
        (Rule(source=(S,), prefix="a"), Rule(source=(S,)), True),
        (Rule(source=(S,)), Rule(), True),
        (Rule(source=()), Rule(source=(S,)), True),
        (Rule(source=(T,)), Rule(source=(S, T)), True),
        (Rule(source=(S, T)), Rule(source=(S,)), False),
        (Rule(source=(T, S)), Rule(source=(S,)), False),
        (Rule(source=(S,)), Rule(source=(T,)), False),
        (Rule(source=(S,)), Rule(one_of=("a",)), False),
        (Rule(source=(S,)), Rule(one_of=("a",), source=(S,)), True),
        (Rule(one_of=("a",), source=(S,)), Rule(source=(S,)), False),
        (Rule(one_of=("a",), source=(S,)), Rule(one_of=("a",)), False),
        (Rule(one_of=("a",), source=(S,)), Rule(one_of=("b", "a"), source=(T, S)), True),
        (Rule(one_of=("a", "c"), source=(S,)), Rule(one_of=("a", "b"), source=(S,)), False),
        (Rule(one_of=("c",), source=(S,)), Rule(one_of=("a", "b"), source=(S,)), False),
        (Rule(source=(S,)), Rule(source=(S,), prefix="a"), False),
        # conditions
        (Rule(under="n//a/b"), Rule(under="n//a"), True),
        (Rule(under="n//a"), Rule(under="n//a/b"), False),
        (Rule(prefix="n//a"), Rule(under="n//a"), False),
        (Rule(prefix="ab"), Rule(prefix="a"), True),
        (Rule(prefix="a"), Rule(prefix="ab"), False),
        (Rule(chars_max=3, prefix="a"), Rule(chars_max=3), True),
        (Rule(chars_max=4), Rule(chars_max=3), False),
        (Rule(prefix="a"), Rule(chars_max=3), False),
        (Rule(contains="xBillx"), Rule(contains="bILL"), True),
        (Rule(contains="il"), Rule(contains="bill"), False),
        (Rule(prefix="bill"), Rule(contains="bill"), False),
        (Rule(kind="integer"), Rule(kind="number"), True),
        (Rule(kind="number", prefix="1"), Rule(kind="number"), True),
        (Rule(kind="number"), Rule(kind="integer"), False),
        (Rule(prefix="1"), Rule(kind="number"), False),
        (Rule(at_least=3), Rule(at_least=2), True),
        (Rule(at_least=2, at_most=9), Rule(at_least=2), True),
        (Rule(at_least=1), Rule(at_least=2), False),
        (Rule(at_most=1), Rule(at_least=2), False),
        (Rule(at_most=1), Rule(at_most=2), True),
        (Rule(at_most=2, at_least=1), Rule(at_most=2), True),
        (Rule(at_most=3), Rule(at_most=2), False),
        (Rule(at_least=3), Rule(at_most=2), False),
        # hosts
        (Rule(prefix="https://x.org"), Rule(hosts=("x.org",)), False),
        (Rule(hosts=("x.org",), prefix="h"), Rule(hosts=("y.org", "x.org")), True),
        (Rule(hosts=("x.org", "z.org")), Rule(hosts=("x.org", "y.org")), False),
        (Rule(hosts=("z.org", "x.org")), Rule(hosts=("x.org",)), False),
        (Rule(hosts=("y.org",)), Rule(hosts=("x.org",)), False),
        (Rule(hosts=(".x.org", "x.org")), Rule(hosts=(".x.org",)), True),
        (Rule(hosts=(".x.org",)), Rule(hosts=("x.org",)), False),
        (Rule(hosts=(".y.org",)), Rule(hosts=(".x.org",)), False),
        (Rule(hosts=(".",)), Rule(hosts=("..",)), False),
    ],
)
def test_what_lies_within(child: Rule, parent: Rule, within: bool) -> None:
    assert rule_within(child, parent) is within


ONE, TWO = Rule(one_of=(1,)), Rule(one_of=(1, 2))


@pytest.mark.parametrize(
    ("child", "parent", "within"),
    [
        (S, T, False),
        (Source("t/s", "a"), Source("t/s", "b"), False),
        (Source("t/s", extract="iban", pick="any"), Source("t/s", extract="email", pick="any"), False),
        (Source("t/s", pattern="(a)", pick="any"), Source("t/s", pattern="(b)", pick="any"), False),
        (Source("t/s", called={"n": 1}), Source("t/s"), True),
        (Source("t/s", called={"n": 1, "m": 2}), Source("t/s", called={"m": 2, "n": 1.0}), True),
        (Source("t/s"), Source("t/s", called={"n": 1}), False),
        (Source("t/s", called={"n": 2}), Source("t/s", called={"n": 1}), False),
        (Source("t/s", called={"n": True}), Source("t/s", called={"n": 1}), False),
        (Source("t/s", "a", where={"b": ONE}, pick="any"), Source("t/s", "a", where={"b": TWO}, pick="any"), True),
        (Source("t/s", "a", where={"b": TWO}, pick="any"), Source("t/s", "a", where={"b": ONE}, pick="any"), False),
        (Source("t/s", "a", pick="any"), Source("t/s", "a", where={"b": TWO}, pick="any"), False),
        (Source("t/s", "a", where={"b": ONE}, pick="last"), Source("t/s", "a", where={"b": TWO}, pick="last"), False),
        (Source("t/s", "a", where={"b": ONE, "c": TWO}), Source("t/s", "a", where={"c": TWO, "b": ONE}), True),
        (Source("t/s", "a", pick="first"), Source("t/s", "a", pick="last"), False),
        (Source("t/s", "a", pick="most", by="b"), Source("t/s", "a", pick="most", by="c"), False),
    ],
)
def test_what_source_lies_within(child: Source, parent: Source, within: bool) -> None:
    assert source_within(child, parent) is within


# What can be kept, and what is said.


def test_these_say_which() -> None:
    for kind in ("boolean", "date", "time", "datetime"):
        assert bounds(Rule(kind=kind))
    assert bounds(Rule(under="n//")) and not bounds(Rule(kind="url")) and not bounds(Rule(kind="text"))


BY, END, RECORD = "'by' names the field", "with an end", "'field' must name the field"


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (Rule(), ""),
        (Rule(at_least=1.5, at_most=2.5, one_of=(1.5, "a")), ""),
        (Rule(at_least=-ENDLESS), END),
        (Rule(at_most=ENDLESS), END),
        (Rule(one_of=("a", ENDLESS)), END),
        (Rule(source=(S, Source("t/s", "a", {"n": 1.5, "m": "x"}, pick="least", by="b"))), ""),
        (Rule(source=(Source("t/s", "a", {"n": "x", "m": ENDLESS}),)), END),
        (Rule(source=(S, Source("t/s", "a", pick="least"))), BY),
        (Rule(source=(Source("t/s", "a", by="b"),)), BY),
        (Rule(source=(Source("t/s", pick="most", by="b"),)), RECORD),
        (Rule(source=(Source("t/s", where={"a": ONE}),)), RECORD),
        (Rule(source=(Source("t/s", pattern="(a)"),)), ""),
        (Rule(source=(Source("t/s", extract="iban"),)), ""),
        (Rule(source=(Source("t/s", "a", where={"b": Rule(at_most=ENDLESS)}),)), END),
        (Rule(under="n//"), ""),
    ],
)
def test_a_rule_is_kept_or_it_is_said_why_not(rule: Rule, wrong: str) -> None:
    assert wrong in flaw(rule) and bool(flaw(rule)) is bool(wrong)
    if not wrong:
        return check("here", rule)
    with pytest.raises(Refused, match=r"^here: ") as caught:
        check("here", rule)
    assert caught.value.rule == "malformed"
    return None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(), "anything"),
        (Rule(one_of=()), "nothing at all"),
        (Rule(one_of=("a",)), "'a'"),
        (Rule(one_of=("a", 2)), "one of 'a', 2"),
        (Rule(one_of=("/srv/data//a.md",)), "'a.md'"),
        (Rule(one_of=("/a", "b//c", "/d/e")), "one of '/a', 'b//c', '/d/e'"),
        (Rule(source=()), "nothing at all"),
        (Rule(source=(S, T)), "a reference to the field a of a record in a result of t/s or a reference to the field a of a record in a result of t/t"),
        (Rule(one_of=("a",), source=(Source("t/s"),)), "'a' or a reference to the whole of a result of t/s"),
        (Rule(under="/srv/data//notes"), "inside 'notes'"),
        (Rule(prefix="a"), "a text that begins with 'a'"),
        (Rule(kind="iban"), "of the kind iban"),
        (Rule(hosts=("x.org", ".y.org")), "an http address at x.org or .y.org"),
        (Rule(hosts=()), "an http address at nowhere"),
        (Rule(at_least=1, at_most=2.5), "at least 1 and at most 2.5"),
        (Rule(contains="a", chars_max=3), "a text that contains 'a' and at most 3 characters"),
        (Rule(items_max=3), "at most 3 items"),
    ],
)  # fmt: skip
def test_a_rule_in_words(rule: Rule, words: str) -> None:
    said = in_words(rule, (Mount("work", "/srv/data", "rw"),))
    assert re.fullmatch(re.escape(words).replace(r"\.\.\.", ".*"), said)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Source("t/s"), "the whole of a result of t/s"),
        (Source("t/s", "a"), "the field a of the one record in a result of t/s"),
        (Source("t/s", "a", pick="any"), "the field a of a record in a result of t/s"),
        (Source("t/s", "a", pick="last"), "the field a of the last record in a result of t/s"),
        (Source("t/s", "a", pick="most", by="b"), "the field a of the one with the most b in a result of t/s"),
        (Source("t/s", "a", pick="least", by="b"), "the field a of the one with the least b in a result of t/s"),
        (Source("t/s", "a", {"n": 1}, {"b": ONE, "c": TWO}), "the field a of the one record where b is 1 and c is one of 1, 2 in a result of t/s called with {\"n\":1}"),
        (Source("t/s", extract="iban"), 'what "extract": "iban" finds in the whole of a result of t/s'),
        (Source("t/s", pattern="(a)"), 'what "extract": "(a)" finds in the whole of a result of t/s'),
    ],
)  # fmt: skip
def test_a_source_in_words(source: Source, words: str) -> None:
    assert re.fullmatch(re.escape(words).replace(r"\.\.\.", ".{0,4}"), source_in_words(source))


@pytest.mark.parametrize(
    ("named", "among", "within"),
    [
        (True, (1,), False),
        (1, (True,), False),
        (True, (1, "x"), False),
        (1, (True, "x"), False),
        (False, (0.0, "x"), False),
        (0.0, (False, "x"), False),
        (1, (1.0, "x"), True),
        (1.0, (1, "x"), True),
        (True, (True, "x"), True),
        ("1", (1, "x"), False),
        (1, ("1", "x"), False),
        ("x", (1, "x"), True),
        (None, (False, "x"), False),
        (None, (None, "x"), True),
    ],
)
def test_a_choice_is_within_another_if_its_values_are_the_same_ones(named: Any, among: Any, within: bool) -> None:
    assert rule_within(Rule(one_of=(named,)), Rule(one_of=among)) is within
