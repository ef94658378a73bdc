"""Following: a person watches trees until they end, is asked what they ask, and may stop them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from gemot.abi.answers import Outcome
from gemot.abi.effects import Asked
from gemot.cli.display import Display
from gemot.machine.machine import Machine, MachineError
from gemot.machine.notes import AskClosed, Asking, Began, Ended, Note, pid_of
from gemot.machine.standstill import waits_for_person
from gemot.machine.views import ProcessView
from gemot.machine.wishes import Answer

AsksMode = Literal["ask", "wait", "no", "show"]
"""``ask``: at this terminal, and without one stop when only a person can go on; ``wait``: stay; ``no``: actions are refused;
``show``: a plan is shown, and nothing goes on."""

Why = Literal["ended", "waits", "stopped", "gone"]

QUIET_SECONDS = 0.1
"""After this long without news it is worth a look whether only a person can go on."""

BREATH_SECONDS = 1.0
"""After a question was taken back, the next one waits this long: a key meant for the first must not answer the second."""


class Source(Protocol):
    """A machine here or elsewhere."""

    @property
    def gone(self) -> bool:
        """It has stopped, and nothing more will come from it."""
        ...

    async def tree(self, root: int) -> list[ProcessView]: ...

    async def asks(self) -> list[Asked]: ...

    async def answer(
        self, ask: int, allow: bool = True, text: str = "", scope: Literal["once", "process", "subtree"] = "once"
    ) -> None: ...

    async def waits_for_person(self, roots: tuple[int, ...]) -> bool: ...

    async def watch(self, watcher: Callable[[Note], None]) -> None: ...


class Local:
    """The machine of this very process as a source."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @property
    def gone(self) -> bool:
        return self._machine.failure is not None

    async def tree(self, root: int) -> list[ProcessView]:
        return self._machine.processes(root)

    async def asks(self) -> list[Asked]:
        return self._machine.asks()

    async def answer(
        self, ask: int, allow: bool = True, text: str = "", scope: Literal["once", "process", "subtree"] = "once"
    ) -> None:
        await self._machine.answer(ask, allow, text, scope)

    async def waits_for_person(self, roots: tuple[int, ...]) -> bool:
        return waits_for_person(self._machine.kernel, roots)

    async def watch(self, watcher: Callable[[Note], None]) -> None:
        self._machine.watch(watcher)


class Following:
    """Make it and :meth:`begin` before anything starts, so that nothing is missed; then :meth:`until_ended`."""

    def __init__(self, source: Source, display: Display, asks: AsksMode) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self._source, self._display, self._mode = source, display, asks
        self._news: asyncio.Queue[Note] = asyncio.Queue()
        self._stopped = False
        self._family: set[int] = set()
        self._open: dict[int, Asked] = {}
        self._left: set[int] = set()
        self._prompt: asyncio.Task[Answer | None] | None = None
        self._prompted = 0
        self._not_before = 0.0

    async def begin(self) -> None:
        await self._source.watch(self._news.put_nowait)

    def stop(self) -> None:
        self._stopped = True

    async def until_ended(self, roots: Sequence[int]) -> Why:
        """Follow the trees of ``roots``; says why it came back. ``outcomes`` then has how those that ended did."""
        for view in await self._trees(roots):
            self._family.add(view.pid)
            if view.pid in roots and view.outcome is not None:
                self.outcomes[view.pid] = view.outcome
        self._family.update(roots)
        for asked in await self._source.asks():
            self._asked(asked)
        try:
            return await self._follow(tuple(roots))
        finally:
            if self._prompt is not None:
                self._prompt.cancel()
                await asyncio.gather(self._prompt, return_exceptions=True)

    async def _trees(self, roots: Sequence[int]) -> list[ProcessView]:
        """What there is to see of what is followed: never of all that ever was."""
        return [view for root in roots for view in await self._source.tree(root)]

    async def _follow(self, roots: tuple[int, ...]) -> Why:
        tick = self._display.tick_seconds
        loop = asyncio.get_running_loop()
        shown = 0.0
        while True:
            news = await self._next(tick or QUIET_SECONDS)
            if all(root in self.outcomes for root in roots):
                return "ended"
            if self._stopped:
                return "stopped"
            if self._source.gone:
                return "gone"
            if self._mode == "show" and any(asked.plan for asked in self._open.values()):
                return "waits"
            await self._settle_asks()
            if tick and loop.time() - shown >= tick:
                self._display.tree(await self._trees(roots), roots)
                shown = loop.time()
            may_leave = self._mode != "wait" and not self._display.asks_here
            # Nothing stands still once all has ended: what says so may have come while this was asked.
            if not news and may_leave and await self._source.waits_for_person(roots) and self._news.empty():
                return "waits"

    async def _next(self, patience_seconds: float) -> bool:
        """Take in what is there, or what comes soon; says whether there was any."""
        try:
            note = await asyncio.wait_for(self._news.get(), patience_seconds)
        except TimeoutError:
            return False
        self._take(note)
        while not self._news.empty():
            self._take(self._news.get_nowait())
        return True

    def _take(self, note: Note) -> None:
        match note:
            case Began(pid, parent) if parent in self._family:
                self._family.add(pid)
            case Asking(asked):
                self._asked(asked)
            case AskClosed(ask):
                if self._open.pop(ask, None) is None:
                    return
                if self._prompt is not None and ask == self._prompted:
                    self._prompt.cancel()
                self._display.show(note)
                return
            case Ended(outcome):
                self.outcomes[outcome.pid] = outcome
            case _:
                pass
        if pid_of(note) in self._family:
            self._display.show(note)

    def _asked(self, asked: Asked) -> None:
        if asked.pid in self._family:
            self._open[asked.ask] = asked

    async def _settle_asks(self) -> None:
        """Refuse what is to be refused; put the oldest open ask to the person, one at a time."""
        if self._mode == "no":
            for asked in [one for one in self._open.values() if one.tool or one.plan or one.actions]:
                await self._answer(Answer(asked.ask, False, "no action is confirmed in this run"))
        if self._prompt is not None and self._prompt.done():
            task, self._prompt = self._prompt, None
            if task.cancelled():
                self._not_before = asyncio.get_running_loop().time() + BREATH_SECONDS
            else:
                answer = task.result()
                if answer is None:
                    self._left.add(self._prompted)
                    self._display.word(f"it waits: gemot answer {self._prompted} ...")
                else:
                    await self._answer(answer)
        if not self._display.asks_here or self._prompt is not None:
            return
        waiting = [asked for number, asked in self._open.items() if number not in self._left]
        if waiting and asyncio.get_running_loop().time() >= self._not_before:
            self._prompted = waiting[0].ask
            self._prompt = asyncio.get_running_loop().create_task(self._display.ask(waiting[0]))

    async def _answer(self, answer: Answer) -> None:
        self._open.pop(answer.ask, None)
        try:
            await self._source.answer(answer.ask, answer.allow, answer.text, answer.scope)
        except MachineError as error:  # somebody else was faster, or the process ended
            self._display.word(str(error))
