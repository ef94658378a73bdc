"""What only a store on a file can suffer: damage, a newer version, a full disk, lookers; and how much of it is said."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from stores import A, B, C, Stores, entries

from gemot.journal import Damaged, Full, JournalError, TooNew
from gemot.journal.contract import KeptTree
from gemot.journal.sqlite import SqliteJournal, salvage


@pytest.mark.parametrize("what", ["the body", "the pid", "the time", "all of it"])
def test_a_record_that_was_changed_or_lost_is_found_and_those_before_it_are_whole(filed: Stores, what: str) -> None:
    filed.open().append(0, [A, B, C], synced=True)
    filed.close()
    filed.spoil(what)
    got: list[bytes] = []
    with pytest.raises(Damaged, match="record 2") as caught:
        got.extend(one.body for one in filed.open().read())
    assert (caught.value.position, got) == (2, [b"a"])


def test_a_damaged_tree_is_said_and_its_records_are_there(filed: Stores) -> None:
    journal = filed.open()
    journal.append(0, [A, B], synced=True)
    journal.put_checkpoint(2, b"whole", [KeptTree(10, (10, 11), b"a tree")])
    filed.close()
    filed.spoil("the tree")
    journal = filed.open()
    with pytest.raises(Damaged, match="tree 10"):
        journal.tree(11)
    with pytest.raises(Damaged, match="Its records have all of it"):
        list(journal.trees())
    assert entries(journal) == [A, B]
    journal.drop_checkpoint()
    assert (journal.checkpoint(), journal.tree(11)) == (None, None)


def test_a_damaged_checkpoint_is_as_good_as_none(filed: Stores) -> None:
    journal = filed.open()
    journal.append(0, [A], synced=True)
    journal.put_checkpoint(1, b"whole")
    filed.close()
    filed.spoil("the checkpoint")
    assert filed.open().checkpoint() is None


def test_a_damaged_value_is_said(filed: Stores) -> None:
    digest = filed.open().put_value("kept")
    filed.close()
    filed.spoil("the value")
    with pytest.raises(Damaged, match=digest[:12]):
        filed.open().value(digest)


def test_a_closed_journal_says_so(filed: Stores) -> None:
    journal = filed.open()
    journal.append(0, [A], synced=True)
    journal.close()
    journal.close()
    for deed in (lambda: journal.append(1, [B], synced=True), lambda: list(journal.trees()), lambda: entries(journal)):
        with pytest.raises(JournalError, match="closed") as caught:
            deed()
        assert not isinstance(caught.value, Damaged), "there is nothing wrong with it"


# SQLite alone.


def spoil(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


def test_what_is_whole_of_a_damaged_journal_is_salvaged(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    journal.append(0, [A, B, C], synced=True)
    digest = journal.put_value("kept")
    journal.close()
    spoil(path, "UPDATE records SET body = x'00' WHERE position = 2")
    journal = SqliteJournal(path)
    with pytest.raises(Damaged, match="salvage"):
        entries(journal)
    journal.close()
    assert salvage(path, tmp_path / "damaged.db", 99) == 1
    saved = SqliteJournal(path)
    assert (entries(saved), saved.value(digest)) == ([A], "kept")
    saved.close()
    assert (tmp_path / "damaged.db").exists()


def test_a_file_that_is_no_journal_says_so(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is not a database, but long enough to be taken for one" * 40)
    with pytest.raises(Damaged, match="doctor"):
        SqliteJournal(path)


def test_a_journal_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    SqliteJournal(path).close()
    spoil(path, "UPDATE about SET value = 999 WHERE key = 'format'")
    before = path.read_bytes()
    with pytest.raises(TooNew, match="newer"):
        SqliteJournal(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="nowhere"):
        SqliteJournal(tmp_path / "nowhere" / "journal.db")


def test_a_looker_sees_what_the_writer_wrote_and_can_not_write(tmp_path: Path) -> None:
    writer = SqliteJournal(tmp_path / "journal.db")
    writer.append(0, [A], synced=True)
    looker = SqliteJournal(tmp_path / "journal.db", writing=False)
    assert entries(looker) == [A]
    with pytest.raises(JournalError):
        looker.append(1, [B], synced=True)
    writer.append(1, [B], synced=True)
    assert entries(looker) == [A, B]
    looker.close()
    writer.close()


def test_a_store_without_room_keeps_nothing_of_the_batch_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.append(0, [A], synced=True)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Full, match="make room"):
        journal.append(1, [B, (1, 1, b"x" * 100_000)], synced=True)
    assert (journal.position, entries(journal)) == (1, [A])
    journal._db.execute("PRAGMA max_page_count=100000")
    journal.append(1, [B], synced=True)
    assert entries(journal) == [A, B]
    journal.close()
