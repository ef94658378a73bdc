"""Plain text: what strangers wrote, made safe to show. Control characters become visible; nothing is interpreted.

Models, files and tools write what is shown on a person's terminal. An escape sequence in it could rewrite what the person
sees, or says yes to; a direction mark could turn a path around. Every such character is shown as what it is.
"""

from __future__ import annotations

import re
import unicodedata

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def _visible(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def plain(text: str, chars_max: int | None = None) -> str:
    """``text`` with its line breaks, and nothing else that a terminal would act on."""
    cut = text if chars_max is None or len(text) <= chars_max else text[:chars_max]
    shown = _CONTROL.sub(_visible, cut.replace("\r\n", "\n").replace("\t", "    "))
    return shown if cut is text else f"{shown} [... {len(text) - len(cut):,} more characters]"


def one_line(text: str, chars_max: int = 400) -> str:
    """``text`` in one line: white space is one space, and what is too long ends in dots."""
    cut = text[: chars_max * 2]
    joined = _CONTROL.sub(_visible, " ".join(cut.split()))
    return joined if len(joined) <= chars_max and len(cut) == len(text) else joined[:chars_max] + "..."


def first_line(text: str, chars_max: int = 160) -> str:
    """The first line that says something; dots where there is more."""
    stripped = text.strip()
    head, _, rest = stripped.partition("\n")
    shown = one_line(head, chars_max)
    return f"{shown} ..." if rest and not shown.endswith("...") else shown


def width(text: str) -> int:
    """How many columns of a terminal ``text`` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF") for one in text)


def fitted(text: str, columns: int) -> str:
    """``text`` cut so that it takes at most ``columns``."""
    if width(text) <= columns:
        return text
    taken = ""
    for one in text:
        if width(taken + one) > columns - 1:
            break
        taken += one
    return taken + "…"
