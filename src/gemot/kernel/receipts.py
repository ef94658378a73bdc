"""Receipts: the kernel's own record of what a process did, and how what it says it did is held against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Receipt, Use
from gemot.abi.events import Failure, Result, Value
from gemot.abi.reviews import ReceiptCheck
from gemot.abi.rules import DOUBTS
from gemot.abi.syscalls import ToolUse
from gemot.authority.evidence import exit_code, shortened, whole_of
from gemot.kernel.process import Changed, Process, Written

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

NO_RECEIPT = "no receipt"
NEVER_BEGUN = ("not_begun", "malformed", "unknown", "secret")
"""Rules by which the machine refused a use before its tool was called."""


def note(kernel: Kernel, process: Process, use: ToolUse, outcome: Result, sealed: bool = False) -> None:
    """A use that had begun has ended: write it down. Of a result that is ``sealed`` nothing is shown."""
    spec = kernel.tools.get(use.tool)
    what = shortened(msgspec.json.encode(use.arguments).decode()) if use.arguments else ""
    effect = "reads" if spec is None else spec.effect
    code = exit_code(whole_of(outcome)) if isinstance(outcome, Value) else None
    end = "" if code is None or sealed else f", exit code {code}"
    ended = isinstance(outcome, Value)
    shown = f"{use.tool} {what}{end}" if ended else f"{use.tool} {what}, {_fate(process, effect, outcome)}"
    _put(process, Use(use.tool, shown, ended, code, effect, kernel.moment))


def _fate(process: Process, effect: str, outcome: Result) -> str:
    """What became of a use that gave no result, as its phase tells: a payment that may have happened has not failed."""
    rule = outcome.rule if isinstance(outcome, Failure) and process.rules >= DOUBTS else "failed"
    if rule in NEVER_BEGUN:
        return "not begun"
    doubtful = rule == "in_doubt" or (rule == "deadline" and effect in ("writes", "sends"))
    return "in doubt" if doubtful else "failed"


def note_memory(kernel: Kernel, process: Process, memory: int) -> None:
    """A process has put something down for later, where a retraction does not reach it."""
    _put(process, Use("remember", f"remember: memory {memory}", True, None, "writes", kernel.moment))


def _put(process: Process, use: Use) -> None:
    if len(process.uses) >= limits.RECEIPT_USES_MAX:
        del process.uses[0]
        process.uses_before += 1
    process.uses.append(use)


def bears(process: Process, check: ReceiptCheck) -> Use | None:
    """The last use of a process that is what a check wants to see."""
    for use in reversed(process.uses):
        right_exit = use.exit == check.exit if check.exit is not None else use.exit in (None, 0)
        done = use.shown.removesuffix(f", exit code {use.exit}")
        if use.tool == check.tool and use.ok and right_exit and check.matching in done:
            return use
    return None


def receipt(process: Process, claims: dict[str, str], passed: tuple[str, ...] = ()) -> Receipt:
    """What a process did, what each of its claims rests on, and the checks that its result has passed."""
    shown = {text: _shown_by(process, tool) for text, tool in claims.items()}
    changed, written = process.changed or Changed(), process.written or Written()
    return Receipt(
        tuple(process.uses),
        process.uses_before,
        shown,
        (*written.changes.values(), *changed.changes),
        written.more + changed.more,
        (*written.diffs, *((changed.diff,) if changed.diff else ())),
        "; ".join(one for one in (written.unknown, changed.unknown) if one),
        passed,
    )


def _shown_by(process: Process, tool: str) -> str:
    use = bears(process, ReceiptCheck(tool))
    return use.shown if use is not None else NO_RECEIPT
