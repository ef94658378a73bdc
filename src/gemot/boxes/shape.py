"""What a box is made from, and what happens in it, as data."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

RESERVED = frozenset((
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "run", "sbin", "sys", "tmp", "usr", "var",
))  # fmt: skip
"""Names at the top of a box that are its own: no folder of a person can be seen there."""

Guarantee = Literal[
    "files", "read-only", "network", "environment", "processes", "privileges", "calls", "descriptors", "time", "memory",
    "tasks", "disk"
]  # fmt: skip
"""What walls can hold; :mod:`gemot.boxes.probes` says what each means and finds out whether it holds here."""


class BoxFailed(Exception):
    """A box could not be built, or went away; the message says why and what would help."""


class BoxLost(BoxFailed):
    """A box went away when its call had begun: what the call did is done, and nobody knows how much that is."""


@dataclass(frozen=True)
class Bind:
    """A folder of this computer, seen in the box at ``target`` (``/work``).

    ``identity`` is the folder's device and inode, if the caller has looked it up without following links: the box is
    refused when something else stands there once it is built. ``guarded``: what runs code later is read-only there, and moved
    aside if it is new (:mod:`gemot.boxes.guarding`), but for what lies at ``keep``; else only version control is read-only.
    """

    source: str
    target: str
    writable: bool = False
    identity: tuple[int, int] | None = None
    covered: tuple[tuple[str, bool], ...] = ()
    """Paths in the folder that do not exist for the box, and whether each is a folder."""
    guarded: bool = True
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        name = self.target.removeprefix("/")
        if not self.target.startswith("/") or not name or "/" in name or name in (".", "..") or "\0" in name:
            raise ValueError(f"a folder is seen in a box at /name, not at {self.target!r}")
        if name in RESERVED:
            raise ValueError(f"/{name} is the box's own; give the mount another name than {name!r}")
        if not os.path.isabs(self.source) or "\0" in self.source:
            raise ValueError(f"the folder seen at {self.target} must be an absolute path, not {self.source!r}")


@dataclass(frozen=True)
class Limits:
    """How much a box may use; each holds for one use of it.

    ``memory_bytes`` is the address space of one process, ``memory_total_bytes`` what all of them and the scratch disks
    hold; ``tasks`` counts processes and threads. ``file_bytes``: the longest file. ``disk_bytes`` and ``disk_files``:
    by how much the free space and the free files of the disk under a writable folder may fall; ``disk_files`` also
    bounds the scratch disks, which are ``scratch_bytes`` (/tmp) and ``shared_bytes`` (/dev/shm) large.
    """

    memory_bytes: int = 4 << 30
    memory_total_bytes: int = 4 << 30
    tasks: int = 256
    file_bytes: int = 1 << 30
    descriptors: int = 1024
    disk_bytes: int = 2 << 30
    disk_files: int = 100_000
    scratch_bytes: int = 512 << 20
    shared_bytes: int = 64 << 20


@dataclass(frozen=True)
class Key:
    """Whom a box serves: one process, one view of the files, one label. Two different keys never share a box.

    ``owner`` names the process (and its machine, where there are several). ``label`` is everything that a call could
    leave behind in the box, for the next one to find. ``proxy``: the machine's socket for the outside, or "".
    """

    owner: str
    binds: tuple[Bind, ...] = ()
    label: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    proxy: str = ""

    def __post_init__(self) -> None:
        targets = [bind.target for bind in self.binds]
        if len(set(targets)) != len(targets):
            raise ValueError(f"two folders can't be seen at one place: {', '.join(targets)}")


@dataclass(frozen=True)
class Call:
    """A command (its words), or the source of a Python program; exactly one of them.

    ``folder`` is where it starts, as seen in the box. ``seconds`` bounds its time, ``cpu_seconds`` the processors'.
    ``output_bytes`` is how much of each stream is kept: half from its beginning, half from its end.
    ``interruptible``: cancelling it ends the call, not the box, and it is answered with its output so far.
    """

    command: tuple[str, ...] = ()
    python: str = ""
    folder: str = "/"
    seconds: float = 60.0
    cpu_seconds: int = 120
    output_bytes: int = 64_000
    environment: tuple[tuple[str, str], ...] = ()
    interruptible: bool = False

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.python):
            raise ValueError("a call is either a command or Python source")
        words = (*self.command, self.folder, *(word for pair in self.environment for word in pair))
        if any("\0" in word for word in words):
            raise ValueError("a command can't hold the character NUL")


@dataclass(frozen=True)
class Stream:
    """What a call wrote: the beginning, the end, and how many bytes there were in all."""

    head: bytes
    tail: bytes
    total: int

    @property
    def left_out(self) -> int:
        return self.total - len(self.head) - len(self.tail)

    def text(self) -> str:
        """As text; what was left out is said in its place."""
        gap = f"\n[... {self.left_out:,} bytes left out ...]\n".encode() if self.left_out else b""
        return (self.head + gap + self.tail).decode(errors="backslashreplace")


@dataclass(frozen=True)
class Ended:
    """How a call ended. ``code`` is its exit code, or minus the signal that ended it.

    ``stopped`` is "" if it ended by itself; otherwise the limit that it came to: time, cpu, memory, tasks, file or disk; or
    "interrupted". ``left``: how many processes it left running, which were ended; ``left_names``: the first few of their names.
    ``aside``: paths, as seen in the box, that came and run code later: they are not there any more.
    """

    code: int
    stopped: str
    millis: int
    cpu_millis: int
    out: Stream
    error: Stream
    left: int = 0
    left_names: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
