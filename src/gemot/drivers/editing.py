"""Changing the contents of a text file by exact replacement. Bytes in, bytes out; no disk here.

It works on the bytes of the file, so that whatever it doesn't touch stays as it is: encoding, byte order mark, line
ends, the missing line end of the last line. A model sees and writes plain line breaks: one of those fits each line end
that the file has, and what is put in gets the line ends of what it replaces.
"""

from __future__ import annotations

import re

from gemot.drivers.errors import ToolError
from gemot.drivers.likeness import code_point, nearest
from gemot.drivers.lines import Line, only_cr, paired_ends, split_lines, usual_end

SIZE_MAX = 16 << 20
"""Larger files are data; a program should change those, not a tool that holds all of it in memory."""
PLACES_MAX = 20
"""Occurrences that are counted before an edit is refused for them."""


def replaced_once(data: bytes, old: str, new: str, label: str) -> tuple[bytes, int]:
    """``data`` with the one occurrence of ``old`` replaced, and the line where it began."""
    if not old:
        raise ToolError("old is empty; give the exact text to replace (for a new file use files/write)")
    if old == new:
        raise ToolError("old and new are the same text, so there is nothing to change")
    if b"\x00" in data[:8192]:
        raise ToolError(f"{label} is binary; only text can be edited")
    _must_be_unicode(old, new)
    converts = old.replace("\r\n", "\n") == new.replace("\r\n", "\n")  # then the line ends are what is to be changed
    cr = only_cr(data)
    wanted = old.encode()
    places = [(at, at + len(wanted)) for at in _exact_places(data, wanted)] if converts else _places(data, old, cr)
    if not places:
        lines = [line.text for line in split_lines(data.decode(errors="surrogateescape"), cr)]
        asked = old.replace("\r\n", "\n").split("\n")
        raise ToolError(f"the text in old does not occur in {label}{nearest(lines, asked)}")
    newline = b"\r" if cr else b"\n"
    numbers = [data.count(newline, 0, start) + 1 for start, _ in places]
    if len(places) > 1:
        raise ToolError(
            f"the text in old occurs {len(places)}{' times or more' if len(places) >= PLACES_MAX else ' times'} in {label}, "
            f"at lines {', '.join(map(str, numbers))}; add lines around it until it occurs once"
        )
    start, stop = places[0]
    must_fit_encoding(data, new, label)
    instead = new if converts else _with_ends(data, start, stop, new, cr)
    return data[:start] + instead.encode() + data[stop:], numbers[0]


def _must_be_unicode(*texts: str) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ToolError(f"there is a half of a character at position {error.start}; write it as UTF-8") from None


def must_fit_encoding(data: bytes, text: str, label: str) -> None:
    """Raises :class:`ToolError` where ``text`` in UTF-8 would stand in a file of another encoding."""
    if text.isascii() or data.isascii():
        return
    decoded = data.decode(errors="surrogateescape")
    bad = next((at for at, letter in enumerate(decoded) if 0xDC80 <= ord(letter) <= 0xDCFF), None)
    if bad is None or any(ord(letter) > 0x7F and not 0xDC80 <= ord(letter) <= 0xDCFF for letter in decoded):
        return  # UTF-8, or UTF-8 with some bytes that are not
    foreign = next(letter for letter in text if not letter.isascii())
    line = decoded.count("\n", 0, bad) + 1
    raise ToolError(
        f"{label} is not UTF-8 (line {line} has {code_point(decoded[bad])}), so {code_point(foreign)} can't be written "
        "into it: two encodings would stand in one file. Nothing was changed. Write it with ASCII letters only, or ask "
        "the person to convert the file to UTF-8"
    )


def _exact_places(data: bytes, wanted: bytes) -> list[int]:
    places: list[int] = []
    at = data.find(wanted)
    while at >= 0 and len(places) < PLACES_MAX:
        places.append(at)
        at = data.find(wanted, at + 1)
    return places


def _places(data: bytes, old: str, cr: bool) -> list[tuple[int, int]]:
    """Where ``old`` is, its line breaks fitting whatever ends a line in the file."""
    plain = old.replace("\r\n", "\n")
    if cr:
        plain = plain.replace("\r", "\n")
    pieces = [re.escape(piece.encode()) for piece in plain.split("\n")]
    if len(pieces) == 1:
        return [(at, at + len(plain.encode())) for at in _exact_places(data, plain.encode())]
    pattern = re.compile((b"\r" if cr else rb"(?:\r\n|(?<!\r)\n)").join(pieces))
    places: list[tuple[int, int]] = []
    found = pattern.search(data)
    while found is not None and len(places) < PLACES_MAX:
        places.append(found.span())
        found = pattern.search(data, found.start() + 1)
    return places


def _with_ends(data: bytes, start: int, stop: int, new: str, cr: bool) -> str:
    """``new`` with the line ends of what stands there now."""
    texts = new.replace("\r\n", "\n")
    if cr:
        texts = texts.replace("\r", "\n")
    pieces = texts.split("\n")
    if len(pieces) == 1:
        return texts
    old = data[start:stop].decode(errors="surrogateescape")
    inside = split_lines(old, cr)
    # The last piece ends after the replaced text: its end is the file's own, and stays.
    after = split_lines(data[stop : stop + 65536].decode(errors="surrogateescape"), cr)[:1]
    before = split_lines(data[:start].decode(errors="surrogateescape"), cr)
    near = [line for line in (*after, *before[-2:]) if line.end]
    otherwise = near[0].end if near else usual_end(before)
    lines = [Line(text, end or otherwise) for text, end in inside]
    ends = paired_ends(lines, pieces, otherwise)
    return "".join(text + end for text, end in zip(pieces[:-1], ends, strict=False)) + pieces[-1]
