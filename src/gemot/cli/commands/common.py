"""What commands have in common: their options, and how a command is added."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

Adder = Callable[..., ArgumentParser]
"""``command(name, does, about)`` makes a command; ``shown=False`` leaves it out of the help."""


def home(made: ArgumentParser) -> None:
    """Where the machine lives."""
    made.add_argument(
        "--home", type=_folder, metavar="DIR", help="the machine's folder; default: GEMOT_HOME, or your data folder"
    )


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("name a folder; an empty name is none")
    return Path(text)


def json(made: ArgumentParser) -> None:
    """For other programs."""
    made.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")


def pid(made: ArgumentParser, optional: str = "") -> None:
    """Which process."""
    made.add_argument(
        "pid",
        type=int,
        metavar="PID",
        nargs="?" if optional else None,
        help=f"a process of the tree; left out: {optional}" if optional else "a process; gemot ps shows them",
    )


def manner(made: ArgumentParser) -> None:
    """How a person follows the work."""
    made.add_argument(
        "--asks",
        choices=("ask", "wait", "no"),
        default="ask",
        help="ask (default): at this terminal; without one, stop when only a person can go on. wait: stay until somebody "
        "answers. no: refuse every action that needs a yes",
    )
    json(made)
    made.add_argument("-q", "--quiet", action="store_true", help="print nothing but the result")
    home(made)
