"""Scheduling: what `gemot schedule` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gemot.abi.grants import Budget
from gemot.abi.limits import ALARM_AHEAD_MILLIS_MAX, DEPTH_MAX
from gemot.abi.reviews import TRIES
from gemot.abi.syscalls import Alarm
from gemot.cli import times
from gemot.cli.background import detach
from gemot.cli.failing import Usage, say
from gemot.cli.goal import prepared
from gemot.machine import calendar
from gemot.machine.wishes import Start

RUNS_MAX = 100_000
CALLS_PER_RUN = 20
"""Syscalls of the schedule itself for each run; it makes about ten."""

AMOUNT_MAX = 10**15


class Plan(Struct, frozen=True):
    """When: ``every`` or ``at``, in ``zone``; and how often at most."""

    every: str
    at: str
    zone: str
    missed: Literal["once", "skip", "all"]
    runs: int


def schedule(home: Path | None, plan: Plan, goal: tuple[Any, ...]) -> int:
    """Begin the schedule in the background; print its pid, and beside it when it begins."""
    start = prepared(*goal)
    if not 1 <= plan.runs <= RUNS_MAX:
        raise Usage(f"--runs is a number from 1 to {RUNS_MAX}, not {plan.runs}")
    if plan.at and plan.missed != "once":
        raise Usage("--missed is for --every; a run --at a time is never left out, only late")
    due = calendar.first(Alarm(at=plan.at, every=plan.every, zone=plan.zone), times.now())
    assert due is not None, "a plan has every or at"
    if due.error:
        raise Usage(due.error)
    if due.at <= times.now():
        raise Usage(f"--at {plan.at}: {due.text} has passed")
    if due.at - times.now() >= ALARM_AHEAD_MILLIS_MAX:
        raise Usage(f"{due.text} is too far ahead: a schedule begins within 30 years")
    code = detach(home, _scheduled(start, replace(plan, zone=due.zone)))
    each = start.budget
    often = "once" if plan.at else f"the first of at most {plan.runs:,}"
    say(
        f"runs on {times.when(due.at)} ({due.text} in {due.zone}), {often}; each may use {each.tokens:,} tokens and "
        f"${each.usd_micros / 1e6:.2f}. It runs only while this computer is on and the machine runs: after a restart, "
        "gemot resume --detach"
    )
    return code


def _scheduled(start: Start, plan: Plan) -> Start:
    """The start of a schedule that gives each run what ``start`` has."""
    each = start.budget
    runs = 1 if plan.at else plan.runs
    share = {
        "tokens": each.tokens,
        "usd_micros": each.usd_micros,
        "seconds": each.millis / 1000,
        "processes": each.processes,
        "depth": min(each.depth, DEPTH_MAX - 1),
        "calls": each.calls,
    }
    arguments = {
        "every": plan.every,
        "at": plan.at,
        "zone": plan.zone,
        "missed": plan.missed,
        "runs": runs,
        "program": start.program,
        "arguments": start.arguments,
        "share": share,
        "review": msgspec.to_builtins(start.review),
        "tries": start.tries,
    }
    budget = Budget(
        min(each.tokens * runs, AMOUNT_MAX),
        min(each.usd_micros * runs, AMOUNT_MAX),
        min(each.millis * runs, AMOUNT_MAX),
        each.processes + 1,
        min(each.depth + 1, DEPTH_MAX),
        min((each.calls + CALLS_PER_RUN) * runs + CALLS_PER_RUN, AMOUNT_MAX),
    )
    return replace(start, program="schedule", arguments=arguments, budget=budget, review=(), tries=TRIES)
