"""Damaged memories: a salvage has those that are whole, and names those that are lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gemot.abi.effects import KeepMemory
from gemot.abi.labels import PERSON, Label
from gemot.abi.memories import Shelf
from gemot.cli.doctor import _others
from gemot.cli.repair import salvage
from gemot.journal.sqlite import SqliteJournal
from gemot.machine import memories
from gemot.machine.home import Home
from gemot.machine.memories import Memories

COUNT = 300
SHELF = Shelf("person", "")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    SqliteJournal(home.journal).close()
    kept = Memories(home.memories)
    for number in range(1, COUNT + 1):
        text = f"fact {number} " + "word " * 20
        kept.keep(KeepMemory(number, 1, SHELF, f"key {number}", text, f"about {number}", Label((PERSON,)), number))
    kept.close()
    return home


def listed(home: Home, query: str = "") -> list[int]:
    kept = Memories(home.memories)
    found = [held.memory.number for held in kept.listed(SHELF, query, 10 * COUNT, 0)]
    kept.close()
    return sorted(found)


def mend(home: Home) -> None:
    assert any(memories.flaws(home.memories))
    assert any("salvage: memories: " in finding.what for finding in _others(home))
    assert salvage(home.folder, sure=True) == 0
    assert not any(memories.flaws(home.memories))
    assert [path for path in home.folder.iterdir() if path.name.startswith("memories.damaged-")]


def test_changed_memory_is_named_as_lost_and_the_others_are_kept(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(home.memories) as database:
        database.execute("UPDATE memories SET text='other' WHERE number=7")
    database.close()
    mend(home)
    assert "lost: 7" in capsys.readouterr().out
    assert listed(home) == [number for number in range(1, COUNT + 1) if number != 7]
    assert listed(home, "fact 200") and 200 in listed(home, "fact 200"), "the index is made anew"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.8])
def test_zeroed_page_costs_the_memories_on_it_alone(home: Home, share: float) -> None:
    body = bytearray(home.memories.read_bytes())
    page = int(len(body) // 4096 * share)
    body[page * 4096 : (page + 1) * 4096] = bytes(4096)
    home.memories.write_bytes(body)
    before = set(range(1, COUNT + 1))
    if not any(memories.flaws(home.memories)):
        pytest.skip("nothing lay on this page")
    mend(home)
    assert len(before - set(listed(home))) <= 60


def test_salvaged_memories_take_new_ones(home: Home) -> None:
    with sqlite3.connect(home.memories) as database:
        database.execute("UPDATE memories SET text='other' WHERE number=300")
    database.close()
    mend(home)
    kept = Memories(home.memories)
    again = KeepMemory(1, 1, SHELF, "key 5", "x", "", Label((PERSON,)), 1)
    assert kept.keep(again) == 5, "what was carried out is not done again"
    assert kept.keep(KeepMemory(2, 1, SHELF, "new", "new", "", Label((PERSON,)), 1)) > COUNT
    kept.close()
