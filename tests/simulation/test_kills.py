"""Real processes and ``kill -9``: nothing is lost, nothing that must not happen twice does, every doubt is told.

A machine works on several trees in a process of its own, is killed at a random moment, and its successor goes on. At the
end the ledger of what was really done is compared with the journal. ``GEMOT_KILLS`` says how often (``make simulate``: 100).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from laws import Watcher
from simulate import first_seed

from gemot.abi.events import Arrived
from gemot.journal.records import decode
from gemot.journal.sqlite import SqliteJournal
from gemot.kernel import Kernel

KILLS = int(os.environ.get("GEMOT_KILLS") or 15)
TREES = 3
MOMENT_SECONDS_MAX = 0.25
"""A life lasts this long at most after the machine is up: about what its new trees take. One in five ends before it is."""

BUSY = Path(__file__).with_name("busy.py")


class Life:
    """One machine in a process; ``lines`` is what it has said."""

    def __init__(self, folder: Path, trees: int) -> None:
        self.lines: list[str] = []
        self._ready = threading.Event()
        arguments = [sys.executable, str(BUSY), str(folder / "home"), str(folder / "ledger"), str(trees)]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.strip())
            self._ready.set()
        self._ready.set()

    def kill_after(self, seconds: float) -> None:
        """``kill -9``, so many seconds after it was up (or before, if negative)."""
        if seconds >= 0:
            assert self._ready.wait(60)
        try:
            self._process.wait(abs(seconds))
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._end()

    @property
    def runs(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    def finish(self) -> None:
        self._process.wait(120)
        self._end()
        assert self.lines[-1:] == ["finished"]

    def _end(self) -> None:
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        said = self._process.stderr.read()
        assert self._process.returncode in (0, -9), said


def test_killed_again_and_again_it_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    seed = first_seed()
    print(f"GEMOT_SEED={seed}")
    chance = random.Random(seed)
    promised: set[str] = set()
    for _ in range(KILLS):
        life = Life(tmp_path, TREES)
        life.kill_after(-chance.random() if chance.random() < 0.2 else chance.uniform(0, MOMENT_SECONDS_MAX))
        promised |= {line.removeprefix("started ") for line in life.lines if line.startswith("started ")}
    Life(tmp_path, 0).finish()
    compare(tmp_path, promised)


def compare(folder: Path, promised: set[str]) -> None:
    journal = SqliteJournal(folder / "home" / "journal.db", writing=False)
    history = [decode(record.body) for record in journal.read()]
    journal.close()
    kernel = Kernel()
    for event in history:
        kernel.handle(event)
    watcher = Watcher()
    watcher.adopt(kernel, history)

    done = Counter((folder / "ledger").read_text().splitlines())
    paid = Counter({line.removeprefix("pay "): times for line, times in done.items() if line.startswith("pay ")})
    told = {token: rule for token, (tool, rule) in watcher.told.items() if tool == "till/pay"}
    doubts = sorted(token for token, rule in told.items() if rule != "ok")
    print(
        f"{len(history)} events, {sum(paid.values())} paid, {len(doubts)} in doubt, of which {sum(paid[one] for one in doubts)} were paid"
    )

    assert promised <= {event.goal for event in history if isinstance(event, Arrived)}, (
        "a goal was acknowledged and lost"
    )
    assert not [token for token, times in paid.items() if times > 1], "something was paid twice"
    assert set(paid) <= set(told), "something was paid, and its process was told nothing"
    assert {rule for rule in told.values()} <= {"ok", "in_doubt"}
    assert not [token for token, rule in told.items() if rule == "ok" and not paid[token]], "told as paid, and was not"
    assert all(process.state == "done" for process in kernel.processes.values())
    assert not kernel.working and not kernel.asks
