"""Inspection of a journal in a file: every table is read, and each row is checked by the checksum that it has.

Nothing is written. Whatever a machine would stumble over on this file is found here first.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gemot.abi.events import Installed
from gemot.journal.contract import Damaged, JournalError, TooNew
from gemot.journal.records import decode
from gemot.journal.sqlite import PORTION, SqliteJournal

MESSAGES_MAX = 5
"""Of what SQLite finds wrong in its own structure, so much is told."""

LOST_TEXT = "lost text "
"""How a key in the table ``about`` begins that names a text which a salvage could not bring back."""

_NAMED = re.compile(rb'"(?:digest|diff)":"([0-9a-f]{64})"')
"""How a record names a text that the journal keeps."""


class Flaw(NamedTuple):
    """``part``: where it is, such as ``records``. ``what``: in words. ``position``: of a record, the first that can't be had."""

    part: str
    what: str
    position: int = 0


class Counts(NamedTuple):
    """What was read and is whole."""

    records: int = 0
    texts: int = 0
    trees: int = 0
    lost: int = 0
    """Records that an earlier salvage could not bring back."""
    texts_lost: int = 0
    """Texts that it could not."""


def inspect(path: Path) -> tuple[Counts, list[Flaw]]:
    """What is whole of the journal in a file, and every flaw that is found. Raises :class:`TooNew`."""
    flaws: list[Flaw] = []
    try:
        journal = SqliteJournal(path, writing=False)
    except TooNew:
        raise
    except JournalError as error:
        return Counts(), [
            Flaw("end" if "is missing" in str(error) else "file", str(error), getattr(error, "position", 0))
        ]
    counts = Counts()
    try:
        flaws += structure(journal)
        if not journal.is_begun:
            return counts, flaws
        counts = counts._replace(lost=_lost(journal))
        named: set[bytes] = set()
        try:
            for record in journal.read():
                counts = counts._replace(records=counts.records + 1)
                named.update(named_in(record.body))
        except Damaged as error:
            flaws.append(Flaw("records", str(error), error.position))
        named |= _named_before(journal)
        gone = _texts_lost(journal)
        counts = counts._replace(texts=_texts(journal, named - gone, flaws), texts_lost=len(gone))
        counts = counts._replace(trees=_kept(journal, flaws))
    except JournalError as error:
        flaws.append(Flaw("file", str(error)))
    except sqlite3.Error as error:
        flaws.append(Flaw("file", f"SQLite can't read it: {error}"))
    finally:
        journal.close()
    return counts, flaws


def named_in(body: bytes) -> set[bytes]:
    """The digests of texts that a record names. Of what is installed only programs of an AI are texts here."""
    if not body.startswith(b'{"type":"installed"'):
        return set(_NAMED.findall(body))
    try:
        event = decode(body)
    except ValueError:
        return set()
    programs = event.programs if isinstance(event, Installed) else ()
    return {program.digest.encode() for program in programs if program.kind == "ai" and program.digest}


def structure(journal: SqliteJournal) -> Iterator[Flaw]:
    """What SQLite finds wrong in the structure of the file."""
    try:
        rows = journal.database.execute(f"PRAGMA integrity_check({MESSAGES_MAX})").fetchall()
    except sqlite3.Error as error:
        rows = [(str(error),)]
    for (message,) in rows:
        if message != "ok":
            yield Flaw("file", f"SQLite finds its structure damaged: {message}")


def _lost(journal: SqliteJournal) -> int:
    rows = journal.database.execute("SELECT first, last FROM runs WHERE lost").fetchall()
    return sum(last - first + 1 for first, last in rows if type(first) is type(last) is int)


def _named_before(journal: SqliteJournal) -> set[bytes]:
    """The digests of texts that the records before a salvage name: what a salvage brought back may need them."""
    rows = journal.database.execute("SELECT body FROM records WHERE position<=?", (journal.base,))
    return (
        {digest for (body,) in rows if isinstance(body, bytes) for digest in named_in(body)} if journal.base else set()
    )


def _texts_lost(journal: SqliteJournal) -> set[bytes]:
    rows = journal.database.execute(
        "SELECT key FROM about WHERE substr(key, 1, ?)=?", (len(LOST_TEXT), LOST_TEXT)
    ).fetchall()
    return {key.removeprefix(LOST_TEXT).encode() for (key,) in rows}


def _texts(journal: SqliteJournal, named: set[bytes], flaws: list[Flaw]) -> int:
    """Check every text by its digest, and whether each that a record names is there; returns how many are whole."""
    last, whole = "", 0
    while rows := journal.database.execute(
        "SELECT digest, body FROM contents WHERE digest>? ORDER BY digest LIMIT ?", (last, PORTION)
    ).fetchall():
        for digest, body in rows:
            if isinstance(body, bytes) and hashlib.sha256(body).hexdigest() == digest:
                whole += 1
                named.discard(digest.encode())
            else:
                flaws.append(Flaw("texts", f"the text {digest!s:.12} is not what was kept"))
        if not isinstance(rows[-1][0], str):
            break
        last = rows[-1][0]
    found = {flaw.what for flaw in flaws}
    for digest in sorted(named):
        text = f"the text {digest.decode():.12} is not what was kept"
        if text not in found:
            flaws.append(Flaw("texts", f"the text {digest.decode():.12} is named by a record and is not there"))
    return whole


def _kept(journal: SqliteJournal, flaws: list[Flaw]) -> int:
    """Check what a checkpoint keeps; returns how many trees are whole."""
    db = journal.database
    if db.execute("SELECT 1 FROM checkpoints").fetchone() and journal.checkpoint() is None and not journal.is_dropped:
        flaws.append(Flaw("checkpoint", "the checkpoint is not what was written; all records are folded instead"))
    whole = 0
    try:
        for _ in journal.trees():
            whole += 1
        for (number,) in db.execute("SELECT DISTINCT number FROM pieces").fetchall():
            journal.pieces(number)
    except Damaged as error:
        flaws.append(Flaw("checkpoint", str(error)))
    return whole
