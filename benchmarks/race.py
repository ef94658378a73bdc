"""A race, and how soon who waits is awake: ``python -m benchmarks.race [--racers 8] [--rounds 10] [--processes 1000]``.

The race: `best_of` with boxed ``sleep 60`` for losers, through the real shell driver. Printed are the milliseconds from the
winner's answer until its parent makes its next syscall, and until the last operating-system process of the losers is dead; and
whether what is left and what was spent add up to what was given.

Waking up, with so many live processes: from a message of the person's to the next syscall of the process that waited for it;
and from a message to a child, which ends because of it, to the next syscall of the parent that waited for the child. Also in this
thread's own time, because the computer may have others to serve; that does not count waiting for the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import select
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gemot import Budget, Calls, Grant, Machine, program, scripted, tool
from gemot.abi.syscalls import SYSCALLS
from gemot.authority.ledger import SPENDABLE
from gemot.drivers import shipped
from gemot.machine import notes

GIVEN = Budget(tokens=10**6, usd_micros=10**6, millis=10**7, processes=100, depth=4, calls=10**5)
EVERYTHING = (*(Grant(name) for name in SYSCALLS), Grant("*"))
PATIENCE_SECONDS = 60.0


@program(grants=("shell/run", "race/*"))
async def racer(calls: Calls, brief: str) -> str:
    """The last one wins as soon as all the others are at work; those work for a minute."""
    name = (await calls.status())["name"].split()
    if name[1] == name[3]:
        return await calls.call("race/start", others=int(name[3]) - 1)
    return await calls.call("shell/run", command="sleep 60", seconds=100)


@program()
async def listener(calls: Calls, brief: str) -> None:
    """Waits for messages."""
    while True:
        await calls.receive()
        await calls.status()


@program(grants=("spawn", "receive"))
async def parent(calls: Calls, brief: str) -> None:
    """Waits for one child after the other, each of which waits for a message."""
    while True:
        await calls.wait([await calls.spawn("wait", "child")])
        await calls.status()


@program()
async def child(calls: Calls, brief: str) -> None:
    """Ends when it is told something."""
    await calls.receive()


def descendants() -> dict[int, str]:
    """The operating-system processes below this one, each with its command."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = entry.joinpath("stat").read_text().rpartition(")")[2].split()
            command = entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parents[int(entry.name)] = (int(words[1]), command)
        except OSError:
            continue
    found = {os.getpid(): ""}
    grown = True
    while grown:
        more = {pid: command for pid, (above, command) in parents.items() if above in found and pid not in found}
        found |= more
        grown = bool(more)
    del found[os.getpid()]
    return found


class Deaths:
    """Waits in a thread of its own until processes are dead, so that nothing else holds up the clock."""

    def __init__(self, pids: list[int]) -> None:
        self._descriptors = [os.pidfd_open(pid) for pid in pids]
        self.last = 0.0
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        poll, left = select.poll(), set(self._descriptors)
        for descriptor in left:
            poll.register(descriptor, select.POLLIN)
        end = time.monotonic() + PATIENCE_SECONDS
        while left and time.monotonic() < end:
            for descriptor, _ in poll.poll(1000):
                self.last = time.perf_counter()
                poll.unregister(descriptor)
                left.discard(descriptor)
        self.alive = len(left)

    def all_dead(self) -> bool:
        self._thread.join()
        for descriptor in self._descriptors:
            os.close(descriptor)
        return not self.alive


async def race(racers: int, home: Path) -> dict[str, float]:
    """One race; its figures in milliseconds, and how many processes of the system the losers were."""
    deaths: list[Deaths] = []
    answered: list[float] = []

    @tool("race/start", effect="reads", repeatable=True, seconds_max=100)
    async def start(others: int) -> str:
        """Waits until all the others are at work."""
        end = time.monotonic() + PATIENCE_SECONDS
        while sum(command.startswith("sleep ") for command in descendants().values()) < others:
            if time.monotonic() > end:
                raise TimeoutError("the others did not begin")
            await asyncio.sleep(0.02)
        deaths.append(Deaths(list(descendants())))
        answered.append(time.perf_counter())
        return "won"

    work = home / "work"
    work.mkdir(parents=True)
    models = {"nobody": scripted(lambda _: "")}
    async with await Machine.open(home / "home", programs=[racer], tools=[start], models=models) as machine:
        pid = await machine.start(
            "race", program="best_of", arguments={"n": racers, "program": "racer"}, model="nobody", work=work,
            budget=GIVEN, grants=EVERYTHING,
        )  # fmt: skip
        outcome = await machine.result(pid)
        parent_went_on = time.perf_counter()
        assert outcome.value == "won", outcome
        dead = await asyncio.to_thread(deaths[0].all_dead)
        assert dead, "processes of losers are still alive"
        processes = machine.kernel.processes
        root = processes[pid]
        for name in SPENDABLE:
            spent = sum(getattr(one.spent, name) for one in processes.values())
            assert getattr(root.left, name) + spent == getattr(GIVEN, name), name
        assert root.left.processes == GIVEN.processes and not root.children
    return {
        "parent": 1000 * (parent_went_on - answered[0]),
        "dead": 1000 * (deaths[0].last - answered[0]),
        "processes": len(deaths[0]._descriptors),
    }


async def wake(
    body: Any, live: int, samples: int, home: Path, target: Callable[[Machine, int], int]
) -> tuple[list[float], list[float]]:
    """The milliseconds from each message to the next syscall of the root that waited because of it: by the clock, and of this
    thread's own time."""
    models = {"nobody": scripted(lambda _: "")}
    drivers = shipped()
    chance = random.Random(live)
    times: list[float] = []
    own: list[float] = []
    async with await Machine.open(home, programs=[listener, parent, child], drivers=drivers, models=models) as machine:
        starting: list[Awaitable[int]] = [
            machine.start("wait", program=body.spec.name, model="nobody", budget=GIVEN, grants=EVERYTHING)
            for _ in range(live)
        ]
        pids = await asyncio.gather(*starting)
        await asyncio.sleep(0.5)
        awake = asyncio.Event()
        woken: list[tuple[float, float]] = []

        def seen(note: notes.Note) -> None:
            if isinstance(note, notes.Did) and note.syscall == "status":
                woken.append((time.perf_counter(), time.thread_time()))
                awake.set()

        machine.watch(seen)
        for _ in range(samples):
            pid = target(machine, chance.choice(pids))
            awake.clear()
            began, began_own = time.perf_counter(), time.thread_time()
            await machine.send(pid, "wake up")
            await awake.wait()
            times.append(1000 * (woken[-1][0] - began))
            own.append(1000 * (woken[-1][1] - began_own))
            await asyncio.sleep(0.001)
    return times, own


def itself(machine: Machine, pid: int) -> int:
    return pid


def its_child(machine: Machine, pid: int) -> int:
    return machine.kernel.processes[pid].children[-1]


def said(both: tuple[list[float], list[float]]) -> str:
    times, own = both
    cuts, cuts_own = statistics.quantiles(times, n=100), statistics.quantiles(own, n=100)
    by_clock = f"p50 {cuts[49]:.2f} ms   p99 {cuts[98]:.2f} ms   most {max(times):.2f} ms"
    return f"{by_clock}   own time: p50 {cuts_own[49]:.2f} ms   p99 {cuts_own[98]:.2f} ms   n {len(times)}"


async def measure(racers: int, rounds: int, live: int, samples: int, folder: Path) -> list[dict[str, float]]:
    """All of it, printed; the figures of the races."""
    load = os.getloadavg()[0]
    races = [await race(racers, folder / f"race {number}") for number in range(rounds)]
    for key, words in (("parent", "the parent went on after"), ("dead", "the last loser's process was dead after")):
        figures = sorted(one[key] for one in races)
        print(
            f"race of {racers}: {words} {statistics.median(figures):.1f} ms (least {figures[0]:.1f}, most {figures[-1]:.1f}, "
            f"n {rounds})"
        )
    print(
        f"race of {racers}: {races[0]['processes']:.0f} processes of the system; budgets add up exactly in all rounds"
    )
    message = await wake(listener, live, samples, folder / "listeners", itself)
    print(f"{live} live processes, a message wakes one:        {said(message)}")
    ended = await wake(parent, live // 2, samples, folder / "parents", its_child)
    print(f"{live} live processes, a child's end wakes one:    {said(ended)}")
    print(f"load {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end, {os.cpu_count()} cores")
    return races


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--racers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--processes", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=2000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(wanted.racers, wanted.rounds, wanted.processes, wanted.samples, Path(folder)))


if __name__ == "__main__":
    main()
