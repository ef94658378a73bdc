"""Seeded histories with a damage at their end: a machine lives, is killed, its journal is damaged and salvaged, and the next one goes on.

Three laws hold, whatever was damaged. What was done for good is not done again. Nothing is done before a person resumes. A process whose end
stands in a whole record is not alive again.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from checkers import LawBroken
from history import History
from minds import LIBRARY
from outside import DRIVERS, HERE
from virtual import VirtualThreads

from gemot.abi.events import Faulted, Stopped, Trapped
from gemot.abi.syscalls import Exit, Kill
from gemot.journal.contract import JournalError
from gemot.journal.inspecting import inspect
from gemot.journal.records import decode
from gemot.journal.salvage import swap
from gemot.journal.sqlite import KEPT, SqliteJournal
from gemot.kernel import Kernel
from gemot.machine import salvaging
from gemot.machine.clock import Clock
from gemot.machine.machine import Machine

PAGE = 4096


class Salvaged(History):
    """A history whose journal was damaged and salvaged at its end. ``how``: names the damage."""

    how = ""

    def run(self) -> Salvaged:
        HERE.outside = self.outside
        with pytest.MonkeyPatch.context() as patch, self.loop:
            self._set_sizes(patch)
            for _ in range(self.chance.choice((1, 2, 2))):
                self._live(self.chance.choice(("kill", "kill", "close")))
            self._salvage()
        return self

    def _salvage(self) -> None:
        path = self.disk.path
        assert path is not None
        if not path.exists():  # no machine lived to write it
            return
        ended = _ended(path)
        self._damage(path)
        new = Path(f"{path}.new")
        found: salvaging.Salvage | None = None
        if inspect(path)[1]:
            found = salvaging.prepare(path, new, LIBRARY)
            swap(path, new, path.with_name("damaged.db"))
        try:
            self._go_on(ended, found)
        except JournalError as error:
            raise LawBroken(
                f"salvage: the machine can't be opened on what was salvaged ({self.how}): {error}"
            ) from error

    def _damage(self, path: Path) -> None:
        """Most of the damage meets records that no checkpoint is younger than: the rest is harmless too often."""
        chance = Random(f"damage {self.seed}")
        kind = chance.choice(("a record", "a record", "a record", "a byte", "a page", "cut"))
        if kind == "a record":
            with sqlite3.connect(path) as db:
                for table in KEPT:
                    db.execute(f"DELETE FROM {table}")
                last = db.execute("SELECT coalesce(max(position), 0) FROM records").fetchone()[0]
                at = chance.randint(1 + last // 4, max(1, last))
                self.how = f"record {at} of {last}"
                db.execute("UPDATE records SET body = x'00' WHERE position = ?", (at,))
            db.close()
            return
        body = bytearray(path.read_bytes())
        at = chance.randrange(len(body))
        self.how = f"{kind} at {at} of {len(body)}"
        if kind == "a byte":
            body[at] ^= 1 << chance.randrange(8)
        elif kind == "a page":
            body[at // PAGE * PAGE : at // PAGE * PAGE + PAGE] = bytes(PAGE)
        path.write_bytes(body[:at] if kind == "cut" else body)

    def _go_on(self, ended: dict[int, int], found: salvaging.Salvage | None) -> None:
        before = Counter(self.outside.ledger)
        journal = self.disk.open()
        machine = Machine(
            journal,
            LIBRARY,
            DRIVERS,
            self.outside.open_model,
            clock=Clock(self.clock, self.loop.time),
            durability="full",
        )
        machine._loop.memories = machine._loop.stage._memories = self.memories
        machine._loop.stage.uses.threads = VirtualThreads()  # type: ignore[assignment]
        machine._boot(False)
        self.loop.run(turns=2_000)
        if self.outside.ledger != before:
            raise LawBroken(f"salvage: something was done before a person resumed ({self.how})")
        kernel = machine.kernel
        whole = {position for (position,) in journal.inner.database.execute("SELECT position FROM records")}  # type: ignore[attr-defined]
        if found is not None:  # later numbers are those of new records
            whole = {position for position in whole if position <= found.gathered.end}
        alive = {pid for pid, position in ended.items() if position in whole and kernel.process(pid) is not None}
        if alive:
            raise LawBroken(f"salvage: {sorted(alive)} had ended, and live again ({self.how})")
        self.outside.calm = True
        machine.resume()
        self.loop.run(turns=20_000)
        again = [
            token
            for token, times in self.outside.ledger.items()
            if before[token] and times > before[token] and not self.watcher.forgotten.came_again(token)
        ]
        if again:
            raise LawBroken(f"salvage: {again} were done again ({self.how}; {found and found.folded})")
        self.loop.drop()
        machine._loop.journal.close()


def _ended(path: Path) -> dict[int, int]:
    """The processes that have ended, and the record that ended each by its own word or a person's."""
    journal = SqliteJournal(path, writing=False)
    kernel, ends = Kernel(), dict[int, int]()
    for record in journal.read():
        event = decode(record.body)
        kernel.handle(event)
        match event:
            case Trapped(_, pid, Exit()) | Stopped(_, pid) | Faulted(_, pid):
                if pid in kernel.processes and kernel.process(pid) is None:
                    ends.setdefault(pid, record.position)
            case Trapped(_, _, Kill() as kill):
                if kill.pid in kernel.processes and kernel.process(kill.pid) is None:
                    ends.setdefault(kill.pid, record.position)
            case _:
                pass
    journal.close()
    return ends


def search(seeds: range, folder: Path) -> tuple[int, str] | None:
    """Live the histories of these seeds until one breaks a law: its seed, and the law."""
    for seed in seeds:
        try:
            Salvaged(seed, folder, sqlite=True).run()
        except LawBroken as broken:
            return seed, str(broken)
        for file in folder.glob(f"{seed}.*"):
            file.unlink()
    return None
