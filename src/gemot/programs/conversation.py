"""The AI program: ask the model, do what it requests, show it the results, until it exits.

All AI programs (solo, planner, runner, and anyone's Markdown file) are this one fold with another text. Its state is the
reading and the requests of the last reply that are not answered yet.

Text never ends a run: a reply that requests nothing is answered with how to go on, and after two such in a row the
process fails and says so.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gemot.abi.answers import Answer, Born, Cancelled, Error, Mail, Ok, Outcome, Receipt, Returned, Waited
from gemot.abi.grants import Budget
from gemot.abi.labels import Label
from gemot.abi.messages import Message, Reply, Text, ToolRequest, ToolResult
from gemot.abi.syscalls import Call, Exit, Generate, Recall, Syscall, ToolUse, name_of
from gemot.programs import recalling
from gemot.programs.port import Fault, Start
from gemot.programs.reading import Reading
from gemot.programs.replying import ENDINGS, Malformed, decode, requests

SILENT_REPLIES_MAX = 2

LINES_TOLD_MAX = 12
"""How many different uses of a child a parent's model is shown: the last ones, which a result rests on."""

NUDGE = (
    "Nothing was requested, so nothing happened. If you are done, call exit with your result; "
    "if not, call the tool that does the next step."
)


class FrozenConversation(msgspec.Struct, frozen=True, gc=False):
    """A conversation written down; see :class:`Conversation` for the parts."""

    reading: int
    instructions: str
    queue: tuple[ToolRequest, ...]
    results: tuple[ToolResult, ...]
    asked: tuple[ToolRequest, ...]
    pending: Syscall | None
    silent: int
    mail: tuple[Mail, ...]
    failed: str


class Conversation:
    """``instructions`` is the system text, already rendered.

    There may be very many, nearly all of which wait for their model: what is empty then are tuples, which cost nothing."""

    __slots__ = ("_asked", "_failed", "_instructions", "_mail", "_pending", "_queue", "_reading", "_results", "_silent")

    def __init__(self, instructions: str) -> None:
        self._instructions = instructions
        self._reading = Reading()
        self._queue: tuple[ToolRequest, ...] = ()
        self._results: tuple[ToolResult, ...] = ()
        self._asked: tuple[ToolRequest, ...] = ()
        """The requests that the pending syscall stands for."""
        self._pending: Syscall | None = None
        self._silent = 0
        self._mail: tuple[Mail, ...] = ()
        self._failed = ""
        """Why it can't go on, once its model can't be asked any more."""

    @property
    def pages(self) -> Reading:
        return self._reading

    def freeze(self, reading: int) -> FrozenConversation:
        """Its state, with its reading as the number it is kept under."""
        return FrozenConversation(
            reading,
            self._instructions,
            self._queue,
            self._results,
            self._asked,
            self._pending,
            self._silent,
            self._mail,
            self._failed,
        )

    @classmethod
    def thaw(cls, frozen: FrozenConversation, reading: Reading) -> Conversation:
        made = cls(frozen.instructions)
        made._reading, made._queue, made._results, made._asked = reading, frozen.queue, frozen.results, frozen.asked
        made._pending, made._silent, made._mail, made._failed = (
            frozen.pending,
            frozen.silent,
            frozen.mail,
            frozen.failed,
        )
        return made

    def fork(self) -> Conversation:
        twin = Conversation(self._instructions)
        twin._reading = self._reading.fork()
        twin._queue, twin._results, twin._asked = self._queue, self._results, self._asked
        twin._pending, twin._silent, twin._mail = self._pending, self._silent, self._mail
        twin._failed = self._failed
        return twin

    @property
    def size_chars(self) -> int:
        return self._reading.size_chars

    def reading(self, generate: Generate) -> tuple[Message, ...]:
        return self._reading.messages()

    def absorb(self, entry: Start | Answer) -> None:
        if isinstance(entry, Start):
            self._reading.add(Message("system", (Text(self._instructions),)))
            self._reading.add(Message("user", (Text(entry.brief),)))
            return
        self._mail += entry.mail
        if isinstance(self._pending, Generate):
            self._absorb_reply(entry)
        else:
            self._absorb_results(entry)
        if not self._queue:
            self._close_turn()

    def _absorb_reply(self, entry: Answer) -> None:
        match entry:
            case Ok(Reply() as reply):
                if reply.parts:
                    self._reading.add(Message("model", reply.parts))
                self._queue += requests(reply)
                self._silent = 0 if self._queue else self._silent + 1
                if not self._queue and self._silent < SILENT_REPLIES_MAX:
                    self._reading.add(Message("user", (Text(NUDGE),)))
            case Error(_, message):
                self._failed = message
            case Cancelled():
                pass
            case _:
                raise Fault(f"a model's reply was expected, not {entry!r:.200}")

    def _absorb_results(self, entry: Answer) -> None:
        match entry:
            case Ok(Born(0, brief)):
                self._become_child(brief)
            case Ok(value) if isinstance(self._pending, Call):
                pairs = zip(self._asked, value, strict=True)
                self._results += tuple(
                    [ToolResult(one.id, one.name, result_text(returned), returned.ok) for one, returned in pairs]
                )
            case Ok(value) if isinstance(self._pending, Recall):
                self._answer_asked(recalling.told(value), True)
            case Ok(value):
                self._answer_asked(plain(value), True)
            case Error(rule, message):
                self._answer_asked(f"refused ({rule}): {message}", False)
            case Cancelled(reason):
                self._answer_asked(f"cancelled: {reason}", False)
                self._leave_undone("not done by you: the process that you are a fork of does this")
        self._asked = ()

    def _become_child(self, brief: str) -> None:
        """The same syscall, the other answer: this is the fork, and the parent's other requests are not its own."""
        self._answer_asked(
            f"You are the child now, with all you know so far. Your own task:\n{brief}\nExit with its result.", True
        )
        self._leave_undone("not done by you: your parent does this")

    def _leave_undone(self, why: str) -> None:
        """Answer the requests that are still to be done, so that none stays without its result."""
        self._results += tuple(ToolResult(request.id, request.name, why, False) for request in self._queue)
        self._queue = ()

    def _answer_asked(self, text: str, ok: bool) -> None:
        self._results += tuple(ToolResult(request.id, request.name, text, ok) for request in self._asked)

    def _close_turn(self) -> None:
        """All requests of the reply are answered: show the results, then what came meanwhile."""
        if self._results:
            self._reading.add(Message("tool", self._results))
            self._results = ()
        if self._mail:
            self._reading.add(Message("user", tuple(Text(letter(mail)) for mail in self._mail)))
            self._mail = ()
            self._silent = 0

    def decide(self) -> Syscall:
        self._pending = syscall = self._next()
        return syscall

    def _next(self) -> Syscall:
        if self._failed:
            return Exit(failed=self._failed)
        asked: list[ToolRequest] = []
        uses: list[ToolUse] = []
        refused: list[ToolResult] = []
        queue, self._queue = self._queue, ()
        for index, request in enumerate(queue):
            try:
                wanted = decode(request)
            except Malformed as error:
                if uses:
                    self._queue = queue[index:]
                    break
                refused.append(ToolResult(request.id, request.name, f"malformed: {error}", False))
                continue
            if not isinstance(wanted, ToolUse):
                if uses:
                    self._queue = queue[index:]
                    break
                self._queue, self._asked = queue[index + 1 :], (request,)
                self._results += tuple(refused)
                if name_of(wanted) in ENDINGS:
                    self._leave_undone(f"not done: {request.name} came before it in the same reply")
                return wanted
            asked.append(request)
            uses.append(wanted)
        self._results += tuple(refused)
        if uses:
            self._asked = tuple(asked)
            return Call(tuple(uses))
        self._close_turn()
        if self._silent >= SILENT_REPLIES_MAX:
            return Exit(
                failed="the model stopped requesting anything without calling exit; its last words are in the log"
            )
        return Generate()


def plain(value: Any) -> str:
    """An answer as a model reads it: text as it is, anything else as JSON, without what is for the kernel only."""
    if isinstance(value, Waited):
        rest = msgspec.structs.replace(value, ended=())
        value = {"ended": [_told(one) for one in value.ended]} | msgspec.to_builtins(rest)
    elif isinstance(value, Outcome):
        value = _told(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _told(outcome: Outcome) -> dict[str, Any]:
    """An outcome as its parent's model reads it: what the child says, and beside it what the kernel saw it do."""
    told = msgspec.to_builtins(msgspec.structs.replace(outcome, spent=Budget(), label=Label(), receipt=Receipt()))
    receipt = outcome.receipt
    used = list(dict.fromkeys(use.shown for use in receipt.uses))[-LINES_TOLD_MAX:]
    told["receipt"] = used or "used no tool"
    if receipt.claims:
        told["claims"] = receipt.claims
    return told


def result_text(returned: Returned) -> str:
    if not returned.ok:
        return f"{returned.rule}: {returned.text}"
    handle = returned.handle
    if handle is None:
        return returned.text
    refer = f'{{"$from": {handle.number}, "at": "path.to[0].a_value"}}'
    if handle.sealed:
        return f"[handle {handle.number}: {returned.text}; it is not shown. In arguments of tools write {refer}]"
    if returned.text:
        return f"{returned.text}\n[handle {handle.number}; in arguments of tools {refer} stands for a value in it]"
    return (
        f"{handle.preview}\n[the first {len(handle.preview)} of {handle.size_chars} characters; "
        f"the rest is handle {handle.number}: read(handle={handle.number}, start={len(handle.preview)})]"
    )


def letter(mail: Mail) -> str:
    """A message as a model reads it. Only the person's stands as it is: a process's is quoted line by line, so that nothing
    in it can pass for somebody else's."""
    if mail.sender == 0:
        return f"[message from the person]\n{mail.text}"
    sender = "the kernel" if mail.sender < 0 else f"process {mail.sender}"
    return f"[message from {sender}]\n" + "\n".join(f"> {line}" for line in mail.text.splitlines())
