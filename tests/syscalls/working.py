"""A machine with the shipped drivers on a folder: where the programs that ship are tried with scripted models."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from worlds import MachineWorld, settled

from gemot import Budget, Outcome, scripted
from gemot.abi.grants import Mode
from gemot.abi.messages import Request, Text
from gemot.authority.ledger import SPENDABLE
from gemot.boxes import guarantees
from gemot.drivers import shipped
from gemot.drivers.boxed import WALLS
from gemot.machine.machine import Machine
from gemot.models.scripted import Said
from gemot.programs.native import Native

SHOP = Path(__file__).parents[2] / "examples" / "shop"
UNITTEST = "python3 -m unittest"
BUDGET = Budget(tokens=10**6, usd_micros=10**6, millis=10**6, processes=50, depth=6, calls=5_000)
WHY_NOT = str(guarantees().missing(WALLS) or "")


def shop(folder: Path) -> Path:
    """A copy of the example with its failing test."""
    copy = folder / "shop"
    shutil.copytree(SHOP, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def brief_of(question: Request) -> str:
    return next(part.text for part in question.messages[1].parts if isinstance(part, Text))


def system_of(question: Request) -> str:
    return next(part.text for part in question.messages[0].parts if isinstance(part, Text))


class Work:
    """One program's run, and what is to be seen of it afterwards."""

    outcome: Outcome
    machine: Machine

    def __init__(self, folder: Path, mode: Mode = "rw", *, programs: Iterable[Native] = ()) -> None:
        self.folder, self.mode, self.programs = folder, mode, tuple(programs)
        self.asked: list[str] = []
        self.questions: list[Request] = []

    def run(
        self,
        program: str,
        /,
        script: Callable[[Request], Said] = lambda _: "",
        answers: Iterable[str] = (),
        budget: Budget = BUDGET,
        goal: str = "bring it about",
        **arguments: Any,
    ) -> Outcome:
        """Run a program to its end; ``answers`` to what the person is asked, in order. Its budget adds up afterwards."""

        def noted(question: Request) -> Said:
            self.questions.append(question)
            return script(question)

        async def all_of_it() -> None:
            world = MachineWorld(programs=self.programs, drivers=shipped(), models={"s": scripted(noted)})
            self.machine = machine = world.boot()
            pid = await machine.start(
                goal, program=program, model="s", work=self.folder, mode=self.mode, budget=budget, arguments=arguments
            )
            ending = asyncio.create_task(machine.result(pid))
            for answer in answers:
                while not (machine.asks() or ending.done()):  # noqa: ASYNC110 - of asks nobody tells
                    await asyncio.sleep(0.01)
                (ask,) = machine.asks()
                self.asked.append(ask.question)
                await machine.answer(ask.ask, text=answer)
            self.outcome = await ending
            await settled(machine, 20)
            self._adds_up(budget)
            await machine.close()

        asyncio.run(all_of_it())
        return self.outcome

    def _adds_up(self, budget: Budget) -> None:
        processes = self.machine.kernel.processes.values()
        assert not any(one.alive for one in processes)
        root = self.machine.kernel.processes[self.outcome.pid]
        for name in SPENDABLE:
            given = getattr(budget, name)
            assert getattr(root.left, name) + sum(getattr(one.spent, name) for one in processes) == given, name
        assert root.left.processes == budget.processes

    def named(self, name: str) -> Outcome:
        """How the process of this name ended."""
        outcomes = [one.outcome for one in self.machine.kernel.processes.values() if one.name == name]
        assert len(outcomes) == 1 and outcomes[0] is not None, (name, outcomes)
        return outcomes[0]
