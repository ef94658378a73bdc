"""What a goal says, without understanding it: its steps in order, and the things it names that can be arguments.

Nothing is invented here. Every span is copied from the goal, so an action built from spans can only be about
things the person (or an earlier result) named.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from functools import cache

from gemot.models.embedded.sums import spoken
from gemot.models.embedded.wording import globs_of, placed, said_of, setting_of, sought_of, swap_of

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
    r"\b(?:in|inside|under|from|within|through|across|ls|list|dir)\s+([\w-]+)(?=\s*(?:$|[?.!,;](?:\s|$)|and\b|for\b|to\b|into\b))"
)
_TARGET = re.compile(
    r"\b(?:(?<!according )to|into|onto|as|called|named|(?:call|name|title)\s+(?:it|that|this|the\s+copy)|new\s+file|(?:save|put|store|keep|write|record|note)\b.*\bin)\s+(?:a\s+|the\s+)?(?:new\s+)?(?:text\s+)?(?:file,?\s+)?(?:called\s+|named\s+)?[\"'`]?$",
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
        "how which where when who is are does do please let multiply divide subtract double halve jot look dig check grab "
        "translate email mail draft compose explain rank reverse convert merge combine split switch correct erase drop pull "
        "bring log scribble type insert name translate run download upload output",
    )
)
_FILES = frozenset(["txt", "md", "csv", "py", "toml", "json", "yaml", "log", "bak", "html"])
"""Endings that make a name in "rename a.txt to b.txt" a file's and not a word's."""
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
    loose: tuple[str, ...] = ()
    """Patterns from a bare noun: "where is the guide"."""
    setting: tuple[str, ...] = ()
    """The name of a setting and its new value."""
    adds: bool = False
    """It asks for a text to be added to what a file has."""
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


def _sums(text: str) -> list[str]:
    found: list[str] = []
    for match in _SUM.finditer(text):
        run = match.group().strip()
        while run.count("(") > run.count(")") and run.startswith("("):
            run = run[1:].strip()
        while run.count(")") > run.count("(") and run.endswith(")"):
            run = run[:-1].strip()
        if re.search(r"[\d)]\s*[-+*/^%]+\s*[(\d.]", run) and re.search(r"\d", run):
            found.append(run)
    return found or spoken(_PATH.sub(_unless_number, text))


def _unless_number(found: re.Match[str]) -> str:
    """A path is no place for numbers to work with, but "86.40" is no path."""
    return found.group() if re.fullmatch(r"[\d./]+", found.group()) else " , "


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
    globs += [one for one in globs_of(bare) if one not in globs]
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
    sought = sought_of(bare)
    said = None if quoted else said_of(text)
    swap = swap_of(bare)
    if swap and any("/" in one or one.rsplit(".", 1)[-1] in _FILES for one in swap):
        swap = ()
    paths = [path for path in paths if path not in swap]
    said = None if swap else said
    adds = bool(re.search(r"\b(?:add|append|insert|tack|attach)\b", bare, re.I)) and bool(paths) and not sums
    return Clause(
        text=text,
        quoted=tuple(dict.fromkeys(quoted)),
        paths=tuple(paths),
        folders=tuple(dict.fromkeys(folders)),
        globs=tuple(dict.fromkeys(globs)),
        sums=tuple(dict.fromkeys(sums)),
        zones=tuple(zones),
        sought=() if quoted else tuple(dict.fromkeys(sought)),
        said=(said,) if said else (),
        swap=tuple(swap),
        loose=tuple(placed(bare)),
        setting=tuple(setting_of(text)),
        adds=adds,
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
        starts = starts and not _GOES_ON.match(_JOINT.split(rest, maxsplit=1)[0]) and bool(re.search(r"\w{2}", piece))
        starts = starts and not (match.group().strip() == "," and begin == 0 and _STATES.match(piece))
        names = bool(_STRONG.search(match.group())) and bool(_sums(rest[:40]))
        repeats = not starts and _repeats(piece, goal[match.end() :])
        if starts or names or repeats:
            parts.append(piece)
            begin = match.end()
            first = re.match(r"\W*(?:please\s+)?([A-Za-z]+)", piece, re.I)
            verb = f"{first.group(1)} " if repeats and first else ""
    parts.append(verb + goal[begin:].strip())
    return [parse(one) for part in parts if re.search(r"\w", part) for one in _settings_apart(part)]


_GOES_ON = re.compile(
    r"\W*(?:(?:please\s+)?(?:call|name|title|label)\s+(?:it|that|this|them|the\s+(?:copy|file|result))\b"
    r"|(?:please\s+|kindly\s+)?(?:fix|correct|change|update|do|check|look|mend|put\s+right)(?:\s+(?:it|that|this|so|them|into\s+it|for\s+me|please|now|around))*\W*$"
    r"|(?:please|thanks?)\W*$|is\s+(?:it|that|there)\b"
    r"|(?:where|what|which|who|how\s+\w+)(?:'s|\s+is|\s+are|\s+does|\s+do)?\s+(?:it|that|this|they|those|them)(?:\s+\w+)?\W*$"
    r"|(?:work\s+out|figure\s+out|find\s+out|tell\s+me|say)\s+(?:which|where|who)(?:\s+(?:one|it|file|that))?(?:\s+it)?(?:\s+is)?\W*$)",
    re.I,
)
"""What belongs to the step before it although it begins with a verb."""
_STATES = re.compile(r"\W*(?:the|my|our|this|that|[\w/-]+\.\w+)\b", re.I)
"""A statement before a comma only leads up to the request after it."""
_TWO_SETTINGS = re.compile(
    r"^(.*?\b(?:set|change|turn|switch)\s+)(?:the\s+)?([\w-]+)\s+to\s+(\S+?),?\s+and\s+(?:the\s+|its\s+)?([\w-]+)\s+to\s+([^\s]+)(.*)$",
    re.I | re.S,
)


def _settings_apart(part: str) -> list[str]:
    """ "Set a to 1 and b to 2 in x" as two steps, each with the file."""
    found = _TWO_SETTINGS.match(part)
    if not found:
        return [part]
    before, one, its, other, others, after = found.groups()
    return [f"{before}{one} to {its}{after}", f"{before}{other} to {others}{after}"]


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
