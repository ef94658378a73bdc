"""The machine is killed, and goes on: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import random
import signal
import time

from people import SCRIPTS, Person


def kill_machine(process) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_killed_in_the_middle_of_a_model_call_it_asks_again_and_writes_nothing_twice(person: Person) -> None:
    thinking = person.folder / "thinking"
    model = f"scripted:{SCRIPTS / 'writing.py'}:slow"
    running = person.begin("run", "think", "--model", model, "--work", str(person.work), THINKING=str(thinking))
    person.until(thinking.exists)
    kill_machine(running)
    assert (person.work / "first.txt").read_text() == "first\n"
    assert "asleep" in person.gemot("ps").out
    assert person.gemot("resume", "-q", HURRY="yes").out.strip() == "thought"
    written = [one for one in person.events() if one["type"] == "trapped" and one["syscall"]["type"] == "call"]
    assert len(written) == 1


def test_killed_at_random_moments_it_finishes_with_every_file_whole_and_written_once(
    person: Person, chance: random.Random
) -> None:
    model = f"scripted:{SCRIPTS / 'writing.py'}:many"
    running = person.begin("run", "write", "-q", "--model", model, "--work", str(person.work))
    for _ in range(8):
        person.until(lambda: person.home.joinpath("journal.db").exists() or running.poll() is not None)
        time.sleep(chance.uniform(0.1, 0.7))
        if running.poll() is not None:
            break
        kill_machine(running)
        running = person.begin("resume", "-q")
    out, err = running.communicate(timeout=60)
    if "nothing" not in err:
        assert running.returncode == 0, err
        assert out.strip() == "25 files"
    assert [one["state"] for one in person.processes()] == ["done"]
    names = sorted(path.name for path in person.work.iterdir() if not path.name.startswith("."))
    assert names == [f"file-{n:02d}.txt" for n in range(25)]
    for n in range(25):
        assert (person.work / f"file-{n:02d}.txt").read_text() == f"{n}\n" * 300
    succeeded = [
        one
        for one in person.events()
        if one["type"] == "done" and one["outcome"]["type"] == "value" and "created" in one["outcome"]["text"].lower()
    ]
    assert len(succeeded) <= 25


def test_interrupted_by_the_person_it_says_how_to_resume_and_does(person: Person) -> None:
    thinking = person.folder / "thinking"
    model = f"scripted:{SCRIPTS / 'writing.py'}:slow"
    running = person.begin("run", "think", "--model", model, "--work", str(person.work), THINKING=str(thinking))
    person.until(thinking.exists)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "gemot resume 1" in err
    assert person.gemot("resume", "1", "-q", HURRY="yes").out.strip() == "thought"


def test_a_closed_terminal_puts_its_work_to_sleep(person: Person) -> None:
    thinking = person.folder / "thinking"
    model = f"scripted:{SCRIPTS / 'writing.py'}:slow"
    running = person.begin("run", "think", "--model", model, "--work", str(person.work), THINKING=str(thinking))
    person.until(thinking.exists)
    running.send_signal(signal.SIGHUP)
    running.communicate(timeout=60)
    assert "asleep" in person.gemot("ps").out
