"""The driver ``files``: what a process can do with the files it sees, one job for each tool."""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import UTC, datetime
from typing import Any, BinaryIO

from gemot.abi.limits import IMAGE_BYTES_MAX
from gemot.drivers import editing, patching, reading, searching
from gemot.drivers.descent import Entry, kind_of
from gemot.drivers.kit import Driver, Picture, ToolError
from gemot.drivers.names import shown
from gemot.drivers.pictures import header
from gemot.drivers.place import Place

ENTRIES_MAX = 500
"""Names in one listing; more is not read, and files/find narrows it down."""
ENTRIES_COUNTED_MAX = 2_000_000
"""Names of one folder that are looked at, to find the first ones and to count them: some seconds' work."""
HASHED_BYTES_MAX = 1 << 30
"""Larger files are not read through for facts: it would take longer than a tool may."""

files = Driver("files", "The files and folders that this process sees: list, read, find, search, write, change.")


@files.tool(effect="reads", repeatable=True, paths=("path",), name="list")
def list_folder(place: Place, path: str = ".") -> str:
    """The names in a folder, sorted, each with its kind and size. path: the folder; "." is the top folder."""
    with place.folder(path) as (folder, where):
        entries, count = place.first_entries(folder, where, ENTRIES_MAX, ENTRIES_COUNTED_MAX + 1)
    if not entries:
        return "[the folder is empty]"
    lines = [_listed(entry) for entry in entries]
    more = count - len(entries)
    if count > ENTRIES_COUNTED_MAX:
        lines.append(
            f"[more than {more - 1:,} more are not shown, and names beyond the first {ENTRIES_COUNTED_MAX:,} that the disk "
            "gives were not looked at: these need not be the first by name; use files/find with a pattern]"
        )
    elif more > 0:
        lines.append(f"[{more:,} more are not shown; use files/find with a pattern]")
    return "\n".join(lines)


@files.tool(effect="reads", repeatable=True, paths=("path",))
def read(place: Place, path: str, first_line: int = 1, lines: int = 400) -> str:
    """The text of a file. path: the file; first_line: the line to begin with, from 1; lines: how many at most.

    If there is more, or the text had to be changed to be shown, the last line says so in brackets.
    """
    if first_line < 1 or lines < 1:
        raise ToolError("first_line and lines are counted from 1; to read from the beginning leave them out")
    with place.open(path) as (file, label):
        return reading.excerpt(file, label, first_line, lines).text()


@files.tool(effect="reads", repeatable=True, paths=("path",))
def view(place: Place, path: str) -> Picture:
    """See an image: PNG, JPEG, GIF or WebP. path: the file. A model that can't see gets a line that says what it is."""
    with place.open(path) as (file, label):
        data = file.read(IMAGE_BYTES_MAX + 1)
        header(data, label, file.seek(0, 2))
        return Picture(data, label)


@files.tool(effect="reads", repeatable=True, paths=("path",))
def facts(place: Place, path: str) -> dict[str, Any]:
    """What is known of a file or folder without reading it to you. path: the file or folder.

    Returns path and kind; for a file also size_bytes, lines (of text), modified (UTC) and sha256.
    """
    with place.spot(path) as (spot, seen):
        answer: dict[str, Any] = {"path": spot.label, "kind": kind_of(seen)}
        if stat.S_ISREG(seen.st_mode):
            with spot.open() as file:
                seen = os.fstat(file.fileno())
                answer["size_bytes"] = seen.st_size
                if seen.st_size <= HASHED_BYTES_MAX:
                    answer |= _read_through(file)
                else:
                    answer["note"] = f"larger than {HASHED_BYTES_MAX:,} bytes, so neither hashed nor counted"
        answer["modified"] = datetime.fromtimestamp(int(seen.st_mtime), UTC).isoformat()
        return answer


@files.tool(effect="reads", repeatable=True, paths=("path",))
def find(place: Place, pattern: str, path: str = ".") -> str:
    """Files and folders by name, at any depth. path: the folder to look in.

    pattern: a name such as "*.md", or with slashes a way from the folder, "**" being any folders: "src/**/test_*.py".
    """
    found = searching.find(place, pattern, path)
    if not found.lines:
        hint = "; {a,b} is not understood, ask for one at a time" if "{" in pattern else ""
        found.lines.append(f"[nothing matches {shown(pattern)}; upper and lower case differ{hint}]")
    return _answer(found, "a narrower pattern or path")


@files.tool(effect="reads", repeatable=True, paths=("path",))
def search(place: Place, text: str, path: str = ".", ignore_case: bool = False) -> str:
    """The lines that contain a text, as "path:line: text". text: plain text, not a pattern, within one line.

    path: a file, or a folder that is searched at any depth; ignore_case: whether A and a are the same.
    """
    found = searching.search(place, text, path, ignore_case)
    if not found.lines:
        files_word = "1 file" if found.files == 1 else f"{found.files:,} files"
        found.lines.append(f"[not found in {files_word}]")
    if found.skipped:
        found.lines.append(f"[{found.skipped:,} not searched: binary, unreadable or too large]")
    return _answer(found, "a longer text or a narrower path")


@files.tool(effect="writes", repeatable=False, paths=("path",), needs="rw", guards=True, payload=("content",))
def write(place: Place, path: str, content: str) -> str:
    """Make a new file; folders that are missing are made too. path: the new file; content: all of its text.

    A file that exists is left alone: use files/edit to change a part of it, files/overwrite to replace it.
    """
    data = _encoded(content)
    return f"wrote {place.create(path, data)}, {_size(data)}"


@files.tool(
    effect="writes", repeatable=False, paths=("path",), needs="rw", guards=True, payload=("content",), asks=True
)
def overwrite(place: Place, path: str, content: str) -> str:
    """Replace the whole text of a file that exists; a person confirms it. path: the file; content: all of its new text.

    Prefer files/edit to change a part of it.
    """
    data = _encoded(content)
    with place.change(path, editing.SIZE_MAX) as change:
        change.replace(data)
        return f"replaced {change.spot.label}, {_size(data)} (before: {_size(change.data)})"


@files.tool(effect="writes", repeatable=False, paths=("path",), needs="rw", guards=True, payload=("old", "new"))
def edit(place: Place, path: str, old: str, new: str) -> str:
    """Replace one piece of text in a file. path: the file; new: the text that takes the place of old.

    old: the exact text, with its spaces and line breaks; it must occur exactly once, so give a few lines around it.
    """
    with place.change(path, editing.SIZE_MAX) as change:
        data, line = editing.replaced_once(change.data, old, new, change.spot.label)
        change.replace(data)
        return f"edited {change.spot.label} at line {line}"


@files.tool(effect="writes", repeatable=False, paths=("path",), needs="rw", guards=True, payload=("diff",))
def patch(place: Place, path: str, diff: str) -> str:
    """Apply a unified diff to one file: all of it fits exactly, or nothing is changed.

    path: the file, whatever the diff's own header says; diff: hunks that begin with "@@ -12,3 +12,4 @@", then lines
    that begin with a space (kept), "-" (removed) or "+" (added).
    """
    with place.change(path, editing.SIZE_MAX) as change:
        data, hunks = patching.patched(change.data, diff, change.spot.label)
        if data == change.data:
            raise ToolError(f"the diff changes nothing in {change.spot.label}")
        change.replace(data)
        return f"patched {change.spot.label}: {hunks} {'hunk' if hunks == 1 else 'hunks'}"


def _listed(entry: Entry) -> str:
    name = shown(entry.name)
    if entry.kind == "folder":
        return f"{name}/\tfolder"
    if entry.kind == "file":
        return f"{name}\tfile\t{entry.size_bytes:,} bytes"
    if entry.target is not None:
        return f"{name}\tlink to {shown(entry.target) if not entry.target.startswith('/') else 'somewhere outside'}"
    return f"{name}\t{entry.kind}"


def _read_through(file: BinaryIO) -> dict[str, Any]:
    digest, lines, returns, last, binary = hashlib.sha256(), 0, 0, b"\n", False
    while chunk := file.read(1 << 20):
        digest.update(chunk)
        lines += chunk.count(b"\n")
        returns += chunk.count(b"\r")
        last = chunk[-1:]
        binary = binary or b"\x00" in chunk
    if not lines and returns:  # lines that end with CR alone
        lines, last = returns, b"\n" if last == b"\r" else last
    counted = {} if binary else {"lines": lines + (last != b"\n")}
    return {**counted, "sha256": digest.hexdigest()}


def _answer(found: searching.Results, narrower: str) -> str:
    notes: list[str] = []
    if found.more:
        notes.append(f"there are more than these {searching.RESULTS_MAX}; use {narrower}")
    if found.stopped:
        notes.append(found.stopped)
    if found.deeper:
        notes.append(found.deeper)
    return "\n".join(found.lines + ([f"[{'; '.join(notes)}]"] if notes else []))


def _encoded(content: str) -> bytes:
    try:
        data = content.encode()
    except UnicodeEncodeError as error:
        raise ToolError(f"the content has a half of a character at position {error.start}; write it as UTF-8") from None
    if len(data) > editing.SIZE_MAX:
        raise ToolError(f"the content is {len(data):,} bytes; at most {editing.SIZE_MAX:,} can be written at once")
    return data


def _size(data: bytes) -> str:
    lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    return f"{lines:,} {'line' if lines == 1 else 'lines'}, {len(data):,} bytes"
