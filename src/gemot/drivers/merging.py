"""Merging: bringing what changed in a copy back to its original. Everything is checked, then everything is written.

Whoever had the copy may have been told by a stranger what to put there, so of what it left behind nothing is taken that
would act by itself or reach elsewhere: links out of the tree, names for files outside, devices, pipes, sockets, bits that run a
file with another's rights or let anybody change it, and files that run code later (:mod:`gemot.authority.autorun_files`; a person may
accept those by name). What changed in the original since is not overwritten unless a person says so, by name.

Bytes are written beside their target, looked at again while they are copied, and renamed when all are there; a failure
until then leaves the original as it was. Merging twice is the same as merging once: what is so already is passed over.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from gemot.authority.autorun_files import runs_later
from gemot.drivers import atomic
from gemot.drivers.comparing import Change, Now, Parts, conflict, folder_of, now_of, original, same
from gemot.drivers.copying import Known, seen
from gemot.drivers.descent import OPEN_FILE, lock
from gemot.drivers.errors import ToolError, Unsure, explained
from gemot.drivers.names import shown
from gemot.drivers.veil import OPEN, Veil

LINKS_MAX = 8
_CHUNK = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
DANGEROUS_BITS = 0o7002
"""Set-user-id, set-group-id, sticky, and that anybody may write."""


@dataclass(frozen=True)
class Step:
    """One change, what stands at its path in the original, and why it can't be made: ``refused`` whatever anybody says,
    ``later`` unless a person accepts it, ``conflict`` unless a person forces it."""

    change: Change
    there: Now | None
    refused: str = ""
    later: str = ""
    conflict: str = ""

    @property
    def why(self) -> str:
        return self.refused or self.later or self.conflict


def plan(found: Iterable[Change], here: int, there: int, within: str, veil: Veil = OPEN) -> list[Step]:
    """Each change with what stands in its way. ``here``, ``there``: the open tops of the copy and of the original;
    ``within``: the path of the original's top in the folder that a person gave; ``veil``: what does not exist in it."""
    steps: list[Step] = []
    for change in found:
        hidden = hidden_there(change.parts, there, veil)
        if hidden:  # the original is not even looked at
            steps.append(Step(change, None, f"it is not seen in the original: {hidden}"))
            continue
        target = original(there, change.parts, change.before)
        later = runs_later(f"{within}/{change.path}")
        steps.append(
            Step(
                change,
                target,
                _refused(change, target, (here, there)),
                f"it runs code later: {later}" if later else "",
                conflict(change, target),
            )
        )
    return steps


def hidden_there(parts: Parts, there: int, veil: Veil) -> str:
    """Why a path of the original does not exist for whoever works on a copy of it; ``""`` if it may."""
    if not veil.watches:
        return ""
    for length in range(1, len(parts) + 1):
        facts: os.stat_result | None = None
        with folder_of(there, parts[:length]) as folder:
            if folder is not None:
                with suppress(OSError):
                    facts = os.stat(parts[length - 1], dir_fd=folder, follow_symlinks=False)
            hidden = veil.verdict(parts[:length], facts, -1 if folder is None else folder).hidden
        if hidden:
            return hidden
    return ""


def _refused(change: Change, there: Now | None, tops: tuple[int, int]) -> str:
    now, before = change.now, change.before
    was_folder = there is not None and there.kind == "folder"
    if now is None:
        return "it was a folder and is none any more" if was_folder and before and before.kind != "folder" else ""
    if any(not letter.isprintable() for letter in change.path):
        return "its name has a character in it that can't be shown"
    if now.kind == "other":
        return f"it is {now.special}"
    if now.kind == "link":
        says = os.fsdecode(now.digest)
        out = next(filter(None, (leads_out(top, change.parts[:-1], says) for top in tops)), "")
        if out:
            return out
    if now.names:
        return "it has another name (a hard link) outside of what is merged"
    had = before.mode if before is not None and before.kind == "file" else 0
    if now.kind == "file" and now.mode & DANGEROUS_BITS & ~had:
        return f"its mode is {now.mode:04o}: it would run with another's rights, or anybody could change it"
    if there is not None and (now.kind == "folder") != was_folder:
        return "a folder can't take the place of a file, nor a file that of a folder"
    return ""


def leads_out(top: int, folder: Parts, target: str) -> str:
    """Why a link in ``folder`` (without links on the way) that says ``target`` may lead out of the tree; ``""`` if it can't.

    One that goes down and up again may: what it goes down into can become a link later.
    """
    parts, links = list(folder), 0
    steps = target.split("/")
    out = f"it is a link that leads out of the tree, to {shown(target)[:200]}"
    if target.startswith("/"):
        return out
    while steps:
        step = steps.pop(0)
        if step in ("", "."):
            continue
        if step == "..":
            if not parts:
                return out
            parts.pop()
            continue
        parts.append(step)
        with folder_of(top, tuple(parts)) as inner:
            says = _says(inner, step)
        if says is None and ".." in steps:
            return out
        if says is not None:
            links += 1
            if says.startswith("/") or links > LINKS_MAX:
                return out
            parts.pop()
            steps = [*says.split("/"), *steps]
    return ""


def _says(folder: int | None, name: str) -> str | None:
    """What a link says; None for what is none."""
    if folder is None:
        return None
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return None


@dataclass
class _Prepared:
    step: Step
    temporary: str = ""


@dataclass
class Writer:
    """Carries out steps. ``here`` and ``there``: the open tops of the copy and of the original."""

    here: int
    there: int
    prefix: str = atomic.TEMPORARY_PREFIX
    """What the names of its temporary files begin with."""
    _made: list[Parts] = field(default_factory=list[Parts])
    _ready: list[_Prepared] = field(default_factory=list[_Prepared])

    def write(self, steps: Collection[Step]) -> dict[Parts, Known | None]:
        """What there is now at each path, for the copy's base. Raises :class:`ToolError`: then nothing was changed, or it says what."""
        done: list[_Prepared] = []
        try:
            for step in steps:
                self._prepare(step)
            for ready in self._ready:
                self._still_so(ready.step)
            for ready in self._ready:
                self._show(ready)
                done.append(ready)
        except (ToolError, OSError) as error:
            self._undo(done)
            said = error if isinstance(error, ToolError) else explained(error, "merge")
            names = ", ".join(shown(one.step.change.path) for one in done[:20])
            after = f"; done before that, and still so: {names}" if done else "; nothing was merged"
            raise (Unsure if done else ToolError)(f"{said}{after}") from None
        for parts in {ready.step.change.parts[:-1]: ready.step.change.parts for ready in done}.values():
            with folder_of(self.there, parts) as folder:
                if folder is not None:
                    atomic.sync(folder)
        for folder in sorted((step.change for step in steps if _goes(step, "folder")), key=lambda one: one.parts)[::-1]:
            with (
                folder_of(self.there, folder.parts) as inner,
                suppress(OSError),
            ):  # not empty: somebody else's are in it
                if inner is not None:
                    os.rmdir(folder.parts[-1], dir_fd=inner)
        return {step.change.parts: self._known(step.change) for step in steps}

    def _prepare(self, step: Step) -> None:
        change, now = step.change, step.change.now
        if now is None:
            if step.there is not None and step.there.kind != "folder":
                self._ready.append(_Prepared(step))
            return
        if now.kind == "folder":
            self._folders(change.parts)
            return
        if same(now, step.there) and (now.kind == "link" or (step.there is not None and step.there.mode == now.mode)):
            return
        self._folders(change.parts[:-1])
        with folder_of(self.there, change.parts) as folder:
            if folder is None:
                raise ToolError(f"{shown(change.path)}: its folder was changed while it was merged")
            name = self.prefix + secrets.token_hex(8)
            self._ready.append(_Prepared(step, name))
            if now.kind == "link":
                os.symlink(os.fsdecode(now.digest), name, dir_fd=folder)
            else:
                self._copy(change, now, folder, name, step.there)

    def _folders(self, parts: Parts) -> None:
        """The folders on the way; those that are missing are made."""
        for length in range(1, len(parts) + 1):
            with folder_of(self.there, parts[:length]) as folder:
                if folder is None:
                    raise ToolError(f"{shown('/'.join(parts[:length]))}: what it is in is no folder (or a link to one)")
                try:
                    os.mkdir(parts[length - 1], dir_fd=folder)
                    self._made.append(parts[:length])
                except FileExistsError:
                    continue

    def _copy(self, change: Change, now: Now, folder: int, name: str, there: Now | None) -> None:
        """The bytes of a file of the copy, if they are still those that were checked."""
        with folder_of(self.here, change.parts) as source:
            changed = ToolError(f"{shown(change.path)} was changed in the copy while it was merged; look again")
            if source is None:
                raise changed
            try:
                file = os.open(change.parts[-1], OPEN_FILE, dir_fd=source)
            except OSError:
                raise changed from None
        try:
            facts = os.fstat(file)
            was = now.facts
            links = was.st_nlink if was is not None else 1
            if not stat.S_ISREG(facts.st_mode) or stat.S_IMODE(facts.st_mode) != now.mode or facts.st_nlink > links:
                raise changed
            mode = now.mode & 0o777 & ~(0 if change.before is not None and change.before.mode & 0o002 else 0o002)
            out = os.open(name, _NEW, 0o600, dir_fd=folder)
            try:
                digest = hashlib.sha256()
                while chunk := os.read(file, _CHUNK):
                    digest.update(chunk)
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[os.write(out, rest) :]
                if digest.digest() != now.digest:
                    raise changed
                if there is not None and there.facts is not None and there.facts.st_uid != os.geteuid():
                    with suppress(PermissionError):
                        os.fchown(out, there.facts.st_uid, there.facts.st_gid)
                os.fchmod(out, mode)
                os.fsync(out)
            finally:
                os.close(out)
        finally:
            os.close(file)

    def _still_so(self, step: Step) -> None:
        """Nobody else may have changed the original since it was looked at."""
        with folder_of(self.there, step.change.parts) as folder:
            there: Now | None = None
            if folder is not None:
                with suppress(FileNotFoundError):
                    facts = os.stat(step.change.parts[-1], dir_fd=folder, follow_symlinks=False)
                    known = step.there.facts if step.there is not None else None
                    if known is not None and seen(known) == seen(facts):
                        return
                    there = now_of(folder, step.change.parts[-1], facts)
        if not same(step.there, there):
            raise ToolError(f"{shown(step.change.path)} was changed by somebody else while it was merged; look again")

    def _show(self, ready: _Prepared) -> None:
        """The moment in which it is there: one rename, one link or one removal."""
        parts = ready.step.change.parts
        with folder_of(self.there, parts) as folder:
            if folder is None:
                raise ToolError(f"{shown(ready.step.change.path)}: its folder was changed while it was merged")
            lock(folder, shown(ready.step.change.path))
            self._still_so(ready.step)
            if not ready.temporary:
                with suppress(FileNotFoundError):
                    os.unlink(parts[-1], dir_fd=folder)
            elif ready.step.there is None:
                _link(folder, ready.temporary, parts[-1])
            else:
                os.rename(ready.temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)

    def _undo(self, done: list[_Prepared]) -> None:
        for ready in self._ready:
            if ready.temporary and ready not in done:
                with folder_of(self.there, ready.step.change.parts) as folder, suppress(OSError):
                    if folder is not None:
                        os.unlink(ready.temporary, dir_fd=folder)
        for parts in reversed(self._made):
            with folder_of(self.there, parts) as folder, suppress(OSError):  # not empty: something of it is done
                if folder is not None:
                    os.rmdir(parts[-1], dir_fd=folder)

    def _known(self, change: Change) -> Known | None:
        now = change.now
        if now is None:
            return None
        there = original(self.there, change.parts, None)
        facts = there.facts if there is not None else None
        here = now.facts
        empty = (0, 0, 0, 0)
        return Known(now.kind, now.mode, now.digest, seen(facts) if facts else empty, seen(here) if here else empty)


def _goes(step: Step, kind: str) -> bool:
    before = step.change.before
    return step.change.now is None and before is not None and before.kind == kind


def _link(folder: int, temporary: str, name: str) -> None:
    """Show a new file under its name, if the name is not taken."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(temporary, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV):
            raise
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
