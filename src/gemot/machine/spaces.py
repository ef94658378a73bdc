"""Spaces: the folders of the machine's own that stand in the place of mounts, for processes that work on a copy.

A space lives in the machine's home and is made when a tool of its process first looks at the files; a process that never
does costs nothing. A person takes it away (or a parent, or the merge that leaves nothing over), and so does archiving its tree.

What a check does to the files that it checks is not what was checked: it sees a copy of the copy, which is gone when it ends.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import MappingProxyType

from gemot.abi.answers import Change
from gemot.abi.effects import Compare, StartTool
from gemot.abi.grants import Mount
from gemot.abi.labels import Label
from gemot.authority.narrowing import is_own_copy
from gemot.authority.paths import anchored, is_under
from gemot.drivers import litter
from gemot.drivers.children import Child, Children, Copy
from gemot.drivers.copies import changed, summed
from gemot.drivers.copying import BUILDING, GONE, Space, remove
from gemot.drivers.errors import ToolError
from gemot.drivers.names import parts_of
from gemot.drivers.place import Place, PlaceMount
from gemot.drivers.veil import NOTHING, OPEN, OwnFolders, Veil, veil_of
from gemot.kernel import Kernel
from gemot.kernel.process import Process
from gemot.machine import temporary
from gemot.machine.home import Home
from gemot.machine.own import Own

NAME = re.compile(r"([0-9]{1,16})-[a-z][a-z0-9_-]{0,62}")
"""A space is named by the kernel; a tree from a file may say anything."""


@dataclass(frozen=True)
class Making:
    """A space that a process sees, and what it is made from if it is not there. ``source``: "" for an empty one. ``trial``: it is
    for one use of a tool only."""

    space: Space
    source: str
    beneath: tuple[str, ...]
    label: str
    trial: bool = False
    veil: Veil = OPEN
    """What is left out of it."""


@dataclass(frozen=True)
class View:
    """What one tool use sees: the process's file tree, that of children that it names, and what must be made first."""

    place: Place
    children: Children
    making: tuple[Making, ...]
    spaces: Spaces
    ended: Event = field(default_factory=Event)

    @property
    def ready(self) -> bool:
        return all(one.space.made for one in self.making)

    @property
    def trials(self) -> list[Space]:
        """What must be taken away when the use has ended."""
        return [one.space for one in self.making if one.trial]

    def label(self, given: bool) -> Label:
        """What the result of the use may tell of: third parties' files, and secrets. ``given``: it was given the file tree. One
        that named no path in it has looked in its own way, at anything."""
        if given and not self.place.reach.mounts:
            for mount in self.place.mounts:
                self.place.reach.note_all(mount)
        reaches = [self.place.reach, *(child.place.reach for child in self.children.of.values())]
        secrets = {secret for reach in reaches for secret in reach.secrets}
        foreign = any(reach.untrusted for reach in reaches)
        return Label((), "foreign" if foreign else "person", tuple(sorted(secrets)))

    def make(self) -> None:
        """Make what is missing; takes as long as copying does. Raises :class:`ToolError`."""
        try:
            for one in self.making:
                self.spaces.make(one)
        finally:
            if self.ended.is_set():  # it was stopped meanwhile, which no thread hears
                self.end()

    def end(self) -> None:
        """Take away what was for this use only; takes as long as removing does."""
        self.ended.set()
        for space in self.trials:
            space.discard()


class Spaces:
    """``home``: where they are kept; None: in a folder that is gone when this is closed."""

    def __init__(self, kernel: Kernel, home: Home | None) -> None:
        self._kernel = kernel
        self._home = home
        self._temporary: Path | None = None
        self.refused = ""
        """Why no copy is made, in words; ``""``: copies are made."""
        self.own = Own([] if home is None else [home.folder])
        self._locks: dict[str, threading.Lock] = {}

    @property
    def folder(self) -> Path:
        if self._home is not None:
            return self._home.folder / "spaces"
        if self._temporary is None:
            self._temporary = temporary.make()
            self.own.add(self._temporary)
        return self._temporary

    def space(self, name: str) -> Space:
        """Raises :class:`ToolError` for what is no name of a space."""
        if not NAME.fullmatch(name):
            raise ToolError("this mount names no space that there can be; its tree came from elsewhere")
        return Space(self.folder / name)

    def view(self, effect: StartTool) -> View:
        """What a tool use sees of the disk. Looks at tables only."""
        trials = {
            one.space: self._trial(effect, one)
            for one in effect.mounts
            if effect.trial and is_own_copy(one, effect.pid)
        }
        place = self._place(effect.mounts, effect.only, {name: one.space for name, one in trials.items()})
        making = [one for mount in effect.mounts if mount.space for one in self._making(mount.space)]
        making += trials.values()
        others = {pid: self._child(pid, mounts, effect.only) for pid, mounts in effect.others.items()}
        return View(place, Children(others), tuple(making), self)

    def child(self, process: Process) -> Child:
        """What a process sees, and its copies."""
        return self._child(process.pid, process.mounts, ())

    def make(self, one: Making) -> None:
        if self.refused and not one.trial:
            raise ToolError(f"no copy of files is made: {self.refused}")
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if one.trial:
            one.space.make(one.source, one.beneath, one.label, lasting=False, veil=one.veil)
            return
        with self._locks.setdefault(one.space.folder.name, threading.Lock()):
            if not one.space.made:
                one.space.make(one.source, one.beneath, one.label, veil=one.veil)

    def unmerged(self, process: Process) -> list[Copy]:
        """The copies of a process in which something was changed and not merged, or that can't be compared any more. Of a
        folder of its own nothing can be merged."""
        return [one for one in self.child(process).copies if one.into is not None and _differs(one)]

    def compared(self, effect: Compare, given_up: Callable[[], bool]) -> tuple[list[Change], str]:
        """What a process changed in its copies, and the text of it. Raises :class:`ToolError`, also when it is ``given_up``."""
        listed: list[Change] = []
        texts: list[str] = []
        for copy in self._child(effect.pid, effect.mounts, ()).copies:
            found, text = summed(copy, given_up)
            listed += found
            texts += [text] if text else []
        return listed, "\n".join(texts)

    def forget(self, process: Process) -> None:
        """Take the spaces of a process away."""
        for mount in process.mounts:
            if is_own_copy(mount, process.pid):
                self.space(mount.space).discard()

    def tidy(self) -> None:
        """Remove what a machine that stopped left half made or half removed."""
        temporary.clear()
        if self._home is not None and self.folder.is_dir():
            for prefix in (BUILDING, GONE):
                for left in self.folder.glob(f"{prefix}*"):
                    remove(left)
            for note in self.folder.glob(f"*/{litter.NOTE}"):
                with Space(note.parent).held():
                    litter.clear(note.parent)

    def veil(self, mount: Mount, own: OwnFolders | None = None, copied: bool = False) -> Veil:
        """What does not exist in a mount. ``own``: gemot's own folders, where they have been looked up; ``copied``: what is
        seen is a copy of the mount's folder."""
        beneath = parts_of(mount.beneath) if mount.beneath else ()
        seen = self.own.now() if own is None else own
        return veil_of(mount.folder, beneath, seen, mount.private or (), mount.shown, copied)

    def close(self) -> None:
        self.own.close()
        if self._temporary is not None:
            temporary.drop(self._temporary)

    def _place(
        self, mounts: tuple[Mount, ...], only: tuple[str, ...], instead: Mapping[str, Space] = MappingProxyType({})
    ) -> Place:
        own = self.own.now() if mounts else NOTHING
        return Place(tuple(self._mount(mount, only, instead, own) for mount in mounts))

    def _mount(self, mount: Mount, only: tuple[str, ...], instead: Mapping[str, Space], own: OwnFolders) -> PlaceMount:
        root = anchored(mount, "")
        inside = tuple(path[len(root) :].lstrip("/") for path in only if is_under(path, root))
        mode = "ro" if mount.mode == "ro" else "rw"
        space = instead.get(mount.space) or self.space(mount.space) if mount.space else None
        folder = str(space.tree) if space is not None else mount.folder
        kept, copied = tuple(path for path in inside if path), space is not None
        veil = self.veil(mount, own, copied=copied)
        return PlaceMount(mount.name, folder, mode, mount.beneath, kept, veil, mount.untrusted, copied)

    def _child(self, pid: int, mounts: tuple[Mount, ...], only: tuple[str, ...]) -> Child:
        process = self._kernel.processes[pid]
        place = self._place(mounts, only)
        copies = [
            Copy(pid, seen, self.space(mount.space), self._into(mount), not process.alive)
            for mount, seen in zip(mounts, place.mounts, strict=True)
            if mount.space and mount.mode in ("cow", "private")
        ]
        return Child(place, tuple(copies))

    def _into(self, mount: Mount) -> PlaceMount | None:
        if mount.mode != "cow":
            return None
        folder = str(self.space(mount.source).tree) if mount.source else mount.folder
        veil = self.veil(mount, copied=bool(mount.source))
        return PlaceMount(mount.name, folder, "rw", mount.beneath, veil=veil, untrusted=mount.untrusted)

    def _trial(self, effect: StartTool, mount: Mount) -> Making:
        """A copy of a copy, for one use; one that a machine leaves behind is removed like what it left half made."""
        space = Space(self.folder / f"{BUILDING}trial-{effect.effect}-{mount.name}")
        beneath = parts_of(mount.beneath) if mount.beneath else ()
        source = str(self.space(mount.space).tree)
        return Making(space, source, beneath, f"/{mount.name}", trial=True, veil=self.veil(mount, copied=True))

    def _making(self, name: str) -> list[Making]:
        """What must be made so that a space is there: what it is a copy of first."""
        space = self.space(name)
        if space.made:
            return []
        mount = self._owners(name)
        if mount is None:
            raise ToolError("what this process sees is gone: the process whose copy it was is not here any more")
        before = self._making(mount.source) if mount.source else []
        source = str(self.space(mount.source).tree) if mount.source else mount.folder if mount.mode == "cow" else ""
        beneath = parts_of(mount.beneath) if mount.beneath else ()
        veil = self.veil(mount, copied=bool(mount.source))
        if source and veil.closed:
            raise ToolError(f"no copy of /{mount.name} can be made: {veil.closed}")
        return [*before, Making(space, source, beneath, f"/{mount.name}", veil=veil)]

    def _owners(self, name: str) -> Mount | None:
        """The mount for which a space was made: that of the process by which it is named."""
        owner = self._kernel.processes.get(int(name.partition("-")[0]))
        mounts = owner.mounts if owner is not None else ()
        return next((one for one in mounts if one.space == name and one.mode in ("cow", "private")), None)


def _differs(copy: Copy) -> bool:
    try:
        return bool(changed(copy))
    except ToolError:
        return True


def taken(home: Home) -> tuple[int, int]:
    """How many spaces there are, and how many bytes they take, as far as their files say."""
    count = total = 0
    folder = home.folder / "spaces"
    for space in folder.iterdir() if folder.is_dir() else ():
        count += 1
        for path in space.rglob("*"):
            with suppress(OSError):
                total += path.lstat().st_blocks * 512
    return count, total
