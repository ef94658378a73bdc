"""The door: a Unix socket through which other terminals reach a running machine. One JSON object a line, both ways.

A line to the machine is a :class:`Wish`; each is answered by one line: ``{"id": .., "value": ..}`` or ``{"id": .., "error": ..,
"kind": ..}``. After `watch`, lines ``{"note": ..}`` come as well. Only the machine's owner can open the socket.

What comes in is nobody's word until it is decoded: a line that is too long or not understood is answered with an error. How much a client
may hold of the machine is in :mod:`gemot.machine.guests`, so that nobody can make the machine wait.
"""

from __future__ import annotations

import asyncio
import os
import socket
from itertools import starmap
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from gemot.abi.events import BoardMove
from gemot.abi.grants import Budget, Grant, Mode, Mount
from gemot.abi.limits import PRIORITY
from gemot.abi.reviews import TRIES, Check
from gemot.drivers.kit import Picture
from gemot.machine import carrying
from gemot.machine.guests import GUESTS_MAX, PORTION_BYTES, Guest, Guests, Unwelcome
from gemot.machine.looking import Place, Which, asks_after
from gemot.machine.machine import DEFAULT_BUDGET, Machine
from gemot.machine.notes import Note
from gemot.machine.retention import Retention
from gemot.machine.standstill import waits_for_person

LINE_BYTES_MAX = 16 << 20
"""The longest line: the longest goal, with every character escaped, with all images that it may have, and room for the rest."""

UNREAD_BYTES_MAX = 16 << 20
"""How much a client may leave unread before it is dropped."""


Shown = tuple[bytes, str]
"""An image that a person shows, and what it is."""


class Start(Struct, frozen=True, tag="start", omit_defaults=True):
    """A goal; as :meth:`gemot.machine.machine.Machine.start` takes it. Answers the pid."""

    goal: str
    program: str = "solo"
    model: str = "embedded"
    models: tuple[str, ...] = ()
    work: str | None = None
    mode: Mode = "rw"
    budget: Budget = DEFAULT_BUDGET
    arguments: dict[str, Any] = {}
    name: str = ""
    policy: tuple[Grant, ...] = ()
    review: tuple[Check, ...] = ()
    tries: int = TRIES
    route: tuple[str, ...] = ()
    priority: int = PRIORITY
    images: tuple[Shown, ...] = ()
    untrusted: bool = False
    shown: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    grants: tuple[Grant, ...] | None = None
    mounts: tuple[Mount, ...] = ()


def given(start: Start) -> dict[str, Any]:
    """All of it but the goal, as :meth:`gemot.machine.machine.Machine.start` takes it."""
    fields = {name: getattr(start, name) for name in start.__struct_fields__ if name != "goal"}
    return fields | {"images": tuple(starmap(Picture, start.images))}


class Providers(Struct, frozen=True, tag="providers"):
    """Answers a list of what goes on at each provider."""


class Send(Struct, frozen=True, tag="send", omit_defaults=True):
    pid: int
    text: str
    images: tuple[Shown, ...] = ()


class Answer(Struct, frozen=True, tag="answer"):
    ask: int
    allow: bool = True
    text: str = ""
    scope: Literal["once", "process", "subtree"] = "once"


class Kill(Struct, frozen=True, tag="kill"):
    pid: int
    reason: str = ""


class Revoke(Struct, frozen=True, tag="revoke"):
    """Answers the pids that held the right."""

    pid: int
    tool: str


class Export(Struct, frozen=True, tag="export"):
    """Writes the tree of ``pid`` to a file."""

    pid: int
    path: str


class Archive(Struct, frozen=True, tag="archive"):
    """Writes the ended tree of ``pid`` to a file and takes it out of the journal."""

    pid: int
    path: str


class Clear(Struct, frozen=True, tag="clear", omit_defaults=True):
    """Answers what left (:class:`gemot.machine.retention.Cleared`), or with ``trial`` what would leave: by ``rules``, or the trees of ``pids``.
    ``folder``: where they go."""

    rules: Retention = Retention()
    pids: tuple[int, ...] | None = None
    folder: str = ""
    trial: bool = False


class Adopt(Struct, frozen=True, tag="adopt"):
    """Takes in a tree from a file that `Export` wrote. Answers its first pid."""

    path: str
    folders: dict[str, str] = {}
    model: str = ""
    untrusted: tuple[str, ...] = ()


class Retract(Struct, frozen=True, tag="retract"):
    """Answers what came of it."""

    pid: int
    reason: str
    told: int | None = None


class Foresee(Struct, frozen=True, tag="foresee"):
    """Answers what would come of a `Retract`."""

    pid: int
    told: int | None = None


class DoneSince(Struct, frozen=True, tag="done_since"):
    """Answers what a `Rewind` would not undo."""

    pid: int
    to: int


class Rewind(Struct, frozen=True, tag="rewind"):
    """Answers the position that it was put back to."""

    pid: int
    to: int
    text: str = ""


class Fork(Struct, frozen=True, tag="fork"):
    """Answers the pid of the new tree."""

    pid: int
    text: str
    budget: Budget = DEFAULT_BUDGET


class Move(Struct, frozen=True, tag="move"):
    pid: int
    model: str


class Resume(Struct, frozen=True, tag="resume"):
    """Answers the roots that go on."""

    pid: int | None = None


class Pause(Struct, frozen=True, tag="pause"):
    pid: int


class Work(Struct, frozen=True, tag="work"):
    """A person's move on the board of the tree of ``pid``. Answers the numbers of the tasks that it is about."""

    pid: int
    move: BoardMove


class Tasks(Struct, frozen=True, tag="tasks"):
    """Answers a list of task views: of the tree of ``pid``, or of all."""

    pid: int | None = None


class Look(Struct, frozen=True, tag="look", omit_defaults=True):
    """Answers a portion of what there is to see of the trees, the newest first (:class:`gemot.machine.looking.Sight`). ``which``: the trees.
    ``place``: where it begins, as the portion before says; none: at the newest. ``pid``: only of the tree of this process. ``receipts``: what processes did comes, too."""

    which: Which = "living"
    place: Place | None = None
    pid: int = 0
    receipts: bool = False


class ReceiptOf(Struct, frozen=True, tag="receipt"):
    """Answers the receipt of a process."""

    pid: int


class NotedOf(Struct, frozen=True, tag="noted", omit_defaults=True):
    """Answers where the newest records of the tree of ``pid`` stand in the journal (:class:`gemot.machine.stretches.Noted`); pid 0: those
    of all trees with records after this position."""

    pid: int
    after: int = 0


class Asks(Struct, frozen=True, tag="asks", omit_defaults=True):
    """Answers a portion of the open asks: those with the next numbers after ``after``. An empty one is the last."""

    after: int = 0


class Waits(Struct, frozen=True, tag="waits"):
    """Answers whether only a person can bring these trees further."""

    roots: tuple[int, ...]


class Watch(Struct, frozen=True, tag="watch"):
    """From now on every note is sent."""


Wanted = (
    Start
    | Providers
    | Send
    | Answer
    | Work
    | Kill
    | Revoke
    | Export
    | Archive
    | Clear
    | Adopt
    | Retract
    | Foresee
    | DoneSince
    | Rewind
    | Fork
    | Move
    | Resume
    | Pause
    | Look
    | ReceiptOf
    | NotedOf
    | Tasks
    | Asks
    | Waits
    | Watch
)


class Wish(Struct, frozen=True):
    id: int
    do: Wanted


class Said(Struct, frozen=True, omit_defaults=True):
    """One line from the machine. ``id`` 0 and no ``error``: ``note`` happened. Otherwise the answer to wish ``id``."""

    id: int = 0
    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    kind: str = ""
    note: msgspec.Raw = msgspec.Raw(b"null")


_wish = msgspec.json.Decoder(Wish)
_encode = msgspec.json.Encoder().encode


class Door:
    """``async with Door(machine)``: open while the block runs. ``watchers`` counts those who follow what happens."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._path: Path | None = None
        self._identity: tuple[int, int] | None = None
        self._closed = False
        self._server: asyncio.Server | None = None
        self._guests = Guests()
        self._watching: dict[asyncio.StreamWriter, Any] = {}

    @property
    def guests(self) -> int:
        """How many are connected."""
        return len(self._guests)

    @property
    def watchers(self) -> int:
        return len(self._watching)

    async def __aenter__(self) -> Door:
        home = self.machine.home
        assert home is not None, "a machine in memory has no door"
        self._path = home.door
        # The home is locked by us, so whatever lies here was left behind by a machine that is gone.
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | getattr(socket, "SOCK_CLOEXEC", 0))
        before = os.umask(0o077)
        try:
            listening.bind(str(self._path))
        finally:
            os.umask(before)
        facts = self._path.lstat()
        self._identity = (facts.st_dev, facts.st_ino)
        self._server = await asyncio.start_unix_server(self._welcome, sock=listening, limit=PORTION_BYTES)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        if self._path is not None and self._is_mine(self._path):
            self._path.unlink(missing_ok=True)
        # asyncio forgets a connection that it was just accepting when the server closes, and its client would wait
        # for ever. Accepting takes three turns of the loop; then it is told that nobody is at home.
        for _turn in range(4):
            await asyncio.sleep(0)
        if self._server is not None:
            self._server.close()
        for stop in self._watching.values():
            stop()
        self._watching.clear()
        tasks = [guest.task for guest in self._guests.values() if guest.task is not None]
        for writer in list(self._guests):
            writer.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_mine(self, path: Path) -> bool:
        """Whether the socket there is the one that was opened here: the home may have been deleted, and have another's now."""
        try:
            facts = path.lstat()
        except OSError:
            return False
        return (facts.st_dev, facts.st_ino) == self._identity

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:  # it knocked while the door was being closed
            writer.close()
            return
        guest = Guest(reader, writer, LINE_BYTES_MAX, UNREAD_BYTES_MAX)
        if len(self._guests) >= GUESTS_MAX:
            words = f"{GUESTS_MAX} others are connected to this machine, and it takes no more; try again when some have left"
            await guest.dismiss(_encode(Said(error=words, kind="limit")))
            writer.close()
            return
        self._guests[writer] = guest
        try:
            await self._converse(guest)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client went away, or the door closes
        finally:
            self._guests.pop(writer, None)
            stop = self._watching.pop(writer, None)
            if stop is not None:
                stop()
            writer.close()

    async def _converse(self, guest: Guest) -> None:
        while True:
            try:
                lines = await guest.lines(self._guests)
            except Unwelcome as error:  # what follows can't be told from the rest of it, so this ends the conversation
                await guest.dismiss(_encode(Said(error=str(error), kind="malformed")))
                return
            if not lines:
                return
            for line in lines:
                self._tell(guest.writer, await self._answer(line, guest.writer))
                await guest.rest()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> Said:
        try:
            wish = _wish.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Said(error=f"not a wish: {error}", kind="malformed")
        except RecursionError:
            return Said(error="not a wish: it is nested too deep", kind="malformed")
        try:
            value = await self._carry_out(wish.do, writer)
        except Exception as error:  # noqa: BLE001 - the edge: whatever is wrong with a wish is told to the one who had it
            return Said(wish.id, error=str(error), kind=type(error).__name__)
        return Said(wish.id, msgspec.Raw(_encode(value)))

    async def _carry_out(self, wanted: Wanted, writer: asyncio.StreamWriter) -> Any:
        machine = self.machine
        match wanted:
            case Start(goal):
                return await machine.start(goal, **given(wanted))
            case Providers():
                return machine.providers()
            case Send(pid, text, images):
                return await machine.send(pid, text, starmap(Picture, images))
            case Answer(ask, allow, text, scope):
                return await machine.answer(ask, allow, text, scope)
            case Work(pid, move):
                return await machine.work(pid, move)
            case Kill(pid, reason):
                return await machine.kill(pid, reason)
            case Revoke(pid, tool):
                return await machine.revoke(pid, tool)
            case Export(pid, path):
                return machine.export(pid, Path(path))
            case Archive(pid, path):
                return machine.archive(pid, Path(path))
            case Clear(rules, pids, folder, trial):
                return await machine.clear(rules, pids, Path(folder) if folder else None, trial)
            case Adopt(path, folders, model, untrusted):
                carried = await asyncio.to_thread(carrying.read, Path(path))  # as long as it is large
                return await machine.adopt(carried, folders, model, untrusted)
            case Retract(pid, reason, told):
                return await machine.retract(pid, reason, told)
            case Foresee(pid, told):
                return await machine.foresee(pid, told)
            case DoneSince(pid, to):
                return await machine.done_since(pid, to)
            case Rewind(pid, to, text):
                return await machine.rewind(pid, to, text)
            case Fork(pid, text, budget):
                return await machine.fork(pid, text, budget)
            case Move(pid, model):
                return await machine.move(pid, model)
            case Resume(pid):
                return machine.resume(pid)
            case Pause(pid):
                return machine.pause(pid)
            case Tasks(pid):
                return machine.tasks(pid)
            case Look(which, place, pid, with_receipts):
                return machine.portion(which, place, pid, with_receipts)
            case ReceiptOf(pid):
                return machine.receipt(pid)
            case NotedOf(pid, after):
                return machine.noted(pid, after)
            case Asks(after):
                return asks_after(machine.kernel, after)
            case Waits(roots):
                return waits_for_person(machine.kernel, roots)
            case Watch():
                if writer not in self._watching:
                    self._watching[writer] = machine.watch(lambda note: self._show(writer, note))
                return None

    def _show(self, writer: asyncio.StreamWriter, note: Note) -> None:
        self._tell(writer, Said(note=msgspec.Raw(_encode(note))))

    def _tell(self, writer: asyncio.StreamWriter, said: Said) -> None:
        guest = self._guests.get(writer)
        if guest is not None:
            guest.tell(_encode(said))
            self._guests.must_fit()
