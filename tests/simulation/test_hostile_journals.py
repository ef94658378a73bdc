"""Damage that no accident of a disk makes: journals of other homes, impossible numbers, a salvage that is killed.

Each is named by doctor and mended, and nothing is paid twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import test_salvage
from test_salvage import OLD, flaws, flip, go_on, mend, paid_twice
from unpacking import unpack

from gemot.abi.events import Ticked
from gemot.cli.repair import salvage
from gemot.journal import endmark
from gemot.journal.contract import Damaged, Full, JournalError
from gemot.journal.database import log_of
from gemot.journal.records import encode
from gemot.journal.salvage import Gathered, gather
from gemot.journal.seals import sealed
from gemot.journal.sqlite import SqliteJournal
from gemot.machine.snapshot import Snapshot

killed, places = test_salvage.killed, test_salvage.places


def test_the_journal_of_a_life_that_parted_from_this_one_pays_nothing_twice(
    killed: Path, places: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    ours, other = places(killed), places(killed)
    asyncio.run(go_on(ours))
    end = endmark.read(ours / "home" / "journal.db")
    assert isinstance(end, endmark.Mark)
    journal = SqliteJournal(other / "home" / "journal.db")
    (now,) = journal.database.execute("SELECT max(at) FROM records").fetchone()
    while journal.position <= end.end.position:  # it went on with other things
        journal.append(journal.position, [(now, 0, encode(Ticked(now)))], synced=True)
    journal.close()
    shutil.copy(other / "home" / "journal.db", ours / "home" / "journal.db")
    assert flaws(ours)
    capsys.readouterr()
    mend(ours)
    said = capsys.readouterr().out
    assert "is not the one that was written there last" in said and "nothing that a process knows" not in said
    asyncio.run(go_on(ours))
    assert paid_twice(ours) == []


def test_a_salvage_that_lost_the_beginning_of_everything_does_not_call_all_known(
    killed: Path, places: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    place = places(killed)
    (place / "home" / "journal.db-wal").unlink()
    (place / "home" / "journal.db").unlink()
    mend(place)
    said = capsys.readouterr().out
    assert "what began or was done after record 0 is not known" in said and "nothing that a process knows" not in said


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT OR REPLACE INTO about VALUES ('base', 9223372036854775807)",
        "INSERT OR REPLACE INTO about VALUES ('epoch', 9223372036854775807)",
        "INSERT OR REPLACE INTO about VALUES ('chain', 9223372036854775807)",
        "INSERT INTO runs VALUES (3, 'x', 0, x'', x'', x'', 1)",
    ],
)
def test_an_impossible_value_in_a_table_is_named_and_mended(
    killed: Path, places: Callable[[Path], Path], statement: str
) -> None:
    place = places(killed)
    with sqlite3.connect(place / "home" / "journal.db") as db:
        db.execute(statement)
    db.close()
    assert flaws(place)
    mend(place)


@pytest.mark.parametrize("position", [5_000_000_000, (1 << 63) - 1])
def test_a_record_at_an_impossible_position_costs_no_time(
    killed: Path, places: Callable[[Path], Path], position: int
) -> None:
    place = places(killed)
    with sqlite3.connect(place / "home" / "journal.db") as db:
        (number,) = db.execute("SELECT value FROM about WHERE key='number'").fetchone()
        [row], _, _ = sealed(bytes(16), position - 1, [(0, 0, encode(Ticked(0)))], number)
        db.execute("INSERT INTO records VALUES (?,?,?,?,?)", row)
    db.close()
    assert flaws(place)
    mend(place)
    asyncio.run(go_on(place))
    assert paid_twice(place) == []


def test_a_mark_with_an_impossible_position_says_nothing(killed: Path, places: Callable[[Path], Path]) -> None:
    place = places(killed)
    journal = place / "home" / "journal.db"
    end = endmark.End(endmark.POSITIONS_MAX, bytes(16))
    endmark.path_of(journal).write_bytes(endmark.packed(endmark.Mark(end, end, b"")))
    assert endmark.read(journal) == "broken"
    assert flaws(place) == []


def test_a_text_that_is_lost_after_a_salvage_is_named(killed: Path, places: Callable[[Path], Path]) -> None:
    place = places(killed)
    with sqlite3.connect(place / "home" / "journal.db") as db:
        db.execute("DELETE FROM records WHERE position = (SELECT max(position) - 3 FROM records)")
    db.close()
    mend(place)
    with sqlite3.connect(place / "home" / "journal.db") as db:
        assert db.execute("DELETE FROM contents").rowcount
    db.close()
    assert all("is named by a record and is not there" in flaw for flaw in flaws(place)) and flaws(place)
    mend(place)


def test_records_of_the_first_format_are_brought_back_without_the_table_that_counts_them(tmp_path: Path) -> None:
    with tarfile.open(OLD.with_name("030-64293fe-closed.tar.xz")) as archive:
        unpack(archive, tmp_path)
    file = tmp_path / "home" / "journal.db"
    SqliteJournal(file).close()
    with sqlite3.connect(file) as db:
        (records,) = db.execute("SELECT count(*) FROM records").fetchone()
        db.execute("DROP TABLE about")
    db.close()
    mend(tmp_path)
    journal = SqliteJournal(file, writing=False)
    assert sum(1 for _ in journal.read()) == records
    journal.close()


@pytest.mark.parametrize("steps", range(8))
def test_a_salvage_that_is_killed_while_it_swaps_the_files_is_done_by_the_next_one(
    killed: Path, places: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    place = places(killed)
    home = place / "home"
    flip(home / "journal.db-wal", (home / "journal.db-wal").stat().st_size * 3 // 4, 3)
    assert flaws(place)

    class Killed(BaseException):
        pass

    rename, left = Path.rename, iter(range(steps))

    def killed_in(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise Killed
        return rename(self, target)

    def left_there(_: Path) -> None:
        """Whoever is killed tidies nothing up."""

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed_in)
        patch.setattr("gemot.cli.repair.discard", left_there)
        with contextlib.suppress(Killed):
            salvage(home, sure=True)
    if not (home / "journal.db").exists():
        with pytest.raises(Damaged, match="a salvage was broken off"):
            SqliteJournal(home / "journal.db")
        assert flaws(place)
    if flaws(place):
        mend(place)
    journal = SqliteJournal(home / "journal.db", writing=False)
    assert sum(1 for _ in journal.read(evidence=False))
    journal.close()
    assert not (home / "journal.db.salvaged").exists() and not (home / "journal.db.salvage").exists()
    [kept] = home.glob("journal.damaged-*.db")
    assert log_of(kept).exists() and endmark.path_of(kept).exists()
    asyncio.run(go_on(place))
    assert paid_twice(place) == []


def test_who_looks_at_a_home_whose_journal_was_deleted_is_told(killed: Path, places: Callable[[Path], Path]) -> None:
    place = places(killed)
    (place / "home" / "journal.db").unlink()
    with pytest.raises(Damaged, match="is missing"):
        Snapshot(place / "home" / "journal.db", recent=True).fold()


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_a_file_that_may_not_be_read_is_not_salvaged(
    killed: Path, places: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place = places(killed)
    (place / "home" / "journal.end").unlink()
    with sqlite3.connect(place / "home" / "journal.db") as db:
        db.execute("DELETE FROM records WHERE position=9")
    really = os.open

    def refused(file: str | Path, flags: int, *more: int) -> int:
        if Path(file).name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return really(file, flags, *more)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(PermissionError):
        salvage(place / "home", sure=True)
    db.close()
    assert not list((place / "home").glob("journal.damaged-*"))


def test_no_room_for_the_new_journal_is_said_as_such(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> Gathered:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("gemot.journal.salvage._Gathering.all", full)
    with pytest.raises(Full, match="Make room"):
        gather(killed / "home" / "journal.db", tmp_path / "new.db")


def test_a_journal_that_another_program_holds_is_not_salvaged(killed: Path, places: Callable[[Path], Path]) -> None:
    place = places(killed)
    holder = sqlite3.connect(place / "home" / "journal.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="held by another program"):
        salvage(place / "home", sure=True)
    holder.close()
    assert not list((place / "home").glob("journal.damaged-*"))
    assert flaws(place) == []
