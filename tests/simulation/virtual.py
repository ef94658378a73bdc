"""An event loop whose time is a number and whose order is seeded chance: the same seed, the same run.

Of the callbacks that are ready any may be next (asyncio promises order, but nothing of ours may lean on it). When none is,
time moves to the next timer; nothing ever sleeps. :meth:`run` stops between two callbacks, which is between two awaits:
there a machine can be dropped, as ``kill -9`` drops it.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from asyncio import events
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from gemot.machine.threads import Raised

TURNS_MAX = 60_000
"""Callbacks in one run at most: a machine that is busier than this never comes to rest."""


class NeverQuiet(AssertionError):
    """The machine goes on for ever."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """``chance`` picks what is next. ``failures``: what callbacks raised and nobody caught."""

    def __init__(self, chance: Random) -> None:
        self.turns = 0
        self.failures: list[BaseException] = []
        self._chance = chance
        self._now = 0.0
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = 0
        self._tasks: list[asyncio.Task[Any]] = []

    def __enter__(self) -> VirtualLoop:
        self._before = events._get_running_loop()
        events._set_running_loop(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()
        events._set_running_loop(self._before)

    # Running.

    def run(self, until: Callable[[], bool] = lambda: False, turns: int | None = None) -> bool:
        """Run until nothing is left to happen, ``until`` holds, or ``turns`` callbacks were called; says whether it is at rest."""
        last = self.turns + TURNS_MAX if turns is None else self.turns + turns
        ready, chance = self._ready, self._chance
        while not until():
            if not ready and not self._move_on():
                return True
            if self.turns >= last:
                if turns is None:
                    raise NeverQuiet(f"it is not at rest after {TURNS_MAX} callbacks")
                return False
            self.turns += 1
            index = int(chance.random() * len(ready)) if len(ready) > 1 else 0
            ready[index], ready[-1] = ready[-1], ready[index]
            handle = ready.pop()
            if not handle._cancelled:
                handle._run()
        return False

    @property
    def idle(self) -> bool:
        """Nothing is ready now."""
        return not self._ready

    def _move_on(self) -> bool:
        """Let time pass until something is due."""
        while self._timers:
            when, _, handle = heapq.heappop(self._timers)
            if handle._cancelled:
                continue
            self._now = max(self._now, when)
            self._ready.append(handle)
            while self._timers and self._timers[0][0] <= self._now:
                self._ready.append(heapq.heappop(self._timers)[2])
            return True
        return False

    def result(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run until ``coroutine`` has ended; what it returns or raises. It begins at once, before all that is ready."""
        task = self.create_task(coroutine)
        self._ready.pop()._run()
        self.run(task.done)
        assert task.done(), "it waits for something that will never happen"
        return task.result()

    def drop(self) -> None:
        """Everything that was under way is gone, as when a process is killed."""
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(BaseException):  # a driver that fights its end; nobody hears of it
                    task.get_coro().close()  # type: ignore[union-attr]
        self._tasks.clear()
        self._ready.clear()
        self._timers.clear()

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        if len(self._tasks) > 64:
            self._tasks = [one for one in self._tasks if not one.done()]
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.failures.append(error)


class VirtualThreads:
    """Plain functions take their turn in the loop: when a real thread ends is chance that no seed decides."""

    async def run(self, function: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        try:
            return function()
        except BaseException as error:  # as a thread does it: whatever a tool raises becomes its answer
            raise Raised(error) from None

    def close(self) -> None:
        """There are no threads to end."""
