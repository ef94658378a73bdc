"""One seeded history: a machine's lives, one after the other on one journal, and the person and the world around them.

A life ends by a crash between two awaits or at a journal write, by a cut of the power (which takes what was not synced),
by a full disk, by being closed, or because another machine opened its journal while it was still running. In the last
life all goes well: everything that can end must end, and the books are compared. The same seed gives the same history.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import steps
from checkers import LawBroken, digest, everyone
from disk import Disk, FrailJournal, PowerCut
from failing import Failing, Failure, Shelves, drawn
from laws import Watcher
from looks import differences
from minds import LIBRARY
from outside import DRIVERS, HERE, MODELS, TRACELESS, Outside
from person import Person
from virtual import VirtualLoop, VirtualThreads

from gemot.abi import limits
from gemot.abi.effects import FindMemories, KeepMemory, ReadValue, StartTool
from gemot.abi.events import Event, Ticked
from gemot.journal.contract import Fenced, Full, JournalError
from gemot.journal.records import decode
from gemot.kernel import Kernel
from gemot.machine import checkpoint, loop, machine
from gemot.machine.clock import Clock
from gemot.machine.machine import Machine, MachineError
from gemot.models.catalogue import Limits

EPOCH = 1_700_000_000.0
"""What the clock says when a history begins (seconds since 1970)."""

SQLITE_SHARE = 0.12
"""How many of the histories are written to a real file (the others: to memory, which is faster)."""

RINGS = 300
"""So many events of the clock in a row: nothing else will come. No timeout or lease of a mind is that long."""

ENDS = ("kill", "kill", "before", "before", "after", "after", "full", "close", "usurp")
UNSURE = ("in_doubt", "deadline", "failed")
"""What a process may be told of a use that was, or was not, done."""


class History:
    """``folder``: where journals on real files go; without one all are in memory. ``tell``: gets the story, line by line."""

    def __init__(
        self,
        seed: int,
        folder: Path | None = None,
        tell: Callable[[str], None] | None = None,
        sqlite: bool | None = None,
    ) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.limiting = Random(f"limits {seed}")
        """The chance of limits, routes and priorities."""
        self.breaking = Random(f"stores {seed}")
        """The chance of calls of the stores that fail."""
        self.stepping = Random(f"steps {seed}")
        """The chance of backups and salvages between two lives."""
        on_file = self.chance.random() < SQLITE_SHARE if sqlite is None else sqlite
        self.disk = Disk(folder / f"{seed}.db" if on_file and folder is not None else None)
        self.outside = Outside(self.chance)
        self.loop = VirtualLoop(self.chance)
        self.jump = 0.0
        """How far the machine's clock is from the true time (seconds)."""
        self.memories = Shelves()
        self.person = Person(self)
        self.tell = tell
        self.machine: Machine
        self.watcher = Watcher()
        self.lives = 0
        self._watchers: list[Watcher] = []
        self._machines: list[Machine] = []
        self._broken: LawBroken | None = None

    def run(self) -> History:
        """Live it. Raises :class:`LawBroken`."""
        HERE.outside = self.outside
        with pytest.MonkeyPatch.context() as patch, self.loop:
            self._set_sizes(patch)
            try:
                for _ in range(self.chance.choice((0, 1, 1, 2, 2, 3, 4))):
                    self._live(self.chance.choice(ENDS))
                self.last_life()
            finally:
                self._drop()
        return self

    def run_cut(self, turns: int | None = None, **at: int) -> bool:
        """One life, cut off after so many awaits or at that write (see `FrailJournal`), then the last one; says whether
        there was something left to cut off."""
        HERE.outside = self.outside
        with self.loop:
            rest = False
            try:
                if self.boot(**at) is not None:
                    self.loop.create_task(self.person.live())
                    rest = self.go_on(turns)
                    self.crash("kill")
                self.last_life()
            finally:
                self._drop()
        return not rest

    def _set_sizes(self, patch: pytest.MonkeyPatch) -> None:
        """Steps of few events and checkpoints after few records come in every history, not once in a busy day."""
        chance = self.chance
        patch.setattr(loop, "STEP_EVENTS_MAX", chance.choice((1, 2, 7, loop.STEP_EVENTS_MAX)))
        patch.setattr(checkpoint, "RECORDS", chance.choice((1, 4, 30, checkpoint.RECORDS)))
        patch.setattr(limits, "REJECTIONS_MAX", 1 + self.seed % 3)
        patch.setattr(checkpoint, "RECORDS_PER_PROGRAM", chance.choice((0, 1)))
        patch.setattr(machine, "RECORDS_AT_CLOSE", chance.choice((0, 10)))
        patch.setattr(loop, "WAKE_SECONDS_MAX", chance.choice((30.0, 3_600.0)))
        patch.setattr(loop, "SWEEP_SECONDS", chance.choice((0.0, 0.05, 1.0, loop.SWEEP_SECONDS)))

    def clock(self) -> float:
        return EPOCH + self.loop.time() + self.jump

    def trace(self) -> str:
        """The same for the same history."""
        whole = hashlib.sha256()
        for record in self.disk.records():
            whole.update(record.body)
        whole.update(repr((sorted(self.outside.ledger.items()), self.loop.turns, self.loop.time())).encode())
        return whole.hexdigest()

    # Lives.

    def _live(self, end: str) -> None:
        at = 1 + int(self.chance.random() ** 2 * 30)
        failure = drawn(self.breaking)
        journal = self.boot(**({end: at} if end in ("before", "after", "full") else {}), failure=failure)
        if journal is None:
            return
        self.loop.create_task(self.person.live())
        turns = int(self.chance.random() ** 2 * 600) if end in ("kill", "close", "usurp") else None
        self.go_on(turns)
        if end == "close" and not self._stopped():
            self._close()
        if end == "usurp" and not self._stopped():
            self._say("another machine opens the same journal, and this one does not know")
            self.loop.create_task(self._close_late(self.machine))
            return
        if (
            (end == "full" or journal.failing.happened)
            and self.machine.failure is not None
            and self.chance.random() < 0.5
        ):
            self._close()
        self.crash(end)

    def _close(self) -> None:
        """As a command does when it ends, whatever state the machine is in."""
        closing = self.loop.create_task(self.machine.close(self.chance.choice((0.0, 5.0))))
        self.loop.run(lambda: closing.done() or self.disk.dead or self.watcher.verdict is not None)
        self._judge()

    async def _close_late(self, stale: Machine) -> None:
        await asyncio.sleep(self.chance.random() * 100)
        await stale.close()

    def boot(
        self, before: int = 0, after: int = 0, full: int = 0, failure: Failure | None = None
    ) -> FrailJournal | None:
        """A new machine on the journal; None if it did not live to see the day."""
        self.lives += 1
        self._say(
            f"--- life {self.lives} begins"
            + f" (before={before} after={after} full={full})" * bool(before + after + full)
            + (f" ({failure.name} {failure.number} fails: {failure.kind})" if failure else "")
        )
        journal = self.disk.open()
        journal.before, journal.after, journal.full = before, after, full
        journal.failing = self.memories.failing = Failing(failure)
        durability = self.chance.choice(("normal", "normal", "full"))
        self.machine = Machine(
            journal,
            LIBRARY,
            DRIVERS,
            self.outside.open_model,
            clock=Clock(self.clock, self.loop.time),
            durability=durability,
            limits=self._limits(),
        )
        self.machine._loop.memories = self.machine._loop.stage._memories = self.memories
        self.machine._loop.stage.uses.threads = VirtualThreads()  # type: ignore[assignment]
        self.machine._loop.stage.attempts.chance = self.chance.random
        try:
            self.machine._boot(False)
        except BaseException as error:
            broken = isinstance(self.machine.failure, Full) or journal.failing.happened
            if not isinstance(error, PowerCut) and not (broken and isinstance(error, MachineError | JournalError)):
                raise LawBroken(f"recovery: the machine can't be opened on its journal: {error!r}") from error
            self._say(f"the machine does not even start: {error!r}")
            self._machines.append(self.machine)
            self.crash("boot")
            return None
        self._watch(journal)
        self.person.meet(self.machine, self.watcher.events)
        return journal

    def _limits(self) -> dict[str, Limits]:
        """What the person lets be asked of each model, in this life."""
        chance = self.limiting
        if chance.random() < 0.6:
            return {}
        return {
            name: Limits(
                concurrency=chance.choice((None, 1, 2)),
                requests_per_minute=chance.choice((None, None, None, 20)),
                tokens_per_minute=chance.choice((None, None, None, 20_000)),
            )
            for name in MODELS
        }

    def _watch(self, journal: FrailJournal) -> None:
        if self._watchers and self._watchers[-1] is self.watcher:  # it still watches a machine that was not stopped
            self.watcher = Watcher()
        watcher, machine = self.watcher, self.machine
        watcher.today = None  # what it catches up with was at other times
        watcher.adopt(machine.kernel, self.disk.history(len(watcher.events)))
        watcher.today = machine.clock.today
        journal.on_written = watcher.compare
        stage = machine._loop.stage
        for name in ("ask", "use", "read", "remember"):
            setattr(stage, name, self._checked(getattr(stage, name), watcher, journal))
        if self.tell is not None:
            self._tell_all(machine)
        self._watchers.append(watcher)
        self._machines.append(machine)

    def _checked(self, begin: Callable[..., None], watcher: Watcher, journal: FrailJournal) -> Callable[..., None]:
        """Before work begins: is what led to it written, and synced where it must be?"""

        def checked(effect: object, *rest: object) -> None:
            position = watcher.started_at[effect.effect]  # type: ignore[attr-defined]
            if journal.written < position and not isinstance(effect, ReadValue | FindMemories):
                self._fail(f"write, then act: {effect!r:.150} begins before event {position} is written")
            once = isinstance(effect, KeepMemory) or (isinstance(effect, StartTool) and not effect.repeatable)
            if once and journal.durable < position:
                self._fail(f"write, then act: {effect!r:.150} begins before event {position} is synced")
            begin(effect, *rest)

        return checked

    def go_on(self, turns: int | None = None) -> bool:
        rest = self.loop.run(self._stopped if turns else lambda: self._stopped() or self._only_rings(), turns)
        self._judge()
        return rest

    def _only_rings(self) -> bool:
        """Nothing happens any more but alarms that ring again and again, for somebody who waits for a person; they never end. A native
        program whose answer to `alarm` was taken back does not know the number by which to take the alarm back."""
        events = self.watcher.events[-RINGS:]
        return self.loop.idle and len(events) == RINGS and all(isinstance(event, Ticked) for event in reversed(events))

    def _stopped(self) -> bool:
        return self.disk.dead or self.machine._loop.broken is not None or self.watcher.verdict is not None

    def _judge(self) -> None:
        """Raise what anybody found."""
        for verdict in (self._broken, *(one.verdict for one in self._watchers)):
            if verdict is not None:
                raise verdict
        for one in self._machines:
            journal, failure = one._loop.journal, one.failure
            if isinstance(failure, LawBroken):
                raise failure
            fenced = isinstance(failure, Fenced) and journal is not self.disk.newest
            full = isinstance(failure, Full) and journal.full  # type: ignore[attr-defined]
            failed = isinstance(failure, JournalError) and journal.failing.happened  # type: ignore[attr-defined]
            if failure is not None and not (fenced or full or failed or isinstance(failure, PowerCut)):
                raise LawBroken(f"the machine broke: {failure!r}") from failure
        for error in self.loop.failures:
            if isinstance(error, LawBroken):
                raise error
            if not isinstance(
                error, PowerCut | MachineError
            ):  # results that nobody waits for any more are MachineErrors
                raise LawBroken(f"nobody caught {error!r}") from error
        self.loop.failures.clear()

    def _fail(self, words: str) -> None:
        self._broken = self._broken or LawBroken(words)
        raise self._broken

    def _drop(self) -> None:
        """End every machine, as a kill does: also the files and folders that it held open are closed."""
        self.loop.drop()
        for each in self._machines:
            each._loop.journal.drop()  # type: ignore[attr-defined]
            each._loop.spaces.close()
        self._watchers.clear()
        self._machines.clear()

    def crash(self, end: str) -> None:
        """Nothing of the machine is left but its disk, and of that perhaps not all."""
        self._drop()
        if end not in ("close", "full") and self.chance.random() < 0.5:
            self.disk.lose(self.chance)
        self.disk.dead = False
        self._say(f"--- it ends by {end}; records lost so far: {self.disk.lost}")
        step = steps.take(self.disk, self.stepping)
        if step:
            self._say(f"--- a {step}, and no record is lost")
        if len(self.watcher.events) != len(self.disk.records()):
            self.watcher = Watcher()  # something happened in that machine which no other will ever know

    # The end.

    def last_life(self) -> None:
        self.boot()
        self.loop.create_task(self.person.live())
        self._rest()
        self.finish()

    def finish(self) -> None:
        """Let all go well, end everything, and compare the books."""
        self.outside.calm = True
        for _ in range(200):
            if not self.person.tidy_up():
                break
            self._rest()
        self.person.stop_all()
        self._rest()
        self._check_end()
        self.loop.result(self.machine.close())
        self._check_fold(self.machine.kernel)
        for words in () if self.disk.path is None else differences(self.disk.path):
            raise LawBroken(f"looking: {words}")
        self.crash("close")

    def _rest(self) -> None:
        self.go_on()
        self.watcher.check_rest(self.machine.clock.order())
        self.watcher.forgotten.check(self.machine.kernel, self.machine._loop.cast)
        busy = self.machine._loop.stage.busy
        if busy:
            raise LawBroken(f"rest: {busy} pieces of work never end")

    def _check_end(self) -> None:
        kernel = self.machine.kernel
        living = [one.pid for one in everyone(kernel) if one.alive]
        if living or kernel.asks:
            raise LawBroken(f"end: {living} live on, or asks {list(kernel.asks)} are open, though all trees were ended")
        for root, given in kernel.given.items():
            if kernel.processes[root].left.processes != given.processes:
                raise LawBroken(f"budget: not all processes came back to {root}")
        spent = sum(process.spent.tokens for process in everyone(kernel))
        if spent > self.outside.used:
            raise LawBroken(f"bill: {spent} tokens were booked, and models used {self.outside.used}")
        self.person.check(kernel)
        self._check_ledger()
        self._check_memories()

    def _check_ledger(self) -> None:
        """What was done outside against what the journal says was begun, and what its processes were told."""
        watcher, ledger, notes = self.watcher, self.outside.ledger, self.outside.notes
        for token, times in ledger.items():
            if times > 1 and not watcher.forgotten.came_again(token):
                raise LawBroken(f"act once: {token} was done {times} times")
        for token in (
            *ledger,
            *(() if self.disk.lost else notes),
        ):  # the intent of a note is not synced: it may be lost
            if token not in watcher.intents:
                raise LawBroken(f"write, then act: {token} was done, and the journal knows of no intent")
        for token, (tool, rule) in watcher.told.items():
            if rule == "failed" and self.outside.returned[token] and not watcher.forgotten.came_again(token):
                raise LawBroken(f"the truth: {tool} {token} was done and said so; its process was told: {rule}")
            if tool in TRACELESS or rule in UNSURE or watcher.forgotten.came_again(token):
                continue
            if (ledger[token] + notes[token] > 0) != (rule == "ok"):
                raise LawBroken(
                    f"the truth: {tool} {token} was done {ledger[token] + notes[token]} times, told: {rule}"
                )

    def _check_memories(self) -> None:
        """Nobody remembers the same twice, so nothing is kept twice; and whatever was said to be kept is, if not forgotten."""
        with self.memories._reading() as database:
            kept = [text for (text,) in database.execute("SELECT text FROM memories")]
        kept = [text for text in kept if not self.watcher.forgotten.came_again(text)]
        if len(kept) != len(set(kept)):
            raise LawBroken(f"act once: {sorted(kept)} are kept, some of them twice")

    def _check_fold(self, live: Kernel) -> None:
        kernel = Kernel()
        for record in self.disk.records():
            kernel.handle(decode(record.body))
        if digest(kernel) != digest(live):
            raise LawBroken("fold: what is on the disk does not lead to the machine that wrote it")

    # The story.

    def _say(self, words: str) -> None:
        if self.tell is not None:
            self.tell(f"{self.loop.time():10.2f} s  {words}")

    def _tell_all(self, machine: Machine) -> None:
        from story import chapter

        inner, life = machine.kernel.handle, self.lives

        def handle(event: Event) -> list[object]:
            effects = inner(event)
            for line in chapter(event, effects):
                self._say(f"[{life}] {line}")
            return effects

        machine.kernel.handle = handle  # type: ignore[method-assign]
