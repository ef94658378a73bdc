"""One result is taken back, with programs, models, tools and a journal: it is gone from what is shown, what was read beside it and
since stays."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from worlds import MachineWorld, settled

from gemot import Calls, Driver, Machine, MachineError, program
from gemot.abi.events import Done
from gemot.abi.grants import Grant
from gemot.abi.messages import Message, Request
from gemot.journal.records import decode
from gemot.models.scripted import heard, request, scripted

GRANTS = (Grant("web/*"), Grant("ask"), Grant("receive"))

web = Driver("web", "Pages of a web, one of which was planted.")


@web.tool(effect="reads", repeatable=True)
def page(name: str) -> str:
    """What a page says.

    Args:
        name: Which page.
    """
    return f"the words of {name}"


def texts(messages: tuple[Message, ...]) -> str:
    return " ".join(str(part) for message in messages for part in message.parts)


def reader(question: Request) -> Any:
    """Reads two pages at once, then a third, asks the person, and says which of them it knows."""
    shown = texts(question.messages)
    last = heard(question)
    if not last:
        return [request("web/page", name=name) for name in ("good", "bad")]
    if last[0].name == "ask":
        return request("exit", value=[name for name in ("good", "bad", "third") if f"the words of {name}" in shown])
    return request("ask", question="And now?") if "third" in shown else request("web/page", name="third")


@program(grants=("web/*",))
async def collector(calls: Calls, brief: str) -> str:
    """Reads two pages, waits for a word, and says what it was told."""
    said: list[str] = []
    for name in ("good", "bad"):
        (answer,) = await calls.call_all(("web/page", {"name": name}))
        said.append(f"{answer.ok}: {answer.text}")
    await calls.receive()
    return json.dumps(said)


async def at_rest(machine: Machine) -> None:
    """Until somebody waits for the person, which takes what tools take."""
    for _ in range(2_000):
        await settled(machine, 5)
        if machine.kernel.asks or machine.kernel.processes[1].state == "waiting":
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody ever waited for the person")


def position_of(world: MachineWorld, words: str) -> int:
    """Where a result with these words came in."""
    return next(
        record.position
        for record in world.journal.read()
        if isinstance(event := decode(record.body), Done) and words in str(event.outcome)
    )


async def answered(world: MachineWorld, restart: bool = False) -> Any:
    machine = world.machine
    if restart:
        world.crash()
        machine = world.boot(resume=True)
    await at_rest(machine)
    (ask,) = machine.kernel.asks
    await machine.answer(ask, text="go on")
    outcome = await machine.result(1)
    await machine.close()
    return outcome.value


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("gone", "left"), [("bad", ["good", "third"]), ("good", ["bad", "third"]), ("third", ["good", "bad"])]
)
def test_of_a_batch_only_that_result_goes(gone: str, left: list[str], restart: bool) -> None:
    async def play() -> None:
        world = MachineWorld(drivers=(web,), models={"s": scripted(reader)})
        machine = world.boot()
        root = await machine.start("x", model="s", grants=GRANTS)
        await at_rest(machine)
        position = position_of(world, f"the words of {gone}")
        foreseen = await machine.foresee(root, position)
        assert (await machine.retract(root, "it was planted", position)) == foreseen and foreseen.told == (root,)
        assert await answered(world, restart) == left

    asyncio.run(play())


def test_it_is_named_by_the_request_too_and_then_the_whole_batch_goes() -> None:
    async def play() -> None:
        world = MachineWorld(drivers=(web,), models={"s": scripted(reader)})
        machine = world.boot()
        root = await machine.start("x", model="s", grants=GRANTS)
        await at_rest(machine)
        asked = position_of(world, "the words of good") - 1
        while not str(decode(list(world.journal.read())[asked - 1].body)).startswith("Trapped"):
            asked -= 1
        await machine.retract(root, "it was planted", asked)
        assert await answered(world) == ["third"]

    asyncio.run(play())


@pytest.mark.parametrize("restart", [False, True])
def test_code_runs_again_from_there_and_is_told_that_it_is_gone(restart: bool) -> None:
    async def play() -> None:
        world = MachineWorld(drivers=(web,), programs=(collector,), models={"s": scripted(reader)})
        machine = world.boot()
        root = await machine.start("x", program="collector", model="s", grants=GRANTS)
        await at_rest(machine)
        done = await machine.retract(root, "it was planted", position_of(world, "the words of bad"))
        assert done.rewound == (root,)
        if restart:
            world.crash()
            machine = world.boot(resume=True)
        await machine.send(root, "go on")
        said = json.loads((await machine.result(root)).value)
        assert said == ["True: the words of good", "False: taken back: it was planted"]
        await machine.close()

    asyncio.run(play())


def test_what_a_model_said_is_taken_back_like_any_other_answer() -> None:
    async def play() -> None:
        world = MachineWorld(drivers=(web,), models={"s": scripted(reader)})
        machine = world.boot()
        root = await machine.start("x", model="s", grants=GRANTS)
        await at_rest(machine)
        position = next(
            record.position
            for record in world.journal.read()
            if isinstance(event := decode(record.body), Done) and "third" in str(event.outcome)
        )
        await machine.retract(root, "not so", position)
        conversation = machine._loop.cast.programs[root]
        shown = texts(conversation.reading(None))  # type: ignore[arg-type]
        assert 'name="third"' not in shown and "taken back: not so" in shown and "the words of third" in shown
        await machine.close()

    asyncio.run(play())


def test_where_nothing_was_told_it_says_so() -> None:
    async def play() -> None:
        world = MachineWorld(drivers=(web,), models={"s": scripted(reader)})
        machine = world.boot()
        root = await machine.start("x", model="s", grants=GRANTS)
        await at_rest(machine)
        position = position_of(world, "the words of bad")
        for wrong in (0, -1, 1, 10**6, machine._loop.journal.position):
            with pytest.raises(MachineError, match="was told nothing at"):
                await machine.retract(root, "x", wrong)
        with pytest.raises(MachineError, match="no process"):
            await machine.retract(99, "x", position)
        await machine.rewind(root, position - 1, "again")
        with pytest.raises(MachineError, match="rewound since"):
            await machine.retract(root, "x", position)
        await machine.close()

    asyncio.run(play())
