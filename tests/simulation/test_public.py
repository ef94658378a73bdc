"""The public API as a state machine: whatever people do, in whatever order, is refused or holds, also after a restart."""

from __future__ import annotations

from typing import Any

import msgspec
from checkers import LawBroken, everyone
from history import History
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from outside import HERE, MODELS
from worlds import EVERY_SYSCALL

from gemot.abi.effects import Asked
from gemot.abi.grants import Budget, Grant
from gemot.machine.machine import Machine, MachineError
from gemot.models.port import ModelFailed

BUDGET = Budget(100_000, 100_000, 600_000, 8, 3, 60)
PIDS = some.integers(0, 12)


def answers(asked: Asked, text: str) -> bool:
    """Whether a yes with this text answers the ask: actions and plans take ``yes`` or numbers, other asks take text."""
    if asked.whole:
        return text == "yes"
    if asked.tool or asked.actions or asked.plan:
        return text in ("yes", "1")
    return text in (asked.options or (text,))


class Public(RuleBasedStateMachine):
    """What a person sees of a machine must be what they did to it."""

    @initialize(seed=some.integers(0, 2**32))
    def open(self, seed: int) -> None:
        self.history = History(seed)
        self.loop = self.history.loop
        HERE.outside = self.history.outside
        self.loop.__enter__()
        self.history.boot()

    def teardown(self) -> None:
        if hasattr(self, "history"):
            try:
                self.history.go_on()
                self.history.finish()
            finally:
                self.loop.__exit__()

    @property
    def machine(self) -> Machine:
        return self.history.machine

    def alive(self, pid: int) -> bool:
        process = self.machine.kernel.processes.get(pid)
        return process is not None and process.alive

    def does(self, doing: Any, allowed: bool) -> Any:
        """Do it: it is carried out if it is ``allowed``, else it is refused and nothing is written."""
        before = self.machine._loop.journal.position
        try:
            result = self.loop.result(doing) if hasattr(doing, "send") else doing()
        except (MachineError, ModelFailed) as error:
            assert not allowed or "meanwhile" in str(error), error
            assert str(error), "a refusal says why"
            return None
        assert allowed, "it was not refused"
        assert self.machine._loop.journal.position >= before
        return result

    # What people do.

    @rule(program=some.sampled_from(("wanderer", "talker", "nobody")), model=some.sampled_from((*MODELS, "none")))
    def start(self, program: str, model: str) -> None:
        goal = f"goal {self.history.person.word()}"
        rights = (*EVERY_SYSCALL, Grant("*"))
        doing = self.machine.start(goal, program=program, model=model, grants=rights, budget=BUDGET)
        pid = self.does(doing, program != "nobody" and model != "none")
        if pid is not None:  # it may have gone on as another program already, and have another brief
            assert self.machine.kernel.processes[pid].parent == 0
            assert f'"goal":"{goal}"'.encode() in next(
                one.body
                for one in self.machine._loop.journal.read()
                if b'"arrived"' in one.body and goal.encode() in one.body
            )

    @rule(pid=PIDS, text=some.sampled_from(("go on", "stop", " ")))
    def send(self, pid: int, text: str) -> None:
        self.does(self.machine.send(pid, text), self.alive(pid) and bool(text.strip()))

    @rule(which=some.integers(0, 3), allow=some.booleans(), text=some.sampled_from(("left", "something", "yes", "1")))
    def answer(self, which: int, allow: bool, text: str) -> None:
        asks = {asked.ask: asked for asked in self.machine.asks()}
        ask = sorted(asks)[which] if which < len(asks) else 999
        fits = ask in asks and (not allow or answers(asks[ask], text))
        self.does(self.machine.answer(ask, allow, text), fits)
        assert not fits or ask not in {asked.ask for asked in self.machine.asks()}, "an answered ask is closed"

    @rule(pid=PIDS)
    def kill(self, pid: int) -> None:
        self.does(self.machine.kill(pid), self.alive(pid))
        assert not self.alive(pid)

    @rule(pid=PIDS, model=some.sampled_from((*MODELS, "none")))
    def move(self, pid: int, model: str) -> None:
        self.does(self.machine.move(pid, model), self.alive(pid) and model != "none")
        assert not self.alive(pid) or model == "none" or self.machine.kernel.processes[pid].models[0] == model

    @rule(pid=PIDS, tokens=some.sampled_from((-1, 50_000)))
    def fork(self, pid: int, tokens: int) -> None:
        text = f"copy {self.history.person.word()}"
        allowed = self.alive(pid) and tokens > 0
        copy = self.does(self.machine.fork(pid, text, msgspec.structs.replace(BUDGET, tokens=tokens)), allowed)
        assert copy is None or self.machine.kernel.processes[copy].root == copy, "a person's fork is a tree of its own"

    @rule(pid=PIDS)
    def pause(self, pid: int) -> None:
        root = self.machine.kernel.processes[pid].root if self.alive(pid) else 0
        self.does(lambda: self.machine.pause(pid), bool(root))
        assert not root or root in self.machine.kernel.asleep

    @rule(pid=PIDS)
    def resume(self, pid: int) -> None:
        root = self.machine.kernel.processes[pid].root if self.alive(pid) else 0
        self.does(lambda: self.machine.resume(pid), bool(root))
        assert root not in self.machine.kernel.asleep

    @rule(turns=some.sampled_from((1, 5, 20, 100)))
    def time_passes(self, turns: int) -> None:
        self.history.go_on(turns)

    @precondition(lambda self: self.history.lives < 6)
    @rule(how=some.sampled_from(("close", "kill")))
    def go_and_come_back(self, how: str) -> None:
        """Closed or killed and opened again: the same processes, the same questions, every tree asleep."""
        everyone(self.machine.kernel)  # into memory, since a closed machine fetches nobody
        if how == "close":
            self.loop.result(self.machine.close(0))
        seen = [(one.pid, one.parent, one.name, one.brief, one.outcome) for one in self.machine.processes()]
        asks = self.machine.asks()
        self.history.crash("close")
        self.history.boot()
        now = self.machine.processes()
        assert [(one.pid, one.parent, one.name, one.brief, one.outcome) for one in now] == seen
        assert self.machine.asks() == asks
        assert all(one.state == "asleep" or one.outcome is not None for one in now)

    @invariant()
    def no_law_is_broken(self) -> None:
        if hasattr(self, "history") and self.history.watcher.verdict is not None:
            raise LawBroken(str(self.history.watcher.verdict))


TestPublic = Public.TestCase
TestPublic.settings = settings(max_examples=50, stateful_step_count=25)
