"""One contract, every store: append, fence, read, keep values and trees. The in-memory journal is what the others are compared with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from stores import STORES, A, B, C, Entry, Stores, entries

from gemot.abi.events import Said
from gemot.journal import Damaged, Fenced, Journal, JournalError
from gemot.journal.contract import KeptTree
from gemot.journal.records import decode, encode, legible


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


# Checkpoints and the trees in them.


def tree(root: int, body: bytes, *others: int) -> KeptTree:
    return KeptTree(root, (root, *others), body)


def kept(journal: Journal) -> tuple[object, list[bytes]]:
    return journal.checkpoint(), list(journal.trees())


def test_a_tree_is_found_by_each_of_its_processes(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A, B, C], synced=True)
    assert (journal.checkpoint(), list(journal.trees()), journal.tree(1)) == (None, [], None)
    journal.put_checkpoint(3, b"whole", [tree(20, b"late"), tree(3, b"early", 4, 21)])
    assert kept(journal) == ((3, b"whole"), [b"early", b"late"]), "in the order of their roots"
    assert [journal.tree(pid) for pid in (3, 4, 21, 20, 5)] == [b"early", b"early", b"early", b"late", None]
    again = stores.open()
    assert (kept(again), again.tree(21)) == (((3, b"whole"), [b"early", b"late"]), b"early")


def test_roots_come_newest_first_and_in_portions(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A, B, C], synced=True)
    assert journal.roots(0, 5) == []
    journal.put_checkpoint(3, b"whole", [tree(root, b"body", root + 100) for root in (3, 300, 20, 70_000)])
    assert journal.roots(0, 5) == [70_000, 300, 20, 3]
    assert journal.roots(0, 2) == [70_000, 300]
    assert journal.roots(300, 1) == [20]
    assert journal.roots(301, 5) == [300, 20, 3]
    assert journal.roots(3, 5) == []


def test_a_tree_that_changed_is_replaced_and_the_others_stay(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A, B, C], synced=True)
    journal.put_checkpoint(1, b"one", [tree(1, b"a"), tree(2, b"b")], [(7, 0, b"first"), (8, 0, b"other")])
    journal.put_checkpoint(1, b"one", [], [(7, 3, b"second"), (7, 11, b"third")])
    assert journal.pieces(7) == [b"first", b"second", b"third"] and journal.pieces(8) == [b"other"]
    assert journal.pieces(9) == []
    journal.put_checkpoint(1, b"one", [], [(7, 0, b"all anew")])
    assert journal.pieces(7) == [b"all anew"] and journal.pieces(8) == [b"other"]
    journal.put_checkpoint(2, b"two", [tree(2, b"B", 7)])
    assert kept(journal) == ((2, b"two"), [b"a", b"B"])
    assert (journal.tree(1), journal.tree(7)) == (b"a", b"B")
    journal.put_checkpoint(3, b"three")
    assert kept(journal) == ((3, b"three"), [b"a", b"B"])


def test_a_checkpoint_is_kept_as_a_whole_or_not_at_all(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A, B], synced=True)
    journal.put_checkpoint(1, b"one", [tree(1, b"a")])

    def broken() -> Iterator[KeptTree]:
        yield tree(1, b"changed", 8)
        yield tree(2, b"new")
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        journal.put_checkpoint(2, b"two", broken())
    assert kept(journal) == ((1, b"one"), [b"a"])
    assert (journal.tree(8), journal.tree(2)) == (None, None)
    journal.put_checkpoint(2, b"two", [tree(2, b"new")])
    assert kept(journal) == ((2, b"two"), [b"a", b"new"])


def test_a_checkpoint_that_is_dropped_is_gone_with_its_trees(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A], synced=True)
    journal.put_checkpoint(1, b"one", [tree(1, b"a", 2)])
    journal.drop_checkpoint()
    assert (kept(journal), journal.tree(2)) == ((None, []), None)
    assert entries(journal) == [A]
    journal.put_checkpoint(1, b"again", [tree(2, b"b")])
    assert (kept(stores.open()), stores.open().tree(1)) == (((1, b"again"), [b"b"]), None)


def test_a_writer_that_is_not_the_newest_changes_and_fetches_no_tree(stores: Stores) -> None:
    first = stores.open()
    first.append(0, [A, B], synced=True)
    first.put_checkpoint(1, b"one", [tree(1, b"a")])
    second = stores.open()
    for deed in (
        lambda: first.put_checkpoint(2, b"two", [tree(1, b"stale"), tree(2, b"stale")]),
        lambda: first.tree(1),
        lambda: first.tree(99),
        lambda: first.blank([1], [(1, b"blank")]),
        first.drop_checkpoint,
    ):
        with pytest.raises(Fenced, match="another machine"):
            deed()
    assert (kept(second), second.tree(1), entries(second)) == (((1, b"one"), [b"a"]), b"a", [A, B])


# Blanks.


def test_a_blank_takes_the_place_of_a_record_and_belongs_to_nobody(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A, B, C], synced=True)
    journal.put_checkpoint(3, b"whole", [tree(10, b"gone", 11), tree(20, b"stays")])
    journal.blank([10], [(1, b"nothing"), (3, b"nor here")])
    for one in (journal, stores.open()):
        records = list(one.read())  # whatever is read was compared with its checksum
        assert [(record.position, record.at, record.pid) for record in records] == [(1, 1, 0), (2, 2, 20), (3, 3, 0)]
        assert [record.body for record in records] == [b"nothing", b"b", b"nor here"]
        assert (entries(one, 0, 10), entries(one, 0, 0)) == ([], [(1, 0, b"nothing"), (3, 0, b"nor here")])
        assert (one.position, kept(one)) == (3, ((3, b"whole"), [b"stays"]))
        if one is not journal:
            assert [one.tree(pid) for pid in (10, 11, 20)] == [None, None, b"stays"]
    assert stores.open().append(3, [A], synced=True) == 4


def test_what_no_checkpoint_keeps_can_be_blanked(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A, B], synced=True)
    journal.blank([10], [(1, b"")])
    assert entries(journal) == [(1, 0, b""), B]
    journal.blank([77], [])
    assert entries(journal) == [(1, 0, b""), B]


def test_records_are_blanked_all_or_none(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A, B, C], synced=True)
    journal.put_checkpoint(3, b"whole", [tree(10, b"there")])

    def broken() -> Iterator[tuple[int, bytes]]:
        yield 1, b"blank"
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        journal.blank([10], broken())
    assert (entries(journal), entries(journal, 0, 10)) == ([A, B, C], [A, C])
    assert (kept(journal), journal.tree(10)) == (((3, b"whole"), [b"there"]), b"there")
    assert journal.append(3, [A], synced=False) == 4


def test_state_of_a_tree_is_joined_with_no_blank(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A, B, C, A, B], synced=True)
    state = b'{"type":"condensed"}'
    journal.blank([], [(1, b""), (2, b"two"), (3, state), (4, b""), (5, b"five")])
    for one in (journal, stores.open()):
        assert [(record.first, record.position, record.body) for record in one.read()] == [
            (1, 2, b"two"), (0, 3, state), (4, 5, b"five"),
        ]  # fmt: skip
    stores.open().blank([], [(3, b"three")])
    assert [(record.first, record.position, record.body) for record in stores.open().read()] == [(1, 5, b"five")]


def test_process_that_left_its_tree_is_in_no_tree(stores: Stores) -> None:
    journal = stores.open()
    journal.append(0, [A], synced=True)
    journal.put_checkpoint(1, b"whole", [tree(10, b"stays", 11, 12)])
    journal.blank([], [], [11])
    assert [journal.tree(pid) for pid in (10, 11, 12)] == [b"stays", None, b"stays"]


def test_texts_and_pieces_are_listed_and_forgotten(stores: Stores) -> None:
    journal = stores.open()
    before = journal.put_value("before")
    journal.fresh = set()
    digests = sorted([before, *(journal.put_value(f"text {number}") for number in range(5))])
    assert journal.fresh == set(digests) - {before}
    assert (journal.digests("", 4), journal.digests(digests[3], 9)) == (digests[:4], digests[4:])
    journal.put_checkpoint(0, b"whole", (), [(1, 0, b"a"), (1, 3, b"b"), (2, 0, b"c")])
    assert journal.numbers() == [1, 2]
    journal.forget(digests[1:], [1])
    again = stores.open()
    assert (again.digests("", 9), again.numbers(), again.pieces(1), again.pieces(2)) == (digests[:1], [2], [], [b"c"])
    with pytest.raises(Fenced):
        journal.forget(digests[:1])


# Every store beside the one in memory.

History = list[tuple[str, Any, bool]]
_entry = some.tuples(some.integers(0, 2**50), some.integers(0, 5), some.binary(max_size=30))
_batch = some.lists(_entry, max_size=4)
_tree = some.tuples(some.integers(1, 3), some.integers(0, 3), some.binary(max_size=30)).map(
    lambda words: KeptTree(words[0], tuple(range(words[0], 10 * words[1] + 4, 10))[:4] or (words[0],), words[2])
)
_deeds: dict[str, some.SearchStrategy[Any]] = {
    "append": some.tuples(some.sampled_from((0, 0, 0, -1, 1)), _batch, some.booleans()),
    "read": some.tuples(some.integers(0, 8), some.none() | some.integers(0, 5)),
    "value": some.text(max_size=20),
    "again": some.none(),
    "keep": some.tuples(some.integers(0, 3), some.binary(max_size=9), some.lists(_tree, max_size=3)),
    "look": some.integers(0, 35),
    "drop": some.none(),
    "blank": some.tuples(some.integers(1, 4), some.lists(some.integers(0, 9), max_size=3), some.binary(max_size=9)),
}
_history = some.lists(
    some.sampled_from(sorted(_deeds)).flatmap(
        lambda kind: some.tuples(some.just(kind), _deeds[kind], some.sampled_from((False, False, True)))
    ),
    max_size=16,
)


def told(stores: Stores, history: History) -> list[object]:
    """All that a store says during a history. Of some deeds the doer is the writer before the newest."""
    journal = before = stores.open()
    said: list[object] = []
    for kind, how, stale in history:
        if kind == "again":
            before, journal = journal, stores.open()
            continue
        try:
            said.append(done(before if stale else journal, journal.position, kind, how))
        except JournalError as error:
            said.append(type(error).__name__)
        said += [journal.position, kept(journal)]
    return [*said, entries(journal), [journal.tree(pid) for pid in range(35)]]


def done(journal: Journal, last: int, kind: str, how: Any) -> object:
    match kind:
        case "append":
            off, batch, synced = how
            return journal.append(last + off, batch, synced=synced)
        case "read":
            return entries(journal, *how)
        case "value":
            digest = journal.put_value(how)
            return digest, journal.value(digest, 1, 5)
        case "keep":
            ago, body, trees = how
            return journal.put_checkpoint(max(0, last - ago), body, trees)
        case "look":
            return journal.tree(how)
        case "drop":
            return journal.drop_checkpoint()
        case _:
            root, positions, body = how
            return journal.blank([root], [(1 + one % last, body) for one in positions] if last else [])


@pytest.mark.parametrize("kind", [kind for kind in STORES if kind != "memory"])
@settings(max_examples=60)
@given(history=_history)
def test_every_store_says_the_same_in_every_history(kind: str, history: History) -> None:
    with tempfile.TemporaryDirectory() as folder:
        both = [Stores(one, Path(folder)) for one in ("memory", kind)]
        try:
            assert told(both[0], history) == told(both[1], history)
        finally:
            for one in both:
                one.close()


# Events as bytes.


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
