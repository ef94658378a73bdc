"""The law of authors: a process is never trusted more than the words that it has read.

The books know the events and effects, and keep for each process the worst source of what it was told: a person, a model, or a
third party. A word has the source of its best speaker: a process that was put back says its words again. The kernel's label of a process may be worse than
the books say, never better. So a path that passes words on without their label is found, whichever path that is.
"""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec
from checkers import LawBroken

from gemot.abi.answers import Answer, Mail, Ok, Returned
from gemot.abi.effects import Begin, BeginFork, Deliver, Effect, TakeBack
from gemot.abi.events import Adopted, Answered, Arrived, Copied, Done, Event, Rewound, Said, Trapped, Value
from gemot.abi.messages import Reply
from gemot.abi.syscalls import Call, Syscall
from gemot.authority.labels import RANK
from gemot.kernel import Kernel

PERSON, MODEL, FOREIGN = RANK["person"], RANK["model"], RANK["foreign"]
WORD = re.compile(r"(?<![\w.:,\[-])(?:m?w\d+\b(?!\.)|\w+(?:\.[1-9]\d*)+)")
"""The words of models and of wanderers in a JSON text, and no number."""
PERSONS_WORDS = (Arrived, Said, Answered, Copied, Adopted, Rewound)


def words_in(value: object) -> set[str]:
    return set(WORD.findall(msgspec.json.encode(value).decode()))


class Authors:
    """``sources``: by process, the worst source of what it was told. ``words``: by word, the source of its best speaker.
    ``wants``: by process, the syscall that it waits for."""

    def __init__(self) -> None:
        self.sources: dict[int, int] = {}
        self.words: dict[str, int] = {}
        self.wants: dict[int, Syscall] = {}

    def note(self, kernel: Kernel, event: Event, effects: list[Effect]) -> None:
        readers: set[int] = set()
        if isinstance(event, Trapped):
            self.wants[event.pid] = event.syscall
            self._say(event.syscall, self.sources.get(event.pid, PERSON))
        elif isinstance(event, PERSONS_WORDS):
            self._say(event, PERSON)
        elif isinstance(event, Done) and isinstance(event.outcome, Value):
            self._say(event.outcome.text, RANK[event.outcome.label.integrity])
        if isinstance(event, Rewound):  # it has read less from now on, and the event says how much of it was foreign
            self.sources[event.pid] = RANK[event.label.integrity]
        for effect in effects:
            match effect:
                case Begin(pid):
                    self._read(pid, (effect.brief, effect.arguments, effect.name))
                case BeginFork(pid, parent):
                    self.sources[pid] = self.sources.get(parent, PERSON)
                case Deliver(pid, answer):
                    self._hear(kernel, pid, answer)
                case TakeBack(pid):
                    self._read(pid, effect.why)
                case _:
                    continue
            readers.add(pid)
        for pid in sorted(readers):
            process = kernel.process(pid)
            if process is not None and RANK[process.label.integrity] > self.sources.get(pid, PERSON):
                raise LawBroken(
                    f"authors: process {pid} has read words of a source {self.sources[pid]} and is trusted as "
                    f"{process.label.integrity} ({RANK[process.label.integrity]})"
                )

    def _say(self, said: object, source: int) -> None:
        for word in words_in(said):
            self.words[word] = max(self.words.get(word, FOREIGN), source)

    def _read(self, pid: int, *texts: object) -> None:
        worst = min((self.words[word] for word in words_in(texts) & self.words.keys()), default=PERSON)
        self.sources[pid] = min(self.sources.get(pid, PERSON), worst)

    def _hear(self, kernel: Kernel, pid: int, answer: Answer) -> None:
        """What a process is told: messages, results of its tools, words of others."""
        value = answer.value if isinstance(answer, Ok) else None
        self._read(pid, [mail.text for mail in answer.mail])
        if isinstance(value, Reply):
            self.sources[pid] = min(self.sources.get(pid, PERSON), MODEL)
        elif isinstance(value, tuple):
            for part in cast("tuple[Any, ...]", value):
                self._result(kernel, pid, part)
        else:
            self._read(pid, answer)

    def _result(self, kernel: Kernel, pid: int, part: object) -> None:
        """One of several: a result of a tool that is called or that the words of are shown, a message, a task, a memory."""
        if isinstance(part, Returned):
            tool = kernel.tools.get(part.tool)
            hidden = part.handle is not None and part.handle.sealed
            if tool is not None and tool.foreign and part.ok and not hidden and isinstance(self.wants.get(pid), Call):
                self.sources[pid] = FOREIGN
            if not hidden:
                self._read(pid, part.text)
        else:
            self._read(pid, part.text if isinstance(part, Mail) else part)
