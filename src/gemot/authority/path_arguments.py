"""The path arguments of a tool: where they stand in its arguments, and which folder each one means.

An entry of ``ToolSpec.paths`` is an argument (``path``) or a part of one (``items.path``), by the dotted steps of a rule. Of a
list each element is meant: ``paths`` may be one path or a thousand, ``items`` a list of objects that have a path each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from gemot.abi.grants import Mount
from gemot.abi.tools import ToolSpec
from gemot.authority.paths import anchored, canonical
from gemot.authority.refusal import Refused, closest
from gemot.authority.rules import Place, steps_of
from gemot.authority.schema import default, flaw, kinds, parts_named, properties

Anchor = Callable[[Place, Any], Any]
"""What takes the place of the path at this place of the arguments. Raises :class:`Refused`."""


def unfit(tool: ToolSpec) -> str:
    """Why a tool can't be installed, in words, or ``""``: its schema, or an entry that names no argument of it."""
    schema: Any = tool.schema
    wrong = flaw(schema)
    if wrong:
        return f"{tool.name}: its schema is not a JSON schema: {wrong}"
    if not isinstance(schema, dict):
        return f"{tool.name}: its schema must be an object with the properties that are its arguments"
    named = kinds(schema)
    if named and "object" not in named:
        return f"{tool.name}: its schema must be of the type object, not {' or '.join(sorted(named))}"
    known = properties(schema)
    for word, names in (("paths", tool.paths), ("children", tool.children)):
        for name in names:
            found = parts_named(schema, steps_of(name, known))
            if not found:
                return (
                    f"{tool.name}: {word} names {name!r}, and its schema has no such argument; {closest(name, known)}"
                )
            if word == "paths" and all((types := kinds(one)) and not types & {"string", "array"} for one in found):
                return f"{tool.name}: paths names {name!r}, which is neither a text nor a list"
    return ""


def in_words(place: Place) -> str:
    """A place in the arguments as a person writes it: ``items[3].path``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


def mapped(tool: ToolSpec, name: str, arguments: dict[str, Any], anchor: Anchor) -> dict[str, Any]:
    """The arguments with ``anchor`` put in the place of each path that an entry of ``paths`` means. What is not changed is
    shared with ``arguments``. An argument that was left out is its default, or the folder where relative paths begin."""
    known = properties(tool.schema)
    steps = steps_of(name, known)
    first = steps[0]
    value = arguments.get(first)
    if value is None:
        value = default(known.get(first))
    if value is None and len(steps) == 1 and "array" not in kinds(known.get(first, {})):
        value = "."
    if value is None or (
        value == "" and default(known.get(first)) == ""
    ):  # it may be left out, and then there is no path
        return arguments
    return arguments | {first: _mapped(tool, value, steps[1:], (first,), anchor)}


def _mapped(tool: ToolSpec, value: Any, steps: tuple[str, ...], place: Place, anchor: Anchor) -> Any:
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return [_mapped(tool, item, steps, (*place, index), anchor) for index, item in enumerate(items)]
    if not steps:
        return anchor(place, value)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Refused("malformed", f"{tool.name}: {in_words(place)} must be an object, so that its path can be checked")
    members = cast("dict[str, Any]", value)
    if members.get(steps[0]) is None:
        return members
    return members | {steps[0]: _mapped(tool, members[steps[0]], steps[1:], (*place, steps[0]), anchor)}


def located(tool: ToolSpec, arguments: dict[str, Any], mounts: tuple[Mount, ...]) -> dict[str, str]:
    """Where the paths of a use are on the computer, each by its place in the arguments, as the person who mounted the folders
    would say it."""
    places: dict[str, str] = {}

    def note(place: Place, value: Any) -> Any:
        if isinstance(value, str):
            mount, inside = canonical(value, mounts)
            folder = anchored(mount, inside).replace("//", "/", 1)
            places[in_words(place)] = f"its own copy of {folder}" if mount.space and mount.mode == "cow" else folder
        return value

    for name in tool.paths:
        if arguments.get(steps_of(name, properties(tool.schema))[0]) is not None:
            mapped(tool, name, arguments, note)
    return places
