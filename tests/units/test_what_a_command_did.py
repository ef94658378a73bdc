"""What a command did where the files are, on no copy: every file that is otherwise when it has run is in the receipt, by its name."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from copied import deepen
from test_boxes import WHY_NOT
from worlds import DATA, KernelWorld, ends

from gemot import Calls, Driver, Grant, Machine, Mount, Outcome, program
from gemot.abi.answers import Change
from gemot.abi.events import Wrote
from gemot.abi.grants import MountRequest
from gemot.abi.syscalls import Call, ToolUse
from gemot.authority import evidence
from gemot.drivers import shipped
from gemot.drivers.boxed import WALLS
from gemot.drivers.copying import remove
from gemot.drivers.errors import ToolError
from gemot.drivers.place import Place, PlaceMount
from gemot.kernel import changes, receipts
from gemot.machine import written
from gemot.programs.native import SyscallFailed
from gemot.programs.telling import plain

boxed = pytest.mark.skipif(bool(WHY_NOT), reason=f"NOTHING ABOUT WHAT COMMANDS DO IS TESTED HERE: {WHY_NOT}")
RIGHTS = tuple(Grant(tool, endorsed=True) for tool in ("files/*", "shell/*", "tests/*", "copies/*", "spawn"))

SEEN = "/work"
"""The folder as its processes see it."""


def run(tmp_path: Path, *uses: tuple[str, dict[str, Any]], mode: str = "rw") -> Outcome:
    """How a hand ended that used these tools, on a folder with something in it."""
    work, notes = tmp_path / "work", tmp_path / "notes"
    (work / "old" / "deep").mkdir(parents=True)
    for name in ("a.md", "b.md", "old/c.md", "old/deep/d.md"):
        (work / name).write_text(f"{name}\n")
    notes.mkdir()

    @program(grants=("files/*", "shell/*", "tests/*"))
    async def hand(calls: Calls, brief: str) -> None:
        """Uses tools."""
        for tool, arguments in uses:
            with suppress(SyscallFailed):
                await calls.call(tool, **arguments)

    @program(grants=("files/*", "shell/*", "copies/*", "spawn"))
    async def chief(calls: Calls, brief: str) -> None:
        """Has a hand do it on a copy."""
        pid = await calls.spawn("x", "hand", mounts=(MountRequest(".", "work", "cow"),))
        (outcome,) = (await calls.wait()).ended
        await calls.call("copies/merge", pid=pid)
        await calls.exit(evidence.changes(outcome.receipt))

    @program(grants=("files/*", "shell/*", "spawn"))
    async def between(calls: Calls, brief: str) -> None:
        """Has a hand do it on the copy that it works on itself."""
        await calls.spawn("x", "hand", mounts=(MountRequest(".", "work", "rw"),))
        (outcome,) = (await calls.wait()).ended
        await calls.exit(evidence.changes(outcome.receipt))

    @program(grants=("files/*", "shell/*", "spawn"))
    async def top(calls: Calls, brief: str) -> None:
        """Has one between do it on a copy."""
        await calls.spawn("x", "between", mounts=(MountRequest(".", "work", "cow"),))
        (outcome,) = (await calls.wait()).ended
        await calls.exit([outcome.value, evidence.changes(outcome.receipt)])

    async def story() -> Outcome:
        options: dict[str, Any] = {"in_memory": True, "drivers": [*shipped(), tests]}
        async with await Machine.open(programs=[hand, chief, between, top], **options) as machine:
            name = {"rw": "hand", "cow": "chief", "shared": "top"}[mode]
            mounts = (Mount("work", str(work), "rw"), Mount("notes", str(notes)))
            return await machine.result(await machine.start("x", program=name, grants=RIGHTS, mounts=mounts))

    outcome = asyncio.run(story())
    assert outcome.state == "done", outcome
    return outcome


tests = Driver("tests", "Commands that come to a bad end.")


@tests.tool(effect="writes", repeatable=False, walls=WALLS)
def breaks(place: Place) -> str:
    """Writes, and breaks."""
    (Path(place.mounts[0].folder) / "a.md").write_text("written before it broke")
    raise ToolError("it broke")


@tests.tool(effect="writes", repeatable=False, walls=WALLS, seconds_max=1)
async def hangs(place: Place) -> str:
    """Writes, and comes to no end."""
    (Path(place.mounts[0].folder) / "a.md").write_text("written before it was stopped")
    await asyncio.sleep(60)
    return ""


def shell(command: str) -> tuple[str, dict[str, Any]]:
    return "shell/run", {"command": command}


@boxed
def test_what_is_otherwise_afterwards_is_in_the_receipt(tmp_path: Path) -> None:
    outcome = run(
        tmp_path, shell("echo more >> a.md; rm b.md; mkdir -p new/in; echo x > new/in/e; rm -r old/deep; cat old/c.md")
    )
    assert outcome.receipt.changes == (
        Change(f"{SEEN}/a.md", "changed", ran="shell/run"),
        Change(f"{SEEN}/b.md", "removed", ran="shell/run"),
        Change(f"{SEEN}/new/", "added", ran="shell/run"),
        Change(f"{SEEN}/old/deep/", "removed", ran="shell/run"),
    )
    assert evidence.lines(outcome.receipt)[1:3] == [
        f"changed {SEEN}/a.md (while shell/run ran)",
        f"removed {SEEN}/b.md (while shell/run ran)",
    ]
    assert f'"changed {SEEN}/a.md (while shell/run ran)"' in plain(outcome)


@boxed
def test_who_only_looks_changed_nothing(tmp_path: Path) -> None:
    outcome = run(tmp_path, shell("cat a.md; ls -R; echo x > /tmp/y"))
    assert outcome.receipt.changes == () and outcome.receipt.unknown == ""


@boxed
def test_what_tools_and_commands_did_to_the_same_file_comes_to_one_line(tmp_path: Path) -> None:
    write = ("files/write", {"path": "new.md", "content": "one\n"})
    edit = ("files/edit", {"path": "a.md", "old": "a.md", "new": "b"})
    outcome = run(tmp_path, write, edit, shell("rm new.md; echo x >> a.md"), shell("rm b.md"), shell("echo > b.md"))
    assert outcome.receipt.changes == (
        Change(f"{SEEN}/a.md", "changed", 1, 1, "shell/run"),
        Change(f"{SEEN}/b.md", "changed", ran="shell/run"),
    )
    assert f"changed {SEEN}/a.md (+1 -1, while shell/run ran)" in evidence.lines(outcome.receipt)


@boxed
def test_in_a_copy_the_lines_are_known(tmp_path: Path) -> None:
    outcome = run(tmp_path, shell("echo more >> a.md"), mode="cow")
    assert outcome.value == [f"changed {SEEN}/a.md (+1 -0)"]
    assert outcome.receipt.changes == (Change(f"{SEEN}/a.md", "changed", ran="copies/merge"),), "of its parent"


@boxed
def test_of_a_folder_that_holds_too_much_it_says_that_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written, "FILES_MAX", 3)
    outcome = run(tmp_path, ("files/edit", {"path": "a.md", "old": "a", "new": "b"}), shell("rm b.md"))
    assert [one.path for one in outcome.receipt.changes] == [f"{SEEN}/a.md"]
    assert "holds too much to see what shell/run changed there" in outcome.receipt.unknown
    assert evidence.lines(outcome.receipt)[-1].startswith("what changed is not known: /")


@boxed
def test_more_than_are_listed_are_counted(tmp_path: Path) -> None:
    outcome = run(tmp_path, shell("for n in $(seq 130); do echo > n$n; done"), shell("echo > more"))
    assert (len(outcome.receipt.changes), outcome.receipt.changes_more) == (100, 31)


@boxed
def test_what_broke_may_have_written_before_and_of_what_was_stopped_nobody_knows(tmp_path: Path) -> None:
    outcome = run(tmp_path, ("tests/breaks", {}), shell(" "), ("tests/hangs", {}))
    assert outcome.receipt.changes == (Change(f"{SEEN}/a.md", "changed", ran="tests/breaks"),)
    assert outcome.receipt.unknown == f"tests/hangs gave no result, and nobody has seen what it changed in {SEEN}"


@boxed
def test_what_is_written_into_the_copy_of_somebody_else_is_told_too(tmp_path: Path) -> None:
    outcome = run(
        tmp_path, ("files/edit", {"path": "a.md", "old": "a", "new": "b"}), shell("echo x > b.md"), mode="shared"
    )
    assert outcome.value == [
        [f"changed {SEEN}/a.md (+1 -1)", f"changed {SEEN}/b.md (while shell/run ran)"],
        [f"changed {SEEN}/a.md (+1 -1)", f"changed {SEEN}/b.md (+1 -1)"],
    ]


@boxed
def test_no_command_writes_into_version_control_and_what_it_makes_beside_it_is_listed(tmp_path: Path) -> None:
    for path in (".git", "in/.git", "in/a/b/.git"):
        (tmp_path / "work" / path).mkdir(parents=True)
        (tmp_path / "work" / path / "config").write_text("")
    outcome = run(tmp_path, shell("for one in .git in/.git in/a/b/.git; do echo x > $one/hook; done; mkdir -p n/.git"))
    assert [change.path for change in outcome.receipt.changes] == [f"{SEEN}/n/"]
    assert not list((tmp_path / "work").rglob("hook"))


def test_a_folder_that_is_opened_and_closed_again_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One so deep that a box leaves it to its owner. Root may open all, so here it is refused to."""
    really = written.open_folder

    def refused(folder: int, name: str, label: str) -> int:
        if name == "shut":
            raise ToolError("not yours")
        return really(folder, name, label)

    monkeypatch.setattr(written, "open_folder", refused)
    monkeypatch.setattr(written, "repositories", lambda _: ())  # what can't be read may be one, and is closed to boxes
    shut = tmp_path / "a" / "b" / "c" / "shut"
    shut.parent.mkdir(parents=True)
    shut.mkdir(mode=0)
    noticed = written.Noticed("shell/run", [PlaceMount("work", str(tmp_path), "rw")])
    assert noticed.since() == ([], "")
    time.sleep(0.05)  # the clock of a disk goes in steps of some milliseconds; no command is as fast
    for mode in (0o700, 0):
        shut.chmod(mode)
    assert noticed.since() == ([Change(f"{SEEN}/a/b/c/shut/", "changed", ran="shell/run")], "")
    shut.chmod(0o700)


def test_a_folder_with_more_than_is_looked_at_is_left_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    monkeypatch.setattr(written, "FILES_MAX", 10)
    monkeypatch.setattr(written, "seen", looked.append)
    for number in range(100):
        (tmp_path / str(number)).touch()
    assert written.look(PlaceMount("work", str(tmp_path), "rw")) is None and len(looked) == 10


def test_a_look_that_breaks_takes_no_result_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noticed = written.Noticed("shell/run", [PlaceMount("work", str(tmp_path), "rw")])

    def broken(*given: object) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(written, "look", broken)
    assert noticed.since() == ([], f"{SEEN} could not be looked at to see what shell/run changed there")


def test_a_look_sees_links_and_what_is_below_and_no_version_control(tmp_path: Path) -> None:
    mount = PlaceMount("work", str(tmp_path), "rw", "in", ("a", "kept/b"))
    inner = tmp_path / "in"
    (inner / ".git").mkdir(parents=True)
    (inner / ".git" / "index").write_text("")
    for folder in ("a", "kept", "other"):
        (inner / folder).mkdir()
        (inner / folder / "b").write_text("")
    (inner / "a" / "up").symlink_to("..")
    before = written.look(mount)
    assert before is not None and sorted(before) == ["a/", "a/b", "a/up", "kept/b"]
    (inner / "a" / "up").unlink()
    (inner / "a" / "up").symlink_to("../..")
    (inner / "kept" / "b").unlink()
    (inner / "kept" / "b").mkdir()
    (inner / "a" / "new\nline").write_text("")
    after = written.look(mount)
    assert after is not None
    assert written.otherwise(before, after) == [
        ("a/new\nline", "added"),
        ("a/up", "changed"),
        ("kept/b", "removed"),
        ("kept/b/", "added"),
    ]


def test_a_folder_as_deep_as_nobody_would_go_is_looked_at_as_deep_as_others_are(tmp_path: Path) -> None:
    deepen(tmp_path, "x")
    try:
        found = written.look(PlaceMount("work", str(tmp_path), "rw"))
    finally:
        remove(tmp_path / "x")  # nothing else would
    assert found is not None and 60 < len(found) < 100
    gone = written.Noticed("shell/run", [PlaceMount("work", str(tmp_path / "gone"), "rw")])
    assert gone.since() == ([], f"{SEEN} could not be looked at to see what shell/run changed there")


@pytest.mark.parametrize(
    ("first", "then", "both"),
    [
        ("added", "removed", None),
        ("added", "changed", "added"),
        ("changed", "removed", "removed"),
        ("removed", "added", "changed"),
        ("changed", "changed", "changed"),
    ],
)
def test_two_changes_of_a_path_come_to_one_or_none(world: KernelWorld, first: Any, then: Any, both: str | None) -> None:
    process = world.kernel.processes[world.tree()]
    for what in (first, then):
        changes.wrote(world.kernel, process, Wrote((Change("/a", what, ran="shell/run"),), unknown="/b is large"))
    given = receipts.receipt(process, {})
    assert [one.what for one in given.changes] == ([both] if both else []) and given.unknown == "/b is large"


def test_files_that_are_told_by_the_same_name_do_not_cancel_each_other(world: KernelWorld) -> None:
    process = world.kernel.processes[world.tree()]
    for what in ("added", "added", "removed"):
        changes.wrote(world.kernel, process, Wrote((Change("/a\\x0a", what, ran="shell/run"),)))  # type: ignore[arg-type]
    assert [one.what for one in receipts.receipt(process, {}).changes] == ["changed"]


def test_what_lay_in_a_folder_that_is_removed_is_told_no_more(world: KernelWorld) -> None:
    process = world.kernel.processes[world.tree()]
    for path, what in (("/in/a", "added"), ("/in/b", "changed"), ("/inner", "added"), ("/in/", "removed")):
        changes.wrote(world.kernel, process, Wrote((Change(path, what),)))  # type: ignore[arg-type]
    assert [(one.path, one.what) for one in receipts.receipt(process, {}).changes] == [
        ("/inner", "added"),
        ("/in/", "removed"),
    ]


def test_what_is_not_known_of_one_folder_is_not_forgotten_for_another(world: KernelWorld) -> None:
    process = world.kernel.processes[world.tree()]
    for why in ("/a is large", "/b is large", "/a is large"):
        changes.wrote(world.kernel, process, Wrote(unknown=why))
    assert receipts.receipt(process, {}).unknown == "/a is large; /b is large"


def test_of_what_was_done_when_the_machine_stopped_nobody_knows(world: KernelWorld) -> None:
    root = world.tree(program="talker", mounts=(DATA, Mount("notes", "/srv/notes")))
    world.trap(root, Call((ToolUse("disk/write", {"path": "a"}),)))
    world.reboot()
    world.resume(root)
    given = receipts.receipt(world.kernel.processes[root], {})
    assert given.unknown == f"disk/write gave no result, and nobody has seen what it changed in {SEEN}"


def test_what_somebody_did_who_was_killed_meanwhile_is_in_the_receipt_too(world: KernelWorld) -> None:
    root = world.tree(program="talker", mounts=(DATA, Mount("notes", "/srv/notes")))
    world.trap(root, Call((ToolUse("disk/write", {"path": "a"}), ToolUse("disk/read", {"path": "a"}))))
    (outcome,) = ends(world.stop(root)).values()
    assert [(use.tool, use.ok) for use in outcome.receipt.uses] == [("disk/write", False)], "one after the other"
    assert outcome.receipt.unknown == f"disk/write gave no result, and nobody has seen what it changed in {SEEN}"
