"""The door of a running machine: other terminals reach it; nobody can make it stop or wait."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from gemot.abi.messages import Request
from gemot.abi.syscalls import Accept, Add, Claim, Complete, Reorder, Task
from gemot.abi.tasks import Drop, Reopen
from gemot.machine import door
from gemot.machine.client import Client, Gone
from gemot.machine.door import Door
from gemot.machine.machine import Machine, MachineError
from gemot.machine.notes import Arranged, Ended, Note
from gemot.machine.wishes import Start
from gemot.models.scripted import heard, request, scripted


def clerk(question: Request) -> Any:
    if heard(question):
        return request("exit", value="done")
    return request("ask", question="Which colour?")


async def opened(home: Path) -> Machine:
    return await Machine.open(home / "home", models={"clerk": scripted(clerk)}, door=False)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def connected(machine: Machine) -> Client:
    assert machine.home is not None
    client = await Client.connect(machine.home.door)
    assert client is not None
    return client


def test_another_terminal_starts_answers_and_sees(tmp_path: Path) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine, Door(machine):
            client = await connected(machine)
            notes: asyncio.Queue[Note] = asyncio.Queue()
            await client.watch(notes.put_nowait)
            pid = await client.start(Start("ask me", model="clerk", work=str(tmp_path)))
            while not await client.asks():
                await notes.get()
            assert await client.waits_for_person((pid,))
            await client.answer((await client.asks())[0].ask, text="blue")
            while not isinstance(await notes.get(), Ended):
                pass
            assert [view.state for view in await client.processes()] == ["done"]
            with pytest.raises(MachineError, match="no process 99"):
                await client.kill(99)
            await client.close()

    run(work())


def test_another_terminal_works_on_the_board(tmp_path: Path) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine, Door(machine):
            client = await connected(machine)
            notes: list[Note] = []
            await client.watch(notes.append)
            pid = await client.start(Start("ask me", model="clerk", work=str(tmp_path)))
            assert await client.work(pid, Add((Task("one", name="one"), Task("two", after=("one",))))) == (1, 2)
            assert await client.work(pid, Complete(1, "done")) == (1,)
            with pytest.raises(MachineError, match="comes after 1"):
                await client.work(pid, Claim(2))
            with pytest.raises(MachineError, match="say which"):
                await client.work(pid, Claim())
            with pytest.raises(MachineError, match="no process 99"):
                await client.work(99, Reopen(1))
            assert await client.work(pid, Accept(1)) == (1,)
            assert await client.work(pid, Reorder((2,))) == (2,)
            first, second = await client.tasks(pid)
            assert (first.number, first.ready, second.state) == (2, True, "accepted")
            assert await client.tasks() == [first, second] == machine.tasks()
            assert [note.move for note in notes if isinstance(note, Arranged)] == [
                "add",
                "complete",
                "accept",
                "reorder",
            ]
            await client.kill(pid)
            with pytest.raises(MachineError, match="has ended"):
                await client.work(pid, Drop(2))
            await client.close()

    run(work())


def test_only_the_owner_may_use_the_door_and_it_goes_with_the_machine(tmp_path: Path) -> None:
    async def work() -> None:
        machine = await opened(tmp_path)
        assert machine.home is not None
        path = machine.home.door
        path.write_text("left behind by a machine that was killed")
        async with machine, Door(machine):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
            client = await connected(machine)
        assert not path.exists()
        with pytest.raises(Gone):
            await client.asks()

    before = os.umask(0)
    try:
        run(work())
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\n",
        b"\xff\xfe\n",
        b"{}\n",
        b'{"id": 1, "do": {"type": "boom"}}\n',
        b'{"id":1,"do":{"type":"kill","pid":"x"}}\n',
    ],
)
def test_garbage_gets_an_error_and_nothing_stops(tmp_path: Path, line: bytes) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine, Door(machine):
            assert machine.home is not None
            reader, writer = await asyncio.open_unix_connection(str(machine.home.door))
            writer.write(line)
            assert b'"error"' in await reader.readline()
            writer.write(b'{"id": 2, "do": {"type": "asks"}}\n')
            assert await reader.readline() == b'{"id":2,"value":[]}\n'
            writer.close()

    run(work())


def test_endless_line_ends_its_own_conversation_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "LINE_BYTES_MAX", 1 << 16)

    async def work() -> None:
        async with await opened(tmp_path) as machine, Door(machine):
            assert machine.home is not None
            reader, writer = await asyncio.open_unix_connection(str(machine.home.door))
            writer.write(b"x" * (1 << 18))
            assert b"a line has at most" in await reader.readline()
            other = await connected(machine)
            assert await other.asks() == []
            await other.close()
            writer.close()

    run(work())


def test_watcher_that_does_not_read_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "UNREAD_BYTES_MAX", 1 << 16)

    async def work() -> None:
        async with await opened(tmp_path) as machine, Door(machine) as opened_door:
            assert machine.home is not None
            reader, writer = await asyncio.open_unix_connection(str(machine.home.door), limit=1 << 10)
            writer.write(b'{"id": 1, "do": {"type": "watch"}}\n')
            await reader.readline()
            assert opened_door.watchers == 1
            pid = await machine.start("wait", model="clerk", work=tmp_path)
            for _ in range(20):
                await machine.send(pid, "x" * 100_000)
                await asyncio.sleep(0)
            for _ in range(100):
                if not opened_door.watchers:
                    break
                await asyncio.sleep(0)
            assert opened_door.watchers == 0
            writer.close()

    run(work())
