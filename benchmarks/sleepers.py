"""Sleepers: many processes that wait, one alarm each. What they cost, how fast a machine opens on them, and who wakes when.

    python -m benchmarks.sleepers [--processes 100000] [--seconds 60] [--lead 20]

Every process sets an alarm at a moment of its own within ``--seconds`` after the last was started, and waits for it. The
machine is closed, opened again on the same journal, resumed, and the alarms ring. Printed: bytes a process in memory while
all sleep, the time to open and to resume, and how late the alarms rang (milliseconds).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from gemot import Calls, Grant, Machine, program, scripted
from gemot.abi.answers import Outcome
from gemot.abi.grants import Budget
from gemot.machine import notes

BUDGET = Budget(tokens=1000, usd_micros=1000, millis=10_000, processes=1, depth=1, calls=10)
AT_ONCE = 2_000
STARTED_PER_SECOND = 2_500
"""So many are started in a second at least: the first alarm rings when all of them sleep."""


@program(grants=("alarm", "receive"))
async def sleeper(calls: Calls, brief: str) -> float:
    """Wakes at a moment (seconds since 1970), and says how long after it that was."""
    await calls.alarm(max(0.0, float(brief.split()[0]) - float(brief.split()[1])))
    await calls.receive()
    return 0.0


def resident() -> int:
    """Bytes of memory that this process holds."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - of memory and the clock nobody tells
        await asyncio.sleep(0.2)


async def sleep_and_wake(processes: int, seconds: float, lead: float, home: Path) -> None:
    rights = (Grant("alarm"), Grant("receive"), Grant("exit"))
    machine = await Machine.open(home, programs=[sleeper], drivers=[], models={"nobody": scripted([])})
    gc.collect()
    empty, began = resident(), time.perf_counter()
    first = time.time() + max(lead, processes / STARTED_PER_SECOND)
    due: dict[int, float] = {}
    for start in range(0, processes, AT_ONCE):
        many = range(start, min(start + AT_ONCE, processes))
        now = time.time()
        moments = [first + seconds * one / processes for one in many]
        pids = await asyncio.gather(
            *(
                machine.start(f"{at} {now}", program="sleeper", model="nobody", budget=BUDGET, grants=rights)
                for at in moments
            )
        )
        due.update(zip(pids, moments, strict=True))
    print(f"{processes:,} processes started in {time.perf_counter() - began:.1f} s")
    held = resident()
    await until(lambda: not machine.kernel.processes or time.time() > first - 1)
    gc.collect()
    print(f"in memory: {len(machine.kernel.processes):,} of them after {time.perf_counter() - began:.1f} s")
    print(
        f"resident: {(held - empty) / processes:,.0f} bytes each at the start, {(resident() - empty) / processes:,.0f} asleep"
    )
    began = time.perf_counter()
    await machine.close()
    print(
        f"closed in {time.perf_counter() - began:.2f} s; {home.joinpath('journal.db').stat().st_size / processes:,.0f} bytes each on disk"
    )
    gc.collect()
    held, began = resident(), time.perf_counter()
    machine = await Machine.open(home, programs=[sleeper], drivers=[], models={"nobody": scripted([])})
    opened, left = time.perf_counter() - began, len(machine.kernel.asleep)
    machine.resume()
    print(
        f"opened in {opened:.2f} s, resumed in {time.perf_counter() - began - opened:.2f} s, {first - time.time():.1f} s before the first alarm"
    )
    print(f"resident: {(resident() - held) / processes:,.0f} bytes each in the machine that was opened")
    late: list[float] = []

    def woke(note: notes.Note) -> None:
        if isinstance(note, notes.Ended) and isinstance(note.outcome, Outcome):
            late.append(time.time() - due[note.outcome.pid])

    machine.watch(woke)
    await until(lambda: len(late) == left or time.time() > first + seconds + 60)
    late.sort()
    if late:
        print(
            f"{len(late):,} of the {left:,} that slept woke: {1000 * median(late):.0f} ms late in the median, {1000 * late[int(0.99 * len(late))]:.0f} at p99, {1000 * late[0]:.0f} to {1000 * late[-1]:.0f}"
        )
    await machine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--processes", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--lead", type=float, default=20.0, help="seconds from the start to the first alarm, at least")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(sleep_and_wake(wanted.processes, wanted.seconds, wanted.lead, Path(folder)))


if __name__ == "__main__":
    main()
