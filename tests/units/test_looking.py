"""Looking: how things stand is read from the checkpoint and the records after it, however long the history is."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gemot import Calls, Grant, Machine, program, scripted
from gemot.abi.grants import Budget
from gemot.cli.main import parser
from gemot.cli.sight import look, look_at_asks, look_at_receipt
from gemot.journal.contract import Damaged
from gemot.journal.inspecting import inspect
from gemot.kernel import Kernel
from gemot.machine import checkpoint, looking
from gemot.machine.client import Client
from gemot.machine.door import Door
from gemot.machine.home import Home
from gemot.machine.snapshot import Snapshot

RIGHTS = (Grant("receive"), Grant("ask"), Grant("alarm"), Grant("status"), Grant("exit"))
BUDGET = Budget(tokens=1000, usd_micros=1000, millis=10**9, processes=1, depth=1, calls=50)


@program(grants=("receive", "ask", "alarm", "status"))
async def waiter(calls: Calls, brief: str) -> str:
    """Ends, asks, or sets an alarm and waits."""
    for _ in range(5):
        await calls.status()
    if brief == "ask":
        await calls.ask("Which colour?")
    if brief == "alarm":
        await calls.alarm(100_000)
    if brief != "end":
        await calls.receive()
    return "done"


def opened(home: Path, **more: Any) -> Coroutine[Any, Any, Machine]:
    models = {"nobody": scripted([])}
    return Machine.open(home, programs=[waiter], drivers=[], models=models, door=False, **more)


async def start(machine: Machine, *briefs: str) -> list[int]:
    return [
        await machine.start(brief, program="waiter", model="nobody", budget=BUDGET, grants=RIGHTS) for brief in briefs
    ]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve trees that ended, and three that live; all of it in a checkpoint."""
    monkeypatch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 1)

    async def live() -> None:
        async with await opened(tmp_path) as machine:
            for pid in await start(machine, *["end"] * 12):
                await machine.result(pid)
            await start(machine, "ask", "alarm", "words")
            while not machine.idle and len(machine.asks()) < 1:  # noqa: ASYNC110 - of rest nobody tells
                await asyncio.sleep(0)

    asyncio.run(live())
    return tmp_path


def type_in(home: Path, command: str) -> None:
    typed = parser().parse_args([*command.split(), "--home", str(home)])
    assert typed.does(typed) == 0


def events_folded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    folded: list[object] = []
    handle = Kernel.handle

    def counting(self: Kernel, event: Any) -> Any:
        folded.append(event)
        return handle(self, event)

    monkeypatch.setattr(Kernel, "handle", counting)
    return folded


@pytest.mark.parametrize(
    "command", ["ps", "ps --all", "tree", "tree 3", "asks", "board show", "alarms", "receipt 3", "models", "ps --json"]
)
def test_a_look_folds_only_the_records_after_the_checkpoint(
    home: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = events_folded(monkeypatch)
    type_in(home, command)
    assert len(folded) < 10


def test_process_is_asleep_in_each_look_where_no_machine_runs(home: Path) -> None:
    (view,) = [view for view in look(home).views if view.pid == 13]
    receipt = look_at_receipt(home, 13)
    assert receipt is not None and (view.state, receipt.state) == ("asleep", "asleep")


@pytest.mark.parametrize("pid", [1 << 62, 1 << 63, 1 << 64, -(1 << 64)])
def test_number_beyond_all_processes_is_nobody(home: Path, pid: int) -> None:
    assert look(home, pid=pid).views == [] and look_at_receipt(home, pid) is None

    async def work(machine: Machine, client: Client) -> None:
        assert await client.receipt(pid) is None and (await client.look("all", pid=pid)).views == []
        for which in ("living", "alarms", "all"):
            machine.portion(which, looking.Place(pid), 0, False)

    beside(home, work)


def killed(_: Home) -> str:
    return "it was killed"


@pytest.mark.parametrize("command", ["asks", "tree", "ps"])
def test_why_no_machine_runs_is_said_once(
    home: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gemot.machine.stop_reason.said", killed)
    type_in(home, command)
    assert capsys.readouterr().err.count("it was killed") == 1


def spoil(home: Path, position: int) -> None:
    database = sqlite3.connect(home / "journal.db")
    database.execute("UPDATE records SET body=x'00' WHERE position=?", (position,))
    database.commit()
    database.close()


def test_damaged_old_record_does_not_stop_looking(home: Path) -> None:
    spoil(home, 20)
    assert [view.state for view in look(home).views] == ["asleep"] * 3
    assert [asked.question for asked in look_at_asks(home)] == ["Which colour?"]
    assert look_at_receipt(home, 3) is not None


def test_damaged_checkpoint_is_replaced_by_folding(home: Path) -> None:
    whole = look(home, "all")
    database = sqlite3.connect(home / "journal.db")
    database.execute("UPDATE trees SET body=x'00' WHERE root=14")
    database.commit()
    database.close()
    assert look(home, "all") == whole


def test_a_look_shows_the_same_as_folding_does(home: Path) -> None:
    recent, folded = Snapshot(home / "journal.db", recent=True), Snapshot(home / "journal.db")
    for snapshot in (recent, folded):
        snapshot.fold()
        snapshot.asleep()
    seen = [
        looking.gathered(lambda place, of=one: looking.portion(of.trees, of.kernel, "all", place))
        for one in (recent, folded)
    ]
    assert seen[0] == seen[1]
    assert len(seen[0].views) == 15
    recent.close()
    folded.close()


def test_records_after_the_checkpoint_are_seen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 10_000)

    async def go_on() -> None:
        async with await opened(home) as machine:
            await machine.kill(14, "enough")

    asyncio.run(go_on())
    assert [(view.pid, view.state) for view in look(home).views] == [(13, "asleep"), (15, "asleep")]
    assert look(home, pid=14).views[0].state == "killed"


def test_a_look_is_of_one_moment(home: Path) -> None:
    """A machine leaves a checkpoint while somebody looks: what is looked at stays as it was."""
    snapshot = Snapshot(home / "journal.db", recent=True)
    snapshot.fold()

    async def go_on() -> None:
        async with await opened(home) as machine:
            await machine.kill(14, "enough")

    asyncio.run(go_on())
    found = looking.portion(snapshot.trees, snapshot.kernel, "living")
    assert [view.pid for view in found.views] == [15, 14, 13]
    snapshot.close()


def test_only_the_newest_trees_are_shown_and_the_rest_is_named(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemot.cli.tables.TREES_SHOWN", 2)
    monkeypatch.setattr(looking, "TREES_AT_ONCE", 1)
    type_in(home, "ps")
    shown = capsys.readouterr().out
    assert "1 older tree is not shown: gemot ps --json lists all" in shown
    assert [line.split()[0] for line in shown.splitlines()[1:3]] == ["14", "15"]
    type_in(home, "ps --json")
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_all_trees_come_in_pages(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemot.cli.tables.TREES_SHOWN", 4)
    pages, before = list[int](), 0
    while True:
        type_in(home, f"ps --all --json --before {before}")
        told = capsys.readouterr()
        page = [json.loads(line)["pid"] for line in told.out.splitlines()]
        pages = page + pages
        if "--before" not in told.err:
            break
        before = int(told.err.partition("--before ")[2].split()[0])
        assert len(page) == 4 and before == page[0]
    assert pages == list(range(1, 16))
    type_in(home, "ps --all --json --trees 0")
    assert len(capsys.readouterr().out.splitlines()) == 15


def test_pages_beside_a_running_machine_are_the_same(home: Path) -> None:
    async def work(machine: Machine, client: Client) -> None:
        seen = await asyncio.to_thread(look, home, "all", None, 3, False, 9)
        assert [view.pid for view in seen.views] == [6, 7, 8] and seen.next is not None

    beside(home, work)


def beside(home: Path, work: Callable[[Machine, Client], Coroutine[Any, Any, None]]) -> None:
    async def both() -> None:
        async with await opened(home, resume=True) as machine, Door(machine):
            assert machine.home is not None
            client = await Client.connect(machine.home.door)
            assert client is not None
            await work(machine, client)
            await client.close()

    asyncio.run(asyncio.wait_for(both(), 60))


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_portions_together_are_all_there_is(home: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "PORTION_BYTES", size)
    monkeypatch.setattr(looking, "TREES_AT_ONCE", 4)

    async def work(machine: Machine, client: Client) -> None:
        assert await client.processes() == machine.processes()
        assert (await client.look()).views == machine.look().views
        assert [view.pid for view in (await client.look()).views] == [13, 14, 15]
        assert [view.pid for view in (await client.look("alarms")).views] == [14]
        assert await client.asks() == machine.asks()
        assert (await client.look(trees_max=1)).left == (0 if size > 100 else 2)

    beside(home, work)


def test_receipts_come_only_on_request(home: Path) -> None:
    async def work(machine: Machine, client: Client) -> None:
        full, bare = await client.look("all", receipts=True), await client.look("all")
        assert any(view.outcome is not None and view.outcome.receipt.uses for view in full.views) or full == bare
        assert not any(view.outcome is not None and view.outcome.receipt.uses for view in bare.views)
        found = await client.receipt(3)
        assert found is not None
        assert found == machine.receipt(3)
        assert await client.receipt(99) is None

    beside(home, work)


def test_a_look_brings_no_tree_into_memory(home: Path) -> None:
    async def work(machine: Machine, client: Client) -> None:
        held = set(machine.kernel.trees)
        assert len(await client.processes()) == 15
        await client.receipt(3)
        assert set(machine.kernel.trees) == held

    beside(home, work)


def test_unreadable_tree_is_named_where_it_is_looked_at(home: Path) -> None:
    database = sqlite3.connect(home / "journal.db")
    database.execute("UPDATE trees SET body=x'00' WHERE root=14")
    database.commit()
    database.close()
    snapshot = Snapshot(home / "journal.db", recent=True)
    snapshot.fold()
    with pytest.raises(Damaged):
        snapshot.trees.tree(14)
    snapshot.close()


def test_of_another_shape_a_checkpoint_is_not_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = look(home, "all")
    monkeypatch.setattr(checkpoint, "of", lambda journal: None)
    assert look(home, "all") == whole
    assert Home(home).runs() is None


def test_journal_of_no_bytes_is_whole_and_empty(tmp_path: Path) -> None:
    (tmp_path / "journal.db").touch()
    counts, flaws = inspect(tmp_path / "journal.db")
    assert (counts.records, flaws) == (0, [])
    assert look(tmp_path, "all").views == [] and look_at_asks(tmp_path) == []


@pytest.mark.parametrize("pid", [0, -1, 1 << 70])
def test_pid_that_names_nobody_shows_nobody_beside_a_machine(home: Path, pid: int) -> None:
    async def work(machine: Machine, client: Client) -> None:
        assert (await asyncio.to_thread(look, home, "all", pid)).views == []

    beside(home, work)
    assert look(home, "all", pid).views == []
