"""Threads for tools that are plain functions. A tool that hangs keeps its thread, and nothing else.

The executors of the standard library count a hung thread for ever and join it when Python ends. Here a use that was given up
leaves its thread behind: others get a new one, and the end of the process ends it (the threads are daemons).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any


class Raised(Exception):
    """What a tool raised, whatever it was: a `StopIteration` or a `SystemExit` can't be raised through a future or a loop."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class _Use:
    """One call of one function."""

    def __init__(self, function: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.function, self.future = function, future
        self.begun = self.left = False


class _Worker:
    """One thread, and the queue that it takes its uses from."""

    def __init__(self, name: str, done: Callable[[_Worker, _Use, Any, BaseException | None], None]) -> None:
        self.uses: SimpleQueue[_Use | None] = SimpleQueue()
        self._done = done
        Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while (use := self.uses.get()) is not None:
            value: Any = None
            raised: BaseException | None = None
            try:
                value = use.function()
            except BaseException as error:  # noqa: BLE001 - the edge: whatever a tool raises becomes its answer
                raised = error
            try:
                use.future.get_loop().call_soon_threadsafe(self._done, self, use, value, raised)
            except RuntimeError:
                return  # the loop has ended meanwhile, so nobody waits


class Threads:
    """At most ``most`` functions at the same time, not counting those that were given up. For one event loop."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._waiting: deque[_Use] = deque()
        self._idle: list[_Worker] = []
        self._busy = 0

    async def run(self, function: Callable[[], Any]) -> Any:
        """The value of ``function()``, called in a thread. Raises :class:`Raised` with what it raised."""
        use = _Use(function, asyncio.get_running_loop().create_future())
        self._waiting.append(use)
        self._fill()
        try:
            return await use.future
        finally:
            if (use.begun and not use.future.done()) or use.future.cancelled():
                self._leave(use)

    def _fill(self) -> None:
        while self._waiting and self._busy < self._most:
            use = self._waiting.popleft()
            if use.future.done():
                continue
            use.begun = True
            self._busy += 1
            worker = self._idle.pop() if self._idle else _Worker(self._name, self._done)
            worker.uses.put(use)

    def _leave(self, use: _Use) -> None:
        """Nobody waits for this use any more; its thread does not count."""
        if use.begun and not use.left:
            use.left = True
            self._busy -= 1
        self._fill()

    def _done(self, worker: _Worker, use: _Use, value: Any, raised: BaseException | None) -> None:
        if use.left:
            worker.uses.put(None)
            return
        use.left = True
        self._busy -= 1
        self._idle.append(worker)
        if not use.future.done():
            if raised is None:
                use.future.set_result(value)
            else:
                use.future.set_exception(Raised(raised))
        self._fill()

    def close(self) -> None:
        """End the threads that have nothing to do; the others end with what they do, or with the process."""
        self._waiting.clear()
        for worker in self._idle:
            worker.uses.put(None)
        self._idle.clear()
