"""Export, import, archive: a tree to one file, from one file, and out of the journal."""

from __future__ import annotations

import sys
from pathlib import Path

from gemot.authority.narrowing import listed
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.options import marked
from gemot.cli.paint import print_whole
from gemot.cli.plain import one_line
from gemot.cli.reach import change
from gemot.cli.wording import plural, seconds
from gemot.kernel.process import Process
from gemot.machine import carrying
from gemot.machine.client import Client
from gemot.machine.machine import Machine


def _here(machine: Machine | Client) -> Machine:
    if isinstance(machine, Client):
        raise Usage("a machine is at work in this home; let it end (or stop it with Ctrl-C), then try again")
    return machine


def export(home: Path | None, pid: int, file: Path) -> int:
    _free(file)

    async def work(machine: Machine | Client) -> None:
        _here(machine).export(pid, file)
        put(f"the tree of {pid} is in {file}; gemot import brings it into another machine")

    change(home, work)
    return DONE


def archive(home: Path | None, pid: int, file: Path) -> int:
    _free(file)

    async def work(machine: Machine | Client) -> None:
        _here(machine).archive(pid, file)
        put(f"the tree of {pid} is in {file}, and not in this machine any more")

    change(home, work)
    return DONE


def _free(file: Path) -> None:
    if file.exists():
        raise Usage(f"{file} exists; name another file")


def bring(home: Path | None, file: Path, mounts: list[str], sure: bool) -> int:
    named = [_mount(one) for one in mounts]
    folders = {name: folder for name, folder, _ in named}
    untrusted = {name for name, _, is_untrusted in named if is_untrusted}
    carried = carrying.read(file)
    for line in _summary(carried, folders):
        print_whole(line, lead="  | ")
    if not sure:
        _confirm()

    async def work(machine: Machine | Client) -> None:
        root = await _here(machine).adopt(carried, folders, untrusted)
        ended = not any(one.alive for one in carried.processes())
        how = (
            f"as they ended; gemot tree {root} shows them" if ended else f"asleep; gemot resume {root} lets them go on"
        )
        put(f"process {root} and what belongs to it are here, {how}")

    change(home, work, new=True)
    return DONE


def _mount(text: str) -> tuple[str, str, bool]:
    name, equals, said = text.partition("=")
    folder, mode, untrusted = marked(said, "--mount")
    if not (name and equals and folder.strip()):
        raise Usage(f"--mount is NAME=DIR, such as work=notes or work=notes:untrusted, not {text!r}")
    if mode is not None:
        raise Usage(f"--mount {text}: an imported tree keeps the mode that its mount has; only :untrusted can be added")
    return name, folder, untrusted


def _summary(carried: carrying.Carried, folders: dict[str, str]) -> list[str]:
    """What comes in, in words: whoever lets it in answers for it."""
    processes = carried.processes()
    first, living = processes[0], [one for one in processes if one.alive]
    left = first.left.frozen()
    lines = [
        f"{plural(len(processes), 'process', 'processes')} ({len(living)} not ended), first {first.pid} {one_line(first.name)}: {one_line(first.brief, 200)}",
        f"it may still use {left.tokens:,} tokens, ${left.usd_micros / 1e6:.2f}, {seconds(left.millis)} of models and tools, and use {', '.join(map(one_line, first.models))}",
        *(f"process {one.pid} may: {one_line(_rights(one), 2_000)}" for one in living[:SHOWN]),
    ]
    if len(living) > SHOWN:
        lines.append(f"and {len(living) - SHOWN} more")
    for mount in carrying.mounts(carried):
        here = folders.get(mount.name)
        lines.append(
            f"/{one_line(mount.name)} ({mount.mode}), there {one_line(mount.folder)}: "
            + (f"here {here}" if here else "not seen here; --mount " + one_line(mount.name) + "=DIR gives it a folder")
        )
    return lines


SHOWN = 8


def _rights(process: Process) -> str:
    return listed(process.grants, process.mounts)


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Usage("nobody is here to say yes to this; look at what it holds, then add --yes")
    put("Let it in? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Usage("it was not let in")
