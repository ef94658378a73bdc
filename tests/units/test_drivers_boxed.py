"""The boxed drivers: they see what the file tools see, say what happened, and end when they are stopped."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from test_boxes import WHY_NOT, alive, gone

from gemot import Calls, Grant, Machine, program, say, scripted
from gemot.drivers import kit, shipped
from gemot.drivers.boxed import WALLS
from gemot.drivers.kit import Driver, ToolError, drivers_of, standing, tool
from gemot.drivers.place import Place, PlaceMount
from gemot.drivers.python import run as python
from gemot.drivers.shell import run as shell

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"NOTHING ABOUT BOXED DRIVERS IS TESTED HERE: {WHY_NOT}")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name in ("work", "inbox"):
        (tmp_path / name / "in ner").mkdir(parents=True)
        (tmp_path / name / "in ner" / "a.txt").write_text(name)
    return Place(
        (PlaceMount("work", str(tmp_path / "work"), "rw"), PlaceMount("inbox", str(tmp_path), beneath="inbox"))
    )


def use(function: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
    return asyncio.run(function(*arguments, **named))


def test_a_command_sees_the_mounts_at_the_same_paths_and_in_the_same_mode(place: Place) -> None:
    said = use(shell, place, "cat 'in ner/a.txt' '/inbox/in ner/a.txt'; echo new > b.txt; echo new > /inbox/b.txt")
    assert said["stdout"] == "workinbox" and said["exit_code"] != 0 and "Read-only" in said["stderr"]
    with place.open("/work/b.txt") as (file, _):
        assert file.read() == b"new\n"


def test_python_sees_them_too(place: Place) -> None:
    said = use(python, place, "import os; print(os.getcwd(), sorted(os.listdir('/inbox')))")
    assert said == {"exit_code": 0, "stdout": "/work ['in ner']\n", "stderr": ""}


def test_the_top_of_a_mount_is_reached_without_links(place: Place, tmp_path: Path) -> None:
    (tmp_path / "inbox").rename(tmp_path / "old")
    (tmp_path / "inbox").symlink_to("/etc")
    with pytest.raises(ToolError):
        use(shell, place, "ls /inbox")


def test_a_use_that_is_too_long_says_so(place: Place) -> None:
    assert "deadline" in use(shell, place, "sleep 60", seconds=1)["stopped"]


def test_processes_that_a_command_leaves_behind_are_told(place: Place) -> None:
    said = use(shell, place, "sleep 100 & sleep 100 & sleep 0.1; echo started")
    assert said["stdout"] == "started\n" and said["ended"] == "2 processes that were still running: sleep, sleep"


@pytest.mark.parametrize("command", ["", "  ", "a\0b"])
def test_a_command_that_says_nothing_is_refused(place: Place, command: str) -> None:
    with pytest.raises(ToolError):
        use(shell, place, command)


@pytest.mark.parametrize("seconds", [0, -1, 601])
def test_a_use_takes_a_time_that_there_is(place: Place, seconds: int) -> None:
    with pytest.raises(ToolError, match="between 1 and 600"):
        use(shell, place, "true", seconds=seconds)


def test_a_mount_with_a_name_of_the_systems_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="another name"):
        use(shell, Place((PlaceMount("usr", str(tmp_path)),)), "true")


def test_a_place_of_which_only_some_paths_may_be_seen_is_not_shown_whole(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="as a whole"):
        use(shell, Place((PlaceMount("work", str(tmp_path), only=("a.txt",)),)), "true")


def test_a_process_without_files_has_a_scratch_folder() -> None:
    assert use(shell, Place(()), "pwd; touch here")["stdout"] == "/tmp\n"


def test_a_stopped_use_leaves_nothing(place: Place) -> None:
    mark = f"81{os.getpid()}.25"

    async def work() -> None:
        task = asyncio.create_task(shell(place, f"sleep {mark}"))
        while not alive(mark):  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(work())
    assert gone(mark)


def test_they_ship_where_the_walls_hold() -> None:
    names = {name for driver in standing(shipped()) for name in driver.tools}
    specs = {name: one.spec for driver in shipped() for name, one in driver.tools.items()}
    assert {"shell/run", "python/run"} <= names
    assert (
        specs["shell/run"].walls == WALLS
        and specs["shell/run"].effect == "writes"
        and not specs["shell/run"].repeatable
    )


def test_a_tool_that_needs_more_walls_than_there_are_is_not_offered() -> None:
    @tool("moat/swim", effect="computes", repeatable=True, walls=("moat",))
    def swim() -> str:
        """Swim."""
        return "wet"

    assert kit.standing(drivers_of([swim])) == [] and not kit.stands(swim.spec)


def test_a_machine_offers_no_tool_whose_walls_are_not_there_whoever_brings_it(tmp_path: Path) -> None:
    moat = Driver("moat", "Water.")

    @moat.tool(effect="computes", repeatable=True, walls=("moat",))
    def swim() -> str:
        """Swim."""
        return "wet"

    @moat.tool(effect="computes", repeatable=True)
    def look() -> str:
        """Look at it."""
        return "deep"

    async def offered() -> set[str]:
        async with await Machine.open(tmp_path, drivers=[moat]) as machine:
            return set(machine.kernel.tools)

    assert asyncio.run(offered()) == {"moat/look"}


def test_a_killed_process_ends_what_its_tools_have_started(tmp_path: Path) -> None:
    """Through a whole machine: a process runs a command in its mount; a person kills it, and nothing is left of it."""
    mark = f"82{os.getpid()}.25"

    @program()
    async def worker(calls: Calls, brief: str) -> str:
        """Runs two commands, the second without end."""
        said = await calls.call("shell/run", command="pwd; echo made > made.txt")
        await calls.call("shell/run", command=f"sleep {mark} & sleep {mark}", seconds=60)
        return str(said)

    async def work() -> str:
        never = scripted(lambda _: say("?"))
        async with await Machine.open(in_memory=True, programs=[worker], models={"s": never}) as machine:
            pid = await machine.start("go", program="worker", model="s", work=tmp_path, grants=(Grant("shell/run"),))
            while not alive(mark):  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.01)
            await machine.kill(pid)
            return (await machine.result(pid)).state

    assert asyncio.run(work()) == "killed"
    assert (tmp_path / "made.txt").read_text() == "made\n" and gone(mark)
