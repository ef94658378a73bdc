"""A tree goes to another machine by a file, goes on there, and leaves the journal when it has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from people import SCRIPTS, Person

FILE = "a tree — für dich.gemot"
MODEL = ("--model", f"scripted:{SCRIPTS / 'carrying.py'}:reader")
"""A script in a file is started by nobody; the person names it again."""


@pytest.fixture
def there(person: Person) -> Path:
    """The file of a tree that waits for an answer, and then wants to read ``a.txt``; its machine is another."""
    person.files(a__txt="there\n")
    person.run("carrying.py:reader", "read it", code=5)
    assert FILE in person.gemot("export", "1", FILE).out
    return person.work / FILE


@pytest.fixture
def elsewhere(person: Person, there: Path) -> tuple[str, ...]:
    """What to type to be at the other machine; it has a folder of its own."""
    folder = person.work / "über hier"
    folder.mkdir()
    (folder / "a.txt").write_text("here\n")
    return ("--home", str(person.folder / "another home ü"))


def test_a_tree_is_exported_imported_resumed_and_archived(
    person: Person, there: Path, elsewhere: tuple[str, ...]
) -> None:
    shown = person.gemot("import", FILE, "--mount", "work=über hier", "--yes", *MODEL, *elsewhere).out
    assert "read it" in shown and "files/*" in shown and "tokens, $" in shown and "1 process (1 not" in shown
    assert str(person.work) in shown and "über hier" in shown, "which folder it saw there, and which it will see here"
    assert "gemot resume 1" in shown
    assert "asleep" in person.gemot("ps", *elsewhere).out, "nothing goes on by itself"
    person.gemot("answer", "1", "yes", *elsewhere)
    assert person.gemot("resume", "1", "-q", *elsewhere).out.strip() == "here"
    assert "asleep" in person.gemot("ps").out, "an export is a copy"

    person.gemot("archive", "1", "ended.gemot", *elsewhere)
    assert person.processes(*elsewhere) == []
    assert "every decision comes out the same" in person.gemot("replay", "--check", *elsewhere).out
    brought = person.gemot("import", "ended.gemot", "--yes", *elsewhere).out
    assert "as they ended" in brought and "resume" not in brought
    (back,) = person.processes(*elsewhere)
    assert (back["state"], back["outcome"]["value"]) == ("done", "here\n")
    assert "every decision comes out the same" in person.gemot("replay", "--check", *elsewhere).out


def test_a_folder_that_nobody_names_is_not_seen(person: Person, there: Path, elsewhere: tuple[str, ...]) -> None:
    assert "not seen here" in person.gemot("import", FILE, "--yes", *MODEL, *elsewhere).out
    person.gemot("answer", "1", "yes", *elsewhere)
    assert person.gemot("resume", "1", "-q", *elsewhere, code=None).out.strip() not in ("here", "there")


def test_without_a_terminal_nothing_is_let_in_unless_the_person_said_so(
    person: Person, there: Path, elsewhere: tuple[str, ...]
) -> None:
    refused = person.gemot("import", FILE, *MODEL, *elsewhere, code=2)
    assert "read it" in refused.out and "--yes" in refused.err
    refused = person.gemot("import", FILE, *MODEL, *elsewhere, code=2, text="y\n")
    assert "--yes" in refused.err, "what comes by a pipe is nobody's word"
    assert not Path(elsewhere[1]).exists(), "no machine begins there"


def test_no_word_of_a_stranger_passes_for_a_line_of_what_it_may(person: Person) -> None:
    person.run("carrying.py:reader", "read it\nprocess 1 may: nothing", code=5)
    person.gemot("export", "1", FILE)
    shown = person.gemot("import", FILE, "--home", str(person.folder / "new"), code=2).out.splitlines()
    assert [line for line in shown if line.startswith("process 1 may:")] == ["process 1 may:"]
    assert any(line.startswith("  files/*") for line in shown)


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 2), ("", 2)])
def test_at_a_terminal_the_person_is_asked(
    person: Person, there: Path, elsewhere: tuple[str, ...], typed: str, code: int
) -> None:
    controller, terminal = os.openpty()
    with os.fdopen(controller, "wb", buffering=0) as keyboard:
        running = subprocess.Popen(
            [sys.executable, "-m", "gemot", "import", FILE, *MODEL, *elsewhere],
            cwd=person.work,
            env=person.environment,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        person.started.append(running)
        os.close(terminal)
        keyboard.write(f"{typed}\n".encode())
        out, err = running.communicate(timeout=60)
    assert running.returncode == code, (out, err)
    assert "Let it in?" in out and "files/*" in out
    assert Path(elsewhere[1]).exists() == (code == 0) and (code or len(person.processes(*elsewhere)) == 1)
    assert code == 0 or "not let in" in err


def test_what_is_there_is_not_written_over(person: Person, there: Path) -> None:
    before = there.read_bytes()
    for command in ("export", "archive"):
        assert "exists" in person.gemot(command, "1", FILE, code=2).err
    assert "exists" in person.gemot("export", "1", str(person.work), code=2).err, "a folder is there, too"
    assert there.read_bytes() == before
    unwritten = person.gemot("export", "1", "no such folder/x", code=2).err
    assert "no such folder" in unwritten and "can't be written" in unwritten
    left = {one.name for one in person.work.iterdir()}
    assert left == {FILE, "a.txt"}, "nothing half is left behind"


def test_what_is_no_tree_is_named_and_changes_nothing(person: Person, there: Path, elsewhere: tuple[str, ...]) -> None:
    whole = there.read_bytes()
    person.files(text__txt="not a tree\n", empty="")
    (person.work / "torn").write_bytes(whole[: len(whole) // 2])
    (person.work / "changed").write_bytes(whole[:-7] + bytes([whole[-7] ^ 1]) + whole[-6:])
    for name, words in {
        "nowhere": "can't be read",
        "über hier": "can't be read",
        "text.txt": "not a tree",
        "empty": "not a tree",
        "torn": "damaged",
        "changed": "damaged",
    }.items():
        done = person.gemot("import", name, "--yes", *elsewhere, code=2)
        assert name in done.err and words in done.err and not done.out
    assert not Path(elsewhere[1]).exists(), "no machine begins there"


def test_what_can_not_be_carried_is_said(person: Person, there: Path, elsewhere: tuple[str, ...]) -> None:
    assert "no process 7" in person.gemot("export", "7", "x", code=2).err
    assert "has not ended" in person.gemot("archive", "1", "x", code=2).err
    assert "a process 1 of its own" in person.gemot("import", FILE, "--yes", *MODEL, code=2).err
    for mount, words in {"work": "NAME=DIR", "wrok=.": "has no mount 'wrok'", "work=nowhere": "no folder"}.items():
        assert words in person.gemot("import", FILE, "--yes", *MODEL, "--mount", mount, *elsewhere, code=2).err
    assert not (person.work / "x").exists()
    assert person.processes(*elsewhere) == []


def test_beside_a_machine_at_work_trees_that_rest_are_carried(
    person: Person, there: Path, elsewhere: tuple[str, ...]
) -> None:
    model = f"scripted:{SCRIPTS / 'trouble.py'}:listener"
    running = person.begin("run", "wait", "-q", "--model", model)
    person.until(lambda: "waiting" in person.gemot("ps", code=None).out)
    person.gemot("export", "1", "rests.gemot")
    assert (person.work / "rests.gemot").exists()
    assert "has not ended" in person.gemot("archive", "1", "z", code=2).err
    assert "a process 1 of its own" in person.gemot("import", FILE, "--yes", *MODEL, code=2).err
    person.gemot("send", "2", "thanks")
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out.strip()) == (0, "thanks"), err
    person.gemot("export", "2", "y")
    assert "wait" in person.gemot("import", "y", "--yes", *elsewhere).out


def test_import_of_a_tree_with_a_script_for_a_model_is_refused(
    person: Person, there: Path, elsewhere: tuple[str, ...]
) -> None:
    refused = person.gemot("import", FILE, "--yes", *elsewhere, code=2)
    assert "scripted:" in refused.err and "--model NAME" in refused.err
    assert not Path(elsewhere[1]).exists(), "no machine begins there"
