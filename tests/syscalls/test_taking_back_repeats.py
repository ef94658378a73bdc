"""A value that is taken back is in no later context, also where its reader repeated it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from worlds import MachineWorld, settled

from gemot.abi.messages import Message, Request
from gemot.models.scripted import heard, request, say, scripted
from gemot.programs.conversation import Conversation

VALUE = "The vault code is KESTREL-4471, behind the third stair"


def texts(messages: tuple[Message, ...]) -> str:
    return " ".join(str(part) for message in messages for part in message.parts)


def reader(question: Request) -> Any:
    """Reads what a child says, repeats it in every way, and then waits for the person."""
    if "say the code" in texts(question.messages[1:2]):
        return request("exit", value=VALUE)
    last = heard(question)
    if "what now?" in texts(question.messages[-1:]):
        return [say("I still say 4471."), request("ask", question="And now?")]
    if not last:
        return request("spawn", brief="say the code", program="runner")
    if last[0].name == "spawn":
        return request("wait")
    if last[0].name == "wait" and len(question.messages) < 8:
        return [
            say("So the vault code was kestrel 4471, behind third stair. I note it."),
            request("status", note="code KESTREL-4471"),
            request("ask", question="Shall I open it with 4471?"),
        ]
    return request("exit", value=texts(question.messages) if "4471" in texts(question.messages) else "clean")


async def told(world: MachineWorld, machine: Any) -> int:
    root = await machine.start("open the vault", model="s")
    await settled(machine)
    return root


@pytest.mark.parametrize("restart", [False, True])
def test_what_the_reader_repeated_is_gone_and_marked_also_after_a_restart(restart: bool) -> None:
    async def play() -> None:
        world = MachineWorld(models={"s": scripted(reader)})
        machine = world.boot()
        root = await told(world, machine)
        conversation = machine._loop.cast.programs[root]
        assert isinstance(conversation, Conversation) and "4471" in texts(conversation.pages.messages())
        (child,) = machine.kernel.trees[root][1:]
        await machine.retract(child, "it lied")
        if restart:
            machine._loop.checkpoint(0)
            world.crash()
            machine = world.boot(resume=True)
        conversation = machine._loop.cast.programs[root]
        assert isinstance(conversation, Conversation)
        left = texts(conversation.pages.messages())
        assert "4471" not in left and "stair" not in left
        assert "I note it." in left and "may rest on them" in left, "what is left is marked"
        assert machine.kernel.processes[root].progress is None
        (ask,) = machine.kernel.asks
        await machine.answer(ask, text="go on")
        assert (await machine.result(root)).value == "clean"
        assert "4471" in repr(world.history()), "the journal keeps it"
        await machine.close()

    asyncio.run(play())


def test_the_persons_fork_of_the_reader_has_the_same_blanks() -> None:
    async def play() -> None:
        world = MachineWorld(models={"s": scripted(reader)})
        machine = world.boot()
        root = await told(world, machine)
        (child,) = machine.kernel.trees[root][1:]
        fork = await machine.fork(root, "what now?")
        await settled(machine)
        done = await machine.retract(child, "it lied")
        assert set(done.told) == {root, fork}
        copy = machine._loop.cast.programs[fork]
        assert isinstance(copy, Conversation) and "4471" not in texts(copy.pages.messages())
        await machine.close()

    asyncio.run(play())
