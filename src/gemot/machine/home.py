"""A machine's home: the folder with its journal, its lock and the door through which other terminals reach it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from gemot.machine import stop_reason

SOCKET_PATH_MAX = 100
"""A Unix socket's path has at most 108 bytes on Linux, 104 on macOS."""


STARTING = " starting"
"""In the lock, after the process: the machine there still reads its journal."""


class HomeError(Exception):
    """The home can't be used; the message says why and what to do."""


class Busy(HomeError):
    """Another machine runs on this home; ``pid`` is its operating-system process, 0 if unknown."""

    def __init__(self, message: str, pid: int) -> None:
        super().__init__(message)
        self.pid = pid


def default_home() -> Path:
    """``GEMOT_HOME``, or the person's data folder."""
    named = os.environ.get("GEMOT_HOME")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("gemot") / "machine"


def sockets_folder() -> Path:
    """Where the sockets of homes are whose own path is too long for one."""
    import tempfile

    return Path(tempfile.gettempdir()) / f"gemot-{os.geteuid()}"


def here(folder: Path) -> Path:
    """The whole path of a folder. Raises :class:`HomeError` where the current folder is gone."""
    try:
        return folder.expanduser().absolute()
    except FileNotFoundError:
        raise HomeError("the folder you are in is not there any more; go to another one, or name whole paths") from None


def not_utf8(path: Path | str) -> str:
    """Why a path can't be used, in words: its name is not UTF-8, so no journal can hold it; ``""`` where it is."""
    text = str(path)
    if text.isascii():
        return ""
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(text).decode(errors="backslashreplace")
        return (
            f"the name {shown} is not UTF-8, and gemot writes names down as text: another folder could be meant by it. "
            "Rename it, or name a link to it (ln -s) that has a name in UTF-8"
        )
    return ""


def open_to_others(path: Path) -> str:
    """Why somebody else could change what a path leads to, in words; ``""`` where nobody can, or nothing is there. Links are
    followed: they are the person's."""
    try:
        facts = path.stat()
    except OSError:
        return ""
    if facts.st_uid not in (os.geteuid(), 0):
        return "belongs to another user, who could have gemot run what they like; name another with GEMOT_CONFIG"
    if facts.st_mode & 0o022:
        return f"can be written by others, who could have gemot run what they like: chmod go-w {path}"
    return ""


FILES = (
    "lock", "journal.db", "journal.db-wal", "journal.db-shm", "journal.db-journal", "journal.end", "journal.db.salvage", "journal.db.salvaged",
    "memories.sqlite", "memories.sqlite-wal", "memories.sqlite-shm", "memories.sqlite-journal", "machine.log", "machine.state",
)  # fmt: skip
"""The plain files of a home. Each must be there itself, not as a link to something else."""


class Home:
    """``folder`` is made if it is missing, readable by its owner only. What is there already must belong to its owner: a folder
    that came from elsewhere may hold links that lead anywhere. Raises :class:`HomeError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = here(folder)
        if not_utf8(self.folder):
            raise HomeError(f"the machine's folder can't be used: {not_utf8(self.folder)}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            if self.folder.is_symlink():
                raise HomeError(self._is_link()) from None
            raise HomeError(
                f"the machine's folder {self.folder} can't be made: {error.strerror}. Name another with --home or GEMOT_HOME"
            ) from error
        self._lock: int | None = None
        self.check()

    def check(self) -> None:
        """Raises :class:`HomeError` where the folder, or what gemot opens in it, is a link, or others could change it."""
        if self.folder.is_symlink():
            raise HomeError(self._is_link())
        try:
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise HomeError(
                f"the machine's folder {self.folder} can't be opened: {error.strerror}. Name another with --home or GEMOT_HOME"
            ) from None
        try:
            self._must_be_mine(self.folder, os.fstat(folder))
            for name in (*FILES, "door", "spaces"):
                with suppress(FileNotFoundError):
                    self._must_fit(name, os.stat(name, dir_fd=folder, follow_symlinks=False))
        finally:
            os.close(folder)

    def _is_link(self) -> str:
        return (
            f"the machine's folder {self.folder} is a link, and a home is opened without following any: name the folder itself "
            f"with --home or GEMOT_HOME ({os.path.realpath(self.folder)})"
        )

    def _must_fit(self, name: str, facts: os.stat_result) -> None:
        path = self.folder / name
        if stat.S_ISLNK(facts.st_mode):
            raise HomeError(
                f"{path} is a link, and nothing in a machine's folder is opened through one: remove it, or name another "
                "folder with --home or GEMOT_HOME"
            )
        wanted, kind = {"door": (stat.S_ISSOCK, "a socket"), "spaces": (stat.S_ISDIR, "a folder")}.get(
            name, (stat.S_ISREG, "a plain file")
        )
        if not wanted(facts.st_mode):
            raise HomeError(
                f"{path} is not {kind}, so this is no machine's folder: remove it, or name another folder with --home or "
                "GEMOT_HOME"
            )
        self._must_be_mine(path, facts)
        if stat.S_ISREG(facts.st_mode) and facts.st_nlink > 1:
            raise HomeError(
                f"{path} has another name (a hard link), under which it could be read or changed: put a copy of it in its "
                "place, or name another folder with --home or GEMOT_HOME"
            )

    def _must_be_mine(self, path: Path, facts: os.stat_result) -> None:
        if facts.st_uid != os.geteuid():
            raise HomeError(
                f"{path} belongs to another user (number {facts.st_uid}), and a machine's folder must be your own: name "
                "another with --home or GEMOT_HOME"
            )
        if facts.st_mode & 0o022:
            raise HomeError(
                f"{path} can be written by others (mode {stat.S_IMODE(facts.st_mode):04o}), and what stands in it is trusted: "
                f"chmod go-w {path}"
            )

    @property
    def journal(self) -> Path:
        return self.folder / "journal.db"

    @property
    def memories(self) -> Path:
        return self.folder / "memories.sqlite"

    @property
    def state(self) -> Path:
        """Whether a machine runs, or why it stopped (:mod:`gemot.machine.stop_reason`)."""
        return self.folder / "machine.state"

    @property
    def door(self) -> Path:
        """The path of the Unix socket; a short one elsewhere when this folder's path is too long for one."""
        path = self.folder / "door"
        if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
            return path
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:24]
        private = sockets_folder()
        with suppress(FileExistsError):
            private.mkdir(mode=0o700)
        facts = private.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            raise HomeError(
                f"{private} belongs to somebody else or is open to others, so it can't hold a socket; use a home with a shorter path"
            )
        return private / name

    def lock(self, starting: bool = False) -> None:
        """Take the home for this process. Raises :class:`Busy` if a machine runs on it. Released when the process ends, however it ends.
        ``starting``: a machine reads its journal, and calls :meth:`started` when it has."""
        try:
            self.check()
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HomeError(
                f"the machine's folder {self.folder} can't be used: {error.strerror}. Name another with --home or GEMOT_HOME"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _holder(handle)[0]
            os.close(handle)
            raise Busy(f"a machine is running on {self.folder} already (process {pid or 'unknown'})", pid) from None
        try:
            self._must_fit("lock", os.fstat(handle))
        except HomeError:
            os.close(handle)
            raise
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}{STARTING if starting else ''}".encode(), 0)
        self._lock = handle

    def started(self) -> None:
        """The machine has read its journal."""
        if self._lock is not None:
            os.ftruncate(self._lock, len(str(os.getpid())))

    def runs(self) -> int | None:
        """The process of the machine that runs here (0: unknown), or None. Nothing is written, so a home that can only be
        read will do. Raises :class:`HomeError`."""
        found = self._found()
        return None if found is None else found[0]

    def starts(self) -> bool:
        """Whether a machine runs here that still reads its journal. Raises :class:`HomeError`."""
        found = self._found()
        return found is not None and found[1]

    def _found(self) -> tuple[int, bool] | None:
        self.check()
        try:
            handle = os.open(self.folder / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HomeError(f"{self.folder / 'lock'} can't be read: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return _holder(handle)
        finally:
            os.close(handle)

    def is_ours(self) -> bool:
        """Whether the folder still holds the lock that this process took: it may have been deleted, and made anew."""
        if self._lock is None:
            return False
        try:
            there = os.lstat(self.folder / "lock")
        except OSError:
            return False
        here = os.fstat(self._lock)
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def unlock(self) -> None:
        if self._lock is not None:
            stop_reason.closed(self)
            os.close(self._lock)
            self._lock = None


def _holder(handle: int) -> tuple[int, bool]:
    """Of a lock that is held: the process that holds it (0: unknown), and whether its machine is starting."""
    words = os.pread(handle, 32, 0).decode(errors="replace")
    pid = words.removesuffix(STARTING).strip()
    return (int(pid) if pid.isdigit() else 0), words.endswith(STARTING)
