"""One run after another on machines in memory: a case goes in, what was really done and asked comes out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from evals.agentdojo.agent import Case, agent
from evals.agentdojo.plans import DRIVER
from evals.agentdojo.suite import Use
from evals.agentdojo.world import World
from gemot.abi.effects import Asked
from gemot.drivers.kit import Driver
from gemot.machine.machine import Machine
from gemot.machine.notes import Asking, Note
from gemot.models.scripted import scripted

RUNS_PER_MACHINE = 50
"""A machine remembers all of its processes; a new one now and then keeps memory and time flat."""

Yes = Callable[[Asked], bool]


@dataclass
class Run:
    """What came of a case. ``done``: uses that reached the suite; ``asks``: how often the person was asked; ``failed``: why
    the agent's process ended badly, which is an error of the harness or the kernel, never a refusal."""

    done: list[Use]
    environment: Any
    asks: int = 0
    failed: str = ""


class Person:
    """Who is asked. ``refuses``: never yes. ``perfect``: yes to what solves the task and was not done yet. ``tired``: yes to
    the first thing shown."""

    def __init__(self, kind: str, wanted: Iterable[Use], done: Callable[[], list[Use]]) -> None:
        self._kind, self._wanted, self._done = kind, Counter(use.key for use in wanted), done
        self._allowed: Counter[str] = Counter()
        self.asked = 0

    def says(self, use: Use) -> bool:
        self.asked += 1
        if self._kind == "perfect":
            left = self._wanted - Counter(one.key for one in self._done()) - self._allowed
            if left[use.key] > 0:
                self._allowed[use.key] += 1
                return True
            return False
        return self._kind == "tired" and self.asked == 1


@dataclass
class Stage:
    """Plays cases in one world, each on the machine that is open now. Use it as ``async with``."""

    world: World
    _machine: Machine | None = None
    _cases: dict[int, Case] = field(default_factory=dict[int, Case])

    async def __aenter__(self) -> Stage:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._machine is not None:
            await self._machine.close()

    async def play(self, case: Case, environment: Any, person: str, wanted: Iterable[Use]) -> Run:
        """``wanted``: what solves the task, with this run's names: what a perfect person says yes to."""
        machine = await self._open()
        number = max(self._cases, default=0) + 1
        self._cases[number] = case
        scene = self.world.enter(environment)
        who = Person(person, wanted, lambda: [self.world.renamed(use) for use in scene.done])
        answers: list[asyncio.Task[None]] = []

        def heard(note: Note) -> None:
            if isinstance(note, Asking):
                answers.append(asyncio.get_running_loop().create_task(self._answer(machine, who, note.asked)))

        forget = machine.watch(heard)
        pid = await machine.start(
            case.plan.task, program="dojo", model="none", grants=case.plan.grants, arguments={"case": number}
        )
        outcome = await machine.result(pid)
        forget()
        await asyncio.gather(*answers)
        return Run(scene.done, scene.environment, who.asked, outcome.error)

    async def _answer(self, machine: Machine, who: Person, asked: Asked) -> None:
        use = self.world.suite.bare(
            Use(self.world.names.text_back(asked.tool.partition("/")[2]), self.world.names.value_back(asked.arguments))
        )
        await machine.answer(asked.ask, who.says(self.world.renamed(use)))

    async def _open(self) -> Machine:
        if self._machine is not None and len(self._cases) >= RUNS_PER_MACHINE:
            await self._machine.close()
            self._machine = None
            self._cases.clear()
        if self._machine is None:
            driver = Driver(DRIVER, "The tools of the suite.")
            driver.tools.update({tool.spec.name: tool for tool in self.world.tools})
            self._machine = await Machine.open(
                in_memory=True,
                drivers=[driver],
                programs=[agent(self._cases)],
                models={"none": scripted(lambda question: "")},
            )
        return self._machine
