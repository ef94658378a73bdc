"""What of a mounted folder does not exist for a process: gemot's own folders, and private paths that nobody showed.

A path is hidden by what it is called and by what it is. Names are compared folded, also of files that are not there yet.
gemot's own folders and private places are also known by device and inode, so that a move, a link or a second mount of them
changes nothing. Another machine's home is known by what lies in it. The same veil is before the file tools, copies, merges,
boxes and receipts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from gemot.authority.private import Rules, compiled, folded, folded_path, label_of, matching, why

OWN = "gemot's own: its homes, configuration and caches are in no mount"
HOME_FILES = ("journal.db", "lock")
"""A folder with these two files is the home of a machine."""
LINKED_LOOKED_AT = 20_000
"""Files of gemot's own folders that are looked at for second names (hard links)."""

Identity = tuple[int, int]
"""Device and inode."""


class Verdict(NamedTuple):
    """What is so about one path of a mount."""

    hidden: str = ""
    """Why it does not exist for the process, in words; ``""`` if it does."""
    secrets: tuple[str, ...] = ()
    """The secret sources that its content and the names in it may tell of."""
    named: bool = False
    """It is hidden by its name, so saying why tells nothing about the disk."""


CLEAR = Verdict()


@dataclass(frozen=True)
class OwnFolders:
    """gemot's own folders as they are now."""

    paths: tuple[str, ...] = ()
    """Where they are, or would be, without links on the way."""
    ids: frozenset[Identity] = frozenset()
    """Those that exist."""

    @cached_property
    def folded(self) -> tuple[str, ...]:
        """The paths, folded for comparing."""
        return tuple(map(folded_path, self.paths))

    @cached_property
    def linked(self) -> frozenset[Identity]:
        """The files in them that have a second name, which may lie in a mount. The trees of copies are not looked at."""
        found: set[Identity] = set()
        looked = 0
        for top in self.paths:
            for folder, folders, files in os.walk(top):
                if folder == top and "spaces" in folders:
                    folders.remove("spaces")
                for name in files:
                    looked += 1
                    if looked > LINKED_LOOKED_AT:
                        return frozenset(found)
                    with suppress(OSError):
                        facts = os.lstat(os.path.join(folder, name))
                        if stat.S_ISREG(facts.st_mode) and facts.st_nlink > 1:
                            found.add((facts.st_dev, facts.st_ino))
        return frozenset(found)

    def holds(self, folder: str) -> bool:
        """Is this existing folder (a path without links) one of them, or in one?"""
        path = folded_path(folder)
        if any(_within(path, own) for own in self.folded):
            return True
        return any(identity in self.ids for identity in identities_above(folder)) or _lies_in_home(folder)


NOTHING = OwnFolders()


def identities_above(folder: str) -> list[Identity]:
    """The identity of a folder and of all that it lies in."""
    found: list[Identity] = []
    while True:
        with suppress(OSError):
            facts = os.stat(folder)
            found.append((facts.st_dev, facts.st_ino))
        above = os.path.dirname(folder)
        if above == folder:
            return found
        folder = above


def is_home(folder: int, name: str) -> bool:
    """Is the folder ``name`` in an open folder the home of a machine? Links are not followed."""
    try:
        facts = [os.stat(f"{name}/{file}", dir_fd=folder, follow_symlinks=False) for file in HOME_FILES]
    except OSError:
        return False
    return all(stat.S_ISREG(one.st_mode) for one in facts)


def _lies_in_home(folder: str) -> bool:
    """Is an existing folder the home of any machine, or in one?"""
    while True:
        with suppress(OSError):
            facts = [os.lstat(os.path.join(folder, file)) for file in HOME_FILES]
            if all(stat.S_ISREG(one.st_mode) for one in facts):
                return True
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above


@dataclass(frozen=True)
class Veil:
    """What does not exist in one mount. Paths are given as parts from the mount's top."""

    folder: str = ""
    """The mounted folder as the person has it, without links on the way; of a copy, that of the original."""
    base: tuple[str, ...] = ()
    """The way from that folder to the mount's top."""
    own: OwnFolders = NOTHING
    """gemot's own folders."""
    private: tuple[str, ...] = ()
    """Patterns of private paths."""
    shown: tuple[str, ...] = ()
    """Patterns of those that a person showed."""
    home: str = ""
    """What ``~`` stands for in patterns."""
    watches: bool = False
    """Whether anything is hidden at all; False only for trees that no machine made."""
    closed: str = ""
    """Why nothing of the mount exists, in words; ``""`` if it does."""
    places: dict[Identity, str] = field(default_factory=dict[Identity, str], compare=False)
    """Private places of the disk that exist, and the pattern of each."""

    @cached_property
    def _rules(self) -> Rules:
        return compiled(self.private, self.home)

    @cached_property
    def _shown(self) -> Rules:
        return compiled(self.shown, self.home)

    @cached_property
    def _top(self) -> str:
        return folded_path(self.folder.rstrip("/"))

    @cached_property
    def _placed(self) -> bool:
        """Whether any path of this mount can be a private place."""
        return any(True for _ in (*self._rules.placed, *self._shown.placed))

    @cached_property
    def _near(self) -> tuple[str, ...]:
        """gemot's own folders that are, or would be, in the mounted folder."""
        return tuple(own for own in self.own.folded if _within(own, self._top))

    @cached_property
    def inside(self) -> tuple[str, ...]:
        """The secret sources of everything in the mount: the person named a private folder, or a part of one, as the mount."""
        rules, top = self._rules, self._top
        hits = rules.private(top)
        return tuple(label_of(one) for one in dict.fromkeys((*hits, *matching(rules.placed, top))))

    @property
    def all_secrets(self) -> tuple[str, ...]:
        """The secret sources of everything that the mount may show."""
        told = [*self.inside]
        for shown in self.shown:
            path = folded_path(shown)
            hits = (*self._rules.private(path), *(matching(self._rules.placed, path)))
            told += [label_of(one) for one in hits or (shown,)]
        return tuple(sorted(set(told)))

    def verdict(self, parts: tuple[str, ...], facts: os.stat_result | None = None, folder: int = -1) -> Verdict:
        """What is so about a path. ``facts``: of what stands there, if it is known; ``folder``: the open folder it is in."""
        if not self.watches:
            return CLEAR
        if facts is not None and self._is_own(facts, folder, parts):
            return Verdict(OWN)
        names = [folded(name) for name in (*self.base, *parts)]
        path = "/".join(names)
        whole = f"{self._top}/{path}" if path else self._top
        if any(_within(whole, own) for own in self._near):
            return Verdict(OWN, named=True)
        return self._private(path, whole, facts)

    def _private(self, path: str, whole: str, facts: os.stat_result | None) -> Verdict:
        rules, secrets = self._rules, self.inside
        hits = rules.private(path)
        if self._placed:
            hits = (*hits, *(one for one in matching(rules.placed, whole) if label_of(one) not in secrets))
        named = bool(hits)
        if facts is not None and (facts.st_dev, facts.st_ino) in self.places:
            place = self.places[facts.st_dev, facts.st_ino]
            hits = hits if place in hits or label_of(place) in secrets else (*hits, place)
        if not hits:
            return Verdict("", secrets) if secrets else CLEAR
        shown = self._shown
        if (
            matching(shown.anywhere, path)
            or matching(shown.placed, whole)
            or any(pattern in self.shown for pattern in hits)
        ):
            return Verdict("", tuple(sorted({*secrets, *map(label_of, hits)})))
        if any(rule.leads_to(path) for rule in shown.anywhere) or any(rule.leads_to(whole) for rule in shown.placed):
            return Verdict("", secrets)  # a folder on the way to something that is shown
        return Verdict(why(hits[0]), named=named)

    def _is_own(self, facts: os.stat_result, folder: int, parts: tuple[str, ...]) -> bool:
        if stat.S_ISDIR(facts.st_mode):
            if (facts.st_dev, facts.st_ino) in self.own.ids:
                return True
            return folder >= 0 and bool(parts) and is_home(folder, parts[-1])
        if stat.S_ISREG(facts.st_mode) and facts.st_nlink > 1:
            return (facts.st_dev, facts.st_ino) in self.own.linked
        return False

    def hides_top(self, facts: os.stat_result) -> bool:
        """Is this, of the open top of the mount, one of gemot's own folders?"""
        return self.watches and (facts.st_dev, facts.st_ino) in self.own.ids

    def hides(self, parts: tuple[str, ...], facts: os.stat_result | None, folder: int) -> bool:
        """Is the entry ``parts`` of an open folder hidden? Only for entries of folders that are seen themselves, for which a
        look at the last name is enough."""
        if not self.watches:
            return False
        if facts is not None and self._is_own(facts, folder, parts):
            return True
        plain = not (self._placed or self._near or self.places) and not self._rules.last.match(folded(parts[-1]))
        return not plain and bool(self.verdict(parts, facts, folder).hidden)

    def refusal(self, label: str, hidden: Verdict) -> str:
        """What a process is told that asked for a hidden path; the same whether or not it exists."""
        if hidden.hidden == OWN:
            return f"there is no {label}: it would be {OWN}"
        return (
            f"there is no {label} for this process: such a path is {hidden.hidden}. A person can show it by its name, "
            f"when a tree begins: gemot run --show {label.rpartition('/')[2]}"
        )


OPEN = Veil()


def _within(path: str, folder: str) -> bool:
    """Both folded. A folder is within itself."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def veil_of(
    folder: str,
    beneath: tuple[str, ...],
    own: OwnFolders,
    private: Iterable[str],
    shown: Iterable[str],
    copied: bool = False,
) -> Veil:
    """The veil before the part ``beneath`` of a person's folder. ``copied``: what is seen is a copy of it."""
    home = os.path.expanduser("~")
    home = "" if home == "~" else home
    real = os.path.realpath(folder) if folder.startswith("/") else ""
    patterns = tuple(private)
    places: dict[Identity, str] = {}
    for rule in compiled(patterns, home).placed:
        if "*" not in rule.pattern:
            with suppress(OSError):
                facts = os.stat(os.path.expanduser(rule.pattern))
                places[facts.st_dev, facts.st_ino] = rule.pattern
    veil = Veil(real, beneath, own, patterns, tuple(shown), home, True, places=places)
    closed = ""
    if real and not copied and own.holds(real):
        closed = f"{folder} is {OWN}"
    elif beneath:
        closed = veil.verdict(()).hidden
    return Veil(real, beneath, own, patterns, veil.shown, home, True, closed, places)
