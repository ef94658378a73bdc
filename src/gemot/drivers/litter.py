"""Litter: temporary files that a merge leaves in a person's folder when it is killed.

A merge writes down, beside its copy, where it will make files and how their names begin. Who finds that note, the next merge or the
next machine, removes exactly those. Names that anybody else made are not touched.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from gemot.drivers import atomic
from gemot.drivers.comparing import Parts, folder_of
from gemot.drivers.descent import open_top
from gemot.drivers.errors import ToolError

NOTE = "merging"


class Note(Struct, frozen=True):
    """``top``: the folder that is merged into, ``beneath`` a folder of its mount. ``folders``: those in it that get files. ``prefix``:
    how the names of the files begin."""

    top: str
    beneath: Parts
    folders: list[Parts]
    prefix: str


@contextmanager
def noted(space: Path, top: str, beneath: Parts, folders: Collection[Parts]) -> Generator[str]:
    """Note in the folder of a copy that files are made; gives what their names are to begin with."""
    prefix = f"{atomic.TEMPORARY_PREFIX}{secrets.token_hex(8)}-"
    note = space / NOTE
    note.write_bytes(msgspec.msgpack.encode(Note(top, beneath, sorted(folders), prefix)))
    try:
        yield prefix
    finally:
        note.unlink(missing_ok=True)


def clear(space: Path) -> None:
    """Remove what a merge of the copy in this folder left when it was killed."""
    path = space / NOTE
    try:
        note = msgspec.msgpack.decode(path.read_bytes(), type=Note)
    except FileNotFoundError:
        return
    except (OSError, msgspec.DecodeError):  # it was killed while it wrote the note, before it made a file
        path.unlink(missing_ok=True)
        return
    with suppress(OSError, ToolError):
        top = open_top(note.top, note.beneath, "a merge that was killed")
        try:
            for parts in note.folders:
                _clear(top, parts, note.prefix)
        finally:
            os.close(top)
        path.unlink(missing_ok=True)


def _clear(top: int, parts: Parts, prefix: str) -> None:
    with folder_of(top, (*parts, "any")) as folder:
        for name in [] if folder is None else os.listdir(folder):
            if name.startswith(prefix) and len(prefix) > len(atomic.TEMPORARY_PREFIX):
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
