"""A journal instead of a home: memories and copies are kept in a folder that is named, or refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gemot.abi.memories import Shelf
from gemot.journal.lmdb import LmdbJournal
from gemot.journal.sqlite import SqliteJournal
from gemot.machine.machine import Machine, MachineError
from gemot.machine.memories import Memories
from gemot.models.scripted import scripted
from gemot.programs.native import Calls, program


@program(grants=("remember", "files/*"))
async def keeper(calls: Calls, brief: str) -> int:
    await calls.call("files/write", path="made.txt", content=brief)
    return await calls.remember(brief, "brief", "person")


def test_memories_and_copies_of_a_journal_with_a_folder_are_kept(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()

    async def lived() -> object:
        journal = LmdbJournal(tmp_path / "journal.mdb")
        async with await Machine.open(
            journal=journal, folder=tmp_path / "home", programs=[keeper], models={"s": scripted([])}, door=False
        ) as machine:
            pid = await machine.start("x", program="keeper", model="s", work=work, mode="cow")
            return (await machine.result(pid)).value

    assert asyncio.run(lived()) == 1
    memories = Memories(tmp_path / "home" / "memories.sqlite")
    assert memories.shelves() == [(Shelf("person", ""), 1)]
    memories.close()
    assert [one.read_text() for one in (tmp_path / "home" / "spaces").rglob("made.txt")] == ["x"]
    assert not (tmp_path / "home" / "journal.db").exists()


def test_memories_and_copies_of_a_journal_without_a_folder_are_refused(tmp_path: Path) -> None:
    async def lived() -> str:
        journal = SqliteJournal(tmp_path / "journal.db")
        async with await Machine.open(journal=journal, programs=[keeper], models={"s": scripted([])}) as machine:
            with pytest.raises(
                MachineError, match=r"/work .*journal alone.*Machine\.open\(journal=\.\.\., folder=\.\.\.\)"
            ):
                await machine.start("x", program="keeper", model="s", work=tmp_path, mode="cow")
            pid = await machine.start("x", program="keeper", model="s", work=tmp_path, mode="rw")
            return (await machine.result(pid)).error

    assert "no memory is kept: this machine was opened on a journal alone" in asyncio.run(lived())


def test_a_folder_with_a_journal_of_its_own_takes_no_other(tmp_path: Path) -> None:
    async def lived() -> None:
        async with await Machine.open(tmp_path / "home", door=False):
            pass
        journal = SqliteJournal(tmp_path / "journal.db")
        with pytest.raises(MachineError, match="has a journal of its own"):
            await Machine.open(journal=journal, folder=tmp_path / "home")

    asyncio.run(lived())
