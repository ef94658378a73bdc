"""The stage: where effects are carried out. Models are called, tools run, values are read; each ends in one `Done`.

One kind of failure ends in none: of the journal, in whatever phase of the work. It stops the machine, as a failed append does. The next
machine finds the work begun and without an end, and repeats it or says "in doubt".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from threading import Event
from typing import Any

from msgspec.structs import replace

from gemot.abi import limits
from gemot.abi.answers import Change
from gemot.abi.effects import AskModel, Compare, DropMemory, FindMemories, KeepMemory, ReadValue, StartTool
from gemot.abi.events import Compared, Done, Failure, Found, Kept, Replied, Result, Value, Waiting
from gemot.abi.messages import Request, Usage
from gemot.drivers.kit import Tool
from gemot.journal.contract import Damaged, Journal, JournalError
from gemot.journal.records import Illegible
from gemot.machine.attempts import Attempts, Passing, Question
from gemot.machine.memories import Memories, MemoriesError
from gemot.machine.phases import STOPPED, Phase, sayable, words_of
from gemot.machine.pool import Pool
from gemot.machine.spaces import View
from gemot.machine.threads import Raised
from gemot.machine.using import Uses
from gemot.machine.vault import Vault
from gemot.models.counting import settled
from gemot.models.port import Model, ModelFailed, is_remote
from gemot.models.redacting import Stream

GRACE_SECONDS = 0.2
"""How long work that was cancelled may take to end before it is left behind."""

BROKE_OFF = "\n[the reply broke off; asking again]\n"
"""Told to people who watch, when words that they have heard are not part of the reply."""

KEEPING_SECONDS = 30.0
"""How much longer than its deadline a use may take that has returned in time, and whose result is being kept."""


class Stage:
    """``report`` is told each `Done` and each `Waiting`; ``broke`` a failure of the journal; ``heard`` each piece of text a model says;
    ``delayed`` (question, why, seconds) each quick attempt that follows a failed one. ``windows``: tokens that models take in, by name,
    where the person knows better."""

    def __init__(
        self,
        journal: Journal,
        tools: dict[str, Tool],
        open_model: Callable[[str], Model],
        now: Callable[[], int],
        report: Callable[[Done | Waiting], None],
        broke: Callable[[JournalError], None],
        heard: Callable[[int, str], None],
        delayed: Callable[[Question, str, float], None],
        memories: Memories,
        pool: Pool,
        windows: Mapping[str, int],
        secrets: Mapping[str, bool] | None = None,
    ) -> None:
        self.pool, self._windows = pool, windows
        self.attempts = Attempts(
            pool, report, lambda question, passing, seconds: delayed(question, passing.why, seconds), self._refused, now
        )
        self._journal, self._open_model = journal, open_model
        self._now, self._report, self._broke, self._heard = now, report, broke, heard
        self._vault = Vault(chosen=secrets)
        self.uses = Uses(journal, tools, self._vault)
        self._memories = memories
        self._models: dict[str, Model] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._begun: dict[int, float] = {}
        """Work that had its first turn, and when it must have ended, by the loop's clock."""
        self._phases: dict[int, Phase] = {}
        """All that is running, and how far it has come."""
        self._late: set[int] = set()
        """Work that was given up because it had not."""
        self._watch: asyncio.TimerHandle | None = None
        """One timer for all of that, set to the earliest: work that ends in time costs no timer of its own."""
        self._stopped: set[int] = set()
        """Work that was asked to stop."""

    def ask(self, effect: AskModel, request: Request, chars: int) -> None:
        """Ask a model when its turn has come; ``chars``: how much it is shown."""

        def begin() -> None:
            phase = Phase("model", effect.millis_max, effect.model)
            self._begin(effect.effect, phase, self._generate, effect, request, phase)

        self.attempts.ask(effect, chars, begin)

    def _refused(self, effect: int, why: str) -> None:
        self._done(effect, Failure("limit", why))

    def _done(self, effect: int, outcome: Result, millis: int = 0) -> None:
        """Report how a piece of work ended. Raises :class:`Illegible`."""
        outcome, provider = self.attempts.answered(effect, outcome)
        self._report(Done(self._now(), effect, outcome, millis, provider))

    def use(self, effect: StartTool, view: Callable[[StartTool], View]) -> None:
        phase = self.uses.phase(effect)

        def ended(error: BaseException) -> Failure:
            return self._failure(effect.effect, phase, error)

        self._begin(effect.effect, phase, self.uses.use, effect, view, phase, ended)

    def read(self, effect: ReadValue) -> None:
        async def fetch() -> Result:
            try:
                return Value(self._journal.value(effect.digest, effect.start, effect.length))
            except Damaged as error:  # this text is gone; the journal can be used all the same
                return Failure("failed", str(error))

        self._begin(effect.effect, Phase("read", 60_000), fetch)

    def compare(self, effect: Compare, look: Callable[[Compare, Callable[[], bool]], tuple[list[Change], str]]) -> None:
        """See what a process changed. ``look`` takes as long as it takes to read its files, and ends soon when it is told to: a
        thread can't be stopped, and one that went on would keep its place, and the machine from closing."""

        async def compare() -> Result:
            ended = Event()
            try:
                changes, text = await asyncio.to_thread(look, effect, ended.is_set)
            finally:
                ended.set()
            text = self._vault.redactor.text(text)
            digest = self._journal.put_value(text) if text else ""
            more = max(0, len(changes) - limits.CHANGES_MAX)
            return Compared(tuple(changes[: limits.CHANGES_MAX]), more, digest, text[: limits.DIFF_CHARS_SHOWN])

        self._begin(effect.effect, Phase("compare", effect.millis_max), compare)

    def remember(self, effect: KeepMemory | FindMemories | DropMemory) -> None:
        acts = not isinstance(effect, FindMemories)
        phase = Phase("memory", 60_000, _MEMORY[type(effect)], acts)

        def work() -> Result:
            return phase.call(lambda: self._remembered(effect))

        async def do() -> Result:
            try:
                return work() if self._memories.path is None else await asyncio.to_thread(work)
            except MemoriesError as error:
                return Failure(error.rule, str(error))

        self._begin(effect.effect, phase, do)

    def _remembered(self, effect: KeepMemory | FindMemories | DropMemory) -> Result:
        match effect:
            case KeepMemory():
                clean = self._vault.redactor.text
                return Kept(self._memories.keep(replace(effect, text=clean(effect.text), about=clean(effect.about))))
            case FindMemories():
                return Found(self._memories.find(effect))
            case DropMemory():
                return Kept(self._memories.drop(effect))

    def stop(self, effect: int) -> None:
        """Give work up. It still reports, so that its time is booked."""
        if self.pool.withdraw(effect):
            self._done(effect, STOPPED)
            return
        task = self._running.get(effect)
        if task is None:
            return
        self._late.discard(effect)
        self._stopped.add(effect)
        phase = self._phases[effect]
        self._cancel(effect)
        if (
            effect not in self._begun
        ):  # a task that is cancelled before its first turn never gets one, so it can't report
            self._forget(effect)
            self._done(effect, phase.stopped())

    def _cancel(self, effect: int) -> None:
        """Ask work to end, and leave it behind where it does not. What has not begun does not begin any more."""
        self._phases[effect].call_off()
        self._running[effect].cancel()
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._leave, effect, self._running[effect])

    def _leave(self, effect: int, task: asyncio.Task[None]) -> None:
        """Answer for work that goes on although it was cancelled. What it says later is not heard."""
        if self._running.get(effect) is not task:
            return
        phase = self._phases[effect]
        late, elapsed = effect in self._late, phase.elapsed()
        for left in (task, phase.coroutine):
            if left is not None:
                _let_go(left)
        self._forget(effect)
        if late and phase.is_hung():
            self._again(effect, phase, Passing(phase.hung()))
            return
        self._done(effect, phase.overdue() if late else phase.stopped(), 0 if phase.is_hung() else elapsed)

    def _forget(self, effect: int, usage: Usage | None = None) -> None:
        del self._running[effect]
        del self._phases[effect]
        self._begun.pop(effect, None)
        self._late.discard(effect)
        self._stopped.discard(effect)
        if not self._running and self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self.pool.leave(effect, usage)

    @property
    def busy(self) -> int:
        return len(self._running) + self.pool.waiting

    def model(self, name: str) -> Model:
        """The model of this name, opened once. Raises :class:`ModelFailed`."""
        if name not in self._models:
            self._vault.look()
            self._models[name] = self._open_model(name)
        return self._models[name]

    def window(self, name: str) -> int:
        """The tokens that a model's window holds, as the person says, or as far as it is known; 0 where nobody knows."""
        if name in self._windows:
            return self._windows[name]
        try:
            return self.model(name).tokens_max
        except Exception:  # noqa: BLE001 - a model that can't be opened says so when it is asked, like any other failure
            return 0

    def _begin(self, effect: int, phase: Phase, work: Callable[..., Awaitable[Result]], *given: object) -> None:
        self._phases[effect] = phase
        self._running[effect] = asyncio.get_running_loop().create_task(self._carry_out(effect, phase, work, *given))

    def _watch_until(self, due: float) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = asyncio.get_running_loop().call_at(due, self._time_is_up)

    def _time_is_up(self) -> None:
        """Give up what is late. The timer may have been set for work that has ended since: then it is only set again."""
        watched, self._watch = self._watch, None
        assert watched is not None
        late = [effect for effect, due in self._begun.items() if due <= watched.when() and effect not in self._late]
        for effect in late:
            phase = self._phases[effect]
            if phase.returned and not phase.keeping:
                phase.keeping = True
                self._begun[effect] += KEEPING_SECONDS
                continue
            self._late.add(effect)
            self._cancel(effect)
        rest = [due for effect, due in self._begun.items() if effect not in self._late]
        if rest:
            self._watch_until(min(rest))

    async def _carry_out(
        self, effect: int, phase: Phase, work: Callable[..., Awaitable[Result]], *given: object
    ) -> None:
        phase.begin_clock(asyncio.get_running_loop().time)
        self._begun[effect] = due = phase.began + phase.millis_max / 1000
        if self._watch is None or due < self._watch.when():
            self._watch_until(due)
        outcome: Result | Passing
        millis: int | None = None
        try:
            outcome = await work(*given)
            if effect in self._late:  # it was given up, and says what it had until then
                used = outcome.reply.usage if isinstance(outcome, Replied) else None
                outcome = replace(phase.overdue(), usage=used)
        except JournalError as error:
            self._stop_over(effect, error)
            return
        except BaseException as error:  # noqa: BLE001 - the edge: whatever a driver or a provider's library does becomes an answer
            outcome = self._ended(effect, phase, error)
            millis = 0 if phase.costs_no_time(outcome) else None
        if self._running.get(effect) is not asyncio.current_task():
            return  # it was left behind, and answered for
        if isinstance(outcome, Passing):
            self._forget(effect, outcome.usage)
            self._again(effect, phase, outcome)
            return
        try:
            outcome = self._vault.redactor.anything(outcome)
        except Exception as error:  # noqa: BLE001 - the edge: a result in which secrets can't be looked for is not told
            outcome = phase.failed(error)
        usage = outcome.reply.usage if isinstance(outcome, Replied) else getattr(outcome, "usage", None)
        self._forget(effect, usage)
        own = usage.millis if isinstance(outcome, Replied) and usage is not None else 0
        taken = own or (phase.elapsed() if millis is None else millis)
        try:
            self._done(effect, outcome, taken)
        except Illegible as error:  # a tool or a model gave what the journal can't keep
            self._done(effect, phase.failed(error), taken)

    def _again(self, effect: int, phase: Phase, passing: Passing) -> None:
        """An attempt to ask a model has failed in a way that may pass."""
        if self.pool.closed:
            self._done(effect, STOPPED)
            return
        why = sayable(" ".join(self._vault.redactor.text(passing.why).split()))
        if phase.spoke:
            self._heard(phase.pid, BROKE_OFF)
        self.attempts.failed(effect, Passing(why, passing.retry_after_seconds, passing.usage))

    def _stop_over(self, effect: int, error: JournalError) -> None:
        """The journal could not be used for this work: nobody is told how it ended, and the machine stops."""
        if self._running.get(effect) is asyncio.current_task():
            self._forget(effect)
        self._broke(error)

    def halt(self) -> None:
        """The machine has stopped: nothing begins any more. What has begun goes on until the machine is closed."""
        self.pool.close()
        for phase in self._phases.values():
            phase.call_off()

    def _ended(self, effect: int, phase: Phase, error: BaseException) -> Failure | Passing:
        """The answer to work that raised. An attempt to ask a model that may go better next time has no answer yet."""
        if effect in self._late and phase.is_hung():
            return Passing(phase.hung())
        cause = error.error if isinstance(error, Raised) else error
        stopped = effect in self._stopped or effect in self._late or _cancelled(error)
        if phase.kind == "model" and isinstance(cause, ModelFailed) and cause.passing and not stopped:
            return Passing(words_of(cause), cause.retry_after_seconds, cause.usage)
        return self._failure(effect, phase, error)

    def _failure(self, effect: int, phase: Phase, error: BaseException) -> Failure:
        """The answer to work that raised: because it was late, because it was stopped, or by itself."""
        if effect in self._late:
            return phase.overdue()
        if effect in self._stopped or _cancelled(error):
            return phase.stopped()
        return phase.failed(error)

    async def _generate(self, effect: AskModel, request: Request, phase: Phase) -> Result:
        model = self.model(effect.model)
        words = Stream(self._vault.redactor, lambda text: self._heard(effect.pid, text))
        phase.pid, phase.remote = effect.pid, is_remote(model)

        def listen(text: str) -> None:
            phase.sign()
            if text:
                phase.spoke = True
                words(text)

        phase.begin()
        try:
            reply = await model.generate(request, listen)
        except Exception as error:  # noqa: BLE001 - the edge: a journal that a model's own code uses is not this machine's
            raise Raised(error) from None
        phase.returned = True
        words.end()
        return Replied(settled(reply, request))

    async def close(self, grace_seconds: float) -> None:
        """Let running tools end for ``grace_seconds``; give up the rest."""
        for effect in self.pool.close():
            self._done(effect, STOPPED)
        for effect, phase in list(self._phases.items()):
            if phase.kind != "tool":
                self.stop(effect)
                continue
            phase.call_off()
            if phase.called_off:
                self.stop(effect)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=grace_seconds)
        for effect in list(self._running):
            self.stop(effect)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=1)
        for effect, task in list(self._running.items()):
            self._leave(effect, task)
        for model in self._models.values():
            with suppress(Exception):  # the edge: a connection that can't be closed keeps no machine from closing
                await model.close()
        self.uses.threads.close()


def _cancelled(error: BaseException) -> bool:
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and bool(task.cancelling())


_MEMORY = {KeepMemory: "remember", FindMemories: "recall", DropMemory: "forget"}


def _let_go(task: asyncio.Task[Any]) -> None:
    """Let the loop end without a task that goes on although it was cancelled: `asyncio.run` waits for every task that is
    registered. For tasks of other makers this call is documented, and this one has become nobody's."""
    asyncio.tasks._unregister_task(task)  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue, reportUnknownMemberType]
    task._log_destroy_pending = False  # type: ignore[attr-defined] # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
