"""Loops: a process that requests the same things again and again, with the same results, is told, then reported, then ended.

The trap compares nothing but prints: eight bytes for a request together with what came of it. Of each process the last prints
are kept. A turn of an AI program is all that it requests in one reply; of a native program each syscall is a turn. A turn
in which every print is known is a repetition, so a cycle of several requests is one, too. Anything new ends the row.

What is no repetition: a result that differs, a child that was started or succeeded, a person's word, an alarm, a message with
new words, and a wait that really took time. What differs without meaning is left out of a print: the order of keys, white
space, numbers of handles, the seconds that a command took, what a `status` counts. A model that rephrases a request and is
refused with the same words repeats itself as well. Where a tool fails with the same words for another request, that is neither new nor
a repetition: whoever looks up many names is told "not found" many times. So is a tool use that gave a result and really took time,
as `sleep 60; check` does, or one that waited for a person's yes.

The row of repetitions has three steps (:mod:`gemot.abi.limits`): the process is told, its parent or its person is told, it is
ended. An AI program is told by a message of the kernel in place of its next question to the model, so this costs no tokens. A
native program is told by the answer to the next such request: an error with the rule ``loop``.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Answer, Born, Cancelled, Error, Mail, Ok, Outcome, Returned, Waited
from gemot.abi.labels import KERNEL, Label
from gemot.abi.messages import Reply, Text, ToolRequest
from gemot.abi.syscalls import (
    SYSCALLS,
    Call,
    Exit,
    Generate,
    ListTasks,
    PageOut,
    Receive,
    Status,
    Syscall,
    Wait,
    name_of,
)
from gemot.authority.labels import KERNEL_WORDS, words_of
from gemot.kernel.process import Habit, Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

PRINT_BYTES = 8
CANONICAL_CHARS_MAX = 4_000
"""White space of a longer request is compared as it is: it is content, and looking at it takes time."""
SHOWN_CHARS = 160
SHOWN_MAX = 3
"""How many different requests of a row are named, and how much of each (characters)."""

VOLATILE = frozenset(
    {
        "left",
        "doing",
        "heard_seconds_ago",
        "noted_seconds_ago",
        "next_alarm_in_seconds",
        "lease_seconds_left",
        "alarms",
        "instead",
    }
)
"""What changes by itself, or by being looked at, in answers of `status` and `list_tasks`."""

Repeats = Literal["any", "request", "never"]

_SPACES = re.compile(r"(?:\\[nrt]|\s)+")
_BESIDE_QUOTES = re.compile(r' ?" ?')
_SECONDS = re.compile(r"\d+\.\d+ ?(?:ms|s|seconds)\b")
_DIGITS = re.compile(r"\d+")


def note(kernel: Kernel, process: Process, syscall: Syscall, answer: Answer) -> None:
    """A syscall of a process is answered: remember the print of both."""
    habit = process.habit
    if habit is None:
        habit = process.habit = Habit()
    paused = kernel.now - habit.answered_at >= limits.LOOP_PAUSE_NATIVE_SECONDS * 1000
    habit.answered_at = kernel.now
    if process.program.kind != "ai":
        if paused and process.heard_at == kernel.now:  # nothing was done meanwhile: it let time pass
            habit.repeats = habit.stage = 0
        _begin_turn(habit, b"")
        _add(kernel, process, habit, syscall, answer)
        _end_turn(habit)
    elif isinstance(syscall, Generate):
        if isinstance(answer, Ok) and isinstance(answer.value, Reply):
            _begin_turn(habit, _words(answer.value))
            habit.named = _requested(answer.value)
            _add_mail(habit, answer.mail)
    elif habit.open:
        _add(kernel, process, habit, syscall, answer)


def look(kernel: Kernel, process: Process, syscall: Syscall) -> bool:
    """A process makes a syscall: answer it here, or end the process, if it repeats itself. Says whether this was done."""
    habit = process.habit
    if habit is None or isinstance(syscall, Exit):
        return False
    told, reported, ended = limits.LOOP_TOLD, limits.LOOP_REPORTED, limits.LOOP_ENDED
    if process.program.kind == "ai":
        if not isinstance(syscall, Generate) or not habit.open:
            return False
        _end_turn(habit)
    else:
        told, reported, ended = (one * limits.LOOP_NATIVE_FACTOR for one in (told, reported, ended))
        if habit.repeats + 1 < told or not _is_in(_print(_canonical(syscall)), habit.asked):
            return False
    times = habit.repeats + 1
    if times >= ended:
        kernel.end(process, _outcome(kernel, process, habit, times), KERNEL_WORDS)
        return True
    if times >= reported and habit.stage < 2:
        habit.stage, habit.changed_at = 2, kernel.moment
        _report(kernel, process, habit, times)
    elif times >= told and habit.stage < 1:
        habit.stage, habit.changed_at = 1, kernel.moment
        _tell(kernel, process, habit, times, ended)
        return True
    return False


def advice(kernel: Kernel, process: Process, syscall: Status, seen: dict[str, Any]) -> str:
    """What to do in place of looking again, where `status` shows what it showed before; ``""``: it shows something new."""
    habit = process.habit = process.habit or Habit()
    mark = _looked(syscall, seen)
    known = _is_in(mark, habit.recent) or _is_in(mark, habit.turn)
    if not known and process.program.kind != "ai":
        habit.recent += mark
    return (
        f"nothing of this has changed since an earlier look. {fitting(kernel, process, syscall.pid)}" if known else ""
    )


def fitting(kernel: Kernel, process: Process, pid: int | None = None) -> str:
    """The `wait` that fits a process that looks again and again, in words."""
    if pid in process.children or pid in process.uncollected:
        arguments: dict[str, Any] | None = {"children": [pid]}
    elif process.children or process.uncollected:
        arguments = {"children": [*process.uncollected, *process.children], "mode": "any"}
    elif process.alarms:
        arguments = {}
    elif process.root in kernel.boards:
        arguments = {"board": True}
    else:
        return "Nothing is under way that could change it: go on with your work, or exit"
    return (
        f"Do not look again: call wait with {msgspec.json.encode(arguments).decode()}. It sleeps until there is news, costs "
        "nothing meanwhile, and answers with the results"
    )


def summary(kernel: Kernel, process: Process) -> str:
    """The requests that a process repeats, in the kernel's own words; ``""``: it does not, or nobody was told so yet.

    It names tools that exist and syscalls, and nothing that the process wrote."""
    habit = process.habit
    if habit is None or habit.stage < 2 or not process.alive:
        return ""
    return f"repeats itself: {_names(kernel, habit)}, {habit.repeats + 1} times with the same result"


def changed(kernel: Kernel, process: Process) -> str:
    """What the event at hand changed in a row, for those who watch: its process was told, or its parent and person are."""
    habit = process.habit
    if habit is None or habit.changed_at != kernel.moment:
        return ""
    if habit.stage == 2:
        return summary(kernel, process)
    return f"was told that it repeats itself: {_names(kernel, habit)}, {habit.repeats + 1} times with the same result"


def _begin_turn(habit: Habit, words: bytes) -> None:
    habit.open, habit.fresh, habit.outcomes = True, False, 0
    habit.turn, habit.words, habit.named = b"", words, ()


def _end_turn(habit: Habit) -> None:
    """A turn is over: was anything in it new?"""
    habit.open = False
    if habit.words and not habit.outcomes:  # nothing of the reply became a syscall
        habit.fresh = habit.fresh or not _is_in(habit.words, habit.recent)
        habit.turn = habit.words
    if habit.fresh:
        habit.repeats = habit.stage = 0
        habit.asked, habit.shown = b"", ()
    elif habit.turn:  # a turn with neither is neither
        habit.repeats += 1
        habit.shown = tuple(dict.fromkeys((*habit.shown, *habit.named)))[:SHOWN_MAX]
    habit.recent = (habit.recent + habit.turn)[-limits.LOOP_PRINTS * PRINT_BYTES :]
    habit.turn, habit.named = b"", ()


def _add(kernel: Kernel, process: Process, habit: Habit, syscall: Syscall, answer: Answer) -> None:
    """One more outcome of the turn."""
    habit.outcomes += 1
    _add_mail(habit, answer.mail)
    if isinstance(answer, Cancelled) or (isinstance(answer, Error) and answer.rule == "loop"):
        return
    if isinstance(syscall, Wait | Receive) and _took_time(kernel, process):
        habit.fresh = True
        return
    letters = _letters(answer)
    if letters:
        _add_mail(habit, letters)
        return
    ai = process.program.kind == "ai"
    slow = _worked(syscall, answer) and _took_time(kernel, process)
    for prints, repeats in _outcomes(syscall, answer, ai):
        if not any(_is_in(mark, habit.recent) for mark in prints):
            habit.fresh = True
        elif repeats == "never" or slow:  # to start the same child again is neither new nor a repetition
            continue
        elif repeats == "request" and not _is_in(prints[0], habit.recent):  # another one failed in these words
            habit.recent += prints[0]
            continue
        habit.turn += b"".join(mark for mark in prints if not _is_in(mark, habit.turn))
    if not ai:
        habit.named = (_shown(syscall),)
        habit.asked = (habit.asked + _print(_canonical(syscall)))[-PRINT_BYTES * limits.LOOP_CYCLE_MAX :]


def _add_mail(habit: Habit, mail: tuple[Mail, ...]) -> None:
    """Messages that came with an answer. The person's words and what the kernel tells are always new."""
    recent = habit.recent
    for one in mail:
        mark = _print(b"mail" + _plain([one.sender, one.text]))
        habit.fresh = habit.fresh or one.sender <= 0 or not _is_in(mark, recent)
        habit.turn += mark


def _worked(syscall: Syscall, answer: Answer) -> bool:
    """Did each tool use of a call give a result?"""
    if not isinstance(syscall, Call) or not isinstance(answer, Ok) or not isinstance(answer.value, tuple):
        return False
    return all(returned.ok for returned in cast("tuple[Returned, ...]", answer.value))


def _took_time(kernel: Kernel, process: Process) -> bool:
    seconds = limits.LOOP_PAUSE_SECONDS if process.program.kind == "ai" else limits.LOOP_PAUSE_NATIVE_SECONDS
    return kernel.now - process.heard_at >= seconds * 1000


def _outcomes(syscall: Syscall, answer: Answer, ai: bool) -> list[tuple[tuple[bytes, ...], Repeats]]:
    """The prints of what came of a syscall, each with what is a repetition: to have any of them again, only the first, or none."""
    if isinstance(syscall, PageOut):
        return []
    if isinstance(answer, Error):
        return [(_refused(_name(syscall), _canonical(syscall), answer.rule, answer.message, ai), "any")]
    value = answer.value if isinstance(answer, Ok) else None
    if isinstance(syscall, Call) and isinstance(value, tuple):
        results = cast("tuple[Returned, ...]", value)
        pairs = zip(syscall.uses, results, strict=True)
        return [
            (_returned(use.tool, _canonical(use), returned, ai), "request" if returned.rule == "failed" else "any")
            for use, returned in pairs
        ]
    if isinstance(value, Born):  # a native program starts as many alike as it likes
        same = _canonical(syscall) if ai else _canonical(syscall) + _plain(value.pid)
        return [((_print(b"born" + same),), "never")]
    if isinstance(value, Waited):
        return [((one,), "any") for one in _waited(value)]
    if (
        isinstance(syscall, Status | ListTasks) and not ai
    ):  # costs nothing but a syscall, of which its budget has a count
        return []
    if isinstance(syscall, Status):
        return [((_looked(syscall, value),), "any")]
    content = _plain_words(value) if isinstance(value, Reply) else _lasting(value)
    return [((_print(_canonical(syscall) + _plain(content)),), "any")]


def _looked(syscall: Status, seen: object) -> bytes:
    """The print of a look. A process that only writes another note of its own has seen nothing new."""
    if syscall.pid is None and isinstance(seen, dict):
        seen = {key: one for key, one in cast("dict[str, object]", seen).items() if key != "note"}
    return _print(_canonical(syscall) + _plain(_lasting(seen)))


def _waited(value: Waited) -> list[bytes]:
    """Children that failed in the same way again are no news; one that did not fail always is."""
    ended = [
        _print(b"ended" + _plain([one.name, one.state, one.error] + ([] if one.state == "failed" else [one.pid])))
        for one in value.ended
    ]
    return ended or [_print(b"waited" + _plain([value.running, value.tasks]))]


def _returned(tool: str, request: bytes, returned: Returned, ai: bool) -> tuple[bytes, ...]:
    if not returned.ok:
        return _refused(tool, request, returned.rule, returned.text, ai)
    text = _SECONDS.sub("", returned.text) if returned.handle is None else returned.handle.digest
    images = [one.digest for one in returned.images]
    return (_print(request + _plain([text, images])),)


def _refused(name: str, request: bytes, rule: str, message: str, ai: bool) -> tuple[bytes, ...]:
    """A refusal is known if the same request was refused by the same rule; of a model, also if another was, in the same words."""
    same = _print(b"refused" + request + rule.encode() + _DIGITS.sub("", message).encode())
    return (same, _print(b"refused" + name.encode() + rule.encode() + message.encode())) if ai else (same,)


def _letters(answer: Answer) -> tuple[Mail, ...]:
    """The messages that a `receive` is answered with."""
    value = answer.value if isinstance(answer, Ok) else None
    taken = cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()
    return tuple(one for one in taken if isinstance(one, Mail))


def _lasting(value: object) -> object:
    """A value without what changes by itself."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {key: _lasting(one) for key, one in members.items() if key not in VOLATILE}
    return [_lasting(one) for one in cast("list[object]", value)] if isinstance(value, list) else value


def _words(reply: Reply) -> bytes:
    return _print(b"words" + _plain(_plain_words(reply)))


def _plain_words(reply: Reply) -> list[list[str]]:
    """A reply without what differs by chance: the ids of its requests, white space."""
    said = " ".join(" ".join(part.text for part in reply.parts if isinstance(part, Text)).split())
    requests = [[part.name, " ".join(part.arguments.split())] for part in reply.parts if isinstance(part, ToolRequest)]
    return [[said] if not requests else [], *requests]


def _requested(reply: Reply) -> tuple[str, ...]:
    """The requests of a reply, each in one line, shortened; each only once."""
    lines = [_short(f"{part.name} {part.arguments}".strip()) for part in reply.parts if isinstance(part, ToolRequest)]
    return tuple(dict.fromkeys(lines))[:SHOWN_MAX] or ("the same words, without a request",)


def _canonical(value: Any) -> bytes:
    """A request as bytes that do not depend on the order of keys or on white space."""
    encoded = msgspec.json.encode(value, order="sorted")
    if isinstance(value, Status):
        encoded = msgspec.json.encode(["status", value.pid])
    if len(encoded) > CANONICAL_CHARS_MAX:
        return encoded
    return _BESIDE_QUOTES.sub('"', _SPACES.sub(" ", encoded.decode())).encode()


def _plain(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _print(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=PRINT_BYTES).digest()


def _is_in(mark: bytes, kept: bytes) -> bool:
    """Is a print among those that are kept one after the other? A match that begins within a print is none."""
    start = kept.find(mark)
    while start % PRINT_BYTES and start >= 0:
        start = kept.find(mark, start + 1)
    return start >= 0


def _name(syscall: Syscall) -> str:
    return name_of(syscall)


def _shown(syscall: Syscall) -> str:
    """A request in one line, shortened."""
    if isinstance(syscall, Call):
        return _short("; ".join(f"{use.tool} {_plain(use.arguments).decode()}" for use in syscall.uses[:SHOWN_MAX]))
    fields = msgspec.to_builtins(syscall)
    del fields["type"]
    return _short(f"{name_of(syscall)} {_plain(fields).decode()}")


def _short(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= SHOWN_CHARS else line[:SHOWN_CHARS] + "..."


def _names(kernel: Kernel, habit: Habit) -> str:
    """The tools and syscalls of a row; a name that a model made up is not repeated."""
    names = dict.fromkeys(line.split(" ", 1)[0] for line in habit.shown)
    known = [name for name in names if name in kernel.tools or name in SYSCALLS]
    return ", ".join(known) or "a reply without a request that can be done"


def _row(habit: Habit, times: int) -> str:
    requests = "; ".join(habit.shown)
    if len(habit.shown) == 1:
        return f"you have made the same request {times} times in a row with the same result: {requests}"
    return f"for {times} turns you have only repeated requests that you made before, with the same results: {requests}"


def _tell(kernel: Kernel, process: Process, habit: Habit, times: int, ended: int) -> None:
    """Tell a process that it repeats itself, in place of what it requests."""
    polls = any(line.split(" ", 1)[0] in ("status", "list_tasks", "wait", "claim") for line in habit.shown)
    better = fitting(kernel, process) if polls else "Doing it again changes nothing: do something else"
    listener = f"process {process.parent}, your parent" if process.parent else "the person"
    text = (
        f"{_row(habit, times)}. {better}. If you can't go on, exit with what you have and say in failed what is missing. "
        f"If you go on like this, {listener} is told, and after {ended} times you are ended"
    )
    if process.program.kind == "ai":
        process.mailbox.append(Mail(-1, text, Label((KERNEL,)), moment=kernel.moment))
        kernel.answer(process, Cancelled("the model was not asked: this process repeats itself"))
    else:
        kernel.answer(process, Error("loop", text))


def _report(kernel: Kernel, process: Process, habit: Habit, times: int) -> None:
    """Tell the parent; the person sees it in what is shown of the process."""
    if not process.parent:
        return
    hidden = process.review is not None  # until its review has passed, nothing of it is told but this
    names = "" if hidden else f": {_names(kernel, habit)}"
    text = (
        f"process {process.pid} ({process.name}) repeats itself: {times} turns with the same requests and the same results{names}. "
        f"It was told so. If it goes on, it is ended; you may send it a correction, or kill it"
    )
    kernel.post(kernel.processes[process.parent], Mail(-1, text, words_of(process), said_by=process.pid))


def _outcome(kernel: Kernel, process: Process, habit: Habit, times: int) -> Outcome:
    hidden = process.review is not None
    names = "" if hidden else f" ({_names(kernel, habit)})"
    error = (
        f"it repeated itself: {times} turns with the same requests and the same results{names}. It was told so, went on, and was "
        "ended before it used up its budget"
    )
    return Outcome(process.pid, process.name, "failed", error=error, rule="loop")
