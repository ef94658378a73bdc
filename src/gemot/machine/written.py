"""Written: what became of the files of a process where they are, on no copy, while it used a tool, for the receipt.

What is written into a copy is found out when its process exits, whatever wrote it (:mod:`gemot.machine.spaces`). What is written where
it is, the tools tell that change files one by one. A command may write anything: so every file is looked at before it runs and
after, at its name, size and times and never into it. That shows which are otherwise, neither what was there before nor who
it was: whoever else writes there meanwhile is among it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable, Sequence

from gemot.abi import limits
from gemot.abi.answers import Change
from gemot.drivers.comparing import counted, difference, text_in
from gemot.drivers.copying import Seen, seen
from gemot.drivers.descent import open_top
from gemot.drivers.errors import ToolError
from gemot.drivers.names import DEPTH_MAX, parts_of, shortened, shown
from gemot.drivers.place import PlaceMount, Written

FILES_MAX, SECONDS_MAX = limits.COPY_FILES_MAX, 2.0
"""How much of a folder is looked at, and how long. Where there is more nobody knows what a command does there."""

Look = dict[str, Seen | None]
"""By path: how a file looks; None for a folder, whose path ends in a slash."""


def told(written: Iterable[Written], mounts: Collection[str]) -> tuple[tuple[Change, ...], str]:
    """Each path that was written in one of these mounts, with the lines that were added and removed; and the text of that."""
    changes: list[Change] = []
    texts: list[str] = []
    for one in written:
        if one.mount in mounts:
            path = shortened(shown(f"/{one.mount}/{'/'.join(one.parts)}"))
            before = "" if one.before is None else text_in(one.before)
            text = difference(path, before, text_in(one.after), "before", "after")
            changes.append(Change(path, "added" if one.before is None else "changed", *counted(text)))
            texts.append(text)
    return tuple(changes), "\n".join(texts)


class Noticed:
    """What changes in ``mounts`` from now on, while a ``tool`` runs. Making one, and :meth:`since`, take as long as looking does."""

    def __init__(self, tool: str, mounts: Sequence[PlaceMount]) -> None:
        self._tool = tool
        self._before = [(mount, look(mount)) for mount in mounts]

    def since(self) -> tuple[list[Change], str]:
        """What is otherwise now, and of which mounts that is not known."""
        changes: list[Change] = []
        unknown: list[str] = []
        for mount, before in self._before:
            after = look(mount) if before is not None else None
            if before is None or after is None:
                unknown.append(f"/{mount.name} holds too much to see what {self._tool} changed there")
                continue
            changes += [
                Change(shortened(shown(f"/{mount.name}/{path}")), what, ran=self._tool)  # type: ignore[arg-type]
                for path, what in otherwise(before, after)
            ]
        return changes, "; ".join(unknown)


def look(mount: PlaceMount) -> Look | None:
    """Every file and folder of a mount but version control, which no tool changes; None where there are too many."""
    found: Look = {}
    until = time.monotonic() + SECONDS_MAX
    try:
        top = open_top(mount.folder, parts_of(mount.beneath) if mount.beneath else (), f"/{mount.name}")
    except ToolError:
        return None
    try:
        for path, folders, files, folder in os.fwalk(".", dir_fd=top):
            before = path[2:] + "/" if path != "." else ""
            for name in (*folders, *files):
                try:
                    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except OSError:
                    continue
                if stat.S_ISDIR(facts.st_mode):
                    found[f"{before}{name}/"] = None
                else:
                    found[f"{before}{name}"] = seen(facts)
            if len(found) > FILES_MAX or time.monotonic() > until:
                return None
            folders[:] = [one for one in folders if one != ".git"] if before.count("/") < DEPTH_MAX else []
    finally:
        os.close(top)
    return {path: facts for path, facts in found.items() if mount.sees(tuple(path.rstrip("/").split("/")), whole=True)}


def otherwise(before: Look, after: Look) -> list[tuple[str, str]]:
    """The paths that differ, and how. Of a folder that came or went with all that is in it, the folder."""
    differing = {
        path: "added" if path not in before else "removed" if path not in after else "changed"
        for path in before.keys() | after.keys()
        if path not in before or path not in after or before[path] != after[path]
    }
    return sorted((path, what) for path, what in differing.items() if not _within(path, differing))


def _within(path: str, folders: Collection[str]) -> bool:
    steps = path.rstrip("/").split("/")
    return any("/".join(steps[:length]) + "/" in folders for length in range(1, len(steps)))


def most(changes: Sequence[Change]) -> tuple[tuple[Change, ...], int]:
    """As many as are told one by one, and how many more there are."""
    return tuple(changes[: limits.CHANGES_MAX]), max(0, len(changes) - limits.CHANGES_MAX)
