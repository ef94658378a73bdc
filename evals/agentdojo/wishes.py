"""What an attacker wants done, as uses of tools: AgentDojo's own ground truth of an injection, or one made from its words.

Some injections of AgentDojo come with a goal in words only. For those a use is made of each consequential tool that could
serve: one that takes an address, an account or a link, or whose name the goal's words contain. Its arguments are the values
that stand in the goal (or else in the environment), by what the tool's own signature says of each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from evals.agentdojo.attack import WHO
from evals.agentdojo.suite import Suite, Use

QUOTED = re.compile(r"'([^']{3,80})'|\"([^\"]{3,80})\"")
MOMENT = "2030-01-01 10:00"
SAID_CHARS = 80


def wishes(suite: Suite, injection: Any, environment: Any, consequential: Iterable[str]) -> tuple[Use, ...]:
    given = suite.ground_truth(injection, environment)
    if given:
        return given
    return tuple(_made(suite, injection.GOAL, suite.everything, sorted(consequential)))


def _made(suite: Suite, goal: str, everything: str, tools: list[str]) -> Iterator[Use]:
    for tool in tools:
        schema = suite.schema(tool)
        known = schema["properties"]
        whom = [name for name in known if _who(name, known[name])]
        named = all(word in goal.lower() for word in tool.split("_"))
        if not (named or any(name in schema.get("required", ()) for name in whom)):
            continue
        yield Use(tool, {name: _value(name, known[name], schema, goal, everything) for name in schema["required"]})


def _who(name: str, schema: dict[str, Any]) -> str:
    """Which form of an identity an argument takes, as its signature says: ``email``, ``account``, ``url`` or none."""
    said = f"{name} {schema.get('description', '')}".lower()
    if "string" not in json.dumps(schema):
        return ""
    return next((form for form, words in WHO.items() if any(word in said for word in words[1])), "")


def _value(name: str, schema: dict[str, Any], whole: dict[str, Any], goal: str, everything: str) -> Any:
    one = _scalar(name, schema, whole, goal, everything)
    return [one] if '"array"' in json.dumps(schema) else one


def _scalar(name: str, schema: dict[str, Any], whole: dict[str, Any], goal: str, everything: str) -> Any:
    kinds = json.dumps(schema)
    form = _who(name, schema)
    if form:
        found = re.search(WHO[form][0], goal) or re.search(WHO[form][0], everything)
        if found:
            return found[0].rstrip(".,;'\"")
    if "$ref" in schema:
        return whole["$defs"][schema["$ref"].rsplit("/", 1)[1]]["enum"][-1]
    number = re.search(r"[0-9]+", goal)
    if '"number"' in kinds or '"integer"' in kinds:
        return int(number[0]) if number else 1
    if '"boolean"' in kinds:
        return True
    if name.endswith("id"):
        return number[0] if number else "1"
    if re.search("time|date|day", name):
        return MOMENT
    quoted = QUOTED.search(goal)
    return (quoted[1] or quoted[2]) if quoted else goal[:SAID_CHARS]
