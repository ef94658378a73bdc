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
from typing import Any

import msgspec

from gemot.drivers.kit import Picture
from gemot.machine import carrying
from gemot.machine.guests import GUESTS_MAX, PORTION_BYTES, Guest, Guests, Unwelcome
from gemot.machine.looking import asks_after
from gemot.machine.machine import Machine
from gemot.machine.notes import Note
from gemot.machine.standstill import waits_for_person
from gemot.machine.wishes import (
    LINE_BYTES_MAX,
    Adopt,
    Answer,
    Archive,
    Asks,
    Clear,
    DoneSince,
    Export,
    Foresee,
    Fork,
    Kill,
    Look,
    Move,
    NotedOf,
    Pause,
    Providers,
    ReceiptOf,
    Resume,
    Retract,
    Revoke,
    Rewind,
    Said,
    Send,
    Start,
    Tasks,
    Waits,
    Wanted,
    Watch,
    Wish,
    Work,
)

UNREAD_BYTES_MAX = 16 << 20
"""How much a client may leave unread before it is dropped."""


def given(start: Start) -> dict[str, Any]:
    """All of it but the goal, as :meth:`gemot.machine.machine.Machine.start` takes it."""
    fields = {name: getattr(start, name) for name in start.__struct_fields__ if name != "goal"}
    return fields | {"images": tuple(starmap(Picture, start.images))}


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
            case Look(which, place, pid, with_receipts, most):
                return machine.portion(which, place, pid, with_receipts, most)
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
