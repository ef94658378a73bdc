"""Is there any JSON value that fits a schema? Finds the contradictions that a person or a model writes by mistake.

Deciding it for every schema is not possible in bounded time. So this errs to one side: what it names a contradiction is one,
and a schema that it finds none in may still have one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from gemot.authority.schema import mismatch

DEPTH_MAX = 20
"""Schemas nested deeper are taken for satisfiable."""

_ALL_KINDS = frozenset({"object", "array", "string", "number", "boolean", "null"})
_BOUNDS = (
    ("minLength", "maxLength", "string"),
    ("minimum", "maximum", "number"),
    ("minItems", "maxItems", "array"),
    ("minProperties", "maxProperties", "object"),
)


def unsatisfiable(schema: Any) -> str:
    """Why no value fits ``schema``, in words; ``""`` where none is seen."""
    return _why([schema], 0)


def _why(schemas: list[Any], depth: int) -> str:
    """Why no value fits all of these at once."""
    parts = list(_flat(schemas, depth))
    if depth > DEPTH_MAX:
        return ""
    if any(one is False for one in parts):
        return "false fits nothing"
    members = [cast("dict[str, Any]", one) for one in parts if isinstance(one, dict)]
    if any(one.get("not") in ({}, True) for one in members if "not" in one):
        return "'not' of everything fits nothing"
    listed = [[one["const"]] for one in members if "const" in one]
    listed += [cast("list[Any]", one["enum"]) for one in members if isinstance(one.get("enum"), list)]
    if listed:
        plain = [one for one in members if "$ref" not in one]
        fit = [
            value for value in listed[0] if all(not mismatch(value, one) for one in plain) and _in_all(value, listed)
        ]
        return "" if fit else "no value of enum or const fits the rest of it"
    kinds = _kinds(members)
    if not kinds:
        return "it asks for two types at once, or for none"
    impossible = {kind: why for kind in kinds if (why := _of_kind(kind, members, depth))}
    if len(impossible) == len(kinds):
        return next(iter(impossible.values()))
    for one in members:
        for word in ("anyOf", "oneOf"):
            choices = one.get(word)
            if isinstance(choices, list):
                rest = [other for other in members if other is not one]
                mine = {name: value for name, value in one.items() if name != word}
                whys = [_why([choice, mine, *rest], depth + 1) for choice in cast("list[Any]", choices)]
                if all(whys):
                    return whys[0] if whys else f"{word} names no alternative"
    return ""


def _flat(schemas: Iterable[Any], depth: int) -> Iterable[Any]:
    """Each schema, and those in its `allOf`."""
    for one in schemas:
        yield one
        if isinstance(one, dict) and depth <= DEPTH_MAX:
            members = cast("dict[str, Any]", one)
            inner = members.get("allOf")
            if isinstance(inner, list):
                yield from _flat(cast("list[Any]", inner), depth + 1)


def _in_all(value: Any, listed: list[list[Any]]) -> bool:
    return all(any(type(value) is type(one) and value == one for one in values) for values in listed)


def _kinds(members: list[dict[str, Any]]) -> frozenset[str]:
    """The types that a value may have; an integer is a number."""
    kinds = _ALL_KINDS
    for one in members:
        named = one.get("type")
        if named is None:
            continue
        names = cast("list[str]", [named] if isinstance(named, str) else named)
        kinds &= {"number" if name == "integer" else name for name in names}
    return kinds


def _of_kind(kind: str, members: list[dict[str, Any]], depth: int) -> str:
    """Why no value of this type fits."""
    for least, most, of in _BOUNDS:
        lows = [one[least] for one in members if _number(one.get(least))]
        highs = [one[most] for one in members if _number(one.get(most))]
        if kind == of and lows and highs and max(lows) > min(highs):
            return f"{least} is {max(lows)} and {most} is {min(highs)}"
    if kind == "object":
        return _of_object(members, depth)
    if kind == "array" and any(_number(one.get("minItems")) and one["minItems"] > 0 for one in members):
        why = _why([one["items"] for one in members if "items" in one and "prefixItems" not in one], depth + 1)
        return f"its items: {why}" if why else ""
    return ""


def _of_object(members: list[dict[str, Any]], depth: int) -> str:
    required = {name for one in members for name in one.get("required", [])}
    for name in sorted(required):
        below = [one["properties"][name] for one in members if name in one.get("properties", {})]
        closed = [one for one in members if name not in one.get("properties", {}) and "patternProperties" not in one]
        if any(one.get("additionalProperties") is False for one in closed):
            return f"{name!r} is required and not allowed"
        why = _why(below, depth + 1) if below else ""
        if why:
            return f"{name!r}: {why}"
    return ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
