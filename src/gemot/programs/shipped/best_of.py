"""best_of: the same goal to several children at once; the first valid result wins, and the others are ended.

Without ``check`` they only read the files, and the first that says it has a result wins; with ``agree`` so many must say the
same. With ``check`` each works on a copy of its own, valid is what passes that command there, and the winner's copy is merged.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gemot.abi.answers import Outcome
from gemot.abi.grants import MountRequest
from gemot.abi.limits import JUDGES_MAX, NOTE_CHARS_MAX, RESULT_CHARS_MAX
from gemot.abi.reviews import ToolCheck
from gemot.programs.native import Calls, program
from gemot.programs.shipped.trying import (
    Change,
    Trial,
    again,
    changes,
    left_out,
    must_be_there,
    on_copies,
    part,
    tried,
    until,
    with_kept,
)

TRIES = 2

COMPARED = (
    "Others do the same, and your results are compared as text: exit with the bare answer, such as a number, a name or a date, "
    "and not a word more."
)
"""What children are told whose results must agree."""

SAID_CHARS = 100
"""How much of a result is told that nobody agreed with (characters)."""


@program(
    grants=(
        "spawn",
        "retract",
        "fork",
        "kill",
        "files/*",
        "copies/*",
        "calculator/*",
        "clock/*",
        "shell/run",
        "python/run",
    )
)
async def best_of(
    calls: Calls,
    brief: str,
    n: int = 3,
    program: str = "runner",
    check: str = "",
    agree: int = 1,
    keep: tuple[str, ...] = (),
    seconds: int = 300,
) -> Any:
    """Give a goal to n children at once; the first whose result passes a command (check) wins, or the first that agree."""
    if not 1 <= n <= JUDGES_MAX or not 1 <= agree <= n:
        await calls.exit(failed=f"n is 1 to {JUDGES_MAX}, and agree 1 to n; not {n} and {agree}")
    await must_be_there(calls, keep)
    given, left_behind = brief, list[Change]()
    if check.strip():
        before, left_behind = await _before(calls, check, seconds)
        given = until(brief, check, keep, before)
    gate = with_kept(check, keep, left_behind)
    review = (ToolCheck("shell/run", {"command": gate, "seconds": seconds}),) if check.strip() else ()
    mounts = on_copies(keep) if check.strip() else (MountRequest(),)
    share = await part(calls, n + 1)
    given = given if agree == 1 else f"{given}\n\n{COMPARED}"
    pids = [
        await calls.spawn(
            given, program, name=f"{program} {one} of {n}", mounts=mounts, budget=share, review=review, tries=TRIES
        )
        for one in range(1, n + 1)
    ]
    won, ended = await (_first(calls, pids) if agree == 1 else _agreeing(calls, pids, agree))
    if won is None:
        told = "; ".join(f"{one.pid} {one.state}: {one.error or _text(one.value)[:SAID_CHARS]}" for one in ended)
        wanted = "valid result" if agree == 1 else f"result that {agree} agree on"
        await calls.exit(failed=f"there is no {wanted} of {n}: {told}"[:NOTE_CHARS_MAX])
    assert won is not None
    if not check.strip():
        return won.value
    made = changes(await calls.call("copies/diff", pid=won.pid))
    merged = await again(calls, "copies/merge", pid=won.pid, leave_out=left_out(made, left_behind, keep))
    told = f"\n[{won.name} ({won.pid}) was first; {merged}]"
    return (_text(won.value)[: RESULT_CHARS_MAX // 2] + told)[:RESULT_CHARS_MAX]


async def _before(calls: Calls, check: str, seconds: int) -> tuple[Trial, list[Change]]:
    """What the command says before anybody has worked, and what it alone leaves behind. A command that passes on what nobody has worked on would accept anything."""
    before = await tried(calls, check, seconds, "before")
    left_behind = changes(await calls.call("copies/diff", pid=before.pid))
    await calls.call("copies/merge", pid=before.pid, leave_out=["."])  # refused where the winner's could not be merged
    await calls.call("copies/discard", pid=before.pid)
    if before.code == 0:
        await calls.exit(
            failed=f"{check!r} passes already, so it can't tell who is right; name one that fails until the work is done"
        )
    return before, left_behind


async def _first(calls: Calls, pids: list[int]) -> tuple[Outcome | None, tuple[Outcome, ...]]:
    ended = (await calls.wait(pids, mode="first")).ended
    return (ended[0] if ended[0].state == "done" else None), ended


async def _agreeing(calls: Calls, pids: list[int], agree: int) -> tuple[Outcome | None, tuple[Outcome, ...]]:
    """The first result to which so many came; whoever is still at work then is ended."""
    running, ended = list(pids), list[Outcome]()
    while running:
        waited = await calls.wait(running, mode="any")
        running = [pid for pid in running if pid not in {one.pid for one in waited.ended}]
        for outcome in waited.ended:
            ended.append(outcome)
            alike = [one for one in ended if one.state == "done" and _same(one.value, outcome.value)]
            if outcome.state == "done" and len(alike) >= agree:
                for pid in running:
                    await calls.kill(pid, f"{agree} others have agreed")
                return alike[0], tuple(ended)
    return None, tuple(ended)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _same(one: Any, other: Any) -> bool:
    """The same as JSON; texts whatever their case and white space."""
    if isinstance(one, str) and isinstance(other, str):
        return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
