"""Who may do what: the check of one action against grants, and the proof that a child's grants are within its parent's.

Narrowing composes and nothing widens: a child's grant must lie inside one single grant of its parent, rule by rule.
Path rules are kept anchored (see :mod:`gemot.kernel.paths`), so that a child whose root is a part of its parent's tree
can't read a rule about ``notes`` as one about its own ``notes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gemot.abi.grants import Grant, Mount, MountRequest, Rule
from gemot.abi.tools import ToolSpec
from gemot.kernel.paths import anchored, canonical, is_under, roots, shown
from gemot.kernel.refusal import Refused

MOUNT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
"""What a mount may be called: a word that is the same on every disk and in every path."""

_RANK = {"ro": 0, "rw": 1}


def covers(pattern: str, tool: str) -> bool:
    """``files/*`` covers every tool of a driver; ``*`` every driver's tool; any other name only itself."""
    if pattern == "*":
        return "/" in tool
    return pattern == tool or (pattern.endswith("/*") and tool.startswith(pattern[:-1]))


def anchor(grants: tuple[Grant, ...], mounts: tuple[Mount, ...], tools: Mapping[str, ToolSpec]) -> tuple[Grant, ...]:
    """Grants as written in a process's own tree -> with every path anchored. Raises :class:`Refused`."""
    return tuple(_anchor(grant, mounts, tools) for grant in grants)


def _anchor(grant: Grant, mounts: tuple[Mount, ...], tools: Mapping[str, ToolSpec]) -> Grant:
    if grant.uses is not None and grant.uses < 0:
        raise Refused("malformed", f"{grant.tool}: uses is how often, so it can't be {grant.uses}")
    paths = {name for tool in tools.values() if covers(grant.tool, tool.name) for name in tool.paths}
    where: dict[str, Rule] = {}
    for name, rule in grant.where.items():
        if name not in paths:
            if rule.under is not None:
                raise Refused(
                    "malformed",
                    f"{grant.tool}: {name} is not a path, so 'under' means nothing for it; use 'prefix' or 'one_of'",
                )
            where[name] = rule
            continue
        if rule.chars_max is not None:
            raise Refused(
                "malformed", f"{grant.tool}: {name} is a path; bound it with 'under' or 'one_of', not 'chars_max'"
            )
        if rule.prefix is not None:
            raise Refused(
                "malformed",
                f"{grant.tool}: {name} is a path; 'prefix' would also allow its neighbours, use 'under' or 'one_of'",
            )
        one_of = None if rule.one_of is None else tuple(anchored(*canonical(path, mounts)) for path in rule.one_of)
        under = None if rule.under is None else anchored(*canonical(rule.under, mounts))
        where[name] = Rule(one_of, under)
    return msgspec.structs.replace(grant, where=where) if where else grant


def fits(rule: Rule, value: Any) -> bool:
    """Does an argument obey a rule? A path is already anchored."""
    text = value if isinstance(value, str) else None
    if rule.one_of is not None and text not in rule.one_of:
        return False
    if rule.under is not None and (text is None or not is_under(text, rule.under)):
        return False
    if rule.prefix is not None and (text is None or not text.startswith(rule.prefix)):
        return False
    return rule.chars_max is None or (text is not None and len(text) <= rule.chars_max)


def rule_within(child: Rule, parent: Rule) -> bool:
    """Is everything that ``child`` allows allowed by ``parent``?"""
    if child.one_of is not None:
        return all(fits(parent, value) for value in child.one_of)
    if parent.one_of is not None:
        return False
    if parent.under is not None and (child.under is None or not is_under(child.under, parent.under)):
        return False
    if parent.prefix is not None and (child.prefix is None or not child.prefix.startswith(parent.prefix)):
        return False
    return parent.chars_max is None or (child.chars_max is not None and child.chars_max <= parent.chars_max)


def grant_within(child: Grant, parent: Grant) -> bool:
    """Is everything that ``child`` allows allowed by ``parent``? Both anchored."""
    if parent.tool != child.tool and not covers(parent.tool, child.tool):
        return False
    if child.tool == "*" and parent.tool != "*":
        return False
    if any(not rule_within(child.where.get(argument, Rule()), rule) for argument, rule in parent.where.items()):
        return False
    if parent.uses is not None and (child.uses is None or child.uses > parent.uses):
        return False
    return parent.until_ms is None or (child.until_ms is not None and child.until_ms <= parent.until_ms)


Handed = list[tuple[Grant, int]]
"""Grants for a child, each with the index of the parent's grant that it is a part of."""


def narrowed(wanted: tuple[Grant, ...], have: Iterable[Grant], mounts: tuple[Mount, ...]) -> Handed:
    """Find for each wanted grant the parent's grant it lies inside. Raises :class:`Refused` where there is none.

    Uses are conserved: what a child may do is taken from what its parent may do.
    """
    held = list(have)
    handed: Handed = []
    for grant in wanted:
        index = next((i for i, one in enumerate(held) if grant_within(grant, one)), None)
        if index is None:
            raise Refused(
                "grant",
                f"{described(grant, mounts)} can't be given to a child: it is more than this process has. It has: {listed(held, mounts)}",
            )
        held[index] = used(held[index], grant.uses)
        handed.append((grant, index))
    return handed


def within_reach(asked: tuple[Grant, ...], have: Iterable[Grant]) -> Handed:
    """What a program asks for, as far as its parent has it: the intersection, grant by grant."""
    held = list(have)
    handed: Handed = []
    for grant in asked:
        for index, one in enumerate(held):
            smaller = grant if grant_within(grant, one) else one if grant_within(one, grant) else None
            if smaller is not None and all(smaller != given for given, _ in handed):
                held[index] = used(one, smaller.uses)
                handed.append((smaller, index))
    return handed


def used(grant: Grant, times: int | None) -> Grant:
    """``grant`` after ``times`` of its uses are gone."""
    if grant.uses is None or times is None:
        return grant
    assert times >= 0, "uses are only ever taken away"
    return msgspec.structs.replace(grant, uses=max(0, grant.uses - times))


def unused(grant: Grant) -> Grant:
    """``grant`` with one use given back."""
    return grant if grant.uses is None else msgspec.structs.replace(grant, uses=grant.uses + 1)


def syscall_allowed(
    name: str, fields: dict[str, Any], grants: Iterable[Grant], mounts: tuple[Mount, ...], now_ms: int
) -> int:
    """The index of the grant that allows a syscall with these fields. Raises :class:`Refused`."""
    held = list(grants)
    mine = [(index, grant) for index, grant in enumerate(held) if grant.tool == name]
    if not mine:
        raise Refused("grant", f"this process may not {name}. It may use: {listed(held, mounts)}")
    reasons: list[str] = []
    for index, grant in mine:
        reason = _stands_in_the_way(grant, fields, fields, mounts, now_ms)
        if not reason:
            return index
        reasons.append(reason)
    raise Refused("grant", f"{name} is not allowed so: " + "; or ".join(dict.fromkeys(reasons)))


def allowed(
    tool: ToolSpec, arguments: dict[str, Any], grants: Iterable[Grant], mounts: tuple[Mount, ...], now_ms: int
) -> int:
    """The index of the grant that allows this use. Raises :class:`Refused` with the rule that stands in the way."""
    held = list(grants)
    mine = [(index, grant) for index, grant in enumerate(held) if covers(grant.tool, tool.name)]
    if not mine:
        raise Refused("grant", f"this process may not use {tool.name}. It may use: {listed(held, mounts)}")
    values: dict[str, Any] = dict(arguments)
    for name in tool.paths:
        path = arguments.get(name, tool.schema.get("properties", {}).get(name, {}).get("default", "."))
        if not isinstance(path, str):
            raise Refused("malformed", f"{tool.name}: {name} must be one path, not {path!r:.80}")
        mount, inside = canonical(path, mounts)
        if _RANK[mount.mode] < _RANK[tool.needs]:
            raise Refused(
                "mount", f"{tool.name} writes, but /{mount.name} is read-only for this process; it sees {roots(mounts)}"
            )
        values[name] = anchored(mount, inside)
    reasons: list[str] = []
    for index, grant in mine:
        reason = _stands_in_the_way(grant, values, arguments, mounts, now_ms)
        if not reason:
            return index
        reasons.append(reason)
    raise Refused("grant", f"{tool.name} is not allowed so: " + "; or ".join(dict.fromkeys(reasons)))


def _stands_in_the_way(
    grant: Grant, values: dict[str, Any], written: dict[str, Any], mounts: tuple[Mount, ...], now_ms: int
) -> str:
    if grant.uses is not None and grant.uses < 1:
        return "its grant is used up"
    if grant.until_ms is not None and now_ms >= grant.until_ms:
        return "its grant has ended"
    for name, rule in grant.where.items():
        if not fits(rule, values.get(name)):
            was = f"was {str(written[name])[:200]!r}" if name in written else "was left out"
            return f"{name} {was}, but it must be {in_words(rule, mounts)}"
    return ""


def located(tool: ToolSpec, arguments: dict[str, Any], mounts: tuple[Mount, ...]) -> dict[str, str]:
    """Where the path arguments of a use are on the computer, as the person who mounted the folders would say it."""
    places: dict[str, str] = {}
    for name in tool.paths:
        if isinstance(arguments.get(name), str):
            mount, inside = canonical(arguments[name], mounts)
            places[name] = anchored(mount, inside).replace("//", "/", 1)
    return places


def path_bounds(grant: Grant, paths: tuple[str, ...]) -> tuple[str, ...]:
    """The anchored paths that a grant confines path arguments to; empty where it leaves one of them free."""
    bounds: list[str] = []
    for name in paths:
        rule = grant.where.get(name, Rule())
        if rule.one_of is None and rule.under is None:
            return ()
        bounds.extend(rule.one_of if rule.one_of is not None else [rule.under or ""])
    return tuple(bounds)


def sub_mounts(wanted: tuple[MountRequest, ...], mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """A child's mounts: sub-paths of the parent's in the same or a weaker mode. Raises :class:`Refused`."""
    result: list[Mount] = []
    for request in wanted:
        mount, inside = canonical(request.path, mounts)
        if _RANK[request.mode] > _RANK[mount.mode]:
            raise Refused(
                "mount",
                f"/{mount.name} is read-only here, so a child can't get {request.path!r} to write; ask for mode ro",
            )
        if not MOUNT_NAME.fullmatch(request.name) or any(one.name == request.name for one in result):
            raise Refused(
                "mount",
                f"{request.name!r} can't name a mount: lower-case letters, digits, - and _, a letter first, each only once",
            )
        beneath = "/".join(part for part in (mount.beneath, inside) if part)
        result.append(Mount(request.name, mount.folder, request.mode, beneath))
    return tuple(result)


def in_words(rule: Rule, mounts: tuple[Mount, ...]) -> str:
    """A rule as its holder would say it."""

    def own(text: str) -> str:
        return repr(shown(text, mounts) if "//" in text else text)

    parts: list[str] = []
    if rule.one_of is not None:
        parts.append(
            ("one of " if len(rule.one_of) > 1 else "") + ", ".join(map(own, rule.one_of))
            if rule.one_of
            else "nothing at all"
        )
    if rule.under is not None:
        parts.append(f"inside {own(rule.under)}")
    if rule.prefix is not None:
        parts.append(f"a text that begins with {rule.prefix!r}")
    if rule.chars_max is not None:
        parts.append(f"at most {rule.chars_max} characters")
    return " and ".join(parts) or "anything"


def described(grant: Grant, mounts: tuple[Mount, ...]) -> str:
    """A grant as its holder would say it."""
    bounds = [f"{name}: {in_words(rule, mounts)}" for name, rule in grant.where.items()]
    if grant.uses is not None:
        bounds.append(f"{grant.uses} times")
    return grant.tool + (f" ({'; '.join(bounds)})" if bounds else "")


def listed(grants: Iterable[Grant], mounts: tuple[Mount, ...]) -> str:
    """Grants as their holder would say them, for refusals and for people."""
    return ", ".join(described(grant, mounts) for grant in grants) or "nothing"
