"""Plain text: what strangers wrote, made safe to show. What can't be seen becomes visible; nothing is interpreted.

Models, files and tools write what is shown on a person's terminal. An escape sequence in it could rewrite what the person
sees, or says yes to; a direction mark could turn a path around. Every such character is shown as what it is.
"""

from __future__ import annotations

import json
import re
import unicodedata

from gemot.authority.quoting import told_apart, unseen, visible


def plain(text: str, chars_max: int | None = None) -> str:
    """``text`` with its line breaks, and nothing else that a terminal would act on."""
    cut = text if chars_max is None or len(text) <= chars_max else text[:chars_max]
    shown = visible(told_apart(cut.replace("\r\n", "\n").replace("\t", "    "), is_path=True))
    return shown if cut is text else f"{shown} [... {len(text) - len(cut):,} more characters]"


FOREIGN = "(from who has read third parties' text)"
"""What stands before words that may be somebody else's."""

_LINK = re.compile(
    r"(?i)\b([a-z][a-z0-9+.-]{1,30}):(?=//)|\b(mailto|javascript|data|file|tel|sms):(?=\S)|\b(www)\.(?=\w)"
)


def inert(text: str) -> str:
    """Links that no terminal makes one to click: ``https[:]//example.org``, with its host spelled so that no letter of it can
    pass for another."""
    return _LINK.sub(
        lambda link: f"{link[1] or link[2]}[:]" if link[1] or link[2] else f"{link[3]}[.]", told_apart(text)
    )


def plain_json(line: str) -> str:
    """A line of JSON that means the same, and that a terminal shows and does not obey."""
    hidden = unseen(line) | {at for at, one in enumerate(line) if one in "\x7f\n"}
    return "".join([json.dumps(one)[1:-1] if at in hidden else one for at, one in enumerate(line)]) if hidden else line


def one_line(text: str, chars_max: int = 400) -> str:
    """``text`` in one line: white space is one space, and what is too long ends in dots."""
    cut = text[: chars_max * 2]
    joined = visible(told_apart(" ".join(cut.split()), is_path=True))
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


def folded(text: str, columns: int) -> list[str]:
    """``text`` in pieces of at most ``columns``, if possible between words.

    A line that the terminal broke could have its rest pose as another line. So what some terminals take to be wide is wide.
    """
    pieces: list[str] = []
    start = taken = 0
    for at, one in enumerate(text) if not text.isascii() or len(text) > columns else ():
        wide = 1 if one.isascii() else _widest(one)
        if taken + wide > columns:
            space = text.rfind(" ", start + columns // 2, at) + 1
            end = space or at
            pieces.append(text[start:end])
            taken = sum(map(_widest, text[end:at]))
            start = end
        taken += wide
    return [*pieces, text[start:]]


def hanging(text: str, columns: int, lead: str = "") -> list[str]:
    """``text`` in lines of at most ``columns``, broken between words; those after the first begin with ``lead``, where that
    leaves them room."""
    lead = lead if columns - len(lead) >= HANGING_MIN else ""
    first = folded(text, max(1, columns))[0]
    rest = text[len(first) :]
    pieces = [lead + piece for piece in folded(rest, max(1, columns - len(lead)))] if rest else []
    return [first, *pieces] if not pieces else [one.rstrip() for one in (first, *pieces)]


HANGING_MIN = 20
"""Lines have something before them only where so many columns are left to them."""


def _widest(one: str) -> int:
    """The most columns that any terminal gives a character."""
    if one.isascii() or (unicodedata.category(one)[0] == "L" and unicodedata.east_asian_width(one) not in "WF"):
        return 1
    return 2
