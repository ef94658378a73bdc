"""Generate, call, read, ask: syscalls that need something from outside, and what happens when it comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Error, Ok, Returned, Room
from gemot.abi.effects import Action, TakeAsk
from gemot.abi.events import Answered, Cost, Done, Failure, Replied, Result, Trapped, Value
from gemot.abi.labels import Label
from gemot.abi.messages import Usage
from gemot.abi.rules import BATCHES_IN_ORDER, TRIES_ADD_UP
from gemot.abi.syscalls import Ask, Call, Endorse, Exit, Generate, PageIn, PageOut, Read, Syscall, ToolUse
from gemot.abi.tools import ToolSpec
from gemot.authority.deciding import Others, decide, seen_by
from gemot.authority.labels import join
from gemot.authority.narrowing import used
from gemot.authority.references import FROM, Filling, beyond, fill, mentioned
from gemot.authority.refusal import Refused, closest
from gemot.authority.schema import mismatch, properties
from gemot.kernel import (
    asking,
    changes,
    families,
    gates,
    mandate,
    purses,
    receipts,
    remembering,
    reviewing,
    rights,
    routes,
)
from gemot.kernel.process import Process, Work
from gemot.kernel.results import returned

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

IN_DOUBT = (
    "in doubt: the machine stopped while this was being done, and nobody knows whether it was. It was not tried again. "
    "Look at what is there now, then decide"
)

TRIED_BEFORE = "in doubt: the machine stopped while this was being done, and nobody knows whether it was. It was tried again, and that failed"

GIVEN_UP = "given_up"
NOT_BEGUN = "not_begun"
"""Rules of failures: the machine stopped the work, so nobody knows how far it came; the work had not begun, and had no effect."""
COST_MAX = 10**12
"""No call takes as many tokens, millionths of a dollar or milliseconds: what is reported beyond is made up."""
MILLIS_A_DAY = 86_400_000


def generate(kernel: Kernel, process: Process, syscall: Generate, event: Trapped) -> None:
    estimate, window = event.estimate or Cost(), event.window
    if syscall.tokens_out_max < 1:
        raise Refused("malformed", f"tokens_out_max must be at least 1, not {syscall.tokens_out_max}")
    purses.ensure(kernel, process, "tokens", estimate.tokens + syscall.tokens_out_max)
    purses.ensure(kernel, process, "usd_micros", estimate.usd_micros)
    purses.ensure_time(kernel, process)
    room = Room(window, estimate.tokens)
    if window and estimate.tokens > window - window // limits.REPLY_SHARE:
        kernel.answer(
            process,
            Error(
                "window",
                f"the question takes about {estimate.tokens} tokens; {process.models[0]} takes in {window}, and needs a part of "
                "them to reply. Show it less, or move to a model with a larger window",
                room=room,
            ),
        )
        return
    out = min(syscall.tokens_out_max, process.left.tokens - estimate.tokens)
    if out < min(limits.TOKENS_OUT_MIN, syscall.tokens_out_max):
        raise Refused(
            "budget",
            f"tokens: {process.left.tokens:,} are left, but the question alone takes about {estimate.tokens:,}; exit with what you have",
        )
    if estimate.usd_micros > process.left.usd_micros:
        raise Refused(
            "budget",
            f"money: one call may cost {estimate.usd_micros / 1e6:.4f} dollars, {process.left.usd_micros / 1e6:.4f} are left",
        )
    if process.left.millis < 1:
        raise Refused("budget", "seconds: this process's time for models and tools is used up")
    out = min(out, max(1, window - estimate.tokens)) if window else out
    millis = process.left.millis
    work = Work(
        kernel.number(), 0, "ready", "model", millis_max=millis, tokens_out_max=out, prices=event.prices, room=room
    )
    process.work = [work]
    kernel.start(process, work)


def call(kernel: Kernel, process: Process, syscall: Call, values: Mapping[int, str]) -> None:
    """``values``: by handle, the texts that the uses refer to and that the kernel does not hold."""
    if not 0 < len(syscall.uses) <= limits.BATCH_MAX:
        raise Refused(
            "limit", f"a call has 1 to {limits.BATCH_MAX} uses, this has {len(syscall.uses)}; make several calls"
        )
    purses.ensure_time(kernel, process)
    waiting: list[tuple[Work, Action]] = []
    uses = len(syscall.uses)
    process.work = [
        _check(kernel, process, index, use, uses, values, waiting) for index, use in enumerate(syscall.uses)
    ]
    asking.put(kernel, process, waiting)
    finish(kernel, process)


def call_anew(kernel: Kernel, process: Process, syscall: Call, values: Mapping[int, str]) -> None:
    """Decide every use of a call again that has neither ended nor was under way; the latter is repeated if the tool here may be."""
    waiting: list[tuple[Work, Action]] = []
    for position, work in enumerate(process.work):
        if work.state == "done":
            continue
        use = syscall.uses[work.index]
        tool = kernel.tools.get(use.tool)
        if work.state == "interrupted" and (tool is None or not tool.repeatable):
            work.repeatable = False
        else:
            process.work[position] = _check(kernel, process, work.index, use, len(syscall.uses), values, waiting)
    asking.put(kernel, process, waiting)


def generate_anew(kernel: Kernel, process: Process) -> None:
    """Ask the model again when the tree goes on, within what the process has left."""
    (before,) = process.work
    tokens = max(1, min(before.tokens_out_max, process.left.tokens))
    work = Work(kernel.number(), 0, "ready", "model", millis_max=process.left.millis, tokens_out_max=tokens)
    work.room = before.room
    process.work = [work]


def _check(
    kernel: Kernel,
    process: Process,
    index: int,
    use: ToolUse,
    uses: int,
    values: Mapping[int, str],
    waiting: list[tuple[Work, Action]],
) -> Work:
    """Decode one allegation completely: refused, ready to start, or ``waiting`` for a person's word."""
    effect, filling = kernel.number(), None
    try:
        tool = kernel.tools.get(use.tool)
        if tool is None:
            raise Refused("unknown", f"there is no tool {use.tool!r}; {closest(use.tool, kernel.tools)}")
        filling = _fill(process, use, tool, values)
        _must_fit(tool, filling)
        others = _children(kernel, process, tool, filling)
        verdict = decide(
            process, tool, filling, use.arguments, kernel.today, others, kernel.processes[process.root].used_once
        )
        if tool.effect in ("writes", "sends"):
            rights.must_fit_plans(kernel, process, process.grants[verdict.grant], tool.name)
        share = process.left.millis // uses
        if share < 1:
            raise Refused("budget", "seconds: this process's time for models and tools is used up")
    except Refused as refusal:
        referred = filling is not None and filling.references
        learned = mentioned(process, use.arguments) if referred else refusal.label or Label()
        told = Returned(use.tool, False, refusal.message, rule=refusal.rule, label=learned)
        return Work(effect, index, "done", "tool", result=told)
    grant = process.grants[verdict.grant]
    process.grants[verdict.grant] = used(grant, 1)
    work = Work(
        effect,
        index,
        "held",
        "tool",
        tool.repeatable,
        millis_max=min(share, tool.seconds_max * 1000),
        grant=verdict.grant,
        arguments=None if filling.arguments is use.arguments else filling.arguments,
        label=filling.all_labels,
        sealed=grant.results == "handle",
        why=verdict.why,
        once=rights.spend(kernel, process, grant, verdict.once),
    )
    if verdict.ask:
        seen = seen_by(process, tool, filling.arguments, others)
        waiting.append((work, asking.action(tool, filling, seen, verdict.why)))
    return work


def _children(kernel: Kernel, process: Process, tool: ToolSpec, filling: Filling) -> Others:
    if any((name,) in filling.references for name in tool.children):
        raise Refused("malformed", f"{tool.name}: {', '.join(tool.children)} is the number of a child, not a reference")
    others = families.mounts_of_children(kernel, process, tool, filling.arguments)
    if tool.paths:
        for pid in others:
            gates.must_have_passed(kernel, kernel.processes[pid], tool.name)
    return others


def _fill(process: Process, use: ToolUse, tool: ToolSpec, values: Mapping[int, str]) -> Filling:
    try:
        return fill(process, use.arguments, tool.schema, values)
    except Refused as refusal:
        if refusal.rule == "unknown":  # what is not there tells something, what is written wrong does not
            refusal.label = mentioned(process, use.arguments)
        raise


def _must_fit(tool: ToolSpec, filling: Filling) -> None:
    """Do the arguments fit the tool's schema? A refusal does not repeat what a reference stands for."""
    wrong = mismatch(filling.arguments, tool.schema)
    if wrong and filling.references:
        referred = ", ".join(sorted({str(place[0]) for place in filling.references}))
        wrong = f"with what they refer to put in ({referred}) the arguments don't fit"
    if wrong:
        expected = msgspec.json.encode(properties(tool.schema)).decode()
        raise Refused("malformed", f"{tool.name}: {wrong}. Its arguments: {expected}")


def values_wanted(process: Process, syscall: Syscall) -> tuple[int, ...]:
    """The handles whose texts must come with a syscall, because it refers to them and the process's tables do not hold them."""
    match syscall:
        case Call(uses) if len(uses) <= limits.BATCH_MAX:
            return beyond(process, [use.arguments for use in uses])
        case Endorse(handle):
            return beyond(process, [{"value": {FROM: handle}}])
        case _:
            return ()


def read(kernel: Kernel, process: Process, syscall: Read) -> None:
    handle = process.handles.get(syscall.handle)
    if handle is None:
        raise Refused(
            "unknown",
            f"there is no handle {syscall.handle}; this process has: {', '.join(map(str, process.handles)) or 'none'}",
        )
    if handle.sealed:
        raise Refused(
            "grant",
            f"handle {handle.number} is not to be read here (its grant says results: handle); refer to it in arguments, "
            f"or let a child read it: spawn with handles [{handle.number}]",
        )
    if not 0 < syscall.length <= limits.READ_CHARS_MAX or not 0 <= syscall.start <= handle.size_chars:
        raise Refused(
            "limit",
            f"a read is of 1 to {limits.READ_CHARS_MAX} characters from a start within 0 to {handle.size_chars}",
        )
    work = Work(kernel.number(), 0, "ready", "read")
    process.work = [work]
    kernel.start(process, work)


def page(kernel: Kernel, process: Process, syscall: PageOut | PageIn) -> None:
    """What a reading shows is its program's affair: it does this itself, and here it is let."""
    if process.program.kind != "ai":
        raise Refused(
            "unavailable", "only AI programs have a reading; a native program shows its model what it wants to"
        )
    kernel.answer(process, Ok())


def ask(kernel: Kernel, process: Process, syscall: Ask) -> None:
    if len(syscall.question) > limits.TEXT_CHARS_MAX or not syscall.question.strip():
        raise Refused("malformed", f"a question has 1 to {limits.TEXT_CHARS_MAX} characters")
    if sum(map(len, syscall.options)) > limits.NOTE_CHARS_MAX:
        raise Refused("limit", f"the options of a question have at most {limits.NOTE_CHARS_MAX} characters together")
    foreign = ("question",) if process.label.integrity == "foreign" else ()
    kernel.question(process, syscall.question, options=syscall.options, untrusted=foreign)


def answered(kernel: Kernel, event: Answered) -> None:
    """A person's word: starts what it allows, refuses what it does not, or is the answer itself."""
    opened = kernel.asks.get(event.ask)
    if opened is None:
        return
    process = kernel.processes[opened.asked.pid]
    if not opened.asked.tool and opened.asked.options and event.allow and event.text not in opened.asked.options:
        return
    allowed = asking.allowed(opened.asked, event.allow, event.text)
    if allowed is None or (opened.asked.plan and not mandate.answered(kernel, process, event.allow, event.text)):
        return
    del kernel.asks[event.ask]
    kernel.changed.add(opened.root)
    kernel.emit(TakeAsk(event.ask, opened.asked))
    if opened.asked.plan:
        return
    works = asking.asked_about(process, event.ask)
    if works[0].kind == "question":
        works[0].state, process.stood = "done", False
        if event.allow:
            kernel.answer(process, Ok(event.text))
        else:
            kernel.answer(
                process, Error("refused", f"the person did not answer{': ' + event.text if event.text else ''}")
            )
        return
    for number, work in enumerate(works, 1):
        _settle(kernel, process, work, event, number in allowed)
    finish(kernel, process)


def _settle(kernel: Kernel, process: Process, work: Work, event: Answered, allow: bool) -> None:
    """Do what a person has allowed, or tell that they did not."""
    assert isinstance(process.syscall, Call)
    tool = process.syscall.uses[work.index].tool
    if allow:
        if event.scope != "once" and not work.why:
            process.confirmed |= {tool}
        if event.scope == "subtree" and not work.why:
            _confirm_below(kernel, process, tool)
        work.state = "held"
        return
    rights.give_back(kernel, process, work)
    said = f": {event.text}" if event.text and not event.allow else ""
    work.state = "done"
    work.result = Returned(
        tool,
        False,
        f"the person did not allow this{said}. Do not try it again; find another way, or exit and say so",
        rule="refused",
        label=work.label if work.arguments is not None else Label(),
    )


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
    book(kernel, process, _usages(event.outcome), event.millis, event.provider)
    for work in process.work:
        if work.effect == event.effect and work.state in ("started", "interrupted"):
            break
    else:
        return
    if not process.alive:
        return
    outcome = event.outcome
    if isinstance(outcome, Failure) and outcome.rule == NOT_BEGUN and process.root in kernel.asleep:
        work.state = "ready"  # it is begun when its tree goes on
        return
    if isinstance(outcome, Failure) and (work.state == "interrupted" or outcome.rule == GIVEN_UP):
        work.state = "interrupted"  # the machine is stopping, or its tree sleeps: resume repeats it or doubts it
        return
    work.state = "done"
    if work.kind == "tool":
        assert isinstance(process.syscall, Call)
        use = process.syscall.uses[work.index]
        if work.again and kernel.rules >= TRIES_ADD_UP:
            outcome = _with_the_try_before(kernel, use.tool, outcome)
        work.result = returned(kernel, process, work, use, outcome)
        receipts.note(kernel, process, use, outcome, work.sealed)
        if isinstance(outcome, Value | Failure):
            changes.used(kernel, process, use.tool, outcome)
        finish(kernel, process)
    elif work.kind == "check":
        reviewing.checked(kernel, process, work, outcome)
    elif work.kind == "compare":
        assert isinstance(process.syscall, Exit)
        changes.seen(kernel, process, outcome)
        families.looked_at(kernel, process, process.syscall)
    elif work.kind == "memory":
        remembering.done(kernel, process, outcome)
    elif isinstance(outcome, Replied):
        kernel.answer(process, Ok(outcome.reply))
    elif isinstance(outcome, Failure) and work.kind == "model":
        routes.failed(kernel, process, work, outcome)
    elif isinstance(outcome, Failure):
        kernel.answer(process, Error(outcome.rule, outcome.message))
    else:
        assert isinstance(outcome, Value), f"{type(outcome).__name__} came for {work.kind}"
        if isinstance(process.syscall, Read):
            process.label = join(process.label, process.handles[process.syscall.handle].label)
        kernel.answer(process, Ok(outcome.text))


def _with_the_try_before(kernel: Kernel, name: str, outcome: Result) -> Result:
    """The outcome of a use that was tried before. Where this try failed, the one before may have had its effect all the same."""
    tool = kernel.tools.get(name)
    acts = tool is None or tool.effect in ("writes", "sends")
    if not acts or not isinstance(outcome, Failure) or outcome.rule not in ("failed", *receipts.NEVER_BEGUN):
        return outcome
    return Failure("in_doubt", f"{TRIED_BEFORE} ({outcome.message}). Look at what is there now, then decide")


def give_up(kernel: Kernel, process: Process, pending: Syscall | None) -> None:
    """A process ends: what is done for it is stopped. A use of a tool that was under way is in its receipt, too."""
    for work in process.work:
        if isinstance(pending, Call) and work.kind == "tool" and work.state in ("started", "interrupted"):
            use, cut_short = pending.uses[work.index], Failure("in_doubt", "its process has ended")
            receipts.note(kernel, process, use, cut_short, work.sealed)
            changes.used(kernel, process, use.tool, cut_short)
        rights.give_back(kernel, process, work)
        kernel.stop(work)
    process.work = []


def book(kernel: Kernel, process: Process, usages: Iterable[Usage], millis: int, provider: str = "") -> None:
    """Charge a process for what attempts to ask its model used (none: only for the time), and put the money on the provider's bill."""
    tokens = money = 0
    for usage in usages:
        tokens += _counted(usage.tokens_in) + _counted(usage.tokens_out)
        money += _counted(usage.usd_micros or 0)
        process.tokens_cached += max(0, min(usage.tokens_cached, usage.tokens_in, COST_MAX))
    kernel.book(process, Cost(tokens, money, _counted(millis)))
    if money:
        _bill(kernel, provider or routes.provider_of(process.models[0]), money)


def _counted(reported: int) -> int:
    """What a provider reports is an allegation, too."""
    return min(max(0, reported), COST_MAX)


def _usages(outcome: Result) -> tuple[Usage, ...]:
    match outcome:
        case Replied(reply, failed):
            return (reply.usage,) if failed is None else (reply.usage, failed)
        case Failure(usage=Usage() as usage):
            return (usage,)
        case _:
            return ()


def _bill(kernel: Kernel, provider: str, usd_micros: int) -> None:
    day = kernel.today // MILLIS_A_DAY
    before, so_far = kernel.bills.get(provider, (day, 0))
    kernel.bills[provider] = (day, usd_micros + (so_far if before == day else 0))


def finish(kernel: Kernel, process: Process) -> None:
    """Begin what can be begun of a call; answer it when all of its uses have ended."""
    if not process.alive or not isinstance(process.syscall, Call):
        return
    _begin(kernel, process, process.syscall)
    if process.unfinished():
        process.state = "asking" if any(work.state == "asking" for work in process.work) else "running"
        return
    kernel.answer(process, Ok(tuple(work.result for work in process.work)))


def _begin(kernel: Kernel, process: Process, syscall: Call) -> None:
    """Looks are done at the same time. What changes something waits for all that comes before it in the batch, and what comes
    after waits for that: who asks for an edit and then for a test means a test of what was edited."""
    in_order, looking = kernel.rules >= BATCHES_IN_ORDER, False
    for work in process.work:
        tool = kernel.tools.get(syscall.uses[work.index].tool)
        changing = in_order and tool is not None and tool.effect in ("writes", "sends")
        if changing and looking:
            return
        if work.state == "held":
            kernel.start(process, work)
        if work.state != "done":
            if changing:
                return
            looking = True


def resume(kernel: Kernel, process: Process) -> None:
    """Go on with the work of a process whose tree was asleep: start what was not, repeat what may be, doubt the rest."""
    for work in process.work:
        if work.state == "ready" or (
            work.state == "interrupted" and work.repeatable and rights.fits_plans(kernel, process, work)
        ):
            work.again = work.again or work.state == "interrupted"
            work.effect = kernel.number()  # what is still to come of the first try is not taken for the second one's
            try:
                kernel.start(process, work)
            except Refused as refusal:  # of a memory: the tree was carried here without the folder that was its project
                kernel.answer(process, Error(refusal.rule, refusal.message))
                return
        elif work.state == "interrupted":
            assert isinstance(process.syscall, Call)
            use = process.syscall.uses[work.index]
            work.state = "done"
            work.result = Returned(use.tool, False, IN_DOUBT, rule="in_doubt")
            doubt = Failure("in_doubt", IN_DOUBT)
            receipts.note(kernel, process, use, doubt)
            changes.used(kernel, process, use.tool, doubt)
    finish(kernel, process)
