"""Tool names: which names a grant may use, and which drivers may stand side by side.

A misspelt name would be a grant of nothing, and a second driver of one name could answer in the place of the first. Both are
errors, found before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from gemot.abi.grants import Grant, Rule
from gemot.abi.syscalls import SYSCALLS
from gemot.abi.tools import Manifest
from gemot.authority.refusal import closest

TOOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}/[A-Za-z0-9][A-Za-z0-9_./-]{0,127}")
"""``driver/tool`` in ASCII letters, digits, ``_``, ``.``, ``-``: no two names that look the same to a person."""


def unknown_name(grants: Iterable[Grant], tools: Collection[str]) -> str:
    """Why one of these grants names a tool that does not exist, with the closest name, or ``""``.

    ``tools``: the names of all tools that the drivers here have. The tool of a grant may also be a syscall, ``driver/*`` or
    ``*``. The tool of a source in a rule must be a tool.
    """
    for grant in grants:
        if not _exists(grant.tool, tools):
            return f"there is no tool {grant.tool!r}; {closest(grant.tool, _candidates(grant.tool, tools))}"
        for source in _sources(grant.where):
            if source not in tools:
                return f"{grant.tool}: its source names a tool {source!r} that does not exist; {closest(source, tools)}"
    return ""


def _exists(name: str, tools: Collection[str]) -> bool:
    if name == "*" or name in tools or name in SYSCALLS:
        return True
    return name.endswith("/*") and any(tool.startswith(name[:-1]) for tool in tools)


def _candidates(name: str, tools: Collection[str]) -> set[str]:
    """Names that a misspelt one may have meant: patterns for a pattern, else tools, and syscalls where it has no slash."""
    if name.endswith("/*"):
        return {f"{tool.partition('/')[0]}/*" for tool in tools}
    return {*tools, *SYSCALLS} if "/" not in name else set(tools)


def _sources(where: dict[str, Rule]) -> Iterator[str]:
    for rule in where.values():
        for source in rule.source or ():
            yield source.tool
            yield from _sources(source.where)


def clash(manifests: Iterable[Manifest]) -> str:
    """Why these drivers can't stand side by side, or ``""``.

    A driver's name may occur once: ``name/*`` in a grant means the tools that a person knew under it. A tool's name begins
    with its driver's name, and no two differ in case alone.
    """
    drivers: dict[str, str] = {}
    tools: dict[str, str] = {}
    for manifest in manifests:
        name = manifest.driver
        if name.casefold() in drivers:
            return f"there are two drivers called {name!r}; give one of them another name"
        drivers[name.casefold()] = name
        for tool in manifest.tools:
            if not TOOL_NAME.fullmatch(tool.name):
                return f"{tool.name!a} can't name a tool: write driver/tool in ASCII letters, digits, '_', '.' and '-'"
            if tool.name.partition("/")[0] != name:
                return f"the driver {name!r} has a tool called {tool.name!r}; call it {name}/{tool.name.rpartition('/')[2]}"
            if tool.name.casefold() in tools:
                return f"there are two tools called {tool.name!r}; one name is one driver's tool"
            tools[tool.name.casefold()] = tool.name
    return ""
