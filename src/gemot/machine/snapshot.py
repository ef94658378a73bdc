"""Snapshot: a journal only to be looked at, beside a running machine or without one. Nothing is written; no program runs
but, where readings are wanted, conversations, which are nothing but a fold.

Who looks at how things stand begins at the newest checkpoint (``recent``) and folds the records after it. Trees are read when they are
named. So it costs the same, however long the history is, and an old record that is damaged stops nobody. Only who looks back folds all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gemot.abi.events import Booted, Done, Event
from gemot.abi.messages import Message
from gemot.journal import endmark
from gemot.journal.contract import Record
from gemot.journal.database import is_broken_off
from gemot.journal.sqlite import SqliteJournal
from gemot.kernel import Kernel
from gemot.machine import calendar, checkpoint, notes, versions
from gemot.machine.clock import Clock
from gemot.machine.looking import Trees
from gemot.machine.whole import with_values

if TYPE_CHECKING:
    from gemot.machine.cast import Cast
    from gemot.programs.reading import Reading


class Snapshot:
    """The kernel's tables as the journal in ``path`` tells them; :meth:`go_on` takes in what was written since. ``readings``:
    AI processes have their readings, too. ``recent``: begin at the checkpoint, and see all as of one moment; to be closed soon."""

    def __init__(self, path: Path, readings: bool = False, recent: bool = False) -> None:
        self.kernel = Kernel()
        self._cast: Cast | None = None
        if readings:
            from gemot.machine.cast import Cast
            from gemot.programs.library import Library

            self._cast = Cast(self.kernel, Library({}, {}), self.text)
        self.position = 0
        self._path, self._recent = path, recent
        self._begun = 0
        """The position of the checkpoint that it began with."""
        self._journal: SqliteJournal | None = None

    def go_on(self) -> Iterator[tuple[Record, list[notes.Note]]]:
        """Fold the records that were not folded yet; gives each with what there is to tell about it.

        Raises ``JournalError``; after ``Damaged`` and ``TooOld`` the tables are as of the record before.
        """
        if self._journal is None:
            if not self._is_there():
                return
            self._journal = SqliteJournal(self._path, writing=False, moment=self._recent)
            if self._recent:
                self.position = self._begun = checkpoint.stand(self._journal, self.kernel)
            else:
                self.kernel.rules = versions.rules_first(self._journal)
        for record in self._journal.read(self.position):
            yield record, self.take(record)

    def _is_there(self) -> bool:
        """Whether there is a journal, or was one."""
        return self._path.exists() or is_broken_off(self._path) or endmark.names_a_record(self._path)

    def take(self, record: Record) -> list[notes.Note]:
        """Fold a record; returns what there is to tell about it."""
        rules = self.kernel.rules
        event = versions.read(record, rules)
        versions.must_fit(record, event, self.kernel)
        try:
            told = self._fold(event)
        except (AssertionError, LookupError, msgspec.DecodeError) as error:
            raise versions.misfit(record, rules, str(error)) from error
        self.position = record.position
        return told

    def fold(self) -> None:
        """Take in everything there is."""
        for _ in self.go_on():
            pass

    @property
    def trees(self) -> Trees:
        """All trees, also those that are not in memory."""
        return Trees(self.kernel, self._journal if self._begun else None)

    def reading(self, pid: int) -> Reading | None:
        """The reading of a living AI process."""
        if self._cast is None:
            return None
        from gemot.programs.conversation import Conversation

        program = self._cast.programs.get(pid)
        return program.pages if isinstance(program, Conversation) else None

    def unsaid(self, pid: int) -> list[tuple[int, str]]:
        """What the last retraction blanked of the own words of a living AI process: (page, the words as they were)."""
        if self._cast is None:
            return []
        from gemot.programs.conversation import Conversation
        from gemot.programs.paging import page_text

        program = self._cast.programs.get(pid)
        blanked = program.unsaid if isinstance(program, Conversation) else ()
        return [(number, page_text(Message("model", (part,)))) for number, _, part in blanked]

    def text(self, digest: str) -> str:
        """A text that the journal keeps."""
        assert self._journal is not None
        return self._journal.value(digest)

    def asleep(self) -> None:
        """Nobody runs this machine: show every tree as sleeping, as the next machine will find it."""
        clock = Clock()
        moved, _ = calendar.begin(self.kernel, clock)
        self.kernel.handle(Booted(self.kernel.now, lead=None if moved is None else moved.lead))
        if moved is not None:
            self.kernel.handle(moved)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _fold(self, event: Event) -> list[notes.Note]:
        told: list[notes.Note] = []
        if isinstance(event, Done):
            pid, tool = notes.whose(self.kernel, event.effect)
            if pid:
                told.extend(notes.of_done(event, pid, tool))
        effects = self.kernel.handle(with_values(event, self.kernel, self.text))
        told += notes.notes(self.kernel, event, effects)
        if self._cast is not None:
            for effect in effects:
                self._cast.play(effect)
        return told
