"""The chain of seals and the mark of the end: what is missing or rewritten is noticed, and nothing else is called missing."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from stores import A, B, C, entries

from gemot.journal import Damaged, DiskFailed, JournalError, endmark
from gemot.journal.contract import FORMAT
from gemot.journal.database import log_of
from gemot.journal.seals import ROOT, checksum, sealed
from gemot.journal.sqlite import SqliteJournal

KILLED = """
import os, pathlib, signal, sys
from gemot.journal.sqlite import SqliteJournal
journal = SqliteJournal(pathlib.Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    journal.append(journal.position, [(number, 7, b"body %d" % number)] * 3, synced=number % 4 == 0)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def killed(path: Path, batches: int) -> None:
    """A journal as a killed program leaves it: three records a batch, all of them in the log."""
    subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(batches)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )


def closed(path: Path, *batch: tuple[int, int, bytes]) -> None:
    journal = SqliteJournal(path)
    journal.append(journal.position, batch, synced=True)
    journal.close()


def change(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def after_a_power_cut(path: Path) -> None:
    """The mark says that the computer was started again since."""
    mark = endmark.read(path)
    assert isinstance(mark, endmark.Mark)
    endmark.path_of(path).write_bytes(endmark.packed(mark._replace(boot=b"another")))


# What is missing.


def test_a_deleted_log_is_named_and_no_empty_journal_begins(path: Path) -> None:
    killed(path, 5)
    log_of(path).unlink()
    before = path.read_bytes()
    for writing in (True, False):
        with pytest.raises(Damaged, match=r"15 records after the first 0.*log is not there") as caught:
            SqliteJournal(path, writing=writing)
        assert caught.value.position == 1
    assert path.read_bytes() == before


def test_a_deleted_journal_is_named(path: Path) -> None:
    closed(path, A, B)
    path.unlink()
    with pytest.raises(Damaged, match="2 records after the first 0"):
        SqliteJournal(path)
    assert not path.exists()


def test_every_flipped_bit_of_a_log_that_cuts_it_short_is_named(path: Path, chance: Random) -> None:
    killed(path, 12)
    mark = endmark.path_of(path).read_bytes()
    whole, log = path.read_bytes(), log_of(path).read_bytes()
    for _ in range(60):
        at = chance.randrange(len(log))
        path.write_bytes(whole)
        log_of(path).write_bytes(log[:at] + bytes([log[at] ^ 1 << chance.randrange(8)]) + log[at + 1 :])
        endmark.path_of(path).write_bytes(mark)
        try:
            journal = SqliteJournal(path)
        except JournalError as error:
            assert isinstance(error, Damaged), error
        else:
            assert len(entries(journal)) == 36, at
            journal.close()


def test_an_older_copy_of_the_journal_is_named(path: Path) -> None:
    closed(path, A)
    older = path.read_bytes()
    closed(path, B, C)
    path.write_bytes(older)
    with pytest.raises(Damaged, match="2 records after the first 1"):
        SqliteJournal(path)


def test_a_rewritten_journal_is_named_though_its_chain_fits(path: Path) -> None:
    closed(path, A, B)
    forged = path.with_name("forged.db")
    closed(forged, A, (2, 20, b"forged"))
    path.write_bytes(forged.read_bytes())
    with pytest.raises(Damaged, match=r"record 2.*rewrote"):
        SqliteJournal(path)


@pytest.mark.parametrize("end", [1, 2, 3, 4, 5])
def test_a_longer_journal_of_another_home_is_named_wherever_its_batches_end(
    path: Path, tmp_path: Path, end: int
) -> None:
    closed(path, *[A] * end)
    other = tmp_path / "other.db"
    closed(other, A, B, C)
    closed(other, A, B, C)
    other.replace(path)
    with pytest.raises(
        Damaged, match=r"is not the one that was written there last.*another journal was put in its place"
    ):
        SqliteJournal(path)


def test_unsynced_records_may_be_gone_after_a_power_cut(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append(0, [A], synced=True)
    journal.append(1, [B, C], synced=False)
    mark = endmark.path_of(path).read_bytes()
    journal.close()
    change(path, "DELETE FROM records WHERE position>1")
    endmark.path_of(path).write_bytes(mark)
    with pytest.raises(Damaged, match="2 records"):
        SqliteJournal(path)
    after_a_power_cut(path)
    journal = SqliteJournal(path)
    assert entries(journal) == [A]
    journal.close()


def test_synced_records_may_not_be_gone_after_a_power_cut(path: Path) -> None:
    closed(path, A, B)
    change(path, "DELETE FROM records WHERE position>1")
    after_a_power_cut(path)
    with pytest.raises(Damaged, match="1 records after the first 1"):
        SqliteJournal(path)


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda mark: mark.write_bytes(b"x" * 100), lambda mark: mark.write_bytes(b"")]
)
def test_a_missing_or_broken_mark_says_nothing(path: Path, spoil: Callable[[Path], object]) -> None:
    closed(path, A, B)
    spoil(endmark.path_of(path))
    assert isinstance(endmark.read(path), str)
    journal = SqliteJournal(path)
    assert entries(journal) == [A, B]
    journal.close()
    assert isinstance(endmark.read(path), endmark.Mark)


def test_mark_of_a_dropped_journal_keeps_no_descriptor(path: Path) -> None:
    closed(path, A)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        SqliteJournal(path)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_mark_that_can_not_be_written_is_older_and_stops_nothing(path: Path) -> None:
    journal = SqliteJournal(path)
    assert journal._mark is not None
    os.close(journal._mark._file)
    journal._mark._file = os.open(endmark.path_of(path), os.O_RDONLY)
    journal.append(0, [A], synced=True)
    journal.close()
    journal = SqliteJournal(path)
    assert entries(journal) == [A]
    journal.close()


def test_a_looker_beside_a_writer_never_finds_the_end_missing(path: Path) -> None:
    journal = SqliteJournal(path)
    for number in range(50):
        journal.append(number, [A], synced=False)
        looker = SqliteJournal(path, writing=False)
        assert looker.position == number + 1
        looker.close()
    journal.close()


# The chain.


@pytest.mark.parametrize(
    ("statement", "bad"),
    [
        ("UPDATE records SET seal = x'00112233445566778899aabbccddeeff' WHERE position = 2", 2),
        ("UPDATE records SET seal = 12345 WHERE position = 2", 2),
        ("UPDATE records SET body = 'text' WHERE position = 2", 2),
        ("UPDATE records SET at = 'never' WHERE position = 3", 3),
        ("UPDATE records SET position = 9 WHERE position = 3", 3),
        ("DELETE FROM records WHERE position = 1", 1),
    ],
)
def test_a_record_that_does_not_fit_the_chain_is_found(path: Path, statement: str, bad: int) -> None:
    closed(path, A, B, C)
    change(path, statement)
    journal = SqliteJournal(path, writing=False, trusting=True)
    with pytest.raises(Damaged) as caught:
        entries(journal)
    assert caught.value.position == bad
    journal.close()


def test_a_record_with_a_fitting_crc_does_not_fit_the_chain(path: Path) -> None:
    closed(path, A, B, C)
    closed(path, A)
    before = SqliteJournal(path, writing=False)
    rows, _, _ = sealed(ROOT, 0, [A, (2, 20, b"forged"), C], before.origin.number)
    before.close()
    change(path, f"UPDATE records SET body = x'{b'forged'.hex()}', seal = {rows[1][4]} WHERE position = 2")
    journal = SqliteJournal(path)
    with pytest.raises(Damaged, match="record 3"):
        entries(journal)
    assert entries(journal, 3) == [A], "what comes after it can be read"
    journal.close()


@pytest.mark.parametrize("blanks", [(1,), (2, 3), (3,), (4,), (2, 3, 4), (1, 6)])
def test_the_chain_goes_on_after_what_was_archived(path: Path, blanks: tuple[int, ...]) -> None:
    closed(path, A, B, C)
    closed(path, B, C, A)
    journal = SqliteJournal(path)
    journal.blank([1], [(position, b"blank") for position in blanks])
    journal.append(6, [A], synced=True)
    for after in range(7):
        assert [one.position for one in journal.read(after)][-1] == 7
    journal.close()
    change(path, "UPDATE records SET body = x'00' WHERE position = 5")
    journal = SqliteJournal(path)
    with pytest.raises(Damaged, match="record 5"):
        entries(journal)
    journal.close()


def test_a_read_that_begins_later_checks_the_chain_from_there(path: Path) -> None:
    closed(path, A)
    closed(path, B, C)
    change(path, "UPDATE records SET body = x'00' WHERE position = 1")
    journal = SqliteJournal(path)
    assert (entries(journal, 1), entries(journal, 2)) == ([B, C], [C])
    change(path, "UPDATE records SET body = x'00' WHERE position = 2")
    with pytest.raises(Damaged, match="record 2"):
        entries(journal, 2)
    journal.close()


# An older format.


def format_1(path: Path, *batch: tuple[int, int, bytes]) -> None:
    """A journal as the first format had it."""
    with sqlite3.connect(path) as database:
        database.executescript(
            "PRAGMA journal_mode=WAL;"
            "CREATE TABLE about (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
            "CREATE TABLE records (position INTEGER PRIMARY KEY, at INTEGER NOT NULL, pid INTEGER NOT NULL, body BLOB NOT NULL,"
            " checksum INTEGER NOT NULL);"
            "CREATE TABLE contents (digest TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;"
            "INSERT INTO about VALUES ('epoch', 3), ('format', 1)"
        )
        rows = [(number, *one, checksum(number, *one)) for number, one in enumerate(batch, 1)]
        database.executemany("INSERT INTO records VALUES (?,?,?,?,?)", rows)
    database.close()


def test_a_journal_of_the_first_format_is_read_and_taken_over(path: Path) -> None:
    format_1(path, A, B)
    looker = SqliteJournal(path, writing=False)
    assert (entries(looker), entries(looker, 1)) == ([A, B], [B])
    looker.close()
    journal = SqliteJournal(path)
    assert journal.append(2, [C], synced=True) == 3
    assert (entries(journal), entries(journal, 2)) == ([A, B, C], [C])
    journal.close()
    database = sqlite3.connect(path)
    about = dict(database.execute("SELECT key, value FROM about"))
    database.close()
    assert (about["format"], about["chain"], about["epoch"]) == (FORMAT, 2, 4)
    journal = SqliteJournal(path)
    assert entries(journal) == [A, B, C]
    journal.close()


def test_a_damaged_record_of_the_first_format_is_found(path: Path) -> None:
    format_1(path, A, B)
    closed(path, C)
    change(path, "UPDATE records SET body = x'00' WHERE position = 2")
    journal = SqliteJournal(path)
    with pytest.raises(Damaged, match="record 2"):
        entries(journal)
    journal.close()


# Runs.


def test_blanks_that_follow_each_other_are_one_row_and_the_file_shrinks(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append(0, [(at, 10, b"x" * 1_000) for at in range(2_000)], synced=True)
    journal.append(2_000, [A], synced=True)
    journal.close()
    before = path.stat().st_size
    journal = SqliteJournal(path)
    journal.blank([10], [(position, b"gone %d" % position) for position in range(1, 2_001)])
    (run, last) = list(journal.read())
    assert (run.first, run.position, run.at, run.pid, run.body) == (1, 2_000, 1_999, 0, b"gone 2000")
    assert (last.position, last.first, last.body) == (2_001, 0, b"a")
    assert journal._db.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    journal.close()
    assert path.stat().st_size < before / 10


def test_a_read_that_begins_inside_a_run_gives_the_run(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append(0, [A, B, C, A], synced=True)
    journal.blank([10], [(2, b"x"), (3, b"y")])
    assert [(one.first, one.position) for one in journal.read(2)] == [(2, 3), (0, 4)]
    journal.close()


def test_a_changed_run_is_found(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append(0, [A, B, C], synced=True)
    journal.blank([10], [(1, b"x"), (2, b"y")])
    journal.close()
    for statement in ("UPDATE runs SET first = 2", "UPDATE runs SET body = x'00', first = 1", "DELETE FROM runs"):
        change(path, statement)
        journal = SqliteJournal(path)
        with pytest.raises(Damaged, match="record 1"):
            entries(journal)
        journal.close()


# The disk.


def test_after_an_error_of_the_disk_nothing_more_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = SqliteJournal(path)
    journal.append(0, [A], synced=True)
    failed = sqlite3.OperationalError("disk I/O error")
    failed.sqlite_errorcode = 10 | 4 << 8
    with pytest.raises(DiskFailed), journal._file.transaction():
        raise failed
    for deed in (
        lambda: journal.append(1, [B], synced=True),
        lambda: journal.put_value("x"),
        lambda: journal.put_checkpoint(1, b"x"),
        lambda: journal.blank([1], []),
        journal.drop_checkpoint,
    ):
        with pytest.raises(DiskFailed, match="disk"):
            deed()
    assert entries(journal) == [A], "it can be read"
    journal.close()
    again = SqliteJournal(path)
    assert again.append(1, [B], synced=True) == 2
    again.close()


def test_the_log_of_a_killed_writer_is_moved_before_the_first_append(path: Path) -> None:
    killed(path, 5)
    assert log_of(path).stat().st_size > 0
    journal = SqliteJournal(path)
    looker = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)  # sees what is in its place only
    assert looker.execute("SELECT count(*) FROM records").fetchone() == (15,)
    looker.close()
    journal.close()


def test_a_long_log_is_moved_while_records_are_written(path: Path) -> None:
    journal = SqliteJournal(path)
    for number in range(40):
        journal.append(number, [(1, 1, b"x" * 1_000_000)], synced=False)
    assert path.stat().st_size > 10_000_000
    assert log_of(path).stat().st_size < 40_000_000
    journal.close()


def test_a_reader_that_stands_still_does_not_keep_the_log_from_being_moved(path: Path) -> None:
    journal = SqliteJournal(path)
    journal.append(0, [A] * 1_000, synced=True)
    looker = SqliteJournal(path, writing=False)
    reading = looker.read()
    next(reading)
    assert journal._file.move_log(all_of_it=True)
    assert sum(1 for _ in reading) == 999
    looker.close()
    journal.close()


def test_a_damaged_page_of_a_kept_tree_can_be_dropped(path: Path) -> None:
    from gemot.journal.contract import KeptTree

    journal = SqliteJournal(path)
    journal.append(0, [A, B], synced=True)
    journal.put_checkpoint(2, b"whole", [KeptTree(root, (root,), b"tree" * 2_000) for root in range(1, 30)])
    root_page = journal._db.execute("SELECT rootpage FROM sqlite_master WHERE name='trees'").fetchone()[0]
    journal.close()
    body = bytearray(path.read_bytes())
    body[(root_page - 1) * 4096 : root_page * 4096] = bytes(4096)
    path.write_bytes(body)
    journal = SqliteJournal(path)
    with pytest.raises(Damaged):
        list(journal.trees())
    with pytest.raises(Damaged):
        journal.tree(5)
    journal.drop_checkpoint()
    assert (journal.checkpoint(), list(journal.trees()), entries(journal)) == (None, [], [A, B])
    with pytest.raises(Damaged, match="salvage"):
        journal.put_checkpoint(2, b"anew", [KeptTree(1, (1,), b"tree")])
    journal.append(2, [C], synced=True)
    journal.close()
    journal = SqliteJournal(path)
    assert (journal.checkpoint(), journal.tree(1), entries(journal)) == (None, None, [A, B, C])
    journal.close()


def test_a_closed_journal_on_a_disk_that_can_not_be_written_is_read(path: Path) -> None:
    closed(path, A, B)
    if os.geteuid() == 0:
        pytest.skip("root writes anywhere")
    path.parent.chmod(0o500)
    try:
        looker = SqliteJournal(path, writing=False)
        assert entries(looker) == [A, B]
        looker.close()
    finally:
        path.parent.chmod(0o700)
