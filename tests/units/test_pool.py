"""The pool: limits of providers hold, nobody starves, waiting costs no time, and a restart forgets no money."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest
from worlds import EVERY_SYSCALL, MachineWorld, settled

from gemot import Budget, BudgetRequest, Calls, Grant, Machine, MachineError, Outcome, program, say, scripted
from gemot.abi.effects import AskModel
from gemot.abi.events import Done, Failure
from gemot.abi.messages import Reply, Request, Text, Usage
from gemot.abi.syscalls import Generate
from gemot.machine.pool import Pool, ProviderView
from gemot.models.catalogue import Limits
from gemot.models.port import Model, ModelFailed
from tests.simulation.virtual import VirtualLoop

DAY = 86_400
NOON = 20_000 * DAY + DAY // 2
PRICED = "openai:gpt-4.1-mini"
RIGHTS = (*EVERY_SYSCALL, Grant("*"))
PLENTY = Budget(10**9, 10**9, 10**9, 1_000, 5, 10**6)


def lived(story: Callable[[VirtualLoop], Coroutine[Any, Any, Any]]) -> Any:
    """Run a story in virtual time."""
    with VirtualLoop(Random(1)) as loop:
        return loop.result(story(loop))


class Desk:
    """A pool with a model that takes one second for everything. ``went``: (when, call); ``refused``: why, by call."""

    def __init__(self, loop: VirtualLoop, bills: dict[str, tuple[int, int]] | None = None, **limits: Any) -> None:
        self.loop, self.went, self.refused = loop, list[tuple[float, int]](), dict[int, str]()
        self.pool = Pool({"openai": Limits(**limits)}, lambda: int((NOON + loop.time()) * 1000), lambda: bills or {})
        self.usage = Usage(10, 10, 0, 1_000)
        self.calls = 0

    def ask(self, root: int = 1, priority: int = 5, model: str = PRICED, chars: int = 300) -> int:
        self.calls += 1
        call = self.calls
        effect = AskModel(call, root, model, Generate("q"), 100, 1_000, root, 5, priority)
        self.pool.enter(effect, chars, lambda: self._go(call), lambda why: self.refused.__setitem__(call, why))
        return call

    def _go(self, call: int) -> None:
        self.went.append((self.loop.time(), call))
        self.loop.call_later(1.0, self.pool.leave, call, self.usage)

    def when(self, call: int) -> float:
        return next(at for at, one in self.went if one == call)

    def most_in(self, seconds: float) -> int:
        return max(sum(at <= one < at + seconds for one, _ in self.went) for at, _ in self.went)


def test_no_more_calls_are_at_work_than_may_be() -> None:
    async def story(loop: VirtualLoop) -> None:
        desk = Desk(loop, concurrency=3)
        for _ in range(10):
            desk.ask()
        assert desk.pool.views() == [ProviderView("openai", 3, 7, 0, Limits(concurrency=3))]
        await asyncio.sleep(0.5)
        assert len(desk.went) == 3
        await asyncio.sleep(10)
        assert [at for at, _ in desk.went] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]

    lived(story)


@pytest.mark.parametrize("places", [1, 4])
def test_a_tree_with_one_call_is_served_within_two_service_times_beside_500(places: int) -> None:
    async def story(loop: VirtualLoop) -> None:
        desk = Desk(loop, concurrency=places)
        for _ in range(500):
            desk.ask(root=1)
        await asyncio.sleep(7.25)
        single = desk.ask(root=2)
        await asyncio.sleep(500)
        assert desk.when(single) - 7.25 <= 1.0, "its turn comes with the next place, and is over one service time later"
        assert len(desk.went) == 501

    lived(story)


def test_a_minute_holds_as_many_requests_and_tokens_as_it_may() -> None:
    async def story(loop: VirtualLoop) -> None:
        desk = Desk(loop, requests_per_minute=10)
        for _ in range(35):
            desk.ask()
        await asyncio.sleep(600)
        assert len(desk.went) == 35 and desk.most_in(60) == 10
        desk = Desk(loop, tokens_per_minute=1_000)  # each is thought to take 201 and takes 20
        for _ in range(100):
            desk.ask()
        await asyncio.sleep(600)
        assert len(desk.went) == 100
        assert desk.most_in(0.5) == 4, "so many can be thought to fit at once"
        assert desk.most_in(60) == 40, "what they did not take makes room for others"

    lived(story)


def test_a_call_that_is_larger_than_a_minute_goes_all_the_same() -> None:
    async def story(loop: VirtualLoop) -> None:
        desk = Desk(loop, tokens_per_minute=1_000)
        small, large, last = desk.ask(), desk.ask(chars=30_000), desk.ask()
        await asyncio.sleep(600)
        assert desk.when(small) == 0 < desk.when(large) <= desk.when(last)

    lived(story)


def test_who_is_withdrawn_leaves_the_line_and_frees_a_place() -> None:
    async def story(loop: VirtualLoop) -> None:
        desk = Desk(loop, concurrency=1)
        one, two, three = desk.ask(), desk.ask(), desk.ask()
        assert not desk.pool.withdraw(one) and desk.pool.withdraw(two) and not desk.pool.withdraw(two)
        desk.pool.leave(one, None)
        assert [call for _, call in desk.went] == [one, three]
        four = desk.ask()
        assert desk.pool.close() == [four] and not desk.pool.waiting
        desk.pool.leave(three, None)
        desk.ask()
        assert len(desk.went) == 2, "nobody is let through any more"

    lived(story)


def test_what_is_spent_today_ends_the_day_and_says_when_the_next_begins() -> None:
    async def story(loop: VirtualLoop) -> None:
        desk = Desk(loop, usd_per_day=0.003)
        for _ in range(5):
            desk.ask()
            await asyncio.sleep(2)
        assert [call for _, call in desk.went] == [1, 2, 3] and set(desk.refused) == {4, 5}
        for word in (PRICED, "0.00 dollars a day", "0.0030 are spent", "00:00 UTC, in 12 h 0 min", "[provider.openai]"):
            assert word in desk.refused[4]
        await asyncio.sleep(DAY / 2)
        assert desk.when(desk.ask()) > DAY / 2
        assert desk.pool.views()[0].spent_usd_micros == 0

    lived(story)


def test_calls_at_work_can_not_together_spend_what_is_not_there() -> None:
    """Each may cost 201 millionths; 1,000 are allowed, so 4 go at once; each then costs 20, and others go on."""

    async def story(loop: VirtualLoop) -> None:
        desk = Desk(loop, usd_per_day=0.001)
        desk.usage = Usage(10, 10, 0, 20)
        for _ in range(60):
            desk.ask()
        assert len(desk.went) == 4 and not desk.refused
        await asyncio.sleep(600)
        assert len(desk.went) == (1_000 - 201) // 20 + 1 and len(desk.refused) == 60 - len(desk.went)
        assert desk.pool.views()[0].spent_usd_micros == 800

    lived(story)


def test_a_call_that_no_day_could_pay_says_so_and_so_does_a_price_that_nobody_knows() -> None:
    async def story(loop: VirtualLoop) -> None:
        desk = Desk(loop, usd_per_day=0.0001)
        desk.ask(), desk.ask(model="openai:model-of-tomorrow")
        assert "more than a whole day's" in desk.refused[1]
        assert "price is not known" in desk.refused[2] and not desk.went

    lived(story)


def test_what_an_earlier_machine_spent_today_counts() -> None:
    async def story(loop: VirtualLoop) -> None:
        today = Desk(loop, {"openai": (20_000, 4_999_900)}, usd_per_day=5.0)
        today.ask()
        assert "4.9999 are spent" in today.refused[1]
        yesterday = Desk(loop, {"openai": (19_999, 4_999_900)}, usd_per_day=5.0)
        yesterday.ask()
        assert yesterday.went

    lived(story)


# In a machine


@program()
async def asker(calls: Calls, brief: str) -> str:
    """Asks its model so many times."""
    return "".join([await calls.generate(brief) for _ in range(int(brief))])


@program(grants=("spawn",))
async def crowd(calls: Calls, brief: str) -> int:
    """So many children, each of which asks once."""
    for _ in range(int(brief)):
        await calls.spawn("1", "asker", budget=BudgetRequest(10_000, 10_000, 60.0, 0, 0, 10))
    return len((await calls.wait()).ended)


def slow(seconds: float = 1.0, usd_micros: int = 0, said: list[str] | None = None, name: str = "s") -> Model:
    async def think(_: Request) -> Reply:
        if said is not None:
            said.append(name)
        await asyncio.sleep(seconds)
        return Reply((Text("aye"),), Usage(5, 5, 0, usd_micros))

    return scripted(think, name=name)


def world_of(loop: VirtualLoop, models: dict[str, Model], limits: dict[str, Limits], **more: Any) -> MachineWorld:
    clock = lambda: NOON + loop.time()  # noqa: E731
    return MachineWorld(programs=(asker, crowd), models=models, limits=limits, clock=clock, **more)


async def started(machine: Machine, goal: str, program: str = "asker", **more: Any) -> int:
    return await machine.start(goal, program=program, **({"budget": PLENTY, "grants": RIGHTS, "model": "s"} | more))


def test_a_tree_of_one_is_not_starved_by_a_tree_of_500() -> None:
    async def story(loop: VirtualLoop) -> None:
        world = world_of(loop, {"s": slow()}, {"s": Limits(concurrency=2)})
        machine = world.boot()
        many = await started(machine, "500", "crowd")
        await asyncio.sleep(5.5)
        assert machine.providers()[0].waiting > 400
        begun = loop.time()
        await machine.result(await started(machine, "1"))
        assert loop.time() - begun <= 2.0
        assert (await machine.result(many)).value == 500
        await machine.close()

    lived(story)


def test_waiting_for_a_turn_is_nobodys_time() -> None:
    async def story(loop: VirtualLoop) -> None:
        world = world_of(loop, {"s": slow(10.0)}, {"s": Limits(concurrency=1)})
        machine = world.boot()
        budget = Budget(10_000, 10_000, 12_000, 1, 1, 100)
        pids = [await started(machine, "1", budget=budget) for _ in range(5)]
        outcomes = [await machine.result(pid) for pid in pids]
        assert loop.time() == 50.0
        assert [one.state for one in outcomes] == ["done"] * 5
        assert {one.spent.millis for one in outcomes} == {10_000}
        await machine.close()

    lived(story)


def test_a_process_that_is_killed_while_it_waits_frees_its_place_and_pays_nothing() -> None:
    async def story(loop: VirtualLoop) -> None:
        world = world_of(loop, {"s": slow()}, {"s": Limits(concurrency=1)})
        machine = world.boot()
        one, two, three = [await started(machine, "1") for _ in range(3)]
        await asyncio.sleep(0.5)
        await machine.kill(two)
        assert (await machine.result(two)).spent.millis == 0
        assert (await machine.result(three)).state == "done" and loop.time() == 2.0
        assert (await machine.result(one)).state == "done"
        assert machine.idle and machine.providers()[0].waiting == machine.providers()[0].at_work == 0
        await machine.close()

    lived(story)


def test_a_tree_that_is_paused_leaves_the_line_and_comes_back_to_it() -> None:
    async def story(loop: VirtualLoop) -> None:
        world = world_of(loop, {"s": slow()}, {"s": Limits(concurrency=1)})
        machine = world.boot()
        one, two = [await started(machine, "1") for _ in range(2)]
        await asyncio.sleep(0.5)
        machine.pause(two)
        await settled(machine)
        assert machine.providers()[0].waiting == 0
        machine.resume(two)
        await settled(machine)
        assert machine.providers()[0].waiting == 1
        await machine.result(one)
        assert (await machine.result(two)).state == "done"
        await machine.close()

    lived(story)


def test_a_machine_that_closes_gives_up_those_that_wait_and_the_next_asks_again() -> None:
    async def story(loop: VirtualLoop) -> None:
        said: list[str] = []
        world = world_of(loop, {"s": slow(said=said)}, {"s": Limits(concurrency=1)})
        machine = world.boot()
        pids = [await started(machine, "1") for _ in range(3)]
        await asyncio.sleep(0.5)
        journal = world.journal
        journal.close = lambda: None  # type: ignore[method-assign]
        await machine.close()
        assert said == ["s"]
        machine = world.boot(resume=True)
        assert [(await machine.result(pid)).state for pid in pids] == ["done"] * 3
        assert len(said) == 4
        await machine.close()

    lived(story)


def test_a_day_that_is_paid_out_stays_so_after_a_restart_and_a_route_goes_around_it() -> None:
    async def story(loop: VirtualLoop) -> None:
        models = {PRICED: slow(usd_micros=2_000, name="dear"), "s": slow()}
        world = world_of(loop, models, {"openai": Limits(usd_per_day=0.011)})
        machine = world.boot()
        assert (await machine.result(await started(machine, "2", model=PRICED))).state == "done"
        world.crash()
        machine = world.boot()
        outcome = await machine.result(await started(machine, "1", model=PRICED))
        assert outcome.state == "done", "one more fits"
        outcome = await machine.result(await started(machine, "1", model=PRICED))
        assert outcome.state == "failed" and "usd_per_day" in outcome.error and "--model ANOTHER" in outcome.error
        pid = await started(machine, "1", model=PRICED, route=("s",))
        assert (await machine.result(pid)).value == "aye"
        assert machine.kernel.processes[pid].models[0] == "s"
        assert machine.providers()[0].spent_usd_micros == 6_000 == machine.kernel.bills["openai"][1]
        await machine.close()

    lived(story)


def failing(kind: str) -> Model:
    def fail(_: Request) -> str:
        raise ModelFailed(kind, f"it is {kind}.") if kind != "broken" else ValueError("a library broke")

    return scripted(fail)


@pytest.mark.parametrize("kind", ["missing", "refused", "unreachable", "garbled", "broken"])
def test_whatever_a_model_fails_of_the_next_one_answers(kind: str) -> None:
    async def story(loop: VirtualLoop) -> tuple[Outcome, list[Any]]:
        world = world_of(loop, {"bad": failing(kind), "s": slow()}, {})
        machine = world.boot()
        notes: list[Any] = []
        machine.watch(notes.append)
        outcome = await machine.result(await started(machine, "2", model="bad", route=("s",)))
        failures = [one for one in world.history() if isinstance(one, Done) and isinstance(one.outcome, Failure)]
        assert [one.outcome.rule for one in failures] == ["model"]  # type: ignore[union-attr]
        await machine.close()
        return outcome, notes

    outcome, notes = lived(story)
    assert outcome.value == "ayeaye"
    assert any("next model of its route" in str(note) for note in notes)


def test_what_can_not_begin_is_said_before_it_begins() -> None:
    async def story(loop: VirtualLoop) -> None:
        machine = world_of(loop, {"s": scripted(lambda _: say("aye"))}, {}).boot()
        with pytest.raises(KeyError):
            await started(machine, "1", route=("nobody",))
        with pytest.raises(MachineError, match="from 1 to 9, not 10"):
            await started(machine, "1", priority=10)
        assert not machine.processes()
        await machine.close()

    lived(story)
