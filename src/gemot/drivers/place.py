"""A process's file tree: named mounts, and nothing else of the disk.

Every look-up walks from the mount's top folder by descriptor, one component at a time, and asks the computer never
to follow a link (``O_NOFOLLOW``). A link is read as text instead, and the walk starts again from the top with what
it says; one that climbs above the top or is absolute is refused. No string is ever joined to the mount's folder, so
there is nothing to race: whoever swaps a folder for a link during the walk only gets the walk refused.

Reading follows links inside the tree; writing follows none. ``docs/decisions/0006-paths.md`` says why.
"""

from __future__ import annotations

import heapq
import os
import re
import stat
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, Literal, NamedTuple

from gemot.drivers import atomic
from gemot.drivers.descent import Entry, Spot, entry_of, kind_of, lock, look, make_folder, open_folder, open_top
from gemot.drivers.errors import ToolError, Unsure, explained
from gemot.drivers.likeness import difference, skeleton
from gemot.drivers.names import DEPTH_MAX, after_link, closest, parts_of, shown
from gemot.drivers.veil import CLEAR, OPEN, OWN, Veil, Verdict

LINKS_MAX = 8
"""Links followed in one look-up; more is a loop, or a riddle."""


@dataclass(frozen=True)
class PlaceMount:
    """A host folder that a process sees as ``/name``.

    ``beneath`` makes a folder within ``folder`` the top; it is reached without following links, so that a process
    that may write in ``folder`` can't move its child's top elsewhere. ``only``, if given, are the sub-paths that
    exist for the process (files, or folders with all that is in them); a link can't lead to anything else.
    ``veil`` is what does not exist in it; ``untrusted``: third parties chose its files and their names.
    ``copy``: it is a copy, from which a person takes what they want.
    """

    name: str
    folder: str
    mode: Literal["ro", "rw"] = "ro"
    beneath: str = ""
    only: tuple[str, ...] = ()
    veil: Veil = OPEN
    untrusted: bool = False
    copy: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", self.name):
            raise ValueError(f"mount name {self.name!r}: use lower-case letters, digits, - and _, a letter first")
        if not os.path.isabs(self.folder):
            raise ValueError(f"the folder of mount {self.name!r} must be an absolute path, not {self.folder!r}")
        for path in (self.beneath, *self.only):
            if path.startswith("/"):
                raise ValueError(f"mount {self.name!r}: {path!r} must be relative to the folder")

    def sees(self, parts: tuple[str, ...], whole: bool = False) -> bool:
        """Whether the path exists for the process: inside one of ``only`` or, unless ``whole``, on the way to one."""
        if not self.only:
            return True
        for path in self.only:
            kept = parts_of(path)
            if parts[: len(kept)] == kept or (not whole and kept[: len(parts)] == parts):
                return True
        return False


@dataclass
class Reach:
    """What one use has looked at, for the label of its result."""

    mounts: set[str] = field(default_factory=set[str])
    """The mounts that it named."""
    untrusted: bool = False
    """One of them is untrusted."""
    secrets: set[str] = field(default_factory=set[str])
    """The secret sources of what it looked at."""

    def note(self, mount: PlaceMount, verdict: Verdict = CLEAR) -> None:
        """It looks at something in a mount."""
        self.mounts.add(mount.name)
        self.untrusted = self.untrusted or mount.untrusted
        self.secrets.update(verdict.secrets)

    def note_all(self, mount: PlaceMount) -> None:
        """It may look at everything in a mount."""
        self.note(mount)
        self.secrets.update(mount.veil.all_secrets)


@dataclass(frozen=True)
class Location:
    """A path as a process meant it: a mount, and parts from its top. Nothing is known of the disk yet."""

    mount: PlaceMount
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """One step of a walk. ``folder`` holds the entry and is open only while the walk stands here."""

    parts: tuple[str, ...]
    entry: Entry
    folder: int


class Written(NamedTuple):
    """A file that was written: in which mount, where in it, and what was there ``before`` (None: nothing)."""

    mount: str
    parts: tuple[str, ...]
    before: bytes | None
    after: bytes


@dataclass(frozen=True)
class Change:
    """An existing file, held for a change. ``data`` is what it contains now; ``written``: where to note what becomes of it."""

    spot: Spot
    data: bytes
    seen: os.stat_result
    mount: str
    written: list[Written]

    def replace(self, data: bytes) -> None:
        """Put ``data`` in the file's place, whole or not at all."""
        label = self.spot.label
        try:
            atomic.replace(self.spot.folder, self.spot.name, data, self.seen)
        except atomic.ChangedMeanwhile:
            raise ToolError(f"{label} was changed by somebody else meanwhile; read it again, then try again") from None
        except OSError as error:
            raise explained(error, f"write {label}") from None
        except atomic.NotSynced as error:
            self.written.append(Written(self.mount, self.spot.parts, self.data, data))
            raise Unsure(_unsynced(label, error)) from None
        self.written.append(Written(self.mount, self.spot.parts, self.data, data))


@dataclass(frozen=True)
class Place:
    """What one process sees of the disk. The first mount is where relative paths start. ``written``: what one use wrote."""

    mounts: tuple[PlaceMount, ...]
    written: list[Written] = field(default_factory=list[Written], compare=False)
    reach: Reach = field(default_factory=Reach, compare=False)
    """What this use has looked at so far."""

    # -- names ------------------------------------------------------------------------------------------------

    def locate(self, path: str) -> Location:
        """A path as a process wrote it, checked and taken apart. Touches no disk. Raises :class:`ToolError`."""
        if not self.mounts:
            raise ToolError("this process sees no files at all; its parent or a person would have to give it a mount")
        if not path.startswith("/"):
            return self._located(self.mounts[0], parts_of(path))
        parts = parts_of(path[1:]) if path != "/" else ("",)
        for mount in self.mounts:
            if parts and parts[0] == mount.name:
                return self._located(mount, parts[1:])
        raise ToolError(f"there is no /{shown(parts[0]) if parts else ''} here; this process sees {self._view()}")

    def _located(self, mount: PlaceMount, parts: tuple[str, ...]) -> Location:
        if mount.veil.closed:
            raise ToolError(f"/{mount.name} shows nothing: {mount.veil.closed}")
        self.reach.note(mount)
        return Location(mount, parts)

    def verdict(self, where: Location, facts: os.stat_result | None = None, folder: int = -1) -> Verdict:
        """What is so about a path, which the use looks at now; what it tells of is noted."""
        verdict = where.mount.veil.verdict(where.parts, facts, folder)
        if not verdict.hidden:
            self.reach.note(where.mount, verdict)
        return verdict

    def canonical(self, path: str) -> str:
        """The one spelling of a path, ``/work/notes/a.md``, to compare with a grant's caveats. Touches no disk."""
        where = self.locate(path)
        return "/" + "/".join((where.mount.name, *where.parts))

    def label(self, where: Location) -> str:
        """How a path is shown, printable, so that the process can use it again: relative within the first mount."""
        names = [shown(part) for part in where.parts]
        if where.mount == self.mounts[0] and names:
            return "/".join(names)
        return "/" + "/".join([where.mount.name, *names])

    # -- reading ----------------------------------------------------------------------------------------------

    @contextmanager
    def spot(self, path: str) -> Generator[tuple[Spot, os.stat_result], None, None]:
        """The end of ``path``, links inside the tree followed, and its facts. Raises :class:`ToolError`."""
        where = self.locate(path)
        with self._look_up(where, links_max=LINKS_MAX) as spot:
            if spot.facts is None:
                raise self._missing(spot.folder, Location(where.mount, spot.parts))
            yield spot, spot.facts

    @contextmanager
    def open(self, path: str) -> Generator[tuple[BinaryIO, str], None, None]:
        """A plain file, open for reading, and its label."""
        with self.spot(path) as (spot, _), spot.open() as file:
            yield file, spot.label

    @contextmanager
    def folder(self, path: str) -> Generator[tuple[int, Location], None, None]:
        """A folder's descriptor, and where it really is."""
        where = self.locate(path)
        with self.spot(path) as (spot, facts):
            if not stat.S_ISDIR(facts.st_mode):
                raise ToolError(f"{spot.label} is a {kind_of(facts)}, not a folder; use files/read or files/facts")
            folder = open_folder(spot.folder, spot.name, spot.label)
            try:
                yield folder, Location(where.mount, spot.parts)
            finally:
                os.close(folder)

    def entries(self, folder: int, where: Location, count_max: int) -> list[Entry]:
        """What is in an open folder and exists for this process, unsorted, at most ``count_max``."""
        return self._entries(folder, where, lambda items: list(islice(items, count_max)))

    def first_entries(self, folder: int, where: Location, shown_max: int, count_max: int) -> tuple[list[Entry], int]:
        """The first ``shown_max`` names of an open folder, sorted, and how many it has, counted up to ``count_max``."""
        count = 0

        def first(items: Iterable[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
            def counted() -> Generator[os.DirEntry[str], None, None]:
                nonlocal count
                for item in islice(items, count_max):
                    count += 1
                    yield item

            return heapq.nsmallest(shown_max, counted(), key=lambda item: item.name)

        return self._entries(folder, where, first), count

    def _entries(
        self,
        folder: int,
        where: Location,
        choose: Callable[[Iterable[os.DirEntry[str]]], list[os.DirEntry[str]]],
    ) -> list[Entry]:
        """Those that ``choose`` takes of what exists for this process in an open folder."""
        self.verdict(where)

        def seen(listing: Iterable[os.DirEntry[str]]) -> Generator[os.DirEntry[str], None, None]:
            for item in listing:
                parts = (*where.parts, item.name)
                if item.name.startswith(atomic.TEMPORARY_PREFIX) or not where.mount.sees(parts):
                    continue
                if not hides(where.mount.veil, parts, item, folder):
                    yield item

        try:
            with os.scandir(folder) as listing:
                return [entry_of(item, folder) for item in choose(seen(listing))]
        except OSError as error:
            raise explained(error, f"list {self.label(where)}") from None

    def walk(self, folder: int, where: Location, skip: frozenset[str], count_max: int) -> Generator[Found, None, None]:
        """Everything beneath an open folder, by name; folders named in ``skip`` and links are shown, not entered.

        ``count_max`` bounds the entries taken from any one folder.
        """
        for entry in sorted(self.entries(folder, where, count_max), key=lambda entry: entry.name):
            parts = (*where.parts, entry.name)
            yield Found(parts, entry, folder)
            if entry.kind == "folder" and entry.name not in skip and len(parts) < DEPTH_MAX:
                try:
                    inner = open_folder(folder, entry.name, entry.name)
                except ToolError:
                    continue  # vanished, or not ours to read: the walk goes on with the rest
                try:
                    yield from self.walk(inner, Location(where.mount, parts), skip, count_max)
                finally:
                    os.close(inner)

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, path: str, data: bytes) -> str:
        """A new file, with the folders on the way to it; its label. Exactly one of several callers succeeds."""
        where = self._writable(path)
        with self._look_up(where, links_max=0, make_folders=True) as spot:
            if spot.facts is not None:
                raise _taken(spot.label, spot.facts)
            try:
                atomic.create(spot.folder, spot.name, data)
            except FileExistsError:
                raise ToolError(f"{spot.label} was created by somebody else just now; look with files/read") from None
            except OSError as error:
                raise explained(error, f"write {spot.label}") from None
            except atomic.NotSynced as error:
                self.written.append(Written(where.mount.name, spot.parts, None, data))
                raise Unsure(_unsynced(spot.label, error)) from None
            self.written.append(Written(where.mount.name, spot.parts, None, data))
            return spot.label

    @contextmanager
    def change(self, path: str, size_max: int) -> Generator[Change, None, None]:
        """An existing plain file of at most ``size_max`` bytes, held so that no other tool changes it meanwhile."""
        where = self._writable(path)
        with self._look_up(where, links_max=0) as spot:
            label = spot.label
            if spot.facts is None:
                hint = "; for a new file use files/write"
                raise self._missing(spot.folder, Location(where.mount, spot.parts), hint)
            lock(spot.folder, label)
            with spot.open() as file:
                seen = os.fstat(file.fileno())
                if not seen.st_mode & 0o222:  # asked of root as well: a person marked it so
                    mode = f"{stat.S_IMODE(seen.st_mode):04o}"
                    raise ToolError(
                        f"{label} is marked read-only on the disk (mode {mode}); ask the person to change it"
                    )
                if not os.access(spot.name, os.W_OK, dir_fd=spot.folder):
                    raise explained(PermissionError(13, "denied"), f"write {label}")
                if seen.st_size > size_max:
                    raise ToolError(f"{label} has {seen.st_size:,} bytes; at most {size_max:,} can be changed in place")
                data = file.read(size_max + 1)
            yield Change(spot, data, seen, where.mount.name, self.written)

    def _writable(self, path: str) -> Location:
        where = self.locate(path)
        label = self.label(where)
        if where.mount.mode != "rw":
            others = ", ".join(f"/{mount.name}" for mount in self.mounts if mount.mode == "rw")
            hope = (
                f"it may write in {others}" if others else "it may write nowhere; a person can give it a folder as rw"
            )
            raise ToolError(f"{label} can't be written: this process sees /{where.mount.name} read-only; {hope}")
        if not where.parts:
            raise ToolError(f"{label} is the top folder; write the name of a file in it, as in notes.md")
        if not where.mount.sees(where.parts, whole=True):
            raise ToolError(f"{label} can't be written; this process sees {self._view()}")
        return where

    # -- the walk ---------------------------------------------------------------------------------------------

    def _look_up(self, where: Location, links_max: int, make_folders: bool = False) -> Spot:
        """Walk to the folder that holds the last part of ``where``. The caller closes the spot."""
        here = where
        for _ in range(links_max + 1):
            if not here.mount.sees(here.parts):
                raise ToolError(f"there is no {self.label(where)} here; this process sees {self._view()}")
            end = self._walk_once(here, links_max > 0, make_folders)
            if isinstance(end, Spot):
                return end
            here = end
        raise ToolError(f"{self.label(where)} goes through more than {links_max} links; use the path they lead to")

    def _walk_once(self, where: Location, follow: bool, make_folders: bool) -> Spot | Location:
        """The end of the walk, or where to start again because a link was met."""
        mount, parts = where.mount, where.parts
        folder = open_top(mount.folder, parts_of(mount.beneath) if mount.beneath else (), f"/{mount.name}")
        try:
            if mount.veil.hides_top(os.fstat(folder)):  # exchanged since the use began
                raise ToolError(f"/{mount.name} shows nothing: it is {OWN}")
            real: tuple[str, ...] = ()
            for index, part in enumerate(parts):
                last = index == len(parts) - 1
                here = Location(mount, (*real, part))
                name, facts = look(folder, part, self.label(here), reading=follow, making=make_folders)
                here = Location(mount, (*real, name))
                if name != part and not mount.sees(here.parts):
                    raise self._missing(folder, Location(mount, (*real, part)))
                verdict = self.verdict(here, facts, folder)
                if verdict.hidden:
                    if verdict.named:
                        raise ToolError(mount.veil.refusal(self.label(here), verdict))
                    raise self._missing(folder, here)
                if facts is None and not last:
                    if not make_folders:
                        raise self._missing(folder, here)
                    facts = make_folder(folder, name, self.label(here))
                if facts is not None and stat.S_ISLNK(facts.st_mode):
                    return self._through_link(folder, here, parts[index + 1 :], follow)
                if last:
                    spot = Spot(folder, name, here.parts, facts, self.label(here))
                    folder = -1  # the spot owns it now
                    return spot
                if facts is not None and not stat.S_ISDIR(facts.st_mode):
                    kind = kind_of(facts)
                    raise ToolError(f"{self.label(here)} is a {kind}, not a folder, so there is nothing beneath it")
                inner = open_folder(folder, name, self.label(here))
                os.close(folder)
                folder, real = inner, here.parts
            spot = Spot(folder, ".", (), os.fstat(folder), self.label(where))
            folder = -1
            return spot
        finally:
            if folder >= 0:
                os.close(folder)

    def _through_link(self, folder: int, link: Location, rest: tuple[str, ...], follow: bool) -> Location:
        label = self.label(link)
        try:
            target = os.readlink(link.parts[-1], dir_fd=folder)
        except OSError as error:
            raise explained(error, f"open {label}") from None
        parts = after_link(link.parts[:-1], target, rest)
        if parts is None or not link.mount.sees(parts):
            raise ToolError(f"{label} is a link that leads out of what this process sees, which is {self._view()}")
        onward = Location(link.mount, parts)
        if not follow:
            raise ToolError(
                f"{label} is a link, and nothing is written through links; write {self.label(onward)} itself"
            )
        return onward

    def _missing(self, folder: int, where: Location, hint: str = "") -> ToolError:
        """Nothing has that name in ``folder``; say what has."""
        inside, name = Location(where.mount, where.parts[:-1]), shown(where.parts[-1])
        names = sorted(shown(entry.name) for entry in self.entries(folder, inside, 10_000))
        near = closest(name, names)
        alike = [other for other in names if other != name and skeleton(other) == skeleton(name)]
        if alike:
            apart = "; ".join(difference(0, other, name).partition(": ")[2] or ascii(other) for other in alike[:2])
            there = f"in {self.label(inside)} there is {' or '.join(alike[:3])}, which looks like it and isn't: {apart}"
        elif near:
            there = f"in {self.label(inside)} there is {' or '.join(near)}"
        elif names:
            there = f"{self.label(inside)} has {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
        else:
            there = f"{self.label(inside)} is empty" + (" for this process" if where.mount.only else "")
        slash = '; parts of a path are separated by "/"' if "\\" in name else ""
        return ToolError(f"there is no {self.label(where)}; {there}{slash}{hint}")

    def _view(self) -> str:
        return " and ".join(map(_words, self.mounts))


def hides(veil: Veil, parts: tuple[str, ...], item: os.DirEntry[str], folder: int) -> bool:
    """Does a veil hide this entry of an open folder that is seen itself?"""
    if not veil.watches:
        return False
    facts = None
    with suppress(OSError):  # it vanished; its name still says what it would be
        facts = item.stat(follow_symlinks=False)
    return veil.hides(parts, facts, folder)


def _words(mount: PlaceMount) -> str:
    mode = "read-only" if mount.mode == "ro" else "read and write"
    if not mount.only:
        return f"/{mount.name} ({mode})"
    return f"/{mount.name} ({mode}, only {', '.join(map(shown, mount.only[:8]))}{', ...' if mount.only[8:] else ''})"


def _taken(label: str, facts: os.stat_result) -> ToolError:
    if stat.S_ISDIR(facts.st_mode):
        return ToolError(f"{label} is a folder; write a file in it, as in {label}/notes.md")
    return ToolError(
        f"{label} exists already and was not touched; use files/edit to change a part of it, "
        "or files/overwrite to replace it (a person confirms that)"
    )


def _unsynced(label: str, error: atomic.NotSynced) -> str:
    return f"{label} is written, but the disk could not be told to keep it ({error}): a power cut may undo it. Tell the person"
