"""The log: one tree is read without the others, and tells the same as a fold of all records."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gemot import Calls, Grant, Machine, program, scripted
from gemot.abi.grants import Budget
from gemot.cli import log as cli_log
from gemot.cli.main import parser
from gemot.journal.contract import JournalError
from gemot.journal.sqlite import SqliteJournal
from gemot.kernel import Kernel
from gemot.machine.door import Door
from gemot.machine.excerpts import Excerpt, NotIndexed, noted_in
from gemot.machine.home import Home

RIGHTS = (Grant("receive"), Grant("ask"), Grant("alarm"), Grant("status"), Grant("exit"))
BUDGET = Budget(tokens=1000, usd_micros=1000, millis=10**9, processes=1, depth=1, calls=50)
TREES = 15


@program(grants=("receive", "alarm", "status"))
async def speaker(calls: Calls, brief: str) -> str:
    """Looks at itself, sets an alarm, and may wait for a message."""
    for _ in range(5):
        await calls.status()
    await calls.alarm(0.001)
    await calls.receive()
    if brief == "wait":
        await calls.receive()
    return f"said {brief}"


async def opened(home: Path) -> Machine:
    return await Machine.open(home, programs=[speaker], drivers=[], models={"nobody": scripted([])}, door=False)


async def work(machine: Machine) -> None:
    """Twelve trees that end, beside each other, and three that wait; one of these is forked."""
    briefs = ["end"] * 12 + ["wait"] * 3
    starts = [machine.start(one, program="speaker", model="nobody", budget=BUDGET, grants=RIGHTS) for one in briefs]
    pids = await asyncio.gather(*starts)
    await asyncio.gather(*(machine.result(pid) for pid in pids[:12]))
    while not machine.idle:  # noqa: ASYNC110 - of rest nobody tells
        await asyncio.sleep(0)
    await machine.fork(pids[-1], "go on", budget=BUDGET)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All of it in a checkpoint, and a second life after that, whose records are not."""
    monkeypatch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 1)

    async def live(then: Callable[[Machine], Any]) -> None:
        async with await opened(tmp_path) as machine:
            await then(machine)

    async def later(machine: Machine) -> None:
        machine.resume()
        await machine.send(13, "hello")
        await machine.result(13)
        await work(machine)

    asyncio.run(live(work))
    monkeypatch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 10**6)
    asyncio.run(live(later))
    return tmp_path


def typed(home: Path, command: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    does = parser().parse_args([*command.split(), "--home", str(home)])
    assert does.does(does) == 0
    return capsys.readouterr().out


def whole(home: Path, command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The same command where nothing of the index is believed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Excerpt, "go_on", refuse)
        patch.setattr(cli_log._Pages, "turn", refuse)
        return typed(home, command, capsys)


def refuse(*_: object) -> Any:
    raise NotIndexed


def count_events(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    folded: list[object] = []
    handle = Kernel.handle

    def counting(self: Kernel, event: Any) -> Any:
        folded.append(event)
        return handle(self, event)

    monkeypatch.setattr(Kernel, "handle", counting)
    return folded


@pytest.mark.parametrize("pid", [1, 12, 13, 15, 16, 17, 30, 32])
@pytest.mark.parametrize("form", ["", " --json", " --last 3"])
def test_log_of_a_tree_tells_what_all_records_tell(
    home: Path, pid: int, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = typed(home, f"log {pid}{form}", capsys)
    assert told and told == whole(home, f"log {pid}{form}", capsys)


@pytest.mark.parametrize("form", ["--last 10", "--from 100", "--last 7 --json", ""])
def test_log_of_all_trees_tells_what_all_records_tell(
    home: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = typed(home, f"log {form}", capsys)
    assert told and told == whole(home, f"log {form}", capsys)


def test_log_of_an_old_tree_folds_its_records_and_those_after_the_checkpoint(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = SqliteJournal(home / "journal.db", writing=False)
    kept, end = journal.checkpoint(), journal.position
    journal.close()
    assert kept is not None
    folded = count_events(monkeypatch)
    typed(home, "log 3", capsys)
    assert len(folded) < end - kept[0] + 30


def test_log_beside_a_running_machine_folds_one_tree(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folded = count_events(monkeypatch)

    async def beside() -> tuple[str, int]:
        async with await opened(home) as machine, Door(machine):
            await work(machine)
            del folded[:]
            told = await asyncio.to_thread(typed, home, "log 40", capsys)
            return told, len(folded)

    told, events = asyncio.run(beside())
    assert "said end" in told and events < 30
    assert told == whole(home, "log 40", capsys)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE pieces SET body=x'00' WHERE number>=1<<40",
        "DELETE FROM pieces WHERE number>1<<40",
        "DELETE FROM pieces WHERE number=1<<40",
        "UPDATE pieces SET number=number+1 WHERE number>1<<40",
    ],
)
def test_damaged_index_is_replaced_by_folding(home: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = whole(home, "log 3", capsys)
    with contextlib.closing(sqlite3.connect(home / "journal.db")) as database:
        database.execute(damage.replace("1<<40", str(1 << 40)))
        database.commit()
    assert typed(home, "log 3", capsys) == told


def test_archived_neighbour_leaves_a_log_as_it_was(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [typed(home, f"log {pid}", capsys) for pid in (3, 5)]

    async def archive() -> None:
        async with await opened(home) as machine:
            machine.archive(4, home / "four.tree")

    asyncio.run(archive())
    assert [typed(home, f"log {pid}", capsys) for pid in (3, 5)] == told
    with contextlib.closing(sqlite3.connect(home / "journal.db")) as database:
        (rows,) = database.execute("SELECT count(*) FROM pieces WHERE number=?", ((1 << 40) + 4,)).fetchone()
    assert rows == 0


def test_index_without_a_checkpoint_is_not_there(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / "journal.db")) as database:
        database.execute("DELETE FROM checkpoints")
        database.commit()
    excerpt = Excerpt(home / "journal.db", lambda journal: noted_in(journal, 3))
    with contextlib.closing(excerpt), pytest.raises(NotIndexed):
        list(excerpt.go_on())


@pytest.mark.parametrize("form", ["--last -1", "--from -3", "--last 3 --from 2", "--all --last 3"])
def test_part_that_is_none_is_refused(home: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(cli_log.Usage, match="--last N"):
        typed(home, f"log 3 {form}", capsys)


def test_log_of_an_empty_home_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(tmp_path, "log", capsys) == ""
    with pytest.raises(cli_log.Usage, match="there is no process 3"):
        typed(tmp_path, "log 3", capsys)


def test_stretches_beyond_the_limit_are_dropped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gemot.machine.stretches.STRETCHES_MAX", 20)

    async def live() -> None:
        async with await opened(Home(tmp_path).folder) as machine:
            await work(machine)
            assert machine._loop.stretches._count <= 20

    asyncio.run(live())


def test_log_of_a_damaged_journal_shows_what_is_before_the_damage(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = typed(home, "log 1 --json", capsys)
    position = int(typed(home, "log 1", capsys).splitlines()[-1].split()[0])
    with contextlib.closing(sqlite3.connect(home / "journal.db")) as database:
        database.execute("UPDATE records SET body=x'00' WHERE position=?", (position,))
        database.commit()
    with pytest.raises(JournalError, match=f"record {position}"):
        typed(home, "log 1 --json", capsys)
    shown = capsys.readouterr().out
    assert shown and told.startswith(shown)
