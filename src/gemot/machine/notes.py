"""Notes: what a machine tells those who watch it. Each is derived from an event and its effects, after they are durable;
only `words` (a model's text as it streams) is not in the journal. Watching never changes anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from gemot.abi.answers import Answer, Error, Ok, Outcome, Returned
from gemot.abi.effects import (
    Asked,
    AskModel,
    Begin,
    BeginFork,
    Deliver,
    Effect,
    End,
    PutAsk,
    StartTool,
    TakeAsk,
    TakeBack,
)
from gemot.abi.events import (
    Answered,
    Compared,
    Done,
    Event,
    Failure,
    Found,
    Kept,
    Moved,
    Paused,
    Replied,
    Resumed,
    Retracted,
    Rewound,
    Said,
    Trapped,
    Value,
    Waiting,
    Worked,
)
from gemot.abi.messages import Image, Text, ToolRequest, Usage
from gemot.abi.syscalls import Accept, Call, Exit, Generate, Send, Syscall, name_of
from gemot.kernel import Kernel, loops, standing
from gemot.kernel.process import Work


class Began(Struct, frozen=True, tag="began", omit_defaults=True):
    """A process started. ``parent`` 0: a person started it."""

    pid: int
    parent: int
    name: str
    program: str
    model: str
    brief: str


class Words(Struct, frozen=True, tag="words", omit_defaults=True):
    """A piece of text as a model says it."""

    pid: int
    text: str


class Spoke(Struct, frozen=True, tag="spoke", omit_defaults=True):
    """A model's whole reply: its text, what it requested, what it used, how long it took."""

    pid: int
    text: str
    requests: tuple[str, ...]
    usage: Usage
    millis: int


class Delayed(Struct, frozen=True, tag="delayed", omit_defaults=True):
    """A model's provider failed in a way that may pass, and is asked again."""

    pid: int
    """The process that asks."""
    model: str
    """Which model."""
    why: str
    """What the attempt met with."""
    attempts: int
    """How many attempts have failed."""
    until: int
    """When the next one is made, by the machine's clock (milliseconds since 1970)."""
    waits: bool = False
    """The quick attempts are used up: the process waits for its provider, and the journal says so."""


class Did(Struct, frozen=True, tag="did", omit_defaults=True):
    """A process made a syscall other than `generate` and `call`."""

    pid: int
    syscall: str
    detail: dict[str, Any]


class Using(Struct, frozen=True, tag="using", omit_defaults=True):
    """A tool was started."""

    pid: int
    effect: int
    tool: str
    arguments: dict[str, Any]


class Used(Struct, frozen=True, tag="used", omit_defaults=True):
    """A tool use ended; ``text`` is the beginning of its result or why it failed."""

    pid: int
    effect: int
    tool: str
    ok: bool
    text: str


class Refused(Struct, frozen=True, tag="refused", omit_defaults=True):
    """The kernel said no; ``rule`` is which."""

    pid: int
    what: str
    rule: str
    message: str


class Asking(Struct, frozen=True, tag="asking", omit_defaults=True):
    """A person is asked."""

    asked: Asked


class AskClosed(Struct, frozen=True, tag="ask_closed", omit_defaults=True):
    ask: int


class AskAnswered(Struct, frozen=True, tag="ask_answered"):
    """A person answered an ask."""

    ask: int
    """Its number."""
    pid: int
    """The process that had asked."""
    question: str
    """What was asked, as in :class:`gemot.abi.effects.Asked`."""
    allow: bool
    """Yes or no; of a question in words: whether it was answered."""
    text: str
    """The person's words: the answer to a question, the numbers of what is allowed, or why not."""
    scope: str
    """What a yes counts for: ``once``, ``process`` or ``subtree``."""
    at: int
    """When (milliseconds since 1970)."""
    tools: tuple[str, ...] = ()
    """The tools whose uses were asked about."""
    plan: bool = False
    """It was about a plan, or a value to be endorsed."""
    by: str = "person"
    """Who answered."""


class Told(Struct, frozen=True, tag="told", omit_defaults=True):
    """The person told a process something (``sender`` 0), or a process told its person or a relative something.
    ``foreign``: it has read third parties' text."""

    sender: int
    pid: int
    text: str
    foreign: bool = False


class Changed(Struct, frozen=True, tag="changed", omit_defaults=True):
    """A process moved to another model, or its tree was put to sleep or resumed. ``blank``: words were taken out of its reading."""

    pid: int
    what: str
    blank: bool = False


class Arranged(Struct, frozen=True, tag="arranged", omit_defaults=True):
    """The person made a move on the board of the tree ``pid``."""

    pid: int
    move: str
    detail: dict[str, Any]


class Stuck(Struct, frozen=True, tag="stuck", omit_defaults=True):
    """A task of the tree ``pid`` was sent back so often that only a person brings it further. ``reason``: the last one.
    ``foreign``: who wrote some of it had read third parties' text."""

    pid: int
    task: int
    text: str
    reason: str
    foreign: bool = False


class Ended(Struct, frozen=True, tag="ended", omit_defaults=True):
    outcome: Outcome


Note = (
    Began
    | Words
    | Spoke
    | Delayed
    | Did
    | Using
    | Used
    | Refused
    | Asking
    | AskClosed
    | AskAnswered
    | Told
    | Changed
    | Arranged
    | Stuck
    | Ended
)


def notes(kernel: Kernel, event: Event, effects: list[Effect]) -> list[Note]:
    """What there is to tell about an event that ``kernel`` has just handled."""
    told: list[Note] = []
    match event:
        case Trapped(_, pid, Send(to, text)):
            if not _refused(effects, pid):
                sender = kernel.processes[pid]
                told.append(Told(pid, to or sender.parent, text, sender.label.integrity == "foreign"))
        case Trapped(_, pid, Call()):
            told.extend(_refused_uses(kernel, pid, effects))
        case Trapped(_, pid, syscall) if not isinstance(syscall, Generate | Call | Exit):
            detail = msgspec.to_builtins(syscall)
            told.append(Did(pid, detail.pop("type"), detail))
            if isinstance(syscall, Accept) and not _refused(effects, pid):
                told.extend(_stuck(kernel, pid, syscall.task))
        case Said(_, pid, text, images):
            told.append(Told(0, pid, _shown(text, images)))
        case Worked(_, root, move):
            detail = msgspec.to_builtins(move)
            told.append(Arranged(root, detail.pop("type"), detail))
        case Moved(_, pid, model):
            told.append(Changed(pid, f"moved to {model}"))
        case Retracted(_, pid, reason, entry):
            what = "said" if entry is None else "was told then, and said since"
            told.append(Changed(pid, f"the person took back what it {what}: {reason}"))
        case Rewound(_, pid):
            told.append(Changed(pid, "the person rewound it"))
        case Waiting(_, number, why, attempts, until):
            told.extend(_waits(kernel, number, why, attempts, until))
        case Done(_, _, Failure()):
            for effect in effects:
                if isinstance(effect, AskModel):
                    told.append(Changed(effect.pid, f"goes on with {effect.model}, the next model of its route"))
        case Resumed(_, root):
            told.append(Changed(root, "resumed" if root else "every tree resumed"))
        case Paused(_, root):
            told.append(Changed(root, "put to sleep"))
        case _:
            pass
    if isinstance(event, Trapped) and event.pid in kernel.processes:
        repeats = loops.changed(kernel, kernel.processes[event.pid])
        if repeats:
            told.append(Changed(event.pid, repeats))
    for effect in effects:
        match effect:
            case Begin(pid, images=images):
                told.append(_began(kernel, pid, images))
            case BeginFork(pid):
                told.append(_began(kernel, pid))
            case StartTool(number, pid, tool, arguments):
                told.append(Using(pid, number, tool, arguments))
            case PutAsk(asked):
                told.append(Asking(asked))
            case TakeAsk(ask, asked):
                if asked is not None and isinstance(event, Answered):
                    told.append(_answered(event, asked))
                told.append(AskClosed(ask))
            case Deliver(pid, answer):
                told.extend(_refusals(event, pid, answer))
                if standing.tells(answer):
                    told.append(Changed(pid, "told that nothing would come by itself: everybody in its tree waits"))
            case TakeBack(pid, places, why) if why:
                said = ", ".join(map(str, sorted({source for _, source in places if source})))
                what = f"what {said} said" if said else "what it was told then"
                told.append(Changed(pid, f"{what} is blank here, {why}", True))
            case End(outcome):
                told.append(Ended(_whole(kernel, outcome)))
            case _:
                pass
    return told


def _waits(kernel: Kernel, number: int, why: str, attempts: int, until: int) -> Iterable[Note]:
    """A process waits for its provider, where the question has not gone on to another model."""
    process = kernel.processes.get(kernel.working.get(number, 0))
    if process is not None and process.outage is not None:
        yield Delayed(process.pid, process.models[0], why, attempts, until - kernel.lead, True)


def _whole(kernel: Kernel, outcome: Outcome) -> Outcome:
    """How a process ended as a person sees it: with the words that its review keeps from its parent."""
    process = kernel.processes.get(outcome.pid)
    return outcome if process is None else process.whole or outcome


def _began(kernel: Kernel, pid: int, images: tuple[Image, ...] = ()) -> Began:
    process = kernel.processes[pid]
    brief = _shown(process.brief, images)
    return Began(pid, process.parent, process.name, process.program.name, process.models[0], brief)


def _shown(text: str, images: tuple[Image, ...]) -> str:
    """A person's words, with what they show beside them."""
    return "\n".join([text, *(f"[image: {one.about}]" for one in images)])


def _answered(event: Answered, asked: Asked) -> AskAnswered:
    tools = (asked.tool,) if asked.tool else tuple(one.tool for one in asked.actions)
    return AskAnswered(
        event.ask, asked.pid, asked.question, event.allow, event.text, event.scope, event.at, tools, bool(asked.plan)
    )


def _refused(effects: list[Effect], pid: int) -> bool:
    """Whether a process was told that what it wanted is an error."""
    return any(isinstance(one, Deliver) and one.pid == pid and isinstance(one.answer, Error) for one in effects)


def _stuck(kernel: Kernel, pid: int, task: int) -> Iterable[Note]:
    """What came of a judgement, if the task is stuck now."""
    root = kernel.processes[pid].root
    board = kernel.boards.get(root)
    item = None if board is None else board.items.get(task)  # a process that ended meanwhile may have named any
    if item is not None and item.state == "stuck":
        yield Stuck(root, task, item.text, item.note, item.label.integrity == "foreign")


def _refusals(event: Event, pid: int, answer: Answer) -> Iterable[Note]:
    """A syscall that was refused at the trap, or a result that a later check did not accept."""
    if not isinstance(answer, Error):
        return
    if isinstance(event, Trapped) and event.pid == pid:
        yield Refused(pid, name_of(event.syscall), answer.rule, answer.message)
    elif answer.rule == "review":
        yield Refused(pid, "exit", answer.rule, answer.message)


def _refused_uses(kernel: Kernel, pid: int, effects: list[Effect]) -> Iterable[Note]:
    """Tool uses that were refused at the trap: of a batch that was answered at once, or of one still under way."""
    answers = [effect.answer for effect in effects if isinstance(effect, Deliver) and effect.pid == pid]
    value = answers[0].value if answers and isinstance(answers[0], Ok) else ()
    results = [work.result for work in kernel.processes[pid].work] if not answers else value
    for result in results:
        if isinstance(result, Returned) and not result.ok:
            yield Refused(pid, result.tool, result.rule, result.text)


def whose(kernel: Kernel, effect: int) -> tuple[int, str]:
    """The process that work was for, and the tool (or syscall, or ``model``, ``read``) it was; asked before the kernel forgets it."""
    pid = kernel.working.get(effect, 0)
    process = kernel.processes.get(pid)
    for work in process.work if process is not None else ():
        if process is not None and work.effect == effect:
            return pid, _done_with(process.syscall, work)
    return pid, ""


def _done_with(syscall: Syscall | None, work: Work) -> str:
    if isinstance(syscall, Call):
        return syscall.uses[work.index].tool
    return name_of(syscall) if work.kind == "memory" and syscall is not None else work.kind


def of_done(event: Done, pid: int, tool: str) -> list[Note]:
    """What there is to tell about finished work; the machine knows whose it was before the kernel forgets it."""
    match event.outcome:
        case Replied(reply):
            text = "".join(part.text for part in reply.parts if isinstance(part, Text))
            requests = tuple(f"{part.name} {part.arguments}" for part in reply.parts if isinstance(part, ToolRequest))
            return [Spoke(pid, text, requests, reply.usage, event.millis)]
        case Value(text):
            return [Used(pid, event.effect, tool, True, text)]
        case Kept(memory):
            return [Used(pid, event.effect, tool, True, f"memory {memory}")]
        case Found(memories):
            found = ", ".join(str(one.number) for one in memories)
            return [Used(pid, event.effect, tool, True, f"memories {found}" if found else "no memories")]
        case Compared() | Failure("given_up"):
            return []
        case Failure(rule, message):
            return [Used(pid, event.effect, tool, False, f"{rule}: {message}")]


def pid_of(note: Note) -> int:
    """The process that a note is about; 0 where it is about none."""
    match note:
        case Ended(outcome):
            return outcome.pid
        case Asking(asked):
            return asked.pid
        case Told(0, pid):
            return pid
        case Told(sender):
            return sender
        case AskClosed():
            return 0
        case _:
            return note.pid


def root_of(kernel: Kernel, note: Note) -> int:
    """The first process of the tree that a note is about; 0 where it is about none."""
    process = kernel.processes.get(pid_of(note))
    return process.root if process is not None else 0


def to_json(note: Note) -> str:
    """A note as one line of JSON."""
    return msgspec.json.encode(note).decode()


async def follow(
    watch: Callable[[Callable[[Note], None]], Callable[[], None]], kernel: Kernel, root: int | None
) -> AsyncIterator[Note]:
    """Notes as they happen, of one tree or of all; ends with the tree (or never)."""
    import asyncio  # here: who only looks at a journal has no loop

    queue: asyncio.Queue[Note] = asyncio.Queue()
    stop = watch(queue.put_nowait)
    try:
        while True:
            note = await queue.get()
            if root is None or root_of(kernel, note) == root:
                yield note
                if isinstance(note, Ended) and note.outcome.pid == root:
                    return
    finally:
        stop()
