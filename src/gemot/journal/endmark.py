"""The end mark: a small file beside the journal that says which record is the last one.

A database whose log was cut off, deleted or damaged looks like a database in which less had been written. SQLite can't tell the two
apart; a mark outside of it can. It is written after each append, without a sync of its own. So it says two things:

- ``synced``: the last record that survives a power cut. The mark is written after the disk had confirmed the record. So the mark
  on the disk is as old as the journal or older, and a journal that ends before it has lost something.
- ``written``: the last record at all. Between two starts of the computer the system loses nothing of what a program wrote, also when the
  program is killed. So this counts as long as the computer has not been started again; after that only ``synced`` does.

The mark also bears the number of its journal (:class:`gemot.journal.seals.Origin`), so that it is known when the journal is damaged.

A mark that is missing or broken says nothing. A mark that can't be written stays as it was: older than the journal, which is allowed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import struct
import weakref
import zlib
from pathlib import Path
from typing import NamedTuple

from gemot.journal.contract import Damaged
from gemot.journal.seals import ROOT

MAGIC = b"gemot end mark 1"
_LAYOUT = struct.Struct(">16sq16sq16s16s")
_CHECK = struct.Struct(">I")


POSITIONS_MAX = 1 << 40
"""No journal has so many records: a larger position is not one that was written."""


class End(NamedTuple):
    """A record and its seal."""

    position: int = 0
    seal: bytes = ROOT


class Mark(NamedTuple):
    """``boot``: the start of the computer in which it was written. ``number``: of the journal; 0 where an earlier version wrote the mark."""

    synced: End
    written: End
    boot: bytes
    number: int = 0

    @property
    def end(self) -> End:
        """The last record that must be there now."""
        return self.written if self.boot == boot() != b"" else self.synced


def path_of(journal: Path) -> Path:
    """Where the mark of a journal is."""
    return journal.with_suffix(".end")


@functools.cache
def boot() -> bytes:
    """What names this start of the computer; empty where the system does not say. Linux: 16 bytes from the kernel."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return b""
    return bytes.fromhex(text.strip().replace("-", ""))


def packed(mark: Mark) -> bytes:
    body = _LAYOUT.pack(MAGIC, *mark.synced, *mark.written, mark.boot.ljust(16, b"\0"))
    return body + _CHECK.pack(zlib.crc32(body)) + _number(mark.number)


def _number(number: int) -> bytes:
    """What follows the rest of the mark; an earlier version passes over it."""
    body = number.to_bytes(4, "big")
    return body + _CHECK.pack(zlib.crc32(body))


def read(journal: Path) -> Mark | str:
    """The mark of a journal, or why it says nothing: ``missing``, ``broken``. Raises OSError where it can't be read."""
    try:
        file = os.open(path_of(journal), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return "missing"
    try:
        body = os.pread(file, 4096, 0)
    finally:
        os.close(file)
    plain, check = body[: _LAYOUT.size], body[_LAYOUT.size : _LAYOUT.size + _CHECK.size]
    number = int.from_bytes(body[(last := _LAYOUT.size + _CHECK.size) : last + 4], "big")
    number = number if body[last : last + 8] == _number(number) else 0
    if len(plain) < _LAYOUT.size or _CHECK.pack(zlib.crc32(plain)) != check:
        return "broken"
    magic, synced, synced_seal, written, written_seal, at = _LAYOUT.unpack(plain)
    if magic != MAGIC or not (0 <= synced < POSITIONS_MAX and 0 <= written < POSITIONS_MAX):
        return "broken"
    return Mark(End(synced, synced_seal), End(written, written_seal), at, number)


def names_a_record(journal: Path) -> bool:
    """Whether there is a mark by which a journal must be there."""
    try:
        mark = read(journal)
    except OSError:
        return False
    return isinstance(mark, Mark) and mark.end.position > 0


def ends_early(journal: Path, mark: Mark, position: int, has_log: bool) -> Damaged:
    """The error for a journal that ends at ``position``, before its mark. ``has_log``: its write-ahead log was there."""
    log = "Its log was damaged" if has_log else "Its log is not there"
    return Damaged(
        f"the end of the journal {journal} is missing: {mark.end.position - position} records after the first {position}. {log}, or an "
        f"older copy stands in its place. Nothing was changed. Put back the newest copy of {journal.name}, {journal.name}-wal and "
        f"{path_of(journal).name}; `gemot doctor` says what is left, and `gemot doctor --salvage` goes on with that",
        position + 1,
    )


def names_another(journal: Path, position: int) -> Damaged:
    """The error for a journal that is not the one of its mark."""
    return Damaged(
        f"record {position} of the journal {journal} is not the one that was written there last, by the mark in {path_of(journal)}: another "
        "journal was put in its place, or the log of another beside it, or somebody rewrote its records. Nothing was changed. Put back the journal that belongs to "
        "the mark; `gemot doctor` says what is there, and `gemot doctor --salvage` goes on with it",
        position,
    )


class EndMark:
    """The mark of a journal that is being written. The file stays open; each write takes the place of all of it. It is closed with this
    object at the latest, as SQLite's file is: a machine that is dropped costs no descriptor."""

    def __init__(self, journal: Path, number: int) -> None:
        self._file = os.open(path_of(journal), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._close = weakref.finalize(self, os.close, self._file)
        self._synced: tuple[int, bytes] = End()
        self._number = _number(number)
        self._boot = boot().ljust(16, b"\0")

    def put(self, position: int, seal: bytes, synced: bool) -> None:
        """The journal ends at ``position`` now. ``synced``: that would survive a power cut. Does nothing once it is closed."""
        if not self._close.alive:
            return
        if synced:
            self._synced = (position, seal)
        body = _LAYOUT.pack(MAGIC, *self._synced, position, seal, self._boot)
        with contextlib.suppress(OSError):  # then it is older than the journal
            os.pwrite(self._file, body + _CHECK.pack(zlib.crc32(body)) + self._number, 0)

    def close(self) -> None:
        """Idempotent."""
        self._close()
