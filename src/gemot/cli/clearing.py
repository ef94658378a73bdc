"""Clearing: what `gemot delete` and `gemot archive --older-than` do with many trees that have ended."""

from __future__ import annotations

from pathlib import Path

from gemot.cli import times
from gemot.cli.carry import must_be_utf8
from gemot.cli.config import span
from gemot.cli.dumping import dump
from gemot.cli.failing import DONE, REFUSED, Usage, put, say
from gemot.cli.plain import one_line
from gemot.cli.reach import change
from gemot.cli.wording import plural
from gemot.machine.client import Client
from gemot.machine.machine import Machine
from gemot.machine.retention import Cleared, Ended, Limit, Retention

SHOWN = 20
"""Trees that are named without --json, at most."""


def clear(
    home: Path | None,
    pids: list[int],
    older: str,
    keep: int | None,
    folder: Path | None,
    trial: bool,
    as_json: bool,
) -> int:
    """Let ended trees leave: those of ``pids``, or those that are older than ``older`` and not among the newest ``keep``."""
    if pids and (older or keep is not None):
        raise Usage("name processes, or say --older-than or --keep; not both")
    if not (pids or older or keep is not None):
        raise Usage("say which trees: by a process of each, or by --older-than 30d, or --keep 1000, or both of these")
    if keep is not None and keep < 0:
        raise Usage(f"--keep is how many of the newest stay, not {keep}")
    limit = Limit(keep, span(older, "--older-than") if older else None, both=True)
    if folder is not None:
        must_be_utf8(folder)
        if folder.exists() and not folder.is_dir():
            raise Usage(f"{folder} is a file; name a folder")
        if not trial:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def work(machine: Machine | Client) -> Cleared:
        return await machine.clear(Retention(limit, Limit()), pids or None, folder, trial)

    cleared = change(home, work)
    if as_json:
        dump([*cleared.left, *cleared.stays])
    else:
        _told(cleared, folder, trial)
    return REFUSED if pids and cleared.stays_count else DONE


def _told(cleared: Cleared, folder: Path | None, trial: bool) -> None:
    for tree in cleared.left[:SHOWN]:
        put(_line(tree))
    if cleared.left_count > SHOWN:
        put(f"... and {cleared.left_count - SHOWN:,} more")
    count = plural(cleared.left_count, "tree", "trees")
    where = f" to {folder}" if folder is not None else ""
    say(f"{count} would leave{where}; nothing was changed" if trial else f"{count} left{where}")
    for tree in cleared.stays[:SHOWN]:
        say(f"{tree.root} stays: {one_line(tree.why, 500)}")
    if cleared.stays_count > SHOWN:
        say(f"... and {cleared.stays_count - SHOWN:,} more stay")


def _line(tree: Ended) -> str:
    return f"{tree.root}  {times.when(tree.at)}  {one_line(tree.name, 40)}: {one_line(tree.brief, 80)}"
