"""Native programs: Python coroutines over the same syscalls, rebuilt after a crash by replaying their answers.

    @program(grants=("spawn",))
    async def parallel(calls: Calls, brief: str, n: int = 3) -> list[str]:
        pids = [await calls.spawn(brief) for _ in range(n)]
        return [outcome.value for outcome in (await calls.wait(pids)).ended]

A native program must do the same on the same answers: no clock, no chance, no I/O but through ``calls``. Where it does
not, the replay finds out and the process fails with the name of the first different syscall.
"""

from __future__ import annotations

import hashlib
import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Answer, Born, Cancelled, Error, Mail, Ok, Outcome, Returned, Waited
from gemot.abi.grants import BudgetRequest, Grant, MountRequest
from gemot.abi.labels import Handle
from gemot.abi.messages import Message, Reply, Text
from gemot.abi.programs import ProgramSpec
from gemot.abi.syscalls import (
    Accept,
    Add,
    Alarm,
    Ask,
    Call,
    Exec,
    Exit,
    Fork,
    Generate,
    Kill,
    ListTasks,
    Read,
    Receive,
    Send,
    Spawn,
    Status,
    Syscall,
    Task,
    ToolUse,
    Wait,
)
from gemot.programs.port import Divergence, Fault, Start

Body = Callable[..., Coroutine[Any, Any, Any]]


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
    ) -> int:
        """Start a child with a fresh context; returns its pid."""
        syscall = Spawn(
            brief, program, name, grants, mounts, model, budget, deadline_seconds, returns, arguments or {}, task
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
    ) -> int:
        """As in Unix: the parent gets the child's pid, the child gets 0 and goes on from here."""
        born: Born = await _Trap(Fork(brief, name, grants, mounts, "", budget, deadline_seconds, returns))
        return born.pid

    async def wait(
        self,
        children: list[int] | tuple[int, ...] | None = None,
        *,
        mode: Literal["all", "any"] = "all",
        timeout_seconds: float | None = None,
        messages: bool = False,
    ) -> Waited:
        named = None if children is None else tuple(children)
        return await _Trap(Wait(named, mode, timeout_seconds, messages, messages))

    async def call(self, tool: str, **arguments: Any) -> str:
        """Use one tool; returns its whole text, however large. Raises :class:`SyscallFailed`."""
        (returned,) = await self.call_all((tool, arguments))
        if not returned.ok:
            raise SyscallFailed(returned.rule, returned.text)
        return returned.text if returned.handle is None else await self.whole(returned.handle)

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

    async def send(self, pid: int, text: str) -> None:
        await _Trap(Send(pid, text))

    async def receive(self, timeout_seconds: float | None = None) -> tuple[Mail, ...]:
        return await _Trap(Receive(timeout_seconds))

    async def alarm(self, seconds: float, note: str = "") -> int:
        return await _Trap(Alarm(seconds, note))

    async def kill(self, pid: int, reason: str = "") -> Outcome:
        return await _Trap(Kill(pid, reason))

    async def status(self, pid: int | None = None) -> dict[str, Any]:
        return await _Trap(Status(pid))

    async def add(self, *tasks: Task) -> tuple[int, ...]:
        return await _Trap(Add(tasks))

    async def accept(self, task: int, accepted: bool = True, reason: str = "") -> str:
        return await _Trap(Accept(task, accepted, reason))

    async def tasks(self) -> list[dict[str, Any]]:
        return await _Trap(ListTasks())

    async def execute(self, program: str, brief: str) -> None:
        """Go on as another program; does not return."""
        await _Trap(Exec(program, brief))

    async def exit(self, value: Any = None, failed: str = "") -> None:
        """End now; does not return."""
        await _Trap(Exit(value, failed))


@dataclass(frozen=True)
class Native:
    """A native program: its coroutine function and what the kernel is told about it."""

    spec: ProgramSpec
    body: Body
    arguments: type[msgspec.Struct]


def program(
    *,
    name: str = "",
    grants: tuple[Grant | str, ...] = (),
    model: str = "",
    limits: BudgetRequest = BudgetRequest(),  # noqa: B008 - frozen
) -> Callable[[Body], Native]:
    """Make a coroutine function a program. Its first parameters are ``calls`` and ``brief``; the others are the program's
    own, with types, and become the schema of ``Spawn.arguments``. ``grants``: what it asks for."""

    def make(body: Body) -> Native:
        arguments = _arguments(body)
        asked = tuple(Grant(one) if isinstance(one, str) else one for one in grants)
        spec = ProgramSpec(
            name=name or body.__name__,
            description=inspect.cleandoc(body.__doc__ or "").split("\n\n")[0],
            kind="native",
            digest=hashlib.sha256(_source(body).encode()).hexdigest(),
            grants=asked,
            model=model,
            limits=limits,
            parameters=_schema(arguments) if arguments.__struct_fields__ else {},
        )
        return Native(spec, body, arguments)

    return make


def _source(body: Body) -> str:
    try:
        return inspect.getsource(body)
    except OSError:
        return body.__qualname__


def _arguments(body: Body) -> type[msgspec.Struct]:
    """The program's own parameters as a type."""
    hints = typing.get_type_hints(body)
    fields = [
        (one.name, hints[one.name])
        if one.default is inspect.Parameter.empty
        else (one.name, hints[one.name], one.default)
        for one in list(inspect.signature(body).parameters.values())[2:]
    ]
    return msgspec.defstruct(body.__name__, fields, kw_only=True)


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components([arguments])
    schema: dict[str, Any] = components[reference["$ref"].rsplit("/", 1)[1]]
    return schema | {"additionalProperties": False}


class NativeProcess:
    """A running native program: a coroutine and the history that can rebuild it."""

    def __init__(self, native: Native) -> None:
        self._native = native
        self._start: Start | None = None
        self._history: list[tuple[Syscall, Answer]] = []
        self._coroutine: Coroutine[Any, Any, Any] | None = None
        self._next: Syscall | None = None

    @property
    def size_chars(self) -> int:
        syscall = self._next
        return len(syscall.prompt) + len(syscall.system) if isinstance(syscall, Generate) else 0

    def reading(self, generate: Generate) -> tuple[Message, ...]:
        system = (Message("system", (Text(generate.system),)),) if generate.system else ()
        return (*system, Message("user", (Text(generate.prompt),)))

    def absorb(self, entry: Start | Answer) -> None:
        if isinstance(entry, Start):
            self._start = entry
            own = msgspec.structs.asdict(msgspec.convert(entry.arguments, self._native.arguments))
            self._coroutine = self._native.body(Calls(entry.pid), entry.brief, **own)
            self._step(None)
            return
        assert self._next is not None, "an answer came for no syscall"
        self._history.append((self._next, entry))
        if self._coroutine is None:
            why = entry.message if isinstance(entry, Error) else "its result was not taken"
            self._next = Exit(failed=why)
        else:
            self._step(entry)

    def _step(self, answer: Answer | None) -> None:
        assert self._coroutine is not None
        try:
            wanted = self._coroutine.send(answer)
        except StopIteration as end:
            self._last(Exit(end.value))
        except SyscallFailed as error:
            self._last(Exit(failed=str(error)))
        except SyscallCancelled as error:
            self._last(Exit(failed=f"cancelled: {error}"))
        except SystemExit as error:
            raise Fault(f"{self._native.spec.name} called sys.exit; return a result, or await calls.exit") from error
        else:
            self._next = _stored(wanted, self._native.spec.name)

    def _last(self, syscall: Exit) -> None:
        """The coroutine has ended: this is what it ends with, and there is no second try."""
        self._coroutine = None
        self._next = _stored(syscall, self._native.spec.name)

    def decide(self) -> Syscall:
        assert self._next is not None
        return self._next

    @property
    def past(self) -> tuple[Start, list[tuple[Syscall, Answer]]]:
        """All that is needed to rebuild it."""
        assert self._start is not None
        return self._start, self._history

    def relive(self, start: Start, history: list[tuple[Syscall, Answer]]) -> None:
        """Run again on the same answers. Raises :class:`Divergence` where it does something else than it did."""
        self.absorb(start)
        for syscall, answer in history:
            if self.decide() != syscall:
                raise _diverged(self._native.spec.name, self.decide(), syscall)
            self.absorb(answer)

    def fork(self) -> NativeProcess:
        twin = NativeProcess(self._native)
        twin.relive(*self.past)
        if twin._next != self._next:
            raise _diverged(self._native.spec.name, twin._next, self._next)
        return twin

    def close(self) -> None:
        if self._coroutine is not None:
            self._coroutine.close()


def _diverged(name: str, made: Syscall | None, logged: Syscall | None) -> Divergence:
    return Divergence(
        f"{name} is not deterministic: on the same answers it made {made!r:.200} instead of {logged!r:.200}"
    )


_syscalls: msgspec.json.Decoder[Syscall] = msgspec.json.Decoder(Syscall)


def _stored(wanted: object, name: str) -> Syscall:
    """A syscall as the journal gives it back, so that a replay compares like with like (a list is a list, not a tuple).

    Raises :class:`Fault` for what is not a syscall, or holds what the journal can't.
    """
    if not isinstance(wanted, msgspec.Struct):
        raise Fault(f"{name} awaited {wanted!r:.80}, which is not a syscall; await the methods of calls only")
    try:
        return _syscalls.decode(msgspec.json.encode(wanted))
    except (TypeError, ValueError) as error:
        raise Fault(f"{name} made a syscall that can't be written down ({error}): {wanted!r:.200}") from error
