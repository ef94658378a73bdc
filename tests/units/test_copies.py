"""Copies of a folder: what is in one, what is seen to have changed, what its parent's tools do with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from copied import SECRET, World, deepen, snapshot

from gemot.drivers import copying
from gemot.drivers.children import Child, Children, Copy
from gemot.drivers.copies import Listed, changed, copies, described, itemized, merge_into
from gemot.drivers.copying import remove
from gemot.drivers.errors import ToolError
from gemot.drivers.place import Place, PlaceMount

SEEN = "/work"
"""The folder as its processes see it."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# Making one.


def test_a_copy_is_like_its_original_and_apart_from_it(world: World) -> None:
    (world.original / "latest").symlink_to("notes/b.md")
    (world.original / "out").symlink_to("/etc/hostname")
    (world.original / "empty").mkdir()
    world.make()
    assert snapshot(world.tree) == snapshot(world.original)
    (world.tree / "a.md").write_text("mine\n")
    (world.original / "notes" / "b.md").write_text("theirs\n")
    assert (world.original / "a.md").read_text() == "alpha\n"
    assert (world.tree / "notes" / "b.md").read_text() == "beta\n"
    assert world.space.folder.stat().st_mode & 0o777 == 0o700


def test_a_copy_of_a_part_stands_where_the_part_stood(world: World) -> None:
    world.make("notes")
    assert [str(one.relative_to(world.tree)) for one in world.tree.rglob("*")] == ["notes", "notes/b.md"]
    (world.tree / "notes" / "b.md").write_text("new\n")
    assert [one.path for one in changed(world.copy("notes"))] == ["b.md"]
    assert merge_into(world.copy("notes"), [()]) == ["b.md"]
    assert (world.original / "notes" / "b.md").read_text() == "new\n"


def test_what_is_no_file_is_left_out_and_not_taken_for_removed(world: World) -> None:
    os.mkfifo(world.original / "pipe")
    (world.original / "suid").write_text("x")
    (world.original / "suid").chmod(0o4755)
    world.make()
    assert not (world.tree / "pipe").exists()
    assert (world.tree / "suid").stat().st_mode & 0o7777 == 0o755
    assert world.found() == []


@pytest.mark.parametrize(("what", "limit"), [("COPY_FILES_MAX", 3), ("COPY_BYTES_MAX", 10)])
def test_what_is_too_large_is_not_copied_and_nothing_stays(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str, limit: int
) -> None:
    monkeypatch.setattr(copying, what, limit)
    with pytest.raises(ToolError, match=r"no copy of /work was made, since it holds more than .* mode ro"):
        world.make()
    assert os.listdir(world.space.folder.parent) == []
    assert not world.space.made


def test_a_sparse_file_counts_as_what_it_holds_and_stays_sparse(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "COPY_BYTES_MAX", 8 << 20)
    with open(world.original / "large", "wb") as file:
        file.write(b"begin")
        file.seek(31 << 20)
        file.write(b"end")
    world.make()
    copy = world.tree / "large"
    assert copy.read_bytes() == (world.original / "large").read_bytes()
    assert copy.stat().st_blocks * 512 < 8 << 20
    assert world.found() == []


def test_a_sparse_file_that_would_take_for_ever_to_read_is_not_copied(world: World) -> None:
    with open(world.original / "large", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ToolError, match="MB, holes counted"):
        world.make()


def test_a_crash_at_any_moment_of_copying_leaves_no_copy_or_a_whole_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The n-th step on the disk fails as if the machine had stopped, for every n."""

    class Stopped(BaseException):
        pass

    left = 0
    steps = ("mkdir", "open", "fsync", "rename", "fchmod", "utime", "write")
    real: dict[str, Callable[..., object]] = {name: getattr(os, name) for name in steps}

    def failing(name: str) -> Callable[..., object]:
        def step(*given: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise Stopped
            return real[name](*given, **more)

        return step

    for number in range(1, 200):
        left = number
        with monkeypatch.context() as patch:
            patch.setattr(copying, "remove", lambda folder: None)  # nobody tidies up after a crash
            for name in steps:
                patch.setattr(os, name, failing(name))
            with suppress(Stopped):
                world.make()
        if world.space.made:
            assert snapshot(world.tree) == snapshot(world.original) and world.found() == []
            if left > 0:
                break
        for folder in world.space.folder.parent.iterdir():
            remove(folder)
        assert os.listdir(world.space.folder.parent) == []
    else:
        raise AssertionError("it never came to its end")
    assert number > 20


def test_the_folder_of_all_copies_is_not_copied_into_itself(world: World, tmp_path: Path) -> None:
    world.space.make(str(tmp_path), (), "/work")
    assert not (world.tree / "spaces").exists() and (world.tree / "original" / "a.md").exists()
    assert changed(Copy(2, PlaceMount("w", str(world.tree), "rw"), world.space, None, False)) == []


# Seeing what changed.


def test_what_was_added_changed_and_removed_is_seen_and_shown(world: World) -> None:
    world.make()
    (world.tree / "a.md").write_text("gamma\n")
    (world.tree / "new").mkdir()
    (world.tree / "new" / "c.md").write_text("c\n")
    (world.tree / "notes" / "b.md").unlink()
    (world.tree / "run.sh").chmod(0o644)
    assert world.found() == ["changed a.md", "added new", "added new/c.md", "removed notes/b.md", "changed run.sh"]
    text = described(world.copy())
    assert "-alpha\n+gamma" in text and "+c" in text and "-beta" in text
    assert [one.path for one in changed(world.copy(), ("new",))] == ["new", "new/c.md"]


def test_what_was_changed_is_listed_for_programs_with_what_stands_in_the_way(world: World) -> None:
    world.make()
    (world.tree / "a.md").write_text("gamma\ndelta\n")
    (world.original / "a.md").write_text("theirs\n")
    (world.tree / "new").mkdir()
    (world.tree / "new" / "c.bin").write_bytes(b"\0\1\2")
    (world.tree / "notes" / "b.md").unlink()
    (world.tree / "out").symlink_to("/etc/hostname")
    (world.tree / ".envrc").write_text("boo\n")
    later, conflict, folder, data, gone, link = itemized(world.copy())
    assert "runs code later" in later.why and (later.merges, later.unless, later.added) == (False, ("accept",), 1)
    assert "since it was copied" in conflict.why and (conflict.merges, conflict.unless) == (False, ("force",))
    assert (conflict.path, conflict.added, conflict.removed) == (f"{SEEN}/a.md", 2, 1)
    assert folder == Listed(f"{SEEN}/new/", "added", "folder", True)
    assert data == Listed(f"{SEEN}/new/c.bin", "added", "file", True), "what is no text has no lines"
    assert gone == Listed(f"{SEEN}/notes/b.md", "removed", "file", True, added=0, removed=1)
    assert "leads out of the tree" in link.why and (link.merges, link.unless) == (False, ())
    assert itemized(world.copy(), ("new", "c.bin")) == [data]
    own = Copy(2, world.copy().mount, world.space, None, False)
    assert not any(one.merges for one in itemized(own)) and "no copy of anything" in itemized(own)[0].why


def test_what_was_touched_or_written_the_same_again_is_no_change(world: World) -> None:
    world.make()
    (world.tree / "a.md").write_text("alpha\n")
    os.utime(world.tree / "run.sh")
    assert world.found() == []


def test_a_change_is_seen_though_size_and_time_were_put_back(world: World) -> None:
    world.make()
    facts = (world.tree / "a.md").stat()
    (world.tree / "a.md").write_text("ALPHA\n")
    os.utime(world.tree / "a.md", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert world.found() == ["changed a.md"]


def test_a_tree_that_somebody_filled_is_not_looked_through_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.make()
    deep = world.tree
    for _ in range(70):
        deep = deep / "d"
        deep.mkdir()
    assert any("folders deep" in line for line in described(world.copy()).splitlines())
    monkeypatch.setattr("gemot.drivers.comparing.COPY_ENTRIES_SEEN_MAX", 10)
    with pytest.raises(ToolError, match="name a part of it"):
        world.found()


# Taking it away, and the tools.


def test_a_copy_is_removed_however_deep_and_closed_it_is_and_nothing_beyond_it(world: World) -> None:
    world.make()
    (world.tree / "link").symlink_to(world.outside)
    (world.tree / "closed").mkdir()
    (world.tree / "closed" / "x").write_text("x")
    (world.tree / "closed").chmod(0)
    deepen(world.tree, "d")
    world.space.discard()
    assert os.listdir(world.space.folder.parent) == []
    assert (world.outside / "secret.txt").read_text() == SECRET


def test_the_tools_look_read_merge_and_discard(world: World) -> None:
    world.make()
    (world.tree / "a.md").write_text("gamma\n")
    (world.tree / "out").symlink_to("../../../outside/secret.txt")
    copy = world.copy()
    plain = PlaceMount("plain", str(world.original), "ro")
    children = Children({2: Child(Place((copy.mount, plain)), (copy,))})
    use = {name.removeprefix("copies/"): tool.function for name, tool in copies.tools.items()}
    assert "changed a.md" in use["diff"](children, 2)
    assert use["read"](children, 2, "a.md") == "gamma\n"
    assert "notes/" in use["read"](children, 2)
    with pytest.raises(ToolError, match="leads out"):
        use["read"](children, 2, "out")
    with pytest.raises(ToolError, match="/plain of 2 is no copy"):
        use["diff"](children, 2, "/plain")
    with pytest.raises(ToolError, match="leads out"):
        use["merge"](children, 2)
    assert use["merge"](children, 2, ".", ("out",)) == "merged 1: a.md"
    assert use["discard"](children, 2) == "discarded /work"
    assert "nothing is in the copy of 2" in use["diff"](children, 2)
