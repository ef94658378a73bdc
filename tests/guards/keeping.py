"""Keeps the figures of the guard: ``python tests/guards/keeping.py`` measures them, shows what changed, and writes `costs.toml`."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from counting import COMMAND_CALLS_MAX, GROUPS

KEPT = Path(__file__).with_name("costs.toml")
PYTHON = "3.11"
SHARE_MAX = 0.05
"""A larger change than this part of a kept figure fails."""

HEAD = f"""\
# What things cost, in function calls that gemot makes (and bytes): see counting.py. Of Python {PYTHON}.
# A change of more than 5 % in either direction fails tests/guards/test_costs.py. `make guard` writes this file anew: look at what
# changed, and say in the commit why. A figure of {COMMAND_CALLS_MAX} calls is a limit only: counting ends there.
"""


def difference(name: str, kept: int, now: int) -> str:
    """What to say of a figure that is not as it was kept; nothing where it is."""
    if abs(now - kept) <= SHARE_MAX * kept or (kept == COMMAND_CALLS_MAX and now <= kept):
        return ""
    change = f"{100 * (now - kept) / kept:+.1f} %" if kept else "it was 0"
    way = "find the reason" if now > kept else "this is cheaper"
    return f"{name}: {kept} was kept, now {now} ({change}): {way}; if it is meant, `make guard` keeps the new figure"


def main() -> None:
    before = tomllib.loads(KEPT.read_text()) if KEPT.exists() else {}
    lines = [HEAD]
    for group in GROUPS:
        counting = [sys.executable, str(Path(__file__).with_name("counting.py")), group]
        figures = json.loads(subprocess.run(counting, capture_output=True, text=True, check=True).stdout)
        lines.append(f"[{group}]\n" + "".join(f'"{name}" = {figure}\n' for name, figure in figures.items()))
        for name, figure in figures.items():
            kept = before.get(group, {}).get(name)
            print(f"{name}: {figure}" + ("" if kept in (None, figure) else f" (was {kept})"))
    KEPT.write_text("\n".join(lines))


if __name__ == "__main__":
    if "{}.{}".format(*sys.version_info) != PYTHON:
        sys.exit(f"the figures are of Python {PYTHON}; this is {sys.version.split()[0]}")
    main()
