"""Models through pydantic-ai: the same promises, for providers whose format gemot does not speak itself."""

from __future__ import annotations

import json

import pytest
from wire import Speech, WireServer
from wire.asking import ask, failure, in_turn, question, text, wanted

from gemot.abi.messages import Message, ToolResult
from gemot.models import open_model


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    with WireServer("openai") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def test_reply_of_another_provider_has_words_requests_and_usage(server: WireServer) -> None:
    server.script = in_turn(
        Speech("Both.", tools=[("files/read", {"path": "a.md"})], tokens_in=100, tokens_out=7), "Done."
    )
    model = open_model("pydantic-ai:openai-chat:gpt-4.1-mini")
    reply, heard = ask(model, question())
    (request,) = wanted(reply)
    assert "".join(heard) == "Both." and text(reply) == "Both."
    assert request.name == "files/read" and json.loads(request.arguments) == {"path": "a.md"}
    assert (reply.usage.tokens_in, reply.usage.tokens_out) == (100, 7) and reply.finish == "tool_call"
    result = Message("tool", (ToolResult(request.id, request.name, "hello"),))
    reply, _ = ask(open_model("pydantic-ai:openai-chat:gpt-4.1-mini"), question(Message("model", reply.parts), result))
    assert text(reply) == "Done." and not server.refused


def test_server_error_of_another_provider_may_pass(server: WireServer) -> None:
    server.script = in_turn(Speech(status=503, error="busy"))
    error = failure(open_model("pydantic-ai:openai-chat:gpt-4.1-mini"), question())
    assert error.passing and error.kind == "overloaded" and "busy" in str(error)


def test_refused_key_of_another_provider_is_told_at_once_and_not_repeated(server: WireServer) -> None:
    server.script = in_turn(Speech(status=401, error=f"bad key {server.key}"))
    error = failure(open_model("pydantic-ai:openai-chat:gpt-4.1-mini"), question())
    assert not error.passing and error.kind == "refused" and server.key not in str(error)


def test_unknown_provider_is_named() -> None:
    error = failure(open_model("pydantic-ai:nowhere:x"), question())
    assert error.kind == "missing" and "nowhere" in str(error)
