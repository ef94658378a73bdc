"""Retraction: what a process said is taken back from everybody who read it, and from what was made of it.

The kernel notes whose words entered whose reading, and when (:func:`heard`). From that follows all that was built on what is
taken back: whoever read it, what they said afterwards, who read that, and the children that they made afterwards.

- Where such words stand in a reading there is a blank from now on; the pages after it stay, and the process is told. A program
  that is code can't forget: it is rewound to before it was told, and told that there is no such result.
- Children that were made by somebody who had read it are ended: what they were told to do is built on it.
- Results that are derived from it are gone too: who asks again is told that they were taken back.
- What was done to the world stays done, and is listed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Answer, Cancelled, Mail, Ok, Outcome, Retraction, Waited
from gemot.abi.effects import Rewind, StopWork, TakeBack
from gemot.abi.events import Rewound
from gemot.abi.labels import KERNEL, PERSON, Label
from gemot.abi.syscalls import Exit, Generate, Retract
from gemot.authority.refusal import Refused
from gemot.kernel import families, reviewing
from gemot.kernel.process import Process, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

RULE = "retracted"


@dataclass(slots=True)
class Reach:
    """How far words have come. ``since``: by process, the moment from which what it says is derived from them. ``entries``: by
    process, which of the answers that it had hold such words, and whose. ``made``: processes that were begun with them."""

    since: dict[int, int] = field(default_factory=dict[int, int])
    entries: dict[int, list[tuple[int, int]]] = field(default_factory=dict[int, list[tuple[int, int]]])
    made: list[int] = field(default_factory=list[int])


def heard(kernel: Kernel, process: Process, answer: Answer) -> None:
    """Note whose words a process is told by an answer."""
    sources = [mail.sender for mail in answer.mail]
    value = answer.value if isinstance(answer, Ok) else None
    match value:
        case Outcome(pid):
            sources.append(pid)
        case Waited(ended):
            sources += [one.pid for one in ended]
        case tuple():
            sources += [one.sender for one in cast("tuple[object, ...]", value) if isinstance(one, Mail)]
        case list() | dict():
            told = cast("list[object]", [value] if isinstance(value, dict) else value)
            tasks = [cast("dict[str, Any]", one) for one in told if isinstance(one, dict)]
            sources += [one["done_by"] for one in tasks if isinstance(one.get("done_by"), int)]
        case _:
            pass
    for source in dict.fromkeys(sources):
        if source > 0:
            process.heard.append((kernel.moment, source, process.entries))


def retract(kernel: Kernel, process: Process, syscall: Retract) -> None:
    child = families.own_child(kernel, process, syscall.pid)
    if not syscall.reason.strip() or len(syscall.reason) > limits.NOTE_CHARS_MAX:
        raise Refused("malformed", f"say why in 1 to {limits.NOTE_CHARS_MAX} characters: others are told")
    done = take_back(kernel, child, syscall.reason, by=process)
    if process.syscall is syscall:
        kernel.answer(process, Ok(msgspec.to_builtins(done)))


def reach(kernel: Kernel, source: Process) -> Reach:
    """Everything that was built on what a process ever said."""
    members = kernel.tree(source.root)
    readers: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
    children: defaultdict[int, list[Process]] = defaultdict(list)
    for process in members:
        children[process.parent].append(process)
        for moment, said_by, entry in process.heard:
            readers[said_by].append((process.pid, moment, entry))
    found = Reach(since={source.pid: 0})
    todo = [source.pid]
    while todo:
        pid = todo.pop()
        since = found.since[pid]
        for reader, moment, _ in readers[pid]:
            if moment >= since and moment < found.since.get(reader, moment + 1):
                found.since[reader] = moment
                todo.append(reader)
        if pid == source.pid:
            continue
        for process in children[pid]:
            if process.born > since and process.pid not in found.since:
                found.since[process.pid] = process.born
                found.made.append(process.pid)
                todo.append(process.pid)
    for said_by, since in found.since.items():
        for reader, moment, entry in readers[said_by]:
            if moment >= since:
                found.entries.setdefault(reader, []).append((entry, said_by))
    return found


def take_back(kernel: Kernel, source: Process, reason: str, by: Process | None = None) -> Retraction:
    """Take back all that a process said; ``by`` its parent, or (None) the person. Returns what came of it."""
    found = reach(kernel, source)
    living = {pid for pid in found.since if kernel.processes[pid].alive}
    effects = _effects(kernel, found)
    why = f"taken back: {reason}"
    for pid in (source.pid, *found.made):
        process = kernel.processes[pid]
        if process.alive:
            kernel.end(process, Outcome(pid, process.name, "killed", error=why, rule=RULE))
    rewound: list[int] = []
    told: list[int] = []
    for pid in kernel.trees[source.root]:
        process = kernel.processes[pid]
        process.mailbox = [mail for mail in process.mailbox if mail.sender not in found.since]
    for pid in found.since:
        process = kernel.processes[pid]
        if process.outcome is not None:
            process.outcome = _blank(process.outcome, why)
    for pid in sorted(found.entries):
        process = kernel.processes[pid]
        if not process.alive:
            continue
        places = tuple(sorted(found.entries[pid]))
        if process is not by and _rewinds(process, found.entries[pid]):
            _rewind(kernel, process, places, why)
            rewound.append(pid)
        else:
            _tell(kernel, process, places, source, why, quietly=process is by)
            told.append(pid)
    board = kernel.boards.get(source.root)
    if board is not None and board.take_back(found.since, why):
        kernel.board_changed(source.root)
    killed = sorted(pid for pid in living if not kernel.processes[pid].alive)
    return Retraction(source.pid, tuple(told), tuple(rewound), tuple(killed), effects)


def foreseen(kernel: Kernel, source: Process) -> Retraction:
    """What :func:`take_back` would do now; nothing is changed."""
    found = reach(kernel, source)
    told: list[int] = []
    rewound: list[int] = []
    gone = {pid for one in (source.pid, *found.made) for pid in _line(kernel, one) if kernel.processes[pid].alive}
    for pid in sorted(found.entries):
        process = kernel.processes[pid]
        if process.alive and pid not in gone:
            (rewound if _rewinds(process, found.entries[pid]) else told).append(pid)
    return Retraction(source.pid, tuple(told), tuple(rewound), tuple(sorted(gone)), _effects(kernel, found))


def _rewinds(process: Process, places: list[tuple[int, int]]) -> bool:
    return process.program.kind == "native" and min(places)[0] > 0


def _line(kernel: Kernel, pid: int) -> list[int]:
    """A process and all below it that live."""
    return [pid, *(below for child in kernel.processes[pid].children for below in _line(kernel, child))]


def _blank(outcome: Outcome, why: str) -> Outcome:
    """What is left of the outcome of a process whose result is not to be read any more."""
    return Outcome(
        outcome.pid, outcome.name, "failed", error=why, rule=RULE, spent=outcome.spent, label=Label((KERNEL,))
    )


def _effects(kernel: Kernel, found: Reach) -> tuple[str, ...]:
    """What was done to the world by whoever had read it: ``process 7: files/write ...``."""
    done: list[tuple[int, str]] = []
    for pid, since in found.since.items():
        process = kernel.processes[pid]
        uses = process.uses if process.outcome is None else process.outcome.receipt.uses
        done += [
            (use.moment, f"process {pid}: {use.shown}")
            for use in uses
            if use.effect in ("writes", "sends") and use.moment >= since
        ]
    return tuple(line for _, line in sorted(done))


def _tell(
    kernel: Kernel, process: Process, places: tuple[tuple[int, int], ...], source: Process, why: str, quietly: bool
) -> None:
    """Blank what stands in a reading, and say so. A model that is being asked is asked again, with the blank."""
    kernel.emit(TakeBack(process.pid, places, why))
    process.heard = [one for one in process.heard if (one[2], one[1]) not in set(places)]
    again = [work for work in process.work if work.kind == "model" and work.state == "started"]
    if isinstance(process.syscall, Generate) and again:
        (work,) = again
        kernel.emit(StopWork(work.effect))
        anew = Work(
            kernel.number(), 0, "ready", "model", millis_max=work.millis_max, tokens_out_max=work.tokens_out_max
        )
        process.work = [anew]
        kernel.start(process, anew)
    if isinstance(process.syscall, Exit) and process.review is not None:
        reviewing.give_up(kernel, process, why)
    if not quietly:
        text = f"what process {source.pid} said was {why}. What you did since you read it may rest on it: look again"
        kernel.post(process, Mail(-1, text, Label((KERNEL,))))


def _rewind(kernel: Kernel, process: Process, places: tuple[tuple[int, int], ...], why: str) -> None:
    """Put a program that is code back to where it was told the first of these words, and tell it something else."""
    entry = places[0][0]
    moment = min(at for at, _, number in process.heard if number == entry)
    back_to(kernel, process, entry, moment)
    kernel.emit(TakeBack(process.pid, places, why))


def back_to(kernel: Kernel, process: Process, entry: int, moment: int) -> None:
    """Make the tables forget what a process did since it had its answer ``entry``, at ``moment``: what it began is stopped, what it
    has spent and done is spent and done."""
    process.syscall = None
    for pid in list(process.children):
        child = kernel.processes[pid]
        if child.born > moment:
            kernel.end(child, Outcome(pid, child.name, "killed", error=f"{process.pid} was rewound", rule=RULE))
    for work in process.work:
        kernel.stop(work)
    process.work, process.plan = [], []
    process.state = "running"
    process.waits += 1
    again = [pid for at, pid, _ in process.heard if at >= moment and _ended_child(kernel, process, pid)]
    kept = [pid for pid in process.uncollected if kernel.processes[pid].born <= moment]
    process.uncollected = list(dict.fromkeys([*again, *kept]))
    process.heard = [one for one in process.heard if one[0] < moment]
    process.entries = entry


def rewound(kernel: Kernel, process: Process, event: Rewound) -> None:
    """A person puts a process back. What is code goes on from the answer that it had then; a conversation is told so."""
    back_to(kernel, process, event.entry, event.moment)
    process.label = event.label
    words = (Mail(0, event.text, Label((PERSON,))),) if event.text else ()
    if not event.program:
        process.mailbox += words
        kernel.emit(TakeBack(process.pid, ((event.entry, 0),), ""))
        return
    kernel.emit(Rewind(process.pid, event.program))
    kernel.answer(
        process, Cancelled("the person put you back to here: what you did after this is not in your log", words)
    )


def _ended_child(kernel: Kernel, process: Process, pid: int) -> bool:
    one = kernel.processes[pid]
    return one.parent == process.pid and not one.alive
