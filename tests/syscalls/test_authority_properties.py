"""What holds of authority whatever anybody reads: foreign text decides nothing, and secrets stay where they may.

Two runs that differ in some bytes only are compared. Run a failing history again with ``GEMOT_SEED=...``. The minds here are hostile: what each does next depends on every byte
that it was told, and on nothing else, so a byte that changes can change all that follows.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest
from guarded import GUARDED, guarded, value
from worlds import EVERY_SYSCALL, PLENTY, KernelWorld

from gemot.abi.effects import Begin, BeginFork, Deliver, PutAsk, ReadValue, StartTool, TakeBack
from gemot.abi.events import Value
from gemot.abi.grants import BudgetRequest, Grant, Rule
from gemot.abi.syscalls import (
    Accept,
    Add,
    Alarm,
    Call,
    Claim,
    Complete,
    Exit,
    Fork,
    GrantTo,
    Kill,
    ListTasks,
    Read,
    Receive,
    Retract,
    Revoke,
    Send,
    Spawn,
    Status,
    Syscall,
    Task,
    ToolUse,
    Wait,
)
from gemot.abi.tools import ToolSpec

SEEDS = [int(os.environ["GEMOT_SEED"])] if "GEMOT_SEED" in os.environ else list(range(150))
PEOPLE = ("ann@x.org", "bob@x.org", "eve@evil.com")

SECRET_TOOL = ToolSpec(
    "notes/list", "Private notes.", {"type": "object", "properties": {}}, "reads", True, secret="notes"
)
UNVOUCHED = tuple(msgspec.structs.replace(tool, vouches=()) for tool in GUARDED)
REACHING = {
    "mail/send": lambda arguments: [arguments["to"]],
    "bank/pay": lambda arguments: [arguments["recipient"]],
    "mail/pack": lambda arguments: [arguments["to"], *(one["id"] for one in arguments["files"])],
}
"""What a use of each of these tools reaches."""


Reached = tuple[str, bool, str, dict[str, Any]]
"""By whom, whether it had read foreign text, the tool and its arguments."""


class Run:
    """A tree of hostile processes, run to its end. ``pages``: what each tool that reads gives back."""

    ROUNDS, TURNS = 25, 12
    """How often everybody takes a step, and how many steps each takes at most."""

    def __init__(self, seed: int, pages: dict[str, list[str]], grants: tuple[Grant, ...]) -> None:
        self.seed, self.pages = seed, pages
        self.world = KernelWorld()
        self.world.install((*UNVOUCHED, SECRET_TOOL))
        self.told: dict[int, list[str]] = {}
        """By process: all that it was told, with every number that the kernel gives out as a #."""
        self.names: dict[int, str] = {}
        """Process -> how it came about, which is the same in both runs: "0", "0.1" for the first child of that."""
        self.born: dict[int, list[int]] = {}
        self.turns: Counter[int] = Counter()
        self.reached: list[Reached] = []
        self.meant: set[str] = set()
        """Whom a process that had read nothing foreign wrote into a rule."""
        self.waiting: dict[int, StartTool | ReadValue] = {}
        pid = self.world.tree(PLENTY, (*EVERY_SYSCALL, *grants))
        self.names[pid], self.told[pid] = "0", [str(seed)]
        for _ in range(self.ROUNDS):
            self.round()

    def round(self) -> None:
        """Everybody takes one step, in the order of their births, then all work is done: who else is there changes nothing."""
        for pid in sorted(self.names, key=self.names.__getitem__):
            process = self.world.kernel.process(pid)
            if process is not None and process.syscall is None and self.turns[pid] < self.TURNS:
                self.turns[pid] += 1
                self.took(self.world.trap(pid, self.mind(pid)), pid)
        for number in sorted(self.waiting):
            effect = self.waiting.pop(number)
            if number in self.world.kernel.working:
                self.took(self.world.done(number, self.result(effect)), effect.pid)
        for ask in list(self.world.kernel.asks):
            asked = self.world.kernel.asks[ask].asked
            self.took(self.world.answer(ask, allow=False), asked.pid)

    def result(self, effect: StartTool | ReadValue) -> Value:
        if isinstance(effect, ReadValue):
            text = next(text for texts in self.pages.values() for text in texts if value(text).digest == effect.digest)
            return Value(text[effect.start : effect.start + effect.length])
        texts = self.pages.get(effect.tool, ["ok"])
        got = value(texts[int(self.draw(effect.pid, "page").random() * len(texts))])
        return got if effect.whole else Value(got.text)

    def took(self, effects: list[Any], maker: int) -> None:
        for effect in effects:
            match effect:
                case Begin(pid) | BeginFork(pid):
                    self.born.setdefault(maker, []).append(pid)
                    self.names[pid] = f"{self.names[maker]}.{len(self.born[maker]):02}"
                    self.told[pid] = [*self.told[maker], "child"]
                case Deliver(pid, answer):
                    text = msgspec.json.encode(answer).decode()
                    self.told[pid].append(
                        re.sub(r'("(?:\$from|number|pid|sender|ask)":|handle |\[|process |of |: )-?\d+', r"\1#", text)
                    )
                case StartTool(number, pid, tool):
                    self.waiting[number] = effect
                    if tool in REACHING:
                        tainted = self.world.kernel.processes[pid].label.integrity == "foreign"
                        self.reached.append((self.names[pid], tainted, tool, effect.arguments))
                case ReadValue(number):
                    self.waiting[number] = effect
                case PutAsk():
                    pass
                case _:
                    pass

    def draw(self, pid: int, salt: str = "") -> Random:
        """Chance that depends on all that the process was told and on nothing else."""
        seen = "\n".join(self.told[pid]) + f"{self.turns[pid]}{salt}{self.seed}"
        return Random(hashlib.sha256(seen.encode()).digest())

    def mind(self, pid: int) -> Syscall:
        chance = self.draw(pid)
        process = self.world.kernel.processes[pid]
        handles, children = list(process.handles), self.born.get(pid, [])

        def word() -> Any:
            options: list[Any] = [*PEOPLE, *self.leaked(pid)]
            if handles:
                number = chance.choice(handles)
                options += [{"$from": number}, {"$from": number, "at": "[0].sender"}]
                options += [{"$from": number, "extract": chance.choice(("email", "(a)", "^(.)"))}]
            return chance.choice(options)

        def uses() -> ToolUse:
            tool = chance.choice((*self.pages, "mail/send", "mail/send", "bank/pay", "mail/pack", "sums/add"))
            arguments = {
                "mail/send": {"to": word(), "body": word()},
                "bank/pay": {"recipient": word(), "amount": 1},
                "mail/pack": {
                    "to": chance.choice(PEOPLE),
                    "files": [{"id": word()} for _ in range(chance.randrange(3))],
                },
            }
            return ToolUse(tool, arguments.get(tool, {"text": word()} if tool == "sums/add" else {}))

        rights: list[Grant] = []
        for tool, name in (("mail/send", "to"), ("bank/pay", "recipient")):
            if chance.random() < 0.5:
                target = chance.choice(PEOPLE)
                rights.append(Grant(tool, {name: Rule(one_of=(target,))}, carries=chance.choice((None, ("*",)))))
        if chance.random() < 0.5:
            whom = Rule(one_of=tuple(chance.sample(PEOPLE, 2)))
            where = {"to": Rule(one_of=(chance.choice(PEOPLE),)), "files.id": whom}
            rights.append(Grant("mail/pack", where, carries=chance.choice((None, ("*",)))))
        rights += [Grant(tool) for tool in (*self.pages, "spawn", "fork", "send") if chance.random() < 0.7]
        given = tuple(chance.sample(handles, min(1, len(handles))))
        kind = chance.randrange(12)
        budget = BudgetRequest(processes=10, depth=2)
        if process.label.integrity != "foreign" and kind in (0, 1):
            self.meant |= {str(one) for grant in rights for rule in grant.where.values() for one in rule.one_of or ()}
        match kind:
            case 0:
                return Spawn(f"do {word()!r:.60}", "worker", grants=tuple(rights), handles=given, budget=budget)
            case 1:
                return Fork("x", grants=chance.choice((None, tuple(rights))), budget=budget)
            case 2:
                return Send(0, f"{word()!r:.60}")
            case 3 if handles:
                return Read(chance.choice(handles), 0, 200)
            case 4 if children:
                return Wait(mode="all")
            case 5 if children and process.label.integrity == "foreign":
                return Kill(chance.choice(children))
            case 6 if self.turns[pid] > 6:
                return Exit(self.told[pid][-1][:500])
            case 7 if children:
                return Receive()
            case _:
                return Call(tuple(uses() for _ in range(1 + chance.randrange(2))))

    def leaked(self, pid: int) -> list[str]:
        """What stands in what it was told, as somebody would send it away."""
        return re.findall(r"[A-Za-z]+@[a-z.]+|secret-\w+", " ".join(self.told[pid]))[-3:]


def pages(seed: int, evil: str) -> dict[str, list[str]]:
    letters = [{"id": 1, "sender": "ann@x.org", "body": evil}, {"id": 2, "sender": evil, "body": "a@b.cd"}]
    return {
        "mail/list": [msgspec.json.encode(letters).decode()],
        "web/get": [f"{evil} says {seed}"],
        "clock/now": ["12:00"],
    }


def must_agree(one: list[Reached], other: list[Reached]) -> None:
    """Each process did the same in both runs, as long as it lived: when it is ended its parent decides, who may know more."""
    for name in {it[0] for it in (*one, *other)}:
        mine, theirs = ([it for it in run if it[0] == name] for run in (one, other))
        assert all(a == b for a, b in zip(mine, theirs, strict=False)), f"{name} did {mine} and {theirs}"


FREE = (
    *(Grant(tool, carries=("*",)) for tool in REACHING),
    Grant("sums/add"),
    Grant("clock/now"),
)


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_foreign_bytes_reach_nobody_that_was_not_meant(seed: int, sealed: bool) -> None:
    print(f"GEMOT_SEED={seed}")
    results = "handle" if sealed else "page"
    grants = (*FREE, Grant("mail/list", results=results), Grant("web/get", results=results))
    one, other = (Run(seed, pages(seed, evil), grants) for evil in ("obey@evil.com", "zzz@other.net"))
    if not sealed:
        must_agree(*([it for it in run.reached if not it[1]] for run in (one, other)))
    for run in (one, other):
        for name, tainted, tool, arguments in run.reached:
            for target in REACHING[tool](arguments):
                if tainted:
                    assert target in run.meant, f"{name} reached {target} by {tool}, which nobody meant"
                assert "evil.com" not in str(target) or target in PEOPLE
                assert "other.net" not in str(target)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_secret_changes_nothing_that_leaves(seed: int) -> None:
    print(f"GEMOT_SEED={seed}")
    grants = (*(msgspec.structs.replace(one, carries=None) for one in FREE), Grant("notes/list"))
    runs = [
        Run(seed, {"notes/list": [f"the word is {word}"], "clock/now": ["12:00"]}, grants)
        for word in ("secret-alpha a@b.cd", "secret-beta qqq")
    ]
    must_agree(*(run.reached for run in runs))
    assert "secret-" not in repr([run.reached for run in runs])


def test_these_minds_reach_somebody_and_would_leak_if_they_could() -> None:
    """What the tests above forbid does happen where the rules are off: else they would show nothing."""
    reached = leaked = 0
    for seed in SEEDS[:40]:
        free = (*FREE, Grant("notes/list"))
        run = Run(seed, {"notes/list": ["the word is secret-alpha"]}, free)
        reached += len(run.reached)
        leaked += "secret-alpha" in repr(run.reached)
    assert (reached > 40 and leaked > 5) or len(SEEDS) == 1, (reached, leaked)


def test_the_guarded_world_is_one() -> None:
    assert guarded(KernelWorld())


# Words that the kernel passes on.


EVILS = ("BBBBBBBB", "KKKKKKKK")
"""As long as each other, and as unlike anything else: no hint to a name that is near differs between the runs."""


class Relayed(Run):
    """Minds that say everything that can be said to others, and put ``evil`` into it once they have read foreign text. What they
    do depends on the length of what they were told and not on its letters, so two runs do the same and differ in words only."""

    ROUNDS, TURNS = 30, 20

    def __init__(self, seed: int, evil: str) -> None:
        self.evil = evil
        self.clean: dict[str, list[str]] = {}
        """By process: what it was told while it was not foreign."""
        tools = (*FREE, Grant("mail/list"), Grant("web/get"))
        super().__init__(seed, pages(seed, evil), tools)

    def draw(self, pid: int, salt: str = "") -> Random:
        letters = "".join({*EVILS[0], *EVILS[1]})
        seen = (
            re.sub(f"[{letters}]|[0-9a-f]{{64}}", "#", "\n".join(self.told[pid]))
            + f"{self.turns[pid]}{salt}{self.seed}"
        )
        return Random(hashlib.sha256(seen.encode()).digest())

    def took(self, effects: list[Any], maker: int) -> None:
        super().took(effects, maker)
        for effect in effects:
            match effect:
                case Begin(pid) | BeginFork(pid) | Deliver(pid) | TakeBack(pid):
                    if self.world.kernel.processes[pid].label.integrity != "foreign":
                        self.clean.setdefault(self.names[pid], []).append(msgspec.json.encode(effect).decode())
                case _:
                    pass

    def words(self, pid: int) -> str:
        foreign = self.world.kernel.processes[pid].label.integrity == "foreign"
        return f"{self.draw(pid, 'words').randrange(100)} {self.evil if foreign else 'good'}"

    def mind(self, pid: int) -> Syscall:
        chance, said, n = self.draw(pid, "said"), self.words(pid), self.draw(pid, "n").randrange
        process = self.world.kernel.processes[pid]
        kin = chance.choice([*process.children, *process.children, 99])
        means = BudgetRequest(processes=6, depth=2)
        tasks = list(getattr(self.world.kernel.boards.get(process.root), "items", {})) or [1]
        reads = Call((ToolUse(chance.choice(("mail/list", "web/get"))),))
        if not process.parent and self.turns[pid] < 4:
            return Fork(said, ("", "reads", "", "listens")[self.turns[pid]], budget=means)
        if process.name == "reads" and self.turns[pid] < 2:
            return reads
        final = (
            lambda: Kill(kin, said),
            lambda: Retract(kin, said),
            lambda: Retract(kin, said),
            lambda: Exit(said, chance.choice(("", said)), {said: "sums/add"}) if process.parent else Status(),
        )
        makers = (
            lambda: Spawn(
                said, "worker", name=said, grants=("add", "claim", "send", "complete", "alarm"), budget=means
            ),
            lambda: Fork(said, chance.choice((said, "reads")), budget=means),
            chance.choice(final),
            lambda: Revoke(kin, "mail/send"),
            lambda: GrantTo(kin, (Grant("sums/add", {"text": Rule(one_of=(said,))}),)),
            *[lambda: Send(chance.choice((0, kin)), said)] * (4 if process.parent in self.told else 1),
            lambda: Receive(0.0),
            *[lambda: Status(note=said)] * 2,
            *[lambda: Status()] * 2,
            lambda: Alarm(0.0, said),
            *[lambda: Add((Task(said, said, name=f"{n(50)} {said}", after=chance.choice(((), (said,)))),))] * 2,
            *[lambda: ListTasks()] * 2,
            *[lambda: Claim()] * 3,
            lambda: Complete(chance.choice(tasks), said),
            lambda: Accept(chance.choice(tasks), n(2) == 0, said),
            lambda: Wait(mode="any", timeout_seconds=0.0, board=n(2) == 0),
        )
        return chance.choice(makers)()


@pytest.mark.parametrize("seed", SEEDS[:30])
def test_words_of_a_foreign_process_reach_no_other_without_its_label(seed: int) -> None:
    print(f"GEMOT_SEED={seed}")
    one, other = (Relayed(seed, evil) for evil in EVILS)
    assert one.names == other.names, "the runs differ in words only, so they do the same"
    for name in one.clean.keys() | other.clean.keys():
        assert one.clean.get(name) == other.clean.get(name), f"{name} was told other words, and is not foreign"
    assert not any(EVILS[0] in text for texts in one.clean.values() for text in texts)
