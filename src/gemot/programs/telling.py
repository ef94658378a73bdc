"""Telling: answers and letters as a model reads them, and whose words they hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec

from gemot.abi.answers import Mail, Outcome, Receipt, Returned, Waited
from gemot.abi.memories import Memory
from gemot.abi.messages import Image, Text
from gemot.programs.reading import runs

LINES_TOLD_MAX = 12
"""How many different uses of a child a parent's model is shown: the last ones, which a result rests on."""

LINE_CHARS = 240
"""How much of one it is shown (characters)."""

CLAIM_CHARS = 40
"""How much of a use is said again beside the claim that it shows (characters)."""


def speakers(value: Any) -> set[int]:
    """The processes whose words an answer holds."""
    match value:
        case Waited(ended):
            return {pid for outcome in ended for pid in (outcome.pid, outcome.finding_by) if pid}
        case Outcome():
            return {pid for pid in (value.pid, value.finding_by) if pid}
        case tuple() | list() | dict():
            many = cast("list[Any]", [value] if isinstance(value, dict) else value)
            tasks = [cast("dict[str, Any]", one) for one in many if isinstance(one, dict)]
            sent = {one.said_by for one in many if isinstance(one, Mail) and one.said_by}
            sent |= {one.writer for one in many if isinstance(one, Memory) and one.writer}
            named = {one.get(name) for one in tasks for name in ("author", "done_by", "note_by")}
            return sent | {one for one in named if isinstance(one, int)} | {pid for one in tasks for pid in _noted(one)}
        case _:
            return set()


def _noted(seen: dict[str, Any]) -> set[int]:
    """The processes whose notes are in what `status` shows."""
    own = {seen["pid"]} if "note" in seen and isinstance(seen.get("pid"), int) else set[int]()
    return own | {pid for one in seen.get("children", ()) for pid in _noted(one)}


def numbered(pages: Iterable[int]) -> str:
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs(pages)) or "none"


def plain(value: Any) -> str:
    """An answer as a model reads it: text as it is, anything else as JSON, without what is for the kernel only."""
    if isinstance(value, Waited):
        rest = msgspec.structs.replace(value, ended=())
        value = {"ended": [_told(one) for one in value.ended]} | msgspec.to_builtins(rest)
    elif isinstance(value, Outcome):
        value = _told(value)
    elif shown_with(value):
        value = [msgspec.structs.replace(one, text=f"{one.text}{_with(one)}", images=()) for one in value]
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def named(images: Iterable[Image]) -> tuple[Text | Image, ...]:
    """Images that a person shows, each after a line that says which it is."""
    return tuple(part for one in images for part in (Text(f"[image: {one.about}]"), one))


def shown_with(value: Any) -> tuple[Image, ...]:
    """The images of the messages that an answer is."""
    letters = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else ()
    return tuple(image for one in letters if isinstance(one, Mail) for image in one.images)


def _with(mail: Mail) -> str:
    count = len(mail.images)
    return f" [with {'an image: it follows' if count == 1 else f'{count} images: they follow'}]" if count else ""


def _told(outcome: Outcome) -> dict[str, Any]:
    """An outcome as its parent's model reads it: what the child says, and beside it what the kernel saw it do. What is empty, or
    said already, is left out: every token of it is paid for again at every turn."""
    told = msgspec.to_builtins(outcome)
    for name in ("spent", "label", "receipt"):
        told.pop(name, None)
    receipt = outcome.receipt
    used = [_line(one) for one in list(dict.fromkeys(use.shown for use in receipt.uses))[-LINES_TOLD_MAX:]]
    told["receipt"] = used or "used no tool"
    if receipt.changes or receipt.unknown:
        told["changed"] = _changes(receipt)
    if receipt.passed:
        told["passed"] = [_line(one) for one in receipt.passed]
    if receipt.claims:
        told["claims"] = {claim: _in_short(shown, used) for claim, shown in receipt.claims.items()}
    return told


def _changes(receipt: Receipt) -> list[str]:
    """What a child changed, a line a file, the first of them."""
    told = [
        f"{one.what} {one.path} "
        + (f"(while {one.ran} ran)" if one.ran and not one.added + one.removed else f"(+{one.added} -{one.removed})")
        for one in receipt.changes[:LINES_TOLD_MAX]
    ]
    more = len(receipt.changes) + receipt.changes_more - len(told)
    return told + ([f"{more} more"] if more else []) + ([f"not known: {receipt.unknown}"] if receipt.unknown else [])


def _in_short(shown: str, used: list[str]) -> str:
    """The use that shows a claim: its beginning, where the whole of it stands in the receipt beside it."""
    return f"{shown[:CLAIM_CHARS]}..." if _line(shown) in used and len(shown) > CLAIM_CHARS + 3 else _line(shown)


def _line(shown: str) -> str:
    """A use as a parent's model reads it: the beginning and the end of what is long."""
    return shown if len(shown) <= LINE_CHARS else f"{shown[: LINE_CHARS * 2 // 3]} [...] {shown[-LINE_CHARS // 3 :]}"


def result_text(returned: Returned) -> str:
    if not returned.ok:
        return f"{returned.rule}: {returned.text}"
    handle = returned.handle
    if handle is None:
        return returned.text
    refer = f'{{"$from": {handle.number}, "at": "path.to[0].a_value"}}'
    if handle.sealed:
        return f"[handle {handle.number}: {returned.text}; it is not shown. In arguments of tools write {refer}]"
    if returned.text:
        return f"{returned.text}\n[handle {handle.number}; in arguments of tools {refer} stands for a value in it]"
    return (
        f"{handle.preview}\n[the first {len(handle.preview)} of {handle.size_chars} characters; "
        f"the rest is handle {handle.number}: read(handle={handle.number}, start={len(handle.preview)})]"
    )


def letter(mail: Mail) -> str:
    """A message as a model reads it. Only the person's stands as it is: a process's is quoted line by line, so that nothing
    in it can pass for somebody else's."""
    if mail.sender == 0:
        return f"[message from the person]{_with(mail)}\n{mail.text}"
    sender = "the kernel" if mail.sender < 0 else f"process {mail.sender}"
    return f"[message from {sender}]\n" + "\n".join(f"> {line}" for line in mail.text.splitlines())
