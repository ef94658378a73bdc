"""Merging a copy: what is brought home, what never is, and what only a person can say yes to."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from copied import World, snapshot

from gemot.drivers import merging
from gemot.drivers.copies import described, merge_into
from gemot.drivers.errors import ToolError


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_is_merged_and_then_there_is_nothing_more_to_merge(world: World) -> None:
    world.make()
    (world.tree / "a.md").write_text("gamma\n")
    (world.tree / "deep" / "er").mkdir(parents=True)
    (world.tree / "deep" / "er" / "c.md").write_text("c\n")
    (world.tree / "link").symlink_to("notes/b.md")
    (world.tree / "run.sh").unlink()
    assert world.merge() == ["a.md", "deep", "deep/er", "deep/er/c.md", "link", "run.sh"]
    assert snapshot(world.original) == snapshot(world.tree)
    assert world.found() == [] and world.merge() == []
    (world.tree / "a.md").write_text("again\n")
    assert world.merge() == ["a.md"], "what was merged is what later changes are compared with"


def test_a_part_is_merged_and_the_rest_is_not(world: World) -> None:
    world.make()
    for path in ("a.md", "notes/b.md", "run.sh"):
        (world.tree / path).write_text("new\n")
    assert world.merge("notes") == ["notes/b.md"]
    assert (world.original / "a.md").read_text() == "alpha\n"
    assert world.merge(left_out=["run.sh"]) == ["a.md"]
    assert world.found() == ["changed run.sh"]


def test_a_folder_that_was_removed_goes_unless_somebody_else_put_something_into_it(world: World) -> None:
    world.make()
    (world.tree / "notes" / "b.md").unlink()
    (world.tree / "notes").rmdir()
    (world.original / "notes" / "mine.md").write_text("kept\n")
    world.merge()
    assert os.listdir(world.original / "notes") == ["mine.md"]


def test_a_copy_that_is_merged_whole_is_gone_once_its_process_has_ended(world: World) -> None:
    world.make()
    (world.tree / "a.md").write_text("1\n")
    (world.tree / "run.sh").write_text("1\n")
    world.merge()
    assert world.space.made
    (world.tree / "a.md").write_text("2\n")
    world.ended = True
    world.merge()
    assert not world.space.folder.exists() and (world.original / "a.md").read_text() == "2\n"


@pytest.mark.parametrize(
    "target", ["../outside/secret.txt", "/etc/hostname", "notes/../../outside", "up/../x", "far/x"]
)
def test_a_link_that_leads_out_is_not_merged(world: World, target: str) -> None:
    (world.original / "up").symlink_to(".")
    (world.original / "far").symlink_to("../outside")
    world.make()
    (world.tree / "notes" / "link").symlink_to(f"../{target}" if not target.startswith("/") else target)
    (world.tree / "a.md").write_text("gamma\n")
    assert "notes/link: it is a link that leads out" in world.refused()
    assert world.merge("a.md") == ["a.md"]


def test_a_link_within_the_tree_is_merged_as_a_link(world: World) -> None:
    world.make()
    (world.tree / "notes" / "top").symlink_to("../a.md")
    assert world.merge() == ["notes/top"]
    assert os.readlink(world.original / "notes" / "top") == "../a.md"


def test_a_link_is_not_followed_where_the_original_has_one(world: World) -> None:
    """The original's folder became a link meanwhile: nothing is written through it."""
    world.make()
    (world.tree / "notes" / "new.md").write_text("x")
    os.rename(world.original / "notes", world.original / "aside")
    (world.original / "notes").symlink_to("../outside")
    assert "notes" in world.refused()
    assert os.listdir(world.outside) == ["secret.txt"]


def test_a_name_for_a_file_outside_is_not_merged(world: World) -> None:
    world.make()
    os.link(world.outside / "secret.txt", world.tree / "mine")
    assert "mine: it has another name (a hard link) outside" in world.refused()
    (world.tree / "mine").unlink()
    os.link(world.tree / "a.md", world.tree / "same.md")
    assert world.merge() == ["same.md"]


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1644, 0o666])
def test_a_mode_that_gives_rights_is_not_merged(world: World, mode: int) -> None:
    world.make()
    (world.tree / "run.sh").chmod(mode)
    (world.tree / "new").write_text("x")
    (world.tree / "new").chmod(mode)
    why = world.refused()
    assert f"new: its mode is {mode:04o}" in why and "run.sh: its mode" in why


def test_pipes_sockets_and_devices_are_not_merged(world: World) -> None:
    world.make()
    os.mkfifo(world.tree / "pipe")
    (world.tree / "a.md").unlink()
    os.mkfifo(world.tree / "a.md")
    assert "pipe: it is a pipe" in (why := world.refused()) and "a.md: it is a pipe" in why
    if len(str(world.tree)) < 90:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(world.tree / "socket"))
            assert "socket: it is a socket" in world.refused()
    with suppress(PermissionError):
        os.mknod(world.tree / "null", 0o20666, os.makedev(1, 3))
        assert "null: it is a device" in world.refused()


@pytest.mark.parametrize(
    "path",
    [
        ".git/hooks/post-merge",
        "sub/.git",
        ".GIT/config",
        "sub/.g\u200dit/config",
        ".bashrc",
        ".envrc",
        ".vscode/tasks.json",
        "AGENTS.md",
        ".mcp.json",
        "sub/conftest.py",
        "x.pth",
        ".gemot/programs/p.md",
        "bare/HEAD",
    ],
)
def test_what_runs_code_later_is_merged_only_if_a_person_names_it(world: World, path: str) -> None:
    world.make()
    (world.tree / path).parent.mkdir(parents=True, exist_ok=True)
    (world.tree / path).write_text("boo\n")
    why = world.refused()
    assert "runs code later" in why or "can't be shown" in why
    if path.isprintable():
        assert f"gemot merge 2 --accept {path.split('/')[0]}" in why
        assert "runs code later" in world.refused(accepted=["a.md"])
        names = ["/".join(path.split("/")[: n + 1]) for n in range(path.count("/") + 1)]
        assert path in world.merge(accepted=names)


def test_a_copy_of_a_folder_that_runs_code_is_no_way_around(world: World) -> None:
    (world.original / ".git" / "hooks").mkdir(parents=True)
    world.make(".git/hooks")
    (world.tree / ".git" / "hooks" / "pre-commit").write_text("boo\n")
    with pytest.raises(ToolError, match="git runs hooks"):
        merge_into(world.copy(".git/hooks"), [()])


def test_nobody_can_accept_what_is_refused_for_good(world: World) -> None:
    world.make()
    (world.tree / "link").symlink_to("/etc")
    os.mkfifo(world.tree / "pipe")
    both = ["link", "pipe"]
    assert "leads out" in (why := world.refused(accepted=both, forced=both)) and "pipe" in why


@pytest.mark.parametrize("theirs", ["changed", "removed", "replaced"])
@pytest.mark.parametrize("mine", ["changed", "removed"])
def test_what_was_changed_on_both_sides_is_kept_unless_a_person_forces_it(world: World, mine: str, theirs: str) -> None:
    world.make()
    path, other = world.tree / "a.md", world.original / "a.md"
    path.write_text("mine\n") if mine == "changed" else path.unlink()
    other.unlink()
    if theirs == "changed":
        other.write_text("theirs\n")
    elif theirs == "replaced":
        other.symlink_to("notes/b.md")
    if (mine, theirs) == ("removed", "removed"):
        assert world.merge() == ["a.md"]
        return
    assert "since it was copied" in world.refused()
    assert "CONFLICT" in described(world.copy())
    assert world.merge(forced=["a.md"]) == ["a.md"]
    assert (other.read_text() == "mine\n") if mine == "changed" else not other.exists()
    assert (world.original / "notes" / "b.md").read_text() == "beta\n"


def test_a_new_name_that_is_taken_by_now_is_a_conflict_unless_it_is_the_same(world: World) -> None:
    world.make()
    for name, text in (("one", "mine\n"), ("two", "same\n")):
        (world.tree / name).write_text(text)
    (world.original / "one").write_text("theirs\n")
    (world.original / "two").write_text("same\n")
    assert "one: something of that name is there by now" in (why := world.refused()) and "two" not in why
    assert world.merge("two") == ["two"]


def test_a_folder_does_not_take_the_place_of_a_file(world: World) -> None:
    world.make()
    (world.tree / "a.md").unlink()
    (world.tree / "a.md").mkdir()
    assert "a folder can't take the place of a file" in world.refused(forced=["a.md"])


def test_a_name_that_can_not_be_shown_is_not_merged(world: World) -> None:
    world.make()
    (world.tree / "two\nlines").write_text("x")
    (world.tree / "turn\u202egnp.exe").write_text("x")
    why = world.refused()
    assert why.count("can't be shown") == 2 and all(line.isprintable() for line in why.splitlines())


# Somebody changes things meanwhile.


@pytest.mark.parametrize("swap", ["bytes", "link", "mode", "hard link"])
def test_a_file_that_is_changed_between_the_check_and_the_write_is_not_merged(
    world: World, monkeypatch: pytest.MonkeyPatch, swap: str
) -> None:
    """The worst moment, made certain: it was checked, and is another thing when it is read."""
    world.make()
    (world.tree / "a.md").write_text("honest\n")
    (world.tree / "run.sh").write_text("honest\n")
    planned = merging.Writer._prepare

    def prepare(self: merging.Writer, step: merging.Step) -> None:
        if step.change.path == "run.sh":
            path = world.tree / "run.sh"
            if swap == "bytes":
                path.write_text("evil\n")
            elif swap == "mode":
                path.chmod(0o4755)
            else:
                path.unlink()
                secret = world.outside / "secret.txt"
                path.symlink_to(secret) if swap == "link" else os.link(secret, path)
        planned(self, step)

    monkeypatch.setattr(merging.Writer, "_prepare", prepare)
    assert "run.sh was changed in the copy while it was merged" in world.refused()


def test_an_original_that_is_changed_meanwhile_is_not_overwritten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.make()
    (world.tree / "a.md").write_text("mine\n")
    planned = merging.Writer._prepare

    def prepare(self: merging.Writer, step: merging.Step) -> None:
        planned(self, step)
        (world.original / "a.md").write_text("theirs\n")

    monkeypatch.setattr(merging.Writer, "_prepare", prepare)
    with pytest.raises(ToolError, match=r"changed by somebody else while it was merged.*nothing was merged"):
        world.merge()
    assert (world.original / "a.md").read_text() == "theirs\n"
    assert sorted(os.listdir(world.original)) == ["a.md", "notes", "run.sh"], "nothing unfinished is left"


def test_a_failure_in_the_middle_leaves_the_original_as_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make()
    (world.tree / "new").mkdir()
    for name in ("a.md", "new/one", "new/two", "run.sh"):
        (world.tree / name).write_text("new\n")
    count, real = 0, os.fsync

    def full(file: int) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    assert "the disk is full" in world.refused()


def test_a_folder_of_the_copy_that_is_swapped_for_a_link_never_leads_out(world: World) -> None:
    """One thread swaps a folder for a link to the secret; another merges all the while."""
    world.make()
    honest, evil, door = world.tree / "honest", world.tree / "evil", world.tree / "door"
    honest.mkdir()
    (honest / "secret.txt").write_text("honest")
    evil.symlink_to(world.outside)
    stop = threading.Event()

    def swapping() -> None:
        while not stop.is_set():
            for thing in (honest, evil):
                with suppress(OSError):
                    os.rename(thing, door)
                    os.rename(door, thing)

    thread = threading.Thread(target=swapping)
    thread.start()
    try:
        for _ in range(150):
            with suppress(ToolError):
                world.merge("door")
    finally:
        stop.set()
        thread.join()
    merged = list(world.original.rglob("secret.txt"))
    assert all(path.read_text() == "honest" and not path.is_symlink() for path in merged)
    assert not (world.original / "door").is_symlink()
