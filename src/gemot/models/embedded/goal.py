"""What a goal says, without understanding it: its steps in order, and the things it names that can be arguments.

Nothing is invented here. Every span is copied from the goal, so an action built from spans can only be about
things the person (or an earlier result) named.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from functools import cache

_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|`([^`\n]+)`|(?<![\w'])'([^'\n]+)'(?!\w)")
_PATH = re.compile(
    r"(?<![\w/*?])(?:\.{0,2}/)?[\w.-]+(?:/[\w.-]+)+/?|(?<![\w/*?.])[\w.-]{0,200}\.[A-Za-z][A-Za-z0-9]{0,7}(?!\w)"
)
_GLOB = re.compile(r"(?<![\w*])[\w./*?\[\]-]*[*?][\w.*/\[\]-]+(?!\w)|(?<![\w*])[\w./-]+\*(?![\w*])")
_SUFFIX = re.compile(r"(?<![\w/*?.])\.[A-Za-z][A-Za-z0-9]{0,5}(?!\w)")
_SUM = re.compile(r"[(\d.][\d.\s()+*/^%-]*[\d)]")
_FOLDER = re.compile(
    r"\b(?:the|my|a|folder|directory|dir)\s+([\w.-]+)\s+(?:folder|directory|dir)\b|\b(?:folder|directory)\s+(?:called\s+|named\s+)?([\w./-]+)"
)
_BARE_FOLDER = re.compile(
    r"\b(?:in|inside|under|from|within|ls|list|dir)\s+([\w-]+)(?=\s*(?:$|[?.!,;](?:\s|$)|and\b|for\b|to\b|into\b))"
)
_SOUGHT = re.compile(
    r"\b(?:the\s+)?(?:word|words|text|phrase|string|term)\s+([\w'-]+)"
    r"|\b(?:mentions?|mentioning|contains?|containing|grep|search(?:es)?\s+for)\s+(?!the\s+(?:word|text|phrase|string|term)\b)"
    r"(?:the\s+)?([\w'-]+)"
    r"|\bfor\s+(?:the\s+)?([\w'-]+)\s+in\b"
)
_SAYING = re.compile(
    r"\b(?:that\s+says|which\s+says|saying|with\s+the\s+(?:text|content|contents|words)|containing):?\s+(.+)$", re.I
)
_SWAP = re.compile(
    r"\b(?:replace|change|rename|swap|turn)\s+(?:the\s+word\s+)?(\S+)\s+(?:with|to|by|into|for)\s+(\S+)", re.I
)
_TARGET = re.compile(
    r"\b(?:to|into|as|called|named|(?:save|put|store|keep|write|record|note)\b.*\bin)\s+(?:a\s+|the\s+)?(?:new\s+)?(?:text\s+)?(?:file\s+)?(?:called\s+|named\s+)?[\"'`]?$",
    re.I,
)
_NOT_NAMES = frozenset(
    re.findall(
        r"\w+",
        "all any each every this that these those the a an it its here there them which what my your our is are files file "
        "folder folders directory everything something text lines line words word name names size total result answer "
        "for in into to of with from as and or that",
    )
)
_VERBS = frozenset(
    re.findall(
        r"\w+",
        "add answer append calculate change check compute copy count create delete describe display duplicate edit "
        "evaluate fetch figure find fix get give go grep insert keep list locate look make modify move note open "
        "overwrite print put read record remove rename repeat replace report return rewrite save say search see send set "
        "show sort start state stop store sum summarise summarize swap take tell turn update use view work write what "
        "how which where when who is are does do please",
    )
)
_JOINT = re.compile(
    r"(?:[.!?]\s+|;\s*|\n+|,?\s+(?:and\s+)?(?:then|afterwards|finally|also)\s+|,?\s+and\s+(?:also\s+|then\s+)?|,\s+)"
)
_STRONG = re.compile(r"\b(?:then|also|afterwards|finally)\b", re.I)


@dataclass(frozen=True)
class Clause:
    """One step of a goal: its words, and the spans in it by kind, each in order of mention."""

    text: str
    quoted: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    swap: tuple[str, ...] = ()
    target: str | None = None
    """The path that something is to be written to, by the preposition before it."""

    @property
    def named(self) -> tuple[str, ...]:
        """Everything that was named outright, each of which a fitting action should use."""
        return (*self.quoted, *self.paths, *self.folders, *self.globs, *self.sums, *self.zones)

    @property
    def words(self) -> list[str]:
        """The clause's own words, without the things it names."""
        text = self.text
        for span in sorted((*self.quoted, *self.paths, *self.globs, *self.sums), key=len, reverse=True):
            text = text.replace(span, " ")
        return re.findall(r"[a-z]+", text.lower())


@cache
def _zone_names() -> dict[str, str]:
    """Lower-case zone and city names -> IANA name."""
    zones: dict[str, str] = {}
    for zone in sorted(zoneinfo.available_timezones()):
        if "/" in zone and not zone.startswith(("Etc/", "posix", "right", "SystemV", "US/")):
            zones.setdefault(zone.rsplit("/", 1)[1].replace("_", " ").lower(), zone)
            zones[zone.lower()] = zone
    zones["utc"] = zones["gmt"] = "UTC"
    return zones


def _zones(text: str) -> list[str]:
    known = _zone_names()
    found = [
        known[word.lower()]
        for word in re.findall(r"[A-Za-z_]+(?:/[A-Za-z_-]+)+|\bUTC\b|\bGMT\b", text)
        if word.lower() in known
    ]
    for name in re.findall(r"\b(?:in|at|for)\s+([A-Z][a-z]+(?:\s[A-Z][a-z]+)*)", text):
        if name.lower() in known:
            found.append(known[name.lower()])
    return list(dict.fromkeys(found))


_SPOKEN = (
    (re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|percent)\s+of\s+(\d+(?:\.\d+)?)", re.I), "{0} / 100 * {1}"),
    (re.compile(r"\bmultiply\s+(-?\d[\d.]*)\s+(?:by|with)\s+(-?\d[\d.]*\d|\d)", re.I), "{0} * {1}"),
    (re.compile(r"\bdivide\s+(-?\d[\d.]*)\s+by\s+(-?\d[\d.]*\d|\d)", re.I), "{0} / {1}"),
    (re.compile(r"\badd\s+(-?\d[\d.]*)\s+(?:and|to)\s+(-?\d[\d.]*\d|\d)", re.I), "{0} + {1}"),
    (re.compile(r"\bsubtract\s+(-?\d[\d.]*)\s+from\s+(-?\d[\d.]*\d|\d)", re.I), "{1} - {0}"),
    (re.compile(r"(\d[\d.]*)\s+(?:times|multiplied\s+by)\s+(\d[\d.]*\d|\d)", re.I), "{0} * {1}"),
    (re.compile(r"(\d[\d.]*)\s+divided\s+by\s+(\d[\d.]*\d|\d)", re.I), "{0} / {1}"),
    (re.compile(r"(\d[\d.]*)\s+plus\s+(\d[\d.]*\d|\d)", re.I), "{0} + {1}"),
    (re.compile(r"(\d[\d.]*)\s+minus\s+(\d[\d.]*\d|\d)", re.I), "{0} - {1}"),
)
"""Arithmetic in words, for two numbers."""


def _sums(text: str) -> list[str]:
    found = [form.format(*match.groups()) for pattern, form in _SPOKEN for match in pattern.finditer(text)]
    for match in _SUM.finditer(text):
        run = match.group().strip()
        while run.count("(") > run.count(")") and run.startswith("("):
            run = run[1:].strip()
        while run.count(")") > run.count("(") and run.endswith(")"):
            run = run[:-1].strip()
        if re.search(r"[\d)]\s*[-+*/^%]+\s*[(\d.]", run) and re.search(r"\d", run):
            found.append(run)
    return found


def parse(text: str) -> Clause:
    """The spans of one clause."""
    quoted = [next(filter(None, match.groups())) for match in _QUOTED.finditer(text)]
    bare = _QUOTED.sub(lambda match: " " * len(match.group()), text)
    zones = _zones(bare)
    sums = _sums(bare)
    lowered = {zone.lower() for zone in zones}
    paths: list[str] = []
    target: str | None = None
    for match in _PATH.finditer(text):
        path = match.group().rstrip(".,").removeprefix("./")
        inside = not bare[match.start() : match.end()].strip()
        if (
            path.lower() in lowered
            or (inside and path not in quoted)
            or path.startswith(".")
            or re.fullmatch(r"[\d./]+", path)
        ):
            continue
        if inside:
            quoted.remove(path)
        paths.append(path)
        if _TARGET.search(text[: match.start()]):
            target = path
    globs = [match.group() for match in _GLOB.finditer(bare) if not re.search(r"\d\s*\*|\*\s*\d", match.group())]
    globs += [f"*{match.group()}" for match in _SUFFIX.finditer(bare) if not match.group()[1:].isdigit()]
    paths = [path for path in dict.fromkeys(paths) if not any(path in glob for glob in globs)]
    folders = [
        name
        for match in _FOLDER.finditer(bare)
        if (name := next(filter(None, match.groups()))).lower() not in _NOT_NAMES
    ]
    for match in _BARE_FOLDER.finditer(bare):
        if match.group(1).lower() not in _NOT_NAMES and match.group(1) not in folders and not match.group(1).isdigit():
            folders.append(match.group(1))
    folders += [path.rstrip("/") for path in paths if "." not in path.rsplit("/", 1)[-1]]
    paths = [path for path in paths if path.rstrip("/") not in folders]
    folders = [
        name
        for name in folders
        if name not in paths and name.lower() not in {z.rsplit("/", 1)[-1].lower() for z in zones}
    ]
    sought = [
        word
        for match in _SOUGHT.finditer(bare)
        if (word := next(filter(None, match.groups()))).lower() not in _NOT_NAMES
    ]
    saying = _SAYING.search(text)
    swap = _SWAP.search(bare)
    return Clause(
        text=text,
        quoted=tuple(dict.fromkeys(quoted)),
        paths=tuple(paths),
        folders=tuple(dict.fromkeys(folders)),
        globs=tuple(dict.fromkeys(globs)),
        sums=tuple(dict.fromkeys(sums)),
        zones=tuple(zones),
        sought=() if quoted else tuple(dict.fromkeys(sought)),
        said=(saying.group(1).strip().strip("\"'"),) if saying and not quoted else (),
        swap=tuple(word.strip(".,;") for word in swap.groups()) if swap else (),
        target=target,
    )


def clauses(goal: str) -> list[Clause]:
    """The steps of a goal, in order. Joints inside quotes don't count; a part that begins with no verb and names
    nothing belongs to the part before it; one that repeats the form of the part before it ("write "a" to x.txt and "b" to
    y.txt") gets its verb."""
    hidden = _QUOTED.sub(lambda match: '"' + "x" * (len(match.group()) - 2) + '"', goal)
    parts: list[str] = []
    begin, verb = 0, ""
    for match in _JOINT.finditer(hidden):
        piece, rest = verb + goal[begin : match.start()].strip(), hidden[match.end() :]
        if not piece.strip() or re.match(r"\W*(?:in|inside|from|for|with|at|on|under|of|using|if|when)\b", piece, re.I):
            continue
        word = re.match(r"\W*([A-Za-z]+)(?![\w./-])", rest)
        starts = word is not None and word.group(1).lower() in _VERBS and not _asks_on(match.group(), rest)
        names = bool(_STRONG.search(match.group())) and bool(_sums(rest[:40]))
        repeats = not starts and _repeats(piece, goal[match.end() :])
        if starts or names or repeats:
            parts.append(piece)
            begin = match.end()
            first = re.match(r"\W*(?:please\s+)?([A-Za-z]+)", piece, re.I)
            verb = f"{first.group(1)} " if repeats and first else ""
    parts.append(verb + goal[begin:].strip())
    return [parse(part) for part in parts if re.search(r"\w", part)]


def _repeats(piece: str, rest: str) -> bool:
    """Whether what follows a joint begins with a quoted text or a path, and names the same kinds of things."""
    if not re.match(r"[\"'“`]|[\w-]+(?:/[\w.-]+|\.[A-Za-z])", rest):
        return False
    one, other = parse(piece), parse(_JOINT.split(rest, maxsplit=1)[0])
    return bool(other.paths) and (bool(one.quoted), len(one.paths)) == (bool(other.quoted), len(other.paths))


def _asks_on(joint: str, rest: str) -> bool:
    """A new sentence that is a question and names nothing asks about what was just said."""
    if joint[0] not in ".!?:":
        return False
    sentence = re.split(r"[.!?](?:\s|$)", rest, maxsplit=1)[0]
    return bool(re.match(r"\W*(?:what|how|which|who|is|are|does|do)\b", sentence, re.I)) and not parse(sentence).named
