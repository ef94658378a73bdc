"""Retract and rewind: what was said is taken back, what was done since is shown; a process goes on from an earlier moment."""

from __future__ import annotations

import sys
from pathlib import Path

from gemot.abi.answers import Retraction
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.plain import inert, plain
from gemot.cli.reach import change
from gemot.cli.wording import joined
from gemot.machine.client import Client
from gemot.machine.machine import Machine


def retract(home: Path | None, pid: int, reason: str, told: int | None, sure: bool) -> int:
    """Show what follows from it, ask, and do it."""
    what = f"what process {pid} said" if told is None else f"what process {pid} was told at {told}"

    async def look(machine: Machine | Client) -> Retraction:
        return await machine.foresee(pid, told)

    async def work(machine: Machine | Client) -> Retraction:
        return await machine.retract(pid, reason, told)

    if not sure:
        for line in _lines(change(home, look), "would be"):
            put(line)
        _confirm(what)
    done = change(home, work)
    put(f"{what} is taken back")
    for line in _lines(done, "was"):
        put(line)
    return DONE


def _lines(done: Retraction, was: str) -> list[str]:
    """What comes of a retraction, in words."""
    lines = [
        f"{len(pids)} {'process' if len(pids) == 1 else 'processes'} {was} {what}: {joined(pids[:SHOWN])}{' and more' if pids[SHOWN:] else ''}"
        for pids, what in (
            (done.told, "told, with a blank in what they read"),
            (done.rewound, "rewound to before they were told"),
            (done.ended, "ended"),
        )
        if pids
    ]
    if done.effects:
        lines.append("what had been done by then by those who had read it, and stays done:")
        lines += [f"  {plain(inert(one))}" for one in done.effects]
    return lines or ["nobody had read it"]


SHOWN = 20


def _confirm(what: str) -> None:
    if not sys.stdin.isatty():
        raise Usage("nobody is here to say yes to this; look at what follows from it, then add --yes")
    put(f"Take back {what}? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Usage("nothing was taken back")


def rewind(home: Path | None, pid: int, to: int, text: str) -> int:
    """Put a process back, and say to where."""

    async def work(machine: Machine | Client) -> None:
        stays = await machine.done_since(pid, to)
        position = await machine.rewind(pid, to, text)
        put(f"process {pid} is where it was at position {position}")
        if stays:
            put("what was done after that stays done, and its model is told so; files are not put back:")
        for line in stays:
            put(f"  {plain(inert(line))}")
        if isinstance(machine, Machine):
            put(f"it sleeps: gemot resume {pid} lets it go on")

    change(home, work)
    return DONE
