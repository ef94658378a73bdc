"""What things cost, counted in function calls: no cost grows by more than 5 % unseen, and none shrinks without being kept.

The kept figures stand in `costs.toml`; `make guard` measures them anew and shows what changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from counting import COMMAND_CALLS_MAX, GROUPS, LOOKS, Guarded, Home, loaded, short
from keeping import KEPT, PYTHON, SHARE_MAX, difference

COUNTING = Path(__file__).with_name("counting.py")
pytestmark = pytest.mark.skipif(
    "{}.{}".format(*sys.version_info) != PYTHON,
    reason=f"the figures are of Python {PYTHON}, which counts in its own way",
)


def measured(group: str) -> dict[str, int]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    done = subprocess.run(
        [sys.executable, str(COUNTING), group], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("group", GROUPS)
def test_cost_is_as_it_was_kept(group: str) -> None:
    kept = tomllib.loads(KEPT.read_text())[group]
    now = measured(group)
    print(now)
    assert set(now) == set(kept)
    changed = [words for name, figure in now.items() if (words := difference(name, kept[name], figure))]
    assert not changed, "\n".join(changed)


@pytest.mark.parametrize("now", [95, 100, 105])
def test_change_of_five_percent_is_none(now: int) -> None:
    assert not difference("calls of a turn", 100, now)


@pytest.mark.parametrize("now", [94, 106, 0])
def test_larger_change_is_told_with_both_figures_and_the_way_to_renew_them(now: int) -> None:
    words = difference("calls of a turn", 100, now)
    assert words.startswith("calls of a turn: 100 was kept, now ") and f"now {now} " in words and "make guard" in words
    assert SHARE_MAX == 0.05


def test_figure_at_the_end_of_counting_is_a_limit_only() -> None:
    assert not difference("calls of gemot ps", COMMAND_CALLS_MAX, 7)


def test_counts_are_the_same_for_every_hash_seed() -> None:
    def short(seed: str) -> str:
        words = "import counting, json, tempfile, pathlib\nwith tempfile.TemporaryDirectory() as folder:\n"
        words += "    counting.LONG, counting.FORKS = 40, 3\n    print(counting.conversation(pathlib.Path(folder)))"
        environment = os.environ | {"PYTHONHASHSEED": seed}
        return subprocess.run(
            [sys.executable, "-c", words],
            cwd=COUNTING.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert short("0") == short("1") == short("4711")


HEAVY = (
    "asyncio",
    "ssl",
    "ctypes",
    "gemot.boxes",
    "gemot.drivers.kit",
    "gemot.machine.loop",
    "gemot.models.registry",
    "genai_prices",
    "gemot.programs",
)
"""What a command that looks does not load: more than half of the time of a look."""


@pytest.mark.parametrize("name", [name for name in LOOKS if name != "log"])
def test_look_loads_nothing_of_what_a_machine_is_made_of(name: str, tmp_path: Path) -> None:
    with Guarded(Home(tmp_path).journal, short) as guarded:
        guarded.wait(guarded.machine.result(guarded.start("goal")))
    found = loaded(tmp_path, *LOOKS[name])
    assert "gemot.cli.sight" in found
    assert not [module for module in found if module in HEAVY or module.startswith(tuple(f"{one}." for one in HEAVY))]
