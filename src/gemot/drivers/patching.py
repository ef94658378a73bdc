"""Changing the contents of a text file by a unified diff. Bytes in, bytes out; no disk here.

Models count badly and copy well: the lines of a hunk decide where it goes, and its numbers only where several places
fit. Every line keeps its line end; an added one gets that of the line whose place it takes, or of its neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gemot.drivers.editing import must_fit_encoding
from gemot.drivers.errors import ToolError
from gemot.drivers.likeness import nearest
from gemot.drivers.lines import Line, only_cr, split_lines, usual_end

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_HUNK_HEADING = re.compile(r"@@(?: -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@| .*@@|\s*$)")
"""With its numbers, or as models also write it, without."""


def patched(data: bytes, diff: str, label: str) -> tuple[bytes, int]:
    """``data`` with every hunk of a unified diff applied, and the count of hunks. All of them fit, or it raises."""
    hunks = _hunks_of(diff)
    text = data.decode(errors="surrogateescape")
    bom = _BOM if text.startswith(_BOM) else ""
    lines = split_lines(text.removeprefix(bom), only_cr(data))
    for hunk in hunks:
        must_fit_encoding(data, "".join(line for kind, line in hunk.body if kind == "+"), label)
    numbers = [hunk.start for hunk in hunks]
    failure: ToolError | None = None
    # Where the numbers are out of order, too, the order of the lines is the better guess.
    for by_lines in (False, True) if numbers == sorted(numbers) else (True, False):
        order = sorted(hunks, key=lambda hunk: _only_place(lines, hunk)) if by_lines else hunks
        try:
            result, ended = _applied(lines, order, label)
        except ToolError as error:
            failure = failure or error
            continue
        new = bom + _joined(result, ended, usual_end(lines))
        return new.encode(errors="surrogateescape"), len(hunks)
    assert failure is not None
    raise failure


def _only_place(lines: Sequence[Line], hunk: _Hunk) -> int:
    """The one place in the file that the hunk fits, else where it says."""
    places = _places(lines, hunk.old, 0) if hunk.old else []
    return places[0] if len(places) == 1 else hunk.start


def _applied(lines: list[Line], hunks: Sequence[_Hunk], label: str) -> tuple[list[Line], bool]:
    """The lines with the hunks applied in this order, and whether the last one has a line end."""
    ended = not lines or lines[-1].end != ""
    usual = usual_end(lines)
    result: list[Line] = []
    done = 0  # lines of the file that are in the result or were removed
    shift = 0  # how far the file's lines are from where the diff says
    for hunk in hunks:
        at = _fit(lines, hunk, done, shift, f"hunk {hunk.number} of {len(hunks)} does not fit {label}")
        shift = at - hunk.start
        result += lines[done:at]
        replaced: list[str] = []  # line ends of removed lines that no added line has taken yet
        for kind, text in hunk.body:
            if kind == "+":
                beside = result[-1].end if result else lines[at].end if at < len(lines) else ""
                end = replaced.pop(0) if replaced else beside
                result.append(Line(text.removesuffix("\r"), "\r\n" if text.endswith("\r") else end or usual))
                continue
            if kind == " ":
                replaced.clear()
                result.append(lines[at])
            else:
                replaced.append(lines[at].end)
            at += 1
        done = at
        if done == len(lines) and hunk.ends_file is not None:
            ended = hunk.ends_file
    return result + lines[done:], ended


def _joined(lines: Sequence[Line], ended: bool, usual: str) -> str:
    """The file's text. Only its last line may be without a line end."""
    if not lines:
        return ""
    whole = "".join(line.text + (line.end or usual) for line in lines[:-1])
    return whole + lines[-1].text + ((lines[-1].end or usual) if ended else "")


@dataclass(frozen=True)
class _Hunk:
    number: int
    """Its place in the diff, from 1."""
    start: int
    """Where it should fit: an index into the file's lines."""
    body: list[tuple[str, str]]
    """Each line without its line end, after its kind: " ", "-" or "+"."""
    ends_file: bool | None
    """Whether the file's last line has a line end afterwards; None if the diff doesn't say."""
    placed: bool = True
    """Whether its heading has numbers."""

    @property
    def old(self) -> list[str]:
        return [line for kind, line in self.body if kind != "+"]

    def __str__(self) -> str:
        shown = [kind + line for kind, line in self.body[:40]]
        return "\n".join(shown + (["..."] if self.body[40:] else []))


def _hunks_of(diff: str) -> list[_Hunk]:
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    how = "write it like this:\n--- a/notes.md\n+++ b/notes.md\n@@ -1,2 +1,2 @@\n kept line\n-old line\n+new line"
    recounted, placed = _recounted(diff)
    try:
        files = PatchSet(recounted)
    except UnidiffParseError as error:
        raise ToolError(f"the diff can't be read ({str(error).strip()}); {how}") from None
    if len(files) > 1:
        raise ToolError(f"the diff is for {len(files)} files; give one file's part at a time")
    if not files or not files[0]:
        raise ToolError(f"the diff has no hunk in it; {how}")
    if "/dev/null" in (files[0].source_file, files[0].target_file):
        raise ToolError(
            "the diff makes or deletes a file; files/patch changes a file that exists, files/write makes one"
        )
    hunks: list[_Hunk] = []
    for number, hunk in enumerate(files[0], 1):
        body: list[tuple[str, str]] = []
        ends_file: bool | None = None
        for line in hunk:
            if line.line_type == "\\":
                ends_file = body[-1][0] == "-" if body else None
            else:
                body.append((line.line_type, line.value.removesuffix("\n")))
        insert_only = all(kind == "+" for kind, _ in body)
        start = hunk.source_start if insert_only else max(hunk.source_start - 1, 0)
        hunks.append(_Hunk(number, start, body, ends_file, placed[number - 1] if number <= len(placed) else True))
    return hunks


def _recounted(diff: str) -> tuple[str, list[bool]]:
    """The diff with the counts in its hunk headings taken from the hunks: models count badly, and the lines decide.
    Beside it whether each heading had numbers."""
    if diff.count("\r\n") == diff.count("\n"):
        diff = diff.replace("\r\n", "\n")
    lines = diff.rstrip("\n").split("\n")
    out: list[str] = []
    placed: list[bool] = []
    header, start, old, new = -1, 0, 0, 0
    said = (0, 0)  # the counts that the heading gives
    for place, line in enumerate(lines):
        after, third = (*lines[place + 1 : place + 3], "", "")[:2]
        heading = _HUNK_HEADING.match(line)
        names_file = line.startswith("--- ") and after.startswith("+++ ")
        if names_file and header >= 0:  # or a removed "-- a" and an added "++ b"
            open_yet = old < said[0] and new < said[1]
            names_file = bool(_HUNK_HEADING.match(third)) and not open_yet
        if heading:
            if header < 0 and not any(earlier.startswith("+++ ") for earlier in out):
                out += ["--- a", "+++ b"]
            header, start, old, new = len(out), int(heading[1] or 0), 0, 0
            said = (int(heading[2] or 1), int(heading[3] or 1)) if heading[1] else (0, 0)
            placed.append(heading[1] is not None)
        elif line.startswith("diff --git") or names_file:
            header = -1
        else:
            old += line[:1] in (" ", "-", "", "\r")
            new += line[:1] in (" ", "+", "", "\r")
        out.append(line)
        if header >= 0:
            out[header] = f"@@ -{start},{old} +{start},{new} @@"
    return "\n".join(out) + "\n", placed


def _fits(lines: Sequence[Line], old: Sequence[str], at: int) -> bool:
    return all(
        lines[at + i].text == line.removesuffix("\r") or lines[at + i].text == line for i, line in enumerate(old)
    )


def _places(lines: Sequence[Line], old: Sequence[str], first: int) -> list[int]:
    return [at for at in range(first, len(lines) - len(old) + 1) if _fits(lines, old, at)]


def _fit(lines: list[Line], hunk: _Hunk, first: int, shift: int, failure: str) -> int:
    """Where the hunk's old lines are: where the diff says, else at the one other place after ``first``."""
    old = hunk.old
    said = hunk.start + shift
    if not old:
        if not hunk.placed and lines:
            raise ToolError(
                f"{failure}: it only adds lines and its heading has no numbers, so nothing says where. Give a line of "
                "the file before or after them, with a space in front"
            )
        if not first <= hunk.start + shift <= len(lines):
            raise ToolError(
                f"{failure}: it only adds lines, at line {hunk.start}, where the file has {len(lines)} lines"
            )
        return said
    if first <= said <= len(lines) - len(old) and _fits(lines, old, said):
        return said
    places = _places(lines, old, first)
    if len(places) == 1:
        return places[0]
    if places:
        numbers = ", ".join(str(at + 1) for at in places[:10])
        raise ToolError(f"{failure} at line {said + 1}, but fits at lines {numbers}; correct the number after @@ -")
    passed = [at for at in _places(lines, old, 0) if at < first]
    if passed:
        raise ToolError(
            f"{failure} after the hunk before it, and nothing was changed: it fits at line {passed[0] + 1}, which that "
            "one has passed. Hunks stand in the file's order and do not overlap"
        )
    near = nearest([line.text for line in lines], [line.removesuffix("\r") for line in old])
    raise ToolError(f"{failure}, and nothing was changed{near}\nThe hunk:\n{hunk}")
