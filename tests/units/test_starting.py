"""What a person asks for is checked before it happens: what can't be kept is refused, and the machine goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from worlds import MachineWorld

from gemot import Budget, BudgetRequest, Calls, Grant, MachineError, program, say, scripted
from gemot.abi.grants import Rule
from gemot.abi.reviews import ReviewerCheck, SchemaCheck
from gemot.kernel.freezing import freeze_trees

LARGE = 10**30
LONG = "x" * 200_001


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@program()
async def sleeper(calls: Calls, brief: str, n: Any = None) -> None:
    await calls.receive()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"budget": Budget(tokens=LARGE)}, "tokens="),
        ({"budget": Budget(calls=1 << 63)}, "calls="),
        ({"budget": Budget(processes=LARGE)}, "processes="),
        ({"budget": Budget(tokens=-1)}, "negative"),
        ({"arguments": {"n": LARGE}}, "64 bits"),
        ({"arguments": {"n": LARGE}, "goal": "half: \ud800"}, "64 bits"),
        ({"arguments": {"n": nested(500)}}, "deep"),
        ({"grants": (Grant("spawn", uses=LARGE),)}, "64 bits"),
        ({"policy": (Grant("spawn", where={"brief": Rule(chars_max=LARGE)}),)}, "64 bits"),
        ({"review": (SchemaCheck({"maximum": LARGE}),)}, "64 bits"),
        ({"review": (SchemaCheck({"enum": [nested(500)]}),)}, "deep"),
        ({"review": (ReviewerCheck(budget=BudgetRequest(tokens=LARGE)),)}, "64 bits"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "n" * 1_000}, "name"),
    ],
    ids=repr,
)
def test_what_no_table_keeps_is_refused(asked: dict[str, Any], why: str) -> None:
    async def story() -> None:
        world = MachineWorld(programs=(sleeper,), models={"s": scripted(lambda _: say("yes"))})
        machine = world.boot()
        goal = asked.get("goal", "go")
        rest = {name: value for name, value in asked.items() if name != "goal"}
        with pytest.raises(MachineError, match=why):
            await machine.start(goal, program="sleeper", model="s", **rest)
        pid = await machine.start("go", program="sleeper", model="s")
        with pytest.raises(MachineError, match="tokens="):
            await machine.fork(pid, "go", Budget(tokens=LARGE))
        for told in (machine.send(pid, LONG), machine.fork(pid, LONG), machine.rewind(pid, 1, LONG)):
            with pytest.raises(MachineError, match="characters"):
                await told
        assert msgspec.msgpack.encode(freeze_trees(machine.kernel, [pid]))
        await machine.close()
        assert machine.failure is None

    asyncio.run(story())
