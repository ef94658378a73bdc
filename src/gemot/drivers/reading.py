"""A text file, some lines at a time, bounded however large the file or its lines are."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import BinaryIO

from gemot.drivers.errors import ToolError
from gemot.drivers.lines import only_cr
from gemot.drivers.pictures import image_kind

CHARS_MAX = 200_000
"""The most text that one read returns; about 50,000 tokens, more than most readings hold."""
LINE_CHARS_MAX = 20_000
"""A longer line is cut: it is data, not prose, and would push everything else out."""
COUNTED_BYTES_MAX = 1 << 28
"""Lines after the wanted ones are counted up to here, about a second's work; beyond, the note says "more than"."""
REACHED_BYTES_MAX = 1 << 31
"""Lines further into a file than this are not looked for, since that takes longer than a tool may."""
CR_BYTES_MAX = 16 << 20
"""A larger file whose lines end with CR alone is shown as one line."""

_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_KINDS = (
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a WebP picture, a sound or a film"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\xff\xfe", "UTF-16 text, which must be converted to UTF-8 first"),
    (b"\xfe\xff", "UTF-16 text, which must be converted to UTF-8 first"),
)


def binary_kind(head: bytes) -> str | None:
    """What a file that begins so is, if it is not text that can be shown; else None."""
    for magic, kind in _KINDS:
        if head.startswith(magic):
            return kind
    return "binary data" if b"\x00" in head else None


@dataclass
class Excerpt:
    """Some lines of a file. ``lines`` have no line ends; ``ended`` says whether the last one had one in the file."""

    first_line: int
    lines: list[str] = field(default_factory=list[str])
    ended: bool = True
    line_count: int = 0
    counted_all: bool = True
    with_crlf: int = 0
    with_cr: bool = False
    replaced: bool = False
    cut: list[int] = field(default_factory=list[int])

    def text(self) -> str:
        """The lines as they are, then what a reader should know of them in brackets on a line of its own."""
        body = "\n".join(self.lines) + ("\n" if self.lines and self.ended else "")
        notes = self._notes()
        if not notes:
            return body
        return f"{body}{'' if body.endswith(chr(10)) or not body else chr(10)}[{'; '.join(notes)}]"

    def _notes(self) -> list[str]:
        notes: list[str] = []
        last = self.first_line + len(self.lines) - 1
        if self.line_count == 0:
            notes.append("the file is empty")
        elif last < self.line_count or self.first_line > 1 or not self.counted_all:
            total = f"{'' if self.counted_all else 'more than '}{self.line_count:,}"
            more = f"; go on with first_line={last + 1}" if last < self.line_count or not self.counted_all else ""
            notes.append(f"lines {self.first_line}-{last} of {total}{more}")
        if self.cut:
            numbers = ", ".join(map(str, self.cut[:5])) + (", ..." if self.cut[5:] else "")
            notes.append(f"cut to {LINE_CHARS_MAX:,} characters: line {numbers}")
        if self.replaced:
            notes.append("not UTF-8: what could not be read is shown as \N{REPLACEMENT CHARACTER}")
        if self.with_crlf:
            notes.append("lines end with CRLF in the file, shown as plain line breaks")
        if self.with_cr:
            notes.append("lines end with CR alone in the file, shown as plain line breaks")
        return notes


def excerpt(file: BinaryIO, label: str, first_line: int, line_max: int) -> Excerpt:
    """Lines ``first_line`` and on, at most ``line_max``, of an open file. Raises :class:`ToolError` if it is binary."""
    head = file.read(8192)
    kind = binary_kind(head)
    if kind is not None:
        size = file.seek(0, 2)
        other = "files/facts tells more" if image_kind(head) is None else "files/view shows it"
        raise ToolError(f"{label} is {kind}, {size:,} bytes, and can't be read as text; {other}")
    file.seek(len(_BOM) if head.startswith(_BOM) else 0)
    found = Excerpt(first_line)
    if b"\r" in head and b"\n" not in head:
        start = file.tell()
        whole = file.read(CR_BYTES_MAX + 1)
        if len(whole) <= CR_BYTES_MAX and only_cr(whole):
            file, found.with_cr = io.BytesIO(whole.replace(b"\r", b"\n")), True
        else:
            file.seek(start)
    chars = 0
    while found.line_count < first_line - 1 and _to_line_end(file)[0]:
        found.line_count += 1
    while len(found.lines) < line_max and chars < CHARS_MAX:
        raw = file.readline(LINE_CHARS_MAX * 4)
        if not raw:
            break
        found.line_count += 1
        left_out, found.ended = (0, True) if raw.endswith(b"\n") else _to_line_end(file)
        text, bad = _decoded(raw.removesuffix(b"\n"), left_out)
        if text.endswith("\r") and raw.endswith(b"\n"):
            text = text[:-1]
            found.with_crlf += 1
        if left_out > 2 or len(text) > LINE_CHARS_MAX:
            text = text[:LINE_CHARS_MAX]
            found.cut.append(found.line_count)
        found.lines.append(text)
        found.replaced |= bad
        chars += len(text) + 1
    if found.line_count and not found.lines:
        raise ToolError(f"{label} has {found.line_count:,} lines, so there is no line {first_line:,}")
    _count_rest(file, found)
    return found


def _decoded(raw: bytes, left_out: int) -> tuple[str, bool]:
    """The text, and whether some of it had to be replaced."""
    try:
        return raw.decode(), False
    except UnicodeDecodeError as error:
        if left_out and error.end == len(raw):  # the line was cut within a character
            return raw[: error.start].decode(), False
        return raw.decode(errors="replace"), True


def _to_line_end(file: BinaryIO) -> tuple[int, bool]:
    """Read on to the end of this line: how many bytes that were, and whether a line end was among them."""
    count = 0
    while chunk := file.readline(_CHUNK):
        count += len(chunk)
        if chunk.endswith(b"\n"):
            return count, True
        if file.tell() > REACHED_BYTES_MAX:
            raise ToolError(f"that is more than {REACHED_BYTES_MAX:,} bytes into the file, too far to read by lines")
    return count, False


def _count_rest(file: BinaryIO, found: Excerpt) -> None:
    start = file.tell()
    last = b"\n"
    while chunk := file.read(_CHUNK):
        found.line_count += chunk.count(b"\n")
        last = chunk[-1:]
        if file.tell() - start > COUNTED_BYTES_MAX:
            found.counted_all = not file.read(1)
            return
    found.line_count += last != b"\n"
