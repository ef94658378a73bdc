"""The wire servers themselves: a strict server that is not strict would prove nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from wire import KINDS, Kind, Speech, WireServer

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]
GIVEN = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="}


def say(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks) or [{"type": "text", "text": "Hi."}]}


def turn(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts) or [{"text": "Hi."}]}


def post(server: WireServer, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    paths = {
        "openai": "/chat/completions",
        "ollama": "/chat/completions",
        "anthropic": "/v1/messages",
        "google": "/v1beta/models/gemini-2.5-flash:generateContent",
    }
    keys = {"authorization": f"Bearer {server.key}", "x-api-key": server.key, "x-goog-api-key": server.key}
    request = Request(server.url + paths[server.kind], json.dumps(body).encode(), keys)
    try:
        with build_opener(ProxyHandler({})).open(request) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


GOOD: dict[Kind, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": "Hi."}]},
    "ollama": {"messages": [{"role": "user", "content": "Hi."}]},
    "anthropic": {"max_tokens": 9, "messages": [say("user")]},
    "google": {"contents": [turn("user")]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_reply_has_everything_that_was_to_be_said(kind: Kind) -> None:
    speech = Speech("Some words.", tools=[("a/b", {"c": 1})], reasoning="A thought.", signature="c2ln")
    with WireServer(kind, lambda _, __: speech) as server:
        status, body = post(server, GOOD[kind])
    assert status == 200
    for word in ("Some words.", "a__b", "A thought."):
        assert word in json.dumps(body)


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("openai", {"messages": []}, "empty"),
        ("openai", {"messages": [{"role": "assistant", "content": None}]}, "needs content"),
        ("openai", {"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, "without a tool message"),
        ("openai", {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]}, "must follow"),
        ("openai", {"messages": [{"role": "user", "content": "x", "name2": 1}]}, "unknown fields"),
        ("anthropic", {"messages": [say("user")]}, "max_tokens"),
        ("anthropic", {"max_tokens": 9, "messages": [say("user"), say("user")]}, "alternate"),
        ("anthropic", {"max_tokens": 9, "messages": [say("user"), say("assistant")]}, "last message"),
        ("anthropic", {"max_tokens": 9, "messages": [say("user", {"type": "text", "text": " "})]}, "non-whitespace"),
        (
            "anthropic",
            {"max_tokens": 9, "tools": TOOLS, "messages": [say("user"), say("assistant", USE), say("user")]},
            "need tool_result",
        ),
        ("google", {"contents": [turn("model"), turn("user")]}, "first turn"),
        ("google", {"contents": [turn("user"), turn("model", GIVEN), turn("user")]}, "must equal"),
        ("google", {"contents": [turn("user", {"text": ""})]}, "empty text"),
    ],
)
def test_what_a_provider_refuses_is_refused(kind: Kind, body: dict[str, Any], why: str) -> None:
    with WireServer(kind) as server:
        status, answer = post(server, body)
        assert status == 400
        assert why in json.dumps(answer)
        assert post(server, GOOD[kind])[0] == 200
    assert any(why in reason for reason in server.refused)
