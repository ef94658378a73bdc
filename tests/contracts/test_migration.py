"""Every conversation moves from every provider to every other, and back, whatever is in it and wherever it stands.

The providers are local servers that speak the real formats and refuse what the real ones refuse. The neutral form has
system text, words, reasoning, requests, results and images; images, and models that can't see them, are in
test_migration_images.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import pytest
from wire import FORMATS, Kind, Speech, WireServer
from wire.asking import ask, at, question, text, wanted
from worlds import MachineWorld, settled

from gemot import Driver, Grant
from gemot.abi.messages import Message, Reasoning, Reply, Request, Text, ToolResult
from gemot.machine.notes import Asking

every_pair = pytest.mark.parametrize(("one", "other"), list(product(FORMATS, FORMATS)))
RULES = "Be brief."
"""The system text of every question here."""


def signature(kind: Kind) -> str:
    return b64encode(f"signed by {kind}".encode()).decode()


def thought(kind: Kind) -> str:
    return f"a thought of {kind}"


def thinking(kind: Kind, speech: Speech) -> Speech:
    """``speech`` by a provider that thinks first, and signs."""
    return replace(speech, reasoning=thought(kind), signature=signature(kind))


A = ("files/read", {"path": "a.md"})
B = ("files/read", {"path": "b.md", "lines": [1, 2]})
BROKEN = ("files/read", '{"path": "a.md", "lines": [1,')
UNKNOWN = ("format_disk", {})

TURNS: dict[str, Speech] = {
    "words": Speech("Some words."),
    "one request": Speech(tools=[A]),
    "parallel requests": Speech("I look.", tools=[A, B, ("clock/now", {})]),
    "twice the same request": Speech(tools=[A, A]),
    "a tool that was not offered": Speech(tools=[UNKNOWN, A]),
    "broken arguments": Speech("I try.", tools=[BROKEN]),
    "a refusal in words": Speech("I will not do that.", refuses=True),
    "a refusal without a word": Speech("", refuses=True),
    "nothing at all": Speech(""),
}
"""What a provider may say in one turn."""

Answering = Callable[[Reply], Sequence[Message]]


def results(reply: Reply, which: slice) -> tuple[ToolResult, ...]:
    return tuple(ToolResult(one.id, one.name, f"result of {one.name}") for one in wanted(reply)[which])


ANSWERS: dict[str, Answering] = {
    "all of it": lambda reply: [Message("tool", results(reply, slice(None)))],
    "one after the other": lambda reply: [Message("tool", (one,)) for one in results(reply, slice(None))],
    "the last first": lambda reply: [Message("tool", results(reply, slice(None))[::-1])],
    "the first of the batch": lambda reply: [Message("tool", results(reply, slice(1)))],
    "the last of the batch": lambda reply: [Message("tool", results(reply, slice(-1, None)))],
    "a failure": lambda reply: [
        Message("tool", tuple(ToolResult(one.id, one.name, "no such file", ok=False) for one in wanted(reply)))
    ],
    "nothing yet": lambda _: [],
    "what nobody asked for": lambda _: [Message("tool", (ToolResult("lost", "clock/now", "noon"),))],
    "a person's word in between": lambda reply: [
        Message("tool", results(reply, slice(1))),
        Message("user", (Text("Hurry."),)),
        Message("tool", results(reply, slice(1, None))),
    ],
}
"""How far what was requested has been done when the conversation moves."""


class Providers:
    """One server of each of two providers, the second of which may be the first at another address."""

    def __init__(self, one: Kind, other: Kind) -> None:
        self.one, self.other = one, other
        self.here, self.there = WireServer(one), WireServer(other)
        self.say(TURNS["parallel requests"])

    def say(self, speech: Speech) -> None:
        """What both answer from now on."""
        self.here.script = lambda _, __: thinking(self.one, speech)
        self.there.script = lambda _, __: thinking(self.other, speech)

    def __enter__(self) -> Providers:
        self.here.__enter__()
        self.there.__enter__()
        if self.one == self.other:
            for server in (self.here, self.there):
                server.signatures.add(signature(self.one))
        return self

    def __exit__(self, *_: object) -> None:
        self.here.__exit__()
        self.there.__exit__()

    def check(self) -> None:
        """Nobody refused anything, and nobody was told what another provider keeps to itself."""
        for server, stranger in ((self.here, self.other), (self.there, self.one)):
            assert not server.refused
            for request in server.requests:
                sent = json.dumps(request)
                assert RULES in sent
                assert "<think" not in sent
                if self.one != self.other:
                    assert thought(stranger) not in sent and signature(stranger) not in sent


def ways_to_answer(turn: str) -> Sequence[str]:
    if turn == "parallel requests":
        return tuple(ANSWERS)
    return ("all of it", "a failure", "nothing yet") if TURNS[turn].tools else ("nothing yet", "what nobody asked for")


@every_pair
def test_a_conversation_goes_there_and_back_whatever_is_in_it_and_wherever_it_stands(one: Kind, other: Kind) -> None:
    with Providers(one, other) as both:
        here, there = at(both.here), at(both.there)

        async def move(answering: Answering) -> None:
            begun = await here.generate(question(), lambda _: None)
            log = [Message("model", begun.parts), *answering(begun)]
            moved = await there.generate(question(*log), lambda _: None)
            log += [Message("model", moved.parts), *answering(moved)]
            await here.generate(question(*log, tools=()), lambda _: None)

        async def story() -> None:
            for turn, speech in TURNS.items():
                if turn == "broken arguments" and "google" in (one, other):
                    continue  # its arguments are objects on the wire: they can't be broken
                both.say(speech)
                for answering in ways_to_answer(turn):
                    await move(ANSWERS[answering])
                    assert not both.here.refused and not both.there.refused, (turn, answering)
            await here.close()
            await there.close()

        asyncio.run(story())
        both.check()


@every_pair
def test_what_was_found_is_known_after_the_move(one: Kind, other: Kind) -> None:
    with Providers(one, other) as both:
        begun, _ = ask(at(both.here), question())
        some = Message("tool", (ToolResult(wanted(begun)[1].id, "files/read", "beta"),))
        ask(at(both.there), question(Message("model", begun.parts), some))
        sent = json.dumps(both.there.requests[-1])
        assert "beta" in sent and sent.count("Not executed") == 2 and "I look." in sent
        both.check()


@every_pair
def test_thoughts_and_signatures_return_to_their_own_provider_and_to_no_other(one: Kind, other: Kind) -> None:
    """They ride along while another provider has the conversation, and are there again when it comes back."""
    with Providers(one, other) as both:
        log: list[Message] = []
        for server in (both.here, both.there, both.here):
            reply, _ = ask(at(server), question(*log))
            assert any(isinstance(part, Reasoning) for part in reply.parts)
            log += [Message("model", reply.parts), Message("tool", results(reply, slice(None)))]
        if one in ("anthropic", "google"):  # chat completions have no signatures
            assert signature(one) in json.dumps(both.here.requests[-1])
        both.check()


def test_one_conversation_takes_every_road_there_is() -> None:
    """Sixteen moves: from each provider to each, itself included, always in the middle of a batch."""
    roads = _every_road()
    assert set(pairwise(roads)) == set(product(FORMATS, FORMATS))
    servers = {
        kind: WireServer(kind, lambda _, __, kind=kind: thinking(kind, TURNS["parallel requests"])) for kind in FORMATS
    }
    models = {kind: at(server) for kind, server in servers.items()}

    async def story() -> None:
        log: list[Message] = []
        for kind in roads:
            reply = await models[kind].generate(question(*log), lambda _: None)
            log += [Message("model", reply.parts), Message("tool", results(reply, slice(1)))]
        for model in models.values():
            await model.close()

    for server in servers.values():
        server.__enter__()
    try:
        asyncio.run(story())
    finally:
        for server in servers.values():
            server.__exit__()
    for kind, server in servers.items():
        assert not server.refused
        sent = json.dumps(server.requests)
        assert not any(
            thought(stranger) in sent or signature(stranger) in sent for stranger in FORMATS if stranger != kind
        )


def _every_road() -> list[Kind]:
    """Providers in an order in which each follows each once (Hierholzer's walk)."""
    left = {kind: list(FORMATS) for kind in FORMATS}
    walk, path = list[Kind](), [FORMATS[0]]
    while path:
        if left[path[-1]]:
            path.append(left[path[-1]].pop())
        else:
            walk.append(path.pop())
    return walk[::-1]


# A process on a machine


@every_pair
def test_a_process_is_moved_while_a_part_of_its_batch_has_run(one: Kind, other: Kind) -> None:
    """Of three tools one has ended, one runs, one waits for a person; then it moves, and all three results are known there."""
    desk = Driver("desk", "Tools for tests.")
    release = asyncio.Event()

    @desk.tool(effect="reads", repeatable=True)
    async def quick() -> str:
        """Ends at once."""
        return "alpha"

    @desk.tool(effect="reads", repeatable=True)
    async def slow() -> str:
        """Ends when it is let."""
        await release.wait()
        return "beta"

    @desk.tool(effect="sends", repeatable=False, asks=True)
    async def asked() -> str:
        """Ends when the person agreed."""
        return "gamma"

    batch = Speech("I do.", tools=[("desk/quick", {}), ("desk/slow", {}), ("desk/asked", {})])
    ending = Speech("", tools=[("exit", {"value": "all is known"})])
    with (
        WireServer(one, lambda _, __: thinking(one, batch)) as here,
        WireServer(other, lambda _, __: thinking(other, ending)) as there,
    ):
        if one == other:
            there.signatures.add(signature(one))

        async def story() -> Any:
            world = MachineWorld(drivers=(desk,), models={"here": at(here), "there": at(there)})
            machine = world.boot()
            rights = tuple(Grant(name) for name in desk.tools)
            pid = await machine.start("do it", program="solo", model="here", models=("there",), grants=rights)
            async for note in machine.events(pid):
                if isinstance(note, Asking):
                    break
            await settled(machine)
            states = [work.state for work in machine.kernel.processes[pid].work]
            assert states == ["done", "started", "asking"]
            await machine.move(pid, "there")
            await machine.answer(machine.asks()[0].ask)
            release.set()
            outcome = await machine.result(pid)
            await machine.close()
            return outcome

        outcome = asyncio.run(story())
        assert outcome.value == "all is known", outcome
        assert not here.refused and not there.refused
        assert len(here.requests) == len(there.requests) == 1
        sent = json.dumps(there.requests[0])
        assert all(word in sent for word in ("alpha", "beta", "gamma", "I do.")) and "Not executed" not in sent
        assert one == other or (thought(one) not in sent and signature(one) not in sent)


@every_pair
def test_a_process_whose_provider_fails_in_mid_task_goes_on_with_the_next_of_its_route(one: Kind, other: Kind) -> None:
    def begins(_: dict[str, Any], number: int) -> Speech:
        return (
            thinking(one, Speech("I look.", tools=[("clock/now", {})]))
            if number == 0
            else Speech(status=402, error="no credit")
        )

    ending = Speech("", tools=[("exit", {"value": "done"})])
    with WireServer(one, begins) as here, WireServer(other, lambda _, __: ending) as there:
        if one == other:
            there.signatures.add(signature(one))

        async def story() -> Any:
            world = MachineWorld(models={"here": at(here), "there": at(there)})
            machine = world.boot()
            outcome = await machine.result(await machine.start("do it", program="solo", model="here", route=("there",)))
            await machine.close()
            return outcome

        outcome = asyncio.run(story())
        assert outcome.value == "done", outcome
        assert not here.refused and not there.refused
        assert len(here.requests) == 2 and "I look." in json.dumps(there.requests[0])


def test_the_empty_request_is_sent_by_nobody_unrepaired() -> None:
    for kind in FORMATS:
        with WireServer(kind) as server:
            assert text(ask(at(server), Request(()))[0]) == "Hello."
            assert not server.refused
