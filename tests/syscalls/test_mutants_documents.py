"""Results that are held whole: what a text is as a value, what a driver vouches for, which of several results count. Each example is
here because without it a change went unnoticed (``make mutants``)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gemot.abi.grants import Rule, Source
from gemot.abi.labels import Label
from gemot.abi.limits import NESTING_MAX
from gemot.authority.documents import (
    Document,
    Picked,
    chosen,
    considered,
    could_be,
    extract,
    is_vouched,
    parsed,
    path_of,
    record_at,
    select,
)
from gemot.authority.kinds import EXTRACTED
from gemot.authority.refusal import Refused


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def document(
    value: Any, tool: str = "mail/list", vouched: tuple[str, ...] = (), records: str = "", **use: Any
) -> Document:
    return Document(tool, use, text_of(value), Label(), vouched, records)


# A text as a value.


def nested(depth: int, kind: str) -> str:
    return "[" * depth + "]" * depth if kind == "list" else '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1}', {"a": 1}),
        ('{ "a": [1, "b"] }', {"a": [1, "b"]}),
        ('[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
        ('[{"a":1}, {"b":{"a":2}}]', [{"a": 1}, {"b": {"a": 2}}]),
        ("[]", []),
        (f"[{2**63}, {-(2**63)}]", [2**63, -(2**63)]),
        (nested(NESTING_MAX, "list"), msgspec.json.decode(nested(NESTING_MAX, "list"))),
        (nested(NESTING_MAX, "object"), msgspec.json.decode(nested(NESTING_MAX, "object"))),
    ],
)
def test_text_of_json_is_its_value(text: str, value: Any) -> None:
    assert parsed(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "1",
        '"a"',
        "null",
        "",
        " {}",
        "{",
        "[1,]",
        "[1] x",
        "{'a': 1}",
        '{"a":"\udc80"}',
        f"[{2**64}]",
        f"[{-(2**63) - 1}]",
        '{"a":1,"a":1}',
        '[{"b":{"a":1,"c":2,"a":3}}]',
        nested(NESTING_MAX + 1, "list"),
        nested(NESTING_MAX + 1, "object"),
        nested(100_000, "list"),
    ],
)
def test_text_that_two_readers_could_take_for_two_values_is_itself(text: str) -> None:
    assert parsed(text) == text


# Records.

MAILS = [{"sender": "bob", "to": ["ann", "eve"], "head": {"id": 1}}, "words", ["more"]]


@pytest.mark.parametrize(
    ("value", "where", "path", "record"),
    [
        (MAILS, "", "[0].sender", ((0,), MAILS[0])),
        (MAILS, "", "[0].to[1]", ((0,), MAILS[0])),
        (MAILS, "", "[0]", ((0,), MAILS[0])),
        (MAILS, "", "[1]", None),
        (MAILS, "", "[2][0]", None),
        (MAILS, "", "[7].sender", None),
        (MAILS, "", "", None),
        (MAILS, "", "sender", None),
        (MAILS[0], "", "sender", ((), MAILS[0])),
        (MAILS[0], "", "", ((), MAILS[0])),
        ("words", "", "", None),
        ({"mails": MAILS}, "mails[]", "mails[0].sender", (("mails", 0), MAILS[0])),
        ({"mails": MAILS}, "mails[]", "mails[1]", None),
        ({"mails": MAILS}, "mails[]", "other[0].sender", None),
        ({"mails": MAILS}, "mails[]", "mails", None),
        ({"mails": MAILS}, "mails[].head", "mails[0].head.id", (("mails", 0, "head"), {"id": 1})),
        (MAILS, "[].head", "[0].head.id", ((0, "head"), {"id": 1})),
        (MAILS, "[].head", "[0].sender", None),
        (MAILS, "[].tail", "[0].head.id", None),
        ({"mails": MAILS, "sent": MAILS}, "mails[]", "sent[0].sender", None),
    ],
)
def test_path_leads_into_the_record_that_stands_there(value: Any, where: str, path: str, record: Any) -> None:
    assert record_at(text_of(value), where, path_of(path)) == record


# What a driver vouches for.


@pytest.mark.parametrize(
    ("vouched", "value", "path", "yes"),
    [
        (("sender",), MAILS, "[0].sender", True),
        (("sender", "x"), MAILS, "[0].sender", True),
        (("x", "sender"), MAILS, "[0].sender", True),
        ((), MAILS, "[0].sender", False),
        (("sender",), MAILS, "[0].to", False),
        (("sender",), MAILS, "[0].nothing", False),
        (("sender",), MAILS, "[7].sender", False),
        (("sender",), MAILS, "[1]", False),
        # a list of values, and one of them
        (("to",), MAILS, "[0].to", True),
        (("to",), MAILS, "[0].to[1]", True),
        (("to",), MAILS, "[0].sender", False),
        (("to[]",), MAILS, "[0].to", True),
        (("to[]",), MAILS, "[0].to[1]", True),
        (("to[]",), MAILS, "[0].sender", False),
        (("to[0]",), MAILS, "[0].to", False),
        (("to[0]",), MAILS, "[0].to[0]", True),
        (("to[0]",), MAILS, "[0].to[1]", False),
        (("cc[]",), {"to": ["a"], "cc": ["b"]}, "to", False),
        (("cc",), {"to": ["a"], "cc": ["b"]}, "to[0]", False),
        (("cc",), {"cc": []}, "cc", True),
        (("to[]",), {"to": "a"}, "to", False),
        (("to",), {"to": {"x": "a"}}, "to.x", False),
        # what has parts is no value
        (("head",), MAILS, "[0].head", False),
        (("head.id",), MAILS, "[0].head.id", True),
        (("to",), {"to": ["a", {"x": 1}]}, "to", False),
        (("to",), {"to": ["a", {"x": 1}]}, "to[0]", False),
        (("to",), {"to": ["a", ["b"]]}, "to[0]", False),
        (("to[]",), {"to": ["a", ["b"]]}, "to[0]", True),
        (("to[]",), {"to": ["a", ["b"]]}, "to[1]", True),
        (("to[]",), {"to": ["a", ["b"]]}, "to", False),
        # from the top, and the whole
        (("[].sender",), MAILS, "[0].sender", True),
        (("[]",), ["a", "b"], "[1]", True),
        (("[]",), ["a", "b"], "", True),
        (("[]",), ["a", {"b": 1}], "", False),
        (("",), MAILS[0], "sender", False),
        (("",), {"a": 1}, "a", False),
        (("a..b", "sender"), MAILS, "[0].sender", True),
        (("a..b",), MAILS, "[0].sender", False),
        (("sender",), "words", "", False),
    ],
)
def test_driver_vouches_for_the_values_of_its_fields(
    vouched: tuple[str, ...], value: Any, path: str, yes: bool
) -> None:
    assert is_vouched(document(value, vouched=vouched), path_of(path)) is yes


def test_nothing_of_a_result_that_is_not_held_is_vouched_for() -> None:
    held = document("", vouched=("sender", "[]", ""))
    assert not is_vouched(msgspec.structs.replace(held, text=None), ())
    assert not is_vouched(held, ()), "a text has no fields"


# Which results count.

PAGE = Source("web/get", "name", pick="any", over={"page": Rule(one_of=(1, 2))})


def pages(*numbers: Any, tool: str = "web/get") -> dict[int, Document]:
    """Results of a tool, with the handles 11, 12 ..., each of a page."""
    return {
        handle: document([{"name": f"n{handle}"}], tool, page=number, lang="en")
        for handle, number in enumerate(numbers, 11)
    }


def over(*values: Any, **more: Any) -> Source:
    rule = more.pop("rule", None) or Rule(one_of=values)
    return msgspec.structs.replace(PAGE, over={"page": rule}, **more)


@pytest.mark.parametrize(
    ("held", "source", "handles"),
    [
        (pages(1, 2), PAGE, (11, 12)),
        (pages(2, 1), PAGE, (12, 11)),
        (pages(1, 2, 3), PAGE, (11, 12)),
        (pages(1, 2, 1, 2), PAGE, (13, 14)),
        (dict(reversed(pages(1, 2, 1, 2).items())), PAGE, (13, 14)),
        (pages(1, 2.0), PAGE, (11, 12)),
        (pages(1, True), PAGE, ()),
        (pages(1, True), over(1, True), (11, 12)),
        (pages(True, 1), over(1, True), (12, 11)),
        (pages(1), PAGE, ()),
        (pages(2), PAGE, ()),
        ({}, PAGE, ()),
        (pages(1, []), PAGE, ()),
        (pages(1, [], 2), PAGE, (11, 13)),
        (pages(1, 2, tool="web/put"), PAGE, ()),
        (pages(1) | {12: document([], "web/put", page=2, lang="en")}, PAGE, ()),
        (pages(1, 2), over(1, 2, called={"lang": "en"}), (11, 12)),
        (pages(1, 2), over(1, 2, called={"lang": "de"}), ()),
        (pages(1, 2) | {13: document([], "web/get", page=2, lang="de")}, over(1, 2, called={"lang": "en"}), (11, 12)),
        (pages(1, 2), over(1, 1.0, 2), (11, 12)),
        (pages("a", "A"), over("a", "A"), ()),
        (pages(1, 2, 3), over(rule=Rule(one_of=(1, 2, 3), at_most=2)), (11, 12)),
        (pages(*range(64)), over(*range(64)), tuple(range(11, 75))),
        (pages(*range(65)), over(*range(65)), ()),
        (pages(None), over(None), (11,)),
        (pages(1), Source("web/get"), (99,)),
    ],
)
def test_source_is_about_the_newest_result_of_each_value_that_it_ranges_over(
    held: dict[int, Document], source: Source, handles: tuple[int, ...]
) -> None:
    assert considered(source, held, 99) == handles


LISTED = Source("web/index", "page", pick="any")


def index(value: Any, **use: Any) -> Document:
    return document(value, "web/index", **use)


@pytest.mark.parametrize(
    ("listed", "rule", "handles"),
    [
        ({1: index([{"page": 1}, {"page": 2}])}, Rule(source=(LISTED,)), (11, 12)),
        ({1: index([{"page": 2}, {"page": 2}])}, Rule(source=(LISTED,)), (12,)),
        ({1: index([{"page": 1}]), 2: index([{"page": 3}])}, Rule(source=(LISTED,)), (13,)),
        ({2: index([{"page": 3}]), 1: index([{"page": 1}])}, Rule(source=(LISTED,)), (13,)),
        ({1: index([{"page": 1}]), 2: document([{"page": 3}], "web/get")}, Rule(source=(LISTED,)), (11,)),
        ({1: index([{"page": [1, 3]}])}, Rule(source=(LISTED,)), (11, 13)),
        ({1: index([{"page": [1, [3]]}])}, Rule(source=(LISTED,)), ()),
        ({1: index([{"page": 1}, {"page": {"n": 3}}])}, Rule(source=(LISTED,)), ()),
        ({1: index([{"name": 1}])}, Rule(source=(LISTED,)), ()),
        ({1: index([{"name": 1}])}, Rule(source=(LISTED,), one_of=(1,)), ()),
        ({}, Rule(source=(LISTED,)), ()),
        ({}, Rule(source=(LISTED,), one_of=(1,)), ()),
        ({1: index([{"page": 1}])}, Rule(source=(LISTED,), one_of=(3,)), (13, 11)),
        ({1: index([{"page": 1}, {"page": 3}])}, Rule(source=(LISTED,), at_most=2), (11,)),
        (
            {1: index([{"page": 1}], lang="en"), 2: index([{"page": 3}], lang="de")},
            Rule(source=(msgspec.structs.replace(LISTED, called={"lang": "en"}),)),
            (11,),
        ),
    ],
)
def test_source_ranges_over_what_the_newest_result_of_another_source_gives(
    listed: dict[int, Document], rule: Rule, handles: tuple[int, ...]
) -> None:
    assert considered(over(rule=rule), listed | pages(1, 2, 3), 99) == handles


@pytest.mark.parametrize(
    ("pick", "results", "values"),
    [
        ("most_common", [["a", "b", "a"]], ["a", "a"]),
        ("least_common", [["a", "b", "a"]], ["b"]),
        ("most_common", [["a", "b"]], []),
        ("least_common", [["a", "b"]], []),
        ("most_common", [["a"]], ["a"]),
        ("most_common", [[1, 1.0, 2]], [1, 1.0]),
        ("most_common", [[1, True, True]], [True, True]),
        ("most_common", [["a", "A", "a"]], []),
        ("most_common", [["a", "a", ["b"]]], []),
        ("most_common", [["a", "a", {"b": 1}]], []),
        ("most_common", [["a", "b"], ["b", "c"]], ["b", "b"]),
        ("least_common", [["a", "b"], ["b", "a", "c"]], ["c"]),
        ("only", [["a"], ["a"]], ["a", "a"]),
        ("only", [["a"], ["b"]], []),
    ],
)
def test_what_is_counted_is_the_one_value_that_stands_there_most_or_least(
    pick: Any, results: list[list[Any]], values: list[Any]
) -> None:
    held = {
        handle: document([{"name": one} for one in names], "web/get", page=handle)
        for handle, names in enumerate(results, 1)
    }
    source = Source("web/get", "name", pick=pick, over={"page": Rule(one_of=tuple(held))})
    picked = chosen(source, held, 0)
    assert [one.value for one in picked] == values
    assert [type(one.value) for one in picked] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        (None, ["a", 4, ["a"], {"b": 1}]),
        (Rule(), ["a", 4]),
        (Rule(one_of=("a",)), ["a"]),
        (Rule(kind="number"), [4]),
    ],
)
def test_rule_about_a_value_lets_no_list_and_no_object_through(rule: Rule | None, values: list[Any]) -> None:
    held = document([{"name": value} for value in ("a", 4, ["a"], {"b": 1})])
    assert [one.value for one in select(Source("mail/list", "name", pick="any", value=rule), held)] == values
    top = msgspec.structs.replace(held, text=text_of(["a", 4, ["a"], {"b": 1}]))
    assert [one.value for one in select(Source("mail/list", "[]", pick="any", value=rule), top)] == values


ANN = Rule(one_of=("ann",))


@pytest.mark.parametrize(
    ("field", "value", "records", "path", "yes"),
    [
        ("name", [{"name": "x", "by": "ann"}], "", "[0].name", True),
        ("name", [{"name": "x", "by": "eve"}], "", "[0].name", False),
        ("name", [{"name": "x"}], "", "[0].name", False),
        ("name", [{"name": "x", "by": "ann"}], "", "[0].by", False),
        ("name", [{"name": ["x", "y"], "by": "ann"}], "", "[0].name[1]", True),
        ("name", [{"name": [["x"]], "by": "ann"}], "", "[0].name[0][0]", False),
        ("name[]", [{"name": ["x", "y"], "by": "ann"}], "", "[0].name[1]", True),
        ("name", [{"by": "ann"}], "", "[0]", False),
        ("name", [{"name": "x", "by": "ann"}, "words"], "", "[1]", False),
        ("name", {"all": [{"name": "x", "by": "ann"}]}, "all[]", "all[0].name", True),
        ("name", {"all": [{"name": "x", "by": "ann"}]}, "", "all[0].name", False),
        ("[].name", [{"name": "x", "by": "eve"}], "", "[0].name", True),
        ("", [{"name": "x", "by": "eve"}], "", "[0].name", True),
    ],
)
def test_path_that_leads_to_no_such_field_of_such_a_record_is_looked_at_no_further(
    field: str, value: Any, records: str, path: str, yes: bool
) -> None:
    source = Source("mail/list", field, where={"by": ANN}, pick="any")
    assert could_be(source, document(value, records=records), path_of(path)) is yes


def test_path_into_a_result_that_is_not_held_may_lead_anywhere() -> None:
    held = msgspec.structs.replace(document(""), text=None)
    assert could_be(Source("mail/list", "name"), held, ("name",))


# What a source picks.


@pytest.mark.parametrize(
    ("source", "picked"),
    [
        (Source("mail/list"), (Picked((), None),)),
        (Source("mail/list", "name"), ()),
        (Source("mail/list", extract="number"), ()),
        (Source("mail/list", pattern="(a)"), ()),
        (Source("mail/list", value=Rule()), ()),
        (Source("mail/send"), ()),
        (Source("mail/list", called={"folder": "in"}), ()),
    ],
)
def test_result_that_is_not_held_is_picked_as_a_whole_only(source: Source, picked: tuple[Picked, ...]) -> None:
    assert select(source, msgspec.structs.replace(document(""), text=None)) == picked


def names(*values: Any) -> list[dict[str, Any]]:
    return [{"name": value} for value in values]


IBAN, OTHER = "DE89370400440532013000", "GB29NWBK60161331926819"


@pytest.mark.parametrize(
    ("source", "value", "values"),
    [
        (Source("t/t", value=Rule(one_of=("words",))), "words", ["words"]),
        (Source("t/t", value=Rule(one_of=("words",))), "other", []),
        (Source("t/t"), "words", ["words"]),
        # all of them have one value, or none is picked
        (Source("t/t", "name"), names({"a": 1, "b": 2}, {"b": 2, "a": 1}), [{"a": 1, "b": 2}, {"b": 2, "a": 1}]),
        (Source("t/t", "name"), names(1, True), []),
        (Source("t/t", "name"), names(1, 1), [1, 1]),
        (Source("t/t", "name"), names(["a"], ["a"]), [["a"], ["a"]]),
        # by another field
        (Source("t/t", "name", pick="most", by="n"), [{"name": "x", "n": "9"}, {"name": "y", "n": "10"}], ["y"]),
        (Source("t/t", "name", pick="most", by="n"), [{"name": "x", "n": 1}, {"name": "y", "n": "a"}], []),
        (Source("t/t", "name", pick="least", by="n"), [{"name": "x", "n": "b"}, {"name": "y", "n": "a"}], ["y"]),
        (Source("t/t", "name", pick="least", by="n"), [{"name": "x", "n": 1}, {"name": "y"}], []),
        (Source("t/t", "name", pick="least", by="n.m"), [{"name": "x", "n": {"m": 1}}, {"name": "y", "n": 0}], []),
        # where other fields are so; one that is missing, or means many places, is null
        (Source("t/t", "name", where={"to[]": Rule(one_of=("a",))}), [{"name": "x", "to": ["a"]}], []),
        (Source("t/t", "name", where={"to[]": Rule(one_of=(None,))}), [{"name": "x", "to": ["a"]}], ["x"]),
        (Source("t/t", "name", where={"to": Rule(one_of=(None,))}), names("x"), ["x"]),
        (Source("t/t", "name", where={"a.b": Rule(one_of=(None,))}), names("x"), ["x"]),
        (Source("t/t", "name", where={"to": Rule()}), names("x"), ["x"]),
        (Source("t/t", "name", where={"": Rule(one_of=(None,))}), names("x"), []),
        # what is extracted
        (Source("t/t", "name", extract="iban"), names(f"pay {IBAN}", f"to {IBAN}"), [IBAN, IBAN]),
        (Source("t/t", "name", pattern="to ([a-z]+)"), names("pay to ann", "to ann now"), ["ann", "ann"]),
        (Source("t/t", "name", extract="iban"), names(f"pay {IBAN}", f"to {OTHER}"), []),
        (Source("t/t", "name", extract="number", pick="any"), names(4, "x 12", None, "y 7 8"), ["12", "7", "8"]),
        (Source("t/t", extract="number", pick="any"), "1 2 1", ["1", "2"]),
        (Source("t/t", extract="number", pick="first"), "1 2 3", ["1"]),
        (Source("t/t", extract="number", pick="last"), "1 2 3", ["3"]),
        (Source("t/t", extract="number", pick="first"), "none", []),
        (Source("t/t", "name", extract="number", pick="first"), names("1 2 3", "4"), []),
        (Source("t/t", "name", extract="number", pick="first"), names("1", "4"), ["1"]),
    ],
)
def test_source_picks_these_values_of_a_result(source: Source, value: Any, values: list[Any]) -> None:
    picked = select(source, document(value, "t/t"))
    assert [one.value for one in picked] == values
    whole = not source.field and source.extract and source.pick != "any"
    assert {one.pick for one in picked} <= {source.pick if whole else ""}


def test_records_stand_where_the_source_says_or_else_where_the_tool_does() -> None:
    one, two = {"all": names("a")}, {"all": names("a"), "rest": names("b")}
    source = Source("t/t", "name", pick="any")
    for held, records, value in (one, "", "a"), (two, "rest[]", "b"):
        told = document(held, "t/t", records="all[]", page=1)
        asks = msgspec.structs.replace(source, records=records)
        assert [picked.value for picked in select(asks, told)] == [value]
        ranges = msgspec.structs.replace(asks, over={"page": Rule(one_of=(1,))})
        assert [(picked.value, picked.handle) for picked in chosen(ranges, {5: told}, 0)] == [(value, 5)]


@pytest.mark.parametrize(
    ("source", "count"),
    [
        (Source("t/t", "name", pick="any"), 1),
        (Source("t/u", "name", pick="any"), 0),
        (Source("t/t", "name", {"page": 1}, pick="any"), 1),
        (Source("t/t", "name", {"page": 2}, pick="any"), 0),
        (Source("t/t", "name", pick="any", argument="page"), 1),
        (Source("t/t", "name", pick="any", argument="lines"), 0),
    ],
)
def test_one_result_is_chosen_from_if_its_call_was_the_one_that_is_meant(source: Source, count: int) -> None:
    held = document(names("a"), "t/t", page=1, lines=[])
    assert len(chosen(source, {5: held}, 5)) == count
    assert chosen(source, {5: msgspec.structs.replace(held, text=None)}, 5) == ()


@pytest.mark.parametrize(
    ("results", "values"),
    [
        ({1: [], 2: names("a"), 3: names("a", "b")}, [1]),
        ({1: [], 2: [], 3: names("a")}, []),
        ({1: names("a", "b"), 2: names("a"), 3: names("a", "b")}, [2]),
    ],
)
def test_call_whose_result_has_the_fewest_records_may_have_none(results: dict[int, Any], values: list[int]) -> None:
    held = {page + 10: document(result, "t/t", page=page) for page, result in results.items()}
    source = Source("t/t", "name", pick="least_common", argument="page", over={"page": Rule(one_of=tuple(results))})
    assert [(one.value, one.handle) for one in dict.fromkeys(chosen(source, held, 0))] == [(v, v + 10) for v in values]


@pytest.mark.parametrize(("extract", "pattern"), [("number", ""), ("", "([0-9]+)")])
def test_value_that_is_extracted_from_several_results_names_its_own(extract: Any, pattern: str) -> None:
    held = {page + 10: document(f"page {page}", "t/t", page=page) for page in (1, 2)}
    over = {"page": Rule(one_of=(1, 2))}
    source = Source("t/t", pick="any", extract=extract, pattern=pattern, over=over)
    assert [(one.value, one.handle, one.extract) for one in chosen(source, held, 0)] == [
        ("1", 11, extract or pattern),
        ("2", 12, extract or pattern),
    ]


def test_what_can_not_be_extracted_is_refused_with_what_can() -> None:
    with pytest.raises(Refused, match=", ".join(sorted(EXTRACTED))) as caught:
        extract("1 2", "digits")
    assert caught.value.rule == "malformed"
