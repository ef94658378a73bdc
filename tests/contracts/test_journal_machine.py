"""A whole machine on every store: trees run, sleep, leave memory, are fetched, survive a crash, are archived and replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkers import digest
from stores import Stores
from worlds import EVERY_SYSCALL

from gemot import Calls, Grant, Machine, MachineError, program, scripted, tool
from gemot.journal import Fenced, Journal
from gemot.kernel import Kernel
from gemot.machine import carrying, loop
from gemot.machine.cast import Cast
from gemot.machine.recovery import folding
from gemot.programs.library import load


@tool("long/text", effect="reads", repeatable=True)
def long_text() -> str:
    """A text that is too long for a reading, so it is kept as a value."""
    return "word " * 5_000


@program(grants=("spawn", "wait", "ask", "receive", "alarm", "long/text"))
async def parent(calls: Calls, brief: str) -> Any:
    """Has a child that asks, a value in a handle, and then waits for a word."""
    (held,) = await calls.call_all(("long/text", {}))
    if brief == "child":
        return await calls.ask("How much?")
    child = await calls.spawn("child", "parent")
    ended = (await calls.wait([child])).ended[0]
    word = (await calls.receive())[0].text
    assert held.handle is not None
    return [ended.value, word, await calls.read(held.handle.number, 0, 9)]


async def opened(journal: Journal, **options: Any) -> Machine:
    return await Machine.open(
        journal=journal, programs=[parent], tools=[long_text], models={"s": scripted(["well"])}, **options
    )


async def true(check: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to be")


async def start(machine: Machine) -> int:
    before = len(machine.asks())
    pid = await machine.start("go", program="parent", model="s", grants=(*EVERY_SYSCALL, Grant("long/text")))
    await true(lambda: len(machine.asks()) > before)
    return pid


def test_a_tree_runs_sleeps_and_goes_on_with_any_journal(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SWEEP_SECONDS", 0.02)

    async def story() -> tuple[int, bytes]:
        async with await opened(stores.open()) as machine:
            assert machine.home is None
            first = await start(machine)
            second = await start(machine)
            await true(lambda: not machine.kernel.processes)
            assert {one.root for one in machine.processes()} == {first, second}
        machine = await opened(stores.open())
        assert machine.kernel.processes == {} and machine.resume() == [first, second]
        for asked in machine.asks():
            await machine.answer(asked.ask, text="so much")
        await true(lambda: not machine.kernel.processes)
        await machine.send(first, "hello")
        assert (await machine.result(first)).value == ["so much", "hello", "word word"]
        return second, digest(machine.kernel)  # and then it is gone, as if it were killed

    second, live = asyncio.run(story())
    assert folded(stores.open()) == live

    async def end() -> Any:
        async with await opened(stores.open(), resume=True) as machine:
            await machine.send(second, "at last")
            return (await machine.result(second)).value

    assert asyncio.run(end()) == ["so much", "at last", "word word"]


def folded(journal: Journal) -> bytes:
    """The tables that all the records lead to."""
    kernel = Kernel()
    cast = Cast(kernel, load((), [parent]), journal.value)
    for one in folding(journal, kernel, cast, {}):
        assert not one.divergence
    return digest(kernel)


def test_an_ended_tree_leaves_any_journal_and_comes_back(stores: Stores, tmp_path: Path) -> None:
    file = tmp_path / "a tree"

    async def story() -> None:
        async with await opened(stores.open()) as machine:
            gone, stays = await start(machine), await start(machine)
            await machine.kill(gone)
            machine.archive(gone, file)
            assert {one.root for one in machine.processes()} == {stays}
        async with await opened(stores.open()) as machine:
            assert {one.root for one in machine.processes()} == {stays}
            assert await machine.adopt(carrying.read(file), {}) == gone
        async with await opened(stores.open()) as machine:
            assert {one.root for one in machine.processes()} == {gone, stays}

    asyncio.run(story())


def test_a_machine_whose_journal_was_opened_by_another_stops(stores: Stores) -> None:
    async def story() -> None:
        stale = await opened(stores.open())
        await start(stale)
        async with await opened(stores.open()) as machine:
            with pytest.raises(MachineError, match="another machine"):
                await stale.start("go", program="parent", model="s")
            assert isinstance(stale.failure, Fenced)
            assert len(machine.processes()) == 2

    asyncio.run(story())


def test_a_machine_lives_in_one_place(tmp_path: Path, stores: Stores) -> None:
    async def story() -> None:
        with pytest.raises(MachineError, match="name one of them"):
            await opened(stores.open(), home=tmp_path)
        with pytest.raises(MachineError, match="name one of them"):
            await opened(stores.open(), in_memory=True)

    asyncio.run(story())
