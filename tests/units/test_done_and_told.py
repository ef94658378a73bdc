"""What a process is told of a use that acts, whatever fails between the call of its tool and the record of its result."""

from __future__ import annotations

import asyncio
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gemot import Machine, MachineError
from gemot.abi.grants import Grant
from gemot.drivers.errors import Unsure
from gemot.drivers.kit import Picture, Tool, ToolError, tool
from gemot.journal.contract import Damaged, Fenced, Full, JournalError
from gemot.journal.sqlite import SqliteJournal
from gemot.machine import using, written
from gemot.programs.native import Calls, program

LONG = "a receipt " * 1_000
PIXEL = Picture(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc330000"
        "000049454e44ae426082"
    ),
    "a receipt",
)


class Till:
    """A shop: each payment is written down beyond the reach of the machine."""

    def __init__(
        self, result: Any = LONG, error: Callable[[], BaseException] | None = None, slow: bool = False
    ) -> None:
        self.paid: list[str] = []
        self.result, self.error, self.slow = result, error, slow
        self.gate = threading.Event()

    def tool(self, repeatable: bool = False, seconds: int = 20, waits: bool = False) -> Tool:
        def act(what: str) -> Any:
            if self.slow:
                self.gate.wait(20)
            self.paid.append(what)
            if self.error is not None:
                raise self.error()
            return self.result

        def pay(what: str) -> Any:
            "Pay. what: for what."
            return act(what)

        async def pay_later(what: str) -> Any:
            "Pay. what: for what."
            return act(what)

        made = tool("till/pay", effect="sends", repeatable=repeatable, seconds_max=seconds)
        return made(pay_later if waits else pay)


@program(grants=("till/*",))
async def buyer(calls: Calls, brief: str) -> list[Any]:
    """Pays once, and says what it was told."""
    told = await calls.call_all(("till/pay", {"what": brief}))
    return [[one.rule, one.text] for one in told]


async def lived(till: Till, *, journal: Any = None, made: Tool | None = None, **opened: Any) -> Any:
    tools = [till.tool() if made is None else made]
    where = {"in_memory": True} if journal is None else {"journal": journal}
    async with await Machine.open(**where, tools=tools, programs=[buyer], **opened) as machine:
        pid = await machine.start("rent", program="buyer", grants=[Grant("till/*")])
        return (await asyncio.wait_for(machine.result(pid), 20)).value[0], machine.processes(pid)


class Failing(SqliteJournal):
    """A journal on a real file in which calls of one kind fail from the first payment on."""

    def __init__(self, path: Path, till: Till, error: Callable[[], JournalError], after: bool = False) -> None:
        super().__init__(path)
        self.till, self.error, self.after = till, error, after

    def put_value(self, text: str) -> str:
        if self.till.paid and not self.after:
            raise self.error()
        digest = super().put_value(text)
        if self.till.paid:
            raise self.error()
        return digest


ERRORS: list[Callable[[], JournalError]] = [
    lambda: Full("no room"),
    lambda: Fenced("another machine"),
    lambda: Damaged("gone", 0),
    lambda: JournalError("held by another program"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", ERRORS, ids=["full", "fenced", "damaged", "locked"])
@pytest.mark.parametrize("result", [LONG, [PIXEL]], ids=["long", "image"])
def test_result_that_the_journal_can_not_keep_stops_the_machine_and_is_in_doubt(
    tmp_path: Path, error: Callable[[], JournalError], result: Any, after: bool
) -> None:
    till = Till(result)
    path = tmp_path / "journal.db"

    async def first() -> None:
        with pytest.raises(MachineError, match="the machine stopped"):
            await lived(till, journal=Failing(path, till, error, after))

    async def second() -> Any:
        opened = await Machine.open(journal=SqliteJournal(path), tools=[till.tool()], programs=[buyer], resume=True)
        async with opened as machine:
            outcome = await asyncio.wait_for(machine.result(1), 20)
            return outcome.value[0], [use.shown for use in outcome.receipt.uses]

    asyncio.run(first())
    (rule, _), uses = asyncio.run(second())
    assert (rule, till.paid) == ("in_doubt", ["rent"])
    assert uses == ['till/pay {"what":"rent"}, in doubt']


@pytest.mark.parametrize("waits", [False, True], ids=["thread", "coroutine"])
@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (lambda: RuntimeError("connection reset"), "in_doubt"),
        (lambda: KeyboardInterrupt(), "in_doubt"),
        (lambda: asyncio.CancelledError(), "in_doubt"),
        (lambda: TimeoutError("no answer"), "in_doubt"),
        (lambda: JournalError("of a machine within the tool"), "in_doubt"),
        (lambda: Unsure("the connection broke off"), "in_doubt"),
        (lambda: ToolError("there is no money"), "failed"),
    ],
    ids=["error", "interrupt", "cancelled", "timeout", "journal", "unsure", "own word"],
)
def test_unexpected_error_of_a_tool_that_acts_is_in_doubt(
    error: Callable[[], BaseException], rule: str, waits: bool
) -> None:
    till = Till(error=error)
    (told, text), _ = asyncio.run(lived(till, made=till.tool(waits=waits)))
    assert (told, till.paid) == (rule, ["rent"]), text


def test_wrong_answer_of_a_provider_is_not_told_as_malformed_arguments() -> None:
    import msgspec

    till = Till(error=lambda: msgspec.ValidationError("Expected `int`"))
    (rule, text), _ = asyncio.run(lived(till))
    assert rule == "in_doubt" and "Expected" in text


@pytest.mark.parametrize("repeatable", [False, True])
@pytest.mark.parametrize("result", [{"a": object()}, (number for number in range(3))], ids=["object", "generator"])
def test_result_that_can_not_be_written_is_in_doubt_and_not_failed(result: Any, repeatable: bool) -> None:
    till = Till(result)
    (rule, text), _ = asyncio.run(lived(till, made=till.tool(repeatable)))
    assert rule == "in_doubt" and "till/pay ended" in text and till.paid == ["rent"]


def test_failing_redaction_is_in_doubt_and_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    from gemot.models.redacting import Redactor

    def anything(self: Redactor, value: Any) -> Any:
        raise ValueError("no form for that")

    monkeypatch.setattr(Redactor, "anything", anything)
    till = Till("short")
    (rule, _), _ = asyncio.run(lived(till))
    assert rule == "in_doubt" and till.paid == ["rent"]


def test_use_that_waits_in_the_queue_until_its_deadline_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(using, "TOOLS_AT_ONCE", 1)
    till = Till("paid", slow=True)

    @tool("till/hold", effect="reads", repeatable=True, seconds_max=20)
    def hold() -> str:
        "Keep the only thread."
        till.gate.wait(20)
        return "held"

    @program(grants=("till/*",))
    async def two(calls: Calls, brief: str) -> list[Any]:
        """Starts a child that keeps the thread, then pays."""
        await calls.spawn("hold", "holder")
        told = await calls.call_all(("till/pay", {"what": "rent"}))
        return [[one.rule, one.text] for one in told]

    @program(grants=("till/*",))
    async def holder(calls: Calls, brief: str) -> str:
        """Keeps the thread."""
        return await calls.call("till/hold")

    async def go() -> Any:
        tools = [till.tool(seconds=1), hold]
        async with await Machine.open(in_memory=True, tools=tools, programs=[two, holder]) as machine:
            pid = await machine.start("go", program="two", grants=[Grant("till/*"), Grant("spawn")])
            outcome = await asyncio.wait_for(machine.result(pid), 20)
            till.gate.set()
            return outcome.value[0], [use.shown for use in outcome.receipt.uses]

    (rule, text), uses = asyncio.run(go())
    assert rule == "not_begun" and "no effect" in text and till.paid == []
    assert uses == ['till/pay {"what":"rent"}, not begun']


def test_use_that_had_not_begun_when_its_machine_closed_is_begun_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(using, "TOOLS_AT_ONCE", 0)
    till, path = Till("paid"), tmp_path / "journal.db"

    async def first() -> None:
        made = {"tools": [till.tool()], "programs": [buyer]}
        async with await Machine.open(journal=SqliteJournal(path), **made) as machine:
            await machine.start("rent", program="buyer", grants=[Grant("till/*")])
            while not machine._loop.stage._begun:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)

    async def second() -> Any:
        made = {"tools": [till.tool()], "programs": [buyer]}
        async with await Machine.open(journal=SqliteJournal(path), resume=True, **made) as machine:
            return (await asyncio.wait_for(machine.result(1), 20)).value[0]

    asyncio.run(first())
    assert till.paid == []
    monkeypatch.setattr(using, "TOOLS_AT_ONCE", 4)
    assert asyncio.run(second()) == ["", "paid"] and till.paid == ["rent"]


def test_broken_machine_begins_no_use_that_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(using, "TOOLS_AT_ONCE", 0)
    till = Till("paid")

    async def go() -> None:
        path = tmp_path / "journal.db"
        async with await Machine.open(journal=SqliteJournal(path), tools=[till.tool()], programs=[buyer]) as machine:
            await machine.start("rent", program="buyer", grants=[Grant("till/*")])
            while not machine._loop.stage._begun:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            SqliteJournal(path).close()  # another machine opens it, so this one is fenced off
            with pytest.raises(MachineError, match="another machine"):
                machine.pause(1)
            threads = machine._loop.stage.uses.threads
            threads._most = 4
            threads._fill()
            await asyncio.sleep(0.05)

    asyncio.run(go())
    assert till.paid == []


def test_result_stays_where_its_changes_can_not_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gemot.drivers import shipped

    def told(*_: object) -> Any:
        raise MemoryError

    monkeypatch.setattr(written, "told", told)

    @program(grants=("files/*",))
    async def writer(calls: Calls, brief: str) -> list[Any]:
        """Writes a file."""
        told = await calls.call_all(("files/write", {"path": "a.txt", "content": "x"}))
        return [one.rule for one in told]

    async def go() -> Any:
        async with await Machine.open(in_memory=True, drivers=shipped(), programs=[writer]) as machine:
            pid = await machine.start("go", program="writer", work=tmp_path)
            return await asyncio.wait_for(machine.result(pid), 20)

    outcome = asyncio.run(go())
    assert outcome.value == [""] and (tmp_path / "a.txt").read_text() == "x"
    assert "could not be told" in outcome.receipt.unknown


HOLDER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
time.sleep(3)
db.execute("COMMIT")
"""


def held(path: Path) -> subprocess.Popen[str]:
    """Another program that holds the journal's lock: from its first line on, until 3 s after it is told to go on."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_lock_that_another_program_holds_for_3_s_costs_no_second_payment(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    till = Till(LONG, slow=True)

    async def go() -> Any:
        tools = [till.tool()]
        async with await Machine.open(journal=SqliteJournal(path), tools=tools, programs=[buyer]) as machine:
            pid = await machine.start("rent", program="buyer", grants=[Grant("till/*")])
            while not machine._loop.stage._begun:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            with held(path) as holder:
                assert holder.stdout is not None and holder.stdin is not None
                await asyncio.to_thread(holder.stdout.readline)
                till.gate.set()
                holder.stdin.write("\n")
                holder.stdin.flush()
                outcome = await asyncio.wait_for(machine.result(pid), 30)
            return outcome.value[0]

    rule, _ = asyncio.run(go())
    assert (rule, till.paid) == ("", ["rent"])


FULL_DISK = """
import asyncio, sys
from pathlib import Path
from gemot import Calls, Grant, Machine, MachineError, program, tool

home, ledger = Path(sys.argv[1]) / "home", Path(sys.argv[2])

@tool("till/pay", effect="sends", repeatable=False)
def pay(what: str) -> str:
    "Pay. what: for what."
    with ledger.open("a") as out:
        out.write(what + "\\n")
    return "a receipt " * 60_000

@program(grants=("till/*",))
async def buyer(calls: Calls, brief: str) -> list[str]:
    "Pays once."
    return [one.rule for one in await calls.call_all(("till/pay", {"what": brief}))]

async def main() -> None:
    resume = len(sys.argv) > 3
    async with await Machine.open(home, tools=[pay], programs=[buyer], resume=resume) as machine:
        pid = 1 if resume else await machine.start("rent", program="buyer", grants=[Grant("till/*")])
        try:
            print((await asyncio.wait_for(machine.result(pid), 60)).value)
        except MachineError as error:
            print("stopped:", error)

asyncio.run(main())
"""


def can_mount() -> bool:
    """Also anew with another size, which util-linux lets only root do on some computers."""
    with tempfile.TemporaryDirectory() as folder:
        command = f"mount -t tmpfs -o size=500k none {folder} && mount -o remount,size=1m {folder}"
        tried = subprocess.run(["unshare", "-rm", "sh", "-ec", command], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="this computer lets nobody mount a file system of their own")
def test_full_disk_costs_no_second_payment(tmp_path: Path) -> None:
    script, ledger, small = tmp_path / "script.py", tmp_path / "ledger", tmp_path / "small"
    script.write_text(FULL_DISK)
    small.mkdir()
    run = shlex.join([sys.executable, str(script), str(small), str(ledger)])
    command = textwrap.dedent(f"""
        mount -t tmpfs -o size=500k none {small}
        {run}
        mount -o remount,size=20m {small}
        {run} resume
    """)
    ended = subprocess.run(["unshare", "-rm", "sh", "-ec", command], capture_output=True, text=True, check=False)
    first, second = ended.stdout.splitlines()
    assert first.startswith("stopped:") and "full" in first, (ended.stdout, ended.stderr)
    assert second == "['in_doubt']" and ledger.read_text() == "rent\n"


def test_journal_of_a_failing_machine_is_whole(tmp_path: Path) -> None:
    till, path = Till(), tmp_path / "journal.db"

    async def first() -> None:
        with pytest.raises(MachineError):
            await lived(till, journal=Failing(path, till, ERRORS[0]))

    asyncio.run(first())
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
