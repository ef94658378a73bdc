"""Hearing: whose words a process was told, and from when on what it says may rest on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gemot.abi.answers import Answer, Mail, Ok, Outcome, Waited
from gemot.abi.memories import Memory
from gemot.abi.rules import RETRACTIONS_ARE_EXACT
from gemot.kernel.process import Heard, Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

RETRACTED = "retracted"
"""The rule of an outcome that was taken back."""


def heard(kernel: Kernel, process: Process, answer: Answer) -> None:
    """Note whose words a process is told by an answer."""
    said = [(mail.said_by, mail.moment) for mail in answer.mail]
    now, value = kernel.moment, answer.value if isinstance(answer, Ok) else None
    rests = resting(kernel, process)
    match value:
        case Outcome():
            said += _said(value, now)
        case Waited(ended):
            said += [words for one in ended for words in _said(one, now)]
        case tuple():
            many = cast("tuple[object, ...]", value)
            said += [(one.said_by, one.moment) for one in many if isinstance(one, Mail)]
            said += [(one.writer, 0) for one in many if isinstance(one, Memory)]
        case _:
            pass
    process.heard += [Heard(rests, pid, process.entries, at) for pid, at in dict.fromkeys(said) if pid > 0]


def resting(kernel: Kernel, process: Process) -> int:
    """From which moment what a process says may rest on what it is told now. A model has asked for everything in its reply before it
    read what came with that reply: for it the moment is 0 until it is :func:`asked` again."""
    return 0 if process.program.kind == "ai" and process.rules >= RETRACTIONS_ARE_EXACT else kernel.moment


def asked(kernel: Kernel, process: Process) -> None:
    """Its model is asked: from now on what it says may rest on all that it was told."""
    heard = process.heard
    at = len(heard)
    while at and not heard[at - 1].moment:
        at -= 1
        heard[at] = heard[at]._replace(moment=kernel.moment)


def _said(outcome: Outcome, now: int) -> list[tuple[int, int]]:
    """The processes whose words an outcome holds. An outcome that was taken back holds no words."""
    return [] if outcome.rule == RETRACTED else [(pid, now) for pid in (outcome.pid, outcome.finding_by) if pid]
