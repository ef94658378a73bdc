"""A process that requests the same things again and again, with the same results, is told, reported and ended."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from worlds import KernelWorld, started

from gemot import Budget, Calls, Grant, Machine, Outcome, SyscallFailed, ToolError, program, request, scripted, tool
from gemot.abi import limits
from gemot.abi.events import RULES, Booted, Failure, Replied, Result, Value
from gemot.abi.messages import Reply, Request, Text, ToolRequest, ToolResult, Usage
from gemot.abi.syscalls import Call, Generate, ToolUse
from gemot.machine.notes import Changed
from gemot.models.scripted import Said, heard

RIGHTS = [Grant(name) for name in ("t/look", "t/refuse", "t/count", "spawn", "wait", "status", "ask", "alarm")]
counter: Iterator[int] = itertools.count()


@tool("t/look", effect="reads", repeatable=True)
def look(path: str, lines: int = 0, how: dict[str, Any] | None = None) -> str:
    """Look at a path."""
    return f"the text of {' '.join(path.split())}"


@tool("t/refuse", effect="reads", repeatable=True)
def refuse(path: str) -> str:
    """Always fail."""
    raise ToolError("not today")


@tool("t/count", effect="reads", repeatable=True)
def count() -> str:
    """Count."""
    return f"{next(counter)}"


@tool("t/long", effect="reads", repeatable=True)
def long() -> str:
    """A text that becomes a handle."""
    return "word " * 10_000


TOOLS = [look, refuse, count, long]


def texts(question: Request) -> list[str]:
    """What the model was told, by the person and the kernel."""
    return [part.text for message in question.messages for part in message.parts if isinstance(part, Text)]


def results(question: Request) -> list[str]:
    return [part.text for message in question.messages for part in message.parts if isinstance(part, ToolResult)]


class Run:
    """One run of a script: how it ended, what its model was shown, and what those who watched were told."""

    def __init__(self, script: Callable[[int, Request], Said], *, natives: Iterable[Any] = (), **start: Any) -> None:
        self.questions: list[Request] = []
        self.notes: list[Any] = []
        self.spent = Budget()
        self.outcome: Outcome = asyncio.run(self._all(script, tuple(natives), start))

    async def _all(self, script: Callable[[int, Request], Said], natives: Any, start: dict[str, Any]) -> Outcome:
        def clerk(question: Request) -> Said:
            self.questions.append(question)
            return script(len(self.questions), question)

        models = {"m": scripted(clerk)}
        with tempfile.TemporaryDirectory() as home:
            return await self._in(home, models, natives, start)

    async def _in(self, home: str, models: Any, natives: Any, start: dict[str, Any]) -> Outcome:
        async with await Machine.open(home, models=models, tools=TOOLS, programs=natives) as machine:
            machine.watch(self.notes.append)
            words: dict[str, Any] = {"model": "m", "grants": [*RIGHTS, Grant("t/long")]} | start
            pid = await machine.start("go", **words)
            outcome = await machine.result(pid)
            self.spent = machine.kernel.processes[pid].spent.frozen()
            return outcome

    @property
    def warnings(self) -> list[str]:
        return [one for one in texts(self.questions[-1]) if "message from the kernel" in one]

    def ended_as_a_loop(self) -> None:
        assert (self.outcome.state, self.outcome.rule) == ("failed", "loop"), self.outcome
        assert len(self.questions) <= limits.LOOP_ENDED + 3
        assert self.spent.tokens < 100_000
        assert len(self.warnings) == 1, self.warnings


def test_same_call_with_same_result_is_told_reported_and_ended() -> None:
    run = Run(lambda _, __: [request("t/look", path="a.md")])
    run.ended_as_a_loop()
    assert 'the same request 5 times in a row with the same result: t/look {"path": "a.md"}' in run.warnings[0]
    assert "repeated itself" in run.outcome.error and "t/look" in run.outcome.error
    told = [note.what for note in run.notes if isinstance(note, Changed)]
    assert any(one.startswith("repeats itself: t/look") for one in told), told


Turn = Callable[[int], Said]
ORDERS = ('{"path":"a","lines":1}', '{"lines": 1, "path":\n"a"}')

LOOPS: dict[str, Turn] = {
    "failed": lambda n: [request("t/refuse", path="a")],
    "unknown tool": lambda n: [request("t/nothing", path="a")],
    "arguments that do not fit": lambda n: [request("t/look", paht="a")],
    "refused syscall": lambda n: [request("ask", question="")],
    "malformed": lambda n: [ToolRequest("", "t/look", "{")],
    "cycle of two": lambda n: [request("t/look", path="ab"[n % 2])],
    "cycle of three": lambda n: [request("t/look", path="abc"[n % 3])],
    "batch in another order": lambda n: [request("t/look", path=one) for one in "abc"[:: 1 - 2 * (n % 2)]],
    "other words beside it": lambda n: [f"Attempt {n}.", request("t/look", path="a")],
    "white space": lambda n: [request("t/look", path="a" + " " * n)],
    "order of keys": lambda n: [ToolRequest("", "t/look", ORDERS[n % 2])],
    "large result": lambda n: [request("t/long")],
    "notes of its own": lambda n: [request("status", note=f"attempt {n}"), request("t/look", path="a")],
    "rephrased and refused": lambda n: [request("ask", question=f"May I, {n}?", options=["x" * 3_000])],
    "large batch": lambda n: [request("t/look", path=f"{one}") for one in range(64)],
}

STEPS: dict[str, Turn] = {
    "a result that changes": lambda n: [request("t/count")],
    "something new": lambda n: [request("t/look", path="a"), request("t/look", path=f"b{n}")],
    "other requests that fail in the same words": lambda n: [request("t/refuse", path=f"a{n}")],
    "a few looks each": lambda n: [request("t/look", path=f"a{n // 4}")],
    "children alike": lambda n: [request("spawn", brief="take the next task", program="good")],
    "children alike, waited for": lambda n: [request("spawn", brief="next", program="good"), request("wait")],
}


@pytest.mark.parametrize("name", LOOPS)
def test_insignificant_differences_do_not_hide_a_loop(name: str) -> None:
    Run(lambda number, _: LOOPS[name](number)).ended_as_a_loop()


@pytest.mark.parametrize("name", STEPS)
def test_legitimate_repetition_is_not_a_loop(name: str) -> None:
    @program()
    async def good(calls: Calls, brief: str) -> str:
        """Succeed."""
        return "good"

    end = 3 * limits.LOOP_ENDED
    run = Run(lambda n, _: STEPS[name](n) if n < end else [request("exit", value="done")], natives=[good])
    assert run.outcome.state == "done" and not run.warnings


def test_a_model_that_heeds_the_message_goes_on() -> None:
    def clerk(number: int, question: Request) -> Said:
        warned = any("the same request" in one for one in texts(question))
        return [request("exit", value="stopped")] if warned else [request("t/look", path="a")]

    run = Run(clerk)
    assert run.outcome.value == "stopped" and len(run.questions) == limits.LOOP_TOLD + 1


def test_second_unchanged_status_is_answered_with_the_wait_that_fits() -> None:
    @program(grants=("ask",))
    async def slow(calls: Calls, brief: str) -> str:
        """Wait for the person."""
        return await calls.ask("Well?")

    def clerk(number: int, question: Request) -> Said:
        if number == 1:
            return [request("spawn", brief="x", program="slow")]
        return [request("status")] if number < 4 else [request("exit", value=results(question)[1:])]

    run = Run(clerk, natives=[slow])
    first, second = run.outcome.value
    assert "instead" not in first
    assert 'call wait with {\\"children\\":[2],\\"mode\\":\\"any\\"}' in second


def test_polling_by_status_ends_long_before_the_budget() -> None:
    @program(grants=("ask",))
    async def slow(calls: Calls, brief: str) -> str:
        """Wait for the person."""
        return await calls.ask("Well?")

    run = Run(
        lambda n, _: [request("spawn", brief="x", program="slow")] if n == 1 else [request("status")], natives=[slow]
    )
    run.ended_as_a_loop()
    assert 'call wait with {"children":[2]' in run.warnings[0]


def test_parent_is_told_of_a_child_that_repeats_itself() -> None:
    def clerk(_: int, question: Request) -> Said:
        if "loop" in texts(question)[1]:
            return [request("t/look", path="a")]
        if not heard(question):
            return [request("spawn", brief="loop", program="solo", grants=["t/look"]), request("wait")]
        return [request("exit", value=texts(question)[-1])]

    run = Run(clerk)
    assert "message from the kernel" in run.outcome.value
    assert "process 2 (solo) repeats itself: 8 turns" in run.outcome.value and "t/look" in run.outcome.value


def test_native_program_is_told_by_an_answer_and_then_ended() -> None:
    told: list[str] = []

    @program(grants=("t/look",))
    async def stubborn(calls: Calls, brief: str) -> None:
        """Look for ever."""
        while True:
            try:
                await calls.call("t/look", path="a")
            except SyscallFailed as failure:
                told.append(f"{failure.rule}: {failure}")

    run = Run(lambda _, __: "", natives=[stubborn], program="stubborn")
    assert (run.outcome.state, run.outcome.rule) == ("failed", "loop")
    assert len(set(told)) == 1 and told[0].startswith("loop: you have made the same request")
    assert run.spent.calls < 200


def test_native_program_that_waits_between_looks_is_not_ended() -> None:
    @program(grants=("t/look",))
    async def patient(calls: Calls, brief: str) -> str:
        """Look, sleep, look."""
        for _ in range(3):
            for _ in range(30):
                await calls.call("t/look", path="a")
            await calls.wait(timeout_seconds=1)
        return "done"

    assert Run(lambda _, __: "", natives=[patient], program="patient").outcome.value == "done"


def test_a_row_goes_on_after_a_restart(tmp_path: Path) -> None:
    asked = itertools.count(1)

    async def part(turns: int) -> Outcome | None:
        gate = asyncio.Event()

        async def clerk(question: Request) -> Said:
            if next(asked) > turns:
                gate.set()
                await asyncio.Event().wait()
            return [request("t/look", path="a")]

        async with await Machine.open(tmp_path, models={"m": scripted(clerk)}, tools=TOOLS) as machine:
            if turns < 100:
                await machine.start("go", model="m", grants=RIGHTS)
                await gate.wait()
                return None
            machine.resume()
            return await machine.result(1)

    assert asyncio.run(part(limits.LOOP_REPORTED)) is None
    outcome = asyncio.run(part(100))
    assert outcome is not None and (outcome.state, outcome.rule) == ("failed", "loop")
    assert next(asked) <= limits.LOOP_ENDED + 3


def alive_after(world: KernelWorld, turns: int, millis: int, result: Result) -> bool:
    """A model asks for the same tool use in so many turns, each of which takes so long; says whether its process is alive."""
    world.feed(Booted(world.at, rules=RULES))
    pid = world.tree(program="talker")
    process = world.kernel.processes[pid]
    reply = Replied(Reply((ToolRequest("", "disk/read", '{"path": "a"}'),), Usage(), "m"))
    for _ in range(turns):
        asked = started(world.trap(pid, Generate("go on")))
        if not process.alive:
            break
        if not asked:  # it was told that it repeats itself
            continue
        world.done(asked[0], reply)
        (work,) = started(world.trap(pid, Call((ToolUse("disk/read", {"path": "a"}),))))
        world.at += millis
        world.done(work, result, 10)
    return process.alive


SLOW = limits.LOOP_PAUSE_SECONDS * 1000


@pytest.mark.parametrize(
    ("millis", "result", "alive"),
    [
        (SLOW, Value("not yet"), True),
        (SLOW - 1, Value("not yet"), False),
        (SLOW, Failure("deadline", "no result"), False),
    ],
)
def test_use_that_took_time_and_gave_a_result_is_no_repetition(
    world: KernelWorld, millis: int, result: Result, alive: bool
) -> None:
    assert alive_after(world, 3 * limits.LOOP_ENDED, millis, result) is alive
