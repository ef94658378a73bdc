"""What no process sees, through the command line: gemot's own folders and private files, in the file tools, copies and boxes."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from people import SCRIPTS, Done, Person

from gemot.boxes import guarantees
from gemot.drivers.boxed import WALLS

STEPPER = """+++
name = "stepper"
description = "Does the steps that it is told."
grants = ["files/*", "shell/run", "python/run", "copies/*", "spawn", "wait"]
+++
Do it. $files
"""
SECRET = "my bank code is 4711"
SHELL = not guarantees().missing(WALLS)
LOOK = "ls -laR . 2>&1; cat $(find . -type f) 2>&1; true"


def stepper(person: Person) -> Person:
    """A person whose program `stepper` may use files and commands."""
    config = person.folder / "config" / "gemot" / "programs"
    config.mkdir(parents=True)
    (config / "stepper.md").write_text(STEPPER)
    return person


def steps(person: Person, wanted: list[tuple[str, dict[str, Any]]], *words: str, cwd: Path | None = None) -> list[Any]:
    """What came of each step of one run."""
    done = typed(person, wanted, *words, cwd=cwd)
    assert done.code == 0, done
    results = json.loads(done.out)
    assert len(results) == len(wanted), done
    return results


def typed(
    person: Person, wanted: list[tuple[str, dict[str, Any]]], *words: str, cwd: Path | None = None, **environment: str
) -> Done:
    """`gemot run` with these steps."""
    model = f"scripted:{SCRIPTS / 'stepping.py'}:steps"
    goal = json.dumps(wanted)
    before = person.work
    person.work = cwd or before
    try:
        return person.gemot("run", goal, "--program", "stepper", "--model", model, *words, code=None, **environment)
    finally:
        person.work = before


def everything(path: str = ".") -> list[tuple[str, dict[str, Any]]]:
    """Every way to look at a folder, and into the usual places of a home."""
    looks: list[tuple[str, dict[str, Any]]] = [
        ("files/list", {"path": path}),
        ("files/find", {"pattern": "*", "path": path}),
        ("files/search", {"text": "bank code", "path": path}),
        ("files/search", {"text": "SECRET=", "path": path}),
    ]
    return [*looks, ("shell/run", {"command": LOOK})] if SHELL else looks


def plant(person: Person, home: Path) -> None:
    """A run on a copy, in this home, whose copy holds a secret; and one that is remembered in the journal's words."""
    person.files(a__txt="hello\n")
    wanted: list[Any] = [("files/write", {"path": "draft.md", "content": SECRET})]
    done = typed(person, wanted, "--work", f"{person.work}:cow", "--home", str(home))
    assert done.code == 0, done
    assert list(home.glob("spaces/*/tree/draft.md"))


@pytest.mark.parametrize("mode", ["ro", "rw", "cow"])
def test_the_machines_home_in_the_work_folder_is_seen_by_no_tool(person: Person, mode: str) -> None:
    stepper(person)
    other, home = person.work / "other home", person.work / "deep" / "machine"
    plant(person, other)
    plant(person, home)
    results = steps(person, everything(), "--work", f"{person.work}:{mode}", "--home", str(home))
    told = json.dumps(results)
    assert SECRET not in told and "journal.db" not in told and "draft.md" not in told, told
    assert "a.txt" in results[0]["text"] and "hello" in told if SHELL else True
    for one in (home,) if mode == "cow" else (home, other):  # of the other one nothing is in a copy
        inside = f"{one.relative_to(person.work)}"
        tries: list[Any] = [
            ("files/read", {"path": f"{inside}/spaces/1-work/tree/draft.md"}),
            ("files/facts", {"path": f"{inside}/journal.db"}),
            ("files/list", {"path": inside}),
        ]
        if mode != "ro":
            tries.append(("files/write", {"path": f"{inside}/new.txt", "content": "x"}))
        assert not any(
            one["ok"] for one in steps(person, tries, "--work", f"{person.work}:{mode}", "--home", str(home))
        )
    assert not (home / "new.txt").exists()


def test_a_configuration_folder_that_is_not_there_yet_is_not_made_by_a_process(person: Person) -> None:
    stepper(person)
    shutil.rmtree(person.folder / "config")
    elsewhere = person.folder / "elsewhere"
    (elsewhere / "programs").mkdir(parents=True)
    (elsewhere / "programs" / "stepper.md").write_text(STEPPER)
    program = {"path": "config/gemot/programs/evil.py", "content": "print(1)"}
    wanted: list[Any] = [
        ("files/write", program),
        ("files/write", program | {"path": "Config/GEMOT/programs/evil.py"}),
        ("files/write", {"path": "new.txt", "content": "x"}),
    ]
    done = typed(
        person,
        wanted,
        "--work",
        str(person.folder),
        GEMOT_CONFIG=str(elsewhere),
        XDG_CONFIG_HOME=str(person.folder / "config"),
    )
    first, second, third = json.loads(done.out)
    assert not first["ok"] and not second["ok"] and "gemot's own" in first["text"] and third["ok"]
    assert not (person.folder / "config" / "gemot" / "programs").exists()


def test_the_usual_folders_are_hidden_while_variables_name_others(person: Person) -> None:
    """The person's next command may run without those variables."""
    stepper(person)
    usual = person.folder / ".config" / "gemot"
    usual.mkdir(parents=True)
    (usual / "gemot.toml").write_text(f"# {SECRET}\n")
    program: Any = ("files/write", {"path": ".config/gemot/gemot.md", "content": "x"})
    data: Any = ("files/write", {"path": ".local/share/gemot/models/x.json", "content": "x"})
    cache: Any = ("files/write", {"path": ".cache/gemot/walls-0.json", "content": "x"})
    looks: list[Any] = [("files/read", {"path": ".config/gemot/gemot.toml"}), *everything(".config")]
    results = steps(person, [*looks, data, cache], "--work", f"{person.folder}:rw")
    assert SECRET not in json.dumps(results), results
    assert not results[0]["ok"] and not results[-1]["ok"] and not results[-2]["ok"], results
    (copied,) = steps(person, [program], "--work", f"{person.folder}:cow")
    assert not copied["ok"] and "gemot's own" in copied["text"], copied


def test_a_home_under_other_names_is_seen_by_no_tool(person: Person) -> None:
    stepper(person)
    plant(person, person.home)
    work = person.folder
    (work / "link").symlink_to(person.home.name)
    (work / "chain").symlink_to("link/spaces")
    (person.home / "notes.txt").write_text(SECRET)
    os.link(person.home / "notes.txt", work / "hard")
    moved = work / "moved"
    shutil.copytree(person.home, work / "copied of it")
    tries: list[Any] = [
        ("files/list", {"path": "link"}),
        ("files/list", {"path": "chain"}),
        ("files/list", {"path": "copied of it"}),
        ("files/read", {"path": "link/spaces/1-work/tree/draft.md"}),
        ("files/read", {"path": "hard"}),
        *everything(),
    ]
    told = steps(person, tries, "--work", f"{work}:rw")
    assert not any(one["ok"] for one in told[:5]), told
    assert SECRET not in json.dumps(told)
    person.home.rename(moved)
    person.environment["GEMOT_HOME"] = str(moved)
    assert SECRET not in json.dumps(steps(person, everything(), "--work", f"{work}:rw"))


@pytest.mark.skipif(not SHELL, reason="needs a box")
def test_a_home_that_moves_while_its_machine_runs_stays_hidden(person: Person) -> None:
    stepper(person)
    plant(person, person.work / "m" / "home")
    command = "mv m n; mv n/home n/other; ls -R . ; cat */*/spaces/*/tree/draft.md"
    wanted: list[Any] = [("shell/run", {"command": command}), *everything()]
    done = typed(person, wanted, "--work", f"{person.work}:rw", "--home", str(person.work / "m" / "home"))
    assert SECRET not in done.out and done.code == 0, done
    assert (person.work / "m" / "home" / "journal.db").exists(), "what holds it can't be moved away from inside"


def test_another_machines_home_can_not_be_the_work_folder(person: Person) -> None:
    stepper(person)
    other = person.folder / "other home"
    plant(person, other)
    for inside in (other, other / "spaces"):
        refused = typed(person, [], "--work", f"{inside}:ro")
        assert refused.code == 2 and "gemot's own" in refused.err, refused


def can_bind() -> bool:
    """May this user mount a folder a second time, in a namespace of its own?"""
    command = ["unshare", "-m", "mount", "--bind", "/tmp", "/mnt"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not can_bind(), reason="needs the right to mount")
def test_a_home_that_is_mounted_a_second_time_is_hidden_there(person: Person) -> None:
    stepper(person)
    plant(person, person.home)
    second, part = person.work / "second", person.work / "part"
    second.mkdir()
    part.mkdir()
    model = f"scripted:{SCRIPTS / 'stepping.py'}:steps"
    run = shlex.join(
        [sys.executable, "-m", "gemot", "run", json.dumps(everything()), "--program", "stepper", "--model", model]
    )
    run += " --work .:rw"
    binds = f"mount --bind '{person.home}' second && mount --bind '{person.home}/spaces' part"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{binds} && {run}"],
        cwd=person.work,
        env=person.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "hello" in done.stdout, done
    assert SECRET not in done.stdout and "draft.md" not in done.stdout


@pytest.mark.parametrize("inside", ["", "spaces", "spaces/1-work/tree"])
def test_a_mount_of_gemots_own_folder_is_refused_with_words(person: Person, inside: str) -> None:
    stepper(person)
    plant(person, person.home)
    refused = typed(person, [], "--work", f"{person.home / inside}:ro")
    assert refused.code == 2 and "gemot's own" in refused.err, refused
    file = str(person.folder / "tree.gemot")
    person.gemot("export", "1", file)
    for place in (person.home / inside, person.folder / "config" / "gemot"):
        words = ("import", file, "--mount", f"work={place}", "--yes", "--home", str(person.folder / "new"))
        refused = person.gemot(*words, code=2)
        assert "gemot's own" in refused.err


# -- private paths ------------------------------------------------------------------------------------------


def private(person: Person) -> Person:
    """A work folder with private files in it."""
    stepper(person)
    person.files(a__txt="hello\n", __env=f"SECRET={SECRET}\n", __env__example="SECRET=\n")
    (person.work / "sub" / ".ssh").mkdir(parents=True)
    (person.work / "sub" / ".ssh" / "config").write_text(SECRET)
    (person.work / "sub" / "server.PEM").write_text(SECRET)
    (person.work / "link").symlink_to(".env")
    return person


@pytest.mark.parametrize("mode", ["ro", "rw", "cow"])
def test_private_paths_are_absent_by_default(person: Person, mode: str) -> None:
    private(person)
    tries: list[Any] = [
        ("files/read", {"path": ".env"}),
        ("files/read", {"path": "link"}),
        ("files/list", {"path": "sub/.ssh"}),
        ("files/read", {"path": "sub/server.PEM"}),
        *everything(),
        ("files/read", {"path": ".env.example"}),
    ]
    results = steps(person, tries, "--work", f"{person.work}:{mode}")
    assert not any(one["ok"] for one in results[:4]) and results[-1]["ok"], results
    assert "--show .env" in results[0]["text"] and SECRET not in json.dumps(results)


def test_a_private_path_can_not_be_made_or_changed(person: Person) -> None:
    private(person)
    tries: list[Any] = [
        ("files/write", {"path": "deep/.env", "content": "x"}),
        ("files/edit", {"path": ".env", "old": "SECRET", "new": "X"}),
        ("files/write", {"path": "sub/.ssh/authorized_keys", "content": "x"}),
        ("files/write", {"path": ".ENV.local", "content": "x"}),
    ]
    results = steps(person, tries, "--work", f"{person.work}:rw")
    assert not any(one["ok"] for one in results) and all("private" in one["text"] for one in results), results
    assert not (person.work / "deep").exists() or not list((person.work / "deep").iterdir())
    assert not list((person.work / "sub" / ".ssh").glob("auth*"))


def test_a_private_path_that_is_shown_is_seen_and_what_is_read_bears_its_label(person: Person) -> None:
    private(person)
    tries: list[Any] = [("files/read", {"path": ".env"}), ("files/list", {"path": "sub/.ssh"})]
    first, second = steps(person, tries, "--work", f"{person.work}:ro", "--show", ".env")
    assert first["ok"] and SECRET in first["text"] and not second["ok"]
    assert labels(person)[0]["secrets"] == ["private:.env"]


def labels(person: Person) -> list[dict[str, Any]]:
    """The labels of all tool results of the journal, in order."""
    done = [event["outcome"] for event in person.events() if event["type"] == "done"]
    return [one.get("label", {}) for one in done if one["type"] in ("value", "failure")]


def test_what_the_configuration_calls_private_is_absent_and_what_it_takes_out_is_not(person: Person) -> None:
    private(person)
    (person.work / "bank").mkdir()
    (person.work / "bank" / "code.txt").write_text(SECRET)
    config = person.folder / "config" / "gemot" / "gemot.toml"
    config.write_text(f'[files]\nprivate = ["~/{person.work.name}/bank", "*.note", "!*.pem"]\n')
    person.files(x__note=SECRET)
    tries: list[Any] = [
        ("files/read", {"path": "bank/code.txt"}),
        ("files/read", {"path": "x.note"}),
        ("files/read", {"path": "sub/server.PEM"}),
        ("files/search", {"text": "bank code", "path": "."}),
    ]
    *absent, pem, found = steps(person, tries, "--work", f"{person.work}:ro")
    assert not any(one["ok"] for one in absent) and pem["ok"]
    assert found["text"].count("bank code") == 1
    config.write_text('[files]\nprivate = [".."]\n')
    refused = typed(person, [])
    assert refused.code == 2 and "[files] private" in refused.err


@pytest.mark.skipif(not SHELL, reason="needs a box")
def test_a_box_can_not_move_a_private_file_out_of_its_name(person: Person) -> None:
    private(person)
    command = "mv .env seen; mv sub other; cp .env copy; cat seen copy other/.ssh/config; ln .env hard; cat hard; ls -a"
    (result,) = steps(person, [("shell/run", {"command": command})], "--work", f"{person.work}:rw")
    assert SECRET not in result["text"]
    assert SECRET in (person.work / ".env").read_text() and (person.work / "sub" / ".ssh" / "config").exists()


def test_a_child_can_not_be_shown_what_its_parent_can_not_see(person: Person) -> None:
    private(person)
    wanted: list[Any] = [
        ("spawn", {"brief": "[]", "program": "stepper", "mounts": [{"path": "sub/.ssh", "name": "work"}]})
    ]
    (result,) = steps(person, wanted, "--work", f"{person.work}:rw")
    assert not result["ok"] and "private" in result["text"]


# -- the home folder ----------------------------------------------------------------------------------------


def test_a_run_in_the_home_folder_without_a_terminal_is_refused_and_says_what_would_do(person: Person) -> None:
    stepper(person)
    (person.folder / ".ssh").mkdir()
    (person.folder / "Documents").mkdir()
    for cwd in (person.folder, person.folder.parent, Path("/")):
        done = typed(person, [], cwd=cwd)
        assert done.code == 2 and "--work" in done.err and ":ro" in done.err, done
    told = typed(person, [], cwd=person.folder).err
    assert "Documents/" in told and ".ssh/" in told.partition("would not see")[2]
    assert typed(person, [], "--work", ".:ro", cwd=person.folder).code == 0


@pytest.mark.parametrize(("said", "code"), [("y\n", 0), ("\n", 2)])
def test_a_run_in_the_home_folder_asks_on_a_terminal(person: Person, said: str, code: int) -> None:
    stepper(person)
    mine, theirs = pty.openpty()
    model = f"scripted:{SCRIPTS / 'stepping.py'}:steps"
    command = [sys.executable, "-m", "gemot", "run", "[]", "--program", "stepper", "--model", model, "-q"]
    process = subprocess.Popen(
        command,
        cwd=person.folder,
        env=person.environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(mine, said.encode())
    _, told = process.communicate(timeout=60)
    os.close(mine)
    assert process.returncode == code, told
    assert told.count("Show it all the same?") == 1 and "names at its top" in told
