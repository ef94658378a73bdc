"""Private paths and untrusted mounts at the trap: what does not exist for a process, and what its children have of it."""

from __future__ import annotations

import pytest
from test_mounts import child, mounts, tree, use
from test_mounts import world as world
from worlds import EVERY_SYSCALL, KernelWorld, answer_to

from gemot.abi.answers import Answer, Error
from gemot.abi.effects import StartTool
from gemot.abi.grants import Mount, MountRequest
from gemot.abi.private import PRIVATE, USUAL
from gemot.abi.syscalls import Spawn
from gemot.authority.private import flaw, folded_path

PATTERNS = (USUAL, ".config/mine", "*.note", "!open.note")


def private(*shown: str, beneath: str = "") -> Mount:
    """A mount with private paths, of which some are shown."""
    return Mount("work", "/srv/data", "rw", beneath, private=PATTERNS, shown=shown)


def exists(world: KernelWorld, pid: int, path: str) -> bool:
    """May a use be about this path?"""
    return isinstance(use(world, pid, "disk/read", path=path), StartTool)


HIDDEN = (
    ".env", "a/.env", ".ENV", ".env.local", ".ssh", ".ssh/config", "a/b/.ssh/x/y", ".config/mine", "a/.config/mine/x", "x.note",
    "d/x.note/y", "/work/.env", ".env ", ".env.", "\uff0eenv", ".e\u200bnv", "server.PEM",
)  # fmt: skip
SEEN = (
    ".",
    "a",
    "env",
    ".environment",
    ".env.example",
    "open.note",
    "a/open.note",
    ".env.local.example",
    "web/.env.production.sample",
    ".env.defaults",
    ".env.schema",
    ".venv/lib/python3.11/site-packages/certifi/cacert.pem",
    "grpc/_cython/_credentials/roots.pem",
    ".config",
    ".config/yours",
    "x.notes",
    "ssh",
)


def test_the_list_of_an_older_journal_keeps_its_meaning(world: KernelWorld) -> None:
    root = tree(world, mounts=(Mount("work", "/srv/data", "rw", private=("usual:1",)),))
    assert use(world, root, "disk/read", path=".env.local.example") == "mount"
    assert use(world, root, "disk/read", path=".env.example") != "mount"


@pytest.mark.parametrize("path", HIDDEN)
def test_a_private_path_is_refused_before_anybody_is_asked(world: KernelWorld, path: str) -> None:
    root = tree(world, mounts=(private(),))
    assert use(world, root, "disk/read", path=path) == "mount"
    assert use(world, root, "disk/write", path=path) == "mount"


@pytest.mark.parametrize("path", SEEN)
def test_a_path_that_only_looks_like_a_private_one_is_seen(world: KernelWorld, path: str) -> None:
    assert exists(world, tree(world, mounts=(private(),)), path)


@pytest.mark.parametrize(
    ("shown", "seen", "hidden"),
    [
        (".env", (".env", "a/.env"), (".env.local", ".ssh")),
        (".env.*", (".env.local",), (".env",)),
        (".ssh/config", (".ssh", ".ssh/config", "a/.ssh/config"), (".ssh/id", ".ssh/configs")),
        ("a/.env", ("a/.env", "b/a/.env"), (".env", "b/.env")),
        ("~/x", (), (".env",)),
    ],
)
def test_a_private_path_that_a_person_shows_is_seen_and_nothing_else(
    world: KernelWorld, shown: str, seen: tuple[str, ...], hidden: tuple[str, ...]
) -> None:
    root = tree(world, mounts=(private(shown),))
    assert [path for path in seen if not exists(world, root, path)] == []
    assert [path for path in hidden if exists(world, root, path)] == []


def test_a_mount_without_patterns_hides_nothing(world: KernelWorld) -> None:
    """As in a journal from before there were any."""
    assert exists(world, tree(world, mounts=(Mount("work", "/srv/data", "rw"),)), ".env")


def spawned(world: KernelWorld, parent: int, request: MountRequest) -> Answer | None:
    return answer_to(parent, world.trap(parent, Spawn("x", program="worker", grants=EVERY_SYSCALL, mounts=(request,))))


@pytest.mark.parametrize("path", [".ssh", ".ssh/deep", "a/.ENV", "x.note"])
@pytest.mark.parametrize("mode", ["ro", "rw", "cow"])
def test_a_child_can_not_have_a_private_path_as_its_mount(world: KernelWorld, path: str, mode: str) -> None:
    root = tree(world, mounts=(private(),))
    answer = spawned(world, root, MountRequest(path, "work", mode))  # type: ignore[arg-type]
    assert isinstance(answer, Error) and answer.rule == "mount" and "private" in answer.message


def test_a_child_can_not_have_a_folder_that_is_only_the_way_to_what_is_shown(world: KernelWorld) -> None:
    root = tree(world, mounts=(private(".ssh/config"),))
    assert isinstance(spawned(world, root, MountRequest(".ssh", "work")), Error)
    assert mounts(world, child(world, root, MountRequest("a", "work")))[0].shown == (".ssh/config",)


@pytest.mark.parametrize("mode", ["ro", "rw", "cow"])
def test_a_child_keeps_what_is_hidden_and_its_mount_is_named_from_the_top(world: KernelWorld, mode: str) -> None:
    root = tree(world, mounts=(private(),))
    (mount,) = mounts(world, made := child(world, root, MountRequest(".config", "sub", mode)))  # type: ignore[arg-type]
    assert (mount.private, mount.shown, mount.beneath, mount.mode) == (PATTERNS, (), ".config", mode)
    assert not exists(world, made, "mine/x") and exists(world, made, "yours/x")


@pytest.mark.parametrize("mine", [False, True])
@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("mode", ["ro", "cow", "private"])
def test_a_mark_is_only_ever_set(world: KernelWorld, mine: bool, asked: bool, mode: str) -> None:
    root = tree(world, mounts=(Mount("work", "/srv/data", "rw", untrusted=mine),))
    request = MountRequest(".", "work", mode, untrusted=asked)  # type: ignore[arg-type]
    (mount,) = mounts(world, child(world, root, request))
    assert mount.untrusted == (asked or (mine and mode != "private"))


@pytest.mark.parametrize(
    "pattern", ["", "/", "!", "a//b", ".", "..", "a/../b", "**", "**/a", "*", "!~/x", "!/x", "a\0b"]
)
def test_a_pattern_that_means_nothing_is_said_to(pattern: str) -> None:
    assert flaw(pattern)


def test_every_usual_pattern_means_something() -> None:
    patterns = [pattern for some in PRIVATE.values() for pattern in some]
    assert not [pattern for pattern in patterns if flaw(pattern)] and len(set(patterns)) == len(patterns)
    assert folded_path("A/\u00df. /B") == "a/ss/b"
