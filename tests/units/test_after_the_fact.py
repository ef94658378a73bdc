"""What a person can see afterwards: what a rewinding left changed, and what they answered to which question."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gemot import Grant, Machine, MachineError, request, scripted, tool
from gemot.abi.effects import Asked
from gemot.abi.messages import Request, Text
from gemot.cli.wording import Teller
from gemot.machine.notes import AskAnswered, Note, to_json
from gemot.models.scripted import Said, heard


@tool("t/write", effect="writes", repeatable=False)
def write(path: str) -> str:
    """Write a file."""
    return f"wrote {path}"


@tool("t/send", effect="sends", repeatable=False, asks=True)
def send(text: str) -> str:
    """Send a letter."""
    return "sent"


TOOLS = [write, send]


async def asked(machine: Machine) -> Asked:
    for _ in range(2_000):
        if machine.asks():
            return machine.asks()[0]
        await asyncio.sleep(0.005)
    raise AssertionError("nobody asked")


def test_rewind_says_what_stays_done_to_the_person_and_to_the_model(tmp_path: Path) -> None:
    shown: list[str] = []

    def clerk(question: Request) -> Said:
        shown[:] = [part.text for message in question.messages for part in message.parts if isinstance(part, Text)]
        if any("stays done" in text for text in shown):
            return [request("exit", value="seen")]
        if not heard(question):
            return [request("ask", question="Ready?")]
        return [request("t/write", path="new.md"), request("ask", question="And now?")]

    async def play() -> None:
        async with await Machine.open(tmp_path, models={"m": scripted(clerk)}, tools=TOOLS) as machine:
            pid = await machine.start("go", model="m", grants=[Grant("t/write"), Grant("ask")])
            first = await asked(machine)
            position = machine._loop.journal.position
            assert await machine.done_since(pid, position) == ()
            await machine.answer(first.ask, text="yes")
            await asked(machine)
            assert await machine.done_since(pid, position) == ('process 1: t/write {"path":"new.md"}',)
            await machine.rewind(pid, position, "go on")
            assert (await machine.result(pid)).value == "seen"
        (kernel,) = [text for text in shown if "stays done" in text]
        assert kernel.startswith("[message from the kernel]") and 't/write {"path":"new.md"}' in kernel

    asyncio.run(play())


@pytest.mark.parametrize(
    ("wanted", "answer", "line"),
    [
        (request("t/send", text="hello"), {"allow": True}, "you answered (1) to use t/send: yes"),
        (
            request("t/send", text="hello"),
            {"allow": True, "scope": "process"},
            "you answered (1) to use t/send: yes, also for later uses by this process",
        ),
        (
            request("t/send", text="hello"),
            {"allow": False, "text": "not today"},
            "you answered (1) to use t/send: no: not today",
        ),
        (request("ask", question="Which licence?"), {"text": "MIT, please"}, "you answered (1): MIT, please"),
    ],
)
def test_answers_to_asks_are_noted_with_their_words_and_scope(
    tmp_path: Path, wanted: Any, answer: dict[str, Any], line: str
) -> None:
    notes: list[Note] = []

    async def play() -> None:
        def clerk(question: Request) -> Said:
            return [request("exit", value="done")] if heard(question) else [wanted]

        async with await Machine.open(tmp_path, models={"m": scripted(clerk)}, tools=TOOLS) as machine:
            machine.watch(notes.append)
            pid = await machine.start("go", model="m", grants=[Grant("t/send"), Grant("ask")])
            await machine.answer((await asked(machine)).ask, **answer)
            await machine.result(pid)

    asyncio.run(play())
    (note,) = [one for one in notes if isinstance(one, AskAnswered)]
    assert [one.text for one in Teller(full=True).lines(note)] == [line]
    stored = msgspec.json.decode(to_json(note))
    assert (stored["type"], stored["pid"], stored["by"]) == ("ask_answered", 1, "person") and stored["at"] > 0
    assert stored["allow"] is answer.get("allow", True) and stored["text"] == answer.get("text", "")


@pytest.mark.parametrize("words", ["no", "2", "not today", "yes, but to Bob"])
def test_words_that_are_no_yes_allow_no_action(tmp_path: Path, words: str) -> None:
    async def play() -> None:
        def clerk(question: Request) -> Said:
            return [request("exit", value="done")] if heard(question) else [request("t/send", text="hello")]

        async with await Machine.open(tmp_path, models={"m": scripted(clerk)}, tools=TOOLS) as machine:
            pid = await machine.start("go", model="m", grants=[Grant("t/send")])
            ask = (await asked(machine)).ask
            with pytest.raises(MachineError, match="one action: say yes or no"):
                await machine.answer(ask, text=words)
            assert [one.ask for one in machine.asks()] == [ask]
            await machine.answer(ask, text="yes")
            assert (await machine.result(pid)).receipt.uses[0].ok

    asyncio.run(play())
