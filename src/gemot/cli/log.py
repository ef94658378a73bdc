"""Log: what a process was told, said and did, read from the journal; beside a running machine or without one. Without a process: the
last that was said and done in all trees."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from gemot.cli.failing import DONE, Usage, columns_of, put
from gemot.cli.paint import coloured, painted
from gemot.cli.plain import HANGING_MIN, hanging, plain, plain_json
from gemot.cli.sight import is_running, known_home, noted_at_door
from gemot.cli.wording import Line, Teller, spans
from gemot.journal.contract import JournalError
from gemot.journal.sqlite import SqliteJournal
from gemot.machine.excerpts import Excerpt, NoProcess, NotIndexed, groups_after, noted_in
from gemot.machine.home import Home
from gemot.machine.notes import Changed, Note, Told, pid_of, to_json
from gemot.machine.snapshot import Snapshot
from gemot.machine.stretches import Noted
from gemot.programs.reading import Reading

LOOK_SECONDS = 0.2
"""How often the journal is looked at while a log is followed."""

SHOWN = 50
"""Records that are shown where no process is named, if nobody asks for more or for fewer."""

RECORDS_PER_SHOWN = 4
"""So many records of all trees have one that has something to tell, about."""

RECORDS_MAX = 5_000
"""Up to so many of the newest records of all trees, the trees are read one by one. For more of them all records are folded."""


class Part(NamedTuple):
    """Which part of a log is shown."""

    last: int = 0
    """So many records that have something to tell, the last; 0: all."""
    first: int = 0
    """The position to begin at; 0: the beginning."""
    all: bool = False
    """All of it, also where no process is named."""


Shown = tuple[int, list[str]]
"""A position, and the lines that it has."""


def log(home: Path | None, pid: int | None, follow: bool, as_json: bool, part: Part) -> int:
    if min(part.last, part.first) < 0 or sum(map(bool, part)) > 1:
        raise Usage("a log takes one of --last N, --from POSITION (numbers from 1 up) and --all")
    place = known_home(home)
    if pid is None and not any(part):
        part = Part(last=SHOWN)
    page = _Pages(place, as_json) if pid is None else _Page(_excerpt(place, pid, not as_json), pid, as_json)
    try:
        try:
            found = page.turn(part)
        except (NotIndexed, JournalError):  # written by an earlier version, or damaged: what is whole is shown
            page.close()
            page = _Page(Snapshot(place.journal, readings=pid is not None and not as_json), pid, as_json)
            found = page.turn(part)
        if pid is not None and not page.has(pid) and page.failure is None:
            raise NoProcess
        _show(found, part)
        if page.failure is not None:
            raise page.failure
        while follow and page.goes_on:
            time.sleep(LOOK_SECONDS)
            running = is_running(place) is not None
            found = page.turn(Part())
            _show(found, Part())
            if page.failure is not None:
                raise page.failure
            if not found and not running:
                break  # nobody runs this machine: it grows no more
        _print(page.end())
    except NoProcess:
        raise Usage(f"there is no process {pid}; gemot ps --all shows all there were") from None
    finally:
        page.close()
    return DONE


def _show(found: Iterable[Shown], part: Part) -> None:
    shown = [lines for position, lines in found if position >= part.first and lines]
    for lines in shown[-part.last :]:
        _print(lines)
    sys.stdout.flush()


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        put(line)


def _excerpt(place: Home, pid: int, readings: bool) -> Excerpt:
    def ask(journal: SqliteJournal) -> Noted:
        noted = noted_at_door(place, pid)
        return noted_in(journal, pid) if noted is None else noted

    return Excerpt(place.journal, ask, readings=readings)


class _Page:
    """The lines of one process, or of all (None), each time it is turned those that are new. Of an AI process one column has the numbers
    of the pages that its reading got."""

    def __init__(self, snapshot: Snapshot, pid: int | None, as_json: bool) -> None:
        self._snapshot, self._pid, self._json = snapshot, pid, as_json
        self._teller = Teller(full=True)
        self._colour = coloured(sys.stdout)
        self._reading: Reading | None = None
        self._told = 0
        """The number of the last page that was told of."""
        self.failure: JournalError | None = None
        """Why not all records could be folded."""

    def has(self, pid: int) -> bool:
        return pid in self._snapshot.kernel.processes

    @property
    def goes_on(self) -> bool:
        """Whether there may be more to tell."""
        process = None if self._pid is None else self._snapshot.kernel.processes.get(self._pid)
        return process is None or process.alive

    def turn(self, _: Part) -> list[Shown]:
        """What is new in the journal, up to the record that can't be folded. Of an excerpt raises ``JournalError``."""
        found: list[Shown] = []
        try:
            for record, told in self._snapshot.go_on():
                if self._pid is not None:
                    self._reading = self._snapshot.reading(self._pid) or self._reading
                lines = [line for note in told if self._is_mine(note) for line in self._lines(note)]
                at = (record.at - self._snapshot.kernel.lead) / 1000
                found.append((record.position, list(self._laid_out(record.position, at, lines))))
        except JournalError as error:
            if isinstance(self._snapshot, Excerpt):
                raise
            self.failure = error
        return found

    def _is_mine(self, note: Note) -> bool:
        if self._pid is None:
            return not isinstance(note, Changed) or note.pid > 0
        return pid_of(note) == self._pid or (isinstance(note, Told) and note.pid == self._pid)

    def _lines(self, note: Note) -> list[Line]:
        if self._json:
            return [Line(0, "quiet", plain_json(to_json(note)))]
        return [*self._teller.lines(note), *self._blanked(note)]

    def _blanked(self, note: Note) -> list[Line]:
        """What a retraction blanked of its own words, as it was: only a person reads that."""
        if self._pid is None or not isinstance(note, Changed) or not note.blank:
            return []
        return [
            Line(self._pid, "quiet", f"blank in its page {number}, where it had repeated that: {plain(text)}")
            for number, text in self._snapshot.unsaid(self._pid)
        ]

    def end(self) -> list[str]:
        """What of its reading is paged out at the end."""
        out = [] if self._reading is None else self._reading.out()
        if self._pid is None or self._reading is None or not out or self._json:
            return []
        shown = f"of its pages 1 to {len(self._reading)} these are paged out: {spans(out)}"
        return list(self._wrapped("", Line(self._pid, "quiet", shown)))

    def close(self) -> None:
        self._snapshot.close()

    def _laid_out(self, position: int, at: float, lines: list[Line]) -> Iterator[str]:
        if self._json:
            yield from (line.text for line in lines)
            return
        when = f"{position:>5} {time.strftime('%H:%M:%S', time.localtime(at))}" if lines else ""
        for index, line in enumerate(lines):
            yield from self._wrapped(when if index == 0 else "", line)

    def _wrapped(self, when: str, line: Line) -> Iterator[str]:
        column = f" {line.pid or '':>5}" if self._pid is None else ""
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
            yield f"{painted(lead, 'quiet', self._colour)} {text}".rstrip()
            lead = " " * len(lead)


class _Pages:
    """The newest lines of all trees. Each tree that has some is read by itself."""

    def __init__(self, place: Home, as_json: bool) -> None:
        self._place, self._json = place, as_json
        self._pages: dict[int, _Page] = {}
        self._position: int = 0
        """What is told of comes after it."""
        self._begun = False
        self._noted: Noted | None = None
        self.failure: JournalError | None = None

    def has(self, _: int) -> bool:
        return True

    @property
    def goes_on(self) -> bool:
        return True

    def turn(self, part: Part) -> list[Shown]:
        """What is new in the journal; the first time the part that was asked for. Raises :class:`NotIndexed`."""
        if not self._place.journal.exists():
            return []
        journal = SqliteJournal(self._place.journal, writing=False)
        try:
            end: int = journal.position
            if not self._begun:
                self._position = max(0, part.first - 1 if part.first else end - RECORDS_PER_SHOWN * part.last)
            if end - self._position > RECORDS_MAX or part.all:
                raise NotIndexed("so much is read faster as a whole")
            noted = noted_at_door(self._place, 0, self._position)
            if noted is None and (self._begun and end == self._position):
                return []
            self._noted = noted_in(journal, 0, self._position) if noted is None else noted
            groups = groups_after(journal, self._position, self._noted)
        finally:
            journal.close()
        found = [shown for group in groups for shown in self._turned(group)]
        self._begun, self._position = True, end
        return sorted(found)

    def _turned(self, group: int) -> list[Shown]:
        if group in self._pages:
            return self._pages[group].turn(Part())
        source = Excerpt(self._place.journal, lambda _: self._latest(), group)
        page = self._pages[group] = _Page(source, None, self._json)
        return [shown for shown in page.turn(Part()) if shown[0] > self._position]

    def _latest(self) -> Noted:
        assert self._noted is not None
        return self._noted

    def end(self) -> list[str]:
        return []

    def close(self) -> None:
        for page in self._pages.values():
            page.close()
