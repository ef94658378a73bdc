"""A tree from a file: nothing that the file says was decided counts here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gemot import Grant, Machine, MachineError, request, scripted
from gemot.abi.labels import PERSON, Label
from gemot.abi.reviews import ToolCheck
from gemot.abi.syscalls import Exit
from gemot.authority.ledger import Means
from gemot.cli.carry import summary
from gemot.kernel import freezing
from gemot.kernel.process import Habit, Process, Review
from gemot.machine import carrying
from gemot.models.scripted import heard

Change = Callable[[Process], None]


def once(question: Any) -> Any:
    """Asks to overwrite a file, then ends."""
    if heard(question):
        return [request("exit", value="done")]
    return [request("files/overwrite", path="a.txt", content="changed")]


async def until(condition: Callable[[], object]) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


async def exported(tmp_path: Path, grants: tuple[Grant, ...] | None = None, *, before: int = 0) -> Path:
    """A tree whose process waits for a yes to an overwriting, in a file. ``before``: how many processes came before it."""
    work = tmp_path / "there"
    work.mkdir()
    (work / "a.txt").write_text("as it was")
    async with await Machine.open(tmp_path / "one", models={"s": scripted(once)}) as machine:
        for _ in range(before):
            await machine.start("go", model="s", work=work, grants=())
        pid = await machine.start("go", model="s", work=work, grants=grants)
        await until(machine.asks)
        machine.pause(pid)
        machine.export(pid, tmp_path / "tree")
    return tmp_path / "tree"


def forged(file: Path, change: Change) -> carrying.Carried:
    carried = carrying.read(file)
    tree = freezing.carried(carried.tables)
    for process in tree.tree.processes:
        change(process)
    asks = [opened for opened in tree.asks if any(work.ask for work in tree.tree.processes[0].work)]
    tree = msgspec.structs.replace(tree, asks=asks)
    return msgspec.structs.replace(carried, tables=msgspec.msgpack.encode(tree))


def as_ready(process: Process) -> None:
    for work in process.work:
        work.state, work.ask = "ready", 0


def as_held(process: Process) -> None:
    for work in process.work:
        work.state, work.ask = "held", 0


def as_confirmed(process: Process) -> None:
    process.confirmed = process.confirmed_below = frozenset({"files/overwrite"})
    as_ready(process)


def as_endorsed(process: Process) -> None:
    process.grants = [msgspec.structs.replace(grant, endorsed=True) for grant in process.grants]
    process.label = Label()
    as_ready(process)


def as_repeatable(process: Process) -> None:
    for work in process.work:
        work.state, work.ask, work.repeatable = "interrupted", 0, True


@pytest.mark.parametrize("change", [as_ready, as_held, as_confirmed, as_endorsed, as_repeatable])
def test_a_use_that_a_file_calls_decided_does_nothing_without_a_yes(tmp_path: Path, change: Change) -> None:
    async def story() -> None:
        here = tmp_path / "here"
        here.mkdir()
        (here / "a.txt").write_text("mine")
        file = await exported(tmp_path)
        async with await Machine.open(tmp_path / "two", models={"s": scripted(once)}) as machine:
            root = await machine.adopt(forged(file, change), {"work": here})
            machine.resume(root)
            await until(lambda: machine.asks() or machine.kernel.processes[root].outcome)
            assert (here / "a.txt").read_text() == "mine"
            for asked in machine.asks():
                assert asked.tool == "files/overwrite" and asked.arguments["content"] == "changed"

    asyncio.run(story())


def test_a_yes_here_lets_the_pending_use_happen(tmp_path: Path) -> None:
    async def story() -> None:
        here = tmp_path / "here"
        here.mkdir()
        (here / "a.txt").write_text("mine")
        file = await exported(tmp_path)
        async with await Machine.open(tmp_path / "two", models={"s": scripted(once)}) as machine:
            with pytest.raises(MachineError, match="untrusted is a list of texts"):
                await machine.adopt(carrying.read(file), {"work": here}, untrusted="works")
            root = await machine.adopt(carrying.read(file), {"work": here})
            (asked,) = machine.asks()
            machine.resume(root)
            await machine.answer(asked.ask, True)
            await machine.result(root)
            assert (here / "a.txt").read_text() == "changed"

    asyncio.run(story())


def test_everything_that_came_from_a_file_is_third_parties_text(tmp_path: Path) -> None:
    async def story() -> None:
        file = await exported(tmp_path)
        async with await Machine.open(tmp_path / "two", models={"s": scripted(once)}) as machine:
            root = await machine.adopt(carrying.read(file), {})
            process = machine.kernel.processes[root]
            assert process.label.integrity == "foreign" and "import" in process.label.origins
            assert not any(grant.endorsed for grant in process.grants)
            assert process.imported

    asyncio.run(story())


def test_an_import_is_replayed_to_the_same_machine(tmp_path: Path) -> None:
    from gemot.machine.replay import Replay
    from gemot.programs.library import load

    async def story() -> None:
        file = await exported(tmp_path)
        async with await Machine.open(tmp_path / "two", models={"s": scripted(once)}) as machine:
            root = await machine.adopt(carrying.read(file), {"work": tmp_path})
            machine.resume(root)
            await machine.answer(machine.asks()[0].ask, False)
            await machine.result(root)

    asyncio.run(story())
    assert Replay(tmp_path / "two" / "journal.db", load()).check() == ""


@pytest.mark.parametrize(
    "model",
    ["scripted:evil.py:f", "scripted/evil.py:f", "hand:http://127.0.0.1:9/v1", "openai-compatible/http://x/v1#m"],
)
def test_a_model_with_code_or_an_address_of_the_file_s_choice_is_refused(tmp_path: Path, model: str) -> None:
    def named(process: Process) -> None:
        process.models = (model,)

    async def story() -> None:
        file = await exported(tmp_path)
        async with await Machine.open(tmp_path / "two", models={"s": scripted(once)}) as machine:
            with pytest.raises(carrying.CarryError, match="--model NAME"):
                await machine.adopt(forged(file, named), {})
            root = await machine.adopt(forged(file, named), {}, model="s")
            assert machine.kernel.processes[root].models == ("s",)

    asyncio.run(story())


def as_a_check(process: Process) -> None:
    """Has a check of its result read a file, with no right of its own."""
    process.grants, process.work, process.syscall, process.state = [], [], Exit("x"), "reviewing"
    process.review = Review((ToolCheck("files/read", {"path": "pin.txt"}),), 3, "go", "solo", label=Label((PERSON,)))
    process.review.grants = [Grant("*", endorsed=True)]


def test_check_of_a_file_does_nothing_that_its_process_may_not_do(tmp_path: Path) -> None:
    async def story() -> None:
        here = tmp_path / "here"
        here.mkdir()
        (here / "pin.txt").write_text("4711")
        shown: list[str] = []

        def model(question: Any) -> Any:
            shown.append(repr(question))
            return [request("exit", value="done")]

        coming = forged(await exported(tmp_path), as_a_check)
        lines = summary(coming, {"work": str(here)}, "")
        assert any("must pass" in line and "files/read" in line and "pin.txt" in line for line in lines)
        async with await Machine.open(tmp_path / "two", models={"s": scripted(model)}) as machine:
            root = await machine.adopt(coming, {"work": here})
            machine.resume(root)
            outcome = await machine.result(root)
        assert outcome.state == "failed" and shown
        assert "could not be checked" in shown[-1] and not any("4711" in one for one in shown)

    asyncio.run(story())


def as_of_old_rules(process: Process) -> None:
    process.rules, process.open = 0, frozenset({"anything"})
    process.habit = Habit(repeats=-1_000)
    process.part = process.reserve = Means(tokens=-(10**6), usd_micros=-1, millis=-1, calls=-1, processes=-1)


def test_file_does_not_choose_the_rules_or_shares_of_its_tree(tmp_path: Path) -> None:
    async def story() -> None:
        coming = forged(await exported(tmp_path), as_of_old_rules)
        async with await Machine.open(tmp_path / "two", models={"s": scripted(once)}) as machine:
            root = await machine.adopt(coming, {})
            process = machine.kernel.processes[root]
            assert process.rules == machine.kernel.rules > 0
            assert (process.habit, process.part, process.reserve, process.open) == (None, None, None, frozenset())

    asyncio.run(story())


def test_handle_names_no_text_that_its_file_did_not_bring(tmp_path: Path) -> None:
    async def story() -> None:
        here = tmp_path / "here"
        here.mkdir()
        (here / "long.txt").write_text(("my pin is 4711 " * 10 + "\n") * 300)

        def reader(question: Any) -> Any:
            read = [request("files/read", path="long.txt"), request("ask", question="And now?")]
            return read[len(heard(question))] if len(heard(question)) < 2 else [request("exit", value="done")]

        shown: list[str] = []

        def spy(question: Any) -> Any:
            shown.append(repr(question))
            if len(shown) == 1:
                return [request("read_result", handle=1)]
            if len(shown) == 2:
                return [request("files/write", path="copy.txt", content={"$from": 1})]
            return [request("exit", value="done")]

        file = await exported(tmp_path, before=1)
        async with await Machine.open(tmp_path / "two", models={"s": scripted(reader), "t": scripted(spy)}) as machine:
            own = await machine.start("go", model="s", work=here)
            await until(lambda: machine.kernel.processes[own].handles)
            (known,) = machine.kernel.processes[own].handles.values()
            assert known.digest

            def as_a_spy(process: Process) -> None:
                process.models = ("t",)
                process.handles = {1: msgspec.structs.replace(known, number=1, label=Label())}

            root = await machine.adopt(forged(file, as_a_spy), {"work": here})
            machine.resume(root)
            (pending,) = [asked.ask for asked in machine.asks() if asked.pid == root]
            await machine.answer(pending, False)
            await machine.result(root)
            assert len(shown) == 3 and not any("4711" in one for one in shown)
            assert not (here / "copy.txt").exists()

    asyncio.run(story())
