"""The code that the documentation shows is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

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
