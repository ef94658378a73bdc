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


_OBJECT_WORDS = {"type", "properties", "required", "additionalProperties", "title", "description"}
_PLAIN_WORDS = {"type", "description", "title", "default"}
_PLAIN: dict[type[Any], tuple[str, ...]] = {
    str: ("string",),
    int: ("integer", "number"),
    float: ("number",),
    bool: ("boolean",),
}

STEPS_MAX = 10_000
"""A schema can refer to itself from two sides and so ask for more checks than there is time; this many are made."""

_FORMS: dict[str, tuple[str, ...]] = {
    "type": ("string", "array"),
    "properties": ("object",),
    "required": ("array",),
    "additionalProperties": ("boolean", "object"),
    "items": ("object", "boolean"),
    "prefixItems": ("array",),
    "enum": ("array",),
    "anyOf": ("array",),
    "$ref": ("string",),
    "$defs": ("object",),
    "minLength": ("integer",),
    "maxLength": ("integer",),
    "minItems": ("integer",),
    "maxItems": ("integer",),
    "minimum": ("number",),
    "maximum": ("number",),
}


def flaw(schema: Any, depth: int = 0) -> str:
    """Why ``schema`` is not a schema that :func:`mismatch` can check, in words, or ``""``. A model may have written it."""
    if not isinstance(schema, dict):
        return f"a schema is an object, not {_kind(schema)}"
    if depth > 50:
        return "it is nested too deeply"
    members = cast("Schema", schema)
    for word, kinds in _FORMS.items():
        if word in members and not any(_is(members[word], kind) for kind in kinds):
            return f"{word} must be {' or '.join(kinds)}, not {_kind(members[word])}"
    kinds = members.get("type", [])
    named = cast("list[Any]", [kinds] if isinstance(kinds, str) else kinds)
    unknown = [one for one in named if not isinstance(one, str) or one not in _KINDS]
    if unknown:
        return f"type can't be {unknown[0]!r:.80}; it can be {', '.join(_KINDS)}"
    if not all(isinstance(name, str) for name in members.get("required", [])):
        return "required must be a list of names"
    below = [*members.get("properties", {}).values(), *members.get("$defs", {}).values(), *members.get("anyOf", [])]
    below += members.get("prefixItems", [])
    below += [one for word in ("items", "additionalProperties") if isinstance(one := members.get(word), dict)]
    return next((wrong for one in below if (wrong := flaw(one, depth + 1))), "")


def mismatch(value: Any, schema: Schema) -> str:
    """The first reason why ``value`` does not fit, in words, or ``""`` when it fits."""
    if _fits_plainly(value, schema):
        return ""
    return next(_reasons(value, schema, _Root(schema.get("$defs", {})), "", 0), "")


def schema_at(schema: Schema, place: tuple[str | int, ...]) -> Schema:
    """The schema of what stands at a place in a value of this schema; ``{}`` where it says nothing of that."""
    definitions = cast("dict[str, Schema]", schema.get("$defs", {}))
    found = [schema]
    for step in place:
        below = (part for one in found for form in _forms(one, definitions) for part in _below(form, step))
        found = list({id(part): part for part in below}.values())
    if not found:
        return {}
    return (found[0] if len(found) == 1 else {"anyOf": found}) | {"$defs": definitions}


def kinds(schema: Schema) -> frozenset[str]:
    """The types that a schema names."""
    named: set[str] = set()
    for form in _forms(schema, schema.get("$defs", {})):
        kind = form.get("type", [])
        named.update([kind] if isinstance(kind, str) else kind)
    return frozenset(named)


def _forms(schema: Schema, definitions: dict[str, Schema]) -> list[Schema]:
    """A schema, what it refers to and its alternatives, each once."""
    found: dict[int, Schema] = {}
    open_forms = [schema]
    while open_forms:
        one = open_forms.pop()
        if id(one) in found:
            continue
        found[id(one)] = one
        open_forms += one.get("anyOf", [])
        target = definitions.get(str(one.get("$ref")).rsplit("/", 1)[-1])
        if target is not None:
            open_forms.append(target)
    return list(found.values())


def _below(schema: Schema, step: str | int) -> list[Schema]:
    if isinstance(step, int):
        prefix = schema.get("prefixItems", [])
        part = prefix[step] if step < len(prefix) else schema.get("items")
    else:
        part = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
    return [cast("Schema", part)] if isinstance(part, dict) else []


class _Root:
    """What all parts of one check share."""

    __slots__ = ("definitions", "steps")

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions, self.steps = definitions, 0


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS.get(kind, (object,)))


def _reasons(value: Any, schema: Schema, root: _Root, at: str, depth: int) -> Iterator[str]:
    root.steps += 1
    if depth > 50 or root.steps > STEPS_MAX:
        yield f"{at or 'it'} is nested too deeply"
        return
    where = at or "it"
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = root.definitions.get(reference.rsplit("/", 1)[-1])
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


def _members(value: dict[str, Any], schema: Schema, root: _Root, at: str, depth: int) -> Iterator[str]:
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


def _fits_plainly(value: Any, schema: Schema) -> bool:
    """Is this the common case: an object of plain members, all of them known, and each of its type? Seen at a glance, where
    finding a reason takes a walk."""
    if not isinstance(value, dict) or schema.get("type") != "object" or not schema.keys() <= _OBJECT_WORDS:
        return False
    members, properties = cast("Schema", value), schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in members:
            return False
    for name, member in members.items():
        wanted = properties.get(name)
        if wanted is None or not wanted.keys() <= _PLAIN_WORDS:
            return False
        if wanted.get("type") not in _PLAIN.get(cast("type[Any]", type(member)), ()):
            return False
    return True


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _kind(value: Any) -> str:
    for name, kinds in _KINDS.items():
        if isinstance(value, kinds) and not (isinstance(value, bool) and name != "boolean"):
            return name
    return type(value).__name__
