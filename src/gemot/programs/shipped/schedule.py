"""schedule: a goal for later, or again and again: at each ring of its alarm one child begins on it, one at a time.

It never reads what its children say: each run has the rights and the trust of the first, whatever the ones before it read.
That is why it holds no right to send: a child could not be given it, so nobody but the person can write to it. After each
run it begins again with nothing but its arguments, so it does not grow; its alarm stays.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gemot.abi import limits
from gemot.abi.grants import BudgetRequest
from gemot.abi.reviews import TRIES, Check
from gemot.programs.native import Calls, program

RIGHTS = (
    "*", "alarm", "exec", "spawn", "fork", "kill", "ask", "add", "claim", "complete", "accept", "reorder", "grant", "revoke",
    "mandate", "endorse", "retract", "remember", "recall", "forget",
)  # fmt: skip
"""What the programs that it starts may ask for; each gets only what it does."""


@program(grants=RIGHTS)
async def schedule(
    calls: Calls,
    brief: str,
    every: str = "",
    at: str = "",
    zone: str = "",
    missed: Literal["once", "skip", "all"] = "once",
    program: str = "solo",
    arguments: dict[str, Any] = {},  # noqa: B006 - never changed
    share: dict[str, Any] = {},  # noqa: B006
    review: list[dict[str, Any]] = [],  # noqa: B006
    tries: int = TRIES,
    runs: int = 1000,
    alarm: int = 0,
    run: int = 0,
    owed: int = 0,
) -> str:
    """Start a program on the goal at a time, or again and again; gemot schedule sets it up."""
    if not alarm:
        alarm = await calls.alarm(note=brief[:80], at=at, every=every, zone=zone, missed=missed)
    if not owed:
        owed, brief = await _news(calls, alarm, brief, None)
    if owed:
        run, owed = run + 1, owed - 1
        budget = msgspec.convert(share, BudgetRequest)
        checks = msgspec.convert(review, tuple[Check, ...])
        pid = await calls.spawn(
            brief, program, name=f"run {run}", budget=budget, arguments=arguments, review=checks, tries=tries
        )
        await calls.note(f"run {run} is at work: process {pid}")
        (outcome,) = (await calls.wait([pid], results=False)).ended
        done = f"run {run}: {outcome.state}, process {pid}"
        await calls.note(done)
        if run >= runs or (at and not owed):
            return done
        if missed == "skip":  # what rang while the run was at work is not made up for
            _, brief = await _news(calls, alarm, brief, 0)
    await calls.execute(
        "schedule",
        brief,
        {
            "every": every,
            "at": at,
            "zone": zone,
            "missed": missed,
            "program": program,
            "arguments": arguments,
            "share": share,
            "review": review,
            "tries": tries,
            "runs": runs,
            "alarm": alarm,
            "run": run,
            "owed": owed,
        },
    )
    raise AssertionError("exec does not return")


async def _news(calls: Calls, alarm: int, brief: str, timeout_seconds: float | None) -> tuple[int, str]:
    """How many runs are due, and the goal with what the person said since."""
    owed = 0
    for mail in await calls.receive(timeout_seconds):
        if mail.alarm == alarm:
            owed += 1
        elif mail.sender == 0 and len(brief) + len(mail.text) < limits.TEXT_CHARS_MAX // 2:
            brief = f"{brief}\n\nThe person said later: {mail.text}"
        elif mail.sender == 0:
            await calls.note("a message was not taken in: it is too long for a goal; put it into a file and name that")
    return owed, brief
