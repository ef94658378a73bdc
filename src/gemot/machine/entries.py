"""Entries: which answer a process had at a position of the journal, and where it stands in its reading. Found by folding the
journal again beside the running machine, so that nobody has to keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import msgspec

from gemot.abi.answers import Answer, Entry, Ok, Returned
from gemot.abi.effects import Begin, Deliver, Effect, TakeBack
from gemot.abi.events import Done, Retracted, Rewound, Trapped
from gemot.abi.messages import Reply
from gemot.abi.syscalls import Generate
from gemot.kernel import Kernel
from gemot.machine.cast import Cast
from gemot.machine.loop import Loop, MachineError
from gemot.machine.recovery import Folded, folding
from gemot.programs.conversation import Conversation

GONE = (
    "what process {pid} was told at position {position} is not in its log any more: it was put back since to before that, or "
    "became another program"
)


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
    since = 0
    for folded in folding(loop.journal, kernel, cast, {}):
        if folded.record.position == position:
            part = before.named(folded, pid)
        if folded.record.position >= position and part is None:
            break
        answer = _answer(folded.effects, pid)
        if entry is not None:
            last = cut(folded, kernel, pid)
            if last is not None and last < entry.number:
                raise MachineError(GONE.format(pid=pid, position=position))
            if isinstance(folded.event, Retracted) and folded.event.pid == pid and _holds(folded.event.entry, entry):
                raise MachineError(f"what process {pid} was told at position {position} is taken back already")
            if not since and _asks_model(folded, pid):
                since = kernel.moment
        elif part is not None and answer is not None:
            entry = _entry(kernel, pid, answer, part, before)
        before = _Before.of(kernel, cast, pid)
    if entry is None:
        raise MachineError(
            f"process {pid} was told nothing at position {position}; gemot log {pid} shows the positions of its results"
        )
    if kernel.processes[pid].program.kind == "ai":  # what its model asks for is decided when it is asked
        return msgspec.structs.replace(entry, since=since or kernel.moment + 1)
    return entry


def _asks_model(folded: Folded, pid: int) -> bool:
    event = folded.event
    return isinstance(event, Trapped) and event.pid == pid and isinstance(event.syscall, Generate)


def _holds(gone: Entry | None, entry: Entry) -> bool:
    return gone is not None and gone.number == entry.number and gone.part in (-1, entry.part)


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


def cut(folded: Folded, kernel: Kernel, pid: int) -> int | None:
    """After which of its answers a record cuts the log of a process off (-1: it has another log from then on); None if it does
    not."""
    if isinstance(folded.event, Rewound) and folded.event.pid == pid:
        return folded.event.entry
    for effect in folded.effects:
        match effect:
            case Begin(of) if of == pid:
                return -1
            case TakeBack(of, places, why) if of == pid and why and kernel.processes[pid].program.kind == "native":
                return places[0][0] - 1 if places[0][0] else None
            case _:
                pass
    return None
