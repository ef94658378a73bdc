"""Trials: what a check does to the files that it checks is gone when it ends. What is merged is what was compared and judged."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from worlds import EVERY_SYSCALL

from gemot import Calls, Driver, Grant, Machine, Outcome, SyscallFailed, program
from gemot.abi.grants import MountRequest
from gemot.abi.reviews import ToolCheck
from gemot.authority import evidence
from gemot.drivers import shipped
from gemot.drivers.children import Children
from gemot.drivers.copying import Space
from gemot.drivers.errors import ToolError
from gemot.drivers.place import Place
from gemot.machine.spaces import Making, Spaces, View

SEEN = "/work"
"""The folder as its processes see it."""
RIGHTS = (*EVERY_SYSCALL, Grant("files/*"), Grant("copies/*"), Grant("tests/*"))
tests = Driver("tests", "Checks that do more than to look.")
here: list[str] = []
"""What the checks have seen."""
running, go_on = threading.Event(), threading.Event()


@tests.tool(effect="reads", repeatable=True, needs="ro")
def leaves(place: Place) -> bool:
    """Says yes, writes beside what it checks, and over it."""
    with place.folder(".") as (folder, where):
        here.append(" ".join(sorted(one.name for one in place.entries(folder, where, 100))))
    if any(mount.mode == "rw" for mount in place.mounts):
        place.create("litter.txt", b"left by the check")
        with place.change("a.md", 1_000) as change:
            change.replace(b"not what was judged\n")
    return True


@tests.tool(effect="reads", repeatable=True, needs="ro", seconds_max=1)
def hangs(place: Place) -> bool:
    """Writes, and comes to no end."""
    place.create("litter.txt", b"left by the check")
    running.set()
    go_on.wait(20)
    return True


@tests.tool(effect="reads", repeatable=True, needs="ro")
def breaks(place: Place) -> bool:
    """Writes, and breaks."""
    place.create("litter.txt", b"left by the check")
    raise ToolError("there is nothing to check it with")


@tests.tool(effect="writes", repeatable=False, needs="rw")
def hides(place: Place) -> str:
    """Puts something in the place of a file that no copy can hold: like what is closed to its owner, or a socket."""
    file = Path(place.mounts[0].folder) / "a.md"
    file.unlink()
    os.mkfifo(file)
    return "hidden"


@program(grants=("files/*", "tests/*"))
async def hand(calls: Calls, brief: str, writes: bool = True, hides: bool = False) -> str:
    """Writes a file where it may."""
    if writes:
        await calls.call("files/write", path="new.md", content="new\n")
    if hides:
        await calls.call("tests/hides")
    return "done"


def chief(mode: str, *checks: str, **arguments: bool) -> Any:
    """A parent whose hand is checked, and what it sees of that afterwards."""

    @program(grants=("spawn", "wait", "files/*", "copies/*", "tests/*"))
    async def parent(calls: Calls, brief: str) -> Any:
        """Lets a hand work, and looks at what there is then."""
        review = tuple(ToolCheck(f"tests/{one}") for one in checks)
        mounts = (MountRequest(".", "work", mode),)  # type: ignore[arg-type]
        pid = await calls.spawn("write", "hand", mounts=mounts, review=review, tries=1, arguments=arguments)
        (outcome,) = (await calls.wait([pid])).ended
        try:
            listed = await calls.call("copies/diff", pid=pid)
        except SyscallFailed as failure:
            if "held until its review" not in str(failure):  # then they are for a person
                raise
            listed = str(failure)
        return [outcome.state, outcome.error, evidence.lines(outcome.receipt), listed]

    return parent


async def lived(folder: Path, home: Path, parent: Any) -> Outcome:
    async with await Machine.open(home, programs=[parent, hand], drivers=[*shipped(), tests]) as machine:
        pid = await machine.start("x", program="parent", work=folder, grants=RIGHTS)
        return await asyncio.wait_for(machine.result(pid), 60)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    here.clear()
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.md").write_text("alpha\n")
    return folder


def spaces(tmp_path: Path) -> list[str]:
    return sorted(one.name for one in (tmp_path / "home" / "spaces").iterdir())


def test_nothing_that_a_check_writes_stays_in_the_copy_and_the_next_one_does_not_see_it(
    work: Path, tmp_path: Path
) -> None:
    outcome = asyncio.run(lived(work, tmp_path / "home", chief("cow", "leaves", "leaves")))
    state, error, said, listed = outcome.value
    assert (state, error) == ("done", "")
    assert f"added {SEEN}/new.md (+1 -0)" in said and "litter" not in str(said) and "a.md (" not in str(said)
    assert here == ["a.md new.md", "a.md new.md"], "both saw what the hand had written, and neither what the other did"
    assert "litter" not in listed and "new.md" in listed
    copy = tmp_path / "home" / "spaces" / "2-work" / "tree"
    assert (copy / "a.md").read_text() == "alpha\n" and not (copy / "litter.txt").exists()
    assert spaces(tmp_path) == ["2-work"] and [one.name for one in work.iterdir()] == ["a.md"]


def test_a_hand_that_never_looked_at_its_copy_is_checked_on_one_all_the_same(work: Path, tmp_path: Path) -> None:
    outcome = asyncio.run(lived(work, tmp_path / "home", chief("cow", "leaves", writes=False)))
    assert outcome.value[0] == "done" and here == ["a.md"]
    assert (work / "a.md").read_text() == "alpha\n" and spaces(tmp_path) == ["2-work"]


def test_a_folder_of_its_own_is_checked_on_a_copy_too(work: Path, tmp_path: Path) -> None:
    outcome = asyncio.run(lived(work, tmp_path / "home", chief("private", "breaks")))
    assert outcome.value[0] == "failed" and "not accepted" in outcome.value[1]
    assert [one.name for one in (tmp_path / "home" / "spaces" / "2-work" / "tree").iterdir()] == ["new.md"]
    assert spaces(tmp_path) == ["2-work"]


def test_a_check_that_is_stopped_leaves_nothing_either(work: Path, tmp_path: Path) -> None:
    go_on.clear()
    outcome = asyncio.run(lived(work, tmp_path / "home", chief("cow", "hangs")))
    go_on.set()
    assert outcome.value[0] == "failed" and "not accepted" in outcome.value[1] and running.is_set()
    assert spaces(tmp_path) == ["2-work"] and "litter" not in outcome.value[3]


def test_where_the_files_are_no_copy_the_check_is_made_where_they_are(work: Path, tmp_path: Path) -> None:
    outcome = asyncio.run(lived(work, tmp_path / "home", chief("rw", "leaves")))
    assert outcome.state == "failed" and "is no copy" in outcome.error
    assert (work / "litter.txt").exists()


def test_what_hides_something_from_the_copy_is_not_checked_without_it(work: Path, tmp_path: Path) -> None:
    outcome = asyncio.run(lived(work, tmp_path / "home", chief("cow", "leaves", hides=True)))
    assert outcome.value[0] == "failed" and "not accepted" in outcome.value[1]
    assert here == [] and spaces(tmp_path) == ["2-work"]


def test_what_is_made_for_a_check_that_was_stopped_is_gone_also_where_the_rest_can_not_be_made(tmp_path: Path) -> None:
    made = [Making(Space(tmp_path / name), "", (), f"/{name}", trial=True) for name in ("one", "two")]
    view = View(Place(()), Children({}), tuple(made), cast("Spaces", Stopping()))
    cast("Stopping", view.spaces).view = view
    with pytest.raises(ToolError):
        view.make()
    assert list(tmp_path.iterdir()) == []


class Stopping:
    """Makes the first; then the use is stopped, and the second can't be made."""

    view: View

    def make(self, one: Making) -> None:
        if one.space.folder.name == "two":
            raise ToolError("the disk is full")
        self.view.end()
        one.space.make(one.source, one.beneath, one.label, lasting=False)
