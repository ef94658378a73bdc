"""What was taken back: nobody in its tree reads it any more. And who was put back: what they did is begun again under the same
tokens, so those may come twice."""

from __future__ import annotations

from collections import defaultdict

import msgspec
from checkers import LawBroken

from gemot.abi.answers import Mail, Ok, Outcome, Waited
from gemot.abi.effects import Begin, BeginFork, Deliver, Effect, End, TakeBack
from gemot.abi.events import Copied, Event, Retracted, Trapped
from gemot.abi.messages import Text, ToolResult
from gemot.abi.syscalls import Retract, Send
from gemot.kernel import Kernel
from gemot.machine.cast import Cast
from gemot.programs.conversation import Conversation
from gemot.programs.native import NativeProcess


class Forgotten:
    """``names``: by pid, what its tokens begin with; ``again``: those of whoever was put back. ``gone``: by root, words that were
    taken back, and whose."""

    def __init__(self) -> None:
        self.names: defaultdict[int, set[str]] = defaultdict(set)
        self.again: set[str] = set()
        self.gone: defaultdict[int, set[tuple[int, str]]] = defaultdict(set)
        self._sent: defaultdict[int, set[str]] = defaultdict(set)
        self._by: dict[int, int] = {}
        """By process whose words are gone: the one that took them back, which knows what it does if it is code."""

    def note(self, kernel: Kernel, event: Event, effects: list[Effect]) -> None:
        if isinstance(event, Trapped) and isinstance(event.syscall, Send):
            self._sent[event.pid].add(event.syscall.text)
        for effect in effects:
            match effect:
                case End(outcome) if outcome.value is not None:
                    self._sent[outcome.pid].add(_value(outcome.value))
                case Begin(pid) | BeginFork(pid):
                    self.names[pid].add(kernel.processes[pid].brief)
                    if isinstance(event, Copied):
                        self.names[pid].add(event.text)
                case TakeBack(pid) if kernel.processes[pid].program.kind == "native":
                    self.again |= self.names[pid]
                case _:
                    pass
        pid = _taken_back(event, effects)
        if pid in kernel.processes:
            self._by[pid] = event.pid if isinstance(event, Trapped) else 0
            self.gone[kernel.processes[pid].root] |= {(pid, text) for text in self._sent.pop(pid, set())}

    def came_again(self, token: str) -> bool:
        """Whether it may have come twice, or been told differently: whoever it is of was put back."""
        return any(token == name or token.startswith(f"{name}.") for name in self.again)

    def check(self, kernel: Kernel, cast: Cast) -> None:
        """Law 4: what was retracted is in no reading, and in nothing that a program goes on from."""
        for pid, program in cast.programs.items():
            process = kernel.process(pid)
            gone = self.gone.get(process.root) if process is not None else None
            if gone:
                own = isinstance(program, NativeProcess)
                read = {one for one in _read(program) & gone if not (own and self._by[one[0]] == pid)}
                if read:
                    raise LawBroken(f"retracted: {pid} still reads {sorted(read)[0]}, which was taken back")


def _taken_back(event: Event, effects: list[Effect]) -> int:
    """The process all of whose words were taken back."""
    if isinstance(event, Retracted) and event.entry is None:
        return event.pid
    if isinstance(event, Trapped) and isinstance(event.syscall, Retract):
        done = any(isinstance(one, Deliver) and one.pid == event.pid and isinstance(one.answer, Ok) for one in effects)
        return event.syscall.pid if done else 0
    return 0


def _read(program: object) -> set[tuple[int, str]]:
    """All messages and results of processes that a program knows: whose each is, and what it says."""
    found: set[tuple[int, str]] = set()
    if isinstance(program, Conversation):
        for message in program.pages.log.messages():
            for part in message.parts:
                head, _, text = part.text.partition("\n> ") if isinstance(part, Text) else ("", "", "")
                sender = head.removeprefix("[message from process ").removesuffix("]")
                if sender.isdecimal():
                    found.add((int(sender), text))
                if isinstance(part, ToolResult) and part.text.startswith("{"):
                    told = msgspec.json.decode(part.text)
                    many = told.get("ended", [told])
                    found |= {(one["pid"], _value(one["value"])) for one in many if "pid" in one and "value" in one}
    elif isinstance(program, NativeProcess):
        for _, answer in program.past[1]:
            value = answer.value if isinstance(answer, Ok) else None
            ended = value.ended if isinstance(value, Waited) else (value,) if isinstance(value, Outcome) else ()
            found |= {(one.pid, _value(one.value)) for one in ended if one.value is not None}
            many = value if isinstance(value, tuple) else ()
            found |= {(one.sender, one.text) for one in (*answer.mail, *many) if isinstance(one, Mail)}
    return found


def _value(value: object) -> str:
    return f"the result {msgspec.json.encode(value).decode()}"
