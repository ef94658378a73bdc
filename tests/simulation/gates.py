"""The law of gates: no word of a process under review reaches anybody outside before the review has passed. It has books of its
own, from what processes ask for and what they are told, and looks at no table of the kernel but who came from whom."""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec
from checkers import LawBroken

from gemot.abi.answers import Answer, Born, Ok, Returned
from gemot.abi.effects import Begin, BeginFork, Deliver, Effect, End
from gemot.abi.events import Event, Trapped
from gemot.abi.messages import Reply
from gemot.abi.reviews import Check, PersonCheck, ReviewerCheck
from gemot.abi.syscalls import Fork, Read, Spawn, Syscall
from gemot.kernel import Kernel

TOKEN = re.compile(r"\w+(?:\.[1-9]\d*)+")
"""What minds say: each such word only one of them. A number of seconds such as 0.0 is none."""


def tokens(value: Any) -> set[str]:
    return set(TOKEN.findall(msgspec.json.encode(value).decode()))


class Gates:
    """``reviews``: by process under review, its checks. ``held``: words, and the processes that they may not leave: several where one that
    was put back says its words again to another child."""

    def __init__(self) -> None:
        self.reviews: dict[int, tuple[Check, ...]] = {}
        self.held: dict[str, set[int]] = {}
        self._said: set[str] = set()
        """All that anybody has said or was told by a person."""
        self._reads: set[int] = set()
        """Who reads a part of a tool's result."""

    def note(self, kernel: Kernel, event: Event, effects: list[Effect]) -> None:
        if isinstance(event, Trapped):
            self._said_by(kernel, event.pid, event.syscall)
            self._begun(kernel, event.pid, event.syscall, effects)
        else:
            self._said |= tokens(event)
        for effect in effects:
            match effect:
                case End(outcome):
                    checks = self.reviews.pop(outcome.pid, ())
                    if checks and outcome.state == "done":
                        looked = any(isinstance(one, ReviewerCheck | PersonCheck) for one in checks)
                        self._release(
                            tokens(outcome if looked else (outcome.value, outcome.receipt.passed)),
                            self._gate(kernel, kernel.processes[outcome.pid].parent),
                        )
                case Deliver(pid, answer):
                    self._told(kernel, pid, answer)
                case _:
                    pass

    def _said_by(self, kernel: Kernel, pid: int, syscall: Syscall) -> None:
        self._reads.discard(pid)
        if isinstance(syscall, Read):
            self._reads.add(pid)
        said, gate = tokens(syscall), self._gate(kernel, pid)
        if gate:
            self.held |= {
                word: self.held.get(word, set()) | {gate}
                for word in said
                if word not in self._said or word in self.held
            }
        else:
            self._release(said, 0)  # somebody outside says so, too
        self._said |= said

    def _gate(self, kernel: Kernel, pid: int) -> int:
        """The nearest process under review that a process is, or is below of; 0 where there is none."""
        return next((one for one in line(kernel, pid) if one in self.reviews), 0)

    def _release(self, said: set[str], gate: int) -> None:
        """Words may leave a gate; ``gate``: but not the next one around it."""
        for one in said & self.held.keys():
            if gate:
                self.held[one] = {gate}
            else:
                del self.held[one]

    def _begun(self, kernel: Kernel, pid: int, syscall: Syscall, effects: list[Effect]) -> None:
        if not isinstance(syscall, Spawn | Fork) or not syscall.review:
            return
        born = next((one.pid for one in effects if isinstance(one, Begin | BeginFork)), 0)
        answers = [one.answer for one in effects if isinstance(one, Deliver) and one.pid == pid]
        if born and any(isinstance(one, Ok) and isinstance(one.value, Born) for one in answers):
            self.reviews[born] = syscall.review

    def _told(self, kernel: Kernel, pid: int, answer: Answer) -> None:
        if not self.held:
            return
        value = answer.value if isinstance(answer, Ok) else None
        many = cast("tuple[object, ...]", value) if isinstance(value, tuple | list) else ()
        results = any(isinstance(one, Returned) for one in many)
        if isinstance(value, Reply) or results or pid in self._reads:
            answer = Ok(None, answer.mail)  # a model's words are its own, and files are no channel of the kernel's
        inside = set(line(kernel, pid))
        for word in sorted(tokens(answer) & self.held.keys()):
            if not self.held[word] & inside:
                raise LawBroken(f"review: {pid} is told {word!r}, which {self.held[word]} said under review")


def line(kernel: Kernel, pid: int) -> list[int]:
    """A process, its parent, and so on."""
    found: list[int] = []
    while pid:
        found.append(pid)
        pid = kernel.processes[pid].parent
    return found
