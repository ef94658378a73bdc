"""The programs of simulated machines: native ones that wander through the syscalls, and an AI program led by a wild model.

A wanderer's chance is seeded by its brief, so it does the same on the same answers. Its name is the line of its ancestors
and no other process has it; so every token it hands to a tool is used by nobody else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from gemot.abi.grants import BudgetRequest, Grant, MountRequest, Rule
from gemot.abi.reviews import AgreementCheck, Check, PersonCheck, ReceiptCheck, ReviewerCheck, SchemaCheck, ToolCheck
from gemot.abi.syscalls import (
    CancelAlarm,
    Claim,
    Complete,
    GrantTo,
    ListTasks,
    Mandate,
    Recall,
    Reorder,
    Retract,
    Revoke,
    Step,
    Task,
)  # fmt: skip
from gemot.programs.library import Library, parse
from gemot.programs.native import Calls, SyscallCancelled, SyscallFailed, program

TOOLS = ("shop/pay", "shop/pay", "shop/order", "shop/note", "desk/look", "desk/double", "shop/nothing")


class Walk:
    """Where a wanderer is: its name, its chance, and what it remembers."""

    def __init__(self, name: str) -> None:
        self.become(name)

    def become(self, name: str) -> None:
        self.name, self.chance = name, Random(name)
        self.steps, self.count = self.chance.randrange(3, 16), 0
        self.children: list[int] = []
        self.alarms: list[int] = []
        self.handles: list[int] = []
        self.strict = name[-1] in "13"
        self.rightly = Random(f"rights {name}")
        """The chance of what is done with rights: what else happens does not depend on it."""
        self.loosely = Random(f"words {name}")
        """So has what is read of third parties, and what words are given where none are needed."""

    def token(self) -> str:
        self.count += 1
        return f"{self.name}.{self.count}"

    def words(self, otherwise: Any) -> Any:
        """Now and then a token in place of something else."""
        return (
            f"{self.name}.{self.count}.{self.loosely.randrange(1, 10**9)}" if self.loosely.random() < 0.2 else otherwise
        )

    def tool(self) -> str:
        tool = self.pick(*TOOLS)
        return "wire/news" if tool == "desk/look" and self.loosely.random() < 0.5 else tool

    def pick(self, *options: Any) -> Any:
        return options[int(self.chance.random() * len(options))]

    def child(self) -> int:
        return self.pick(*self.children, 1, 7) if self.children else self.pick(1, 7)

    def rights(self) -> dict[str, Any]:
        """What a child is to get: sensible, too much, or nonsense."""
        n = self.chance.randrange
        grant = self.pick(Grant("shop/pay", uses=2), Grant("shop/*"), Grant("*"), Grant("spawn"), Grant("wait"))
        bounded = Grant("desk/look", {"what": Rule(prefix=self.pick("a", "g"))}, until_ms=self.pick(None, 10**9))
        return {
            "grants": self.pick(None, None, None, (grant,), (grant, bounded), ("fork", "ask", "shop/order")),
            "budget": self.pick(
                None, None, BudgetRequest(n(3_000), n(900), float(n(50)), n(4), n(4), n(20)), BudgetRequest(calls=6)
            ),
            "deadline_seconds": self.pick(None, None, None, 3.0, 500.0),
            "returns": self.pick(None, None, None, {"type": "integer"}, {"enum": ["good", "walked"]}),
            "mounts": self.pick(None, None, (MountRequest("."),), (MountRequest("deep", "deep", "rw"),)),
            "review": self.checks(),
            "tries": self.pick(1, 2, 3),
            "priority": Random(f"{self.name} {self.count}").choice((*[None] * 9, 1, 4, 7)),
        }

    def checks(self) -> tuple[Check, ...]:
        """What a child's result must pass: mostly nothing."""
        check = self.pick(
            SchemaCheck({"type": "string"}),
            ReceiptCheck("shop/pay"),
            ToolCheck("desk/check", {"what": self.token()}),
            ReviewerCheck(program="talker"),
            ReviewerCheck(program="broken"),
            PersonCheck(),
        )
        return self.pick((), (), (check,), (SchemaCheck({}), check))


Doing = Callable[[Calls, Walk], Coroutine[Any, Any, None]]


async def use(calls: Calls, walk: Walk) -> None:
    uses = [(walk.tool(), {"what": walk.token()}) for _ in range(walk.pick(1, 1, 2, 3))]
    for returned in await calls.call_all(*uses):
        if returned.handle is not None:
            walk.handles.append(returned.handle.number)


async def look_closely(calls: Calls, walk: Walk) -> None:
    await calls.read(walk.pick(*walk.handles, 3), walk.pick(0, 600), 500)


async def spawn(calls: Calls, walk: Walk) -> None:
    which = walk.pick("wanderer", "wanderer", "talker", "broken", "nobody")
    rest = {"task": walk.pick(None, None, None, 1, 2)} | walk.rights()
    walk.children.append(
        await calls.spawn(walk.token(), which, name="s", model=walk.pick("", "", "slow", "other"), **rest)
    )


async def fork(calls: Calls, walk: Walk) -> None:
    name = walk.token()
    pid = await calls.fork(name, **walk.rights())
    if pid:
        walk.children.append(pid)
    else:
        walk.become(name)


async def wait(calls: Calls, walk: Walk) -> None:
    named = walk.pick(None, None, [walk.child()], walk.children[:2])
    waited = await calls.wait(
        named,
        mode=walk.pick("all", "any", "first", "first"),
        timeout_seconds=walk.pick(None, None, None, 0, 30),
        messages=walk.pick(True, False),
    )
    walk.children = [pid for pid in walk.children if pid not in {one.pid for one in waited.ended}]


async def race(calls: Calls, walk: Walk) -> None:
    share = BudgetRequest(processes=walk.pick(0, 1), depth=walk.pick(0, 1))
    review = walk.checks()
    pids = [
        await calls.spawn(walk.token(), walk.pick("wanderer", "talker"), budget=share, review=review)
        for _ in range(walk.pick(2, 3))
    ]
    walk.children += pids
    await calls.wait(pids, mode="first", timeout_seconds=walk.pick(None, 200))


async def judged(calls: Calls, walk: Walk) -> None:
    """A child that has what it takes to be reviewed."""
    check = walk.pick(ReviewerCheck(program="talker"), ReviewerCheck(program="broken"), AgreementCheck(2, 2))
    which = "talker" if isinstance(check, AgreementCheck) else "wanderer"
    means = BudgetRequest(processes=walk.pick(1, 1, 2), depth=1)
    pid = await calls.spawn(walk.token(), which, budget=means, review=(check,), tries=walk.pick(1, 2))
    walk.children.append(pid)
    await calls.wait([pid], timeout_seconds=walk.pick(None, 300))


async def send(calls: Calls, walk: Walk) -> None:
    await calls.send(walk.pick(0, walk.child()), walk.token())


async def receive(calls: Calls, walk: Walk) -> None:
    await calls.receive(walk.pick(None, 0, 60, 60))


async def alarm(calls: Calls, walk: Walk) -> None:
    if walk.pick(True, False):
        await recur(calls, walk)
        return
    walk.alarms.append(await calls.alarm(walk.pick(0, 1.5, 40, 5_000), "now"))
    await calls.wait(messages=True, timeout_seconds=walk.pick(None, 20))


async def recur(calls: Calls, walk: Walk) -> None:
    """Is woken again and again, and takes the alarm back: nothing else would ever end it."""
    every = walk.pick("2s", "7s", "90s", "*/5 * * * *")
    alarm = await calls.alarm(every=every, zone="UTC", missed=walk.pick("once", "skip", "all"))
    try:
        for _ in range(walk.pick(1, 2, 4)):
            if walk.pick(True, False):
                await calls.wait(messages=True)
            rung = False
            while not rung:
                rung = any(mail.alarm == alarm for mail in await calls.receive())
            if walk.pick(True, False, False):  # nothing that waits for a person: it would ring until they come
                await calls.call_all(("desk/look", {"what": walk.token()}))
    except SyscallFailed:
        pass
    except SyscallCancelled:  # what it was told is taken back; or it is a fork, which has no such alarm
        with contextlib.suppress(SyscallFailed):
            await calls.cancel_alarm(alarm)
        raise
    await calls.cancel_alarm(alarm)


async def cancel(calls: Calls, walk: Walk) -> None:
    await calls.trap(CancelAlarm(walk.pick(*walk.alarms, 5)))


async def generate(calls: Calls, walk: Walk) -> None:
    await calls.generate(walk.token(), choose=walk.pick((), ("yes", "no")), tokens_out_max=walk.pick(16, 200, 0))


async def ask(calls: Calls, walk: Walk) -> None:
    await calls.ask(walk.token(), *walk.pick((), ("left", "right")))


async def board(calls: Calls, walk: Walk) -> None:
    await calls.add(*(Task(walk.token()) for _ in range(walk.pick(1, 2, 0))))
    task = walk.pick(1, 2, 3)
    what = walk.pick(Claim(task), Complete(task, "done"), Reorder((task, 1)), Recall("it", limit=0))
    await calls.trap(Claim(task)) if walk.pick(True, False) else await judge(calls, walk)
    await calls.trap(what)
    await calls.tasks()


async def plan(calls: Calls, walk: Walk) -> None:
    """Tasks that come after each other, by name and by number."""
    known = [task["number"] for task in await calls.tasks()]
    if len(known) > 9:
        return
    one, other = walk.token(), walk.token()
    after = walk.pick((one,), (one, *known[:1]), known[-2:], (other,), (99,))
    tasks = Task(one, name=one), Task(other, name=other, after=tuple(after), priority=walk.pick(0, 0, 3))
    await calls.add(*tasks, Task(walk.token(), budget=BudgetRequest(tokens=500), grants=("shop/note", "claim")))


async def labour(calls: Calls, walk: Walk) -> None:
    """Take a task, and do it, or renew its lease, or let it pass."""
    taken = await calls.claim(walk.pick(None, None, None, 1, 2), walk.pick(None, None, 1.0, 20.0, 400.0, 0.0))
    number = taken["number"]
    if walk.pick(True, False, False, False):
        await walk.pick(use, watch, fork)(calls, walk)
    if walk.pick(True, False, False, False):
        await calls.claim(number, walk.pick(None, 5.0))
    if walk.pick(True, True, True, False):
        await calls.complete(number, walk.token())


async def hand_out(calls: Calls, walk: Walk) -> None:
    """Give a task that is ready (or any) to a child."""
    ready = [task["number"] for task in await calls.tasks(ready=True)]
    which = walk.pick("clerk", "wanderer")
    walk.children.append(await calls.spawn(walk.token(), which, task=walk.pick(*ready, *ready, 1)))


async def judge(calls: Calls, walk: Walk) -> None:
    for one in (await calls.tasks("completed"))[:3] or [{"number": walk.pick(1, 2, 3)}]:
        try:
            await calls.accept(
                one["number"], not walk.strict and walk.pick(True, False), walk.pick("no", "no", "no", "")
            )
        except SyscallFailed:
            continue


async def watch(calls: Calls, walk: Walk) -> None:
    if walk.pick(True, False):
        await calls.tasks(ready=walk.pick(True, False))
    await calls.wait(board=True, timeout_seconds=walk.pick(None, 3, 30, 500), messages=walk.pick(True, False))


async def remember(calls: Calls, walk: Walk) -> None:
    scope = walk.pick("person", "project", "program")
    number = await calls.remember(walk.token(), walk.name, scope)
    for memory in await calls.recall(walk.pick(walk.name, ""), scope, trusted=walk.pick(True, False)):
        number = walk.pick(number, memory.number)
    if walk.pick(True, False, False):
        await calls.forget(number, scope)


async def see(calls: Calls, walk: Walk) -> None:
    if walk.pick(True, False):
        await calls.note(walk.words(walk.pick("so far", "", "two\nlines")))
    await calls.status(walk.pick(None, walk.child()))


async def kill(calls: Calls, walk: Walk) -> None:
    await calls.kill(walk.child())


async def move_rights(calls: Calls, walk: Walk) -> None:
    """Hands a right on, takes one back, or has a plan endorsed."""
    pick = walk.rightly.choice
    child = pick((*walk.children, 7))
    grant = pick((Grant("shop/pay", uses=pick((1, 2))), Grant("shop/pay"), Grant("shop/*"), Grant("desk/look")))
    once, order = Step("Pay once", (Grant("shop/pay", uses=1),)), Step("Order", (Grant("shop/order"),))
    plan = Mandate(pick(((once,), (once,), (order,), (once, order))))
    taken = Revoke(child, pick(("shop/pay", "shop/*", "desk/*")))
    made = plan if walk.children else taken
    what = pick((GrantTo(child, (grant,)), GrantTo(child, (grant,)), taken, made, made, made))
    if what is plan and pick((True, False)):  # a child that lives when the plan is endorsed is bound by it, too
        walk.children.append(await calls.spawn(walk.token(), "wanderer"))
    await calls.trap(what)


async def take_back(calls: Calls, walk: Walk) -> None:
    """Takes back what a child said; or has one that says something, reads it, and lets time pass."""
    if walk.pick(True, False):
        share = BudgetRequest(processes=0)
        which = walk.pick("whisperer", "whisperer", "talker")
        if which == "whisperer" and walk.loosely.random() < 0.6:
            which = "reporter" if walk.loosely.random() < 0.5 else "planter"
        walk.children.append(await calls.spawn(walk.token(), which, budget=share))
        await calls.receive(walk.pick(1, 60))
        await calls.wait([], mode="all", board=True, timeout_seconds=walk.pick(1, 40, 200))
        if which == "planter":
            await calls.trap(ListTasks())
    else:
        await calls.trap(Retract(walk.child(), walk.words(walk.pick("wrong", "wrong", "wrong", ""))))


async def change(calls: Calls, walk: Walk) -> None:
    await calls.execute(walk.pick("wanderer", "wanderer", "talker", "nobody"), walk.token())


async def leave(calls: Calls, walk: Walk) -> None:
    await calls.exit(walk.words(walk.pick("good", 7, None)), failed=walk.pick("", "", "no way"))


async def trip(calls: Calls, walk: Walk) -> None:
    raise walk.pick(ValueError("tripped"), SystemExit(1), KeyError("x"))


STEPS: list[tuple[Doing, int]] = [
    (use, 30), (look_closely, 3), (spawn, 14), (fork, 10), (race, 5), (judged, 7), (wait, 16), (send, 8), (receive, 6), (alarm, 6), (cancel, 2),
    (generate, 8), (ask, 6), (board, 4), (labour, 4), (watch, 2), (remember, 4), (see, 2), (kill, 3), (take_back, 4), (change, 2), (leave, 3), (trip, 1),
]  # fmt: skip
_STEPS = [step for step, weight in STEPS for _ in range(weight)]


@program(
    grants=(
        "shop/*",
        "desk/*",
        "wire/*",
        "spawn",
        "fork",
        "send",
        "alarm",
        "ask",
        "kill",
        "exec",
        "add",
        "claim",
        "complete",
        "accept",
        "remember",
        "recall",
        "forget",
        "retract",
        "grant",
        "revoke",
        "mandate",
    )
)
async def wanderer(calls: Calls, brief: str) -> Any:
    """Makes random syscalls until its way ends, then waits for its children or not."""
    walk = Walk(brief)
    while walk.steps > 0:
        walk.steps -= 1
        try:
            if walk.rightly.random() < 0.12:
                await move_rights(calls, walk)
            await walk.pick(*_STEPS)(calls, walk)
        except SyscallFailed:
            pass
        except SyscallCancelled:  # a person forked us: from now on we are somebody else
            walk.become(await _new_name(calls))
    try:
        if walk.pick(True, True, False):
            await calls.wait()
    except (SyscallFailed, SyscallCancelled):
        pass
    return walk.pick("walked", 3, 1j) if walk.pick(*range(9)) == 0 else "walked"


@program(grants=("shop/*", "spawn", "fork", "kill", "send", "add", "claim", "complete", "accept", "reorder"))
async def clerk(calls: Calls, brief: str) -> str:
    """Works on the board with its children, who do the same."""
    walk = Walk(brief)
    todo: list[Doing] = list(walk.pick((plan, hire), (plan, hand_out, hire), (plan, hire, hire), ()))
    todo += [walk.pick(*CLERKS) for _ in range(2 * walk.steps)]
    for step in todo:
        try:
            await step(calls, walk)
            if walk.pick(True, False):
                await judge(calls, walk)
        except SyscallFailed:
            pass
        except SyscallCancelled:
            walk.become(await _new_name(calls))
    return "worked"


async def hire(calls: Calls, walk: Walk) -> None:
    """A fork that does the same, or a clerk of one's own."""
    name = walk.token()
    share = BudgetRequest(processes=walk.pick(0, 2), calls=walk.pick(20, 30))
    if walk.pick(True, False):
        walk.children.append(await calls.spawn(name, "clerk", budget=share))
    elif pid := await calls.fork(name, budget=share):
        walk.children.append(pid)
    else:
        walk.become(name)


CLERKS = (labour, labour, labour, labour, labour, watch, watch, plan, hand_out, hire, wait, use, kill, send)


async def _new_name(calls: Calls) -> str:
    for _ in range(9):
        try:
            for mail in await calls.receive(0):
                if mail.text.startswith("copy "):
                    return mail.text
        except SyscallCancelled:
            continue
    raise ValueError("a fork that was not told its name")


@program(grants=("send",))
async def whisperer(calls: Calls, brief: str) -> str:
    """Says something to its parent, and says it again."""
    await calls.send(0, brief)
    return brief


@program(grants=("send", "wire/news"))
async def reporter(calls: Calls, brief: str) -> str:
    """Reads what third parties say, tells its parent of it, and tells more of it at its end."""
    await calls.call("wire/news", what=f"{brief}.1")
    await calls.send(0, f"{brief}.2")
    return f"{brief}.3"


@program(grants=("add", "wire/news"))
async def planter(calls: Calls, brief: str) -> None:
    """Reads what third parties say, and leaves a task that tells of it to whoever looks at the board."""
    await calls.call("wire/news", what=f"{brief}.1")
    await calls.add(Task(f"{brief}.2"))


@program(grants=("shop/*",))
async def broken(calls: Calls, brief: str) -> None:
    """Raises before it has done anything."""
    raise RuntimeError("broken from the start")


TALKER = parse(
    """+++
name = "talker"
description = "Does what a wild model says."
grants = ["shop/*", "desk/*", "spawn", "fork", "send", "alarm", "ask", "kill", "exec", "receive", "add", "claim", "complete", "accept"]
+++
You are $name. Do anything.
""",
    "talker",
)

LIBRARY = Library(
    {"talker": TALKER}, {one.spec.name: one for one in (wanderer, clerk, whisperer, reporter, planter, broken)}
)
