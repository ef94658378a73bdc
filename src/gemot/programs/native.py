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
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gemot.abi.answers import Answer, Error
from gemot.abi.effects import TakeBack
from gemot.abi.grants import BudgetRequest, Grant
from gemot.abi.messages import Message, Text
from gemot.abi.programs import ProgramSpec
from gemot.abi.syscalls import (
    Exit,
    Generate,
    Syscall,
)
from gemot.programs.calls import Calls as Calls
from gemot.programs.calls import SyscallCancelled as SyscallCancelled
from gemot.programs.calls import SyscallFailed as SyscallFailed
from gemot.programs.forgetting import without
from gemot.programs.port import Divergence, Fault, Start

Body = Callable[..., Coroutine[Any, Any, Any]]


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

    @property
    def images_shown(self) -> Mapping[str, int]:
        return {}

    @property
    def paged(self) -> bool:
        return False

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

    def take_back(self, lost: TakeBack) -> bool:
        """What is code can't forget: it runs again up to where it was told the first of these words, and is told something else.
        What is put back to before its first answer just begins again; but what words were in its brief, it can only be told."""
        entry = lost.places[0][0]
        if entry > len(self._history) or (not entry and lost.why):
            return False
        start, history = self.past
        self.close()
        if not entry:
            self._history = []
            self.relive(start, [])
            return True
        again, (syscall, answer) = history[: entry - 1], history[entry - 1]
        self._history = []
        self.relive(start, again)
        if self.decide() != syscall:
            raise _diverged(self._native.spec.name, self.decide(), syscall)
        self.absorb(without(answer, lost, entry))
        return True

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
