"""Which values an offered tool's arguments could have, given one step of a goal and what was done before it.

Types are masked: what a parameter is for is read from its schema, its name and its description, and only spans of
the right kind may stand there. An optional argument is left out unless the goal names something for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

from gemot.abi.messages import ToolOffer
from gemot.models.embedded.goal import Clause
from gemot.models.embedded.results import Step, derive, derives, found_paths

VALUE_CHARS_MAX = 4000
"""The longest text copied into an argument."""


@dataclass(frozen=True)
class Filling:
    """One way to fill a tool's arguments. ``used`` are the named spans in it; ``guesses`` counts what wasn't named."""

    arguments: dict[str, Any]
    used: frozenset[str] = frozenset()
    guesses: float = 0.0
    waits_for: str | None = None
    """Words of the goal that say what a text must be made from, when that has not been looked at yet."""


@dataclass(frozen=True)
class Scene:
    """What is known when one step of a goal is to be done: the step, the steps before it, and what they gave."""

    clause: Clause
    earlier: tuple[Clause, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass
class _Draft:
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    used: set[str] = field(default_factory=set[str])
    target: str | None = None
    """The path a text is written to; None for a tool that needs none."""
    guesses: float = 0.0
    waits_for: str | None = None


def kind_of(name: str, schema: dict[str, Any]) -> str:
    """What an argument is for: path, pattern, sum, zone, diff, choice, integer, number, boolean, text or other."""
    if "enum" in schema or "const" in schema:
        return "choice"
    said: Any = schema.get("type")
    if isinstance(said, list):
        types = cast("list[str]", said)
        said = next((one for one in types if one != "null"), None)
    if said in ("integer", "number", "boolean"):
        return str(said)
    if said not in ("string", None) or "anyOf" in schema:
        return "other"
    name = name.lower()
    for kind, words in _KINDS:
        if re.search(rf"(?:^|_)(?:{words})(?:$|_)", name):
            return kind
    description = str(schema.get("description", "")).lower()
    for kind, words in _KINDS:
        if re.search(rf"\b(?:{words})\b", description):
            return kind
    return "text"


_KINDS = (
    ("diff", "diff|patch"),
    ("path", "path|file|filename|folder|dir|directory|source|target|destination"),
    ("pattern", "pattern|glob"),
    ("sum", "expression|formula|sum"),
    ("zone", "zone|timezone|tz"),
)


def text_arguments(offer: ToolOffer) -> list[str]:
    """The required arguments that take free text."""
    required = offer.schema.get("required", [])
    properties: dict[str, Any] = offer.schema.get("properties", {})
    return [name for name in properties if name in required and kind_of(name, properties[name]) == "text"]


def writes(offer: ToolOffer) -> bool:
    """Whether the tool puts a text somewhere: it needs both a free text and a path, or a diff."""
    properties: dict[str, Any] = offer.schema.get("properties", {})
    kinds = {kind_of(name, properties[name]) for name in offer.schema.get("required", []) if name in properties}
    return "path" in kinds and bool(kinds & {"text", "diff"})


def fill(offer: ToolOffer, scene: Scene) -> Filling | None:
    """The arguments this step of the goal gives the tool, or None where a required one has no possible value."""
    properties: dict[str, Any] = offer.schema.get("properties", {})
    required: list[str] = list(offer.schema.get("required", []))
    draft = _Draft()
    texts = text_arguments(offer)
    for name in sorted(properties, key=lambda name: name in texts):  # free texts last: they take what is left
        kind = kind_of(name, properties[name])
        needed = name in required
        value, how_sure = _value(kind, name, properties[name], needed, scene, draft, texts)
        if name in offer.where and not (kind == "text" and draft.waits_for):
            value, how_sure = _allowed(value, how_sure, offer.where[name], needed)
        if value is None:
            if needed:
                return None
            continue
        draft.arguments[name] = value[:VALUE_CHARS_MAX] if isinstance(value, str) else value
        draft.guesses += how_sure
    return Filling(draft.arguments, frozenset(draft.used), draft.guesses, draft.waits_for)


def _allowed(value: Any, how_sure: float, values: tuple[str, ...], needed: bool) -> tuple[Any, float]:
    """The value that a grant allows: itself, the one it is the end of ("a.md" of "/notes/a.md"), or the only one."""
    if value is not None:
        for one in values:
            if one == value or one.endswith(f"/{value}"):
                return one, how_sure
    return (values[0], 1.0) if needed and len(values) == 1 else (None, 0.0)


def _value(
    kind: str, name: str, schema: dict[str, Any], needed: bool, scene: Scene, draft: _Draft, texts: list[str]
) -> tuple[Any, float]:
    """A value of this kind, and how much of a guess it is (0: the goal names it)."""
    clause = scene.clause
    match kind:
        case "path":
            return _path(needed, scene, draft, to_write=bool(texts))
        case "pattern":
            return _pattern(scene, draft)
        case "sum":
            return _named(clause.sums, draft)
        case "zone":
            return _named(clause.zones, draft)
        case "diff":
            found = re.search(r"(?:^|\n)((?:--- |@@ )[\s\S]+)", clause.text)
            return (found.group(1), 0.0) if found else (None, 0.0)
        case "choice":
            options: list[Any] = schema.get("enum", [schema.get("const")])
            named = [one for one in options if str(one).lower() in clause.words]
            return (named[0], 0.0) if named else (options[0] if needed and len(options) == 1 else None, 1.0)
        case "integer" | "number":
            return _number(name, kind, clause)
        case "boolean":
            return (True, 1.0) if needed else (None, 0.0)
        case "text":
            return _text(texts.index(name), len(texts), scene, draft) if name in texts else (None, 0.0)
        case _:
            return None, 0.0


def _named(spans: tuple[str, ...], draft: _Draft) -> tuple[str | None, float]:
    if not spans:
        return None, 0.0
    draft.used.add(spans[0])
    return spans[0], 0.0


def _number(name: str, kind: str, clause: Clause) -> tuple[int | float | None, float]:
    """A number that stands next to the argument's own name in the goal: "the first 3 lines", "line 7"."""
    stem = name.lower().split("_")[-1]
    if stem.endswith("s"):  # a count: the number stands before it
        found = re.search(rf"\b(\d+(?:\.\d+)?)\s+{re.escape(stem)}\b", clause.text.lower())
    else:
        found = re.search(rf"\b{re.escape(stem)}s?\s+(\d+(?:\.\d+)?)", clause.text.lower())
    if found:
        number = float(found.group(1))
        return (int(number) if kind == "integer" else number), 0.0
    return None, 0.0


def _path(needed: bool, scene: Scene, draft: _Draft, to_write: bool) -> tuple[str | None, float]:
    path, how_sure = _some_path(needed, scene, draft, to_write)
    draft.target = path if needed and to_write else draft.target
    return path, how_sure


def _some_path(needed: bool, scene: Scene, draft: _Draft, to_write: bool) -> tuple[str | None, float]:
    clause = scene.clause
    if not needed:
        if clause.folders:
            return _named(clause.folders, draft)
        paths = tuple(path for path in clause.paths if "." not in path.rsplit("/", 1)[-1])
        return _named(paths, draft)
    paths = list(clause.paths)
    if to_write and clause.target:
        paths.sort(key=lambda path: path != clause.target)
    if paths:
        draft.used.add(paths[0])
        return _known_path(paths[0], scene), 1.5 if paths[0] == clause.target and not to_write else 0.0
    if clause.folders and not to_write:
        draft.used.add(clause.folders[0])
        return clause.folders[0], 1.0
    for step in reversed(scene.steps):
        if not step.ok:
            continue
        here = found_paths(step) or step.paths
        if here and _MEANS_EARLIER.search(clause.text):
            likely = [path for path in here if _alike(path, clause)]
            return (likely or here)[0], 0.5
    for earlier in reversed(scene.earlier):
        if earlier.paths and _MEANS_EARLIER.search(clause.text):
            return (earlier.target or earlier.paths[-1]), 1.0
    for step in reversed(scene.steps):
        alike = [path for path in found_paths(step) if _alike(path, clause)]
        if alike:
            return alike[0], 1.0
    return None, 0.0


_MEANS_EARLIER = re.compile(
    r"\b(?:it|its|them|their|that|this|these|those|the\s+(?:new\s+)?(?:file|result|change)|which)\b", re.I
)


def refers_back(clause: Clause) -> bool:
    """Whether the step speaks of something that an earlier step named or found."""
    return bool(_MEANS_EARLIER.search(clause.text))


def _known_path(path: str, scene: Scene) -> str:
    """The path as an earlier result spelled it, if it is its last part: "guide.md" was found as "docs/guide.md"."""
    if "/" in path:
        return path
    for step in reversed(scene.steps):
        for seen in found_paths(step) if step.ok else ():
            if seen.endswith("/" + path):
                return seen
    return path


def _alike(path: str, clause: Clause) -> bool:
    parts = re.findall(r"[a-z]{3,}", path.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower())
    return any(part in clause.words for part in parts)


def _pattern(scene: Scene, draft: _Draft) -> tuple[str | None, float]:
    clause = scene.clause
    if clause.globs:
        return _named(clause.globs, draft)
    if clause.paths:
        return _named(clause.paths, draft)[0], 1.0 if "/" in clause.paths[0] else 0.5
    if len(clause.quoted) == 1 and " " not in clause.quoted[0]:
        draft.used.add(clause.quoted[0])
        return (clause.quoted[0] if "." in clause.quoted[0] else f"*{clause.quoted[0]}*"), 1.0
    return None, 0.0


def _text(index: int, count: int, scene: Scene, draft: _Draft) -> tuple[str | None, float]:
    """The ``index``-th of ``count`` free texts: quoted ones in order of mention, or made from what was found."""
    clause = scene.clause
    if count > 1:
        pairs = clause.quoted if len(clause.quoted) >= count else clause.swap
        if len(pairs) < count:
            return None, 0.0
        draft.used.add(pairs[index])
        return pairs[index], 0.0
    if clause.quoted:
        return _named(clause.quoted, draft)
    if draft.target is None:
        return _named(clause.sought, draft)
    if clause.said:
        return clause.said[0], 0.0
    return _made(scene, draft)


def _made(scene: Scene, draft: _Draft) -> tuple[str | None, float]:
    """A text made from an earlier result, or the words that say what must be looked at first."""
    clause = scene.clause
    target = draft.target or ""
    sources = [path for path in clause.paths if path != target]
    source_words = without_target(clause.text, target)
    draft.used.update(sources, clause.sums, clause.zones, clause.folders)
    for step in reversed(scene.steps):
        if step.ok and (not sources or any(value in sources for value in step.arguments.values())) and step.within:
            return _part(step, source_words), 0.0 if sources else 0.5
    if sources or clause.sums or clause.zones or clause.folders:
        draft.waits_for = source_words
        return "", 0.0
    for step in reversed(scene.steps):
        if step.ok:
            return _part(step, source_words), 0.5
    if derives(source_words) or re.search(r"\b(?:time|date|today|list|names?)\b", source_words):
        draft.waits_for = source_words
        return "", 2.0
    return None, 0.0


def _part(step: Step, words: str) -> str:
    """What these words take from a result or, when they only say "it", what the words it was looked at for do."""
    return derive(step, words if derives(words) else f"{words} {step.asked}")


def without_target(text: str, target: str) -> str:
    """The step without where it goes and without its verb: what is to be looked at."""
    if target:
        text = re.sub(
            r"\s*\b(?:to|into|in|as|called|named)\s+(?:a\s+|the\s+)?(?:new\s+)?(?:file\s+)?(?:called\s+|named\s+)?[\"'`]?"
            + re.escape(target)
            + r"[\"'`]?",
            "",
            text,
        )
    text = re.sub(
        r"^\W*(?:please\s+)?(?:write|save|put|store|copy|record|note|make|create|keep|duplicate)\s+",
        "",
        text,
        flags=re.I,
    )
    return re.sub(r"^(?:a\s+|the\s+)?copy\s+of\s+", "the text of ", text, flags=re.I)
