"""Providers misbehave in their own wire formats; each ends in a correction by the model or in a clear failure."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from people import Done, Person
from wire import KINDS, Kind, Speech, WireServer


def run(person: Person, server: WireServer, goal: str, *words: str, code: int | None = 0) -> Done:
    command = ("run", goal, "-q", "--model", server.model, "--work", str(person.work), *words)
    return person.gemot(*command, code=code, **server.environment)


def told(speeches: Sequence[Speech]):
    """A script that says one speech after the other."""

    def script(_: dict[str, Any], number: int) -> Speech:
        return speeches[min(number, len(speeches) - 1)]

    return script


READ = Speech("I look.", [("files/read", {"path": "a.txt"})])
DONE = Speech("", [("exit", {"value": "it says hello"})])


@pytest.mark.parametrize("kind", KINDS)
def test_a_goal_is_reached_over_every_wire_format(person: Person, kind: Kind) -> None:
    person.files(a__txt="hello\n")
    with WireServer(kind, told([READ, DONE])) as server:
        assert run(person, server, "what does a.txt say?").out.strip() == "it says hello"
        assert server.refused == []
        assert "hello" in json.dumps(server.requests[-1])
    (process,) = person.processes()
    assert process["spent"]["tokens"] == 2 * 120


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_provider_had_cached_is_shown_wherever_use_is(person: Person, kind: Kind) -> None:
    person.files(a__txt="hello\n")
    again = Speech("", [("exit", {"value": "it says hello"})], tokens_cached=80)
    with WireServer(kind, told([READ, again])) as server:
        command = ("run", "what does a.txt say?", "--model", server.model, "--work", str(person.work))
        assert "240 tokens (80 cached)" in person.gemot(*command, **server.environment).err
    (process,) = person.processes()
    assert process["tokens_cached"] == 80
    assert "100 tokens in (80 cached), 20 out" in person.gemot("log", str(process["pid"])).out
    assert "240 tokens (80 cached)" in person.gemot("tree").out
    assert ["240", "80"] in [line.split()[3:5] for line in person.gemot("ps", "--all").out.splitlines()]


def test_a_busy_provider_is_asked_again(person: Person) -> None:
    busy = Speech(status=429, error="slow down", headers={"retry-after": "0"})
    person.files(a__txt="hello\n")
    with WireServer("openai", told([busy, READ, DONE])) as server:
        assert run(person, server, "what does a.txt say?").out.strip() == "it says hello"


def test_a_provider_that_dies_in_mid_stream_is_asked_again(person: Person) -> None:
    dying = Speech("I look very carefully at it.", dies="broken")
    person.files(a__txt="hello\n")
    with WireServer("anthropic", told([dying, READ, DONE])) as server:
        assert run(person, server, "what does a.txt say?").out.strip() == "it says hello"


def test_a_provider_that_refuses_ends_in_a_clear_failure(person: Person) -> None:
    with WireServer("openai", told([Speech(status=400, error="this model does not exist")])) as server:
        assert "this model does not exist" in run(person, server, "x", code=1).err


@pytest.mark.parametrize("kind", KINDS)
def test_broken_json_unknown_tools_and_wrong_types_are_corrected(person: Person, kind: Kind) -> None:
    wrong = Speech(
        "", [("files/read", '{"path": "a.t'), ("files/raed", {"path": "a.txt"}), ("files/read", {"path": 7})]
    )
    if kind == "google":  # its arguments are objects on the wire, so they can't be broken JSON
        wrong = Speech("", [("files/raed", {"path": "a.txt"}), ("files/read", {"path": 7})])
    person.files(a__txt="hello\n")
    with WireServer(kind, told([wrong, READ, DONE])) as server:
        assert run(person, server, "what does a.txt say?").out.strip() == "it says hello"
        corrections = json.dumps(server.requests[1])
        assert "did you mean" in corrections and "must be string" in corrections
        assert server.refused == []


def test_a_conversation_begun_with_one_provider_is_finished_with_another(person: Person) -> None:
    """Moved from a second terminal while the first provider thinks, in the middle of the task."""
    person.files(a__txt="hello\n")
    holding = threading.Event()
    first_script = told(
        [
            Speech("I look.", [("files/read", {"path": "a.txt"})], reasoning="hm", signature="s1"),
            Speech("late", holds=holding),
        ]
    )
    with WireServer("anthropic", first_script) as first, WireServer("openai", told([DONE])) as second:
        environment = first.environment | second.environment
        running = person.begin(
            "run", "what does a.txt say?", "-q", "--model", first.model, "--work", str(person.work), **environment
        )
        person.until(lambda: len(first.requests) == 2)
        person.gemot("move", "1", "--model", second.model, **environment)
        out, err = running.communicate(timeout=60)
        holding.set()
        assert running.returncode == 0, err
        assert out.strip() == "it says hello"
        assert second.refused == []
        assert "hello" in json.dumps(second.requests[0]), (
            "what the first provider's turn found must be in the second's reading"
        )
        assert "s1" not in json.dumps(second.requests[0]), "one provider's signature is not sent to another"


def test_a_model_named_hand_is_the_compatible_path(person: Person) -> None:
    with WireServer("openai", told([DONE])) as server:
        done = person.gemot("run", "x", "-q", "--model", f"hand:{server.url}", OPENAI_COMPATIBLE_API_KEY=server.key)
        assert done.out.strip() == "it says hello"
