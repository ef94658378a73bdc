"""The mutants themselves: they are changes, what meets them notices, and what does not is told. All of them: ``make mutants``."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CODE = """
LIMIT = 3
Names = dict[str, int]
def judge(one: int = 0, *, name: str = "") -> bool:
    'A docstring.'
    if not one or (name in ("a", "b") and all(x < LIMIT for x in [one])):
        raise ValueError(f"{one} is too much", 'a sentence is left alone')
    return max(one, 2) == len(name)
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each change -> the code after it."""
    sys.path.insert(0, str(HERE))
    from mutants import mutants_of

    path = tmp_path_factory.mktemp("code") / "code.py"
    path.write_text(CODE)
    changes: dict[str, str] = {}
    for place, one in enumerate(mutants_of(path)[1]):
        whole, again = mutants_of(path)
        again[place].code(whole)
        changes[one.key.removeprefix("code.py:")] = ast.unparse(whole)
    return changes


def test_every_mutant_is_another_program(changed: dict[str, str]) -> None:
    before = ast.unparse(ast.parse(CODE))
    assert len({before, *changed.values()}) == len(changed) + 1


@pytest.mark.parametrize(
    "change",
    [
        ": 3 -> 4",
        "judge: not one -> one",
        "judge: name in ('a', 'b') -> name not in ('a', 'b')",
        "judge: ('a', 'b') -> ('b',)",
        "judge: 'a' -> ''",
        "judge: '' -> 'mutant'",
        "judge: x < LIMIT -> x <= LIMIT",
        "judge: all((x < LIMIT for x in [one])) -> any((x < LIMIT for x in [one]))",
        "judge: return max(one, 2) == len(name) -> pass",
        "judge: max(one, 2) -> min(one, 2)",
        "judge: max(one, 2) -> one",
        "judge: len(name) -> name",
    ],
)
def test_these_changes_are_made(changed: dict[str, str], change: str) -> None:
    assert change in changed


def test_what_is_for_readers_only_is_left_alone(changed: dict[str, str]) -> None:
    assert not [one for one in changed if "docstring" in one or "sentence ->" in one or "dict[" in one]


@pytest.mark.parametrize(("tests", "says"), [("mutants_rules", "5 killed"), ("mutants", "5 survive")])
def test_the_runner_tells_what_was_noticed_and_what_was_not(tests: str, says: str) -> None:
    command = [sys.executable, str(HERE / "mutate.py"), "rules.py:_source_flaw", "--limit", "5", "--tests", tests]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert says in done.stdout and done.returncode == (0 if "killed" in says else 1), done.stdout + done.stderr
    assert done.stdout.count("survives: rules.py:") == (0 if "killed" in says else 5)


def test_function_behind_a_cache_is_changed_and_what_it_said_before_is_forgotten() -> None:
    command = [
        sys.executable,
        str(HERE / "mutate.py"),
        "documents.py:parsed",
        "--limit",
        "4",
        "--tests",
        "trusted_fields",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "4 killed" in done.stdout and done.returncode == 0, done.stdout + done.stderr
