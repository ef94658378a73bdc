"""A virtual environment for each peer, made when it is first needed, with the versions that ``peers.toml`` pins."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE / ".envs"
OURS = ("gemot", "floor")
"""These run in the environment that the benchmark itself runs in."""


def peers() -> dict[str, list[str]]:
    """Every peer and what is installed for it."""
    return {name: table["install"] for name, table in tomllib.loads((HERE / "peers.toml").read_text()).items()}


def python_of(system: str) -> str:
    """The interpreter that runs a system; its environment is made first if it is missing or of other versions."""
    if system in OURS:
        return sys.executable
    pins = "\n".join(peers()[system])
    place = FOLDER / system / ".venv"
    stamp = FOLDER / system / "installed"
    python = place / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != pins:
        print(f"making an environment for {system}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *peers()[system]], check=True)
        stamp.write_text(pins)
    return str(python)


def versions(system: str) -> list[str]:
    """What is installed for a system, as pip says it."""
    pip = [python_of(system), "-m", "pip", "freeze", "--disable-pip-version-check", "--exclude-editable"]
    return subprocess.run(pip, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
