"""The port of every program: a fold over its log. It is told entries and decides the next syscall; it touches nothing else.

That makes fork, rewind, migration, hibernation and recovery one operation: fold a prefix of a log.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol, cast

import msgspec
from msgspec import Struct

from gemot.abi import limits
from gemot.abi.answers import Answer
from gemot.abi.effects import TakeBack
from gemot.abi.events import RULES, Arrived
from gemot.abi.grants import Grant
from gemot.abi.messages import Image, Message
from gemot.abi.reviews import Check, SchemaCheck, ToolCheck
from gemot.abi.syscalls import Add, Call, Exec, Exit, Fork, Generate, GrantTo, Mandate, Spawn, Syscall, ToolUse


class Start(Struct, frozen=True, gc=False):
    """The first entry of a log: who the process is and what it was told. ``files`` says in words what it sees of the disk;
    ``images``: what it is shown beside its brief."""

    pid: int
    name: str
    brief: str
    arguments: dict[str, Any]
    files: str
    images: tuple[Image, ...] = ()
    rules: int = RULES
    """The rules that its tree lives by, see :mod:`gemot.abi.rules`."""


class Program(Protocol):
    """``absorb`` an entry, then ``decide``; both are deterministic. Raising means a fault: the process dies, its parent learns."""

    def absorb(self, entry: Start | Answer) -> None: ...

    def decide(self) -> Syscall: ...

    def fork(self) -> Program:
        """A program with the same log so far, to be told entries of its own. Cost does not depend on the log's length
        where the program can help it."""
        ...

    def take_back(self, lost: TakeBack) -> bool:
        """Forget words: (number of the answer that holds them, process that said them), in order. Says whether it was put back to
        one of these answers, so that it decides anew what it does next."""
        ...

    def reading(self, generate: Generate) -> tuple[Message, ...]:
        """What the model is shown for this `generate`."""
        ...

    @property
    def size_chars(self) -> int:
        """The length of the reading, for estimates."""
        ...

    @property
    def images_shown(self) -> Mapping[str, int]:
        """The images in the reading that its model is shown, as digest -> size in bytes."""
        ...

    @property
    def paged(self) -> bool:
        """Whether pages have left the reading."""
        ...


def too_deep(value: Any, most: int = limits.NESTING_MAX) -> bool:
    """Is a value nested more deeply than anybody means? Looked at without recursion, since that is what it is about."""
    level = _inside(value)
    for _ in range(most):
        level = [below for one in level if isinstance(one, _HOLDS_MORE) for below in _inside(one)]
        if not level:
            return False
    return bool(level)


_HOLDS_MORE = (dict, list, tuple)


def _inside(value: Any) -> Collection[Any]:
    if isinstance(value, dict):
        return cast("dict[Any, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, _HOLDS_MORE) else ()


def anything_too_deep(wanted: Syscall | Arrived) -> bool:
    """Does a syscall, or a person's goal, hold a value that is? Only these can hold any value at all, or a rule within a rule."""
    match wanted:
        case Generate():
            return False
        case Call():
            return any([too_deep(use.arguments) for use in wanted.uses])
        case Exit():
            return too_deep(wanted.value)
        case Spawn(arguments=arguments, returns=returns, review=review, grants=grants):
            deep = too_deep(arguments) or too_deep(returns) or any(map(_check_too_deep, review))
            return deep or _rules_too_deep(grants)
        case Fork(returns=returns, review=review, grants=grants):
            return too_deep(returns) or any(map(_check_too_deep, review)) or _rules_too_deep(grants)
        case GrantTo(grants=grants):
            return _rules_too_deep(grants)
        case Add() | Mandate():
            return any(
                _rules_too_deep(one.grants) for one in (wanted.tasks if isinstance(wanted, Add) else wanted.steps)
            )
        case Exec(arguments=arguments):
            return too_deep(arguments)
        case Arrived(arguments=arguments, review=review, grants=grants, policy=policy):
            deep = too_deep(arguments) or any(map(_check_too_deep, review))
            return deep or _rules_too_deep(grants) or _rules_too_deep(policy)
        case _:
            return False


def _check_too_deep(check: Check) -> bool:
    match check:
        case SchemaCheck(schema):
            return too_deep(schema)
        case ToolCheck(arguments=arguments):
            return too_deep(arguments)
        case _:
            return False


def _rules_too_deep(grants: Iterable[Grant | str] | None) -> bool:
    """A rule may be of a source that has rules: four levels of what is written for one."""
    level = [rule for grant in grants or () if isinstance(grant, Grant) for rule in grant.where.values()]
    for _ in range(limits.NESTING_MAX // 4):
        level = [rule for one in level for source in one.source or () for rule in source.where.values()]
    return bool(level)


def unkept(wanted: Syscall | ToolUse | Arrived) -> str:
    """What of it could be written and not be read again, in words; ``""``: nothing. JSON has numbers of any length, the tables
    have 64 bits for one."""
    if too_deep(wanted.arguments) if isinstance(wanted, ToolUse) else anything_too_deep(wanted):
        return f"a value nested more than {limits.NESTING_MAX} deep"
    try:
        msgspec.msgpack.encode(wanted)
    except OverflowError:
        return "a number of more than 64 bits"
    except (UnicodeEncodeError, TypeError):  # seen to where it is written
        pass
    return ""


class Fault(Exception):
    """A program broke a rule. The message says which."""


class NotHere(Fault):
    """The program of a process can't be had here now. The process is not to blame: it waits until the program is back."""


class Divergence(Fault):
    """Replayed on the same answers, a program made another syscall than its log says: it is not deterministic, or it changed."""
