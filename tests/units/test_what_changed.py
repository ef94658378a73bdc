"""What changed: the receipt of a process that worked on a copy says what it left otherwise, whatever it did that with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from copied import World
from worlds import TOOLS, KernelWorld, ends, started, stopped

from gemot import Calls, Grant, Machine, Mount, program, scripted
from gemot.abi.answers import Change, Outcome
from gemot.abi.effects import Begin, Compare, Deliver, Effect
from gemot.abi.events import Compared, Failure, Value
from gemot.abi.grants import MountRequest
from gemot.abi.messages import Request, Text
from gemot.abi.reviews import ReviewerCheck
from gemot.abi.syscalls import Call, Exit, Spawn, ToolUse
from gemot.abi.tools import ToolSpec
from gemot.authority import evidence
from gemot.drivers import shipped
from gemot.drivers.copies import summed
from gemot.drivers.copying import GivenUp
from gemot.machine.spaces import Spaces
from gemot.models.scripted import request
from gemot.programs.telling import plain

SEEN = "/work"
"""The folder as its processes see it."""
DIFF = Compared((Change(f"{SEEN}/a.md", "changed", 2, 1),), 0, "d" * 64, "-alpha\n+one\n+two\n")


def worker(world: KernelWorld, mode: str = "cow", **more: Any) -> tuple[int, int]:
    """A parent that waits for nothing, and a child on a copy."""
    root = world.tree()
    mounts = (MountRequest(".", "work", mode),)  # type: ignore[arg-type]
    return root, world.born(root, Spawn("work", "worker", mounts=mounts, **more))


def looks(effects: list[Effect]) -> Compare:
    return next(one for one in effects if isinstance(one, Compare))


@pytest.mark.parametrize("exit", [Exit("done"), Exit(failed="no way")])
def test_an_exit_waits_until_the_copies_were_looked_at(world: KernelWorld, exit: Exit) -> None:
    _, child = worker(world)
    look = looks(world.trap(child, exit))
    assert [(one.name, one.mode) for one in look.mounts] == [("work", "cow")]
    assert world.kernel.processes[child].state == "reviewing"
    (outcome,) = ends(world.done(look.effect, DIFF)).values()
    assert outcome.state == ("failed" if exit.failed else "done")
    assert (outcome.receipt.changes, outcome.receipt.diffs) == (DIFF.changes, (DIFF.diff,))
    assert evidence.lines(outcome.receipt) == [f"changed {SEEN}/a.md (+2 -1)"]
    assert f'"changed":["changed {SEEN}/a.md (+2 -1)"]' in plain(outcome)


def test_who_has_no_copy_exits_at_once(world: KernelWorld) -> None:
    for mode in ("ro", "rw"):
        _, child = worker(world, mode)
        assert list(ends(world.trap(child, Exit("done")))) == [child]


def test_a_copy_of_somebody_elses_is_not_looked_at(world: KernelWorld) -> None:
    """A child that writes into the copy of its parent: that is the parent's to answer for."""
    _, child = worker(world, grants=(Grant("spawn"),))
    grandchild = world.born(child, Spawn("work", "worker", mounts=(MountRequest(".", "work", "rw"),)))
    assert list(ends(world.trap(grandchild, Exit("done")))) == [grandchild]
    assert looks(world.trap(child, Exit("done"))).pid == child


def test_nobody_below_goes_on_writing_in_what_is_looked_at(world: KernelWorld) -> None:
    """A helper on the same copy that writes when it was compared: what is judged would not be what is merged."""
    _, child = worker(world, grants=(Grant("spawn"), Grant("disk/*")), review=(ReviewerCheck(program="worker"),))
    mounts = (MountRequest(".", "work", "rw"),)
    helper = world.born(child, Spawn("wait, then write", "worker", mounts=mounts, grants=(Grant("disk/*"),)))
    (work,) = started(world.trap(helper, Call((ToolUse("disk/write", {"path": "late"}),))))
    effects = world.trap(child, Exit("done"))
    assert ends(effects)[helper].state == "killed" and work in stopped(effects)
    world.done(looks(effects).effect, DIFF)
    assert world.kernel.processes[child].state == "reviewing"


def test_what_can_t_be_compared_is_said_to_be_unknown(world: KernelWorld) -> None:
    _, child = worker(world)
    look = looks(world.trap(child, Exit("done")))
    (outcome,) = ends(world.done(look.effect, Failure("failed", "the copy\nis gone"))).values()
    assert outcome.state == "done" and outcome.receipt.unknown
    assert evidence.lines(outcome.receipt) == ["what changed is not known: the copy is gone"]
    assert "not known: the copy" in plain(outcome)


def test_a_machine_that_stops_meanwhile_looks_again(world: KernelWorld) -> None:
    root, child = worker(world)
    first = looks(world.trap(child, Exit("done")))
    world.reboot()
    again = looks(world.resume(root))
    assert again.effect != first.effect and again.mounts == first.mounts
    assert ends(world.done(first.effect, DIFF)) == {}
    assert ends(world.done(again.effect, DIFF))[child].receipt.changes == DIFF.changes


def test_a_reviewer_is_shown_the_changes_and_each_exit_is_looked_at_anew(world: KernelWorld) -> None:
    _, child = worker(world, review=(ReviewerCheck(program="worker"),), tries=2)
    effects = world.done(looks(world.trap(child, Exit("done"))).effect, DIFF)
    (judge,) = [one for one in effects if isinstance(one, Begin)]
    assert f"changed {SEEN}/a.md (+2 -1)" in judge.brief and "> +one\n> +two" in judge.brief
    effects = world.trap(judge.pid, Exit({"accepted": False, "reason": "no"}))
    assert any(isinstance(one, Deliver) and one.pid == child for one in effects)
    effects = world.done(looks(world.trap(child, Exit("done"))).effect, Compared())
    (judge,) = [one for one in effects if isinstance(one, Begin)]
    assert "a.md" not in judge.brief
    (outcome,) = [ends(world.trap(judge.pid, Exit({"accepted": False, "reason": "no"})))[child]]
    assert outcome.rule == "review"


def test_of_a_result_that_was_not_accepted_no_name_of_a_file_is_told(world: KernelWorld) -> None:
    _, child = worker(world, review=(ReviewerCheck(program="worker"),), tries=1)
    effects = world.done(looks(world.trap(child, Exit("done"))).effect, DIFF)
    (judge,) = [one for one in effects if isinstance(one, Begin)]
    outcome = ends(world.trap(judge.pid, Exit({"accepted": False, "reason": "no"})))[child]
    assert outcome.rule == "review" and not outcome.receipt.changes and not outcome.receipt.diffs


def somebody_writes_a_letter_down(world: KernelWorld, root: int) -> None:
    letters = ToolSpec("mail/list", "All letters.", {}, "reads", True, foreign=True, secret="mail")
    world.install((*TOOLS, letters))
    reader = world.born(root, Spawn("read", "worker", grants=(Grant("mail/*"), Grant("disk/*"))))
    for use in (ToolUse("mail/list"), ToolUse("disk/write", {"path": "letter"})):
        (effect,) = started(world.trap(reader, Call((use,))))
        world.done(effect, Value("a letter"))


def test_what_is_told_of_files_bears_the_label_of_what_was_written_there(world: KernelWorld) -> None:
    """Who passes a letter on by its handle never read it; its lines and its names are somebody else's all the same."""
    root, child = worker(world, review=(ReviewerCheck(program="worker"),), tries=2)
    somebody_writes_a_letter_down(world, root)
    before = world.kernel.processes[child].label
    effects = world.done(looks(world.trap(child, Exit("done"))).effect, DIFF)
    (judge,) = [one for one in effects if isinstance(one, Begin)]
    assert "+one" in judge.brief
    label = world.kernel.processes[judge.pid].label
    assert (label.integrity, label.secrets) == ("foreign", ("mail",))
    assert world.kernel.processes[child].label == before, "it has read nothing"
    outcome = ends(world.trap(judge.pid, Exit({"accepted": True, "reason": ""})))[child]
    assert outcome.receipt.changes and (outcome.label.integrity, outcome.label.secrets) == ("foreign", ("mail",))


def test_where_nothing_changed_nothing_is_told_and_no_label_gets_worse(world: KernelWorld) -> None:
    root, child = worker(world)
    somebody_writes_a_letter_down(world, root)
    (outcome,) = ends(world.done(looks(world.trap(child, Exit("done"))).effect, Compared())).values()
    assert outcome.label.integrity != "foreign" and not outcome.label.secrets


def test_who_goes_on_after_an_exit_leaves_something_else_than_it_had_then(world: KernelWorld) -> None:
    _, child = worker(world, review=(ReviewerCheck(program="worker"),), tries=2)
    effects = world.done(looks(world.trap(child, Exit("done"))).effect, DIFF)
    (judge,) = [one for one in effects if isinstance(one, Begin)]
    world.trap(judge.pid, Exit({"accepted": False, "reason": "no"}))
    outcome = ends(world.stop(child))[child]
    assert not outcome.receipt.changes and not outcome.receipt.diffs, "nobody has looked at what it left"


# Real files.


def test_the_changes_of_a_copy_with_their_lines_and_their_text(tmp_path: Path) -> None:
    world = World(tmp_path).make()
    (world.tree / "a.md").write_text("one\n-- original/two\n++ copy/three\n")
    (world.tree / "notes" / "b.md").unlink()
    (world.tree / "new \x1b[2J\n.bin").write_bytes(b"\0\1")
    (world.tree / "folder").mkdir()
    (world.tree / "run.sh").chmod(0o644)
    (world.tree / "way").symlink_to("notes/\x1bb.md")
    found, text = summed(world.copy())
    assert [(one.path, one.what, one.added, one.removed) for one in found] == [
        (f"{SEEN}/a.md", "changed", 3, 1),
        (f"{SEEN}/folder/", "added", 0, 0),
        (f"{SEEN}/new \\x1b[2J\\x0a.bin", "added", 0, 0),
        (f"{SEEN}/notes/b.md", "removed", 0, 1),
        (f"{SEEN}/run.sh", "changed", 0, 0),
        (f"{SEEN}/way", "added", 0, 0),
    ]
    assert "[run.sh: mode 755 became 644]" in text and "[way: a link to notes/\\x1bb.md]" in text
    assert "+one" in text and "-beta" in text and "not text" in text and "\x1b" not in text


def test_a_copy_that_was_never_used(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert summed(world.copy()) == ([], "")
    assert summed(world.make().copy()) == ([], "")


def test_too_much_text_is_counted_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemot.drivers.copies.DIFF_CHARS_MAX", 200)
    world = World(tmp_path).make()
    (world.tree / "a.md").write_text("long line\n" * 100)
    (world.tree / "notes" / "b.md").write_text("short\n")
    (a, b), text = summed(world.copy())
    assert (a.added, b.added) == (100, 1) and "of 1 more files" in text and "+short" in text


def model(question: Request) -> Any:
    """A hand that edits and then says so; a reviewer that looks for the edit in what it was told."""
    brief = next(part.text for part in question.messages[1].parts if isinstance(part, Text))
    if "Judge whether" in brief:
        right = "+beta" in brief and "-alpha" in brief and f"added {SEEN}/new.md (+1 -0)" in brief
        return request("exit", value={"accepted": right, "reason": brief})
    if len(question.messages) == 2:
        return [
            request("files/edit", path="a.md", old="alpha", new="beta"),
            request("files/write", path="new.md", content="new\n"),
            request("exit", value="edited"),
        ]
    return "done"


@program(grants=("spawn", "wait", "files/*"))
async def chief(calls: Calls, brief: str) -> Any:
    """Lets a hand work on a copy, reviewed."""
    mounts = (MountRequest(".", "work", "cow"),)
    pid = await calls.spawn("edit it", "runner", mounts=mounts, review=(ReviewerCheck(),))
    (outcome,) = (await calls.wait([pid])).ended
    return [outcome.state, evidence.lines(outcome.receipt)]


async def run_chief(folder: Path) -> Outcome:
    options: dict[str, Any] = {"in_memory": True, "drivers": shipped(), "models": {"m": scripted(model)}}
    async with await Machine.open(programs=[chief], **options) as machine:
        rights = (Grant("spawn"), Grant("files/*", endorsed=True))
        mounts = (Mount("work", str(folder), "rw"),)
        return await machine.result(await machine.start("go", program="chief", model="m", grants=rights, mounts=mounts))


def test_on_a_machine_it_is_in_the_receipt_and_before_the_reviewer(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("alpha\n")
    outcome = asyncio.run(run_chief(tmp_path))
    assert outcome.value[0] == "done", outcome
    assert outcome.value[1][-3:] == [
        f"changed {SEEN}/a.md (+1 -1)",
        f"added {SEEN}/new.md (+1 -0)",
        "passed: a reviewer",
    ]
    assert (tmp_path / "a.md").read_text() == "alpha\n"


# Whoever makes a look long.


def test_a_look_that_is_given_up_ends_in_the_middle_of_a_file(tmp_path: Path) -> None:
    """A file may say that it is as large as a disk, and cost nothing; nobody waits for it for ever."""
    world = World(tmp_path).make()
    with (world.tree / "large").open("wb") as file:
        file.truncate(1 << 40)
    asked = iter([False] * 8)
    with pytest.raises(GivenUp):
        summed(world.copy(), lambda: next(asked, True))


def test_nobody_waits_longer_than_the_limit_and_the_look_ends_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemot.abi.limits.COMPARE_MILLIS", 20)
    (tmp_path / "a.md").write_text("alpha\n")
    ended = threading.Event()

    def endless(spaces: Spaces, effect: Compare, given_up: Callable[[], bool]) -> Any:
        while not given_up():
            ended.wait(0.001)
        ended.set()
        raise GivenUp("it is given up")

    monkeypatch.setattr(Spaces, "compared", endless)
    outcome = asyncio.run(run_chief(tmp_path))
    assert outcome.value[0] == "failed", "its reviewer saw no change"
    assert ended.wait(10)


def test_texts_that_are_made_to_take_long_are_not_compared(tmp_path: Path) -> None:
    world = World(tmp_path).make()
    for folder, turn in ((world.original, 1), (world.tree, 7)):
        (folder / "a.md").write_text("\n".join(f"{line * turn % 113:x}" for line in range(60_000)))
    ((found,), text) = summed(world.copy())
    assert (found.path, found.added) == (f"{SEEN}/a.md", 0) and "too many lines that are alike" in text


def test_many_files_that_are_left_out_are_counted_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemot.drivers.copies.DIFF_CHARS_MAX", 100)
    world = World(tmp_path).make()
    for number in range(50):
        (world.tree / f"{number}.md").write_text("some line of text\n")
    found, text = summed(world.copy())
    assert len(found) == 50 and "of 49 more files" in text and len(text) < 200


def test_a_name_that_is_made_to_fill_a_page_is_cut(tmp_path: Path) -> None:
    world = World(tmp_path).make()
    folder = world.tree
    for _ in range(8):
        folder = folder / ("\x01" * 250)
        folder.mkdir()
    found, _ = summed(world.copy())
    assert len(found) == 8 and max(len(one.path) for one in found) <= 400
