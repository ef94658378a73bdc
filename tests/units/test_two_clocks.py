"""The order of events and the time of day are two clocks: dates go by the second, also after it went back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gemot import Calls, program
from gemot.abi.events import Ticked
from gemot.cli.alarms import alarms
from gemot.cli.doctor import doctor
from gemot.journal.memory import MemoryJournal
from gemot.journal.records import decode
from gemot.machine import machine as machines
from gemot.machine.clock import Clock
from gemot.machine.machine import Machine
from gemot.programs.library import load

DAY = 86_400
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()


@dataclass
class Computer:
    """A computer's clock that may be set. ``wall``: what it says; ``elapsed``: what has passed."""

    wall: float = NOON
    elapsed: float = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.elapsed)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.elapsed += seconds


@program(grants=("alarm", "receive"))
async def sleeper(calls: Calls, brief: str) -> list[str]:
    """Sets the alarm that its brief names, and waits for it."""
    kind, when = brief.split(" ", 1)
    await calls.alarm(**{kind: float(when) if kind == "seconds" else when}, zone="" if kind == "seconds" else "UTC")
    return [mail.text for mail in await calls.receive()]


def opened(journal: Any, computer: Computer) -> Machine:
    machine = Machine(journal, load((), (sleeper,)), (), lambda name: None, clock=computer.clock())  # type: ignore[arg-type, return-value]
    machine._boot(resume=True)
    return machine


def date(machine: Machine, pid: int) -> str:
    (alarm,) = machine.processes(pid)[0].alarms
    return datetime.fromtimestamp(alarm.at / 1000, UTC).isoformat()


async def settled(machine: Machine) -> None:
    for _ in range(20):
        await asyncio.sleep(0)
    machine._loop.drain()


def looked(machine: Machine) -> None:
    """The machine looks at its clocks, as it does every half minute."""
    machine._loop._woken()
    machine._loop.drain()


def test_schedule_after_a_run_under_a_clock_far_ahead_is_for_tonight() -> None:
    async def story() -> None:
        journal, computer = MemoryJournal(), Computer()
        computer.wall += 400 * DAY
        machine = opened(journal, computer)
        early = await machine.start("every 30 20 * * *", program="sleeper")
        await settled(machine)
        assert date(machine, early) == "2028-01-04T20:30:00+00:00"
        await machine.close()
        order = machine.kernel.now
        computer.wall -= 400 * DAY
        machine = opened(journal.open_again(), computer)
        assert "400 days behind" in machine.clock_notice
        assert machine.kernel.now >= order, "the order does not go back"
        await settled(machine)
        assert date(machine, early) == "2026-11-30T20:30:00+00:00", "the schedule is right again when the clock is"
        late = await machine.start("every 30 20 * * *", program="sleeper")
        once = await machine.start("at 2026-11-30T12:00:03", program="sleeper")
        soon = await machine.start("seconds 600", program="sleeper")
        await settled(machine)
        assert date(machine, late) == "2026-11-30T20:30:00+00:00"
        assert date(machine, once) == "2026-11-30T12:00:03+00:00"
        assert date(machine, soon) == "2026-11-30T12:10:00+00:00"
        computer.passes(4)
        looked(machine)
        assert machine.kernel.processes[once].state == "done"
        computer.passes(8.5 * 3600)
        looked(machine)
        await settled(machine)
        assert {machine.kernel.processes[pid].state for pid in (early, late, soon)} == {"done"}
        await machine.close()

    asyncio.run(story())


@pytest.mark.parametrize("jump", [400 * DAY, -400 * DAY, 3600, -3600])
def test_clock_set_during_a_run_moves_dates_and_not_what_counts_time(jump: int) -> None:
    async def story() -> None:
        computer = Computer()
        machine = opened(MemoryJournal(), computer)
        passing = [await machine.start(brief, program="sleeper") for brief in ("seconds 90", "every 90s")]
        daily = await machine.start("every 30 20 * * *", program="sleeper")
        await settled(machine)
        order = machine.kernel.now
        computer.wall += jump
        looked(machine)
        await settled(machine)
        assert order <= machine.kernel.now < order + 1_000
        assert [machine.kernel.processes[pid].state for pid in passing] == ["waiting", "waiting"]
        if jump == 400 * DAY:
            assert machine.kernel.processes[daily].state == "done", "its date has passed"
        else:
            today = datetime.fromtimestamp(computer.wall, UTC)
            assert date(machine, daily) == f"{today:%Y-%m-%d}T20:30:00+00:00"
        computer.passes(91)
        looked(machine)
        await settled(machine)
        assert [machine.kernel.processes[pid].state for pid in passing] == ["done", "done"]
        await machine.close()

    asyncio.run(story())


def test_sleep_of_the_computer_counts_for_both_clocks() -> None:
    async def story() -> None:
        computer = Computer()
        machine = opened(MemoryJournal(), computer)
        pids = [await machine.start(brief, program="sleeper") for brief in ("seconds 3600", "every 30 20 * * *")]
        await settled(machine)
        computer.passes(9 * 3600)
        looked(machine)
        await settled(machine)
        assert [machine.kernel.processes[pid].state for pid in pids] == ["done", "done"]
        await machine.close()

    asyncio.run(story())


def test_small_step_back_lets_no_firing_come_twice() -> None:
    async def story() -> None:
        journal, computer = MemoryJournal(), Computer()
        machine = opened(journal, computer)
        pid = await machine.start("every 0 13 * * *", program="sleeper")
        await settled(machine)
        (number,) = machine.kernel.processes[pid].alarms
        machine.kernel.processes[pid].alarms[number].rang = int((NOON + 3600) * 1000)
        machine.kernel.processes[pid].alarms[number].at += DAY * 1000
        computer.passes(3600)
        computer.wall -= 2
        looked(machine)
        assert date(machine, pid) == "2026-12-01T13:00:00+00:00"
        await machine.close()

    asyncio.run(story())


def test_lead_is_written_once_for_each_time_the_clock_was_set() -> None:
    async def story() -> None:
        journal, computer = MemoryJournal(), Computer()
        machine = opened(journal, computer)
        await machine.start("every 30 20 * * *", program="sleeper")
        await settled(machine)
        computer.wall -= 100
        for _ in range(5):
            computer.passes(30)
            looked(machine)
        leads = [
            event.lead for event in (decode(record.body) for record in journal.read()) if isinstance(event, Ticked)
        ]
        assert [lead for lead in leads if lead is not None] == [100_000]
        await machine.close()

    asyncio.run(story())


def test_commands_and_doctor_say_that_the_clock_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = datetime.now(UTC).timestamp() + 400 * DAY

    class Ahead(Clock):
        def __init__(self) -> None:
            super().__init__(lambda: ahead, lambda: 0.0)

    async def story() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(machines, "Clock", Ahead)
            async with await Machine.open(tmp_path, programs=(sleeper,)) as machine:
                await machine.start("every 30 20 * * *", program="sleeper")
                await settled(machine)

    asyncio.run(story())
    capsys.readouterr()
    alarms(tmp_path, as_json=False)
    told = capsys.readouterr()
    assert "400 days behind" in told.err
    shown = datetime.strptime(" ".join(told.out.splitlines()[1].split()[3:5]), "%Y-%m-%d %H:%M")
    assert shown < datetime.now() + timedelta(days=2)
    doctor(tmp_path)
    assert "400 days" in " ".join(capsys.readouterr().out.split())
