"""The store of memories, in a file and in memory: what is kept is found with its label, whatever is asked for, and kept once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.recall.asking import Way, places
from gemot.abi import limits
from gemot.abi.effects import DropMemory, FindMemories, KeepMemory
from gemot.abi.labels import Integrity, Label
from gemot.abi.memories import Memory, Shelf
from gemot.machine import indexing
from gemot.machine.memories import Memories, MemoriesError

HERE, THERE = Shelf("project", "/srv/here"), Shelf("project", "/srv/there")
PERSON = Shelf("person")
PLANTED = Label(("process:7", "tool:web/get"), "foreign", ("mail",))
AT = 1_700_000_000_000
HOSTILE = (
    '"', '""', "'", "a AND", "AND", "NOT a", "NEAR(a b", "a*", "^a", "text : a", "{about} : a", "-", "a - b", "(", ")", "+", "a + b",
    "\\", "\0", "a\0b", "* *", "%", "_", "; DROP TABLE memories; --", "' OR 1=1 --", "🦆", "\u200b", "\u202e", "\ud800", "e\u0301",
    "\n\n", "a" * 1_000, "x " * 500, "NULL", "rowid", "place", "^", "👩‍👩‍👧", "\u0627", "ไทย", "\x1b[31m", "~", "{", "}", ":", ",", ".",
)  # fmt: skip


@pytest.fixture(params=["file", "memory"])
def memories(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memories]:
    store = Memories(tmp_path / "memories.sqlite" if request.param == "file" else None)
    yield store
    store.close()


_keys = iter(range(10**9))


def keep(store: Memories, text: str, about: str = "", shelf: Shelf = HERE, **more: object) -> int:
    fields = {"label": Label(("process:1",), "model"), "at": AT, "key": f"k{next(_keys)}"} | more
    return store.keep(KeepMemory(1, 7, shelf, text=text, about=about, **fields))  # type: ignore[arg-type]


def find(store: Memories, query: str, shelf: Shelf = HERE, limit: int = 20, trusted: bool = False) -> list[Memory]:
    return list(store.find(FindMemories(1, 7, shelf, query, limit, trusted, AT + 90_000)))


def numbers(store: Memories, query: str, shelf: Shelf = HERE, limit: int = 20, trusted: bool = False) -> list[int]:
    return [one.number for one in find(store, query, shelf, limit, trusted)]


def drop(store: Memories, number: int, integrity: Integrity = "model", shelf: Shelf = HERE, key: str = "") -> int:
    return store.drop(DropMemory(1, 7, shelf, key or f"d{next(_keys)}", number, integrity))


def test_what_is_kept_is_found_with_all_that_is_known_of_it(memories: Memories) -> None:
    number = keep(memories, "The build needs version 4.", "build", label=PLANTED)
    expected = Memory(number, "The build needs version 4.", "project", 90, "build", 7, PLANTED)
    assert find(memories, "which VERSION does it need?") == [expected]


def test_nothing_is_found_on_an_empty_shelf_or_for_other_words(memories: Memories) -> None:
    assert numbers(memories, "anything") == [] == numbers(memories, "")
    keep(memories, "alpha")
    assert numbers(memories, "beta") == []


def test_letters_are_compared_without_case_and_accents(memories: Memories) -> None:
    number = keep(memories, "Das Büro ist in ZÜRICH, rue Molière; straße")
    for query in ("zurich", "Zürich", "Zu\u0308rich", "buro", "MOLIERE", "Straße"):
        assert numbers(memories, query) == [number], query


def test_writing_without_blanks_is_found_by_its_parts(memories: Memories) -> None:
    number = keep(memories, "我们在北京见面\uff0c会议室三号")
    keep(memories, "会 北 议 京 室")
    three = keep(memories, "회의실은 3층")
    assert numbers(memories, "회의실") == [three]
    assert numbers(memories, "北京") == [number] == numbers(memories, "会议室在哪里\uff1f")
    assert numbers(memories, "上海") == []


def test_any_word_of_a_query_may_fit_and_the_best_is_first(memories: Memories) -> None:
    one = keep(memories, "the database listens on port 5433")
    two = keep(memories, "the web server listens on port 8080 and port 8081")
    keep(memories, "nothing of the kind")
    assert numbers(memories, "on which port does the database listen")[:2] == [one, two]


def test_what_a_memory_is_about_counts_more_than_what_it_mentions(memories: Memories) -> None:
    mentions = keep(memories, "billing came up when we talked", "talk")
    about = keep(memories, "we talked when it came up", "billing")
    assert numbers(memories, "billing") == [about, mentions]


@pytest.mark.parametrize("query", ["", "  \n", "???", "🦆 !"])
def test_without_a_word_in_the_query_the_newest_come_first(memories: Memories, query: str) -> None:
    kept = [keep(memories, f"fact {one}") for one in range(5)]
    assert numbers(memories, query, limit=3) == kept[:1:-1]


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_no_query_is_an_order_to_the_index(memories: Memories, query: str) -> None:
    number = keep(memories, "a plain fact about rowid and NOT more", label=PLANTED)
    other = keep(memories, "elsewhere", shelf=THERE)
    assert set(numbers(memories, query)) <= {number}
    assert set(numbers(memories, query, trusted=True)) == set()
    assert numbers(memories, "elsewhere", THERE) == [other] and numbers(memories, "plain") == [number]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_can_be_kept_found_and_forgotten(memories: Memories, text: str) -> None:
    number = keep(memories, text, text)
    (found,) = find(memories, "")
    assert found.number == number and found.text == text.encode("utf-8", "replace").decode()
    drop(memories, number)
    assert numbers(memories, "") == [] == numbers(memories, text)


def test_shelves_do_not_see_each_other(memories: Memories) -> None:
    here, there, mine = (keep(memories, "the same words", shelf=shelf) for shelf in (HERE, THERE, PERSON))
    program = keep(memories, "the same words", shelf=Shelf("program", "/srv/here"))
    for shelf, number in ((HERE, here), (THERE, there), (PERSON, mine), (Shelf("program", "/srv/here"), program)):
        assert numbers(memories, "same", shelf) == [number] == numbers(memories, "", shelf)
        with pytest.raises(MemoriesError, match="has no memory"):
            drop(memories, number, shelf=Shelf("project", "/srv/nowhere"))


def test_a_project_is_a_folder_whatever_way_leads_to_it(memories: Memories, tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    number = keep(memories, "here", shelf=Shelf("project", str(link)))
    assert numbers(memories, "here", Shelf("project", f"{folder}/../folder/")) == [number]


def test_only_what_no_third_party_had_a_part_in_is_found_where_that_is_wanted(memories: Memories) -> None:
    good = keep(memories, "pay the bill to Ann", label=Label(("person",)))
    bad = keep(memories, "pay the bill to Eve", label=PLANTED)
    assert set(numbers(memories, "pay bill")) == {good, bad}
    assert numbers(memories, "pay bill", trusted=True) == [good] == numbers(memories, "", trusted=True)
    for _ in range(300):
        keep(memories, "pay pay pay", label=PLANTED)
    assert numbers(memories, "pay", trusted=True) == [good], "however much of the other there is"


def test_the_same_told_again_is_kept_once_and_not_brought_back(memories: Memories) -> None:
    number = keep(memories, "once", key="k")
    assert keep(memories, "once", key="k") == number and numbers(memories, "once") == [number]
    assert drop(memories, number, key="gone") == number == drop(memories, number, key="gone")
    assert keep(memories, "once", key="k") == number and numbers(memories, "once") == []
    assert keep(memories, "once") > number, "a number is given once"


def test_nobody_has_forgotten_what_can_be_trusted_more_than_they_can(memories: Memories) -> None:
    labels = (Label(("person",)), Label(("process:2",), "model"), PLANTED)
    theirs, models, planted = (keep(memories, "x", label=label) for label in labels)
    for number, integrity in ((theirs, "model"), (theirs, "foreign"), (models, "foreign")):
        with pytest.raises(MemoriesError, match="the person can") as refused:
            drop(memories, number, integrity)
        assert refused.value.rule == "steering"
    for number, integrity in ((planted, "foreign"), (models, "model"), (theirs, "person")):
        drop(memories, number, integrity)
    assert numbers(memories, "") == []


def test_a_memory_that_is_not_there_can_not_be_forgotten(memories: Memories) -> None:
    with pytest.raises(MemoriesError, match="has no memory 9") as refused:
        drop(memories, 9)
    assert refused.value.rule == "unknown"


def test_an_answer_is_no_longer_than_a_page(memories: Memories) -> None:
    for _ in range(9):
        keep(memories, "long " * (limits.MEMORY_CHARS_MAX // 5))
    found = find(memories, "long")
    assert 0 < sum(len(one.text) for one in found) <= limits.RECALL_CHARS_MAX


def test_a_shelf_is_full_at_its_limit_and_the_others_are_not(
    memories: Memories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MEMORIES_MAX", 2)
    first = keep(memories, "one")
    keep(memories, "two")
    with pytest.raises(MemoriesError, match="forget some first") as refused:
        keep(memories, "three")
    assert refused.value.rule == "limit"
    keep(memories, "three", shelf=THERE)
    drop(memories, first)
    keep(memories, "three")
    assert len(numbers(memories, "")) == 2


def test_words_that_are_everywhere_are_not_weighed(memories: Memories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "WEIGHED_MAX", 10)
    kept = [keep(memories, f"the house number {one}") for one in range(30)]
    rare = keep(memories, "the duck")
    assert numbers(memories, "the duck of the house") == [rare]
    assert numbers(memories, "the house", limit=3) == kept[:-4:-1], "the newest that have all of them"
    only = [keep(memories, "a green tree") for _ in range(20)]
    assert numbers(memories, "house tree", limit=2) == only[:-3:-1], "else the newest that have any"


@pytest.mark.parametrize("way", ["same", "inflected"])
def test_a_memory_is_found_by_its_words_in_any_of_their_forms(way: Way) -> None:
    assert set(places(way)) == {1}


def test_a_person_sees_and_forgets_everything(memories: Memories) -> None:
    one, two = keep(memories, "alpha", label=Label(("person",))), keep(memories, "beta", shelf=PERSON, label=PLANTED)
    assert memories.shelves() == [(PERSON, 1), (HERE, 1)]
    assert [held.memory.number for held in memories.listed(HERE, "alpha", 9, AT)] == [one]
    assert memories.forget(two, 77) == [two] and memories.shelves() == [(HERE, 1)]
    keep(memories, "gamma")
    assert memories.clear(HERE) == 2 and memories.shelves() == [] and memories.clear(THERE) == 0


def test_a_closed_store_says_so(memories: Memories) -> None:
    memories.close()
    with pytest.raises(MemoriesError, match="closed"):
        keep(memories, "late")


def test_many_hands_at_once_lose_nothing(memories: Memories) -> None:
    others = [Memories(memories.path) for _ in range(3)] if memories.path is not None else [memories] * 3

    def work(store: Memories, name: int) -> None:
        for count in range(20):
            keep(store, f"fact {name} {count}", key=f"{name}-{count}")
            find(store, "fact")

    threads = [threading.Thread(target=work, args=(store, name)) for name, store in enumerate(others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memories.shelves() == [(HERE, 60)] and len(set(numbers(memories, "fact"))) == 20
    for store in others:
        store.close()


def test_a_file_is_read_again_and_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "memories.sqlite"
    first = Memories(path)
    assert not path.exists(), "it is made when it is needed"
    number = keep(first, "it stays")
    first.close()
    assert path.stat().st_mode & 0o777 == 0o600
    again = Memories(path)
    assert numbers(again, "stays") == [number]
    again.close()


def test_a_file_that_is_none_of_ours_is_left_alone_with_a_clear_error(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"not a database at all " * 100)
    newer = tmp_path / "newer.sqlite"
    database = sqlite3.connect(newer)
    database.execute("PRAGMA user_version = 99")
    database.close()
    folder = tmp_path / "folder.sqlite"
    folder.mkdir()
    before = damaged.read_bytes()
    for path, words in ((damaged, "can't be read"), (newer, "newer gemot"), (folder, "can't be used")):
        with pytest.raises(MemoriesError, match=words) as failed:
            keep(Memories(path), "x")
        assert failed.value.rule == "failed" and path.name in str(failed.value)
    assert damaged.read_bytes() == before


WRITER = """
import sys
from pathlib import Path
from gemot.abi.effects import KeepMemory
from gemot.abi.labels import Label
from gemot.abi.memories import Shelf
from gemot.machine.memories import Memories
store = Memories(Path(sys.argv[1]))
for count in range(100_000):
    store.keep(KeepMemory(1, 7, Shelf("person"), f"{count}", f"fact number{count}", "", Label(), 5))
    print(count, flush=True)
"""


def test_a_writer_that_is_killed_leaves_all_of_a_memory_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "memories.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(20)]
    writer.kill()
    said += writer.stdout.readlines()
    writer.wait()
    store = Memories(path)
    ((_, held),) = store.shelves()
    assert len(said) <= held <= len(said) + 1, "what was told to be kept is kept"
    assert keep(store, "again", key="0", shelf=PERSON) == 1
    assert len(store.listed(PERSON, "fact", 100_000, AT)) == held
    assert numbers(store, f"number{held - 1}", PERSON) == [held]
    store.close()
