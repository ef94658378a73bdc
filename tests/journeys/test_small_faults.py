"""Small faults at the command line: pipes that never end, outputs that end early, odd places and homes, held journals."""

from __future__ import annotations

import logging
import os
import shlex
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from people import SCRIPTS, Person

from gemot.journal import database
from gemot.journal.contract import JournalError
from gemot.journal.sqlite import SqliteJournal
from gemot.machine.home import Home

MODEL = ("--model", f"scripted:{SCRIPTS / 'stepping.py'}:steps")


def shell(person: Person, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line for a shell, in which `gemot` is this one."""
    gemot = f"{shlex.quote(sys.executable)} -m gemot"
    return subprocess.run(
        ["bash", "-c", command.replace("GEMOT", gemot)],
        cwd=person.work,
        env=person.environment | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("source", ["/dev/zero", "/dev/urandom", "<(yes)"])
def test_a_goal_from_a_pipe_that_never_ends_is_refused(person: Person, source: str) -> None:
    done = shell(person, f"GEMOT run - {shlex.join(MODEL)} < {source}")
    assert done.returncode == 2 and "goal" in done.stderr, done
    assert "mistake in gemot" not in done.stderr and "Traceback" not in done.stderr


def test_a_goal_from_a_pipe_is_read_as_utf_8(person: Person) -> None:
    done = person.gemot("run", "-", *MODEL, "--json", text="\ufeff[]")
    assert '"exit_code":0' in done.out.replace(" ", "")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_an_image_that_is_no_plain_file_is_refused_at_once(person: Person, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(person.work / "x")
    if kind == "folder":
        (person.work / "x").mkdir()
    name = "/dev/zero" if kind == "device" else "x"
    done = person.gemot("run", "[]", *MODEL, "--image", name, code=2)
    assert f"is a {kind}, not a file" in done.err


@pytest.mark.parametrize("words", ["ps", "run x", "programs", "doctor", "run x --work .", "ps --home h", "resume"])
def test_in_a_folder_that_was_removed_every_command_works_or_says_so(person: Person, words: str) -> None:
    done = shell(person, f"mkdir gone; cd gone; rmdir ../gone; GEMOT {words}")
    assert "the system refused" not in done.stderr and "mistake in gemot" not in done.stderr, done
    if done.returncode and "nothing to resume" not in done.stderr:
        assert "not there any more" in done.stderr or "no such folder" in done.stderr, done


def test_an_ascii_locale_without_utf_8_mode_works(person: Person) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    person.files(a__md="x")
    goal = '[["files/write", {"path": "\u00fc.md", "content": "\u00e9"}]]'
    done = person.gemot("run", goal, *MODEL, "--work", str(person.work), **ascii_only)
    assert "mistake in gemot" not in done.err
    assert (person.work / "\u00fc.md").read_text(encoding="utf-8") == "\u00e9"
    assert "IndexError" not in person.gemot("doctor", code=None, **ascii_only).err


def test_a_run_that_nobody_reads_any_more_is_no_success(person: Person) -> None:
    steps = ", ".join(f'["files/find", {{"pattern": "n{number}"}}]' for number in range(400))
    done = shell(
        person, f"GEMOT run '[{steps}]' {shlex.join(MODEL)} --json | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    )
    assert done.returncode == 130 and "gemot resume" in done.stderr, done
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["version", "run '[]' MODEL", "run '[]' MODEL --json", "ps"])
def test_an_output_that_can_not_be_written_ends_with_1_and_one_sentence(person: Person, words: str) -> None:
    person.gemot("run", "[]", *MODEL)
    done = shell(person, f"GEMOT {words.replace('MODEL', shlex.join(MODEL))} > /dev/full")
    assert done.returncode == 1 and "can't be written: No space left" in done.stderr, done
    assert "Exception ignored" not in done.stderr and "Traceback" not in done.stderr


def test_looking_writes_nothing_into_a_home(person: Person) -> None:
    person.gemot("run", "[]", *MODEL)
    (person.home / "lock").unlink()
    person.gemot("ps", "--all")
    assert not (person.home / "lock").exists()


def test_a_journal_that_another_program_holds_is_waited_for_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.05)
    journal = SqliteJournal(tmp_path / "journal.db")
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    said = threading.Event()

    class Releasing:
        def filter(self, _: object) -> bool:
            said.set()
            return True

    logging.getLogger("gemot.journal").addFilter(Releasing())  # pyright: ignore[reportPrivateUsage]

    def release() -> None:
        said.wait(30)
        other.execute("ROLLBACK")

    thread = threading.Thread(target=release)
    thread.start()
    assert journal.append(0, [(1, 1, b"x")], synced=True) == 1
    thread.join()
    assert caplog.text.count("another program holds its lock") == 1


def test_a_journal_that_stays_held_stops_with_what_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.01)
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.0)
    journal = SqliteJournal(tmp_path / "journal.db")
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match=r"held by another program.*`gemot resume`"):
        journal.append(0, [(1, 1, b"x")], synced=True)


def test_forgetting_by_number_with_a_place_says_which_is_too_much(person: Person) -> None:
    person.gemot("remember", "x")
    done = person.gemot("forget", "1", "--of", ".", code=2)
    assert "leave --of out, as in gemot forget 1" in done.err


def test_a_background_machine_ends_when_its_home_is_deleted_and_leaves_the_next_ones_door(person: Person) -> None:
    machine = person.begin("serve")
    person.until(lambda: person.home.exists() and Home(person.home).door.exists())
    person.home.rename(person.folder / "moved")
    second = person.begin("serve")
    _, error = machine.communicate(timeout=60)
    assert machine.returncode == 1 and "was deleted or replaced" in error
    person.until(lambda: Home(person.home).door.exists())
    assert second.poll() is None
    person.gemot("ps")
