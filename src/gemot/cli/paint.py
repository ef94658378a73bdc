"""Paint: which style looks how; colour only where there is a terminal that wants it."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from gemot.cli.failing import columns_of, put
from gemot.cli.plain import fitted, hanging
from gemot.cli.wording import Style

PALETTE: dict[Style, tuple[str, str]] = {
    "words": ("", ""),
    "use": ("36", "cyan"),
    "refused": ("31", "red"),
    "mail": ("35", "magenta"),
    "state": ("2", "dim"),
    "done": ("32", "green"),
    "failed": ("31", "red"),
    "ask": ("33;1", "bold yellow"),
    "quiet": ("2", "dim"),
}
"""Style -> the terminal's code, and the same for rich."""


def coloured(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")


def print_line(text: str, style: Style = "words") -> None:
    """A line, cut to the terminal's width where there is one."""
    columns = columns_of(sys.stdout)
    put(painted(text if columns is None else fitted(text, columns), style, coloured(sys.stdout)))


def print_whole(text: str, style: Style = "words", lead: str = "") -> None:
    """All of a line: a terminal gets it broken between words, ``lead`` before what follows the first piece."""
    columns = columns_of(sys.stdout)
    for line in [text] if columns is None else hanging(text, columns, lead):
        put(painted(line, style, coloured(sys.stdout)))


def painted(text: str, style: Style, colour: bool) -> str:
    code = PALETTE[style][0]
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text
