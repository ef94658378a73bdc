"""Salvaging: what a machine can go on with when its journal is damaged, and what is lost.

A new journal is made beside the damaged one (:mod:`gemot.journal.salvage`), and folded as far as it goes: from a whole checkpoint, tree by
tree, else from the first record. Three things can come of it:

- Every record is there. Then the new journal is the old one, without the damage.
- Records are missing, and a checkpoint is younger than they are. Then all is known; what is gone is how it came to be.
- Records are missing after what can be folded. Then the trees are as they were before, and in doubt: what they did since is not known. A
  process whose end stands in a later record has ended. The others sleep, and change nothing when they are resumed (see
  :mod:`gemot.kernel.salvaged`). So do trees that began after the gap, where their records are whole (:mod:`gemot.machine.regaining`).

In the last two, what is known becomes records of its own, so the new journal can be folded without what is lost. The numbers that the lost
records may have given to processes and work are not given again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from gemot.abi.events import Adopted, Arrived, Copied, Event, Faulted, Restored, Said, Salvaged, Stopped, Trapped
from gemot.abi.syscalls import Exit, Fork, Kill, Spawn
from gemot.journal.contract import JournalError, Record, TooNew
from gemot.journal.records import decode, encode
from gemot.journal.salvage import Gathered, beside, gather, sync
from gemot.journal.sqlite import KEPT, SqliteJournal
from gemot.kernel import Kernel
from gemot.kernel import freezing as tables
from gemot.machine import checkpoint
from gemot.machine.cast import Cast, Decided
from gemot.machine.checkpoint import SCHEMA
from gemot.machine.recording import Recording
from gemot.machine.recovery import folding, must_fold
from gemot.machine.regaining import Later, Regaining
from gemot.programs.library import Library

NUMBERS_OF_A_RECORD = 1_000
"""How many numbers of work a lost record may have given, at most: a call has fewer uses."""

RECORDS_AT_ONCE = 100
"""How many `Restored` records are written in one batch."""


class Salvage(NamedTuple):
    """A new journal, ready to take the place of the damaged one.

    ``file``: where it is. ``folded``: the position of the last record of which what it did is known. ``doubtful``: living first processes
    (pid, name) whose trees may have gone on since. ``ended``: processes that were living then, and ended in a later record.
    ``begun``: goals of trees that began later, and are not there any more. ``gone``: roots of trees of which nothing is left.
    ``is_known``: nothing that a process knows or did is lost."""

    file: Path
    gathered: Gathered
    folded: int
    doubtful: list[tuple[int, str]]
    ended: list[tuple[int, str]]
    begun: list[str]
    gone: list[int]
    regained: list[tuple[int, str]]
    """First processes (pid, name) of trees that began after the gap, and are as their records say."""

    @property
    def is_known(self) -> bool:
        is_parted = self.gathered.parted or self.folded < self.gathered.end
        return not (is_parted or self.doubtful or self.ended or self.begun or self.gone or self.gathered.texts_lost)


def prepare(path: Path, into: Path, library: Library, seal: bool = False, doubt: bool = False) -> Salvage:
    """Make the new journal in the file ``into``. ``seal``: nothing is damaged, but the records are too old to be folded; whatever had
    not ended is ended. ``doubt``: nothing is damaged, but what lived at the end may have gone on elsewhere. Raises :class:`JournalError`, OSError."""
    gathered = gather(path, into)
    doubt = doubt or bool(gathered.parted)  # what the journal of the mark did is not known
    journal = SqliteJournal(into)
    try:
        doubt = doubt or journal.is_amid(journal.position)  # nor is what came at the end of the last batch
        gone = _mend_checkpoint(journal, gathered)
        kernel, cast, folded = _fold(journal, library)
        salvage = Salvage(into, gathered, folded, [], [], [], gone, [])
        if folded < gathered.end or gone or seal or doubt:
            later = list(_later(journal, folded))
            births = set[int]() if seal else _regain(journal, kernel, cast, later, salvage, library)
            _end(journal, kernel, cast, later, salvage, seal, doubt)
            _skip_numbers(kernel, gathered.end - folded, later)
            salvage.begun.extend(
                record.event.goal
                for record in later
                if isinstance(record.event, Arrived) and record.position not in births
            )
        if folded < gathered.end or gone or seal or doubt or gathered.lost:
            _write(journal, kernel, cast, folded, gathered, salvage)
    finally:
        journal.close()
    _must_open(into, library)
    for log in beside(into)[:3]:
        log.unlink(missing_ok=True)
    sync(into)
    return salvage


def _mend_checkpoint(journal: SqliteJournal, gathered: Gathered) -> list[int]:
    """Make what a checkpoint keeps fit together again, or drop it; returns the roots of living trees that are not in it any more."""
    db = journal.database
    kept = checkpoint.of(journal)
    if kept is None:
        _drop(journal)
        return []
    db.execute("BEGIN")
    db.execute("DELETE FROM root_of")
    whole: set[int] = set()
    for root, body in db.execute("SELECT root, body FROM trees").fetchall():
        try:
            tree = checkpoint.tree_of(body)
            for piece in tree.programs.pieces:
                journal.pieces(piece.number)
        except (JournalError, msgspec.DecodeError):
            db.execute("DELETE FROM trees WHERE root=?", (root,))
            continue
        whole.add(root)
        pids = [(process.pid, root) for process in tree.tables.processes]
        db.executemany("INSERT OR REPLACE INTO root_of VALUES (?,?)", pids)
    db.execute("COMMIT")
    position, frozen = kept
    gone = sorted(frozen.kernel.away.keys() - whole)
    if gone and not gathered.lost:  # the records have all of it
        _drop(journal)
        return []
    if gone:
        there = {pid for (pid,) in db.execute("SELECT pid FROM root_of")}
        body = msgspec.msgpack.encode(msgspec.structs.replace(frozen, kernel=_without(frozen.kernel, set(gone), there)))
        journal.put_checkpoint(position, body)
    return gone


def _drop(journal: SqliteJournal) -> None:
    for table in KEPT:
        journal.database.execute(f"DELETE FROM {table}")


def _without(frozen: tables.FrozenKernel, gone: set[int], there: set[int]) -> tables.FrozenKernel:
    """The tables apart from the trees, without those of which nothing is left. ``there``: the processes that are."""
    return msgspec.structs.replace(
        frozen,
        asks={number: ask for number, ask in frozen.asks.items() if ask.root not in gone},
        asleep=frozen.asleep - gone,
        working={effect: pid for effect, pid in frozen.working.items() if pid in there},
        away={root: facts for root, facts in frozen.away.items() if root not in gone},
    )


def _fold(journal: SqliteJournal, library: Library) -> tuple[Kernel, Recording, int]:
    """Fold as far as it goes; the tables then, and the position of the last record. What fails in the middle of a record leaves
    tables that are no state, so all is folded once more, up to there."""
    until = journal.position
    while True:
        kernel = Kernel()
        cast = Recording(kernel, library, journal)
        last = max(journal.base, 0)
        try:
            after, _ = checkpoint.restore(journal, kernel, cast)
            there = {pid for (pid,) in journal.database.execute("SELECT pid FROM root_of")}
            last, before = max(after, last), kernel.numbers[1]
            decided: dict[int, Decided] = {}
            for folded in folding(_Until(journal, until, cast.see), kernel, cast, decided, after):
                pid = folded.record.pid
                if 0 < pid <= before and there and pid not in there:  # of a tree of which nothing is left
                    raise JournalError("what it concerns is lost")
                last = folded.record.position
            return kernel, cast, last
        except TooNew:
            raise
        except JournalError:
            if until <= last:
                return kernel, cast, last
            until = last


class _Until:
    """A journal that ends at a position. ``seen``: is told each event before it is folded."""

    def __init__(self, journal: SqliteJournal, until: int, seen: Callable[[Event], None]) -> None:
        self._journal, self._until, self._seen = journal, until, seen
        self.value = journal.value

    def read(self, after: int = 0, pid: int | None = None) -> Iterator[Record]:
        for record in self._journal.read(after, pid):
            if record.position > self._until:
                return
            with contextlib.suppress(ValueError):
                self._seen(decode(record.body))
            yield record


def _later(journal: SqliteJournal, after: int) -> Iterator[Later]:
    """The whole records after a position, which can't be folded with what came before."""
    rows = journal.database.execute(
        "SELECT position, pid, body FROM records WHERE position>? ORDER BY position", (after,)
    )
    for position, pid, body in rows.fetchall():
        with contextlib.suppress(ValueError):
            yield Later(position, pid, decode(body))


def _regain(
    journal: SqliteJournal, kernel: Kernel, cast: Recording, later: list[Later], salvage: Salvage, library: Library
) -> set[int]:
    """Add the trees that began in later records and can be followed by themselves, asleep; returns the positions where they began."""
    gaps = [last for first, last in salvage.gathered.lost if first > salvage.folded + 1]
    regaining = Regaining(kernel, later, gaps, lambda one: Recording(one, library, journal), journal.value)
    regaining.all()
    there = {
        root for root in regaining.trees() if not any(pid in kernel.processes for pid in regaining.kernel.trees[root])
    }
    for root in sorted(there):
        pids = regaining.kernel.trees[root]
        copies = {pid: regaining.kernel.processes[pid].copies for pid in pids}
        coming = tables.carried(tables.carry(regaining.kernel, root))
        first = tables.adopt(kernel, coming)
        for pid in pids:
            kernel.processes[pid].copies = copies[pid]  # they are in this home
        cast.take_over(regaining.cast, pids)
        if not first.alive:
            kernel.asleep.discard(root)
        salvage.regained.append((root, first.name))
        followed = {pid for pid in pids if regaining.is_followed(pid)}
        later[:] = [record for record in later if record.pid not in followed]
    kernel.now = max(kernel.now, regaining.kernel.now)
    return {position for position, root in regaining.births.items() if root in there}


def _end(
    journal: SqliteJournal,
    kernel: Kernel,
    cast: Cast,
    later: list[Later],
    salvage: Salvage,
    seal: bool,
    doubt: bool,
) -> None:
    """End the processes whose end stands in a later record; what lives then is in doubt."""
    last: dict[int, str] = {}
    ended_at: dict[int, int] = {}
    for position, _, event in later:
        if isinstance(event, Trapped | Stopped | Faulted) and event.at > ended_at.get(event.pid, -1):
            # It acts later, so nothing had ended it. What it had decided by the time that it was ended is written after that, too.
            last.pop(event.pid, None)
        match event:
            case Trapped(_, pid, Exit() as leaving):
                why = f"failed: {leaving.failed}" if leaving.failed else f"result: {leaving.value!r:.500}"
                last[pid] = f"record {position} says that it ended ({why})"
            case Trapped(at, pid, Kill() as syscall):
                ended_at[syscall.pid] = at
                last[syscall.pid] = f"record {position} says that process {pid} killed it"
            case Stopped(at, pid, reason):
                ended_at[pid] = at
                last[pid] = f"record {position} says that the person ended it{reason and ': ' + reason}"
            case Faulted(_, pid, message):
                last[pid] = f"record {position} says that it failed: {message:.500}"
            case _:
                pass
    if seal:
        last = {
            root: "its records are too old to be folded, so it can't go on" for root in [*kernel.trees, *kernel.away]
        }
    _fetch_all(kernel, journal)
    for pid, why in last.items():  # in the order in which they ended, so children before their parents
        process = kernel.process(pid)
        if process is not None:
            salvage.ended.append((pid, process.name))
            for effect in kernel.handle(Faulted(kernel.now, pid, f"in doubt: {why}; what it did before that is lost")):
                cast.play(effect)
    if doubt or salvage.folded < salvage.gathered.end:
        for root, pids in kernel.trees.items():
            for process in map(kernel.process, pids):
                if process is not None:
                    process.doubt = salvage.folded + 1
            if kernel.process(root) is not None:
                salvage.doubtful.append((root, kernel.processes[root].name))


def _skip_numbers(kernel: Kernel, records: int, later: list[Later]) -> None:
    """Pass over the numbers that so many records may have given to processes, work and asks."""
    births = sum(
        isinstance(event, Arrived | Copied) or (isinstance(event, Trapped) and isinstance(event.syscall, Spawn | Fork))
        for _, _, event in later
    )
    named = [event.pid for _, _, event in later if isinstance(event, Trapped | Said | Stopped | Faulted)]
    brought = 0
    for _, _, event in later:
        if isinstance(event, Adopted):
            with contextlib.suppress(msgspec.DecodeError):
                brought = max(brought, *(process.pid for process in tables.carried(event.tree).tree.processes))
    numbers, pids, asks, wake = kernel.numbers
    pids = max(pids + births + records - len(later), brought, *named, 0)
    kernel.numbers = numbers + records * NUMBERS_OF_A_RECORD, pids, asks + records, wake


def _fetch_all(kernel: Kernel, journal: SqliteJournal) -> None:
    """Bring every tree into memory."""
    for (root,) in journal.database.execute("SELECT root FROM trees ORDER BY root").fetchall():
        kernel.processes.get(root)


def _write(
    journal: SqliteJournal, kernel: Kernel, cast: Recording, folded: int, gathered: Gathered, salvage: Salvage
) -> None:
    """Append what is known, and fold from there."""
    _fetch_all(kernel, journal)
    _drop(journal)
    begun = Salvaged(
        kernel.now, msgspec.msgpack.encode(tables.freeze(kernel)), SCHEMA, kernel.rules, folded, tuple(gathered.lost)
    )
    entries = [(kernel.now, 0, encode(begun))]
    for frozen in tables.freeze_trees(kernel, sorted(kernel.trees)):
        programs = cast.frozen(kernel.trees[frozen.root])
        tree, kept = msgspec.msgpack.encode(frozen), msgspec.msgpack.encode(programs)
        entries.append((kernel.now, frozen.root, encode(Restored(kernel.now, frozen.root, tree, kept))))
    base = journal.position
    for first in range(0, len(entries), RECORDS_AT_ONCE):
        journal.append(journal.position, entries[first : first + RECORDS_AT_ONCE], synced=True)
    journal.database.execute("INSERT OR REPLACE INTO about VALUES ('base', ?)", (base,))


def _must_open(file: Path, library: Library) -> None:
    """Raises :class:`JournalError` where the new journal can't be folded: then nothing is put in the place of anything."""
    journal = SqliteJournal(file, writing=False)
    try:
        must_fold(journal, library)
    finally:
        journal.close()
