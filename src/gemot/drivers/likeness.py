"""Likeness: where in a file a text that does not occur there was probably meant, and what differs, by code point."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

LINES_MAX = 20_000
"""How far the place is looked for; a comparison takes some microseconds."""
_LINES_SHOWN_MAX = 12
_CHARS_SHOWN_MAX = 300
_COMPARED_MAX = 2_000
"""Characters of a line that are compared one by one."""
_NAMED_MAX = 3
"""Differences that are named one by one."""

_TWINS = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0408\u0405"
    "\u03bf\u03b1\u03bd\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u2018\u2019\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2212",
    "aeopcyxijsdhABEKMHOPCTXIJSoavABEZHIKMNOPTYX''\"\"------",
)
"""Letters and marks that look like others, as their ASCII twins."""


def skeleton(text: str) -> str:
    """The text as it looks: without what is not seen, with every twin as its ASCII letter, and blanks as one space."""
    plain = unicodedata.normalize("NFKC", text)
    seen = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cf", "Mn"))
    bare = unicodedata.normalize("NFD", seen.translate(_TWINS))
    return " ".join("".join(letter for letter in bare if unicodedata.category(letter) != "Mn").split())


def code_point(letter: str) -> str:
    """``U+00A0 (NO-BREAK SPACE)``; a byte that is no UTF-8, as ``surrogateescape`` carries it, as ``the byte 0xE9``."""
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:
        return f"the byte 0x{number - 0xDC00:02X}, which is no UTF-8"
    usual = {"\t": "TAB", "\r": "CR", "\x0b": "LINE TABULATION", "\x0c": "FORM FEED", "\x00": "NUL"}
    return f"U+{number:04X} ({usual.get(letter) or unicodedata.name(letter, 'a character without a name')})"


def difference(number: int, line: str, asked: str) -> str:
    """What sets line ``number`` of a file apart from a text that looks nearly the same; ``""`` where nothing does."""
    if line == asked:
        return ""
    if line.rstrip() == asked.rstrip():
        tail, typed = line[len(line.rstrip()) :], asked[len(asked.rstrip()) :]
        return f"line {number} ends with {_blanks(tail)} in the file, with {_blanks(typed)} in what was asked for"
    if line.lstrip() == asked.lstrip():
        head, typed = line[: -len(line.lstrip())], asked[: -len(asked.lstrip())]
        return f"line {number} begins with {_blanks(head)} in the file, with {_blanks(typed)} in what was asked for"
    named: list[str] = []
    for at, has, wants in _apart(line, asked)[:_NAMED_MAX]:
        here = " ".join(map(code_point, has[:2])) or "nothing"
        there = " ".join(map(code_point, wants[:2])) or "nothing"
        named.append(f"at character {at + 1} the file has {here} where {there} was asked for")
    return f"line {number}: " + "; ".join(named)


def _apart(line: str, asked: str) -> list[tuple[int, str, str]]:
    """The places where two short texts differ: a place in ``line``, what it has, and what was asked for."""
    import difflib

    one, other = line[:_COMPARED_MAX], asked[:_COMPARED_MAX]
    codes = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return [(first, one[first:last], other[start:stop]) for kind, first, last, start, stop in codes if kind != "equal"]


def _blanks(text: str) -> str:
    if not text:
        return "no blank"
    kinds = list(dict.fromkeys(text))
    return " and ".join(f"{text.count(kind)} x {code_point(kind)}" for kind in kinds[:_NAMED_MAX])


def nearest(lines: Sequence[str], asked: Sequence[str]) -> str:
    """Words for an error: the lines of a file that are most like those that were asked for, and what differs.

    ``lines``: decoded with ``surrogateescape``, without line ends.
    """
    import difflib

    lines = lines[:LINES_MAX]
    telling = max(range(len(asked)), key=lambda at: len(asked[at].strip()), default=0)
    key = " ".join(asked[telling].split())[:_CHARS_SHOWN_MAX] if asked else ""
    if not key:
        return ""
    readable = [_readable(line) for line in lines]
    squeezed = [" ".join(line.split())[:_CHARS_SHOWN_MAX] for line in readable]
    looks = skeleton(asked[telling])[:_CHARS_SHOWN_MAX]
    alike = [at for at, line in enumerate(lines) if squeezed[at] == key or _looks(line, looks)]
    if alike:
        at = max(alike, key=lambda at: _fitting(readable, asked, at - telling))
        same = squeezed[at] == key
        why = "; spaces, tabs or the lines around it differ. The closest place is" if same else ". The closest place is"
    else:
        near = difflib.get_close_matches(key, dict.fromkeys(squeezed), 1, 0.6)
        if not near:
            return ", nor anything like it; look at the file with files/read"
        at, why = squeezed.index(near[0]), ". The closest place is"
    top = max(at - telling, 0)
    shown = readable[top : max(at + 1, min(top + len(asked), top + _LINES_SHOWN_MAX))]
    words = f"{why} line {top + 1}:\n" + "\n".join(line[:_CHARS_SHOWN_MAX] for line in shown)
    return words + _told(lines, asked, at - telling)


def _looks(line: str, looks: str) -> bool:
    return (
        not line.isascii()
        and bool(looks)
        and skeleton(_readable(line[: 2 * _CHARS_SHOWN_MAX]))[:_CHARS_SHOWN_MAX] == looks
    )


def _fitting(lines: Sequence[str], asked: Sequence[str], top: int) -> int:
    """How many lines are as asked for, where the first of them stands at ``top``."""
    return sum(0 <= top + at < len(lines) and lines[top + at] == line for at, line in enumerate(asked[:200]))


def _told(lines: Sequence[str], asked: Sequence[str], top: int) -> str:
    """The lines that look like those asked for, and are not, each with its difference."""
    told: list[str] = []
    for at, wanted in enumerate(asked):
        place = top + at
        if not 0 <= place < len(lines) or lines[place] == wanted:
            continue
        line = lines[place]
        if _is_part(line, wanted, first=at == 0, last=at == len(asked) - 1):
            continue
        if "\N{REPLACEMENT CHARACTER}" in wanted and _readable(line) != line:
            bad = next(letter for letter in line if 0xDC80 <= ord(letter) <= 0xDCFF)
            told.append(
                f"line {place + 1} is not UTF-8: {code_point(bad)}, is shown as U+FFFD and can't be written in a text. "
                "Edit around it: give only text before or after it"
            )
        elif skeleton(_readable(line)) == skeleton(wanted):
            told.append(difference(place + 1, line, wanted))
        elif skeleton(wanted) and skeleton(wanted) in skeleton(_readable(line)):
            told.append(_within(place + 1, line, wanted))
    told = list(filter(None, told))[:_NAMED_MAX]
    return "\n[" + "; ".join(told) + "]" if told else ""


def _is_part(line: str, wanted: str, *, first: bool, last: bool) -> bool:
    """Whether the text fits: it may begin within its first line, and end within its last."""
    if first and last:
        return wanted in line
    return (first and line.endswith(wanted)) or (last and line.startswith(wanted))


def _within(number: int, line: str, wanted: str) -> str:
    """The difference of a part of a line."""
    line = line[:_COMPARED_MAX]
    at = max(range(len(line)), key=lambda at: _common(line[at : at + 400], wanted), default=0)
    begun = _common(line[at:], wanted)
    if begun >= len(wanted) or at + begun >= len(line):
        return ""
    here, there = line[at + begun], wanted[begun]
    return f"line {number}: at character {at + begun + 1} the file has {code_point(here)} where {code_point(there)} was asked for"


def _common(one: str, other: str) -> int:
    """How many letters two texts begin with alike."""
    count = 0
    for letter, twin in zip(one, other, strict=False):
        if letter != twin:
            break
        count += 1
    return count


def _readable(line: str) -> str:
    """The line as files/read shows it: bytes that are no UTF-8 as U+FFFD."""
    if line.isascii():
        return line
    return line.encode(errors="surrogateescape").decode(errors="replace")
