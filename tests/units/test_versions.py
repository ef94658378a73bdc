"""A version change begins at the last checkpoint. What a newer version wrote is told apart from damage, and left alone."""

from __future__ import annotations

import asyncio
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

import gemot
from gemot.abi.events import RULES, Booted, Said
from gemot.journal.contract import Damaged, JournalError, TooNew, TooOld
from gemot.journal.records import encode
from gemot.journal.sqlite import SqliteJournal
from gemot.machine import checkpoint, recovery
from gemot.machine.machine import Machine
from gemot.models.scripted import scripted
from gemot.programs.native import Calls, program


@program()
async def listener(calls: Calls, brief: str) -> Any:
    """Waits for three messages."""
    return [(await calls.receive())[0].text for _ in range(3)]


def opened(home: Path, **means: Any) -> Any:
    return Machine.open(
        home, drivers=(), programs=(listener,), models={"s": scripted(lambda _: "")}, door=False, **means
    )


def written(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two trees that wait, and a checkpoint at its end."""
    monkeypatch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 1)

    async def story() -> None:
        async with await opened(home) as machine:
            for word in ("one", "two"):
                pid = await machine.start(word, program="listener", model="s")
                await machine.send(pid, f"first of {word}")

    asyncio.run(story())
    return home / "journal.db"


def added(path: Path, body: bytes) -> None:
    """Put a whole record behind the others."""
    journal = SqliteJournal(path)
    journal.append(journal.position, [(1, 0, body)], synced=True)
    journal.close()


def goes_on(home: Path) -> list[str]:
    """Send the first process its last two words; returns its result."""

    async def story() -> list[str]:
        async with await opened(home, resume=True) as machine:
            await machine.send(1, "second")
            await machine.send(1, "third")
            return (await machine.result(1)).value

    return asyncio.run(story())


def folded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions of all records that are folded from here on."""
    positions: list[int] = []
    original = recovery.folding

    def counting(*given: Any) -> Any:
        for one in original(*given):
            positions.append(one.record.position)
            yield one

    monkeypatch.setattr(recovery, "folding", counting)
    return positions


def test_other_version_begins_at_the_checkpoint_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, monkeypatch)
    monkeypatch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 10**9)
    monkeypatch.setattr(gemot, "__version__", "9.9.0")
    positions = folded(monkeypatch)
    asyncio.run(closed(tmp_path))
    assert positions == []
    journal = SqliteJournal(path, writing=False)
    found = checkpoint.of(journal)
    journal.close()
    assert found is not None and found[1].version == "9.9.0", "a version change leaves a fresh checkpoint"
    assert goes_on(tmp_path) == ["first of one", "second", "third"]
    assert all(position > found[0] for position in positions)


async def closed(home: Path) -> None:
    await (await opened(home)).close()


def test_checkpoint_of_an_earlier_shape_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, monkeypatch)
    moved: list[str] = []

    def whole(plain: dict[str, Any]) -> dict[str, Any]:
        moved.append("whole")
        return {**plain, "readings": plain["readings"] + 0}

    def tree(plain: dict[str, Any]) -> dict[str, Any]:
        moved.append("tree")
        for process in plain["tables"]["processes"]:
            process["brief"] = process["brief"].upper()
        return plain

    monkeypatch.setattr(checkpoint, "SCHEMA", checkpoint.SCHEMA + 1)
    monkeypatch.setattr(checkpoint, "MIGRATIONS", {checkpoint.SCHEMA - 1: checkpoint.Migration(whole, tree)})

    async def story() -> list[str]:
        async with await opened(tmp_path) as machine:
            return [view.brief for view in machine.processes()]

    assert asyncio.run(story()) == ["ONE", "TWO"]
    assert moved.count("whole") >= 1 and moved.count("tree") >= 2
    assert goes_on(tmp_path) == ["first of one", "second", "third"]


def test_checkpoint_that_cannot_be_migrated_is_noticed_at_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, monkeypatch)
    db = sqlite3.connect(path)
    for root, body in db.execute("SELECT root, body FROM trees").fetchall():
        plain = msgspec.msgpack.decode(body)
        del plain["programs"]["pieces"], plain["schema"]
        changed = msgspec.msgpack.encode(plain)
        db.execute("UPDATE trees SET body=?, checksum=? WHERE root=?", (changed, zlib.crc32(changed), root))
    db.commit()
    db.close()
    monkeypatch.setattr(gemot, "__version__", "9.9.0")
    assert goes_on(tmp_path) == ["first of one", "second", "third"], "the records are folded, at the first opening"


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"teleported","at":1,"pid":1}',
        b'{"type":"trapped","at":1,"pid":1,"syscall":{"type":"teleport","to":"mars"}}',
        b'{"type":"said","at":1,"pid":1,"text":"x","mood":"good"}',
        b'{"type":"arrived","at":1,"goal":"x","program":"listener","models":["s"],"budget":{"tokens":1,"karma":2}}',
        encode(Booted(1, "9.9.0", RULES + 1)),
    ],
    ids=["event", "syscall", "field", "field within", "rules"],
)
@pytest.mark.parametrize("kept", [True, False], ids=["checkpoint", "no checkpoint"])
def test_newer_record_is_named_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes, kept: bool
) -> None:
    path = written(tmp_path, monkeypatch)
    if not kept:
        journal = SqliteJournal(path)
        journal.drop_checkpoint()
        journal.close()
    added(path, body)
    before = path.read_bytes()
    with pytest.raises(TooNew, match=r"newer gemot.*Nothing was changed"):
        asyncio.run(opened(tmp_path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("field", ["schema", "rules"])
def test_newer_checkpoint_is_named_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    path = written(tmp_path, monkeypatch)
    with monkeypatch.context() as later:
        if field == "schema":
            later.setattr(checkpoint, "SCHEMA", checkpoint.SCHEMA + 1)
        else:
            later.setattr("gemot.machine.booting.RULES", RULES + 1)
            later.setattr("gemot.machine.versions.RULES", RULES + 1)
            later.setattr(checkpoint, "RULES", RULES + 1)
        asyncio.run(closed(tmp_path))
    before = path.read_bytes()
    with pytest.raises(TooNew, match="newer gemot"):
        asyncio.run(opened(tmp_path))
    assert path.read_bytes() == before


def test_record_of_the_same_rules_that_does_not_fit_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, monkeypatch)
    added(path, b'{"type":"trapped","at":1,"pid":1,"syscall":{"type":"receive"}}')
    with pytest.raises(Damaged, match="though rules of the same number"):
        asyncio.run(opened(tmp_path))


def test_record_of_earlier_rules_that_does_not_fit_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, monkeypatch)
    added(path, encode(Booted(1, "0.1.0", 0)))
    added(path, b'{"type":"trapped","at":1,"pid":1,"syscall":{"type":"receive"}}')
    before = path.read_bytes()
    with pytest.raises(TooOld, match=r"old, not damaged.*gemot doctor --seal"):
        asyncio.run(opened(tmp_path))
    assert path.read_bytes() == before


def test_field_of_an_event_is_never_dropped() -> None:
    body = encode(Said(1, 1, "x"))[:-1] + b',"mood":"good"}'
    with pytest.raises(JournalError):
        from gemot.journal.contract import Record
        from gemot.machine import versions

        versions.read(Record(1, 1, 1, body), RULES)
