"""Sight: how a command looks at a machine: by asking the one that runs, or by reading its journal. Nothing is opened for writing.

What it imports is small: a look takes less time than it takes to load what a machine is made of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from gemot.abi.effects import Asked
from gemot.cli import times
from gemot.cli.failing import Usage, say
from gemot.journal.contract import Damaged
from gemot.kernel import Kernel
from gemot.machine import calendar, stop_reason
from gemot.machine.home import Home, default_home
from gemot.machine.looking import ReceiptView, Sight, Which, gathered, portion, receipt_of
from gemot.machine.snapshot import Snapshot
from gemot.machine.stretches import Noted
from gemot.machine.views import ask_views
from gemot.machine.visit import Visit, connect
from gemot.machine.wishes import NotedOf, ReceiptOf

T = TypeVar("T")


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


def look(
    folder: Path | None,
    which: Which = "living",
    pid: int | None = None,
    trees_max: int = 0,
    again: bool = False,
    before: int = 0,
) -> Sight:
    """So many trees, the newest (0: all) before a tree (0: of all), or the tree of ``pid``; nothing is opened for writing. ``again``: this
    command has looked before, and has said why no machine runs."""

    if pid is not None and pid < 1:  # nobody, and not all
        return Sight()

    def of(snapshot: Snapshot) -> Sight:
        root = snapshot.trees.root_of(pid) if pid else 0
        if pid is not None and not root:
            return Sight()
        trees, kernel = snapshot.trees, snapshot.kernel
        return gathered(lambda place: portion(trees, kernel, which, place, root, most=trees_max), trees_max, before)

    return _seen(folder, lambda visit: visit.look(which, pid or 0, trees_max, before), of, again)


def look_at_asks(folder: Path | None) -> list[Asked]:
    """All open asks; nothing is opened for writing."""
    return _seen(folder, Visit.asks, lambda snapshot: ask_views(snapshot.kernel))


def look_at_receipt(folder: Path | None, pid: int) -> ReceiptView | None:
    """What a process really did; nothing is opened for writing."""
    return _seen(
        folder,
        lambda visit: visit.ask(ReceiptOf(pid), ReceiptView | None),
        lambda snapshot: receipt_of(snapshot.trees, pid),
    )


def _seen(folder: Path | None, ask: Callable[[Visit], T], of: Callable[[Snapshot], T], again: bool = False) -> T:
    """What a running machine says when asked, or what the journal has where none runs."""
    home = known_home(folder)
    seen = at_door(home, ask)
    return looked(home, of, again) if isinstance(seen, Nobody) else seen


def noted_at_door(home: Home, pid: int, after: int = 0) -> Noted | None:
    """Where the newest records of a tree stand (pid 0: of all), as the machine that runs has noted; None where none answers."""
    seen = at_door(home, lambda visit: visit.ask(NotedOf(pid, after), Noted))
    return None if isinstance(seen, Nobody) else seen


class Nobody:
    """No machine answers."""


def at_door(home: Home, wish: Callable[[Visit], T]) -> T | Nobody:
    """What the machine that runs here answers."""
    visit = connect(home.door, home)
    if visit is None:
        return Nobody()
    with contextlib.closing(visit):
        return wish(visit)


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
