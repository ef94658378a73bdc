"""Changing the contents of a text file: an exact replacement, or a unified diff. Bytes in, bytes out; no disk here.

Both work on the bytes of the file, so that whatever they don't touch stays as it is: encoding, byte order mark, line
ends, the missing line end of the last line. A model sees and writes plain line breaks; where the file has CRLF, the
model's text is taken to mean that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gemot.drivers.errors import ToolError

SIZE_MAX = 16 << 20
"""Larger files are data; a program should change those, not a tool that holds all of it in memory."""
CLOSEST_LINES_MAX = 20_000
"""How far the place that was probably meant is looked for; a comparison takes some microseconds."""

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_HUNK_HEADING = re.compile(r"@@(?: -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@| .*@@|\s*$)")
"""With its numbers, or as models also write it, without."""


def replaced_once(data: bytes, old: str, new: str, label: str) -> tuple[bytes, int]:
    """``data`` with the one occurrence of ``old`` replaced, and the line where it began."""
    if not old:
        raise ToolError("old is empty; give the exact text to replace (for a new file use files/write)")
    if old == new:
        raise ToolError("old and new are the same text, so there is nothing to change")
    if b"\x00" in data[:8192]:
        raise ToolError(f"{label} is binary; only text can be edited")
    wanted, instead = old.encode(), new.encode()
    all_crlf = b"\r\n" in data and data.count(b"\n") == data.count(b"\r\n")
    if "\r" not in old and (all_crlf or (wanted not in data and b"\r\n" in data)):
        wanted, instead = wanted.replace(b"\n", b"\r\n"), instead.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    places = _places(data, wanted)
    if not places:
        raise ToolError(f"the text in old does not occur in {label}{_nearest(data, old)}")
    lines = [data.count(b"\n", 0, place) + 1 for place in places]
    if len(places) > 1:
        raise ToolError(
            f"the text in old occurs {len(places)}{' times or more' if len(places) >= 20 else ' times'} in {label}, "
            f"at lines {', '.join(map(str, lines))}; add lines around it until it occurs once"
        )
    return data[: places[0]] + instead + data[places[0] + len(wanted) :], lines[0]


def patched(data: bytes, diff: str, label: str) -> tuple[bytes, int]:
    """``data`` with every hunk of a unified diff applied, and the count of hunks. All of them fit, or it raises."""
    hunks = _hunks_of(diff)
    text = data.decode(errors="surrogateescape")
    bom = _BOM if text.startswith(_BOM) else ""
    lines = text.removeprefix(bom).split("\n")
    ended = lines[-1] == ""
    if ended:
        lines.pop()
    result: list[str] = []
    done = 0  # lines of the file that are in the result or were removed
    shift = 0  # how far the file's lines are from where the diff says
    for number, hunk in enumerate(hunks, 1):
        at = _fit(lines, hunk, done, shift, f"hunk {number} of {len(hunks)} does not fit {label}")
        shift = at - hunk.start
        result += lines[done:at]
        crlf = any(line.endswith("\r") for line in lines[max(at - 1, 0) : at + len(hunk.old) + 1])
        for kind, line in hunk.body:
            if kind == "+":
                result.append(line + "\r" if crlf and not line.endswith("\r") else line)
                continue
            if kind == " ":
                result.append(lines[at])
            at += 1
        done = at
        if done == len(lines) and hunk.ends_file is not None:
            ended = hunk.ends_file
    result += lines[done:]
    new = bom + "\n".join(result) + ("\n" if ended and result else "")
    return new.encode(errors="surrogateescape"), len(hunks)


@dataclass(frozen=True)
class _Hunk:
    start: int
    """Where it should fit: an index into the file's lines."""
    body: list[tuple[str, str]]
    """Each line without its line end, after its kind: " ", "-" or "+"."""
    ends_file: bool | None
    """Whether the file's last line has a line end afterwards; None if the diff doesn't say."""

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
    try:
        files = PatchSet(_recounted(diff))
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
    for hunk in files[0]:
        body: list[tuple[str, str]] = []
        ends_file: bool | None = None
        for line in hunk:
            if line.line_type == "\\":
                ends_file = body[-1][0] == "-" if body else None
            else:
                body.append((line.line_type, line.value.removesuffix("\n")))
        insert_only = all(kind == "+" for kind, _ in body)
        start = hunk.source_start if insert_only else max(hunk.source_start - 1, 0)
        hunks.append(_Hunk(start, body, ends_file))
    return hunks


def _recounted(diff: str) -> str:
    """The diff with the counts in its hunk headers taken from the hunks: models count badly, and the lines decide."""
    if diff.count("\r\n") == diff.count("\n"):
        diff = diff.replace("\r\n", "\n")
    lines = diff.rstrip("\n").split("\n")
    out: list[str] = []
    header, start, old, new = -1, 0, 0, 0
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        heading = _HUNK_HEADING.match(line)
        if heading:
            if header < 0 and not any(earlier.startswith("+++ ") for earlier in out):
                out += ["--- a", "+++ b"]
            header, start, old, new = len(out), int(heading[1] or 0), 0, 0
        elif line.startswith("diff --git") or (line.startswith("--- ") and after.startswith("+++ ")):
            header = -1
        else:
            old += line[:1] in (" ", "-", "", "\r")
            new += line[:1] in (" ", "+", "", "\r")
        out.append(line)
        if header >= 0:
            out[header] = f"@@ -{start},{old} +{start},{new} @@"
    return "\n".join(out) + "\n"


def _fit(lines: list[str], hunk: _Hunk, first: int, shift: int, failure: str) -> int:
    """Where the hunk's old lines are: where the diff says, else at the one other place after ``first``."""
    old = [line.removesuffix("\r") for line in hunk.old]
    said = hunk.start + shift
    if not old:
        if not first <= hunk.start + shift <= len(lines):
            raise ToolError(
                f"{failure}: it only adds lines, at line {hunk.start}, where the file has {len(lines)} lines"
            )
        return said

    def fits(at: int) -> bool:
        return all(lines[at + i].removesuffix("\r") == line for i, line in enumerate(old))

    last = len(lines) - len(old)
    if first <= said <= last and fits(said):
        return said
    places = [at for at in range(first, last + 1) if fits(at)]
    if len(places) == 1:
        return places[0]
    if places:
        numbers = ", ".join(str(at + 1) for at in places[:10])
        raise ToolError(f"{failure} at line {said + 1}, but fits at lines {numbers}; correct the number after @@ -")
    near = _nearest("\n".join(lines).encode(errors="surrogateescape"), "\n".join(old))
    raise ToolError(f"{failure}, and nothing was changed{near}\nThe hunk:\n{hunk}")


def _places(data: bytes, wanted: bytes) -> list[int]:
    places: list[int] = []
    at = data.find(wanted)
    while at >= 0 and len(places) < 20:
        places.append(at)
        at = data.find(wanted, at + 1)
    return places


def _nearest(data: bytes, wanted: str) -> str:
    """Words for an error: the lines that are most like the first telling line of ``wanted``."""
    import difflib

    lines = data.decode(errors="replace").splitlines()[:CLOSEST_LINES_MAX]
    asked = wanted.splitlines()
    telling = max(range(len(asked)), key=lambda i: len(asked[i].strip()), default=0)
    key = " ".join(asked[telling].split())[:300] if asked else ""
    if not key:
        return ""
    squeezed = [" ".join(line.split())[:300] for line in lines]
    if key in squeezed:
        at, why = squeezed.index(key), "; spaces, tabs or the lines around it differ. The closest place is"
    else:
        near = difflib.get_close_matches(key, dict.fromkeys(squeezed), 1, 0.6)
        if not near:
            return ", nor anything like it; look at the file with files/read"
        at, why = squeezed.index(near[0]), ". The closest place is"
    top = max(at - telling, 0)
    some = lines[top : max(at + 1, min(top + len(asked), top + 12))]
    return f"{why} line {top + 1}:\n" + "\n".join(line[:300] for line in some)
