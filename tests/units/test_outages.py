"""Providers that fail: a question is put again, and an outage suspends its process instead of ending it. Over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from wire import Speech, WireServer

from gemot.abi.events import Waiting
from gemot.abi.grants import Budget
from gemot.machine.attempts import Patience
from gemot.machine.machine import DEFAULT_BUDGET, Machine
from gemot.machine.notes import Delayed
from gemot.machine.views import ProcessView
from gemot.models.providers import ProviderModel

QUICK = Patience(attempts=3, first_seconds=0.01, later_seconds=(60.0,))
SHORT = Patience(attempts=3, first_seconds=0.01, later_seconds=(0.05,))
DONE = Speech("", [("exit", {"value": "done"})], tokens_in=100, tokens_out=20)
DOWN = Speech(status=529, error="overloaded", headers={"retry-after": "0"})

Work = Callable[[Machine], Awaitable[None]]


def on_machine(
    server: WireServer, work: Work, patience: Patience = QUICK, home: Path | None = None, **more: Any
) -> None:
    kind, _, model = server.model.partition(":")
    named = {
        f"{server.model}{more}": ProviderModel(kind, f"{model}{more}", environment=server.environment)
        for more in ("", "-b")
    }

    async def run() -> None:
        machine = await Machine.open(home, models=named, in_memory=home is None, **more)
        try:
            machine._loop.stage.attempts.patience = patience
            await work(machine)
        finally:
            await machine.close()

    asyncio.run(run())


def brief(millis: int) -> Budget:
    """Means with so little time for models and tools."""
    return msgspec.structs.replace(DEFAULT_BUDGET, millis=millis)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for is seen in a table
            await asyncio.sleep(0.01)


def view(machine: Machine, pid: int = 1) -> ProcessView:
    return next(one for one in machine.processes() if one.pid == pid)


def waits(machine: Machine, pid: int = 1) -> bool:
    return view(machine, pid).outage is not None


def waitings(machine: Machine) -> list[Waiting]:
    from gemot.journal.records import decode

    events = [decode(record.body) for record in machine._loop.journal.read()]
    return [event for event in events if isinstance(event, Waiting)]


def failing(times: int, *, then: Speech = DONE, how: Speech = DOWN) -> Callable[[dict[str, Any], int], Speech]:
    return lambda _, number: how if number < times else then


def test_quick_attempts_are_told_and_leave_nothing_in_the_journal() -> None:
    told: list[Delayed] = []

    async def work(machine: Machine) -> None:
        machine._loop.watchers.append(lambda note: told.append(note) if isinstance(note, Delayed) else None)
        pid = await machine.start("go", model=server.model)
        outcome = await machine.result(pid)
        assert outcome.value == "done" and not waitings(machine)

    with WireServer("openai", failing(2)) as server:
        on_machine(server, work)
    assert [note.attempts for note in told] == [1, 2] and "529" in told[0].why and not told[0].waits
    assert len(server.requests) == 3


def test_outage_suspends_and_resume_tries_at_once() -> None:
    async def work(machine: Machine) -> None:
        pid = await machine.start("go", model=server.model)
        await until(lambda: waits(machine))
        outage = view(machine).outage
        assert outage is not None and "529" in outage.why and outage.attempts == 3 and view(machine).outcome is None
        assert [event.attempts for event in waitings(machine)] == [3]
        server.script = failing(0)
        assert machine.resume(pid) == [pid]
        assert (await machine.result(pid)).value == "done"
        assert view(machine).outage is None

    with WireServer("openai", failing(10**6)) as server:
        on_machine(server, work)
    assert len(server.requests) == 4


def test_outage_ends_by_itself_when_the_provider_is_back() -> None:
    async def work(machine: Machine) -> None:
        pid = await machine.start("go", model=server.model)
        assert (await machine.result(pid)).value == "done"
        assert [event.attempts for event in waitings(machine)] == [3, 4, 5]

    with WireServer("openai", failing(5)) as server:
        on_machine(server, work, SHORT)


def test_message_fork_and_move_work_during_an_outage() -> None:
    async def work(machine: Machine) -> None:
        pid = await machine.start("go", model=server.model)
        await until(lambda: waits(machine))
        await machine.send(pid, "think of the tests")
        twin = await machine.fork(pid, "and you do the other half")
        await until(lambda: waits(machine, twin))
        server.script = failing(0)
        await machine.move(pid, f"{server.model}-b")
        assert (await machine.result(pid)).value == "done"
        machine.resume(twin)
        assert (await machine.result(twin)).value == "done"

    with WireServer("openai", failing(10**6)) as server:
        on_machine(server, work)
    assert "gpt-4.1-mini-b" in {request["model"] for request in server.requests}


def test_process_can_be_killed_during_an_outage() -> None:
    async def work(machine: Machine) -> None:
        pid = await machine.start("go", model=server.model)
        await until(lambda: waits(machine))
        await machine.kill(pid)
        assert (await machine.result(pid)).state == "killed"

    with WireServer("openai", failing(10**6)) as server:
        on_machine(server, work)


def test_outage_is_seen_on_a_closed_home_and_the_next_machine_asks_again(tmp_path: Path) -> None:
    async def first(machine: Machine) -> None:
        await machine.start("go", model=server.model)
        await until(lambda: waits(machine))

    async def second(machine: Machine) -> None:
        assert waits(machine), "it sleeps, and the reason stays"
        machine.resume(1)
        assert (await machine.result(1)).value == "done"

    with WireServer("openai", failing(10**6)) as server:
        on_machine(server, first, home=tmp_path / "home")
        server.script = failing(0)
        on_machine(server, second, home=tmp_path / "home")


def test_usage_of_failed_attempts_is_booked_once() -> None:
    dying = Speech("One two three four five six.", dies="broken", tokens_in=1000, tokens_out=7)

    async def work(machine: Machine) -> None:
        pid = await machine.start("go", model=server.model)
        assert (await machine.result(pid)).value == "done"
        booked = sum(event.usage.tokens_in + event.usage.tokens_out for event in waitings(machine) if event.usage)
        spent = view(machine).spent.tokens
        assert booked > 0 and spent == booked + 120

    with WireServer("openai", lambda _, number: dying if number < 4 else DONE) as server:
        on_machine(server, work, Patience(attempts=2, first_seconds=0.01, later_seconds=(0.01,)))
    assert len(server.requests) == 5


def test_usage_of_quick_attempts_is_booked_beside_the_reply() -> None:
    dying = Speech("One two three four five six.", dies="broken")

    async def work(machine: Machine) -> None:
        pid = await machine.start("go", model=server.model)
        assert (await machine.result(pid)).value == "done"
        assert not waitings(machine) and view(machine).spent.tokens > 2 * 400 + 120

    with WireServer("openai", lambda _, number: dying if number < 2 else DONE) as server:
        on_machine(server, work)


def test_time_of_failed_attempts_is_not_booked() -> None:
    async def work(machine: Machine) -> None:
        pid = await machine.start("go", model=server.model, budget=brief(2_000))
        await until(lambda: waits(machine))
        server.script = failing(0)
        await asyncio.sleep(0.3)
        machine.resume(pid)
        assert (await machine.result(pid)).value == "done"
        assert view(machine).spent.millis < 250

    with WireServer("openai", failing(10**6)) as server:
        on_machine(server, work)


def test_call_that_hangs_until_its_processs_time_is_up_is_made_again() -> None:
    import threading

    hold = threading.Event()

    async def work(machine: Machine) -> None:
        pid = await machine.start("go", model=server.model, budget=brief(1_000))
        assert (await machine.result(pid)).value == "done"
        assert view(machine).spent.millis < 900

    with WireServer("openai", lambda _, number: Speech("late", holds=hold) if number == 0 else DONE) as server:
        on_machine(server, work)
        hold.set()
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 404])
def test_refusal_ends_the_question_at_once(status: int) -> None:
    async def work(machine: Machine) -> None:
        pid = await machine.start("go", model=server.model)
        assert (await machine.result(pid)).state == "failed"

    with WireServer("openai", failing(10**6, how=Speech(status=status, error="no"))) as server:
        on_machine(server, work)
    assert len(server.requests) == 1


def test_all_finish_where_a_third_of_all_calls_fail_some_hang_and_some_are_garbage(chance: Random) -> None:
    import threading

    hold = threading.Event()

    def script(_: dict[str, Any], __: int) -> Speech:
        luck = chance.random()
        if luck < 0.30:
            return Speech(status=503, error="busy")
        if luck < 0.35:
            return Speech("late", holds=hold)
        if luck < 0.40:
            return Speech("One two three four.", dies="broken")
        return DONE

    async def work(machine: Machine) -> None:
        pids = [await machine.start("go", model=server.model, budget=brief(1_000)) for _ in range(40)]
        outcomes = await asyncio.gather(*(machine.result(pid) for pid in pids))
        assert {outcome.state for outcome in outcomes} == {"done"}

    with WireServer("openai", script) as server:
        on_machine(server, work, Patience(attempts=5, first_seconds=0.05, later_seconds=(0.2,)))
        hold.set()
