"""Entries: which answer a process had at a position of the journal, and where it stands in its reading. Found by folding the
journal again beside the running machine, so that nobody has to keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from gemot.abi.answers import Answer, Entry, Ok, Returned
from gemot.abi.effects import Begin, Deliver, Effect, TakeBack
from gemot.abi.events import Done, Rewound, Trapped
from gemot.abi.messages import Reply
from gemot.kernel import Kernel
from gemot.machine.cast import Cast
from gemot.machine.loop import Loop, MachineError
from gemot.machine.recovery import Folded, folding
from gemot.programs.conversation import Conversation


@dataclass(frozen=True)
class _Before:
    """What is known of a process ahead of a record: the place of each of its works in its batch, by effect, and where in its
    reading the next result will stand ((0, 0): it has none)."""

    works: dict[int, int]
    page: int
    part: int

    @classmethod
    def of(cls, kernel: Kernel, cast: Cast, pid: int) -> _Before:
        process, program = kernel.process(pid), cast.programs.get(pid)
        works = {} if process is None else {work.effect: work.index for work in process.work}
        return cls(works, *(program.next_part if isinstance(program, Conversation) else (0, 0)))

    def named(self, folded: Folded, pid: int) -> int | None:
        """Which part of an answer a record is about: one result of a batch, or (-1) all; None where it is not about one."""
        event = folded.event
        if isinstance(event, Done) and event.effect in self.works:
            return self.works[event.effect]
        is_asked = isinstance(event, Trapped) and event.pid == pid
        return -1 if is_asked or _answer(folded.effects, pid) is not None else None


def entry_at(loop: Loop, pid: int, position: int) -> Entry:
    """The answer that a process had at this position: of a batch of uses, the result that came there; of a syscall that was made
    there, its answer. Raises :class:`MachineError` where there is none, or the process has been put back to before it;
    ``JournalError``."""
    kernel = Kernel()
    cast = Cast(kernel, loop.cast.library, loop.journal.value)
    before = _Before({}, 0, 0)
    part: int | None = None
    entry: Entry | None = None
    for folded in folding(loop.journal, kernel, cast, {}):
        if folded.record.position == position:
            part = before.named(folded, pid)
        if folded.record.position >= position and part is None:
            break
        answer = _answer(folded.effects, pid)
        if entry is not None:
            entry = _since(entry, folded, pid)
        elif part is not None and answer is not None:
            entry = _entry(kernel, pid, answer, part, before)
        before = _Before.of(kernel, cast, pid)
    if entry is None:
        raise MachineError(
            f"process {pid} was told nothing at position {position}; gemot log {pid} shows the positions of its results"
        )
    return entry


def _answer(effects: list[Effect], pid: int) -> Answer | None:
    return next((one.answer for one in effects if isinstance(one, Deliver) and one.pid == pid), None)


def _entry(kernel: Kernel, pid: int, answer: Answer, part: int, before: _Before) -> Entry:
    value = answer.value if isinstance(answer, Ok) else None
    page, first = before.page, before.part
    handles: tuple[int, ...] = ()
    count = 1
    if isinstance(value, Reply):
        first, count, part = 0, len(value.parts), -1
    elif isinstance(value, tuple | list):
        results = [one for one in cast("tuple[object, ...]", value) if isinstance(one, Returned)]
        if results:
            count = len(results)
            part = part if count > 1 else -1
            chosen = results if part < 0 else results[part : part + 1]
            handles = tuple(one.handle.number for one in chosen if one.handle is not None)
    places = tuple((page, first + index) for index in range(count) if part in (-1, index)) if page else ()
    return Entry(kernel.processes[pid].entries, kernel.moment, part, places, handles)


def _since(entry: Entry, folded: Folded, pid: int) -> Entry:
    """What is left of an entry after a later record. Raises :class:`MachineError` where it is gone."""
    if isinstance(folded.event, Rewound) and folded.event.pid == pid and folded.event.entry < entry.number:
        raise MachineError(f"process {pid} was rewound since to before it was told that; it is not in its log any more")
    for effect in folded.effects:
        match effect:
            case Begin(of) if of == pid:  # exec: nothing of its log is left but what it did
                entry = Entry(0, entry.moment)
            case TakeBack(of, places) if of == pid and not entry.places and places[0][0] <= entry.number:
                raise MachineError(f"process {pid} was rewound since to before it was told that")
            case _:
                pass
    return entry
