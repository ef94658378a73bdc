"""Damage of every kind to a home: each is harmless or named by doctor, and after a salvage nothing is paid twice.

A busy machine is killed. Then one page of its journal is zeroed, one bit of a file is flipped, or a file is cut short. ``GEMOT_DAMAGE=all``
tries every page and one bit in each 1,000 bytes of every file; without it a seeded sample is tried.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import salvages
from busy import clerk, converse, lived_with_files, main, till
from faults_of_salvage import doubt_that_acts
from simulate import first_seed
from test_kills import Life
from unpacking import unpack

from gemot.abi.events import Trapped
from gemot.abi.memories import Shelf
from gemot.abi.syscalls import Call
from gemot.cli.doctor import doctor
from gemot.cli.repair import salvage
from gemot.journal.contract import TooOld
from gemot.journal.records import decode
from gemot.journal.sqlite import SqliteJournal
from gemot.machine import inspecting
from gemot.machine.home import Home
from gemot.machine.machine import Machine
from gemot.machine.memories import Memories
from gemot.models.scripted import request, scripted
from gemot.programs.library import load

ALL = os.environ.get("GEMOT_DAMAGE") == "all"
SAMPLE = 6
"""So many places are damaged where not all are."""
PAGE = 4096
HISTORIES = 25
OLD = Path(__file__).parents[1] / "homes" / "001-ad27136-killed.tar.xz"
"""A home whose records are too old to be folded."""


ACTS = 4
"""A life is killed when it has acted so often."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the home of a machine that was killed in the middle of its work, and its ledger."""
    return _killed(tmp_path_factory)


def _killed(making: pytest.TempPathFactory) -> Path:
    """Each life is killed soon after it has acted: its trees began in the life before, so what it loses are their acts."""
    folder = making.mktemp("killed")
    lives = 0
    while lives < 3 or not _loses(folder, making.mktemp("without")):
        before, life = _acts(folder), Life(folder, 2)
        while _acts(folder) < before + ACTS and life.runs:
            time.sleep(0.001)
        life.kill_after(-0.001)
        lives += 1
    (folder / "home" / "door").unlink(missing_ok=True)
    return folder


def _acts(folder: Path) -> int:
    ledger = folder / "ledger"
    return ledger.read_text().count("\n") if ledger.exists() else 0


def _loses(folder: Path, copy: Path) -> bool:
    """Whether a home loses something with its log: what is in its place already needs none."""
    if not (folder / "home" / "journal.db-wal").exists():
        return False
    shutil.copytree(folder, copy, dirs_exist_ok=True, ignore=lambda _, names: {"door"} & set(names))
    (copy / "home" / "journal.db-wal").unlink()
    return bool(flaws(copy))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a machine whose trees have all ended; it left a checkpoint."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 0)
        asyncio.run(main(str(folder / "home"), str(folder / "ledger"), 2))
    return folder


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Copies of such a folder, to be damaged."""
    numbers = iter(range(1, 100_000))

    def copied(folder: Path) -> Path:
        place = tmp_path / str(next(numbers))
        shutil.copytree(folder, place)
        return place

    yield copied


def sample(places: int) -> list[int]:
    """Which of so many places are damaged."""
    seed = first_seed()
    print(f"GEMOT_SEED={seed}")
    return list(range(places)) if ALL else sorted(random.Random(seed).sample(range(places), min(SAMPLE, places)))


def flaws(place: Path) -> list[str]:
    """What doctor finds wrong in a home."""
    home = Home(place / "home")
    found = inspecting.journal(home, load())
    others = list(inspecting.others(home))
    return [one.what for one in [*others, *([] if isinstance(found, inspecting.Sound) else found)]]


async def go_on(place: Path) -> dict[int, str]:
    """Open the home, let everything go on until it rests; the states of all processes then."""
    async with await Machine.open(
        place / "home",
        drivers=(till(place / "ledger"),),
        programs=(clerk,),
        models={"s": scripted(converse)},
        resume=True,
        door=False,
    ) as machine:
        while not machine.idle:  # noqa: ASYNC110
            await asyncio.sleep(0)
        return {view.pid: view.state for view in machine.processes()}


def paid_twice(place: Path) -> list[str]:
    done = Counter((place / "ledger").read_text().splitlines())
    return [line for line, times in done.items() if line.startswith("pay ") and times > 1]


def told_truly(place: Path) -> None:
    """What the journal says was begun is what was paid, as far as it is still there."""
    journal = SqliteJournal(place / "home" / "journal.db", writing=False)
    wanted: set[str] = set()
    for record in journal.read(evidence=False):
        event = decode(record.body)
        if isinstance(event, Trapped) and isinstance(event.syscall, Call):
            wanted |= {f"pay {use.arguments['what']}" for use in event.syscall.uses if use.tool == "till/pay"}
    journal.close()
    assert wanted or not journal.position


def mend(place: Path) -> None:
    """What a person does whom doctor told of damage: salvage, and look again."""
    assert salvage(place / "home", sure=True) == 0
    assert flaws(place) == []


def harmless_or_named(place: Path, undamaged: dict[int, str]) -> str:
    """The law of this file; says which it was."""
    if not flaws(place):
        assert asyncio.run(go_on(place)) == undamaged, "doctor said that all is whole"
        assert paid_twice(place) == []
        return "harmless"
    mend(place)
    asyncio.run(go_on(place))
    assert paid_twice(place) == []
    assert flaws(place) == []
    return "named"


def flip(file: Path, at: int, bit: int) -> None:
    body = bytearray(file.read_bytes())
    body[at] ^= 1 << bit
    file.write_bytes(body)


def test_each_zeroed_page_is_harmless_or_named(killed: Path, finished: Path, places: Callable[[Path], Path]) -> None:
    for folder in (killed, finished):
        undamaged = asyncio.run(go_on(places(folder)))
        count = (folder / "home" / "journal.db").stat().st_size // PAGE
        kinds: Counter[str] = Counter()
        for page in sample(count):
            place = places(folder)
            with (place / "home" / "journal.db").open("r+b") as file:
                file.seek(page * PAGE)
                file.write(bytes(PAGE))
            print(f"page {page + 1}")
            kinds[harmless_or_named(place, undamaged)] += 1
            shutil.rmtree(place)
        print(f"{count} pages: {kinds}")


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "journal.end"])
def test_each_flipped_bit_is_harmless_or_named(killed: Path, places: Callable[[Path], Path], name: str) -> None:
    undamaged = asyncio.run(go_on(places(killed)))
    size = (killed / "home" / name).stat().st_size
    chance = random.Random(first_seed())
    kinds: Counter[str] = Counter()
    for number in sample(max(1, size // 1_000)):
        place = places(killed)
        at, bit = min(size - 1, number * 1_000 + chance.randrange(1_000)), chance.randrange(8)
        print(f"{name}: bit {bit} of byte {at}")
        flip(place / "home" / name, at, bit)
        kinds[harmless_or_named(place, undamaged)] += 1
        shutil.rmtree(place)
    print(f"{name}, {size} bytes: {kinds}")


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 0.99])
@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "journal.end"])
def test_a_file_that_is_cut_short_is_harmless_or_named(
    killed: Path, places: Callable[[Path], Path], name: str, share: float
) -> None:
    undamaged = asyncio.run(go_on(places(killed)))
    place = places(killed)
    file = place / "home" / name
    os.truncate(file, int(file.stat().st_size * share))
    print(harmless_or_named(place, undamaged))


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_a_missing_file_is_named(killed: Path, places: Callable[[Path], Path], name: str) -> None:
    place = places(killed)
    (place / "home" / name).unlink()
    assert harmless_or_named(place, {}) == "named"


def test_a_file_cut_to_three_quarters_gives_back_the_records_that_are_in_it(
    finished: Path, places: Callable[[Path], Path]
) -> None:
    place = places(finished)
    file = place / "home" / "journal.db"
    journal = SqliteJournal(file, writing=False)
    bodies = {record.position: record.body for record in journal.read()}
    journal.close()
    os.truncate(file, int(file.stat().st_size * 0.75))
    left = file.read_bytes()
    there = {position for position, body in bodies.items() if len(body) < 400 and body in left}
    mend(place)
    journal = SqliteJournal(file, writing=False)
    rows = journal.database.execute("SELECT position, body FROM records WHERE position<=?", (max(bodies),)).fetchall()
    journal.close()
    print(f"{len(bodies)} records, {len(there)} in what is left, {len(rows)} given back")
    missed = there - {position for position, _ in rows}
    assert len(missed) <= len(there) // 50, "SQLite may have written over the head of a row that was moved"
    assert all(body == bodies[position] for position, body in rows)


def test_a_damaged_record_before_a_whole_checkpoint_revives_nobody(
    finished: Path, places: Callable[[Path], Path]
) -> None:
    place = places(finished)
    undamaged = asyncio.run(go_on(places(finished)))
    with sqlite3.connect(place / "home" / "journal.db") as db:
        db.execute("UPDATE records SET body = x'00' WHERE position = 60")
    db.close()
    assert any("record 60" in flaw for flaw in flaws(place))
    mend(place)
    assert asyncio.run(go_on(place)) == undamaged
    assert paid_twice(place) == []


def test_what_ended_after_the_damage_stays_ended(finished: Path, places: Callable[[Path], Path]) -> None:
    place = places(finished)
    with sqlite3.connect(place / "home" / "journal.db") as db:
        db.execute("UPDATE records SET body = x'00' WHERE position = 60")
        for table in ("checkpoints", "trees", "root_of", "pieces"):
            db.execute(f"DELETE FROM {table}")
    db.close()
    mend(place)
    states = asyncio.run(go_on(place))
    assert states and set(states.values()) <= {"done", "failed", "killed"}
    assert paid_twice(place) == []


def test_a_rewritten_record_with_a_right_crc_is_told_from_a_whole_journal(
    finished: Path, places: Callable[[Path], Path]
) -> None:
    from gemot.journal.seals import sealed

    place = places(finished)
    file = place / "home" / "journal.db"
    with sqlite3.connect(file) as db:
        position, at, pid, body = db.execute(
            "SELECT position, at, pid, body FROM records WHERE typeof(seal)='integer' AND instr(CAST(body AS TEXT), 'trapped') LIMIT 1"
        ).fetchone()
        changed = body.replace(b'"at":1', b'"at":2', 1)
        assert changed != body
        (number,) = db.execute("SELECT value FROM about WHERE key='number'").fetchone()
        rows, _, _ = sealed(bytes(16), position - 1, [(at, pid, changed), (0, 0, b"")], number)
        db.execute("UPDATE records SET body=?, seal=? WHERE position=?", (changed, rows[0][4], position))
    db.close()
    assert flaws(place), "its CRC is right, and its seal is not"
    mend(place)


def test_doctor_and_salvage_speak_of_the_same_damage(
    killed: Path, places: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    place = places(killed)
    (place / "home" / "journal.db-wal").unlink()
    assert doctor(place / "home") == 1
    said = capsys.readouterr().out
    assert "is missing" in said and "lost: " in said and "in doubt after record" in said
    before = {one.name: one.read_bytes() for one in (place / "home").iterdir() if one.is_file()}
    from gemot.cli.failing import Usage

    with pytest.raises(Usage, match="--yes"):
        salvage(place / "home", sure=False)
    after = {one.name: one.read_bytes() for one in (place / "home").iterdir() if one.is_file()}
    assert {name: after[name] for name in before if name != "lock"} == {n: b for n, b in before.items() if n != "lock"}
    assert salvage(place / "home", sure=True) == 0
    assert any(one.name.startswith("journal.damaged-") for one in (place / "home").iterdir())
    assert salvage(place / "home", sure=True) == 0
    assert "nothing was changed" in capsys.readouterr().out


def test_doubt_that_acts_pays_twice(tmp_path_factory: pytest.TempPathFactory, places: Callable[[Path], Path]) -> None:
    """Does this file see anything? Here what is in doubt is carried out. What a kill leaves in doubt is chance."""
    for _ in range(8):
        place = places(_killed(tmp_path_factory))
        (place / "home" / "journal.db-wal").unlink()
        with pytest.MonkeyPatch.context() as patch:
            doubt_that_acts(patch)
            mend(place)
        asyncio.run(go_on(place))
        if paid_twice(place):
            return
    pytest.fail("eight homes in which doubt was carried out paid nothing twice")


@pytest.mark.parametrize("seed", [7104, 7160, 7940, 158657825])
def test_history_whose_salvage_went_wrong_once_keeps_the_laws(seed: int, tmp_path: Path) -> None:
    """In turn: the end of the last batch was lost; a killed process had decided something; a program raised after its last answer;
    new records had the numbers of lost ones."""
    assert salvages.search(range(seed, seed + 1), tmp_path) is None


def test_histories_that_are_salvaged_keep_the_laws(tmp_path: Path) -> None:
    first = first_seed()
    print(f"GEMOT_SEED={first}")
    assert salvages.search(range(first, first + HISTORIES), tmp_path) is None


def test_a_journal_that_is_too_old_is_sealed_and_begins_anew(tmp_path: Path) -> None:
    with tarfile.open(OLD) as file:
        unpack(file, tmp_path)
    (home,) = [one.parent for one in tmp_path.rglob("journal.db")]
    home.chmod(0o700)
    with pytest.raises(TooOld, match="--seal"):
        salvage(home, sure=True)
    assert salvage(home, sure=True, seal=True) == 0
    found = inspecting.journal(Home(home), load())
    assert isinstance(found, inspecting.Sound) and found.alive == 0

    async def lived() -> object:
        async with await Machine.open(
            home, models={"s": scripted(lambda _: request("exit", value=7))}, door=False
        ) as machine:
            outcome = await machine.result(await machine.start("x", model="s"))
            return outcome.value or outcome.error

    assert asyncio.run(lived()) == 7


@pytest.mark.parametrize("name", ["memories.sqlite", "base", "a.txt", "b.txt", "gemot.toml"])
def test_each_flipped_bit_beside_the_journal_is_harmless_or_named(
    tmp_path: Path, places: Callable[[Path], Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a copy that was flipped is one that somebody changed; it is shown before it is merged. Settings are the person's."""
    folder = tmp_path / "made"
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "a.txt").write_text("original")
    (folder / "settings").mkdir()
    (folder / "settings" / "gemot.toml").write_text('model = "embedded"\n[budget]\ntokens = 1000\n')
    asyncio.run(lived_with_files(folder / "home", folder / "work"))
    size = next(one for one in folder.rglob(name) if one.parent.name != "work").stat().st_size
    chance = random.Random(first_seed())
    kinds: Counter[str] = Counter()
    for number in sample(max(1, size // 1_000)):
        place = places(folder)
        at, bit = min(size - 1, number * 1_000 + chance.randrange(1_000)), chance.randrange(8)
        print(f"{name}: bit {bit} of byte {at}")
        flip(next(one for one in place.rglob(name) if one.parent.name != "work"), at, bit)
        monkeypatch.setenv("GEMOT_CONFIG", str(place / "settings"))
        (place / "settings").chmod(0o700)
        assert doctor(place / "home") in (0, 1), "no error gets out"
        if flaws(place):
            kinds["named"] += 1
        else:
            assert asyncio.run(memories_and_goals(place)) == ["the rent is due on the first"]
            kinds["harmless"] += 1
        shutil.rmtree(place)
    print(f"{name}, {size} bytes: {kinds}")


async def memories_and_goals(place: Path) -> list[str]:
    """What a machine on this home remembers, once it is open."""
    async with await Machine.open(place / "home", door=False):
        pass
    memories = Memories(place / "home" / "memories.sqlite")
    found = memories.listed(Shelf("person", ""), "rent", 10, 0)
    memories.close()
    return [one.memory.text for one in found]
