"""The names of files as text: what a process may write as a path, and how any name on a disk is shown on one line."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable

from gemot.drivers.atomic import TEMPORARY_PREFIX
from gemot.drivers.errors import ToolError

PATH_BYTES_MAX = 4096
"""Longer paths are refused; the longest that Linux takes in one call."""
NAME_BYTES_MAX = 255
"""The longest name on nearly every disk."""
DEPTH_MAX = 64
"""Folders within folders; bounds the work of one look-up and the descriptors of a walk."""

PATH_CHARS_SHOWN = 400
"""The longest path in a receipt; a disk takes ones of 65,000."""


def shown(name: str) -> str:
    r"""A name on one printable line: what isn't printable becomes ``\xNN`` or ``\uNNNN``."""
    return name if name.isprintable() else "".join(map(_printable, name))


def parts_of(path: str) -> tuple[str, ...]:
    """The components of a path as a process wrote it, without its leading slash. Refuses what is never a path here."""
    if not path:
        raise ToolError('the path is empty; write "." for the top folder')
    if any(unicodedata.category(letter) == "Cc" for letter in path):
        raise ToolError(
            f'the path "{shown(path)[:200]}" has a control character in it (a line break, a NUL, ...); leave it out'
        )
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        raise ToolError(f'the path "{shown(path)[:200]}" is not valid Unicode') from None
    if len(raw) > PATH_BYTES_MAX:
        raise ToolError(f"the path is {len(raw):,} bytes long; at most {PATH_BYTES_MAX:,} are allowed")
    parts = path.removesuffix("/").split("/")
    if "" in parts:
        raise ToolError(f'the path "{shown(path)}" has an empty part ("//"); write one slash between two names')
    parts = [part for part in parts if part != "."]
    if ".." in parts:
        raise ToolError(
            f'the path "{shown(path)}" has ".." in it; write the path from the top folder down, as in notes/a.md'
        )
    if len(parts) > DEPTH_MAX:
        raise ToolError(f"the path is {len(parts)} folders deep; at most {DEPTH_MAX} are allowed")
    for part in parts:
        if len(os.fsencode(part)) > NAME_BYTES_MAX:
            raise ToolError(f'the name "{shown(part)[:40]}..." is too long; at most {NAME_BYTES_MAX} bytes are allowed')
        if part.startswith(TEMPORARY_PREFIX):
            raise ToolError(
                f'names that begin with "{TEMPORARY_PREFIX}" are kept for unfinished writes; use another name'
            )
    return tuple(parts)


def after_link(folder: tuple[str, ...], target: str, rest: tuple[str, ...]) -> tuple[str, ...] | None:
    """Where ``rest`` goes when ``folder`` holds a link to ``target``: its parts, or None if it leaves.

    ``folder`` has no links in it, so taking ".." as text is right; if somebody swaps a folder meanwhile, the
    next walk is still a walk from the top that follows nothing.
    """
    if target.startswith("/"):
        return None
    parts = list(folder)
    for step in target.split("/"):
        if step == "..":
            if not parts:
                return None
            parts.pop()
        elif step not in ("", "."):
            parts.append(step)
    parts.extend(rest)
    return tuple(parts) if len(parts) <= DEPTH_MAX else None


def same_names(names: Iterable[str], part: str, *, reading: bool, making: bool) -> list[str]:
    """The names on a disk that ``part`` is another spelling of: shown as it, or the same but for composition (NFC) or,
    at last, for compatibility (NFKC). The first of these kinds that any name fits is the answer.

    Rules about ASCII names (``.git``) are kept by comparing spellings, so a name in ASCII is found this way only for
    ``reading``. A new name (``making``) differs from one that exists by more than composition.
    """
    listed = list(names)
    found = [name for name in listed if shown(name) == part] if "\\" in part else []
    for form in ("NFC",) if making else ("NFC", "NFKC"):
        if found:
            break
        wanted = unicodedata.normalize(form, part)
        among = listed if reading and not part.isascii() else [name for name in listed if not name.isascii()]
        found = [name for name in among if unicodedata.normalize(form, name) == wanted]
    return found


def closest(wanted: str, names: list[str], count: int = 3) -> list[str]:
    """The names most like ``wanted``, best first, whatever their case."""
    import difflib

    by_lower = {name.lower(): name for name in names}
    return [by_lower[near] for near in difflib.get_close_matches(wanted.lower(), by_lower, count, 0.6)]


def _printable(letter: str) -> str:
    if letter.isprintable():
        return letter
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is not UTF-8, as Python carries it
        number -= 0xDC00
    return f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def shortened(path: str) -> str:
    """A path for a receipt; of one that is made to fill a page the beginning and the end."""
    return path if len(path) <= PATH_CHARS_SHOWN else f"{path[:40]}[...]{path[45 - PATH_CHARS_SHOWN :]}"
