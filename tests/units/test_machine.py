"""The machine: what it does when its store fails, when it stops anywhere, and when it is opened again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from worlds import EVERY_SYSCALL, MachineWorld, bill, settled

from gemot import Budget, Calls, Driver, Grant, Machine, MachineError, Outcome, program, say, scripted
from gemot.abi.messages import Request
from gemot.journal.contract import Full
from gemot.journal.memory import MemoryJournal
from gemot.journal.sqlite import SqliteJournal
from gemot.models.port import Model
from gemot.programs.native import Native

RIGHTS = (*EVERY_SYSCALL, Grant("*"))
BUDGET = Budget(10**6, 10**6, 10**6, 20, 5, 1_000)


class FailingJournal(MemoryJournal):
    """Has no room for the n-th append, and for none after it."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def append(self, expected: int, entries: Iterable[tuple[int, int, bytes]], *, synced: bool) -> int:
        self.room -= 1
        if self.room < 0:
            raise Full("no room")
        return super().append(expected, entries, synced=synced)


class Till:
    """A driver that counts what is really done."""

    def __init__(self) -> None:
        self.paid: list[str] = []
        self.looked = 0
        self.driver = Driver("till", "Pays.")

        @self.driver.tool(effect="computes", repeatable=False)
        def pay(what: str) -> str:
            """Pay for something."""
            self.paid.append(what)
            return f"paid {what}"

        @self.driver.tool(effect="computes", repeatable=True)
        def look() -> str:
            """What has been paid."""
            self.looked += 1
            return ", ".join(self.paid)


@program()
async def shopper(calls: Calls, brief: str) -> list[str]:
    """Forks a child that pays one thing, pays two at once itself, asks a model, collects."""
    child = await calls.fork("pay the bread")
    if child == 0:
        (bread,) = await calls.call_all(("till/pay", {"what": "bread"}))
        await calls.exit(bread.rule or bread.text)
    results = await calls.call_all(("till/pay", {"what": "milk"}), ("till/look", {}), ("till/pay", {"what": "eggs"}))
    word = await calls.generate("Done?")
    (bread,) = (await calls.wait([child])).ended
    return [results[0].rule or results[0].text, results[2].rule or results[2].text, word, str(bread.value)]


def model() -> Model:
    return scripted(lambda _: say("aye"))


async def finish(world: MachineWorld) -> Outcome:
    machine = world.boot(resume=True)
    roots = [one.pid for one in machine.kernel.processes.values() if not one.parent]
    outcome = await machine.result(roots[0])
    await machine.close()
    return outcome


def test_a_store_that_fails_at_any_append_stops_the_machine_and_nothing_is_done_twice() -> None:
    """For every n: the n-th append fails. Nothing is done that is not written; the next machine goes on from there."""

    async def story(room: int) -> bool:
        till = Till()
        failing = FailingJournal(room)
        world = MachineWorld(programs=(shopper,), drivers=(till.driver,), models={"s": model()}, journal=failing)
        try:
            machine = world.boot()
            pid = await machine.start("go", program="shopper", model="s", grants=RIGHTS, budget=BUDGET)
            await machine.result(pid)
            await machine.close()
            return False
        except (MachineError, Full):
            paid, written = list(till.paid), failing.position
        if failing.position and hasattr(world, "machine"):
            await settled(world.machine, 30)
            with pytest.raises(MachineError):
                await world.machine.start("more", program="shopper", model="s")
            world.crash()
        assert (till.paid, failing.position) == (paid, written), "a machine that stopped does nothing more"
        again = MachineWorld(
            programs=(shopper,), drivers=(till.driver,), models={"s": model()}, journal=failing.open_again()
        )
        if not any(type(event).__name__ == "Arrived" for event in again.history()):
            assert till.paid == []
            return True
        outcome = await finish(again)
        assert outcome.state == "done", outcome
        assert len(till.paid) == len(set(till.paid)), f"room {room}: something was paid twice: {till.paid}"
        milk, eggs, word, bread = outcome.value
        assert word == "aye"
        for what, told in (("milk", milk), ("eggs", eggs), ("bread", bread)):
            assert told in (f"paid {what}", "in_doubt")
            assert what in till.paid or told == "in_doubt"
        assert bill(again.history()) == sum(one.spent.tokens for one in again.machine.kernel.processes.values())
        return True

    room = 0
    while asyncio.run(story(room)):
        room += 1
    assert room >= 4, "the story has more appends than that"


def test_a_crash_after_any_step_is_recovered_from() -> None:
    """The journal as it was after each of its records: the machine opened on it finishes the job, and pays nothing twice."""

    async def whole() -> tuple[list[Any], Till]:
        till = Till()
        world = MachineWorld(programs=(shopper,), drivers=(till.driver,), models={"s": model()})
        machine = world.boot()
        await machine.result(await machine.start("go", program="shopper", model="s", grants=RIGHTS, budget=BUDGET))
        await machine.close()
        return list(world.journal.read()), till

    async def from_here(records: list[Any]) -> None:
        journal = MemoryJournal()
        journal.append(0, [(one.at, one.pid, one.body) for one in records], synced=True)
        till = Till()
        world = MachineWorld(programs=(shopper,), drivers=(till.driver,), models={"s": model()}, journal=journal)
        outcome = await finish(world)
        assert outcome.state == "done", outcome
        assert len(till.paid) == len(set(till.paid))

    records, _ = asyncio.run(whole())
    first = next(index for index, one in enumerate(records) if b'"arrived"' in one.body)
    for length in range(first + 1, len(records)):
        asyncio.run(from_here(records[:length]))


async def interrupted(body: Native, then: Native, journal: Any = None) -> Outcome:
    """Run ``body`` until it waits for the person, crash, and go on with ``then`` in its place."""
    world = MachineWorld(programs=(body,), models={"s": model()}, journal=journal)
    machine = world.boot()
    pid = await machine.start("go", program=body.spec.name, model="s", grants=RIGHTS, budget=BUDGET)
    await settled(machine, 20)
    assert machine.asks()
    world.crash()
    again = MachineWorld(programs=(then,), models={"s": model()}, journal=world.journal)
    machine = again.boot(resume=True)
    for asked in machine.asks():
        await machine.answer(asked.ask, text="go on")
    outcome = await machine.result(pid)
    await machine.close()
    return outcome


def test_a_native_program_and_its_fork_are_replayed() -> None:
    @program()
    async def pair(calls: Calls, brief: str) -> list[Any]:
        child = await calls.fork("half", returns={"enum": ["a", "b"]})
        if child == 0:
            await calls.ask("May I?")
            await calls.exit("a")
        waited = await calls.wait([child], timeout_seconds=10_000)
        return [one.value for one in waited.ended]

    assert asyncio.run(interrupted(pair, pair)).value == ["a"]


def test_a_native_program_that_is_not_deterministic_is_found_out_and_named() -> None:
    luck = iter(range(100))

    @program()
    async def dicey(calls: Calls, brief: str) -> str:
        await calls.generate(f"question {next(luck)}")
        await calls.generate(f"question {next(luck)}")
        return await calls.ask("Well?")

    outcome = asyncio.run(interrupted(dicey, dicey))
    assert (outcome.state, outcome.rule) == ("failed", "fault")
    assert "question 2" in outcome.error and "question 0" in outcome.error, "the first difference is named"


def test_a_fork_of_a_program_that_is_not_deterministic_fails_with_its_name() -> None:
    luck = iter(range(100))

    @program()
    async def dicey(calls: Calls, brief: str) -> str:
        await calls.generate(f"question {next(luck)}")
        if await calls.fork("x") == 0:
            return "child"
        (outcome,) = (await calls.wait()).ended
        return outcome.error

    async def story() -> Outcome:
        world = MachineWorld(programs=(dicey,), models={"s": model()})
        machine = world.boot()
        outcome = await machine.result(await machine.start("go", program="dicey", model="s", grants=RIGHTS))
        await machine.close()
        return outcome

    assert "not deterministic" in asyncio.run(story()).value


def test_a_native_program_that_has_changed_waits_asleep_until_the_old_one_is_back() -> None:
    @program(name="clerk")
    async def old(calls: Calls, brief: str) -> str:
        return await calls.ask("Old?")

    @program(name="clerk")
    async def new(calls: Calls, brief: str) -> str:
        return await calls.ask("New?")

    async def story() -> Outcome:
        world = MachineWorld(programs=(old,), models={"s": model()})
        machine = world.boot()
        pid = await machine.start("go", program="clerk", model="s", grants=RIGHTS, budget=BUDGET)
        await settled(machine, 20)
        world.crash()
        changed = MachineWorld(programs=(new,), models={"s": model()}, journal=world.journal)
        machine = changed.boot()
        with pytest.raises(MachineError, match="changed"):
            machine.resume(pid)
        await machine.answer(machine.asks()[0].ask, text="later")
        assert machine.kernel.processes[pid].alive
        changed.crash()
        back = MachineWorld(programs=(old,), models={"s": model()}, journal=changed.journal)
        machine = back.boot(resume=True)
        outcome = await machine.result(pid)
        await machine.close()
        return outcome

    assert asyncio.run(story()).value == "later"


def test_closing_and_opening_again_goes_on_where_it_was(tmp_path: Path) -> None:
    """A model call is under way when the machine is closed: it is made again, its process does not fail."""
    asked: list[int] = []

    async def slow(_: Request) -> Any:
        asked.append(1)
        if len(asked) == 1:
            await asyncio.Event().wait()
        return say("aye")

    @program()
    async def asker(calls: Calls, brief: str) -> str:
        return await calls.generate("Well?")

    async def first() -> int:
        machine = await Machine.open(tmp_path, models={"s": scripted(slow)}, programs=(asker,), drivers=())
        pid = await machine.start("go", program="asker", model="s")
        await settled(machine, 10)
        await machine.close()
        return pid

    async def second(pid: int) -> Outcome:
        async with await Machine.open(
            tmp_path, models={"s": scripted(slow)}, programs=(asker,), drivers=(), resume=True
        ) as machine:
            return await machine.result(pid)

    pid = asyncio.run(first())
    assert asyncio.run(second(pid)).value == "aye"
    assert len(asked) == 2


def test_pausing_and_resuming_at_once_makes_the_call_again() -> None:
    asked: list[int] = []

    async def slow(_: Request) -> Any:
        asked.append(1)
        if len(asked) == 1:
            await asyncio.Event().wait()
        return say("aye")

    @program()
    async def asker(calls: Calls, brief: str) -> str:
        return await calls.generate("Well?")

    async def story() -> Outcome:
        world = MachineWorld(programs=(asker,), models={"s": scripted(slow)})
        machine = world.boot()
        pid = await machine.start("go", program="asker", model="s")
        await settled(machine, 5)
        machine.pause(pid)
        machine.resume(pid)
        outcome = await machine.result(pid)
        await machine.close()
        return outcome

    assert asyncio.run(story()).value == "aye"


def test_a_process_moves_to_another_model_while_the_first_one_thinks() -> None:
    async def silent(_: Request) -> Any:
        await asyncio.Event().wait()

    @program()
    async def asker(calls: Calls, brief: str) -> str:
        return await calls.generate("Well?")

    async def story() -> Outcome:
        world = MachineWorld(programs=(asker,), models={"s": scripted(silent), "t": model()})
        machine = world.boot()
        pid = await machine.start("go", program="asker", model="s")
        await settled(machine, 5)
        await machine.move(pid, "t")
        outcome = await machine.result(pid)
        await machine.close()
        return outcome

    assert asyncio.run(story()).value == "aye"


def test_a_person_forks_a_process_and_both_go_on() -> None:
    from gemot import request

    async def think(question: Request) -> Any:
        if "differently" in str(question.messages[-1]):
            return request("exit", value="another way")
        return await asyncio.Event().wait()

    async def story() -> None:
        world = MachineWorld(models={"s": scripted(think)})
        machine = world.boot()
        pid = await machine.start("the goal", program="solo", model="s", mounts=())
        await settled(machine, 5)
        with pytest.raises(MachineError, match="negative"):
            await machine.fork(pid, "x", Budget(tokens=-1))
        copy = await machine.fork(pid, "do it differently", BUDGET)
        assert (await machine.result(copy)).value == "another way"
        assert machine.kernel.processes[pid].alive
        await machine.kill(pid)
        await machine.close()

    asyncio.run(story())


def test_a_goal_of_broken_text_is_taken_as_far_as_it_is_text() -> None:
    async def story() -> str:
        world = MachineWorld(programs=(shopper,), models={"s": model()})
        machine = world.boot()
        pid = await machine.start("caf\udce9", program="shopper", model="s")
        brief = machine.kernel.processes[pid].brief
        await machine.close()
        return brief

    assert asyncio.run(story()) == "caf?"


def test_two_machines_on_one_journal_can_not_both_write(tmp_path: Path) -> None:
    async def story() -> None:
        one = MachineWorld(programs=(shopper,), models={"s": model()}, journal=SqliteJournal(tmp_path / "j.db"))
        first = one.boot()
        two = MachineWorld(programs=(shopper,), models={"s": model()}, journal=SqliteJournal(tmp_path / "j.db"))
        second = two.boot()
        with pytest.raises(MachineError, match="another machine"):
            await first.start("go", program="shopper", model="s")
        await second.start("go", program="shopper", model="s", grants=RIGHTS)
        await second.close()
        await first.close()

    asyncio.run(story())
