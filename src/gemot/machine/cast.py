"""The cast: the programs of all living processes, told their entries in the order of the log and asked what they do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from gemot.abi.answers import Answer
from gemot.abi.effects import Adopt, Begin, BeginFork, Decide, Deliver, Effect, End, Rewind, TakeBack
from gemot.abi.syscalls import Syscall
from gemot.authority.paths import roots
from gemot.journal.contract import Damaged
from gemot.kernel import Kernel
from gemot.programs import freezing as folds
from gemot.programs.library import Library
from gemot.programs.port import Fault, NotHere, Program, Start

Decided = Syscall | Fault


class Cast:
    """``text_of`` fetches an AI program's text by its digest; ``pieces`` what is kept of a reading under a number."""

    def __init__(
        self,
        kernel: Kernel,
        library: Library,
        text_of: Callable[[str], str],
        pieces: Callable[[int], Iterable[bytes]] = lambda _: (),
    ) -> None:
        self.library = library
        self.shelf = folds.Shelf(pieces)
        self.programs: dict[int, Program] = {}
        self.missing: dict[int, str] = {}
        """Processes whose program can't be had here, and why: they are told nothing and decide nothing until it is back."""
        self._lost: dict[int, Fault] = {}
        """Native processes that did not do again what their log says, and how."""
        self._kernel = kernel
        self._text_of = text_of
        self._texts: dict[str, str] = {}
        """By digest: read and checked once, however many processes are begun with it."""

    def play(self, effect: Effect) -> tuple[int, Decided] | None:
        """Carry out an effect that concerns a program; returns what the program decided, if it had to."""
        match effect:
            case Deliver():
                return None if effect.pid in self.missing else (effect.pid, self._tell(effect.pid, effect.answer))
            case Begin():
                return self._begin(effect)
            case BeginFork(pid, parent):
                return self._fork(pid, parent)
            case Decide(pid):
                return None if pid in self.missing else (pid, self._decided(pid))
            case Adopt(_, programs):
                self._adopt(programs)
                return None
            case TakeBack():
                return self._take_back(effect)
            case Rewind(pid, programs):
                self.forget(pid)
                self._adopt(programs)
                return None
            case End(outcome):
                self.forget(outcome.pid)
                return None
            case _:
                return None

    def _begin(self, effect: Begin) -> tuple[int, Decided] | None:
        start = self.start_of(effect)
        self.forget(effect.pid)
        try:
            text = self._text(effect.program.digest) if effect.program.kind == "ai" else ""
        except Damaged as error:  # any other failure of the journal stops the machine: the program is not to blame
            self.missing[effect.pid] = str(error)
            return None
        try:
            program = self.library.start(effect.program, text, start)
            self.programs[effect.pid] = program
            return effect.pid, program.decide()
        except NotHere as error:
            self.missing[effect.pid] = str(error)
            return None
        except Exception as error:  # noqa: BLE001 - a program is anybody's code: what it raises ends its process, never the machine
            return effect.pid, _fault(error)

    def start_of(self, effect: Begin) -> Start:
        """What a program is begun with."""
        process = self._kernel.processes[effect.pid]
        files = (
            f"you see {roots(process.mounts)}; a path without a leading / is in /{process.mounts[0].name}"
            if process.mounts
            else "you see none"
        )
        return Start(effect.pid, effect.name, effect.brief, effect.arguments, files, effect.images, effect.rules)

    def _text(self, digest: str) -> str:
        if digest not in self._texts:
            self._texts[digest] = self._text_of(digest)
        return self._texts[digest]

    def _fork(self, pid: int, parent: int) -> tuple[int, Decided] | None:
        if parent in self.missing:
            self.missing[pid] = self.missing[parent]
            return None
        try:
            self.programs[pid] = self.programs[parent].fork()
            return None
        except Exception as error:  # noqa: BLE001 - the edge: an error of a program ends its process, not the machine
            return pid, _fault(error)

    def _tell(self, pid: int, answer: Answer) -> Decided:
        program = self.programs.get(pid)
        if program is not None:
            try:
                program.absorb(answer)
            except Exception as error:  # noqa: BLE001 - the edge: an error of a program ends its process, not the machine
                return _fault(error)
        return self._decided(pid)

    def _decided(self, pid: int) -> Decided:
        program = self.programs.get(pid)
        if program is None:
            return self._lost.get(pid, Fault("this process has no program that could go on"))
        try:
            return program.decide()
        except Exception as error:  # noqa: BLE001 - the edge: an error of a program ends its process, not the machine
            return _fault(error)

    def _take_back(self, effect: TakeBack) -> tuple[int, Decided] | None:
        program = self.programs.get(effect.pid)
        if program is None:
            return None
        try:
            return (effect.pid, program.decide()) if program.take_back(effect) else None
        except Exception as error:  # noqa: BLE001 - the edge: an error of a program ends its process, not the machine
            return effect.pid, _fault(error)

    def bring(self, frozen: folds.FrozenPrograms) -> None:
        """The programs of a tree that comes back into memory, or from another machine."""
        self.programs.update(folds.thaw_conversations(frozen, self.shelf))
        for pid, native in frozen.natives.items():
            self.relive(pid, *folds.past(native))

    def _adopt(self, programs: bytes) -> None:
        self.bring(msgspec.msgpack.decode(programs, type=folds.FrozenPrograms))

    def relive(self, pid: int, start: Start, history: list[tuple[Syscall, Answer]]) -> None:
        """Bring back a native program: it runs again on the answers it had."""
        try:
            self.programs[pid] = self.library.relive(self._kernel.processes[pid].program, start, history)
        except NotHere as error:
            self.missing[pid] = str(error)
        except Exception as error:  # noqa: BLE001 - the edge: it raised after its last answer, and that was not written yet
            self._lost[pid] = _fault(error)

    def forget(self, pid: int) -> None:
        """A process has no program any more: it has ended, does another one, or is kept elsewhere."""
        self.missing.pop(pid, None)
        self._lost.pop(pid, None)
        program = self.programs.pop(pid, None)
        close = getattr(program, "close", None)
        if close is not None:
            try:
                close()
            except Exception:  # noqa: BLE001 - the edge: a program that fails while it is closed has ended all the same
                return


def _fault(error: Exception) -> Fault:
    if isinstance(error, Fault):
        return error
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f" ({frame.tb_frame.f_code.co_filename}:{frame.tb_lineno})" if frame is not None else ""
    return Fault(f"the program raised {type(error).__name__}: {error}{where}")
