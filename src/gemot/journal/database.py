"""A file of SQLite as the journal on it needs one: its lock is waited for, its errors are in the contract's words, and its log is moved
by us.

After an error of the disk nothing more is written. The system may have thrown away what it could not write, and the next sync would say
that all is well. So the object stops, and whoever opens the file next moves the log to its place first.

SQLite moves the log by itself after a commit, and says nothing when that fails. So that is switched off, and done here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from gemot.journal.contract import Damaged, DiskFailed, Full, JournalError
from gemot.journal.holders import other_holder

PATIENCE_SECONDS = 600.0
"""How long a write waits for another program that holds the file: a backup, a database browser. It is said again each minute."""
SAID_SECONDS = 60.0
LOCK_SECONDS = 2.0
"""How long SQLite itself waits before that is said."""

LOG_PAGES = 4_000
"""Pages (16 MB) of the write-ahead log before they are moved to their place, which costs two syncs."""
PAGES_OF_A_WRITE = 3
"""Pages that a transaction writes besides what it adds, by estimate."""

PAGES_AT_ONCE = 500
"""Unused pages that are given back to the disk in one transaction."""

_BUSY, _LOCKED, _NO_MEMORY, _READ_ONLY, _DISK, _CORRUPT, _FULL, _NOT_OPENED = 5, 6, 7, 8, 10, 11, 13, 14
"""SQLite's primary result codes."""

_log = logging.getLogger("gemot.journal")


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code; -1 where Python raised it by itself."""
    return getattr(error, "sqlite_errorcode", -1) & 0xFF if hasattr(error, "sqlite_errorcode") else -1


def is_held(error: sqlite3.Error) -> bool:
    """Whether another program has the file's lock."""
    return code_of(error) in (_BUSY, _LOCKED)


class Database:
    """The file ``path``. ``writing=False``: to look at it, beside whoever writes. Raises :class:`JournalError`."""

    def __init__(self, path: Path, writing: bool) -> None:
        self.path, self.writing = path, writing
        self.was_left = _size(log_of(path)) > 0
        """Its last writer did not close it."""
        self._failed: JournalError | None = None
        self._unmoved = LOG_PAGES if self.was_left else 0
        """Pages in the log that are not in their place, by estimate."""
        try:
            if writing:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
                self.raw = self._connect(str(path), uri=False)
            else:
                self.raw = self._looking()
        except (OSError, sqlite3.OperationalError) as error:
            raise JournalError(
                f"the journal {path} can't be opened: {error}. Check that the folder exists and that you may write to it"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(error, 0) from error

    def _connect(self, target: str, uri: bool = True) -> sqlite3.Connection:
        database = sqlite3.connect(target, isolation_level=None, uri=uri, check_same_thread=False, cached_statements=32)
        database.execute(f"PRAGMA busy_timeout={round(LOCK_SECONDS * 1000)}")
        return database

    def _looking(self) -> sqlite3.Connection:
        """On a disk that can't be written SQLite can't make its index of the log. Where there is no log, none is needed."""
        target = f"{self.path.absolute().as_uri()}?mode=ro"
        database = self._connect(target)
        try:
            database.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            database.close()
            if code_of(error) not in (_NOT_OPENED, _READ_ONLY) or self.was_left or not self.path.exists():
                raise
            database = self._connect(f"{target}&immutable=1")
        except BaseException:
            database.close()
            raise
        return database

    @contextlib.contextmanager
    def explained(self, position: int = 0) -> Generator[None]:
        """SQLite's errors in the words of the contract. ``position``: of the record that is looked for."""
        try:
            yield
        except sqlite3.Error as error:
            raise self.in_words(error, position) from error

    def in_words(self, error: sqlite3.Error, position: int) -> JournalError:
        if isinstance(error, sqlite3.ProgrammingError):
            return JournalError(f"the journal {self.path} can't be used: {error}")
        code = code_of(error)
        if code in (_FULL, _READ_ONLY):
            needed = "make room" if code == _FULL else "let its folder be written again"
            return Full(
                f"the journal {self.path} can't be written: {error}. Nothing of this step was kept or done; {needed}, then `gemot resume`"
            )
        if code == _DISK:
            failed = DiskFailed(
                f"the disk of the journal {self.path} failed: {error}. Nothing of this step was done. Look at the disk and its "
                "room; then `gemot resume` goes on with what has reached it"
            )
            self._failed = failed if self.writing else None
            return failed
        if is_held(error):
            return JournalError(
                f"the journal {self.path} is held by another program (a backup, a database browser?), also after "
                f"{PATIENCE_SECONDS:.0f} s. Nothing of this step was kept or done; end that program, then `gemot resume`"
            )
        if code in (_NOT_OPENED, _NO_MEMORY):
            return JournalError(f"the journal {self.path} can't be used: {error}")
        return self._damaged(error, position)

    def _damaged(self, error: sqlite3.Error, position: int) -> Damaged:
        return Damaged(
            f"the journal {self.path} is damaged ({error}). `gemot doctor --deep` says what is whole and what is lost; `gemot doctor --salvage` "
            "keeps the damaged file and goes on with what can be read",
            position,
        )

    # Writing.

    @contextlib.contextmanager
    def transaction(self, position: int = 0) -> Generator[sqlite3.Connection]:
        """All or nothing. The lock is waited for."""
        self.must_work()
        with self.explained(position):
            self.patiently("BEGIN IMMEDIATE")
            try:
                yield self.raw
                self.raw.execute("COMMIT")
            finally:
                self.roll_back()

    def roll_back(self) -> None:
        """End a transaction that was not committed. What went wrong before is what is told."""
        try:
            if self.raw.in_transaction:
                self.raw.execute("ROLLBACK")
        except sqlite3.Error:
            pass

    def must_work(self) -> None:
        """Raises what the disk answered before."""
        if self._failed is not None:
            raise self._failed

    def patiently(self, words: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Execute what needs the file's lock; another program may have it for a while. Waiting is said once."""
        until = time.monotonic() + PATIENCE_SECONDS
        again = 0.0
        while True:
            try:
                return self.raw.execute(words, values)
            except sqlite3.OperationalError as error:
                now = time.monotonic()
                if not is_held(error) or now > until:
                    raise
                if now > again:
                    who = other_holder(self.path)
                    _log.warning(
                        "gemot: waiting for the journal, another program holds its lock: %s%s",
                        self.path,
                        f", held by {who}" if who else "",
                    )
                    again = now + SAID_SECONDS

    def wrote(self, size: int) -> None:
        """So many bytes were committed. When much is in the log, it is moved."""
        self._unmoved += PAGES_OF_A_WRITE + size // 4096
        if self._unmoved >= LOG_PAGES:
            self.move_log()

    def move_log(self, all_of_it: bool = False) -> bool:
        """Move the log to its place, as far as no reader needs it where it is; returns whether nothing is left of it. ``all_of_it``: wait for
        readers."""
        self.must_work()
        with self.explained():
            busy, left, moved = self.raw.execute(
                f"PRAGMA wal_checkpoint({'TRUNCATE' if all_of_it else 'PASSIVE'})"
            ).fetchone()
        self._unmoved = max(0, left - moved)
        return not busy and left == moved

    def give_back(self, pages: int) -> None:
        """Give unused pages at the end of the file back to the disk, in small portions. A file that was made without room for that stays as
        large as it is."""
        for _ in range(0, pages, PAGES_AT_ONCE):
            with self.explained():
                free = self.raw.execute("PRAGMA freelist_count").fetchone()[0]
                if not free or self.raw.execute("PRAGMA auto_vacuum").fetchone()[0] != 2:
                    return
                self.must_work()
                self.raw.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")  # execute() would free one page
            self.wrote(PAGES_AT_ONCE * 4096)

    def close(self) -> None:
        self.raw.close()


def ready_of(path: Path) -> Path:
    """The name of a salvaged journal that is complete, while it takes the place of the journal ``path``."""
    return Path(f"{path}.salvaged")


def is_broken_off(path: Path) -> bool:
    """Whether a salvage ended when the damaged journal was out of its place and the new one not yet in it."""
    return not path.exists() and ready_of(path).exists()


def must_be_in_place(path: Path, writing: bool) -> None:
    """Raises :class:`Damaged` where a salvage was broken off. A journal that is written on is not the one that was salvaged."""
    if is_broken_off(path):
        raise Damaged(
            f"a salvage was broken off before the new journal was {path}: it is complete, and is {ready_of(path).name}. Nothing was changed. "
            "`gemot doctor --salvage` puts it in its place",
            0,
        )
    if writing:
        with contextlib.suppress(OSError):
            ready_of(path).unlink(missing_ok=True)


def log_of(path: Path) -> Path:
    """SQLite's write-ahead log of a file."""
    return Path(f"{path}-wal")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def bytes_of(bodies: Iterable[bytes]) -> int:
    return sum(map(len, bodies))
