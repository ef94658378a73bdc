"""Gossip: whatever anybody says holds all that they have heard. So when words are taken back, nothing that anybody else goes on
from may hold them; and what does not hold them is as it was.

Natives and models tell each other, their children and the board; each thing said begins with a token of its own.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

import pytest
from checkers import everyone
from worlds import MachineWorld, settled

from gemot import Calls, Driver, Machine, MachineError, program
from gemot.abi.events import Done, Trapped
from gemot.abi.grants import Budget, BudgetRequest, Grant
from gemot.abi.messages import Message, Request
from gemot.abi.syscalls import Accept, Add, Complete, Exit, Send, Spawn, Task
from gemot.kernel import Kernel
from gemot.models.scripted import request, scripted
from gemot.programs.conversation import Conversation
from gemot.programs.native import NativeProcess, SyscallFailed

SEEDS = int(os.environ.get("GEMOT_GOSSIPS", "60"))
TOKEN = re.compile(r"<\d+\.\d+>")
GRANTS = tuple(Grant(name) for name in ("spawn", "send", "receive", "add", "claim", "complete", "accept", "web/*"))

web = Driver("web", "Says things that nobody has said before.")
_numbers = count(1)


@web.tool(effect="reads", repeatable=False)
def number() -> str:
    """A number that nobody else has."""
    return f"number {next(_numbers)}"


@web.tool(effect="reads", repeatable=False)
def page() -> str:
    """Words that nobody else has read."""
    return f"a page <{next(_numbers)}.0>"


def tokens(*told: object) -> set[str]:
    return {one for text in told for one in TOKEN.findall(str(text))}


@program(grants=("spawn", "send", "receive", "add", "claim", "complete", "accept", "web/*"))
async def gossip(calls: Calls, brief: str) -> str:
    """Says all it knows, does a dozen things, and then listens until it is told to stop."""
    me = (await calls.call("web/number")).removeprefix("number ")
    chance, knows, children, said = Random(f"{me}"), tokens(brief), list[int](), count(1)

    def words() -> str:
        return " ".join((f"<{me}.{next(said)}>", *sorted(knows)))

    for _ in range(chance.randrange(4, 14)):
        try:
            match chance.randrange(9):
                case 0 | 1:
                    share = BudgetRequest(processes=2, depth=1, tokens=2_000, calls=60)
                    which = chance.choice(("gossip", "talker"))
                    children.append(await calls.spawn(words(), which, budget=share))
                case 2 | 3:
                    await calls.send(chance.choice((0, *children)), words())
                case 4:
                    knows |= tokens(await calls.receive(chance.choice((0, 3))))
                case 5:
                    knows |= tokens(await calls.wait(mode="any", timeout_seconds=1))
                case 6:
                    await calls.add(Task(words()))
                    knows |= tokens(await calls.tasks())
                case 7:
                    task = await calls.claim()
                    knows |= tokens(task)
                    await calls.complete(task["number"], words())
                case _:
                    knows |= tokens(await calls.call("web/page"))
        except SyscallFailed:
            continue
    if chance.random() < 0.3:
        return words()
    while True:
        knows |= tokens(await calls.receive())


def talk(question: Request) -> Any:
    """A model that does the same: one thing a turn, and all that it sees in everything it says."""
    mine = [part for message in question.messages if message.role == "tool" for part in message.parts]
    if not mine:
        return request("web/number")
    me = str(mine[0].text).removeprefix("number ")  # type: ignore[union-attr]
    turn = len([message for message in question.messages if message.role == "model"])
    said = " ".join((f"<{me}.{turn}>", *sorted(tokens(question.messages))))
    chance = Random(f"{me} {turn}")
    if turn > 3 + int(me) % 6:
        return (
            request("exit", value=said)
            if chance.random() < 0.3
            else request("wait", messages=True, timeout_seconds=900)
        )
    return chance.choice(
        (
            request("send", pid=0, text=said),
            request("wait", messages=True, timeout_seconds=1),
            request("web/page"),
            request(
                "spawn", brief=said, program=chance.choice(("gossip", "solo")), budget={"processes": 0, "tokens": 500}
            ),
        )
    )


# What there is.


def said_by(world: MachineWorld, pid: int) -> set[str]:
    """The tokens of a process: what it said begins with one."""
    found: set[str] = set()
    for event in world.history():
        if isinstance(event, Trapped) and event.pid == pid:
            match event.syscall:
                case (
                    Send(_, text) | Complete(_, text) | Accept(reason=text) | Exit(value=str(text)) | Spawn(brief=text)
                ):
                    found |= set(TOKEN.findall(text)[:1])
                case Add(tasks):
                    found |= {one for task in tasks for one in TOKEN.findall(task.text)[:1]}
                case _:
                    pass
    return found


def told(message: Message) -> Iterator[str]:
    """What a page says that its process did not say itself."""
    if message.role in ("user", "tool"):
        yield from (str(getattr(part, "text", "")) for part in message.parts)


def known(machine: Machine) -> dict[int, list[str]]:
    """By process that lives, in its order, what it was told and goes on from."""
    found: dict[int, list[str]] = {}
    for pid, one in machine._loop.cast.programs.items():
        process = machine.kernel.process(pid)
        if process is None:
            continue
        if isinstance(one, Conversation):
            found[pid] = [text for message in one.pages.log.messages() for text in told(message)]
        elif isinstance(one, NativeProcess):
            found[pid] = [process.brief, *(str(answer) for _, answer in one.past[1])]
    return found


def elsewhere(kernel: Kernel) -> Iterator[str]:
    """What anybody could still be told."""
    for process in everyone(kernel):
        yield from (mail.text for mail in process.mailbox)
        if process.outcome is not None:
            yield f"{process.outcome.value} {process.outcome.error}"
    for board in kernel.boards.values():
        for item in board.items.values():
            yield f"{item.name} {item.text} {item.acceptance} {item.result} {item.note}"


def check(machine: Machine, gone: set[str], before: dict[int, list[str]], ended: set[int], rewound: set[int]) -> None:
    """What was taken back is nowhere, and nothing else is missing."""
    after = known(machine)
    for pid, texts in after.items():
        left = [text for text in texts if tokens(text) & gone]
        assert not left, f"{pid} still goes on from {left}"
    assert not tokens(*elsewhere(machine.kernel)) & gone
    for pid, texts in before.items():
        if pid in after and pid not in rewound:
            kept = iter(after[pid])
            missing = [text for text in texts if not tokens(text) & gone and text not in kept]
            assert not missing, f"{pid} does not know any more: {missing}"
        elif pid not in after and pid not in ended and machine.kernel.processes[pid].state == "killed":
            line = [pid]
            while line[-1]:
                line.append(machine.kernel.processes[line[-1]].parent)
            left = any(machine.kernel.processes[one].state == "done" for one in line[:-1])  # what is woken may end
            made = left or any(tokens(machine.kernel.processes[one].brief) & gone for one in line[:-1])
            assert made or rewound & set(line) or ended & set(line), f"{pid} was ended, and it was not made of it"


async def at_rest(machine: Machine, chance: Random) -> None:
    for _ in range(chance.choice((5, 40, 150))):
        await settled(machine, 5)
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_is_left_of_it_and_nothing_else_is_gone(seed: int) -> None:
    async def play() -> None:
        global _numbers
        _numbers, chance = count(1_000 * seed + 1), Random(seed)
        world = MachineWorld(drivers=(web,), programs=(gossip,), models={"s": scripted(talk)})
        machine = world.boot()
        budget = Budget(tokens=200_000, usd_micros=0, millis=900_000, processes=14, depth=4, calls=900)
        await machine.start("gossip", program="gossip", model="s", grants=GRANTS, budget=budget)
        for _ in range(3):
            await at_rest(machine, chance)
            before, pages = known(machine), _pages(world)
            try:
                if pages and chance.random() < 0.4:
                    position, pid, token = chance.choice(pages)
                    gone, ended = {token}, set[int]()
                    done = await machine.retract(pid, "planted", position)
                else:
                    pid = chance.choice(list(machine.kernel.processes)[1:] or [1])
                    gone, ended = said_by(world, pid), {pid}
                    done = await machine.retract(pid, "a lie")
            except MachineError:
                continue  # it was put back since, so it knows nothing of that any more
            check(machine, gone, before, ended, set(done.rewound))
            if chance.random() < 0.3:
                world.crash()
                machine = world.boot(resume=True)
                assert not tokens(*(text for texts in known(machine).values() for text in texts)) & gone
        await machine.close()

    asyncio.run(play())


def _pages(world: MachineWorld) -> list[tuple[int, int, str]]:
    """The pages that were read: at which position, by whom, and their tokens."""
    asked: dict[int, int] = {}
    found: list[tuple[int, int, str]] = []
    kernel = Kernel()
    for position, event in enumerate(world.history(), 1):
        asked |= kernel.working
        kernel.handle(event)
        if isinstance(event, Done) and "a page" in str(event.outcome):
            found.append((position, asked[event.effect], *tokens(event.outcome)))
    return found
