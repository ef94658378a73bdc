"""Export, import, archive: a tree to one file, from one file, and out of the journal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from gemot.abi.syscalls import Call, name_of
from gemot.authority.narrowing import GONE, described
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.options import marked, model_name
from gemot.cli.paint import print_whole
from gemot.cli.plain import one_line, plain
from gemot.cli.reach import change
from gemot.cli.wording import action, joined, plural, seconds
from gemot.kernel.adopting import disarmed
from gemot.kernel.process import Process
from gemot.kernel.reviewing import in_words
from gemot.machine import carrying
from gemot.machine.client import Client
from gemot.machine.home import not_utf8
from gemot.machine.machine import Machine


def export(home: Path | None, pid: int, file: Path) -> int:
    _free(file)

    async def work(machine: Machine | Client) -> None:
        if isinstance(machine, Client):
            await machine.export(pid, file)
        else:
            machine.export(pid, file)
        put(f"the tree of {pid} is in {file}; gemot import brings it into another machine")

    change(home, work)
    return DONE


def archive(home: Path | None, pid: int, file: Path) -> int:
    _free(file)

    async def work(machine: Machine | Client) -> None:
        if isinstance(machine, Client):
            await machine.archive(pid, file)
        else:
            machine.archive(pid, file)
        put(f"the tree of {pid} is in {file}, and not in this machine any more")

    change(home, work)
    return DONE


def must_be_utf8(file: Path) -> None:
    """Raises :class:`Usage`."""
    if not_utf8(file):
        raise Usage(not_utf8(file))


def _free(file: Path) -> None:
    must_be_utf8(file)
    if file.exists():
        raise Usage(f"{file} exists; name another file")


def bring(home: Path | None, file: Path, mounts: list[str], model: str, sure: bool) -> int:
    must_be_utf8(file)
    named = [_mount(one) for one in mounts]
    folders = {name: folder for name, folder, _ in named}
    untrusted = {name for name, _, is_untrusted in named if is_untrusted}
    model = model_name(model) if model else ""
    carried = carrying.read(file)
    for line in summary(carried, folders, model):
        print_whole(line, lead="  | ")
    unsafe = carrying.unsafe_models(carried)
    if unsafe and not model:
        raise Usage(
            f"the tree names {one_line(unsafe[0], 120)}: a file that came from elsewhere starts no script and chooses no address; "
            "say with --model NAME which model takes its place"
        )
    if not sure:
        _confirm()

    async def work(machine: Machine | Client) -> None:
        if isinstance(machine, Client):
            root = await machine.adopt(file, folders, model, untrusted)
        else:
            root = await machine.adopt(carried, folders, model, untrusted)
        ended = not any(process.alive for process in carried.processes())
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
    if not_utf8(folder):
        raise Usage(f"--mount {name}: {not_utf8(folder)}")
    if mode is not None:
        raise Usage(f"--mount {text}: an imported tree keeps the mode that its mount has; only :untrusted can be added")
    return name, folder, untrusted


def summary(carried: carrying.Carried, folders: dict[str, str], model: str) -> list[str]:
    """Everything that a tree could do here, in words. Nothing is left out: a person decides on it.

    Only the kernel's own words and quoted text stand in it. Nothing in the file counts as decided: each pending action is
    decided again when the tree goes on, and each grant is one that no person has endorsed.
    """
    processes = carried.processes()
    first, living = processes[0], [process for process in processes if process.alive]
    left = first.left.frozen()
    unsafe = set(carrying.unsafe_models(carried))
    models = dict.fromkeys(name for process in living for name in (*process.models, *process.route))
    lines = [
        f"{plural(len(processes), 'process', 'processes')} ({len(living)} not ended), first {first.pid} {_quoted(first.name)}: {_quoted(first.brief, 200)}",
        f"it may still use {left.tokens:,} tokens, ${left.usd_micros / 1e6:.2f}, {seconds(left.millis)} of models and tools, "
        f"{left.processes} more processes at once, {left.calls:,} syscalls",
        *(
            f"model {_quoted(name, 120)}"
            + (
                f": here {_quoted(model) if model else 'not used; --model NAME takes its place'}"
                if name in unsafe
                else ""
            )
            for name in models
        ),
        *_rights(living),
        *(f"process {process.pid} is about to {action}" for process in living for action in _pending(process)),
        *(line for process in living for line in _checks(process)),
        *(
            f"process {process.pid} is woken {_quoted(alarm.text or alarm.every or 'at a time')}"
            for process in living
            for alarm in process.alarms.values()
        ),
    ]
    for mount in carrying.mounts(carried):
        here = folders.get(mount.name)
        lines.append(
            f"/{one_line(mount.name)} ({mount.mode}), there {one_line(mount.folder)}: "
            + (f"here {here}" if here else "not seen here; --mount " + one_line(mount.name) + "=DIR gives it a folder")
        )
    lines.append(
        "nothing of this counts as allowed by you before: pending actions are decided again, and asked about where they must be"
    )
    return lines


def _quoted(text: str, chars_max: int = 80) -> str:
    return f'"{one_line(text, chars_max)}"'


def _rights(living: list[Process]) -> Iterator[str]:
    """Each set of grants once, with the processes that hold it."""
    holders: dict[tuple[str, ...], list[int]] = {}
    for process in living:
        grants = tuple(
            described(disarmed(grant), process.mounts) for grant in process.grants if grant.tool != GONE.tool
        )
        holders.setdefault(grants, []).append(process.pid)
    for grants, pids in holders.items():
        who = f"process {pids[0]} may" if len(pids) == 1 else f"processes {joined(pids)} may"
        yield f"{who}: {'nothing' if not grants else ''}".rstrip()
        yield from (f"  {plain(grant).replace(chr(10), ' ')}" for grant in grants)


def _pending(process: Process) -> Iterator[str]:
    """What a process asked for and has not got: decided again here."""
    if isinstance(process.syscall, Call):
        for work in process.work:
            use = process.syscall.uses[work.index]
            if work.state != "done":
                begun = (
                    " (it was under way; nobody knows how far it came)"
                    if work.state in ("started", "interrupted")
                    else ""
                )
                yield f"use {action(use.tool, use.arguments, chars=2_000)}{begun}"
    elif process.syscall is not None and process.work:
        yield name_of(process.syscall)


def _checks(process: Process) -> Iterator[str]:
    """What is done to look at a result, by the rights of its process or its parent."""
    for check in process.review.checks if process.review is not None else ():
        yield f"the result of process {process.pid} must pass: {_quoted(in_words(check), 500)}"


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Usage("nobody is here to say yes to this; look at what it holds, then add --yes")
    put("Let it in? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Usage("it was not let in")
