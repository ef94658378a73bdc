"""Judging: who looks at a result for a review. A reviewer, others who do the same task, or the person.

Those who judge are children of the reviewed, made like any child, with what of its rights neither writes nor sends: they hold
nothing that it does not, and cost what it has left. See :mod:`gemot.kernel.reviewing` for what becomes of their verdict.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Outcome
from gemot.abi.grants import Grant, MountRequest
from gemot.abi.reviews import AgreementCheck, ReviewerCheck
from gemot.abi.syscalls import Exit, Spawn
from gemot.authority import evidence
from gemot.authority.kinds import exact_number
from gemot.authority.labels import KERNEL_WORDS, join
from gemot.authority.narrowing import as_written, without_consequences
from gemot.authority.refusal import Refused
from gemot.kernel import changes, families, receipts
from gemot.kernel.process import Process, Review

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

VERDICT: dict[str, Any] = {
    "type": "object",
    "properties": {"accepted": {"type": "boolean"}, "reason": {"type": "string"}},
    "required": ["accepted", "reason"],
    "additionalProperties": False,
}
"""What a reviewer must exit with."""


def ask_reviewer(
    kernel: Kernel, process: Process, review: Review, check: ReviewerCheck, value: Any, before: list[str]
) -> None:
    """Have another process look at a result, which has passed the checks ``before``. Raises :class:`Refused`."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    assert isinstance(process.syscall, Exit)
    given = receipts.receipt(process, process.syscall.claims)
    record = "\n".join(evidence.lines(given)) or "nothing: no tool was used"
    passed = "\n".join(f"- {one}" for one in before)
    diff = process.changed.text if process.changed is not None else ""
    claims = "\n".join(f"- {line}" for line in evidence.claimed(given))
    parts = [
        'Judge whether a result is right; exit with {"accepted": true or false, "reason": "..."}. Its task was:\n'
        f"{_shortened(review.brief)}",
        *([f"Look at this above all: {check.about}"] if check.about else []),
        f"What was really done, by the kernel's own record:\n{_shortened(record)}",
        *([f"The changes themselves, each line behind '> ':\n{_quoted(diff)}"] if diff else []),
        *([f"It has passed these checks already, which the kernel made:\n{_shortened(passed)}"] if passed else []),
        *([f"What it says it did, and the use that shows it:\n{claims}"] if claims else []),
        f"The result, each line of it behind '> ':\n{_quoted(text)}",
    ]
    brief = "\n\n".join(parts)
    if len(brief) > limits.TEXT_CHARS_MAX:
        raise Refused("limit", "it is too long to be put before a reviewer; write it to a file and exit with its path")
    syscall = Spawn(
        brief,
        check.program,
        name=f"review of {process.name}"[: limits.NAME_CHARS_MAX],
        grants=_only_looking(kernel, process),
        mounts=_seen_only(process),
        model=check.model,
        budget=check.budget,
        deadline_seconds=limits.JUDGE_SECONDS,
        returns=VERDICT,
    )
    _judge(kernel, process, review, syscall)


def _shortened(text: str) -> str:
    most = limits.TEXT_CHARS_MAX // 4
    return text if len(text) <= most else f"{text[:most]}\n[... {len(text) - most} more characters]"


def _quoted(text: str) -> str:
    """So that nothing in it can pass for the words around it."""
    return "\n".join(f"> {line}" for line in text.splitlines()) or "> (nothing)"


def ask_many(kernel: Kernel, process: Process, review: Review, of: int) -> None:
    """Have the task of a process done again, by others that only look. Raises :class:`Refused`."""
    for number in range(2, of + 1):
        _judge(kernel, process, review, _again(kernel, process, review, f"{process.name} {number} of {of}"))


def judged(outcome: Outcome) -> str:
    """Why a reviewer does not accept, empty where it does. Its own failure is no approval."""
    if outcome.state != "done":
        return f"it could not be judged: its reviewer {outcome.state}"
    verdict = cast("dict[str, Any]", outcome.value)
    return (
        "" if verdict["accepted"] else str(verdict["reason"])[: limits.NOTE_CHARS_MAX] or "its reviewer gave no reason"
    )


def agreed(check: AgreementCheck, same: int, still: int) -> str | None:
    """Why there is no agreement, empty where there is, None where that is not known yet."""
    if same >= check.least:
        return ""
    if same + still >= check.least:
        return None
    return f"only {same} of {check.of} came to this result, {check.least} had to"


def same(check: AgreementCheck, one: Any, other: Any) -> bool:
    """Are two results the same, in the sense that was stated?"""
    match check.equal:
        case "json":
            return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
        case "text":
            return " ".join(str(one).split()).casefold() == " ".join(str(other).split()).casefold()
        case "number":
            a, b = exact_number(str(one).strip()), exact_number(str(other).strip())
            return a is not None and b is not None and abs(a - b) <= check.within


def dismiss(kernel: Kernel, review: Review) -> None:
    """Nobody needs to judge any more."""
    judges, review.judges = review.judges, []
    for pid in judges:
        judge = kernel.processes[pid]
        kernel.end(
            judge, Outcome(pid, judge.name, "killed", error="the others have decided", rule="family"), KERNEL_WORDS
        )
        kernel.processes[judge.parent].uncollected.remove(pid)


def ask_person(kernel: Kernel, process: Process, question: str, value: Any) -> None:
    """Put a result before the person, with what was really done. Raises :class:`Refused`."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    asks = question or f"Is this result of {process.name} ({process.pid}) right?"
    assert isinstance(process.syscall, Exit)
    given = receipts.receipt(process, process.syscall.claims)
    shown = (
        _quoted(text),
        *(f"done: {line}" for line in evidence.lines(given)),
        *(f"says: {line}" for line in evidence.claimed(given)),
    )
    digest = hashlib.sha256(msgspec.json.encode([asks, shown], order="sorted")).hexdigest()
    label = join(process.label, changes.label(process))
    foreign = ("result",) if label.integrity == "foreign" else ()
    if question and process.review is not None and process.review.label.integrity == "foreign":
        foreign = (*foreign, "question")
    kernel.question(process, asks, digest=digest, plan=shown, untrusted=foreign, whole=True)


def _again(kernel: Kernel, process: Process, review: Review, name: str) -> Spawn:
    """The task of a process, for another one that only looks."""
    return Spawn(
        review.brief,
        review.program,
        name=name[: limits.NAME_CHARS_MAX],
        grants=_only_looking(kernel, process),
        mounts=_seen_only(process),
        deadline_seconds=limits.JUDGE_SECONDS,
        returns=process.returns,
        arguments=review.arguments,
    )


def _judge(kernel: Kernel, process: Process, review: Review, syscall: Spawn) -> None:
    """Start a process that judges. Raises :class:`Refused`."""
    program = families.known_program(kernel, syscall.program, syscall.arguments)
    judge = families.child(kernel, process, syscall, program)
    review.judges.append(judge.pid)
    judge.label = join(judge.label, changes.label(process))
    kernel.begin(judge, syscall.arguments)


def _only_looking(kernel: Kernel, process: Process) -> tuple[Grant, ...]:
    """What a process may use that neither writes nor sends, as it would ask for it for a child."""
    grants = as_written(without_consequences(process.grants, kernel.tools), process.mounts, kernel.tools)
    return tuple(
        msgspec.structs.replace(one, endorsed=False, unsure=(), planned=False)
        for one in grants
        if "/" in one.tool and one.uses is None and not _of_children(kernel, one.tool)
    )


def _of_children(kernel: Kernel, name: str) -> bool:
    """Is a tool, or are all that a grant names, about the children of its user? Who judges has none."""
    tools = [tool for tool in kernel.tools.values() if tool.name == name or name == f"{tool.name.partition('/')[0]}/*"]
    return bool(tools) and all(tool.children for tool in tools)


def _seen_only(process: Process) -> tuple[MountRequest, ...]:
    return tuple(MountRequest(f"/{mount.name}", mount.name, "ro") for mount in process.mounts)
