"""Ctrl-C on a real terminal: it reaches gemot, not the command that runs; no moment of it shows a traceback or hangs."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from people import Person

from gemot.boxes import guarantees

SCRIPT = """
import json, time
from gemot.models.scripted import heard, request

def works(question):
    last = heard(question)
    if not last:
        return request("shell/run", command=COMMAND, seconds=60)
    return request("exit", value=last[0].text)

def blocks(question):
    open("begun", "w").close()
    time.sleep(60)
"""
PATIENCE_SECONDS = 40.0


class Terminal:
    """A terminal of its own with one command that is typed there."""

    def __init__(self, pid: int, screen: int) -> None:
        self.pid, self._screen, self.seen = pid, screen, ""

    def press(self, keys: str = "\x03") -> None:
        os.write(self._screen, keys.encode())

    def read(self, file: Path | None = None) -> None:
        """Until a file is there, or the command has ended."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while not (file and file.exists()):
            assert time.monotonic() < ends, self.seen
            if select.select([self._screen], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self._screen, 65_536).decode(errors="replace")
                except OSError:  # nobody is there any more
                    return

    def end(self) -> int:
        self.read()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@contextmanager
def typed(person: Person, *words: str) -> Iterator[Terminal]:
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(person.work)
        os.execve(sys.executable, [sys.executable, "-m", "gemot", *words], person.environment | {"TERM": "dumb"})
    try:
        yield Terminal(pid, screen)
    finally:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(screen)


def goal(person: Person, command: str, function: str = "works") -> tuple[str, ...]:
    script = person.folder / "script.py"
    script.write_text(f"COMMAND = {command!r}\n{SCRIPT}")
    program = person.folder / "config" / "gemot" / "programs" / "typist.md"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(
        '+++\nname = "typist"\ndescription = "Runs."\ngrants = ["shell/run"]\n+++\nRun what you are told.\n'
    )
    return ("run", "go", "--program", "typist", "--work", str(person.work), "--model", f"scripted:{script}:{function}")


needs_walls = pytest.mark.skipif(bool(guarantees().broken), reason="no walls hold on this computer")


@needs_walls
def test_a_command_that_ends_within_the_grace_is_not_interrupted(person: Person) -> None:
    command = "touch begun; for i in 1 2 3 4; do sleep 0.3; echo $i; done | tee lines"
    with typed(person, *goal(person, command)) as terminal:
        terminal.read(file=person.work / "begun")
        terminal.press()
        assert terminal.end() == 130, terminal.seen
    assert (person.work / "lines").read_text() == "1\n2\n3\n4\n"
    resumed = person.gemot("resume")
    assert json.loads(resumed.out) == {"exit_code": 0, "stdout": "1\n2\n3\n4\n", "stderr": ""}


@needs_walls
def test_a_command_that_outlasts_the_grace_is_answered_with_its_output_so_far(person: Person) -> None:
    with typed(person, *goal(person, "echo so far; touch begun; sleep 50")) as terminal:
        terminal.read(file=person.work / "begun")
        terminal.press()
        assert terminal.end() == 130, terminal.seen
        assert "Traceback" not in terminal.seen
    answer = json.loads(person.gemot("resume").out)
    assert answer["stdout"] == "so far\n"
    assert answer["stopped"].startswith("it was interrupted by the person after ")


def test_a_model_that_blocks_does_not_hold_up_a_second_ctrl_c(person: Person) -> None:
    with typed(person, *goal(person, "", "blocks")) as terminal:
        terminal.read(file=person.work / "begun")
        terminal.press()
        presses = 1
        ended = status = 0
        while not ended and presses < 50:  # two at the same moment are one signal
            select.select([], [], [], 0.1)
            terminal.press()
            presses += 1
            ended, status = os.waitpid(terminal.pid, os.WNOHANG)
        assert ended and os.waitstatus_to_exitcode(status) == 130 and presses < 10


@pytest.mark.parametrize("milliseconds", range(20, 420, 80))
def test_ctrl_c_while_gemot_starts_shows_no_traceback(person: Person, milliseconds: int) -> None:
    """From the moment on that Python has come to gemot's own code; before that it is Python's. The moment is what is varied."""
    with typed(person, *goal(person, "true")) as terminal:
        time.sleep(milliseconds / 1000)
        terminal.press()
        terminal.end()
        assert not re.search(r'File "[^"]*/gemot/cli/', terminal.seen), terminal.seen
