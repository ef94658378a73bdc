"""Picking: some records of a journal in a SQLite file, without those between them. Each is checked by its own checksum, not by the chain."""

from __future__ import annotations

from collections.abc import Iterator

from gemot.journal.contract import Damaged, Record
from gemot.journal.seals import checksum, is_run, sum_fits
from gemot.journal.sqlite import PORTION, SqliteJournal


def picked(journal: SqliteJournal, first: int, last: int) -> Iterator[Record]:
    """The records from ``first`` to ``last``. In the place of those that were taken out stand their blanks. Raises :class:`Damaged`."""
    expected = first
    while expected <= last:
        rows = journal.database.execute(
            "SELECT * FROM records WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?", (expected, last, PORTION)
        ).fetchall()
        for position, at, pid, body, written in rows:
            if position > expected:
                yield from _blanks(journal, expected, position - 1)
            fits = type(position) is type(at) is type(pid) is int and isinstance(body, bytes)
            if not fits or not (
                sum_fits(position, at, pid, body, written, journal.origin.seed(position))
                or written == checksum(position, at, pid, body)
            ):
                raise Damaged(f"record {position} of the journal {journal.path} is not what was written", position)
            yield Record(position, at, pid, body)
            expected = position + 1
        if len(rows) < PORTION:
            break
    if expected <= last:
        yield from _blanks(journal, expected, last)


def _blanks(journal: SqliteJournal, first: int, last: int) -> Iterator[Record]:
    """What stands in the place of these records. Raises :class:`Damaged` where not all of them were taken out."""
    while first <= last:
        row = journal.database.execute(
            "SELECT first, last, at, body, seal, own FROM runs WHERE last>=? AND first<=? ORDER BY last LIMIT 1",
            (first, first),
        ).fetchone()
        if row is None or not is_run(row[0], row[1], row[2], row[3], row[4], row[5], journal.origin):
            raise Damaged(f"record {first} of the journal {journal.path} is missing", first)
        if row[1] <= last:
            yield Record(row[1], row[2], 0, row[3], row[0])
        first = row[1] + 1
