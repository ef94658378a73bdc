"""What becomes of a tool's result: a page, a handle, a document that values can be selected from; and its label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Returned
from gemot.abi.events import Failure, Result, Value
from gemot.abi.grants import Grant, Source
from gemot.abi.labels import Handle, Label
from gemot.abi.syscalls import ToolUse
from gemot.abi.tools import ToolSpec
from gemot.authority.documents import Document, parsed
from gemot.authority.fields import named_in
from gemot.authority.labels import join, joined, of_result
from gemot.authority.rules import sources_in
from gemot.authority.schema import default, properties
from gemot.kernel.process import Process, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

KEYS_SHOWN = 40


def wanted_whole(kernel: Kernel, process: Process, work: Work, tool: ToolSpec) -> bool:
    """Is anything to be selected from the results of a tool, or not to be read in this process?"""
    return tool.foreign or work.sealed or tool.name in kernel.processes[process.root].sourced


def stored(kernel: Kernel, process: Process, tool: ToolSpec, label: Label) -> None:
    """A use begins: what a tree writes with a driver it may read again with it, and then it is no better than it was."""
    if tool.effect in ("writes", "sends"):
        _store(kernel, process, tool, label)


def _store(kernel: Kernel, process: Process, tool: ToolSpec, label: Label) -> None:
    if label.secrets or label.integrity == "foreign":
        root = kernel.processes[process.root]
        for shelf in _shelves(tool.name, tool):
            root.stored[shelf] = join(root.stored.get(shelf, Label()), Label((), label.integrity, label.secrets))


FILES = ""
"""Where what is written into the tree's files is kept: any driver that sees files may read it."""


def _shelves(tool: str, spec: ToolSpec | None) -> tuple[str, ...]:
    """Where what a tool writes can be read again: with its own driver and, if it sees files, with any that does."""
    driver = tool.partition("/")[0]
    return (driver, FILES) if spec is None or spec.paths or "files" in spec.walls else (driver,)


def returned(kernel: Kernel, process: Process, work: Work, use: ToolUse, outcome: Result) -> Returned:
    """The result of a use, as its process is told it."""
    spec = kernel.tools.get(use.tool)
    used = work.label
    kept = kernel.processes[process.root].stored
    if kept and (spec is None or spec.effect != "computes"):
        used = joined((kept[shelf] for shelf in _shelves(use.tool, spec) if shelf in kept), used)
    if spec is not None and isinstance(outcome, Value | Failure):
        _carried(kernel, process, spec, outcome.label)
    match outcome:
        case Value():
            label = of_result(spec, used, outcome.label)
            return _value(kernel, process, work, use, outcome, label)
        case Failure(rule, message):
            if work.sealed:
                return Returned(use.tool, False, "it gave no result; what it said is not to be read here", rule=rule)
            return Returned(use.tool, False, message, rule=rule, label=of_result(spec, used, outcome.label))
        case _:
            raise AssertionError(f"{type(outcome).__name__} came for a tool use")


def _carried(kernel: Kernel, process: Process, tool: ToolSpec, seen: Label) -> None:
    """A command or a merge that saw an untrusted mount may have carried what is in it to any place that it could write."""
    if tool.effect == "writes" and ("files" in tool.walls or tool.children):
        _store(kernel, process, tool, seen)


def _value(kernel: Kernel, process: Process, work: Work, use: ToolUse, value: Value, label: Label) -> Returned:
    if not value.digest and not work.sealed:
        return Returned(use.tool, True, value.text, label=label, images=value.images)
    number = kernel.number()
    small = value.size_chars <= len(value.text)
    text = value.text if small else value.document or None
    preview = "" if work.sealed else value.text[: limits.PREVIEW_CHARS] if small else value.text
    size = value.size_chars if text is None else len(text)
    handle = Handle(number, value.digest, size, preview, label, work.sealed)
    process.handles[number] = handle
    spec = kernel.tools.get(use.tool)
    if spec is not None and wanted_whole(kernel, process, work, spec):
        arguments = use.arguments if work.arguments is None else work.arguments
        _keep(process, number, Document(use.tool, _plain(arguments, spec), text, label, spec.vouches, spec.records))
    if work.sealed:
        told = shape(text, handle, spec, process.grants)
        return Returned(use.tool, True, told, handle, label=label)
    return Returned(use.tool, True, value.text if small else "", handle, label=label, images=value.images)


def _plain(arguments: dict[str, Any], spec: ToolSpec) -> dict[str, Any]:
    """The arguments of a use as a document has them."""
    known = properties(spec.schema)
    defaults: dict[str, Any] = {name: default(part) for name, part in known.items() if default(part) is not None}
    return {name: [] if isinstance(one, dict | list) else one for name, one in (defaults | arguments).items()}


def _keep(process: Process, number: int, document: Document) -> None:
    """Hold a document; the oldest are let go of where that is too much."""
    process.documents[number] = document
    held = sum(len(one.text or "") for one in process.documents.values())
    for old, one in process.documents.items():
        if held <= limits.DOCUMENTS_CHARS_MAX:
            break
        held -= len(one.text or "")
        process.documents[old] = msgspec.structs.replace(one, text=None)


def shape(text: str | None, handle: Handle, spec: ToolSpec | None, grants: list[Grant]) -> str:
    """What a result is like, in words that no third party chose: counts, and the names of fields that the driver vouches
    for or that a grant speaks of."""
    value = parsed(text) if text is not None else ""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        objects = [cast("dict[str, Any]", one) for one in items if isinstance(one, dict)]
        what = f"a list of {len(items)} items"
        names = _names(objects, handle.label, spec, grants)
    elif isinstance(value, dict):
        what, names = "one object", _names([cast("dict[str, Any]", value)], handle.label, spec, grants)
    else:
        return f"a text of {handle.size_chars} characters"
    return what + (f" with the fields {', '.join(names)}" if names else "")


def _names(objects: list[dict[str, Any]], label: Label, spec: ToolSpec | None, grants: list[Grant]) -> list[str]:
    there = {str(name) for one in objects for name in one}
    if label.integrity != "foreign":
        return sorted(there)[:KEYS_SHOWN]
    known = set(spec.vouches) if spec is not None else set[str]()
    for source in sources_of(grants):
        known |= {source.field, source.by, source.records, *source.where}
    return sorted(there & {step for name in known for step in named_in(name)})[:KEYS_SHOWN]


def sources_of(grants: list[Grant]) -> list[Source]:
    """All sources that these grants name."""
    return [source for grant in grants for rule in grant.where.values() for source in sources_in(rule)]
