"""The process table: what the kernel knows of one conversation. Never its words: those are in the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from gemot.abi.answers import Mail, Outcome, Returned, State
from gemot.abi.effects import Asked
from gemot.abi.grants import Grant, Mount
from gemot.abi.labels import Handle
from gemot.abi.programs import ProgramSpec
from gemot.abi.syscalls import Syscall
from gemot.kernel.ledger import Means


@dataclass(slots=True)
class Work:
    """One thing that a pending syscall needs from outside: a model call, a tool use, a read, or a person's word.

    ``asking``: a person must answer first. ``ready``: allowed, not started. ``started``: the machine was told.
    ``interrupted``: the machine stopped since; nobody knows how far it came. ``grant`` is the index of the grant that
    allowed it, so that its use is counted when it starts.
    """

    effect: int
    index: int
    state: Literal["asking", "ready", "started", "interrupted", "done"]
    kind: Literal["model", "tool", "read", "question"]
    repeatable: bool = True
    ask: int = 0
    millis_max: int = 0
    tokens_out_max: int = 0
    grant: int = -1
    result: Returned | None = None


@dataclass(slots=True)
class Process:
    """``parent`` is 0 for the first process of a tree. ``syscall`` is the pending one: a live process always has one
    while no program is deciding. ``uncollected``: ended children whose result was not waited for yet. ``confirmed``: tools
    that a person need not confirm again here; ``confirmed_below``: nor in descendants. ``last_rule``: why the last thing it wanted
    was refused, if it was. ``waits`` counts waits, so that a
    timer of an earlier one does nothing."""

    pid: int
    parent: int
    root: int
    name: str
    program: ProgramSpec
    brief: str
    models: tuple[str, ...]
    mounts: tuple[Mount, ...]
    grants: list[Grant]
    left: Means
    spent: Means = field(default_factory=Means)
    state: State = "running"
    syscall: Syscall | None = None
    work: list[Work] = field(default_factory=list[Work])
    children: list[int] = field(default_factory=list[int])
    uncollected: list[int] = field(default_factory=list[int])
    mailbox: list[Mail] = field(default_factory=list[Mail])
    alarms: dict[int, int] = field(default_factory=dict[int, int])
    handles: dict[int, Handle] = field(default_factory=dict[int, Handle])
    confirmed: frozenset[str] = frozenset()
    confirmed_below: frozenset[str] = frozenset()
    returns: dict[str, Any] | None = None
    exit_tries: int = 0
    waits: int = 0
    last_rule: str = ""
    outcome: Outcome | None = None

    @property
    def alive(self) -> bool:
        return self.outcome is None

    def interrupt(self) -> None:
        """The machine stopped: whatever was at work is not any more, and nobody knows how far it came."""
        for work in self.work:
            if work.state == "started":
                work.state = "interrupted"

    def unfinished(self) -> list[Work]:
        return [one for one in self.work if one.state != "done"]


@dataclass(slots=True)
class OpenAsk:
    """A question that a person has not answered, and the work that waits for it."""

    asked: Asked
    effect: int
    root: int


@dataclass(slots=True, order=True)
class Timer:
    """Something that happens by itself. ``token`` ties it to what set it: a stale timer does nothing. ``away``: something
    of the tree with the root ``pid``, which is not in memory, is due."""

    pid: int
    kind: Literal["wait", "alarm", "deadline", "away"]
    token: int
    note: str = ""
