"""Trees that have ended leave a home by rule: what leaves, what stays, and what is left of the journal."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from checkers import digest

from gemot import Budget, Calls, Grant, Machine, MachineError, program, scripted, tool
from gemot.drivers.errors import Unsure
from gemot.journal.inspecting import inspect
from gemot.kernel import Kernel
from gemot.kernel.process import Process
from gemot.machine import carrying, removal, retention
from gemot.machine.replay import Replay
from gemot.machine.retention import Cleared, Limit, Retention, clear
from gemot.programs.library import load
from gemot.programs.native import SyscallCancelled

MEANS = Budget(tokens=10**7, calls=10**6, millis=10**9, processes=50, depth=5)
RIGHTS = (Grant("spawn"), Grant("wait"), Grant("ask"), Grant("long/*"), Grant("bank/pay"))


@tool("long/text", effect="reads", repeatable=True)
def long_text(of: str) -> str:
    """A text that is too long for a reading."""
    return f"{of} " * 3_000


@tool("bank/pay", effect="sends", repeatable=False)
def pay() -> str:
    """Pay, perhaps."""
    raise Unsure("the line went dead")


@program(grants=("spawn", "wait", "ask", "long/text", "bank/pay"))
async def worker(calls: Calls, brief: str) -> Any:
    """Reads a long text of its own; has a child, pays or asks, if its brief says so."""
    await calls.call_all(("long/text", {"of": f"own {brief}"}), ("long/text", {"of": "shared"}))
    if "pay" in brief:
        await calls.call_all(("bank/pay", {}))
    if "child" in brief:
        await calls.wait([await calls.spawn("small", "worker")])
    while "ask" in brief:
        with contextlib.suppress(SyscallCancelled):  # a fork is told that it is one
            return await calls.ask("Well?")
    return brief


@program(grants=("long/text",))
async def run(calls: Calls, brief: str) -> str:
    """A run of a schedule."""
    await calls.call_all(("long/text", {"of": f"run {calls.pid}"}))
    return brief


async def opened(home: Path, **options: Any) -> Machine:
    options = {"retention": Retention(schedules=Limit())} | options
    return await Machine.open(
        home, programs=[worker, run], tools=[long_text, pay], models={"s": scripted(lambda _: "word")}, **options
    )


async def done(machine: Machine, brief: str) -> int:
    """A tree that has ended."""
    pid = await machine.start(brief, program="worker", model="s", grants=RIGHTS, budget=MEANS)
    await machine.result(pid)
    return pid


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


async def asking(machine: Machine) -> int:
    """A tree that waits for an answer."""
    pid = await machine.start("ask", program="worker", model="s", grants=RIGHTS, budget=MEANS)
    await until(lambda: any(one.pid == pid for one in machine.asks()))
    return pid


def story(work: Callable[[], Awaitable[None]]) -> None:
    async def told() -> None:
        await work()

    asyncio.run(told())


def folded(home: Path) -> Kernel:
    """The tables that all records lead to. Every decision is made again, and comes out the same."""
    replay = Replay(home / "journal.db", load((), [worker, run]))
    assert replay.check() == ""
    replay.close()
    return replay.kernel


def whole(home: Path) -> None:
    _, flaws = inspect(home / "journal.db")
    assert not flaws


def texts(machine: Machine) -> int:
    """How many texts of tools are kept."""
    journal = machine._loop.journal
    return sum(journal.value(digest).startswith(("own ", "run ", "shared ")) for digest in journal.digests("", 10_000))


def alarms(machine: Machine, pid: int) -> list[Process]:
    return [one for one in machine.kernel.tree(pid) if one.parent == pid and not one.alive]


async def schedule(machine: Machine, runs: int) -> int:
    """A schedule of which so many runs have ended, and that is paused."""
    arguments = {
        "every": "1s",
        "program": "run",
        "runs": 1_000,
        "share": {"tokens": 5_000, "calls": 50, "processes": 1, "depth": 1},
    }
    pid = await machine.start("look", program="schedule", model="s", arguments=arguments, budget=MEANS)
    await more_runs(machine, pid, runs)
    return pid


async def more_runs(machine: Machine, pid: int, runs: int) -> None:
    """Let its alarm ring until so many runs have ended: its time is put forward, so that nobody waits."""
    clock = machine.clock
    wall, elapsed = clock._wall, clock._elapsed
    for ahead in range(1, runs + 1):
        before = len(alarms(machine, pid))
        clock._wall, clock._elapsed = (lambda ahead=ahead: wall() + ahead), (lambda ahead=ahead: elapsed() + ahead)
        machine._loop._woken()
        await until(
            lambda before=before: len(alarms(machine, pid)) > before and not machine.kernel.processes[pid].children
        )
    await until(lambda: type(machine.kernel.processes[pid].syscall).__name__ == "Receive")


# What leaves.


def test_trees_beyond_a_count_leave_in_one_pass_and_all_else_folds_as_before(tmp_path: Path) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine:
            waiting = await asking(machine)
            ended = [await done(machine, f"goal {number} {'child' * (number % 2)}") for number in range(12)]
            assert texts(machine) == 15, "twelve of their own, a child's, that of who asks, and a shared one"
            cleared = await machine.clear(Retention(Limit(most=3), Limit()))
            assert [tree.root for tree in cleared.left] == ended[:-3] and not cleared.stays
            assert {one.root for one in machine.processes()} == {waiting, *ended[-3:]}
            assert texts(machine) == 6, "the texts of its own leave with a tree, the shared one stays"
            with pytest.raises(MachineError, match="no process"):
                await machine.send(ended[0], "hello")
            after = await done(machine, "after")
            assert after > ended[-1]
            live, moment = digest(machine.kernel), machine.kernel.moment
            assert digest(folded(tmp_path)) == live and folded(tmp_path).moment == moment
        whole(tmp_path)
        async with await opened(tmp_path) as machine:
            machine._loop.journal.drop_checkpoint()
        async with await opened(tmp_path, resume=True) as machine:  # folded from the first record
            await machine.answer(machine.asks()[0].ask, text="so much")
            assert (await machine.result(waiting)).value == "so much"
        whole(tmp_path)

    story(work)


def test_what_leaves_goes_to_files_that_can_come_back(tmp_path: Path) -> None:
    async def work() -> None:
        folder = tmp_path / "old"
        folder.mkdir()
        async with await opened(tmp_path / "home") as machine:
            ended = [await done(machine, f"goal {number}") for number in range(4)]
            await machine.clear(Retention(Limit(most=1), Limit()), folder=folder)
            assert sorted(path.name for path in folder.iterdir()) == [f"{pid}.gemot" for pid in ended[:3]]
            assert await machine.adopt(carrying.read(folder / f"{ended[1]}.gemot"), {}) == ended[1]
            assert (await machine.result(ended[1])).value == "goal 1"
        whole(tmp_path / "home")

    story(work)


def test_trial_names_what_would_leave_and_changes_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine:
            ended = [await done(machine, f"goal {number}") for number in range(4)]
            before = machine._loop.journal.position
            cleared = await machine.clear(Retention(Limit(most=1), Limit()), trial=True)
            assert [tree.root for tree in cleared.left] == ended[:3] and cleared.left_count == 3
            assert {one.root for one in machine.processes()} == set(ended)
            assert machine._loop.journal.position == before
            assert not any(record.first for record in machine._loop.journal.read())

    story(work)


@pytest.mark.parametrize(
    "limit, newer, age, leaves",
    [
        (Limit(), 10**6, 10**12, False),
        (Limit(most=3), 2, 10**12, False),
        (Limit(most=3), 3, 0, True),
        (Limit(millis=5), 0, 5, False),
        (Limit(millis=5), 0, 6, True),
        (Limit(most=3, millis=5), 3, 0, True),
        (Limit(most=3, millis=5, both=True), 3, 0, False),
        (Limit(most=3, millis=5, both=True), 2, 6, False),
        (Limit(most=3, millis=5, both=True), 3, 6, True),
        (Limit(both=True), 10**6, 10**12, False),
    ],
)
def test_limit_says_what_leaves(limit: Limit, newer: int, age: int, leaves: bool) -> None:
    assert limit.leaves(newer, age) is leaves


# What stays.


def test_living_tree_and_use_in_doubt_stay_and_say_why(tmp_path: Path) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine:
            doubtful = await machine.start("pay", program="worker", model="s", grants=RIGHTS, budget=MEANS)
            while not machine.kernel.processes[doubtful].outcome:
                for one in machine.asks():
                    await machine.answer(one.ask, True)
                await asyncio.sleep(0.01)
            living, gone = await asking(machine), await done(machine, "goal")
            cleared = await machine.clear(Retention(Limit(most=0), Limit()))
            assert [tree.root for tree in cleared.left] == [gone]
            assert [(tree.root, "had its effect" in tree.why) for tree in cleared.stays] == [(doubtful, True)]
            assert {one.root for one in machine.processes()} == {doubtful, living}
            with pytest.raises(MachineError, match="has not ended"):
                await machine.clear(Retention(), [living])
            cleared = await machine.clear(Retention(), [doubtful])
            assert [tree.root for tree in cleared.left] == [doubtful], "a person who names it has settled it"

    story(work)


def test_tree_that_a_fork_needs_stays_until_the_fork_leaves(tmp_path: Path) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine:
            source = await asking(machine)
            copy = await machine.fork(source, "and you?")
            await until(lambda: len(machine.asks()) == 2)
            await machine.kill(source)
            cleared = await machine.clear(Retention(Limit(most=0), Limit()))
            assert not cleared.left and f"{copy} was forked from tree {source}" in cleared.stays[0].why
            await machine.kill(copy)
            cleared = await machine.clear(Retention(Limit(most=0), Limit()))
            assert [tree.root for tree in cleared.left] == [source, copy]
            live = digest(machine.kernel)
        assert digest(folded(tmp_path)) == live

    story(work)


def test_fork_leaves_and_its_source_stays(tmp_path: Path) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine:
            source = await asking(machine)
            copy = await machine.fork(source, "and you?")
            await until(lambda: len(machine.asks()) == 2)
            await machine.kill(copy)
            assert (await machine.clear(Retention(Limit(most=0), Limit()))).left_count == 1
        assert folded(tmp_path).processes[source].alive

    story(work)


# Schedules.


def test_ended_runs_leave_a_schedule_and_it_goes_on(tmp_path: Path) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine:
            pid = await schedule(machine, 6)
            runs = [one.pid for one in alarms(machine, pid)]
            spent = machine.kernel.processes[pid].spent.calls
            cleared = await machine.clear(Retention(Limit(), Limit(most=2)))
            assert (cleared.runs_count, [tree.pid for tree in cleared.left]) == (4, runs[:4])
            assert [one.pid for one in machine.kernel.tree(pid)] == [pid, *runs[4:]]
            assert machine.kernel.processes[pid].spent.calls == spent
            await more_runs(machine, pid, 3)
            assert (await machine.clear(Retention(Limit(), Limit(most=1)))).runs_count == 4, "and again"
            live = digest(machine.kernel)
            assert digest(folded(tmp_path)) == live
        whole(tmp_path)
        async with await opened(tmp_path) as machine:
            machine._loop.journal.drop_checkpoint()
        async with await opened(tmp_path, resume=True) as machine:
            await more_runs(machine, pid, 2)
            assert [one.state for one in alarms(machine, pid)] == ["done"] * 3
        folded(tmp_path)

    story(work)


def test_two_schedules_and_ended_trees_leave_together(tmp_path: Path) -> None:
    async def work() -> None:
        async with await opened(tmp_path) as machine:
            first = await schedule(machine, 2)
            second = await schedule(machine, 2)
            await done(machine, "goal")
            await more_runs(machine, first, 2)
            await machine.clear(Retention(Limit(most=0), Limit(most=0)))
            assert [one.pid for one in machine.kernel.tree(first)] == [first]
            assert [one.pid for one in machine.kernel.tree(second)] == [second]
            live = digest(machine.kernel)
            assert digest(folded(tmp_path)) == live
        whole(tmp_path)

    story(work)


def test_rules_are_kept_when_a_machine_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SLACK", 2)

    async def work() -> None:
        rules = Retention(Limit(most=2), Limit())
        async with await opened(tmp_path, retention=rules) as machine:
            ended = [await done(machine, f"goal {number}") for number in range(4)]
        async with await opened(tmp_path, retention=rules) as machine:
            assert {one.root for one in machine.processes()} == set(ended), "within the slack all stay"
            ended += [await done(machine, f"goal {number}") for number in range(2)]
        async with await opened(tmp_path, retention=rules) as machine:
            assert {one.root for one in machine.processes()} == set(ended[-2:])

    story(work)


# A machine that is killed.


def test_machine_killed_at_any_step_loses_only_what_was_to_leave(tmp_path: Path) -> None:
    async def work() -> None:
        monkeys = removal.TREES_AT_ONCE
        removal.TREES_AT_ONCE = 2
        try:
            async with await opened(tmp_path / "home") as machine:
                waiting = await asking(machine)
                pid = await schedule(machine, 4)
                ended = [await done(machine, f"goal {number}") for number in range(5)]
                stays = {waiting, pid, ended[-1]}
                turns = clear(machine._loop, Retention(Limit(most=1), Limit(most=1)))
                step = 0
                while True:
                    try:
                        next(turns)
                    except StopIteration:
                        break
                    step += 1
                    shutil.copytree(
                        tmp_path / "home", tmp_path / f"{step}", ignore=shutil.ignore_patterns("door", "lock")
                    )
        finally:
            removal.TREES_AT_ONCE = monkeys
        assert step > 6
        for number in range(1, step + 1):
            home = tmp_path / f"{number}"
            whole(home)
            folded(home)
            async with await opened(home) as machine:
                there = {one.root for one in machine.processes()}
                assert stays <= there <= stays | set(ended)
                cleared: Cleared = await machine.clear(Retention(Limit(most=1), Limit(most=1)))
                assert {one.root for one in machine.processes()} == stays, (number, cleared)
                await machine.clear(Retention(), [ended[-1]])
                assert texts(machine) == 3, (
                    "who asks has two, the last run one; what was left over went with the next tree"
                )
            whole(home)
            folded(home)

    story(work)
