"""Programs that use nothing but syscalls, on a real machine in memory: the way in is the only way there is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from worlds import MachineWorld, bill, settled

from gemot import (
    Budget,
    BudgetRequest,
    Calls,
    Driver,
    Grant,
    MachineError,
    Outcome,
    SyscallFailed,
    program,
    request,
    say,
    scripted,
)
from gemot.abi.messages import Request
from gemot.abi.syscalls import SYSCALLS, Status
from gemot.models.port import Model
from gemot.models.scripted import heard
from gemot.programs.native import Native

EVERYTHING = (*(Grant(name) for name in SYSCALLS), Grant("*"))
BUDGET = Budget(tokens=10**6, usd_micros=10**6, millis=10**6, processes=50, depth=40, calls=5_000)
YES = scripted(lambda _: say("yes"))


def machine_driver() -> Driver:
    driver = Driver("echo", "Says what it is told.")

    @driver.tool(effect="computes", repeatable=True)
    def back(text: str) -> str:
        """The same text."""
        return text

    @driver.tool(effect="computes", repeatable=True)
    def long() -> str:
        """A long text."""
        return "0123456789" * 2_000

    @driver.tool(effect="computes", repeatable=True)
    def broken() -> str:
        """Fails."""
        raise RuntimeError("the driver fell over")

    @driver.tool(effect="computes", repeatable=True)
    def half() -> str:
        """Half of a surrogate pair, as files and providers hold them at times."""
        return "half: \ud800"

    return driver


async def outcome_of(
    body: Native, *, model: Model = YES, budget: Budget = BUDGET, **more: Any
) -> tuple[Outcome, MachineWorld]:
    world = MachineWorld(programs=(body,), drivers=(machine_driver(),), models={"s": model})
    machine = world.boot()
    pid = await machine.start("go", program=body.spec.name, model="s", grants=EVERYTHING, budget=budget, **more)
    outcome = await machine.result(pid)
    await settled(machine, 20)
    await machine.close()
    return outcome, world


def run(body: Native, **more: Any) -> Outcome:
    return asyncio.run(outcome_of(body, **more))[0]


def test_a_program_forks_children_and_collects_their_answers() -> None:
    @program()
    async def family(calls: Calls, brief: str) -> list[Any]:
        for number in range(3):
            if await calls.fork(f"part {number}") == 0:
                await calls.exit((await calls.status())["pid"] > 0 and f"did part {number}")
        return [one.value for one in (await calls.wait()).ended]

    assert run(family).value == ["did part 0", "did part 1", "did part 2"]


def test_a_program_uses_tools_one_and_several() -> None:
    @program()
    async def user(calls: Calls, brief: str) -> list[Any]:
        one = await calls.call("echo/back", text="one")
        both = await calls.call_all(("echo/back", {"text": "two"}), ("echo/broken", {}))
        (long,) = await calls.call_all(("echo/long", {}))
        assert long.handle is not None
        part = await calls.read(long.handle.number, 5, 7)
        return [one, both[0].text, both[1].text, part, long.handle.size_chars]

    assert run(user).value == ["one", "two", "RuntimeError: the driver fell over", "5678901", 20_000]


def test_a_refusal_is_an_exception_that_teaches() -> None:
    @program()
    async def curious(calls: Calls, brief: str) -> list[str]:
        learnt: list[str] = []
        for tool in ("echo/bakc", "echo/back"):
            try:
                await calls.call(tool, txet="x")
            except SyscallFailed as refusal:
                learnt.append(f"{refusal.rule}: {refusal}")
        return learnt

    first, second = run(curious).value
    assert first.startswith("unknown") and "echo/back" in first
    assert second.startswith("malformed") and "text" in second


def test_text_that_is_no_unicode_is_written_down_all_the_same() -> None:
    @program()
    async def reader(calls: Calls, brief: str) -> str:
        return await calls.call("echo/half")

    assert run(reader).value == "half: \\ud800"


def test_a_model_is_asked_by_a_native_program_and_its_use_is_billed() -> None:
    @program()
    async def asker(calls: Calls, brief: str) -> str:
        return await calls.generate("Is it?", system="Answer.", choose=("yes", "no"))

    outcome, world = asyncio.run(outcome_of(asker))
    assert outcome.value == "yes"
    assert outcome.spent.tokens == bill(world.history()) > 0


def test_messages_and_alarms_reach_a_program() -> None:
    @program()
    async def post(calls: Calls, brief: str) -> list[str]:
        child = await calls.fork("answer")
        if child == 0:
            (mail,) = await calls.receive()
            await calls.send(0, mail.text.upper())
            await calls.exit()
        await calls.send(child, "hello")
        (mail,) = await calls.receive()
        await calls.alarm(0, "wake")
        (bell,) = await calls.receive()
        return [mail.text, bell.text.partition(": ")[2]]

    assert run(post).value == ["HELLO", "wake"]


def test_a_program_that_raises_ends_and_its_parent_learns_why() -> None:
    @program()
    async def clumsy(calls: Calls, brief: str) -> list[str]:
        if await calls.fork("fall") == 0:
            raise KeyError("lost")
        (outcome,) = (await calls.wait()).ended
        return [outcome.state, outcome.rule, outcome.error]

    state, rule, error = run(clumsy).value
    assert (state, rule) == ("failed", "fault") and "KeyError" in error


@pytest.mark.parametrize("wrong", ["exit", "object", "await", "type"])
def test_a_program_that_does_what_no_program_may_ends_alone(wrong: str) -> None:
    @program()
    async def rogue(calls: Calls, brief: str) -> object:
        if await calls.fork("be wrong") == 0:
            if wrong == "exit":
                raise SystemExit(3)
            if wrong == "object":
                await calls.call("echo/back", text=object())
            if wrong == "await":
                await asyncio.sleep(0)
            return {"a": object()}
        (outcome,) = (await calls.wait()).ended
        return [outcome.state, outcome.rule]

    assert run(rogue).value == ["failed", "fault"]


def test_a_program_that_fights_its_end_ends() -> None:
    @program()
    async def stubborn(calls: Calls, brief: str) -> object:
        child = await calls.fork("stay")
        if child == 0:
            try:
                await calls.receive()
            finally:
                await calls.receive()
        return (await calls.kill(child)).state

    assert run(stubborn).value == "killed"


def test_a_result_that_its_parent_did_not_ask_for_fails_with_the_reason() -> None:
    @program()
    async def strict(calls: Calls, brief: str) -> list[str]:
        if await calls.fork("choose", returns={"enum": ["good", "bad"]}) == 0:
            return ["neither"]
        (outcome,) = (await calls.wait()).ended
        return [outcome.state, outcome.error]

    state, error = run(strict).value
    assert state == "failed" and "'good'" in error


# Runaways: contained by arithmetic.


def alive_at_most(world: MachineWorld, most: list[int]) -> None:
    def look(_: object) -> None:
        most.append(sum(one.alive for one in world.machine.kernel.processes.values()) - 1)

    world.machine.watch(look)


async def runaway(body: Native | None, model: Model, program_name: str) -> tuple[Outcome, MachineWorld, int]:
    world = MachineWorld(programs=(body,) if body else (), models={"s": model})
    machine = world.boot()
    most: list[int] = [0]
    alive_at_most(world, most)
    pid = await machine.start("go", program=program_name, model="s", grants=EVERYTHING, budget=BUDGET)
    outcome = await machine.result(pid)
    await settled(machine, 50)
    kernel = machine.kernel
    assert not any(process.alive for process in kernel.processes.values())
    assert bill(world.history()) == sum(process.spent.tokens for process in kernel.processes.values())
    await machine.close()
    return outcome, world, max(most)


def test_a_program_that_forks_for_ever_is_contained() -> None:
    """Every process at every level forks as long as it is let, gives its children all it can, and never ends by itself."""

    @program()
    async def rabbits(calls: Calls, brief: str) -> None:
        while True:
            left = (await calls.status())["left"]
            share = BudgetRequest(processes=left.get("processes", 0) // 2, calls=left.get("calls", 0) // 2)
            try:
                await calls.fork("more", budget=share)
            except SyscallFailed:
                await calls.generate("still here?")

    outcome, world, most = asyncio.run(runaway(rabbits, YES, "rabbits"))
    assert (outcome.state, outcome.rule) == ("failed", "budget")
    assert 10 < most <= BUDGET.processes
    root = world.machine.kernel.processes[outcome.pid]
    assert sum(one.spent.calls for one in world.machine.kernel.processes.values()) <= BUDGET.calls
    assert root.left.tokens + sum(one.spent.tokens for one in world.machine.kernel.processes.values()) == BUDGET.tokens


def test_a_model_that_forks_for_ever_is_contained() -> None:
    def rabbits(_: Request) -> Any:
        return [request("fork", brief="more", budget={"processes": 8, "calls": 60}), request("fork", brief="more")]

    outcome, _, most = asyncio.run(runaway(None, scripted(rabbits), "solo"))
    assert (outcome.state, outcome.rule) in {("failed", "budget"), ("failed", "failed")}
    assert 5 < most <= BUDGET.processes


def test_a_program_that_asks_for_its_status_for_ever_runs_out_of_syscalls() -> None:
    @program()
    async def restless(calls: Calls, brief: str) -> None:
        while True:
            await calls.trap(Status())

    outcome, _ = asyncio.run(outcome_of(restless))
    assert (outcome.state, outcome.rule, outcome.spent.calls) == ("failed", "budget", BUDGET.calls)


def test_a_restless_program_does_not_keep_others_waiting() -> None:
    @program()
    async def restless(calls: Calls, brief: str) -> None:
        while True:
            await calls.status()

    async def both() -> None:
        world = MachineWorld(programs=(restless,), models={"s": YES})
        machine = world.boot()
        wild = await machine.start("go", program="restless", model="s", budget=BUDGET)
        await machine.start("be good", program="restless", model="s", budget=Budget(calls=3))
        quick = max(machine.kernel.processes)
        assert (await machine.result(quick)).rule == "budget"
        assert machine.kernel.processes[wild].alive
        await machine.kill(wild)
        await machine.close()

    asyncio.run(both())


def test_a_model_that_never_answers_is_stopped_by_a_person() -> None:
    async def silent(_: Request) -> str:
        await asyncio.Event().wait()
        return ""

    async def story() -> None:
        world = MachineWorld(models={"s": scripted(silent)})
        machine = world.boot()
        pid = await machine.start("go", program="solo", model="s", grants=EVERYTHING)
        await settled(machine, 5)
        assert machine.kernel.working
        await machine.kill(pid, "enough")
        assert (await machine.result(pid)).error == "enough"
        await settled(machine, 5)
        assert not machine.kernel.working, "the call was given up, and its end was booked"
        await machine.close()
        with pytest.raises(MachineError):
            await machine.start("again", program="solo", model="s")

    asyncio.run(story())


# AI programs over the same door.


def test_a_models_fork_shares_what_was_read_and_drops_the_parents_other_requests() -> None:
    readings: dict[str, Request] = {}

    def model(question: Request) -> Any:
        words = str(question.messages[-1])
        if "You are the child now" in words:
            readings["child"] = question
            return request("exit", value="done by the child")
        if heard(question):
            readings.setdefault("parent", question)
            return request("exit", value="done") if "ended" in words else request("wait")
        return [request("fork", brief="the left half"), request("echo/back", text="mine")]

    async def story() -> Outcome:
        world = MachineWorld(drivers=(machine_driver(),), models={"s": scripted(model)})
        machine = world.boot()
        pid = await machine.start("the goal", program="solo", model="s", grants=EVERYTHING)
        outcome = await machine.result(pid)
        await machine.close()
        return outcome

    assert asyncio.run(story()).state == "done"
    child, parent = readings["child"].messages, readings["parent"].messages
    assert child[:3] == parent[:3], "all that was read before the fork is shared"
    assert "the left half" in str(child[-1]) and "not done by you" in str(child[-1])
    assert "mine" in str(parent[-1]) and "not done by you" not in str(parent[-1])


def test_a_number_that_no_table_keeps_ends_its_program_and_not_the_machine() -> None:
    @program(grants=("spawn", "add"))
    async def counter(calls: Calls, brief: str) -> None:
        await calls.spawn("count", "counter", grants=(Grant("spawn", uses=10**30),))

    async def story() -> tuple[Outcome, BaseException | None]:
        world = MachineWorld(programs=(counter,), models={"s": YES})
        machine = world.boot()
        outcome = await machine.result(await machine.start("count", program="counter", model="s", grants=EVERYTHING))
        failure = machine.failure
        await machine.close()
        return outcome, failure

    outcome, failure = asyncio.run(story())
    assert (outcome.state, outcome.rule, failure) == ("failed", "fault", None) and "64 bits" in outcome.error
