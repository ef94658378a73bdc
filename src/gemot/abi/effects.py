"""Effects: everything the kernel tells the machine to do. They are carried out after their event is durable."""

from __future__ import annotations

from typing import Any

from gemot.abi import limits
from gemot.abi.answers import Answer, Entry, Outcome
from gemot.abi.grants import Grant, Mount
from gemot.abi.labels import Integrity, Label
from gemot.abi.memories import Shelf
from gemot.abi.messages import Image
from gemot.abi.programs import ProgramSpec
from gemot.abi.strict import Struct
from gemot.abi.syscalls import Generate


class AskModel(Struct, frozen=True, gc=False, tag="ask_model", omit_defaults=True):
    """Show a model the process's reading. ``millis_max`` bounds the work, not the waiting for a turn. Where calls queue, its
    tree (``root``) has a ``share`` of the turns, and ``priority`` says how urgent it is within that."""

    effect: int
    pid: int
    model: str
    generate: Generate
    tokens_out_max: int
    millis_max: int
    root: int = 0
    share: int = limits.PRIORITY
    priority: int = limits.PRIORITY


class StartTool(Struct, frozen=True, gc=False, tag="start_tool", omit_defaults=True):
    """Use a tool. ``only``: the sub-paths (anchored) that the grant allows, where it bounds paths; a link can't lead elsewhere.
    ``whole``: the kernel wants the whole result. ``others``: of the children that the arguments name, their mounts. ``trial``:
    what it changes in the copies of its process must not stay; it sees copies of these, made for it alone."""

    effect: int
    pid: int
    tool: str
    arguments: dict[str, Any]
    mounts: tuple[Mount, ...]
    millis_max: int
    repeatable: bool
    only: tuple[str, ...] = ()
    whole: bool = False
    others: dict[int, tuple[Mount, ...]] = {}
    trial: bool = False


class Compare(Struct, frozen=True, gc=False, tag="compare", omit_defaults=True):
    """Compare copies that a process worked on with what they are copies of."""

    effect: int
    pid: int
    mounts: tuple[Mount, ...]
    millis_max: int


class ReadValue(Struct, frozen=True, gc=False, tag="read_value", omit_defaults=True):
    """Fetch a part of a value from the blob store."""

    effect: int
    pid: int
    digest: str
    start: int
    length: int


class KeepMemory(Struct, frozen=True, gc=False, tag="keep_memory", omit_defaults=True):
    """Keep a memory; once for each ``key``, however often it is told. ``at``: when (milliseconds since 1970)."""

    effect: int
    pid: int
    shelf: Shelf
    key: str
    text: str
    about: str
    label: Label
    at: int


class FindMemories(Struct, frozen=True, gc=False, tag="find_memories", omit_defaults=True):
    """Look for memories on one shelf. ``trusted``: only those in which no third party had a part."""

    effect: int
    pid: int
    shelf: Shelf
    query: str
    limit: int
    trusted: bool
    at: int


class DropMemory(Struct, frozen=True, gc=False, tag="drop_memory", omit_defaults=True):
    """Take a memory off its shelf if it can be trusted no more than ``integrity``; once for each ``key``."""

    effect: int
    pid: int
    shelf: Shelf
    key: str
    memory: int
    integrity: Integrity


class StopWork(Struct, frozen=True, gc=False, tag="stop_work", omit_defaults=True):
    """Give up a model call or tool use; its result is wanted no more."""

    effect: int


class Begin(Struct, frozen=True, gc=False, tag="begin", omit_defaults=True):
    """A process starts (or, after `exec`, starts again) with a program and nothing but its brief."""

    pid: int
    program: ProgramSpec
    brief: str
    arguments: dict[str, Any]
    name: str = ""
    images: tuple[Image, ...] = ()
    rules: int = 0
    """The rules that its tree lives by, see :mod:`gemot.abi.rules`."""


class BeginFork(Struct, frozen=True, gc=False, tag="begin_fork", omit_defaults=True):
    """A process starts with everything ``parent`` knows at this moment, before the parent's answer."""

    pid: int
    parent: int


class Deliver(Struct, frozen=True, gc=False, tag="deliver", omit_defaults=True):
    """Answer a process's syscall; its program decides the next one."""

    pid: int
    answer: Answer


class TakeBack(Struct, frozen=True, gc=False, tag="take_back", omit_defaults=True):
    """Take words out of what a process was told. ``places``: which of its answers hold them (the first has the number 1; 0: its
    brief), and which process said them. ``entry``: an answer that is taken back itself; it is among the places, as nobody's (0).
    A program that is code is put back to where it was told the first of them. ``words``: what the kernel holds of them, by which
    repeats are found. ``label``: of ``why``."""

    pid: int
    places: tuple[tuple[int, int], ...]
    why: str
    entry: Entry | None = None
    words: tuple[str, ...] = ()
    label: Label = Label()


class Rewind(Struct, frozen=True, tag="rewind", omit_defaults=True):
    """A process goes on with an earlier state of its program. ``programs``: as in `Adopt`."""

    pid: int
    programs: bytes


class End(Struct, frozen=True, gc=False, tag="end", omit_defaults=True):
    """A process has ended; its program can be forgotten."""

    outcome: Outcome


class Action(Struct, frozen=True, gc=False, omit_defaults=True):
    """One of several tool uses that a person is asked about together; its fields are those of :class:`Asked`."""

    tool: str
    arguments: dict[str, Any]
    places: dict[str, str] = {}
    why: str = ""
    untrusted: tuple[str, ...] = ()
    steers: tuple[str, ...] = ()


class PlannedStep(Struct, frozen=True, gc=False, omit_defaults=True):
    """A step of a plan that a person is asked to endorse. ``title``: the process's words. ``grants``: what it would allow, each
    rule as the process would write it. ``foreseen``: the person's policy allows it already."""

    title: str
    grants: tuple[Grant, ...] = ()
    foreseen: bool = False


class Asked(Struct, frozen=True, gc=False, omit_defaults=True):
    """A question to the person. ``tool`` and ``arguments`` are set when it is about an action. ``places``: for each argument
    that is a path, where that is on this computer, whatever the process calls it. ``digest``: the hash of all three.
    ``why``: the rule that the action breaks, or what of it was not meant by a person; then a yes counts ``once`` only.
    ``plan``: the steps of a mandate in words, or the value that is to be endorsed (then ``untrusted`` says so). ``steps``: the
    same steps as values, whole; the words are bounded. ``reason``: why a process wants this, in its words. ``steers``: the
    arguments that decide whom or what the action reaches, and that are shown first.
    ``untrusted``: the arguments that hold third parties' text, or were written by a model that had read some.
    ``actions``: several tool uses of one call, in their order; a yes may name some of them by number. Then ``digest`` is
    over all of them, and ``once`` holds if it does for one. ``whole``: a yes is to all of the ``plan``, not to steps of it.
    """

    ask: int
    pid: int
    question: str
    options: tuple[str, ...] = ()
    tool: str = ""
    arguments: dict[str, Any] = {}
    digest: str = ""
    places: dict[str, str] = {}
    why: str = ""
    once: bool = False
    untrusted: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    whole: bool = False
    steps: tuple[PlannedStep, ...] = ()
    reason: str = ""
    steers: tuple[str, ...] = ()


class PutAsk(Struct, frozen=True, gc=False, tag="put_ask", omit_defaults=True):
    asked: Asked


class TakeAsk(Struct, frozen=True, gc=False, tag="take_ask", omit_defaults=True):
    """An ask is answered or no longer wanted."""

    ask: int
    asked: Asked | None = None
    """What a person has answered; None where it is no longer wanted."""


class WakeAt(Struct, frozen=True, gc=False, tag="wake_at", omit_defaults=True):
    """Send a tick at this time (milliseconds since 1970)."""

    at: int


class Adopt(Struct, frozen=True, tag="adopt", omit_defaults=True):
    """The programs of a tree that was brought in are here."""

    pid: int
    programs: bytes


class Decide(Struct, frozen=True, tag="decide", omit_defaults=True):
    """The program of a process is to decide, though it was told nothing new."""

    pid: int


Effect = (
    AskModel | StartTool | ReadValue | Compare | KeepMemory | FindMemories | DropMemory | StopWork
    | Begin | BeginFork | Adopt | Decide | Deliver | TakeBack | Rewind | End | PutAsk | TakeAsk | WakeAt
)  # fmt: skip
