"""The loop: one inbox of events, taken in steps. The only place where the kernel is driven and the journal written.

A step takes events from the inbox, lets the kernel handle each, lets programs decide what the kernel's answers make them
decide (new events, handled in the same step), appends all of it to the journal as one batch, and only then carries out
what concerns the world outside. So nothing outside is touched before its intent is durable, many processes share one
write, and a crash loses at most a step of which nobody outside has seen anything.

Programs are called inside the step: they are folds and do not wait. Models and tools run beside it and report by event.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Generator, Mapping

from gemot.abi.answers import Outcome
from gemot.abi.effects import (
    Adopt,
    AskModel,
    Begin,
    BeginFork,
    Compare,
    Decide,
    Deliver,
    DropMemory,
    Effect,
    End,
    FindMemories,
    KeepMemory,
    ReadValue,
    Rewind,
    StartTool,
    StopWork,
    TakeBack,
    WakeAt,
)
from gemot.abi.events import (
    Adopted,
    Answered,
    Arrived,
    Copied,
    Done,
    Event,
    Faulted,
    Retracted,
    Revoked,
    Rewound,
    Said,
    Stopped,
    Ticked,
    Trapped,
    Waiting,
    Worked,
)
from gemot.drivers.kit import Tool
from gemot.journal.contract import Journal, JournalError
from gemot.journal.records import AnyEvent, Illegible, as_given, as_read, encode
from gemot.kernel import Kernel
from gemot.machine import calendar, checkpoint, notes, stop_reason
from gemot.machine.attempts import Question
from gemot.machine.cast import Cast, Decided
from gemot.machine.clock import LEAD_MILLIS_MIN
from gemot.machine.errors import MachineError as MachineError
from gemot.machine.home import Home
from gemot.machine.inbox import Inbox
from gemot.machine.memories import Memories
from gemot.machine.pool import Pool
from gemot.machine.questions import Questions
from gemot.machine.spaces import Spaces
from gemot.machine.stage import Stage
from gemot.machine.stretches import Stretches
from gemot.machine.whole import with_values
from gemot.models.catalogue import Limits
from gemot.models.port import Model
from gemot.programs.library import Library
from gemot.programs.port import Fault, unkept

STEP_EVENTS_MAX = 256
"""Events in one step at most: trees that never stop must not keep the door waiting. They take about 15 ms. A step is one write and one sync:
with 64, a thousand conversations made four times as many."""

TREE_EVENTS_MAX = 16
"""Events of one tree in one step at most: one that never stops must not keep the others waiting. A turn takes several steps, so
beside a fork bomb it costs a multiple of this: 4 ms with 16, 16 ms with 64."""

WAKE_SECONDS_MAX = 30.0
"""The longest sleep before the clocks are looked at again: they may have been set, or the computer may have slept meanwhile."""

SWEEP_SECONDS = 5.0
"""How long nothing must have happened in a tree for it to leave memory, at least; at most twice as long."""

BIRTHS = (Arrived, Copied, Adopted)
FOR_PROGRAMS = (Begin, BeginFork, Adopt, Decide, Deliver, TakeBack, Rewind)
PUT_BACK = (TakeBack, Rewind)
"""What a program had decided before is not what it decides any more."""
SYNCED = (Arrived, Answered, Said, Worked, Stopped, Revoked, Retracted, Rewound, Copied, Adopted)
"""A person's words are on the disk before anything is made of them."""


class Loop:
    """``now`` is the machine's clock in milliseconds since 1970. ``always_synced``: every step survives a power cut."""

    def __init__(
        self,
        journal: Journal,
        library: Library,
        tools: dict[str, Tool],
        open_model: Callable[[str], Model],
        now: Callable[[], int],
        always_synced: bool,
        home: Home | None,
        limits: Mapping[str, Limits],
        windows: Mapping[str, int],
        secrets: Mapping[str, bool] | None = None,
    ) -> None:
        self.kernel = Kernel()
        self.spaces = Spaces(self.kernel, home)
        self.journal, self.now = journal, now
        self.cast = Cast(self.kernel, library, journal.value, journal.pieces)
        pool = Pool(limits, now, lambda: self.kernel.bills, lambda: now() - self.lead())
        self.memories = Memories(None if home is None else home.memories)
        self.stage = Stage(
            journal,
            tools,
            open_model,
            now,
            self.happened,
            self.broke,
            self._heard,
            self._delayed,
            self.memories,
            pool,
            windows,
            secrets,
        )
        self.questions = Questions(self.kernel, self.cast, self.stage.window, journal.value)
        self.lead: Callable[[], int] = lambda: self.kernel.lead
        """By how much the order is ahead of the time of day now; the kernel's until the machine is open."""
        self.watchers: list[Callable[[notes.Note], None]] = []
        self.broken: BaseException | None = None
        self.closed = False
        self.checkpointed = 0
        """The position of the newest checkpoint."""
        self.stretches = Stretches()
        self._changed: set[int] = set()
        """Roots of trees that are not as the newest checkpoint has them."""
        self._stirred: set[int] = set()
        """Roots of trees in which something happened since the last sweep."""
        self._sweep: asyncio.TimerHandle | None = None
        self._always_synced = always_synced
        self._home = home
        if home is not None:
            stop_reason.runs(home)
        self._inbox = Inbox()
        self._scheduled = False
        self._endings: dict[int, list[asyncio.Future[Outcome]]] = {}
        self._births: dict[int, asyncio.Future[int]] = {}
        self._wake: asyncio.TimerHandle | None = None

    def happened(self, event: Event) -> None:
        """Something happened; the next step takes it in. News for a machine that has stopped is for the next one to find out. Raises
        :class:`Illegible` for what could not be read again."""
        self._happened(as_read(event))

    def _happened(self, event: Event) -> None:
        if self.closed or self.broken is not None:
            return
        self._inbox.put(self._root(event), event)
        self._schedule()

    def happens_now(self, *events: Event) -> None:
        """Take events in at once, before what waits in the inbox: when this returns they are durable, however much waits.
        Raises :class:`MachineError` if the machine has stopped, or stops over it, and for what could not be read again."""
        self.must_run()
        self._inbox.put_first(tuple(map(_kept, events)))
        for _ in range(0, len(events), STEP_EVENTS_MAX):
            self.step()
        self.must_run()

    async def happens(self, event: Arrived | Copied | Adopted) -> int:
        """Take in an event that begins a tree, together with whatever else happens now; returns the first process's pid
        when all of it is durable. Raises :class:`MachineError` if the machine stops first."""
        self.must_run()
        kept = _kept(event)
        born: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._births[id(kept)] = born
        self._happened(kept)
        return await born

    def decided(self, pid: int, decided: Decided) -> None:
        """A program decided: its syscall (or its fault) is the next event."""
        if isinstance(decided, Fault):
            self.happened(Faulted(self.now(), pid, str(decided)))
            return
        wrong = unkept(decided)
        if wrong:
            self.happened(Faulted(self.now(), pid, f"the program made a syscall with {wrong}"))
            return
        try:
            self.happened(self.questions.trapped(self.now(), pid, decided))
        except Illegible as error:
            self.happened(Faulted(self.now(), pid, f"the program made a syscall that can't be kept: {error}"))

    def must_run(self) -> None:
        if self.broken is not None:
            raise MachineError(f"the machine stopped: {self.broken}")
        if self.closed:
            raise MachineError("the machine is closed")

    def ending(self, pid: int) -> asyncio.Future[Outcome]:
        """Completed when the process ends."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._endings.setdefault(pid, []).append(future)
        return future

    @property
    def quiet(self) -> bool:
        """Nothing is under way and nothing is due: every tree has ended, sleeps, or waits for a person."""
        return not self._inbox and not self.stage.busy and not self.kernel.expecting()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.step)

    def step(self) -> None:
        """Take in what is in the inbox. What is left over (see ``STEP_EVENTS_MAX``) gets its turn after others had theirs."""
        self._scheduled = False
        if not self._inbox or self.broken is not None or self.closed:
            return
        try:
            self._take_in()
        except BaseException as error:
            self._break(error)
            if not isinstance(error, JournalError):
                raise
        if self._inbox:
            self._schedule()

    def checkpoint(self, records: int) -> bool:
        """Leave a checkpoint if there are so many records since the last one, and if this is a moment for it: nothing
        decided that is not recorded, no program away, and the tables are those of the journal (a machine that stopped
        has taken in what it could not write). Returns whether it was left."""
        position = self.journal.position
        if self.broken is not None or self._inbox or self.cast.missing or position - self.checkpointed < records:
            return False
        self.checkpointed = position
        self._note_changes()
        with contextlib.suppress(JournalError):  # a convenience: where it can't be kept, more will be folded
            checkpoint.take(self.journal, self.kernel, self.cast, self._changed, self.stretches)
            self._changed.clear()
            return True
        return False

    def leave(self, roots: list[int]) -> None:
        """Trees that have left the journal leave memory."""
        checkpoint.drop(self.kernel, self.cast, roots)
        self.stretches.forget(roots)
        for table in (self.kernel.changed, self._changed, self._stirred):
            table.difference_update(roots)

    def _note_changes(self) -> None:
        for changed in (self.kernel.changed, self.stretches.changed):
            self._changed |= changed
            self._stirred |= changed
            changed.clear()

    def _sweep_out(self) -> None:
        """Trees in which nothing happened since the last sweep leave memory; when they are at least half of those that are
        in it, so that what is written for it stays in proportion."""
        self._sweep = None
        if self.closed or self.broken is not None:
            return
        self._note_changes()
        stirred, self._stirred = self._stirred, set()
        with self._stopping():
            idle = checkpoint.sleepers(self.kernel, self.cast, stirred)
            enough = idle and 2 * len(idle) >= len(self.kernel.trees) and not self._inbox
            if enough and (self._changed.isdisjoint(idle) or self.checkpoint(0)):
                checkpoint.drop(self.kernel, self.cast, idle)
        if stirred:
            self._sweep_later()

    def _sweep_later(self) -> None:
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep_out)

    def drain(self) -> None:
        """Take in everything there is."""
        while self._inbox and self.broken is None:
            self.step()

    def _take_in(self) -> None:
        self._note_changes()
        entries: list[tuple[int, int, bytes]] = []
        outward: list[Effect] = []
        told: list[notes.Note] = []
        born: list[tuple[asyncio.Future[int], int]] = []
        synced = self._always_synced
        for happened in itertools.chain(self._moved(), self._inbox.take(STEP_EVENTS_MAX, TREE_EVENTS_MAX)):
            written, body = happened, encode(happened)
            event = with_values(written, self.kernel, self.journal.value)
            pid, tool = self._about(event)
            effects = self.kernel.handle(event)
            entries.append((event.at, pid, body))
            self.stretches.note(self.journal.position + len(entries), written, pid, self.kernel)
            synced = synced or isinstance(event, SYNCED)
            if isinstance(written, BIRTHS):
                born += self._born(written, effects)
            if self.watchers:
                told += notes.of_done(event, pid, tool) if isinstance(event, Done) and pid else []
                told += notes.notes(self.kernel, event, effects)
            for effect in effects:
                for_program = isinstance(effect, FOR_PROGRAMS)
                if for_program or isinstance(effect, End):
                    decided = self.cast.play(effect)
                    if isinstance(effect, PUT_BACK) and (decided is not None or isinstance(effect, Rewind)):
                        self._inbox.undecide(effect.pid)
                    if decided is not None:
                        self.decided(*decided)
                if not for_program:
                    outward.append(effect)
                    synced = synced or isinstance(effect, KeepMemory | DropMemory)
                    synced = synced or (isinstance(effect, StartTool) and not effect.repeatable)
        self.journal.append(self.journal.position, entries, synced=synced)
        self._note_changes()
        self._sweep_later()
        self.checkpoint(checkpoint.RECORDS + checkpoint.RECORDS_PER_PROGRAM * len(self.cast.programs))
        for effect in outward:
            self._perform(effect)
        for future, pid in born:
            if not future.done():
                future.set_result(pid)
        if born:
            self._births = {key: future for key, future in self._births.items() if not future.done()}
        for note in told:
            self.tell(note)

    def _moved(self) -> Generator[Event]:
        """The news that the computer's clock was set, if it was: before what happens after that."""
        lead = self.lead()
        if abs(lead - self.kernel.lead) >= LEAD_MILLIS_MIN:
            yield calendar.moved(self.kernel, self.now(), lead)

    def _born(self, event: Arrived | Copied | Adopted, effects: list[Effect]) -> list[tuple[asyncio.Future[int], int]]:
        future = self._births.get(id(event))  # it stays there until it is told: should this step fail, it is told that
        pids = [effect.pid for effect in effects if isinstance(effect, Begin | BeginFork | Adopt)]
        if future is not None and not pids and not future.done():
            future.set_exception(MachineError("the process has ended meanwhile, so there is nothing to fork"))
        return [(future, pids[0])] if future is not None and pids else []

    def _about(self, event: Event) -> tuple[int, str]:
        """The process that an event concerns, and of finished work what was used, if anybody watches; before the kernel
        forgets it."""
        if isinstance(event, Trapped):
            return event.pid, ""
        if not isinstance(event, Done):
            return getattr(event, "pid", getattr(event, "root", 0)), ""
        if not self.watchers:
            return self.kernel.working.get(event.effect, 0), ""
        return notes.whose(self.kernel, event.effect)

    def _root(self, event: Event) -> int:
        """The tree that an event of a process belongs to, if it is in memory."""
        if isinstance(event, Done | Waiting):
            pid = self.kernel.working.get(event.effect, 0)
        else:
            pid = event.pid if isinstance(event, Trapped | Faulted) else 0
        process = self.kernel.processes.held(pid) if pid else None
        return process.root if process is not None else 0

    def _perform(self, effect: Effect) -> None:
        match effect:
            case AskModel():
                request, chars = self.questions.request(effect)
                if request is not None:
                    self.stage.ask(effect, request, chars)
            case StartTool():
                self.stage.use(effect, self.spaces.view)
            case ReadValue():
                self.stage.read(effect)
            case Compare():
                self.stage.compare(effect, self.spaces.compared)
            case KeepMemory() | FindMemories() | DropMemory():
                self.stage.remember(effect)
            case StopWork(number):
                self.stage.stop(number)
            case WakeAt(at):
                self._set_wake(at)
            case End(outcome):
                for future in self._endings.pop(outcome.pid, []):
                    if not future.done():
                        future.set_result(outcome)
            case _:
                pass

    def _set_wake(self, at: int) -> None:
        if self._wake is not None:
            self._wake.cancel()
        delay = min(max(0.0, (at - self.now()) / 1000), WAKE_SECONDS_MAX)
        self._wake = asyncio.get_running_loop().call_later(delay, self._woken)

    def _woken(self) -> None:
        """Time is up, or the clock is to be looked at again."""
        if abs(self.lead() - self.kernel.lead) >= LEAD_MILLIS_MIN:
            self.happened(Ticked(self.now()))  # its step takes the news in first
        earliest = self.kernel.timers[0][0] if self.kernel.timers else 0
        if earliest and earliest <= self.now():
            with self._stopping():  # an alarm's tree may have to be read from the journal
                self.happened(calendar.tick(self.kernel, self.now()))
        elif earliest:
            self._set_wake(earliest)

    def _heard(self, pid: int, text: str) -> None:
        self.tell(notes.Words(pid, text))

    def _delayed(self, question: Question, why: str, seconds: float) -> None:
        effect = question.effect
        self.tell(notes.Delayed(effect.pid, effect.model, why, question.failed, self.now() + int(seconds * 1000)))

    def tell(self, note: notes.Note) -> None:
        for watcher in list(self.watchers):
            try:
                watcher(note)
            except Exception:  # noqa: BLE001 - who watches is anybody; one that fails watches no more, the machine goes on
                self.watchers.remove(watcher)

    @contextlib.contextmanager
    def _stopping(self) -> Generator[None]:
        """For what a timer begins, where nobody is told of a failure: one of the journal stops the machine."""
        try:
            yield
        except JournalError as error:
            self.broke(error)

    def broke(self, error: JournalError) -> None:
        """The journal failed outside a step: stop, as if it had failed in one."""
        if self.broken is None and not self.closed:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        """The journal can't be written, or we broke a rule of our own: stop, so that nothing is done that is not written."""
        self.broken = error
        if self._home is not None:
            stop_reason.stopped(self._home, error)
        self._give_up(f"the machine stopped: {error}")

    def close(self) -> None:
        self.closed = True
        for handle in (self._wake, self._sweep):
            if handle is not None:
                handle.cancel()
        self.spaces.close()
        self.memories.close()
        self._give_up("the machine was closed before this process ended; it goes on when it is resumed")

    def _give_up(self, why: str) -> None:
        self.stage.halt()
        for future in [*(one for futures in self._endings.values() for one in futures), *self._births.values()]:
            if not future.done():
                future.set_exception(MachineError(why))
                future.exception()  # nobody may be waiting any more; that is not an error


def _kept(event: AnyEvent) -> AnyEvent:
    """What a person does, as it will be read again. Raises :class:`MachineError`."""
    try:
        return as_given(event)
    except Illegible as error:
        raise MachineError(f"nothing was done: {error}") from error
