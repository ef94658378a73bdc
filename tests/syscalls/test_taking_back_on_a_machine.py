"""Retract and rewind with programs, models and a journal: what was said is gone from what is shown, after a restart too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from worlds import MachineWorld, settled

from gemot import Calls, MachineError, program
from gemot.abi.messages import Message, Request
from gemot.models.scripted import heard, request, say, scripted

SAYS = scripted(lambda _: say("yes"))


@program()
async def liar(calls: Calls, brief: str) -> str:
    """Says what its brief says."""
    return brief


@program()
async def waiter(calls: Calls, brief: str) -> str:
    """Waits for a word."""
    await calls.receive()
    return brief


@program(grants=("spawn", "send"))
async def believer(calls: Calls, brief: str) -> str:
    """Builds on what a child says, and holds on to it until it is told something."""
    child = await calls.spawn("poison", "liar")
    (outcome,) = (await calls.wait([child])).ended
    await calls.spawn(f"built on {outcome.value}", "waiter")
    await calls.receive()
    return f"{outcome.state}: {outcome.value or outcome.error}"


def test_code_is_put_back_to_before_it_was_told() -> None:
    async def play() -> None:
        world = MachineWorld(programs=(liar, believer, waiter), models={"s": SAYS})
        machine = world.boot()
        root = await machine.start("x", program="believer", model="s")
        await settled(machine)
        child, built = machine.kernel.trees[root][1:]
        done = await machine.retract(child, "it lied")
        assert done.rewound == (root,) and done.ended == (built,)
        await settled(machine)
        world.crash()
        machine = world.boot(resume=True)
        await machine.send(root, "go on")
        outcome = await machine.result(root)
        assert outcome.value == "failed: taken back: it lied"
        briefs = [machine.kernel.processes[pid].brief for pid in machine.kernel.trees[root]]
        assert briefs == ["x", "poison", "built on poison", "built on None"]
        await machine.close()

    asyncio.run(play())


@program(grants=("spawn", "retract", "kill"))
async def judge(calls: Calls, brief: str) -> str:
    """Takes back what its child said, and goes on."""
    child = await calls.spawn("poison", "liar")
    (outcome,) = (await calls.wait([child])).ended
    done = await calls.retract(child, "it lied")
    again = await calls.kill(child)
    return f"{outcome.value}, {done['told']}, {again.error}"


def test_code_that_takes_something_back_itself_goes_on() -> None:
    async def play() -> None:
        world = MachineWorld(programs=(liar, judge), models={"s": SAYS})
        machine = world.boot()
        root = await machine.start("x", program="judge", model="s")
        outcome = await machine.result(root)
        assert outcome.value == f"poison, [{root}], taken back: it lied"
        await machine.close()

    asyncio.run(play())


def texts(messages: tuple[Message, ...]) -> str:
    return " ".join(str(part) for message in messages for part in message.parts)


def parent(question: Request) -> Any:
    """Has a child say something, waits for it, and then for the person."""
    if "poison is what you say" in texts(question.messages[1:2]):
        return request("exit", value="the poison")
    last = heard(question)
    if not last:
        return request("spawn", brief="poison is what you say", program="runner")
    if last[0].name == "spawn":
        return request("wait")
    if last[0].name == "wait" or not last[0].ok:
        return request("ask", question="And now?")
    return request("exit", value="the poison is here" if "the poison" in texts(question.messages) else "clean")


@pytest.mark.parametrize("restart", [False, True])
def test_a_conversation_forgets_it_and_its_later_pages_stay(restart: bool) -> None:
    async def play() -> None:
        world = MachineWorld(models={"s": scripted(parent)})
        machine = world.boot()
        root = await machine.start("x", model="s")
        await settled(machine)
        (child,) = machine.kernel.trees[root][1:]
        done = await machine.retract(child, "it lied")
        assert done.told == (root,)
        if restart:
            machine._loop.checkpoint(0)
            world.crash()
            machine = world.boot(resume=True)
        (ask,) = machine.kernel.asks
        await machine.answer(ask, text="go on")
        assert (await machine.result(root)).value == "clean"
        await machine.close()

    asyncio.run(play())


def turns(question: Request) -> Any:
    """Asks again and again, and says at the end what it was told."""
    if "stop here" in texts(question.messages):
        return request("exit", value=texts(question.messages).count("answer to"))
    return request("ask", question=f"Question {len(question.messages)}?")


def test_a_conversation_is_put_back_and_told_something_else() -> None:
    async def play() -> None:
        world = MachineWorld(models={"s": scripted(turns)})
        machine = world.boot()
        root = await machine.start("x", model="s")
        positions: list[int] = []
        for number in range(3):
            await settled(machine)
            (ask,) = machine.kernel.asks
            await machine.answer(ask, text=f"answer to {number}")
            positions.append(machine._loop.journal.position)
        await settled(machine)
        assert await machine.rewind(root, positions[0], "stop here") <= positions[0]
        await settled(machine)
        world.crash()
        machine = world.boot(resume=True)
        assert (await machine.result(root)).value == 1
        await machine.close()

    asyncio.run(play())


def test_code_is_put_back_and_decides_again() -> None:
    async def play() -> None:
        world = MachineWorld(programs=(liar, believer, waiter), models={"s": SAYS})
        machine = world.boot()
        root = await machine.start("x", program="believer", model="s")
        await settled(machine)
        built = machine.kernel.trees[root][2]
        await machine.rewind(root, machine.kernel.processes[built].born - 1)
        await settled(machine)
        assert not machine.kernel.processes[built].alive
        assert machine.kernel.processes[machine.kernel.trees[root][-1]].brief == "built on poison"
        await machine.send(root, "go on")
        assert (await machine.result(root)).value == "done: poison"
        await machine.close()

    asyncio.run(play())


def test_what_can_t_be_put_back_says_why() -> None:
    async def play() -> None:
        world = MachineWorld(programs=(liar, waiter), models={"s": SAYS})
        machine = world.boot()
        root = await machine.start("x", program="waiter", model="s")
        await settled(machine)
        with pytest.raises(MachineError, match="had not begun"):
            await machine.rewind(root, 0)
        newest = machine._loop.journal.position
        with pytest.raises(MachineError, match=f"the newest is {newest}"):
            await machine.rewind(root, newest + 1)
        with pytest.raises(MachineError, match="say why"):
            await machine.retract(root, "")
        with pytest.raises(MachineError, match="no process"):
            await machine.retract(99, "x")
        await machine.close()

    asyncio.run(play())
