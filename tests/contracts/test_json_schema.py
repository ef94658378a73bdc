"""The official JSON Schema test suite against the two functions by which gemot checks values (see json_schema/NOTICE)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gemot.authority.schema import flaw, mismatch

SUITE = Path(__file__).parent / "json_schema"
DRAFTS = {
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft7": "http://json-schema.org/draft-07/schema#",
}
OUTSIDE = ("only references within the schema are followed", "Unknown meta-schema")
"""What is refused on purpose: a schema that is not whole without the network."""


def cases(draft: str) -> list[tuple[str, dict[str, Any]]]:
    lines = (SUITE / f"{draft}.jsonl").read_text().splitlines()
    return [(name, case) for line in lines for name, found in json.loads(line).items() for case in found]


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_official_suite_is_judged_right_but_for_references_that_lead_outside(draft: str) -> None:
    tried, outside, wrong = 0, 0, list[str]()
    for name, case in cases(draft):
        schema = case["schema"]
        if isinstance(schema, dict):
            schema = {"$schema": DRAFTS[draft]} | schema
        flawed = flaw(schema)
        if flawed:
            assert any(words in flawed for words in OUTSIDE), f"{name}, {case['about']}: {flawed}"
            outside += 1
            continue
        for about, value, valid in case["tests"]:
            tried += 1
            said = mismatch(value, schema)
            if (said == "") != valid:
                wrong.append(f"{name}, {case['about']}, {about}: {said or 'accepted'}")
    assert not wrong, "\n".join(wrong)
    assert tried >= 850 and outside <= 22


@pytest.mark.parametrize("schema", [None, 3, "x", [], {"type": "thing"}, {"required": [1]}, {"pattern": "("}])
def test_nothing_fits_what_is_no_schema(schema: Any) -> None:
    assert flaw(schema)
    assert "its schema can't be checked" in mismatch({}, schema)


def nested(word: str, depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {word: schema}
    return schema


def doubling(word: str, levels: int) -> dict[str, Any]:
    """A short schema that asks for 2 to the power of ``levels`` checks."""
    parts = {f"a{at}": {word: [{"$ref": f"#/$defs/a{at + 1}"}] * 2} for at in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": parts | {f"a{levels}": {"type": "string"}}}


def unevaluated(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": {"a": True}}
    for _ in range(levels):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        nested("items", 100_000),
        nested("items", 200),
        nested("not", 200),
        doubling("allOf", 40),
        doubling("anyOf", 40),
        unevaluated(30),
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"$ref": "https://schemas.invalid/a.json"},
        {"$ref": "file:///a.json"},
        {"enum": list(range(100_000))},
        {"pattern": "((a{1,500}){1,500}){1,500}"},
    ],
    ids=range(12),
)
def test_a_schema_that_asks_for_too_much_has_a_flaw(schema: Any) -> None:
    assert flaw(schema)
    assert mismatch("x", schema)


def test_a_value_that_asks_for_too_many_checks_is_refused() -> None:
    knot = {"type": "array", "items": {"$ref": "#/$defs/t"}, "minItems": 1}
    schema = {"$defs": {"t": {"anyOf": [knot, knot]}}, "$ref": "#/$defs/t"}
    value: list[Any] = []
    for _ in range(40):
        value = [value]
    assert not flaw(schema)
    assert "make it smaller" in mismatch(value, schema)


def test_a_pattern_that_backtracks_is_not_compared_with_a_long_text() -> None:
    schema = {"pattern": "(?=x*)((a*)*)*$"}
    assert not mismatch("ab", {"pattern": "(?=a)ab"})
    assert "make it shorter" in mismatch("a" * 1_000_000 + "b", schema)


@pytest.mark.parametrize(
    ("value", "schema", "fits"),
    [
        (True, {"const": 1}, False),
        (1.0, {"const": 1}, True),
        (True, {"enum": [1]}, False),
        (0, {"enum": [False]}, False),
        (10**400, {"type": "integer"}, True),
        (10**30 + 1, {"const": 10**30}, False),
        (10**400, {"maximum": 10**399}, False),
        (float("nan"), {"type": "number"}, False),
        (float("nan"), {"type": "null"}, False),
        ([float("inf")], True, False),
        ({"a": float("-inf")}, {}, False),
        ("anything", {"format": "email"}, True),
        ((1, 2), {"type": "array", "items": {"type": "integer"}}, True),
        ({"x": 1}, {"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False}, True),
    ],
)
def test_values_at_the_edge_are_judged_by_the_standard(value: Any, schema: Any, fits: bool) -> None:
    assert (mismatch(value, schema) == "") == fits


FILES: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "paths": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "mode": {"enum": ["read", "write"]},
        "lines": {"type": "integer", "minimum": 3},
        "where": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {"type": "integer"}}}]},
    },
    "required": ["path"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, ("path is missing",)),
        ({"pth": "a"}, ("pth is not known here; did you mean path?", "known: path, paths", "path is missing")),
        ({"path": 3}, ("path must be string, not integer (3)",)),
        ({"path": "a", "paths": "a"}, ("paths must be array, not string ('a'), for example [\"text\"]",)),
        ({"path": "a", "paths": ["a", 2]}, ("paths[1] must be string, not integer (2)",)),
        ({"path": "a", "paths": ["a"] * 3}, ("paths must have at most 2 items, it has 3",)),
        ({"path": "a", "mode": "reed"}, ("mode must be one of 'read', 'write', not 'reed'; did you mean 'read'?",)),
        ({"path": "a", "lines": 2}, ("lines must be at least 3, not 2",)),
        ({"path": "a", "where": 5}, ("where must be string or object, not integer (5)",)),
        ({"path": "a", "where": {"x": "y"}}, ("fits none of the allowed forms", "where.x must be integer")),
        ([], ('it must be object, not array, for example {"path":"text"}',)),
    ],
)
def test_a_mismatch_says_where_what_was_given_and_what_is_wanted(value: Any, words: tuple[str, ...]) -> None:
    said = mismatch(value, FILES)
    assert all(one in said for one in words), said


def test_a_mismatch_is_told_in_few_words_however_large_the_value() -> None:
    large = {f"name{number}": "x" * 10_000 for number in range(500)}
    assert len(mismatch(large, FILES)) < 1_000
    assert len(mismatch("x" * 1_000_000, {"const": "y", "pattern": "^y", "enum": ["z" * 1_000_000]})) < 1_000
