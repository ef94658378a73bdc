"""A failing test in a small repository is mended on a copy, held against the tests, and merged; or nothing is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from people import ROOT, SCRIPTS, Done, Person

from gemot.boxes import guarantees
from gemot.drivers.boxed import WALLS

WHY_NOT = str(guarantees().missing(WALLS) or "")
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"NOBODY MENDS ANYTHING HERE: {WHY_NOT}")

CHECK = "python3 -m unittest"


def mend(person: Person, hand: str, *words: str, code: int = 0) -> Done:
    shop = person.work / "shop"
    if not shop.exists():
        shutil.copytree(ROOT / "examples" / "shop", shop, ignore=shutil.ignore_patterns("__pycache__"))
    goal = ("run", "An invoice comes out a cent too low. Mend it.", "--program", "coder", "--set", f"check={CHECK}")
    return person.gemot(
        *goal, "--work", "shop", "--model", f"scripted:{SCRIPTS / 'coding.py'}:{hand}", *words, code=code
    )


def passes(folder: Path) -> bool:
    return (
        subprocess.run(
            [sys.executable, "-B", "-m", "unittest"], cwd=folder, capture_output=True, check=False
        ).returncode
        == 0
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_failing_test_is_mended_and_the_receipts_show_it(person: Person) -> None:
    done = mend(person, "mends")
    assert done.out.startswith("merged 1: shop/money.py\n'python3 -m unittest' passes in the folder (it failed before")
    shop = person.work / "shop"
    example = contents(ROOT / "examples" / "shop")
    assert passes(shop)
    now = contents(shop)
    assert {path for path in now if now[path] != example.get(path)} == {"shop/money.py"}, "and nothing else is there"

    hand, after = (person.gemot("receipt", pid).out for pid in ("3", "4"))
    assert 'shell/run {"command":"python3 -m unittest"}, exit code 0' in hand
    assert "the tests pass: shell/run" in hand
    assert "exit code 0" in after and "shell/run" in after
    log = person.gemot("log", "3").out
    assert "was not accepted" in log and "FAILED" in log, "the first try came back with what the tests said"
    assert person.gemot("replay", "--check").code == 0


def test_a_hand_that_only_says_so_changes_nothing(person: Person) -> None:
    done = mend(person, "lies", code=1)
    assert "not done, and nothing was changed in the folder" in done.err and "gemot diff 3" in done.err
    assert not done.out and "I have mended it" not in done.err.partition("process 1 failed")[2]
    assert contents(person.work / "shop") == contents(ROOT / "examples" / "shop")
    assert not passes(person.work / "shop")
    assert "used no tool" in person.gemot("receipt", "3").out


def test_where_it_may_only_read_it_says_so_before_it_asks_a_model(person: Person) -> None:
    (person.work / "shop").mkdir()
    done = person.gemot(
        "run", "mend it", "--program", "coder", "--set", "check=false", "--work", "shop:ro",
        "--model", f"scripted:{SCRIPTS / 'coding.py'}:mends", code=None,
    )  # fmt: skip
    assert done.code != 0 and "may write" in done.err
    assert "needs --set check=" in person.gemot("run", "mend it", "--program", "coder", code=2).err
