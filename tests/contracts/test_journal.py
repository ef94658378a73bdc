"""One contract, every store: append, fence, read, keep values. The in-memory journal is what the others are compared with."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from gemot.abi.events import Said
from gemot.journal import Damaged, Fenced, Full, Journal, JournalError, TooNew
from gemot.journal.memory import MemoryJournal
from gemot.journal.records import decode, encode, legible
from gemot.journal.sqlite import SqliteJournal, salvage

Entry = tuple[int, int, bytes]
A, B, C = (1, 10, b"a"), (2, 20, b"b"), (3, 10, b"c")


class Stores:
    """``open`` gives a writer; the next one opens the same records again and fences the first off."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.path = kind, folder / "journal.db"
        self._memory: MemoryJournal | None = None
        self._open: list[Journal] = []

    def open(self) -> Journal:
        journal: Journal
        if self.kind == "sqlite":
            journal = SqliteJournal(self.path)
        else:
            journal = self._memory = MemoryJournal() if self._memory is None else self._memory.open_again()
        self._open.append(journal)
        return journal

    def close(self) -> None:
        for journal in self._open:
            journal.close()


@pytest.fixture(params=["memory", "sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    made = Stores(request.param, tmp_path)
    yield made
    made.close()


def entries(journal: Journal, after: int = 0, pid: int | None = None) -> list[Entry]:
    return [(one.at, one.pid, one.body) for one in journal.read(after, pid)]


def test_what_is_appended_is_read_in_order_from_anywhere(stores: Stores) -> None:
    journal = stores.open()
    assert journal.position == 0 and entries(journal) == []
    assert journal.append(0, [A, B], synced=True) == 2
    assert journal.append(2, [C], synced=False) == 3
    assert entries(journal) == [A, B, C]
    assert entries(journal, 1) == [B, C]
    assert [one.position for one in journal.read(1)] == [2, 3]
    assert entries(journal, 3) == []


def test_one_processs_records_can_be_read_alone(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A, B, C], synced=True)
    assert entries(journal, 0, 10) == [A, C]
    assert entries(journal, 1, 10) == [C]
    assert entries(journal, 0, 99) == []


def test_what_is_appended_is_there_for_the_next_writer(stores: Stores) -> None:
    stores.open().append(0, [A, B], synced=False)
    again = stores.open()
    assert (again.position, entries(again)) == (2, [A, B])
    assert again.append(2, [C], synced=True) == 3


def test_a_writer_that_is_not_the_newest_is_fenced_off(stores: Stores) -> None:
    first = stores.open()
    first.append(0, [A], synced=True)
    second = stores.open()
    with pytest.raises(Fenced, match="another machine"):
        first.append(1, [B], synced=True)
    second.append(1, [C], synced=True)
    assert entries(second) == [A, C]


@pytest.mark.parametrize("expected", [0, 2, 99])
def test_a_writer_that_expects_another_position_is_refused(stores: Stores, expected: int) -> None:
    journal = stores.open()
    journal.append(0, [A], synced=True)
    with pytest.raises(Fenced):
        journal.append(expected, [B], synced=True)
    assert entries(journal) == [A]


def test_a_batch_is_there_as_a_whole_or_not_at_all(stores: Stores) -> None:
    journal = stores.open()

    def broken() -> Iterator[Entry]:
        yield A
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        journal.append(0, broken(), synced=True)
    assert (journal.position, entries(journal)) == (0, [])
    assert journal.append(0, [], synced=True) == 0
    journal.append(0, [B], synced=True)
    assert entries(journal) == [B]


@pytest.mark.parametrize("text", ["", "a", "ä€𝄞" * 100, "half \ud800", "0123456789"])
def test_a_value_is_kept_under_its_digest_and_read_in_parts(stores: Stores, text: str) -> None:
    journal = stores.open()
    digest = journal.put_value(text)
    assert journal.put_value(text) == digest and len(digest) == 64
    assert journal.value(digest) == text
    assert journal.value(digest, 2, 3) == text[2:5]
    assert journal.value(digest, 2) == text[2:]
    assert journal.value(digest, 10**6, 5) == ""
    assert stores.open().value(digest) == text


def test_a_value_that_was_never_kept_is_named_as_missing(stores: Stores) -> None:
    with pytest.raises(Damaged, match="deadbeef"):
        stores.open().value("deadbeef" * 8)


History = list[tuple[str, Any]]
_entry = some.tuples(some.integers(0, 2**50), some.integers(0, 5), some.binary(max_size=30))
_history = some.lists(
    some.one_of(
        some.tuples(
            some.just("append"), some.tuples(some.integers(-1, 1), some.lists(_entry, max_size=4), some.booleans())
        ),
        some.tuples(some.just("read"), some.tuples(some.integers(0, 8), some.none() | some.integers(0, 5))),
        some.tuples(some.just("value"), some.text(max_size=20)),
        some.tuples(some.just("again"), some.none()),
        some.tuples(some.just("old"), some.lists(_entry, max_size=2)),
    ),
    max_size=12,
)


def told(stores: Stores, history: History) -> list[object]:
    """All that a store says during a history."""
    journal = stores.open()
    before = journal
    said: list[object] = []

    def note(what: Callable[[], object]) -> None:
        try:
            said.append(what())
        except JournalError as error:
            said.append(type(error).__name__)

    for kind, how in history:
        match kind:
            case "append":
                off, batch, synced = how
                note(
                    lambda off=off, batch=batch, synced=synced: journal.append(
                        journal.position + off, batch, synced=synced
                    )
                )
            case "read":
                note(lambda how=how: entries(journal, *how))
            case "value":
                note(lambda how=how: (digest := journal.put_value(how), journal.value(digest, 1, 5)))
            case "again":
                before, journal = journal, stores.open()
            case _ if before is not journal:
                note(lambda how=how: before.append(before.position, how, synced=True))
            case _:
                pass
        said.append(journal.position)
    return said


@settings(max_examples=60)
@given(_history)
def test_every_store_says_the_same_in_every_history(history: History) -> None:
    with tempfile.TemporaryDirectory() as folder:
        both = [Stores(kind, Path(folder)) for kind in ("memory", "sqlite")]
        try:
            assert told(both[0], history) == told(both[1], history)
        finally:
            for one in both:
                one.close()


# What only a file can suffer.


def spoil(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = x'00' WHERE position = 2",
        "UPDATE records SET pid = 77 WHERE position = 2",
        "UPDATE records SET at = 77 WHERE position = 2",
        "DELETE FROM records WHERE position = 2",
    ],
)
def test_a_record_that_was_changed_or_lost_is_found_and_those_before_it_are_whole(
    tmp_path: Path, statement: str
) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    journal.append(0, [A, B, C], synced=True)
    digest = journal.put_value("kept")
    journal.close()
    spoil(path, statement)
    journal = SqliteJournal(path)
    got: list[bytes] = []
    with pytest.raises(Damaged, match="salvage") as caught:
        got.extend(one.body for one in journal.read())
    assert caught.value.position == 2
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


@given(some.text())
def test_an_event_is_read_back_as_it_was_written(text: str) -> None:
    event = Said(1, 2, text)
    assert decode(encode(event)) == event


def test_text_that_can_not_be_stored_is_made_legible() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode(Said(1, 2, "a\ud800b"))
    assert legible(Said(1, 2, "a\ud800b")) == Said(1, 2, "a?b")


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(ValueError):
        decode(b'{"type":"revolution","at":1}')
