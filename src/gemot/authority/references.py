"""Handles as pipes: what a reference in the arguments of a tool use stands for, and so where each argument came from.

References are filled in before anything else is checked, so a tool sees plain values and a rule judges what will really be
done. One is written by place (``at``), or as what it is (``field``, ``where``, ``pick``): then who writes it need not have
read where it stands.

A value is whole or it is not judged: each reference stands for all of a value (:class:`Whole`), which the kernel holds or
was given with the syscall. Where it is neither, the use is refused.

What a process did not read must not reach it by way of a refusal: so no message here, or about a use that has references,
repeats a value that one of them stands for. That it was refused still tells something of the value, so it bears its label.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct

from gemot.abi import limits
from gemot.abi.grants import Rule, Source, Template
from gemot.abi.labels import Handle, Label
from gemot.authority.documents import (
    Document,
    Path,
    Picked,
    agree,
    at,
    chosen,
    considered,
    could_be,
    extract,
    is_vouched,
    parsed,
    path_of,
    select,
    written,
)
from gemot.authority.holder import Holder
from gemot.authority.kinds import EXTRACTED, exact_number
from gemot.authority.labels import joined, vouched
from gemot.authority.refusal import Refused
from gemot.authority.rules import fits, flaw, same, source_in_words, sources_in
from gemot.authority.schema import kinds, mismatch, schema_at
from gemot.authority.templates import composed

FROM = "$from"
REFERENCES_MAX = 64
"""The most references in one use: each can stand for a whole document."""

TEXT, WITH = "$text", "with"
"""``{"$text": "Dinner at {name}", "with": {"name": {"$from": 7, "at": "[3].name"}}}``: words with values in them."""

EXAMPLE = '{"$from": 7, "at": "items[3].sender"}'

SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "a reference",
    "properties": {
        FROM: {"type": "integer"},
        "at": {"type": "string"},
        "field": {"type": "string"},
        "where": {"type": "object"},
        "extract": {"type": "string"},
    },
    "required": [FROM],
}
"""What a reference looks like, for those who are to write one."""

COMPOSED: dict[str, Any] = {
    "type": "object",
    "description": "fixed words with values in them",
    "properties": {TEXT: {"type": "string"}, WITH: {"type": "object"}},
    "required": [TEXT],
}
"""What a text with references in it looks like."""


class Form(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"handle": FROM}):
    """A reference as a process writes it. ``at``: by its place; else as what it is, in the words of
    :class:`gemot.abi.grants.Source`."""

    handle: int
    at: str = ""
    field: str = ""
    where: dict[str, Rule] = {}
    pick: Literal["", "only", "first", "last", "most", "least", "most_common", "least_common"] = ""
    by: str = ""
    extract: str = ""
    records: str = ""
    value: Rule | None = None
    argument: str = ""
    over: dict[str, Rule] = {}


class _TextForm(Struct, frozen=True, forbid_unknown_fields=True, rename={"text": TEXT, "values": WITH}):
    text: str
    values: dict[str, Any] = {}


class Composed(Struct, frozen=True):
    """A text that was put together here. ``text``: its words; ``values``: what was put in, by name."""

    text: str
    values: dict[str, Any]


class Whole(Struct, frozen=True):
    """All of the value that a handle names. ``document``: what is known of the tool use that it came from; None where values
    can't be selected from it by a source."""

    handle: Handle
    text: str
    document: Document | None


class Reference(Struct, frozen=True):
    """A reference and the value that it stands for. ``found``: what was extracted, as it stands there; ``value`` is the number that it is where the tool wants one."""

    handle: Handle
    path: Path
    extract: str
    value: Any
    label: Label
    document: Document | None
    found: Any = None
    argument: str = ""
    """The argument of the call that gave the result; empty: the value stands in the result."""


class Filling(Struct, frozen=True):
    """The arguments of a use with its references filled in. ``own``: the label of whatever the process wrote itself."""

    arguments: dict[str, Any]
    own: Label
    references: dict[Path, Reference] = {}
    composed: dict[Path, Composed] = {}
    """By place, the texts that were put together of words and values."""
    documents: Mapping[int, Document] = {}
    """The results that the process can name values of, by handle."""

    def label(self, name: str) -> Label:
        """The label of one argument: of what it refers to, and of what of it is the process's own words."""
        first = self.references.get((name,))
        if first is not None:
            return first.label
        inside = [one.label for place, one in self.references.items() if place[0] == name]
        value = self.arguments.get(name)
        items = len(cast("list[Any]", value)) if isinstance(value, list) else 0
        if items and all((name, index) in self.references for index in range(items)):
            return joined(inside[1:], inside[0])
        return joined(inside, self.own)

    @property
    def all_labels(self) -> Label:
        """The label of the use: choosing what is referred to is an act of the process, too."""
        return joined((one.label for one in self.references.values()), self.own) if self.references else self.own

    def comes_from(self, place: Path, sources: tuple[Source, ...] | Template) -> bool:
        """Is the value at this place of the arguments one that such a source picks, or was it composed by this template?"""
        if isinstance(sources, Template):
            return self._is_composed(place, sources)
        referred, inside = place, ()
        while referred not in self.references:
            if not referred:
                return False
            referred, inside = referred[:-1], (referred[-1], *inside)
        reference = self.references[referred]
        path = (*reference.path, *inside)
        for source in sources:  # noqa: SIM110 - asked of every source of every grant
            if _picks(source, reference, path, inside, self.documents):
                return True
        return False

    def _is_composed(self, place: Path, template: Template) -> bool:
        """Was the text at this place put together of the template's words and of values that its rules allow?"""
        made = self.composed.get(place)
        if made is None or made.text != template.text or made.values.keys() != template.holes.keys():
            return False
        return all(
            fits(rule, made.values[name], functools.partial(self._hole_comes_from, (*place, WITH, name)))
            for name, rule in template.holes.items()
        )

    def _hole_comes_from(self, hole: Path, place: Path, sources: tuple[Source, ...] | Template) -> bool:
        return self.comes_from((*hole, *place), sources)


def beyond(process: Holder, uses: Iterable[dict[str, Any]]) -> tuple[int, ...]:
    """The handles that the arguments of these uses refer to and whose texts the process's tables do not hold: those that can
    be judged as a whole, by their own size and together."""
    chars: dict[int, int] = {}
    for arguments in uses:
        if not any(isinstance(value, dict | list) for value in arguments.values()):
            continue
        for _, form in _places(arguments, ()):
            number = form.get(FROM)
            handle = process.handles.get(number) if type(number) is int else None
            if handle is not None and handle.digest and _held(process, handle) is None:
                chars[handle.number] = chars.get(handle.number, 0) + handle.size_chars
    wanted: list[int] = []
    room = limits.VALUES_CHARS_MAX
    for number, size in chars.items():
        if size <= room and process.handles[number].size_chars <= limits.VALUE_CHARS_MAX:
            wanted.append(number)
            room -= size
    return tuple(wanted)


def _held(process: Holder, handle: Handle) -> str | None:
    """All of the value of a handle, where the process's tables have it."""
    document = process.documents.get(handle.number)
    text = handle.preview if document is None or document.text is None else document.text
    return text if len(text) == handle.size_chars else None


def whole(process: Holder, number: int, values: Mapping[int, str]) -> Whole:
    """All of the value of a handle. ``values``: by handle, the texts that came with the syscall. Raises :class:`Refused`."""
    handle = process.handles.get(number)
    if handle is None:
        have = ", ".join(map(str, process.handles)) or "none"
        raise Refused("unknown", f"there is no handle {number}; this process has: {have}")
    document = process.documents.get(number)
    text = _held(process, handle)
    text = values.get(number) if text is None else text
    if text is not None and len(text) == handle.size_chars:
        known = None if document is None else msgspec.structs.replace(document, text=text)
        return Whole(handle, text, known if len(text) <= limits.DOCUMENT_CHARS_MAX else document)
    if handle.size_chars > limits.VALUE_CHARS_MAX:
        raise Refused(
            "limit",
            f"handle {number} has {handle.size_chars:,} characters; a value of more than {limits.VALUE_CHARS_MAX:,} can't be "
            "judged and shown as a whole, so it is not passed on. Read it in parts and pass those on, or let the tool that "
            "gave it give less",
        )
    if number not in values and handle.digest:
        raise Refused(
            "limit",
            f"what the references of this call stand for has more than {limits.VALUES_CHARS_MAX:,} characters together, or "
            f"handle {number} is not kept any more; make several calls, each with fewer references",
        )
    raise Refused("limit", f"handle {number} was not kept as a whole, so it can't be passed on; use its tool again")


def fill(
    process: Holder, arguments: dict[str, Any], schema: dict[str, Any], values: Mapping[int, str] | None = None
) -> Filling:
    """Put in what the references stand for. ``values``: as for :func:`whole`. Raises :class:`Refused`."""
    own = process.label
    flat = not any(isinstance(value, dict | list) for value in arguments.values())
    places = [] if flat else list(_places(arguments, ()))
    if flat or not (places or TEXT in str(arguments)):
        return Filling(arguments, own)
    if len(places) > REFERENCES_MAX:
        raise Refused("limit", f"one use has at most {REFERENCES_MAX} references")
    references: dict[Path, Reference] = {}
    for place, form in places:
        references[place] = _resolved(process, form, schema_at(schema, place), values or {})
    made: dict[Path, Composed] = {}
    filled = _filled(arguments, (), references, made)
    size = sum(_chars(one.value) for one in references.values()) + sum(len(one.text) for one in made.values())
    if size > limits.VALUES_CHARS_MAX:
        raise Refused(
            "limit",
            f"the references of this use stand for {size:,} characters; at most {limits.VALUES_CHARS_MAX:,} can be judged "
            "and shown together. Make several calls, each with fewer references",
        )
    return Filling(filled, own, references, made, process.documents)


def _places(value: Any, place: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if FROM in members and place:
            yield place, members
            return
        for name, member in members.items():
            yield from _places(member, (*place, name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _places(item, (*place, index))


def _filled(value: Any, place: Path, references: dict[Path, Reference], made: dict[Path, Composed]) -> Any:
    if place in references:
        return references[place].value
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        inner = {name: _filled(member, (*place, name), references, made) for name, member in members.items()}
        return _composed(inner, place, made) if TEXT in members and place else inner
    if isinstance(value, list | tuple):
        return [_filled(item, (*place, index), references, made) for index, item in enumerate(cast("list[Any]", value))]
    return value


def _composed(form: dict[str, Any], place: Path, made: dict[Path, Composed]) -> str:
    """The text that a template and its values are. What was put in is kept apart, so that rules can judge it."""
    try:
        asked = msgspec.convert(form, _TextForm)
    except msgspec.ValidationError as error:
        example = '{"$text": "Dinner at {name}", "with": {"name": {"$from": 7, "at": "[3].name"}}}'
        raise Refused("malformed", f"this is no text with values in it: write {example}") from error
    made[place] = Composed(asked.text, asked.values)
    return composed(asked.text, asked.values)


def _resolved(process: Holder, form: dict[str, Any], schema: dict[str, Any], values: Mapping[int, str]) -> Reference:
    try:
        asked = msgspec.convert(form, Form)
    except msgspec.ValidationError as error:
        raise Refused("malformed", f"this is no reference: {error}. Write {EXAMPLE}") from error
    given = whole(process, asked.handle, values)
    handle, text, known = given.handle, given.text, given.document
    if not (asked.at or asked.field or asked.extract or asked.argument or asked.over):
        return Reference(
            handle, (), "", _said(text, schema), handle.label if known is None else known.label, known, text
        )
    if len(text) > limits.DOCUMENT_CHARS_MAX:
        raise Refused(
            "limit",
            f"handle {handle.number} has {len(text):,} characters; a part can be taken of a value of at most "
            f"{limits.DOCUMENT_CHARS_MAX:,}. Refer to all of it, or read it in parts",
        )
    document = Document("", {}, text, handle.label) if known is None else known
    if asked.field or asked.argument or asked.over:
        held = {**process.documents, handle.number: document}
        one, source = _selected(held, document, asked)
        value = _number(one.value, schema) if asked.extract else one.value
        document = held[one.handle] if one.handle else document
        label = document.arguments_label if asked.argument else _label(document, one.path)
        others = (held[number].label for number in (*considered(source, held, handle.number), *_ranges(held, [source])))
        label = joined((msgspec.structs.replace(other, integrity=label.integrity) for other in others), label)
        handle, known = (process.handles[one.handle], document) if one.handle else (handle, known)
        return Reference(handle, one.path, asked.extract, value, label, known, one.value, asked.argument)
    path = path_of(asked.at)
    value = found = _part(text, path, handle.number)
    if asked.extract:
        found = _extracted(value, asked, handle.number)
        value = _number(found, schema)
    return Reference(handle, path, asked.extract, value, _label(document, path), known, found)


def _chars(value: Any) -> int:
    return len(value) if isinstance(value, str) else len(msgspec.json.encode(value))


def _said(text: str, schema: dict[str, Any]) -> Any:
    """A text, or the value that it says in JSON where the tool takes that and no text."""
    if not schema or not mismatch(text, schema):
        return text
    value = parsed(text) if len(text) <= limits.DOCUMENT_CHARS_MAX else parsed.__wrapped__(text)
    return text if mismatch(value, schema) else value


def _number(text: str, schema: dict[str, Any]) -> Any:
    """What was extracted, as the number that it is where a tool takes no text but a number."""
    if not schema or not mismatch(text, schema):
        return text
    number, wanted = exact_number(text), kinds(schema)
    if isinstance(number, int) and "integer" in wanted:
        return number
    return text if number is None or "number" not in wanted else number


def _label(document: Document, path: Path) -> Label:
    return vouched(document.label) if is_vouched(document, path) else document.label


def _selected(held: Mapping[int, Document], document: Document, asked: Form) -> tuple[Picked, Source]:
    kind = asked.extract in EXTRACTED
    source = Source(
        document.tool,
        asked.field,
        {},
        asked.where,
        asked.pick or "only",
        asked.by,
        cast("Any", asked.extract if kind else ""),
        "" if kind else asked.extract,
        asked.records,
        asked.value,
        asked.argument,
        asked.over,
    )
    ranged = source
    if asked.argument and not asked.over:  # of this one call: a rule says whether it is the one that is meant
        called: Any = document.arguments.get(asked.argument)
        ranged = msgspec.structs.replace(source, over={asked.argument: Rule(one_of=(called,))})
    wrong = "'at' or 'field', not both" if asked.at else flaw(Rule(source=(ranged,)))
    if wrong:
        raise Refused("malformed", f"this is no reference: {wrong}")
    picked = chosen(source, held, asked.handle) if source.over or source.argument else select(source, document)
    if not agree(picked):
        raise Refused(
            "unknown", f"in handle {asked.handle} there is nothing so, or more than one: {source_in_words(source)}"
        )
    return picked[0], source


def _part(text: str, path: Path, number: int) -> Any:
    if not path:
        return text
    try:
        return at(parsed(text), path)
    except KeyError as error:
        what = "is a text without parts" if isinstance(parsed(text), str) else f"has no {written(path)}"
        raise Refused("unknown", f"handle {number} {what}") from error


def _extracted(value: Any, asked: Form, number: int) -> str:
    if not isinstance(value, str):
        raise Refused(
            "unknown", f"what handle {number} has at {asked.at!r} is no text, so nothing is extracted from it"
        )
    values = list(dict.fromkeys(extract(value, asked.extract)))
    if asked.pick in ("first", "last") and values:
        return values[0 if asked.pick == "first" else -1]
    if len(values) != 1:
        raise Refused("unknown", f"there are {len(values)} of {asked.extract!r:.80} in that text, not one")
    return values[0]


def _picks(source: Source, reference: Reference, path: Path, inside: Path, documents: Mapping[int, Document]) -> bool:
    document = reference.document
    if document is None or document.tool != source.tool or source.argument != reference.argument:
        return False
    if source.argument:
        picked = chosen(source, documents, reference.handle.number)
        return not inside and any(
            one.handle == reference.handle.number and same(one.value, reference.value) for one in picked
        )
    if not could_be(source, document, path):
        return False
    for one in chosen(source, documents, reference.handle.number) if source.over else select(source, document):
        if one.handle and one.handle != reference.handle.number:
            continue
        if one.extract != reference.extract or (one.extract and (inside or one.value != reference.found)):
            continue
        if one.path == path:
            return True
        if path[: len(one.path)] == one.path and _elements(document, one.path, path[len(one.path) :]):
            return True  # an element of the list that was picked
    return False


def _elements(document: Document, path: Path, inside: Path) -> bool:
    whole = document.text
    return (
        whole is not None
        and len(inside) == 1
        and isinstance(inside[0], int)
        and isinstance(at(parsed(whole), path), list)
    )


def mentioned(process: Holder, arguments: dict[str, Any]) -> Label:
    """The label of all that these arguments refer to: what is learned from the fact that they were refused. A source that
    ranges over several results is answered by all of them."""
    forms = [form for _, form in _places(arguments, ())]
    numbers = [one for form in forms if isinstance(one := form.get(FROM), int)]
    wide = [source for grant in process.grants for rule in grant.where.values() for source in sources_in(rule)]
    numbers += _ranges(process.documents, wide) if forms else ()
    if any("over" in form for form in forms):
        numbers += process.documents
    return joined(process.handles[number].label for number in numbers if number in process.handles)


def _ranges(documents: Mapping[int, Document], sources: Iterable[Source]) -> tuple[int, ...]:
    """The handles of all results that decide what sources pick which range over several."""
    tools = {one.tool for source in sources for rule in source.over.values() for one in sources_in(rule)}
    tools |= {source.tool for source in sources if source.over}
    return tuple(number for number, document in documents.items() if document.tool in tools) if tools else ()
