"""Paths: where a value stands in a result, and which places of a record a name means.

A path is written ``items[3].sender``; a name with other characters than letters, digits, ``_`` and ``-`` in it as
``["a.b"]``. A pattern is a path with ``[]`` in it for each member of a list: ``participants[].email``.

The same words are used by models in references, by grants in sources and by drivers in manifests, and mean the same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from gemot.authority.refusal import Refused

Path = tuple[str | int, ...]

Pattern = tuple[str | int | None, ...]
"""A path; None stands for each member of a list."""

PATH_CHARS_MAX = 1_000
PATTERN_DEPTH_MAX = 20
"""The most steps of a pattern. A result is nested no deeper than a person can follow."""

_STEP = re.compile(r'\.?([\w-]{1,200})|\[([0-9]{1,7})\]|\[("(?:[^"\\]|\\.){0,200}")\]|(\[\])')
_PLAIN = re.compile(r"[\w-]{1,200}")
_SYNTAX = re.compile(r'[.\[\]"]')


def path_of(written: str) -> Path:
    """``items[3].sender`` -> ``("items", 3, "sender")``. Raises :class:`Refused`."""
    steps = _steps(written)
    if None in steps:
        raise Refused("malformed", f"{written!r:.200} means many places; write the number of a member: items[3].sender")
    return cast("Path", steps)


@functools.lru_cache(1024)
def pattern_of(written: str) -> Pattern:
    """``items[].sender`` -> ``("items", None, "sender")``. A name without any of ``. [ ] "`` in it is itself, whatever else
    it holds. Raises :class:`Refused`."""
    if written and not _SYNTAX.search(written):
        return (written,)
    steps = _steps(written)
    if len(steps) > PATTERN_DEPTH_MAX:
        raise Refused("malformed", f"{written!r:.200} has {len(steps)} steps; a field has at most {PATTERN_DEPTH_MAX}")
    return steps


def _steps(written: str) -> Pattern:
    steps: list[str | int | None] = []
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
        elif match.group(3) is not None:
            steps.append(_unquoted(match.group(3), written))
        else:
            steps.append(None)
        at = match.end()
    return tuple(steps)


def _unquoted(text: str, written: str) -> str:
    try:
        return msgspec.json.decode(text, type=str)
    except msgspec.DecodeError as error:
        raise Refused("malformed", f"{written!r:.200} is no path: {error}") from error


def written(path: Pattern) -> str:
    """A path or a pattern as it is read."""
    text = ""
    for step in path:
        if step is None:
            text += "[]"
        elif isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{msgspec.json.encode(step).decode()}]"
    return text


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


def from_top(pattern: Pattern) -> bool:
    """Does a pattern begin at a list? A record is an object, so that list is the whole result."""
    return bool(pattern) and not isinstance(pattern[0], str)


def places(value: Any, pattern: Pattern, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place in a value that a pattern means, with what stands there, in its order."""
    if not pattern:
        yield path, value
        return
    step, rest = pattern[0], pattern[1:]
    if step is None:
        if type(value) is list:
            for index, member in enumerate(cast("list[Any]", value)):
                yield from places(member, rest, (*path, index))
        return
    try:
        inner = at(value, (step,))
    except KeyError:
        return
    yield from places(inner, rest, (*path, step))


def means(pattern: Pattern, path: Path) -> bool:
    """Is this path one of the places of a pattern?"""
    if len(pattern) != len(path):
        return False
    return all(
        step == wanted or (wanted is None and isinstance(step, int)) for wanted, step in zip(pattern, path, strict=True)
    )


def named_in(written: str) -> tuple[str, ...]:
    """The names that a field's path is made of; none where it is no path."""
    try:
        return tuple(step for step in pattern_of(written) if isinstance(step, str))
    except Refused:
        return ()
