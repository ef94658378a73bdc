"""Results that the kernel holds whole, and how a value in one is named and selected: paths, records, sources.

A path is written ``items[3].sender``; a name with other characters than letters, digits, ``_`` and ``-`` in it as
``["a.b"]``. The same words are used by models in references and by grants in sources, and mean the same.

What is found in a text depends on the text alone, so it is remembered: a decision looks at a document that was looked at
before without reading it again.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from gemot.abi.grants import Source
from gemot.abi.labels import Label
from gemot.abi.limits import NESTING_MAX
from gemot.authority.kinds import EXTRACTED, BadPattern, compiled, found, matched, number_of
from gemot.authority.refusal import Refused
from gemot.authority.rules import fits, same

Path = tuple[str | int, ...]
PATH_CHARS_MAX = 1_000
DOCUMENTS_KEPT = 128
"""Texts whose parsed form is kept ready."""

_STEP = re.compile(r'\.?([\w-]{1,200})|\[([0-9]{1,7})\]|\[("(?:[^"\\]|\\.){0,200}")\]')
_PLAIN = re.compile(r"[\w-]{1,200}")


class Document(Struct, frozen=True):
    """The whole result of a tool use. ``arguments``: those of the use, and the defaults of those that were left out; for a
    list or an object stands an empty list, which is none of the values that a source can name. ``text`` is None where it is
    too long to be held here. ``vouched``: fields that the driver itself wrote."""

    tool: str
    arguments: dict[str, Any]
    text: str | None
    label: Label
    vouched: tuple[str, ...] = ()


class Picked(Struct, frozen=True):
    """One value that a source lets through: where it stands, what it is, and if it was extracted how to ask for it."""

    path: Path
    value: Any
    extract: str = ""
    pick: str = ""


_NESTED: tuple[type[Any], ...] = (dict, list)


@functools.lru_cache(DOCUMENTS_KEPT)
def parsed(text: str) -> Any:
    """A result as a value: what JSON says, or the text itself where it is no object and no list, or holds a number of more than
    64 bits, which could be told to nobody."""
    if text[:1] not in ("{", "["):
        return text
    try:
        value = msgspec.json.decode(text)
        _encode(value)
    except (msgspec.DecodeError, RecursionError, OverflowError):
        return text
    return value if _flat(value, NESTING_MAX) else text


def _flat(value: Any, depth: int) -> bool:
    """Is it nested at most so deep?"""
    level: list[Any] = [value]
    while depth > 0 and level:
        level = [one for outer in level for one in _members(outer) if type(one) in _NESTED]
        depth -= 1
    return not level


def _members(value: Any) -> Iterable[Any]:
    return cast("dict[str, Any]", value).values() if type(value) is dict else value


def path_of(written: str) -> Path:
    """``items[3].sender`` -> ``("items", 3, "sender")``. Raises :class:`Refused`."""
    steps: list[str | int] = []
    at = 0
    if len(written) > PATH_CHARS_MAX:
        raise Refused("malformed", f"a path has at most {PATH_CHARS_MAX} characters")
    while at < len(written):
        match = _STEP.match(written, at)
        name = match.group(1) if match is not None else None
        if match is None or (name is not None and (match.group().startswith(".") == (at == 0))):
            raise Refused("malformed", f'{written!r:.200} is no path; write it so: items[3].sender, or ["a name"].x')
        if name is not None:
            steps.append(name)
        elif match.group(2) is not None:
            steps.append(int(match.group(2)))
        else:
            steps.append(_unquoted(match.group(3), written))
        at = match.end()
    return tuple(steps)


def _unquoted(text: str, written: str) -> str:
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.DecodeError as error:
        raise Refused("malformed", f"{written!r:.200} is no path: {error}") from error


def written(path: Path) -> str:
    """A path as :func:`path_of` reads it."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{msgspec.json.encode(step).decode()}]"
    return text


_MISSING = object()


def at(value: Any, path: Path) -> Any:
    """The value at a path. Raises :class:`KeyError` where there is none."""
    for step in path:
        kind = cast("Any", type(value))
        if kind is not (dict if isinstance(step, str) else list):
            raise KeyError(step)
        try:
            value = value[step]
        except IndexError as error:
            raise KeyError(step) from error
    return value


def records(value: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every object in a value with its path, as they stand in it, the outer before the inner."""
    to_see: list[tuple[Path, Any]] = [(path, value)]
    while to_see:
        path, value = to_see.pop()
        named: Iterable[tuple[str | int, Any]] = ()
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            yield path, members
            named = members.items()
        elif isinstance(value, list):
            named = enumerate(cast("list[Any]", value))
        inner: list[tuple[Path, Any]] = [((*path, step), one) for step, one in named if type(one) in _NESTED]
        to_see += reversed(inner)


def _field(record: dict[str, Any], name: str) -> tuple[Path, Any]:
    """A field of a record by its name, or by names with dots between them; ``_MISSING`` where it has none."""
    if name in record:
        return (name,), record[name]
    path: Path = tuple(name.split("."))
    try:
        return path, at(record, path) if len(path) > 1 else _MISSING
    except KeyError:
        return path, _MISSING


def select(source: Source, document: Document) -> tuple[Picked, ...]:
    """The values of a document that a source lets through."""
    if document.tool != source.tool:
        return ()
    if not called_as(source, document):
        return ()
    if document.text is None:
        return () if source.field or source.extract or source.pattern else (Picked((), None),)
    return _selected(_encode(source), document.text)


def called_as(source: Source, document: Document) -> bool:
    """Was the tool used with the arguments that a source wants? One that was left out is null."""
    return all(same(document.arguments.get(name), value) for name, value in source.called.items())


_encode = msgspec.msgpack.Encoder(order="sorted").encode


@functools.lru_cache(DOCUMENTS_KEPT * 8)
def _selected(encoded: bytes, text: str) -> tuple[Picked, ...]:
    source = msgspec.msgpack.decode(encoded, type=Source)
    whole = [Picked((), text)]
    candidates = _picked(source, list(_candidates(source, parsed(text)))) if source.field else whole
    if not (source.extract or source.pattern):
        return tuple(candidates)
    return _extracted(source, candidates)


def _candidates(source: Source, value: Any) -> Iterator[tuple[Picked, Any]]:
    """The field of each record that is as it should be, with what ``by`` compares."""
    for path, record in records(value):
        inside, one = _field(record, source.field)
        if one is not _MISSING and _is_so(record, source):
            yield Picked((*path, *inside), one), _field(record, source.by)[1] if source.by else None


def _is_so(record: dict[str, Any], source: Source) -> bool:
    """Are a record's other fields what a source wants them to be? One that is missing is null."""
    for name, rule in source.where.items():
        value = record[name] if name in record else _field(record, name)[1]
        if not fits(rule, None if value is _MISSING else value):
            return False
    return True


def could_be(source: Source, document: Document, path: Path) -> bool:
    """Does a path lead to such a field of such a record? Only then are all the others worth a look."""
    if not source.field or document.text is None:
        return True
    record = _record_of(document.text, source.field, path)
    return record is not None and _is_so(record, source)


@functools.lru_cache(DOCUMENTS_KEPT)
def _record_of(text: str, field: str, path: Path) -> dict[str, Any] | None:
    """The record whose field a path leads to: the field's value, or an element of it. Sources differ mostly in what they want
    of a record, so it is found once for all of them."""
    for steps in ((field,), tuple(field.split("."))):
        for end in (len(path), len(path) - 1):
            start = end - len(steps)
            if start >= 0 and path[start:end] == steps:
                return at(parsed(text), path[:start])
    return None


def _picked(source: Source, found: list[tuple[Picked, Any]]) -> list[Picked]:
    candidates = [one for one, _ in found]
    if not candidates or source.pick == "any":
        return candidates
    if source.pick in ("first", "last"):
        return candidates[:1] if source.pick == "first" else candidates[-1:]
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


def agree(picked: Sequence[Picked]) -> bool:
    """Is there a value, and only one?"""
    return len({_encode(one.value) for one in picked}) == 1


def _extracted(source: Source, candidates: list[Picked]) -> tuple[Picked, ...]:
    """What is to be extracted from the candidates' texts: all of it, or the one, first or last."""
    how = source.extract or source.pattern
    values = [
        Picked(one.path, value, how)
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
