"""Every text in every type that processes and people meet: whose words it is, and which label goes with it.

The list of fields comes from the types. A new field that holds text fails this test until its entry says who writes it. The
second test reads the kernel's source: whoever makes something that passes words on names their label.
"""

from __future__ import annotations

import ast
import re
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gemot.abi import answers, effects, events, labels, memories, messages, reviews, syscalls, tasks
from gemot.board import table
from gemot.kernel import process

OWN = "the words of the process that makes the syscall; whoever else reads them reads them through another type"
PERSON = "the person's words, or what the person chose"
KERNEL = "the kernel's own words, or a name from the kernel's lists"
DRIVER = "what a driver, a model or the machine reports; it comes in with a label or as foreign as its tool is"

WORDS: dict[str, str] = {
    # What a process is told.
    "Mail.text": "label",
    "Ok.value": "of an outcome, mail, memory or result: its own label; else the kernel's words, joined to the reader where not",
    "Error.rule": KERNEL,
    "Error.message": "Refused.label, joined to the reader by the trap; a review's finding: joined before the answer",
    "Cancelled.reason": KERNEL,
    "Returned.tool": KERNEL,
    "Returned.text": "label",
    "Returned.rule": KERNEL,
    "Use.tool": KERNEL,
    "Use.shown": "Outcome.label",
    "Use.effect": KERNEL,
    "Change.path": "Outcome.label",
    "Change.what": KERNEL,
    "Change.ran": KERNEL,
    "Receipt.claims": "Outcome.label",
    "Receipt.diffs": KERNEL,
    "Receipt.unknown": KERNEL,
    "Receipt.passed": "Outcome.label: the author of the review, whose words the process had at birth",
    "Outcome.name": "of its parent, who reads it; in status Process.named",
    "Outcome.state": KERNEL,
    "Outcome.value": "label",
    "Outcome.error": "label, joined with that of the author that Kernel.end is given",
    "Outcome.rule": KERNEL,
    "Outcome.finding": "label",
    "Outcome.held": KERNEL,
    "Retraction.effects": "joined to the process that reads them when it takes something back",
    "Born.brief": "of the parent, whose label the child has",
    "Handle.digest": KERNEL,
    "Handle.preview": "label",
    "Label.origins": KERNEL,
    "Label.integrity": KERNEL,
    "Label.secrets": KERNEL,
    "Memory.text": "label",
    "Memory.about": "label",
    "Memory.scope": KERNEL,
    "Shelf.scope": KERNEL,
    "Shelf.name": KERNEL,
    # What happens.
    "Booted.version": KERNEL,
    "Arrived.goal": PERSON,
    "Arrived.program": PERSON,
    "Arrived.models": PERSON,
    "Arrived.arguments": PERSON,
    "Arrived.name": PERSON,
    "Arrived.route": PERSON,
    "Due.text": KERNEL,
    "Due.zone": "of the alarm's process, to itself",
    "Due.error": "of the alarm's process, to itself",
    "Trapped.prices": KERNEL,
    "Adopted.values": "Handle.label, of the handle that names it, which an import makes third parties' text",
    "Trapped.values": "Handle.label, of the handle that names it",
    "Wrote.diff": DRIVER,
    "Wrote.unknown": DRIVER,
    "Value.text": "label",
    "Value.digest": DRIVER,
    "Value.document": "label",
    "Failure.rule": DRIVER,
    "Failure.message": "of_result, from the tool's own manifest",
    "Compared.diff": DRIVER,
    "Compared.text": "Changed.label",
    "Said.text": PERSON,
    "Answered.text": PERSON,
    "Answered.scope": PERSON,
    "Stopped.reason": PERSON,
    "Revoked.tool": PERSON,
    "Done.provider": KERNEL,
    "Waiting.provider": KERNEL,
    "Waiting.why": "of the machine and the provider, for the person; no process is told",
    "Blank.bills": KERNEL,
    "Retracted.reason": PERSON,
    "Rewound.text": PERSON,
    "Rewound.stays": "the label that the process had before it was put back",
    "Moved.model": PERSON,
    "Copied.text": PERSON,
    "Faulted.message": "of the process whose program it was: Outcome.label",
    # What the machine is told.
    "AskModel.model": KERNEL,
    "StartTool.tool": KERNEL,
    "StartTool.arguments": OWN,
    "StartTool.only": OWN,
    "ReadValue.digest": KERNEL,
    "KeepMemory.key": KERNEL,
    "KeepMemory.text": "label",
    "KeepMemory.about": "label",
    "FindMemories.query": OWN,
    "DropMemory.key": KERNEL,
    "DropMemory.integrity": KERNEL,
    "Begin.brief": "of the parent, whose label the child has",
    "Begin.arguments": "of the parent, whose label the child has",
    "Begin.name": "of the parent, whose label the child has",
    "TakeBack.why": "label",
    "TakeBack.words": "of who is taken back: used to find them again, and told to nobody",
    "Action.tool": KERNEL,
    "Action.arguments": "untrusted",
    "Action.places": KERNEL,
    "Action.why": KERNEL,
    "Action.untrusted": KERNEL,
    "Action.steers": KERNEL,
    "Asked.question": "untrusted",
    "Asked.options": "untrusted: of the process that asks, as the question",
    "Asked.tool": KERNEL,
    "Asked.arguments": "untrusted",
    "Asked.digest": KERNEL,
    "Asked.places": KERNEL,
    "Asked.why": KERNEL,
    "Asked.untrusted": KERNEL,
    "Asked.steers": KERNEL,
    "Asked.plan": "untrusted",
    "Asked.reason": "untrusted: of the process that asks, as the question",
    "PlannedStep.title": "of the process that asks, which has read nothing foreign",
    # Tasks, as they stand on a board and are told of.
    "Item.text": "label",
    "Item.acceptance": "label",
    "Item.name": "label; in a refusal, Refused.label",
    "Item.state": KERNEL,
    "Item.result": "label",
    "Item.note": "label",
    "Item.sent_back": "label",
    "Item.said": KERNEL,
    # What the kernel notes of a process.
    "SetAlarm.note": "label",
    "SetAlarm.every": OWN,
    "SetAlarm.zone": OWN,
    "SetAlarm.text": KERNEL,
    "SetAlarm.missed": KERNEL,
    "Progress.text": "label",
    "Changed.diff": KERNEL,
    "Changed.text": "label",
    "Changed.unknown": KERNEL,
    "Written.changes": "label",
    "Written.diffs": KERNEL,
    "Written.unknown": KERNEL,
    "Process.name": "named",
    "Process.brief": "label",
    # What models say and are shown.
    "Text.text": DRIVER,
    "Reasoning.text": DRIVER,
    "Reasoning.provider": DRIVER,
    "Reasoning.extra": DRIVER,
    "ToolRequest.id": DRIVER,
    "ToolRequest.name": DRIVER,
    "ToolRequest.arguments": DRIVER,
    "ToolRequest.extra": DRIVER,
    "ToolResult.id": DRIVER,
    "ToolResult.name": DRIVER,
    "ToolResult.text": "of an answer, which has its label",
    "Image.digest": DRIVER,
    "Image.media_type": DRIVER,
    "Image.about": DRIVER,
    "Message.role": KERNEL,
    "Reply.model": DRIVER,
    "Reply.finish": DRIVER,
}
"""By field: the field (or place) where its label stands, or whose words it is where everybody who reads it knows."""

BY_LABEL = [name for name, whose in WORDS.items() if whose == "label"]

SAID: dict[str, str] = {
    "Spawn.brief": "Begin.brief",
    "Spawn.name": "Process.named",
    "Spawn.grants": "the child's label, joined at birth",
    "Spawn.model": KERNEL,
    "Spawn.program": KERNEL,
    "Spawn.returns": "the child's label, joined at birth",
    "Spawn.arguments": "the child's label, joined at birth",
    "Fork.brief": "Born.brief",
    "Fork.name": "Process.named",
    "Fork.grants": "the child's label, joined at birth",
    "Fork.model": KERNEL,
    "Fork.returns": "the child's label, joined at birth",
    "Exec.program": KERNEL,
    "Exec.brief": OWN,
    "Exec.arguments": OWN,
    "Exit.value": "Outcome.value",
    "Exit.failed": "Outcome.error",
    "Exit.claims": "Receipt.claims",
    "Kill.reason": "Outcome.error, Item.note",
    "Status.note": "Progress.text",
    "Wait.mode": KERNEL,
    "Send.text": "Mail.text",
    "Alarm.note": "SetAlarm.note",
    "Alarm.at": OWN,
    "Alarm.every": OWN,
    "Alarm.zone": OWN,
    "Alarm.missed": KERNEL,
    "Generate.prompt": OWN,
    "Generate.system": OWN,
    "Generate.choose": OWN,
    "ToolUse.tool": OWN,
    "ToolUse.arguments": "Use.shown, Action.arguments",
    "Complete.result": "Item.result",
    "Accept.reason": "Item.note, Item.sent_back, Mail.text",
    "ListTasks.state": KERNEL,
    "Ask.question": "Asked.question",
    "Ask.options": "Asked.options",
    "Show.title": OWN,
    "Show.text": OWN,
    "Remember.text": "KeepMemory.text",
    "Remember.about": "KeepMemory.about",
    "Remember.scope": KERNEL,
    "Recall.query": OWN,
    "Recall.scope": KERNEL,
    "Forget.scope": KERNEL,
    "Revoke.tool": KERNEL,
    "Step.title": "PlannedStep.title",
    "Endorse.reason": "Asked.question",
    "Retract.reason": "TakeBack.why, Mail.text, Item.note, Outcome.error",
    "SchemaCheck.schema": "the child's label, joined at birth",
    "ReceiptCheck.tool": KERNEL,
    "ReceiptCheck.matching": "the child's label, joined at birth",
    "ToolCheck.tool": KERNEL,
    "ToolCheck.arguments": "the child's label, joined at birth",
    "ToolCheck.value": "the child's label, joined at birth",
    "ReviewerCheck.about": "Begin.brief of the reviewer, a child of the reviewed",
    "ReviewerCheck.program": KERNEL,
    "ReviewerCheck.model": KERNEL,
    "AgreementCheck.equal": KERNEL,
    "PersonCheck.question": "Asked.question",
    "Task.text": "Item.text",
    "Task.acceptance": "Item.acceptance",
    "Task.name": "Item.name",
    "Task.after": OWN,
    "Task.grants": "the label of the task, joined to the child that is born with it",
    "Reopen.advice": PERSON,
    "Drop.reason": PERSON,
}
"""By field of what processes and the person say in syscalls and moves: where others read it."""


def texts(kind: Any, seen: frozenset[Any] = frozenset()) -> bool:
    """Can a value of this type hold text that is in no type of ours?"""
    if kind in (str, Any, bytes):
        return kind is not bytes
    if isinstance(kind, typing.TypeVar) or kind in seen:
        return False
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return any(isinstance(one, str) for one in typing.get_args(kind))
    if origin is not None or isinstance(kind, types.UnionType):
        return any(texts(one, seen | {kind}) for one in typing.get_args(kind))
    return False


def fields(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def kinds(module: Any) -> list[type]:
    found = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    return [
        one
        for one in found
        if issubclass(one, msgspec.Struct) or hasattr(one, "__dataclass_fields__") or hasattr(one, "_fields")
    ]


def there() -> set[str]:
    found: set[str] = set()
    for module in (answers, effects, events, labels, memories, messages):
        for kind in kinds(module):
            if kind.__name__ not in ("Manifest", "Request", "ToolOffer", "Usage"):
                found |= {f"{kind.__name__}.{name}" for name, of in fields(kind).items() if texts(of)}
    for kind in (table.Item, process.SetAlarm, process.Progress, process.Changed):
        found |= {f"{kind.__name__}.{name}" for name, of in fields(kind).items() if texts(of)}
    return found


def test_every_text_in_every_type_has_an_author() -> None:
    found = there()
    known = {name for name in WORDS if not name.startswith(("Process.", "Written."))}
    assert found - known == set(), "say in WORDS whose words these are, and where their label stands"
    assert known - found == set(), "these are not there any more"


def test_everything_that_is_said_says_where_others_read_it() -> None:
    found = {
        f"{kind.__name__}.{name}"
        for module in (
            syscalls,
            reviews,
            tasks,
        )
        for kind in kinds(module)
        for name, of in fields(kind).items()
        if texts(of)
    }
    assert found ^ SAID.keys() == set(), "say in SAID where others read it"
    read = {place for places in SAID.values() for place in re.findall(r"[A-Z]\w+\.\w+", places)}
    assert read <= WORDS.keys() | {"Process.named"}, "that is no field which has an author"


def test_every_text_with_a_label_stands_beside_one() -> None:
    by_name = {
        kind.__name__: kind
        for module in (answers, effects, events, labels, memories, table, process)
        for kind in kinds(module)
    }
    for name in BY_LABEL:
        kind = by_name[name.partition(".")[0]]
        assert fields(kind)["label"] is labels.Label, name


PASSES_ON = {"Mail": 2, "TakeBack": 5, "Progress": 2, "SetAlarm": None, "Memory": None, "KeepMemory": 6}
"""What passes words on: the place of its label among the arguments (None: it is named)."""


def made(tree: ast.Module) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PASSES_ON
    ]


def labelled(call: ast.Call) -> bool:
    place = PASSES_ON[call.func.id]  # type: ignore[attr-defined]
    named = any(one.arg in ("label", None) for one in call.keywords)
    return named or (place is not None and len(call.args) > place)


@pytest.mark.parametrize("path", sorted(Path(process.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_who_passes_words_on_names_their_label(path: Path) -> None:
    tree = ast.parse(path.read_text())
    bare = [ast.unparse(call) for call in made(tree) if not labelled(call)]
    assert not bare, f"name the label of whose words these are: {bare}"


def test_a_call_without_a_label_would_be_seen() -> None:
    tree = ast.parse("Mail(0, text)\nMail(0, text, label)\nTakeBack(1, (), why)\nTakeBack(1, (), why, label=one)")
    assert [labelled(call) for call in made(tree)] == [False, True, False, True]
