"""What only a store on a file can suffer: damage, a newer version, a full disk, lookers; and how much of it is said."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest
from stores import ON_FILES, A, B, C, Stores, entries

from gemot.journal import Damaged, DiskFailed, Fenced, Full, JournalError, TooNew, mapped
from gemot.journal.contract import KeptTree
from gemot.journal.lmdb import LmdbJournal
from gemot.journal.sqlite import SqliteJournal


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
    with pytest.raises(Damaged, match="ts records have all of it"):
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


def test_a_file_that_is_no_journal_is_left_as_it_is(filed: Stores) -> None:
    theirs = b"this is not a database, but long enough to be taken for one" * 400
    filed.path.write_bytes(theirs)
    with pytest.raises(JournalError, match=filed.path.name):
        filed.open()
    with pytest.raises(JournalError, match=filed.path.name):
        entries(filed.look())
    assert filed.path.read_bytes() == theirs


def test_a_journal_of_a_newer_version_is_left_alone(filed: Stores) -> None:
    filed.open()
    filed.close()
    filed.spoil("the format")
    before = filed.path.read_bytes()
    with pytest.raises(TooNew, match="newer"):
        filed.open()
    with pytest.raises(TooNew, match="newer"):
        filed.look()
    assert filed.path.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(filed: Stores) -> None:
    filed.path = filed.path.parent / "nowhere" / "journal"
    with pytest.raises(JournalError, match="nowhere"):
        filed.open()
    with pytest.raises(JournalError, match="nowhere"):
        filed.look()


def test_a_looker_sees_what_the_writer_wrote_and_can_not_write(filed: Stores) -> None:
    writer = filed.open()
    writer.append(0, [A], synced=True)
    digest = writer.put_value("kept")
    looker = filed.look()
    assert (entries(looker), looker.position, looker.value(digest)) == ([A], 1, "kept")
    for deed in (
        lambda: looker.append(1, [B], synced=True),
        lambda: looker.put_value("mine"),
        lambda: looker.put_checkpoint(1, b"mine"),
        lambda: looker.blank([10], [(1, b"")]),
        looker.drop_checkpoint,
    ):
        with pytest.raises(JournalError):
            deed()
    writer.append(1, [B], synced=True)
    assert entries(looker) == [A, B]


def test_a_file_that_can_not_grow_keeps_nothing_of_the_batch(filed: Stores) -> None:
    journal = filed.open()
    journal.append(0, [A], synced=True)
    journal.put_checkpoint(1, b"one", [KeptTree(10, (10,), b"there")])
    with no_file_grows(filed.path):
        for deed in (
            lambda: journal.append(1, [B, (1, 1, b"x" * 1_000_000)], synced=True),
            lambda: journal.put_checkpoint(1, b"two", [KeptTree(10, (10,), b"x" * 1_000_000)]),
            lambda: journal.blank([10], [(1, b"x" * 1_000_000)]),
        ):
            with pytest.raises((Full, DiskFailed), match="room"):
                deed()
    assert (journal.position, entries(journal)) == (1, [A])
    assert (journal.checkpoint(), journal.tree(10)) == ((1, b"one"), b"there")
    again = filed.open()
    again.append(1, [B], synced=True)
    assert entries(again) == entries(filed.open()) == [A, B]


@contextlib.contextmanager
def no_file_grows(path: Path) -> Iterator[None]:
    """Meanwhile no file of this process can grow beyond the largest that begins like ``path``: as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def elsewhere(stores: Stores, *lines: str, code: int = 0) -> None:
    """Run lines in another process, with ``journal`` open on the same file."""
    kind = ON_FILES[stores.kind]
    script = (
        "import os, signal, sys, pathlib",
        f"from {kind.__module__} import {kind.__name__}",
        f"journal = {kind.__name__}(pathlib.Path(sys.argv[1]))",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join((*script, *lines)), str(stores.path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("synced", [False, True])
def test_what_was_appended_survives_the_end_of_its_process(filed: Stores, synced: bool) -> None:
    batch = "[(1, 10, b'a'), (2, 20, b'b')]"
    elsewhere(
        filed,
        f"journal.append(0, {batch}, synced={synced})",
        "journal.put_value('kept')",
        "os.kill(os.getpid(), signal.SIGKILL)",
        code=-signal.SIGKILL,
    )
    journal = filed.open()
    assert entries(journal) == [A, B]
    assert journal.value(hashlib.sha256(b"kept").hexdigest()) == "kept"
    assert journal.append(2, [C], synced=True) == 3


def test_a_writer_in_another_process_fences_this_one_off(filed: Stores) -> None:
    journal = filed.open()
    journal.append(0, [A], synced=True)
    elsewhere(filed, "journal.append(1, [(2, 20, b'b')], synced=False)")
    with pytest.raises(Fenced):
        journal.append(1, [C], synced=True)
    assert entries(filed.open()) == [A, B]


# LMDB alone.


def test_a_file_grows_as_far_as_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "MAP_BYTES", 1 << 16)
    stores = Stores("lmdb", tmp_path)
    journal, large = stores.open(), b"x" * 300_000
    reading = journal.read()
    journal.append(0, [A], synced=True)
    assert next(reading).body == b"a", "somebody is in the middle of reading while it grows"
    journal.append(1, [(1, 1, large)] * 5, synced=False)
    journal.put_checkpoint(6, large, (KeptTree(root, (root,), large) for root in (1, 2, 3)))
    journal.put_value("y" * 2_000_000)
    journal.blank([1], [(2, large * 9)])
    assert [len(one.body) for one in reading] == [len(large) * 9, *[len(large)] * 4]
    assert [len(one) for one in journal.trees()] == [len(large)] * 2
    assert stores.open().append(6, [B], synced=True) == 7
    stores.close()


def test_a_looker_follows_a_file_that_another_process_makes_larger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "MAP_BYTES", 1 << 16)
    stores = Stores("lmdb", tmp_path)
    stores.open()
    stores.close()
    looker = stores.look()
    elsewhere(stores, "journal.append(0, [(1, 1, b'x' * 100_000)] * 20, synced=False)")
    assert [len(one.body) for one in looker.read()] == [100_000] * 20
    stores.close()


def test_a_file_that_lost_its_end_is_damaged_and_ends_nobody(tmp_path: Path) -> None:
    stores = Stores("lmdb", tmp_path)
    stores.open().append(0, [(1, 1, b"x" * 1_000)] * 100, synced=True)
    stores.close()
    whole = stores.path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 8192, 5000, 100):
        stores.path.write_bytes(whole[:length])
        with pytest.raises(Damaged):
            stores.open()
    stores.path.write_bytes(whole)
    assert len(entries(stores.open())) == 100
    stores.close()


def test_a_file_of_lmdb_that_is_somebody_elses_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    with lmdb.open(str(path), subdir=False) as file, file.begin(write=True) as txn:
        txn.put(b"key", b"value")
    before = path.read_bytes()
    for writing in (False, True):
        with pytest.raises(JournalError, match="left as it is"):
            LmdbJournal(path, writing=writing)
    assert path.read_bytes() == before


# SQLite alone.


def spoil(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


def test_a_damaged_file_of_sqlite_names_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is not a database, but long enough to be taken for one" * 40)
    with pytest.raises(Damaged, match="doctor"):
        SqliteJournal(path)


def test_a_full_database_keeps_nothing_of_the_batch(tmp_path: Path) -> None:
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
