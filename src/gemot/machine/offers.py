"""What a process is offered: the tools and syscalls that its grants allow, as its model is shown them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.grants import Grant, Mount
from gemot.abi.messages import ToolOffer
from gemot.abi.syscalls import SYSCALLS, UNAVAILABLE
from gemot.abi.tools import ToolSpec
from gemot.authority.narrowing import covers, described
from gemot.authority.paths import shown
from gemot.authority.references import COMPOSED
from gemot.authority.references import SCHEMA as REFERENCE
from gemot.authority.rules import steps_of
from gemot.authority.schema import properties
from gemot.kernel.process import Process
from gemot.programs.replying import REQUESTABLE, schema_beside_spawn, schema_of

_WITH_CHILDREN = ("wait", "status")
"""Offered to those who can have children (or alarms): to others they would only be a way to stand still."""

_WHEN_PAGED = ("page_out", "page_in")
"""Offered once pages have left the reading: before, they would be paid for at every turn and of no use, and to offer them in
between would change the beginning of what the model is shown. The first step changes it anyway."""
_ON_THE_BOARD = {"add", "claim", "complete", "accept", "reorder"}
"""Who has any of these has something to look at, and to wait for."""

_MEMORY = ("remember", "recall", "forget")

OFFERS_KEPT = 1_000
"""Sets of grants whose offers are kept ready; more are made again when needed."""


@dataclass(frozen=True)
class Offered:
    tools: tuple[ToolOffer, ...]
    size_chars: int


NOTHING = Offered((), 0)


class Offers:
    """Makes offers, once for each set of grants: many processes of one program share one."""

    def __init__(self) -> None:
        self._made: dict[tuple[bytes, tuple[Mount, ...], bool, bytes], Offered] = {}
        self._tools: dict[str, ToolSpec] = {}
        """Those that they were made of; when others are installed, none of them holds."""

    def of(self, process: Process, tools: dict[str, ToolSpec], paged: bool) -> Offered:
        """``paged``: pages have left its reading."""
        if tools is not self._tools:
            self._made.clear()
            self._tools = tools
        returns = msgspec.msgpack.encode(_told_to_return(process))
        key = (msgspec.msgpack.encode(process.grants), process.mounts, paged, returns)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= OFFERS_KEPT:
                self._made.clear()
            made = self._made[key] = offered(process, tools, paged)
        return made


def offered(process: Process, tools: dict[str, ToolSpec], paged: bool = False) -> Offered:
    """What the process's model may request. The order is stable, so that a provider's prompt cache holds."""
    names = [grant.tool for grant in process.grants if process.mounts or not _of_projects(grant)]
    made = [
        _tool(spec, process.grants, process.mounts)
        for name, spec in sorted(tools.items())
        if any(covers(one, name) for one in names) and _has_where_to(spec, process.mounts)
    ]
    wanted = _syscalls(names, bool(made), paged)
    made += [_syscall(name, "spawn" in wanted) for name in wanted if name != "exit"]
    made.append(_exit(_told_to_return(process)))
    return Offered(tuple(made), sum(_size(one) for one in made))


def _has_where_to(spec: ToolSpec, mounts: tuple[Mount, ...]) -> bool:
    """Is there anything that the tool could change, if it changes files?"""
    return spec.needs == "ro" or any(mount.mode != "ro" for mount in mounts)


def _of_projects(grant: Grant) -> bool:
    """Is it a right to a project's memories only? A process without files has no project."""
    scope = grant.where.get("scope")
    return grant.tool in _MEMORY and scope is not None and scope.one_of == ("project",)


def _syscalls(granted: list[str], has_tools: bool, paged: bool) -> list[str]:
    names = [name for name in granted if name in REQUESTABLE and name not in UNAVAILABLE and name not in _WHEN_PAGED]
    if {"spawn", "fork", "alarm"} & set(names):
        names += _WITH_CHILDREN
    if "alarm" in names:
        names.append("cancel_alarm")
    if _ON_THE_BOARD & set(names):
        names += ("list_tasks", "wait")
    if has_tools:
        names.append("read")
    if paged:
        names += _WHEN_PAGED
    return [*dict.fromkeys(one for one in names if one != "exit"), "exit"]


@functools.cache
def _syscall(name: str, beside_spawn: bool) -> ToolOffer:
    about = " ".join((SYSCALLS[name].__doc__ or "").split())
    return ToolOffer(name, about, schema_beside_spawn(name) if beside_spawn else schema_of(name))


def _told_to_return(process: Process) -> dict[str, Any] | None:
    """What the result of a process must fit, where `exit` says so. A fork is not told: the beginning of what its model is shown
    is its parent's."""
    return None if process.forked else process.returns


def _exit(returns: dict[str, Any] | None) -> ToolOffer:
    """`exit`, with what the value must fit in words: not every provider takes every schema within its own."""
    plain = _syscall("exit", False)
    schema = msgspec.json.encode(returns).decode() if returns else ""
    if not 0 < len(schema) <= limits.RETURNS_TOLD_CHARS:
        return plain
    return msgspec.structs.replace(
        plain, description=f"{plain.description} The value must fit this JSON schema: {schema}"
    )


def _tool(spec: ToolSpec, grants: list[Grant], mounts: tuple[Mount, ...]) -> ToolOffer:
    mine = [grant for grant in grants if covers(grant.tool, spec.name)]
    where: dict[str, tuple[str, ...]] = {}
    if len(mine) == 1:
        for name, rule in mine[0].where.items():
            named = tuple(value for value in rule.one_of or () if isinstance(value, str))
            if rule.one_of is not None and not (rule.source or rule.template) and len(named) == len(rule.one_of):
                where[name] = tuple(shown(value, mounts) for value in named) if name in spec.paths else named
    return ToolOffer(spec.name, spec.description + _bounds(mine, mounts), _referring(spec.schema, mine), where)


def _referring(schema: dict[str, Any], grants: list[Grant]) -> dict[str, Any]:
    """The schema of a tool, where arguments that must come from a source may be written as references."""
    known = properties(schema)
    for word, form in (("source", REFERENCE), ("template", COMPOSED)):
        named = {name for grant in grants for name, rule in grant.where.items() if getattr(rule, word) is not None}
        for name in sorted(named):
            schema = _referring_at(schema, steps_of(name, known), form)
    return schema


def _referring_at(schema: Any, steps: tuple[str, ...], form: dict[str, Any]) -> Any:
    """The same with what stands at these steps as a reference, too; a boolean schema takes one already, or takes nothing."""
    if not isinstance(schema, dict):
        return schema
    schema = cast("dict[str, Any]", schema)
    if not steps:
        return {"anyOf": [form, schema]}
    wider = dict(schema)
    if isinstance(schema.get("items"), dict):
        wider["items"] = _referring_at(schema["items"], steps, form)
    if isinstance(schema.get("anyOf"), list):
        wider["anyOf"] = [
            choice if choice is REFERENCE or choice is COMPOSED else _referring_at(choice, steps, form)
            for choice in schema["anyOf"]
        ]
    named: dict[str, Any] = schema.get("properties", {})
    if steps[0] in named:
        wider["properties"] = named | {steps[0]: _referring_at(named[steps[0]], steps[1:], form)}
    return wider


def _bounds(grants: list[Grant], mounts: tuple[Mount, ...]) -> str:
    """What the grants of a tool confine it to, in words: a model should not have to find out by being refused."""
    if not grants or any(not grant.where and grant.uses is None for grant in grants):
        return ""
    allowed = " or ".join(dict.fromkeys(described(grant, mounts) for grant in grants))
    return f"\n\nAllowed to you: {allowed}."


def _size(offer: ToolOffer) -> int:
    return _sizes(offer.name, offer.description, msgspec.json.encode(offer.schema))


@functools.lru_cache(4096)
def _sizes(name: str, description: str, schema: bytes) -> int:
    return len(name) + len(description) + len(schema)
