"""Routes and limits as a person writes them: what fails is gone around, what is spent is spent, and all of it can be seen."""

from __future__ import annotations

import json

from people import Person
from wire import Speech, WireServer

READ = Speech("I look.", [("files/read", {"path": "a.txt"})], reasoning="hm", signature="s1")
DONE = Speech("", [("exit", {"value": "it says hello"})])
BROKE = Speech(status=402, error="insufficient credit")


def configure(person: Person, text: str) -> dict[str, str]:
    folder = person.folder / "configured"
    folder.mkdir(exist_ok=True)
    (folder / "gemot.toml").write_text(text)
    return {"GEMOT_CONFIG": str(folder)}


def test_a_task_that_one_provider_begins_is_finished_by_the_next_of_its_route(person: Person) -> None:
    person.files(a__txt="hello\n")
    first_says = lambda _, number: (READ, BROKE)[min(number, 1)]  # noqa: E731
    with WireServer("anthropic", first_says) as first, WireServer("google", lambda *_: DONE) as second:
        done = person.gemot(
            "run", "what does a.txt say?", "--model", first.model, "--model", second.model, "--work", str(person.work),
            **(first.environment | second.environment),
        )  # fmt: skip
        assert done.out.strip() == "it says hello"
        assert f"{first.model}, then {second.model}" in done.err and "insufficient credit" in done.err
        assert f"goes on with {second.model}" in done.err
        assert not first.refused and not second.refused
        assert "hello" in json.dumps(second.requests[0]) and "s1" not in json.dumps(second.requests[0])
    assert person.processes()[0]["model"] == second.model


def test_a_route_has_a_name_and_can_be_what_is_used_when_nothing_is_said(person: Person) -> None:
    with WireServer("openai", lambda *_: BROKE) as first, WireServer("ollama", lambda *_: DONE) as second:
        written = f'model = "route:cheap-first"\n[[route]]\nname = "cheap-first"\nmodels = ["{first.model}", "{second.model}"]\n'
        environment = configure(person, written) | first.environment | second.environment
        for words in ((), ("--model", "route:cheap-first")):
            assert person.gemot("run", "x", "-q", *words, **environment).out.strip() == "it says hello"
        wrong = person.gemot("run", "x", "--model", "route:cheap", code=2, **environment)
        assert "did you mean cheap-first" in wrong.err
        person.gemot("run", "x", "--model", "embedded", "--model", "nobody:x", code=2, **environment)


def test_without_a_route_the_failure_says_how_to_write_one(person: Person) -> None:
    with WireServer("openai", lambda *_: BROKE) as server:
        failed = person.gemot("run", "x", "-q", "--model", server.model, code=1, **server.environment)
    assert "insufficient credit" in failed.err and "--model THIS --model ANOTHER" in failed.err


def test_what_a_day_may_cost_holds_from_one_command_to_the_next_and_is_shown(person: Person) -> None:
    dear = Speech("", [("exit", {"value": "done"})], tokens_in=110_000, tokens_out=10)
    with WireServer("openai", lambda *_: dear) as server:
        environment = server.environment | configure(person, "[provider.openai]\nconcurrency = 8\nusd_per_day = 0.05\n")
        person.gemot("run", "x", "-q", "--model", server.model, **environment)
        refused = person.gemot("run", "x", "-q", "--model", server.model, code=1, **environment)
        assert "0.0440 are spent" in refused.err and "00:00 UTC" in refused.err
        assert len(server.requests) == 1
        shown = person.gemot("models", **environment).out
    assert "openai: 0 at work, 0 wait for their turn, $0.0440 spent today; at most 8 at once, $0.05 a day" in shown
    rows = [json.loads(line) for line in person.gemot("models", "--json", **environment).out.splitlines()]
    assert {"provider": "openai", "spent_usd_micros": 44_016}.items() <= rows[-1].items()


def test_a_limit_that_is_misspelt_is_no_limit_that_is_gone(person: Person) -> None:
    environment = configure(person, "[provider.opnai]\nusd_per_day = 1\n")
    wrong = person.gemot("run", "x", "--model", "bestiary:obeys", code=2, **environment)
    assert "did you mean openai" in wrong.err
