"""The code that the documentation shows is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from embedded_weights import needs_weights

ROOT = Path(__file__).parents[2]


def python_of(page: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S))


def test_library_page_runs_as_it_stands(tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text(python_of("docs/how-to/library.md"))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_library_page_shows_a_program_and_a_tool_in_under_thirty_lines_each() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/how-to/library.md").read_text(), re.S)
    assert all(len(block.splitlines()) < 30 for block in blocks)


@needs_weights
def test_every_command_of_the_tour_does_what_the_readme_says(tmp_path: Path) -> None:
    """In one shell, in order, on the embedded model; what stands after ``# ->`` must be in the output."""
    tour = (ROOT / "README.md").read_text().split("## A tour in five minutes")[1].split("\n## ")[0]
    script = "\n".join(re.findall(r"```sh\n(.*?)```", tour, re.S))
    commands = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "GEMOT_HOME": str(tmp_path / "home"),
        "GEMOT_CONFIG": str(tmp_path / "config"),
    }
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    missing = [text for text in re.findall(r"^# -> (.*)$", script, re.M) if text not in done.stdout]
    assert missing == [], done.stdout + done.stderr
