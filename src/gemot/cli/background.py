"""The background: a machine without a terminal, that ends when nothing is left to do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from gemot.cli.config import project_programs
from gemot.cli.failing import DONE, INTERRUPTED, put, say
from gemot.cli.memory import settle
from gemot.cli.reach import Patience, opened
from gemot.cli.run import Stop, awake_roots
from gemot.cli.sight import home_of, is_running
from gemot.machine.client import Client, Gone
from gemot.machine.door import Door
from gemot.machine.home import Home, HomeError
from gemot.machine.wishes import Start

T = TypeVar("T")

_OPENED = os.O_NOFOLLOW | os.O_CLOEXEC

LOOK_SECONDS = 0.2
_ERRORS_BYTES_MAX = 65_536

FIRST_WISH_SECONDS = 30.0
"""How long a background machine waits for somebody to give it something to do."""


def serve(folder: Path | None, detached: bool = False) -> int:
    """Run the machine until every tree has ended or sleeps. Trees that wait for a person keep it: answers come through the door.
    ``detached``: its errors go to the command that started it, and to its output once it is open."""
    home = home_of(folder)
    if sys.stdin is not None and sys.stdin.isatty():
        say(
            f"gemot serve: the machine of {home.folder} runs here until nothing is left to do; commands with --detach start "
            "one in the background by themselves. Ctrl-C ends it, and what has not ended sleeps"
        )
    return asyncio.run(_serve(home, detached))


async def _serve(home: Home, detached: bool) -> int:
    async with await opened(home, project_programs()) as machine, Door(machine) as door:
        if detached:  # whoever started it may end now
            os.dup2(1, 2)
        settle()
        with Stop() as stop:
            patience = FIRST_WISH_SECONDS
            while not stop.wanted.is_set():
                if machine.failure is not None:
                    raise machine.failure
                if machine.home is not None and not machine.home.is_ours():
                    raise HomeError(f"the machine's folder {home.folder} was deleted or replaced, so this machine ends")
                if awake_roots(machine) or door.guests:
                    patience = LOOK_SECONDS
                elif patience <= 0:
                    return DONE
                patience -= LOOK_SECONDS
                try:
                    await asyncio.wait_for(stop.wanted.wait(), LOOK_SECONDS)
                except TimeoutError:
                    continue
            return INTERRUPTED


def detach(folder: Path | None, start: Start) -> int:
    """Give the goal to the machine that runs, or to a new one in the background; print the pid."""
    from gemot.cli.models import check

    for name in (start.model, *start.route, *start.models):
        check(name)
    put(str(submit(folder, lambda client: client.start(start))))
    return DONE


def go_on(folder: Path | None, pid: int | None) -> int:
    """Let the tree of ``pid`` (or all that sleep) go on in the background; print its root."""
    roots = submit(folder, lambda client: client.resume(pid))
    put("\n".join(map(str, roots)) if roots else "nothing sleeps")
    return DONE


def submit(folder: Path | None, wish: Callable[[Client], Awaitable[T]]) -> T:
    """What the machine that runs says to a wish, or a new one in the background."""
    return asyncio.run(_submit(home_of(folder), wish))


async def _submit(home: Home, wish: Callable[[Client], Awaitable[T]]) -> T:
    background: Background | None = None
    patience = Patience(home)
    while await patience.left():
        client = await Client.connect(home.door, home)
        if client is not None:
            try:
                await client.asks()
                listening = True
            except Gone:
                listening = False  # it was just ending, and nothing was asked of it yet
            try:
                if listening:
                    return await wish(client)
            finally:
                await client.close()
        if background is None and is_running(home) is None:
            background = Background(home)
        elif background is not None and background.has_ended():
            if is_running(home) is None:
                home.check()
                raise HomeError(f"the background machine did not start: {background.reason()}")
            background = None
    raise HomeError(f"no machine answers at {home.door}; see {home.folder / 'machine.log'} and gemot doctor")


class Background:
    """A machine in a process of its own, which outlives this one and its terminal. Until it is open its errors come through a pipe: a
    full disk takes no log."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._log = home.folder / "machine.log"
        self._errors, errors = os.pipe()
        try:
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _OPENED, 0o600)
        except OSError as error:
            os.close(self._errors)
            os.close(errors)
            raise HomeError(f"{self._log} can't be written: {error.strerror}") from error
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gemot", "serve", "--detached", "--home", str(home.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=errors,
                start_new_session=True,
            )
        finally:
            os.close(log)
            os.close(errors)

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def reason(self) -> str:
        """Why it ended: the last line that it wrote, else how it ended and whether there is room on the disk."""
        os.set_blocking(self._errors, False)  # a process that it started may hold the other end
        body = b""
        with contextlib.suppress(BlockingIOError):
            body = os.read(self._errors, _ERRORS_BYTES_MAX)
        os.close(self._errors)
        text = body.decode(errors="replace").strip()
        with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as log:
            log.write(text + "\n" if text else "")
        if text:
            return text.splitlines()[-1].removeprefix("gemot: ")
        code = self._process.returncode
        how = f"signal {-code} ended it" if code < 0 else f"it ended with exit code {code} and wrote no error"
        room = shutil.disk_usage(self._home.folder).free
        return f"{how}; {room / 1e6:,.0f} MB are free on the disk of {self._home.folder} (see {self._log})"
