"""What a box must cover of a mount, since it shows a folder as a whole: every path in it that a veil hides.

The whole folder is looked through before anything runs in the box, by names, without opening a file. Where there is too much
of it nothing runs: somebody may have put it there to hide something.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from typing import NamedTuple

from gemot.drivers.descent import open_top
from gemot.drivers.errors import ToolError, explained
from gemot.drivers.names import DEPTH_MAX, after_link, parts_of, shown
from gemot.drivers.place import PlaceMount

ENTRIES_MAX = 1_000_000
"""Names that are looked at in one mount."""
SECONDS_MAX = 20.0
"""How long that may take."""
MASKS_MAX = 500
"""Paths that are covered in one box: each is a mount of its own, and bubblewrap takes 9,000 words."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Mask(NamedTuple):
    """One path to be covered."""

    path: str
    """From the mount's top."""
    folder: bool
    """It is a folder."""


def masks(mount: PlaceMount) -> tuple[Mask, ...]:
    """All paths of a mount to be covered; none of them is in another. Takes as long as looking does. Raises
    :class:`ToolError`."""
    if mount.veil.closed:
        raise ToolError(f"/{mount.name} shows nothing: {mount.veil.closed}")
    if not mount.veil.watches:
        return ()
    looker = _Looker(mount)
    top = open_top(mount.folder, parts_of(mount.beneath) if mount.beneath else (), f"/{mount.name}")
    try:
        looker.folder(top, ())
        for parts, says in looker.links:
            looker.target(top, parts, says)
    except OSError as error:
        raise explained(error, f"look through /{mount.name}") from None
    finally:
        os.close(top)
    found = looker.found
    return tuple(
        Mask("/".join(parts), folder)
        for parts, folder in sorted(found.items())
        if not any(parts[:length] in found for length in range(1, len(parts)))
    )


class _Looker:
    def __init__(self, mount: PlaceMount) -> None:
        self.found: dict[tuple[str, ...], bool] = {}
        self.links: list[tuple[tuple[str, ...], str]] = []
        """Hidden links: what they lead to is covered, too."""
        self._mount, self._veil = mount, mount.veil
        self._looked = 0
        self._until = time.monotonic() + SECONDS_MAX

    def folder(self, folder: int, parts: tuple[str, ...]) -> None:
        """Look at all that is in an open folder."""
        inner: list[str] = []
        with os.scandir(folder) as listing:
            for item in listing:
                self._count()
                is_folder = item.is_dir(follow_symlinks=False)
                facts: os.stat_result | None = None
                with suppress(OSError):
                    facts = item.stat(follow_symlinks=False)
                path = (*parts, item.name)
                if self._veil.hides(path, facts, folder):
                    self._hide(path, is_folder, folder, item)
                elif is_folder and len(path) >= DEPTH_MAX:
                    self.found[path] = True  # nobody looks what is that deep
                elif is_folder:
                    inner.append(item.name)
        for name in inner:
            try:
                opened = os.open(name, _FOLDER, dir_fd=folder)
            except OSError:
                continue  # it vanished, is a link now, or is not ours to read: nor is it the box's
            try:
                self.folder(opened, (*parts, name))
            finally:
                os.close(opened)

    def _hide(self, parts: tuple[str, ...], is_folder: bool, folder: int, item: os.DirEntry[str]) -> None:
        if item.is_symlink():
            with suppress(OSError):
                self.links.append((parts, os.readlink(item.name, dir_fd=folder)))
            return
        self.found[parts] = is_folder
        if len(self.found) > MASKS_MAX:
            raise ToolError(
                f"/{self._mount.name} has more than {MASKS_MAX:,} private paths (the last is {shown(parts[-1])}), too many to "
                "keep from a box; use the file tools, or ask for a mount of a smaller folder, or let the person show them "
                "by a pattern: gemot run --show"
            )

    def target(self, top: int, parts: tuple[str, ...], says: str) -> None:
        """Cover what a hidden link leads to, if that is in the mount."""
        for _ in range(8):
            onward = after_link(parts[:-1], says, ())
            if not onward:
                return
            try:
                facts = os.stat("/".join(onward), dir_fd=top, follow_symlinks=False)
                if not stat.S_ISLNK(facts.st_mode):
                    self.found[onward] = stat.S_ISDIR(facts.st_mode)
                    return
                parts, says = onward, os.readlink("/".join(onward), dir_fd=top)
            except OSError:
                return

    def _count(self) -> None:
        self._looked += 1
        if self._looked > ENTRIES_MAX or (self._looked % 1000 == 0 and time.monotonic() > self._until):
            raise ToolError(
                f"/{self._mount.name} holds too much to look through for private files ({self._looked:,} names were looked "
                "at); use the file tools, or ask for a mount of a smaller folder"
            )
