"""Recording: a cast that keeps what native programs were told, for a journal that is written anew."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gemot.abi.answers import Answer
from gemot.abi.effects import Begin, BeginFork, Deliver, Effect, Rewind, TakeBack
from gemot.abi.events import Event, Trapped
from gemot.abi.syscalls import Syscall
from gemot.journal.sqlite import SqliteJournal
from gemot.kernel import Kernel
from gemot.machine.cast import Cast, Decided
from gemot.programs import freezing as folds
from gemot.programs.library import Library
from gemot.programs.port import Start


class Recording(Cast):
    """A cast that keeps what native programs were told, also of those that are not here: a library has them, and no command."""

    def __init__(self, kernel: Kernel, library: Library, journal: SqliteJournal) -> None:
        super().__init__(kernel, library, journal.value, journal.pieces)
        self._table = kernel.processes
        self._rolls: dict[int, tuple[Start, list[tuple[Syscall, Answer]]]] = {}
        self._asked: dict[int, Syscall] = {}

    def see(self, event: Event) -> None:
        if isinstance(event, Trapped):
            self._asked[event.pid] = event.syscall

    def play(self, effect: Effect) -> tuple[int, Decided] | None:
        match effect:
            case Begin(pid, program):
                self._rolls.pop(pid, None)
                if program.kind == "native":
                    self._rolls[pid] = (self.start_of(effect), [])
            case BeginFork(pid, parent) if parent in self._rolls and parent in self._asked:
                start, history = self._rolls[parent]
                self._rolls[pid], self._asked[pid] = (start, list(history)), self._asked[parent]
            case Deliver(pid, answer) if pid in self._rolls and pid in self._asked:
                self._rolls[pid][1].append((self._asked[pid], answer))
            case TakeBack(pid) | Rewind(pid):
                self._rolls.pop(pid, None)
            case _:
                pass
        return super().play(effect)

    def relive(self, pid: int, start: Start, history: list[tuple[Syscall, Answer]]) -> None:
        self._rolls[pid] = (start, list(history))
        pending = self._table[pid].syscall
        if pending is not None:
            self._asked[pid] = pending
        super().relive(pid, start, history)

    def take_over(self, other: Recording, pids: Iterable[int]) -> None:
        """Have the programs of these processes, which another cast played."""
        for pid in pids:
            for mine, theirs in (
                (self.programs, other.programs),
                (self.missing, other.missing),
                (self._rolls, other._rolls),
                (self._asked, other._asked),
            ):
                if pid in theirs:
                    mine[pid] = theirs[pid]  # type: ignore[assignment]

    def frozen(self, pids: Iterable[int]) -> folds.FrozenPrograms:
        """The programs of these processes, with their pages, whether they are here or not."""
        here = {pid: self.programs[pid] for pid in pids if pid in self.programs}
        absent = {
            pid: folds.FrozenNative(*self._rolls[pid]) for pid in pids if pid in self.missing and pid in self._rolls
        }
        frozen = folds.freeze(here)
        return msgspec.structs.replace(frozen, natives={**frozen.natives, **absent})
