"""What a command did where the files are, on no copy: every file that is otherwise when it has run is in the receipt, by its name."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from test_boxes import WHY_NOT
from worlds import KernelWorld

from gemot import Calls, Grant, Machine, Mount, Outcome, program
from gemot.abi.answers import Change
from gemot.abi.events import Wrote
from gemot.abi.grants import MountRequest
from gemot.drivers import shipped
from gemot.drivers.copying import remove
from gemot.drivers.place import PlaceMount
from gemot.kernel import changes, receipts
from gemot.machine import written
from gemot.programs.telling import plain

boxed = pytest.mark.skipif(bool(WHY_NOT), reason=f"NOTHING ABOUT WHAT COMMANDS DO IS TESTED HERE: {WHY_NOT}")
RIGHTS = tuple(Grant(tool, endorsed=True) for tool in ("files/*", "shell/*", "copies/*", "spawn"))

SEEN = "/work"
"""The folder as its processes see it."""


def run(tmp_path: Path, *uses: tuple[str, dict[str, Any]], mode: str = "rw") -> Outcome:
    """How a hand ended that used these tools, on a folder with something in it."""
    work, notes = tmp_path / "work", tmp_path / "notes"
    (work / "old" / "deep").mkdir(parents=True)
    for name in ("a.md", "b.md", "old/c.md", "old/deep/d.md"):
        (work / name).write_text(f"{name}\n")
    notes.mkdir()

    @program(grants=("files/*", "shell/*"))
    async def hand(calls: Calls, brief: str) -> None:
        """Uses tools."""
        for tool, arguments in uses:
            await calls.call(tool, **arguments)

    @program(grants=("files/*", "shell/*", "spawn"))
    async def chief(calls: Calls, brief: str) -> None:
        """Has a hand do it on a copy."""
        await calls.spawn("x", "hand", mounts=(MountRequest(".", "work", "cow"),))
        (outcome,) = (await calls.wait()).ended
        await calls.exit(receipts.changes(outcome.receipt))

    async def story() -> Outcome:
        options: dict[str, Any] = {"in_memory": True, "drivers": shipped()}
        async with await Machine.open(programs=[hand, chief], **options) as machine:
            name = "hand" if mode == "rw" else "chief"
            mounts = (Mount("work", str(work), "rw"), Mount("notes", str(notes)))
            return await machine.result(await machine.start("x", program=name, grants=RIGHTS, mounts=mounts))

    outcome = asyncio.run(story())
    assert outcome.state == "done", outcome
    return outcome


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
    assert receipts.lines(outcome.receipt)[1:3] == [
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
    assert f"changed {SEEN}/a.md (+1 -1, while shell/run ran)" in receipts.lines(outcome.receipt)


@boxed
def test_in_a_copy_the_lines_are_known(tmp_path: Path) -> None:
    outcome = run(tmp_path, shell("echo more >> a.md"), mode="cow")
    assert outcome.value == [f"changed {SEEN}/a.md (+1 -0)"]


@boxed
def test_of_a_folder_that_holds_too_much_it_says_that_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written, "FILES_MAX", 3)
    outcome = run(tmp_path, ("files/edit", {"path": "a.md", "old": "a", "new": "b"}), shell("rm b.md"))
    assert [one.path for one in outcome.receipt.changes] == [f"{SEEN}/a.md"]
    assert "holds too much to see what shell/run changed there" in outcome.receipt.unknown
    assert receipts.lines(outcome.receipt)[-1].startswith("what changed is not known: /")


@boxed
def test_more_than_are_listed_are_counted(tmp_path: Path) -> None:
    outcome = run(tmp_path, shell("for n in $(seq 130); do echo > n$n; done"), shell("echo > more"))
    assert (len(outcome.receipt.changes), outcome.receipt.changes_more) == (100, 31)


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
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3_000):
        os.mkdir("x", dir_fd=here)
        inner = os.open("x", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    try:
        found = written.look(PlaceMount("work", str(tmp_path), "rw"))
    finally:
        remove(tmp_path / "x")  # nothing else would
    assert found is not None and 60 < len(found) < 100
    assert written.look(PlaceMount("work", str(tmp_path / "gone"), "rw")) is None


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
