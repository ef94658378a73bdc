"""Reach: how a command gets at the machine, to change something: through the door of the one that runs, or by opening it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import TypeVar

from gemot.cli.config import Config, program_folders, read, rules
from gemot.cli.failing import say
from gemot.cli.sight import Nobody, at_door, home_of, known_home, looked
from gemot.machine.client import Client
from gemot.machine.home import Busy, Home, HomeError
from gemot.machine.machine import Machine
from gemot.machine.pool import Pool, ProviderView
from gemot.machine.wishes import Providers

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""How long a machine may take between its start and its door. While it starts it is waited for."""

LONG_JOURNAL_BYTES = 4_000_000
"""A shorter journal is read in less than a second."""
WORD_SECONDS = 1.0
"""After so long a start is said."""

_PAUSE_SECONDS = 0.05


async def opened(home: Home, project: Path | None) -> Machine:
    """The machine, opened here as the person's configuration says. ``project``: a folder with programs of less trust."""
    config, folders = read(), program_folders()
    with (
        _said(f"the machine of {home.folder} is starting: it reads its journal")
        if _is_long(home)
        else contextlib.nullcontext()
    ):
        machine = await _opened(home, project, config, folders)
    if machine.clock_notice:
        say(machine.clock_notice)
    return machine


def _is_long(home: Home) -> bool:
    """Whether the journal is so long that reading it may take a while; other starts are slow for other reasons."""
    return home.journal.exists() and home.journal.stat().st_size > LONG_JOURNAL_BYTES


@contextlib.contextmanager
def _said(words: str) -> Generator[None]:
    """Say so if it takes long. A thread says it, since reading a journal waits for nothing."""
    timer = threading.Timer(WORD_SECONDS, say, [words])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


async def _opened(home: Home, project: Path | None, config: Config, folders: list[Path]) -> Machine:
    return await Machine.open(
        home.folder,
        program_folders=folders,
        project=project,
        limits=config.provider,
        windows=config.windows,
        private=config.files.private,
        untrusted=config.files.untrusted,
        door=False,
        secrets=config.secrets,
        retention=rules(config),
    )


class Patience:
    """How long an answer at the door of a home is waited for: while a machine starts, and then a while."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._began = time.monotonic()
        self._until = self._began + PATIENCE_SECONDS
        self._said = self._tried = False

    async def left(self) -> bool:
        """Wait a moment, but not the first time; says whether to try."""
        now = time.monotonic()
        if not self._tried:
            self._tried = True
            return True
        if self._home.starts():
            self._until = now + PATIENCE_SECONDS
            if not self._said and now > self._began + WORD_SECONDS:
                say(f"a machine of {self._home.folder} is starting: it reads its journal; waiting for it")
                self._said = True
        await asyncio.sleep(_PAUSE_SECONDS)
        return now < self._until


async def open_or_connect(home: Home, project: Path | None = None) -> Machine | Client:
    """The machine, opened here with everything asleep; or the way to the one that runs already."""
    pid, patience = 0, Patience(home)
    while await patience.left():
        try:
            return await opened(home, project)
        except Busy as busy:
            client = await Client.connect(home.door, home)
            if client is not None:
                return client
            pid = busy.pid  # it is opening, or closing
    raise HomeError(
        f"a machine runs on {home.folder} (process {pid or 'unknown'}), but does not answer at its door; "
        "stop it first, or name another folder with --home"
    )


def change(folder: Path | None, work: Callable[[Machine | Client], Awaitable[T]], new: bool = False) -> T:
    """Do something with the machine, running or not. One that does not run is opened, with its trees asleep, and closed.
    ``new``: where none was, one may begin."""

    async def run() -> T:
        machine = await open_or_connect(home_of(folder) if new else known_home(folder))
        try:
            return await work(machine)
        finally:
            await machine.close()

    return asyncio.run(run())


def look_at_providers(folder: Path | None) -> list[ProviderView]:
    """What goes on at each provider of the machine that runs; without one, what was spent today where there are limits."""
    home, limits = known_home(folder), read().provider
    seen = at_door(home, lambda visit: visit.ask(Providers(), list[ProviderView]))
    if not isinstance(seen, Nobody):
        return seen
    if not limits:
        return []
    bills = looked(home, lambda snapshot: snapshot.kernel.bills)
    return Pool(limits, lambda: int(time.time() * 1000), lambda: bills).views()
