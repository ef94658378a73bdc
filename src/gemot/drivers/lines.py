"""Lines of a file with the line ends that each of them has, so that a change keeps those that it does not touch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_BREAK = re.compile("(\r\n|\n)")


class Line(NamedTuple):
    """One line: its text, and what ends it (``""`` only for the last one of a file)."""

    text: str
    end: str


def only_cr(data: bytes) -> bool:
    """Whether the file's lines end with CR alone, as on old Macs."""
    return b"\r" in data and b"\n" not in data


def split_lines(text: str, cr: bool) -> list[Line]:
    """The lines of a text. ``cr``: they end with CR alone."""
    pieces = re.split("(\r)", text) if cr else _BREAK.split(text)
    lines = [Line(pieces[at], pieces[at + 1]) for at in range(0, len(pieces) - 1, 2)]
    return lines + ([Line(pieces[-1], "")] if pieces[-1] else [])


def usual_end(lines: Sequence[Line]) -> str:
    """The line end that most of the lines have."""
    ends = [line.end for line in lines if line.end]
    return max(sorted(set(ends), key=ends.index), key=ends.count) if ends else "\n"


def paired_ends(old: Sequence[Line], new: Sequence[str], otherwise: str) -> list[str]:
    """A line end for each line of ``new``: that of the line in ``old`` whose place it takes, else of the one before."""
    import difflib

    given = {line.end for line in old}
    if len(given) < 2:
        return [next(iter(given), otherwise)] * len(new)
    ends: list[str] = []
    matcher = difflib.SequenceMatcher(None, [line.text for line in old], new, autojunk=False)
    for _, first, last, start, stop in matcher.get_opcodes():
        for number in range(stop - start):
            at = min(first + number, last - 1) if last > first else first - 1
            ends.append(old[max(at, 0)].end)
    return ends
