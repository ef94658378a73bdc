"""The syscalls as methods, for programs that are written in Python."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Literal

from gemot.abi import limits
from gemot.abi.answers import Answer, Born, Cancelled, Error, Mail, Ok, Outcome, Returned, Waited
from gemot.abi.grants import BudgetRequest, Grant, MountRequest
from gemot.abi.labels import Handle
from gemot.abi.memories import Memory, Scope
from gemot.abi.messages import Reply, Text
from gemot.abi.reviews import TRIES, Check
from gemot.abi.syscalls import (
    Accept,
    Add,
    Alarm,
    Ask,
    Call,
    CancelAlarm,
    Claim,
    Complete,
    Endorse,
    Exec,
    Exit,
    Forget,
    Fork,
    Generate,
    GrantTo,
    Kill,
    ListTasks,
    Mandate,
    Read,
    Recall,
    Receive,
    Remember,
    Reorder,
    Retract,
    Revoke,
    Send,
    Spawn,
    Status,
    Step,
    Syscall,
    Task,
    ToolUse,
    Wait,
)
from gemot.abi.tasks import TaskState


class SyscallFailed(Exception):
    """A syscall was answered with an error. ``rule`` says which kind; the message what would be allowed."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class SyscallCancelled(Exception):
    """A syscall was answered ``cancelled``."""


class _Trap:
    """Awaiting this makes the syscall; the result is its answer."""

    def __init__(self, syscall: Syscall) -> None:
        self.syscall = syscall

    def __await__(self) -> Generator[Syscall, Answer, Any]:
        answer = yield self.syscall
        match answer:
            case Ok(value):
                return value
            case Error(rule, message):
                raise SyscallFailed(rule, message)
            case Cancelled(reason):
                raise SyscallCancelled(reason)


class Calls:
    """The syscalls as methods. Each raises :class:`SyscallFailed` where the kernel refuses. See `gemot.abi.syscalls`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def trap(self, syscall: Syscall) -> Awaitable[Any]:
        """Any syscall as data, for those that have no method here."""
        return _Trap(syscall)

    async def spawn(
        self,
        brief: str,
        program: str = "runner",
        *,
        name: str = "",
        grants: tuple[Grant | str, ...] | None = None,
        mounts: tuple[MountRequest, ...] | None = None,
        model: str = "",
        budget: BudgetRequest | None = None,
        deadline_seconds: float | None = None,
        returns: dict[str, Any] | None = None,
        arguments: dict[str, Any] | None = None,
        task: int | None = None,
        handles: tuple[int, ...] = (),
        review: tuple[Check, ...] = (),
        tries: int = TRIES,
        priority: int | None = None,
    ) -> int:
        """Start a child with a fresh context; returns its pid."""
        syscall = Spawn(
            brief,
            program,
            name,
            grants,
            mounts,
            model,
            budget,
            deadline_seconds,
            returns,
            arguments or {},
            task,
            handles,
            review,
            tries,
            priority,
        )
        born: Born = await _Trap(syscall)
        return born.pid

    async def fork(
        self,
        brief: str,
        *,
        name: str = "",
        grants: tuple[Grant | str, ...] | None = None,
        mounts: tuple[MountRequest, ...] | None = None,
        budget: BudgetRequest | None = None,
        deadline_seconds: float | None = None,
        returns: dict[str, Any] | None = None,
        review: tuple[Check, ...] = (),
        tries: int = TRIES,
        priority: int | None = None,
    ) -> int:
        """As in Unix: the parent gets the child's pid, the child gets 0 and goes on from here."""
        born: Born = await _Trap(
            Fork(brief, name, grants, mounts, "", budget, deadline_seconds, returns, review, tries, priority)
        )
        return born.pid

    async def wait(
        self,
        children: list[int] | tuple[int, ...] | None = None,
        *,
        mode: Literal["all", "any", "first"] = "all",
        timeout_seconds: float | None = None,
        messages: bool = False,
        results: bool = True,
        board: bool = False,
    ) -> Waited:
        named = None if children is None else tuple(children)
        return await _Trap(Wait(named, mode, timeout_seconds, messages, messages, results, board))

    async def call(self, tool: str, **arguments: Any) -> str:
        """Use one tool; returns its whole text, however large (or its shape, where it is not to be read here). Raises
        :class:`SyscallFailed`."""
        (returned,) = await self.call_all((tool, arguments))
        if not returned.ok:
            raise SyscallFailed(returned.rule, returned.text)
        return returned.text if returned.text or returned.handle is None else await self.whole(returned.handle)

    async def whole(self, handle: Handle) -> str:
        """The whole text that a handle names, read in parts."""
        starts = range(0, handle.size_chars, limits.READ_CHARS_MAX)
        return "".join([await self.read(handle.number, start, limits.READ_CHARS_MAX) for start in starts])

    async def call_all(self, *uses: tuple[str, dict[str, Any]]) -> tuple[Returned, ...]:
        """Use several tools at once; one result for each, failed ones included."""
        return await _Trap(Call(tuple(ToolUse(tool, arguments) for tool, arguments in uses)))

    async def read(self, handle: int, start: int = 0, length: int = 4000) -> str:
        return await _Trap(Read(handle, start, length))

    async def generate(
        self, prompt: str, *, system: str = "", choose: tuple[str, ...] = (), tokens_out_max: int = 4096
    ) -> str:
        """Ask the process's model; returns its text."""
        reply: Reply = await _Trap(Generate(prompt, system, choose, tokens_out_max))
        return "".join(part.text for part in reply.parts if isinstance(part, Text))

    async def ask(self, question: str, *options: str) -> str:
        """Ask the person; returns when they have answered."""
        return await _Trap(Ask(question, options))

    async def mandate(self, *steps: Step) -> tuple[int, ...]:
        """Show the person all that is to be allowed, before anything is read; the numbers of the steps that they endorse."""
        answer: dict[str, list[int]] = await _Trap(Mandate(steps))
        return tuple(answer["endorsed"])

    async def endorse(self, handle: int, reason: str) -> None:
        """Ask the person whether a value may be trusted; raises if it may not."""
        await _Trap(Endorse(handle, reason))

    async def grant(self, pid: int, *grants: Grant) -> None:
        """Give a child a right of one's own, or a part of one."""
        await _Trap(GrantTo(pid, grants))

    async def revoke(self, pid: int, tool: str) -> None:
        """Take a right from a child and all of its descendants, at once."""
        await _Trap(Revoke(pid, tool))

    async def send(self, pid: int, text: str) -> None:
        await _Trap(Send(pid, text))

    async def receive(self, timeout_seconds: float | None = None) -> tuple[Mail, ...]:
        return await _Trap(Receive(timeout_seconds))

    async def alarm(
        self,
        seconds: float | None = None,
        note: str = "",
        *,
        at: str = "",
        every: str = "",
        zone: str = "",
        missed: Literal["once", "skip", "all"] = "once",
    ) -> int:
        """Set an alarm in so many seconds, at a time, or every so often; returns its number. It rings as a message."""
        answer: dict[str, Any] = await _Trap(Alarm(seconds, note, at, every, zone, missed))
        return answer["alarm"]

    async def cancel_alarm(self, alarm: int) -> None:
        await _Trap(CancelAlarm(alarm))

    async def kill(self, pid: int, reason: str = "") -> Outcome:
        return await _Trap(Kill(pid, reason))

    async def retract(self, pid: int, reason: str) -> dict[str, Any]:
        """Take back all that a child said, from everybody but this process; returns what came of it, as
        :class:`gemot.abi.answers.Retraction` has it."""
        return await _Trap(Retract(pid, reason))

    async def status(self, pid: int | None = None) -> dict[str, Any]:
        return await _Trap(Status(pid))

    async def note(self, text: str) -> None:
        """Say how far this process is, in one line, to whoever looks."""
        await _Trap(Status(note=text))

    async def add(self, *tasks: Task) -> tuple[int, ...]:
        """Put tasks on the board; their numbers."""
        return await _Trap(Add(tasks))

    async def claim(self, task: int | None = None, lease_seconds: float | None = None) -> dict[str, Any]:
        """Take a task, or keep one longer; what it says. Without a number: the first that is ready."""
        return await _Trap(Claim(task, lease_seconds))

    async def complete(self, task: int, result: str) -> None:
        """Report a task of one's own as done."""
        await _Trap(Complete(task, result))

    async def accept(self, task: int, accepted: bool = True, reason: str = "") -> str:
        """Accept a completed task, or send it back with the reason; the state that it is in then."""
        return await _Trap(Accept(task, accepted, reason))

    async def reorder(self, *tasks: int) -> None:
        """Put these first, in this order."""
        await _Trap(Reorder(tasks))

    async def tasks(
        self, state: TaskState | None = None, *, mine: bool = False, ready: bool = False
    ) -> list[dict[str, Any]]:
        """The board, or a part of it, however long; long results are shortened (see :meth:`task`)."""
        found: list[dict[str, Any]] = []
        while True:
            shown: list[dict[str, Any]] = await _Trap(ListTasks(state, mine, ready, start=len(found)))
            found += [one for one in shown if "number" in one]
            if not shown or "more" not in shown[-1]:
                return found

    async def task(self, number: int) -> dict[str, Any]:
        """One task with all of its result."""
        (shown,) = await _Trap(ListTasks(task=number))
        return shown

    async def remember(self, text: str, about: str = "", scope: Scope = "project") -> int:
        """Keep a fact for later conversations; its number."""
        return await _Trap(Remember(text, about, scope))

    async def recall(
        self, query: str, scope: Scope = "project", *, limit: int = 5, trusted: bool = False
    ) -> tuple[Memory, ...]:
        """What was remembered, best first. ``trusted``: only that in which no third party had a part."""
        return await _Trap(Recall(query, scope, limit, trusted))

    async def forget(self, memory: int, scope: Scope = "project") -> None:
        """Take a memory away; raises where it is not there, or can be trusted more than this process."""
        await _Trap(Forget(memory, scope))

    async def execute(self, program: str, brief: str, arguments: dict[str, Any] | None = None) -> None:
        """Go on as another program; does not return."""
        await _Trap(Exec(program, brief, arguments or {}))

    async def exit(self, value: Any = None, failed: str = "", claims: dict[str, str] | None = None) -> None:
        """End now; does not return, unless the result is not accepted: then it raises, and may be tried again."""
        await _Trap(Exit(value, failed, claims or {}))
