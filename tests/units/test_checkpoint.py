"""A checkpoint and the records after it give the same machine as all of its records."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from checkers import digest
from worlds import EVERY_SYSCALL, MachineWorld, settled

from gemot import Calls, Grant, Machine, program, request, scripted
from gemot.abi.messages import Request, Text
from gemot.abi.syscalls import Generate
from gemot.journal.contract import KeptTree
from gemot.journal.memory import MemoryJournal
from gemot.kernel import Kernel
from gemot.machine import checkpoint, recovery
from gemot.machine.cast import Cast
from gemot.machine.notes import Asking
from gemot.models.scripted import heard
from gemot.programs.conversation import Conversation
from gemot.programs.library import load

Kept = tuple[int, bytes, tuple[KeptTree, ...], tuple[tuple[int, int, bytes], ...]]
RIGHTS = (*EVERY_SYSCALL, Grant("calculator/*"))


@program(grants=("spawn", "fork", "ask", "alarm", "calculator/evaluate"))
async def clerk(calls: Calls, brief: str) -> list[Any]:
    """Uses most kinds of answers, so that each is written down and read again."""
    talker = await calls.spawn("talk", "solo", grants=("fork", "calculator/*", "ask"))
    alarm = await calls.alarm(9_000, "late")
    one, two = await calls.call_all(
        ("calculator/evaluate", {"expression": "2*3"}), ("calculator/evaluate", {"expression": "1/"})
    )
    word = await calls.generate("say a word")
    half = await calls.fork("half")
    if half == 0:
        return [one.text, two.ok, word, alarm]
    waited = await calls.wait([half])
    status = await calls.status()
    mail = await calls.receive(timeout_seconds=0)
    asked = await calls.ask("Go on?")
    killed = await calls.kill(talker)
    return [waited.ended[0].value, sorted(status), len(mail), asked, killed.state]


def model() -> Any:
    def speak(question: Request) -> Any:
        if not question.tools:
            return "word"
        last = heard(question)
        texts = [
            part.text for one in question.messages if one.role == "user" for part in one.parts if isinstance(part, Text)
        ]
        if texts == ["talk"] and not last:
            return [request("calculator/evaluate", expression="1+1"), request("fork", brief="a part")]
        return [request("ask", question="Well?")]

    return scripted(speak)


def records() -> tuple[list[Any], list[Kept]]:
    """A history, with a checkpoint after every step of it."""

    async def story() -> tuple[list[Any], list[Kept]]:
        world = MachineWorld(programs=(clerk,), drivers=_shipped(), models={"s": model()})
        kept: list[Kept] = []
        world.journal.put_checkpoint = lambda *words: kept.append((*words[:2], tuple(words[2]), tuple(words[3])))  # type: ignore[method-assign]
        machine = world.boot()
        pid = await machine.start("go", program="clerk", model="s", grants=RIGHTS)
        await settled(machine)
        for asked in sorted(machine.asks(), key=lambda one: one.ask):
            if asked.pid == pid:
                await machine.answer(asked.ask, text="yes")
        await settled(machine)
        await machine.close()
        assert isinstance(world.journal, MemoryJournal)
        return list(world.journal.read()), kept

    return asyncio.run(story())


def _shipped() -> Any:
    from gemot.drivers import shipped

    return shipped()


def test_folding_from_any_checkpoint_gives_the_same_tables_and_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "RECORDS", 0)
    monkeypatch.setattr(checkpoint, "RECORDS_PER_PROGRAM", 0)
    history, checkpoints = records()
    assert len(checkpoints) >= 5
    rows: dict[int, KeptTree] = {}
    pieces: list[tuple[int, int, bytes]] = []
    for position, body, trees, new in checkpoints:
        pieces += new
        rows.update({tree.root: tree for tree in trees})
        journal = MemoryJournal()
        journal.append(0, [(one.at, one.pid, one.body) for one in history], synced=True)
        from_first = fold(journal)
        journal.put_checkpoint(position, body, rows.values(), pieces)
        kernel, cast = fold(journal)
        assert digest(kernel) == digest(from_first[0]), f"from the checkpoint at {position}"
        assert kernel.numbers == from_first[0].numbers
        assert set(cast.programs) == set(from_first[1].programs)
        for pid, one in cast.programs.items():
            other = from_first[1].programs[pid]
            assert one.reading(Generate("x")) == other.reading(Generate("x"))
            assert one.size_chars == other.size_chars
            if isinstance(one, Conversation) and isinstance(other, Conversation):
                assert one.freeze(0) == other.freeze(0)
            else:
                assert one.decide() == other.decide()


def fold(journal: MemoryJournal) -> tuple[Kernel, Cast]:
    kernel = Kernel()
    cast = Cast(kernel, load((), (clerk,)), lambda _: load().texts["solo"].template, journal.pieces)
    recovery.fold(journal, kernel, cast)
    return kernel, cast


def test_a_useless_checkpoint_is_as_good_as_none() -> None:
    history, _ = records()
    journal = MemoryJournal()
    journal.append(0, [(one.at, one.pid, one.body) for one in history], synced=True)
    whole = digest(fold(journal)[0])
    for body in (b"", b"rubbish", b"\x83"):
        journal.put_checkpoint(len(history), body)
        assert digest(fold(journal)[0]) == whole


async def settled_on(machine: Machine, pid: int) -> None:
    """Until a process asks the person."""
    asked = asyncio.Event()
    stop = machine.watch(lambda note: asked.set() if isinstance(note, Asking) and note.asked.pid == pid else None)
    if not any(one.pid == pid for one in machine.asks()):
        await asked.wait()
    stop()


def test_a_closed_machine_opens_at_its_end_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemot.machine.machine.RECORDS_AT_CLOSE", 1)
    folded: list[int] = []
    original = recovery.folding

    def counting(*words: Any) -> Any:
        for one in original(*words):
            folded.append(one.record.position)
            yield one

    async def story() -> Any:
        async with await Machine.open(tmp_path, programs=[clerk], models={"s": model()}) as machine:
            pid = await machine.start("go", program="clerk", model="s", grants=RIGHTS)
            await settled_on(machine, pid)
        monkeypatch.setattr(recovery, "folding", counting)
        async with await Machine.open(tmp_path, programs=[clerk], models={"s": model()}, resume=True) as machine:
            assert folded == [], "nothing is folded that a checkpoint tells"
            (asked,) = [one for one in machine.asks() if one.pid == pid]
            await machine.answer(asked.ask, text="yes")
            return await machine.result(pid)

    outcome = asyncio.run(story())
    assert outcome.state == "done", outcome
    assert outcome.value[0] == ["6", False, "word", outcome.value[0][3]] and outcome.value[3:] == ["yes", "killed"]
