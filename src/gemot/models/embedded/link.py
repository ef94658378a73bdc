"""The parent's end of the worker: starts it when first used, one request at a time, kills it when it hangs.

Invariant: after :meth:`Link.ask` returns or raises, either the worker is idle and the pipe is empty, or there is no
worker and the next request starts one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from gemot.models.port import ModelFailed

GRACE_SECONDS = 1.0
"""How long a cancelled worker may take to notice before it is killed."""
SILENCE_SECONDS_MAX = 300.0
"""How long a worker may say nothing at all. The longest prompt takes well under a minute on a slow computer."""
LINE_BYTES_MAX = 1 << 22
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")


class _Died(Exception):
    """The worker ended, or said something that is no reply, in the middle of a request."""


class Link:
    """``sharing``: prompts that begin alike share what was computed, where the worker finds that they can."""

    def __init__(
        self, weights: Callable[[], Path], threads: int, command: tuple[str, ...] | None = None, sharing: bool = True
    ) -> None:
        self._weights = weights
        self._threads = threads
        self._command = command or (sys.executable, "-P", "-m", "gemot.models.embedded.worker")
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._number = 0
        self.starts = 0
        self.unshared = ""
        """Why the worker that was started last computes every prompt whole; empty where it shares."""
        self._sharing = sharing
        self._died_trying = False
        self.started = asyncio.Event()
        """Set when a worker was started for the first time."""

    @property
    def pid(self) -> int | None:
        """The worker's process id on this computer, None while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def ask(self, do: str, heard: Callable[[str], None] | None = None, **request: Any) -> dict[str, Any]:
        """One operation of the worker and what it returned. Starts the worker, and once again if it dies meanwhile."""
        async with self._turn:
            spoken = False

            def hear(piece: str) -> None:
                nonlocal spoken
                spoken = True
                if heard:
                    heard(piece)

            for attempt in (1, 2):
                try:
                    return await self._ask_once({"do": do, **request}, hear)
                except _Died as death:
                    await self._kill()
                    if attempt == 2 or spoken:  # what people heard can't be taken back
                        raise ModelFailed("unreachable", f"the embedded model's worker {death}; try again") from None
            raise AssertionError("unreachable")

    async def _ask_once(self, request: dict[str, Any], heard: Callable[[str], None]) -> dict[str, Any]:
        process = await self._running()
        self._number += 1
        number = self._number
        try:
            await self._write(process, {"id": number, **request})
            while True:
                reply = await self._read(process)
                if reply.get("id") != number:
                    raise _Died("answered a question nobody asked")
                if "heard" in reply:
                    heard(str(reply["heard"]))
                elif "error" in reply:
                    raise ModelFailed(str(reply.get("kind", "garbled")), f"embedded model: {reply['error']}")
                elif isinstance(reply.get("done"), dict):
                    return reply["done"]
                else:
                    raise _Died("said something that is no reply")
        except asyncio.CancelledError:
            await self._give_up(process, number)
            raise

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process and self._process.returncode is None:
            return self._process
        weights = self._weights()
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            str(weights),
            str(self._threads),
            "shared" if self._sharing and not self._died_trying else "plain",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            limit=LINE_BYTES_MAX,
            start_new_session=True,
        )
        self.starts += 1
        self.started.set()
        try:
            hello = await self._read(process)
        except asyncio.CancelledError:
            await self._kill()
            raise
        except _Died:
            self._died_trying = self._sharing and not self._died_trying  # what it tries first is whether it can share
            raise
        if "fatal" in hello:
            await self._kill()
            raise ModelFailed(str(hello.get("kind", "garbled")), str(hello["fatal"]))
        if hello.get("ready") is not True:
            raise _Died("did not say that it is ready")
        self.unshared = "it ended while it was tried" if self._died_trying else str(hello.get("unshared", ""))
        self._died_trying = False  # the next one tries again
        return process

    async def _write(self, process: asyncio.subprocess.Process, request: dict[str, Any]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise _Died("closed its end of the pipe") from None

    async def _read(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), SILENCE_SECONDS_MAX)
        except TimeoutError:
            raise _Died(f"said nothing for {SILENCE_SECONDS_MAX:.0f} seconds") from None
        except ValueError:
            raise _Died("said a line without end") from None
        if not line.endswith(b"\n"):
            status = await process.wait() if process.returncode is None and not line else process.returncode
            raise _Died(f"ended (exit status {status})")
        try:
            reply: Any = json.loads(line)
        except ValueError:
            raise _Died("said something that is not JSON") from None
        if not isinstance(reply, dict):
            raise _Died("said something that is no reply")
        return cast("dict[str, Any]", reply)

    async def _give_up(self, process: asyncio.subprocess.Process, number: int) -> None:
        """Tell the worker to stop, wait a moment until the pipe is empty again, and kill it otherwise."""

        async def drain() -> None:
            await self._write(process, {"id": number, "do": "cancel"})
            while True:
                reply = await self._read(process)
                if reply.get("id") == number and ("done" in reply or "error" in reply):
                    return

        try:
            await asyncio.wait_for(drain(), GRACE_SECONDS)
        except (TimeoutError, _Died, asyncio.CancelledError):
            await self._kill()

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()

    async def close(self) -> None:
        async with self._turn:
            await self._kill()
