"""The programs of living processes as one value and back. What conversations share of their readings is kept once.

A conversation is its reading and the requests it has not answered. A native program is its history: thawing it runs it
again on the same answers, and compares what it does with what it did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from gemot.abi.answers import Answer, Born, Mail, Ok, Outcome, Returned, Waited
from gemot.abi.messages import Message, Reply
from gemot.abi.syscalls import Add, Call, Fork, Generate, Kill, Receive, Spawn, Syscall, Wait
from gemot.programs.conversation import Conversation, FrozenConversation
from gemot.programs.native import NativeProcess
from gemot.programs.port import Program, Start
from gemot.programs.reading import Reading

ANSWERS: dict[type, Any] = {
    Generate: Reply,
    Call: tuple[Returned, ...],
    Wait: Waited,
    Spawn: Born,
    Fork: Born,
    Kill: Outcome,
    Receive: tuple[Mail, ...],
    Add: tuple[int, ...],
}
"""What the value of an `Ok` is, by the syscall it answers; of the others it is plain JSON."""


class FrozenReading(Struct, frozen=True):
    """A piece of a reading. ``before``: the index of the piece it was forked from (-1: none), at ``before_length``."""

    before: int
    before_length: int
    own: list[Message]


class FrozenNative(Struct, frozen=True):
    start: Start
    history: list[tuple[Syscall, Answer]]


class FrozenPrograms(Struct, frozen=True):
    readings: list[FrozenReading]
    conversations: dict[int, FrozenConversation]
    natives: dict[int, FrozenNative]


def freeze(programs: Mapping[int, Program]) -> FrozenPrograms:
    """By pid, all programs as they are; to be encoded before any of them is told anything more, since it shares them."""
    readings: list[FrozenReading] = []
    known: dict[int, int] = {}

    def keep(reading: Reading) -> int:
        chain: list[Reading] = []
        piece: Reading | None = reading
        while piece is not None and id(piece) not in known:
            chain.append(piece)
            piece = piece.before
        for one in reversed(chain):
            before = -1 if one.before is None else known[id(one.before)]
            known[id(one)] = len(readings)
            readings.append(FrozenReading(before, one.before_length, one.own))
        return known[id(reading)]

    conversations: dict[int, FrozenConversation] = {}
    natives: dict[int, FrozenNative] = {}
    for pid, program in programs.items():
        if isinstance(program, Conversation):
            conversations[pid] = program.freeze(keep(program.pages))
        elif isinstance(program, NativeProcess):
            natives[pid] = FrozenNative(*program.past)
        else:
            raise TypeError(f"the program of process {pid} can't be frozen: {type(program).__name__}")
    return FrozenPrograms(readings, conversations, natives)


def thaw_conversations(frozen: FrozenPrograms) -> dict[int, Conversation]:
    readings: list[Reading] = []
    for piece in frozen.readings:
        before = None if piece.before < 0 else readings[piece.before]
        readings.append(Reading.of(before, piece.before_length, piece.own))
    return {pid: Conversation.thaw(one, readings[one.reading]) for pid, one in frozen.conversations.items()}


def past(frozen: FrozenNative) -> tuple[Start, list[tuple[Syscall, Answer]]]:
    """A native program's start, and its history with each answer's value in its own type again."""
    return frozen.start, [(syscall, _typed(syscall, answer)) for syscall, answer in frozen.history]


def _typed(syscall: Syscall, answer: Answer) -> Answer:
    kind = ANSWERS.get(type(syscall))
    if kind is None or not isinstance(answer, Ok):
        return answer
    return Ok(msgspec.convert(answer.value, kind), answer.mail)
