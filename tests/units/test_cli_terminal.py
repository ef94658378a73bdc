"""What is shown on a terminal of few columns: whole where a person needs it whole, and broken between words."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import gemot

QUESTION = "Which of these colours shall the front door have, given that the neighbours would not see it in any other?"

SCRIPT = f"""
from gemot.models.scripted import heard, request

def asks(question):
    return request("ask", question={QUESTION!r})

def stumbles(question):
    if heard(question):
        return request("exit", value="that was all")
    return request("files/read", path="nothing.txt")
"""


class Screen:
    """A terminal of so many columns, and what is on it after a command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "script.py").write_text(SCRIPT)
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        self._environment = kept | {
            "PYTHONPATH": str(Path(gemot.__file__).parents[1]),
            "GEMOT_HOME": str(folder / "home"),
            "GEMOT_CONFIG": str(folder / "config"),
            "NO_COLOR": "1",
            "TERM": "xterm",
        }

        self.raw = b""

    def __call__(self, *words: str, columns: int = 60) -> list[str]:
        ours, theirs = pty.openpty()
        running = subprocess.Popen(
            [sys.executable, "-m", "gemot", *words],
            cwd=self.folder,
            env=self._environment | {"COLUMNS": str(columns)},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        seen = b""
        while True:
            try:
                more = os.read(ours, 65_536)
            except OSError:  # nobody writes there any more
                break
            if not more:
                break
            seen += more
        running.wait()
        os.close(ours)
        self.raw = seen
        return seen.decode().replace("\r\n", "\n").splitlines()


@pytest.fixture
def screen(tmp_path: Path) -> Screen:
    return Screen(tmp_path)


def _words(lines: list[str]) -> str:
    return " ".join(" ".join(line.removeprefix("  | ") for line in lines).split())


def test_a_question_is_shown_whole_and_its_rest_can_not_pass_for_a_command(screen: Screen) -> None:
    screen("run", "paint", "-q", "--model", "scripted:script.py:asks")
    lines = screen("asks")
    assert QUESTION in _words(lines) and all(len(line) <= 60 for line in lines)
    assert all(line.startswith("  | ") for line in lines[1:-1]) and lines[-1].startswith("    gemot answer 1")


@pytest.mark.parametrize("words", [["programs"], ["models"], ["doctor"], ["log", "1"], ["run", "x", "--program", "z"]])
def test_no_line_is_longer_than_the_terminal_and_nothing_is_cut(screen: Screen, words: list[str]) -> None:
    screen("run", "look", "-q", "--model", "scripted:script.py:stumbles")
    lines = screen(*words)
    assert lines and max(map(len, lines)) <= 60
    assert "…" not in "".join(lines) and "" not in lines


def test_a_narrow_ps_has_room_for_what_each_process_does(screen: Screen) -> None:
    screen("run", "look", "-q", "--model", "scripted:script.py:stumbles")
    assert "solo: look" in "".join(screen("ps", "--all"))
    assert "CACHED" not in screen("ps", "--all")[0] and "CACHED" in screen("ps", "--all", columns=100)[0]


def test_a_failed_use_is_said_to_have_failed_once_and_what_cost_nothing_is_free(screen: Screen) -> None:
    seen = _words(screen("run", "look", "--model", "scripted:script.py:stumbles", columns=100))
    assert "failed: there is no nothing.txt" in seen and "failed: failed" not in seen
    log = _words(screen("log", "1", columns=100))
    assert "out, free" in log and "$0.0000" not in log


def test_a_run_that_can_not_begin_gives_the_cursor_back(screen: Screen) -> None:
    screen("run", "x", "--model", "foo")
    assert screen.raw.count(b"\x1b[?25l") == screen.raw.count(b"\x1b[?25h") == 1
