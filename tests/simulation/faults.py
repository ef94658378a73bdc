"""Faults planted by hand: each breaks one promise in the real code, by putting something else in its place for a while.

Nothing in the package knows of them. They show that the simulator would notice: see ``test_faults.py``.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from disk import FrailJournal

from gemot.abi.answers import Cancelled
from gemot.abi.effects import AskModel, Deliver
from gemot.abi.events import Done, Failure, Waiting
from gemot.authority import ledger, narrowing
from gemot.journal.contract import Full, JournalError
from gemot.journal.memory import MemoryJournal
from gemot.journal.records import decode
from gemot.journal.sqlite import SqliteJournal
from gemot.kernel import Kernel, families, freezing, news, waiting, working
from gemot.kernel.process import Process
from gemot.machine import checkpoint, loop, recovery
from gemot.machine.loop import Loop

Patch = pytest.MonkeyPatch
FAULTS: dict[str, Callable[[Patch], None]] = {}


def fault(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
    FAULTS[plant.__name__] = plant
    return plant


@fault
def lost_wake_up(patch: Patch) -> None:
    """The end of a child wakes nobody."""
    patch.setattr(waiting, "child_ended", lambda kernel, parent, child: None)


@fault
def lost_alarm(patch: Patch) -> None:
    """The machine does not look at the clock again after it was started on a journal with alarms."""
    patch.setattr(Loop, "_set_wake", lambda self, at: None if self.kernel.asleep else _set_wake(self, at))


_set_wake = Loop._set_wake


@fault
def double_answer(patch: Patch) -> None:
    """Who is killed in the middle of a wait is answered as well."""
    inner = Kernel.end

    def end(self: Kernel, process: Process, outcome: Any, author: Any) -> None:
        inner(self, process, outcome, author)
        if outcome.rule == "family":
            self.emit(Deliver(process.pid, Cancelled("killed")))

    patch.setattr(Kernel, "end", end)


@fault
def unanswered_failure(patch: Patch) -> None:
    """A model that fails is booked, and its caller is not told."""
    inner = working.done

    def done(kernel: Kernel, event: Done) -> None:
        pid = kernel.working.get(event.effect, 0)
        broken = isinstance(event.outcome, Failure) and event.outcome.rule == "model"
        if pid and broken and kernel.processes[pid].work and kernel.processes[pid].work[0].kind == "model":
            del kernel.working[event.effect]
            working.book(kernel, kernel.processes[pid], working._usages(event.outcome), event.millis)
            return
        inner(kernel, event)

    patch.setattr(working, "done", done)


@fault
def copied_budget(patch: Patch) -> None:
    """A child's means are its parent's too."""
    patch.setattr(ledger, "give", lambda parent, child: setattr(parent, "processes", parent.processes - 1))


@fault
def missing_fence(patch: Patch) -> None:
    """A machine whose journal was opened by another writes on, wherever the end is."""

    def append(self: MemoryJournal, expected: int, entries: Iterable[Any], *, synced: bool) -> int:
        self._epoch = self._epochs[0]
        return _memory_append(self, self.position, entries, synced=synced)

    def append_sqlite(self: SqliteJournal, expected: int, entries: Iterable[Any], *, synced: bool) -> int:
        about = dict(self._db.execute("SELECT key, value FROM about"))
        self._epoch = about["epoch"]
        self.position = self._db.execute("SELECT coalesce(max(position), 0) FROM records").fetchone()[0]
        self._seal = self._seal_at(self.position) or b""
        return _sqlite_append(self, self.position, entries, synced=synced)

    patch.setattr(MemoryJournal, "append", append)
    patch.setattr(SqliteJournal, "append", append_sqlite)


_memory_append, _sqlite_append = MemoryJournal.append, SqliteJournal.append


@fault
def unsynced_intent(patch: Patch) -> None:
    """What must not happen twice is begun when its intent is written, not when it is synced."""

    def init(self: Loop, journal: Any, *rest: Any, **named: Any) -> None:
        inner = journal.append

        def append(expected: int, entries: Iterable[Any], *, synced: bool) -> int:
            kept = list(entries)
            people = any(isinstance(decode(body), loop.SYNCED) for _, _, body in kept)
            return inner(expected, kept, synced=people)

        _loop_init(self, journal, *rest, **named)
        patch.setattr(journal, "append", append)

    patch.setattr(Loop, "__init__", init)


_loop_init = Loop.__init__


@fault
def start_before_the_write(patch: Patch) -> None:
    """Work is begun while its batch is still on its way to the disk."""

    def perform_first(self: Loop) -> None:
        handle = self.kernel.handle

        def early(event: Any) -> list[Any]:
            effects = handle(event)
            for effect in effects:
                if isinstance(effect, AskModel) and effect.pid in self.cast.programs:
                    self._perform(effect)
            return [one for one in effects if not isinstance(one, AskModel)]

        self.kernel.handle = early  # type: ignore[method-assign]
        try:
            _take_in(self)
        finally:
            self.kernel.handle = handle  # type: ignore[method-assign]

    patch.setattr(Loop, "_take_in", perform_first)


_take_in = Loop._take_in


@fault
def unseeded_choice(patch: Patch) -> None:
    """The processes of a tree go on in whatever order comes."""
    inner, chance = Kernel.tree, random.SystemRandom()
    patch.setattr(Kernel, "tree", lambda self, root: chance.sample(found := inner(self, root), len(found)))


@fault
def unseeded_delay(patch: Patch) -> None:
    """A machine that wakes some time after it should, as it likes: no law is broken, but no run is like the other."""
    seconds = random.SystemRandom().random
    patch.setattr(Loop, "_set_wake", lambda self, at: _set_wake(self, at + 1 + int(9_000 * seconds())))


@fault
def late_report_taken_for_the_second_try(patch: Patch) -> None:
    """Work that is begun again keeps its number, so the end of the first try is taken for the end of the second."""
    inner = working.resume

    def resume(kernel: Kernel, process: Process) -> None:
        old = [work.effect for work in process.work]
        number = Kernel.number
        patch.setattr(Kernel, "number", lambda self: old.pop(0) if old else number(self))
        inner(kernel, process)
        patch.setattr(Kernel, "number", number)

    patch.setattr(working, "resume", resume)


@fault
def late_report_billed_twice(patch: Patch) -> None:
    """A report of work that was given up is booked when it was given up and when it comes."""
    inner = working.done

    def done(kernel: Kernel, event: Done) -> None:
        pid = kernel.working.get(event.effect, 0)
        process = kernel.processes.get(pid)
        if process is not None and all(work.effect != event.effect for work in process.work):
            working.book(kernel, process, working._usages(event.outcome), event.millis)
        inner(kernel, event)

    patch.setattr(working, "done", done)


@fault
def grant_not_narrowed(patch: Patch) -> None:
    """A child gets what its program asks for, whatever its parent has."""
    patch.setattr(families, "within_reach", lambda asked, *_: [(grant, 0) for grant in asked])


@fault
def named_grant_not_narrowed(patch: Patch) -> None:
    """A child gets what its parent names, whatever its parent has."""
    patch.setattr(narrowing, "grant_within", lambda child, parent: True)


@fault
def checkpoint_off_by_one(patch: Patch) -> None:
    """A checkpoint says that it holds one record more than it does."""
    inner = MemoryJournal.put_checkpoint
    patch.setattr(MemoryJournal, "put_checkpoint", lambda self, at, *kept: inner(self, at + 1, *kept))


@fault
def checkpoint_of_what_was_never_written(patch: Patch) -> None:
    """A checkpoint is taken before the batch is written, not after it."""
    inner = Loop._take_in

    def take_in(self: Loop) -> None:
        write = self.journal.append

        def append(expected: int, entries: Iterable[Any], *, synced: bool) -> int:
            checkpoint.take(self.journal, self.kernel, self.cast, list(self.kernel.trees))
            return write(expected, entries, synced=synced)

        with pytest.MonkeyPatch.context() as here:
            here.setattr(self.journal, "append", append)
            inner(self)

    patch.setattr(Loop, "_take_in", take_in)


@fault
def timer_lost_on_the_way_out(patch: Patch) -> None:
    """Of a tree that leaves memory nobody remembers when it is to be woken."""
    inner = freezing.drop_trees

    def drop_trees(kernel: Kernel, roots: list[int]) -> None:
        inner(kernel, roots)
        kernel.timers = [one for one in kernel.timers if one[2].kind != "away" or one[2].pid not in roots]

    patch.setattr(freezing, "drop_trees", drop_trees)


@fault
def timer_not_kept_with_its_tree(patch: Patch) -> None:
    """A tree is written down without the first of its timers."""
    inner = freezing.freeze_trees

    def freeze_trees(kernel: Kernel, roots: list[int]) -> list[freezing.FrozenTree]:
        return [msgspec.structs.replace(one, timers=sorted(one.timers)[1:]) for one in inner(kernel, roots)]

    patch.setattr(freezing, "freeze_trees", freeze_trees)


@fault
def changed_tree_not_kept(patch: Patch) -> None:
    """A tree that was written once is not written again before it leaves memory."""
    inner = Loop._sweep_out

    def sweep_out(self: Loop) -> None:
        if not self.closed and self.broken is None:
            self._note_changes()
            with contextlib.suppress(JournalError):
                self._changed -= {root for root in self._changed if self.journal.tree(root) is not None}
        inner(self)

    patch.setattr(Loop, "_sweep_out", sweep_out)


@fault
def interrupted_work_forgotten(patch: Patch) -> None:
    """A tree whose work was interrupted is taken away as one that has nothing to go on with."""
    inner = freezing._busy

    def busy(kernel: Kernel, root: int) -> bool:
        states = {work.state for process in kernel.tree(root) for work in process.work}
        return inner(kernel, root) and states != {"interrupted"}

    patch.setattr(freezing, "_busy", busy)


@fault
def stale_machine_fetches(patch: Patch) -> None:
    """A machine whose journal was opened by another reads trees as that one keeps them."""

    def tree(self: MemoryJournal, pid: int) -> bytes | None:
        return self._trees[self._roots[pid]].body if pid in self._roots else None

    patch.setattr(MemoryJournal, "tree", tree)


@fault
def orphan(patch: Patch) -> None:
    """The children of a process that ends live on."""
    patch.setattr(families, "end_below", lambda kernel, process: None)


@fault
def repeated_after_a_crash(patch: Patch) -> None:
    """After a crash everything that was at work is begun again."""
    inner = working.resume

    def resume(kernel: Kernel, process: Process) -> None:
        for work in process.work:
            work.repeatable = True
        inner(kernel, process)

    patch.setattr(working, "resume", resume)


@fault
def decision_lost_in_a_crash(patch: Patch) -> None:
    """What a program had decided and the journal does not hold yet is not decided again."""
    inner = recovery.fold
    patch.setattr(recovery, "fold", lambda *given, **named: recovery.Opened({}, inner(*given, **named).aged))


@fault
def vanished_ask(patch: Patch) -> None:
    """A machine that is started puts no old questions."""
    inner = news._booted

    def booted(kernel: Kernel, lead: int | None) -> None:
        inner(kernel, lead)
        kernel.asks.clear()

    patch.setattr(news, "_booted", booted)


@fault
def forgotten_word(patch: Patch) -> None:
    """What a person says is not synced."""
    patch.setattr(loop, "SYNCED", ())


@fault
def swallowed_error(patch: Patch) -> None:
    """A store without room says that it wrote."""
    inner = FrailJournal.append

    def append(self: FrailJournal, expected: int, entries: Iterable[Any], *, synced: bool) -> int:
        kept = list(entries)
        try:
            return inner(self, expected, kept, synced=synced)
        except Full:
            return expected + len(kept)

    patch.setattr(FrailJournal, "append", append)


@fault
def fork_does_its_parents_work(patch: Patch) -> None:
    """Who is forked by a person does what the original was still going to do."""
    from gemot.programs.conversation import Conversation

    inner = Conversation._leave_undone
    patch.setattr(
        Conversation, "_leave_undone", lambda self, why: None if "you are a fork of" in why else inner(self, why)
    )


@fault
def stopped_work_never_reports(patch: Patch) -> None:
    """Work that is given up before it got its first turn is never heard of again."""
    from gemot.machine.stage import Stage

    inner = Stage.stop

    def stop(self: Stage, effect: int) -> None:
        task = self._running.get(effect)
        if task is not None and effect not in self._begun:
            task.cancel()
            return
        inner(self, effect)

    patch.setattr(Stage, "stop", stop)


@fault
def failed_journal_told_as_failed(patch: Patch) -> None:
    """A result that the journal could not keep is told as a use that failed."""
    from gemot.abi.events import Failure
    from gemot.machine.stage import Stage

    def stop_over(self: Stage, effect: int, error: Exception) -> None:
        self._forget(effect)
        self._report(Done(self._now(), effect, Failure("failed", str(error))))

    patch.setattr(Stage, "_stop_over", stop_over)


@fault
def failed_attempts_booked_twice(patch: Patch) -> None:
    """What failed attempts used is booked with each later one again."""
    from gemot.machine.attempts import Attempts, Passing

    inner = Attempts.failed

    def failed(self: Attempts, number: int, passing: Passing) -> None:
        question, before = self._questions[number], self._questions[number].usage
        inner(self, number, passing)
        question.usage = question.usage or before or passing.usage

    patch.setattr(Attempts, "failed", failed)


@fault
def outage_ends_its_process(patch: Patch) -> None:
    """A provider that fails for long is a failure for good."""
    from gemot.abi.answers import Error
    from gemot.kernel import outages

    inner = outages.waiting

    def waiting(kernel: Kernel, event: Waiting) -> None:
        process = kernel.process(kernel.working.get(event.effect, 0))
        inner(kernel, event)
        if process is not None and process.alive and process.outage is not None:
            kernel.stop(process.work[0])
            kernel.answer(process, Error("model", event.why))

    patch.setattr(outages, "waiting", waiting)
