"""Showing: what a person must say before a process sees a folder that they named nowhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gemot.abi.private import USUAL
from gemot.cli.failing import Usage, say
from gemot.cli.options import Work
from gemot.cli.plain import one_line
from gemot.drivers.place import hides
from gemot.drivers.veil import Veil, veil_of
from gemot.machine.own import Own

NAMES_SHOWN = 12
"""Names that a person is shown of a folder."""
NAMES_COUNTED_MAX = 10_000
"""Names that are counted in it."""


def must_be_meant(work: Work, private: Sequence[str], shown: Sequence[str]) -> None:
    """The folder that the person happens to be in is shown without a word, unless it is their home folder, holds that, or is
    private: then they are asked, or must name it. Raises :class:`Usage`."""
    if work.named:
        return
    own = Own([])
    try:
        veil = veil_of(work.folder, (), own.now(), (USUAL, *private), shown)
        if veil.closed:
            raise Usage(f"{veil.closed}; go to another folder, or name one with --work")
        if veil.inside:
            label = veil.inside[0].partition(":")[2]
            raise Usage(
                f"you are in a folder that is private ({label}); name it with --work {_quoted(work.folder)}:ro if a process is "
                "to see it, or go to another"
            )
        if _holds_home(work.folder):
            _ask(work.folder, veil)
    finally:
        own.close()


def _holds_home(folder: str) -> bool:
    """Is the folder the person's home folder, or one that it lies in?"""
    here = Path(folder).resolve()
    return any(home.is_relative_to(here) for home in _homes())


def _homes() -> list[Path]:
    homes = [os.path.expanduser("~")]
    with suppress(ImportError, KeyError):
        import pwd

        homes.append(pwd.getpwuid(os.geteuid()).pw_dir)
    return [Path(home).resolve() for home in homes if home.startswith("/")]


def _ask(folder: str, veil: Veil) -> None:
    what = _visible(folder, veil)
    option = f"--work {_quoted(folder)}:ro"
    if not sys.stdin.isatty():
        raise Usage(
            f"{what} Nobody is here to say yes to that: name a smaller folder with --work, or this one with {option}"
        )
    say(f"{what} ({option} says so without a question.)")
    say("Show it all the same? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Usage("nothing was shown and nothing begun; go to the folder that it is about, or name one with --work")


def _visible(folder: str, veil: Veil) -> str:
    seen: list[str] = []
    hidden: list[str] = []
    more = ""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir(opened) as listing:
            for count, item in enumerate(listing):
                if count >= NAMES_COUNTED_MAX:
                    more = "more than "
                    break
                name = one_line(item.name, 60) + ("/" if item.is_dir(follow_symlinks=False) else "")
                (hidden if hides(veil, (item.name,), item, opened) else seen).append(name)
    finally:
        os.close(opened)
    told = (
        f"You are in {one_line(folder)}, which is your home folder or holds it, and named no other folder. A process would see "
        f"all of it, to read: {more}{len(seen):,} names at its top"
    )
    if seen:
        told += f" ({', '.join(sorted(seen)[:NAMES_SHOWN])}{', ...' if len(seen) > NAMES_SHOWN else ''}), and all that is in them"
    if hidden:
        dots = ", ..." if len(hidden) > NAMES_SHOWN else ""
        told += f". It would not see what is private or gemot's own: {', '.join(sorted(hidden)[:NAMES_SHOWN])}{dots}"
    return told + "."


def _quoted(folder: str) -> str:
    import shlex

    return shlex.quote(folder)
