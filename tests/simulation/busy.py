"""A busy machine in a process of its own, to be killed: ``python busy.py HOME LEDGER TREES``.

It goes on with what it finds, starts ``TREES`` new trees, says so line by line, and ends when all trees have ended. Its
tools leave lines in the ledger, a file outside of the journal that is only ever appended to.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from gemot.abi.grants import Budget, BudgetRequest, Grant
from gemot.abi.messages import Request, Text
from gemot.abi.syscalls import SYSCALLS
from gemot.drivers.kit import Driver
from gemot.machine.machine import Machine
from gemot.models.scripted import heard, request, scripted
from gemot.programs.native import Calls, program

ROUNDS = 6
BUDGET = Budget(10**7, 10**7, 10**7, 60, 5, 2_000)


def till(ledger: Path) -> Driver:
    driver = Driver("till", "Pays.")

    def write(line: str) -> None:
        file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line.encode())
        os.close(file)

    @driver.tool(effect="sends", repeatable=False)
    def pay(what: str) -> str:
        """Pay for something: never twice. It is done somewhere in the middle of the time that it takes."""
        sum(range(20_000))
        write(f"pay {what}\n")
        sum(range(20_000))
        return "paid"

    @driver.tool(effect="writes", repeatable=True)
    def note(what: str) -> str:
        """Write something down, once or several times."""
        write(f"note {what}\n")
        return "noted"

    return driver


@program()
async def clerk(calls: Calls, brief: str) -> int:
    """Forks a child, pays and notes in batches, starts a conversation, waits for all."""
    child = await calls.fork(f"{brief}.child", budget=BudgetRequest(calls=200, processes=0))
    name = f"{brief}.child" if child == 0 else brief
    for number in range(ROUNDS):
        token = f"{name}.{number}"
        await calls.call_all(
            ("till/pay", {"what": f"{token}.a"}), ("till/note", {"what": token}), ("till/pay", {"what": f"{token}.b"})
        )
        await calls.generate("Well?")
    if child == 0:
        return ROUNDS
    talker = await calls.spawn(f"talk {name}.talk", "solo", grants=("till/pay",))
    await calls.alarm(0.01)
    waited = await calls.wait([child, talker], timeout_seconds=3_600)
    return ROUNDS + sum(int(outcome.value) for outcome in waited.ended)


def converse(question: Request) -> Any:
    """What the model says: pay two at a time, as often as there are rounds, then exit."""
    brief = next(
        part.text for part in question.messages[-1 if len(question.messages) < 2 else 1].parts if isinstance(part, Text)
    )
    if not brief.startswith("talk "):
        return "well"
    said = sum(message.role == "model" for message in question.messages)
    if said < ROUNDS:
        assert said == 0 or heard(question)
        name = brief.removeprefix("talk ")
        return [request("till/pay", what=f"{name}.{said}.{which}") for which in "ab"]
    return request("exit", value=ROUNDS)


async def main(home: str, ledger: str, trees: int) -> None:
    rights = (*(Grant(name) for name in SYSCALLS), Grant("till/*"))
    async with await Machine.open(
        home, drivers=(till(Path(ledger)),), programs=(clerk,), models={"s": scripted(converse)}, resume=True
    ) as machine:
        print("ready", flush=True)
        for _ in range(trees):
            goal = f"g{os.getpid()}.{len(machine.kernel.processes)}"
            await machine.start(goal, program="clerk", model="s", grants=rights, budget=BUDGET)
            print(f"started {goal}", flush=True)
        for root in [one.pid for one in machine.kernel.processes.values() if not one.parent]:
            outcome = await machine.result(root)
            assert outcome.value == 3 * ROUNDS, outcome
        print("finished", flush=True)


async def lived_with_files(home: Path, work: Path) -> None:
    """A machine with a memory, a copy of files, and a process that waits for a person."""
    steps = iter(
        [
            request("remember", text="the rent is due on the first", scope="person"),
            request("files/write", path="b.txt", content="changed"),
            request("ask", question="Well?"),
        ]
    )
    async with await Machine.open(home, models={"s": scripted(lambda _: next(steps))}, door=False) as machine:
        rights = (*(Grant(name) for name in ("generate", "remember", "call", "ask", "exit")), Grant("files/*"))
        means = Budget(10**6, 10**6, 10**6, 5, 5, 100)
        await machine.start("wait", model="s", work=work, mode="cow", grants=rights, budget=means)
        while not machine.idle:  # noqa: ASYNC110
            await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
