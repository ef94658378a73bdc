"""The commands as typed: what they print where, and the code they leave with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gemot

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(gemot.__file__).parents[1])}
for name in ("GEMOT_DEBUG", "GEMOT_MODEL", "OPENAI_API_KEY"):
    ENVIRONMENT.pop(name, None)

SCRIPT = """
from gemot.models.scripted import heard, request

def works(question):
    return request("exit", value="all is well")

def asks(question):
    results = heard(question)
    return request("exit", value=results[0].text) if results else request("ask", question="Which?", options=["red", "blue"])

def fails(question):
    return request("exit", failed="there is nothing to count")
"""


class Typed:
    """A terminal without a screen, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "script.py").write_text(SCRIPT)

    def __call__(self, *words: str, line: str = "") -> subprocess.CompletedProcess[str]:
        own = {"GEMOT_HOME": str(self.folder / "home"), "GEMOT_CONFIG": str(self.folder / "config")}
        return subprocess.run(
            [sys.executable, "-m", "gemot", *words],
            cwd=self.folder,
            env=ENVIRONMENT | own,
            input=line,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    return Typed(tmp_path)


def test_result_alone_goes_to_the_standard_output(typed: Typed) -> None:
    done = typed("run", "count", "--model", "scripted:script.py:works")
    assert (done.returncode, done.stdout) == (0, "all is well\n")
    assert "1 solo  done" in done.stderr
    quiet = typed("run", "-", "-q", "--model", "scripted:script.py:works", line="count")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "all is well\n", "")


def test_json_is_one_object_a_line_and_ends_with_the_result(typed: Typed) -> None:
    done = typed("run", "count", "--json", "--model", "scripted:script.py:works")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["type"] == "began"
    assert lines[-1]["type"] == "result" and lines[-1]["value"] == "all is well" and lines[-1]["exit_code"] == 0


def test_run_without_a_terminal_waits_for_its_answer_and_goes_on(typed: Typed) -> None:
    waits = typed("run", "paint", "--model", "scripted:script.py:asks")
    assert waits.returncode == 5
    assert "gemot answer 1 red" in waits.stderr and "gemot resume 1" in waits.stderr
    assert "asleep" in typed("ps").stdout
    assert typed("answer", "1", "green").returncode == 2
    assert "asks you (1): Which?" in waits.stderr and waits.stderr.count("| ask") == 1  # and not twice
    answered = typed("answer", "1", "blue")
    assert answered.returncode == 0 and "answered ask 1 of 1" in answered.stdout + answered.stderr
    resumed = typed("resume", "1", "-q")
    assert (resumed.returncode, resumed.stdout) == (0, "blue\n")


def test_failure_is_said_and_leaves_code_1(typed: Typed) -> None:
    failed = typed("run", "count", "-q", "--model", "scripted:script.py:fails")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "there is nothing to count" in failed.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run"], "what is to be done"),
        (["run", "x", "--model", "opnai:gpt"], "openai"),
        (["run", "x", "--model", "scripted:nowhere.py:f"], "nowhere.py"),
        (["run", "x", "--program", "sloo"], "did you mean solo"),
        (["run", "x", "--work", "nowhere"], "no such folder"),
        (["run", "x", "--budget", "tokens=many"], "must be a number"),
        (["run", "sum", "up"], "in quotes"),
        (["rnu", "x"], "did you mean run"),
        (["rnu", "x"], "--help shows how"),
        (["board", "nonsense"], "no move 'nonsense'. "),
        (["run", "x", "--program", "sloo"], ". gemot programs lists them"),
        (["kill", "7"], "no process 7; gemot ps --all shows"),
        (["log", "7"], "no process 7"),
        (["diff", "7"], "no process 7; gemot ps --all shows"),
        (["receipt", "7"], "no process 7; gemot ps --all shows"),
        (["retract", "7", "wrong"], "no process 7; gemot ps --all shows"),
        (["answer", "7", "yes"], "no open ask 7"),
        (["resume"], "nothing to resume"),
        (["send", "seven", "x"], "a number is needed"),
        ([], "commands"),
    ],
)
def test_what_can_not_be_meant_is_said_in_one_sentence(typed: Typed, words: list[str], says: str) -> None:
    refused = typed(*words)
    assert refused.returncode == 2
    assert refused.stdout == "" and says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_help_is_a_command_too(typed: Typed) -> None:
    assert typed("help").stdout == typed("--help").stdout
    assert typed("help", "run").stdout == typed("run", "--help").stdout


@pytest.mark.parametrize("words", [["ps"], ["kill", "1"], ["log", "1"], ["memories"], ["models"], ["resume"]])
def test_a_home_that_is_named_wrongly_is_not_made(typed: Typed, words: list[str]) -> None:
    refused = typed(*words, "--home", "nowhere")
    assert refused.returncode == 2 and "no such folder" in refused.stderr
    assert not (typed.folder / "nowhere").exists()


def test_ps_of_a_machine_that_did_nothing_yet_points_to_run_only(typed: Typed) -> None:
    assert "no process here yet" in typed("ps", "--all").stdout
    assert "gemot ps --all" in typed("ps").stdout


def test_a_run_that_is_out_of_budget_says_where_more_comes_from(typed: Typed) -> None:
    spent = typed("run", "count", "-q", "--model", "scripted:script.py:works", "--budget", "tokens=10")
    assert spent.returncode == 4 and "--budget gives more" in spent.stderr


def test_importing_the_entry_loads_nothing_heavy() -> None:
    code = "import sys, gemot.cli.main; print([one for one in ('rich', 'asyncio', 'msgspec', 'sqlite3') if one in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=True
    )
    assert loaded.stdout == "[]\n"
