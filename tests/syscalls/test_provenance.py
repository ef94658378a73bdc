"""Rights follow provenance: an endorsed plan binds everybody below it, and a count that a person gave never grows.

The random histories hand rights on, take them back and grant them by rule, in any order. Run a failing one again with
``GEMOT_SEED=...``.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import msgspec
import pytest
from provenance import Provenance
from worlds import EVERY_SYSCALL, PLENTY, TOOLS, KernelWorld, answer_to, put, started

from gemot.abi.answers import Error, Ok
from gemot.abi.effects import BeginFork, Effect
from gemot.abi.events import Copied, Event, Failure, Faulted, Retracted, Revoked, Rewound
from gemot.abi.grants import Budget, BudgetRequest, Grant, Rule
from gemot.abi.labels import Label
from gemot.abi.syscalls import (
    SYSCALLS,
    Add,
    Call,
    Exec,
    Exit,
    Fork,
    GrantTo,
    Kill,
    Mandate,
    Retract,
    Revoke,
    Spawn,
    Step,
    Syscall,
    Task,
    ToolUse,
    Wait,
)
from gemot.abi.tools import ToolSpec

SEEDS = (
    [int(os.environ["GEMOT_SEED"])]
    if "GEMOT_SEED" in os.environ
    else list(range(int(os.environ.get("GEMOT_SEEDS", "60"))))
)
MANY = BudgetRequest(processes=5)
ADA = Rule(one_of=("ada",))
ONCE = Step("Tell Ada, once", (Grant("post/send", {"text": ADA}, uses=1),))
OPEN = Step("Tell Ada", (Grant("post/send", {"text": ADA}),))


def sends(*texts: str) -> Call:
    return Call(tuple(ToolUse("post/send", {"text": text}) for text in texts))


def endorse(world: KernelWorld, pid: int, *steps: Step, text: str = "yes") -> object:
    """Propose a plan, and have the person say yes."""
    effects = world.trap(pid, Mandate(steps))
    (ask,) = put(effects)
    return answer_to(pid, world.answer(ask, text=text))


def sent(world: KernelWorld, pid: int, text: str) -> str:
    """Try to send; ``done``, or the rule that refused it. A person says yes to what is asked."""
    effects = world.trap(pid, sends(text))
    for ask in put(effects):
        effects = world.answer(ask)
    if started(effects):
        for effect in started(effects):
            world.done(effect)
        return "done"
    answer = answer_to(pid, effects)
    assert isinstance(answer, Ok), answer
    return answer.value[0].rule


def left(world: KernelWorld, pid: int, tool: str = "post/send") -> list[int | None]:
    return [grant.uses for grant in world.kernel.processes[pid].grants if grant.tool == tool]


# A plan binds everybody below.


def family(world: KernelWorld) -> tuple[int, int, int]:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send"), Grant("disk/*")))
    child = world.born(root, Fork("x", budget=MANY))
    return root, child, world.born(child, Fork("y", budget=BudgetRequest(processes=1)))


def test_plan_binds_children_that_were_spawned_before_it(world: KernelWorld) -> None:
    root, child, below = family(world)
    endorse(world, root, ONCE)
    assert [sent(world, pid, "eve") for pid in (root, child, below)] == ["grant"] * 3
    assert [sent(world, pid, "ada") for pid in (child, below)] == ["grant"] * 2, "a counted step stays with its maker"
    assert [sent(world, root, "ada") for _ in range(2)] == ["done", "grant"]


def test_child_keeps_what_an_uncounted_step_allows(world: KernelWorld) -> None:
    root, child, below = family(world)
    endorse(world, root, OPEN)
    for pid in (root, child, below):
        assert [sent(world, pid, "eve"), sent(world, pid, "ada")] == ["grant", "done"]
        answer = world.ask(pid, Call((ToolUse("disk/write", {"path": "a"}),)))
        assert isinstance(answer, Ok) and answer.value[0].rule == "grant"
        assert started(world.trap(pid, Call((ToolUse("disk/read", {"path": "a"}),)))), "what only reads stays"


@pytest.mark.parametrize("planned", [False, True])
def test_use_that_a_later_plan_does_not_allow_is_not_tried_again_after_a_restart(
    world: KernelWorld, planned: bool
) -> None:
    world.reboot()
    stamp = ToolSpec("disk/stamp", "Set the time of a file.", {"type": "object"}, "writes", True)
    world.install((*TOOLS, stamp))
    root, child, _ = family(world)
    assert started(world.trap(child, Call((ToolUse("disk/stamp", {}),))))
    if planned:
        endorse(world, root, ONCE)
    world.reboot()
    world.install((*TOOLS, stamp))
    effects = world.resume(root)
    assert bool(started(effects)) is not planned
    if planned:
        answer = answer_to(child, effects)
        assert isinstance(answer, Ok) and answer.value[0].rule == "in_doubt"


def test_plan_binds_children_that_are_spawned_after_it(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send")))
    endorse(world, root, ONCE)
    child = world.born(root, Fork("x"))
    assert [sent(world, child, text) for text in ("eve", "ada", "ada")] == ["grant", "done", "grant"]
    assert sent(world, root, "ada") == "grant", "it gave its only use away"


def test_plan_of_a_child_binds_it_against_rights_that_arrive_later(world: KernelWorld) -> None:
    root, child, below = family(world)
    endorse(world, child, ONCE)
    for grant in (Grant("post/send"), Grant("post/send", {"text": ADA}, uses=1), Grant("disk/*")):
        answer = world.ask(root, GrantTo(child, (grant,)))
        assert isinstance(answer, Error) and "plan" in answer.message, grant
    assert isinstance(world.ask(root, GrantTo(child, (Grant("disk/read"),))), Ok)
    assert [sent(world, pid, "eve") for pid in (child, below, root)] == ["grant", "grant", "done"]


def test_question_of_a_child_about_what_the_plan_forbids_is_taken_back(world: KernelWorld) -> None:
    root, child, _ = family(world)
    (ask,) = put(world.trap(child, sends("eve")))
    endorse(world, root, ONCE)
    assert ask not in world.kernel.asks and world.answer(ask) == []


def test_plan_of_a_child_that_waits_for_its_yes_is_held_against_the_plan_above(world: KernelWorld) -> None:
    root, child, _ = family(world)
    (ask,) = put(
        world.trap(child, Mandate((Step("Tell Eve", (Grant("post/send", {"text": Rule(one_of=("eve",))}),)),)))
    )
    endorse(world, root, ONCE)
    answer = answer_to(child, world.answer(ask))
    assert isinstance(answer, Error) and "taken back" in answer.message
    assert sent(world, child, "eve") == "grant"


def test_yes_to_a_plan_does_not_bring_back_what_was_revoked_meanwhile(world: KernelWorld) -> None:
    root, child, _ = family(world)
    (ask,) = put(world.trap(child, Mandate((OPEN,))))
    world.ask(root, Revoke(child, "post/send"))
    assert isinstance(answer_to(child, world.answer(ask)), Error)
    assert sent(world, child, "ada") == "grant"


def test_fork_that_a_person_makes_is_bound_and_has_no_counted_use(world: KernelWorld) -> None:
    root, child, _ = family(world)
    endorse(world, root, ONCE, Step("Write", (Grant("disk/write"),)))
    for pid in (root, child):
        effects = world.feed(Copied(world.at, pid, "and you", PLENTY))
        (copy,) = [effect.pid for effect in effects if isinstance(effect, BeginFork)]
        assert [sent(world, copy, text) for text in ("eve", "ada")] == ["grant", "grant"]
        assert started(world.trap(copy, Call((ToolUse("disk/write", {"path": "a"}),))))
    assert sent(world, root, "ada") == "done", "the original has it still"


def test_plan_holds_when_a_tool_turns_out_to_write(world: KernelWorld) -> None:
    """The list of tools changes: what only read when the person was asked writes now."""
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("*")))
    endorse(world, root, OPEN)
    world.install(
        tuple(msgspec.structs.replace(tool, effect="writes") if tool.name == "sums/add" else tool for tool in TOOLS)
    )
    answer = world.ask(root, Call((ToolUse("sums/add", {"text": "1"}),)))
    assert isinstance(answer, Ok) and "plan" in answer.value[0].text


# Counts.


def test_uses_given_before_a_plan_do_not_come_back_onto_an_endorsed_grant(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send", uses=10)))
    child = world.born(root, Spawn("x", "worker", grants=(Grant("post/send", {"text": ADA}, uses=9),)))
    endorse(world, root, ONCE)
    world.trap(root, Revoke(child, "post/send"))
    world.stop(child)
    assert sum(uses or 0 for uses in left(world, root)) == 1


def test_uses_that_a_child_has_left_come_back_at_its_end(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send", uses=5)))
    child = world.born(root, Fork("x", grants=(Grant("post/send", uses=4), Grant("fork")), budget=MANY))
    below = world.born(child, Fork("y", grants=(Grant("post/send", uses=3),)))
    assert sent(world, below, "a") == "done"
    world.trap(below, sends("b"))  # waits for the person, and so was not done
    world.ask(root, Kill(child))
    assert left(world, root) == [4], "five, less the one that was done"


def test_grant_endorsed_by_a_plan_counts_reads_once(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("sums/add", uses=3), Grant("spawn", uses=2)))
    endorse(world, root, Step("Add", (Grant("sums/add", uses=2),)), Step("Begin", (Grant("fork"),)))
    assert sum(uses or 0 for uses in left(world, root, "sums/add")) == 3


def test_counted_grant_of_several_tools_is_not_multiplied_by_a_plan(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("*", uses=3), Grant("post/send")))
    endorse(world, root, OPEN)
    counted = [grant for grant in world.kernel.processes[root].grants if "/" in grant.tool and grant.uses]
    assert sum(grant.uses or 0 for grant in counted) <= 3


def test_policy_counts_in_the_whole_tree(world: KernelWorld) -> None:
    policy = (Grant("post/send", {"text": ADA}, uses=1),)
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send")), policy=policy)
    one, other = (world.born(root, Fork("x", budget=MANY)) for _ in range(2))
    assert world.ask(one, Mandate((ONCE,))) == Ok({"endorsed": [1]})
    assert put(world.trap(other, Mandate((ONCE,)))), "the policy is used up, so a person is asked"
    assert put(world.trap(root, Mandate((ONCE, ONCE))))


def test_confirmation_is_gone_with_the_right(world: KernelWorld) -> None:
    root, child, _ = family(world)
    (ask,) = put(world.trap(child, sends("a")))
    (effect,) = started(world.answer(ask, scope="process"))
    world.done(effect)
    world.ask(root, Revoke(child, "post/send"))
    world.ask(root, GrantTo(child, (Grant("post/send"),)))
    assert put(world.trap(child, sends("b"))), "a person is asked again"


# Any history.


class Chaos:
    """Random processes that do what they can with rights, and a person who does the same."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"provenance {seed}")
        self.world, self.books = KernelWorld(), Provenance()
        feed = self.world.feed

        def noted(event: Event) -> list[Effect]:
            effects = feed(event)
            self.books.note(self.world.kernel, event, effects)
            return effects

        self.world.feed = noted  # type: ignore[method-assign]
        self.world.install()

    def run(self, steps: int) -> None:
        for _ in range(1 + self.chance.randrange(2)):
            self.plant()
        for _ in range(steps):
            living = [one.pid for one in self.world.kernel.processes.values() if one.alive]
            ready = [pid for pid in living if self.world.kernel.processes[pid].syscall is None]
            if not living:
                return
            if ready and self.chance.random() < 0.65:
                pid = self.chance.choice(ready)
                self.world.trap(pid, self.syscall(pid))
            else:
                self.news(living)

    def plant(self) -> None:
        n, pick = self.chance.randrange, self.chance.choice
        counted = tuple(Grant(name, uses=1 + n(4)) if n(8) == 0 else Grant(name) for name in SYSCALLS)
        rights = pick(((Grant("post/send", uses=n(5)), Grant("disk/*", uses=n(6)), Grant("sums/add")),
                       (Grant("post/send"), Grant("disk/*")), (Grant("*", uses=n(9)),), (Grant("*"),)))  # fmt: skip
        policy = pick(((), (Grant("post/send", uses=1 + n(2)),), (Grant("disk/write"),)))
        self.world.tree(grants=(*counted, *rights), policy=policy)

    def grant(self, process: Any) -> Grant:
        """Mostly a part of something that the process has."""
        n, pick = self.chance.randrange, self.chance.choice
        held = [one for one in process.grants if "/" in one.tool or one.tool == "*"]
        if held and n(4):
            one = pick(held)
            tool = pick((one.tool, "post/send")) if one.tool == "*" else one.tool
            where = one.where or ({"text": ADA} if tool == "post/send" and n(2) else {})
            return Grant(tool, where, pick((one.uses, 1, 2)) if one.uses is None else min(one.uses, 1 + n(3)))
        tool = pick(("post/send", "disk/*", "disk/write", "sums/add", "*", "spawn", "fork"))
        return Grant(tool, {}, pick((None, 1, 2)))

    def syscall(self, pid: int) -> Syscall:
        chance, n, pick = self.chance, self.chance.randrange, self.chance.choice
        process = self.world.kernel.processes[pid]
        kin = pick([*process.children, *process.children, *process.uncollected, 99])
        some = tuple(self.grant(process) for _ in range(1 + n(2)))
        syscalls = tuple(Grant(name) for name in ("spawn", "fork", "grant", "revoke", "mandate", "exec", "kill"))
        steps = tuple(Step("step", (self.grant(process),)) for _ in range(1 + n(2)))
        makers = (
            *[lambda: Fork("x", grants=pick((None, (*syscalls, *some), (*syscalls, *some))), budget=MANY)] * 3,
            lambda: Spawn("x", "worker", grants=pick((None, (*syscalls, *some), (*syscalls, *some))), budget=MANY),
            lambda: Spawn("x", "worker", task=pick((None, 1, 2)), budget=MANY),
            *[lambda: GrantTo(kin, some)] * 5,
            *[lambda: Revoke(kin, pick(("post/send", "disk/write", "*", "disk/*", "spawn")))] * 2,
            *[lambda: Mandate(steps)] * (4 if process.parent else 1),
            lambda: Exec("worker", "again"),
            lambda: Exit("over") if process.parent or n(9) == 0 else Wait((), timeout_seconds=1.0),
            lambda: Kill(kin),
            lambda: Retract(kin, "wrong"),
            lambda: Add((Task("do it", grants=some),)),
            *[lambda: Call(tuple(self.use() for _ in range(1 + n(3))))] * 6,
            lambda: Wait(mode="any", timeout_seconds=pick((None, 1.0))),
        )  # fmt: skip
        return chance.choice(makers)()

    def use(self) -> ToolUse:
        tool = self.chance.choice(("post/send", "post/send", "disk/write", "disk/read", "sums/add"))
        text = self.chance.choice(("ada", "ada", "eve and all others"))
        return ToolUse(tool, {"path": text} if tool.startswith("disk") else {"text": text})

    def news(self, living: list[int]) -> None:
        world, chance = self.world, self.chance
        pid, what = chance.choice(living), chance.randrange(20)
        asks = list(world.kernel.asks)
        if what < 6 and world.kernel.working:
            effect = chance.choice(list(world.kernel.working))
            world.done(effect, chance.choice((None, None, Failure("failed", "no"))))
        elif what < 12 and asks:
            texts = ("yes", "yes", "1", "2", "")
            scope = chance.choice(("once", "process", "subtree"))
            world.answer(chance.choice(asks), allow=chance.random() < 0.75, text=chance.choice(texts), scope=scope)
        elif what == 12:
            world.feed(Revoked(world.at, pid, chance.choice(("post/send", "disk/*", "*"))))
        elif what == 13:
            world.feed(Copied(world.at, pid, "and you", Budget(9_000, 9_000, 99_000, 5, 3, 300)))
        elif what == 14:
            process = world.kernel.processes[pid]
            if process.entries:
                world.feed(Rewound(world.at, pid, process.entries, world.kernel.moment, Label()))
        elif what == 15:
            chance.choice((lambda: world.stop(pid), lambda: world.feed(Faulted(world.at, pid, "it raised"))))()
        elif what == 16:
            world.feed(Retracted(world.at, pid, "a lie"))
        elif what == 17:
            world.reboot()
            for root in sorted(world.kernel.asleep):
                world.resume(root)
        elif what == 18:
            chance.choice((world.pause, world.resume))(world.kernel.processes[pid].root)
        else:
            world.later(chance.choice((1, 2_000)))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_history_makes_a_count_grow_or_leaves_a_plan(seed: int) -> None:
    print(f"GEMOT_SEED={seed}")
    Chaos(seed).run(200)
