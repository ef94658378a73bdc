"""A machine's home: the folder with its journal, its lock and the door through which other terminals reach it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

SOCKET_PATH_MAX = 100
"""A Unix socket's path has at most 108 bytes on Linux, 104 on macOS."""


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


class Home:
    """``folder`` is made if it is missing, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise HomeError(
                f"the machine's folder {self.folder} can't be made: {error.strerror}. Name another with --home or GEMOT_HOME"
            ) from error
        self._lock: int | None = None

    @property
    def journal(self) -> Path:
        return self.folder / "journal.db"

    @property
    def memories(self) -> Path:
        return self.folder / "memories.sqlite"

    @property
    def door(self) -> Path:
        """The path of the Unix socket; a short one elsewhere when this folder's path is too long for one."""
        path = self.folder / "door"
        if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
            return path
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:24]
        private = Path(tempfile.gettempdir()) / f"gemot-{os.getuid()}"
        private.mkdir(mode=0o700, exist_ok=True)
        if private.stat().st_uid != os.getuid() or private.stat().st_mode & 0o077:
            raise HomeError(
                f"{private} belongs to somebody else or is open to others, so it can't hold a socket; use a home with a shorter path"
            )
        return private / name

    def lock(self) -> None:
        """Take the home for this process. Raises :class:`Busy` if a machine runs on it. Released when the process ends, however it ends."""
        try:
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HomeError(
                f"the machine's folder {self.folder} can't be used: {error.strerror}. Name another with --home or GEMOT_HOME"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
            os.close(handle)
            pid = int(holder) if holder.isdigit() else 0
            raise Busy(f"a machine is running on {self.folder} already (process {pid or 'unknown'})", pid) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
