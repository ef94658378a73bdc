"""What earlier steps gave, and the parts of it that later steps and the end of the task can be made from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from gemot.models.embedded.tables import look_up, rows_of

_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}
_ORDINAL = re.compile(
    r"\b(first|second|third|fourth|fifth|last)\s+(?:(\d+|two|three|four|five)\s+)?(lines?|words?|rows?)\b", re.I
)
_NUMBERED = re.compile(r"\bline\s+(?:number\s+)?(\d+)\b", re.I)
_COUNT = re.compile(
    r"\b(?:how\s+many|count(?:\s+of)?|number\s+of)\s+(?:the\s+|all\s+)?(?:\S+\s+){0,2}?(lines?|words?|files?|folders?|entries|rows?|characters?|names?|matches|them|these|those|results?)\b",
    re.I,
)
_SMALL = {"two": 2, "three": 3, "four": 4, "five": 5}
_PATH = re.compile(r"(?<![\w./-])[\w./-]{0,200}\.[A-Za-z][A-Za-z0-9]{0,7}(?![\w/])|(?<![\w./-])[\w.-]+(?:/[\w.-]+)+")


@dataclass(frozen=True)
class Step:
    """One request that was made, and its result.

    ``within``: it was made for the step of the goal now being done; ``asked``: the words of the step it was made for.
    """

    name: str
    arguments: dict[str, Any]
    text: str
    ok: bool
    within: bool = False
    asked: str = ""
    changes: bool = False
    """It put a text somewhere; its result is only a receipt."""

    @property
    def paths(self) -> list[str]:
        """The paths among its arguments."""
        return [value for value in self.arguments.values() if isinstance(value, str) and _PATH.fullmatch(value)]

    @property
    def body(self) -> str:
        """The result without a closing remark in brackets, which is the tool's and not the file's."""
        lines = self.text.rstrip("\n").split("\n")
        if len(lines) > 1 and lines[-1].startswith("[") and lines[-1].endswith("]"):
            lines.pop()
        return "\n".join(lines)


def mentioned_paths(text: str) -> list[str]:
    """Names of files in a result, each once, in order."""
    return list(dict.fromkeys(match.group().rstrip(".") for match in _PATH.finditer(text[:20_000])))[:50]


def found_paths(step: Step) -> list[str]:
    """The files a result names, as paths from the top: what is listed of a folder is in that folder."""
    folder = next((value for key, value in step.arguments.items() if key == "path" and isinstance(value, str)), ".")
    inside = "" if folder in (".", "") or "." in folder.rsplit("/", 1)[-1] else folder.rstrip("/") + "/"
    return [path if "/" in path else inside + path for path in mentioned_paths(step.text)]


def names_only(step: Step) -> bool:
    """Whether a result is nothing but paths, so that lines and words of it are not what anybody asks about."""
    lines = step.body.split("\n")
    return all(_PATH.fullmatch(line.strip()) for line in lines)


def derives(words: str) -> bool:
    """Whether these words ask for a part or a count, not for the whole."""
    return bool(_ORDINAL.search(words) or _NUMBERED.search(words) or _COUNT.search(words))


def asks_for_lines(words: str) -> bool:
    """Whether the part or count asked for is one of lines or words, as only a text has them."""
    counted = _COUNT.search(words)
    return bool(_ORDINAL.search(words) or _NUMBERED.search(words)) or bool(
        counted and counted.group(1).lower().startswith(("line", "word", "row", "char"))
    )


def derive(step: Step, words: str) -> str:
    """The part of a result that the words ask for: some line, some word, a count, a fact; otherwise all of it."""
    body = step.body
    fact = _fact(body, words)
    if fact is not None:
        return fact
    lines = body.split("\n") if body else []
    counted = _COUNT.search(words)
    if counted and not re.fullmatch(r"\s*-?[\d.,]+\s*", body):
        return _count(body, lines, counted.group(1).lower())
    numbered = _NUMBERED.search(words)
    if numbered and lines:
        at = int(numbered.group(1)) - 1
        return lines[at] if at < len(lines) else body
    found = _ORDINAL.search(words)
    if found and lines:
        at = _ORDINALS[found.group(1).lower()]
        units = body.split() if found.group(3).lower().startswith("word") else lines
        if found.group(2):
            many = _SMALL.get(found.group(2).lower()) or int(found.group(2))
            part = units[-many:] if at < 0 else units[:many]
            return (" " if units is not lines else "\n").join(part)
        return units[at] if -len(units) <= at < len(units) else body
    if re.search(r"\bnames?\b", words, re.I) and all("\t" in line for line in lines):
        return "\n".join(line.split("\t", 1)[0] for line in lines)
    return body


def _count(body: str, lines: list[str], what: str) -> str:
    if what.startswith("word"):
        return str(len(body.split()))
    if what.startswith("char"):
        return str(len(body))
    if what.startswith(("line", "row")):
        return str(len(lines))
    entries = [line.split("\t")[0].strip() for line in lines if line.strip() and not line.startswith("[")]
    if what.startswith(("file", "folder")):
        entries = [entry for entry in entries if entry.endswith("/") == what.startswith("folder")]
    return str(len(entries))


_FILLER = frozenset(
    re.findall(
        r"\w+",
        "a an the this that these those it its them their they my our your me i we you to of in into as on at for from with and or by is are be "
        "was were please thanks thank can could would show tell give get find look see read open print take check out up just only "
        "all every everything whole full entire complete text content contents file files copy copied duplicate duplicated backup back second another "
        "result results answer output number value whatever what which says said say list listed name names called new written "
        "same exact exactly figure work calculate compute evaluate again there here now then also want need like make create call put save write "
        "store keep record note have has got let how much many does do come comes whose who one ones inside there folder folders directory",
    )
)
_NAMES = re.compile(r"\b(?:names?|paths?|which|files?|where|list)\b", re.I)
_WORKED_OUT = re.compile(
    r"\b(?:total|sum|average|mean|median|altogether|most|least|highest|lowest|largest|smallest|biggest|longest|shortest|cheapest|dearest|newest|oldest|"
    r"difference|compare|how\s+many|summar\w+|explain\w*|translat\w+|alphabetical\w*|sorted|reverse\w*|rhymes?|should|better|why|who|whose)\b",
    re.I,
)


def part_asked_for(step: Step, words: str, explained: str = "") -> str | None:
    """What the words ask of a result, or None unless every word of theirs is accounted for: by a rule for a part of it, by
    ``explained`` (what the request was made with) or by being no more than a name for all of it. A text that is to be
    written comes from here: what is not understood must not be written."""
    body = step.body
    fact = _fact(body, words)
    if fact is not None:
        return fact
    if body.startswith("{"):
        return None
    if derives(words):
        return derive(step, words)
    found = re.findall(r"(?m)^([^\s:]+):\d+: (.*)$", body)
    if found and len(found) == len(body.split("\n")):
        if re.search(r"\b(?:lines?|sentences?)\b", words, re.I):
            return "\n".join(line for _, line in found)
        return "\n".join(dict.fromkeys(path for path, _ in found)) if _NAMES.search(words) else None
    if "path" in step.arguments and (cell := look_up(body, words)) is not None:
        return cell
    if not body.strip() or body.startswith("["):
        return None
    known = _FILLER | set(
        re.findall(r"[a-z]+", f"{explained} {step.name} {' '.join(map(str, step.arguments.values()))}".lower())
    )
    unknown = [word for word in re.findall(r"[a-z]+", words.lower()) if word not in known]
    if not any(isinstance(value, str) and value for key, value in step.arguments.items() if key != "zone"):
        unknown = [word for word in unknown if word not in _CLOCK] if not step.arguments.get("path") else unknown
    if unknown or (_WORKED_OUT.search(words) and not {"path", "pattern"}.isdisjoint(step.arguments)):
        return None
    return derive(step, words)


_CLOCK = frozenset(
    ["time", "date", "day", "today", "current", "hour", "now", "right", "moment", "zone", "local", "weekday"]
)


_ANOTHER_TIME = re.compile(
    r"\b(?:ago|from\s+now|until|till|yesterday|tomorrow|since|next|last|between|after|before)\b", re.I
)


def answers(step: Step, words: str) -> str | None:
    """What a question is answered with; None where it asks for more than was found, such as a sum that nobody worked out."""
    body = step.body
    if step.name.endswith("now") and _ANOTHER_TIME.search(words):
        return None
    said = re.findall(r"[a-z]+", words.lower())
    if (
        "path" in step.arguments
        and rows_of(body)
        and not derives(words)
        and look_up(body, words) is None
        and {"what", "how", "who", "whose", "which", "work"} & set(said)
        and not set(said) <= _FILLER | {"s"}
    ):
        return None
    if "path" in step.arguments and not derives(words) and (cell := look_up(body, words)) is not None:
        return cell
    if step.arguments.get("path") and _WORKED_OUT.search(words) and not derives(words) and _fact(body, words) is None:
        return None
    return derive(step, words)


_SAME = {
    "big": "size",
    "large": "size",
    "changed": "modified",
    "edited": "modified",
    "long": "lines",
    "old": "modified",
}


def _fact(body: str, words: str) -> str | None:
    """The one value that the words name in a result that is a JSON object: "size" in ``{"size_bytes": 7}`` is "7 bytes"."""
    if not body.startswith("{"):
        return None
    try:
        facts = json.loads(body)
    except ValueError:
        return None
    said = {_SAME.get(word, word) for word in re.findall(r"[a-z]+", words.lower())}
    named = [key for key in facts if said & set(key.lower().split("_")) and not isinstance(facts[key], dict | list)]
    named = [key for key in named if key not in ("path", "kind")] or named
    if not named:
        return None
    unit = " ".join(part for part in named[0].split("_")[1:])
    return f"{facts[named[0]]} {unit}".strip()
