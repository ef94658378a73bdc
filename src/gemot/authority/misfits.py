"""What is wrong with a value, or with a schema, in words from which a model can mend it: where, what was given, what is wanted.

A value is quoted only where it is short: who reads the words may not have read the value.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gemot.abi import limits

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list, tuple),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
REASONS_MAX = 3
"""How many reasons are told at once: a model mends a few at a time."""
NAMES_SHOWN = 20
CHARS_SHOWN = 80

_BOUNDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} members",
    "maxProperties": "at most {} members",
}
_NUMBERS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "greater than",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
}
_SENTENCES = {
    "uniqueItems": "has the same item twice",
    "contains": "has not the items that must be in it",
    "not": "fits a schema that it must not fit",
    "falseSchema": "is not allowed here",
    "additionalItems": "has more items than are allowed",
    "unevaluatedItems": "has more items than are allowed",
    "backtrackLimitExceeded": "takes too many steps to compare with its pattern",
    "regexEngineFailure": "can't be compared with its pattern",
}
_SAMPLES: dict[str, Any] = {
    "string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None, "array": [], "object": {},
}  # fmt: skip


def kind_of(value: Any) -> str:
    """The type of a value by JSON's name for it."""
    for name, kinds in KINDS.items():
        if isinstance(value, kinds) and not (isinstance(value, bool) and name != "boolean"):
            return name
    return type(value).__name__


def in_words(
    errors: Iterable[ValidationError], value: Any, schema_at: Callable[[tuple[str | int, ...]], dict[str, Any]]
) -> str:
    """The first reasons why ``value`` does not fit. ``schema_at``: what the schema says of a place in it."""
    reasons: dict[str, None] = {}
    # where a value is of the wrong type, other reasons about it mean nothing
    for error in sorted(errors, key=lambda one: one.kind.name != "type"):
        place = tuple(error.instance_path)
        reasons[_reason(error, place, _at(value, place), schema_at)] = None
        if len(reasons) >= REASONS_MAX:
            break
    return "; ".join(reasons)


def flaw_in_words(error: ValidationError, schema: Any) -> str:
    """What is wrong with a schema that the validator refused."""
    place = tuple(error.instance_path)
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")
    given = _at(schema, place)
    if place and place[-1] == "type" and not isinstance(given, dict):
        return f"{where} can't be {_short(given)}; it can be {', '.join(KINDS)}"
    said = error.message
    if "Retriev" in said or "not present in a registry" in said:
        target = said.split("'")[1] if said.count("'") > 1 else "another schema"
        return f"it refers to {target[: limits.SCHEMA_WORDS_MAX]}, and only references within the schema are followed"
    if "meta-schema" in said:
        return f"{said[: limits.SCHEMA_WORDS_MAX]}; known are the drafts 4, 6, 7, 2019-09 and 2020-12"
    if error.kind.name == "type" and place:
        wanted = " or ".join(cast("list[str]", error.kind.as_dict().get("types", [])))
        return f"{where} must be {wanted}, not {kind_of(given)}"
    return f"{where + ': ' if where else ''}{said[: limits.SCHEMA_WORDS_MAX]}"


def _reason(
    error: ValidationError,
    place: tuple[str | int, ...],
    given: Any,
    schema_at: Callable[[tuple[str | int, ...]], dict[str, Any]],
) -> str:
    word, about = error.kind.name, error.kind.as_dict()
    where = _inside("", place) or "it"
    match word:
        case "type":
            wanted = " or ".join(sorted(about["types"]))
            return f"{where} must be {wanted}, not {_given(given)}{_for_example(place, schema_at)}"
        case "required":
            missing = (*place, str(about["property"]))
            return f"{_inside('', missing)} is missing{_for_example(missing, schema_at)}"
        case "additionalProperties" | "unevaluatedProperties":
            known = list(_named(schema_at(place)))
            strange = [_strange(_inside("", (*place, name)), name, known) for name in about["unexpected"][:REASONS_MAX]]
            return "; ".join(strange) + f"; known: {', '.join(known[:NAMES_SHOWN]) or 'nothing'}"
        case "enum":
            options = cast("list[Any]", about["options"])
            shown = ", ".join(map(_short, options[:NAMES_SHOWN])) + (", ..." if len(options) > NAMES_SHOWN else "")
            return f"{where} must be one of {shown}, not {_short(given)}{_meant(given, options)}"
        case "const":
            return f"{where} must be {_short(about['expected_value'])}, not {_short(given)}"
        case "anyOf" | "oneOf":
            return _alternatives(where, given, about.get("context", []), schema_at, place)
        case "pattern":
            return f"{where} must match the pattern {_short(about['pattern'])}, not be {_short(given)}"
        case "propertyNames":
            return f"a name in {where} is not allowed: {_cut(about['error'].message)}"
        case _ if word in _BOUNDS:
            size = len(cast("str", given)) if isinstance(given, str | list | dict | tuple) else 0
            return f"{where} must have {_BOUNDS[word].format(about['limit'])}, it has {size}"
        case _ if word in _NUMBERS:
            bound = about.get("limit", about.get("multiple_of"))
            return f"{where} must be {_NUMBERS[word]} {bound}, not {_short(given)}"
        case _:
            return f"{where} {_SENTENCES.get(word) or f'does not fit ({word}): {_cut(error.message)}'}"


def _alternatives(
    where: str,
    given: Any,
    forms: list[list[ValidationError]],
    schema_at: Callable[[tuple[str | int, ...]], dict[str, Any]],
    place: tuple[str | int, ...],
) -> str:
    """Why none of several forms fits, or more than one: by the form that comes closest."""
    if any(not form for form in forms) or not forms:
        return f"{where} fits more than one of its forms, and must fit exactly one"
    kinds: list[str] = []
    for form in forms:
        if any(error.kind.name == "type" and tuple(error.instance_path) == place for error in form):
            kinds += next(error.kind.as_dict()["types"] for error in form if error.kind.name == "type")
    if len(kinds) >= len(forms):
        return f"{where} must be {' or '.join(dict.fromkeys(kinds))}, not {_given(given)}"

    def far(form: list[ValidationError]) -> tuple[bool, int]:
        wrong_kind = any(error.kind.name == "type" and tuple(error.instance_path) == place for error in form)
        return wrong_kind, len(form)

    error = min(forms, key=far)[0]
    at = tuple(error.instance_path)
    inner = _relative(given, at[len(place) :]) if at[: len(place)] == place else None
    return f"{where} fits none of the allowed forms; of the closest, {_reason(error, at, inner, schema_at)}"


def _inside(at: str, place: Iterable[str | int]) -> str:
    for step in place:
        at = f"{at}[{step}]" if isinstance(step, int) else f"{at}.{step}" if at else step
    return at


def _at(value: Any, place: Iterable[str | int]) -> Any:
    return _relative(value, tuple(place))


def _relative(value: Any, place: tuple[str | int, ...]) -> Any:
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _strange(where: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f"{where[:CHARS_SHOWN]} is not known here" + (f"; did you mean {near[0]}?" if near else "")


def _meant(given: Any, options: list[Any]) -> str:
    texts = [one for one in options if isinstance(one, str)]
    near = difflib.get_close_matches(given[:CHARS_SHOWN], texts, 1, 0.6) if isinstance(given, str) else []
    return f"; did you mean {_short(near[0])}?" if near else ""


def _named(schema: dict[str, Any]) -> Iterable[str]:
    for form in (schema, *cast("list[dict[str, Any]]", schema.get("anyOf") or ())):
        named = form.get("properties")
        if isinstance(named, dict):
            yield from cast("dict[str, Any]", named)


def _given(value: Any) -> str:
    kind = kind_of(value)
    return kind if isinstance(value, dict | list | tuple) or value is None else f"{kind} ({_short(value)})"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return _cut(repr(value[: CHARS_SHOWN + 1]))
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        text = kind_of(value)
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= CHARS_SHOWN else text[:CHARS_SHOWN] + "..."


def _for_example(place: tuple[str | int, ...], schema_at: Callable[[tuple[str | int, ...]], dict[str, Any]]) -> str:
    """A value that would do, where the schema makes one easy to find."""
    sample = _sample(schema_at(place), 0)
    return "" if sample in (None, "text", [], {}) else f", for example {_short(sample)}"


def _sample(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > REASONS_MAX:
        return None
    node = cast("dict[str, Any]", schema)
    for word in ("examples", "enum"):
        listed = node.get(word)
        if isinstance(listed, list) and listed:
            return cast("list[Any]", listed)[0]
    for word in ("const", "default"):
        if word in node:
            return node[word]
    kinds: Any = node.get("type")
    kind = cast("Any", kinds[0] if isinstance(kinds, list) and kinds else kinds)
    if kind == "array":
        item = _sample(node.get("items"), depth + 1)
        return [] if item is None else [item]
    if kind == "object":
        named = node.get("properties")
        members = cast("dict[str, Any]", named) if isinstance(named, dict) else {}
        wanted = [name for name in cast("list[Any]", node.get("required") or []) if name in members]
        return {name: _sample(members[name], depth + 1) for name in wanted[:REASONS_MAX]}
    if "minimum" in node and isinstance(kind, str) and kind in ("integer", "number"):
        return node["minimum"]
    return _SAMPLES.get(kind) if isinstance(kind, str) else None
