"""Any history: random syscalls of random processes, random news from outside, every law checked after every event.

Run a failing history again with ``GEMOT_SEED=...`` (the long ones) or the blob that hypothesis prints (the small ones).
"""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as some
from worlds import EVERY_SYSCALL, TOOLS, KernelWorld

from gemot.abi.answers import Change
from gemot.abi.events import Compared, Copied, Cost, Done, Failure, Faulted, Found, Kept, Moved, Replied, Result, Value
from gemot.abi.grants import Budget, BudgetRequest, Grant, Mount, MountRequest, Rule
from gemot.abi.labels import Label
from gemot.abi.memories import Memory, Scope
from gemot.abi.messages import Reply, Text, Usage
from gemot.abi.syscalls import (
    Accept,
    Add,
    Alarm,
    Ask,
    Call,
    CancelAlarm,
    Claim,
    Complete,
    Exec,
    Exit,
    Forget,
    Fork,
    Generate,
    Kill,
    ListTasks,
    Read,
    Recall,
    Receive,
    Remember,
    Reorder,
    Send,
    Spawn,
    Status,
    Syscall,
    Task,
    ToolUse,
    Wait,
)
from gemot.authority.narrowing import anchor
from gemot.authority.refusal import Refused

SCOPES: tuple[Scope, ...] = ("person", "project", "program")


class Chaos:
    """Programs, models, tools, people and computers that do anything at all, as ``chance`` has it."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.world = KernelWorld()
        self.started: list[int] = []
        while not self.world.kernel.processes:
            self.plant()

    def plant(self) -> None:
        n = self.chance.randrange
        budget = Budget(n(2_000), n(5_000), n(200_000), n(60), n(9), 5 + n(2_000))
        grants = (*EVERY_SYSCALL, *(self.grant() for _ in range(1 + n(4))))
        mounts = (Mount("work", "/srv/data", "rw"), Mount("notes", "/srv/notes"))[: n(3)]
        try:
            anchor(grants, mounts, self.world.kernel.tools)
        except Refused:
            return  # the machine says so to the person, and no goal arrives
        self.world.tree(budget, grants, mounts, program=self.chance.choice(("worker", "talker")))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
        for process in [one for one in self.world.kernel.processes.values() if not one.parent and one.alive]:
            self.world.stop(process.pid)
        assert not any(process.alive for process in self.world.kernel.processes.values())
        assert not self.world.kernel.asks
        for effect in list(self.world.kernel.working):
            self.world.done(effect, self.outcome(effect))

    def step(self) -> None:
        ready = [one.pid for one in self.world.kernel.processes.values() if one.alive and one.syscall is None]
        if ready and self.chance.random() < 0.6:
            pid = self.chance.choice(ready)
            syscall = self.syscall(pid)
            estimate = (
                Cost(self.chance.randrange(60), self.chance.randrange(30)) if isinstance(syscall, Generate) else None
            )
            self.world.trap(pid, syscall, estimate)
        else:
            self.news()

    def news(self) -> None:
        world, chance = self.world, self.chance
        what = chance.randrange(14)
        pid = chance.choice(list(world.kernel.processes))
        root = world.kernel.processes[pid].root
        working = [*world.kernel.working, 7]
        if what < 5:
            effect = chance.choice(working)
            world.feed(Done(world.at, effect, self.outcome(effect), chance.randrange(2_000)))
        elif what < 7:
            world.later(chance.choice((0, 1, 500, 5_000, 100_000)))
        elif what == 7:
            world.say(pid, "do something else")
        elif what == 8:
            asks = [*world.kernel.asks, 7]
            scope = chance.choice(("once", "process", "subtree"))
            world.answer(
                chance.choice(asks), allow=chance.random() < 0.7, text=chance.choice(("left", "")), scope=scope
            )
        elif what == 9:
            chance.choice((world.pause, world.resume))(root)
        elif what == 10:
            world.feed(Moved(world.at, pid, chance.choice(("m", "n", "o"))))
        elif what == 11:
            budget = Budget(chance.randrange(300), 100, 1_000, 3, 3, 20)
            rare = (world.stop, lambda one: world.feed(Copied(world.at, one, "and you", budget)))
            chance.choice((*rare, lambda one: world.feed(Faulted(world.at, one, "it raised"))))(pid)
        elif what == 12 and chance.random() < 0.3:
            world.install(tuple(tool for tool in TOOLS if chance.random() < 0.8))
            world.reboot()
        elif len(world.kernel.given) < 4:
            self.plant()
        if world.kernel.asleep and chance.random() < 0.3:
            world.resume(chance.choice(sorted(world.kernel.asleep)))

    def outcome(self, effect: int) -> Result:
        chance = self.chance
        process = self.world.kernel.processes.get(self.world.kernel.working.get(effect, 0))
        if chance.random() < 0.2:
            return Failure(chance.choice(("failed", "deadline")), "it did not work")
        work = next((one for one in process.work if one.effect == effect), None) if process is not None else None
        if work is not None and work.kind == "model":
            usage = Usage(chance.randrange(120), chance.randrange(30), 0, chance.randrange(200))
            return Replied(Reply((Text("hm"),), usage, "m"))
        if work is not None and work.kind == "memory":
            label = chance.choice((Label(), Label(("tool:web/get",), "foreign", ("mail",))))
            found = isinstance(process.syscall, Recall)
            return Found((Memory(3, "a fact", "project", 9, label=label),) * chance.randrange(3)) if found else Kept(3)
        if work is not None and work.kind == "compare":
            changed = (Change("a", "changed", 2, 1),) * chance.randrange(2)
            return Compared(changed, chance.randrange(2), "d" * 64 if changed else "", "+a" if changed else "")
        if chance.random() < 0.3:
            return Value("begin", "d" * 64, 9_000)
        return Value("all of it")

    def syscall(self, pid: int) -> Syscall:
        chance, n = self.chance, self.chance.randrange
        process = self.world.kernel.processes[pid]
        kin = chance.choice([*process.children, *process.uncollected, process.parent, pid, 0, 99_999])
        seconds = chance.choice((None, 0.0, 1.0, 30.0, -1.0))
        text = chance.choice(("left", "", "x" * 50))
        makers = (
            *[lambda: self.child(pid)] * 6,
            lambda: Exec(chance.choice(("worker", "talker", "nobody")), text),
            lambda: (
                Exit(chance.choice((None, "good", 7, {"n": 1})), chance.choice(("", "could not")))
                if n(3) == 0 or process.parent
                else Status()
            ),
            lambda: Kill(kin),
            lambda: Status(chance.choice((None, kin))),
            lambda: Wait(
                chance.choice((None, (kin,), ())), chance.choice(("all", "any")), seconds, n(2) == 0, n(2) == 0
            ),
            lambda: Wait(mode=chance.choice(("all", "any"))),
            lambda: Send(kin, text),
            lambda: Receive(seconds),
            lambda: Alarm(chance.choice((0.0, 1.0, 60.0, -1.0)), text),
            lambda: CancelAlarm(chance.choice([*process.alarms, 5])),
            lambda: Generate(text, tokens_out_max=chance.choice((1, 16, 4096, 0))),
            lambda: Generate(text),
            lambda: Call(tuple(self.use() for _ in range(n(4)))),
            lambda: Call(tuple(self.use() for _ in range(1 + n(4)))),
            lambda: Read(chance.choice([*process.handles, 5]), n(10_000), n(9_000)),
            lambda: Add(tuple(Task(text) for _ in range(n(3)))),
            lambda: Claim(n(4)),
            lambda: Complete(n(4), text),
            lambda: Accept(n(4), n(2) == 0, text),
            lambda: Reorder((n(4), n(4))),
            lambda: ListTasks(),
            lambda: Ask(text, chance.choice(((), ("left", "right")))),
            lambda: Remember(text, scope=chance.choice(SCOPES)),
            lambda: Recall(text, chance.choice(SCOPES), n(7)),
            lambda: Forget(n(4), chance.choice(SCOPES)),
        )
        return chance.choice(makers)()

    def child(self, pid: int) -> Syscall:
        chance, n = self.chance, self.chance.randrange
        if n(2):
            return Fork("go on", budget=chance.choice((None, BudgetRequest(processes=3, calls=25))))
        grants = None if n(2) else tuple(self.grant() for _ in range(n(3))) + tuple(EVERY_SYSCALL[: n(30)])
        mounts = None if n(3) else tuple(self.mount(pid) for _ in range(1 + n(2)))
        budget = None if n(3) else BudgetRequest(n(60), n(60), float(n(20)), n(4), n(4), n(30))
        deadline = chance.choice((None, None, 3.0))
        returns = chance.choice((*(None,) * 6, {"enum": ["good"]}, {"type": 5}))
        model = chance.choice(("", "", "m", "z"))
        if n(2):
            return Fork("go on", "", grants, mounts, model, budget, deadline, returns)
        program = chance.choice((*("worker", "talker") * 4, "nobody"))
        return Spawn(
            "work", program, "", grants, mounts, model, budget, deadline, returns, {}, chance.choice((None, None, n(3)))
        )

    def grant(self) -> Grant:
        chance, n = self.chance, self.chance.randrange
        tool = chance.choice(("*", "disk/*", "disk/read", "disk/write", "post/send", "sums/add", "spawn", "fork"))
        where: dict[str, Rule] = {}
        if tool.startswith("disk") and n(2):
            where = {"path": chance.choice((Rule(under="notes"), Rule(one_of=("a", "notes/b")), Rule(under="a")))}
        if tool in ("sums/add", "post/send") and n(2):
            where = {"text": chance.choice((Rule(prefix="l"), Rule(chars_max=4), Rule(one_of=("left",))))}
        return Grant(tool, where, chance.choice((None, 1, 3)), chance.choice((None, None, self.world.at + 5_000)))

    def mount(self, pid: int) -> MountRequest:
        """A copy of what the parent has, or anything: a child with a copy is compared when it exits."""
        chance = self.chance
        own = self.world.kernel.processes[pid].mounts
        if own and chance.random() < 0.7:
            return MountRequest(f"/{chance.choice(own).name}", "work", chance.choice(("cow", "private")))
        path = chance.choice((".", "notes", "/notes", "/work/a", ".."))
        return MountRequest(
            path, chance.choice(("work", "work", "notes", "Work")), chance.choice(("ro", "rw", "cow", "private"))
        )

    def use(self) -> ToolUse:
        chance = self.chance
        tool = chance.choice((*(one.name for one in TOOLS), "disk/raed"))
        path = chance.choice(("a", "notes/b", "/notes/b", "..", "/etc"))
        given = chance.choice(
            ({"path": path}, {"text": "left"}, {"path": path} if tool.startswith("disk") else {"text": "left"})
        )
        return ToolUse(tool, given)


@settings(max_examples=250)
@given(some.randoms(use_true_random=False), some.integers(5, 80))
def test_no_short_history_breaks_a_law(chance: Random, steps: int) -> None:
    Chaos(chance).run(steps)


def test_no_long_history_breaks_a_law(chance: Random) -> None:
    for _ in range(60):
        Chaos(Random(chance.random())).run(400)
