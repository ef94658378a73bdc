"""What runs code later in a folder that a box may write: read-only while the box is there, and nothing new of it afterwards.

Before a use the folder is searched to its bottom. What is found (:mod:`gemot.authority.autorun_files`, and what version control
itself would use, whatever its name) is mounted read-only. After the use it is searched again: what is new is moved aside, into a
folder of gemot, where its person finds it. The search follows no link. It goes DEPTH_MAX folders down; a folder at that depth is
read-only as a whole, and moved aside as a whole if it is new. So is a folder that is closed to its owner.

What version control would use is asked of its own files: ``.git`` may be a folder, a file that names one, or a link; a folder with
``HEAD``, ``objects`` and ``refs`` is a repository under any name; and its configuration names hooks, other configuration and programs.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from platformdirs import user_data_path

from gemot.authority.autorun_files import folded, may_run_later, runs_later

DEPTH_MAX, PATH_MAX = 64, 3_000
"""How deep, and how many characters from the top, a folder is searched."""
MOUNTS_MAX = 400
"""Paths that are made read-only one by one; where there are more, the folders that they lie in are."""
CONFIG_BYTES_MAX = 1 << 20
COMPILED = "__pycache__"
_SHAPES = (frozenset(("head", "objects", "refs")), frozenset(("head", "commondir")))
"""The names by which git takes a folder for a repository, or for a working tree's part of one."""
_VERSION_CONTROL = frozenset((".git", ".hg", ".svn", ".bzr", ".jj", ".sl", "_darcs", ".pijul", "cvs", "_mtn", ".repo"))
_RUN_BY_KEY = frozenset((
    "fsmonitor", "sshcommand", "pager", "editor", "askpass", "command", "textconv", "driver", "clean", "smudge", "process", "helper",
    "program", "cmd", "gitproxy", "external", "alternaterefscommand", "packobjectshook", "browser", "tool",
))  # fmt: skip
_RUN_BY_SECTION = frozenset(("alias", "pager", "hooks", "extensions", "browser", "mergetool", "difftool"))
"""The keys, and the sections, of a configuration whose values are commands."""
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Facts(NamedTuple):
    """What tells whether a path is what it was: for a folder only which one it is."""

    device: int
    inode: int
    size: int = 0
    changed: int = 0
    text: str = ""
    """Where a link leads."""


class Met(NamedTuple):
    """A path that the search came to, and whether it is to be kept from commands as a whole."""

    path: str
    entry: os.stat_result
    whole: bool


class Guard:
    """One folder. ``keep``: paths in it that a person has allowed to change. ``everything``: or only version control is kept.
    ``covered``: paths that do not exist for the box."""

    def __init__(
        self, folder: str, keep: tuple[str, ...] = (), everything: bool = True, covered: tuple[str, ...] = ()
    ) -> None:
        self._folder, self._everything, self._covered = folder, everything, frozenset(covered)
        self._keep = tuple(folded(path.strip("/")) for path in keep if runs_later(path.strip("/")))
        self._watched: set[str] = set()
        self._known: dict[str, Facts] = {}
        self._folders: set[str] = set()
        """Those at the greatest depth, before the use."""
        self.closed: list[str] = []
        """The paths that are read-only; ``""`` is all of the folder."""
        self.identities: dict[str, tuple[int, int]] = {}
        """Of those, and of the folders that they lie in."""
        self._top = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            facts = os.fstat(self._top)
            self._mode, self._identity = stat.S_IMODE(facts.st_mode), (facts.st_dev, facts.st_ino)
            self._search()
        finally:
            os.close(self._top)

    def above(self) -> list[str]:
        """The folders that what is read-only lies in: they can't be moved away."""
        fixed = (*self.closed, *self._covered)
        return sorted({str(one) for path in fixed for one in PurePosixPath(path).parents} - {"."})

    # -- before -----------------------------------------------------------------------------------------------

    def _search(self) -> None:
        linked: list[tuple[int, int]] = []
        for met in self._walk(self._closed_folder, True):
            self._know(met)
            if stat.S_ISREG(met.entry.st_mode) and met.entry.st_nlink > 1:
                linked.append((met.entry.st_dev, met.entry.st_ino))
        for path in self._targets():
            self._watched.add(folded(path))
            with suppress(OSError):
                entry = os.stat(path, dir_fd=self._top, follow_symlinks=False)
                self._know(Met(path, entry, True))
        if linked:
            self._know_other_names(set(linked))
        hidden = tuple(f"{path}/" for path in self._covered)
        shown = [path for path in self.closed if path not in self._covered and not path.startswith(hidden)]
        self.closed = _without_inner(self._folded_up(shown))
        for path in {*self.closed, *self.above()} - {""}:
            entry = os.stat(path, dir_fd=self._top, follow_symlinks=False)
            self.identities[path] = entry.st_dev, entry.st_ino

    def _know(self, met: Met) -> None:
        self._known[met.path] = self._facts(met)
        if not met.whole or stat.S_ISLNK(met.entry.st_mode):
            return  # a compiled file, which may go; or a link, over which nothing can be mounted: it is put back
        self.closed.append(met.path)

    def _closed_folder(self, path: str) -> None:
        self.closed.append(path)

    def _know_other_names(self, linked: set[tuple[int, int]]) -> None:
        """A file that runs later can be written under any of its names."""
        stack = [""]
        while stack:
            path = stack.pop()
            for name, entry in self._entries(path):
                inner = f"{path}/{name}" if path else name
                if stat.S_ISDIR(entry.st_mode) and self._searchable(inner):
                    stack.append(inner)
                elif (
                    stat.S_ISREG(entry.st_mode) and (entry.st_dev, entry.st_ino) in linked and inner not in self._known
                ):
                    self._watched.add(folded(inner))
                    self._know(Met(inner, entry, True))

    def _folded_up(self, paths: list[str]) -> list[str]:
        while len(set(paths)) > MOUNTS_MAX:
            crowds = Counter(os.path.dirname(path) for path in paths if "/" in path)
            if not crowds:
                raise OSError(errno.E2BIG, f"more than {MOUNTS_MAX:,} files that run code later lie at its top")
            many = {folder for folder, count in crowds.items() if count > 1} or set(crowds)
            paths = [parent if (parent := os.path.dirname(path)) in many else path for path in set(paths)]
            paths = _without_inner(paths)
        return paths

    # -- after ------------------------------------------------------------------------------------------------

    def sweep(self) -> list[str]:
        """Move aside what has come that runs code later; its paths. Everything in the box has ended. Raises ``OSError``."""
        self._top = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            facts = os.fstat(self._top)
            if (facts.st_dev, facts.st_ino) != self._identity:
                raise OSError(errno.ESTALE, "the folder was exchanged", self._folder)
            return self._swept()
        finally:
            os.close(self._top)

    def _swept(self) -> list[str]:
        mode = stat.S_IMODE(os.fstat(self._top).st_mode)
        if mode & 0o700 != self._mode & 0o700:
            os.chmod(
                f"/proc/self/fd/{self._top}", self._mode
            )  # closed by the command: nothing could be opened here again
        if not self._everything or "" in self.closed:
            return []
        new: list[str] = []
        seen: set[str] = set()
        for met in self._walk(self._open_again, False):
            seen.add(met.path)
            if self._known.get(met.path) != self._facts(met) and not self._closed(met.path):
                new.append(met.path)
        gone = [path for path, facts in self._known.items() if facts.text and path not in seen]
        aside = Aside()
        for path in _without_inner(new):
            aside.take(self._top, path)
        for path in {*new, *gone}:
            known = self._known.get(path)
            if known is not None and known.text:
                with suppress(OSError):
                    os.symlink(known.text, path, dir_fd=self._top)
        return sorted(_without_inner(new))

    def _closed(self, path: str) -> bool:
        """It is in what was read-only, so it is what it was."""
        return any(path == one or path.startswith(f"{one}/") for one in self.closed)

    def _open_again(self, path: str) -> None:
        """A folder that was closed after the search: what is in it must be seen."""
        if not self._closed(path):
            with suppress(OSError):
                folder = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._top)
                try:
                    if stat.S_ISDIR(mode := os.fstat(folder).st_mode):
                        os.chmod(f"/proc/self/fd/{folder}", stat.S_IMODE(mode) | 0o700)
                finally:
                    os.close(folder)

    # -- the search -------------------------------------------------------------------------------------------

    def _walk(self, closed: Callable[[str], None], before: bool) -> Iterator[Met]:
        """Every path that runs code later, ``before`` the use or after it. ``closed`` is told of folders that can't be opened."""
        stack = [""]
        while stack:
            path = stack.pop()
            if self._closed(path) and not before:
                continue
            try:
                entries = list(self._entries(path))
            except PermissionError:
                closed(path)
                try:
                    entries = list(self._entries(path)) if not before else []
                except OSError:
                    continue
            names = {folded(name) for name, _ in entries}
            if any(shape <= names for shape in _SHAPES) and not self._kept(path):
                if path:
                    yield Met(path, os.stat(path, dir_fd=self._top, follow_symlinks=False), True)
                    continue
                yield from (Met(name, entry, True) for name, entry in entries)
                continue
            for name, entry in entries:
                inner = f"{path}/{name}" if path else name
                if inner in self._covered:
                    continue
                folder = stat.S_ISDIR(entry.st_mode)
                if self._guarded(inner, name) and not self._kept(inner):
                    compiled = self._compiled(inner, name)
                    if compiled and folder:
                        stack.append(inner)
                    else:
                        yield Met(inner, entry, not compiled)
                elif folder and not self._searchable(inner):
                    if before:
                        self._folders.add(inner)
                        self.closed.append(inner)
                    elif inner not in self._folders:
                        yield Met(inner, entry, True)
                elif folder:
                    stack.append(inner)

    def _entries(self, path: str) -> Iterator[tuple[str, os.stat_result]]:
        try:
            folder = os.open(path or ".", _OPEN, dir_fd=self._top)
        except (FileNotFoundError, NotADirectoryError):
            return  # it vanished, or is something else now
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                return
            raise
        try:
            with os.scandir(folder) as listing:
                for entry in listing:
                    with suppress(FileNotFoundError):
                        yield entry.name, entry.stat(follow_symlinks=False)
        finally:
            os.close(folder)

    @staticmethod
    def _searchable(path: str) -> bool:
        return path.count("/") < DEPTH_MAX and len(os.fsencode(path)) < PATH_MAX

    def _guarded(self, path: str, name: str) -> bool:
        if not self._everything:
            return folded(name) in _VERSION_CONTROL
        return bool(
            (may_run_later(name) and runs_later(path)) or (self._watched and folded(path) in self._watched)
        ) or (COMPILED in path and runs_later(path) != "")

    def _compiled(self, path: str, name: str) -> bool:
        """A file that Python makes of its source, again and again: it may go, but none may come."""
        return COMPILED in folded(path).split("/") or folded(name).endswith((".pyc", ".pyo"))

    def _kept(self, path: str) -> bool:
        whole = folded(path)
        return any(whole == one or whole.startswith(f"{one}/") for one in self._keep)

    def _facts(self, met: Met) -> Facts:
        entry = met.entry
        if stat.S_ISLNK(entry.st_mode):
            return Facts(entry.st_dev, 0, text=os.readlink(met.path, dir_fd=self._top))
        if stat.S_ISDIR(entry.st_mode):
            return Facts(entry.st_dev, entry.st_ino)
        return Facts(entry.st_dev, entry.st_ino, entry.st_size, entry.st_ctime_ns)

    # -- what version control would use -----------------------------------------------------------------------

    def _targets(self) -> set[str]:
        """The paths in this folder that something guarded leads to: links, ``gitdir:`` files, configuration."""
        found: set[str] = set()
        top = os.path.realpath(self._folder)
        for path, facts in list(self._known.items()):
            whole = os.path.join(top, path)
            if facts.text:
                found.add(os.path.join(os.path.dirname(whole), facts.text))
            if folded(os.path.basename(path)) in (".git", ".hg") or facts.inode:
                found |= _uses(whole)
        inside: set[str] = set()
        for path in found:
            for spelled in (os.path.normpath(path), os.path.realpath(path)):
                if spelled.startswith(f"{top}/"):
                    inside.add(spelled.removeprefix(f"{top}/"))
        return {path for path in inside if not self._kept(path)}


def _uses(path: str) -> set[str]:
    """What the version control at ``path`` reads or runs elsewhere."""
    found: set[str] = set()
    worktree = os.path.dirname(path)
    if os.path.isfile(path) and os.path.basename(path) == ".git":
        match = re.match(rb"gitdir:[ \t]*([^\r\n]+)", _read(path))
        if match:
            path = os.path.join(worktree, os.fsdecode(match[1]))
            found.add(path)
    if not os.path.isdir(path):
        return found
    common = _read(os.path.join(path, "commondir")).strip()
    homes = [path, *([os.path.join(path, os.fsdecode(common))] if common else [])]
    found |= set(homes)
    for home in homes:
        for name in ("config", "config.worktree", "hgrc"):
            found |= _named(_read(os.path.join(home, name)).decode(errors="surrogateescape"), home, worktree)
        hooks = os.path.join(home, "hooks")
        with suppress(OSError):
            found |= {os.path.realpath(os.path.join(hooks, name)) for name in os.listdir(hooks)}
    return found


def _named(config: str, home: str, worktree: str) -> set[str]:
    """The paths that a configuration names: of hooks, of other configuration, and in commands."""
    found: set[str] = set()
    section = ""
    for line in config.splitlines():
        if header := re.match(r"\s*\[\s*([\w.-]+)", line):
            section = header[1].casefold().partition(".")[0]
            line = line.partition("]")[2]
        key, sign, value = line.partition("=")
        key, value = key.strip().casefold(), os.path.expanduser(value.strip().strip('"'))
        if not sign or not value:
            continue
        if key == "path" and section in ("include", "includeif"):
            found.add(os.path.join(home, value))
        elif key == "hookspath":
            found.add(os.path.join(worktree, value))
        elif key in _RUN_BY_KEY or section in _RUN_BY_SECTION:
            found |= {os.path.join(worktree, word.strip("'\"!;")) for word in value.split() if "/" in word}
    return found


def _read(path: str) -> bytes:
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(CONFIG_BYTES_MAX)
    except OSError:
        return b""


def _without_inner(paths: list[str]) -> list[str]:
    """Those that do not lie in another of them."""
    chosen = set(paths)
    if "" in chosen:
        return [""]
    return sorted(path for path in chosen if not any(str(one) in chosen for one in PurePosixPath(path).parents))


class Aside:
    """A folder of gemot for what is moved away from where it would run; made when there is something."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._count = 0

    def take(self, top: int, path: str) -> None:
        """Move a path of the open folder ``top`` here: on the same disk at once, else as a copy. Where that fails it stays beside where
        it was, under a name that nothing runs, closed."""
        self._count += 1
        try:
            target = self._made() / f"{self._count}-{os.path.basename(path)[:200]}"
            os.rename(path, target, src_dir_fd=top)
        except OSError:
            token = f".aside-{secrets.token_hex(8)}"
            os.rename(path, token, src_dir_fd=top, dst_dir_fd=top)
            held = f"/proc/self/fd/{top}/{token}"
            try:
                target = self._made() / f"{self._count}-{os.path.basename(path)[:200]}"
                if os.path.isdir(held) and not os.path.islink(held):
                    shutil.copytree(held, target, symlinks=True)
                    shutil.rmtree(held)
                else:
                    shutil.copy2(held, target, follow_symlinks=False)
                    os.unlink(held)
            except (OSError, shutil.Error, RecursionError):
                with suppress(OSError):
                    os.chmod(held, 0)

    def _made(self) -> Path:
        if self._folder is None:
            name = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
            self._folder = Path(os.environ.get("GEMOT_HOME") or user_data_path("gemot")) / "aside" / name
            self._folder.mkdir(parents=True, mode=0o700)
        return self._folder
