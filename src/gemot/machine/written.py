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
from contextlib import suppress

from gemot.abi import limits
from gemot.abi.answers import Change
from gemot.boxes.building import repositories
from gemot.drivers.comparing import counted, difference, text_in
from gemot.drivers.copying import Seen, seen
from gemot.drivers.descent import open_folder, open_top
from gemot.drivers.errors import ToolError
from gemot.drivers.names import DEPTH_MAX, parts_of, shortened, shown
from gemot.drivers.place import PlaceMount, Written
from gemot.drivers.veil import Veil

FILES_MAX, SECONDS_MAX = limits.COPY_FILES_MAX, 2.0
"""How much of a folder is looked at, and how long. Where there is more nobody knows what a command does there."""

Look = dict[str, Seen | None]
"""By path: how a file looks; a folder's path ends in a slash, and it is None unless it can't be opened."""


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
        self._before = [(mount, closed := _closed(mount), _looked(mount, closed)) for mount in mounts]

    def since(self) -> tuple[list[Change], str]:
        """What is otherwise now, and of which mounts that is not known."""
        changes: list[Change] = []
        unknown: list[str] = []
        for mount, closed, before in self._before:
            after = _looked(mount, closed) if not isinstance(before, str) else before
            if isinstance(before, str) or isinstance(after, str):
                unknown.append(f"/{mount.name} {after} to see what {self._tool} changed there")
                continue
            changes += [
                Change(shortened(shown(f"/{mount.name}/{path}")), what, ran=self._tool)  # type: ignore[arg-type]
                for path, what in otherwise(before, after)
            ]
        return changes, "; ".join(unknown)


def _closed(mount: PlaceMount) -> frozenset[str]:
    """Version control that no box opens for writing. What lies deeper, or comes later, is a folder like any other."""
    try:
        found = repositories(os.path.join(mount.folder, *(parts_of(mount.beneath) if mount.beneath else ())))
    except (OSError, ToolError):
        return frozenset()
    return frozenset(found)


def _looked(mount: PlaceMount, closed: Collection[str]) -> Look | str:
    """The look, or why there is none: a look that breaks must not take the result of the use with it."""
    try:
        found = look(mount, closed)
    except (OSError, ToolError):
        return "could not be looked at"
    return found if found is not None else "holds too much"


def look(mount: PlaceMount, closed: Collection[str] = ()) -> Look | None:
    """Every file and folder of a mount, but nothing in the folders ``closed``; None where there are too many."""
    looker = _Looker(closed, mount.veil)
    top = open_top(mount.folder, parts_of(mount.beneath) if mount.beneath else (), f"/{mount.name}")
    try:
        whole = looker.folder(top, ())
    finally:
        os.close(top)
    if not whole:
        return None
    seen = {path: tuple(path.rstrip("/").split("/")) for path in looker.found} if mount.only else {}
    return {path: facts for path, facts in looker.found.items() if not seen or mount.sees(seen[path], whole=True)}


class _Looker:
    def __init__(self, closed: Collection[str], veil: Veil) -> None:
        self.found: Look = {}
        self._veil = veil
        self._closed = closed
        self._until = time.monotonic() + SECONDS_MAX

    def folder(self, folder: int, parts: tuple[str, ...]) -> bool:
        """Look at what is in an open folder; False where that is too much."""
        inner: list[tuple[str, Seen]] = []
        with os.scandir(folder) as listing:
            for item in listing:
                if len(self.found) >= FILES_MAX or time.monotonic() > self._until:
                    return False
                with suppress(FileNotFoundError):
                    facts = item.stat(follow_symlinks=False)
                    path = "/".join((*parts, item.name))
                    if self._veil.hides((*parts, item.name), facts, folder):
                        continue
                    if not stat.S_ISDIR(facts.st_mode):
                        self.found[path] = seen(facts)
                        continue
                    self.found[f"{path}/"] = None
                    if path not in self._closed and len(parts) < DEPTH_MAX:
                        inner.append((item.name, seen(facts)))
        return all(self._inner(folder, name, facts, (*parts, name)) for name, facts in inner)

    def _inner(self, folder: int, name: str, facts: Seen, parts: tuple[str, ...]) -> bool:
        try:
            opened = open_folder(folder, name, name)
            try:
                return self.folder(opened, parts)
            finally:
                os.close(opened)
        except (ToolError, PermissionError):  # whoever opens it, writes, and closes it again has changed its facts
            self.found["/".join(parts) + "/"] = facts
            return True


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
