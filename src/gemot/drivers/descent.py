"""Single steps on a disk by descriptor: none of them follows a link, and each failure is an answer in clear words."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

from gemot.drivers import atomic
from gemot.drivers.errors import ToolError, explained
from gemot.drivers.names import same_names

LOCK_SECONDS_MAX = 5.0
"""How long a change waits for another change in the same folder."""

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


@dataclass(frozen=True)
class Entry:
    """One name in a folder. ``name`` is as the disk has it; ``target`` is what a link says."""

    name: str
    kind: str
    size_bytes: int
    target: str | None = None


@dataclass
class Spot:
    """The end of a look-up: a name in an open folder, which the spot owns.

    ``facts`` is None if nothing has that name. ``parts`` is the way from the mount's top, without any link.
    """

    folder: int
    name: str
    parts: tuple[str, ...]
    facts: os.stat_result | None
    label: str

    def __enter__(self) -> Spot:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self.folder)

    def open(self) -> BinaryIO:
        return open_plain(self.folder, self.name, self.label)


def kind_of(facts: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(facts.st_mode), "special file")


def open_top(path: str, beneath: tuple[str, ...], label: str) -> int:
    """The descriptor of a mount's top folder; the caller closes it."""
    # The mount's own folder is a person's word, so links in it are theirs to use; from here down none is followed.
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise explained(error, f"open the folder behind {label}") from None
    for part in beneath:
        try:
            inner = open_folder(folder, part, label)
        finally:
            os.close(folder)
        folder = inner
    return folder


def open_folder(folder: int, name: str, label: str) -> int:
    """The descriptor of a folder within ``folder``; the caller closes it."""
    try:
        return os.open(name, OPEN_FOLDER, dir_fd=folder)
    except NotADirectoryError:
        raise ToolError(
            f"{label} is no folder, or was swapped while it was being opened; look with files/list"
        ) from None
    except OSError as error:
        raise explained(error, f"open the folder {label}") from None


def open_plain(folder: int, name: str, label: str) -> BinaryIO:
    """Open a plain file for reading. Anything else is refused before it is opened: opening a device can act on it."""
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(facts.st_mode):
            file = os.open(name, OPEN_FILE, dir_fd=folder)
            facts = os.fstat(file)
            if stat.S_ISREG(facts.st_mode):
                return os.fdopen(file, "rb")
            os.close(file)
    except OSError as error:
        raise explained(error, f"read {label}") from None
    if stat.S_ISDIR(facts.st_mode):
        raise ToolError(f"{label} is a folder; use files/list to see what is in it")
    raise ToolError(f"{label} is a {kind_of(facts)}, not a plain file; only plain files can be read and written")


def look(
    folder: int, part: str, label: str, *, reading: bool = True, making: bool = False
) -> tuple[str, os.stat_result | None]:
    """The entry of that name. Else the one entry that is *shown* as that name because it can't be written as text, or
    whose name differs only in how its letters are composed."""
    try:
        return part, os.stat(part, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise explained(error, f"open {label}") from None
    try:
        same = same_names(os.listdir(folder), part, reading=reading, making=making)
        if len(same) == 1:
            return same[0], os.stat(same[0], dir_fd=folder, follow_symlinks=False)
    except OSError:
        pass  # no second guess, then: the answer is that nothing has this name
    return part, None


def make_folder(folder: int, name: str, label: str) -> os.stat_result:
    """Make a folder unless something has that name; the facts of whatever has it now."""
    try:
        try:
            os.mkdir(name, dir_fd=folder)
            atomic.sync(folder)
        except FileExistsError:
            pass  # somebody else made it; whatever it is, the walk looks at it now
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        raise explained(error, f"make the folder {label}") from None


def entry_of(item: os.DirEntry[str], folder: int) -> Entry:
    try:
        facts = item.stat(follow_symlinks=False)
        target = os.readlink(item.name, dir_fd=folder) if stat.S_ISLNK(facts.st_mode) else None
    except OSError:
        return Entry(item.name, "unreadable", 0)
    return Entry(item.name, kind_of(facts), facts.st_size, target)


def lock(folder: int, label: str) -> None:
    """Hold the folder against other changes by gemot until its descriptor is closed; others may ignore it."""
    deadline = time.monotonic() + LOCK_SECONDS_MAX
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ToolError(f"{label} is being changed by another process; try again") from None
            time.sleep(0.005)
        except OSError:
            return  # a disk without locks: a change made meanwhile is still noticed when the file is replaced
