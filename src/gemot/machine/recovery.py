"""Recovery: open the journal, fold it, and the machine is where it was. Readable in one screen.

The fold begins at the newest checkpoint, or at the first record where there is none. It runs the same kernel and the same programs over the recorded events; nothing outside is touched. A syscall that
was decided but not recorded (the machine stopped in between) is decided again, by the same program on the same log.
What was at work outside is sorted out by the kernel: `Booted` marks it, `Resumed` repeats it or answers "in doubt".

Each record is decided by the rules that the `Booted` before it names (:mod:`gemot.machine.versions`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from gemot.abi.effects import Effect
from gemot.abi.events import Booted, Event, Faulted, Trapped
from gemot.journal.contract import Journal, Record
from gemot.kernel import Kernel
from gemot.machine import checkpoint, versions
from gemot.machine.cast import Cast, Decided
from gemot.machine.stretches import Stretches
from gemot.machine.whole import with_values
from gemot.programs.conversation import Conversation
from gemot.programs.library import Library
from gemot.programs.port import Divergence, Fault


class Readable(Protocol):
    """What of a journal folding needs."""

    @property
    def value(self) -> Callable[[str], str]: ...

    def read(self, after: int = 0, pid: int | None = None) -> Iterator[Record]: ...


@dataclass(frozen=True)
class Folded:
    """One record, taken in. ``divergence``: the program decided something else than its log says."""

    record: Record
    event: Event
    effects: list[Effect]
    divergence: str = ""


@dataclass(frozen=True)
class Opened:
    """``decided``: by pid, what programs decided that is not recorded yet. ``aged``: some of what was read is another version's."""

    decided: dict[int, Decided]
    aged: bool


def fold(
    journal: Journal, kernel: Kernel, cast: Cast, writing: bool = True, stretches: Stretches | None = None
) -> Opened:
    """Bring ``kernel`` and ``cast`` to the journal's end. ``writing=False``: try only whether that can be done. ``stretches``: notes the
    records that are folded.

    Raises :class:`Damaged` at the first record that can't be read, :class:`TooOld` at the first one that was decided by rules
    that are not kept, :class:`TooNew` at the first one that a newer gemot wrote.
    """
    decided: dict[int, Decided] = {}
    after, aged = checkpoint.restore(journal, kernel, cast, writing, stretches)
    for folded in folding(journal, kernel, cast, decided, after, stretches):
        aged = aged or (isinstance(folded.event, Booted) and not versions.is_ours(folded.event))
    return Opened({pid: one for pid, one in decided.items() if kernel.process(pid) is not None}, aged)


def must_open(path: Path, library: Library) -> None:
    """Look, before anything is written, whether the journal in a file can be opened by this version. One that it wrote itself is only read
    through. Raises ``JournalError``."""
    from gemot.journal.sqlite import SqliteJournal

    if not path.exists():
        return
    journal = SqliteJournal(path, writing=False)
    try:
        if not _is_ours(journal):
            must_fold(journal, library)
    finally:
        journal.close()


def must_fold(journal: Journal, library: Library) -> None:
    """Fold a journal to its end, as opening does, and keep nothing of that. Raises ``JournalError`` where it can't be folded."""
    kernel = Kernel()
    cast = Cast(kernel, library, journal.value, journal.pieces)
    fold(journal, kernel, cast, writing=False)
    for pid in list(cast.programs):
        cast.forget(pid)


def _is_ours(journal: Journal) -> bool:
    """Whether this version wrote all that opening reads. Raises :class:`TooNew` for what it can't have written."""
    found = checkpoint.of(journal)
    if found is not None and not checkpoint.is_ours(found[1]):
        return False
    rules = versions.rules_first(journal) if found is None else found[1].rules
    for record in journal.read(0 if found is None else found[0]):
        event = versions.read(record, rules)
        if isinstance(event, Booted):
            if not versions.is_ours(event):
                return False
            rules = event.rules
    return True


def folding(
    journal: Readable,
    kernel: Kernel,
    cast: Cast,
    decided: dict[int, Decided],
    after: int = 0,
    stretches: Stretches | None = None,
) -> Iterator[Folded]:
    """Take in one record after the other; ``decided`` holds what programs decided that was not recorded so far."""
    for record in journal.read(after):
        event = versions.read(record, kernel.rules)
        versions.must_fit(record, event, kernel)
        divergence = ""
        if isinstance(event, Trapped | Faulted):
            mine = decided.pop(event.pid, None)
            if isinstance(event, Trapped) and _differs(event, mine, kernel, cast):
                divergence = f"replayed on the same answers this program decided {mine!r:.200}, but its log says {event.syscall!r:.200}"
                if isinstance(cast.programs.get(event.pid), Conversation) and versions.is_loose(kernel.rules):
                    raise versions.misfit(record, kernel.rules, divergence)
                decided[event.pid] = mine if isinstance(mine, Fault) else Divergence(divergence)
                cast.programs.pop(event.pid, None)
        rules = kernel.rules
        try:
            effects = kernel.handle(with_values(event, kernel, journal.value))
        except (AssertionError, LookupError, msgspec.DecodeError) as error:
            raise versions.misfit(record, rules, str(error)) from error
        if stretches is not None:
            stretches.note(record.position, event, record.pid, kernel)
        for effect in effects:
            result = cast.play(effect)
            if result is not None and not isinstance(decided.get(result[0]), Fault):
                decided[result[0]] = result[1]
        yield Folded(record, event, effects, divergence)


def _differs(event: Trapped, mine: Decided | None, kernel: Kernel, cast: Cast) -> bool:
    return mine != event.syscall and event.pid not in cast.missing and kernel.process(event.pid) is not None
