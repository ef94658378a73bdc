"""The person of a simulated machine: has goals, answers late, never, yes or no, kills, moves, pauses, forks, sets the clock.

What the machine acknowledged to a person is kept: :meth:`Person.meet` checks it in the journal after every crash.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING

from checkers import LawBroken, everyone
from worlds import EVERY_SYSCALL

from gemot.abi.answers import Outcome
from gemot.abi.events import Answered, Arrived, BoardMove, Copied, Event, Retracted, Rewound, Said, Stopped, Worked
from gemot.abi.grants import Budget, Grant, Mount
from gemot.abi.syscalls import Accept, Add, Claim, Complete, Reorder, Task
from gemot.abi.tasks import Drop, Reopen
from gemot.journal.contract import JournalError
from gemot.kernel import Kernel
from gemot.machine.machine import Machine, MachineError
from gemot.models.port import ModelFailed

if TYPE_CHECKING:
    from history import History

TREES_MAX = 4

Doing = Callable[["Person", Machine], Awaitable[None]]


class Person:
    def __init__(self, history: History) -> None:
        self._history = history
        self._chance = history.chance
        self._taking = Random(f"taking back {history.seed}")
        """The chance of what is taken back: what else happens does not depend on it."""
        self._acts = 0
        self._promised: list[str] = []
        """What was acknowledged: it is in the journal from then on, whatever happens."""
        self._results: list[tuple[int, asyncio.Task[Outcome]]] = []

    # What a person does.

    async def live(self) -> None:
        """A life's worth of doings, some time apart."""
        machine, chance = self._history.machine, self._chance
        for _ in range(chance.choice((1, 2, 3)) if not machine.kernel.given else chance.choice((0, 0, 0, 1))):
            await self._try(machine, Person._start)
        if chance.random() < 0.9:
            await self._try(machine, Person._resume)
        for _ in range(chance.randrange(10)):
            await asyncio.sleep(chance.random() ** 4 * 90)
            await self._try(machine, chance.choice(self._DOINGS))
            if self._taking.random() < 0.2:
                await self._try(machine, self._taking.choice((Person._retract, Person._retract, Person._rewind)))

    async def _try(self, machine: Machine, doing: Doing) -> None:
        """What is refused, or meets a machine that has stopped, was not acknowledged."""
        with contextlib.suppress(MachineError, ModelFailed, JournalError):
            await doing(self, machine)

    def word(self) -> str:
        self._acts += 1
        return f"{self._acts}"

    async def _start(self, machine: Machine) -> None:
        if len(machine.kernel.given) >= TREES_MAX:
            return
        chance, goal = self._chance, f"goal {self.word()}"
        n = chance.randrange
        budget = Budget(n(300_000), n(60_000), n(900_000), 1 + n(14), 1 + n(5), 5 + n(160))
        grants = (
            *EVERY_SYSCALL,
            Grant("desk/*"),
            chance.choice((Grant("*"), Grant("shop/*", uses=n(8)), Grant("shop/pay"))),
        )
        pid = await machine.start(
            goal,
            program=chance.choice(("wanderer", "wanderer", "talker", "talker", "clerk")),
            model=chance.choice(("quick", "slow", "wild")),
            models=("quick", "slow"),
            route=self._history.limiting.choice(((), (), ("slow",), ("wild", "quick", "slow"))),
            priority=self._history.limiting.choice((5, 5, 1, 9)),
            mounts=(Mount("work", "/srv/data", "rw"),),
            budget=budget,
            grants=chance.choice((None, grants, grants)),
        )
        self._promised.append(f"arrived {goal}")
        if machine is self._history.machine:
            self._results.append((pid, asyncio.get_running_loop().create_task(machine.result(pid))))

    def _some(self, machine: Machine, chance: Random | None = None) -> int:
        living = [one.pid for one in everyone(machine.kernel) if one.alive]
        return (chance or self._chance).choice([*living, 1, 99])

    async def _send(self, machine: Machine) -> None:
        text = f"word {self.word()}"
        await machine.send(self._some(machine), text)
        self._promised.append(f"said {text}")

    async def _answer(self, machine: Machine) -> None:
        chance = self._chance
        for asked in machine.asks():
            if asked.ask in machine.kernel.asks and chance.random() < 0.5:  # one answer may have closed others
                await self._answer_one(machine, asked.ask)

    async def _answer_one(self, machine: Machine, ask: int) -> None:
        chance = self._chance
        asked = machine.kernel.asks[ask].asked
        options = asked.options or (("", "1", f"1 {len(asked.actions)}") if asked.actions else ())
        text = chance.choice(options) if options else self.word()
        if asked.plan or asked.tool:
            text = "yes"
        scope = chance.choice(("once", "once", "process", "subtree"))
        await machine.answer(ask, chance.random() < 0.7, text, scope)
        self._promised.append(f"answered {ask}")

    async def _kill(self, machine: Machine) -> None:
        pid = self._some(machine)
        await machine.kill(pid)
        self._promised.append(f"stopped {pid}")

    async def _move(self, machine: Machine) -> None:
        await machine.move(self._some(machine), self._chance.choice(("quick", "slow", "wild", "nowhere")))

    async def _pause(self, machine: Machine) -> None:
        machine.pause(self._some(machine))

    async def _resume(self, machine: Machine) -> None:
        machine.resume(None if self._chance.random() < 0.7 else self._some(machine))

    async def _fork(self, machine: Machine) -> None:
        if len(machine.kernel.given) >= 2 * TREES_MAX:
            return
        text = f"copy {self.word()}"
        talking = [one.pid for one in everyone(machine.kernel) if one.alive and one.program.kind == "ai"]
        pid = self._chance.choice(talking) if talking and self._chance.random() < 0.7 else self._some(machine)
        await machine.fork(pid, text, Budget(50_000, 5_000, 100_000, 3, 2, 30))
        self._promised.append(f"copied {text}")

    async def _retract(self, machine: Machine) -> None:
        """Take back all that somebody said, or something that they were told."""
        why, told = f"taken {self.word()}", self._taking.choice((None, self._position(machine)))
        said: list[int] = []
        for _ in range(self._taking.choice((1, 30))):  # somebody has read something, or will soon
            readers = [one for one in everyone(machine.kernel) if one.alive]
            said = [mail.said_by for one in readers for mail in one.mailbox if mail.said_by]
            said += [words.source for one in readers for words in one.heard]
            if said:
                break
            await asyncio.sleep(self._taking.random() * 3)
        pid = self._taking.choice(said) if said and self._taking.random() < 0.8 else self._some(machine, self._taking)
        await machine.retract(pid, why, told)
        self._promised.append(f"retracted {why}")
        if machine is self._history.machine:
            self._history.watcher.forgotten.check(machine.kernel, machine._loop.cast)

    async def _rewind(self, machine: Machine) -> None:
        words = f"back {self.word()}"
        await machine.rewind(self._some(machine, self._taking), self._position(machine), words)
        self._promised.append(f"rewound {words}")

    def _position(self, machine: Machine) -> int:
        return 1 + int(self._taking.random() * machine._loop.journal.position)

    async def _work(self, machine: Machine) -> None:
        """Two moves on a board, most of them on tasks that there are."""
        chance, some = self._chance, self._some(machine)
        for _ in range(2):
            known = machine.tasks(some)
            judged = [task.number for task in known if task.state in ("completed", "stuck")]
            one = chance.choice(judged or [*(task.number for task in known), 1, 7])
            word = f"move {self.word()}"
            moves: list[BoardMove] = [
                Add((Task(word, after=chance.choice(((), (one,)))),)),
                Claim(one, None),
                Claim(one, 30.0),
            ]
            moves += [Complete(one, word), Accept(one), Accept(one), Accept(one, False, word), Reorder((one,))]
            move = chance.choice([*moves, Reopen(one, word), Reopen(one), Drop(one, word)])
            await machine.work(some, move)
            self._promised.append(f"worked {move}")

    async def _set_clock(self, machine: Machine) -> None:
        self._history.jump += self._chance.choice((-7_200.0, -30.0, 30.0, 7_200.0, 34_560_000.0, -34_560_000.0))

    _DOINGS = (
        _start, _send, _send, _answer, _answer, _answer, _kill, _move, _pause, _resume, _resume, _fork, _fork, _fork, _set_clock,
        _work, _work, _work,
    )  # fmt: skip

    # The last life.

    def tidy_up(self) -> bool:
        """Let all trees go on, answer all asks; says whether there was anything to do."""
        machine = self._history.machine
        roots, asks = machine.resume(), machine.asks()
        for asked in asks:
            if asked.ask in machine.kernel.asks:
                self._history.loop.result(self._answer_one(machine, asked.ask))
        return bool(roots or asks)

    def stop_all(self) -> None:
        machine = self._history.machine
        for process in list(everyone(machine.kernel)):
            if process.alive and not process.parent:
                self._history.loop.result(machine.kill(process.pid))

    # What a person may rely on.

    def meet(self, machine: Machine, history: list[Event]) -> None:
        """A new machine: all that was promised by those before it is in its journal."""
        self._results.clear()
        kept = {_promise(event) for event in history}
        broken = [one for one in self._promised if one not in kept]
        if broken:
            raise LawBroken(f"a person's word: {broken[0]!r} was acknowledged, and is not in the journal")

    def check(self, kernel: Kernel) -> None:
        """Whoever waits for a result has it."""
        for pid, task in self._results:
            if not task.done():
                raise LawBroken(f"wake-up: {pid} has ended, and the person still waits for its result")
            now = kernel.processes[pid].outcome
            if task.result() != now and (now is None or now.rule != "retracted"):
                raise LawBroken(f"answered: the person was told another outcome of {pid} than its own")


def _promise(event: Event) -> str:
    match event:
        case Arrived(_, goal):
            return f"arrived {goal}"
        case Said(_, _, text):
            return f"said {text}"
        case Answered(_, ask):
            return f"answered {ask}"
        case Stopped(_, pid):
            return f"stopped {pid}"
        case Copied(_, _, text):
            return f"copied {text}"
        case Retracted(_, _, why):
            return f"retracted {why}"
        case Rewound():
            return f"rewound {event.text}"
        case Worked(_, _, move):
            return f"worked {move}"
        case _:
            return ""
