"""debate: several sides argue a question in rounds, and a judge with a fresh context decides.

Each argument is made by a child with a fresh context, which has read what the others said in the round before. What it claims it
must rest on a use of a tool; the kernel's receipts say which claims are, and the judge is told, so nobody wins by saying so.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from gemot.abi.answers import Outcome
from gemot.abi.limits import NOTE_CHARS_MAX, RESULT_CHARS_MAX, TEXT_CHARS_MAX
from gemot.programs.native import Calls, program
from gemot.programs.shipped.trying import part, quoted

NO_RECEIPT = "no receipt"
ARGUMENT_CHARS = 4_000
SIDES_MAX, ROUNDS_MAX = 8, 10
DECISION: dict[str, Any] = {
    "type": "object",
    "properties": {"decision": {"type": "string"}, "reasons": {"type": "string"}},
    "required": ["decision", "reasons"],
}


class Argument(msgspec.Struct, frozen=True):
    """What one side said in one round; ``claims``: each with the use that shows it, or that none does."""

    side: str
    number: int
    text: str
    claims: dict[str, str]

    def told(self) -> str:
        claims = "".join(f"\n- claim: {claim} [{shown}]" for claim, shown in self.claims.items())
        return f"{self.side}, round {self.number}:\n{quoted(self.text)}{claims}"


@program(
    grants=("spawn", "retract", "files/list", "files/find", "files/search", "files/read", "calculator/*", "clock/*")
)
async def debate(calls: Calls, brief: str, sides: tuple[str, ...] = ("for", "against"), rounds: int = 2) -> str:
    """Let several sides argue a question in rounds; a judge decides, with reasons, and says which claims have receipts."""
    if not 2 <= len(set(sides)) == len(sides) <= SIDES_MAX or not 1 <= rounds <= ROUNDS_MAX:
        await calls.exit(failed=f"a debate has 2 to {SIDES_MAX} different sides and 1 to {ROUNDS_MAX} rounds")
    share = await part(calls, len(sides) * rounds + 2)
    said: list[Argument] = []
    for number in range(1, rounds + 1):
        pids = [
            await calls.spawn(
                _brief(brief, side, sides, number, rounds, said),
                "debater",
                name=f"{side}, round {number}"[-100:],
                budget=share,
                returns={"type": "string"},
            )
            for side in sides
        ]
        ended = {one.pid: one for one in (await calls.wait(pids)).ended}
        said += [_argument(side, number, ended[pid]) for side, pid in zip(sides, pids, strict=True)]
        if not any(ended[pid].state == "done" for pid in pids):
            errors = "; ".join(f"{ended[pid].name}: {ended[pid].error}" for pid in pids)
            await calls.exit(failed=f"nobody had anything to say in round {number}: {errors}"[:NOTE_CHARS_MAX])
    heard = "\n\n".join(one.told() for one in said)
    judge = await calls.spawn(
        f"The question:\n{brief}\n\nThe sides: {', '.join(sides)}. What was said, with the use of a tool that each claim rests "
        f"on by the kernel's own record:\n\n{heard}"[:TEXT_CHARS_MAX],
        "judge",
        name="judge",
        budget=await part(calls, 2),
        returns=DECISION,
    )
    (outcome,) = (await calls.wait([judge])).ended
    if outcome.state != "done":
        await calls.exit(failed=f"nobody decided: the judge {outcome.state}: {outcome.error}"[:NOTE_CHARS_MAX])
    return _decided(cast("dict[str, Any]", outcome.value), said)


def _brief(brief: str, side: str, sides: tuple[str, ...], number: int, rounds: int, said: list[Argument]) -> str:
    heard = "\n\n".join(one.told() for one in said if one.number == number - 1)
    before = f"\n\nIn the round before this was said:\n\n{heard}\n\nAnswer it." if heard else ""
    return (
        f"The question:\n{brief}\n\nYou speak for: {side}. The sides are: {', '.join(sides)}. "
        f"This is round {number} of {rounds}.{before}"
    )


def _argument(side: str, number: int, outcome: Outcome) -> Argument:
    text = str(outcome.value) if outcome.state == "done" else f"(no argument: {outcome.state}: {outcome.error})"
    claims = {" ".join(claim.split()): " ".join(shown.split()) for claim, shown in outcome.receipt.claims.items()}
    return Argument(side, number, text[:ARGUMENT_CHARS], claims)


def _decided(decision: dict[str, Any], said: list[Argument]) -> str:
    """The judge's words, then what the kernel's record says of the claims: that no judge has to be believed."""
    claims = [(one.side, claim, shown) for one in said for claim, shown in one.claims.items()]
    lines = [f"{decision['decision']}", "", f"{decision['reasons']}"]
    with_receipt = [f"- {side}: {claim} ({shown})" for side, claim, shown in claims if shown != NO_RECEIPT]
    without = [f"- {side}: {claim}" for side, claim, shown in claims if shown == NO_RECEIPT]
    lines += ["", "Claims with a receipt:", *(with_receipt or ["(none)"])]
    lines += ["", "Claims without:", *(without or ["(none)"])]
    return "\n".join(lines)[:RESULT_CHARS_MAX]
