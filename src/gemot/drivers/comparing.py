"""What changed in a copy since it was made, and whether the original changed meanwhile. Looks, and changes nothing.

A file is the same if its facts are those that were written down when it was copied (nobody can set the time at which a
file's facts changed), else if its bytes are. Everything is reached by descriptors, without following a link: whoever has the
copy may be changing it at this moment.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from gemot.abi.limits import COPY_ENTRIES_SEEN_MAX
from gemot.drivers import atomic
from gemot.drivers.copying import GivenUp, Kind, Known, digest_of, never, seen
from gemot.drivers.descent import OPEN_FILE, open_folder
from gemot.drivers.errors import ToolError, explained
from gemot.drivers.names import DEPTH_MAX, shown
from gemot.drivers.reading import binary_kind

TEXT_BYTES_MAX = 200_000
"""Longer files are said to differ, not shown: nobody reads more than that of one."""

ALIKE_MAX = 1_000_000
"""Pairs of lines that are the same in two texts: of more, made to be so, a comparison takes minutes."""

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Now:
    """What stands at a path. ``names``: how many names the file has beyond those that were seen in the same look."""

    kind: Kind
    mode: int = 0
    digest: bytes = b""
    facts: os.stat_result | None = None
    names: int = 0
    special: str = ""


@dataclass(frozen=True)
class Change:
    """One path that is not as it was copied; ``parts`` from the copy's top."""

    parts: Parts
    what: Literal["added", "changed", "removed"]
    before: Known | None
    now: Now | None

    @property
    def path(self) -> str:
        return "/".join(self.parts)

    @property
    def kind(self) -> Kind:
        entry = self.now or self.before
        assert entry is not None
        return entry.kind


def changes(
    top: int, base: dict[bytes, Known], within: Parts = (), given_up: Callable[[], bool] = never
) -> list[Change]:
    """All that changed at or beneath ``within``; ``top`` is the open folder of the copy. In the order of their paths. Raises
    :class:`GivenUp` soon after ``given_up`` says so."""
    looker = _Looker(base, given_up)
    looker.path(top, within)
    found = [_change(parts, base.get(_key(parts)), now) for parts, now in looker.found.items()]
    prefix = _key(within)
    for key, known in base.items():
        parts = tuple(os.fsdecode(key).split("/"))
        below = not within or key == prefix or key.startswith(prefix + b"/")
        if below and known.kind != "other" and parts not in looker.found:
            found.append(Change(parts, "removed", known, None))
    others = looker.outside()
    listed = (change for change in found if change is not None)
    return sorted((_with_names(change, others) for change in listed), key=lambda change: change.parts)


def _key(parts: Parts) -> bytes:
    return os.fsencode("/".join(parts))


def _change(parts: Parts, before: Known | None, now: Now) -> Change | None:
    if before is None:
        return Change(parts, "added", None, now)
    if (
        before.kind == "other"
    ):  # it was left out of the copy, so what stands there now is new, and its original is not known
        return Change(parts, "added", before, now)
    if before.kind == now.kind == "folder":
        return None  # who may enter a folder is no part of a copy
    same = before.kind == now.kind and before.digest == now.digest
    if same and (now.kind != "file" or before.mode & 0o777 == now.mode):
        return None
    return Change(parts, "changed", before, now)


def _with_names(change: Change, others: dict[tuple[int, int], int]) -> Change:
    now = change.now
    if now is None or now.facts is None or now.kind != "file":
        return change
    names = others.get((now.facts.st_dev, now.facts.st_ino), 0)
    if not names:
        return change
    return Change(change.parts, change.what, change.before, Now(now.kind, now.mode, now.digest, now.facts, names))


class _Looker:
    def __init__(self, base: dict[bytes, Known], given_up: Callable[[], bool]) -> None:
        self.found: dict[Parts, Now] = {}
        self._base, self._given_up = base, given_up
        self._links: Counter[tuple[int, int, int]] = Counter()

    def outside(self) -> dict[tuple[int, int], int]:
        """By file: how many of its names were not met."""
        return {
            (device, inode): links - count for (device, inode, links), count in self._links.items() if links > count
        }

    def path(self, top: int, within: Parts) -> None:
        folder = os.dup(top)
        try:
            for index, name in enumerate(within[:-1]):
                inner = open_folder(folder, name, "/".join(map(shown, within[: index + 1])))
                os.close(folder)
                folder = inner
            if within:
                with suppress(FileNotFoundError):
                    self._one(folder, within)
            else:
                self._folder(folder, ())
        except ToolError:
            if _key(within) not in self._base:
                raise  # there is no way to it; unless it was there: then it was removed
        finally:
            os.close(folder)

    def _folder(self, folder: int, parts: Parts) -> None:
        for name in sorted(os.listdir(folder)):
            if not name.startswith(atomic.TEMPORARY_PREFIX):
                with suppress(FileNotFoundError):
                    self._one(folder, (*parts, name))

    def _one(self, folder: int, parts: Parts) -> None:
        if len(self.found) >= COPY_ENTRIES_SEEN_MAX:
            raise ToolError(
                f"the copy has more than {COPY_ENTRIES_SEEN_MAX:,} files and folders; name a part of it, or discard it"
            )
        if self._given_up():
            raise GivenUp("it took too long to look at what changed")
        name = parts[-1]
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        before = self._base.get(_key(parts))
        self.found[parts] = now = now_of(folder, name, facts, before, given_up=self._given_up)
        if now.kind == "file" and facts.st_nlink > 1:
            self._links[facts.st_dev, facts.st_ino, facts.st_nlink] += 1
        if now.kind == "folder":
            try:
                inner = open_folder(folder, name, shown(name))
            except ToolError:
                self.found[parts] = Now("other", special="a folder that can't be read")
                return
            try:
                if len(parts) >= DEPTH_MAX and os.listdir(inner):
                    self.found[parts] = Now("other", special=f"more than {DEPTH_MAX} folders deep")
                else:
                    self._folder(inner, parts)
            finally:
                os.close(inner)


def now_of(
    folder: int,
    name: str,
    facts: os.stat_result,
    before: Known | None = None,
    there: bool = False,
    given_up: Callable[[], bool] = never,
) -> Now:
    """What has this name in an open folder. ``before``: what is known of it, so that what did not change is not read again;
    ``there``: it is the original that is looked at."""
    mode = stat.S_IMODE(facts.st_mode)
    if stat.S_ISDIR(facts.st_mode):
        return Now("folder", mode, facts=facts)
    if stat.S_ISLNK(facts.st_mode):
        try:
            return Now("link", 0, os.fsencode(os.readlink(name, dir_fd=folder)), facts)
        except OSError:
            return Now("other", special="something that is being changed at this moment")
    if not stat.S_ISREG(facts.st_mode):
        return Now("other", mode, facts=facts, special=_special(facts))
    if before is not None and before.kind == "file" and seen(facts) == (before.there if there else before.here):
        return Now("file", mode, before.digest, facts)
    try:
        file = os.open(name, OPEN_FILE, dir_fd=folder)
    except OSError:
        return Now("other", mode, facts=facts, special="a file that can't be read")
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            return Now("other", special=_special(facts))
        return Now("file", stat.S_IMODE(facts.st_mode), digest_of(file, given_up), facts)
    finally:
        os.close(file)


def _special(facts: os.stat_result) -> str:
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return kinds.get(stat.S_IFMT(facts.st_mode), "a special file")


# The original.


@contextmanager
def folder_of(top: int, parts: Parts) -> Generator[int | None]:
    """The open folder in which ``parts`` is or would be; None if there is no such folder (or a link in the way)."""
    folder: int | None = os.dup(top)
    try:
        for name in parts[:-1]:
            assert folder is not None
            try:
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            except OSError:
                os.close(folder)
                folder = None
                break
            os.close(folder)
            folder = inner
        yield folder
    finally:
        if folder is not None:
            os.close(folder)


def original(top: int, parts: Parts, before: Known | None) -> Now | None:
    """What stands at a path of the original now."""
    with folder_of(top, parts) as folder:
        if folder is None:
            return None
        try:
            facts = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
            return now_of(folder, parts[-1], facts, before, there=True)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise explained(error, f"look at {shown('/'.join(parts))}") from None


def same(one: Now | None, other: Now | None) -> bool:
    """Is it the same thing, however it came about?"""
    if one is None or other is None:
        return one is other
    return one.kind == other.kind and (one.kind == "folder" or (one.kind != "other" and one.digest == other.digest))


def conflict(change: Change, there: Now | None) -> str:
    """Why a change can't be made to the original as that is now: somebody changed it since it was copied."""
    if same(change.now, there):
        return ""  # it is so already
    before = change.before
    if before is None or before.kind == "other":
        return "" if there is None else "something of that name is there by now"
    if there is None:
        return "it was removed there since it was copied"
    was = Now(before.kind, before.mode, before.digest)
    return "" if same(was, there) else "it was changed there since it was copied"


# As text.


def text_of(top: int, parts: Parts) -> str | None:
    """The text of a file beneath an open folder; ``""`` if there is none, None if it is no text or too long."""
    with folder_of(top, parts) as folder:
        if folder is None:
            return ""
        try:
            file = os.open(parts[-1], OPEN_FILE, dir_fd=folder)
        except FileNotFoundError:
            return ""
        except OSError:
            return None
        with os.fdopen(file, "rb") as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return None
            data = opened.read(TEXT_BYTES_MAX + 1)
    return text_in(data)


def text_in(data: bytes) -> str | None:
    """The same of bytes."""
    if len(data) > TEXT_BYTES_MAX or binary_kind(data[:8192]) is not None:
        return None
    return data.decode(errors="replace")


def unified(change: Change, there: int, here: int) -> str:
    """The change of a file's text as a unified diff, between the original as it is now and the copy."""
    before, after = text_of(there, change.parts), text_of(here, change.parts)
    return difference(shown(change.path), before, after, "original", "copy")


def difference(name: str, before: str | None, after: str | None, was: str, now: str) -> str:
    """Two texts (None: it is none, or too long) as a unified diff, under a name that can be shown."""
    if before is None or after is None:
        return f"[{name}: not text, or too long to be shown]"
    old, new = before.splitlines(), after.splitlines()
    if _alike(old, new) > ALIKE_MAX:
        return f"[{name}: differs in too many lines that are alike to be shown]"
    lines = difflib.unified_diff(old, new, f"{was}/{name.lstrip('/')}", f"{now}/{name.lstrip('/')}", lineterm="", n=3)
    return "\n".join(shown(line) for line in lines)


def counted(diff: str) -> tuple[int, int]:
    """How many lines a unified diff adds and removes."""
    lines = diff.splitlines()[2:]  # the first two name the file
    return sum(line.startswith("+") for line in lines), sum(line.startswith("-") for line in lines)


def _alike(old: list[str], new: list[str]) -> int:
    """How many pairs of the same line :mod:`difflib` goes through: all but those of lines that are too common in ``new``."""
    times = Counter(new)
    common = len(new) // 100 + 1 if len(new) >= 200 else len(new)
    return sum(count for line in old if (count := times[line]) <= common)
