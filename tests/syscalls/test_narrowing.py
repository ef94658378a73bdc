"""Rights only shrink downwards, in any history: whatever a process holds or does, each of its ancestors was given.

Run a failing history again with ``GEMOT_SEED=...``.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import msgspec
import pytest
from guarded import GUARDED, IBAN, value
from worlds import EVERY_SYSCALL, PLENTY, KernelWorld

from gemot.abi.effects import Begin, BeginFork, StartTool
from gemot.abi.events import Failure, Revoked
from gemot.abi.grants import BudgetRequest, Grant, Mount, Rule, Source
from gemot.abi.syscalls import Call, Fork, GrantTo, Revoke, Spawn, Syscall, ToolUse
from gemot.abi.tools import ToolSpec
from gemot.authority.narrowing import GONE, grant_within
from gemot.authority.path_arguments import located
from gemot.authority.rules import fits_inside, steps_of

SEEDS = [int(os.environ["GEMOT_SEED"])] if "GEMOT_SEED" in os.environ else list(range(60))
PEOPLE = ("ann@x.org", "bob@x.org", "eve@evil.com")
TOOLS = (
    "mail/list",
    "mail/send",
    "mail/pack",
    "bank/list",
    "bank/pay",
    "web/get",
    "clock/now",
    "sums/add",
    "mail/*",
    "bank/*",
    "*",
)


class Family:
    """Random processes that give rights away, narrow them, take them back and use them."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.world = KernelWorld()
        self.world.install(GUARDED)
        self.had: dict[int, list[Grant]] = {}
        """By process: every grant that it was ever given, as it was given."""
        for _ in range(2):
            rights = (
                *EVERY_SYSCALL,
                *(self.grant() for _ in range(3)),
                Grant("*", uses=40, carries=("*",), otherwise="ask"),
            )
            pid = self.world.tree(PLENTY, rights)
            self.had[pid] = list(self.world.kernel.processes[pid].grants)

    def grant(self) -> Grant:
        pick = self.chance.choice
        where = {
            name: self.rule()
            for name in self.chance.sample(
                ("to", "recipient", "text", "url", "files.id", "files"), self.chance.randrange(3)
            )
        }
        return Grant(
            pick(TOOLS),
            where,
            pick((None, None, 1, 3)),
            pick((None, 2_000_000)),
            pick((None, ("mail",), ("*",))),
            pick(("refuse", "ask")),
            pick(("page", "page", "handle")),
        )

    def rule(self) -> Rule:
        pick = self.chance.choice
        sources = (
            Source("mail/list", "sender", pick=pick(("any", "only"))),
            Source("mail/list", "body", extract="iban"),
        )
        return pick(
            (
                Rule(one_of=tuple(self.chance.sample((*PEOPLE, 4, None), 2))),
                Rule(prefix=pick(("a", "ann", "https://"))),
                Rule(kind=pick(("email", "iban", "text"))),
                Rule(at_most=pick((5, 9)), at_least=pick((None, 1))),
                Rule(hosts=(pick(("x.org", ".x.org")),)),
                Rule(source=tuple(self.chance.sample(sources, 1 + self.chance.randrange(2)))),
                Rule(chars_max=pick((4, 40)), items_max=pick((None, 1))),
            )
        )

    def narrowed(self, grant: Grant) -> Grant:
        """Something like a part of a grant; now and then a little more than that."""
        where = dict(grant.where)
        if self.chance.random() < 0.5:
            where[self.chance.choice(("to", "recipient", "text", "files.id"))] = self.rule()
        tool = (
            self.chance.choice((grant.tool, grant.tool, *TOOLS))
            if "/" in grant.tool or grant.tool == "*"
            else grant.tool
        )
        uses = self.chance.choice((grant.uses, 1, None))
        return msgspec.structs.replace(grant, tool=tool, where=where, uses=uses, endorsed=False, unsure=())

    def step(self) -> None:
        world, chance = self.world, self.chance
        ready = [one for one in world.kernel.processes.values() if one.alive and one.syscall is None]
        if not ready or chance.random() < 0.15:
            for effect in list(world.kernel.working)[:1]:
                world.done(
                    effect, chance.choice((value([{"sender": "ann@x.org", "body": IBAN}]), Failure("failed", "no")))
                )
            for ask in list(world.kernel.asks)[:1]:
                world.answer(ask, allow=chance.random() < 0.5, scope=chance.choice(("once", "subtree")))
            if chance.random() < 0.05:
                self.feed(Revoked(world.at, chance.choice(list(self.had)), chance.choice(TOOLS)))
            return
        process = chance.choice(ready)
        some = [self.narrowed(one) for one in chance.sample(process.grants, min(3, len(process.grants))) if one != GONE]
        children = process.children or [99]
        syscalls: list[Syscall] = [
            Fork("x", grants=chance.choice((None, tuple(some))), budget=BudgetRequest(processes=5, depth=3)),
            Spawn("x", "worker", grants=chance.choice((None, tuple(some)))),
            GrantTo(chance.choice(children), tuple(some)),
            Revoke(chance.choice(children), chance.choice((*TOOLS, "fork", "spawn"))),
            Call(tuple(self.use() for _ in range(2))),
        ]
        self.trap(process.pid, chance.choice(syscalls))

    def use(self) -> ToolUse:
        words = (*PEOPLE, IBAN, "https://x.org/", {"$from": self.chance.randrange(60), "at": "[0].sender"})
        arguments: dict[str, dict[str, Any]] = {
            "mail/send": {"to": self.chance.choice(words)},
            "mail/pack": {"files": [{"id": self.chance.choice(words)} for _ in range(self.chance.randrange(3))]},
            "bank/pay": {"recipient": self.chance.choice(words), "amount": self.chance.randrange(12)},
            "web/get": {"url": self.chance.choice(words)},
            "sums/add": {"text": self.chance.choice(words)},
        }
        tool = self.chance.choice((*arguments, "mail/list"))
        return ToolUse(tool, arguments.get(tool, {}))

    def trap(self, pid: int, syscall: Syscall) -> None:
        before = {one.pid: len(one.grants) for one in self.world.kernel.processes.values()}
        effects = self.world.trap(pid, syscall)
        for effect in effects:
            if isinstance(effect, Begin | BeginFork):
                self.had[effect.pid] = list(self.world.kernel.processes[effect.pid].grants)
        if isinstance(syscall, GrantTo) and syscall.pid in before:
            self.had[syscall.pid] += self.world.kernel.processes[syscall.pid].grants[before[syscall.pid] :]
        for effect in effects:
            if isinstance(effect, StartTool) and not any(
                "$from" in repr(use.arguments) for use in getattr(syscall, "uses", ())
            ):
                self.must_be_theirs(effect)

    def feed(self, event: Revoked) -> None:
        self.world.feed(event)

    def ancestors(self, pid: int) -> list[int]:
        parent = self.world.kernel.processes[pid].parent
        return [parent, *self.ancestors(parent)] if parent else []

    def must_be_theirs(self, effect: StartTool) -> None:
        for pid in (effect.pid, *self.ancestors(effect.pid)):
            assert any(
                grant_within(
                    Grant(effect.tool, until_ms=0, uses=0, results="handle"), msgspec.structs.replace(one, where={})
                )
                and (
                    one.otherwise == "ask"
                    or all(
                        fits_inside(rule, effect.arguments.get(name.partition(".")[0]), steps_of(name)[1:])
                        for name, rule in one.where.items()
                    )
                )
                for one in self.had[pid]
            ), f"{effect} was never given to {pid}"

    def check(self) -> None:
        for process in self.world.kernel.processes.values():
            for pid in self.ancestors(process.pid) if process.alive else ():
                for grant in process.grants:
                    within = any(grant_within(msgspec.structs.replace(grant, uses=0), one) for one in self.had[pid])
                    assert grant == GONE or within, (
                        f"{process.pid} holds {grant}, which {pid} never had: {self.had[pid]}"
                    )
            vain = [one for one in process.grants if one.endorsed and not process.alive]
            assert not vain


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_a_process_holds_each_of_its_ancestors_was_given(seed: int) -> None:
    print(f"GEMOT_SEED={seed}")
    family = Family(seed)
    for _ in range(150):
        family.step()
        family.check()


def test_the_person_is_told_that_it_is_a_copy_which_is_to_be_changed() -> None:
    tool = ToolSpec("disk/write", "Write.", {}, "writes", False, paths=("path",), needs="rw")
    own, copied = Mount("work", "/srv/data", "rw"), Mount("work", "/srv/data", "cow", space="2-work")
    assert located(tool, {"path": "a.md"}, (own,)) == {"path": "/srv/data/a.md"}
    assert located(tool, {"path": "a.md"}, (copied,)) == {"path": "its own copy of /srv/data/a.md"}
