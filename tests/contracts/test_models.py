"""The contract of every model behind a wire: the same promises in each format, against strict local servers."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from wire import FORMATS, Kind, Speech, WireServer, openai_format
from wire.asking import ask, at, failure, in_turn, question, text, wanted

from gemot.abi.messages import Message, Text, ToolResult, Usage
from gemot.models import open_model
from gemot.models.providers import ProviderModel

every_wire = pytest.mark.parametrize("kind", FORMATS)


# What is said


@every_wire
def test_words_arrive_in_pieces_and_the_reply_is_whole(kind: Kind) -> None:
    with WireServer(kind, "Two files are there.") as server:
        reply, heard = ask(at(server), question())
    assert text(reply) == "Two files are there."
    assert heard == ["Two ", "files ", "are ", "there."]
    assert reply.finish == "stop"
    assert reply.model.startswith(server.model.partition(":")[0])
    assert not server.refused


@every_wire
def test_parallel_requests_come_with_our_names_and_their_own_ids(kind: Kind) -> None:
    speech = Speech(
        "Both.", tools=[("files/read", {"path": "a.md"}), ("files/read", {"path": "b.md", "lines": [1, 2]})]
    )
    with WireServer(kind, in_turn(speech)) as server:
        reply, _ = ask(at(server), question())
    requests = wanted(reply)
    assert [request.name for request in requests] == ["files/read", "files/read"]
    assert [json.loads(request.arguments) for request in requests] == [
        {"path": "a.md"},
        {"path": "b.md", "lines": [1, 2]},
    ]
    assert len({request.id for request in requests}) == 2
    assert reply.finish == "tool_call"
    assert "$ref" not in json.dumps(server.requests) and "files/read" not in json.dumps(server.requests)


@every_wire
def test_results_go_back_to_the_requests_they_answer(kind: Kind) -> None:
    script = in_turn(Speech(tools=[("files/read", {"path": "a.md"}), ("files/read", {"path": "no.md"})]), "Done.")
    with WireServer(kind, script) as server:
        first, _ = ask(at(server), question())
        one, two = wanted(first)
        results = (
            Message("tool", (ToolResult(two.id, two.name, "no such file", ok=False),)),
            Message("tool", (ToolResult(one.id, one.name, ""),)),
        )
        reply, _ = ask(at(server), question(Message("model", first.parts), *results))
    assert text(reply) == "Done."
    assert not server.refused
    sent = json.dumps(server.requests[1])
    assert "no such file" in sent and "(no output)" in sent


@every_wire
def test_usage_is_counted_and_priced_in_whole_micro_dollars(kind: Kind) -> None:
    with WireServer(kind, in_turn(Speech("Hi.", tokens_in=1001, tokens_out=33, tokens_cached=400))) as server:
        reply, _ = ask(at(server), question())
    prices = {"openai": 334, "anthropic": 806, "google": 275, "ollama": 0, "responses": 1132}
    assert reply.usage == Usage(1001, 33, 400, prices[kind])


def test_a_price_that_nobody_knows_is_unknown_and_not_zero() -> None:
    with WireServer("openai") as server:
        reply, _ = ask(at(server, url=server.url), question())
        assert reply.usage.usd_micros == 72
        strange = ProviderModel("openai", "model-of-tomorrow", environment=server.environment)
        reply, _ = ask(strange, question())
    assert reply.usage.usd_micros is None


@pytest.mark.parametrize(
    "reported",
    [
        "lots",
        [1, 2],
        5,
        {"prompt_tokens": "many"},
        {"prompt_tokens": 5, "completion_tokens": 5, "prompt_tokens_details": "x"},
    ],
)
def test_use_that_can_not_be_read_costs_no_reply(reported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_format, "_usage", lambda _: reported)
    with WireServer("openai", "Two files.") as server:
        reply, _ = ask(at(server), question())
    assert text(reply) == "Two files." and len(server.requests) == 1
    assert all(type(count) is int for count in (reply.usage.tokens_in, reply.usage.tokens_out))


def test_event_of_another_shape_is_a_garbled_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_format, "events", lambda *_: iter([("", "5"), ("", "[DONE]")]))
    with WireServer("openai", "Two files.") as server:
        error = failure(at(server), question())
    assert "its reply can't be read" in str(error)


@every_wire
def test_bounds_are_sent(kind: Kind) -> None:
    with WireServer(kind) as server:
        ask(at(server), question(tokens_out_max=77, temperature=0.5))
    sent = json.dumps(server.requests[0])
    assert ": 77" in sent and (": 0.5" in sent) == (kind != "responses")  # a reasoning model takes no temperature


# What models get wrong


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "google"])  # whose arguments can't be broken
def test_broken_arguments_come_exactly_as_written_and_can_be_shown_again(kind: Kind) -> None:
    broken = '{"path": "a.md", "lines": [1,'
    with WireServer(kind, in_turn(Speech(tools=[("files/read", broken)]), "Sorry.")) as server:
        first, _ = ask(at(server), question())
        (request,) = wanted(first)
        assert request.arguments == broken
        told = Message("tool", (ToolResult(request.id, request.name, "not JSON: ends too early", ok=False),))
        reply, _ = ask(at(server), question(Message("model", first.parts), told))
    assert text(reply) == "Sorry."
    assert not server.refused


@every_wire
def test_unknown_tools_and_wrong_types_are_for_the_trap_to_judge(kind: Kind) -> None:
    speech = Speech(tools=[("format_disk", {}), ("files/read", {"path": 7, "lines": "all", "extra": None})])
    with WireServer(kind, in_turn(speech)) as server:
        reply, _ = ask(at(server), question())
    unknown, mistyped = wanted(reply)
    assert (unknown.name, json.loads(unknown.arguments)) == ("format_disk", {})
    assert json.loads(mistyped.arguments) == {"path": 7, "lines": "all", "extra": None}


@every_wire
def test_a_choice_is_one_of_the_options_after_one_repeat(kind: Kind) -> None:
    with WireServer(kind, in_turn("I would say it is good!", " 'Good'. ")) as server:
        reply, _ = ask(at(server), question(choose=("good", "bad")))
    assert reply.parts == (Text("good"),)
    assert reply.usage.tokens_in == 200
    assert len(server.requests) == 2 and not server.refused


@every_wire
def test_a_choice_that_never_comes_fails_clearly(kind: Kind) -> None:
    with WireServer(kind, "Perhaps.") as server:
        error = failure(at(server), question(choose=("good", "bad")))
    assert error.kind == "garbled"
    assert "'good', 'bad'" in str(error) and "Perhaps." in str(error)


# What networks and providers get wrong


@every_wire
def test_rate_limit_may_pass_and_says_the_pause_that_the_provider_asks_for(kind: Kind) -> None:
    with WireServer(kind, in_turn(Speech(status=429, error="slow down", headers={"retry-after": "7"}))) as server:
        error = failure(at(server), question())
    assert error.kind == "overloaded" and error.passing and error.retry_after_seconds == 7.0
    assert len(server.requests) == 1


@every_wire
def test_broken_provider_is_asked_once_and_named(kind: Kind) -> None:
    with WireServer(kind, in_turn(Speech(status=500, error="the hamster died"))) as server:
        error = failure(at(server), question())
    assert error.kind == "overloaded" and error.passing and error.retry_after_seconds is None
    assert len(server.requests) == 1  # the machine makes further attempts
    for word in (server.model, "500", "the hamster died", "--model"):
        assert word in str(error)


@every_wire
@pytest.mark.parametrize("death", ["broken", "quiet"])
def test_stream_that_dies_is_no_reply_and_may_pass(kind: Kind, death: Any) -> None:
    with WireServer(kind, in_turn(Speech("One two three four five six.", dies=death))) as server:
        error = failure(at(server), question())
    assert error.kind == "unreachable" and error.passing and not error.silent
    assert error.usage is not None and error.usage.tokens_in > 0
    assert len(server.requests) == 1


TOO_LONG = {
    "responses": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "openai": "This model's maximum context length is 128000 tokens. However, your messages resulted in 130042 tokens.",
    "anthropic": "prompt is too long: 214315 tokens > 200000 maximum",
    "google": "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
    "ollama": "the request exceeds the available context size (8192 tokens), try increasing it",
}


@every_wire
def test_a_question_that_is_too_long_is_told_from_other_refusals(kind: Kind) -> None:
    with WireServer(kind, in_turn(Speech(status=400, error=TOO_LONG[kind]))) as server:
        assert failure(at(server), question()).kind == "window"
    with WireServer(kind, in_turn(Speech(status=413, error="Request too large."))) as server:
        assert failure(at(server), question()).kind == "window"
    with WireServer(kind, in_turn(Speech(status=429, error="too many tokens per minute"))) as server:
        assert failure(at(server), question()).kind == "overloaded"


@every_wire
def test_a_refusal_is_final_and_says_why(kind: Kind) -> None:
    with WireServer(kind, in_turn(Speech(status=400, error="too many hats"))) as server:
        error = failure(at(server), question())
    assert error.kind == "refused"
    assert "too many hats" in str(error) and "400" in str(error)
    assert len(server.requests) == 1


@every_wire
def test_a_wrong_key_is_refused_and_never_quoted(kind: Kind) -> None:
    with WireServer(kind) as server:
        error = failure(at(server, key="sk-wrong-0123456789abcdefghij"), question())
        plain = failure(at(server, key="hunter2hunter2"), question())
    assert error.kind == "refused" and "[key]" in str(error)
    assert "0123456789" not in str(error) and "hunter2" not in str(plain)
    assert "_API_KEY" in str(error)


def test_used_up_credit_is_not_asked_for_again() -> None:
    def script(_: dict[str, Any], __: int) -> Speech:
        return Speech(status=402, error="insufficient credit")

    with WireServer("openai", script) as server:
        error = failure(at(server), question())
    assert error.kind == "quota" and "credit" in str(error)
    assert len(server.requests) == 1


@every_wire
def test_nobody_there_is_said_with_the_address(kind: Kind) -> None:
    with WireServer(kind) as server:
        url = server.url
    error = failure(at(server, url=url), question())
    assert error.kind == "unreachable" and url in str(error)


@pytest.mark.parametrize(
    ("kind", "variable"),
    [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY"), ("google", "GOOGLE_API_KEY or GEMINI_API_KEY")],
)
def test_a_missing_key_names_its_variable(kind: str, variable: str) -> None:
    error = failure(open_model(f"{kind}:some-model", {}), question())
    assert error.kind == "missing" and variable in str(error)


@every_wire
def test_cancelling_closes_the_connection(kind: Kind) -> None:
    with WireServer(kind, in_turn(Speech("Late.", holds=threading.Event()))) as server:

        async def run() -> None:
            model = at(server)
            asking = asyncio.create_task(model.generate(question(), lambda _: None))
            await asyncio.to_thread(server.asked.wait, 30)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await asyncio.to_thread(server.gone.wait, 10)
            await model.close()

        asyncio.run(run())


def test_the_key_is_in_no_repr() -> None:
    with WireServer("openai") as server:
        model = at(server, key="sk-secret-0123456789")
        assert "secret" not in repr(model) and server.url in repr(model)


def test_one_model_serves_one_event_loop_after_another() -> None:
    with WireServer("openai") as server:
        model = at(server)
        for _ in range(2):
            assert text(asyncio.run(model.generate(question(), lambda _: None))) == "Hello."


# Any address that speaks OpenAI's format


@pytest.mark.parametrize("name", ["hand:{}", "openai-compatible:{}#some-model", "openai-compatible:{}"])
def test_an_address_is_a_model_and_never_sees_the_key_for_openai(name: str) -> None:
    with WireServer("ollama", in_turn(Speech(tools=[("clock/now", {})]))) as server:
        full = name.format(server.url)
        reply, _ = ask(open_model(full, {"OPENAI_COMPATIBLE_API_KEY": server.key}), question())
        assert [request.name for request in wanted(reply)] == ["clock/now"]
        assert reply.usage.usd_micros is None
        error = failure(open_model(full, {"OPENAI_API_KEY": server.key}), question())
    assert error.kind == "refused" and "401" in str(error)  # the right key, and it was not sent


def test_web_page_in_the_place_of_a_reply_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_format, "streams", lambda *_: False)
    monkeypatch.setattr(json, "dumps", lambda *_, **__: "<!doctype html><title>Log in</title>")
    with WireServer("openai", "Two files.") as server:
        error = failure(at(server), question())
    assert error.kind == "garbled" and not error.passing and "web page" in str(error)
    assert len(server.requests) == 1
