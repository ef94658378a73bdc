"""Rules: what fits one, what lies within another, what is a date, an address, an account; and what a source picks."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gemot.abi.grants import Grant, Rule, Source
from gemot.abi.labels import Label
from gemot.authority.documents import Document, at, parsed, path_of, select, written
from gemot.authority.kinds import BadPattern, compiled, found, host_of, matched
from gemot.authority.narrowing import grant_within
from gemot.authority.refusal import Refused
from gemot.authority.rules import bounds, fits, flaw, in_words, rule_within, source_within

IBAN = "DE89370400440532013000"
KINDS = ("text", "integer", "number", "boolean", "date", "time", "datetime", "email", "url", "iban")


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (Rule(one_of=(4, "a", None, True)), [4, 4.0, "a", None, True], ["4", 1, 1.0, "A", False, "", 0]),
        (Rule(one_of=(1,)), [1, 1.0], [True, "1"]),
        (Rule(at_least=2, at_most=3.5), [2, 3.5, "2", "3.49"], [1.99, 4, "4", "x", None, True, "2e0", "inf", "nan"]),
        (Rule(contains="Bill"), ["the bill", "BILLS"], ["bil", 7, None]),
        (Rule(kind="date"), ["2024-02-29"], ["2023-02-29", "2024-1-1", "2024-02-29 ", 20240229, "x2024-02-29"]),
        (Rule(kind="time"), ["09:30", "23:59:59"], ["24:00", "9:30", "09:30\n"]),
        (Rule(kind="datetime"), ["2024-05-01T10:00", "2024-05-01 10:00:00Z"], ["2024-05-01", "2024-13-01T10:00"]),
        (Rule(kind="integer"), [4, "4", -1, 2.0], ["4.0", 2.5, True, "", "४"]),
        (Rule(kind="number"), [4, 4.5, "-4.5"], ["1,000", "1e3", "", None, False, float("nan"), float("inf")]),
        (Rule(kind="boolean"), [True, False, "true"], [0, 1, "yes", None]),
        (Rule(kind="email"), ["a.b+c@ex-ample.co.uk"], ["a@b", "a@b.c, x@y.z", "a b@c.de", "a@ex\u0430mple.org", "@c.de", "a..b@c.de"]),
        (Rule(kind="iban"), [IBAN], [IBAN[:-1] + "1", IBAN.lower(), "DE89 3704 0044 0532 0130 00", "US133000000121212121212"]),
        (Rule(kind="text"), ["", "x"], [1, None]),
        (Rule(items_max=1, one_of=("a",)), ["a", ["a"]], [["a", "a"], ["b"], [["a"]], []]),
        (Rule(items_max=1, one_of=("a", None)), ["a", ["a"], [], None], [["a", "a"]]),
        (Rule(items_max=1), [[], None, "a"], [["a", "a"]]),
        (Rule(items_max=0), [[]], ["a", ["a"]]),
        (Rule(prefix="x"), [["x1", "x2"], "x"], [["x1", "y"], {"x": 1}, []]),
        (Rule(source=(Source("t/t"),)), [], ["a", None, ["a"], []]),
        (Rule(source=(Source("t/t"),), one_of=("a",)), ["a", ["a", "a"]], ["b"]),
        (Rule(), ["a", None, 1, [1], {}, []], []),
    ],
)  # fmt: skip
def test_what_fits_a_rule(rule: Rule, good: list, bad: list) -> None:
    assert [value for value in good if not fits(rule, value)] == []
    assert [value for value in bad if fits(rule, value)] == []
    assert in_words(rule)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.org", "example.org"),
        ("HTTP://Example.ORG:80/a?b=c@d#e", "example.org"),
        ("www.example.org/x", "www.example.org"),
        ("https://example.org@evil.com/", ""),
        ("https://example.org:8443/", ""),
        ("https://example.org\\@evil.com/", ""),
        ("https://example.org%2eevil.com", ""),
        ("https://ex\u0430mple.org/", ""),
        ("https://example.org /", ""),
        ("https://example.org\n.evil.com", ""),
        ("https:///example.org", ""),
        ("https://example.org.", ""),
        ("javascript://example.org/%0aalert(1)", ""),
        ("example.org", ""),
        ("//example.org/", ""),
    ],
)
def test_a_host_is_what_every_reader_of_the_address_takes_it_for(url: str, host: str) -> None:
    assert host_of(url) == host
    assert fits(Rule(hosts=(".example.org",)), url) == bool(host)
    assert not fits(Rule(hosts=("ample.org", "org")), url)


def test_hosts_below_one() -> None:
    below, exact = Rule(hosts=(".example.org",)), Rule(hosts=("example.org",))
    assert fits(below, "https://a.b.example.org/") and not fits(exact, "https://a.b.example.org/")
    assert not fits(below, "https://badexample.org/") and not fits(below, "https://example.org.evil.com/")
    assert rule_within(exact, below) and not rule_within(below, exact)
    assert rule_within(Rule(hosts=(".a.example.org",)), below) and not rule_within(Rule(hosts=(".org",)), below)


def test_values_are_found_in_texts() -> None:
    text = f"Pay 1,250.00 or 12.50 by 2024-03-01 to DE89 3704 0044 0532 0130 00 EUR, not {IBAN[:-1]}1. bob@x.org, (www.x.org)."
    assert found(text, "iban") == [IBAN]
    assert found(text[:38], "number") == ["12.50"], "what may be a part of another number is none"
    assert found(text, "date") == ["2024-03-01"]
    assert found(text, "email") == ["bob@x.org"]
    assert found(text, "url") == ["www.x.org"]
    assert found("mail:bob@x.org <ann@x.org> ébob@x.org", "email") == ["bob@x.org", "ann@x.org"]


@pytest.mark.parametrize("kind", [one for one in KINDS if one not in ("text", "boolean")])
@pytest.mark.parametrize("bait", ["a", "1", "a@", "a.", "-", "1-", "DE89", "http://", " ", "A1 ", "9:", "a.a@", "%"])
def test_no_text_makes_looking_for_values_slow(kind: str, bait: str) -> None:
    began = time.process_time()
    found((bait * 200_000)[:200_000], kind)  # type: ignore[arg-type]
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("pattern", "line", "value"),
    [
        ("IBAN: ([A-Z0-9]+)", f"x IBAN: {IBAN}, y", [IBAN]),
        (r"total of \$([0-9.]+)", "a total of $12.50 due", ["12.50"]),
        (r"(cat|dog)s?", "dogs", ["dog"]),
        (r"^(\w{2,3})-", "abc-1", ["abc"]),
        (r"\[([^\]]*)\]", "[a] and [b]", ["a", "b"]),
    ],
)
def test_a_pattern_finds_its_group(pattern: str, line: str, value: list[str]) -> None:
    assert matched(f"before\n{line}\nafter", compiled(pattern)) == value


@pytest.mark.parametrize(
    "pattern",
    ["a", "(a)(b)", "((a))", "(a)*", "(a+)+", "(a*?)", r"(a)\1", "(?:a)(b)", "(?=a)(b)", "(a|b|c|d|e)", "(a", "[a(b)", "(x{5000})", "(a" * 200],
)  # fmt: skip
def test_a_pattern_that_could_run_away_is_refused_in_words(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compiled(pattern)
    assert flaw(Rule(source=(Source("t/t", pattern=pattern),)))


@pytest.mark.parametrize("pattern", ["a*a*a*a*(b)", "(a*a*)b", r"(\w*)\s*:", "(x*|xx*|xxx*)y", "([^b]*)b"])
def test_no_pattern_that_is_taken_is_slow(pattern: str) -> None:
    began = time.process_time()
    matched("\n".join(["a" * 1000, "x" * 1000] * 10), compiled(pattern))
    assert time.process_time() - began < 2
    assert matched("a" * 1001 + "b", compiled("(b)")) == [], "a line too long to be looked at hides what else is there"


# Sources.

RECORDS = [
    {"id": 1, "sender": "ann", "amount": 10, "date": "2024-01-01", "note": "rent", "to": {"name": "x"}},
    {"id": 2, "sender": "bob", "amount": 30, "date": "2024-01-03", "note": "gift"},
    {"id": 3, "sender": "ann", "amount": 20, "date": "2024-01-02", "note": "rent"},
]


def document(value: object = RECORDS, tool: str = "bank/list", **arguments: object) -> Document:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return Document(tool, arguments, text, Label())


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        (Source("bank/list", "sender"), []),
        (Source("bank/list", "sender", pick="any"), ["[0].sender", "[1].sender", "[2].sender"]),
        (Source("bank/list", "sender", where={"note": Rule(one_of=("rent",))}), ["[0].sender", "[2].sender"]),
        (Source("bank/list", "amount", where={"note": Rule(one_of=("rent",))}), []),
        (Source("bank/list", "sender", pick="first"), ["[0].sender"]),
        (Source("bank/list", "sender", pick="last"), ["[2].sender"]),
        (Source("bank/list", "sender", pick="most", by="date"), ["[1].sender"]),
        (Source("bank/list", "sender", pick="least", by="amount"), ["[0].sender"]),
        (Source("bank/list", "amount", pick="most", by="sender"), ["[1].amount"]),
        (Source("bank/list", "id", pick="least", by="sender"), []),
        (Source("bank/list", "sender", pick="most", by="to"), []),
        (Source("bank/list", "to.name"), ["[0].to.name"]),
        (Source("bank/list", "name"), []),
        (Source("bank/list", 'to["name"]'), ["[0].to.name"]),
        (Source("bank/list", "name", records="[].to"), ["[0].to.name"]),
        (Source("bank/list", "[].to.name"), ["[0].to.name"]),
        (Source("bank/list", "nothing"), []),
        (Source("bank/list", "id", where={"amount": Rule(at_least=15, at_most=25)}), ["[2].id"]),
        (Source("bank/list", "id", where={"to.name": Rule(one_of=("x",))}), ["[0].id"]),
        (Source("bank/other", "id", pick="any"), []),
        (Source("bank/list", "id", {"n": 3}, pick="first"), ["[0].id"]),
        (Source("bank/list", "id", {"n": True}, pick="first"), []),
        (Source("bank/list", "id", {"m": 3}, pick="first"), []),
        (Source("bank/list", "id", {"n": 3, "m": None}, pick="first"), ["[0].id"]),
        (Source("bank/list", "id", {"n": None}, pick="first"), []),
    ],
)
def test_what_a_source_picks(source: Source, paths: list[str]) -> None:
    assert [written(one.path) for one in select(source, document(n=3))] == paths


def test_a_value_is_extracted_when_it_is_the_only_one() -> None:
    one = document({"body": f"to {IBAN}, again {IBAN}"})
    source = Source("bank/list", "body", extract="iban")
    assert [(written(it.path), it.value, it.extract) for it in select(source, one)] == [("body", IBAN, "iban")]
    assert select(source, document({"body": f"{IBAN} GB29NWBK60161331926819"})) == ()
    two = document(f"{IBAN} GB29NWBK60161331926819")
    assert [it.value for it in select(Source("bank/list", extract="iban", pick="last"), two)] == [
        "GB29NWBK60161331926819"
    ]
    assert [it.value for it in select(Source("bank/list", pattern="(GB[0-9A-Z]+)"), two)] == ["GB29NWBK60161331926819"]
    assert select(Source("bank/list", extract="iban"), two) == ()


def test_a_text_has_no_records() -> None:
    assert select(Source("bank/list", "id", pick="any"), document('say {"id": 1}')) == ()
    assert parsed("[" * 5_000 + "]" * 5_000) == "[" * 5_000 + "]" * 5_000


@pytest.mark.parametrize("text", ["a", "a.b", "[0]", "a[0].b[12]", '["a b"].c', 'x["]"]', "[0][1]", '["\\""]'])
def test_paths_are_written_as_they_are_read(text: str) -> None:
    assert written(path_of(text)) == text


@pytest.mark.parametrize("text", [".a", "a.", "a..b", "[x]", "[-1]", "a[0]b", "a b", '["a]', "[01", "x" * 2_000])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        path_of(text)


names = some.text(some.characters(codec="utf-8"), max_size=8)


@given(some.lists(names | some.integers(0, 99), max_size=5))
def test_any_path_survives_writing(steps: list[str | int]) -> None:
    assert path_of(written(tuple(steps))) == tuple(steps)


@given(some.recursive(some.none() | some.booleans() | some.integers() | names, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(names, inner, max_size=3), max_leaves=20))  # fmt: skip
def test_what_is_picked_stands_where_it_says(value: object) -> None:
    encoded = msgspec.json.encode(value).decode()
    for field in ("", "a", *(written((name,)) for name in (value if isinstance(value, dict) else ()))):
        for one in select(Source("bank/list", field, pick="any"), document(encoded)):
            assert one.value == (encoded if not field else at(parsed(encoded), one.path))


# Within: whatever fits the child fits the parent, for any rules and any values.

WORDS = ("", "a", "ab", "abc", "b", "A", "4", "4.0", "7", "true", "2024-01-01", IBAN, "a@x.org", "https://a.x.org/", "https://x.org/b", "x.org", "n//a", "n//a/b", "n//", "n//ab")  # fmt: skip
scalars = some.sampled_from((*WORDS, None, True, False, 0, 1, 4, 4.0, 4.5, -1, 7))
values = scalars | some.lists(scalars, max_size=3)


def maybe(strategy: some.SearchStrategy) -> some.SearchStrategy:
    return some.none() | strategy


def rules(depth: int = 1) -> some.SearchStrategy[Rule]:
    conditions = {
        "one_of": maybe(some.lists(scalars, max_size=4).map(tuple)),
        "under": maybe(some.sampled_from(("n//", "n//a", "n//a/b"))) if depth else some.none(),
        "prefix": maybe(some.sampled_from(("", "a", "ab", "https://", "2"))),
        "chars_max": maybe(some.integers(0, 4)),
        "kind": maybe(some.sampled_from(KINDS)),
        "at_least": maybe(some.sampled_from((-1, 0, 1.5, 4, 7))),
        "at_most": maybe(some.sampled_from((-1, 0, 1.5, 4, 7))),
        "hosts": maybe(some.lists(some.sampled_from(("x.org", ".x.org", "a.x.org", ".a.x.org", ".org")), max_size=2).map(tuple)),
        "contains": maybe(some.sampled_from(("", "A", "b", "bc"))),
        "items_max": maybe(some.integers(0, 2)),
        "source": maybe(some.lists(sources(), max_size=2).map(tuple)) if depth else some.none(),
    }  # fmt: skip
    # a rule with everything set fits nothing, so most are left alone
    return some.sets(some.sampled_from(sorted(conditions)), max_size=3).flatmap(
        lambda chosen: some.builds(Rule, **{name: conditions[name] for name in chosen})
    )


def sources() -> some.SearchStrategy[Source]:
    where = some.dictionaries(some.sampled_from(("a", "b")), rules(0), max_size=2)
    return some.builds(
        Source,
        tool=some.sampled_from(("t/one", "t/two")),
        field=some.sampled_from(("a", "b")),
        called=some.dictionaries(some.just("n"), some.sampled_from((1, True, 1.0, "1")), max_size=1),
        where=where,
        pick=some.sampled_from(("only", "any", "first", "last", "most_common", "least_common")),
        value=maybe(rules(0)),
        records=some.sampled_from(("", "", "[]")),
        extract=some.sampled_from(("", "number", "iban")),
    )


documents = some.builds(
    document,
    some.lists(some.dictionaries(some.sampled_from(("a", "b")), scalars, max_size=2), max_size=4),
    some.sampled_from(("t/one", "t/two")),
    n=some.sampled_from((1, True, "1", 2)),
)


@settings(max_examples=1_500, deadline=None)
@given(rules(), rules(), some.lists(values, min_size=10, max_size=30), documents, some.data())
def test_what_fits_the_child_fits_the_parent(
    child: Rule, parent: Rule, tried: list, paper: Document, data: some.DataObject
) -> None:
    if not data.draw(some.booleans()):  # half of them are made to have a chance
        child = msgspec.structs.replace(
            parent,
            **{name: getattr(child, name) for name in Rule.__struct_fields__ if getattr(child, name) is not None},
        )
    if not rule_within(child, parent):
        return
    for value in tried:
        if fits(child, value):
            assert fits(parent, value), value
    for one in child.source or ():
        for picked in select(one, paper):

            def here(place: tuple[int, ...], asked: tuple[Source, ...], it=picked) -> bool:
                return any(
                    it.path == other.path and it.value == other.value for s in asked for other in select(s, paper)
                )

            if fits(child, picked.value, here):
                assert fits(parent, picked.value, here), picked  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(rules())
def test_a_rule_lies_within_itself_and_within_none(rule: Rule) -> None:
    assert rule_within(rule, rule)
    assert rule_within(rule, Rule())


@settings(max_examples=500, deadline=None)
@given(sources(), sources(), documents)
def test_what_the_narrower_source_picks_the_wider_picks(child: Source, parent: Source, paper: Document) -> None:
    child = msgspec.structs.replace(parent, where=child.where, called=child.called | parent.called, pick=child.pick)
    if source_within(child, parent):
        picked = {(one.path, msgspec.json.encode(one.value)) for one in select(child, paper)}
        assert picked <= {(one.path, msgspec.json.encode(one.value)) for one in select(parent, paper)}


@pytest.mark.parametrize(
    ("child", "parent", "within"),
    [
        (Grant("t/t", carries=("mail",)), Grant("t/t", carries=("mail", "notes")), True),
        (Grant("t/t"), Grant("t/t", carries=("mail",)), True),
        (Grant("t/t", carries=("mail",)), Grant("t/t"), False),
        (Grant("t/t", carries=("*",)), Grant("t/t", carries=("mail",)), False),
        (Grant("t/t", carries=("mail",)), Grant("t/t", carries=("*",)), True),
        (Grant("t/t", otherwise="ask"), Grant("t/t"), False),
        (Grant("t/t"), Grant("t/t", otherwise="ask"), True),
        (Grant("t/t", results="page"), Grant("t/t", results="handle"), False),
        (Grant("t/t", results="handle"), Grant("t/t"), True),
    ],
)
def test_the_words_of_a_grant_only_narrow(child: Grant, parent: Grant, within: bool) -> None:
    assert grant_within(child, parent) is within


def test_a_source_that_chooses_among_fewer_is_another_source() -> None:
    wide, narrow = Source("t/t", "a", pick="any"), Source("t/t", "a", pick="any", where={"b": Rule(one_of=(1,))})
    assert source_within(narrow, wide) and not source_within(wide, narrow)
    first = msgspec.structs.replace(wide, pick="first")
    assert source_within(first, wide) and not source_within(wide, first)
    assert not source_within(msgspec.structs.replace(narrow, pick="first"), first)
    assert source_within(msgspec.structs.replace(first, called={"n": 1}), first)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Rule(at_most=float("inf")), "with an end"),
        (Rule(one_of=(float("nan"),)), "with an end"),
        (Rule(source=(Source("t/t", pick="most", field="a"),)), "by"),
        (Rule(source=(Source("t/t", where={"a": Rule()}),)), "field"),
        (Rule(source=(Source("t/t", extract="text"),)), "looked for"),
        (Rule(source=(Source("t/t", extract="iban", pattern="(a)"),)), "not both"),
        (Rule(source=(Source("t/t", "a", where={"b": Rule(source=(Source("t/t"),))}),)), "of its own"),
        (Rule(source=(Source("t/t", "a", where={"b": Rule(under="x")}),)), "under"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_in_words(rule: Rule, says: str) -> None:
    assert says in flaw(rule)


def test_a_bound_says_which_and_not_only_of_what_form() -> None:
    for rule in (
        Rule(one_of=()),
        Rule(prefix="a"),
        Rule(at_most=4),
        Rule(hosts=("x.org",)),
        Rule(source=()),
        Rule(kind="date"),
    ):
        assert bounds(rule), rule  # fmt: skip
    for rule in (
        None,
        Rule(),
        Rule(prefix=""),
        Rule(kind="email"),
        Rule(kind="number"),
        Rule(chars_max=4),
        Rule(contains="a"),
        Rule(at_least=1),
    ):
        assert not bounds(rule), rule  # fmt: skip
