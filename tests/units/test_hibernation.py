"""Trees in which everybody waits leave memory, and are there again when something happens in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from checkers import digest
from worlds import EVERY_SYSCALL

from gemot import Calls, Grant, Machine, MachineError, program, scripted
from gemot.journal import Damaged
from gemot.journal.sqlite import SqliteJournal
from gemot.kernel import Kernel
from gemot.machine import loop
from gemot.machine.clock import Clock
from gemot.machine.recovery import folding
from gemot.models.scripted import heard

RIGHTS = (*EVERY_SYSCALL, Grant("calculator/*"))


@program(grants=("alarm", "receive", "wait", "spawn", "ask"))
async def sleeper(calls: Calls, brief: str) -> Any:
    """Waits as its brief says: for an alarm, for words, or for a child that waits."""
    kind, _, rest = brief.partition(" ")
    if kind == "alarm":
        await calls.alarm(float(rest))
    elif kind == "every":
        alarm = await calls.alarm(every=rest, zone="UTC")
        firings = 0
        while firings < 3:
            firings += sum(1 + mail.missed for mail in await calls.receive() if mail.alarm == alarm)
        return firings
    if kind == "child":
        child = await calls.spawn(rest, "sleeper")
        return (await calls.wait([child])).ended[0].value
    if kind == "ask":
        return await calls.ask("Well?")
    return (await calls.receive())[0].text


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(loop, "SWEEP_SECONDS", 0.02)
    yield


def speak(question: Any) -> Any:
    return (
        f"I was told {len(question.messages)} things, last {question.messages[-1].parts[-1]!r:.60}"
        if heard(question)
        else "well"
    )


async def opened(home: Path, **options: Any) -> Machine:
    return await Machine.open(home, programs=[sleeper], models={"s": scripted(speak)}, **options)


async def true(check: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to be")


async def gone(machine: Machine, *pids: int) -> None:
    """Until none of these is in memory."""
    await true(lambda: not any(machine.kernel.processes.held(pid) for pid in pids))


async def start(machine: Machine, brief: str) -> int:
    return await machine.start(brief, program="sleeper", model="s", grants=RIGHTS)


def test_what_waits_leaves_memory_and_goes_on_when_it_is_told_something(tmp_path: Path) -> None:
    async def story() -> None:
        async with await opened(tmp_path) as machine:
            pids = [await start(machine, f"child {kind}") for kind in ("word", "ask", "alarm 0.3")]
            await gone(machine, *pids)
            assert machine.kernel.processes == {}
            assert machine.kernel.away == dict.fromkeys(pids, False)
            views = machine.processes()
            assert sorted(one.state for one in views) == ["asking", *["waiting"] * 5]
            (word,) = [one.pid for one in views if one.parent == pids[0]]
            await machine.send(word, "hello")
            assert (await machine.result(pids[0])).value == "hello"
            (asked,) = machine.asks()
            await machine.answer(asked.ask, text="very well")
            assert (await machine.result(pids[1])).value == "very well"
            assert "rang" in str((await machine.result(pids[2])).value)
            await gone(machine, *pids)
            assert [(await machine.result(pid)).state for pid in pids] == ["done"] * 3, (
                "what has ended can be asked for"
            )

    asyncio.run(story())


def test_an_alarm_rings_again_and_again_though_its_tree_leaves_memory_in_between(tmp_path: Path) -> None:
    async def story() -> None:
        async with await opened(tmp_path) as machine:
            pid = await start(machine, "every 1s")
            for _ in range(2):
                await gone(machine, pid)
                await true(lambda: machine.kernel.processes.held(pid) is not None)
        async with await opened(tmp_path) as machine:
            assert [one.number for view in machine.processes() for one in view.alarms]
            machine.resume()
            assert (await machine.result(pid)).value >= 3

    asyncio.run(story())


def test_sleepers_cost_nothing_when_a_machine_opens_and_wake_on_time_after_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with await opened(tmp_path) as machine:
            pids = [await start(machine, "alarm 0.6") for _ in range(20)]
            await gone(machine, *pids)
        async with await opened(tmp_path) as machine:
            assert len(machine.kernel.processes) == 0 and sorted(machine.kernel.away) == pids
            assert sorted(machine.kernel.asleep) == pids, "they sleep until somebody lets them go on"
            await asyncio.sleep(0.8)
            assert sorted(machine.kernel.asleep) == pids
            assert machine.resume() == pids
            assert {(await machine.result(pid)).state for pid in pids} == {"done"}

    asyncio.run(story())


def test_the_journal_leads_to_the_same_tables_wherever_the_trees_are(tmp_path: Path) -> None:
    async def story() -> bytes:
        machine = await opened(tmp_path)
        pids = [await start(machine, kind) for kind in ("alarm 0.2", "word", "child child word", "alarm 900")]
        await gone(machine, *pids)
        await machine.send(pids[1], "hello")
        await machine.result(pids[0])
        machine.pause(pids[2])
        await gone(machine, *pids)
        now = digest(machine.kernel)
        machine._loop.closed = True  # as if it were killed
        machine._loop.journal.close()
        assert machine.home is not None
        machine.home.unlock()
        return now

    live = asyncio.run(story())
    journal = SqliteJournal(tmp_path / "journal.db", writing=False)
    kernel = Kernel()
    from gemot.machine.cast import Cast
    from gemot.programs.library import load

    cast = Cast(kernel, load((), [sleeper]), journal.value)
    for _ in folding(journal, kernel, cast, {}):
        pass
    assert digest(kernel) == live


def test_a_damaged_row_is_said_and_the_records_have_all_of_it(tmp_path: Path) -> None:
    import sqlite3

    async def begin() -> int:
        async with await opened(tmp_path) as machine:
            pid = await start(machine, "word")
            await gone(machine, pid)
            return pid

    pid = asyncio.run(begin())
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("UPDATE trees SET body = substr(body, 2)")
    db.commit()
    db.close()

    async def stumble() -> str:
        machine = await opened(tmp_path)
        try:
            machine.resume()
            await machine.send(pid, "hello")
        except Exception as error:
            return str(error)
        finally:
            await machine.close()
        return ""

    assert "folded from the first" in asyncio.run(stumble())

    async def go_on() -> Any:
        async with await opened(tmp_path, resume=True) as machine:
            await machine.send(pid, "hello again")
            return (await machine.result(pid)).value

    assert asyncio.run(go_on()) == "hello again"


@pytest.mark.parametrize("looks", [False, True])
def test_after_a_damaged_row_nothing_is_fetched_and_nothing_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    """The other rows are given up with it, so the machine must not take those trees for trees that never were."""
    monkeypatch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 0)

    async def story() -> list[int]:
        async with await opened(tmp_path, resume=True) as machine:
            damaged, whole, ended = [await start(machine, "word") for _ in range(3)]
            await machine.kill(ended)
            await gone(machine, damaged, whole, ended)
            machine._loop.journal._db.execute(f"UPDATE trees SET body = substr(body, 2) WHERE root = {damaged}")  # type: ignore[attr-defined]
            if looks:
                with pytest.raises(Damaged, match="folded from the first"):
                    machine.processes()
            for pid in (damaged, whole, ended, damaged):
                with pytest.raises(Damaged, match="folded from the first"):
                    await machine.send(pid, "hello")
            with pytest.raises(Damaged, match="folded from the first"):
                machine.processes()
            with pytest.raises(MachineError, match="no process 99"):
                await machine.send(99, "hello")
            return [damaged, whole, ended]

    damaged, whole, ended = asyncio.run(story())

    async def again() -> None:
        async with await opened(tmp_path, resume=True) as machine:
            assert [one.pid for one in machine.processes()] == [damaged, whole, ended]
            for pid in (damaged, whole):
                await machine.send(pid, "hello")
                assert (await machine.result(pid)).value == "hello"

    asyncio.run(again())


def test_a_conversation_comes_back_with_its_reading(tmp_path: Path) -> None:
    def ask(question: Any) -> Any:
        from gemot import request

        return [request("ask", question=f"Number {len(question.messages)}?")]

    async def story() -> list[str]:
        questions: list[str] = []
        async with await Machine.open(tmp_path, models={"s": scripted(ask)}) as machine:
            pid = await machine.start("talk", model="s")
            for _ in range(3):
                await true(lambda: bool(machine.asks()))
                await gone(machine, pid)
                (asked,) = machine.asks()
                questions.append(asked.question)
                await machine.answer(asked.ask, text="yes")
        return questions

    first, second, third = (int(one.split()[1].strip("?")) for one in asyncio.run(story()))
    assert first < second < third, "nothing was forgotten"


def test_the_clock_of_the_computer_may_be_moved() -> None:
    times = {"wall": 1000.0, "elapsed": 5.0}
    clock = Clock(lambda: times["wall"], lambda: times["elapsed"])
    assert clock.order() == 1_000_000
    times.update(wall=400.0, elapsed=15.0)
    assert (clock.order(), clock.today()) == (1_010_000, 400_000), "set back: ten seconds have passed"
    times.update(wall=90_000.0, elapsed=16.0)
    assert (clock.order(), clock.lead()) == (1_011_000, 1_011_000 - 90_000_000), "set forward: one more"


def test_time_does_not_go_back_behind_the_journal(tmp_path: Path) -> None:
    async def story() -> None:
        async with await opened(tmp_path) as machine:
            machine.clock.begin_after(4_000_000_000_000)  # it opened under a clock that was far ahead
            pid = await start(machine, "alarm 1")
            then = machine.kernel.now
        async with await opened(tmp_path, resume=True) as machine:
            assert machine.kernel.now >= then
            assert (await asyncio.wait_for(machine.result(pid), 5)).state == "done", "a second later, not decades"
            with pytest.raises(MachineError):
                await machine.send(pid, "too late")

    asyncio.run(story())
