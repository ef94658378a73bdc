"""What the boxed drivers share: a process's file tree as a box sees it, and how a use ended as an answer."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Any

from gemot.authority.autorun_files import runs_later
from gemot.boxes import Bind, BoxFailed, BoxLost, Call, Ended, Key, once
from gemot.drivers.descent import open_top
from gemot.drivers.errors import ToolError, Unsure
from gemot.drivers.masking import masks
from gemot.drivers.names import parts_of, shown
from gemot.drivers.place import Place, PlaceMount

WALLS = (
    "files", "read-only", "network", "environment", "processes", "privileges", "calls", "descriptors",
    "time", "memory", "tasks", "disk",
)  # fmt: skip
"""What whoever runs a model's own commands needs: all of it."""
SECONDS_MAX = 600
ASIDE_NAMED_MAX = 12
"""Paths that are named of those that were moved aside."""

_STOPPED = {
    "time": "it was stopped at its deadline, with everything that it had started; give it more seconds, or less to do",
    "cpu": "it was stopped: it used more processor time than one use may",
    "memory": "it was stopped: it took more memory than one use may",
    "tasks": "it was stopped: it ran more processes and threads at once than one use may",
    "file": "it was stopped: it wrote a longer file than a box allows",
    "disk": "it was stopped: the free space of the disk fell by more than one use may take, or it made too many files "
    "(something else on this computer may have done that at the same time); what is written is still there",
}


_REFUSALS = ("Read-only file system", "Device or resource busy")
_READ_ONLY = (
    "in a folder that a command may write, what runs code later (version control such as .git, .envrc, .vscode, conftest.py) "
    "is read-only to it and can't be moved, and so are folders that hold it or a private path, and what is mounted read-only; leave commits and settings to the person, or run the command "
    "again with keep naming the one path, about which the person is asked"
)
"""What is said where a command met such a path: its own message reads like a fault of the disk."""


async def run(place: Place, call: Call, keep: str = "") -> dict[str, Any]:
    """Run a call in a fresh box that sees what ``place`` sees. Raises :class:`ToolError`; :class:`Unsure` where the
    box went away during the call.

    ``keep``: a path that runs code later and that a person allows to be changed all the same.

    Fresh, because whoever used the box before may have left something behind in it for whoever uses it next.
    """
    if not 0 < call.seconds <= SECONDS_MAX:
        raise ToolError(f"seconds must be between 1 and {SECONDS_MAX}")
    try:
        binds = await asyncio.to_thread(binds_of, place, keep)  # it looks through the folders
        ended = await once(Key("one use", binds), replace(call, interruptible=True))
    except BoxLost as error:
        raise Unsure(str(error)) from None
    except BoxFailed as error:
        raise ToolError(str(error)) from None
    return answer(ended)


def top(place: Place) -> str:
    """Where a use starts: in the first mount, where relative paths start for the file tools too."""
    return f"/{place.mounts[0].name}" if place.mounts else "/tmp"


def binds_of(place: Place, keep: str = "") -> tuple[Bind, ...]:
    """The mounts of a process at the same paths, in the same mode, with what is hidden covered. Takes as long as looking
    through them does. Raises :class:`ToolError`."""
    if keep and not runs_later("/".join(place.locate(keep).parts)):
        raise ToolError(
            f"keep names {shown(keep)}, and no file of that name is known to run code later, so keep changes nothing for it; leave "
            "keep out, or name the path itself that was moved aside, such as .git or conftest.py"
        )
    for mount in place.mounts:
        place.reach.note_all(mount)
    kept = place.locate(keep) if keep else None
    return tuple(_bind(one, "/".join(kept.parts) if kept and kept.mount == one else "") for one in place.mounts)


def _bind(mount: PlaceMount, keep: str) -> Bind:
    if mount.only:
        raise ToolError(
            f"this process may see only some paths of /{mount.name}, and a box shows a mount as a whole; "
            "use the file tools, or ask the parent for a mount of just that folder"
        )
    parts = parts_of(mount.beneath) if mount.beneath else ()
    covered = masks(mount)
    folder = open_top(mount.folder, parts, f"/{mount.name}")
    try:
        facts = os.fstat(folder)
    finally:
        os.close(folder)
    try:
        identity = (facts.st_dev, facts.st_ino)
        source = os.path.join(mount.folder, *parts)
        kept = (keep,) if keep else ()
        return Bind(source, f"/{mount.name}", mount.mode == "rw", identity, covered, not mount.copy, kept)
    except ValueError as error:
        raise ToolError(str(error)) from None


def _named(aside: tuple[str, ...] | list[str]) -> str:
    """The first of the paths that were moved aside; compiled Python, of which there may be thousands, comes last."""
    ordered = sorted(aside, key=lambda path: path.endswith((".pyc", ".pyo")))
    more = f" and {len(ordered) - ASIDE_NAMED_MAX:,} more" if len(ordered) > ASIDE_NAMED_MAX else ""
    return ", ".join(map(shown, ordered[:ASIDE_NAMED_MAX])) + more


def answer(ended: Ended) -> dict[str, Any]:
    """How a use ended, as its process is told."""
    said: dict[str, Any] = {"exit_code": ended.code, "stdout": ended.out.text(), "stderr": ended.error.text()}
    if ended.stopped == "interrupted":
        said["stopped"] = (
            f"it was interrupted by the person after {ended.millis / 1000:.3g} s, with everything that it had started; "
            "what it did until then is done"
        )
    elif ended.stopped:
        said["stopped"] = _STOPPED.get(ended.stopped, ended.stopped)
    if any(refusal in said["stderr"] for refusal in _REFUSALS):
        said["read_only"] = _READ_ONLY
    if ended.aside:
        said["set_aside"] = (
            f"{_named(ended.aside)}: what stands there runs code later, so it was moved out of the folder. With a person's yes it may be there: "
            "write it with files/write, or run the command again with keep naming the path"
        )
    if ended.left:
        names = ", ".join(shown(name) for name in ended.left_names)
        more = ", ..." if ended.left > len(ended.left_names) else ""
        said["ended"] = (
            f"{ended.left} {'process that was' if ended.left == 1 else 'processes that were'} still running: {names}{more}"
        )
    return said
