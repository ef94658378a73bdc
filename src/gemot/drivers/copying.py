"""Making a copy of a folder: the private view of a process that may change it and not the original.

The copy is a plain tree, so that file tools and boxes see the same, at the price of copying: on a disk that shares blocks
(``FICLONE``: btrfs, XFS, bcachefs) a file costs its name and one reading of it, on any other its bytes as well. What was
copied is written down beside it (the *base*), so that what changed since can be told on both sides.

It is built under another name and renamed when it is whole and on the disk. Links are copied as what they say, never
followed; set-user-id bits, pipes, sockets and devices are left out, and so is what can't be read.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import secrets
import stat
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from gemot.abi.limits import COPY_BYTES_MAX, COPY_FILES_MAX
from gemot.drivers import atomic
from gemot.drivers.descent import OPEN_FILE, open_folder, open_top
from gemot.drivers.errors import ToolError, explained
from gemot.drivers.names import DEPTH_MAX, shown
from gemot.drivers.veil import OPEN, Veil

BUILDING, GONE = ".building-", ".gone-"
"""How the folders of spaces begin that are not there yet, or not any more."""

FICLONE = 0x40049409
_CHUNK = 1 << 20
COPY_LENGTH_MAX = 4 * COPY_BYTES_MAX
"""The length of all files of a copy together, holes counted: they take no room, and time to read."""
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Kind = Literal["file", "folder", "link", "other"]
Seen = tuple[int, int, int, int]
"""Inode, size, time of the last change and of the last change of the facts; the last can't be set by anybody."""


class Known(msgspec.Struct, frozen=True, array_like=True):
    """What stood at a path when it was copied. ``digest``: of a file's bytes; of a link what it says. ``there`` and ``here``: how
    the original and the copy looked then, to see quickly that nothing happened to them. ``other``: it was left out."""

    kind: Kind
    mode: int = 0
    digest: bytes = b""
    there: Seen = (0, 0, 0, 0)
    here: Seen = (0, 0, 0, 0)


class Base(msgspec.Struct, frozen=True):
    """What was copied, by path (bytes, since names on a disk need not be text)."""

    known: dict[bytes, Known]
    own: int = 0
    """CRC-32 of it, as it is encoded; 0: an earlier gemot wrote none."""


class Space:
    """A folder of the machine's own: ``tree`` is what a process sees in place of a mount's folder, and the base is beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / "tree"

    @property
    def made(self) -> bool:
        return (self.folder / "base").exists()

    def base(self) -> dict[bytes, Known]:
        """What was copied. Raises :class:`ToolError` where that can't be read."""
        try:
            base = msgspec.msgpack.decode((self.folder / "base").read_bytes(), type=Base)
        except (OSError, msgspec.DecodeError) as error:
            raise ToolError(
                f"what was copied into {self.folder} can't be read ({error}); gemot doctor --deep says more"
            ) from error
        if base.own not in (0, _sum(base.known)):
            raise ToolError(
                f"what was copied into {self.folder} is not what was written down then; gemot doctor --deep says more"
            )
        return base.known

    def flaw(self) -> str:
        """What is damaged in it, in words, or ``""``: a file that nobody has written since, and that is not what was copied."""
        if not self.made:
            return f"the list of what was copied is not there ({self.folder / 'base'})"
        try:
            for path, known in self.base().items():
                file = Path(os.fsdecode(os.path.join(os.fsencode(self.tree), path)))
                if known.kind == "file" and known.digest and _untouched(file, known):
                    with file.open("rb") as opened:
                        if digest_of(opened.fileno()) != known.digest:
                            return f"the file {shown(file.name)} is not what was copied, though nobody has written it"
        except ToolError as error:
            return str(error)
        except OSError as error:
            return f"{error.filename} can't be read: {error.strerror}"
        return ""

    def keep(self, known: dict[bytes, Known]) -> None:
        """Put another base in the place of this one, whole or not at all."""
        _write_base(self.folder, known, ".base")
        os.rename(self.folder / ".base", self.folder / "base")

    def make(self, source: str, beneath: tuple[str, ...], label: str, lasting: bool = True, veil: Veil = OPEN) -> None:
        """Fill it with a copy of ``beneath`` in the folder ``source``, at the same path; with nothing if there is no source.
        ``lasting``: it must be there after a cut of the power; what is made for a moment must have all of it, and what can't be
        copied is refused. What ``veil`` hides is left out. Raises :class:`ToolError`; then nothing is there."""
        building = self.folder.parent / f"{BUILDING}{self.folder.name}-{secrets.token_hex(4)}"
        try:
            building.mkdir(mode=0o700)
            top = building.joinpath("tree", *beneath)
            top.mkdir(parents=True)
            spaces = self.folder.parent.stat()
            known = _copied(source, beneath, top, label, spaces, not lasting, veil) if source else {}
            _write_base(building, known, "base", lasting)
            if lasting:
                sync_disk(building)
            os.rename(building, self.folder)
            if lasting:
                _sync(self.folder.parent)
        except OSError as error:
            remove(building)
            raise explained(error, f"make a copy of {label}") from None
        except BaseException:
            remove(building)
            raise

    @contextmanager
    def held(self) -> Generator[None]:
        """Nobody else merges or discards it meanwhile."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Take it away, with all that is in it."""
        gone = self.folder.parent / f"{GONE}{self.folder.name}-{secrets.token_hex(4)}"
        with suppress(FileNotFoundError):
            with self.held():
                os.rename(self.folder, gone)
            remove(gone)


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, however deep, following no link. What somebody fills meanwhile stays for the next time."""
    if not folder.is_dir() or folder.is_symlink():
        return
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _empty(top, top)
        number = 0
        while inner := [name for name in os.listdir(top)][:1]:  # folders in it were moved up here, so nothing is deep
            _open_up(top, inner[0])
            try:
                one = open_folder(top, inner[0], inner[0])
            except ToolError:
                return
            try:
                _empty(one, top)
                os.rmdir(inner[0], dir_fd=top)
            except OSError:
                number += 1
                if number > 3:
                    return
            finally:
                os.close(one)
    finally:
        os.close(top)
    with suppress(OSError):
        folder.rmdir()


def _empty(folder: int, top: int) -> None:
    for name in os.listdir(folder):
        with suppress(OSError):
            if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=folder)
            elif folder != top:
                _open_up(folder, name)
                os.rename(name, f"{GONE}{secrets.token_hex(8)}", src_dir_fd=folder, dst_dir_fd=top)


def _open_up(folder: int, name: str) -> None:
    """Whoever made a folder may have closed it to its owner."""
    with suppress(OSError):
        inner = os.open(name, getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.chmod(f"/proc/self/fd/{inner}", 0o700)
        finally:
            os.close(inner)


def seen(facts: os.stat_result) -> Seen:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


class GivenUp(ToolError):
    """Nobody waits for what was looked for any more."""


def never() -> bool:
    """For a look that is not given up."""
    return False


def digest_of(file: int, given_up: Callable[[], bool] = never) -> bytes:
    """The digest of an open file as long as it is now: somebody may be making it longer. Raises :class:`GivenUp` soon after
    ``given_up`` says so: a file may be as large as its maker says, and cost nothing."""
    digest, at, size = hashlib.sha256(), 0, os.fstat(file).st_size
    while chunk := os.pread(file, min(_CHUNK, size - at), at):
        if given_up():
            raise GivenUp("it took too long to look at what changed")
        digest.update(chunk)
        at += len(chunk)
    return digest.digest()


def _copied(
    source: str, beneath: tuple[str, ...], into: Path, label: str, spaces: os.stat_result, whole: bool, veil: Veil
) -> dict[bytes, Known]:
    there = open_top(source, beneath, label)
    try:
        here = os.open(into, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            copier = _Copier(label, spaces, whole, veil)
            copier.folder(there, here, ())
            return copier.known
        finally:
            os.close(here)
    finally:
        os.close(there)


class _Copier:
    def __init__(self, label: str, spaces: os.stat_result, whole: bool, veil: Veil) -> None:
        self.known: dict[bytes, Known] = {}
        self._veil = veil
        self._whole = whole
        self._spaces = spaces
        self._label = label
        self._bytes = 0
        self._length = 0
        self._clones = True

    def folder(self, there: int, here: int, parts: tuple[str, ...]) -> None:
        for name in sorted(os.listdir(there)):
            if name.startswith(atomic.TEMPORARY_PREFIX):
                continue
            if len(self.known) >= COPY_FILES_MAX:
                raise self._too_large(f"{COPY_FILES_MAX:,} files and folders")
            with suppress(FileNotFoundError):  # it vanished meanwhile: then it is not in the copy
                facts = os.stat(name, dir_fd=there, follow_symlinks=False)
                if self._veil.hides((*parts, name), facts, there):
                    continue
                known = self._one(there, here, name, (*parts, name))
                if self._whole and known.kind == "other":
                    path = shown("/".join((self._label, *parts, name)))
                    raise ToolError(
                        f"{path} can't be copied: it is too deep, can't be read, or is neither file, folder nor link"
                    )
                self.known[os.fsencode("/".join((*parts, name)))] = known

    def _one(self, there: int, here: int, name: str, parts: tuple[str, ...]) -> Known:
        facts = os.stat(name, dir_fd=there, follow_symlinks=False)
        if stat.S_ISLNK(facts.st_mode):
            says = os.readlink(name, dir_fd=there)
            os.symlink(says, name, dir_fd=here)
            return Known("link", 0, os.fsencode(says))
        if stat.S_ISDIR(facts.st_mode) and len(parts) < DEPTH_MAX:
            try:
                inner = open_folder(there, name, shown(name))
            except ToolError:
                return Known("other")
            try:
                inside = os.fstat(inner)
                if os.path.samestat(inside, self._spaces):  # the folder of all copies would be copied into itself
                    return Known("other")
                if self._veil.hides(parts, inside, there):  # exchanged since it was looked at
                    return Known("other")
                os.mkdir(name, dir_fd=here)
                copy = open_folder(here, name, shown(name))
                try:
                    self.folder(inner, copy, parts)
                    os.fchmod(copy, stat.S_IMODE(facts.st_mode) & 0o755 | 0o700)
                finally:
                    os.close(copy)
            finally:
                os.close(inner)
            return Known("folder", stat.S_IMODE(facts.st_mode))
        if stat.S_ISREG(facts.st_mode):
            return self._file(there, here, name, parts[:-1])
        return Known("other")

    def _file(self, there: int, here: int, name: str, parts: tuple[str, ...]) -> Known:
        try:
            file = os.open(name, OPEN_FILE, dir_fd=there)
        except FileNotFoundError:
            raise
        except OSError:
            return Known("other")  # not ours to read, or swapped for something else
        try:
            facts = os.fstat(file)
            if not stat.S_ISREG(facts.st_mode) or self._veil.hides((*parts, name), facts, there):
                return Known("other")
            self._count_length(facts.st_size)
            copy = os.open(name, _NEW, 0o600, dir_fd=here)
            try:
                if self._cloned(file, copy):
                    self._count(min(facts.st_size, facts.st_blocks * 512))
                    digest = digest_of(copy)
                else:
                    digest = self._bytes_of(file, copy)
                os.fchmod(copy, stat.S_IMODE(facts.st_mode) & 0o777)
                os.utime(copy, ns=(facts.st_atime_ns, facts.st_mtime_ns))
                return Known("file", stat.S_IMODE(facts.st_mode), digest, seen(facts), seen(os.fstat(copy)))
            finally:
                os.close(copy)
        finally:
            os.close(file)

    def _cloned(self, file: int, copy: int) -> bool:
        if self._clones:
            try:
                fcntl.ioctl(copy, FICLONE, file)
                return True
            except OSError:
                self._clones = False  # this disk shares no blocks with that one: do not ask for each file
        return False

    def _bytes_of(self, file: int, copy: int) -> bytes:
        """Copy what the file holds; where it has holes, or zeros, the copy has holes."""
        digest, length = hashlib.sha256(), 0
        while chunk := os.read(file, _CHUNK):
            digest.update(chunk)
            length += len(chunk)
            if length > COPY_LENGTH_MAX:  # it grows while it is read
                raise self._too_large(f"{COPY_LENGTH_MAX >> 20:,} MB, holes counted")
            if chunk.count(0) == len(chunk):
                os.lseek(copy, len(chunk), os.SEEK_CUR)
                continue
            self._count(len(chunk))
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(copy, rest) :]
        os.ftruncate(copy, length)
        return digest.digest()

    def _count_length(self, size: int) -> None:
        """Holes take no room, and still have to be read."""
        self._length += size
        if self._length > COPY_LENGTH_MAX:
            raise self._too_large(f"{COPY_LENGTH_MAX >> 20:,} MB, holes counted")

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > COPY_BYTES_MAX:
            raise self._too_large(f"{COPY_BYTES_MAX >> 20:,} MB")

    def _too_large(self, what: str) -> ToolError:
        return ToolError(
            f"no copy of {self._label} was made, since it holds more than {what}; whoever gives it can name a smaller "
            "folder, or mode ro"
        )


def _write_base(folder: Path, known: dict[bytes, Known], name: str, lasting: bool = True) -> None:
    with open(folder / name, "wb") as file:
        file.write(msgspec.msgpack.encode(Base(known, _sum(known))))
        if lasting:
            file.flush()
            os.fsync(file.fileno())


def _sum(known: dict[bytes, Known]) -> int:
    return zlib.crc32(msgspec.msgpack.encode(known)) or 1


def _untouched(file: Path, known: Known) -> bool:
    """Whether a file looks as it did when it was copied."""
    try:
        facts = file.lstat()
    except FileNotFoundError:
        return False
    return seen(facts) == known.here


def sync_disk(folder: Path) -> None:
    """Everything of this disk is on it: one call, where a call for each file would take as long as the copy itself."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs = getattr(ctypes.CDLL(None), "syncfs", None)
        if syncfs is None or syncfs(opened):
            os.sync()
    finally:
        os.close(opened)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        atomic.sync(opened)
    finally:
        os.close(opened)
