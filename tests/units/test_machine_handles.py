"""Handles on a whole machine: what a tool gives back passes to another tool without being read, large or small."""

from __future__ import annotations

import asyncio
from typing import Any

from worlds import MachineWorld

from gemot import scripted
from gemot.abi.answers import Returned
from gemot.abi.grants import Grant, Rule, Source
from gemot.drivers.kit import Driver
from gemot.machine.offers import offered
from gemot.programs.native import Calls, program

SENT: list[tuple[str, Any]] = []
post = Driver("post", "Letters.")


@post.tool(effect="reads", repeatable=True, foreign=True, vouches=("sender",), secret="mail", name="list")
def list_letters(count: int = 2) -> list[dict[str, Any]]:
    """All letters."""
    return [{"sender": f"{number}@x.org", "body": "words " * 10} for number in range(count)]


@post.tool(effect="sends", repeatable=False, payload=("body",))
def send(to: str | list[str], body: str = "") -> str:
    """Send a letter."""
    SENT.append((to, body))
    return "sent"


@program(grants=("post/*", "spawn"))
async def forward(calls: Calls, brief: str) -> list[Any]:
    counts = {"small": 2, "page": 2_000, "large": 20_000}
    results: list[Returned] = []
    for count in counts.values():
        (one,) = await calls.call_all(("post/list", {"count": count}))
        results.append(one)
    numbers = [one.handle.number for one in results if one.handle is not None]
    small, page, large = numbers
    told = []
    for arguments in (
        {"to": {"$from": small, "at": "[1].sender"}, "body": {"$from": large}},
        {"to": [{"$from": page, "at": "[1999].sender"}], "body": {"$from": small, "at": "[0].body"}},
        {"to": "1@x.org"},
        {"to": {"$from": large, "at": "[0].sender"}},
    ):
        (one,) = await calls.call_all(("post/send", arguments))
        told.append(one.rule or one.text)
    return [told, [one.text[:40] for one in results]]


@program(grants=())
async def idle(calls: Calls, brief: str) -> None:
    await calls.receive()


def test_values_pass_between_tools_by_number() -> None:
    async def run() -> Any:
        world = MachineWorld(programs=(forward,), drivers=(post,), models={"m": scripted([])})
        machine = world.boot()
        source = Rule(source=(Source("post/list", "sender", pick="any"),))
        rights = (
            Grant("post/list", results="handle"),
            Grant("post/send", {"to": source}, carries=("mail",)),
        )
        pid = await machine.start("x", program="forward", model="m", grants=rights)
        outcome = await machine.result(pid)
        again = MachineWorld(
            programs=(forward,), drivers=(post,), models={"m": scripted([])}, journal=world.journal
        ).boot()
        assert again.kernel.processes[pid].outcome == outcome, "the journal leads to the same"
        return outcome

    SENT.clear()
    outcome = asyncio.run(run())
    assert outcome.state == "done", outcome
    told, texts = outcome.value
    assert told == ["sent", "sent", "grant", "limit"]
    assert texts[0] == "a list of 2 items with the fields sender"
    (first, body), (second, words) = SENT
    assert (first, second, words) == ("1@x.org", ["1999@x.org"], "words " * 10)
    assert len(body) > 1_000_000 and body.startswith('[{"sender":"0@x.org"')


def test_a_model_is_shown_that_an_argument_may_be_a_reference() -> None:
    async def run() -> Any:
        machine = MachineWorld(programs=(idle,), drivers=(post,), models={"m": scripted([])}).boot()
        source = Rule(source=(Source("post/list", "sender"),))
        pid = await machine.start("x", program="idle", model="m", grants=(Grant("post/send", {"to": source}),))
        process = machine.kernel.processes[pid]
        return next(one for one in offered(process, machine.kernel.tools).tools if one.name == "post/send")

    offer = asyncio.run(run())
    assert "$from" in repr(offer.schema["properties"]["to"]) and "$from" not in repr(offer.schema["properties"]["body"])
    assert "a reference to the field sender of the one record in a result of post/list" in offer.description


def test_a_person_takes_a_right_away_while_the_machine_runs() -> None:
    async def run() -> None:
        machine = MachineWorld(programs=(idle,), drivers=(post,), models={"m": scripted([])}).boot()
        pid = await machine.start("x", program="idle", model="m", grants=(Grant("post/*"),))
        await machine.revoke(pid, "post/send")
        assert [grant.tool for grant in machine.kernel.processes[pid].grants if "/" in grant.tool] == ["post/list"]
        await machine.close()

    asyncio.run(run())
