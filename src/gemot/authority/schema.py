"""Does a JSON value fit a JSON schema, and is a schema one that can be checked? Both purely, and within limits.

The whole standard holds, by the package `jsonschema-rs`: the draft that ``$schema`` names (4, 6, 7, 2019-09, 2020-12), and
2020-12 without it. Two things are left out on purpose. ``format`` describes and is not checked. A reference that leads out
of the schema is not followed, so a schema that has one can't be checked.

A schema and a value may come from a model or from a stranger. So the size of a schema, the steps of a check and the text that
a costly pattern is compared with are bounded, and each limit is told in words. Compiled schemas are kept by their content.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gemot.abi import limits
from gemot.authority import misfits, schema_cost

if TYPE_CHECKING:
    from jsonschema_rs import Validator

Schema = dict[str, Any]

KINDS = misfits.KINDS
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_PATTERN_WORDS = ("pattern", "patternProperties")
_COUNTED = re.compile(r"\{\d{2,}|\{\d*,\d{2,}")
_LEAF = (str, int, bool, type(None))


class _Compiled:
    """A schema that is ready to check values, or why it can't be."""

    def __init__(self, flaw: str, root: Any = None, validator: Validator | None = None) -> None:
        self.flaw, self.root, self.validator = flaw, root, validator
        self.names: schema_cost.Names | None = None
        self.loops = False
        """It refers to itself, so how much there is to check depends on the value."""
        self.plain = True
        """Each part of a value is checked once: no alternatives, no references."""
        self.costly = False
        """One of its patterns takes a time that grows faster than the text."""

    def steps(self, value: Any) -> int:
        if self.names is None:
            self.names = schema_cost.Names(self.root)
        return schema_cost.steps(self.root, self.names, value)


def flaw(schema: Any) -> str:
    """Why ``schema`` is not a schema that :func:`mismatch` can check, in words, or ``""``. A model may have written it."""
    return _compiled(schema).flaw


def mismatch(value: Any, schema: Any) -> str:
    """Why ``value`` does not fit, in words, or ``""`` when it fits. Nothing fits a schema that has a :func:`flaw`."""
    compiled = _compiled(schema)
    if compiled.validator is None:
        return f"its schema can't be checked: {compiled.flaw}"
    wrong = _unsayable(value, compiled.costly)
    if wrong:
        return wrong
    if compiled.loops and compiled.steps(value) > limits.SCHEMA_STEPS_MAX:
        return f"it asks for more than {limits.SCHEMA_STEPS_MAX:,} checks by its schema; make it smaller"
    try:
        if compiled.validator.is_valid(value):
            return ""
        explained = compiled.plain or compiled.steps(value) <= limits.SCHEMA_STEPS_EXPLAINED
        errors = list(compiled.validator.iter_errors(value)) if explained else []
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        return f"it holds what JSON has no form for ({str(error)[: limits.SCHEMA_WORDS_MAX]})"
    if not errors:
        return "it does not fit its schema, which has too many alternatives to say which part is wrong"
    return misfits.in_words(errors, value, lambda place: schema_at(compiled.root, place))


def _compiled(schema: Any) -> _Compiled:
    if not isinstance(schema, dict | bool):
        return _Compiled(f"a schema is an object or a boolean, not {misfits.kind_of(schema)}")
    try:
        written = msgspec.json.encode(schema)
    except RecursionError:
        return _Compiled("it is nested too deeply")
    except (TypeError, ValueError, OverflowError) as error:
        return _Compiled(f"it can't be written as JSON ({str(error)[: limits.SCHEMA_WORDS_MAX]})")
    if len(written) > limits.SCHEMA_BYTES_MAX:
        return _Compiled(f"it has {len(written):,} bytes, and may have {limits.SCHEMA_BYTES_MAX:,}")
    if b"null" in written and (wrong := _unsayable(schema, False)):
        return _Compiled(wrong)
    return _compile(written)


@functools.lru_cache(maxsize=limits.SCHEMAS_KEPT)
def _compile(written: bytes) -> _Compiled:
    """Compile a schema by its text. The package is imported with the first one: it takes as long as the rest of gemot."""
    import jsonschema_rs

    text = written.decode()
    try:
        root: Any = msgspec.json.decode(written)
        names = None if isinstance(root, bool) else schema_cost.Names(root)
        size, loops = (1, False) if names is None else schema_cost.size(cast("Schema", root), names)
        circle = "" if names is None else schema_cost.circle(cast("Schema", root), names)
    except RecursionError:
        return _Compiled("it is nested too deeply")
    if circle:
        return _Compiled(
            f"by the reference {circle[: limits.SCHEMA_WORDS_MAX]} it stands for itself, so no check of it ends"
        )
    if size > limits.SCHEMA_PARTS_MAX:
        return _Compiled(f"with its references followed it has more than {limits.SCHEMA_PARTS_MAX:,} parts")
    linear = jsonschema_rs.RegexOptions(limits.PATTERN_BYTES_MAX, limits.PATTERN_BYTES_MAX * 10)
    backtracking = jsonschema_rs.FancyRegexOptions(limits.PATTERN_BACKTRACKS_MAX, *(limits.PATTERN_BYTES_MAX,) * 2)
    costly = False
    offline: dict[str, Any] = {"offline": True, "validate_formats": False}
    try:
        try:
            validator = jsonschema_rs.validator_for(text, pattern_options=linear, **offline)
        except jsonschema_rs.ValidationError as error:
            if error.kind.name not in (*_PATTERN_WORDS, "format") and "regex" not in error.message:
                raise
            validator = jsonschema_rs.validator_for(text, pattern_options=backtracking, **offline)
            costly = True  # it looks around or back, which no engine does in linear time
    except jsonschema_rs.ValidationError as error:
        return _Compiled(misfits.flaw_in_words(error, root))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        if "recursion limit" in str(error).lower():
            return _Compiled("it is nested too deeply")
        return _Compiled(f"it can't be checked ({str(error)[: limits.SCHEMA_WORDS_MAX]})")
    compiled = _Compiled("", root, validator)
    compiled.names, compiled.loops = names, loops
    compiled.costly = costly or any(_COUNTED.search(one) for one in _patterns(root))
    compiled.plain = not (names is not None and names.refers) and not _has_alternatives(root)
    return compiled


def _nodes(root: Any) -> list[Schema]:
    """A schema and all of its sub-schemas; of a boolean there are none."""
    found: list[Schema] = []
    open_nodes: list[Schema] = [root] if isinstance(root, dict) else []
    while open_nodes:
        node = open_nodes.pop()
        found.append(node)
        open_nodes += [*schema_cost.in_place(node), *schema_cost.below(node)]
        open_nodes += schema_cost.parts(node, (), (), schema_cost.DEFINITIONS)
    return found


def _patterns(root: Any) -> list[str]:
    found: list[str] = []
    for node in _nodes(root):
        if isinstance(node.get("pattern"), str):
            found.append(node["pattern"])
        named = node.get("patternProperties")
        found += [str(one) for one in cast("Schema", named)] if isinstance(named, dict) else []
    return found


def _has_alternatives(root: Any) -> bool:
    return any(schema_cost.in_place(node) for node in _nodes(root))


def _unsayable(value: Any, costly: bool) -> str:
    """What of a value JSON can't say: a number without an end. And a text that is too long for a costly pattern."""
    open_values = [value]
    while open_values:
        one = open_values.pop()
        if isinstance(one, dict):
            members = cast("Schema", one)
            open_values += members.values()
        elif isinstance(one, list | tuple):
            open_values += cast("list[Any]", one)
        elif isinstance(one, float) and one - one != 0:
            return f"it holds the number {one}, which JSON has no form for; give a number with an end"
        elif costly and isinstance(one, str) and len(one) > limits.PATTERN_TEXT_CHARS:
            return (
                f"it holds a text of {len(one):,} characters, and its schema has a pattern that is compared with at most "
                f"{limits.PATTERN_TEXT_CHARS:,}; make it shorter"
            )
    return ""


def schema_at(schema: Any, place: tuple[str | int, ...]) -> Schema:
    """The schema of what stands at a place in a value of this schema; ``{}`` where it says nothing of that."""
    root = _whole(schema)
    found = [root]
    for step in place:
        under = (part for one in found for form in _forms(one, root) for part in _below(form, step))
        found = list({id(part): part for part in under}.values())
    if not found:
        return {}
    definitions = {word: root[word] for word in schema_cost.DEFINITIONS if word in root}
    return (found[0] if len(found) == 1 else {"anyOf": found}) | definitions


def kinds(schema: Any) -> frozenset[str]:
    """The types that a schema names."""
    named: set[str] = set()
    root = _whole(schema)
    for form in _forms(root, root):
        kind: Any = form.get("type", [])
        listed = cast("list[Any]", kind) if isinstance(kind, list | tuple) else [kind]
        named.update(one for one in listed if isinstance(one, str))
    return frozenset(named)


def properties(schema: Any) -> dict[str, Any]:
    """What an object schema says of its members by their names. A sub-schema may be a boolean."""
    named: Any = cast("Schema", schema).get("properties") if isinstance(schema, dict) else None
    return cast("dict[str, Any]", named) if isinstance(named, dict) else {}


def default(schema: Any) -> Any:
    """What a schema says that its value is where none is given; None where it does not say."""
    return _whole(schema).get("default")


def parts_named(schema: Any, steps: tuple[str, ...]) -> list[Schema]:
    """What a schema says of the parts that these names lead to; of a list the part of each element is meant."""
    root = _whole(schema)
    found = [root]
    for step in steps:
        forms = [form for one in found for form in _elements(one, root)]
        found = [
            _whole(named[step]) for form in forms if isinstance(named := form.get("properties"), dict) and step in named
        ]
    return found


def _elements(schema: Schema, root: Schema) -> list[Schema]:
    """The forms of a schema, and of the elements of its lists at any depth."""
    found: dict[int, Schema] = {}
    open_forms = _forms(schema, root)
    while open_forms:
        one = open_forms.pop()
        if id(one) not in found:
            found[id(one)] = one
            for part in schema_cost.parts(one, ("items",), ("prefixItems", "items"), ()):
                open_forms += _forms(part, root)
    return list(found.values())


def _whole(schema: Any) -> Schema:
    return cast("Schema", schema) if isinstance(schema, dict) else {}


def _forms(schema: Schema, root: Schema) -> list[Schema]:
    """A schema, what it refers to and its alternatives, each once."""
    found: dict[int, Schema] = {}
    open_forms = [schema]
    while open_forms:
        one = open_forms.pop()
        if id(one) in found:
            continue
        found[id(one)] = one
        open_forms += schema_cost.parts(one, (), _ALTERNATIVES, ())
        reference = one.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            target = root if reference == "#" else schema_cost.pointed(root, reference[1:])
            open_forms += [] if target is None else [target]
    return list(found.values())


def _below(schema: Schema, step: str | int) -> list[Schema]:
    part: Any
    if isinstance(step, int):
        prefix: Any = schema.get("prefixItems", schema.get("items"))
        items = cast("list[Any]", prefix) if isinstance(prefix, list | tuple) else []
        rest = schema.get("items") if "prefixItems" in schema or not items else schema.get("additionalItems")
        part = items[step] if 0 <= step < len(items) else rest
    else:
        part = properties(schema).get(step, schema.get("additionalProperties"))
    return [cast("Schema", part)] if isinstance(part, dict) else []
