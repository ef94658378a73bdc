"""Where a value stands in what was read: results, the records in them, and references that a kernel resolves.

Every JSON object in a result, at any depth, is tried as a record. The kernel's own ``Source`` takes those at one place only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from evals.agentdojo.plans import Raw
from evals.agentdojo.suite import plain
from gemot.authority.documents import extract

PLAIN = re.compile(r"[\w-]{1,200}")
KINDS = ("email", "iban", "url", "datetime", "date", "time", "number", "integer")


@dataclass
class Result:
    """What one use of a tool gave. ``handle``: its number, 0 where it has none."""

    tool: str
    arguments: dict[str, Any]
    text: str
    handle: int
    tried: set[str] = field(default_factory=set[str])

    @cached_property
    def value(self) -> Any:
        """The result as data; text that is not JSON is itself."""
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text

    @cached_property
    def leaves(self) -> tuple[tuple[str, Any], ...]:
        return tuple(leaves(self.value))

    @cached_property
    def places(self) -> dict[str, list[str]]:
        """The ways to each value, by its one way of writing it."""
        found: dict[str, list[str]] = {}
        for path, value in self.leaves:
            found.setdefault(written(value), []).append(path)
        return found


def written(value: Any) -> str:
    """Values that are the same are written the same; numbers and truth are not."""
    return json.dumps(plain(value), sort_keys=True)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a value with the way to it, the whole first."""
    yield path, value
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, step(path, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from leaves(one, f"{path}[{index}]")


def step(path: str, name: str) -> str:
    """A path and a name below it, as the kernel reads them."""
    if not PLAIN.fullmatch(name):
        return f"{path}[{json.dumps(name)}]"
    return f"{path}.{name}" if path else name


def reference(result: Result, at: str = "", **more: str) -> Raw:
    """A reference to a part of a result (see the kernel's own words for it)."""
    return {"$from": result.handle} | ({"at": at} if at else {}) | more


def same(one: Any, other: Any) -> bool:
    if type(one) is type(other) and not isinstance(one, dict | list):
        return one == other
    return written(one) == written(other)


def standing(result: Result, value: Any) -> Iterator[Raw]:
    """References to every place of a result where exactly this value stands."""
    if result.handle:
        for path in result.places.get(written(value), ()):
            yield reference(result, path)


def beside(result: Result, form: Any) -> Iterator[Raw]:
    """For a reference into a record: references to the same field of every other record of a result."""
    at = form.get("at", "") if isinstance(form, dict) else ""
    name = re.split(r"[.\[\]]+", re.sub(r"\[[0-9]+\]$", "", at))[-1]
    if result.handle and name:
        for path, _ in result.leaves:
            if (path == name or path.endswith(f".{name}")) and (path, result.handle) != (at, form["$from"]):
                yield reference(result, path, **{word: form[word] for word in ("extract", "pick") if word in form})


def hidden(result: Result, value: Any) -> Iterator[Raw]:
    """References that might yield this value from within a text of a result."""
    if not result.handle or isinstance(value, dict | list | bool) or value in ("", None):
        return
    wanted = re.compile(rf"(?<!\w){re.escape(str(plain(value)))}(?!\w)")
    for path, one in result.leaves:
        if isinstance(one, str) and one != value and wanted.search(one):
            for kind in KINDS:
                yield reference(result, path, extract=kind)
            yield reference(result, path)


def asked_for(source: Raw, result: Result) -> bool:
    """Is this a result that the source speaks of: of its tool, used with the arguments it names?"""
    called: Raw = source.get("called", {})
    used = result.arguments
    return result.tool == source["tool"] and all(same(used.get(name), one) for name, one in called.items())


def from_source(source: Raw, results: list[Result], value: Any) -> Iterator[Raw]:
    """How an honest agent refers to a value where a plan wants it to come from this source: likely references, best first."""
    for result in reversed(results):
        if not result.handle or not asked_for(source, result):
            continue
        how = source.get("extract") or source.get("pattern")
        taken: dict[str, str] = {"extract": how} if how else {}
        if how and not source.get("field") and source.get("pick") in ("first", "last"):
            taken["pick"] = source["pick"]
        if not source.get("field"):
            if _gives(result.text if how else result.value, how, value):
                yield reference(result, **taken)
            continue
        good: list[Raw] = []
        other: list[Raw] = []
        for path, record in result.leaves:
            if isinstance(record, dict):
                one, found = _field(record, source["field"])
                at = path
                for name in source["field"].split("."):
                    at = step(at, name)
                if found and _gives(one, how, value):
                    meant = all(_is(rule, record.get(name)) for name, rule in source.get("where", {}).items())
                    (good if meant else other).append(reference(result, at, **taken))
                elif found and isinstance(one, list):
                    good += [reference(result, f"{at}[{i}]") for i, part in enumerate(one) if same(part, value)]
        yield from good
        yield from other[:2]


def _gives(there: Any, how: str | None, value: Any) -> bool:
    """Is this the value, or is it found in this text in that way?"""
    if not how:
        return same(there, value)
    return isinstance(there, str) and str(plain(value)) in (str(plain(_number(one))) for one in extract(there, how))


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _field(record: Raw, name: str) -> tuple[Any, bool]:
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return None, False
        value = value[part]
    return value, True


def _is(rule: Raw, value: Any) -> bool:
    """Does a record look like the one that is meant? Only to choose well: the kernel decides."""
    if "one_of" in rule and not any(same(value, one) for one in rule["one_of"]):
        return False
    if "contains" in rule and rule["contains"].lower() not in str(value).lower():
        return False
    return "prefix" not in rule or str(value).startswith(rule["prefix"])
