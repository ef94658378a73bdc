"""Rules are about arguments that there are: a rule about any other name would bound nothing, and could read like anything.

The names of arguments are those of the manifest (or of the syscall). A name with dots leads into an argument, as far as the
tool's schema says what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from gemot.abi.grants import Grant
from gemot.abi.syscalls import SYSCALLS
from gemot.abi.tools import ToolSpec
from gemot.authority.narrowing import covers
from gemot.authority.refusal import Refused, closest
from gemot.authority.rules import steps_of

Schema = dict[str, Any]

FORMS_MAX = 200
"""The most alternatives of a schema that are looked at."""


def must_be_known(grants: Iterable[Grant], tools: Mapping[str, ToolSpec]) -> None:
    """Raises :class:`Refused` for a rule about an argument that no tool of its grant has, and for a source whose ``called``
    names one. Grants of tools that are not installed pass: they allow nothing."""
    for grant in grants:
        if not grant.where:
            continue
        meant = [tool for tool in tools.values() if covers(grant.tool, tool.name)]
        for name, rule in grant.where.items():
            wrong = _unknown(grant.tool, name, meant)
            if wrong:
                raise Refused("malformed", f"{grant.tool}: there is no argument {name!r:.200}; {wrong}")
            for source in rule.source or ():
                tool = tools.get(source.tool)
                for called in source.called if tool is not None else ():
                    wrong = _unknown(source.tool, called, [cast("ToolSpec", tool)])
                    if wrong:
                        raise Refused("malformed", f"{source.tool}: 'called' names {called!r:.200}; {wrong}")


def _unknown(tool: str, name: str, meant: list[ToolSpec]) -> str:
    """Why a name is no argument of any of these tools, with the closest ones, or ``""``."""
    if not all(name.split(".")):
        return ""  # that it is no name at all is said elsewhere
    if tool in SYSCALLS:
        fields = SYSCALLS[tool].__struct_fields__
        return "" if name.partition(".")[0] in fields else closest(name, fields)
    if not meant:
        return ""
    reasons = [_missing(one.schema, name) for one in meant]
    if not all(reasons):
        return ""
    known = {argument for one in meant for argument in one.schema.get("properties", {})}
    return reasons[0] if len(meant) == 1 else closest(name, known)


def _missing(schema: Schema, name: str) -> str:
    """What is there instead of an argument of this name, or ``""`` if the schema may have it."""
    here = [schema]
    for step in steps_of(name, schema.get("properties", {})):
        objects = [form for one in here for form in _objects(one, schema)]
        if any(_open(one) for one in objects):
            return ""
        found = [one["properties"][step] for one in objects if step in one.get("properties", {})]
        if not found:
            return closest(step, {known for one in objects for known in one.get("properties", {})})
        here = found
    return ""


def _objects(schema: Any, top: Schema) -> list[Schema]:
    """The objects that a value of a schema can be, or that it can be a list of; its alternatives and references included."""
    objects: list[Schema] = []
    seen: set[int] = set()
    to_see: list[Any] = [schema]
    while to_see and len(seen) < FORMS_MAX:
        one = to_see.pop()
        if one is True:
            objects.append({"additionalProperties": True})
        if not isinstance(one, dict) or id(cast("object", one)) in seen:
            continue
        form = cast("Schema", one)
        seen.add(id(form))
        alternatives = [part for word in ("anyOf", "oneOf", "allOf") for part in _listed(form.get(word))]
        to_see += alternatives
        if "$ref" in form:
            to_see.append(_referred(form["$ref"], top))
        kinds = form.get("type")
        if "items" in form or "prefixItems" in form:
            to_see += [form.get("items", False), *_listed(form.get("prefixItems"))]
        elif kinds == "array" or (isinstance(kinds, list) and "array" in kinds):
            objects.append({"additionalProperties": True})
        if kinds == "object" or "properties" in form or (isinstance(kinds, list) and "object" in kinds):
            objects.append(form)
        elif kinds is None and not alternatives and not {"$ref", "items", "enum", "const"} & set(form):
            objects.append({"additionalProperties": True})
    return objects


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _referred(reference: Any, top: Schema) -> Any:
    """What a reference inside the schema names; anything (True) where that is not to be found."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return True
    here: Any = top
    for step in filter(None, reference.lstrip("#").strip("/").split("/")):
        members = cast("Schema", here) if isinstance(here, dict) else {}
        if step not in members:
            return True
        here = members[step]
    return here


def _open(schema: Schema) -> bool:
    """May an object of this schema have members that it does not name? One that names none may have any."""
    if "patternProperties" in schema or "properties" not in schema:
        return schema.get("additionalProperties") is not False
    return schema.get("additionalProperties", False) is not False
