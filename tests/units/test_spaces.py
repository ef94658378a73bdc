"""Spaces on a machine: who sees which copy, when it is made, and when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from worlds import EVERY_SYSCALL

from gemot import Calls, Grant, Machine, MachineError, Mount, program
from gemot.abi.grants import MountRequest
from gemot.drivers import shipped
from gemot.drivers.copying import BUILDING, GONE, Space
from gemot.drivers.kit import standing

RIGHTS = (*EVERY_SYSCALL, Grant("files/*"), Grant("copies/*"), Grant("shell/*"))


async def use(calls: Calls, tool: str, **arguments: Any) -> str:
    (result,) = await calls.call_all((tool, arguments))
    return result.text if result.ok else f"{result.rule}: {result.text}"


@program(grants=("files/*", "shell/*", "spawn", "send", "copies/*"))
async def child(calls: Calls, brief: str) -> Any:
    """Does what its parent says, one thing after the other, and tells what came of it."""
    while True:
        for mail in await calls.receive():
            words = mail.text.split(" ", 2)
            if words[0] == "exit":
                return "ended"
            if words[0] == "child":
                pid = await calls.spawn("x", "child", mounts=(MountRequest(".", "work", words[1]),))  # type: ignore[arg-type]
                await calls.send(0, str(pid))
            else:
                path = {"path": words[1]} if words[0].startswith("files") else {"command": " ".join(words[1:])}
                more = {"content": words[2]} if words[0] == "files/write" else {}
                await calls.send(0, await use(calls, words[0], **path, **more))


async def told(calls: Calls, pid: int, text: str) -> str:
    """Tell a child to do something; what it says came of it."""
    await calls.send(pid, text)
    (mail,) = await calls.receive()
    return mail.text


def story(work: Path, tell: Any, **options: Any) -> Any:
    """Run a parent that sees ``work`` as /work and has the program ``child`` at hand."""

    @program(grants=("files/*", "copies/*", "shell/*", "spawn", "send", "receive", "wait", "kill"))
    async def parent(calls: Calls, brief: str) -> Any:
        """Tells its story."""
        return await tell(calls)

    async def run() -> Any:
        options.setdefault("in_memory", True)
        async with await Machine.open(programs=[parent, child], **options) as machine:
            pid = await machine.start("x", program="parent", work=work, grants=RIGHTS)
            outcome = await asyncio.wait_for(machine.result(pid), 60)
            assert outcome.state == "done", outcome
            return outcome.value

    return asyncio.run(run())


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("one\n")
    return folder


def test_a_childs_copy_is_made_when_it_first_looks_and_then_nobody_sees_the_others_changes(work: Path) -> None:
    async def tell(calls: Calls) -> Any:
        pid = await calls.spawn("x", "child", mounts=(MountRequest(".", "work", "cow"),))
        said = [await use(calls, "copies/read", pid=pid, path="a.txt")]
        said.append(await told(calls, pid, "files/read a.txt"))
        await use(calls, "files/edit", path="a.txt", old="one", new="two")
        said.append(await told(calls, pid, "files/read a.txt"))
        await told(calls, pid, "files/write b.txt b")
        said.append(await use(calls, "files/list"))
        said.append(await use(calls, "copies/read", pid=pid, path="b.txt"))
        said.append(await use(calls, "copies/discard", pid=pid))
        said.append(await told(calls, pid, "files/read a.txt"))
        return said

    before, first, still, mine, theirs, gone, fresh = story(work, tell)
    assert "nothing is in the copy" in before
    assert (first, still, fresh) == ("one\n", "one\n", "two\n")
    assert "b.txt" not in mine and theirs == "b" and gone == "discarded /work"


def test_copies_of_copies_merge_step_by_step(work: Path) -> None:
    async def tell(calls: Calls) -> Any:
        pid = await calls.spawn("x", "child", mounts=(MountRequest(".", "work", "cow"),))
        await told(calls, pid, "files/write mine.txt mine")
        below = int(await told(calls, pid, "child cow"))
        refused = await use(calls, "copies/diff", pid=below)
        return [refused, await use(calls, "copies/merge", pid=pid)]

    refused, merged = story(work, tell)
    assert refused.startswith("family") and merged == "merged 1: mine.txt"
    assert (work / "mine.txt").read_text() == "mine"


def test_a_private_folder_is_empty_at_first_and_its_owners_parent_reads_it(work: Path) -> None:
    async def tell(calls: Calls) -> Any:
        pid = await calls.spawn("x", "child", mounts=(MountRequest("", "scratch", "private"),))
        listed = await told(calls, pid, "files/list .")
        await told(calls, pid, "files/write x.txt x")
        read = await use(calls, "copies/read", pid=pid, path="x.txt")
        return [listed, read, await use(calls, "copies/merge", pid=pid)]

    listed, read, merged = story(work, tell)
    assert (listed, read) == ("[the folder is empty]", "x") and merged.startswith("mount")
    assert [one.name for one in work.iterdir()] == ["a.txt"]


@pytest.mark.skipif(all(driver.name != "shell" for driver in standing(shipped())), reason="there are no walls here")
def test_the_shell_sees_the_same_copy_as_the_file_tools(work: Path) -> None:
    async def tell(calls: Calls) -> Any:
        pid = await calls.spawn("x", "child", mounts=(MountRequest(".", "work", "cow"),))
        said = [await told(calls, pid, "shell/run cat a.txt; echo new > b.txt; ln -s /etc/passwd out; rm a.txt")]
        said.append(await told(calls, pid, "files/read b.txt"))
        return [*said, await use(calls, "copies/diff", pid=pid), await use(calls, "copies/merge", pid=pid)]

    ran, read, changes, merged = story(work, tell)
    assert "one" in ran and read == "new\n"
    assert "removed a.txt" in changes and "added b.txt" in changes and "added out (NOT MERGED" in changes
    assert "nothing was merged" in merged and (work / "a.txt").exists()


def test_a_machine_in_memory_leaves_no_copy_behind(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    async def tell(calls: Calls) -> Any:
        pid = await calls.spawn("x", "child", mounts=(MountRequest(".", "work", "cow"),))
        return await told(calls, pid, "files/write b.txt b"), len(list((tmp_path / "temporary").iterdir()))

    assert story(work, tell)[1] == 1
    assert list((tmp_path / "temporary").iterdir()) == []


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_a_tree_with_unmerged_changes_is_not_archived_and_its_copies_go_with_it(tmp_path: Path, work: Path) -> None:
    home = tmp_path / "home"

    async def tell() -> None:
        async with await Machine.open(home, programs=[child]) as machine:
            seen = (Mount("work", str(work), "cow"), Mount("scratch", "", "private"))
            pid = await machine.start("x", program="child", mounts=seen, grants=RIGHTS)
            for words in ("files/write b.txt b", "files/write /scratch/c.txt c", "exit"):
                await machine.send(pid, words)
            await machine.result(pid)
            assert sorted(one.name for one in (home / "spaces").iterdir()) == ["1-scratch", "1-work"]
            with pytest.raises(MachineError, match="gemot merge 1 or gemot discard 1"):
                machine.archive(pid, tmp_path / "tree")
            (home / "spaces" / "1-work" / "tree" / "b.txt").unlink()
            machine.archive(pid, tmp_path / "tree")
            assert list((home / "spaces").iterdir()) == []

    run(tell())


def test_what_a_machine_that_stopped_left_half_made_is_removed_and_copies_stay(tmp_path: Path) -> None:
    spaces = tmp_path / "home" / "spaces"
    for name in (f"{BUILDING}1-work-ab", f"{GONE}1-work-cd", "1-work"):
        (spaces / name / "tree").mkdir(parents=True)
    run(opened(tmp_path / "home"))
    assert [one.name for one in spaces.iterdir()] == ["1-work"]


async def opened(home: Path) -> None:
    async with await Machine.open(home):
        pass


@pytest.mark.parametrize("name", ["../../etc", "1-../x", "x-work", "1-", "1-work/..", "", "-work"])
def test_a_name_that_the_kernel_would_not_give_is_no_space(tmp_path: Path, name: str) -> None:
    from gemot.drivers.errors import ToolError
    from gemot.kernel import Kernel
    from gemot.machine.home import Home
    from gemot.machine.spaces import Spaces

    with pytest.raises(ToolError):
        Spaces(Kernel(), Home(tmp_path)).space(name)
    assert isinstance(Spaces(Kernel(), Home(tmp_path)).space("1-work"), Space)
