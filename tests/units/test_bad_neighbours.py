"""One bad neighbour costs only itself: clients that flood, nest, don't read or don't finish; programs that hold the journal; machines that
stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from gemot import Calls, Machine, program
from gemot.cli.doctor import doctor
from gemot.cli.tables import ps
from gemot.journal import database
from gemot.journal.contract import Full, JournalError
from gemot.journal.sqlite import SqliteJournal
from gemot.machine import client as clients
from gemot.machine import guests, stop_reason
from gemot.machine.client import Client, Gone
from gemot.machine.door import Door, Start
from gemot.machine.home import Home
from gemot.models import open_model
from gemot.models.port import ModelFailed

WISH = b'{"id":1,"do":{"type":"providers"}}\n'


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


@contextlib.asynccontextmanager
async def machine_with_door(folder: Path) -> Any:
    async with await Machine.open(folder / "home", door=False) as machine, Door(machine) as door:
        yield machine, door


async def connected(machine: Machine, limit: int = 1 << 26) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert machine.home is not None
    return await asyncio.open_unix_connection(str(machine.home.door), limit=limit)


async def another_is_served(machine: Machine) -> None:
    assert machine.home is not None
    client = await Client.connect(machine.home.door)
    assert client is not None
    assert await client.providers() == []
    await client.close()


@pytest.mark.parametrize("depth", [100, 3_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nested_wish_is_answered_in_words(tmp_path: Path, depth: int, opening: bytes, closing: bytes) -> None:
    async def work() -> None:
        async with machine_with_door(tmp_path) as (machine, _):
            reader, writer = await connected(machine)
            nested = opening * depth + b"1" + closing * depth
            writer.write(b'{"id":1,"do":{"type":"start","goal":"x","arguments":{"a":' + nested + b"}}}\n" + WISH)
            assert b'"error"' in await reader.readline() or depth == 100
            assert b'"value":[' in await reader.readline(), "the same connection goes on"
            writer.close()

    run(work())


def test_unfinished_lines_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "HELD_BYTES_MAX", 1 << 20)

    async def work() -> None:
        async with machine_with_door(tmp_path) as (machine, door):
            writers: list[asyncio.StreamWriter] = []
            for _ in range(40):
                _, writer = await connected(machine)
                writers.append(writer)
                writer.write(b"x" * 150_000)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                for _ in range(20):
                    await asyncio.sleep(0)
                assert sum(guest.held for guest in door._guests.values()) <= guests.HELD_BYTES_MAX
            await another_is_served(machine)
            for writer in writers:
                writer.close()

    run(work())


def test_line_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "LINE_SECONDS_MAX", 0.05)

    async def work() -> None:
        async with machine_with_door(tmp_path) as (machine, _):
            reader, writer = await connected(machine)
            await another_is_served(machine)
            writer.write(b'{"id":1')
            assert b"must end within" in await reader.readline()
            assert await reader.read() == b""
            writer.close()

    run(work())


def test_clients_that_never_read_cost_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "UNREAD_SECONDS_MAX", 0.2)

    async def work() -> None:
        async with machine_with_door(tmp_path) as (machine, door):
            large = "x" * 200_000
            monkeypatch.setattr("gemot.machine.door.waits_for_person", lambda kernel, roots: large)
            deaf = [await connected(machine, 1 << 10) for _ in range(20)]
            for _, writer in deaf:
                writer.write(b'{"id":1,"do":{"type":"waits","roots":[1]}}\n' * 200)
            for _ in range(5):
                await another_is_served(machine)
                assert all(guest.unread < 1 << 20 for guest in door._guests.values()), (
                    "who does not read is not read from"
                )
            await asyncio.wait([guest.task for guest in door._guests.values() if guest.task is not None])
            for _, writer in deaf:
                writer.close()

    run(work())


def test_one_connection_too_many_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemot.machine.door.GUESTS_MAX", 2)

    async def work() -> None:
        async with machine_with_door(tmp_path) as (machine, _):
            _, first = await connected(machine)
            _, second = await connected(machine)
            reader, third = await connected(machine)
            assert b"takes no more" in await reader.readline()
            for writer in (first, second, third):
                writer.close()

    run(work())


def test_client_of_a_machine_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clients, "WORD_SECONDS", 0.05)
    monkeypatch.setattr(clients, "PATIENCE_SECONDS", 0.05)

    async def work() -> None:
        server = await asyncio.start_unix_server(lambda reader, writer: None, str(tmp_path / "door"))
        client = await Client.connect(tmp_path / "door")
        assert client is not None
        with pytest.raises(Gone, match=f"process {os.getpid()}"):
            await client.providers()
        assert "waiting for the machine" in caplog.text
        await client.close()
        server.close()

    run(work())


HOLDS = """
import sqlite3, sys
holder = sqlite3.connect(sys.argv[1], isolation_level=None)
holder.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""
LIVES = """
import asyncio, pathlib, sys
from gemot import Machine
from gemot.machine import door

async def main():
    async with await Machine.open(pathlib.Path(sys.argv[1]), door=False) as machine, door.Door(machine):
        print("open", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@contextlib.contextmanager
def started(script: str, place: Path) -> Any:
    """A process that runs a script, when it has said its first word."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="the system says who holds a lock on Linux alone")
def test_client_learns_which_process_holds_the_lock_of_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clients, "WORD_SECONDS", 0.2)
    monkeypatch.setattr(clients, "PATIENCE_SECONDS", 0.2)
    home = tmp_path / "home"

    async def work(machine: int, holder: int) -> None:
        client = await Client.connect(Home(home).door, Home(home))
        assert client is not None
        words = f"process {machine}.*waits for the lock of its journal, held by process {holder}"
        with pytest.raises(Gone, match=words):
            await client.start(Start("x", "solo", "embedded"))
        assert "waits for the lock of its journal" in caplog.text
        await client.close()

    with started(LIVES, home) as machine, started(HOLDS, home / "journal.db") as holder:
        run(work(machine.pid, holder.pid))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems queue connections otherwise")
def test_full_door_of_a_stopped_machine_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "WORD_SECONDS", 0.1)
    monkeypatch.setattr(clients, "PATIENCE_SECONDS", 0.1)
    home = Home(tmp_path / "home")

    async def work(pid: int) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(400):
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                try:
                    waiting.connect(str(home.door))
                except BlockingIOError:
                    break
            else:
                pytest.fail("the door was never full")
            with pytest.raises(Gone, match=f"process {pid}.*is stopped.*it has taken in nobody"):
                await Client.connect(home.door, home)
            os.kill(pid, signal.SIGCONT)
        client = await Client.connect(home.door, home)
        assert client is not None
        await client.close()

    with started(LIVES, home.folder) as machine:
        os.kill(machine.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, machine.pid, os.WSTOPPED)
        run(work(machine.pid))


def test_journal_that_another_program_holds_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A write and a text, which is kept between a tool's end and its record."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    caplog.set_level(logging.WARNING)
    for write in (
        lambda: journal.put_value("x" * 9_000),
        lambda: journal.append(journal.position, [(1, 0, b"{}")], synced=True),
    ):
        caplog.clear()
        holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")

        class Released(logging.Handler):
            """The other program goes when it was said that it is waited for."""

            def emit(self, record: logging.LogRecord, holder: sqlite3.Connection = holder) -> None:
                holder.execute("ROLLBACK")

        released = Released()
        logging.getLogger("gemot.journal").addHandler(released)
        try:
            write()
        finally:
            logging.getLogger("gemot.journal").removeHandler(released)
            holder.close()
        assert "waiting for the journal, another program holds its lock" in caplog.text
    journal.close()


def test_disk_that_can_not_be_written_is_not_told_to_make_room(tmp_path: Path) -> None:
    file = database.Database(tmp_path / "journal.db", writing=True)
    for code, words in ((13, "make room"), (8, "let its folder be written"), (10, "Look at the disk")):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        told = str(file.in_words(error, 0))
        assert words in told and ("make room" in told) == (code == 13)
    file.close()


@program()
async def waits(calls: Calls, brief: str) -> Any:
    """Waits for a message."""
    return await calls.receive()


def test_machine_that_stopped_over_an_error_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        machine = await Machine.open(tmp_path, programs=(waits,), door=False)
        await machine.start("go", program="waits")

        def full(*given: Any, **named: Any) -> int:
            raise Full("the disk is full")

        machine._loop.journal.append = full  # type: ignore[method-assign]
        with pytest.raises(Exception, match="the disk is full"):
            await machine.send(1, "on")
        assert stop_reason.said(machine.home or Home(tmp_path)) == "", "it still runs, as far as others can tell"
        await machine.close()

    run(work())
    for look in (lambda: ps(tmp_path, False, False), lambda: doctor(tmp_path)):
        look()
        told = " ".join("".join(capsys.readouterr()).split())
        assert "the machine stopped at" in told and "the disk is full" in told and "gemot resume" in told

    async def again() -> None:
        async with await Machine.open(tmp_path, programs=(waits,), door=False) as machine:
            machine.resume()
            await machine.send(1, "on")

    run(again())
    assert stop_reason.said(Home(tmp_path)) == "", "a clean end says nothing"
    ps(tmp_path, False, False)
    assert "stopped" not in capsys.readouterr().err


def test_machine_that_was_killed_is_told_from_one_that_was_closed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = (
        "import asyncio, sys\nfrom gemot import Machine\n"
        f"async def work():\n    machine = await Machine.open({str(tmp_path)!r}, door=False)\n"
        "    print('open', flush=True)\n    await asyncio.sleep(60)\n"
        "asyncio.run(work())\n"
    )
    machine = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert machine.stdout is not None and machine.stdout.readline() == b"open\n"
    home = Home(tmp_path)
    assert stop_reason.said(home) == "", "it runs"
    machine.send_signal(signal.SIGKILL)
    machine.wait()
    machine.stdout.close()
    assert f"process {machine.pid}) was not closed: it was killed, or it crashed" in stop_reason.said(home)
    ps(tmp_path, False, False)
    assert "was not closed" in capsys.readouterr().err


def test_reason_fits_its_file_whatever_it_says(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for reason in ("x" * 10_000, "\x00" * 10_000, "\N{GRINNING FACE}" * 10_000, "", "\ud800"):
        stop_reason.stopped(home, JournalError(reason))
        assert home.state.stat().st_size == stop_reason.SIZE_BYTES
        assert "the machine stopped at" in stop_reason.said(home)


@pytest.mark.parametrize("body", ["def (:", "1 / 0", "import nothing_of_this_name"])
def test_script_of_a_person_that_can_not_run_is_no_mistake_in_gemot(tmp_path: Path, body: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(body)
    with pytest.raises(ModelFailed, match=r"script\.py can.t be run: "):
        open_model(f"scripted:{script}:script")
