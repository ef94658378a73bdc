"""gemot's own folders on this computer: homes, configuration, models, caches, sockets. No process sees them.

A folder is known by its path and, once it exists, by a descriptor that is held: so it is found again wherever it is moved.
"""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gemot.drivers.veil import OwnFolders

_LOOK_ONLY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


USUAL = (".config/gemot", ".local/share/gemot", ".cache/gemot", ".local/state/gemot")
"""Where gemot's folders are in a home when no variable says otherwise. This command may run with ``XDG_CONFIG_HOME``, and the
next one without it."""


def config_folder() -> Path:
    """``GEMOT_CONFIG``, or the person's configuration folder."""
    named = os.environ.get("GEMOT_CONFIG")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_config_path("gemot")


def known_folders() -> list[Path]:
    """All folders that gemot uses on this computer, whether or not they exist."""
    import platformdirs

    from gemot.machine.home import default_home, sockets_folder

    data = os.environ.get("GEMOT_DATA")
    return [
        default_home(),
        config_folder(),
        platformdirs.user_config_path("gemot"),
        platformdirs.user_data_path("gemot"),
        platformdirs.user_cache_path("gemot"),
        platformdirs.user_state_path("gemot"),
        platformdirs.user_log_path("gemot"),
        sockets_folder(),
        *([Path(data).expanduser() / "models"] if data else []),
        *(home / folder for home in _homes() for folder in USUAL),
    ]


def _homes() -> list[Path]:
    """The person's home folder, by ``HOME`` and by the system's list of users."""
    found: list[Path] = []
    with suppress(RuntimeError):  # there is none
        found.append(Path.home())
    with suppress(ImportError, KeyError):  # Windows, or a user without an entry
        import pwd

        found.append(Path(pwd.getpwuid(os.getuid()).pw_dir))
    return found


def mounted_again(paths: Iterable[str]) -> list[str]:
    """Where these folders, or parts of them, are mounted a second time. Only Linux tells."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            mounts = _mounts(file.read())
    except OSError:
        return []
    places = [place for path in paths if (place := _place(path, mounts)) is not None]
    return [
        point
        for point, disk, root in mounts
        if any(disk == own and (root == inside or root.startswith(inside.rstrip("/") + "/")) for own, inside in places)
    ]


@functools.lru_cache(4)
def _mounts(told: bytes) -> tuple[tuple[str, bytes, str], ...]:
    """Each mount: where it is, the disk, and the folder of the disk that is seen there."""
    lines = (line.split(b" ") for line in told.splitlines())
    return tuple((_plain(words[4]), words[2], _plain(words[3])) for words in lines if len(words) > 4)


def _plain(word: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), word))


def _place(path: str, mounts: Iterable[tuple[str, bytes, str]]) -> tuple[bytes, str] | None:
    """The disk that a path is on, and its path there."""
    best: tuple[str, bytes, str] | None = None
    for mount in mounts:  # of two at one place the later one is seen
        point = mount[0].rstrip("/")
        if (path == point or path.startswith(point + "/")) and (best is None or len(mount[0]) >= len(best[0])):
            best = mount
    if best is None:
        return None
    point, disk, root = best
    return disk, (root.rstrip("/") + path[len(point.rstrip("/")) :]) or "/"


class Own:
    """gemot's own folders, and those of one machine, followed while it runs."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._paths = list(dict.fromkeys(str(folder.absolute()) for folder in (*folders, *known_folders())))
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, folder: Path) -> None:
        """One more, made by the machine itself."""
        if str(folder) not in self._paths:
            self._paths.append(str(folder))

    def now(self) -> OwnFolders:
        """Where they are at this moment."""
        with self._lock:  # copies are compared in threads
            return self._now()

    def _now(self) -> OwnFolders:
        paths: dict[str, None] = {}
        ids: set[tuple[int, int]] = set()
        for path in self._paths:
            paths[os.path.realpath(path)] = None
            with suppress(OSError):
                facts = os.stat(path)
                ids.add((facts.st_dev, facts.st_ino))
                if path not in self._held:
                    self._held[path] = os.open(path, _LOOK_ONLY)
        for held in self._held.values():
            facts = os.fstat(held)
            if not facts.st_nlink:
                continue  # it was removed
            ids.add((facts.st_dev, facts.st_ino))
            with suppress(OSError):
                paths[os.readlink(f"/proc/self/fd/{held}")] = None
        for path in mounted_again(paths):
            with suppress(OSError):
                facts = os.stat(path)
                paths[path] = None
                ids.add((facts.st_dev, facts.st_ino))
        return OwnFolders(tuple(paths), frozenset(ids))

    def close(self) -> None:
        """Let go of the descriptors."""
        for held in self._held.values():
            os.close(held)
        self._held.clear()
