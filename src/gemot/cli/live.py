"""The live screen: what is said streams by above, the tree stands below, asks come in between."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live as RichLive
from rich.text import Text

from gemot.abi.effects import Asked
from gemot.cli import asking
from gemot.cli.display import TREE_ROWS_MAX
from gemot.cli.paint import PALETTE
from gemot.cli.plain import folded, one_line, plain
from gemot.cli.tree import rows, total
from gemot.cli.wording import Line, Style, Teller
from gemot.machine.notes import Asking, Note, Spoke, Words
from gemot.machine.views import ProcessView
from gemot.machine.wishes import Answer

UNFINISHED_CHARS_MAX = 2_000
"""A line that a model has begun and not ended is shown on the tree; longer than this it is broken."""


class Live:
    asks_here = True
    tick_seconds = 0.12

    def __init__(self) -> None:
        self._console = Console(
            stderr=True, highlight=False, markup=False, emoji=False, no_color=bool(os.environ.get("NO_COLOR")) or None
        )
        self._teller = Teller()
        self._saying: dict[int, str] = {}
        self._said: set[int] = set()
        self._views: Sequence[ProcessView] = ()
        self._roots: Sequence[int] = ()
        self._held: list[Text] | None = None
        self._live: RichLive | None = self._begin()
        self.asks_here = _at_the_keyboard()

    def _begin(self) -> RichLive:
        live = RichLive(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
            get_renderable=self._screen,
        )
        live.start()
        return live

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, note: Note) -> None:
        match note:
            case Words(pid, text):
                self._heard(pid, text)
            case Asking() if self.asks_here:
                pass  # it is about to be asked, with all that belongs to it
            case Spoke(pid):
                rest = self._saying.pop(pid, "")
                if rest.strip():
                    self._print(Line(pid, "words", plain(rest)))
                if pid in self._said:
                    self._said.discard(pid)
                    return
                self._tell(note)
            case _:
                self._tell(note)

    def _tell(self, note: Note) -> None:
        for line in self._teller.lines(note):
            if line.style != "quiet":
                self._print(line)

    def _heard(self, pid: int, text: str) -> None:
        """Words come in pieces. Whole lines are printed; the line that is being said stands on the tree."""
        self._said.add(pid)
        *whole, rest = (self._saying.get(pid, "") + text).split("\n")
        if len(rest) > UNFINISHED_CHARS_MAX:
            whole, rest = [*whole, rest], ""
        for line in whole:
            if line.strip():
                self._print(Line(pid, "words", plain(line)))
        self._saying[pid] = rest

    def _print(self, line: Line) -> None:
        begins = f"{line.pid:>3} "
        for piece in folded(line.text, max(20, self._console.size.width - len(begins) - 3)):  # none can pose as our own
            text = Text(begins, style="dim")
            text.append("| ")
            text.append(Text(piece, style=PALETTE[line.style][1]))
            self._put(text)

    def _put(self, text: Text) -> None:
        if self._held is not None:
            self._held.append(text)
        else:
            self._console.print(text)

    def word(self, text: str) -> None:
        self._put(Text(text, style="dim"))

    def tree(self, views: Sequence[ProcessView], roots: Sequence[int]) -> None:
        self._views, self._roots = views, roots
        if self._live is not None:
            self._live.refresh()

    def _screen(self) -> Text:
        height = max(3, self._console.size.height // 2)
        screen = Text(no_wrap=True, overflow="ellipsis")
        for row in rows(self._views, self._roots, height):
            screen.append(row.text, PALETTE[row.style][1])
            saying = self._saying.get(row.pid, "") if row.alive else ""
            if saying.strip():
                screen.append(f'  "{one_line(saying[-60:])}', "italic")
            screen.append("\n")
        if self._views:
            screen.append(total(self._views, self._roots), "dim")
        return screen

    async def ask(self, asked: Asked) -> Answer | None:
        """The tree makes room for the question; what others say meanwhile comes after the answer."""
        self._stop()
        self._held = []
        try:
            for index, one in enumerate(asking.shown(asked)):
                style: Style = "ask" if index == 0 else "words"
                self._console.print(Text(one, style=PALETTE[style][1]))
            while True:
                self._console.print(Text(asking.prompt(asked)), end="")
                typed = await asking.line()
                if typed is None:
                    self._console.print()
                    return Answer(asked.ask, False) if asked.tool or asked.actions else None
                if typed.strip().lower() == "show" and (asked.tool or asked.plan or asked.actions):
                    for one in asking.whole(asked):
                        self._console.print(Text(one))
                    continue
                answer = asking.understood(asked, typed)
                if answer is not None:
                    return answer
                known = (
                    "y, n, a or t, or show to see all of it"
                    if asked.tool
                    else "y, n, or the numbers of what it may do: 1 3"
                    if asked.actions
                    else "one of these"
                    if asked.options
                    else "an answer, or Ctrl-D to leave it open"
                )
                self._console.print(Text(f"type {known}"))
        except asyncio.CancelledError:
            self._console.print(Text("\n(no answer is needed here any more)", style="dim"))
            raise
        finally:
            held, self._held = self._held or [], None
            for text in held:
                self._console.print(text)
            self._live = self._begin()

    def end(self, views: Sequence[ProcessView], roots: Sequence[int]) -> None:
        self._stop()
        if not views:
            return  # the machine is gone, and with it what it could have told
        for row in rows(views, roots, TREE_ROWS_MAX):
            text = Text(row.text, style=PALETTE[row.style][1], no_wrap=True, overflow="ellipsis")
            self._console.print(text, no_wrap=True, overflow="ellipsis")
        self._console.print(Text(total(views, roots), style="dim"))


def _at_the_keyboard() -> bool:
    """Whether this process may read from its terminal: one in the shell's background would be stopped for it."""
    if not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False
