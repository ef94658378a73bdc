"""Every home that an earlier version left opens, and goes on: nothing is paid twice, and nothing is lost without a word. Or it is
refused as old, and stays as it is."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "simulation"))

from busy import ROUNDS, clerk, converse, till
from unpacking import unpack

from gemot.abi.syscalls import Call
from gemot.journal.contract import TooOld
from gemot.machine.machine import Machine
from gemot.models.scripted import scripted

HERE = Path(__file__).parent
HOMES = sorted(path.name.removesuffix(".tar.xz") for path in HERE.glob("*.tar.xz"))
OLD = {"001-ad27136-killed", "001-ad27136-kept", "001-ad27136-closed"}
"""Those of the first commit: it counted work in another way."""
PAYMENTS = 6 * ROUNDS
"""Of one tree: two in a batch, by the clerk, its child and its talker."""


def unpacked(name: str, folder: Path) -> tuple[Path, Path]:
    """The home and the ledger of a corpus entry."""
    with tarfile.open(HERE / f"{name}.tar.xz") as tar:
        unpack(tar, folder)
    (folder / "home").chmod(0o700)
    return folder / "home", folder / "ledger"


def payments(ledger: Path) -> list[str]:
    return [line.removeprefix("pay ") for line in ledger.read_text().splitlines() if line.startswith("pay ")]


def prints(home: Path) -> dict[str, str]:
    """The digest of each file, without what SQLite and the lock leave to look at a file."""
    there = [path for path in home.iterdir() if path.stat().st_size and not path.name.endswith(("-shm", "lock"))]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in there}


def opened(home: Path, ledger: Path, **means: Any) -> Any:
    drivers, models = (till(ledger),), {"s": scripted(converse)}
    return Machine.open(home, drivers=drivers, programs=(clerk,), models=models, door=False, **means)


def in_doubt(machine: Machine) -> set[str]:
    """The payments that had begun, and of which nobody knows whether they were made."""
    doubted = set[str]()
    for view in machine.processes():
        process = machine.kernel.processes[view.pid]
        if isinstance(process.syscall, Call):
            begun = [process.syscall.uses[work.index] for work in process.work if work.state == "interrupted"]
            doubted |= {str(use.arguments["what"]) for use in begun if use.tool == "till/pay"}
    return doubted


@pytest.mark.parametrize("name", [name for name in HOMES if name not in OLD])
def test_earlier_home_opens_and_goes_on(name: str, tmp_path: Path) -> None:
    home, ledger = unpacked(name, tmp_path)

    async def story() -> set[str]:
        async with await opened(home, ledger) as machine:
            doubted = in_doubt(machine)
            roots = [view.pid for view in machine.processes() if not view.parent]
            assert roots == [1]
            machine.resume()
            outcome = await asyncio.wait_for(machine.result(1), 60)
            assert outcome.value == 3 * ROUNDS, outcome
            return doubted

    doubted = asyncio.run(story())
    paid = payments(ledger)
    assert len(paid) == len(set(paid)), "a payment was made twice"
    assert len(set(paid) | doubted) == PAYMENTS, "a payment was neither made nor told to be in doubt"


@pytest.mark.parametrize("name", sorted(OLD))
def test_home_of_rules_that_are_not_kept_is_called_old_and_stays_as_it_is(name: str, tmp_path: Path) -> None:
    home, ledger = unpacked(name, tmp_path)
    before = prints(home)
    with pytest.raises(TooOld, match=r"is old, not damaged: record \d+ .*rules 0 .*gemot doctor --seal"):
        asyncio.run(opened(home, ledger))
    assert prints(home) == before
