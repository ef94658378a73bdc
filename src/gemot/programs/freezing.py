"""The programs of living processes as one value and back. What conversations share of their readings is kept once: in that
value, or on a :class:`Shelf`, where every piece of a reading has a number and only what is new of it is written.

A conversation is its reading and the requests it has not answered. A native program is its history: thawing it runs it
again on the same answers, and compares what it does with what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from gemot.abi.answers import Answer, Born, Mail, Ok, Outcome, Returned, Waited
from gemot.abi.memories import Memory
from gemot.abi.messages import Message, Reply
from gemot.abi.syscalls import Add, Call, Fork, Generate, Kill, Recall, Receive, Spawn, Syscall, Wait
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
    Recall: tuple[Memory, ...],
}
"""What the value of an `Ok` is, by the syscall it answers; of the others it is plain JSON."""


class FrozenReading(Struct, frozen=True):
    """A piece of a reading. ``before``: the index of the piece it was forked from (-1: none), at ``before_length``. Its
    messages are its ``own``, or those that are on the shelf under ``number``. ``chars``: the length of all up to its end."""

    before: int
    before_length: int
    own: list[Message]
    number: int
    chars: int


_messages = msgspec.msgpack.Decoder(list[Message])


class Shelf:
    """Pieces of readings, kept apart from the programs that share them. ``load`` gives the written parts of one, in order."""

    def __init__(self, load: Callable[[int], Iterable[bytes]]) -> None:
        self.last = 0
        """The last number that was given."""
        self._load = load
        self._held: WeakValueDictionary[int, Reading] = WeakValueDictionary()
        self._new: dict[int, tuple[Reading, int]] = {}

    def put(self, reading: Reading) -> None:
        """Give a piece its place; what is new of it is among what is :meth:`new` until that is written."""
        if not reading.number:
            self.last += 1
            reading.number = self.last
            self._held[reading.number] = reading
        if len(reading.own) > reading.kept:
            self._new[reading.number] = (reading, len(reading.own))

    def new(self) -> Iterator[tuple[int, int, bytes]]:
        """(number, index of the first message, messages) of what is not written yet."""
        for number, (reading, length) in self._new.items():
            yield number, reading.kept, msgspec.msgpack.encode(reading.own[reading.kept : length])

    def written(self) -> None:
        for reading, length in self._new.values():
            reading.kept = length
        self._new.clear()

    def get(self, frozen: FrozenReading, before: Reading | None) -> Reading:
        """The piece of this number: the one that others hold, or read again."""
        held = self._held.get(frozen.number)
        if held is None:
            own = [message for part in self._load(frozen.number) for message in _messages.decode(part)]
            held = Reading.of(before, frozen.before_length, own, frozen.chars)
            held.number, held.kept = frozen.number, len(own)
            self._held[frozen.number] = held
        return held


class FrozenNative(Struct, frozen=True):
    start: Start
    history: list[tuple[Syscall, Answer]]


class FrozenPrograms(Struct, frozen=True):
    readings: list[FrozenReading]
    conversations: dict[int, FrozenConversation]
    natives: dict[int, FrozenNative]


def freeze(programs: Mapping[int, Program], shelf: Shelf | None = None) -> FrozenPrograms:
    """By pid, all programs as they are; to be encoded before any of them is told anything more, since it shares them. With a
    ``shelf`` the messages go there, else all of them are within."""
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
            if shelf is not None:
                shelf.put(one)
            own, number = (one.own, 0) if shelf is None else ([], one.number)
            readings.append(FrozenReading(before, one.before_length, own, number, one.size_chars))
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


def thaw_conversations(frozen: FrozenPrograms, shelf: Shelf) -> dict[int, Conversation]:
    readings: list[Reading] = []
    for piece in frozen.readings:
        before = None if piece.before < 0 else readings[piece.before]
        if piece.number:
            readings.append(shelf.get(piece, before))
        else:
            readings.append(Reading.of(before, piece.before_length, piece.own, piece.chars))
    return {pid: Conversation.thaw(one, readings[one.reading]) for pid, one in frozen.conversations.items()}


def past(frozen: FrozenNative) -> tuple[Start, list[tuple[Syscall, Answer]]]:
    """A native program's start, and its history with each answer's value in its own type again."""
    return frozen.start, [(syscall, _typed(syscall, answer)) for syscall, answer in frozen.history]


def _typed(syscall: Syscall, answer: Answer) -> Answer:
    kind = ANSWERS.get(type(syscall))
    if kind is None or not isinstance(answer, Ok):
        return answer
    return Ok(msgspec.convert(answer.value, kind), answer.mail)
