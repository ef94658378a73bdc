"""What a process can reach of the disk: its mounts, by whatever path it tries, and nothing else."""

from __future__ import annotations

import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from gemot.drivers.kit import ToolError
from gemot.drivers.place import Place, PlaceMount

SECRET = b"the secret outside"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder that is mounted, with a secret beside it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_bytes(SECRET)
    (tmp_path / "in" / "notes").mkdir(parents=True)
    (tmp_path / "in" / "a.md").write_text("alpha\n")
    (tmp_path / "in" / "notes" / "b.md").write_text("beta\n")
    return tmp_path / "in"


def place(tree: Path, mode: str = "rw", **more: object) -> Place:
    return Place((PlaceMount("work", str(tree), mode, **more),))  # type: ignore[arg-type]


def read(here: Place, path: str) -> bytes:
    with here.open(path) as (file, _):
        return file.read()


def refusal(here: Place, path: str) -> str:
    with pytest.raises(ToolError) as caught, here.open(path):
        pass
    return str(caught.value)


@pytest.mark.parametrize(
    "path", ["a.md", "./a.md", "/work/a.md", "/work/./a.md", "notes/b.md", "/work/notes/b.md", "notes/./b.md"]
)
def test_a_path_is_relative_to_the_first_mount_or_begins_with_a_mounts_name(tree: Path, path: str) -> None:
    assert read(place(tree), path) in (b"alpha\n", b"beta\n")


@pytest.mark.parametrize("path", ["a.md", "./a.md", "/work/a.md", "/work/./a.md"])
def test_every_spelling_of_a_path_has_the_same_canonical_form(tree: Path, path: str) -> None:
    assert place(tree).canonical(path) == "/work/a.md"


def test_other_absolute_paths_are_refused_and_the_error_says_what_is_there(tree: Path) -> None:
    assert refusal(place(tree, "ro"), "/etc/passwd") == "there is no /etc here; this process sees /work (read-only)"
    assert "there is no / here" in refusal(place(tree), "/")
    assert "there is no /workshop here" in refusal(place(tree), "/workshop/a.md")
    assert "there is no" in refusal(place(tree), str(tree / "a.md"))


@pytest.mark.parametrize(
    "path", ["../outside/secret.txt", "notes/../../outside/secret.txt", "/work/../outside/secret.txt", "notes/.."]
)
def test_dot_dot_is_refused_wherever_it_stands(tree: Path, path: str) -> None:
    if path.endswith("secret.txt") and not path.startswith("/"):
        assert (tree / path).read_bytes() == SECRET, "the attack works on a path joined as text"
    assert '".." in it' in refusal(place(tree), path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "empty"),
        ("a\x00b", "control character"),
        ("a\nb", "control character"),
        ("a\x1b[2Jb", "control character"),
        ("a//b", "empty part"),
        ("//etc/passwd", "empty part"),
        ("x" * 256, "too long"),
        ("x/" * 2048 + "x", "bytes long"),
        ("x/" * 65 + "x", "folders deep"),
        ("\ud800", "not valid Unicode"),
        (".gemot-0123", "unfinished writes"),
    ],
)
def test_what_is_no_path_is_refused_in_words_without_control_characters(tree: Path, path: str, reason: str) -> None:
    message = refusal(place(tree), path)
    assert reason in message
    assert message.isprintable()
    with pytest.raises(ToolError):
        place(tree).create(path, b"")


@pytest.mark.parametrize("target", ["file", "absolute file", "folder", "absolute folder", "middle", "chain"])
def test_a_link_out_of_the_tree_is_refused_as_file_as_folder_and_midway(tree: Path, target: str) -> None:
    link, path = tree / "link", "link"
    if target == "file":
        link.symlink_to("../outside/secret.txt")
    elif target == "absolute file":
        link.symlink_to(tree.parent / "outside" / "secret.txt")
    elif target == "folder":
        link.symlink_to("../outside")
        path = "link/secret.txt"
    elif target == "absolute folder":
        link.symlink_to(tree.parent / "outside")
        path = "link/secret.txt"
    elif target == "middle":
        (tree / "notes" / "up").symlink_to("../..")
        path = "notes/up/outside/secret.txt"
    else:
        (tree / "one").symlink_to("notes/two")
        (tree / "notes" / "two").symlink_to("../../outside/secret.txt")
        path = "one"
    assert (tree / path).read_bytes() == SECRET, "the attack works on a path joined as text"
    assert "leads out of what this process sees" in refusal(place(tree), path)
    with pytest.raises(ToolError):
        place(tree).create(path, b"x")
    with pytest.raises(ToolError), place(tree).change(path, 99):
        pass
    if path == "link/secret.txt":
        with pytest.raises(ToolError):
            place(tree).create("link/new.txt", b"x")
    assert sorted(os.listdir(tree.parent / "outside")) == ["secret.txt"]
    assert (tree.parent / "outside" / "secret.txt").read_bytes() == SECRET


def test_a_link_inside_the_tree_is_followed_for_reading_but_not_for_writing(tree: Path) -> None:
    (tree / "latest").symlink_to("notes")
    (tree / "notes" / "top").symlink_to("../a.md")
    assert read(place(tree), "latest/b.md") == b"beta\n"
    assert read(place(tree), "latest/top") == b"alpha\n"
    with pytest.raises(ToolError, match=r"latest is a link, .* write notes/c.md itself"):
        place(tree).create("latest/c.md", b"")
    with (
        pytest.raises(ToolError, match=r"notes/top is a link, .* write a.md itself"),
        place(tree).change("notes/top", 99),
    ):
        pass


def test_a_loop_of_links_ends_in_an_error(tree: Path) -> None:
    (tree / "x").symlink_to("y")
    (tree / "y").symlink_to("x")
    assert "more than 8 links" in refusal(place(tree), "x")


def test_a_dangling_link_is_not_written_through(tree: Path) -> None:
    (tree / "new").symlink_to("../outside/new.txt")
    with pytest.raises(ToolError, match="leads out"):
        place(tree).create("new", b"x")
    assert not (tree.parent / "outside" / "new.txt").exists()


@pytest.mark.skipif(not os.path.exists("/proc/self/root"), reason="only Linux has such links")
def test_the_magic_links_of_proc_lead_nowhere(tree: Path) -> None:
    secret = os.open(tree.parent / "outside" / "secret.txt", os.O_RDONLY)
    try:
        here = place(Path("/proc"))
        for path in (f"self/fd/{secret}", f"self/root{tree.parent}/outside/secret.txt", "self/cwd", "self/exe"):
            assert Path("/proc", path).exists(), "the attack works on a path joined as text"
            assert "leads out" in refusal(here, path)
    finally:
        os.close(secret)


def test_a_hard_link_is_a_file_like_any_other(tree: Path) -> None:
    os.link(tree / "a.md", tree / "notes" / "same.md")
    assert read(place(tree), "notes/same.md") == b"alpha\n"


def test_pipes_sockets_devices_and_folders_are_refused_at_once(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    assert "pipe is a pipe, not a plain file" in refusal(place(tree), "pipe")
    with pytest.raises(ToolError, match="pipe"), place(tree).change("pipe", 99):
        pass
    assert "notes is a folder; use files/list" in refusal(place(tree), "notes")
    assert "is a device" in refusal(place(Path("/dev")), "null")
    if len(str(tree)) < 90:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tree / "socket"))
            assert "socket is a socket" in refusal(place(tree), "socket")


def test_a_file_has_nothing_beneath_it(tree: Path) -> None:
    assert "a.md is a file, not a folder" in refusal(place(tree), "a.md/b")
    with pytest.raises(ToolError, match=r"a\.md is a file, not a folder"):
        place(tree).create("a.md/b", b"")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_component_swapped_for_a_link_during_the_walk_never_leads_out(tree: Path, kind: str) -> None:
    """One thread swaps ``door`` between an honest thing and a link to the secret; another reads through it."""
    outside = tree.parent / "outside"
    honest, evil, door = tree / "honest", tree / "evil", tree / "door"
    path = "door/secret.txt" if kind == "folder" else "door"
    if kind == "folder":
        honest.mkdir()
        (honest / "secret.txt").write_bytes(b"honest")
        evil.symlink_to(outside)
    else:
        honest.write_bytes(b"honest")
        evil.symlink_to(outside / "secret.txt")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for thing in (honest, evil):
                os.rename(thing, door)
                os.rename(door, thing)

    seen: set[bytes] = set()
    naive: set[bytes] = set()
    thread = threading.Thread(target=swap)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        here = place(tree)
        for attempt in range(20_000):
            with suppress(ToolError):
                seen.add(read(here, path))
            with suppress(OSError):
                naive.add((tree / path).read_bytes())
            if SECRET in naive and seen and attempt > 1500:
                break
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert SECRET in naive, "the attack works on a path joined as text"
    assert seen == {b"honest"}


@pytest.mark.parametrize(("kind", "turn"), [("folder", 1), ("file", 1), ("file", 2)])
@pytest.mark.parametrize("use", ["read", "create", "change"])
def test_a_swap_right_after_the_look_and_before_the_open_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch, kind: str, turn: int, use: str
) -> None:
    """The worst moment, made certain: the honest thing was seen, and is a link when it is opened."""
    outside, door = tree.parent / "outside", tree / "door"
    if kind == "folder":
        door.mkdir()
        (door / "secret.txt").write_bytes(b"honest")
    else:
        door.write_bytes(b"honest")
    honest_stat = os.stat
    looks = 0

    def stat_then_swap(name: object, *arguments: object, **more: object) -> os.stat_result:
        nonlocal looks
        facts = honest_stat(name, *arguments, **more)  # type: ignore[arg-type]
        looks += name == "door"
        if name == "door" and looks == turn:
            os.rename(door, tree / "aside")
            door.symlink_to(outside if kind == "folder" else outside / "secret.txt")
        return facts

    monkeypatch.setattr(os, "stat", stat_then_swap)
    path = "door/secret.txt" if kind == "folder" else "door"
    with pytest.raises(ToolError):
        if use == "read":
            read(place(tree), path)
        elif use == "create":
            place(tree).create("door/new.txt" if kind == "folder" else path, b"x")
        else:
            with place(tree).change(path, 99) as change:
                change.replace(b"x")
    assert looks >= turn or use == "create", "the swap happened"
    assert os.listdir(outside) == ["secret.txt"]
    assert (outside / "secret.txt").read_bytes() == SECRET


def test_a_folder_swapped_for_a_link_never_takes_a_write_out(tree: Path) -> None:
    outside = tree.parent / "outside"
    honest, evil, door = tree / "honest", tree / "evil", tree / "door"
    honest.mkdir()
    evil.symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        made = 0
        while not stop.is_set():
            for thing in (honest, evil):
                with suppress(OSError):
                    os.rename(thing, door)
                with suppress(OSError):
                    if door.is_symlink() == (thing == evil):
                        os.rename(door, thing)
                with suppress(OSError):  # a write that found no door has made one
                    os.rename(door, tree / f"made-{made}")
                    made += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(500):
            with suppress(ToolError):
                place(tree).create(f"door/{number}.txt", b"x")
    finally:
        stop.set()
        thread.join()
    assert os.listdir(outside) == ["secret.txt"]
    assert list(tree.rglob("*.txt")), "some writes found a real folder"


def test_names_with_spaces_and_of_any_script_work(tree: Path) -> None:
    for name in ("two words.md", "Übung.md", "日本語.md", "emoji 🎈.md", "$HOME;rm -rf.md", "-rf", "~", "a:b?.md"):
        assert place(tree).create(name, b"x") == name
        assert read(place(tree), name) == b"x"


def test_a_name_that_cannot_be_written_as_text_is_shown_readable_and_works_as_shown(tree: Path) -> None:
    try:
        (tree / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"coffee")
    except OSError:
        pytest.skip("this disk takes UTF-8 names only")
    (tree / "two\nlines.txt").write_bytes(b"lines")
    (tree / "esc\x1b[2J.txt").write_bytes(b"esc")
    assert read(place(tree), r"caf\xe9.txt") == b"coffee"
    assert read(place(tree), r"two\x0alines.txt") == b"lines"
    assert read(place(tree), r"esc\x1b[2J.txt") == b"esc"


def test_a_wrong_name_is_answered_with_the_closest_ones(tree: Path) -> None:
    assert refusal(place(tree), "A.MD") == "there is no A.MD; in /work there is a.md"
    assert refusal(place(tree), "notes/bb.md") == "there is no notes/bb.md; in notes there is b.md"
    assert refusal(place(tree), "note/b.md") == "there is no note; in /work there is notes"
    assert refusal(place(tree), "zzz") == "there is no zzz; /work has a.md, notes"
    assert 'separated by "/"' in refusal(place(tree), "notes\\b.md")


def test_nothing_is_written_in_a_read_only_mount_and_the_error_says_where_it_may(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="read-only; it may write nowhere"):
        place(tree, "ro").create("x", b"")
    with pytest.raises(ToolError, match="read-only"), place(tree, "ro").change("a.md", 99):
        pass
    (tmp_path / "out").mkdir()
    two = Place((PlaceMount("work", str(tree)), PlaceMount("result", str(tmp_path / "out"), "rw")))
    with pytest.raises(ToolError, match="it may write in /result"):
        two.create("x", b"")
    assert two.create("/result/x", b"") == "/result/x"
    assert sorted(os.listdir(tree)) == ["a.md", "notes"]


def test_a_narrowed_mount_shows_only_what_it_names_even_through_links(tree: Path) -> None:
    (tree / "c.md").write_text("gamma\n")
    (tree / "notes" / "to-c").symlink_to("../c.md")
    one = place(tree, only=("notes",))
    assert read(one, "notes/b.md") == b"beta\n"
    assert refusal(one, "c.md") == "there is no c.md here; this process sees /work (read and write, only notes)"
    assert "leads out" in refusal(one, "notes/to-c")
    with one.folder(".") as (folder, where):
        assert [entry.name for entry in one.entries(folder, where, 99)] == ["notes"]
        assert {found.parts for found in one.walk(folder, where, frozenset(), 99)} == {
            ("notes",),
            ("notes", "b.md"),
            ("notes", "to-c"),
        }
    single = place(tree, only=("notes/b.md",))
    assert read(single, "notes/b.md") == b"beta\n"
    with pytest.raises(ToolError, match="can't be written"):
        single.create("notes/new.md", b"")
    with pytest.raises(ToolError, match="can't be written"):
        single.create("c.md", b"")


def test_a_mount_beneath_a_folder_has_its_top_there_and_no_link_moves_it(tree: Path) -> None:
    below = place(tree, beneath="notes")
    assert read(below, "b.md") == b"beta\n"
    (tree / "notes" / "up").symlink_to("../a.md")
    assert "leads out" in refusal(below, "up")
    os.rename(tree / "notes", tree / "moved")
    (tree / "notes").symlink_to("../outside")
    assert "no folder" in refusal(below, "secret.txt") or "link" in refusal(below, "secret.txt")


def test_a_vanished_mount_folder_is_an_answer(tree: Path) -> None:
    assert "could not open the folder behind /work" in refusal(place(tree / "gone"), "a.md")


def test_a_process_without_mounts_is_told_so() -> None:
    assert "sees no files at all" in refusal(Place(()), "a.md")


@pytest.mark.parametrize("wrong", [{"name": "Work"}, {"name": ""}, {"folder": "relative"}, {"only": ("/etc",)}])
def test_a_mount_that_makes_no_sense_is_refused_when_it_is_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        PlaceMount(**{"name": "work", "folder": "/tmp", **wrong})  # type: ignore[arg-type]


def test_no_descriptor_is_left_open_by_success_or_refusal(tree: Path) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("descriptors are counted in /proc")
    (tree / "link").symlink_to("notes")
    (tree / "out").symlink_to("../outside")
    before = len(os.listdir("/proc/self/fd"))
    here = place(tree)
    for path in ("a.md", "link/b.md", "out/secret.txt", "none/x", "notes", "a.md/x", "none", "."):
        with suppress(ToolError):
            read(here, path)
        with suppress(ToolError):
            here.create(path, b"")
    with here.folder(".") as (folder, where):
        list(here.walk(folder, where, frozenset(), 99))
    assert len(os.listdir("/proc/self/fd")) == before
