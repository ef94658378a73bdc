"""Sources and templates in rules: which lie within which, which can't be kept, and how they are told. Each example is here because
without it a changed rule went unnoticed (``make mutants``)."""

from __future__ import annotations

from typing import Any

import pytest

from gemot.abi.grants import Rule, Source, Template
from gemot.authority.rules import (
    bounds,
    fits,
    flaw,
    in_words,
    literal_in_words,
    rule_within,
    source_in_words,
    source_within,
    sources_in,
)

S, T = Source("t/s", "a", pick="any"), Source("t/t", "a", pick="any")
ONE, TWO, LONG = Rule(one_of=(1,)), Rule(one_of=(1, 2)), Rule(one_of=(float("inf"),))
HELLO, DINNER = Template("Hello"), Template("Dinner at {name}", {"name": TWO})
OVER = {"n": TWO}


# What comes from a template.


def test_composed_text_fits_the_rule_that_names_its_template() -> None:
    def composed(place: Any, wanted: Any) -> bool:
        return wanted == HELLO

    def elsewhere(place: Any, wanted: Any) -> bool:
        return wanted == (S,)

    assert fits(Rule(template=HELLO), "Hello", composed)
    assert not fits(Rule(template=HELLO), "Hello", elsewhere)
    assert not fits(Rule(template=HELLO), "Hello"), "the same words, written by somebody"
    assert not fits(Rule(template=HELLO, chars_max=3), "Hello", composed)
    both = Rule(template=HELLO, source=(S,))
    assert fits(both, "x", composed) and fits(both, "x", elsewhere)
    assert not fits(Rule(source=(S,)), "x", composed)


@pytest.mark.parametrize(
    ("child", "parent", "within"),
    [
        (Rule(template=HELLO, chars_max=9), Rule(template=HELLO), True),
        (Rule(template=HELLO), Rule(template=HELLO, chars_max=9), False),
        (Rule(template=HELLO), Rule(), True),
        (Rule(), Rule(template=HELLO), False),
        (Rule(template=HELLO), Rule(source=(S,)), False),
        (Rule(template=HELLO), Rule(one_of=("Hello",)), False),
        (Rule(template=HELLO, chars_max=9), Rule(template=Template("Hi")), False),
        (Rule(source=(S,)), Rule(source=(S,), template=HELLO), True),
        (Rule(source=(S,)), Rule(template=HELLO), False),
        (Rule(template=HELLO), Rule(source=(S,), template=HELLO), True),
        (Rule(one_of=("a",)), Rule(template=HELLO), False),
        (Rule(one_of=()), Rule(template=HELLO), True),
        (Rule(one_of=("a",), template=HELLO), Rule(one_of=("a",)), False),
        (Rule(one_of=("a",), template=HELLO), Rule(one_of=("a", "b"), template=HELLO), True),
        (Rule(one_of=("c",), template=HELLO), Rule(one_of=("a", "b"), template=HELLO), False),
        (Rule(one_of=("a",), template=HELLO), Rule(prefix="a"), False),
        (Rule(one_of=("a",), source=(S,)), Rule(prefix="a"), False),
        (Rule(template=Template("Dinner at {name}", {"name": ONE})), Rule(template=DINNER), True),
        (Rule(template=Template("Dinner at {name}", {"name": Rule()})), Rule(template=DINNER), False),
        (Rule(template=Template("Lunch at {name}", {"name": ONE})), Rule(template=DINNER), False),
        (Rule(template=Template("Dinner at {name}", {"at": ONE})), Rule(template=DINNER), False),
        (Rule(template=Template("Dinner at {name}")), Rule(template=DINNER), False),
        (
            Rule(template=Template("{a} {b}", {"a": ONE, "b": Rule()})),
            Rule(template=Template("{a} {b}", {"a": TWO, "b": TWO})),
            False,
        ),
        # values that are equal and not the same
        (Rule(one_of=(True,)), Rule(one_of=(1,)), False),
        (Rule(prefix="a", one_of=(1,)), Rule(prefix="a", one_of=(True,)), False),
        (Rule(kind="number", at_least=1), Rule(kind="number", at_least=1.0), True),
    ],
)
def test_rule_with_a_template_lies_within_wider_words_only(child: Rule, parent: Rule, within: bool) -> None:
    assert rule_within(child, parent) is within


def source(pick: Any = "any", **more: Any) -> Source:
    return Source("t/s", "a", pick=pick, **more)


@pytest.mark.parametrize(
    ("child", "parent", "within"),
    [
        (source(), source(), True),
        (source(records="x[]"), source(), False),
        (source(), source(records="x[]"), False),
        (Source("t/u", "a", pick="any"), source(), False),
        (Source("t/s", "b", pick="any"), source(), False),
        (source(extract="iban"), source(), False),
        (source(), source(pattern="(a)"), False),
        # one result, or several
        (source(over=OVER, where={"b": ONE}), source(over=OVER, where={"b": ONE}), True),
        (source(over=OVER, where={"b": ONE}), source(over=OVER), False),
        (source(over=OVER), source(), False),
        (source(), source(over=OVER), False),
        (source(argument="n"), source(), False),
        (source(), source(argument="n"), False),
        (source(argument="n", over=OVER), source(argument="n", over=OVER), True),
        (source(argument="n", over=OVER), source(over=OVER), False),
        (source(called={"m": 1}, over=OVER), source(over=OVER), False),
        # what the value itself is
        (source(value=ONE), source(value=TWO), True),
        (source(value=TWO), source(value=ONE), False),
        (source(), source(value=ONE), False),
        (source(value=ONE), source(), True),
        (source(value=ONE, where={"b": TWO}), source(value=TWO, where={"b": ONE}), False),
        (source(where={"b": ONE, "c": ONE}), source(where={"c": TWO}), True),
        (source(where={"c": ONE}), source(where={"b": TWO, "c": TWO}), False),
        (source("first"), source(), True),
        # a choice by position compares results of the same tool only
        (source("only", value=ONE), source("only", value=TWO), False),
        (source("only", value=ONE), source("only"), False),
        (source("only", value=ONE, called={"n": 1}), source("only", value=ONE), True),
        (source("only", value=ONE), source("first", value=ONE), False),
        (source("most", by="b", called={"n": 1}), source("most", by="b"), True),
        (source("most", by="c"), source("most", by="b"), False),
        (source("least", by="b"), source("most", by="b"), False),
        (source("only", where={"b": ONE}), source("only", where={"b": TWO}), False),
        (source("only", where={"b": ONE}), source("only"), False),
        (source("first"), source("last"), False),
    ],
)
def test_source_lies_within_another_where_it_gives_no_other_values(child: Source, parent: Source, within: bool) -> None:
    assert source_within(child, parent) is within
    assert rule_within(Rule(source=(child,)), Rule(source=(T, parent))) is within


# What they say.


def test_template_says_which_where_all_its_values_are_bounded() -> None:
    assert bounds(Rule(template=HELLO)) and bounds(Rule(template=DINNER))
    assert not bounds(Rule(template=Template("{a} {b}", {"a": ONE, "b": Rule(kind="text")})))
    assert not bounds(Rule(template=Template("{a} {b}", {"a": ONE, "b": Rule()}), prefix="x", kind="date"))
    for kind in ("text", "integer", "number", "email", "iban"):
        assert not bounds(Rule(kind=kind)), kind


def test_all_sources_of_a_rule_are_its_own_those_it_ranges_over_and_those_of_its_template() -> None:
    ranged = source(over={"n": Rule(source=(T,))})
    hole = Rule(template=Template("{a} {b}", {"a": Rule(source=(S,)), "b": Rule(source=(ranged,))}))
    assert sources_in(Rule()) == []
    assert sources_in(Rule(source=(S, T))) == [S, T]
    assert sources_in(Rule(source=(ranged, S))) == [ranged, S, T]
    assert sources_in(hole) == [S, ranged, T]
    assert sources_in(Rule(source=(T,), template=hole.template)) == [T, S, ranged, T]


# What can't be kept.

OWN, WHOLE, UNDER, END = "a source of its own", "argument as a whole", "'under' means nothing", "with an end"
BY, RECORD, ONE_FIELD, NO_PATH = "'by' names the field", "'field' must name", "must be one field", "is no path"
TOP, RANGES, AS_IT_IS = "path from the top", "'over' must say over which", "taken as it is"


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (Rule(at_least=float("nan")), END),
        (Rule(template=Template("{")), "no part of a template"),
        (Rule(template=Template("Hello {x}")), "has the values x;"),
        (Rule(template=Template("Hello {x} {y}", {"x": ONE})), "has the values x, y;"),
        (Rule(template=Template("Hello", {"x": ONE})), "has the values none;"),
        (Rule(template=Template("Hello {x}", {"x": ONE})), ""),
        (Rule(template=Template("Hello {x}", {"x": Rule(source=(S,))})), ""),
        (Rule(template=Template("{x} {y}", {"x": ONE, "y": LONG})), "y: a bound"),
        (Rule(template=Template("{x} {y}", {"x": LONG, "y": LONG})), "x: a bound"),
        (Rule(template=Template("{x}", {"x": Rule(template=HELLO)})), WHOLE),
        (Rule(template=Template("{x}", {"x": Rule(under="n//")})), UNDER),
        (Rule(source=(S,), template=HELLO), ""),
        (Rule(source=(S,), template=Template("{")), "no part of a template"),
        (Rule(source=(S, source("most"))), "the source t/s: 'by' names"),
        (Rule(source=(S,), under="n//"), ""),
    ],
)
def test_rule_with_a_flaw_is_told_it(rule: Rule, wrong: str) -> None:
    said = flaw(rule)
    assert wrong in said and bool(said) is bool(wrong), said


@pytest.mark.parametrize(
    ("kept", "wrong"),
    [
        (source(), ""),
        (Source("t/s"), ""),
        (source("most", by="b"), ""),
        (source("most"), BY),
        (source("only", by="b"), BY),
        (Source("t/s", where={"b": ONE}), RECORD),
        (Source("t/s", pick="least", by="b"), RECORD),
        # paths
        (source(records="x[]"), ""),
        (source(records="x..y"), NO_PATH),
        (Source("t/s", "a..b"), NO_PATH),
        (source("most", by="b..c"), NO_PATH),
        (source("most", by="b[]"), ONE_FIELD),
        (source("most", by="[0].b"), ONE_FIELD),
        (source("most", by="b[0]"), ""),
        (source(where={"b.c": ONE}), ""),
        (source(where={"b..c": ONE}), NO_PATH),
        (source(where={"b": ONE, "b[].c": ONE}), ONE_FIELD),
        (source(where={"[0]": ONE}), ONE_FIELD),
        (Source("t/s", "b[].a"), ""),
        (Source("t/s", "[].a"), ""),
        (Source("t/s", "[].a", where={"b": ONE}), TOP),
        (Source("t/s", "[].a", pick="most", by="b"), TOP),
        (Source("t/s", "[].a", records="x[]"), TOP),
        # what is taken of it
        (source(extract="iban"), ""),
        (source(extract="iban", pattern="(a)"), "not both"),
        (source(extract="boolean"), "can't be looked for"),
        (source(pattern="(a)"), ""),
        (source(pattern="a"), "group"),
        (source(called={"m": 1, "n": float("inf")}), "'called' must be numbers"),
        (source(called={"m": 1.5, "n": 2, "o": "x", "p": None}), ""),
        (source(value=ONE), ""),
        (source(value=LONG), END),
        (source(value=Rule(source=(T,))), OWN),
        (source(value=Rule(template=HELLO)), WHOLE),
        (source(where={"b": ONE, "c": LONG}), END),
        (source(where={"b": Rule(source=(T,))}), OWN),
        (source(where={"b": Rule(template=HELLO)}), WHOLE),
        (source(where={"b": Rule(under="n//")}), UNDER),
        (source(value=ONE, where={"b": LONG}), END),
        # what is counted
        (source("most_common"), ""),
        (source("least_common"), ""),
        (Source("t/s", pick="most_common"), "what is counted"),
        (Source("t/s", pick="least_common"), "what is counted"),
        (source("most_common", extract="iban"), AS_IT_IS),
        (source("least_common", pattern="(a)"), AS_IT_IS),
        # several results
        (source(over=OVER), ""),
        (source(over=OVER, extract="iban"), ""),
        (source(over=OVER, argument="n"), ""),
        (source(over=OVER, argument="n", extract="iban"), AS_IT_IS),
        (source(over=OVER, argument="n", pattern="(a)"), AS_IT_IS),
        (source(over=OVER, argument="m"), RANGES),
        (source(argument="m"), RANGES),
        (source(over={"n": ONE, "m": ONE}), "'over' names one argument"),
        (source(over=OVER, called={"n": 1}), "'over' names one argument"),
        (source(over=OVER, called={"m": 1}), ""),
        (source("first", over=OVER), "about one result"),
        (source("last", over=OVER), "about one result"),
        (source("most", by="b", over=OVER), ""),
        (source(over={"n": Rule(prefix="a")}), RANGES),
        (source(over={"n": Rule(source=(T,))}), ""),
        (source(over={"n": Rule(source=(T, source(over=OVER)))}), "a source in 'over'"),
        (source(over={"n": Rule(source=(source(argument="n"),))}), "a source in 'over'"),
        (source(over={"n": LONG}), END),
        (source(over={"n": Rule(one_of=(1,), under="n//")}), UNDER),
        (source(over={"n": Rule(one_of=(1,), template=HELLO)}), WHOLE),
        (source(over={"n": Rule(source=(source(pattern="a"),))}), "group"),
    ],
)
def test_source_with_a_flaw_is_told_it(kept: Source, wrong: str) -> None:
    said = flaw(Rule(source=(T, kept)))
    assert wrong in said and bool(said) is bool(wrong), said


# In words.

NUMBERS = ", ".join(map(str, range(20)))
HOSTS = " or ".join(f"h{number}.org" for number in range(20))
X, ALIKE = "x" * 2_000, "p\u0430y.org "


def hosts(many: int) -> Rule:
    return Rule(hosts=tuple(f"h{number}.org" for number in range(many)))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(template=HELLO), 'the words "Hello"'),
        (Rule(template=DINNER), 'the words "Dinner at {name}" in which {name} is one of 1, 2'),
        (
            Rule(template=Template("{x} {y}", {"x": ONE, "y": Rule(source=(T,))})),
            'the words "{x} {y}" in which {x} is 1; {y} is a reference to the field a of a record in a result of t/t',
        ),
        (Rule(one_of=("a",), template=HELLO), "'a' or the words \"Hello\""),
        (Rule(template=Template("a\u202eb")), 'the words "a\\u202eb"'),
        (Rule(one_of=tuple(range(20))), f"one of {NUMBERS}"),
        (Rule(one_of=tuple(range(21))), f"one of {NUMBERS} and 1 more (21 values, sha256 614c51f004eff6d5)"),
        (hosts(20), f"an http address at {HOSTS}"),
        (hosts(22), f"an http address at {HOSTS} and 2 more (22 values, sha256 bba7be1fbcf67e60)"),
        (Rule(hosts=("p\u0430y.org",)), "an http address at xn--py-7kc.org"),
        (Rule(one_of=("/srv//a", "/b", "c//d")), "one of '/srv//a', '/b', 'c//d'"),
    ],
)
def test_rule_is_told_in_words_that_no_other_rule_has(rule: Rule, words: str) -> None:
    assert in_words(rule) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (True, "True"),
        (None, "None"),
        ("q'u", '"q\'u"'),
        ("a\u202eb", "'a\\u202eb'"),
        ("\\u202e", "'\\\\u202e'"),
        ("\uff41", "'\\uff41'"),
        ("e\u0301", "'e\\u0301'"),
        (X, f"'{X}'"),
        (X + "x", f"'{X}' and more (2,001 characters, sha256 aca33709d4600d56)"),
        (
            ALIKE + X,
            f"'xn--py-7kc.org {X[8:]}' (its letters: 'p\\u0430y.org {X[8:]}') and more (2,008 characters, sha256 cc7c3ab19117f658)",
        ),
    ],
)
def test_value_is_written_with_every_letter_told_apart(value: Any, words: str) -> None:
    assert literal_in_words(value) == words


ALL = 'all results of t/s, one for each "n" that is one of 1, 2'


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (source("only", over=OVER), f"the field a of the one record in {ALL}"),
        (Source("t/s", over=OVER), f"the whole of {ALL}"),
        (
            source(called={"m": 1}, over=OVER),
            'the field a of a record in all results of t/s called with {"m":1}, one for each "n" that is one of 1, 2',
        ),
        (source(records="x[]"), "the field a of a record of x[] in a result of t/s"),
        (
            source("only", value=ONE, where={"b": TWO}),
            "the field a of the one record where b is one of 1, 2 which is 1 in a result of t/s",
        ),
        (Source("t/s", value=ONE), "the whole of a result of t/s which is 1"),
        (Source("t/s", where={"b": ONE}), "the whole of a result of t/s where b is 1"),
        (source("first"), "the field a of the first record in a result of t/s"),
        (source("most_common"), "the most common value of the field a of a record in a result of t/s"),
        (
            source("least_common", records="r"),
            "the least common value of the field a of a record of r in a result of t/s",
        ),
        (
            source(argument="n", over=OVER),
            f'the argument "n" of a call whose result has a record with the field a, in {ALL}',
        ),
        (
            source("only", argument="n", over=OVER),
            f'the argument "n" of the one call whose result has a record with the field a, in {ALL}',
        ),
        (
            source("most", by="b", argument="n", over=OVER),
            f'the argument "n" of the call with the most b in a record whose result has a record with the field a, in {ALL}',
        ),
        (
            source("most_common", argument="n", over=OVER),
            f'the argument "n" of the call whose result has the most records with the field a, in {ALL}',
        ),
        (
            source("least_common", argument="n", over=OVER, records="r[]", value=ONE, where={"b": TWO}),
            'the argument "n" of the call whose result has the fewest records of r[] with the field a which is 1 '
            f"where b is one of 1, 2, in {ALL}",
        ),
        (
            Source("t/s", pick="any", argument="n", over=OVER, value=ONE),
            f'the argument "n" of a call whose result has a text which is 1, in {ALL}',
        ),
        (source(pattern="(\u202e)"), 'what "extract": "(\\u202e)" finds in the field a of a record in a result of t/s'),
        (
            Source("t s", "a b", pick="most", by="c d"),
            'the field "a b" of the one with the most "c d" in a result of "t s"',
        ),
    ],
)
def test_source_is_told_in_words_that_no_other_source_has(told: Source, words: str) -> None:
    assert source_in_words(told) == words
