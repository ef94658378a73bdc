"""Who may do what: the check of one action against grants, and the proof that a child's grants are within its parent's.

Narrowing composes and nothing widens: a child's grant must lie inside one single grant of its parent, rule by rule.
Path rules are kept anchored (see :mod:`gemot.authority.paths`), so that a child whose root is a part of its parent's tree
can't read a rule about ``notes`` as one about its own ``notes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from gemot.abi.grants import Grant, Mount, MountRequest, Rule
from gemot.abi.labels import Label
from gemot.abi.tools import ToolSpec
from gemot.authority.once import pool_of
from gemot.authority.paths import anchored, canonical, is_under, private_by_name, shown
from gemot.authority.private import why
from gemot.authority.quoting import moment, plainly
from gemot.authority.refusal import Refused
from gemot.authority.rules import bounds, check, fits_inside, in_words, rule_within, steps_of

MOUNT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
"""What a mount may be called: a word that is the same on every disk and in every path."""

GONE = Grant("(taken back)", uses=0, until_ms=0)
"""Stands where a grant was that was taken back, so that the places of the others stay theirs."""

RANK = {"ro": 0, "rw": 1, "private": 1, "cow": 1}
"""Modes by what whoever has such a mount may do in it: 0 read, 1 write."""


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
        if not all(name.split(".")):
            raise Refused(
                "malformed", f"{grant.tool}: {name!r} is no argument, nor a part of one; write it so: files.id"
            )
        check(f"{grant.tool}: {name}", rule)
        where[name] = _anchor_path(grant.tool, name, rule, mounts) if name in paths else rule
        if name not in paths and rule.under is not None:
            raise Refused(
                "malformed",
                f"{grant.tool}: {name} is not a path, so 'under' means nothing for it; use 'prefix' or 'one_of'",
            )
    grant = msgspec.structs.replace(grant, where=where) if where else grant
    if not grant.once_per:
        return msgspec.structs.replace(grant, pool="") if grant.pool else grant
    known = [tool.schema.get("properties", {}) for tool in tools.values() if covers(grant.tool, tool.name)]
    if not known or not all(grant.once_per in properties for properties in known):
        raise Refused(
            "malformed", f"{grant.tool}: 'once_per' names an argument of the tool, and {grant.once_per!r} is none"
        )
    return msgspec.structs.replace(grant, pool=pool_of(grant))


def _anchor_path(tool: str, name: str, rule: Rule, mounts: tuple[Mount, ...]) -> Rule:
    for word in ("chars_max", "kind", "at_least", "at_most", "hosts", "contains", "items_max", "template"):
        if getattr(rule, word) is not None:
            raise Refused("malformed", f"{tool}: {name} is a path; bound it with 'under' or 'one_of', not '{word}'")
    if rule.prefix is not None:
        raise Refused(
            "malformed",
            f"{tool}: {name} is a path; 'prefix' would also allow its neighbours, use 'under' or 'one_of'",
        )
    if not all(isinstance(path, str) for path in rule.one_of or ()):
        raise Refused("malformed", f"{tool}: {name} is a path, so 'one_of' must name texts")
    named = cast("tuple[str, ...] | None", rule.one_of)
    one_of = None if named is None else tuple(anchored(*canonical(path, mounts)) for path in named)
    under = None if rule.under is None else anchored(*canonical(rule.under, mounts))
    return Rule(one_of, under, source=rule.source)


def as_written(grants: Iterable[Grant], mounts: tuple[Mount, ...], tools: Mapping[str, ToolSpec]) -> tuple[Grant, ...]:
    """The other way round: anchored grants -> as the process that sees ``mounts`` would write them. What it can't see is left out."""
    return tuple([written for grant in grants if (written := _as_written(grant, mounts, tools)) is not None])


def _as_written(grant: Grant, mounts: tuple[Mount, ...], tools: Mapping[str, ToolSpec]) -> Grant | None:
    paths = {name for tool in tools.values() if covers(grant.tool, tool.name) for name in tool.paths}
    tops = [anchored(mount, "") for mount in mounts]
    where = dict(grant.where)
    for name in paths & set(where):
        rule = where[name]
        named = cast("tuple[str, ...] | None", rule.one_of)
        seen = None if named is None else tuple([one for one in named if any(is_under(one, top) for top in tops)])
        if seen == () or (rule.under is not None and not any(is_under(rule.under, top) for top in tops)):
            return None
        one_of = None if seen is None else tuple([shown(one, mounts) for one in seen])
        where[name] = Rule(one_of, None if rule.under is None else shown(rule.under, mounts), source=rule.source)
    return msgspec.structs.replace(grant, where=where) if where else grant


def as_shown(grants: Iterable[Grant], mounts: tuple[Mount, ...], tools: Mapping[str, ToolSpec]) -> tuple[Grant, ...]:
    """Anchored grants with each path as the process that sees ``mounts`` would write it; nothing is left out."""
    return tuple(_as_shown(grant, mounts, tools) for grant in grants)


def _as_shown(grant: Grant, mounts: tuple[Mount, ...], tools: Mapping[str, ToolSpec]) -> Grant:
    paths = {name for tool in tools.values() if covers(grant.tool, tool.name) for name in tool.paths}
    where = dict(grant.where)
    for name in paths & set(where):
        rule = where[name]
        named = cast("tuple[str, ...] | None", rule.one_of)
        one_of = None if named is None else tuple([shown(one, mounts) for one in named])
        under = None if rule.under is None else shown(rule.under, mounts)
        where[name] = msgspec.structs.replace(rule, one_of=one_of, under=under)
    return msgspec.structs.replace(grant, where=where, endorsed=False, unsure=(), planned=False)


def grant_within(child: Grant, parent: Grant) -> bool:
    """Is everything that ``child`` allows allowed by ``parent``? Both anchored."""
    if parent.tool != child.tool and not covers(parent.tool, child.tool):
        return False
    if any(not rule_within(child.where.get(argument, Rule()), rule) for argument, rule in parent.where.items()):
        return False
    if parent.uses is not None and (child.uses is None or child.uses > parent.uses):
        return False
    if parent.once_per and child.once_per != parent.once_per:
        return False
    if "*" not in (parent.carries or ()) and not set(child.carries or ()) <= set(parent.carries or ()):
        return False
    if child.otherwise == "ask" and parent.otherwise != "ask":
        return False
    if parent.results == "handle" and child.results != "handle":
        return False
    return parent.until_ms is None or (child.until_ms is not None and child.until_ms <= parent.until_ms)


def inherited(child: Grant, parent: Grant, maker: Label) -> Grant:
    """A child's grant with what only the kernel says of it. ``maker``: the label of the process that wrote it.

    A rule vouches for an argument if it is the parent's and vouched there, or narrows one that did, or was written by
    somebody who had read nothing foreign. It is endorsed if the parent's is, and bounds nothing that the parent's left
    open: a person has seen all of the choice that is left.
    """
    sure = {name for name, rule in parent.where.items() if bounds(rule) and name not in parent.unsure}
    clean = maker.integrity != "foreign"
    unsure = tuple(sorted(name for name in child.where if name not in sure and (not clean or name in parent.unsure)))
    open_before = any(bounds(rule) and not bounds(parent.where.get(name)) for name, rule in child.where.items())
    pool = parent.pool if parent.once_per else child.pool
    endorsed = parent.endorsed and not open_before
    return msgspec.structs.replace(child, unsure=unsure, endorsed=endorsed, planned=parent.planned, pool=pool)


Handed = list[tuple[Grant, int]]
"""Grants for a child, each with the index of the parent's grant that it is a part of."""


def narrowed(wanted: tuple[Grant, ...], have: Iterable[Grant], mounts: tuple[Mount, ...], maker: Label) -> Handed:
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
        handed.append((inherited(grant, held[index], maker), index))
        held[index] = used(held[index], grant.uses)
    return handed


def within_reach(asked: tuple[Grant, ...], have: Iterable[Grant], maker: Label) -> Handed:
    """What a program asks for, as far as its parent has it: the intersection, grant by grant."""
    held = list(have)
    handed: Handed = []
    for grant in asked:
        for index, one in enumerate(held):
            smaller = grant if grant_within(grant, one) else one if grant_within(one, grant) else None
            given = None if smaller is None else inherited(smaller, one, maker)
            if given is not None and all(given != before for before, _ in handed):
                held[index] = used(one, given.uses)
                handed.append((given, index))
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


def without_uses(grant: Grant) -> Grant:
    """``grant`` as a fork gets it that a person makes: what is counted stays with the original, so that no use is there twice."""
    counted = grant.uses is not None or grant.once_per
    return msgspec.structs.replace(grant, uses=0) if counted else grant


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
        reason = stands_in_the_way(grant, fields, fields, mounts, now_ms)
        if not reason:
            return index
        reasons.append(reason)
    raise Refused("grant", f"{name} is not allowed so: " + "; or ".join(dict.fromkeys(reasons)))


def stands_in_the_way(
    grant: Grant, values: dict[str, Any], written: dict[str, Any], mounts: tuple[Mount, ...], now_ms: int
) -> str:
    """What of a grant does not allow a syscall with these fields, in words; ``""`` if all of it does."""
    over = ended(grant, now_ms)
    if over:
        return over
    for name, rule in grant.where.items():
        field, *inside = steps_of(name)
        if not fits_inside(rule, values.get(field), tuple(inside)):
            return must_be(name, rule, written, mounts)
    return ""


def ended(grant: Grant, now_ms: int) -> str:
    """Why a grant allows nothing any more, or ``""``."""
    if grant.uses is not None and grant.uses < 1:
        return "its grant is used up"
    return "its grant has ended" if grant.until_ms is not None and now_ms >= grant.until_ms else ""


def must_be(name: str, rule: Rule, written: dict[str, Any], mounts: tuple[Mount, ...]) -> str:
    """An argument that does not fit its rule: what the process wrote, and what would be allowed."""
    argument = name if name in written else name.partition(".")[0]
    was = f"was {str(written[argument])[:200]!r}" if argument in written else "was left out"
    return f"{argument} {was}, but {'it' if argument == name else name} must be {in_words(rule, mounts)}"


def has_consequences(grant: Grant, tools: Mapping[str, ToolSpec]) -> bool:
    """Does a grant allow a tool that writes or sends? A syscall does neither."""
    if "/" not in grant.tool and grant.tool != "*":
        return False
    return any(tool.effect in ("writes", "sends") and covers(grant.tool, name) for name, tool in tools.items())


def harmless_part(grant: Grant, tools: Mapping[str, ToolSpec]) -> list[Grant]:
    """What a grant allows that neither writes nor sends; a grant of several tools is then named tool by tool. A counted one
    that would become several can't be split so without its count growing, and nothing is left of it."""
    if not has_consequences(grant, tools):
        return [grant]
    harmless = [
        name for name, tool in tools.items() if covers(grant.tool, name) and tool.effect not in ("writes", "sends")
    ]
    if grant.uses is not None and len(harmless) > 1:
        return []
    return [msgspec.structs.replace(grant, tool=name) for name in harmless]


def without_consequences(grants: Iterable[Grant], tools: Mapping[str, ToolSpec]) -> list[Grant]:
    """These grants without what writes or sends. Syscalls stay."""
    return [part for grant in grants for part in harmless_part(grant, tools)]


def path_bounds(grant: Grant, paths: tuple[str, ...]) -> tuple[str, ...]:
    """The anchored paths that a grant confines path arguments to; empty where it leaves one of them free."""
    confined: list[str] = []
    for name in paths:
        rule = grant.where.get(name, Rule())
        if (rule.one_of is None and rule.under is None) or (rule.source is not None and rule.under is None):
            return ()
        named = rule.one_of is not None and rule.source is None
        confined.extend(map(str, rule.one_of or ()) if named else [rule.under or ""])
    return tuple(confined)


def sub_mounts(wanted: tuple[MountRequest, ...], mounts: tuple[Mount, ...], pid: int) -> tuple[Mount, ...]:
    """The mounts of a child that will be ``pid``: sub-paths of its parent's in the same or a weaker mode, and spaces of its own.
    Raises :class:`Refused`."""
    result: list[Mount] = []
    for request in wanted:
        if not MOUNT_NAME.fullmatch(request.name) or any(one.name == request.name for one in result):
            raise Refused(
                "mount",
                f"{request.name!r} can't name a mount: lower-case letters, digits, - and _, a letter first, each only once",
            )
        if request.mode == "private":
            result.append(with_space(Mount(request.name, "", "private", untrusted=request.untrusted), pid))
            continue
        mount, inside = canonical(request.path, mounts)
        if request.mode == "rw" and not RANK[mount.mode]:
            raise Refused(
                "mount",
                f"/{mount.name} is read-only here, so a child can't get {request.path!r} to write; ask for mode ro, or for cow",
            )
        beneath = "/".join(part for part in (mount.beneath, inside) if part)
        child = msgspec.structs.replace(
            mount,
            name=request.name,
            mode=request.mode,
            beneath=beneath,
            untrusted=mount.untrusted or request.untrusted,
        )
        hidden = private_by_name(child, "")
        if hidden:
            raise Refused(
                "mount", f"{request.path!r} is {why(hidden)}, so a child can't see it; only a person can show it"
            )
        result.append(with_space(child, pid) if request.mode == "cow" else child)
    return tuple(result)


def with_space(mount: Mount, pid: int) -> Mount:
    """A mount of mode ``cow`` or ``private`` (any other stays as it is) with a space of its own, which no other process is given
    but by ``pid`` or its like. A private one is anchored where no folder of the disk can be: those begin with a slash."""
    if mount.mode not in ("cow", "private"):
        return mount
    space = f"{pid}-{mount.name}"
    folder = mount.folder or f"private:{space}"
    return msgspec.structs.replace(mount, folder=folder, space=space, source=mount.space)


def is_own_copy(mount: Mount, pid: int) -> bool:
    """Was its space made for the process ``pid``, as a copy or as an empty folder?"""
    return mount.mode in ("cow", "private") and mount.space == f"{pid}-{mount.name}"


def described(grant: Grant, mounts: tuple[Mount, ...]) -> str:
    """A grant as its holder would say it."""
    said = [f"{plainly(name)}: {in_words(rule, mounts)}" for name, rule in grant.where.items()]
    if grant.uses is not None:
        said.append(f"{grant.uses} times")
    if grant.once_per:
        said.append(f"each {plainly(grant.once_per)} once")
    if grant.carries:
        said.append(f"may carry what comes from {', '.join(map(plainly, grant.carries))}")
    if grant.until_ms is not None:
        said.append(f"until {moment(grant.until_ms)}")
    if grant.otherwise == "ask":
        said.append("for anything else a person is asked")
    if grant.results == "handle":
        said.append("its results are handles")
    return plainly(grant.tool) + (f" ({'; '.join(said)})" if said else "")


def listed(grants: Iterable[Grant], mounts: tuple[Mount, ...]) -> str:
    """Grants as their holder would say them, for refusals and for people."""
    return ", ".join(described(grant, mounts) for grant in grants if grant.tool != GONE.tool) or "nothing"
