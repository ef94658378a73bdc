"""Retraction: what a process said, or one answer that it had, is taken back from everybody who read it, and from what was made
of it.

The kernel notes whose words entered whose reading, when that was, and when they were said (:func:`heard`; for tasks,
:meth:`gemot.board.table.Board.speakers`). From that follows all that was built on what is taken back: whoever read it, what they
said afterwards, who read that, and the children that they made afterwards. What they had said before stays.

- Where such words stand in a reading there is a blank from now on; the pages after it stay, and the process is told. A program
  that is code can't forget: it is rewound to before it was told, and told that there is no such result.
- Children that were made by somebody who had read it are ended: what they were told to do is built on it.
- What was forked from a process, by itself or by a person, has that one's reading, and so the same blanks, or the same end; code, which
  can't be put back to before it was forked, is ended. Into another tree only a person's word reaches.
- Results that are derived from it are gone too: who asks again is told that they were taken back. On the board, a task whose
  text it was is dropped, one that was completed with it is open again, a judgement must be made anew.
- What was done to the world stays done, and is listed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Cancelled, Entry, Mail, Ok, Outcome, Retraction
from gemot.abi.effects import Rewind, StopWork, TakeBack
from gemot.abi.events import Rewound
from gemot.abi.labels import KERNEL, PERSON, Label
from gemot.abi.rules import RECEIPTS_KEEP_LABELS
from gemot.abi.syscalls import Exit, Generate, Retract
from gemot.authority.labels import KERNEL_WORDS, PERSON_WORDS, Author, author, join, words_of
from gemot.authority.refusal import Refused
from gemot.kernel import families, gates, judging, reviewing
from gemot.kernel.hearing import RETRACTED
from gemot.kernel.process import Heard, Process, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

RULE = RETRACTED

RESTS = "what you repeated of it is blank, too; what else you said or did since you read it may rest on it: look again"
"""What a process is told that took something back itself."""

NOBODY = 0
"""In the place of whoever said it: what is taken back is an answer itself."""


@dataclass(slots=True)
class Reach:
    """How far words have come. ``since``: by process, the moment from which what it says is derived from them. ``entries``: by
    process, which of the answers that it had hold such words, and whose. ``made``: processes that were begun with them."""

    since: dict[int, int] = field(default_factory=dict[int, int])
    entries: dict[int, list[tuple[int, int]]] = field(default_factory=dict[int, list[tuple[int, int]]])
    made: list[int] = field(default_factory=list[int])

    def holds(self, source: int, said: int) -> bool:
        """Whether these words are among what is taken back, or built on it."""
        return source in self.since and said >= self.since[source]


def retract(kernel: Kernel, process: Process, syscall: Retract) -> None:
    child = families.own_child(kernel, process, syscall.pid)
    if not syscall.reason.strip() or len(syscall.reason) > limits.NOTE_CHARS_MAX:
        raise Refused("malformed", f"say why in 1 to {limits.NOTE_CHARS_MAX} characters: others are told")
    done = take_back(kernel, child, syscall.reason, by=process)
    if process.syscall is syscall:
        kernel.answer(process, Ok(msgspec.json.decode(msgspec.json.encode(done)) | {"note": RESTS}))


def reach(kernel: Kernel, source: Process, told: Entry | None = None, forks: bool = True) -> Reach:
    """Everything that was built on what a process ever said, or on one answer that it had. ``forks``: also in the trees that a
    person forked, which are nothing to a process of this one."""
    members = _members(kernel, source.root) if forks else kernel.tree(source.root)
    readers: defaultdict[int, list[tuple[int, Heard]]] = defaultdict(list)
    children: defaultdict[int, list[Process]] = defaultdict(list)
    for process in members:
        children[process.parent].append(process)
        for one in process.heard:
            readers[one.source].append((process.pid, one))
    found = Reach(since={source.pid: 0 if told is None else told.since or told.moment})
    holders = [] if told is None else _holders(kernel, source, told, children, forks)
    # who was forked before the source's model was asked again holds the answer, too, and may have said what rests on it
    found.since |= {one.pid: one.born for one in holders if told is not None and told.moment < one.born <= told.since}
    todo = list(found.since)
    while todo:
        pid = todo.pop()
        since = found.since[pid]
        for reader, one in readers[pid]:
            if one.said >= since and one.moment and one.moment < found.since.get(reader, one.moment + 1):
                found.since[reader] = one.moment
                todo.append(reader)
        for process in children[pid]:
            if since < process.born < found.since.get(process.pid, process.born + 1):
                found.since[process.pid] = process.born  # it may be a reader, too, since a later moment
                found.made.append(process.pid)
                todo.append(process.pid)
        for process in _copies(kernel, pid, since) if forks else ():
            found.entries.setdefault(process.pid, [])
            ends = pid in found.made or process.program.kind == "native"
            if ends and process.pid not in found.made:
                found.made.append(process.pid)
            if process.born < found.since.get(process.pid, process.born + 1):
                found.since[process.pid] = process.born
                todo.append(process.pid)
    for pid, since in found.since.items():
        process = kernel.processes[pid]
        if process.program.kind == "native" and since <= process.born and pid not in found.made:
            found.made.append(pid)  # it has read it as what it was forked from
    for said_by, since in found.since.items():
        for reader, one in readers[said_by]:
            if one.said >= since:
                found.entries.setdefault(reader, []).append((one.entry, said_by))
    for process in holders:
        if told is not None:
            found.entries.setdefault(process.pid, []).append((told.number, NOBODY))
    return found


def _holders(
    kernel: Kernel, source: Process, told: Entry, children: Mapping[int, list[Process]], forks: bool
) -> list[Process]:
    """Whose reading has an answer that a process was told: its own, and that of whoever was forked from it since."""
    found = [source]
    for process in found:
        found += _copies(kernel, process.pid, told.moment) if forks else []
        if told.since:
            found += [one for one in children[process.pid] if one.forked and one.born > told.moment]
    return found


def _members(kernel: Kernel, root: int) -> list[Process]:
    """Everybody in a tree, and in the trees that a person forked from it and from those."""
    found = kernel.tree(root)
    for process in found:
        for copy in process.copies:
            found += kernel.tree(copy) if copy in kernel.processes else []
    return found


def _copies(kernel: Kernel, pid: int, since: int) -> list[Process]:
    """Whom a person forked from a process after that moment; who was archived is not here."""
    found = [kernel.processes.get(one) for one in kernel.processes[pid].copies]
    return [one for one in found if one is not None and one.born > since]


def take_back(
    kernel: Kernel, source: Process, reason: str, by: Process | None = None, told: Entry | None = None
) -> Retraction:
    """Take back all that a process said, or an answer that it was ``told`` and what it said since; ``by`` its parent, or (None) the
    person. Returns what came of it."""
    found = reach(kernel, source, told, by is None)
    living = {pid for pid in found.since if kernel.processes[pid].alive}
    effects, label = _effects(kernel, found, by)
    giver = PERSON_WORDS
    if by is not None:
        giver, by.label = author(by), join(by.label, label)
    why = f"taken back: {reason}"
    roots = dict.fromkeys(kernel.processes[pid].root for pid in (*found.since, *found.entries))
    kernel.changed.update(roots)
    for process in (one for root in roots for one in kernel.tree(root)):
        process.mailbox = [mail for mail in process.mailbox if not found.holds(mail.said_by, mail.moment)]
        note = process.progress
        if note is not None and found.holds(process.pid, note.moment):
            process.progress = None
        for alarm in process.alarms.values():
            if found.holds(process.pid, alarm.set_at) and alarm.note:
                alarm.note, alarm.label = why, join(alarm.label, giver.label)
        if process.outcome is not None and process.outcome.finding_by in found.since:
            process.outcome = msgspec.structs.replace(process.outcome, finding=why, label=_passed_on(giver))
    words = _words(kernel, found)
    _blank_outcomes(kernel, found, why, giver)  # before anybody is ended: whoever waits is told what others came to
    for pid in found.entries:  # who judges what was made of it judges no more, and that is no verdict
        process = kernel.processes[pid]
        if process.alive and process.review is not None and process is not by:
            judging.dismiss(kernel, process.review)
    for pid in (*((source.pid,) if told is None else ()), *found.made):
        process = kernel.processes[pid]
        if process.alive:
            kernel.end(process, Outcome(pid, process.name, "killed", error=why, rule=RULE), giver)
    _blank_outcomes(kernel, found, why, giver)
    rewound: list[int] = []
    blanked: list[int] = []
    for pid in sorted(found.entries):
        process = kernel.processes[pid]
        if not process.alive:
            continue
        if process is by and process.program.kind == "native":
            blanked.append(pid)  # code that takes something back itself knows what it does
            continue
        places = tuple(sorted(found.entries[pid]))
        said = tuple(text for source in dict.fromkeys(source for _, source in places) for text in words.get(source, ()))
        entry = told if _has(found, pid, told) else None
        lost = TakeBack(pid, places, why, entry, said, label=_passed_on(giver))
        if _rewinds(process, found.entries[pid]) and process is not by:
            _rewind(kernel, process, lost)
            rewound.append(pid)
        else:
            what = f"what process {source.pid} {'said' if told is None else 'was told'}"
            _tell(kernel, process, lost, "" if process is by else what, giver)
            blanked.append(pid)
    for root in roots:
        board = kernel.boards.get(root)
        if board is not None and board.take_back(found.since, why, giver, kernel.moment):
            kernel.board_changed(root)
    killed = sorted(pid for pid in living if not kernel.processes[pid].alive)
    return Retraction(source.pid, tuple(blanked), tuple(rewound), tuple(killed), effects)


def foreseen(kernel: Kernel, source: Process, told: Entry | None = None) -> Retraction:
    """What :func:`take_back` would do now; nothing is changed."""
    found = reach(kernel, source, told)
    blanked: list[int] = []
    rewound: list[int] = []
    ends = (*((source.pid,) if told is None else ()), *found.made)
    gone = {pid for one in ends for pid in _line(kernel, one) if kernel.processes[pid].alive}
    for pid in sorted(found.entries):
        process = kernel.processes[pid]
        if process.alive and pid not in gone:
            (rewound if _rewinds(process, found.entries[pid]) else blanked).append(pid)
    return Retraction(source.pid, tuple(blanked), tuple(rewound), tuple(sorted(gone)), _effects(kernel, found, None)[0])


def _has(found: Reach, pid: int, told: Entry | None) -> bool:
    """Whether an answer that is taken back is in the reading of a process: its own, or as it was forked."""
    return told is not None and (told.number, NOBODY) in found.entries[pid]


def _rewinds(process: Process, places: list[tuple[int, int]]) -> bool:
    return process.program.kind == "native" and bool(places) and min(places)[0] > 0


def _line(kernel: Kernel, pid: int) -> list[int]:
    """A process and all below it that live."""
    return [pid, *(below for child in kernel.processes[pid].children for below in _line(kernel, child))]


def _words(kernel: Kernel, found: Reach) -> dict[int, tuple[str, ...]]:
    """By process, what its outcome says, as far as it is text or a number."""
    outcomes = {pid: kernel.processes[pid].outcome for pid in found.since}
    return {
        pid: tuple(str(one) for one in _said_by(outcome) if isinstance(one, str | int | float) and one)
        for pid, outcome in outcomes.items()
        if outcome is not None and outcome.rule != RULE and not isinstance(outcome.value, bool)
    }


def _said_by(outcome: Outcome) -> tuple[object, ...]:
    """The words of its process in an outcome. What the kernel says of how it ended is none."""
    return (outcome.value, outcome.error) if outcome.rule == "failed" else (outcome.value,)


def _passed_on(words: Author) -> Label:
    """The label of a reason that the kernel passes on with words of its own."""
    return join(Label((KERNEL,)), words.label)


def _blank_outcomes(kernel: Kernel, found: Reach, why: str, words: Author) -> None:
    for process in (kernel.processes[pid] for pid in found.since):
        if process.outcome is not None:
            process.outcome, process.whole = _blank(process.outcome, why, words), None


def _blank(outcome: Outcome, why: str, words: Author) -> Outcome:
    """What is left of the outcome of a process whose result is not to be read any more."""
    return Outcome(
        outcome.pid, outcome.name, "failed", error=why, rule=RULE, spent=outcome.spent, label=_passed_on(words)
    )


def _effects(kernel: Kernel, found: Reach, reader: Process | None) -> tuple[tuple[str, ...], Label]:
    """What was done to the world by whoever had read it: ``process 7: files/write ...``. A process reads (None: the person does)
    no words of others that are under review. And the label of these words."""
    label = Label()
    done: list[tuple[int, str]] = []
    for pid, since in found.since.items():
        process = kernel.processes[pid]
        closed = reader is not None and gates.gate(kernel, process, reader) > 0
        uses = process.uses if process.outcome is None else process.outcome.receipt.uses
        shown = [use for use in uses if use.effect in ("writes", "sends") and use.moment >= since]
        done += [(use.moment, f"process {pid}: {gates.without_words(use) if closed else use.shown}") for use in shown]
        if shown and not closed:
            label = join(label, words_of(process) if process.outcome is None else process.outcome.label)
    return tuple(line for _, line in sorted(done)), label


def _tell(kernel: Kernel, process: Process, lost: TakeBack, what: str, words: Author) -> None:
    """Blank what stands in a reading, and say ``what`` that was (empty: nothing). A model that is being asked is asked again,
    with the blank, in which ``words`` of the reason stand."""
    process.label = join(process.label, lost.label)
    if lost.places:
        kernel.emit(lost)
    gone = set(lost.places)
    process.heard = [one for one in process.heard if (one.entry, one.source) not in gone]
    for handle in () if lost.entry is None else lost.entry.handles:
        process.handles.pop(handle, None)
        process.documents.pop(handle, None)
    again = [work for work in process.work if work.kind == "model" and work.state == "started"]
    if isinstance(process.syscall, Generate) and again:
        (work,) = again
        kernel.emit(StopWork(work.effect))
        anew = Work(
            kernel.number(),
            0,
            "ready",
            "model",
            millis_max=work.millis_max,
            tokens_out_max=work.tokens_out_max,
            prices=work.prices,
            room=work.room,
        )
        process.work = [anew]
        kernel.start(process, anew)
    if isinstance(process.syscall, Exit):
        reviewing.give_up(kernel, process, lost.why)
    if what:
        text = f"{what} was {lost.why}. What you did since you read it may rest on it: look again"
        kernel.post(process, Mail(-1, text, lost.label, said_by=max(words.pid, 0)))


def _rewind(kernel: Kernel, process: Process, lost: TakeBack) -> None:
    """Put a program that is code back to where it was told the first of these words, and tell it something else."""
    number = lost.places[0][0]
    moments = [one.moment for one in process.heard if one.entry == number]
    if lost.entry is not None and lost.entry.number == number:
        moments.append(lost.entry.moment)
    back_to(kernel, process, number, min(moments), lost.places)
    process.label = join(process.label, lost.label)
    kernel.emit(lost)


def back_to(kernel: Kernel, process: Process, entry: int, moment: int, gone: tuple[tuple[int, int], ...] = ()) -> None:
    """Make the tables forget what a process did since it had its answer ``entry``, at ``moment``: what it began is stopped, what it
    has spent and done is spent and done. ``gone``: what of that answer it has not been told either, as in `TakeBack`."""
    process.syscall = process.changed = None
    if process.review is not None:
        judging.dismiss(kernel, process.review)
    process.alarms = {number: one for number, one in process.alarms.items() if one.set_at <= moment}
    for pid in list(process.children):
        child = kernel.processes[pid]
        if child.born > moment:
            kernel.end(
                child, Outcome(pid, child.name, "killed", error=f"{process.pid} was rewound", rule=RULE), KERNEL_WORDS
            )
    for work in process.work:
        kernel.stop(work)
    process.work, process.plan = [], []
    process.state = "running"
    process.waits += 1
    untold = [one for one in process.heard if one.entry > entry or (one.entry, one.source) in gone]
    again = [one.source for one in untold if _ended_child(kernel, process, one.source)]
    kept = [pid for pid in process.uncollected if kernel.processes[pid].born <= moment]
    process.uncollected = list(dict.fromkeys([*again, *kept]))
    process.heard = [one for one in process.heard if one not in untold]
    process.entries = entry


STAYS = (
    "you were put back to here, but what was done after this moment stays done. Files may differ from what you know; look at them "
    "before you write"
)


def stays(kernel: Kernel, process: Process, moment: int) -> tuple[str, ...]:
    """What a process and those below it did to the world after a moment, in order: a rewinding does not undo it. Of those whose
    review has not passed, the kernel's own words alone are told: the process would read theirs."""
    family = {process.pid}
    done: list[tuple[int, str]] = []
    for one in kernel.tree(process.root):
        if one.pid in family or one.parent in family:
            family.add(one.pid)
            uses = one.uses if one.outcome is None else (one.whole or one.outcome).receipt.uses
            held = one.whole is not None or gates.gate(kernel, one, process) != 0
            done += [
                (use.moment, f"process {one.pid}: {gates.without_words(use) if held else use.shown}")
                for use in uses
                if use.effect in ("writes", "sends") and use.moment > moment
            ]
    return tuple(line for _, line in sorted(done))


def rewound(kernel: Kernel, process: Process, event: Rewound) -> None:
    """A person puts a process back. What is code goes on from the answer that it had then; a conversation is told so."""
    since = join(event.label, words_of(process))
    back_to(kernel, process, event.entry, event.moment)
    if process.uses and kernel.rules >= RECEIPTS_KEEP_LABELS:
        process.undone = join(process.undone, since)
    process.label, process.habit = event.label, None
    words = (Mail(0, event.text, Label((PERSON,))),) if event.text else ()
    if event.stays and event.program:
        text = f"{STAYS}:\n" + "\n".join(event.stays)
        words = (Mail(-1, text, since, said_by=process.pid, moment=kernel.moment), *words)
    if not event.program:
        process.mailbox += words
        kernel.emit(TakeBack(process.pid, ((event.entry, 0),), "", label=Label()))
        return
    kernel.emit(Rewind(process.pid, event.program))
    kernel.answer(
        process, Cancelled("the person put you back to here: what you did after this is not in your log", words)
    )


def _ended_child(kernel: Kernel, process: Process, pid: int) -> bool:
    one = kernel.processes[pid]
    return one.parent == process.pid and not one.alive
