"""What walls truly hold on this computer: found out by trying, in real boxes, and kept until it is started anew.

A guarantee is said to hold only if every probe of it failed to get through. What each means:

- ``files``: nothing of the disk is seen but the system's programs and the folders that were given
- ``read-only``: what was not given for writing can't be written, nor can the kernel's settings
- ``network``: no network, no other computer's, the machine's own ports or sockets, whatever the kind of socket
- ``environment``: no variable of the machine, not through the first process either
- ``processes``: no process outside can be seen, signalled or traced, nor the worker's memory touched
- ``privileges``: no capabilities, no way to new ones, no namespace of its own
- ``calls``: a filter refuses the system calls that reach around walls
- ``descriptors``: nothing that the machine has open
- ``time``: a use ends at its deadline, and all that it started ends with it
- ``memory``: of one process (by the kernel), of all together (watched every 20 ms)
- ``tasks``: processes and threads (by the kernel; watched every 20 ms where gemot was started by root)
- ``disk``: the length of a file and the scratch disks (by the kernel), all that is written (watched every 20 ms)
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import socket
import sys
import tempfile
import threading
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
from platformdirs import user_cache_path

from gemot.boxes import bubblewrap, building, filters, inside
from gemot.boxes.box import Box
from gemot.boxes.numbers import AUDIT_ARCH, NUMBERS
from gemot.boxes.shape import Bind, BoxFailed, Call, Ended, Guarantee, Key, Limits

ALL: tuple[str, ...] = get_args(Guarantee)
_MIB = 1 << 20
_SMALL = Limits(
    memory_bytes=192 * _MIB,
    memory_total_bytes=96 * _MIB,
    tasks=16,
    file_bytes=2 * _MIB,
    disk_bytes=4 * _MIB,
    disk_files=200,
    scratch_bytes=4 * _MIB,
    shared_bytes=_MIB,
)
_TRIED = ("mount", "umount2", "unshare", "setns", "ptrace", "keyctl", "add_key", "bpf", "io_uring_setup", "userfaultfd")


class Guarantees(msgspec.Struct, frozen=True):
    """``broken``: guarantee -> why it does not hold here; what is not in it holds. ``landlock``: its version, 0 if none."""

    broken: dict[str, str]
    landlock: int = 0

    @property
    def held(self) -> frozenset[str]:
        return frozenset(ALL) - set(self.broken)

    def missing(self, walls: Iterable[str]) -> dict[str, str]:
        """Those of ``walls`` that do not hold here, and why. Empty: a tool that needs them can be offered."""
        unknown = "there is no such guarantee; there are " + ", ".join(ALL)
        return {wall: self.broken.get(wall, unknown) for wall in walls if wall not in self.held}


class _Kept(msgspec.Struct, frozen=True):
    circumstances: str
    guarantees: Guarantees


@cache
def guarantees() -> Guarantees:
    """What boxes hold on this computer. Takes up to a second when it is asked first after a start of the computer."""
    circumstances = _circumstances()
    # Each installation of gemot has a file of its own: two that took turns would probe at every start.
    own = hashlib.sha256(__file__.encode()).hexdigest()[:8]
    file = user_cache_path("gemot") / f"walls-{os.geteuid() if hasattr(os, 'geteuid') else 0}-{own}.json"
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
        if kept.circumstances == circumstances:
            return kept.guarantees
    except (OSError, msgspec.DecodeError):
        pass
    found = probe()
    if found.broken:
        return found  # a person may mend it at any time, so it is not kept
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        trial = file.with_suffix(f".{os.getpid()}")
        trial.write_bytes(msgspec.json.encode(_Kept(circumstances, found)))
        trial.replace(file)
    except OSError:
        pass  # it will be found out again
    return found


def _circumstances() -> str:
    """Everything on which the outcome depends, in one line: this start of the computer, this bubblewrap, this code."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        path = bubblewrap.found()
        seen = os.stat(path)
    except (OSError, BoxFailed):
        return "none"
    code = hashlib.sha256()
    own = (building, filters, inside, sys.modules[__name__], sys.modules[Box.__module__], *building.INSIDE)
    for module in own:
        code.update(Path(str(module.__file__)).read_bytes())
    python = f"{sys.base_prefix} {sys.version_info[:3]}"
    return f"{boot} {path} {seen.st_mtime_ns} {seen.st_size} {python} {code.hexdigest()}"


def probe() -> Guarantees:
    """Try all of it now, kept or not."""
    outcome: list[Guarantees] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(_probe()))
        except (BoxFailed, OSError) as error:
            outcome.append(Guarantees(dict.fromkeys(ALL, str(error))))

    thread = threading.Thread(target=work, name="gemot-walls")  # there may be a loop in this thread already
    thread.start()
    thread.join()
    return outcome[0]


def _odd_prefix() -> str:
    """A name with a blank and, where names can be written so, a letter that is not ASCII."""
    name = "gemot walls ü "
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return "gemot walls "
    return name


async def _probe() -> Guarantees:
    broken: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory(prefix=_odd_prefix()) as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        top = os.path.realpath(folder)
        for name in ("probe", "fixed"):
            os.mkdir(os.path.join(top, name))
        binds = (Bind(f"{top}/probe", "/probe", True), Bind(f"{top}/fixed", "/fixed"))
        key, apart = Key("probe", binds, (), _SMALL), Key("probe", (), (), _SMALL)
        column = list(AUDIT_ARCH).index(platform.machine()) if platform.machine() in AUDIT_ARCH else 0
        hidden = [top, "/etc/shadow", "/etc/machine-id", "/home", "/root", "/sys", "/run/user", "/var/log"]
        python = os.path.realpath(sys.base_prefix)  # the way to it is seen, with nothing else on it
        host = {
            "hidden": [path for path in hidden if not python.startswith(f"{path}/")],
            "python": python,
            "port": server.getsockname()[1],
            "environment": [*building.environment(key), "LC_CTYPE", "PWD"],
            "pid": os.getpid(),
            "unshare": NUMBERS["unshare"][column],
            "calls": {name: NUMBERS[name][column] for name in _TRIED},
        }
        box = await Box.open(key)
        landlock = box.landlock
        try:
            _note(broken, await _run(box, inside.SEEN, host), "files")
            _note(broken, await _run(box, inside.FILE, {"count": 4}), "disk")
        finally:
            await box.close()
        box = await Box.open(apart)  # sees no disk that others write on meanwhile, so only its own doings can stop it
        try:
            _note(broken, await _run(box, inside.PROCESS_MEMORY, {"bytes": 2 * _SMALL.memory_bytes}), "memory")
            await _ends(broken, box)
            await _stops(broken, box, "memory", inside.ALL_MEMORY, {"count": 4, "bytes": 48 * _MIB})
            await _stops(broken, box, "tasks", inside.TASKS, {"count": 4 * _SMALL.tasks})
            _note(broken, await _run(box, inside.SCRATCH, {"count": 8}), "disk")
            await _stops(broken, box, "disk", inside.FILES, {"count": 4 * _SMALL.disk_files, "folder": "/tmp"})
        finally:
            await box.close()
        for source, facts in (
            (inside.FILES, {"count": 4 * _SMALL.disk_files, "folder": "/probe"}),
            (inside.BYTES, {"count": 32}),
        ):
            box = await Box.open(key)
            try:
                await _stops(broken, box, "disk", source, facts)
            finally:
                await box.close()
    return Guarantees(broken, landlock)


async def _run(box: Box, source: str, host: dict[str, Any]) -> Ended:
    return await box.run(Call(python=f"HOST = {host!r}\n{source}", seconds=10))


def _note(broken: dict[str, str], ended: Ended, guarantee: str) -> None:
    """Take in what a probe printed; a probe that did not come to its end proves nothing."""
    for line in ended.out.text().splitlines():
        name, _, what = line.partition("\t")
        broken.setdefault(name, what)
    if ended.code != 0 and not ended.stopped:
        said = ended.error.text().strip().splitlines()
        for name in ALL if guarantee == "files" else (guarantee,):
            broken.setdefault(name, f"the probe failed: {said[-1] if said else ended.code}")


async def _ends(broken: dict[str, str], box: Box) -> None:
    """A call that never ends, with a child that left its session."""
    ended = await box.run(Call(command=("/bin/sh", "-c", "setsid sleep 60 & sleep 60"), seconds=0.15))
    left = await box.run(Call(python="import os; print(len([p for p in os.listdir('/proc') if p.isdigit()]))"))
    if ended.stopped != "time" or ended.millis > 2_000:
        broken.setdefault("time", "a use went on after its deadline")
    if left.out.text().strip() != "2":
        broken.setdefault("time", "what a use had started went on after it")


async def _stops(broken: dict[str, str], box: Box, guarantee: str, source: str, facts: dict[str, Any]) -> None:
    """A use that takes too much must be stopped for it, or be refused by the kernel: it then exits with 77."""
    ended = await _run(box, source, facts)
    if ended.stopped != guarantee and ended.code != 77:
        how = ended.stopped or f"exit code {ended.code}"
        broken.setdefault(guarantee, f"a use that took too much was not stopped for it ({how})")
