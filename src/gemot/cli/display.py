"""Displays: where a followed run is shown. Nothing, JSON, plain lines; the live screen is in `live`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Sequence
from typing import Protocol

from gemot.abi.effects import Asked
from gemot.cli.failing import columns_of, put, say
from gemot.cli.paint import coloured, painted
from gemot.cli.plain import hanging, plain_json
from gemot.cli.tree import rows, total
from gemot.cli.wording import Line, Teller
from gemot.machine.notes import Note, Words, to_json
from gemot.machine.views import ProcessView
from gemot.machine.wishes import Answer

TREE_ROWS_MAX = 60
"""How much of a tree is shown at the end of a run; `gemot tree` shows all of it."""


class Display(Protocol):
    """``asks_here``: the person can be asked at this terminal. ``tick_seconds``: how often :meth:`tree` is wanted, 0: never."""

    asks_here: bool
    tick_seconds: float

    def show(self, note: Note) -> None: ...

    def tree(self, views: Sequence[ProcessView], roots: Sequence[int]) -> None: ...

    async def ask(self, asked: Asked) -> Answer | None:
        """The person's answer, or None when they leave it open."""
        ...

    def word(self, text: str) -> None:
        """Something about the run itself."""
        ...

    def end(self, views: Sequence[ProcessView], roots: Sequence[int]) -> None:
        """The last look at the trees."""
        ...


@contextlib.contextmanager
def shown(display: Display) -> Generator[Display]:
    """``display``, and whatever goes wrong, the terminal is left as it was found: a live screen hides the cursor."""
    try:
        yield display
    except BaseException:
        display.end((), ())
        raise


class Quiet:
    """Shows nothing."""

    asks_here = False
    tick_seconds = 0.0

    def show(self, note: Note) -> None:
        pass

    def tree(self, views: Sequence[ProcessView], roots: Sequence[int]) -> None:
        pass

    async def ask(self, asked: Asked) -> Answer | None:
        return None

    def word(self, text: str) -> None:
        pass

    def end(self, views: Sequence[ProcessView], roots: Sequence[int]) -> None:
        pass


class Json(Quiet):
    """One note a line on the standard output."""

    def show(self, note: Note) -> None:
        put(plain_json(to_json(note)))
        sys.stdout.flush()


class Lines(Quiet):
    """Plain lines beside the result: for pipes, logs and simple terminals."""

    def __init__(self) -> None:
        self._teller = Teller()
        self._colour = coloured(sys.stderr)

    def show(self, note: Note) -> None:
        if isinstance(note, Words):
            return  # the whole reply follows, and lines of several processes are not mixed up
        for line in self._teller.lines(note):
            self.line(line)

    def line(self, line: Line) -> None:
        if line.style != "quiet":
            lead, columns = f"{line.pid:>3} | ", columns_of(sys.stderr)
            for piece in [line.text] if columns is None else hanging(line.text, max(20, columns - len(lead))):
                say(f"{lead}{painted(piece, line.style, self._colour)}")

    def word(self, text: str) -> None:
        say(painted(text, "state", self._colour))

    def end(self, views: Sequence[ProcessView], roots: Sequence[int]) -> None:
        print_tree(views, roots, self._colour)


def print_tree(views: Sequence[ProcessView], roots: Sequence[int], colour: bool) -> None:
    if not views:
        return  # the machine is gone, and with it what it could have told
    for row in rows(views, roots, TREE_ROWS_MAX):
        say(painted(row.text, row.style, colour))
    say(painted(total(views, roots), "state", colour))
