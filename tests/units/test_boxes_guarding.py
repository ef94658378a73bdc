"""What runs code later: a command can't change it, and leaves nothing new of it in the person's folder."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_boxes import WHY_NOT

from gemot.boxes import Bind, Call, Ended, Key, once
from gemot.drivers.errors import ToolError
from gemot.drivers.place import Place, PlaceMount
from gemot.drivers.shell import run as shell

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"NOTHING ABOUT WALLS IS TESTED HERE: {WHY_NOT}")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where gemot keeps what it moved aside."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("GEMOT_HOME", str(folder))
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def sh(work: Path, command: str, **facts: Any) -> Ended:
    call = Call(("/bin/sh", "-c", command), folder="/work", seconds=60)
    return asyncio.run(once(Key("test", (Bind(str(work), "/work", True, **facts),)), call))


def kept(home: Path) -> list[str]:
    return sorted(one.name for one in home.rglob("*") if one.is_file() or one.is_symlink())


NEW = [
    ".envrc", ".vscode/tasks.json", "CLAUDE.md", ".github/workflows/ci.yml", ".ssh/authorized_keys", ".git/hooks/pre-commit",
    ".hg/hgrc", ".svn/entries", ".jj/repo", ".bzr/branch.conf", "CVS/Root", ".fslckout", ".repo/manifest.xml",
    "a/b/c/d/e/f/.envrc", "a/b/c/d/e/f/.git/config", ".ENVRC", "Claude.MD", ".envrc.", ".env\u200brc",
    "__pycache__/helper.cpython-311.pyc", "helper.pyc", "helper.cpython-311-x86_64-linux-gnu.so", "helper.so", "my.pth",
    "sitecustomize.py", "usercustomize.py", "conftest.py", ".pylintrc", "eslint.config.js", ".latexmkrc", ".tmux.conf", ".lvimrc",
    ".exrc", ".local/bin/ls", "node_modules/.bin/tsc", ".config/i3/config", "WARP.md", ".crush.json", ".config/autostart/x.desktop",
    ".config/systemd/user/x.service", "bare/HEAD",
]  # fmt: skip


@pytest.mark.parametrize("path", NEW)
def test_a_new_file_that_runs_later_is_not_left_in_the_folder(path: str, work: Path, home: Path) -> None:
    ended = sh(work, f"mkdir -p '{os.path.dirname(path) or '.'}'; echo evil > '{path}'; echo fine > notes.md")
    assert ended.code == 0 and len(ended.aside) == 1 and f"/work/{path}".startswith(ended.aside[0]), ended
    assert not os.path.lexists(work / path)
    assert (work / "notes.md").read_text() == "fine\n"
    assert os.path.basename(path) in " ".join(kept(home)), "nothing is lost"


@pytest.mark.parametrize("path", [one for one in NEW if not one.endswith(".pyc")])
def test_a_file_that_is_there_and_runs_later_is_read_only(path: str, work: Path) -> None:
    (work / path).parent.mkdir(parents=True, exist_ok=True)
    (work / path).write_text("the person's")
    ended = sh(work, f"echo evil > '{path}'; rm -f '{path}'; ln -sf /tmp '{path}'; true")
    assert (work / path).read_text() == "the person's" and ended.code == 0
    assert not ended.aside


def test_a_compiled_file_that_was_there_is_not_replaced_by_another(work: Path) -> None:
    (work / "__pycache__").mkdir()
    file = work / "__pycache__" / "a.cpython-311.pyc"
    file.write_text("old")
    assert sh(work, f"echo evil > __pycache__/{file.name}").aside == (f"/work/__pycache__/{file.name}",)
    assert not file.exists()


@pytest.mark.parametrize(
    "command",
    [
        "mkdir code; echo evil > code/tasks.json; mv code .vscode",
        "mkdir -p x/workflows; echo evil > x/workflows/a.yml; mv x .github",
        "mkdir -p x/git; echo evil > x/git/config; mv x .config",
        "echo evil > x; ln x .envrc; rm x",
        "echo evil > x; ln -s x .envrc",
        "ln -s .envrc x; echo evil > x",
        "mkdir -p d; echo evil > d/.envrc; chmod 0 d",
        "mkdir -p d; echo evil > d/.envrc; chmod 0 d .",
        "echo evil > .envrc; chmod 0 .",
        "(sleep 0.2; echo evil > .envrc) & sleep 0.4",
        "i=0; while [ $i -lt 90 ]; do mkdir d; cd d; i=$((i+1)); done; echo evil > .envrc",
        "mkdir -p any/objects any/refs; echo 'ref: refs/heads/x' > any/HEAD; echo evil > any/config",
        "mkfifo .envrc",
        "mkdir -p .envrc/a/b; chmod 0 .envrc/a .envrc",
    ],
)
def test_no_way_of_making_it_leaves_one(command: str, work: Path) -> None:
    ended = sh(work, command)
    assert ended.aside, ended
    left = [os.path.join(folder, name) for folder, folders, names in os.walk(work) for name in (*folders, *names)]
    named = {".envrc", ".vscode", "workflows", "git", "config"}
    assert not [one for one in left if os.path.basename(one) in named], left
    assert os.access(work, os.R_OK | os.W_OK | os.X_OK) and work.stat().st_mode & 0o700 == 0o700


def test_a_command_that_is_stopped_leaves_none_either(work: Path) -> None:
    call = Call(("/bin/sh", "-c", "echo evil > .envrc; sleep 60"), folder="/work", seconds=0.5)
    ended = asyncio.run(once(Key("test", (Bind(str(work), "/work", True),)), call))
    assert ended.stopped == "time" and ended.aside == ("/work/.envrc",) and not (work / ".envrc").exists()


def test_a_command_that_is_cancelled_leaves_none_either(work: Path) -> None:
    async def cancelled() -> None:
        call = Call(("/bin/sh", "-c", "echo evil > .envrc; sleep 60"), folder="/work")
        task = asyncio.create_task(once(Key("test", (Bind(str(work), "/work", True),)), call))
        while not (work / ".envrc").exists():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not (work / ".envrc").exists()


def test_what_a_person_named_is_changed_and_nothing_else(work: Path) -> None:
    (work / ".github" / "workflows").mkdir(parents=True)
    (work / ".github" / "workflows" / "ci.yml").write_text("old")
    ended = sh(work, "echo new > .github/workflows/ci.yml; echo evil > .envrc", keep=(".github/workflows",))
    assert ended.aside == ("/work/.envrc",) and (work / ".github/workflows/ci.yml").read_text() == "new\n"
    assert sh(work, "mkdir -p a; echo evil > a/.envrc", keep=("a",)).aside, (
        "a folder that runs nothing allows nothing in it"
    )


def test_ordinary_files_are_written_renamed_and_removed_as_ever(work: Path) -> None:
    (work / "src").mkdir()
    (work / "src" / "old.py").write_text("x = 1\n")
    command = "mv src/old.py src/new.py; mkdir -p deep/er; echo a > deep/er/a.txt; echo 'all:' > Makefile; echo x > libmine.so"
    ended = sh(work, f"{command}; python3 -c 'import sys; sys.path.insert(0, \"src\"); import new; print(new.x)'")
    assert (ended.code, ended.out.text(), ended.aside) == (0, "1\n", ()), ended
    assert sorted(str(one.relative_to(work)) for one in work.rglob("*") if one.is_file()) == [
        "Makefile", "deep/er/a.txt", "libmine.so", "src/new.py",
    ]  # fmt: skip


# -- version control in all its forms -------------------------------------------------------------------------------


def git(folder: Path, *words: str) -> None:
    facts = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *facts, *words], cwd=folder, check=True, capture_output=True)


def changed(work: Path, path: str) -> bool:
    """Whether a command could change something at a path that is there, or leave something new there."""
    before = (work / path).read_bytes() if (work / path).is_file() else None
    sh(work, f"mkdir -p '{os.path.dirname(path) or '.'}'; echo evil >> '{path}'")
    after = (work / path).read_bytes() if (work / path).is_file() else None
    return before != after


def test_a_git_that_is_a_link_is_guarded(work: Path) -> None:
    git(work, "init", "-q", ".")
    (work / ".git").rename(work / "store")
    (work / ".git").symlink_to("store")
    assert not changed(work, "store/hooks/pre-commit") and not changed(work, "store/config")
    ended = sh(work, "rm .git; mkdir .git; echo evil > .git/config")
    assert ended.aside == ("/work/.git",) and os.readlink(work / ".git") == "store"
    sh(work, "rm -f .git")
    assert os.readlink(work / ".git") == "store"


def test_a_worktree_a_submodule_and_a_bare_repository_are_guarded(work: Path) -> None:
    (work / "main").mkdir()
    git(work / "main", "init", "-q", ".")
    git(work / "main", "commit", "-q", "--allow-empty", "-m", "x")
    git(work / "main", "worktree", "add", "-q", "../other")
    git(work, "clone", "-q", "--bare", "main", "any-name")
    git(work / "main", "submodule", "--quiet", "add", str(work / "any-name"), "sub")
    for path in (
        "main/.git/hooks/pre-commit", "other/.git", "any-name/hooks/post-receive", "any-name/config", "main/sub/.git",
        "main/.git/modules/sub/hooks/pre-commit",
    ):  # fmt: skip
        assert not changed(work, path), path
    assert changed(work, "main/sub/ordinary.txt") and changed(work, "other/ordinary.txt")


def test_a_repository_apart_is_guarded(work: Path) -> None:
    (work / "tree").mkdir()
    git(work / "tree", "init", "-q", "--separate-git-dir", "../apart", ".")
    assert not changed(work, "apart/hooks/pre-commit") and not changed(work, "tree/.git")


def test_what_the_configuration_of_git_names_is_guarded(work: Path) -> None:
    git(work, "init", "-q", ".")
    git(work, "config", "core.hooksPath", "scripts/hooks")
    git(work, "config", "include.path", "../more.gitconfig")
    git(work, "config", "core.fsmonitor", "./tools/watch.sh --fast")
    git(work, "config", "filter.x.clean", "tools/clean %f")
    git(work, "config", "alias.st", "!./tools/status")
    for name in ("tools/watch.sh", "tools/clean", "tools/status", "tools/free"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("#!/bin/sh\n")
    for path in ("scripts/hooks/pre-commit", "more.gitconfig", "tools/watch.sh", "tools/clean", "tools/status"):
        assert not changed(work, path), path
    assert changed(work, "tools/free") and changed(work, "scripts/other")


def test_what_a_hook_or_another_guarded_link_leads_to_is_guarded(work: Path) -> None:
    git(work, "init", "-q", ".")
    (work / "check.sh").write_text("#!/bin/sh\n")
    (work / ".git/hooks/pre-commit").symlink_to("../../check.sh")
    (work / "words.md").write_text("Be kind.\n")
    (work / "CLAUDE.md").symlink_to("words.md")
    (work / "env").write_text("x=1\n")
    os.link(work / "env", work / ".envrc")
    for path in ("check.sh", "words.md", "env"):
        assert not changed(work, path), path


def test_the_top_of_a_mount_may_be_a_repository_itself(work: Path) -> None:
    git(work, "init", "-q", "--bare", ".")
    assert not changed(work, "hooks/post-receive") and not changed(work, "config")


# -- what a box can't be kept from opening again --------------------------------------------------------------------


def test_a_box_opens_again_after_the_top_was_closed(work: Path) -> None:
    sh(work, "chmod 0 /work")
    assert sh(work, "echo here > a; cat a").out.text() == "here\n"


def test_a_box_opens_again_beside_more_folders_than_anybody_counts(work: Path) -> None:
    for number in range(20_001):
        os.mkdir(work / f"d{number}")
    (work / "d20000" / ".envrc").write_text("x")
    ended = sh(work, "echo here > a; cat a; echo evil > d20000/.envrc; echo evil > d3/.envrc")
    assert ended.out.text() == "here\n" and ended.aside == ("/work/d3/.envrc",)
    assert (work / "d20000" / ".envrc").read_text() == "x"


def test_where_many_files_run_later_their_folders_are_read_only(work: Path) -> None:
    for number in range(900):
        folder = work / f"d{number % 30}" / f"e{number}"
        folder.mkdir(parents=True)
        (folder / "conftest.py").write_text("x")
    ended = sh(work, "for n in 0 1 2; do echo evil > d$n/e$n/conftest.py; done; echo here > a; cat a")
    assert ended.out.text() == "here\n" and not ended.aside
    assert all(one.read_text() == "x" for one in work.rglob("conftest.py"))


# -- as a tool ------------------------------------------------------------------------------------------------------


def test_a_process_is_told_what_was_moved_aside_and_what_would_work(work: Path) -> None:
    said = asyncio.run(shell(Place((PlaceMount("work", str(work), "rw"),)), "echo evil > .envrc"))
    assert said["set_aside"].startswith("/work/.envrc: ") and "keep" in said["set_aside"]
    said = asyncio.run(shell(Place((PlaceMount("work", str(work), "rw"),)), "echo evil > .envrc", keep=".envrc"))
    assert "set_aside" not in said and (work / ".envrc").read_text() == "evil\n"


def test_a_command_that_meets_a_read_only_path_is_told_why(work: Path) -> None:
    git(work, "init", "-q", ".")
    place = Place((PlaceMount("work", str(work), "rw"),))
    said = asyncio.run(shell(place, "git config user.name eve"))
    assert "version control" in said["read_only"] and "keep" in said["read_only"], said
    assert "read_only" not in asyncio.run(shell(place, "echo a > b; cat nothing"))


def test_a_kept_path_that_nothing_runs_is_refused_with_what_would_do(work: Path) -> None:
    place = Place((PlaceMount("work", str(work), "rw"),))
    with pytest.raises(ToolError, match=r"'?notes.md'?.*such as .git or conftest.py"):
        asyncio.run(shell(place, "true", keep="notes.md"))


def test_thousands_of_compiled_files_do_not_hide_what_else_was_moved_aside(work: Path) -> None:
    place = Place((PlaceMount("work", str(work), "rw"),))
    command = "mkdir a; for n in $(seq 60); do echo x > a/m$n.pyc; done; mkdir z; echo x > z/pyvenv.cfg"
    said = asyncio.run(shell(place, command))
    assert "/work/z/pyvenv.cfg" in said["set_aside"] and len(said["set_aside"]) < 1_000, said


def test_in_a_copy_only_version_control_is_read_only(work: Path) -> None:
    git(work, "init", "-q", ".")
    place = Place((PlaceMount("work", str(work), "rw", copy=True),))
    said = asyncio.run(shell(place, "echo a > conftest.py; echo evil > .git/config"))
    assert "set_aside" not in said and (work / "conftest.py").read_text() == "a\n"
    assert "evil" not in (work / ".git/config").read_text()
