"""Routes: the models that a person lets a process go on with, in their order, when one fails or is not good enough.

A process is on its route while its model is one of it. It moves up by itself and never back; a person moves it anywhere
(`gemot move`). A model that is not on its route has been chosen by somebody, so nothing takes its place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gemot.abi.answers import Error, Room
from gemot.abi.effects import StopWork
from gemot.abi.events import Failure
from gemot.kernel.process import Process, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

NO_REPLY = ("model", "limit")
"""The rules of failures that another model may not share: it gave no reply, or its provider's limit is reached. Time that is
used up is used up for every model."""

HOW_TO = "A route would have let it go on with another model: gemot run --model THIS --model ANOTHER, or [[route]] in gemot.toml"


def provider_of(model: str) -> str:
    """``openai:gpt-5-mini`` and ``openai/gpt-5-mini`` -> ``openai``."""
    return re.split("[:/]", model, maxsplit=1)[0]


def further(process: Process) -> tuple[str, ...]:
    """The models of its route that come after the one it has."""
    model = process.models[0]
    return process.route[process.route.index(model) + 1 :] if model in process.route else ()


def stronger(kernel: Kernel, process: Process) -> bool:
    """Move a process one step up its route; says whether there was a step left."""
    rest = further(process)
    if rest:
        move(kernel, process, rest[0])
    return bool(rest)


def move(kernel: Kernel, process: Process, model: str) -> None:
    """Let a process go on with this model, at once: a question that is under way is put to that one instead."""
    _choose(kernel, process, model)
    for work in process.work:
        if work.kind == "model" and work.state == "started":
            kernel.emit(StopWork(work.effect))
            work.state = "done"
            _ask_again(kernel, process, work)
            return


def failed(kernel: Kernel, process: Process, work: Work, failure: Failure) -> None:
    """A model gave no reply: ask the next one of the route that the process can pay for; where there is none, say so. One that
    takes in less than it was shown would have replied to less: that is for the program to do."""
    rest = further(process) if failure.rule in NO_REPLY else ()
    model = affordable(process, work) if rest else None
    if model is None:
        room = work.room if failure.rule == "window" else None
        kernel.answer(
            process, Error(failure.rule, f"{failure.message}{_why_no_other(process, failure, rest)}", room=room)
        )
        return
    ask(kernel, process, work, model)


def affordable(process: Process, work: Work) -> str | None:
    """The next model of its route that a process can ask the same question, by the money and the time that are left."""
    if process.left.millis < 1:
        return None
    return next((one for one in further(process) if work.prices.get(one, 0) <= process.left.usd_micros), None)


def ask(kernel: Kernel, process: Process, work: Work, model: str) -> None:
    """Put the question of ``work`` to another model."""
    _choose(kernel, process, model)
    _ask_again(kernel, process, work)


def _choose(kernel: Kernel, process: Process, model: str) -> None:
    process.models = (model, *(one for one in process.models if one != model))
    kernel.changed.add(process.root)


def _ask_again(kernel: Kernel, process: Process, work: Work) -> None:
    again = Work(
        kernel.number(),
        0,
        "ready",
        "model",
        millis_max=max(1, process.left.millis),
        tokens_out_max=work.tokens_out_max,
        prices=work.prices,
        room=None if work.room is None else Room(0, work.room.question),  # another model has another window
    )
    process.work = [again]
    kernel.start(process, again)


def _why_no_other(process: Process, failure: Failure, rest: tuple[str, ...]) -> str:
    if failure.rule not in NO_REPLY:
        return ""
    if process.left.millis < 1:
        return " This process's time for models and tools is used up"
    if rest:
        left = f"{process.left.usd_micros / 1e6:.4f} dollars"
        return f" One call to the rest of its route ({', '.join(rest)}) may cost more than the {left} that are left"
    if not process.route:
        return f" {HOW_TO}"
    if process.models[0] in process.route:
        return f" It was the last model of its route ({', '.join(process.route)})"
    return f" It was moved off its route ({', '.join(process.route)})"
