"""Finding files by name and lines by text, bounded in results, files and seconds."""

from __future__ import annotations

import fnmatch
import stat
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO
from unicodedata import normalize

from gemot.drivers.descent import open_plain
from gemot.drivers.errors import ToolError
from gemot.drivers.lines import only_cr
from gemot.drivers.names import DEPTH_MAX, shown
from gemot.drivers.place import Location, Place
from gemot.drivers.reading import binary_kind

RESULTS_MAX = 200
"""A longer list is not read, by people or models; a narrower question is better."""
ENTRIES_MAX = 200_000
"""Names looked at in one search; a large source tree has fewer."""
SECONDS_MAX = 20.0
"""A third of the time that a tool has by default."""
FILE_BYTES_MAX = 8 << 20
"""Larger files are data and are not searched."""
LINE_CHARS_MAX = 300
"""What is shown of a line that matches, around the match."""
SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", ".jj"})
"""The stores of version control: everything in them is somewhere else, readable."""


@dataclass
class Results:
    """Lines of an answer, and why there may be more."""

    lines: list[str] = field(default_factory=list[str])
    more: bool = False
    stopped: str = ""
    files: int = 0
    skipped: int = 0
    deeper: str = ""


def find(place: Place, pattern: str, path: str) -> Results:
    """Paths beneath ``path`` whose name, or whose way from ``path`` if the pattern has a slash, matches."""
    wanted = pattern.removeprefix("./").rstrip("/").split("/")
    if "" in wanted or ".." in wanted:
        raise ToolError(f'the pattern "{shown(pattern)}" is no pattern for names; write one like *.md or notes/**/*.md')
    if len(wanted) > DEPTH_MAX or len(pattern) > 1000:
        raise ToolError("the pattern is too long; write one like *.md or notes/**/*.md")
    if len(wanted) == 1:
        wanted = ["**", *wanted]
    results = Results()
    with place.folder(path) as (folder, top), closing(_bounded(place, folder, top, results)) as steps:
        for parts, kind, _ in steps:
            if not matches(parts[len(top.parts) :], wanted):
                continue
            if len(results.lines) >= RESULTS_MAX:
                results.more = True
                break
            label = place.label(Location(top.mount, parts))
            results.lines.append(label + "/" if kind == "folder" else label)
    return results


def matches(parts: tuple[str, ...], pattern: list[str]) -> bool:
    """Whether names match a pattern's components, ``**`` standing for any number of them, however their
    letters are composed. Time is their product."""
    parts = tuple(normalize("NFC", part) for part in parts)
    pattern = [normalize("NFC", piece) for piece in pattern]
    fits = [True] + [False] * len(parts)  # fits[n]: the pattern so far matches the first n parts
    for piece in pattern:
        if piece == "**":
            for n in range(1, len(fits)):
                fits[n] = fits[n] or fits[n - 1]
        else:
            fits = [False] + [fits[n] and fnmatch.fnmatchcase(parts[n], piece) for n in range(len(parts))]
    return fits[-1]


def search(place: Place, text: str, path: str, ignore_case: bool) -> Results:
    """``path:line: text`` for each line with ``text`` in it, in one file or all files beneath a folder."""
    if not text or "\n" in text or "\r" in text:
        raise ToolError(
            "text must be a part of one line, neither empty nor with a line break; search one line at a time"
        )
    results = Results()
    with place.spot(path) as (spot, facts):
        if not stat.S_ISDIR(facts.st_mode):
            with spot.open() as file:
                _search_file(file, spot.label, text, ignore_case, results)
            return results
    with place.folder(path) as (folder, top), closing(_bounded(place, folder, top, results)) as steps:
        for parts, kind, inside in steps:
            if kind != "file":
                continue
            label = place.label(Location(top.mount, parts))
            try:
                opened = open_plain(inside, parts[-1], label)
            except ToolError:
                results.skipped += 1  # vanished, or not ours to read
                continue
            place.verdict(Location(top.mount, parts))
            with opened:
                _search_file(opened, label, text, ignore_case, results)
            if results.more:
                break
    return results


def _bounded(
    place: Place, folder: int, top: Location, results: Results
) -> Generator[tuple[tuple[str, ...], str, int], None, None]:
    """The walk's parts, kinds and open folders, until it has taken too long; then ``results`` says so."""
    deadline = time.monotonic() + SECONDS_MAX
    with closing(place.walk(folder, top, SKIPPED_FOLDERS, ENTRIES_MAX)) as walk:
        for count, found in enumerate(walk):
            if count >= ENTRIES_MAX or time.monotonic() > deadline:
                results.stopped = f"stopped after {count:,} names; give a folder further down as path"
                return
            if found.entry.kind == "folder" and len(found.parts) >= DEPTH_MAX and not results.deeper:
                results.deeper = (
                    f"folders more than {DEPTH_MAX} deep were not looked into: "
                    f"{shown('/'.join(found.parts[:3]))}/... is one"
                )
            yield found.parts, found.entry.kind, found.folder


def _search_file(file: BinaryIO, label: str, text: str, ignore_case: bool, results: Results) -> None:
    data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX or binary_kind(data[:8192]):
        results.skipped += 1
        return
    results.files += 1
    wanted = text.casefold() if ignore_case else text
    if not ignore_case and text.encode() not in data:
        return
    if only_cr(data):
        data = data.replace(b"\r", b"\n")
    for number, line in enumerate(data.decode(errors="replace").split("\n"), 1):
        at = (line.casefold() if ignore_case else line).find(wanted)
        if at < 0:
            continue
        if len(results.lines) >= RESULTS_MAX:
            results.more = True
            return
        results.lines.append(f"{label}:{number}: {_around(line.removesuffix(chr(13)), at)}")


def _around(line: str, at: int) -> str:
    if len(line) <= LINE_CHARS_MAX:
        return line
    start = max(0, min(at - LINE_CHARS_MAX // 3, len(line) - LINE_CHARS_MAX))
    end = start + LINE_CHARS_MAX
    return f"{'...' if start else ''}{line[start:end]}{'...' if end < len(line) else ''}"
