"""Writing a file so that it is there whole or not at all, by the descriptor of its folder.

The bytes go to a temporary file beside the target and are synced; then one system call shows them under the
target's name: ``link`` for a new file (it fails if the name is taken, so that one of several writers wins), ``rename``
for a replacement. A crash between the two leaves at most a temporary file, whose name begins with ``.gemot-`` and
which no tool shows.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress

TEMPORARY_PREFIX = ".gemot-"

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LINKS_HERE = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV}
"""What ``link`` says on a disk that knows no hard links (FAT, some network and user-space file systems)."""


class ChangedMeanwhile(Exception):
    """The target is no longer the file that was looked at; nothing was written."""


class NotSynced(Exception):
    """The file stands under its name, and the disk could not be told to keep it there through a power cut."""


def create(folder: int, name: str, data: bytes) -> None:
    """A new file ``name``. Raises :class:`FileExistsError` if the name is taken; then nothing has changed. Raises
    :class:`NotSynced` when the file is there."""
    temporary = _temporary(folder, data, mode=0o666)
    try:
        # Never follow: whoever else can write here may have swapped the temporary file for a link.
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS_HERE:
            raise
        _create_in_place(folder, name, data)
    finally:
        with suppress(OSError):  # it is left behind; the file itself is there, or the reason why not is more important
            _remove(folder, temporary)
    _settle(folder)


def replace(folder: int, name: str, data: bytes, seen: os.stat_result) -> None:
    """Put ``data`` in the place of the file that looked like ``seen``; owner and permission bits are kept.

    Set-user-id and set-group-id bits are dropped: new contents must not run with an old file's rights. Raises
    :class:`NotSynced` when the new contents are there.
    """
    temporary = _temporary(folder, data, mode=0o600, like=seen)
    try:
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if identity(now) != identity(seen):
            raise ChangedMeanwhile
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        _remove(folder, temporary)
        raise
    _settle(folder)


def identity(facts: os.stat_result) -> tuple[int, int, int, int, int]:
    """Equal as long as a file was neither swapped nor changed, as far as the disk's clock can tell."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, stat.S_IFMT(facts.st_mode)


def _settle(folder: int) -> None:
    try:
        sync(folder)
    except OSError as error:
        raise NotSynced(error.strerror or type(error).__name__) from error


def sync(folder: int) -> None:
    """Make the folder's names durable, where the disk can do that."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES}:
            raise


def _temporary(folder: int, data: bytes, mode: int, like: os.stat_result | None = None) -> str:
    name = TEMPORARY_PREFIX + secrets.token_hex(8)
    file = os.open(name, _NEW, mode, dir_fd=folder)
    try:
        try:
            _fill(file, data, like)
        finally:
            os.close(file)
    except BaseException:
        _remove(folder, name)
        raise
    return name


def _fill(file: int, data: bytes, like: os.stat_result | None = None) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
    if like is not None:
        own = os.fstat(file)
        if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
            with suppress(PermissionError):  # only root may give a file away; the contents matter more
                os.fchown(file, like.st_uid, like.st_gid)
        os.fchmod(file, stat.S_IMODE(like.st_mode) & 0o777)
    os.fsync(file)


def _create_in_place(folder: int, name: str, data: bytes) -> None:
    """For disks without hard links: still one winner, but a crash amid the write may leave a part of the file."""
    file = os.open(name, _NEW, 0o666, dir_fd=folder)
    try:
        try:
            _fill(file, data)
        finally:
            os.close(file)
    except BaseException:
        _remove(folder, name)
        raise


def _remove(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
