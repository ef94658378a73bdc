"""Reviews: the gate that an answer passes before it enters its parent's reading.

A process that exits with a result stays where it is, its `exit` unanswered, while the checks of its review are made in their
order. So the answer is in the journal and in nobody's reading. The first check that does not pass sends it back: the `exit` is
answered with the reason and the process tries again, until its tries are used up; then it has failed, and of what it said its
parent reads nothing. What can't be checked has not passed.

A check that does something is done in the name of whoever asked for the review (the parent; the person, where a person
did), on the files of the reviewed. Where the first process of a tree has a review that no person wrote, because it was forked from
a child or came from a file, the rights are those that were noted then (``Review.grants``). Who judges is in :mod:`gemot.kernel.judging`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Error, Outcome
from gemot.abi.effects import StartTool
from gemot.abi.events import Failure, Result, Value
from gemot.abi.grants import Grant, Mount
from gemot.abi.labels import PERSON, Handle, Label
from gemot.abi.reviews import (
    AgreementCheck,
    Check,
    PersonCheck,
    ReceiptCheck,
    ReviewerCheck,
    SchemaCheck,
    ToolCheck,
)
from gemot.abi.syscalls import Exit
from gemot.authority import evidence
from gemot.authority.deciding import decide
from gemot.authority.documents import Document, parsed
from gemot.authority.labels import KERNEL_WORDS, join, joined, of_result, words_of
from gemot.authority.narrowing import path_bounds, used
from gemot.authority.references import fill
from gemot.authority.refusal import Refused
from gemot.authority.schema import mismatch
from gemot.kernel import changes, families, feasible, judging, receipts, results, routes
from gemot.kernel.process import Process, Review, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


@dataclass(slots=True)
class _Stand:
    """Who uses a tool for a check: one process's rights on another one's files."""

    pid: int
    grants: list[Grant]
    mounts: tuple[Mount, ...]
    label: Label
    handles: dict[int, Handle]
    documents: dict[int, Document]
    confirmed: frozenset[str]


def must_be(kernel: Kernel, checks: tuple[Check, ...], tries: int, asker: feasible.Asker) -> None:
    """Raises :class:`Refused` for a review that no result could ever pass, with what would work."""
    if len(checks) > limits.CHECKS_MAX:
        raise Refused("limit", f"a review has at most {limits.CHECKS_MAX} checks, this has {len(checks)}")
    if not 0 < tries <= limits.TRIES_MAX:
        raise Refused("limit", f"tries is a number from 1 to {limits.TRIES_MAX}, not {tries}")
    for number, check in enumerate(checks, 1):
        feasible.must_be(kernel, number, check, asker)


def begin(kernel: Kernel, process: Process) -> None:
    """A process exits with a result: its review begins."""
    assert process.review is not None
    process.state = "reviewing"
    process.review.at = 0
    go_on(kernel, process)


def go_on(kernel: Kernel, process: Process) -> None:
    """Make the checks from where the review is, until one must be waited for."""
    review = process.review
    assert review is not None and isinstance(process.syscall, Exit)
    while review.at < len(review.checks):
        process.work, review.judges, review.verdicts = [], [], []
        try:
            why = _check(kernel, process, review, review.checks[review.at], process.syscall.value)
        except Refused as refusal:
            judging.dismiss(kernel, review)  # of several who were to judge, the first ones are at work
            why = f"this could not be checked: {refusal.message}"
            asker = review.label if not process.parent else words_of(kernel.processes[process.parent])
            process.label = join(process.label, asker)  # a refusal may name the rights that a check is made by
        if why is None:
            return
        if why:
            reject(kernel, process, why)
            return
        review.at += 1
    families.accepted(kernel, process, process.syscall)


def _check(kernel: Kernel, process: Process, review: Review, check: Check, value: Any) -> str | None:
    """Make one check: why it did not pass (empty: it did), or None where that has to be waited for. Raises :class:`Refused`."""
    match check:
        case SchemaCheck(schema):
            return mismatch(value, schema)
        case ReceiptCheck():
            return "" if receipts.bears(process, check) is not None else _missing(check)
        case ToolCheck():
            _use(kernel, process, review, check, value)
        case ReviewerCheck():
            judging.ask_reviewer(
                kernel, process, review, check, value, [in_words(one) for one in review.checks[: review.at]]
            )
        case AgreementCheck(of=of):
            judging.ask_many(kernel, process, review, of)
        case PersonCheck(question):
            judging.ask_person(kernel, process, question, value)
    return None


def _missing(check: ReceiptCheck) -> str:
    matching = f" with {check.matching!r}" if check.matching else ""
    code = f" that ended with exit code {check.exit}" if check.exit is not None else ""
    return f"there is no receipt of a use of {check.tool}{matching}{code}: do it, then exit again"


# Tools.


def _use(kernel: Kernel, process: Process, review: Review, check: ToolCheck, value: Any) -> None:
    """Start a tool on the files of the reviewed, by the rights of whoever asked for the review. Raises :class:`Refused`."""
    tool = kernel.tools.get(check.tool)
    if tool is None or tool.children:
        raise Refused("unknown", f"{check.tool} is not there, or is about children, which a result has none of")
    holder = kernel.processes[process.parent] if process.parent else None
    if holder is not None:
        grants = holder.grants
    else:  # only a person's own review has a person's rights
        grants = [Grant(check.tool, endorsed=True)] if review.label == Label((PERSON,)) else review.grants
    given = check.arguments | ({check.value: value} if check.value else {})
    label = join(review.label, words_of(process)) if check.value else review.label
    confirmed = frozenset[str]() if holder is None else holder.confirmed
    stand = _Stand(process.parent, grants, process.mounts, label, {}, {}, confirmed)
    filling = fill(stand, given, tool.schema)
    wrong = mismatch(filling.arguments, tool.schema)
    if wrong:
        raise Refused("malformed", f"{tool.name}: {wrong}")
    verdict = decide(stand, tool, filling, given, kernel.today)
    if verdict.ask:
        raise Refused("grant", f"{tool.name} needs a person's word first, and a check can't wait for one")
    if process.left.millis < 1:
        raise Refused("budget", "seconds: no time is left for models and tools")
    grants[verdict.grant] = used(grants[verdict.grant], 1)
    millis = min(process.left.millis, tool.seconds_max * 1000)
    only = path_bounds(grants[verdict.grant], tool.paths)
    work = Work(
        kernel.number(), 0, "ready", "check", millis_max=millis, arguments=filling.arguments, label=label, only=only
    )
    process.work = [work]
    kernel.start(process, work)


def start(kernel: Kernel, process: Process, work: Work) -> bool:
    """Tell the machine to use the tool of a check; says whether there is such a tool. A check is a look, so it is made again
    after a crash."""
    if work.kind == "compare":
        changes.start(kernel, process, work)
        return True
    review = process.review
    assert review is not None and work.arguments is not None
    check = review.checks[review.at]
    assert isinstance(check, ToolCheck)
    tool = kernel.tools.get(check.tool)
    if tool is None:
        return False
    results.stored(kernel, process, tool, work.label)
    pid, mounts, millis = process.pid, process.mounts, work.millis_max
    kernel.emit(
        StartTool(work.effect, pid, check.tool, work.arguments, mounts, millis, True, work.only, True, trial=True)
    )
    return True


def checked(kernel: Kernel, process: Process, work: Work, outcome: Result) -> None:
    """The tool of a check has ended."""
    review = process.review
    assert review is not None
    check = review.checks[review.at]
    assert isinstance(check, ToolCheck)
    label = of_result(
        kernel.tools.get(check.tool), work.label, outcome.label if isinstance(outcome, Value | Failure) else Label()
    )
    match outcome:
        case Value():
            why = _verdict(check, evidence.whole_of(outcome))
        case Failure(_, message):
            why = f"{check.tool} could not check it: {message}"
        case _:
            raise AssertionError(f"{type(outcome).__name__} came for a check")
    if why:
        process.label = join(process.label, label)
        reject(kernel, process, why, label)
        return
    review.at += 1
    go_on(kernel, process)


def _verdict(check: ToolCheck, said: str) -> str:
    """Why what a tool said is no approval; empty where it is one. What is neither is none."""
    value = parsed(said)
    if value is True or said.strip() == "true":
        return ""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        accepted = fields.get("accepted")
        if accepted is True:
            return ""
        if accepted is None and evidence.exit_code(said) == check.exit and "stopped" not in fields:
            return ""
    elif evidence.exit_code(said) == check.exit:
        return ""
    return f"{in_words(check)} does not pass it. It said:\n{_end_of(said)}"


def _end_of(text: str) -> str:
    most = limits.NOTE_CHARS_MAX
    return text if len(text) <= most else f"[...] {text[-most:]}"


def judge_ended(kernel: Kernel, process: Process, judge: Process) -> None:
    """One of those who judge a process's result has ended. Its own failure is no approval. Where the process is being put back
    to before it had a result, nobody judges it any more."""
    review, outcome = process.review, judge.outcome
    assert review is not None and outcome is not None
    review.judges.remove(judge.pid)
    if not isinstance(process.syscall, Exit):
        return
    check = review.checks[review.at]
    if isinstance(check, AgreementCheck):
        review.verdicts.append(outcome.state == "done" and judging.same(check, outcome.value, process.syscall.value))
        why = judging.agreed(check, 1 + sum(review.verdicts), len(review.judges))
        if why is None:
            return
        judging.dismiss(kernel, review)
    else:
        why = judging.judged(outcome)
    if why:
        process.label = join(process.label, outcome.label)
        reject(kernel, process, why, outcome.label, judge.pid if isinstance(check, ReviewerCheck) else 0)
        return
    review.at += 1
    go_on(kernel, process)


def answered(kernel: Kernel, process: Process, allow: bool, text: str) -> None:
    """A person's word on a result."""
    review = process.review
    assert review is not None
    process.work = []
    if not allow:
        reject(kernel, process, text or "the person did not accept it")
        return
    process.state = "reviewing"
    review.at += 1
    go_on(kernel, process)


# The end of a review.


def reject(kernel: Kernel, process: Process, why: str, label: Label | None = None, by: int = 0) -> None:
    """A result is not accepted: its process is told why and tries again, or has failed. ``label``: of the words in ``why``,
    which the process ``by`` wrote (0: none did); without one they are the kernel's, and may quote the result."""
    review = process.review
    assert review is not None
    check = review.checks[review.at]
    name = type(check).__struct_config__.tag
    review.tries -= 1
    process.exit_tries += 1
    process.changed, process.stood = None, False  # what it leaves when it has gone on is another thing
    if review.tries:
        routes.stronger(kernel, process)
        tries = "once more" if review.tries == 1 else f"{review.tries} times more"
        kernel.answer(process, Error("review", f"your result was not accepted ({name}): {why}\nYou may exit {tries}."))
        return
    times = "once" if process.exit_tries == 1 else f"{process.exit_tries} times"
    error = (
        f"its result was not accepted, {times}, the last time by the check: {name}; what was said only a person can see "
        f"(gemot log {process.pid})"
    )
    outcome = Outcome(process.pid, process.name, "failed", error=error, rule="review")
    if check.tell_parent:
        outcome = msgspec.structs.replace(outcome, label=label or Label(), finding=why, finding_by=by)
    kernel.end(process, outcome, KERNEL_WORDS)


def give_up(kernel: Kernel, process: Process, why: str) -> None:
    """End a review without a verdict, also one that has not begun: what the result was built on is gone. That costs no try."""
    assert isinstance(process.syscall, Exit)
    for work in process.work:
        kernel.stop(work)
    if process.review is not None:
        judging.dismiss(kernel, process.review)
    process.changed = None
    kernel.answer(process, Error("review", f"your result was not judged, for what it rests on was {why}: exit again"))


def in_words(check: Check) -> str:
    """A check, for whoever reads that a result has passed it, or has not."""
    match check:
        case ToolCheck(tool, arguments):
            given = evidence.shortened(msgspec.json.encode(arguments).decode()) if arguments else ""
            return f"{tool} {given}".strip()
        case ReceiptCheck(tool, matching=matching):
            return f"a receipt of {tool}{f' with {matching!r}' if matching else ''}"
        case AgreementCheck(least, of):
            return f"{least} of {of} agree"
        case SchemaCheck():
            return "its schema"
        case ReviewerCheck():
            return "a reviewer"
        case PersonCheck():
            return "the person"


def signed(process: Process, outcome: Outcome, claims: dict[str, str], review: Review | None) -> Outcome:
    """An outcome with the kernel's record and the label of all the words in it. What its parent reads of that is decided in
    :mod:`gemot.kernel.gates`."""
    passed = tuple(map(in_words, review.checks)) if review is not None and outcome.state == "done" else ()
    label = joined((changes.label(process), outcome.label), words_of(process))
    receipt = receipts.receipt(process, claims, passed)
    return msgspec.structs.replace(outcome, spent=process.spent.frozen(), label=label, receipt=receipt)
