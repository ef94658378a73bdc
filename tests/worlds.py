"""The worlds that tests put gemot into: a kernel alone, or a machine in memory. Both stand before a :class:`Witness`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from checkers import Witness

from gemot.abi import limits
from gemot.abi.answers import Answer, Outcome
from gemot.abi.effects import (
    AskModel,
    Begin,
    BeginFork,
    Deliver,
    DropMemory,
    Effect,
    End,
    FindMemories,
    KeepMemory,
    PutAsk,
    ReadValue,
    StartTool,
    StopWork,
)
from gemot.abi.events import (
    Answered,
    Arrived,
    BoardMove,
    Booted,
    Cost,
    Done,
    Event,
    Installed,
    Paused,
    Replied,
    Result,
    Resumed,
    Said,
    Stopped,
    Trapped,
    Value,
    Worked,
)
from gemot.abi.grants import Budget, Grant, Mount
from gemot.abi.messages import Reply, Text, Usage
from gemot.abi.programs import ProgramSpec
from gemot.abi.rules import RULES
from gemot.abi.syscalls import SYSCALLS, Alarm, Syscall
from gemot.abi.tools import Manifest, ToolSpec
from gemot.drivers.kit import Driver, standing
from gemot.journal.contract import Damaged, Journal
from gemot.journal.memory import MemoryJournal
from gemot.journal.records import decode, encode
from gemot.machine.calendar import first, tick
from gemot.machine.machine import Machine
from gemot.models.catalogue import Limits
from gemot.models.port import Model
from gemot.programs.library import load
from gemot.programs.native import Native

EVERY_SYSCALL = tuple(Grant(name) for name in SYSCALLS)
PLENTY = Budget(tokens=100_000, usd_micros=1_000_000, millis=600_000, processes=200, depth=10, calls=10_000)

WORK = AskModel | StartTool | ReadValue | KeepMemory | FindMemories | DropMemory
"""The effects that end in a `Done`."""

_PATH = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
_TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}

TOOLS = (
    ToolSpec("disk/read", "Read a file.", _PATH, "reads", True, paths=("path",)),
    ToolSpec("disk/write", "Write a file.", _PATH, "writes", False, paths=("path",), needs="rw"),
    ToolSpec("post/send", "Send a letter.", _TEXT, "sends", False, asks=True),
    ToolSpec("sums/add", "Add up.", _TEXT, "computes", True),
)
"""One tool of each kind: reads and is repeatable, writes and is not, asks a person, computes."""

PROGRAMS = (
    ProgramSpec("worker", "A native program.", "native", "w" * 64, grants=(Grant("disk/*"), Grant("sums/*"))),
    ProgramSpec("talker", "An AI program.", "ai", "t" * 64, grants=(Grant("disk/read"),), inline_mail=True),
)

DATA = Mount("work", "/srv/data", "rw")  # what a tree is given where a test says nothing: a folder that no test opens


class KernelWorld:
    """A kernel without a machine: the test is its programs, its models, its tools, its clock and its person."""

    def __init__(self) -> None:
        self.witness = Witness()
        self.witness.value = self._value
        self.values: dict[str, str] = {}
        """What the journal would keep, by digest."""
        self.kernel = self.witness.kernel
        self.at = 1_000_000
        self.install()

    def install(self, tools: tuple[ToolSpec, ...] = TOOLS) -> None:
        self.feed(Installed(self.at, (Manifest("all", "1", "Tools for tests.", tools),), PROGRAMS))

    def _value(self, digest: str) -> str:
        if digest not in self.values:
            raise Damaged(f"no value is kept under {digest}", 0)
        return self.values[digest]

    def large(self, text: str) -> Value:
        """A result as the machine tells it where the kernel does not want it whole: its beginning, and the digest of the rest."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.values[digest] = text
        return Value(text[: limits.PREVIEW_CHARS], digest, len(text))

    def feed(self, event: Event) -> list[Effect]:
        if isinstance(event, Done) and isinstance(event.outcome, Value) and event.outcome.digest:
            text = event.outcome.document or event.outcome.text
            self.values.setdefault(event.outcome.digest, text)
        return self.witness.handle(decode(encode(event)))

    def tree(
        self,
        budget: Budget = PLENTY,
        grants: Iterable[Grant] = (*EVERY_SYSCALL, Grant("*")),
        mounts: tuple[Mount, ...] = (DATA,),
        models: tuple[str, ...] = ("m", "n"),
        program: str = "worker",
        **more: Any,
    ) -> int:
        """The first process of a new tree; its pid. ``more``: as in :class:`gemot.abi.events.Arrived`."""
        effects = self.feed(Arrived(self.at, "a goal", program, models, mounts, budget, tuple(grants), **more))
        return next(effect.pid for effect in effects if isinstance(effect, Begin))

    def trap(self, pid: int, syscall: Syscall, estimate: Cost | None = None) -> list[Effect]:
        due = first(syscall, self.at) if isinstance(syscall, Alarm) else None
        return self.feed(Trapped(self.at, pid, syscall, estimate, due=due))

    def ask(self, pid: int, syscall: Syscall, estimate: Cost | None = None) -> Answer:
        """Make a syscall that is answered at once; its answer."""
        answer = answer_to(pid, self.trap(pid, syscall, estimate))
        assert answer is not None, f"{syscall} was not answered at once"
        return answer

    def born(self, pid: int, syscall: Syscall) -> int:
        """Spawn or fork; the child's pid. A forked child has had its answer."""
        effects = self.trap(pid, syscall)
        children = [effect.pid for effect in effects if isinstance(effect, Begin | BeginFork)]
        assert children, effects
        return children[0]

    def later(self, millis: int) -> list[Effect]:
        self.at += millis
        return self.feed(tick(self.kernel, self.at))

    def done(self, effect: int, outcome: Result | None = None, millis: int = 10) -> list[Effect]:
        return self.feed(Done(self.at, effect, Value("done") if outcome is None else outcome, millis))

    def stop(self, pid: int) -> list[Effect]:
        return self.feed(Stopped(self.at, pid))

    def say(self, pid: int, text: str) -> list[Effect]:
        return self.feed(Said(self.at, pid, text))

    def work(self, root: int, move: BoardMove) -> list[Effect]:
        """The person's move on a board."""
        return self.feed(Worked(self.at, root, move))

    def answer(self, ask: int, **words: Any) -> list[Effect]:
        return self.feed(Answered(self.at, ask, **words))

    def reboot(self) -> list[Effect]:
        return self.feed(Booted(self.at, rules=RULES))

    def resume(self, root: int) -> list[Effect]:
        return self.feed(Resumed(self.at, root))

    def pause(self, root: int) -> list[Effect]:
        return self.feed(Paused(self.at, root))


def answer_to(pid: int, effects: Sequence[Effect]) -> Answer | None:
    return next((effect.answer for effect in effects if isinstance(effect, Deliver) and effect.pid == pid), None)


def started(effects: Sequence[Effect]) -> list[int]:
    """The numbers of the work that the machine is told to do."""
    return [effect.effect for effect in effects if isinstance(effect, WORK)]


def stopped(effects: Sequence[Effect]) -> list[int]:
    return [effect.effect for effect in effects if isinstance(effect, StopWork)]


def put(effects: Sequence[Effect]) -> list[int]:
    """The asks that are put before the person."""
    return [effect.asked.ask for effect in effects if isinstance(effect, PutAsk)]


def ends(effects: Sequence[Effect]) -> dict[int, Outcome]:
    return {effect.outcome.pid: effect.outcome for effect in effects if isinstance(effect, End)}


def replied(text: str = "yes", tokens_in: int = 10, tokens_out: int = 5, usd_micros: int = 0) -> Replied:
    return Replied(Reply((Text(text),), Usage(tokens_in, tokens_out, 0, usd_micros), "m"))


class MachineWorld:
    """Machines on one journal, one after the other: each is witnessed from its boot on."""

    def __init__(
        self,
        *,
        programs: Iterable[Native] = (),
        drivers: Iterable[Driver] = (),
        models: dict[str, Model] | None = None,
        journal: Journal | None = None,
        clock: Callable[[], float] | None = None,
        limits: dict[str, Limits] | None = None,
        threads: Callable[[], Any] | None = None,
    ) -> None:
        """``threads``: in the place of real ones, for tools that are plain functions."""
        self.limits, self.threads = limits or {}, threads
        self.journal = journal if journal is not None else MemoryJournal()
        self.programs, self.drivers, self.models = tuple(programs), tuple(standing(drivers)), models or {}
        self.clock = clock
        self.machine: Machine
        self.witness: Witness

    def boot(self, resume: bool = False) -> Machine:
        """Open a machine on the journal as it is now. Must be called inside an event loop."""
        library = load((), self.programs)
        extra: dict[str, Any] = {} if self.clock is None else {"clock": self.clock}
        self.machine = Machine(
            self.journal, library, self.drivers, self.models.__getitem__, limits=self.limits, **extra
        )
        if self.threads is not None:
            self.machine._loop.stage.uses.threads = self.threads()
        self.machine._boot(False)
        self.witness = Witness.watching(self.machine.kernel, self.history(), self.journal.value)
        if resume:
            self.machine.resume()
        return self.machine

    def crash(self) -> None:
        """The machine is gone: nothing it still does is heard of, and nobody closed anything."""
        self.machine._loop.closed = True
        for task in self.machine._loop.stage._running.values():
            task.cancel()

    def history(self) -> list[Event]:
        return [decode(record.body) for record in self.journal.read()]


async def settled(machine: Machine, turns: int = 200) -> None:
    """Let everything happen that happens without time, a person or a model that holds back."""
    for _ in range(turns):
        await asyncio.sleep(0)


def bill(history: Iterable[Event]) -> int:
    """The tokens of all model calls that a journal holds."""
    return sum(
        event.outcome.reply.usage.tokens_in + event.outcome.reply.usage.tokens_out
        for event in history
        if isinstance(event, Done) and isinstance(event.outcome, Replied)
    )
