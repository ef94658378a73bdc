"""Evidence: what can be read from a result, and what a receipt says in words that people, models and other checks can rely on."""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Change, Receipt
from gemot.abi.events import Value
from gemot.authority.documents import parsed
from gemot.authority.refusal import Refused

EXIT_CODE_MAX = 1 << 32
"""No exit code is as large."""

_CUT = re.compile(r'\{"exit_code":(-?[0-9]{1,10}),')
"""The beginning of the result of a command: what is too long is cut behind its first fields, of which the exit code is one."""


def shortened(text: str, most: int = limits.RECEIPT_CHARS) -> str:
    """The beginning and the end of a text, with a mark where some of it is left out: nothing hides behind what is harmless."""
    if len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]} [... {len(text) - most} characters ...] {text[-most // 3 :]}"


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


def must_be_claims(claims: dict[str, str]) -> None:
    """Raises :class:`Refused` for claims that nobody would read."""
    if (
        len(claims) > limits.CLAIMS_MAX
        or sum(len(one) for pair in claims.items() for one in pair) > limits.NOTE_CHARS_MAX
    ):
        raise Refused(
            "limit", f"a result has at most {limits.CLAIMS_MAX} claims with {limits.NOTE_CHARS_MAX} characters together"
        )


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
