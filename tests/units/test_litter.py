"""What was left behind by processes that were killed is removed; what belongs to others stays."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from copied import World

from gemot import Machine
from gemot.cli import background, reach
from gemot.drivers import litter, merging
from gemot.kernel import Kernel
from gemot.machine import temporary
from gemot.machine.client import Client
from gemot.machine.home import Home
from gemot.machine.spaces import Spaces


def kill_a_merge(world: World) -> None:
    """A merge in a process of its own that is killed when all its files are written and none has its name."""
    world.make()
    (world.tree / "a.md").write_text("gamma\n")
    (world.tree / "notes" / "b.md").write_text("delta\n")
    child = os.fork()
    if not child:
        merging.Writer._show = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        world.merge()
        os._exit(0)
    os.waitpid(child, 0)


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".gemot-*")]


def test_next_merge_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    world = World(tmp_path)
    kill_a_merge(world)
    assert len(hidden(world.original)) == 2
    (world.original / ".gemot-mine").write_text("a person's own")
    world.merge()
    assert hidden(world.original) == [".gemot-mine"]
    assert (world.original / "a.md").read_text() == "gamma\n"


def test_next_machine_removes_what_a_killed_merge_left(tmp_path: Path) -> None:
    world = World(tmp_path)
    kill_a_merge(world)
    home = Home(tmp_path / "home")
    (home.folder / "spaces").mkdir(parents=True)
    (world.tree.parent).rename(home.folder / "spaces" / "1-work")
    Spaces(Kernel(), home).tidy()
    assert hidden(world.original) == []
    assert not (home.folder / "spaces" / "1-work" / litter.NOTE).exists()


def test_half_written_note_of_a_merge_is_dropped(tmp_path: Path) -> None:
    (tmp_path / litter.NOTE).write_bytes(b"\x93")
    litter.clear(tmp_path)
    assert not (tmp_path / litter.NOTE).exists()


def test_temporary_folder_of_a_killed_process_is_removed_and_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    words = (
        "import os; from gemot.machine import temporary; print(temporary.make(), flush=True); os.kill(os.getpid(), 9)"
    )
    world = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", words], env=world, capture_output=True, text=True, check=False)
    left, mine = Path(killed.stdout.strip()), temporary.make()
    assert left.is_dir() and left.parent == tmp_path
    Spaces(Kernel(), None).tidy()
    assert not left.exists() and mine.is_dir()
    temporary.drop(mine)
    assert list(tmp_path.iterdir()) == []


def test_lock_says_that_a_machine_is_starting(tmp_path: Path) -> None:
    home, other = Home(tmp_path), Home(tmp_path)
    assert (other.runs(), other.starts()) == (None, False)
    home.lock(starting=True)
    assert (other.runs(), other.starts()) == (os.getpid(), True)
    home.started()
    assert (other.runs(), other.starts()) == (os.getpid(), False)
    home.unlock()
    assert (other.runs(), other.starts()) == (None, False)


def test_background_wish_waits_for_a_machine_that_is_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reach, "PATIENCE_SECONDS", 0.001)
    monkeypatch.setattr(reach, "WORD_SECONDS", 0.0)
    looks = 0
    starts = Home.starts

    def counted(self: Home) -> bool:
        nonlocal looks
        looks += 1
        return starts(self)

    monkeypatch.setattr(Home, "starts", counted)

    async def live() -> None:
        home = Home(tmp_path)
        home.lock(starting=True)
        waiting = asyncio.get_running_loop().create_task(background._submit(Home(tmp_path), Client.processes))
        while looks < 5:  # noqa: ASYNC110 - of a look at a lock nobody tells
            await asyncio.sleep(0)
        monkeypatch.setattr(reach, "PATIENCE_SECONDS", 30.0)
        await asyncio.sleep(0.1)
        home.unlock()
        async with await Machine.open(tmp_path):
            assert await waiting == []

    asyncio.run(asyncio.wait_for(live(), 60))
    said = capsys.readouterr().err
    assert said.count("is starting: it reads its journal; waiting for it") == 1
