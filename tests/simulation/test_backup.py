"""Backups of a machine that is at work: each is whole and holds everything that was acknowledged, and a restore overwrites nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from busy import lived_with_files
from test_kills import Life
from test_salvage import flaws, go_on, paid_twice

from gemot.abi.events import Arrived
from gemot.cli.backup import backup, restore
from gemot.cli.doctor import doctor
from gemot.cli.failing import Usage
from gemot.journal import JournalError, endmark
from gemot.journal.records import decode
from gemot.journal.sqlite import SqliteJournal
from gemot.machine import backups
from gemot.machine.home import Home
from gemot.programs.library import load

BACKUPS = 20


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "settings"
    folder.mkdir()
    (folder / "gemot.toml").write_text('model = "scripted:x.py:y"\n')
    monkeypatch.setenv("GEMOT_CONFIG", str(folder))
    return folder


def goals(journal: Path) -> set[str]:
    reader = SqliteJournal(journal, writing=False)
    events = [decode(record.body) for record in reader.read()]
    reader.close()
    return {event.goal for event in events if isinstance(event, Arrived)}


def test_each_backup_of_a_busy_home_is_whole_and_holds_what_was_acknowledged(tmp_path: Path) -> None:
    life = Life(tmp_path, 40)
    assert life._ready.wait(60)
    sizes: list[int] = []
    for number in range(BACKUPS):
        acknowledged = {line.removeprefix("started ") for line in life.lines if line.startswith("started ")}
        place = tmp_path / f"backup-{number}"
        made = backups.make(Home(tmp_path / "home"), place, None)
        sizes.append(made.position)
        assert acknowledged <= goals(place / "home" / "journal.db")
        assert flaws(place) == []
    life.kill_after(0)
    print(f"{sizes[0]} to {sizes[-1]} records")
    assert sorted(sizes) == sizes
    place = tmp_path / "brought"
    place.mkdir()
    shutil.copy(tmp_path / "ledger", place / "ledger")
    backups.restore(tmp_path / f"backup-{BACKUPS // 2}", place / "home", None, load(), doubt=True)
    assert flaws(place) == []
    asyncio.run(go_on(place))
    assert paid_twice(place) == [], "it went on after the backup"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.txt").write_text("original")
    asyncio.run(lived_with_files(tmp_path / "home", work))
    return tmp_path / "home"


def files(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_a_backup_brings_back_journal_memories_copies_and_settings(
    home: Path, tmp_path: Path, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backup(home, tmp_path / "kept") == 0
    assert "gemot backup --restore" in capsys.readouterr().out
    shutil.rmtree(settings)
    assert restore(tmp_path / "elsewhere", tmp_path / "kept", False) == 0
    assert "asleep" in capsys.readouterr().out
    here, there = files(home), files(tmp_path / "elsewhere")
    assert {name for name in here if name.startswith("spaces")} == {name for name in there if name.startswith("spaces")}
    assert any(there[name] == b"changed" for name in there if name.endswith("b.txt"))
    assert (settings / "gemot.toml").read_text() == 'model = "scripted:x.py:y"\n'
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "elsewhere").rename(place / "home")
    assert flaws(place) == []
    assert goals(place / "home" / "journal.db") == {"wait"}
    from gemot.abi.memories import Shelf
    from gemot.machine.memories import Memories

    kept = Memories(place / "home" / "memories.sqlite")
    ((shelf, held),) = kept.shelves()
    assert (shelf, held) == (Shelf("person", ""), 1)
    kept.close()


def test_a_restore_overwrites_no_home_that_holds_something(home: Path, tmp_path: Path) -> None:
    assert backup(home, tmp_path / "kept") == 0
    before = files(home)
    with pytest.raises(Usage, match="overwrites nothing"):
        restore(home, tmp_path / "kept", False)
    assert files(home) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(Usage, match=r"mine\.txt"):
        restore(other, tmp_path / "kept", False)
    assert (other / "mine.txt").read_text() == "mine"


def test_a_backup_overwrites_nothing_and_is_not_within_the_home(home: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    for place, why in (
        (tmp_path / "there", "exists already"),
        (home / "kept", "outside of it"),
        (home, "outside of it"),
    ):
        with pytest.raises(Usage, match=why):
            backup(home, place)
    assert (tmp_path / "there" / "mine.txt").read_text() == "mine"


def test_a_damaged_journal_makes_no_backup(home: Path, tmp_path: Path) -> None:
    os.truncate(home / "journal.db", (home / "journal.db").stat().st_size // 2)
    with pytest.raises((JournalError, Usage)):
        backup(home, tmp_path / "kept")
    assert [one.name for one in tmp_path.iterdir() if "kept" in one.name] == []


@pytest.mark.parametrize("name", ["journal.db", "memories.sqlite", "backup.json"])
def test_a_damaged_backup_restores_nothing(home: Path, tmp_path: Path, name: str) -> None:
    assert backup(home, tmp_path / "kept") == 0
    file = next((tmp_path / "kept").rglob(name))
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(Usage, match=r"damaged|no backup|not what was written"):
        restore(tmp_path / "elsewhere", tmp_path / "kept", False)
    assert [one.name for one in tmp_path.iterdir() if "elsewhere" in one.name] == []


def test_a_restore_with_doubt_keeps_the_mark_of_the_end(home: Path, tmp_path: Path) -> None:
    assert backup(home, tmp_path / "kept") == 0
    assert restore(tmp_path / "new", tmp_path / "kept", doubt=True) == 0
    assert isinstance(endmark.read(tmp_path / "new" / "journal.db"), endmark.Mark)
    assert {file.name for file in (tmp_path / "new").glob("*journal*")} == {"journal.db", "journal.end"}
    assert {file.name for file in (tmp_path / "new").glob("before*")} == set()


def test_a_backup_is_not_within_the_settings_nor_within_the_home_by_a_link(
    home: Path, settings: Path, tmp_path: Path
) -> None:
    settings.mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to(home)
    before = {*home.iterdir(), *settings.iterdir()}
    for place, why in ((settings / "kept", "in the settings"), (tmp_path / "link" / "kept", "outside of it")):
        with pytest.raises(Usage, match=why):
            backup(home, place)
    assert {*home.iterdir(), *settings.iterdir()} == before


@pytest.mark.parametrize("name", ["memories.sqlite", "journal.end", "gemot.toml", "b.txt", "base"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_part_that_is_missing_or_changed_is_named(
    home: Path, settings: Path, tmp_path: Path, name: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "kept"
    assert backup(home, place) == 0
    assert doctor(place) == 0 and "the backup" in capsys.readouterr().out
    file = next(place.rglob(name))
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(bytes(reversed(file.read_bytes())) + b".")
    with pytest.raises(Usage, match=name):
        restore(tmp_path / "elsewhere", place, False)
    assert not (tmp_path / "elsewhere").exists()
    capsys.readouterr()
    assert doctor(place) == 1 and name in capsys.readouterr().out


def test_a_file_that_was_put_into_a_backup_is_named(home: Path, tmp_path: Path) -> None:
    assert backup(home, tmp_path / "kept") == 0
    (tmp_path / "kept" / "home" / "spaces" / "more").mkdir(parents=True)
    (tmp_path / "kept" / "home" / "spaces" / "more" / "x").write_text("x")
    with pytest.raises(Usage, match="was added since"):
        restore(tmp_path / "elsewhere", tmp_path / "kept", False)


def test_a_backup_of_an_earlier_version_is_restored(home: Path, tmp_path: Path) -> None:
    assert backup(home, tmp_path / "kept") == 0
    listed = tmp_path / "kept" / "backup.json"
    made = json.loads(listed.read_text())
    listed.write_text(json.dumps({name: value for name, value in made.items() if name != "parts"} | {"format": 1}))
    assert restore(tmp_path / "elsewhere", tmp_path / "kept", False) == 0


def test_an_emptied_journal_is_not_restored(home: Path, tmp_path: Path) -> None:
    assert backup(home, tmp_path / "kept") == 0
    journal = tmp_path / "kept" / "home" / "journal.db"
    endmark.path_of(journal).unlink()
    with sqlite3.connect(journal) as db:
        for table in ("records", "runs", "checkpoints"):
            db.execute(f"DELETE FROM {table}")
    db.close()
    with pytest.raises(Usage, match="is not what was written"):
        restore(tmp_path / "new", tmp_path / "kept", doubt=False)
    listed = tmp_path / "kept" / "backup.json"
    made = json.loads(listed.read_text())
    listed.write_text(json.dumps(made | {"parts": None}))
    with pytest.raises(Usage, match="does not end at record"):
        restore(tmp_path / "new", tmp_path / "kept", doubt=False)
    assert not (tmp_path / "new").exists()
