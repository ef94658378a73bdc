"""Bad input and bad luck: a clear sentence, a code that says which, and nothing lost."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from people import ROOT, SCRIPTS, Person

HELLO = f"scripted:{SCRIPTS / 'trouble.py'}:garbage"


def test_no_goal(person: Person) -> None:
    assert "what is to be done" in person.gemot("run", code=2).err
    assert "what is to be done" in person.gemot("run", "", code=2).err
    assert "what is to be done" in person.gemot("run", "   ", "--model", HELLO, code=2).err


def test_unknown_model_names_what_there_is(person: Person) -> None:
    error = person.gemot("run", "x", "--model", "opnai:gpt-5", code=2).err
    assert "openai" in error


def test_missing_key_names_the_variable(person: Person) -> None:
    for model, variable in (
        ("openai:gpt-5-mini", "OPENAI_API_KEY"),
        ("anthropic:claude-haiku-4-5", "ANTHROPIC_API_KEY"),
    ):
        assert variable in person.gemot("run", "x", "--model", model, "--work", str(person.work), code=None).err


def test_missing_folder(person: Person) -> None:
    assert "no such folder" in person.gemot("run", "x", "--model", HELLO, "--work", "nowhere", code=2).err


def test_unknown_program_names_what_there_is(person: Person) -> None:
    assert "planner" in person.run("trouble.py:garbage", "x", "--program", "planer", code=2).err


def test_unknown_budget_and_parameter(person: Person) -> None:
    assert "tokens" in person.run("trouble.py:garbage", "x", "--budget", "tokns=5", code=2).err
    assert "parameter" in person.run("trouble.py:garbage", "x", "--set", "n=5", code=2).err


def test_a_program_file_with_an_unknown_variable_says_so(person: Person) -> None:
    folder = person.work / ".gemot" / "programs"
    folder.mkdir(parents=True)
    (folder / "mine.md").write_text('+++\nname = "mine"\ndescription = "x"\n+++\nHello $stranger.\n')
    error = person.run("trouble.py:garbage", "x", "--program", "mine", code=2).err
    assert "$stranger" in error and "mine.md" in error


def test_unknown_process_and_ask(person: Person) -> None:
    assert "no process 7" in person.gemot("kill", "7", code=2).err
    assert "no process 7" in person.gemot("send", "7", "hello", code=2).err
    assert "no process 7" in person.gemot("log", "7", code=2).err
    assert "no open ask 7" in person.gemot("answer", "7", "yes", code=2).err


def test_a_journal_of_a_newer_version_is_left_alone(person: Person) -> None:
    person.files(a__txt="hello\n")
    person.run("trouble.py:garbage", "read a.txt")
    database = sqlite3.connect(person.home / "journal.db")
    database.execute("UPDATE about SET value = 99 WHERE key = 'format'")
    database.commit()
    database.close()
    before = (person.home / "journal.db").read_bytes()
    error = person.run("trouble.py:garbage", "read a.txt", code=None)
    assert error.code != 0 and "newer gemot" in error.err
    assert (person.home / "journal.db").read_bytes() == before


def test_a_damaged_journal_says_where_and_salvage_keeps_what_folds(person: Person) -> None:
    person.files(a__txt="hello\n")
    person.run("trouble.py:garbage", "read a.txt")
    person.run("trouble.py:garbage", "read a.txt")
    database = sqlite3.connect(person.home / "journal.db")
    last = database.execute("SELECT max(position) FROM records").fetchone()[0]
    database.execute("UPDATE records SET body = x'00' WHERE position = ?", (last - 1,))
    database.commit()
    database.close()
    error = person.run("trouble.py:garbage", "read a.txt", code=None)
    assert error.code != 0 and f"record {last - 1}" in error.err and "gemot doctor --salvage" in error.err
    person.gemot("doctor", "--salvage", "--yes", code=None)
    kept = [path.name for path in person.home.iterdir() if "damaged" in path.name]
    assert kept, "the damaged journal must be kept"
    processes = person.processes()
    assert processes[0]["state"] == "done"
    assert person.run("trouble.py:garbage", "read a.txt", "-q").out.strip().endswith("ok")


def test_a_file_that_is_no_journal_is_not_touched(person: Person) -> None:
    person.home.mkdir()
    (person.home / "journal.db").write_bytes(b"not a database, but somebody's file\n" * 100)
    before = (person.home / "journal.db").read_bytes()
    error = person.run("trouble.py:garbage", "x", code=None)
    assert error.code != 0 and "journal" in error.err
    assert (person.home / "journal.db").read_bytes() == before


def test_a_home_that_cannot_be_written(person: Person) -> None:
    person.folder.joinpath("file").write_text("")
    error = person.gemot("run", "x", "--model", HELLO, "--home", str(person.folder / "file" / "home"), code=None)
    assert error.code != 0 and "--home" in error.err


def test_two_machines_on_one_journal_are_impossible(person: Person) -> None:
    script = person.folder / "second.py"
    script.write_text(
        "import asyncio, gemot, sys\n"
        "async def main():\n"
        "    async with await gemot.Machine.open(sys.argv[1]):\n"
        "        try:\n"
        "            await gemot.Machine.open(sys.argv[1])\n"
        "        except Exception as error:\n"
        "            print(type(error).__name__, error)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), str(person.home)],
        env=person.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("Busy") and "running on" in done.stdout


@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="a full disk is a small one that only root can mount"
)
def test_a_full_disk_stops_the_machine_and_loses_nothing(person: Person) -> None:
    disk = person.folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this computer does not let us mount a small disk")
    try:
        home = disk / "home"
        person.files(a__txt="hello\n")
        assert person.run("trouble.py:garbage", "read a.txt", "-q", "--home", str(home)).out.strip().endswith("ok")
        filling = disk / "filling"
        with filling.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        done = person.run("trouble.py:spender", "for ever", "--home", str(home), code=None)
        assert done.code == 1 and ("full" in done.err or "can't be written" in done.err), done
        started = person.gemot("resume", "--detach", "--home", str(home), code=1).err
        assert "full" in started or "can't be written" in started or "make room" in started, started
        filling.unlink()
        states = [one["state"] for one in person.notes(person.gemot("ps", "--all", "--json", "--home", str(home)))]
        assert states[0] == "done"
        assert person.run("trouble.py:garbage", "read a.txt", "-q", "--home", str(home)).out.strip().endswith("ok")
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_stdout_that_nobody_reads_is_no_error(person: Person) -> None:
    person.files(a__txt="hello\n")
    person.run("trouble.py:garbage", "read a.txt")
    reader = subprocess.run(
        f"{shlex.quote(sys.executable)} -m gemot log 1 | head -1",
        shell=True,
        env=person.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in reader.stderr and "BrokenPipe" not in reader.stderr


def test_every_command_has_help_and_the_package_has_a_version(person: Person) -> None:
    text = person.gemot("--help").out
    for command in (
        "run",
        "ps",
        "tree",
        "log",
        "send",
        "asks",
        "answer",
        "kill",
        "fork",
        "move",
        "resume",
        "models",
        "doctor",
    ):
        assert command in text
        assert "usage" in person.gemot(command, "--help").out.lower()
    assert "0.1.0" in person.gemot("version").out
    assert (ROOT / "README.md").exists() and Path(sys.executable).exists()


def test_a_bound_in_money_needs_a_price(person: Person) -> None:
    done = person.gemot("run", "x", "--model", "hand:http://127.0.0.1:9/v1", "--budget", "usd=1", code=2)
    assert "tokens=" in done.err
