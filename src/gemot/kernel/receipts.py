"""Receipts: the kernel's own record of what a process did, and how what it says it did is held against it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Change, Receipt, Use
from gemot.abi.events import Result, Value
from gemot.abi.reviews import ReceiptCheck
from gemot.abi.syscalls import ToolUse
from gemot.authority.documents import parsed
from gemot.authority.refusal import Refused
from gemot.kernel.process import Changed, Process, Written

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

NO_RECEIPT = "no receipt"

EXIT_CODE_MAX = 1 << 32
"""No exit code is as large."""

_CUT = re.compile(r'\{"exit_code":(-?[0-9]{1,10}),')
"""The beginning of the result of a command: what is too long is cut behind its first fields, of which the exit code is one."""


def note(kernel: Kernel, process: Process, use: ToolUse, outcome: Result, sealed: bool = False) -> None:
    """A use that had begun has ended: write it down. Of a result that is ``sealed`` nothing is shown."""
    spec = kernel.tools.get(use.tool)
    what = shortened(msgspec.json.encode(use.arguments).decode()) if use.arguments else ""
    effect = "reads" if spec is None else spec.effect
    code = exit_code(whole_of(outcome)) if isinstance(outcome, Value) else None
    end = "" if code is None or sealed else f", exit code {code}"
    ended = isinstance(outcome, Value)
    shown = f"{use.tool} {what}{end}" if ended else f"{use.tool} {what}, failed"
    _put(process, Use(use.tool, shown, ended, code, effect, kernel.moment))


def shortened(text: str, most: int = limits.RECEIPT_CHARS) -> str:
    """The beginning and the end of a text, with a mark where some of it is left out: nothing hides behind what is harmless."""
    if len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]} [... {len(text) - most} characters ...] {text[-most // 3 :]}"


def note_memory(kernel: Kernel, process: Process, memory: int) -> None:
    """A process has put something down for later, where a retraction does not reach it."""
    _put(process, Use("remember", f"remember: memory {memory}", True, None, "writes", kernel.moment))


def _put(process: Process, use: Use) -> None:
    if len(process.uses) >= limits.RECEIPT_USES_MAX:
        del process.uses[0]
        process.uses_before += 1
    process.uses.append(use)


def whole_of(value: Value) -> str:
    """All of a result that is at hand."""
    return value.document or value.text


def exit_code(text: str) -> int | None:
    """The exit code in the result of a command; None where there is none. Third parties' text may look like one."""
    if not text.startswith("{"):
        return None
    said = parsed(text)
    if isinstance(said, dict):
        code = cast("dict[str, Any]", said).get("exit_code")
    else:
        cut = _CUT.match(text)
        code = int(cut[1]) if cut is not None else None
    return code if isinstance(code, int) and not isinstance(code, bool) and abs(code) <= EXIT_CODE_MAX else None


def bears(process: Process, check: ReceiptCheck) -> Use | None:
    """The last use of a process that is what a check wants to see."""
    for use in reversed(process.uses):
        right_exit = use.exit == check.exit if check.exit is not None else use.exit in (None, 0)
        done = use.shown.removesuffix(f", exit code {use.exit}")
        if use.tool == check.tool and use.ok and right_exit and check.matching in done:
            return use
    return None


def must_be_claims(claims: dict[str, str]) -> None:
    """Raises :class:`Refused` for claims that nobody would read."""
    if (
        len(claims) > limits.CLAIMS_MAX
        or sum(len(one) for pair in claims.items() for one in pair) > limits.NOTE_CHARS_MAX
    ):
        raise Refused(
            "limit", f"a result has at most {limits.CLAIMS_MAX} claims with {limits.NOTE_CHARS_MAX} characters together"
        )


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


def lines(given: Receipt) -> list[str]:
    """A receipt as people and models read it: one line for all uses that were the same, then what has changed."""
    counted: dict[str, int] = {}
    for use in given.uses:
        counted[use.shown] = counted.get(use.shown, 0) + 1
    told = [f"{line} ({count} times)" if count > 1 else line for line, count in counted.items()]
    return (
        ([f"({given.more} earlier uses)"] if given.more else [])
        + told
        + changes(given)
        + [f"passed: {one}" for one in given.passed]
    )


def changes(given: Receipt) -> list[str]:
    """What is otherwise in the files that a process worked on, a line for each."""
    told = [in_words(one) for one in given.changes]
    more = [f"({given.changes_more} more files have changed)"] if given.changes_more else []
    unknown = [f"what changed is not known: {' '.join(given.unknown.split())}"] if given.unknown else []
    return told + more + unknown


def in_words(one: Change) -> str:
    """A change in a line."""
    lines = [f"+{one.added} -{one.removed}"] if one.added or one.removed else []
    more = ", ".join([*lines, *([f"while {one.ran} ran"] if one.ran else [])])
    return f"{one.what} {' '.join(one.path.split())}" + (f" ({more})" if more else "")


def claimed(given: Receipt) -> list[str]:
    """The claims of a receipt, a line each: none can pass for several, or for anything else than a claim."""
    return [f"{' '.join(claim.split())} ({' '.join(shown.split())})" for claim, shown in given.claims.items()]


def without_words(given: Receipt) -> Receipt:
    """The receipt of a result that was not accepted: which tools, not a word that its process wrote."""
    return Receipt(tuple(msgspec.structs.replace(use, shown=use.tool) for use in given.uses), given.more)
