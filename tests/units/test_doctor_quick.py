"""Doctor without --deep looks at what a machine opens with, and goes deep where that is damaged."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gemot import Calls, Machine, program, scripted
from gemot.cli.doctor import doctor
from gemot.kernel import Kernel


@program(grants=("status",))
async def looker(calls: Calls, brief: str) -> str:
    """Looks at itself."""
    for _ in range(20):
        await calls.status()
    return "done"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 1)

    async def live() -> None:
        models = {"nobody": scripted([])}
        async with await Machine.open(tmp_path, programs=[looker], drivers=[], models=models, door=False) as machine:
            for _ in range(5):
                await machine.result(await machine.start("look", program="looker", model="nobody"))

    asyncio.run(live())
    return tmp_path


def change(home: Path, words: str) -> None:
    with contextlib.closing(sqlite3.connect(home / "journal.db")) as database:
        database.execute(words)
        database.commit()


def test_quick_look_folds_no_history_and_names_what_it_leaves_out(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folded: list[object] = []
    handle = Kernel.handle

    def counting(self: Kernel, event: Any) -> Any:
        folded.append(event)
        return handle(self, event)

    monkeypatch.setattr(Kernel, "handle", counting)
    doctor(home, deep=False)
    said = capsys.readouterr().out
    assert len(folded) < 10 and "gemot doctor --deep" in said and "is whole" not in said


def test_damaged_old_record_is_found_by_the_deep_look_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(home, "UPDATE records SET body=x'00' WHERE position=20")
    doctor(home, deep=False)
    assert "record 20" not in capsys.readouterr().out
    assert doctor(home) == 1
    assert "record 20" in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE checkpoints SET body=x'00'",
        "DELETE FROM records WHERE position>(SELECT max(position)-3 FROM records)",
        "DROP TABLE trees",
    ],
)
def test_damage_to_what_a_machine_opens_with_makes_it_look_at_everything(
    home: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(home, damage)
    assert doctor(home, deep=False) == 1
    said = capsys.readouterr().out
    assert "broken" in said and "gemot doctor --deep reads" not in said
