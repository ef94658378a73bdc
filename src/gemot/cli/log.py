"""Log: what a process was told, said and did, read from the journal; beside a running machine or without one."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gemot.cli.failing import DONE, Usage, columns_of, put
from gemot.cli.paint import coloured, painted
from gemot.cli.plain import HANGING_MIN, hanging, plain, plain_json
from gemot.cli.reach import is_running, known_home
from gemot.cli.wording import Line, Teller, spans
from gemot.machine.notes import Changed, Note, Told, pid_of, to_json
from gemot.machine.snapshot import Snapshot
from gemot.programs.reading import Reading

LOOK_SECONDS = 0.2
"""How often the journal is looked at while a log is followed."""


def log(home: Path | None, pid: int, follow: bool, as_json: bool) -> int:
    place = known_home(home)
    snapshot = Snapshot(place.journal, readings=not as_json)
    page = _Page(snapshot, pid, as_json)
    try:
        page.turn()
        process = snapshot.kernel.processes.get(pid)
        if process is None:
            known = sorted(snapshot.kernel.processes)
            there = f"there are {known[0]} to {known[-1]}" if known else "there was none yet"
            raise Usage(f"there is no process {pid}; {there}. gemot ps --all shows them")
        while follow and process.alive:
            time.sleep(LOOK_SECONDS)
            running = is_running(place) is not None
            if not page.turn() and not running:
                break  # nobody runs this machine: it grows no more
        page.end()
    finally:
        snapshot.close()
    return DONE


class _Page:
    """Prints what is new of one process each time it is turned. Of an AI process one column has the numbers of the pages
    that its reading got."""

    def __init__(self, snapshot: Snapshot, pid: int, as_json: bool) -> None:
        self._snapshot, self._pid, self._json = snapshot, pid, as_json
        self._teller = Teller(full=True)
        self._colour = coloured(sys.stdout)
        self._reading: Reading | None = None
        self._told = 0
        """The number of the last page that was told of."""

    def turn(self) -> bool:
        """Says whether there was anything new in the journal."""
        news = False
        for record, told in self._snapshot.go_on():
            news = True
            self._reading = self._snapshot.reading(self._pid) or self._reading
            for note in told:
                mine = pid_of(note) == self._pid or (isinstance(note, Told) and note.pid == self._pid)
                if not mine:
                    continue
                if self._json:
                    put(plain_json(to_json(note)))
                    continue
                when = f"{record.position:>5} {time.strftime('%H:%M:%S', time.localtime((record.at - self._snapshot.kernel.lead) / 1000))}"
                lines = [*self._teller.lines(note), *self._blanked(note)]
                for index, line in enumerate(lines):
                    self._print(when if index == 0 else "", line)
        sys.stdout.flush()
        return news

    def _blanked(self, note: Note) -> list[Line]:
        """What a retraction blanked of its own words, as it was: only a person reads that."""
        if not isinstance(note, Changed) or not note.blank:
            return []
        return [
            Line(self._pid, "quiet", f"blank in its page {number}, where it had repeated that: {plain(text)}")
            for number, text in self._snapshot.unsaid(self._pid)
        ]

    def end(self) -> None:
        """What of its reading is paged out at the end."""
        out = [] if self._reading is None else self._reading.out()
        if self._reading is not None and out and not self._json:
            shown = f"of its pages 1 to {len(self._reading)} these are paged out: {spans(out)}"
            self._print("", Line(self._pid, "quiet", shown))

    def _print(self, when: str, line: Line) -> None:
        column = ""
        if self._reading is not None:
            last, first = len(self._reading), self._told + 1
            new = "" if last < first else str(last) if first == last else f"{first}-{last}"
            self._told = max(self._told, last)
            column = f" {new:>7}"
        lead = f"{when:<14}{column}"
        columns = columns_of(sys.stdout)
        pieces = [line.text] if columns is None else hanging(line.text, max(HANGING_MIN, columns - len(lead) - 1))
        for piece in pieces:
            text = painted(piece, line.style, self._colour)
            put(f"{painted(lead, 'quiet', self._colour)} {text}".rstrip())
            lead = " " * len(lead)
