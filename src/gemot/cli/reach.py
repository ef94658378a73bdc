"""Reach: how a command gets at the machine: through the door of the one that runs, by opening it, or by looking at its journal."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from pathlib import Path
from typing import TypeVar

from gemot.abi.effects import Asked
from gemot.cli import times
from gemot.cli.config import Config, program_folders, read, rules
from gemot.cli.failing import Usage, say
from gemot.journal.contract import Damaged
from gemot.kernel import Kernel
from gemot.machine import calendar, stop_reason
from gemot.machine.client import Client
from gemot.machine.home import Busy, Home, HomeError, default_home
from gemot.machine.looking import ReceiptView, Sight, Which, gathered, portion, receipt_of
from gemot.machine.machine import Machine
from gemot.machine.pool import Pool, ProviderView
from gemot.machine.snapshot import Snapshot
from gemot.machine.stretches import Noted
from gemot.machine.views import ask_views

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""How long a machine may take between its start and its door. While it starts it is waited for."""

LONG_JOURNAL_BYTES = 4_000_000
"""A shorter journal is read in less than a second."""
WORD_SECONDS = 1.0
"""After so long a start is said."""

_PAUSE_SECONDS = 0.05


def home_of(folder: Path | None) -> Home:
    return Home(default_home() if folder is None else folder)


def known_home(folder: Path | None) -> Home:
    """The same for who only looks, or changes what is there: a folder that was named and does not exist is not made. Raises
    :class:`Usage`."""
    if folder is not None and not folder.expanduser().exists():
        raise Usage(f"--home {folder}: there is no such folder, so no machine lives there")
    return home_of(folder)


def is_running(home: Home) -> int | None:
    """The operating-system process of the machine that runs here (0: unknown), or None."""
    return home.runs()


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


def look(
    folder: Path | None, which: Which = "living", pid: int | None = None, trees_max: int = 0, again: bool = False
) -> Sight:
    """So many trees, the newest (0: all), or the tree of ``pid``; nothing is opened for writing. ``again``: this command has
    looked before, and has said why no machine runs."""

    if pid is not None and pid < 1:  # nobody, and not all
        return Sight()

    def of(snapshot: Snapshot) -> Sight:
        root = snapshot.trees.root_of(pid) if pid else 0
        if pid is not None and not root:
            return Sight()
        return gathered(lambda place: portion(snapshot.trees, snapshot.kernel, which, place, root), trees_max)

    return _seen(folder, lambda client: client.look(which, pid or 0, trees_max), of, again)


def look_at_asks(folder: Path | None) -> list[Asked]:
    """All open asks; nothing is opened for writing."""
    return _seen(folder, Client.asks, lambda snapshot: ask_views(snapshot.kernel))


def look_at_receipt(folder: Path | None, pid: int) -> ReceiptView | None:
    """What a process really did; nothing is opened for writing."""
    return _seen(folder, lambda client: client.receipt(pid), lambda snapshot: receipt_of(snapshot.trees, pid))


def _seen(
    folder: Path | None, ask: Callable[[Client], Awaitable[T]], of: Callable[[Snapshot], T], again: bool = False
) -> T:
    """What a running machine says when asked, or what the journal has where none runs."""
    home = known_home(folder)
    seen = _at_door(home, ask)
    return looked(home, of, again) if isinstance(seen, Nobody) else seen


def noted_at_door(home: Home, pid: int, after: int = 0) -> Noted | None:
    """Where the newest records of a tree stand (pid 0: of all), as the machine that runs has noted; None where none answers."""
    seen = _at_door(home, lambda client: client.noted(pid, after))
    return None if isinstance(seen, Nobody) else seen


def look_at_providers(folder: Path | None) -> list[ProviderView]:
    """What goes on at each provider of the machine that runs; without one, what was spent today where there are limits."""
    home, limits = known_home(folder), read().provider
    seen = _at_door(home, Client.providers)
    if not isinstance(seen, Nobody):
        return seen
    if not limits:
        return []
    bills = looked(home, lambda snapshot: snapshot.kernel.bills)
    return Pool(limits, lambda: int(time.time() * 1000), lambda: bills).views()


class Nobody:
    """No machine answers."""


def _at_door(home: Home, wish: Callable[[Client], Awaitable[T]]) -> T | Nobody:
    """What the machine that runs here answers."""

    async def visit() -> T | Nobody:
        client = await Client.connect(home.door, home)
        if client is None:
            return Nobody()
        try:
            return await wish(client)
        finally:
            await client.close()

    return asyncio.run(visit()) if home.door.exists() else Nobody()


def looked(home: Home, of: Callable[[Snapshot], T], again: bool = False) -> T:
    """What there is to see in the journal as it stands. Trees are shown asleep when no machine runs, and why none runs is said, but not
    ``again``.

    It begins at the newest checkpoint; where that can't be read, all records are folded."""
    try:
        return _looked(home, of, True, again)
    except Damaged:
        return _looked(home, of, False, again)


def _looked(home: Home, of: Callable[[Snapshot], T], recent: bool, again: bool) -> T:
    snapshot = Snapshot(home.journal, recent=recent)
    try:
        snapshot.fold()
        if is_running(home) is None:
            for words in (stop_reason.said(home), calendar.behind(snapshot.kernel.today, times.now())):
                if words and not again:
                    say(words)
            snapshot.asleep()
        return of(snapshot)
    finally:
        snapshot.close()


def family(home: Home, pids: Iterable[int]) -> Kernel:
    """The kernel's tables with the whole trees of these processes."""
    chosen = tuple(pids)

    def of(snapshot: Snapshot) -> Kernel:
        for pid in chosen:
            snapshot.kernel.processes.get(pid)
        snapshot.kernel.processes.fetch = None
        return snapshot.kernel

    return looked(home, of)
