"""Recovery: open the journal, fold it, and the machine is where it was. Readable in one screen.

The fold runs the same kernel and the same programs over the recorded events; nothing outside is touched. A syscall that
was decided but not recorded (the machine stopped in between) is decided again, by the same program on the same log.
What was at work outside is sorted out by the kernel: `Booted` marks it, `Resumed` repeats it or answers "in doubt".
"""

from __future__ import annotations

from gemot.abi.events import Faulted, Trapped
from gemot.journal.contract import Damaged, Journal
from gemot.journal.records import decode
from gemot.kernel import Kernel
from gemot.machine.cast import Cast, Decided
from gemot.programs.port import Divergence, Fault


def fold(journal: Journal, kernel: Kernel, cast: Cast) -> dict[int, Decided]:
    """Bring ``kernel`` and ``cast`` to the journal's end; returns what programs decided that is not recorded yet.

    Raises :class:`Damaged` at the first record that can't be read.
    """
    decided: dict[int, Decided] = {}
    for record in journal.read():
        try:
            event = decode(record.body)
        except ValueError as error:
            raise Damaged(
                f"record {record.position} is not an event that this gemot knows: {error}", record.position
            ) from error
        match event:
            case Trapped(_, pid, syscall):
                mine = decided.pop(pid, None)
                if mine != syscall and pid not in cast.missing and kernel.process(pid) is not None:
                    first = mine if isinstance(mine, Fault) else _divergence(mine, syscall)
                    cast.programs.pop(pid, None)
                    for effect in kernel.handle(event):
                        _play(cast, effect, decided)
                    decided[pid] = first
                    continue
            case Faulted(_, pid):
                decided.pop(pid, None)
            case _:
                pass
        try:
            effects = kernel.handle(event)
        except (AssertionError, LookupError) as error:
            raise Damaged(
                f"record {record.position} does not fit what came before it ({error}): another version of gemot wrote this "
                "journal, or it was changed",
                record.position,
            ) from error
        for effect in effects:
            _play(cast, effect, decided)
    return {pid: one for pid, one in decided.items() if kernel.process(pid) is not None}


def _divergence(mine: Decided | None, logged: object) -> Divergence:
    return Divergence(
        f"replayed on the same answers this program decided {mine!r:.200}, but its log says {logged!r:.200}"
    )


def _play(cast: Cast, effect: object, decided: dict[int, Decided]) -> None:
    result = cast.play(effect)  # type: ignore[arg-type]
    if result is None:
        return
    pid, now = result
    if not isinstance(decided.get(pid), Fault):
        decided[pid] = now
