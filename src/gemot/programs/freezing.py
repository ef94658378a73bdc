"""The programs of living processes as one value and back. What conversations share of their pages is kept once: in that
value, or on a :class:`Shelf`, where every piece has a number and only what is new of it is written.

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
from gemot.abi.messages import Reply
from gemot.abi.syscalls import Add, Call, Fork, Generate, Kill, Recall, Receive, Spawn, Syscall, Wait
from gemot.programs.conversation import Conversation
from gemot.programs.frozen import FrozenConversation
from gemot.programs.native import NativeProcess
from gemot.programs.pages import Page, Piece
from gemot.programs.port import Program, Start
from gemot.programs.reading import FrozenHead, Head, Reading

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


class FrozenPiece(Struct, frozen=True):
    """A piece of pages. ``before``: the index of the piece it was forked from (-1: none), at ``before_length``. Its pages are its
    ``own``, or those that are on the shelf under ``number``."""

    before: int
    before_length: int
    own: list[Page]
    number: int


_pages = msgspec.msgpack.Decoder(list[Page])


class Shelf:
    """Pieces of pages, kept apart from the programs that share them. ``load`` gives the written parts of one, in order."""

    def __init__(self, load: Callable[[int], Iterable[bytes]]) -> None:
        self.last = 0
        """The last number that was given."""
        self._load = load
        self._held: WeakValueDictionary[int, Piece] = WeakValueDictionary()
        self._new: dict[int, tuple[Piece, int]] = {}

    def put(self, piece: Piece) -> None:
        """Give a piece its place; what is new of it is among what is :meth:`new` until that is written. One in which something
        was blanked is new as a whole."""
        if not piece.number:
            self.last += 1
            piece.number = self.last
            self._held[piece.number] = piece
        if len(piece.own) > piece.kept:
            self._new[piece.number] = (piece, len(piece.own))

    def new(self) -> Iterator[tuple[int, int, bytes]]:
        """(number, index of the first page, pages) of what is not written yet."""
        for number, (piece, length) in self._new.items():
            yield number, piece.kept, msgspec.msgpack.encode(piece.pages(piece.kept, length))

    def written(self) -> None:
        for piece, length in self._new.values():
            piece.kept = length
        self._new.clear()

    def get(self, frozen: FrozenPiece, before: Piece | None) -> Piece:
        """The piece of this number: the one that others hold, or read again."""
        held = self._held.get(frozen.number)
        if held is None:
            own = [page for part in self._load(frozen.number) for page in _pages.decode(part)]
            held = Piece.of(before, frozen.before_length, own)
            held.number, held.kept = frozen.number, len(own)
            self._held[frozen.number] = held
        return held


class FrozenNative(Struct, frozen=True):
    start: Start
    history: list[tuple[Syscall, Answer]]


class FrozenPrograms(Struct, frozen=True):
    """``heads``: of the readings that pages have left, as many conversations as may share one."""

    pieces: list[FrozenPiece]
    heads: list[FrozenHead]
    conversations: dict[int, FrozenConversation]
    natives: dict[int, FrozenNative]


def freeze(programs: Mapping[int, Program], shelf: Shelf | None = None) -> FrozenPrograms:
    """By pid, all programs as they are; to be encoded before any of them is told anything more, since it shares them. With a
    ``shelf`` the pages go there, else all of them are within."""
    pieces: list[FrozenPiece] = []
    known: dict[int, int] = {}
    heads: dict[int, tuple[int, Head]] = {}

    def keep(piece: Piece) -> int:
        for one in reversed([one for one in piece.chain() if id(one) not in known]):
            before = -1 if one.before is None else known[id(one.before)]
            known[id(one)] = len(pieces)
            if shelf is not None:
                shelf.put(one)
            own, number = (one.pages(0, len(one.own)), 0) if shelf is None else ([], one.number)
            pieces.append(FrozenPiece(before, one.before_length, own, number))
        return known[id(piece)]

    def head_of(reading: Reading) -> int:
        return -1 if reading.head is None else heads.setdefault(id(reading.head), (len(heads), reading.head))[0]

    conversations: dict[int, FrozenConversation] = {}
    natives: dict[int, FrozenNative] = {}
    for pid, program in programs.items():
        if isinstance(program, Conversation):
            conversations[pid] = program.freeze(keep(program.pages.log), head_of(program.pages))
        elif isinstance(program, NativeProcess):
            natives[pid] = FrozenNative(*program.past)
        else:
            raise TypeError(f"the program of process {pid} can't be frozen: {type(program).__name__}")
    return FrozenPrograms(
        pieces, [FrozenHead(head.last, head.items) for _, head in heads.values()], conversations, natives
    )


def thaw_conversations(frozen: FrozenPrograms, shelf: Shelf) -> dict[int, Conversation]:
    pieces: list[Piece] = []
    for piece in frozen.pieces:
        before = None if piece.before < 0 else pieces[piece.before]
        pieces.append(shelf.get(piece, before) if piece.number else Piece.of(before, piece.before_length, piece.own))
    heads = [Head(head.items, head.last) for head in frozen.heads]
    return {
        pid: Conversation.thaw(one, Reading(pieces[one.reading], None if one.head < 0 else heads[one.head]))
        for pid, one in frozen.conversations.items()
    }


def past(frozen: FrozenNative) -> tuple[Start, list[tuple[Syscall, Answer]]]:
    """A native program's start, and its history with each answer's value in its own type again."""
    return frozen.start, [(syscall, _typed(syscall, answer)) for syscall, answer in frozen.history]


def _typed(syscall: Syscall, answer: Answer) -> Answer:
    kind = ANSWERS.get(type(syscall))
    if kind is None or not isinstance(answer, Ok):
        return answer
    return Ok(msgspec.convert(answer.value, kind), answer.mail)
