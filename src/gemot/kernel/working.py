"""Generate, call, read, ask: syscalls that need something from outside, and what happens when it comes back."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Error, Ok, Returned
from gemot.abi.effects import Asked, TakeAsk
from gemot.abi.events import Answered, Cost, Done, Failure, Replied, Value
from gemot.abi.labels import Handle
from gemot.abi.messages import Usage
from gemot.abi.syscalls import Ask, Call, Generate, Read, ToolUse
from gemot.kernel.authority import allowed, located, unused, used
from gemot.kernel.process import OpenAsk, Process, Work
from gemot.kernel.refusal import Refused, closest
from gemot.kernel.schema import mismatch

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

IN_DOUBT = (
    "in doubt: the machine stopped while this was being done, and nobody knows whether it was. It was not tried again. "
    "Look at what is there now, then decide"
)


GIVEN_UP = "given_up"


def generate(kernel: Kernel, process: Process, syscall: Generate, estimate: Cost | None) -> None:
    estimate = estimate or Cost()
    if syscall.tokens_out_max < 1:
        raise Refused("malformed", f"tokens_out_max must be at least 1, not {syscall.tokens_out_max}")
    out = min(syscall.tokens_out_max, process.left.tokens - estimate.tokens)
    if out < min(limits.TOKENS_OUT_MIN, syscall.tokens_out_max):
        raise Refused(
            "budget",
            f"tokens: {process.left.tokens} are left, but the question alone takes about {estimate.tokens}; exit with what you have",
        )
    if estimate.usd_micros > process.left.usd_micros:
        raise Refused(
            "budget",
            f"money: one call may cost {estimate.usd_micros / 1e6:.4f} dollars, {process.left.usd_micros / 1e6:.4f} are left",
        )
    if process.left.millis < 1:
        raise Refused("budget", "seconds: this process's time for models and tools is used up")
    work = Work(kernel.number(), 0, "ready", "model", millis_max=process.left.millis, tokens_out_max=out)
    process.work = [work]
    kernel.start(process, work)


def call(kernel: Kernel, process: Process, syscall: Call) -> None:
    if not 0 < len(syscall.uses) <= limits.BATCH_MAX:
        raise Refused(
            "limit", f"a call has 1 to {limits.BATCH_MAX} uses, this has {len(syscall.uses)}; make several calls"
        )
    process.work = [_check(kernel, process, index, use, len(syscall.uses)) for index, use in enumerate(syscall.uses)]
    for work in process.work:
        if work.state == "ready":
            kernel.start(process, work)
    _finish(kernel, process)


def _check(kernel: Kernel, process: Process, index: int, use: ToolUse, uses: int) -> Work:
    """Decode one allegation completely: refused, to be asked, or ready to start."""
    effect = kernel.number()
    try:
        tool = kernel.tools.get(use.tool)
        if tool is None:
            raise Refused("unknown", f"there is no tool {use.tool!r}; {closest(use.tool, kernel.tools)}")
        wrong = mismatch(use.arguments, tool.schema)
        if wrong:
            raise Refused(
                "malformed",
                f"{use.tool}: {wrong}. Its arguments: {msgspec.json.encode(tool.schema.get('properties', {})).decode()}",
            )
        grant = allowed(tool, use.arguments, process.grants, process.mounts, kernel.now)
        share = process.left.millis // uses
        if share < 1:
            raise Refused("budget", "seconds: this process's time for models and tools is used up")
    except Refused as refusal:
        return Work(effect, index, "done", "tool", result=Returned(use.tool, False, refusal.message, rule=refusal.rule))
    process.grants[grant] = used(process.grants[grant], 1)
    work = Work(
        effect, index, "ready", "tool", tool.repeatable, millis_max=min(share, tool.seconds_max * 1000), grant=grant
    )
    if tool.asks and tool.name not in process.confirmed:
        _ask_person(kernel, process, work, use)
    return work


def _ask_person(kernel: Kernel, process: Process, work: Work, use: ToolUse) -> None:
    if _asks_open(kernel, process.root) >= limits.ASKS_OPEN_MAX:
        work.state = "done"
        _give_back_use(process, work)
        work.result = Returned(
            use.tool,
            False,
            f"{limits.ASKS_OPEN_MAX} questions of this tree are open; a person must answer some first",
            rule="limit",
        )
        return
    work.state, work.ask = "asking", kernel.ask()
    process.state = "asking"
    places = located(kernel.tools[use.tool], use.arguments, process.mounts)
    shown = msgspec.json.encode([use.tool, use.arguments, places], order="sorted")
    asked = Asked(
        work.ask,
        process.pid,
        f"May {process.name} ({process.pid}) use {use.tool}?",
        ("yes", "no"),
        use.tool,
        use.arguments,
        hashlib.sha256(shown).hexdigest(),
        places,
    )
    kernel.put_ask(OpenAsk(asked, work.effect, process.root))


def _asks_open(kernel: Kernel, root: int) -> int:
    return sum(one.root == root for one in kernel.asks.values())


def _give_back_use(process: Process, work: Work) -> None:
    """A use is counted when it is checked, so that two of one batch can't share the last one; what was not done comes back."""
    process.grants[work.grant] = unused(process.grants[work.grant])


def read(kernel: Kernel, process: Process, syscall: Read) -> None:
    handle = process.handles.get(syscall.handle)
    if handle is None:
        raise Refused(
            "unknown",
            f"there is no handle {syscall.handle}; this process has: {', '.join(map(str, process.handles)) or 'none'}",
        )
    if not 0 < syscall.length <= limits.READ_CHARS_MAX or not 0 <= syscall.start <= handle.size_chars:
        raise Refused(
            "limit",
            f"a read is of 1 to {limits.READ_CHARS_MAX} characters from a start within 0 to {handle.size_chars}",
        )
    work = Work(kernel.number(), 0, "ready", "read")
    process.work = [work]
    kernel.start(process, work)


def ask(kernel: Kernel, process: Process, syscall: Ask) -> None:
    if len(syscall.question) > limits.TEXT_CHARS_MAX or not syscall.question.strip():
        raise Refused("malformed", f"a question has 1 to {limits.TEXT_CHARS_MAX} characters")
    if sum(map(len, syscall.options)) > limits.NOTE_CHARS_MAX:
        raise Refused("limit", f"the options of a question have at most {limits.NOTE_CHARS_MAX} characters together")
    if _asks_open(kernel, process.root) >= limits.ASKS_OPEN_MAX:
        raise Refused(
            "limit", f"{limits.ASKS_OPEN_MAX} questions of this tree are open; a person must answer some first"
        )
    work = Work(kernel.number(), 0, "asking", "question", ask=kernel.ask())
    process.work = [work]
    process.state = "asking"
    asked = Asked(work.ask, process.pid, syscall.question, syscall.options)
    kernel.put_ask(OpenAsk(asked, work.effect, process.root))


def answered(kernel: Kernel, event: Answered) -> None:
    """A person's word: starts what it allows, refuses what it does not, or is the answer itself."""
    opened = kernel.asks.get(event.ask)
    if opened is None:
        return
    process = kernel.processes[opened.asked.pid]
    if not opened.asked.tool and opened.asked.options and event.allow and event.text not in opened.asked.options:
        return
    del kernel.asks[event.ask]
    kernel.changed.add(opened.root)
    kernel.emit(TakeAsk(event.ask))
    work = next(one for one in process.work if one.effect == opened.effect)
    if work.kind == "question":
        work.state = "done"
        if event.allow:
            kernel.answer(process, Ok(event.text))
        else:
            kernel.answer(
                process, Error("refused", f"the person did not answer{': ' + event.text if event.text else ''}")
            )
        return
    tool = opened.asked.tool
    if event.allow:
        if event.scope != "once":
            process.confirmed |= {tool}
        if event.scope == "subtree":
            _confirm_below(kernel, process, tool)
        kernel.start(process, work)
    else:
        _give_back_use(process, work)
        said = f": {event.text}" if event.text else ""
        work.state = "done"
        work.result = Returned(
            tool,
            False,
            f"the person did not allow this{said}. Do not try it again; find another way, or exit and say so",
            rule="refused",
        )
    _finish(kernel, process)


def _confirm_below(kernel: Kernel, process: Process, tool: str) -> None:
    process.confirmed_below |= {tool}
    for pid in process.children:
        child = kernel.processes[pid]
        child.confirmed |= {tool}
        _confirm_below(kernel, child, tool)


def done(kernel: Kernel, event: Done) -> None:
    """Work has ended: book what it cost, then answer whom it was for. Late news of given-up work is booked, no more."""
    pid = kernel.working.pop(event.effect, 0)
    if not pid:
        return
    process = kernel.processes[pid]
    kernel.changed.add(process.root)
    kernel.book(process, _cost(event))
    work = next(
        (one for one in process.work if one.effect == event.effect and one.state in ("started", "interrupted")), None
    )
    if work is None or not process.alive:
        return
    outcome = event.outcome
    if isinstance(outcome, Failure) and (work.state == "interrupted" or outcome.rule == GIVEN_UP):
        work.state = "interrupted"  # the machine is stopping, or its tree sleeps: resume repeats it or doubts it
        return
    work.state = "done"
    if work.kind == "tool":
        assert isinstance(process.syscall, Call)
        work.result = _returned(kernel, process, process.syscall.uses[work.index].tool, outcome)
        _finish(kernel, process)
    elif isinstance(outcome, Replied):
        kernel.answer(process, Ok(outcome.reply))
    elif isinstance(outcome, Failure):
        kernel.answer(process, Error(outcome.rule, outcome.message))
    else:
        kernel.answer(process, Ok(outcome.text))


def _cost(event: Done) -> Cost:
    usage = event.outcome.reply.usage if isinstance(event.outcome, Replied) else Usage()
    tokens, money = max(0, usage.tokens_in) + max(0, usage.tokens_out), max(0, usage.usd_micros or 0)
    return Cost(tokens, money, max(0, event.millis))  # what a provider reports is an allegation, too


def _returned(kernel: Kernel, process: Process, tool: str, outcome: Value | Failure | Replied) -> Returned:
    match outcome:
        case Value(text, digest, size, label):
            if not digest:
                return Returned(tool, True, text, label=label)
            number = kernel.number()
            process.handles[number] = handle = Handle(number, digest, size, text, label)
            return Returned(tool, True, handle=handle, label=label)
        case Failure(rule, message):
            return Returned(tool, False, message, rule=rule)
        case Replied():
            raise AssertionError("a model's reply came for a tool use")


def _finish(kernel: Kernel, process: Process) -> None:
    """Answer a call when all of its uses have ended."""
    if not process.alive or not isinstance(process.syscall, Call):
        return
    if process.unfinished():
        process.state = "asking" if any(work.state == "asking" for work in process.work) else "running"
        return
    kernel.answer(process, Ok(tuple(work.result for work in process.work)))


def resume(kernel: Kernel, process: Process) -> None:
    """Go on with the work of a process whose tree was asleep: start what was not, repeat what may be, doubt the rest."""
    for work in process.work:
        if work.state == "ready" or (work.state == "interrupted" and work.repeatable):
            work.effect = kernel.number()  # what is still to come of the first try is not taken for the second one's
            kernel.start(process, work)
        elif work.state == "interrupted":
            assert isinstance(process.syscall, Call)
            work.state = "done"
            work.result = Returned(process.syscall.uses[work.index].tool, False, IN_DOUBT, rule="in_doubt")
    _finish(kernel, process)
