"""loop: the same goal again and again, each time to a child with a fresh context, until a command or a reviewer accepts it.

Unlike the tries of a review, nobody has to find its way out of what it believed: each round begins with what is in the files,
what the round before said, and why that was not accepted.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from gemot.abi.answers import Outcome
from gemot.abi.limits import NOTE_CHARS_MAX
from gemot.programs.native import Calls, SyscallFailed, program
from gemot.programs.shipped.trying import SAID_CHARS, part, quoted, tried

VERDICT: dict[str, Any] = {
    "type": "object",
    "properties": {"accepted": {"type": "boolean"}, "reason": {"type": "string"}},
    "required": ["accepted", "reason"],
}


@program(grants=("spawn", "retract", "fork", "files/*", "calculator/*", "clock/*", "shell/run", "python/run"))
async def loop(
    calls: Calls,
    brief: str,
    check: str = "",
    reviewer: bool = False,
    rounds: int = 5,
    program: str = "runner",
    seconds: int = 300,
) -> str:
    """Give a goal to a child with a fresh context, again and again, until a command (check) or a reviewer accepts."""
    if not (check.strip() or reviewer) or rounds < 1:
        await calls.exit(
            failed="loop needs something that accepts: check=COMMAND, reviewer=yes, or both; and rounds of 1 or more"
        )
    said, why = "", ""
    if check.strip():
        why = await _failing(calls, check, seconds, 0)
        if not why and not reviewer:
            return f"nothing was to be done: {check!r} passes already"
    for number in range(1, rounds + 1):
        try:
            outcome = await _round(calls, _told(brief, check, number, said, why), program, number, rounds)
            said = _words(outcome)
            why = await _failing(calls, check, seconds, number) if check.strip() else ""
            if not why and outcome.state == "done" and reviewer:
                why = await _judged(calls, brief, outcome, number, rounds)
        except SyscallFailed as error:
            if error.rule != "budget":
                raise
            return await _give_up(calls, f"the budget was used up in round {number} of {rounds} ({error}). {why}")
        if not why and (outcome.state == "done" or not reviewer):
            return f"{said}\n[accepted in round {number} of {rounds}]"
        why = why or f"it {outcome.state}: {outcome.error}"
    return await _give_up(calls, f"not accepted in {rounds} rounds. The last time: {why}")


async def _give_up(calls: Calls, why: str) -> str:
    await calls.exit(failed=why[:NOTE_CHARS_MAX])
    return ""


async def _round(calls: Calls, brief: str, program: str, number: int, rounds: int) -> Outcome:
    share = await part(calls, rounds - number + 2)
    pid = await calls.spawn(brief, program, name=f"round {number} of {rounds}", budget=share)
    (outcome,) = (await calls.wait([pid])).ended
    return outcome


async def _failing(calls: Calls, check: str, seconds: int, number: int) -> str:
    """Why the command does not pass; empty where it does."""
    trial = await tried(calls, check, seconds, f"check after round {number}")
    if trial.code == 0:
        return ""
    how = "was stopped" if trial.code is None else f"ended with exit code {trial.code}"
    return f"{check!r} {how}. It said:\n{trial.said}"


async def _judged(calls: Calls, brief: str, outcome: Outcome, number: int, rounds: int) -> str:
    """Why a reviewer does not accept; empty where it does. Its own failure is no approval."""
    done = "\n".join(use.shown for use in outcome.receipt.uses) or "nothing: no tool was used"
    pid = await calls.spawn(
        f"Judge whether a result is right. Its task was:\n{brief}\n\nThe result:\n{quoted(_words(outcome))}\n\n"
        f"What was really done, by the kernel's own record:\n{quoted(done)}\n\n"
        'Exit with {"accepted": true or false, "reason": "..."}.',
        "reviewer",
        name=f"review of round {number}",
        budget=await part(calls, rounds - number + 2),
        returns=VERDICT,
    )
    (judge,) = (await calls.wait([pid])).ended
    if judge.state != "done":
        return f"it could not be judged: its reviewer {judge.state}"
    verdict = cast("dict[str, Any]", judge.value)
    return "" if verdict["accepted"] else str(verdict["reason"]) or "its reviewer gave no reason"


def _words(outcome: Outcome) -> str:
    value = outcome.value if outcome.state == "done" else f"({outcome.state}: {outcome.error})"
    return (value if isinstance(value, str) else msgspec.json.encode(value).decode())[:SAID_CHARS]


def _told(brief: str, check: str, number: int, said: str, why: str) -> str:
    parts = [brief]
    if check.strip():
        parts.append(f"It is done when this command ends with exit code 0 in the top folder:\n{check}")
    if number > 1:
        parts.append(
            f"{number - 1} before you tried, and the files are as they left them. The last one said:\n{quoted(said)}\n\n"
            "Don't take that for true: see for yourself. It was not accepted."
        )
    if why:
        parts.append(f"Why not yet:\n{quoted(why)}")
    return "\n\n".join(parts)
