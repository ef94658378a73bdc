"""A tree goes out to one file, comes in elsewhere and goes on; one that has ended can leave the journal."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from checkers import digest
from worlds import EVERY_SYSCALL

from gemot import Calls, Grant, Machine, MachineError, program, request, scripted, tool
from gemot.abi.answers import Outcome
from gemot.abi.events import Cost
from gemot.abi.reviews import PersonCheck, ReviewerCheck
from gemot.abi.syscalls import Exit, Wait
from gemot.board.table import Board, Item
from gemot.kernel import freezing
from gemot.kernel.process import Review, SetAlarm
from gemot.machine import carrying
from gemot.machine.client import Client
from gemot.machine.replay import Replay
from gemot.programs.library import load

RIGHTS = (*EVERY_SYSCALL, Grant("files/*"), Grant("long/text"))


@tool("long/text", effect="reads", repeatable=True)
def long_text() -> str:
    """A text that is too long for a reading."""
    return "word " * 5_000


@program(grants=("ask", "spawn", "wait", "alarm", "receive", "long/text", "files/read"))
async def worker(calls: Calls, brief: str) -> Any:
    """Has a child that asks, a value in a handle, and an alarm far away."""
    (held,) = await calls.call_all(("long/text", {}))
    await calls.alarm(9_000)
    await calls.alarm(every="0 9 * * MON", zone="Europe/Berlin")
    if brief != "child":
        child = await calls.spawn("child", "worker")
        ended = (await calls.wait([child])).ended[0]
        assert ended.state == "done", ended
        return ended.value
    said = await calls.ask("How much?")
    assert held.handle is not None
    (seen,) = await calls.call_all(("files/read", {"path": "a.txt"}))
    return [said, (await calls.read(held.handle.number, 0, 9)), seen.text if seen.ok else seen.rule]


def speak(_: Any) -> Any:
    return [request("ask", question="Well?")]


async def opened(home: Path, **options: Any) -> Machine:
    return await Machine.open(home, programs=[worker], tools=[long_text], models={"s": scripted(speak)}, **options)


async def asked(machine: Machine, count: int = 1) -> None:
    for _ in range(2_000):
        if len(machine.asks()) >= count and not machine._loop.stage.busy:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody asked")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A tree that waits for an answer, in a file; it saw a folder with a text."""

    async def story() -> None:
        there = tmp_path / "there"
        there.mkdir()
        (there / "a.txt").write_text("there")
        async with await opened(tmp_path / "one") as machine:
            await machine.start("talk", model="s")
            pid = await machine.start("go", program="worker", model="s", work=there, mode="ro", grants=RIGHTS)
            await asked(machine, 2)
            machine.pause(pid)
            machine.export(pid, tmp_path / "tree")

    asyncio.run(story())
    return tmp_path / "tree"


def test_a_tree_goes_on_in_another_machine(file: Path, tmp_path: Path) -> None:
    here = tmp_path / "over here"
    here.mkdir()
    (here / "a.txt").write_text("here")

    async def story() -> Any:
        async with await opened(tmp_path / "two") as machine:
            root = await machine.adopt(carrying.read(file), {"work": here})
            assert {one.state for one in machine.processes(root)} == {"asleep"}
        async with await opened(tmp_path / "two") as machine:  # it is in the journal
            (open_ask,) = machine.asks()
            machine.resume(root)
            await machine.answer(open_ask.ask, text="much")
            outcome = await machine.result(root)
            assert outcome.state == "done", [one.outcome.error for one in machine.processes(root) if one.outcome]
            return outcome.value

    said, held, seen = asyncio.run(story())
    assert (said, held) == ("much", "word word")
    assert "here" in seen and "there" not in seen
    replay = Replay(tmp_path / "two" / "journal.db", load((), [worker]))
    assert replay.check() == ""


def test_a_folder_that_is_not_named_is_not_seen(file: Path, tmp_path: Path) -> None:
    async def story() -> Any:
        async with await opened(tmp_path / "two") as machine:
            root = await machine.adopt(carrying.read(file), {})
            machine.resume(root)
            await machine.answer(machine.asks()[0].ask, text="much")
            outcome = await machine.result(root)
            assert outcome.state == "done", [one.outcome.error for one in machine.processes(root) if one.outcome]
            return outcome.value

    assert asyncio.run(story())[2] == "mount"


def test_what_can_not_come_in_is_said(file: Path, tmp_path: Path) -> None:
    async def story() -> None:
        async with await opened(tmp_path / "one") as machine:
            with pytest.raises(MachineError, match="process 2 of its own"):
                await machine.adopt(carrying.read(file), {})
        async with await opened(tmp_path / "two") as machine:
            with pytest.raises(MachineError, match="has no mount 'wrok'"):
                await machine.adopt(carrying.read(file), {"wrok": tmp_path})
            with pytest.raises(MachineError, match="no folder"):
                await machine.adopt(carrying.read(file), {"work": tmp_path / "nowhere"})
            assert machine.processes() == []

    asyncio.run(story())


@pytest.mark.parametrize("damage", ["empty", "other", "torn", "flipped", "rubbish", "hollow"])
def test_a_file_that_is_no_tree_is_refused(file: Path, damage: str) -> None:
    body = file.read_bytes()
    start = len(carrying.MAGIC) + 32
    packed = {"rubbish": zlib.compress(b"\x93\x01"), "hollow": zlib.compress(b"")}.get(damage, b"")
    file.write_bytes(
        {
            "empty": b"",
            "other": b"PK\x03\x04" + body,
            "torn": body[:-9],
            "flipped": body[: start + 40] + bytes([body[start + 40] ^ 1]) + body[start + 41 :],
        }.get(damage, carrying.MAGIC + hashlib.sha256(packed).digest() + packed)
    )
    with pytest.raises(carrying.CarryError):
        carrying.read(file)


def _forge(tree: freezing.CarriedTree, forgery: str) -> freezing.CarriedTree:
    first, second = tree.tree.processes
    match forgery:
        case "means below nothing":
            second.left.tokens = -5
        case "means without end":
            first.left.tokens = 1 << 60
        case "an orphan":
            second.parent = 99
        case "another tree's child":
            first.children = [7]
        case "a second root":
            second.root = 77
        case "work of nothing":
            second.work[0].grant = 50
        case "a foreign ask":
            tree.asks[0].effect = 12345
        case "an answer number without end":
            second.entries = (1 << 64) - 1
        case "an alarm without end":
            first.alarms[3] = SetAlarm(0, skipped=(1 << 64) - 1)
        case "a debt without end":
            debt = msgspec.structs.replace(tree.tree, overdrawn=Cost((1 << 64) - 1))
            return msgspec.structs.replace(tree, tree=debt)
        case "a child that nobody has":
            first.children = []
        case "a child twice":
            first.children *= 2
        case "a child of the dead":
            first.outcome, first.syscall = Outcome(first.pid, "x", "done"), None
        case "generations without end":
            first.left.depth = 1_000
        case "a review of nothing":
            first.syscall = Exit(1)
        case "a review at no check":
            first.review = Review((PersonCheck(),), 3, "x", "worker", at=7)
        case "another one's judge":
            first.review, first.syscall = Review((ReviewerCheck(),), 3, "x", "worker", judges=[99]), Exit(1)
        case "a task after none":
            board = Board({1: Item(1, "x", "", 0, after=(99,))})
            return msgspec.structs.replace(tree, tree=msgspec.structs.replace(tree.tree, board=board))
        case "a task of nobody":
            board = Board({1: Item(1, "x", "", 99)})
            return msgspec.structs.replace(tree, tree=msgspec.structs.replace(tree.tree, board=board))
        case "work for another syscall":
            second.syscall = Wait()
        case "a moment without end":
            return msgspec.structs.replace(tree, moment=(1 << 64) - 1)
        case _:
            return msgspec.structs.replace(tree, numbers=1 << 62)
    return tree


FORGERIES = (
    "means below nothing", "means without end", "an orphan", "another tree's child", "a second root", "work of nothing",
    "a foreign ask", "numbers without end", "a moment without end", "an answer number without end", "an alarm without end",
    "a debt without end", "a child that nobody has", "a child twice", "a child of the dead", "generations without end",
    "a review of nothing", "a review at no check", "another one's judge", "a task after none", "a task of nobody",
    "work for another syscall",
)  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_tree_is_refused(file: Path, forgery: str) -> None:
    carried = carrying.read(file)
    forged = _forge(freezing.carried(carried.tables), forgery)
    file.unlink()
    carrying.write(msgspec.structs.replace(carried, tables=msgspec.msgpack.encode(forged)), file)
    with pytest.raises(carrying.CarryError, match="one whole tree"):
        carrying.read(file)


def test_rules_about_folders_move_with_them(file: Path, tmp_path: Path) -> None:
    carried = carrying.read(file)
    moved = carrying.relocated(carried, {"work": "/new/place"})
    process = moved.processes()[0]
    assert [(one.name, one.folder, one.mode) for one in process.mounts] == [("work", "/new/place", "ro")]
    old = f"{tmp_path / 'there'}//notes"
    from gemot.abi.grants import Rule
    from gemot.machine.carrying import _moved

    grant = _moved(Grant("files/read", {"path": Rule(under=old)}), {str(tmp_path / "there"): "/new/place"})
    assert grant.where["path"].under == "/new/place//notes"


def test_a_tree_that_has_ended_can_leave_the_journal_and_all_else_folds_as_before(tmp_path: Path) -> None:
    home = tmp_path / "home"

    async def story() -> tuple[int, bytes]:
        async with await opened(home) as machine:
            before = await machine.start("talk", model="s")
            await asked(machine)
            gone = await machine.start("go", program="worker", model="s", grants=RIGHTS)
            await asked(machine, 2)
            after = await machine.start("talk", model="s")
            copy = await machine.fork(after, "and you?")
            await asked(machine, 4)
            with pytest.raises(MachineError, match="has not ended"):
                machine.archive(gone, tmp_path / "no")
            (open_ask,) = [one for one in machine.asks() if machine.kernel.processes[one.pid].root == gone]
            await machine.answer(open_ask.ask, text="so much")
            assert (await machine.result(gone)).state == "done"
            machine.archive(gone, tmp_path / "tree")
            await machine.kill(after)
            with pytest.raises(MachineError, match=f"{copy} was forked from tree {after}"):
                machine.archive(after, tmp_path / "not that")
            assert {one.root for one in machine.processes()} == {before, after, copy}
            return gone, digest(machine.kernel)

    gone, live = asyncio.run(story())

    async def again() -> None:
        async with await opened(home) as machine:
            machine._loop.journal.drop_checkpoint()
        async with await opened(home) as machine:  # folded from the first record
            assert {one.root for one in machine.processes()} == {1, 4, 5}
            with pytest.raises(MachineError, match="no process"):
                await machine.send(gone, "hello")
            assert await machine.adopt(carrying.read(tmp_path / "tree"), {}) == gone, "and it can come back"
            assert (await machine.result(gone)).value[0] == "so much"

    asyncio.run(again())
    assert Replay(home / "journal.db", load((), [worker])).check() == ""
    assert live


def test_pipe_or_device_is_refused_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(carrying.CarryError, match="is a pipe or a device, not a file"):
            carrying.read(path)
    with pytest.raises(carrying.CarryError, match="can't be read: Is a directory"):
        carrying.read(tmp_path)
    with pytest.raises(carrying.CarryError, match="can't be the name of a file"):
        carrying.read(Path("a\0b"))


def test_tree_file_that_is_too_large_is_refused_with_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.touch()
    os.truncate(file, 1 << 30)
    with pytest.raises(carrying.CarryError, match=r"1,074 MB, and a tree's file has at most 268 MB"):
        carrying.read(file)


def test_tree_file_is_read_away_from_the_machines_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    inner = carrying.read

    def read(path: Path) -> carrying.Carried:
        threads.append(threading.get_ident())
        return inner(path)

    monkeypatch.setattr(carrying, "read", read)

    async def work() -> None:
        async with await Machine.open(tmp_path / "home") as machine:
            assert machine.home is not None
            client = await Client.connect(machine.home.door)
            assert client is not None
            with pytest.raises(MachineError, match="can't be read"):
                await client.adopt(tmp_path / "none", {})
            await client.close()

    asyncio.run(work())
    assert threads and threading.get_ident() not in threads
