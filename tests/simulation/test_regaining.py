"""Trees that began after a gap in a journal without a checkpoint: they are had again, in doubt and asleep."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from busy import BUDGET, clerk, converse, till

from gemot.abi.events import Arrived
from gemot.abi.grants import Grant
from gemot.abi.syscalls import SYSCALLS
from gemot.cli.repair import known_programs, told
from gemot.journal.records import decode
from gemot.journal.salvage import swap
from gemot.journal.sqlite import KEPT
from gemot.machine import salvaging
from gemot.machine.machine import Machine
from gemot.models.scripted import scripted

TREES = 4
RIGHTS = (*(Grant(name) for name in SYSCALLS), Grant("till/*"))


async def machine_on(folder: Path, resume: bool = False) -> Machine:
    return await Machine.open(
        folder / "home",
        drivers=(till(folder / "ledger"),),
        programs=(clerk,),
        models={"s": scripted(converse)},
        resume=resume,
        door=False,
    )


async def live(folder: Path, together: bool, cut: bool) -> dict[int, tuple[str, object]]:
    """Trees that fork, spawn and pay: one after the other, or all at once. ``cut``: the last one is left in its middle."""
    async with await machine_on(folder) as machine:
        roots: list[int] = []
        for number in range(TREES):
            roots.append(await machine.start(f"g{number}", program="clerk", model="s", grants=RIGHTS, budget=BUDGET))
            if not together and not (cut and number == TREES - 1):
                await machine.result(roots[-1])
        for root in () if cut else roots:
            await machine.result(root)
        return {view.pid: (view.state, view.parent) for view in machine.processes()}


def gap(folder: Path, *positions: int) -> None:
    """Damage records, and take the checkpoint away."""
    with sqlite3.connect(folder / "home" / "journal.db") as database:
        for table in KEPT:
            database.execute(f"DELETE FROM {table}")
        database.executemany("UPDATE records SET body=x'00' WHERE position=?", [(at,) for at in positions])
    database.close()


def births(folder: Path) -> list[int]:
    """The positions at which trees began."""
    with sqlite3.connect(folder / "home" / "journal.db") as database:
        rows = database.execute("SELECT position, body FROM records ORDER BY position").fetchall()
    database.close()
    return [position for position, body in rows if isinstance(decode(body), Arrived)]


def salvaged(folder: Path) -> salvaging.Salvage:
    path = folder / "home" / "journal.db"
    made = salvaging.prepare(path, path.with_name("journal.db.salvage"), known_programs())
    for line in told(made):
        print(line)
    swap(path, made.file, path.with_name("damaged.db"))
    return made


async def states(folder: Path, resume: bool) -> dict[int, tuple[str, object]]:
    async with await machine_on(folder, resume) as machine:
        while not machine.idle:  # noqa: ASYNC110
            await asyncio.sleep(0)
        return {view.pid: (view.state, view.parent) for view in machine.processes()}


def paid(folder: Path) -> list[str]:
    lines = (folder / "ledger").read_text().splitlines()
    return [line for line in lines if line.startswith("pay ")]


def test_trees_after_an_early_gap_are_had_again(tmp_path: Path) -> None:
    before = asyncio.run(live(tmp_path, together=False, cut=False))
    first, *_ = births(tmp_path)
    gap(tmp_path, first + 9, first + 10)
    made = salvaged(tmp_path)
    assert [name for _, name in made.regained] and len(made.regained) == TREES - 1 and made.begun == []
    after = asyncio.run(states(tmp_path, resume=False))
    later = {pid: seen for pid, seen in before.items() if pid >= made.regained[0][0]}
    assert later and {pid: after[pid] for pid in later} == later
    payments = paid(tmp_path)
    asyncio.run(states(tmp_path, resume=True))
    assert paid(tmp_path) == payments and len(set(payments)) == len(payments)


def test_a_tree_that_had_not_ended_sleeps_and_pays_nothing(tmp_path: Path) -> None:
    asyncio.run(live(tmp_path, together=False, cut=True))
    gap(tmp_path, births(tmp_path)[0] + 9)
    made = salvaged(tmp_path)
    assert len(made.regained) == TREES - 1 and made.regained[-1] in made.doubtful
    payments = paid(tmp_path)
    asyncio.run(states(tmp_path, resume=False))
    assert paid(tmp_path) == payments
    asyncio.run(states(tmp_path, resume=True))
    assert paid(tmp_path) == payments, "each use is answered in doubt"


@pytest.mark.parametrize("which", range(1, TREES))
def test_trees_that_live_beside_those_from_before_the_gap_are_had_again(tmp_path: Path, which: int) -> None:
    asyncio.run(live(tmp_path, together=True, cut=False))
    gap(tmp_path, births(tmp_path)[which] - 1)
    made = salvaged(tmp_path)
    print(made.regained, made.begun)
    assert len(made.regained) + len(made.begun) == TREES - which
    payments = paid(tmp_path)
    asyncio.run(states(tmp_path, resume=True))
    assert paid(tmp_path) == payments


def test_a_second_gap_leaves_a_tree_in_doubt_at_what_was_known(tmp_path: Path) -> None:
    asyncio.run(live(tmp_path, together=False, cut=False))
    starts = births(tmp_path)
    gap(tmp_path, starts[0] + 9, starts[2] + 9)
    made = salvaged(tmp_path)
    assert len(made.regained) == TREES - 1
    payments = paid(tmp_path)
    after = asyncio.run(states(tmp_path, resume=True))
    assert paid(tmp_path) == payments and all(state != "running" for state, _ in after.values())
