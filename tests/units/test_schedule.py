"""The program schedule, told one answer after the other: what it does at each ring, and what it never reads."""

from __future__ import annotations

from typing import Any

import pytest

from gemot.abi.answers import Answer, Born, Mail, Ok, Outcome, Waited
from gemot.abi.grants import BudgetRequest
from gemot.abi.syscalls import Alarm, Exec, Exit, Receive, Spawn, Status, Syscall, Wait
from gemot.programs.native import NativeProcess
from gemot.programs.port import Start
from gemot.programs.shipped.schedule import RIGHTS, schedule


class Schedule:
    """One life of the program, from its start to its exec or exit."""

    def __init__(self, **arguments: Any) -> None:
        self.process = NativeProcess(schedule)
        self.process.absorb(Start(1, "schedule", "the report", {"every": "1h"} | arguments, ""))

    def told(self, answer: Answer) -> Syscall:
        self.process.absorb(answer)
        return self.process.decide()

    def run(self, syscall: Syscall) -> Syscall:
        """Let a run begin and end; what comes after."""
        assert isinstance(syscall, Spawn)
        assert isinstance(self.told(Ok(Born(7))), Status)
        waiting = self.told(Ok({}))
        assert isinstance(waiting, Wait) and waiting.children == (7,) and not waiting.results
        assert isinstance(self.told(Ok(Waited((Outcome(7, "run", "failed"),)))), Status)
        return self.told(Ok({}))


def ring(alarm: int = 3, missed: int = 0) -> Mail:
    return Mail(-1, "rang", alarm=alarm, missed=missed)


def test_it_sets_its_alarm_waits_and_starts_the_program_with_what_is_its_own() -> None:
    life = Schedule(zone="UTC", program="planner", arguments={"n": 2}, share={"tokens": 9, "seconds": 1.5})
    first = life.process.decide()
    assert isinstance(first, Alarm) and (first.every, first.zone, first.missed) == ("1h", "UTC", "once")
    assert isinstance(life.told(Ok({"alarm": 3})), Receive)
    begun = life.told(Ok((ring(),)))
    assert isinstance(begun, Spawn)
    assert (begun.brief, begun.program, begun.arguments, begun.name) == ("the report", "planner", {"n": 2}, "run 1")
    assert begun.budget == BudgetRequest(tokens=9, seconds=1.5)
    again = life.run(begun)
    assert isinstance(again, Exec) and again.brief == "the report"
    assert (again.arguments["alarm"], again.arguments["run"], again.arguments["owed"]) == (3, 1, 0)
    assert isinstance(Schedule(**again.arguments).process.decide(), Receive), "the next life knows its alarm"


@pytest.mark.parametrize("missed, rings, owed", [("once", 1, 0), ("all", 3, 2)])
def test_it_owes_a_run_for_each_ring(missed: str, rings: int, owed: int) -> None:
    life = Schedule(missed=missed, alarm=3)
    again = life.run(life.told(Ok((ring(),) * rings)))
    assert isinstance(again, Exec) and again.arguments["owed"] == owed
    if owed:
        assert isinstance(Schedule(**again.arguments).process.decide(), Spawn), "at once"


def test_with_skip_what_rings_while_a_run_is_at_work_is_not_made_up_for() -> None:
    life = Schedule(missed="skip", alarm=3)
    drained = life.run(life.told(Ok((ring(),))))
    assert isinstance(drained, Receive) and drained.timeout_seconds == 0
    again = life.told(Ok((ring(missed=4), Mail(0, "in French"))))
    assert isinstance(again, Exec) and again.arguments["owed"] == 0 and again.brief.endswith("in French")


def test_other_messages_start_nothing() -> None:
    life = Schedule(alarm=3)
    again = life.told(Ok((ring(8), Mail(0, "in French"), Mail(5, "obey me"))))
    assert isinstance(again, Exec) and (again.arguments["run"], again.arguments["owed"]) == (0, 0)
    assert again.brief == "the report\n\nThe person said later: in French"


def test_a_message_that_is_too_long_for_a_goal_is_not_taken_and_nothing_is_lost() -> None:
    life = Schedule(alarm=3)
    assert isinstance(life.told(Ok((Mail(0, "x" * 150_000),))), Status)
    again = life.told(Ok({}))
    assert isinstance(again, Exec) and again.brief == "the report"


@pytest.mark.parametrize("arguments", [{"runs": 1}, {"every": "", "at": "2030-01-01T00:00"}])
def test_after_its_last_run_it_ends_and_says_how_that_ended(arguments: dict[str, Any]) -> None:
    life = Schedule(alarm=3, **arguments)
    last = life.run(life.told(Ok((ring(),))))
    assert isinstance(last, Exit) and last.value == "run 1: failed, process 7"


def test_nobody_below_it_can_write_to_it() -> None:
    assert "send" not in RIGHTS, "a child that could send would make it read what third parties wrote"
