"""Does a JSON value fit a JSON schema? The part of the standard that tool arguments and results use, purely.

Checked: type, properties, required, additionalProperties, items, prefixItems, enum, const, anyOf, $ref to $defs,
minLength/maxLength, minimum/maximum, minItems/maxItems. Other words are ignored (they describe; a tool checks itself).
Source: JSON Schema 2020-12, section 6 of the validation vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

Schema = dict[str, Any]

_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def mismatch(value: Any, schema: Schema) -> str:
    """The first reason why ``value`` does not fit, in words, or ``""`` when it fits."""
    return next(_reasons(value, schema, schema, "", 0), "")


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS.get(kind, (object,)))


def _reasons(value: Any, schema: Schema, root: Schema, at: str, depth: int) -> Iterator[str]:
    if depth > 50:
        yield f"{at or 'it'} is nested too deeply"
        return
    where = at or "it"
    reference = schema.get("$ref")
    if isinstance(reference, str):
        definitions = cast("dict[str, Schema]", root.get("$defs", {}))
        target = definitions.get(reference.rsplit("/", 1)[-1])
        if target is not None:
            yield from _reasons(value, target, root, at, depth + 1)
    kinds = schema.get("type")
    if kinds is not None:
        wanted = cast("list[str]", [kinds] if isinstance(kinds, str) else kinds)
        if not any(_is(value, kind) for kind in wanted):
            yield f"{where} must be {' or '.join(wanted)}, not {_kind(value)}"
            return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} must be one of {', '.join(map(repr, schema['enum']))}, not {value!r:.80}"
    if "const" in schema and value != schema["const"]:
        yield f"{where} must be {schema['const']!r}"
    if "anyOf" in schema and not any(
        not next(_reasons(value, one, root, at, depth + 1), "") for one in schema["anyOf"]
    ):
        yield f"{where} fits none of the allowed forms"
    yield from _sizes(value, schema, where)
    if isinstance(value, dict):
        yield from _members(cast("dict[str, Any]", value), schema, root, at, depth)
    elif isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        for index, item in enumerate(items):
            prefix = schema.get("prefixItems", [])
            one = prefix[index] if index < len(prefix) else schema.get("items")
            if isinstance(one, dict):
                yield from _reasons(item, cast("Schema", one), root, f"{at}[{index}]", depth + 1)


def _sizes(value: Any, schema: Schema, where: str) -> Iterator[str]:
    bounds = [("minLength", "maxLength", str, "characters"), ("minItems", "maxItems", (list, tuple), "items")]
    for least, most, kinds, unit in bounds:
        if isinstance(value, cast("type", kinds)):
            size = len(value)
            if size < schema.get(least, 0):
                yield f"{where} must have at least {schema[least]} {unit}"
            if most in schema and size > schema[most]:
                yield f"{where} must have at most {schema[most]} {unit}, it has {size}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{where} must be at least {schema['minimum']}"
        if "maximum" in schema and value > schema["maximum"]:
            yield f"{where} must be at most {schema['maximum']}"


def _members(value: dict[str, Any], schema: Schema, root: Schema, at: str, depth: int) -> Iterator[str]:
    properties = cast("dict[str, Schema]", schema.get("properties", {}))
    for name in schema.get("required", []):
        if name not in value:
            yield f"{_inside(at, name)} is missing"
    for name, member in value.items():
        if name in properties:
            yield from _reasons(member, properties[name], root, _inside(at, name), depth + 1)
        elif schema.get("additionalProperties") is False:
            yield f"{_inside(at, name)} is not known here; known: {', '.join(properties) or 'nothing'}"
        elif isinstance(schema.get("additionalProperties"), dict):
            yield from _reasons(member, schema["additionalProperties"], root, _inside(at, name), depth + 1)


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _kind(value: Any) -> str:
    for name, kinds in _KINDS.items():
        if isinstance(value, kinds) and not (isinstance(value, bool) and name != "boolean"):
            return name
    return type(value).__name__
