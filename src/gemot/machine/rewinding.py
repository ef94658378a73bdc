"""Rewinding: what a process was at an earlier position of the journal, found by folding it again beside the running machine. And
taking back what one said, or was told there (:mod:`gemot.machine.entries`)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Retraction
from gemot.abi.effects import Begin, Deliver, TakeBack
from gemot.abi.events import Retracted, Rewound
from gemot.abi.labels import Label
from gemot.kernel import Kernel, retracting
from gemot.kernel.process import Process
from gemot.machine.cast import Cast
from gemot.machine.entries import GONE, cut, entry_at
from gemot.machine.loop import Loop, MachineError
from gemot.machine.recovery import Folded, folding
from gemot.programs import freezing as folds
from gemot.programs.conversation import Conversation


@dataclass(frozen=True)
class Earlier:
    """A process when it had just been told something that made it ask its model (a conversation), or decide (code)."""

    position: int
    entry: int
    moment: int
    label: Label
    program: Conversation | None

    def event(self, at: int, pid: int, text: str, stays: tuple[str, ...] = ()) -> Rewound:
        program = b"" if self.program is None else msgspec.msgpack.encode(folds.freeze({pid: self.program}))
        return Rewound(at, pid, self.entry, self.moment, self.label, program, text, stays)


def found(loop: Loop, pid: int, to: int) -> Earlier:
    """The last such moment of a process up to position ``to``. Raises :class:`MachineError`, ``JournalError``."""
    newest = loop.journal.position
    if to > newest:
        raise MachineError(
            f"position {to} is not written yet: the newest is {newest}; gemot log {pid} shows the positions"
        )
    kernel = Kernel()
    cast = Cast(kernel, loop.cast.library, loop.journal.value)
    earlier: Earlier | None = None
    for folded in folding(loop.journal, kernel, cast, {}):
        if folded.record.position > to:
            if earlier is not None:
                _since(earlier, folded, kernel, pid, to)
        elif (
            any(isinstance(effect, Begin | Deliver) and effect.pid == pid for effect in folded.effects)
            or cut(folded, kernel, pid) is not None  # it was put back: what it was told after that is gone
        ):
            earlier = _now(kernel, cast, pid, folded.record.position) or earlier
    if earlier is None:
        raise MachineError(f"process {pid} had not begun by position {to}; gemot log {pid} shows the positions")
    return earlier


def _since(earlier: Earlier, folded: Folded, kernel: Kernel, pid: int, to: int) -> None:
    """What came after it: its log may have been cut off before, and what was taken back since is so here, too."""
    last = cut(folded, kernel, pid)
    if last is not None and last < earlier.entry:
        raise MachineError(GONE.format(pid=pid, position=to))
    for effect in folded.effects:
        if isinstance(effect, TakeBack) and effect.pid == pid and effect.why and earlier.program is not None:
            earlier.program.take_back(effect)


def _now(kernel: Kernel, cast: Cast, pid: int, position: int) -> Earlier | None:
    process, program = kernel.process(pid), cast.programs.get(pid)
    if process is None or program is None:
        return None
    if not isinstance(program, Conversation):
        return Earlier(position, process.entries, kernel.moment, process.label, None)
    if not program.asks_its_model:
        return None
    return Earlier(position, process.entries, kernel.moment, process.label, program.fork())


def take_back(loop: Loop, process: Process, reason: str, position: int | None) -> Retraction:
    """Take back all that a process said, or (``position``) what it was told there and what it said since; returns what came of
    it. Raises :class:`MachineError`, ``JournalError``."""
    if not reason.strip() or len(reason) > limits.NOTE_CHARS_MAX:
        raise MachineError(f"say why, in 1 to {limits.NOTE_CHARS_MAX} characters: those who read it are told")
    told = None if position is None else entry_at(loop, process.pid, position)
    done = retracting.foreseen(loop.kernel, process, told)
    loop.happens_now(Retracted(loop.now(), process.pid, reason, told))
    return done


def foreseen(loop: Loop, process: Process, position: int | None) -> Retraction:
    """What :func:`take_back` would do now. Raises :class:`MachineError`, ``JournalError``."""
    told = None if position is None else entry_at(loop, process.pid, position)
    return retracting.foreseen(loop.kernel, process, told)
