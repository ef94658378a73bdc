"""Recovery: open the journal, fold it, and the machine is where it was. Readable in one screen.

The fold begins at the newest checkpoint, or at the first record where there is none. It runs the same kernel and the same programs over the recorded events; nothing outside is touched. A syscall that
was decided but not recorded (the machine stopped in between) is decided again, by the same program on the same log.
What was at work outside is sorted out by the kernel: `Booted` marks it, `Resumed` repeats it or answers "in doubt".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gemot.abi.effects import Effect
from gemot.abi.events import Event, Faulted, Trapped
from gemot.journal.contract import Damaged, Journal, Record
from gemot.journal.records import decode
from gemot.kernel import Kernel
from gemot.machine.cast import Cast, Decided
from gemot.machine.checkpoint import restore
from gemot.machine.whole import with_values
from gemot.programs.port import Divergence, Fault


@dataclass(frozen=True)
class Folded:
    """One record, taken in. ``divergence``: the program decided something else than its log says."""

    record: Record
    event: Event
    effects: list[Effect]
    divergence: str = ""


def fold(journal: Journal, kernel: Kernel, cast: Cast) -> dict[int, Decided]:
    """Bring ``kernel`` and ``cast`` to the journal's end; returns what programs decided that is not recorded yet.

    Raises :class:`Damaged` at the first record that can't be read.
    """
    decided: dict[int, Decided] = {}
    after = restore(journal, kernel, cast)
    for _ in folding(journal, kernel, cast, decided, after):
        pass
    return {pid: one for pid, one in decided.items() if kernel.process(pid) is not None}


def folding(
    journal: Journal, kernel: Kernel, cast: Cast, decided: dict[int, Decided], after: int = 0
) -> Iterator[Folded]:
    """Take in one record after the other; ``decided`` holds what programs decided that was not recorded so far."""
    for record in journal.read(after):
        try:
            event = decode(record.body)
        except ValueError as error:
            raise Damaged(
                f"record {record.position} is not an event that this gemot knows: {error}", record.position
            ) from error
        event = with_values(event, kernel, journal.value)
        divergence = ""
        if isinstance(event, Trapped | Faulted):
            mine = decided.pop(event.pid, None)
            if isinstance(event, Trapped) and _differs(event, mine, kernel, cast):
                divergence = f"replayed on the same answers this program decided {mine!r:.200}, but its log says {event.syscall!r:.200}"
                decided[event.pid] = mine if isinstance(mine, Fault) else Divergence(divergence)
                cast.programs.pop(event.pid, None)
        try:
            effects = kernel.handle(event)
        except (AssertionError, LookupError) as error:
            raise Damaged(
                f"record {record.position} does not fit what came before it ({error}): another version of gemot wrote this "
                "journal, or it was changed",
                record.position,
            ) from error
        for effect in effects:
            result = cast.play(effect)
            if result is not None and not isinstance(decided.get(result[0]), Fault):
                decided[result[0]] = result[1]
        yield Folded(record, event, effects, divergence)


def _differs(event: Trapped, mine: Decided | None, kernel: Kernel, cast: Cast) -> bool:
    return mine != event.syscall and event.pid not in cast.missing and kernel.process(event.pid) is not None
