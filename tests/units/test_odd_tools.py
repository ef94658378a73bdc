"""Tools that fail oddly, on a whole machine: each use is answered by its deadline, and the machine goes on and ends."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gemot import Machine
from gemot.abi.grants import Grant
from gemot.drivers.kit import Tool, ToolError, tool
from gemot.programs.native import Calls, program


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


class MuteError(ToolError):
    def __str__(self) -> str:
        raise SystemExit(3)


def raising(error: Callable[[], BaseException]) -> Callable[[], Any]:
    def function() -> str:
        "A tool."
        raise error()

    return function


async def inner_cancelled() -> str:
    "A tool."
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task
    return "never"


async def exits() -> str:
    "A tool."
    sys.exit(2)


async def stubborn() -> str:
    "A tool."
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


async def late_error() -> str:
    "A tool."
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise ValueError("after it was cancelled") from None
    return ""


def hangs() -> str:
    "A tool."
    threading.Event().wait()
    return "never"


def generates() -> Any:
    "A tool."
    return (number for number in range(3))


def coroutine() -> Any:
    "A tool."

    async def later() -> str:
        return "later"

    return later()


def odd_value() -> Any:
    "A tool."
    return {"a": object()}


def recursive() -> str:
    "A tool."
    return recursive()


def endless_value() -> Any:
    "A tool."
    value: list[Any] = []
    value.append(value)
    return value


def huge() -> str:
    "A tool."
    raise ValueError("x" * 5_000_000)


def half_a_character() -> str:
    "A tool."
    return "a\ud800b"


def stops() -> str:
    "A tool."
    return next(iter([]))


def use(function: Callable[..., Any], effect: Any = "reads", seconds: int = 2) -> tuple[str, str]:
    """The rule and the text with which one use is answered; the machine can be used afterwards, and closes."""

    @tool("odd/fine", effect="computes", repeatable=True)
    def fine() -> str:
        "A tool."
        return "fine"

    @program(grants=("odd/*",))
    async def asks(calls: Calls, brief: str) -> list[Any]:
        told = [*await calls.call_all(("odd/tool", {})), *await calls.call_all(("odd/fine", {}))]
        return [[one.rule, one.text] for one in told]

    made: Tool = tool("odd/tool", effect=effect, repeatable=True, seconds_max=seconds)(function)

    async def go() -> Any:
        async with await Machine.open(in_memory=True, tools=[made, fine], programs=[asks]) as machine:
            pid = await machine.start("go", program="asks", grants=[Grant("odd/*")])
            outcome = await asyncio.wait_for(machine.result(pid), seconds + 20)
            assert machine.failure is None
            return outcome.value

    (rule, text), (_, then) = asyncio.run(asyncio.wait_for(go(), seconds + 30))
    assert then == "fine"
    return rule, text


ODD: list[tuple[Callable[..., Any], str, str]] = [
    (raising(Mute), "failed", "Mute"),
    (raising(MuteError), "failed", "MuteError"),
    (raising(asyncio.CancelledError), "failed", "CancelledError"),
    (raising(StopIteration), "failed", "StopIteration"),
    (raising(StopAsyncIteration), "failed", "StopAsyncIteration"),
    (raising(KeyboardInterrupt), "failed", "KeyboardInterrupt"),
    (raising(lambda: SystemExit(2)), "failed", "SystemExit"),
    (raising(GeneratorExit), "failed", "GeneratorExit"),
    (raising(lambda: BaseExceptionGroup("some", [KeyboardInterrupt()])), "failed", "BaseExceptionGroup"),
    (raising(lambda: ValueError("half \ud800")), "failed", "half"),
    (raising(lambda: TimeoutError("the database was slow")), "failed", "the database was slow"),
    (inner_cancelled, "failed", "CancelledError"),
    (exits, "failed", "SystemExit"),
    (stops, "failed", "StopIteration"),
    (generates, "failed", "generator"),
    (coroutine, "", "later"),
    (odd_value, "failed", "object"),
    (recursive, "failed", "RecursionError"),
    (endless_value, "failed", "Recursion"),
    (huge, "failed", "characters ..."),
    (half_a_character, "", "a\\ud800b"),
]


@pytest.mark.parametrize("effect", ["reads", "computes"])
@pytest.mark.parametrize(("function", "rule", "words"), ODD, ids=range(len(ODD)))
def test_an_odd_failure_is_answered_at_once_in_words(
    function: Callable[..., Any], rule: str, words: str, effect: str
) -> None:
    answered, text = use(function, effect, 30)
    assert answered == rule and words in text and len(text) < 9_000, (answered, text[:300])


@pytest.mark.parametrize("function", [stubborn, late_error, hangs])
@pytest.mark.parametrize("effect", ["reads", "computes"])
def test_a_tool_that_does_not_end_is_answered_at_its_deadline(function: Callable[..., Any], effect: str) -> None:
    rule, text = use(function, effect, 1)
    assert rule == "deadline" and "1 s" in text


def test_an_asynchronous_tool_that_raises_oddly_is_answered() -> None:
    for error in (Mute, StopIteration, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError):

        async def function(error: Any = error) -> str:
            "A tool."
            raise error()

        made = lambda: function()  # noqa: E731 - a plain function that returns a coroutine
        made.__doc__, made.__annotations__ = "A tool.", {"return": str}
        rule, text = use(made, seconds=30)
        assert rule == "failed" and (error.__name__ in text or error is StopIteration), text


def test_hung_tools_do_not_keep_the_others_from_their_turn() -> None:
    @tool("odd/hangs", effect="reads", repeatable=True, seconds_max=1)
    def hanging() -> str:
        "A tool."
        threading.Event().wait()
        return "never"

    @tool("odd/fine", effect="reads", repeatable=True)
    def fine() -> str:
        "A tool."
        return "fine"

    @program(grants=("odd/*",))
    async def asks(calls: Calls, brief: str) -> list[Any]:
        hung = await calls.call_all(*[("odd/hangs", {})] * 40)
        return [one.text for one in (*hung, *await calls.call_all(("odd/fine", {})))]

    async def go() -> Any:
        async with await Machine.open(in_memory=True, tools=[hanging, fine], programs=[asks]) as machine:
            pid = await machine.start("go", program="asks", grants=[Grant("odd/*")])
            return (await asyncio.wait_for(machine.result(pid), 60)).value

    assert asyncio.run(go())[-1] == "fine"


@pytest.mark.parametrize("body", ["threading.Event().wait()", "stubborn"])
def test_a_program_ends_although_a_tool_of_it_hangs(body: str) -> None:
    hanging = "async def" if body == "stubborn" else "def"
    inside = (
        "\n    while True:\n        try:\n            await asyncio.sleep(60)\n        except asyncio.CancelledError:\n            pass"
        if body == "stubborn"
        else f"\n    {body}"
    )
    script = textwrap.dedent(
        """
        import asyncio, threading
        from gemot import Machine, scripted
        from gemot.abi.grants import Grant
        from gemot.drivers.kit import tool
        from gemot.models.scripted import request

        @tool("odd/tool", effect="reads", repeatable=True, seconds_max=1)
        HANGING function() -> str:
            "A tool."BODY

        def model(question):
            return request("exit", value="end") if "deadline" in str(question.messages) else request("odd/tool")

        async def main():
            opened = await Machine.open(in_memory=True, tools=[function], models={"m": scripted(model)})
            async with opened as machine:
                pid = await machine.start("go", model="m", grants=[Grant("odd/*")])
                print((await machine.result(pid)).state)

        asyncio.run(main())
        """
    )
    script = script.replace("HANGING", hanging).replace("BODY", inside)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0 and ended.stdout.strip(), ended.stderr
