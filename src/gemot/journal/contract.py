"""The journal's contract: an append-only list of records and a store of values, behind which every store stands.

- ``append`` adds all of a batch or nothing. It names the position it expects; a writer whose epoch is no longer the
  newest is refused (:class:`Fenced`), so two machines can never both write.
- ``synced=True`` returns only when the batch would survive a power cut. Otherwise it survives the end of the process.
- ``read`` gives records in order; each is checked; a broken one raises :class:`Damaged` that says where, and everything
  before it has been given. It holds nothing open between two records: a reader that stands still keeps nobody waiting.
- a write that the disk refused (an error of the disk, not a lack of room) is the last write: what reached the disk is not
  known, so each later one raises the same error. Whoever opens the journal again finds out.
- records up to ``base`` are evidence. ``read`` passes over them.
- blanked records that follow each other are one record, at the last position of them.
- values are stored once under their SHA-256 and are there before the record that names them.
- what is missing at the end is noticed by stores on files. SQLite: by a chain of seals and an end mark beside the journal
  (:mod:`gemot.journal.endmark`). LMDB: a file has one root that is written last, so it has no log that can be lost without
  its end; each row has a checksum, there is no chain, and an older copy in its place is not noticed. In memory there is
  nothing to lose.
- a checkpoint is what folding gave, so that opening reads it and a tail: one body for the machine, and one for each tree
  that changed since the checkpoint before. It is kept whole or not at all. It is never the truth: that is the records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from msgspec import Struct

FORMAT = 3
"""The version of what is written. A journal of a newer version is not opened; one of an older version becomes one of this version when
it is opened to be written. 2: records have seals, blanks are kept as runs. 3: what is written bears the number of
its journal."""

INDEX = 1 << 40
"""Pieces with this number and larger ones are of the index: of the group of trees whose root is the number less this one (0: of the
records that concern the machine as a whole)."""


class Record(Struct, frozen=True, gc=False):
    """One event as stored. ``position`` counts from 1. ``pid`` is the process it concerns, 0 for the whole machine. ``first``: where it stands
    in the place of several, the first position of them; else 0."""

    position: int
    at: int
    pid: int
    body: bytes
    first: int = 0


class KeptTree(Struct, frozen=True, gc=False):
    """A tree of processes as a checkpoint keeps it. ``pids``: all of its processes, living and ended."""

    root: int
    pids: tuple[int, ...]
    body: bytes


class JournalError(Exception):
    """The journal can't be used as asked. The message says what, why, and what can be done."""


class Fenced(JournalError):
    """Another machine has opened this journal since; this writer must stop."""


class Full(JournalError):
    """There is no room (or no right) to write; nothing of the batch was written."""


class DiskFailed(JournalError):
    """The disk refused to write or to confirm it. What reached it is not known; this writer must stop."""


class TooNew(JournalError):
    """The journal was written by a newer gemot."""


class TooOld(JournalError):
    """The records are whole, and were decided by rules that this gemot does not keep. ``position``: of the first such one."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class Damaged(JournalError):
    """A record can't be read. ``position`` is the first bad one; those before it are whole."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class Journal(Protocol):
    """A place where a machine's events are kept."""

    @property
    def position(self) -> int:
        """Of the last record; 0 when there is none."""
        ...

    @property
    def base(self) -> int:
        """Reading begins after it: the records up to there are evidence, some of them may be lost, and nothing is folded from
        them. 0 but for a journal that was salvaged, where the next record holds all that was known then."""
        ...

    def append(self, expected: int, entries: Iterable[tuple[int, int, bytes]], *, synced: bool) -> int:
        """Add (at, pid, body) entries after position ``expected``; returns the new last position."""
        ...

    def read(self, after: int = 0, pid: int | None = None) -> Iterator[Record]: ...

    def put_value(self, text: str) -> str:
        """Keep a text; returns its digest (SHA-256, hexadecimal)."""
        ...

    def value(self, digest: str, start: int = 0, length: int | None = None) -> str:
        """A text that was kept, or a part of it, in characters. Raises :class:`Damaged` when it is gone or changed."""
        ...

    def put_checkpoint(
        self,
        position: int,
        body: bytes,
        trees: Iterable[KeptTree] = (),
        pieces: Iterable[tuple[int, int, bytes]] = (),
    ) -> None:
        """Keep what folding the records up to ``position`` gave, to begin there next time, instead of what was kept before.
        ``trees``: those that are new or changed since; the others stay as they are. ``pieces``: (number, start, body) that
        trees name by their number, and that are added to; one that starts at 0 takes the place of all that was kept under its
        number. A stale writer is refused."""
        ...

    def checkpoint(self) -> tuple[int, bytes] | None:
        """The checkpoint's position and body, if there is one and it is whole."""
        ...

    def tree(self, pid: int) -> bytes | None:
        """The tree of this process, living or ended, as the checkpoint keeps it. Raises :class:`Damaged`; and
        :class:`Fenced` for a stale writer, since the newer one keeps the trees as they are for it."""
        ...

    def pieces(self, number: int) -> list[bytes]:
        """The bodies that were kept under this number, by their starts. Raises :class:`Damaged`."""
        ...

    def trees(self) -> Iterator[bytes]:
        """All trees that the checkpoint keeps, in the order of their roots. Raises :class:`Damaged`."""
        ...

    def roots(self, before: int, most: int) -> list[int]:
        """The roots of trees that the checkpoint keeps, the newest first: at most ``most`` of those below ``before`` (0: of all)."""
        ...

    def blank(self, roots: Collection[int], records: Iterable[tuple[int, bytes]], pids: Collection[int] = ()) -> None:
        """Put these bodies in the place of the records at these positions, which belong to no process any more, and forget
        these trees with their parts of the index: what was taken out. ``pids``: all processes that are gone with that. Positions that follow each other become one
        record, with the last body; so do those beside what was blanked before. A `Condensed` stays a record of its own. All or nothing. A
        stale writer is refused."""
        ...

    fresh: set[str] | None
    """While this is a set, the digest of each text that is put is added to it."""

    def digests(self, after: str, most: int) -> list[str]:
        """The digests of texts that are kept, in their order: at most ``most`` of those after ``after``."""
        ...

    def numbers(self) -> list[int]:
        """The numbers under which pieces are kept."""
        ...

    def forget(self, digests: Collection[str], numbers: Collection[int] = ()) -> None:
        """Forget these texts, and the pieces that are kept under these numbers. All or nothing. A stale writer is refused."""
        ...

    def drop_checkpoint(self) -> None:
        """Forget the checkpoint: next time all records are folded. A stale writer is refused."""
        ...

    def close(self) -> None: ...
