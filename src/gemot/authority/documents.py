"""Results that the kernel holds whole, and how a value in one is selected: records, fields, sources.

A record is one object of a result, found by its path from the top: each object of a list; where the result is no list, the
result itself; else what ``records`` says. A name (of a field, in ``where``, in ``by``, in what a driver vouches for) is a
path from the record, or from the top where it begins with ``[``. So a name means one place, at no other depth.

What is found in a text depends on the text alone, so it is remembered: a decision looks at a document that was looked at
before without reading it again.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct

from gemot.abi.grants import Rule, Source
from gemot.abi.labels import Label
from gemot.abi.limits import NESTING_MAX
from gemot.authority.fields import Path as Path
from gemot.authority.fields import Pattern, from_top, means, pattern_of, places
from gemot.authority.fields import at as at
from gemot.authority.fields import path_of as path_of
from gemot.authority.fields import written as written
from gemot.authority.kinds import EXTRACTED, BadPattern, compiled, found, matched, number_of, spelling
from gemot.authority.refusal import Refused
from gemot.authority.rules import fits, key, same

OVER_MAX = 64
"""The most results that one source ranges over."""

DOCUMENTS_KEPT = 128
"""Texts whose parsed form is kept ready."""


class Document(Struct, frozen=True):
    """The whole result of a tool use. ``arguments``: those of the use, and the defaults of those that were left out; for a
    list or an object stands an empty list, which is none of the values that a source can name. ``text`` is None where it is
    too long to be held here. ``vouched``: fields that the driver itself wrote. ``records``: where its records stand, as its
    tool says; ``""``: at the top."""

    tool: str
    arguments: dict[str, Any]
    text: str | None
    label: Label
    vouched: tuple[str, ...] = ()
    records: str = ""
    called: Label | None = None
    """The label of the arguments, where a person vouched for the result: they saw the result only. None: as ``label``."""

    @property
    def arguments_label(self) -> Label:
        """The label of the arguments of the use."""
        return self.label if self.called is None else self.called


class Picked(Struct, frozen=True):
    """One value that a source lets through: where it stands, what it is, and if it was extracted how to ask for it."""

    path: Path
    value: Any
    extract: str = ""
    pick: str = ""
    handle: int = 0
    """The number of the result that it stands in, where a source is about several."""


_NESTED: tuple[type[Any], ...] = (dict, list)


@functools.lru_cache(DOCUMENTS_KEPT)
def parsed(text: str) -> Any:
    """A result as a value: what JSON says, or the text itself where it is no object and no list, holds a number of more than
    64 bits, which could be told to nobody, or names a field of an object twice: two readers could take it for two values."""
    if text[:1] not in ("{", "["):
        return text
    try:
        value = msgspec.json.decode(text)
        _encode(value)
        once = msgspec.json.encode(value) == text.encode() or _names_once(text)
    except (RecursionError, OverflowError, ValueError):  # a msgspec.DecodeError is a ValueError
        return text
    return value if once and _flat(value, NESTING_MAX) else text


def _names_once(text: str) -> bool:
    """Does each object of a text name each of its fields once?"""

    def members(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) != len(pairs):
            raise KeyError

    try:
        json.loads(text, object_pairs_hook=members)
    except KeyError:
        return False
    return True


def _flat(value: Any, depth: int) -> bool:
    """Is it nested at most so deep?"""
    level: list[Any] = [value]
    while depth > 0 and level:
        level = [one for outer in level for one in _members(outer) if type(one) in _NESTED]
        depth -= 1
    return not level


def _members(value: Any) -> Iterable[Any]:
    return cast("dict[str, Any]", value).values() if type(value) is dict else value


def records(value: Any, where: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The records of a result with their paths, as they stand in it. ``where``: the pattern of their paths from the top."""
    pattern: Pattern = pattern_of(where) if where else (None,) if type(value) is list else ()
    for path, one in places(value, pattern):
        if type(one) is dict:
            yield path, cast("dict[str, Any]", one)


@functools.lru_cache(DOCUMENTS_KEPT * 8)
def record_at(text: str, where: str, path: Path) -> tuple[Path, dict[str, Any]] | None:
    """The record that a path leads into, with its own path; None where it leads into none."""
    value = parsed(text)
    pattern: Pattern = pattern_of(where) if where else (None,) if type(value) is list else ()
    own = path[: len(pattern)]
    if not means(pattern, own):
        return None
    try:
        one = at(value, own)
    except KeyError:
        return None
    return (own, cast("dict[str, Any]", one)) if type(one) is dict else None


def _field(record: dict[str, Any], name: str) -> Any:
    """A field of a record by its path; None where it has none, or where the path means many places."""
    pattern = pattern_of(name)
    if len(pattern) == 1:
        return record.get(pattern[0])  # type: ignore[arg-type] # a step that is no name names nothing
    try:
        return None if None in pattern else at(record, pattern)  # type: ignore[arg-type]
    except KeyError:
        return None


def is_vouched(document: Document, path: Path) -> bool:
    """Did the driver itself write what stands at this path: a value of a field that it vouches for, or a list of such values or
    one member of it? An object, or a list with one in it, is no value: whose text stands in it nobody has said."""
    text = document.text
    if not document.vouched or text is None:
        return False
    whole = parsed(text)
    try:
        value = at(whole, path)
    except KeyError:
        return False
    if not _plain(value):
        return False
    above = at(whole, path[:-1])
    for name in document.vouched:
        inside = _inside(text, document.records, name, path)
        if inside is None:
            continue
        pattern, steps = inside
        if means(pattern, steps):
            return True
        if pattern[-1:] == (None,) and isinstance(value, list) and means(pattern[:-1], steps):
            return True
        if _plain(above) and means(pattern, steps[:-1]):
            return True
    return False


def _inside(text: str, where: str, name: str, path: Path) -> tuple[Pattern, Path] | None:
    """A field's pattern, and a path as seen from where the pattern begins; None where that can't be said. ``where``: the
    pattern of the paths of the records of the text."""
    try:
        pattern = pattern_of(name)
        if from_top(pattern):
            return pattern, path
        record = record_at(text, where, path)
    except Refused:
        return None
    return None if record is None else (pattern, path[len(record[0]) :])


def _plain(value: Any) -> bool:
    """Is it a value without parts, or a list of such values?"""
    if type(value) is list:
        return not any(type(member) in _NESTED for member in cast("list[Any]", value))
    return type(value) is not dict


def select(source: Source, document: Document) -> tuple[Picked, ...]:
    """The values of a document that a source lets through."""
    if document.tool != source.tool:
        return ()
    if not called_as(source, document):
        return ()
    if document.text is None:
        some = source.field or source.extract or source.pattern or source.value is not None
        return () if some else (Picked((), None),)
    return _selected(_encode(source), document.text, source.records or document.records)


def called_as(source: Source, document: Document) -> bool:
    """Was the tool used with the arguments that a source wants? One that was left out is null."""
    return all(same(document.arguments.get(name), value) for name, value in source.called.items())


_encode = msgspec.msgpack.Encoder(order="sorted").encode


@functools.lru_cache(DOCUMENTS_KEPT * 8)
def _selected(encoded: bytes, text: str, where: str) -> tuple[Picked, ...]:
    source = msgspec.msgpack.decode(encoded, type=Source)
    candidates = _looked_at(encoded, text, where)
    picked = _picked(source, list(candidates))
    if not (source.extract or source.pattern):
        return tuple(picked)
    return _extracted(source, picked)


@functools.lru_cache(DOCUMENTS_KEPT * 8)
def _looked_at(encoded: bytes, text: str, where: str) -> tuple[tuple[Picked, Any], ...]:
    """What a source picks from in one result: the fields of its records, or the result as a whole."""
    source = msgspec.msgpack.decode(encoded, type=Source)
    if source.field:
        return tuple(_candidates(source, parsed(text), where))
    return ((Picked((), text), None),) if source.value is None or fits(source.value, text) else ()


def chosen(source: Source, documents: Mapping[int, Document], number: int) -> tuple[Picked, ...]:
    """The values that a source lets through, of one result (``number``) or of all together that it ranges over."""
    numbers = considered(source, documents, number)
    encoded = _encode(source)
    candidates: list[tuple[Picked, Any]] = []
    without: list[Picked] = []
    for one in numbers:
        document = documents[one]
        if document.text is None or document.tool != source.tool or not called_as(source, document):
            return ()
        there = _looked_at(encoded, document.text, source.records or document.records)
        if source.argument:
            value = document.arguments.get(source.argument)
            picked = Picked((), value, handle=one)
            if type(value) in _NESTED:
                return ()
            candidates += [(picked, by) for _, by in there]
            without += [] if there else [picked]
        else:
            candidates += [(msgspec.structs.replace(picked, handle=one), by) for picked, by in there]
    if without and source.pick == "least_common":
        return tuple(without) if len(without) == 1 else ()  # nothing stands there, which is the fewest
    picked = _picked(source, candidates)
    return _extracted(source, picked) if source.extract or source.pattern else tuple(picked)


def considered(source: Source, documents: Mapping[int, Document], number: int) -> tuple[int, ...]:
    """The handles of the results that a source is about; none where one of them is missing."""
    if not source.over:
        return (number,)
    name, rule = next(iter(source.over.items()))
    newest: dict[Any, int] = {}
    for handle, document in documents.items():
        value = document.arguments.get(name)
        if document.tool == source.tool and type(value) not in _NESTED and called_as(source, document):
            newest[key(value)] = max(handle, newest.get(key(value), handle))
    numbers = [newest.get(key(value), 0) for value in _ranged(rule, documents)]
    return () if 0 in numbers or len(numbers) > OVER_MAX else tuple(numbers)


def _ranged(rule: Rule, documents: Mapping[int, Document]) -> list[Any]:
    """The values that an argument ranges over, each once; none where a source has no result yet, or gives what is no value."""
    values: list[Any] = list(rule.one_of or ())
    for source in rule.source or ():
        handles = [
            one for one, document in documents.items() if document.tool == source.tool and called_as(source, document)
        ]
        picked = select(source, documents[max(handles)]) if handles else ()
        if not picked:
            return []
        for one in picked:
            values += cast("list[Any]", one.value) if type(one.value) is list else [one.value]
    if any(type(value) in _NESTED for value in values):
        return []
    conditions = msgspec.structs.replace(rule, one_of=None, source=None)
    once = [value for value in {key(value): value for value in values}.values() if fits(conditions, value)]
    return once if len({spelling(value) for value in once}) == len(once) else []  # else one could be looked at twice


def _candidates(source: Source, value: Any, where: str) -> Iterator[tuple[Picked, Any]]:
    """The field of each record that is as it should be, with what ``by`` compares."""
    field = pattern_of(source.field)
    if from_top(field):
        yield from ((Picked(path, one), None) for path, one in places(value, field) if _itself(one, source))
        return
    for path, record in records(value, where):
        for inside, one in places(record, field):
            if _itself(one, source) and _is_so(record, source):
                yield Picked((*path, *inside), one), _field(record, source.by) if source.by else None


def _itself(value: Any, source: Source) -> bool:
    """Is a value what a source wants of it? That is said of one value, so a list or an object is none."""
    return source.value is None or (type(value) not in _NESTED and fits(source.value, value))


def _is_so(record: dict[str, Any], source: Source) -> bool:
    """Are a record's other fields what a source wants them to be? One that is missing is null."""
    return all(fits(rule, _field(record, name)) for name, rule in source.where.items())


def could_be(source: Source, document: Document, path: Path) -> bool:
    """Does a path lead to such a field of such a record? Only then are all the others worth a look."""
    if not source.field or document.text is None:
        return True
    record = _leads(document.text, source.records or document.records, source.field, path)
    return record is None or (record is not False and _is_so(record, source))


@functools.lru_cache(DOCUMENTS_KEPT * 8)
def _leads(text: str, where: str, field: str, path: Path) -> dict[str, Any] | Literal[False] | None:
    """The record whose field a path leads to: the field's value, or a member of it. False: it leads to none. None: the field
    is in no record. Sources differ mostly in what they want of a record, so it is found once for all of them."""
    pattern = pattern_of(field)
    if from_top(pattern):
        return None
    record = record_at(text, where, path)
    if record is None:
        return False
    inside = path[len(record[0]) :]
    return record[1] if means(pattern, inside) or means(pattern, inside[:-1]) else False


def _picked(source: Source, found: list[tuple[Picked, Any]]) -> list[Picked]:
    candidates = [one for one, _ in found]
    if not candidates or source.pick == "any":
        return candidates
    if source.pick in ("first", "last"):
        return candidates[:1] if source.pick == "first" else candidates[-1:]
    if source.pick in ("most_common", "least_common"):
        return _counted(candidates, source.pick == "most_common")
    if source.pick in ("most", "least"):
        candidates = _extreme(found, source.pick == "most")
    # with a value still to be extracted it is those that must agree, see below
    return candidates if source.extract or source.pattern or agree(candidates) else []


def _extreme(found: list[tuple[Picked, Any]], most: bool) -> list[Picked]:
    numbers = [number_of(by) for _, by in found]
    by: list[Any] = numbers if None not in numbers else [by for _, by in found]
    if None in numbers and not all(isinstance(one, str) for one in by):
        return []  # what can't be compared has no first
    best = max(by) if most else min(by)
    return [one for (one, _), value in zip(found, by, strict=True) if value == best]


def _counted(candidates: list[Picked], most: bool) -> list[Picked]:
    """Those with the value that stands there most often, or most rarely. None where two values are equal in that, where
    one has parts, and where two differ in their spelling only: then who is counted can't be said."""
    if any(type(one.value) in _NESTED for one in candidates):
        return []
    counts = Counter(key(one.value) for one in candidates)
    if len({spelling(value) for _, value in counts}) < len(counts):
        return []
    best = (max if most else min)(counts.values())
    values = [value for value, count in counts.items() if count == best]
    return [candidate for candidate in candidates if key(candidate.value) in values] if len(values) == 1 else []


def agree(picked: Sequence[Picked]) -> bool:
    """Is there a value, and only one?"""
    return len({_encode(one.value) for one in picked}) == 1


def _extracted(source: Source, candidates: list[Picked]) -> tuple[Picked, ...]:
    """What is to be extracted from the candidates' texts: all of it, or the one, first or last."""
    how = source.extract or source.pattern
    values = [
        Picked(one.path, value, how, handle=one.handle)
        for one in candidates
        if isinstance(one.value, str)
        for value in dict.fromkeys(extract(one.value, how))
    ]
    if source.pick == "any":
        return tuple(values)
    if source.pick in ("first", "last") and not source.field and values:
        value = values[0] if source.pick == "first" else values[-1]
        return (msgspec.structs.replace(value, pick=source.pick),)
    return tuple(values) if len({one.value for one in values}) == 1 else ()


def extract(text: str, how: str) -> list[str]:
    """What a kind or a pattern finds in a text, in order. Raises :class:`Refused` for what is neither."""
    if how in EXTRACTED:
        return list(_found(text, how))
    try:
        return matched(text, compiled(how))
    except BadPattern as error:
        kinds = ", ".join(sorted(EXTRACTED))
        raise Refused("malformed", f'"extract" is one of {kinds}, or a pattern with one group: {error}') from error


@functools.lru_cache(DOCUMENTS_KEPT)
def _found(text: str, kind: str) -> tuple[str, ...]:
    return tuple(found(text, cast("Any", kind)))
