"""Power cuts on the real writes of a real machine: of what was not synced, any sectors reach the disk.

A machine's writes, truncations, syncs and deletions are traced, together with what it said and what its tools did. For a cut after a call of
the trace, the files are built anew: what was synced is there, and of each later write chance decides sector by sector. A machine goes on with
them; then the ledger of what was done is compared with the journal. ``GEMOT_CUTS`` says how often (``make slow``: 300).
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from shimmed import ABSENT, WHY, Call, calls, lived, started
from simulate import first_seed
from test_kills import TREES, Life, compare

from gemot.journal import endmark

CUTS = int(os.environ.get("GEMOT_CUTS") or 6)
SECTOR = 512
SHARES = (0.0, 0.5, 0.9, 1.0)
"""How many of the sectors that were not synced reach the disk."""


class Platter:
    """A file on the simulated disk: the bytes that survive a power cut, and the writes since the last sync."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.exists = False
        self._pending: list[Call] = []

    def take(self, call: Call) -> None:
        if call.kind == "s":
            self.settle(random.Random(0), 1.0)
        elif call.kind == "u":
            self.__init__()
        else:
            self.exists = True
            self._pending.append(call)

    def settle(self, chance: random.Random, share: float) -> None:
        """Write what is pending, each sector with this probability."""
        for call in self._pending:
            if call.kind == "t":
                if chance.random() < share:
                    del self.body[call.at :]
                    self.body.extend(bytes(call.at - len(self.body)))
                continue
            place, end = call.at, call.at + len(call.body)
            while place < end:
                next_sector = min(end, (place // SECTOR + 1) * SECTOR)
                if chance.random() < share:
                    self.body.extend(bytes(max(0, next_sector - len(self.body))))
                    self.body[place:next_sector] = call.body[place - call.at : next_sector - call.at]
                place = next_sector
        self._pending.clear()


def cut(trace: Sequence[Call], source: Path, target: Path, chance: random.Random, share: float) -> str:
    """Build the folder anew as such a cut leaves it; what the machine had said until then."""
    platters: dict[Path, Platter] = {}
    said: list[bytes] = []
    ledger = bytearray()
    for call in trace:
        path = Path(call.path)
        if call.path == "stdout":
            said.append(call.body)
        elif path == source / "ledger":
            ledger += call.body
        elif path.suffix in (".db", ".end") or path.name.endswith("-wal"):
            platters.setdefault(path.relative_to(source), Platter()).take(call)
    for name, platter in platters.items():
        platter.settle(chance, share)
        if platter.exists:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(platter.body)
    (target / "ledger").write_bytes(ledger)
    journal = target / "home" / "journal.db"
    mark = endmark.read(journal)
    if isinstance(mark, endmark.Mark):  # the computer was started again since
        endmark.path_of(journal).write_bytes(endmark.packed(mark._replace(boot=b"another")))
    return b"".join(said).decode()


@pytest.mark.skipif(ABSENT, reason=WHY)
def test_cut_of_the_power_loses_nothing_acknowledged_and_repeats_nothing(tmp_path: Path) -> None:
    seed = first_seed()
    print(f"GEMOT_SEED={seed}")
    chance = random.Random(seed)
    source = tmp_path / "source"
    source.mkdir()
    life = lived(source, TREES, UNDER=source, TRACE=tmp_path / "trace")
    assert not life.stderr, life.stderr
    trace = list(calls(tmp_path / "trace"))
    ready = next(number for number, call in enumerate(trace) if call.path == "stdout")
    syncs = sum(call.kind == "s" for call in trace)
    print(f"{len(trace)} calls, {syncs} syncs")
    assert syncs > 20
    for number in range(CUTS):
        at = chance.randrange(ready, len(trace) + 1)
        share = SHARES[number % len(SHARES)]
        target = tmp_path / f"cut {number}"
        target.mkdir()
        print(f"cut {number}: after call {at}, {share} of the sectors")
        said = cut(trace[:at], source, target, chance, share)
        Life(target, 0).finish()
        compare(target, started(said))


@pytest.mark.skipif(ABSENT, reason=WHY)
def test_disk_that_ignores_syncs_is_noticed(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target):
        folder.mkdir()
    lived(source, TREES, UNDER=source, TRACE=tmp_path / "trace")
    trace = [call for call in calls(tmp_path / "trace") if call.kind != "s"]
    said = cut(trace, source, target, random.Random(1), 0.0)
    Life(target, 0).finish()
    with pytest.raises(AssertionError, match="was acknowledged and lost"):
        compare(target, started(said))
