"""Inspection of a home: everything that it holds is read and checked, and nothing is written.

Whatever would stop a machine on this home is found here, too: the journal is folded as a machine does when it opens, and each tree that a
checkpoint keeps is read as it is when something happens in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from gemot.drivers.copying import BUILDING, GONE, Space
from gemot.journal.contract import Damaged, JournalError, TooNew, TooOld
from gemot.journal.inspecting import Counts, Flaw, inspect
from gemot.journal.sqlite import SqliteJournal
from gemot.kernel import Kernel
from gemot.machine import checkpoint, memories, recovery
from gemot.machine.cast import Cast
from gemot.machine.home import Home
from gemot.machine.snapshot import Snapshot
from gemot.machine.spaces import NAME
from gemot.programs.freezing import Shelf, thaw_conversations
from gemot.programs.library import Library


class Sound(msgspec.Struct, frozen=True):
    """What a journal that is whole holds."""

    counts: Counts
    """What was read."""
    position: int
    """Of the last record."""
    processes: int
    """How many there were."""
    alive: int
    """How many of them have not ended."""
    today: int
    """The time of day at the last record, in milliseconds since 1970."""
    lead: int
    """By how much the order of the records was ahead of that."""


def journal(home: Home, library: Library) -> Sound | list[Flaw]:
    """What the journal of a home holds, or its flaws. Raises :class:`TooNew`, :class:`TooOld`."""
    counts, flaws = inspect(home.journal)
    if flaws:
        return flaws
    snapshot = Snapshot(home.journal)
    try:
        snapshot.fold()
        kernel = snapshot.kernel
        everyone = list(kernel.processes.values())
        alive = sum(process.alive for process in everyone)
        sound = Sound(counts, snapshot.position, len(everyone), alive, kernel.today, kernel.lead)
        flaws += _kept(home, library)
    except (TooNew, TooOld):
        raise
    except JournalError as error:
        return [Flaw("records", str(error), getattr(error, "position", 0))]
    finally:
        snapshot.close()
    return flaws or sound


def _kept(home: Home, library: Library) -> Iterator[Flaw]:
    """Check what a checkpoint keeps as a machine reads it."""
    journal = SqliteJournal(home.journal, writing=False)
    try:
        found = checkpoint.of(journal)
        if journal.checkpoint() is not None and found is None:
            yield Flaw("checkpoint", "the checkpoint can't be read; all records are folded instead")
        roots: dict[int, int] = {}
        for body in journal.trees() if found is not None else ():
            try:
                tree = checkpoint.tree_of(body)
                thaw_conversations(tree.programs, Shelf(journal.pieces))
            except (Damaged, msgspec.DecodeError, LookupError) as error:
                yield Flaw("trees", f"a tree that the checkpoint keeps can't be read ({error})")
                continue
            roots |= {process.pid: tree.tables.root for process in tree.tables.processes}
        if found is not None:
            told = dict(journal.database.execute("SELECT pid, root FROM root_of").fetchall())
            wrong = sorted(pid for pid in told.keys() | roots.keys() if told.get(pid) != roots.get(pid))
            if wrong:
                yield Flaw("trees", f"the checkpoint does not say rightly which tree process {wrong[0]} belongs to")
            gone = sorted(found[1].kernel.away.keys() - set(roots.values()))
            if gone:
                yield Flaw("trees", f"the checkpoint does not keep tree {gone[0]}, which lives")
        kernel = Kernel()
        cast = Cast(kernel, library, journal.value, journal.pieces)
        recovery.fold(journal, kernel, cast, writing=False)
        for pid in list(cast.programs):
            cast.forget(pid)
    except (TooNew, TooOld):
        raise
    except JournalError as error:
        yield Flaw("records", str(error), getattr(error, "position", 0))
    finally:
        journal.close()


def others(home: Home) -> Iterator[Flaw]:
    """What is damaged beside the journal: memories and copies."""
    try:
        if home.memories.exists():
            for words in memories.flaws(home.memories):
                yield Flaw("memories", f"the memories in {home.memories}: {words}")
    except (OSError, sqlite3.Error) as error:
        yield Flaw("memories", f"the memories in {home.memories} can't be read: {error}")
    folder = home.folder / "spaces"
    try:
        places = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        yield Flaw("copies", f"the copies of files in {folder} can't be read: {error.strerror}")
        return
    for place in places:
        if place.name.startswith((BUILDING, GONE)):
            continue  # a machine that was killed left it half made or half removed; the next one clears it
        if not NAME.fullmatch(place.name):
            yield Flaw("copies", f"{place} is not a copy that gemot made")
            continue
        try:
            words = Space(place).flaw()
        except OSError as error:
            words = f"it can't be read: {error.strerror}"
        if words:
            yield Flaw("copies", f"the copy {place.name}: {words}")
