"""What a tool says when it can't: the one exception of the kit, and the computer's own refusals in clear words."""

from __future__ import annotations

import errno
import os


class ToolError(Exception):
    """An expected failure, told to the process: what was asked, what stood in the way, what would work. A tool that changes or
    sends something says with it that this use had no effect, or which."""


class Unsure(ToolError):
    """The tool can't know whether this use had its effect: a connection broke off, a box went away. It is told as "in doubt"."""


_WORDS = {
    errno.ENOSPC: "the disk is full; nothing was changed. Ask the person to free some space",
    errno.EDQUOT: "the disk quota is used up; nothing was changed. Ask the person to free some space",
    errno.EFBIG: "it would be larger than this computer allows a file to be; nothing was changed. Write less",
    errno.EROFS: "the disk is mounted read-only on this computer; nothing was changed",
    errno.EACCES: "the computer's own file permissions refuse it. Ask the person to allow it, or use another path",
    errno.EPERM: "the computer's own file permissions refuse it. Ask the person to allow it, or use another path",
    errno.ENAMETOOLONG: "the name is too long for this disk; use at most 255 bytes for each part of a path",
    errno.EMFILE: "too many files are open on this computer right now; try again",
    errno.ENFILE: "too many files are open on this computer right now; try again",
    errno.EIO: "the disk reported an input/output error. Tell the person",
    errno.ELOOP: "it was swapped for a link while it was being opened, which is refused; try again",
    errno.ENOENT: "it vanished meanwhile; look with files/list",
    errno.ENXIO: "it is not a plain file",
}


def explained(error: OSError, what: str) -> ToolError:
    """The computer's refusal as an answer. ``what`` says what was tried: "read notes.md"."""
    reason = _WORDS.get(error.errno or 0) or (os.strerror(error.errno) if error.errno else str(error))
    return ToolError(f"could not {what}: {reason}")
