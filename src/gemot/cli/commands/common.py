"""What commands have in common: their options, and how a command is added."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gemot.abi.limits import PRIORITY
from gemot.cli.failing import Usage

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


def must_do_something(*idle: tuple[object, str, str]) -> None:
    """Refuse options that would do nothing. ``idle``: whether it was typed, the option, and why it would do nothing. Raises :class:`Usage`."""
    for typed, option, why in idle:
        if typed:
            raise Usage(f"{option} would do nothing here: {why}")


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
        help="ask (default): at this terminal; without one, stop when only a person can go on. wait: stay until somebody "
        "answers. no: refuse every action that needs a yes",
    )
    json(made)
    made.add_argument("-q", "--quiet", action="store_true", help="print nothing but the result")
    home(made)


def goal(made: ArgumentParser) -> None:
    """A goal, and who works on it with what."""
    made.add_argument(
        "goal", metavar="GOAL", nargs="?", help="what is to be done, in quotes; - reads it from the standard input"
    )
    made.add_argument("--program", metavar="NAME", help="who does it; gemot programs lists them; default: solo")
    made.add_argument(
        "--model",
        metavar="NAME",
        action="append",
        default=[],
        dest="models",
        help="the model it uses; gemot models lists them; default: embedded. Several, or route:NAME: the next when one fails",
    )
    made.add_argument(
        "--priority",
        type=int,
        metavar="N",
        default=PRIORITY,
        help="its share of the turns where models are busy, from 1 to 9; default: 5",
    )
    made.add_argument(
        "--also-model",
        metavar="NAME",
        action="append",
        default=[],
        help="another model that it and its children may use; repeatable",
    )
    made.add_argument(
        "--work",
        metavar="DIR[:ro|:rw|:cow][,untrusted]",
        help="the folder it works in, or (cow) a copy of it; untrusted: its files came from elsewhere, such as DIR:ro,untrusted. "
        "Default: this one, to read only",
    )
    made.add_argument(
        "--show",
        metavar="PATH",
        action="append",
        default=[],
        dest="shown",
        help="a private path that it may see all the same, such as .env; repeatable",
    )
    made.add_argument(
        "--budget",
        metavar="NAME=N,...",
        default="",
        help="what it may use: tokens, usd, seconds, processes, depth, calls",
    )
    made.add_argument(
        "--grant",
        metavar="TOOL",
        action="append",
        default=[],
        dest="grants",
        help="what it may use, instead of all that its program asks for: a tool, 'driver/*' or a syscall; repeatable",
    )
    made.add_argument("--name", metavar="NAME", default="", help="what its first process is called in ps and tree")
    made.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        dest="settings",
        help="a parameter of the program; repeatable",
    )
    made.add_argument(
        "--check",
        metavar="COMMAND",
        action="append",
        default=[],
        dest="checks",
        help="its result counts only if this command, run on its files behind walls, ends with exit code 0; repeatable",
    )
    made.add_argument(
        "--review",
        choices=("reviewer", "person"),
        action="append",
        default=[],
        dest="reviews",
        help="who must accept its result: another process that only looks, or you; repeatable",
    )


def image(made: ArgumentParser) -> None:
    """Images that are shown with words."""
    made.add_argument(
        "--image",
        metavar="FILE",
        action="append",
        default=[],
        dest="images",
        help="an image that its model is shown with it (PNG, JPEG, GIF, WebP); repeatable",
    )


def typed_goal(typed: Namespace, images: Sequence[str] = ()) -> tuple[Any, ...]:
    """What was typed there, as :func:`gemot.cli.goal.prepared` takes it. ``images``: what is shown with it."""
    return (
        typed.goal,
        typed.program,
        typed.models,
        typed.also_model,
        typed.work,
        typed.budget,
        typed.settings,
        typed.checks,
        typed.reviews,
        typed.priority,
        typed.grants,
        typed.name,
        images,
        typed.shown,
    )
