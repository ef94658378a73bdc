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
from gemot.abi.effects import Action, Asked
from gemot.drivers.kit import Driver
from gemot.machine.machine import Machine
from gemot.machine.notes import Asking, Note
from gemot.models.scripted import scripted

RUNS_PER_MACHINE = 50
"""A machine remembers all of its processes; a new one now and then keeps memory and time flat."""


@dataclass
class Run:
    """What came of a case. ``done``: uses that reached the suite; ``asks``: how often the person was asked, and about how many
    uses (``asked_about``: one question may be about several uses of one call); ``failed``: why
    the agent's process ended badly, which is an error of the harness or the kernel, never a refusal."""

    done: list[Use]
    environment: Any
    asks: int = 0
    asked_about: int = 0
    failed: str = ""


class Person:
    """Who is asked. ``refuses``: never yes. ``perfect``: yes to what solves the task and was not done yet, of several uses
    shown together to those by their numbers. ``tired``: yes to the first thing shown, to all of it."""

    def __init__(self, kind: str, wanted: Iterable[Use], done: Callable[[], list[Use]]) -> None:
        self._kind, self._wanted, self._done = kind, Counter(use.key for use in wanted), done
        self._allowed: Counter[str] = Counter()
        self.asks = self.asked_about = 0

    def says(self, uses: list[Use]) -> list[int]:
        """The numbers, from 1, of those shown that they say yes to."""
        self.asks += 1
        self.asked_about += len(uses)
        if self._kind == "perfect":
            return [number for number, use in enumerate(uses, 1) if self._is_wanted(use)]
        return list(range(1, len(uses) + 1)) if self._kind == "tired" and self.asks == 1 else []

    def _is_wanted(self, use: Use) -> bool:
        left = self._wanted - Counter(one.key for one in self._done()) - self._allowed
        if left[use.key] > 0:
            self._allowed[use.key] += 1
            return True
        return False


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
        return Run(scene.done, scene.environment, who.asks, who.asked_about, outcome.error)

    async def _answer(self, machine: Machine, who: Person, asked: Asked) -> None:
        yes = who.says([self._use(one) for one in asked.actions or (asked,)])
        await machine.answer(asked.ask, bool(yes), " ".join(map(str, yes)) if asked.actions else "")

    def _use(self, shown: Asked | Action) -> Use:
        """What is shown, with this run's names, and without what says the same as nothing."""
        names = self.world.names
        own = Use(names.text_back(shown.tool.partition("/")[2]), names.value_back(shown.arguments))
        return self.world.renamed(self.world.suite.bare(own))

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
