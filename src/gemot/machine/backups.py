"""Backup: a whole copy of a home, also of one whose machine runs, and the way back.

The journal is copied by SQLite as it is at one moment, and its mark is written for that moment. Then the memories are copied, and the copies of
files. So these may be younger than the journal, never older: what a record says was done is there. A use of a tool that was under way at that
moment is in doubt, as after a crash.

A backup is made under another name, read through, brought to the disk, and moved to its name. It is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

import gemot
from gemot.drivers.copying import BUILDING, GONE, remove, sync_disk
from gemot.journal import endmark
from gemot.journal.contract import JournalError
from gemot.journal.endmark import End, Mark
from gemot.journal.inspecting import inspect
from gemot.journal.salvage import SUFFIX, beside, discard, swap, sync
from gemot.journal.sqlite import SqliteJournal
from gemot.machine import memories
from gemot.machine.home import Home, HomeError
from gemot.machine.salvaging import prepare
from gemot.programs.library import Library

FORMAT = 2
LEFTOVERS = frozenset({"lock", "door", "machine.log"})
"""What may stand in the folder of a home that holds nothing."""
_LIST = "backup.json"
_UNLISTED = ("-shm", "-wal")
"""What SQLite makes beside a file that somebody looked into; it holds nothing of its own in a backup."""


class BackupError(Exception):
    """It can't be done; the message says why and what would work."""


class Part(msgspec.Struct, frozen=True):
    """A file of a backup, as it was written."""

    bytes: int
    """Its size."""
    digest: str
    """SHA-256 of what is in it; of a link, of where it leads."""


class Backup(msgspec.Struct, frozen=True):
    """What a backup says of itself."""

    format: int
    """Of how it is laid out."""
    version: str
    """Of the gemot that made it."""
    at: int
    """When the journal was copied (seconds since 1970)."""
    position: int
    """Of the last record in it."""
    parts: dict[str, Part] | None = None
    """By path within the backup, every file of it; None in a backup of format 1, which did not list them."""


def make(home: Home, place: Path, settings: Path | None) -> Backup:
    """Copy a home, and the person's settings in that folder, to a new folder. Raises :class:`BackupError`, ``JournalError``."""
    place = place.expanduser().absolute()
    if not home.journal.exists():
        raise BackupError(
            f"there is no journal in {home.folder}, so there is nothing to back up; --home names another one"
        )
    real = Path(os.path.realpath(place.parent)) / place.name
    around = (real, *real.parents)
    if Path(os.path.realpath(home.folder)) in around:
        raise BackupError(f"{place} is in the machine's own folder; name a folder outside of it, best on another disk")
    if settings is not None and Path(os.path.realpath(settings)) in around:
        raise BackupError(f"{place} is in the settings, which are copied, too; name a folder outside of {settings}")
    if place.is_symlink() or (place.exists() and (not place.is_dir() or any(place.iterdir()))):
        raise BackupError(f"{place} exists already; name a folder that does not, such as {place.name}-2")
    building = place.with_name(f".{place.name}-{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        building.mkdir(mode=0o700)
        made = _filled(home, building, settings)
        sync_disk(building)
        if place.exists():
            place.rmdir()
        building.rename(place)
        sync(place.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(
            f"{place} can't be written: {getattr(error, 'strerror', None) or error}; nothing of it was kept"
        ) from error
    finally:
        remove(building)
    return made


def _filled(home: Home, building: Path, settings: Path | None) -> Backup:
    at = int(time.time())
    inside = building / "home"
    inside.mkdir(mode=0o700)
    SqliteJournal(home.journal, writing=False).close()  # raises where its end is missing
    journal = inside / home.journal.name
    _copy_database(home.journal, journal)
    position = _mark(journal)
    _must_be_whole(journal)
    if home.memories.exists():
        _copy_database(home.memories, inside / home.memories.name)
    if (home.folder / "spaces").is_dir():
        _copy_folder(home.folder / "spaces", inside / "spaces")
    if settings is not None and settings.is_dir():
        _copy_folder(settings, building / "settings")
    _clear(journal)
    made = Backup(FORMAT, gemot.__version__, at, position, _parts(building))
    (building / _LIST).write_bytes(msgspec.json.encode(made))
    return made


def _parts(place: Path) -> dict[str, Part]:
    """Every file and link in a backup but its list. Raises OSError."""
    parts: dict[str, Part] = {}
    for folder, _, names in os.walk(place, onerror=_raise):
        for name in names:
            path = Path(folder, name)
            inside = os.fsencode(path.relative_to(place)).decode(errors="backslashreplace")
            if inside != _LIST and not inside.endswith(_UNLISTED):
                parts[inside] = _part(path)
        for link in (path for path in Path(folder).iterdir() if path.is_symlink() and path.is_dir()):
            parts[os.fsencode(link.relative_to(place)).decode(errors="backslashreplace")] = _part(link)
    return parts


def _raise(error: OSError) -> None:
    raise error


def _part(path: Path) -> Part:
    if path.is_symlink():
        target = os.fsencode(os.readlink(path))
        return Part(len(target), hashlib.sha256(target).hexdigest())
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Part(file.tell(), digest)


def _copy_database(path: Path, into: Path) -> None:
    """One moment of a file of SQLite that others may be writing."""
    into.touch(mode=0o600)
    source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        source.execute("PRAGMA busy_timeout=30000")
        target = sqlite3.connect(into, isolation_level=None)
        try:
            source.backup(target)  # all pages in one go: what is written meanwhile waits in the log
        finally:
            target.close()
    finally:
        source.close()
    _clear(into)


def _clear(database: Path) -> None:
    """Remove what SQLite made beside a file that was only read."""
    for path in beside(database)[:3]:
        path.unlink(missing_ok=True)


def _mark(journal: Path) -> int:
    """Write the mark of the end of a journal that was copied; returns its last position."""
    copied = SqliteJournal(journal, writing=False)
    try:
        end, number = End(copied.position, copied.seal), copied.origin.number
    finally:
        copied.close()
    endmark.path_of(journal).write_bytes(endmark.packed(Mark(end, end, b"", number)))
    return end.position


def _must_be_whole(journal: Path) -> None:
    _, flaws = inspect(journal)
    if flaws:
        raise JournalError(
            f"the journal is damaged, so this would be a backup of damage, and none was kept: {flaws[0].what}. gemot doctor --deep says all"
        )


def _copy_folder(folder: Path, into: Path) -> None:
    """Copy a folder; what is removed meanwhile is left out, and so is what was half made."""

    def copied(source: str, target: str) -> object:
        with suppress(FileNotFoundError):
            return shutil.copy2(source, target, follow_symlinks=False)
        return target

    def left_out(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name.startswith((BUILDING, GONE))}

    try:
        shutil.copytree(folder, into, symlinks=True, ignore=left_out, copy_function=copied)
    except shutil.Error as error:
        wrong = [why for _, _, why in error.args[0] if "No such file" not in str(why)]
        if wrong:
            raise BackupError(f"{folder} can't be copied: {wrong[0]}") from error


def is_backup(place: Path) -> bool:
    """Whether a folder holds a backup, whole or not."""
    return (place / _LIST).is_file()


def listed(place: Path) -> Backup:
    """What a backup says of itself. Raises :class:`BackupError`."""
    try:
        made = msgspec.json.decode((place / _LIST).read_bytes(), type=Backup)
    except (OSError, msgspec.DecodeError):
        raise BackupError(f"{place} is no backup that gemot made: it has no readable {_LIST}") from None
    if made.format > FORMAT:
        raise BackupError(f"{place} was made by a newer gemot ({made.version}); upgrade gemot")
    return made


def read(place: Path) -> Backup:
    """The same, when the backup is whole. Raises :class:`BackupError`."""
    made = listed(place)
    try:
        wrong = next(flaws(place, made), "")
    except OSError as error:
        wrong = f"{error.filename} can't be read: {error.strerror}"
    if wrong:
        raise BackupError(f"the backup {place} is damaged: {wrong}. Nothing was restored; take another one")
    return made


def flaws(place: Path, made: Backup) -> Iterator[str]:
    """What is missing, changed or added in a backup, and what is damaged in its parts, in words. Raises OSError."""
    if made.parts is not None:
        there = _parts(place)
        for name in sorted(made.parts.keys() | there.keys()):
            before, now = made.parts.get(name), there.get(name)
            if now is None:
                yield f"{name} is missing"
            elif before is None:
                yield f"{name} was added since"
            elif now != before:
                yield f"{name} is not what was written ({now.bytes:,} bytes, {before.bytes:,} before)"
    inside = place / "home"
    journal = inside / "journal.db"
    if not journal.exists():
        yield f"{journal} is not there"
        return
    _, flaws = inspect(journal)
    yield from (flaw.what for flaw in flaws)
    if not flaws and _last(journal) != made.position:
        yield f"its journal does not end at record {made.position}"
    file = inside / "memories.sqlite"
    yield from memories.flaws(file) if file.exists() else ()


def _last(journal: Path) -> int:
    copied = SqliteJournal(journal, writing=False)
    try:
        return copied.position
    finally:
        copied.close()


def restore(
    place: Path, folder: Path, settings: Path | None, library: Library, doubt: bool = False
) -> tuple[Backup, bool]:
    """Bring a backup back as the home ``folder``, which must hold nothing; and the settings, where there are none. ``doubt``: what
    was living then changes nothing any more, since it may have gone on elsewhere. Returns what it is, and whether the settings
    were brought back. Raises :class:`BackupError`, ``JournalError``."""
    place, folder = place.expanduser().absolute(), folder.expanduser().absolute()
    made = read(place)
    _must_be_free(folder)
    building = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(place / "home", building, symlinks=True)
        building.chmod(0o700)
        for name in ("journal.db", "memories.sqlite"):
            _clear(building / name)
        if doubt:
            _doubt(building / "journal.db", library)
        sync_disk(building)
        for name in LEFTOVERS if folder.exists() else ():
            (folder / name).unlink(missing_ok=True)
        building.rename(folder)
        sync(folder.parent)
        brought = _restore_settings(place / "settings", settings)
    except OSError as error:
        raise BackupError(f"{folder} can't be written: {error.strerror or error}; nothing was restored") from error
    finally:
        remove(building)
    return made, brought


def _must_be_free(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        home = Home(folder)
        running = home.runs()
    except HomeError as error:
        raise BackupError(str(error)) from None
    there = sorted(path.name for path in folder.iterdir() if path.name not in LEFTOVERS)
    if running is not None or there:
        what = "a machine is running on it" if running is not None else f"it holds {', '.join(there[:3])}"
        raise BackupError(
            f"{folder} is not empty ({what}), and a restore overwrites nothing. Name another folder with --home, or move this one away first"
        )


def _doubt(journal: Path, library: Library) -> None:
    new = journal.with_name(journal.name + SUFFIX)
    before = journal.with_name("before.db")
    prepare(journal, new, library, doubt=True)
    swap(journal, new, before)
    discard(before)


def _restore_settings(kept: Path, settings: Path | None) -> bool:
    if settings is None or not kept.is_dir() or (settings.exists() and any(settings.iterdir())):
        return False
    settings.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(kept, settings, symlinks=True, dirs_exist_ok=True)
    return True
