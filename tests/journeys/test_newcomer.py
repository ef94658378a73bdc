"""The newcomer: a fresh clone, a fresh home, and what the README says to type."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from people import ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that git knows, as they are now, and nothing that was made from them."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    folder = tmp_path / "a fresh clone"
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def make(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    leave_out = ("GEMOT_", "XDG_", "PYTHONPATH", "VIRTUAL_ENV", "MAKE", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(leave_out)}
    return subprocess.run(
        ["make", *words], cwd=clone, env=environment | {"HOME": str(home)}, capture_output=True, text=True, check=False
    )


def test_make_run_does_the_main_job_from_nothing_and_again(clone: Path) -> None:
    first = make(clone, "run")
    assert first.returncode == 0, first.stdout + first.stderr
    good, bad = map(int, re.search(r"(\d+) good, (\d+) bad", first.stdout).groups())  # type: ignore[union-attr]
    assert good + bad == 36 and abs(good - 20) <= 3
    summary = (clone / "build" / "reviews" / "summary.md").read_text()
    assert f"- good: {good}" in summary and f"- bad: {bad}" in summary
    assert len(re.findall(r"^- review-\d\d\.txt$", summary, re.M)) == 36
    assert "36 review-36.txt" in first.stderr or "37 review-36.txt" in first.stderr, "the tree shows each child"
    again = make(clone, "run")
    assert again.returncode == 0, again.stdout + again.stderr
