"""coder: change code until a command passes. The work is done on a copy, the command decides, the parent merges.

The hand (an AI program) works on a copy of the files. Its result is accepted only when the command passes there; then what it
changed is merged, and the command is run once more on what the folder is now. Every run is on a copy of its own, so nothing
that tests write is left in the folder. What runs code later is merged by nobody but the person.
"""

from __future__ import annotations

from gemot.abi.answers import Outcome
from gemot.abi.grants import BudgetRequest
from gemot.abi.limits import NOTE_CHARS_MAX, RESULT_CHARS_MAX
from gemot.abi.reviews import TRIES, ToolCheck
from gemot.programs.native import Calls, program
from gemot.programs.shipped.trying import (
    Change,
    again,
    changes,
    left_out,
    must_be_there,
    on_copies,
    tried,
    until,
    with_kept,
)

REST, NOTHING = "merge the rest", "merge nothing"


@program(grants=("spawn", "retract", "fork", "ask", "files/*", "copies/*", "shell/run", "python/run"))
async def coder(
    calls: Calls, brief: str, check: str, tries: int = TRIES, keep: tuple[str, ...] = (), seconds: int = 300
) -> str:
    """Change code on a copy until a command (check) passes, then merge; keep: paths that must stay as they are."""
    if not check.strip():
        await calls.exit(failed="check is the command that passes when the work is done; it can't be empty")
    await must_be_there(calls, keep)
    before = await tried(calls, check, seconds, "before")
    left_behind = changes(await calls.call("copies/diff", pid=before.pid))
    # merges nothing, and is refused where a merge would be: better now than when the work is done
    await calls.call("copies/merge", pid=before.pid, leave_out=["."])
    await calls.call("copies/discard", pid=before.pid)

    hand = await _hand(
        calls, until(brief, check, keep, before), with_kept(check, keep, left_behind), keep, tries, seconds
    )
    if hand.state != "done":
        await calls.exit(
            failed=f"not done, and nothing was changed in the folder. What the hand ({hand.pid}) tried is in its copy: "
            f"gemot diff {hand.pid}. It {hand.state}: {hand.error}"[:NOTE_CHARS_MAX]
        )
    made = changes(await calls.call("copies/diff", pid=hand.pid))
    out = left_out(made, left_behind, keep)
    wanted = [one for one in made if not any(f"{one.path}/".startswith(f"{path}/") for path in out)]
    stuck = [one for one in wanted if one.why]
    if stuck:
        await _ask(calls, hand.pid, stuck)
    merged = await again(calls, "copies/merge", pid=hand.pid, leave_out=[*out, *(one.path for one in stuck)])
    after = await tried(calls, check, seconds, "after")
    kept_back = "".join(f"\nnot merged: {one.path} ({one.why})" for one in stuck)
    if after.code != 0:
        await calls.exit(
            failed=f"{merged}; but {check!r} does not pass in the folder as it is now (process {after.pid} ran it), "
            f"though it did on the copy.{kept_back}\nIt says:\n{after.said}"[:NOTE_CHARS_MAX]
        )
    was = "it passed before, too" if before.code == 0 else "it failed before"
    told = (
        f"{merged}\n{check!r} passes in the folder ({was}; process {after.pid} ran it).{kept_back}\n{hand.value or ''}"
    )
    return told[:RESULT_CHARS_MAX]


async def _hand(calls: Calls, brief: str, gate: str, keep: tuple[str, ...], tries: int, seconds: int) -> Outcome:
    """Let the hand work, with nearly all that is left: the rest is for running the command once more."""
    left = (await calls.status())["left"]
    share = BudgetRequest(
        tokens=left.get("tokens", 0),
        usd_micros=left.get("usd_micros", 0),
        seconds=max(left.get("millis", 0) / 2000, left.get("millis", 0) / 1000 - 2 * seconds),
        processes=0,
        calls=left.get("calls", 0) * 3 // 4,
    )
    review = (ToolCheck("shell/run", {"command": gate, "seconds": seconds}),)
    pid = await calls.spawn(
        brief, "coder_hand", name="hand", mounts=on_copies(keep), budget=share, review=review, tries=tries
    )
    (outcome,) = (await calls.wait([pid])).ended
    return outcome


async def _ask(calls: Calls, pid: int, stuck: list[Change]) -> None:
    """Some of what was changed only a person can merge: shall the rest be? Ends where not."""
    listed = "\n".join(f"{one.path}: {one.why}" for one in stuck[:20])
    answer = await calls.ask(
        f"The tests pass on the copy of {pid}. Some of it only you can merge:\n{listed}\n"
        f"Look with gemot diff {pid} PATH; merge it with gemot merge {pid} --accept PATH (or --force PATH). And the rest?",
        REST,
        NOTHING,
    )
    if answer != REST:
        await calls.exit(failed=f"nothing was merged, as you said. It is in the copy of {pid}: gemot diff {pid}")
