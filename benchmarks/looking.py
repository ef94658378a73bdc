"""What looking costs on a home with a long history: `python -m benchmarks.looking [RUNS] [HOME]`.

It builds a home of so many runs (12,000, with about 21 records each), and prints for each command the CPU seconds it takes, and those beyond
the same command on an empty home. Then the same beside a running machine in which 10,000 trees wait."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gemot import Calls, Grant, Machine, program, scripted
from gemot.abi.grants import Budget
from gemot.machine.door import Door

RUNS = 12_000
SLEEPERS = 10_000
AT_ONCE = 200
COMMANDS = (
    ("--version",),
    ("ps",),
    ("ps", "--all"),
    ("tree",),
    ("tree", "{last}"),
    ("asks",),
    ("board",),
    ("alarms",),
    ("receipt", "{last}"),
    ("log", "{last}"),
    ("models",),
)


BUDGET = Budget(tokens=1000, usd_micros=1000, millis=10**9, processes=1, depth=1, calls=20)
RIGHTS = (Grant("status"), Grant("receive"), Grant("exit"))


@program(grants=("status",))
async def errand(calls: Calls, _brief: str) -> str:
    """Makes some steps, and ends."""
    for _ in range(8):
        await calls.status()
    return "done"


@program(grants=("receive",))
async def sleeper(calls: Calls, _brief: str) -> str:
    """Waits for a word."""
    await calls.receive()
    return "done"


async def build(home: Path, runs: int, sleepers: int) -> int:
    """Live so many runs in a home; the last pid."""
    last = 0
    async with await Machine.open(
        home, programs=[errand, sleeper], drivers=[], models={"nobody": scripted([])}, door=False
    ) as machine:
        for begun in range(0, runs, AT_ONCE):
            pids = [
                await machine.start("go", program="errand", model="nobody", budget=BUDGET, grants=RIGHTS)
                for _ in range(begun, min(runs, begun + AT_ONCE))
            ]
            for pid in pids:
                await machine.result(pid)
            last = pids[-1]
        for _ in range(sleepers):
            await machine.start("wait", program="sleeper", model="nobody", budget=BUDGET, grants=RIGHTS)
    return last


def cpu(home: Path, words: Sequence[str], cache: Path) -> float:
    """CPU seconds of one command, with its modules compiled before, as they are where gemot is installed."""
    world = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    world["PYTHONPYCACHEPREFIX"] = str(cache)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    where = [] if words[0] == "--version" else ["--home", str(home)]
    done = subprocess.run(
        [sys.executable, "-m", "gemot", *words, *where], capture_output=True, text=True, check=False, env=world
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode and "no process" not in done.stderr:
        print(f"  {' '.join(words)}: code {done.returncode}: {done.stderr.strip()[:200]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(home: Path, last: int, cache: Path) -> None:
    """``beyond``: what the same command takes on an empty home, which is the interpreter and its modules."""
    with tempfile.TemporaryDirectory() as empty:
        for command in COMMANDS:
            words = [word.format(last=last) for word in command]
            spent = min(cpu(home, words, cache) for _ in range(3))
            bare = min(cpu(Path(empty), words, cache) for _ in range(3))
            print(f"{' '.join(words):<16} {spent:6.2f} s, {spent - bare:6.2f} beyond an empty home", flush=True)


async def beside(home: Path, last: int, cache: Path) -> None:
    async with (
        await Machine.open(
            home, programs=[errand, sleeper], drivers=[], models={"nobody": scripted([])}, resume=True, door=False
        ) as machine,
        Door(machine),
    ):
        await asyncio.to_thread(measure, home, last, cache)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory() as folder:
        home, cache = (Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder, "home")), Path(folder, "cache")
        home.mkdir(exist_ok=True)
        last = asyncio.run(build(home, runs, 0))
        print(f"a home of {runs} runs, no machine")
        measure(home, last, cache)
        asyncio.run(build(home, 0, SLEEPERS))
        print(f"the same beside a machine with {SLEEPERS} trees that wait")
        asyncio.run(beside(home, last, cache))


if __name__ == "__main__":
    main()
