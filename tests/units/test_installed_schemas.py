"""Schemas of tools on a whole machine: a legal one is used, a flawed one is refused at opening, and none stops the machine."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from gemot import Machine, MachineError, scripted
from gemot.abi.grants import Grant, Rule, Source
from gemot.abi.messages import Reply, ToolRequest
from gemot.abi.tools import ToolSpec
from gemot.drivers.kit import Driver, Tool, tool


@tool("odd/plain", effect="reads", repeatable=True)
def plain() -> str:
    """A tool."""
    return "done"


def driver(schema: Any, **words: Any) -> Driver:
    """A driver with one tool of this schema, as code for another protocol makes it."""

    class Open(Tool):
        def decode(self, raw: bytes | str) -> dict[str, Any]:
            return {}

    spec = ToolSpec("odd/tool", "An odd tool.", schema, "writes", False, **words)
    return Driver("odd", "Odd.", tools={"odd/tool": Open(spec, plain.function, None, plain.arguments)})


def run(schema: Any, arguments: str, grant: Grant = Grant("odd/tool"), **words: Any) -> tuple[Any, str]:
    """A model uses the tool twice, then ends: the outcome, and all that it was shown at the end."""

    async def go() -> tuple[Any, str]:
        seen: list[str] = []

        def model(request: Any) -> Any:
            seen.append(str(request.messages))
            name, given = ("exit", '{"value": "end"}') if len(seen) > 2 else ("odd/tool", arguments)
            return Reply((ToolRequest(f"u{len(seen)}", name, given),))

        opened = await Machine.open(in_memory=True, drivers=[driver(schema, **words)], models={"m": scripted(model)})
        async with opened as machine:
            pid = await machine.start("go", model="m", grants=[grant])
            outcome = await asyncio.wait_for(machine.result(pid), 60)
            assert machine.failure is None
            return outcome, seen[-1]

    return asyncio.run(go())


LEGAL: list[Any] = [
    {"type": "object", "properties": {"value": True}},
    {"type": "object", "properties": {"value": False}},
    {"type": "object", "additionalProperties": True, "anyOf": [True, False]},
    {"properties": {"value": {"items": True, "prefixItems": [True, False]}}, "$defs": {"a": True}},
    {
        "type": "object",
        "properties": {"value": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}},
    },
    {"type": "object", "properties": {"value": {"type": ["string", "null"], "default": None}}},
    {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"value": {"items": [{"type": "string"}]}}},
    {"type": "object", "patternProperties": {"^v": {"not": {"type": "null"}}}, "propertyNames": {"maxLength": 9}},
    {"type": "object", "properties": {"value": {"enum": [1, "a", None, {"b": []}]}, "other": {"const": True}}},
    {"type": "object", "properties": {"a.b": {"oneOf": [True, {"$ref": "#"}]}}, "title": 5 * "x"},
    {"type": "object", "properties": {f"p{at}": {"$ref": "#/$defs/n"} for at in range(9)}}
    | {"$defs": {"n": {"properties": {f"q{at}": {"$ref": f"#/$defs/{'n' if at % 2 else 'm'}"} for at in range(9)}}}},
]
LEGAL[-1]["$defs"]["m"] = {"properties": {f"r{at}": {"$ref": "#/$defs/n"} for at in range(9)}}


@pytest.mark.parametrize("schema", LEGAL, ids=range(len(LEGAL)))
@pytest.mark.parametrize("arguments", ["{}", '{"value": "a"}', '{"value": [[1], null]}'])
def test_a_legal_schema_is_offered_and_checked(schema: Any, arguments: str) -> None:
    source = Grant("odd/tool", {"value": Rule(source=(Source("odd/tool"),), one_of=("a",))})
    has_value = isinstance(schema, dict) and "value" in schema.get("properties", {"value": {}})
    for grant in (Grant("odd/tool"), source) if has_value else (Grant("odd/tool"),):
        outcome, _ = run(schema, arguments, grant)
        assert outcome.state == "done", outcome


FLAWED: list[Any] = [
    None, True, False, [], "x", 3, {"type": "thing"}, {"properties": []}, {"properties": {"a": None}}, {"required": "a"},
    {"anyOf": {}}, {"$ref": "https://schemas.invalid/a"}, {"$ref": "#/$defs/none"}, {"pattern": "("}, {"type": "string"},
    {"items": [True]}, {"$schema": "https://schemas.invalid/own"}, {"const": float("nan")},
]  # fmt: skip


@pytest.mark.parametrize("schema", FLAWED, ids=range(len(FLAWED)))
def test_a_flawed_schema_is_refused_at_opening_by_the_name_of_its_tool(schema: Any) -> None:
    with pytest.raises(MachineError, match="odd/tool"):
        run(schema, "{}")


def test_a_path_argument_that_the_schema_has_not_is_refused_at_opening() -> None:
    with pytest.raises(MachineError, match="'file'"):
        run({"type": "object", "properties": {"path": {"type": "string"}}}, "{}", paths=("file",))


def some_schema(chance: random.Random, depth: int = 0) -> Any:
    """A schema, or something like one, with words of the standard at places where they may or may not stand."""
    if depth > 3 or chance.random() < 0.25:
        return chance.choice(
            [True, False, {}, None, 3, [], "x", {"type": "string"}, {"$ref": "#"}, {"type": "integer"}]
        )
    words = [
        "type",
        "properties",
        "required",
        "items",
        "prefixItems",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "enum",
        "const",
        "additionalProperties",
        "$ref",
        "$defs",
        "pattern",
        "patternProperties",
        "minLength",
        "contains",
        "default",
        "definitions",
        "unevaluatedProperties",
        "dependentSchemas",
    ]
    made: dict[str, Any] = {}
    for word in chance.sample(words, chance.randint(1, 4)):
        below = some_schema(chance, depth + 1)
        plain: list[Any] = [below, [below], {"value": below}, {"a": below, "b.c": True}]
        texts = ["object", "#/$defs/a", "^a", ["value"], "#/properties/value"]
        made[word] = chance.choice(texts if chance.random() < 0.3 else plain)
    return made


@pytest.mark.parametrize("seed", range(25))
def test_no_schema_stops_the_machine(seed: int) -> None:
    chance = random.Random(seed)
    used = 0
    for _ in range(20):
        schema = some_schema(chance)
        grant = Grant("odd/tool", {"value": Rule(source=(Source("odd/tool"),))} if chance.random() < 0.5 else {})
        try:
            run(schema, chance.choice(["{}", '{"value": {"a": 1}}', '{"value": {"$from": 1}}']), grant)
            used += 1
        except MachineError as error:
            refused = ("can't be installed", "there is no argument 'value'")  # of the schema, or of the grant
            assert any(words in str(error) for words in refused), (seed, schema)
    print(f"seed {seed}: {used} of 20 schemas are legal")
