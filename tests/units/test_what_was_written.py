"""What was written where it is: the tools that change files one by one say so, and it is in the receipt and in no copy's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from worlds import KernelWorld

from gemot import Calls, Grant, Machine, Outcome, program
from gemot.abi import limits
from gemot.abi.answers import Change
from gemot.abi.events import Wrote
from gemot.abi.grants import MountRequest
from gemot.abi.labels import Label
from gemot.authority import evidence
from gemot.drivers import shipped
from gemot.kernel import changes, receipts
from gemot.machine import carrying
from gemot.machine.notes import Asking

RIGHTS = (Grant("files/*", endorsed=True), Grant("copies/*", endorsed=True), Grant("spawn"))

SEEN = "/work"
"""The folder as its processes see it."""


@program(grants=("files/*",))
async def scribe(calls: Calls, brief: str) -> str:
    """Writes one file, and changes it twice."""
    await calls.call("files/write", path="new ü.md", content="one\ntwo\n")
    await calls.call("files/edit", path="new ü.md", old="two", new="three\nfour")
    await calls.call("files/patch", path="a.md", diff="@@ -1 +1 @@\n-alpha\n+beta\n")
    return brief


@program(grants=("files/*", "spawn"))
async def chief(calls: Calls, brief: str) -> list[str]:
    """Has a scribe work on a copy."""
    pid = await calls.spawn("x", "scribe", mounts=(MountRequest(".", "work", brief),))  # type: ignore[arg-type]
    (outcome,) = (await calls.wait([pid])).ended
    return evidence.changes(outcome.receipt)


def run(work: Path, name: str, brief: str = "x") -> tuple[Outcome, list[str]]:
    """How a program ended on a folder, and the text of what it changed."""
    work.mkdir(exist_ok=True)
    (work / "a.md").write_text("alpha\n")

    async def story() -> tuple[Outcome, list[str]]:
        options: dict[str, Any] = {"in_memory": True, "drivers": shipped()}
        async with await Machine.open(programs=[scribe, chief], **options) as machine:
            outcome = await machine.result(await machine.start(brief, program=name, work=work, grants=RIGHTS))
            return outcome, [machine._loop.journal.value(one) for one in outcome.receipt.diffs]

    return asyncio.run(story())


def test_it_is_in_the_receipt_each_file_once(tmp_path: Path) -> None:
    outcome, texts = run(tmp_path / "w", "scribe")
    assert outcome.state == "done", outcome
    assert outcome.receipt.changes == (
        Change(f"{SEEN}/new ü.md", "added", 4, 1),
        Change(f"{SEEN}/a.md", "changed", 1, 1),
    )
    assert evidence.lines(outcome.receipt)[-2:] == [f"added {SEEN}/new ü.md (+4 -1)", f"changed {SEEN}/a.md (+1 -1)"]
    assert f"--- before{SEEN}/new ü.md\n+++ after{SEEN}/new ü.md" in texts[1] and "-two\n+three\n+four" in texts[1]
    assert len(texts) == 3 and "-alpha\n+beta" in texts[2]


def test_what_is_written_into_a_copy_is_told_once_by_the_look_at_the_copy(tmp_path: Path) -> None:
    copied, _ = run(tmp_path / "w", "chief", "cow")
    assert copied.value == [f"changed {SEEN}/a.md (+1 -1)", f"added {SEEN}/new ü.md (+3 -0)"]
    assert copied.receipt.changes == ()
    direct, _ = run(tmp_path / "v", "chief", "rw")
    assert direct.value == [f"added {SEEN}/new ü.md (+4 -1)", f"changed {SEEN}/a.md (+1 -1)"]


def test_what_failed_is_no_change(tmp_path: Path) -> None:
    @program(grants=("files/*",))
    async def clumsy(calls: Calls, brief: str) -> int:
        """Fails in every way."""
        uses = (
            ("files/write", {"path": "a.md", "content": "x"}),
            ("files/edit", {"path": "a.md", "old": "omega", "new": "x"}),
            ("files/patch", {"path": "a.md", "diff": "@@ -1 +1 @@\n-omega\n+x\n"}),
        )
        return sum(one.ok for one in await calls.call_all(*uses))

    (tmp_path / "a.md").write_text("alpha\n")

    async def story() -> Outcome:
        async with await Machine.open(in_memory=True, drivers=shipped(), programs=[clumsy]) as machine:
            return await machine.result(await machine.start("x", program="clumsy", work=tmp_path, grants=RIGHTS))

    outcome = asyncio.run(story())
    assert outcome.value == 0 and outcome.receipt.changes == () and outcome.receipt.diffs == ()


def test_binary_and_long_files_are_named(tmp_path: Path) -> None:
    @program(grants=("files/*",))
    async def heavy(calls: Calls, brief: str) -> bool:
        """Writes much."""
        await calls.call("files/write", path="long.txt", content="line\n" * 60_000)
        return True

    async def story() -> tuple[Outcome, str]:
        async with await Machine.open(in_memory=True, drivers=shipped(), programs=[heavy]) as machine:
            outcome = await machine.result(await machine.start("x", program="heavy", work=tmp_path, grants=RIGHTS))
            return outcome, machine._loop.journal.value(outcome.receipt.diffs[0])

    outcome, text = asyncio.run(story())
    assert outcome.receipt.changes == (Change(f"{SEEN}/long.txt", "added"),) and "too long to be shown" in text


def test_it_bears_the_label_of_what_the_tree_wrote(world: KernelWorld) -> None:
    """What is written by reference its process may never have read; its name may still be told."""
    pid = world.tree()
    process = world.kernel.processes[pid]
    assert changes.label(process).integrity == Label().integrity
    process.stored[""] = Label((), "foreign", ("mail",))
    changes.wrote(world.kernel, process, Wrote((Change("/a", "added", 1),)))
    assert changes.label(process).integrity == "foreign" and changes.label(process).secrets == ("mail",)


def test_its_text_goes_along_when_its_tree_is_carried_away(tmp_path: Path) -> None:
    @program(grants=("files/*", "ask"))
    async def asker(calls: Calls, brief: str) -> str:
        """Writes a file, then asks."""
        await calls.call("files/write", path="a.md", content="one of a kind\n")
        return await calls.ask("Right?")

    async def story() -> list[str]:
        async with await Machine.open(in_memory=True, drivers=shipped(), programs=[asker]) as machine:
            pid = await machine.start("x", program="asker", work=tmp_path, grants=(*RIGHTS, Grant("ask")))
            async for note in machine.events(pid):
                if isinstance(note, Asking):
                    break
            return carrying.pack(machine._loop.journal, machine.kernel, machine._loop.cast, pid).values

    assert any("+one of a kind" in value for value in asyncio.run(story()))


def test_there_is_a_most_of_it(world: KernelWorld) -> None:
    pid = world.tree()
    process = world.kernel.processes[pid]
    for number in range(limits.CHANGES_MAX + 5):
        changes.wrote(world.kernel, process, Wrote((Change(f"/{number}", "added", 1),), diff=f"{number}"))
    given = receipts.receipt(process, {})
    assert (len(given.changes), given.changes_more, len(given.diffs)) == (
        limits.CHANGES_MAX,
        5,
        limits.RECEIPT_USES_MAX,
    )
    assert evidence.lines(given)[-1] == "(5 more files have changed)"
