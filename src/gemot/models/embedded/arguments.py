"""Which values an offered tool's arguments could have, given one step of a goal and what was done before it.

Types are masked: what a parameter is for is read from its schema, its name and its description, and only spans of
the right kind may stand there. An optional argument is left out unless the goal names something for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gemot.abi.messages import ToolOffer
from gemot.models.embedded.goal import Clause
from gemot.models.embedded.kinds import kind_of, text_arguments
from gemot.models.embedded.results import Step, answers, derive, derives, found_paths, names_only, part_asked_for
from gemot.models.embedded.sums import following, in_figures

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
            return _named(clause.sums, draft) if clause.sums else (_sum_from_found(scene), 0.5)
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


def _sum_from_found(scene: Scene) -> str | None:
    """Arithmetic with a number that an earlier step found: "multiply it by 6"."""
    for step in reversed(scene.steps):
        if step.ok and not step.within and not step.changes:
            found = answers(step, without_spans(step.asked, step.paths))
            number = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)(?:\s+[a-z]+)?\s*", found or "")
            return following(scene.clause.text, number.group(1)) if number else None
    return None


def _named(spans: tuple[str, ...], draft: _Draft) -> tuple[str | None, float]:
    if not spans:
        return None, 0.0
    draft.used.add(spans[0])
    return spans[0], 0.0


def _number(name: str, kind: str, clause: Clause) -> tuple[int | float | None, float]:
    """A number that stands next to the argument's own name in the goal: "the first 3 lines", "line 7"."""
    stem = name.lower().split("_")[-1]
    text = in_figures(clause.text.lower())
    span = re.search(r"\blines?\s+(\d+)\s*(?:to|-|through|until|and)\s*(\d+)\b", text)
    if stem in ("line", "lines") and kind == "integer":
        if span:
            first, last = int(span.group(1)), int(span.group(2))
            return (first if stem == "line" else last - first + 1), 0.0
        if stem == "lines" and re.search(r"\b(?:first|opening|top)\s+line\b", text) and not clause.target:
            return (1, 0.0)
        if stem == "lines" and re.search(r"\blast\s+\d+\s+lines\b", text):
            return None, 0.0
    if stem.endswith("s"):  # a count: the number stands before it
        found = re.search(
            rf"\b(?:first|top|next|opening|only|just|show|read|see)\s+(?:the\s+)?(\d+)\s+{re.escape(stem)}\b", text
        )
    else:
        found = re.search(rf"\b{re.escape(stem)}s?\s+(\d+(?:\.\d+)?)", text)
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
        return _named(clause.paths if to_write else (), draft)
    paths = list(clause.paths)
    if to_write and clause.target:
        paths.sort(key=lambda path: path != clause.target)
    if paths:
        draft.used.add(paths[0])
        return _known_path(paths[0], scene), 1.5 if paths[0] == clause.target and not to_write else 0.0
    if clause.folders and not to_write:
        draft.used.add(clause.folders[0])
        return clause.folders[0], 3.0
    for step in reversed(scene.steps):
        if not step.ok:
            continue
        here = found_paths(step) or step.paths
        if here and _MEANS_EARLIER.search(clause.text):
            likely = [path for path in here if _alike(path, clause)]
            return (likely or here)[0], 0.5
    for earlier in reversed(scene.earlier):
        if earlier.paths and (_MEANS_EARLIER.search(clause.text) or _alike(earlier.paths[-1], clause)):
            return (earlier.target or earlier.paths[-1]), 1.0
    for step in reversed(scene.steps):
        alike = [path for path in found_paths(step) if _alike(path, clause)]
        if alike:
            return alike[0], 1.0
    return None, 0.0


_MEANS_EARLIER = re.compile(
    r"\b(?:it|its|them|their|that|this|these|those|there|the\s+(?:new\s+)?(?:file|result|change)|which)\b", re.I
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
    parts = re.findall(r"[a-z]{3,}", path.rsplit(".", 1)[0].lower())
    return any(part in clause.words or part.rstrip("s") in clause.words for part in parts)


def _pattern(scene: Scene, draft: _Draft) -> tuple[str | None, float]:
    clause = scene.clause
    if clause.globs:
        return _named(clause.globs, draft)
    if clause.paths:
        return _named(clause.paths, draft)[0], 1.0 if "/" in clause.paths[0] else 0.5
    if len(clause.quoted) == 1 and " " not in clause.quoted[0]:
        draft.used.add(clause.quoted[0])
        return (clause.quoted[0] if "." in clause.quoted[0] else f"*{clause.quoted[0]}*"), 1.0
    return (clause.loose[0], 1.0) if clause.loose and not clause.folders else (None, 0.0)


def _text(index: int, count: int, scene: Scene, draft: _Draft) -> tuple[str | None, float]:
    """The ``index``-th of ``count`` free texts: quoted ones in order of mention, or made from what was found."""
    clause = scene.clause
    if count > 1:
        pairs = clause.quoted if len(clause.quoted) >= count else clause.swap
        if count == 2 and clause.adds and len(clause.quoted) < count:
            return _end_of_file(index, scene, draft)
        refused = any(step.within and not step.ok and pairs[:1] == (step.arguments.get("old"),) for step in scene.steps)
        if len(pairs) >= count and not (refused and clause.setting):
            order = (1, 0) if count == 2 and len(clause.quoted) == count and _turned(clause) else range(count)
            draft.used.add(pairs[index])
            return pairs[order[index]], 0.0
        return _setting(index, scene, draft) if count == 2 and clause.setting else (None, 0.0)
    if draft.target is not None and clause.adds:
        return None, 0.0
    if clause.quoted:
        return _named(clause.quoted, draft)
    if draft.target is None:
        return _named(clause.sought, draft)
    if clause.said:
        return _named(clause.said, draft)
    return _made(scene, draft)


def _turned(clause: Clause) -> bool:
    """Whether the new text is named before the old one: "'x' instead of 'y'"."""
    one, other = clause.quoted[:2]
    between = clause.text[clause.text.find(one) + len(one) : clause.text.rfind(other)]
    return bool(re.search(r"\b(?:instead\s+of|rather\s+than|and\s+not|in\s+place\s+of)\b", between))


def _lines_read(scene: Scene, draft: _Draft) -> list[str] | None:
    """The lines of the file to be changed; None, and words that say to look, if they have not been read."""
    for step in reversed(scene.steps):
        if step.ok and not step.changes and draft.target in step.arguments.values() and not step.body.startswith("{"):
            return step.body.split("\n")
    draft.waits_for = f"the text of {draft.target}"
    return None


def _setting(index: int, scene: Scene, draft: _Draft) -> tuple[str | None, float]:
    """The line of a setting, and that line with its new value."""
    lines = _lines_read(scene, draft)
    if lines is None:
        return "", 0.0
    key, new = scene.clause.setting
    form = re.compile(rf"(\s*[\"']?{re.escape(key)}[\"']?\s*[:=]\s*)([\"']?)(.*?)(\2,?\s*)", re.I)
    fitting = [(line, found) for line in lines if (found := form.fullmatch(line))]
    if len(fitting) != 1 or lines.count(fitting[0][0]) != 1:
        return None, 0.0
    line, found = fitting[0]
    return (line, 0.0) if index == 0 else (f"{found[1]}{found[2]}{new}{found[4]}", 0.0)


def _end_of_file(index: int, scene: Scene, draft: _Draft) -> tuple[str | None, float]:
    """The last line of a file, and that line with the added one after it."""
    text = (*scene.clause.quoted, *scene.clause.said)[:1]
    if not text or re.search(r"\b(?:top|beginning|start|before|after|above|below)\b", scene.clause.text):
        return None, 0.0
    draft.used.update(text)
    lines = _lines_read(scene, draft)
    if lines is None:
        return "", 0.0
    last = lines[-1]
    if not last.strip() or sum(line.count(last) for line in lines) != 1:
        return None, 0.0
    return (last if index == 0 else f"{last}\n{text[0]}"), 0.0


def _made(scene: Scene, draft: _Draft) -> tuple[str | None, float]:
    """A text made from an earlier result, or the words that say what must be looked at first."""
    clause = scene.clause
    target = draft.target or ""
    sources = [path for path in clause.paths if path != target]
    source_words = without_target(clause.text, target)
    draft.used.update(sources, clause.sums, clause.zones, clause.folders)
    spans = " ".join((*clause.sums, *clause.zones, *clause.folders, *clause.globs, *clause.sought, *clause.quoted))
    if len(sources) > 1 or len(clause.zones) > 1 or len(clause.sums) > 1:
        return None, 0.0  # a text made from one of two would be wrong
    own = bool(sources or clause.sums or clause.zones or clause.folders or clause.globs or _looks_for(clause))
    draft.used.update(clause.globs)
    for step in reversed(scene.steps):
        if step.ok and (not sources or any(value in sources for value in step.arguments.values())) and step.within:
            if clause.globs and names_only(step):
                spans = f"{spans} {source_words}"
            part = part_asked_for(step, without_spans(source_words, (*sources, *clause.sums)), _of_sum(clause) or spans)
            return part, 0.0 if sources else 0.5
    if own:
        draft.waits_for = source_words
        return "", 0.0
    for step in reversed(scene.steps):
        if step.ok and not step.changes:
            return _part(step, source_words, scene), 0.5
    if derives(source_words) or re.search(r"\b(?:time|date|today|list|names?)\b", source_words):
        draft.waits_for = source_words
        return "", 2.0
    return None, 0.0


def _looks_for(clause: Clause) -> bool:
    return bool(clause.sought) and bool(re.search(r"\b(?:files?|lines?|notes?)\b", clause.text, re.I))


def _of_sum(clause: Clause) -> str:
    """All the words of a step that is a sum: they tell it, and its result is a number."""
    return clause.text if clause.sums else ""


def without_spans(text: str, spans: Iterable[str]) -> str:
    for span in spans:
        text = text.replace(span, " ")
    return text


def _part(step: Step, words: str, scene: Scene) -> str | None:
    """What these words take from a result or, when they only say "it", what the words it was looked at for do."""
    asked = next((one for one in scene.earlier if one.text == step.asked), None)
    explained = " ".join((*asked.sums, *asked.zones, *asked.globs, *asked.sought, *asked.quoted)) if asked else ""
    paths = asked.paths if asked else ()
    if asked and not asked.paths and (asked.sums or not step.arguments.get("path")):
        explained = f"{explained} {asked.text}"
    if derives(words):
        return derive(step, words)
    words = f"{words} {without_spans(step.asked, paths)}"
    return part_asked_for(step, words, explained)


def without_target(text: str, target: str) -> str:
    """The step without where it goes and without its verb: what is to be looked at."""
    if target:
        text = re.sub(
            r",?\s*(?:and\s+)?(?:call|name|title)\s+(?:it|that|this|the\s+copy)\s+(?=[\"'`]?" + re.escape(target) + ")",
            " as ",
            text,
        )
        text = re.sub(
            r"\s*\b(?:to|into|in|as|called|named)\s+(?:a\s+|the\s+)?(?:new\s+)?(?:text\s+)?(?:file,?\s+)?(?:called\s+|named\s+)?[\"'`]?"
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
