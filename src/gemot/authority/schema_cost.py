"""How much work a JSON schema asks for, counted before the work is done.

A schema of a few lines can ask for more checks than there is time: alternatives that refer to alternatives, thirty levels
deep. The validator has no limit of its own. :func:`size` counts the parts of a schema with its references followed, and
:func:`steps` the checks of one value; both count each pair once, so that counting stays cheap.

References are resolved more generously than the standard does it: where a name could mean two parts, both are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

SINGLE_IN_PLACE = ("not", "if", "then", "else")
LISTS_IN_PLACE = ("allOf", "anyOf", "oneOf")
MAPS_IN_PLACE = ("dependentSchemas", "dependencies")
SINGLE_BELOW = (
    "items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains",
    "propertyNames",
)  # fmt: skip
LISTS_BELOW = ("prefixItems", "items")
MAPS_BELOW = ("properties", "patternProperties")
DEFINITIONS = ("$defs", "definitions")
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
UNEVALUATED_TIMES = 3
"""The validator goes through what stands beside an `unevaluated...` word this often."""

PAIRS_MAX = 100_000
"""Pairs of a part of a schema and a part of a value that :func:`steps` looks at; more are too many to check."""

TOO_MANY = 10**12

Node = dict[str, Any]


def parts(node: Node, words: tuple[str, ...], lists: tuple[str, ...], maps: tuple[str, ...]) -> Iterator[Node]:
    """The sub-schemas of a schema at these words; boolean ones ask for no work, and are left out."""
    for word in words:
        part = node.get(word)
        if isinstance(part, dict):
            yield cast("Node", part)
    for word in lists:
        part = node.get(word)
        if isinstance(part, list | tuple):
            yield from (one for one in cast("list[Any]", part) if isinstance(one, dict))
    for word in maps:
        part = node.get(word)
        if isinstance(part, dict):
            yield from (one for one in cast("Node", part).values() if isinstance(one, dict))


def in_place(node: Node) -> list[Node]:
    """The sub-schemas that are about the same value, without references."""
    return list(parts(node, SINGLE_IN_PLACE, LISTS_IN_PLACE, MAPS_IN_PLACE))


def below(node: Node) -> list[Node]:
    """The sub-schemas that are about parts of the value."""
    return list(parts(node, SINGLE_BELOW, LISTS_BELOW, MAPS_BELOW))


class Names:
    """What the references of one schema can mean."""

    def __init__(self, root: Node) -> None:
        self.refers = False
        self._resources: list[Node] = [root]
        self._names: dict[str, list[Node]] = {}
        open_nodes = [root]
        while open_nodes:
            node = open_nodes.pop()
            self.refers = self.refers or any(word in node for word in REFERENCES)
            for word in ("$anchor", "$dynamicAnchor", "$id", "id"):
                name = node.get(word)
                if isinstance(name, str):
                    self._names.setdefault(name.rsplit("/", 1)[-1].lstrip("#"), []).append(node)
                    if word in ("$id", "id"):
                        self._resources.append(node)
            open_nodes += in_place(node)
            open_nodes += below(node)
            open_nodes += parts(node, (), (), DEFINITIONS)

    @property
    def resources(self) -> int:
        """The schema and those within it that have a name of their own."""
        return len(self._resources)

    def meant(self, node: Node) -> list[Node]:
        """The parts that the references of ``node`` can stand for."""
        found: dict[int, Node] = {}
        for word in REFERENCES:
            reference = node.get(word)
            if isinstance(reference, str):
                found |= {id(part): part for part in self._resolved(reference)}
        return list(found.values())

    def _resolved(self, reference: str) -> Iterator[Node]:
        base, _, fragment = reference.partition("#")
        starts = self._names.get(base.rstrip("/").rsplit("/", 1)[-1], []) if base else self._resources
        if fragment.startswith("/"):
            yield from (part for start in starts if (part := pointed(start, fragment)) is not None)
        elif fragment:
            yield from self._names.get(fragment, [])
        else:
            yield from starts


def pointed(node: Any, pointer: str) -> Node | None:
    """What a JSON pointer (``/$defs/a``) leads to, if that is an object."""
    if pointer and not pointer.startswith("/"):
        return None
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = cast("Node", node).get(name)
        elif isinstance(node, list) and name.isdecimal() and int(name) < len(cast("list[Any]", node)):
            node = cast("list[Any]", node)[int(name)]
        else:
            return None
    return cast("Node", node) if isinstance(node, dict) else None


def size(root: Node, names: Names) -> tuple[int, bool]:
    """How many parts a schema has with its references followed, and whether it refers to itself; such a reference is counted
    once."""
    sizes: dict[int, int] = {}
    inside: set[int] = set()
    loops = False

    def count(node: Node) -> int:
        nonlocal loops
        if id(node) in inside:
            loops = True
            return 0
        if id(node) not in sizes:
            inside.add(id(node))
            here = sum(map(count, in_place(node))) + sum(map(count, names.meant(node)))
            sizes[id(node)] = 1 + here * _times(node) + sum(map(count, below(node)))
            inside.discard(id(node))
        return min(sizes[id(node)], TOO_MANY)

    return count(root), loops


def circle(root: Node, names: Names) -> str:
    """The reference by which a schema stands for itself, about the same value: such a check has no end. ``""``: none.

    Only what is certain is told: references by place in a schema that has no other one within.
    """
    if names.resources > 1:
        return ""
    done: set[int] = set()
    open_nodes = [root]
    while open_nodes:
        node = open_nodes.pop()
        if id(node) not in done:
            found = _circle(node, root, [], done)
            if found:
                return found
            open_nodes += [*in_place(node), *below(node), *parts(node, (), (), DEFINITIONS)]
    return ""


def _circle(node: Node, root: Node, way: list[int], done: set[int]) -> str:
    if id(node) in done:
        return ""
    way.append(id(node))
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        target = root if reference == "#" else pointed(root, reference[1:])
        if target is not None and id(target) in way:
            return reference
        found = "" if target is None else _circle(target, root, way, done)
        if found:
            return found
    for part in in_place(node):
        found = _circle(part, root, way, done)
        if found:
            return found
    way.pop()
    done.add(id(node))
    return ""


def steps(root: Node, names: Names, value: Any) -> int:
    """At least as many checks as one value asks for; :data:`TOO_MANY` where they can't be counted."""
    counted: dict[tuple[int, int], int] = {}

    def count(node: Node, value: Any) -> int:
        key = id(node), id(value)
        known = counted.get(key)
        if known is not None:
            return known
        counted[key] = 0  # a reference to itself at the same place asks for nothing new
        if len(counted) > PAIRS_MAX:
            raise RecursionError
        here = sum(count(part, value) for part in (*in_place(node), *names.meant(node)))
        deeper = sum(count(part, one) for part, one in _pairs(node, value))
        total = counted[key] = min(TOO_MANY, 1 + here * _times(node) + deeper)
        return total

    try:
        return count(root, value)
    except RecursionError:
        return TOO_MANY


def _times(node: Node) -> int:
    return UNEVALUATED_TIMES if "unevaluatedProperties" in node or "unevaluatedItems" in node else 1


def _pairs(node: Node, value: Any) -> Iterator[tuple[Node, Any]]:
    """The sub-schemas of a schema with the parts of a value that they are about."""
    if isinstance(value, dict):
        named = node.get("properties")
        known = cast("Node", named) if isinstance(named, dict) else {}
        patterns = list(parts(node, (), (), ("patternProperties",)))
        rest = list(parts(node, ("additionalProperties", "unevaluatedProperties"), (), ()))
        names = list(parts(node, ("propertyNames",), (), ()))
        for name, member in cast("Node", value).items():
            own = known.get(name)
            mine = [cast("Node", own)] if isinstance(own, dict) else [] if name in known else rest
            yield from ((part, member) for part in mine)
            yield from ((part, member) for part in patterns)
            yield from ((part, name) for part in names)
    elif isinstance(value, list | tuple):
        first = list(parts(node, (), LISTS_BELOW, ()))
        rest = list(parts(node, ("items", "additionalItems", "unevaluatedItems", "contains"), (), ()))
        for index, item in enumerate(cast("list[Any]", value)):
            yield from ((part, item) for part in (*first[index : index + 1], *rest))
