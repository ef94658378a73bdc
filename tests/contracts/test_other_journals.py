"""Rows of another journal: they never count as records of this one, wherever they came from."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from gemot.journal import endmark
from gemot.journal.contract import Damaged
from gemot.journal.database import log_of
from gemot.journal.inspecting import inspect
from gemot.journal.salvage import Gathered, gather
from gemot.journal.seals import number_of, sealed
from gemot.journal.sqlite import SqliteJournal

RECORDS = 120


def written(path: Path, name: str, close: bool = True) -> SqliteJournal:
    """A journal of batches of three; each body names the journal, and stands for itself."""
    path.parent.mkdir(exist_ok=True)
    journal = SqliteJournal(path)
    for first in range(1, RECORDS, 3):
        batch = [(number, 7, f"{name} {number} ".encode() * 40) for number in range(first, first + 3)]
        journal.append(journal.position, batch, synced=True)
    if close:
        journal.close()
    return journal


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "journal.db"
    written(path, "mine")
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other" / "journal.db"
    written(path, "other")
    return path


def salvaged(path: Path) -> tuple[Gathered, list[str]]:
    """What a salvage finds, and the first words of each body that it brings back."""
    new = path.with_name("new.db")
    gathered = gather(path, new)
    with sqlite3.connect(new) as database:
        bodies = [body.split()[0].decode() for (body,) in database.execute("SELECT body FROM records")]
    database.close()
    return gathered, bodies


def test_a_row_of_another_journal_in_a_gap_is_refused(mine: Path, other: Path) -> None:
    with sqlite3.connect(mine) as database:
        database.execute("ATTACH ? AS other", (str(other),))
        database.execute("REPLACE INTO records SELECT * FROM other.records WHERE position BETWEEN 20 AND 60")
    database.close()
    counts, flaws = inspect(mine)
    assert counts.records == 19 and "record 20" in flaws[0].what
    gathered, bodies = salvaged(mine)
    assert gathered.lost == [(20, 60)]
    assert set(bodies) == {"mine"} and len(bodies) == RECORDS - 41


def test_pages_of_another_journal_are_refused(mine: Path, other: Path) -> None:
    page = 4096
    body, alien = bytearray(mine.read_bytes()), other.read_bytes()
    middle = len(body) // page // 2
    body[middle * page : (middle + 3) * page] = alien[middle * page : (middle + 3) * page]
    mine.write_bytes(body)
    assert b"other" in body
    gathered, bodies = salvaged(mine)
    assert set(bodies) == {"mine"} and len(bodies) > RECORDS // 2 and gathered.lost


@pytest.mark.parametrize("has_mark", [True, False])
def test_the_log_of_another_journal_costs_no_record_of_the_file(mine: Path, tmp_path: Path, has_mark: bool) -> None:
    theirs = tmp_path / "theirs" / "journal.db"
    left = written(theirs, "other", close=False)
    shutil.copy(log_of(theirs), log_of(mine))
    left.close()
    if not has_mark:
        endmark.path_of(mine).unlink()
    else:
        with pytest.raises(Damaged, match="log of another"):
            SqliteJournal(mine, writing=False)
    gathered, bodies = salvaged(mine)
    assert bodies == ["mine"] * RECORDS and not gathered.lost


def test_the_number_of_a_journal_is_computed_where_nothing_else_says_it(mine: Path, other: Path) -> None:
    with sqlite3.connect(mine) as database:
        database.execute("ATTACH ? AS other", (str(other),))
        database.execute("REPLACE INTO records SELECT * FROM other.records WHERE position BETWEEN 100 AND 109")
        database.execute("DELETE FROM about WHERE key LIKE 'number%'")
    database.close()
    endmark.path_of(mine).unlink()
    gathered, bodies = salvaged(mine)
    assert set(bodies) == {"mine"} and len(bodies) >= RECORDS - 15 and gathered.lost
    journal = SqliteJournal(mine.with_name("new.db"), writing=False)
    assert journal.origin.number and journal.origin.after == 0
    journal.close()


def test_the_number_is_what_the_checksums_of_rows_begin_with() -> None:
    rows, _, _ = sealed(bytes(16), 0, [(5, 6, b"one"), (7, 8, b"two"), (9, 10, b"")], 0x89ABCDEF)
    assert number_of(rows) == 0x89ABCDEF
    assert number_of([(1, 2, 3, b"no", None), ("", 2, 3, b"no", 4), (1, 2, 3, b"no", -4)]) == 0


def test_a_run_of_another_journal_takes_no_records_away(mine: Path, other: Path) -> None:
    with contextlib.closing(SqliteJournal(other)) as journal:
        journal.blank((7,), [(number, b"blank") for number in range(10, 30)])
    with sqlite3.connect(mine) as database:
        database.execute("ATTACH ? AS other", (str(other),))
        database.execute("INSERT INTO runs SELECT * FROM other.runs")
    database.close()
    gathered, bodies = salvaged(mine)
    assert bodies == ["mine"] * RECORDS and not gathered.lost


def test_what_a_checkpoint_of_another_journal_keeps_is_refused(mine: Path, other: Path) -> None:
    with contextlib.closing(SqliteJournal(other)) as journal:
        journal.put_checkpoint(RECORDS, b"other")
    with sqlite3.connect(mine) as database:
        database.execute("ATTACH ? AS other", (str(other),))
        database.execute("INSERT INTO checkpoints SELECT * FROM other.checkpoints")
    database.close()
    with contextlib.closing(SqliteJournal(mine)) as journal:
        assert journal.checkpoint() is None


def test_a_whole_journal_in_the_place_of_another_is_gone_on_with_in_doubt(mine: Path, other: Path) -> None:
    shutil.copy(other, mine)
    with pytest.raises(Damaged, match="another journal was put in its place"):
        SqliteJournal(mine)
    gathered, bodies = salvaged(mine)
    assert bodies == ["other"] * RECORDS and gathered.parted == RECORDS
