"""A history as a person reads it: one line for each thing that happened and for what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gemot.abi.answers import Error
from gemot.abi.effects import (
    AskModel,
    Begin,
    BeginFork,
    Deliver,
    Effect,
    End,
    PutAsk,
    ReadValue,
    StartTool,
    StopWork,
    TakeAsk,
)
from gemot.abi.events import Done, Event, Failure, Replied, Trapped
from gemot.abi.syscalls import name_of


def chapter(event: Event, effects: Sequence[Effect]) -> Iterator[str]:
    """What happened, then what the kernel made of it."""
    yield _happened(event)
    for effect in effects:
        words = _came_of_it(effect)
        if words:
            yield f"    {words}"


def _happened(event: Event) -> str:
    match event:
        case Trapped(_, pid, syscall):
            return f"{pid} calls {name_of(syscall)} {_short(syscall)}"
        case Done(_, effect, Failure(rule, message), millis):
            return f"work {effect} failed after {millis} ms: {rule}: {message}"
        case Done(_, effect, Replied(reply), millis):
            return f"work {effect}: the model replied after {millis} ms: {_short(reply.parts)}"
        case Done(_, effect, outcome, millis):
            return f"work {effect} is done after {millis} ms: {_short(outcome)}"
        case _:
            return _short(event)


def _came_of_it(effect: Effect) -> str:
    match effect:
        case Begin(pid, program):
            return f"{pid} begins as {program.name}"
        case BeginFork(pid, parent):
            return f"{pid} begins as a fork of {parent}"
        case Deliver(pid, Error(rule, message)):
            return f"{pid} is refused ({rule}): {message[:120]}"
        case Deliver(pid, answer):
            return f"{pid} is answered {_short(answer)}"
        case End(outcome):
            return f"{outcome.pid} ends: {outcome.state} {_short(outcome.value)} {outcome.error[:120]}"
        case StartTool(number, pid, tool, arguments):
            return f"work {number} for {pid}: {tool} {_short(arguments)}"
        case AskModel(number, pid, model):
            return f"work {number} for {pid}: ask {model}"
        case ReadValue(number, pid):
            return f"work {number} for {pid}: read a value"
        case StopWork(number):
            return f"work {number} is given up"
        case PutAsk(asked):
            return f"ask {asked.ask} of {asked.pid}: {asked.question[:80]}"
        case TakeAsk(ask):
            return f"ask {ask} is closed"
        case _:
            return ""


def _short(value: object) -> str:
    return f"{value!r:.160}"
