"""The two files of a suite: what its tools do (manifest), and what each prompt lets an agent do (plans).

Both are TOML with the words of ``ToolSpec``, ``Grant``, ``Rule`` and ``Source``. Tools are named without their driver.
TOML has no null, so the text ``(none)`` stands for one. ``free`` are tools that every task may use without rules.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from evals.agentdojo.renaming import Renaming
from gemot.abi.grants import Grant

DRIVER = "suite"
NONE = "(none)"

Raw = dict[str, Any]


def tool_name(tool: str) -> str:
    """A tool of the suite as the machine knows it."""
    return f"{DRIVER}/{tool}"


@dataclass(frozen=True)
class Manifest:
    """What the tools do, by their (renamed) names."""

    tools: dict[str, Raw]

    def effect(self, tool: str) -> str:
        return self.tools[tool]["effect"]

    def consequential(self, tool: str) -> bool:
        return self.effect(tool) in ("writes", "sends")

    def payload(self, tool: str) -> tuple[str, ...]:
        return tuple(self.tools[tool].get("payload", ()))

    def open(self) -> Manifest:
        """The same tools with nothing said about them but their effect: no value is anybody's, none steers."""
        return Manifest({name: {"effect": one["effect"], "steers": []} for name, one in self.tools.items()})


@dataclass(frozen=True)
class Plan:
    """What one task may do. ``raw``: its grants as written, with this run's names; ``grants``: as the kernel takes them."""

    task: str
    raw: tuple[Raw, ...]
    grants: tuple[Grant, ...]

    def of(self, tool: str) -> list[Raw]:
        return [one for one in self.raw if one["tool"] == tool]


def read_manifest(path: Path, names: Renaming) -> Manifest:
    tools: dict[str, Raw] = {}
    for tool, told in tomllib.loads(path.read_text())["tools"].items():
        renamed = dict(told)
        for word in ("steers", "payload", "vouches"):
            if word in told:
                renamed[word] = [names.text(name) for name in told[word]]
        tools[names.text(tool)] = renamed
    return Manifest(tools)


def read_plans(path: Path, names: Renaming) -> dict[str, Plan]:
    """Each task's plan. Raises ``msgspec.ValidationError`` for a word that Grant, Rule and Source don't have."""
    file = tomllib.loads(path.read_text())
    free = [{"tool": names.text(tool)} for tool in file.get("free", ())]
    plans: dict[str, Plan] = {}
    for task, told in file["tasks"].items():
        raw = (*free, *(_grant(one, names) for one in told.get("grants", ())))
        plans[task] = Plan(task, raw, tuple(as_grant(one) for one in raw))
    return plans


def as_grant(raw: Raw) -> Grant:
    """A grant as the kernel takes it: its tools with the driver's name."""
    told = dict(raw, tool=tool_name(raw["tool"]))
    if "where" in raw:
        told["where"] = {name: _driven(rule) for name, rule in raw["where"].items()}
    return msgspec.convert(told, Grant)


def _driven(rule: Raw) -> Raw:
    if "source" not in rule:
        return rule
    return rule | {
        "source": [
            source
            | {"tool": tool_name(source["tool"])}
            | ({"where": {name: _driven(one) for name, one in source["where"].items()}} if "where" in source else {})
            for source in rule["source"]
        ]
    }


def _grant(told: Raw, names: Renaming) -> Raw:
    grant = told | {"tool": names.text(told["tool"])}
    if "where" in told:
        grant["where"] = {names.text(name): _rule(rule, names) for name, rule in told["where"].items()}
    return grant


def _rule(told: Raw, names: Renaming) -> Raw:
    rule = dict(told)
    if "one_of" in told:
        rule["one_of"] = [_scalar(value, names) for value in told["one_of"]]
    for word in ("prefix", "under", "contains"):
        if word in told:
            rule[word] = names.text(told[word])
    if "hosts" in told:
        rule["hosts"] = [names.text(host) for host in told["hosts"]]
    if "source" in told:
        rule["source"] = [_source(source, names) for source in told["source"]]
    return rule


def _source(told: Raw, names: Renaming) -> Raw:
    source = told | {"tool": names.text(told["tool"])}
    for word in ("field", "by"):
        if word in told:
            source[word] = names.text(told[word])
    if "called" in told:
        source["called"] = {names.text(name): _scalar(value, names) for name, value in told["called"].items()}
    if "where" in told:
        source["where"] = {names.text(name): _rule(rule, names) for name, rule in told["where"].items()}
    if "pattern" in told:
        source["pattern"] = names.pattern(told["pattern"])
    return source


def _scalar(value: Any, names: Renaming) -> Any:
    return None if value == NONE else names.value(value)
