"""From a model's words to syscalls: every request is decoded completely, or answered with what is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gemot.abi.messages import ToolRequest
from gemot.abi.syscalls import SYSCALLS, Exit, Spawn, ToolUse
from gemot.authority.schema import flaw
from gemot.programs.replying import REQUESTABLE, Malformed, decode, schema_beside_spawn, schema_of


def asked(name: str, arguments: str) -> ToolRequest:
    return ToolRequest("1", name, arguments)


def test_a_tool_and_a_syscall_are_decoded() -> None:
    assert decode(asked("files/read", '{"path": "a"}')) == ToolUse("files/read", {"path": "a"})
    assert decode(asked("spawn", '{"brief": "x"}')) == Spawn("x")
    assert decode(asked("list_tasks", "")) == SYSCALLS["list_tasks"]()


def test_a_claim_names_a_tool_as_the_model_knows_it() -> None:
    wanted = decode(asked("exit", '{"value": 1, "claims": {"a": "shell__run", "b": "my/own__tool", "c": "no_tool"}}'))
    assert wanted == Exit(1, claims={"a": "shell/run", "b": "my/own__tool", "c": "no_tool"})


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("files/read", '{"path": ', "not JSON"),
        ("files/read", "[1]", "one JSON object"),
        ("files/read", '"a.md"', "one JSON object"),
        ("spwan", "{}", "spawn"),
        ("call", "{}", "driver/tool"),
        ("spawn", "{}", "brief"),
        ("spawn", '{"brief": 3}', "Expected"),
        ("spawn", '{"brief": "x", "grant": []}', "grant"),
        ("spawn", '{"brief": "x", "grants": [{"tool": "files/read", "were": {}}]}', "were"),
        ("spawn", '{"brief": "x", "grants": [{"tool": "files/read", "where": {"path": {"oneof": ["a"]}}}]}', "oneof"),
        ("spawn", '{"brief": "x", "budget": {"token": 5}}', "token"),
        ("spawn", '{"brief": "x", "grants": [{"tool": "files/*", "uses": 1' + "0" * 30 + "}]}", "64 bits"),
        ("calculator/sum", '{"numbers": [1' + "0" * 30 + "]}", "64 bits"),
    ],
)
def test_a_malformed_request_is_told_what_is_wrong(name: str, arguments: str, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode(asked(name, arguments))
    assert words in str(caught.value)


@given(
    some.text() | some.sampled_from(sorted(SYSCALLS)),
    some.text() | some.dictionaries(some.text(), some.none()).map(json.dumps),
)
def test_whatever_a_model_writes_is_a_syscall_a_tool_use_or_malformed(name: str, arguments: str) -> None:
    try:
        decode(asked(name, arguments))
    except Malformed as error:
        assert str(error)


@pytest.mark.parametrize("name", sorted(REQUESTABLE))
def test_every_syscalls_schema_is_one_and_has_no_references(name: str) -> None:
    schema = schema_of(name)
    assert flaw(schema) == ""
    assert "$ref" not in json.dumps(schema)
    assert "type" not in schema.get("properties", {})


def within(depth: int) -> str:
    """A grant with a rule of a source that has a rule, and so on, which nobody means and no grant may have."""
    rule = '{"one_of": ["x"]}'
    for _ in range(depth):
        rule = '{"source": [{"tool": "t", "field": "f", "where": {"x": ' + rule + "}}]}"
    return '{"tool": "files/read", "where": {"path": ' + rule + "}}"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("spawn", '{"brief": "x", "grants": [GRANT]}'),
        ("fork", '{"brief": "x", "grants": [GRANT]}'),
        ("grant", '{"pid": 2, "grants": [GRANT]}'),
        ("add", '{"tasks": [{"text": "x", "grants": [GRANT]}]}'),
        ("mandate", '{"steps": [{"title": "x", "grants": [GRANT]}]}'),
    ],
)
@pytest.mark.parametrize("depth", [17, 240])
def test_what_could_be_written_and_not_be_read_again_is_malformed(name: str, arguments: str, depth: int) -> None:
    with pytest.raises(Malformed, match="deep"):
        decode(asked(name, arguments.replace("GRANT", within(depth))))
    decode(asked(name, arguments.replace("GRANT", within(3))))


def test_what_a_field_is_for_is_said_whatever_its_type() -> None:
    spawn = schema_of("spawn")["properties"]
    assert "share of your budget" in spawn["budget"]["description"]
    assert "description" not in spawn["mounts"]["items"]  # what the class says of itself is not for models
    assert not [name for name, one in spawn.items() if one.get("default") in ([], ())]


@pytest.mark.parametrize("name", sorted(REQUESTABLE))
def test_what_spawn_shows_is_not_shown_again_beside_it(name: str) -> None:
    whole, beside = schema_of(name), schema_beside_spawn(name)
    assert flaw(beside) == ""
    assert list(beside.get("properties", {})) == list(whole.get("properties", {}))
    assert len(json.dumps(beside)) <= len(json.dumps(whole))


def test_beside_spawn_a_grant_is_said_once() -> None:
    assert schema_beside_spawn("spawn") == schema_of("spawn")
    assert schema_beside_spawn("fork")["properties"]["grants"] == {
        "description": "As in spawn.",
        "type": "array",
        "items": {},
    }
    task = schema_beside_spawn("add")["properties"]["tasks"]["items"]["properties"]
    assert (
        task["grants"]["description"]
        == schema_of("add")["properties"]["tasks"]["items"]["properties"]["grants"]["description"]
    )
    assert "one_of" in json.dumps(schema_of("add")) and "one_of" not in json.dumps(schema_beside_spawn("add"))
