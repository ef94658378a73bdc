"""Replay: any journal folded to any position, with its programs but without a model, a key or a driver.

``check`` recomputes every decision: each syscall that a program made, each piece of work that the kernel started, each
refusal. The first one that comes out differently is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gemot.abi.events import Done
from gemot.abi.messages import Message
from gemot.abi.syscalls import Generate
from gemot.journal.contract import Damaged, TooOld
from gemot.journal.sqlite import SqliteJournal
from gemot.kernel import Kernel
from gemot.machine import notes
from gemot.machine.cast import Cast, Decided
from gemot.machine.recovery import folding
from gemot.programs.library import Library


class Replay:
    """A journal at a position. ``kernel``: the tables then. ``refusals``: what the kernel refused so far, with positions."""

    def __init__(self, path: Path, library: Library) -> None:
        self._journal = SqliteJournal(path, writing=False)
        self.kernel = Kernel()
        self.cast = Cast(self.kernel, library, self._journal.value)
        self.position = 0
        self.at = 0
        self.refusals: list[tuple[int, notes.Refused]] = []

    def fold(self, to: int | None = None) -> None:
        """Go on to position ``to`` (default: the end). Raises ``JournalError``."""
        for _ in self._folding(to):
            pass

    def check(self) -> str:
        """Recompute every decision; returns the first divergence in words, or ``""`` when there is none."""
        try:
            for divergence in self._folding(None):
                if divergence:
                    return f"record {self.position}: {divergence}"
        except (Damaged, TooOld) as error:
            return str(error)
        return ""

    def reading(self, pid: int) -> tuple[Message, ...]:
        """What the model of a living process would be shown at this moment. Empty where its program is not here."""
        program = self.cast.programs.get(pid)
        return () if program is None else program.reading(Generate())

    def close(self) -> None:
        self._journal.close()

    def _folding(self, to: int | None) -> Iterator[str]:
        decided: dict[int, Decided] = {}
        if to == 0:
            return
        expected = set[int]()
        for folded in folding(self._journal, self.kernel, self.cast, decided):
            self.position, self.at = folded.record.position, folded.record.at - self.kernel.lead
            wrong = folded.divergence
            if isinstance(folded.event, Done) and folded.event.effect not in expected:
                wrong = (
                    f"it reports the end of work {folded.event.effect}, which the kernel, recomputed, had not started"
                )
            expected = set(self.kernel.working)
            for note in notes.notes(self.kernel, folded.event, folded.effects):
                if isinstance(note, notes.Refused):
                    self.refusals.append((self.position, note))
            yield wrong
            if self.position == to:
                return
