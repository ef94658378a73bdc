"""The client: a machine that runs elsewhere, reached through its door, with the same operations as the machine itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from gemot.abi.answers import Retraction
from gemot.abi.effects import Asked
from gemot.abi.events import BoardMove
from gemot.abi.grants import Budget
from gemot.drivers.kit import Picture
from gemot.machine import wishes
from gemot.machine.home import Home
from gemot.machine.looking import Gathering, ReceiptView, Sight, Which
from gemot.machine.machine import DEFAULT_BUDGET, MachineError
from gemot.machine.notes import Note
from gemot.machine.pool import ProviderView
from gemot.machine.retaining import Cleared, Retention
from gemot.machine.stretches import Noted
from gemot.machine.views import ProcessView, TaskView
from gemot.machine.visit import KNOCK_SECONDS, PATIENCE_SECONDS, WORD_SECONDS, full, in_words, peer
from gemot.machine.wishes import LINE_BYTES_MAX, Said, Start, Wanted, Wish
from gemot.models.port import ModelFailed

T = TypeVar("T")

_said = msgspec.json.Decoder(Said)
_note: msgspec.json.Decoder[Note] = msgspec.json.Decoder(Note)
_encode = msgspec.json.Encoder().encode


LONG = (wishes.Adopt, wishes.Archive, wishes.Clear, wishes.Export)
"""Wishes that take as long as what they move is large."""

_log = logging.getLogger("gemot.machine")


async def _knock(path: Path, home: Home | None) -> socket.socket:
    """A connection to the door. A machine that stands still takes nobody in, and so many may wait: then its door is full. Raises
    OSError, :class:`Gone`."""
    knocking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        knocking.setblocking(False)
        loop = asyncio.get_running_loop()
        begun, said = loop.time(), False
        while True:
            try:
                knocking.connect(str(path))
                return knocking
            except BlockingIOError:
                waited = loop.time() - begun
            words = in_words((home.runs() or 0) if home is not None else 0, home)
            if waited > WORD_SECONDS + PATIENCE_SECONDS:
                raise Gone(full(words, waited))
            if waited > WORD_SECONDS and not said:
                _log.warning("gemot: waiting for %s", words)
                said = True
            await asyncio.sleep(KNOCK_SECONDS)
    except BaseException:
        knocking.close()
        raise


class Gone(MachineError):
    """The machine has stopped, or stopped talking to us."""


class Client:
    """One connection. Open it with :meth:`connect`; ``None`` from there means that no machine answers at this door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, home: Home | None = None) -> None:
        self._writer, self._home = writer, home
        self._waiting: dict[int, asyncio.Future[Said]] = {}
        self._numbers = 0
        self._watchers: list[Callable[[Note], None]] = []
        self._listening = asyncio.get_running_loop().create_task(self._listen(reader))
        self.gone = False
        """The connection has ended."""

    @classmethod
    async def connect(cls, path: Path, home: Home | None = None) -> Client | None:
        """Knock at the door ``path``. ``home``: of the machine, to say why it does not answer. Raises :class:`Gone` where it takes
        in nobody."""
        try:
            facts = path.lstat()
            if not stat.S_ISSOCK(facts.st_mode) or facts.st_uid != os.geteuid():
                return None  # nobody's word but this person's own machine is taken
            knocking = await _knock(path, home)
            reader, writer = await asyncio.open_unix_connection(sock=knocking, limit=LINE_BYTES_MAX * 4)
        except (OSError, ValueError):
            return None
        return cls(reader, writer, home)

    async def close(self) -> None:
        self._listening.cancel()
        self._writer.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening

    async def start(self, start: Start) -> int:
        return await self._ask(start, int)

    async def send(self, pid: int, text: str, images: Iterable[Picture] = ()) -> None:
        await self._ask(wishes.Send(pid, text, tuple((one.data, one.about) for one in images)), None)

    async def answer(
        self, ask: int, allow: bool = True, text: str = "", scope: Literal["once", "process", "subtree"] = "once"
    ) -> None:
        await self._ask(wishes.Answer(ask, allow, text, scope), None)

    async def work(self, pid: int, move: BoardMove) -> tuple[int, ...]:
        return await self._ask(wishes.Work(pid, move), tuple[int, ...])

    async def kill(self, pid: int, reason: str = "") -> None:
        await self._ask(wishes.Kill(pid, reason), None)

    async def revoke(self, pid: int, tool: str) -> tuple[int, ...]:
        return await self._ask(wishes.Revoke(pid, tool), tuple[int, ...])

    async def export(self, pid: int, path: Path) -> None:
        await self._ask(wishes.Export(pid, str(path.absolute())), None)

    async def archive(self, pid: int, path: Path) -> None:
        await self._ask(wishes.Archive(pid, str(path.absolute())), None)

    async def clear(
        self, rules: Retention, pids: Collection[int] | None = None, folder: Path | None = None, trial: bool = False
    ) -> Cleared:
        where = "" if folder is None else str(folder.absolute())
        return await self._ask(wishes.Clear(rules, None if pids is None else tuple(pids), where, trial), Cleared)

    async def adopt(
        self, path: Path, folders: Mapping[str, Path | str], model: str = "", untrusted: Collection[str] = ()
    ) -> int:
        places = {name: str(Path(folder).expanduser().absolute()) for name, folder in folders.items()}
        return await self._ask(wishes.Adopt(str(path.absolute()), places, model, tuple(untrusted)), int)

    async def retract(self, pid: int, reason: str, told: int | None = None) -> Retraction:
        return await self._ask(wishes.Retract(pid, reason, told), Retraction)

    async def foresee(self, pid: int, told: int | None = None) -> Retraction:
        return await self._ask(wishes.Foresee(pid, told), Retraction)

    async def done_since(self, pid: int, to: int) -> tuple[str, ...]:
        return await self._ask(wishes.DoneSince(pid, to), tuple[str, ...])

    async def rewind(self, pid: int, to: int, text: str = "") -> int:
        return await self._ask(wishes.Rewind(pid, to, text), int)

    async def fork(self, pid: int, text: str, budget: Budget = DEFAULT_BUDGET) -> int:
        return await self._ask(wishes.Fork(pid, text, budget), int)

    async def move(self, pid: int, model: str) -> None:
        await self._ask(wishes.Move(pid, model), None)

    async def resume(self, pid: int | None = None) -> list[int]:
        return await self._ask(wishes.Resume(pid), list[int])

    async def pause(self, pid: int) -> None:
        await self._ask(wishes.Pause(pid), None)

    async def processes(self, root: int | None = None) -> list[ProcessView]:
        """The views of the processes of one tree, or of all trees, ended ones too, with receipts."""
        return (await self.look("all", pid=root or 0, receipts=True)).views if root != 0 else []

    async def look(self, which: Which = "living", pid: int = 0, trees_max: int = 0, receipts: bool = False) -> Sight:
        """The views of the newest ``trees_max`` trees (0: of all), or of the tree of ``pid``. They come in portions."""
        gathering = Gathering(trees_max)
        while gathering.take(await self._ask(wishes.Look(which, gathering.place, pid, receipts), Sight)):
            pass
        return gathering.whole()

    async def tree(self, root: int) -> list[ProcessView]:
        """The views of the processes of one tree, with receipts."""
        return (await self.look("all", pid=root, receipts=True)).views

    async def receipt(self, pid: int) -> ReceiptView | None:
        return await self._ask(wishes.ReceiptOf(pid), ReceiptView | None)  # type: ignore[arg-type]

    async def noted(self, pid: int, after: int = 0) -> Noted:
        """Where the newest records of a tree stand in the journal; pid 0: those of all trees with records after a position."""
        return await self._ask(wishes.NotedOf(pid, after), Noted)

    async def providers(self) -> list[ProviderView]:
        return await self._ask(wishes.Providers(), list[ProviderView])

    async def tasks(self, pid: int | None = None) -> list[TaskView]:
        return await self._ask(wishes.Tasks(pid), list[TaskView])

    async def asks(self) -> list[Asked]:
        """All open asks. They come in portions."""
        found: list[Asked] = []
        while portion := await self._ask(wishes.Asks(found[-1].ask if found else 0), list[Asked]):
            found += portion
        return found

    async def waits_for_person(self, roots: tuple[int, ...]) -> bool:
        return await self._ask(wishes.Waits(roots), bool)

    async def watch(self, watcher: Callable[[Note], None]) -> None:
        """Call ``watcher`` with every note from now on."""
        self._watchers.append(watcher)
        await self._ask(wishes.Watch(), None)

    async def _ask(self, wanted: Wanted, kind: type[T] | None) -> T:
        if self.gone:
            raise Gone("the machine has stopped")
        self._numbers += 1
        number = self._numbers
        line = _encode(Wish(number, wanted))
        if len(line) >= LINE_BYTES_MAX:
            raise MachineError(f"that is too long for a machine's door: {len(line)} of at most {LINE_BYTES_MAX} bytes")
        future: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._writer.write(line + b"\n")
        said = await self._patiently(future, wanted)
        if said.error:
            # What a model's name lacks is said in the same words here as there.
            raise ModelFailed("missing", said.error) if said.kind == "ModelFailed" else MachineError(said.error)
        return msgspec.json.decode(said.value, type=kind)  # type: ignore[arg-type]

    async def _patiently(self, answer: asyncio.Future[Said], wanted: Wanted) -> Said:
        """Wait for an answer; a machine that does not answer is said, and given up after a while."""
        await asyncio.wait({answer}, timeout=WORD_SECONDS)
        if not answer.done():
            _log.warning("gemot: waiting for %s", self._machine())
            await asyncio.wait({answer}, timeout=None if isinstance(wanted, LONG) else PATIENCE_SECONDS)
        if not answer.done():
            raise Gone(
                f"no answer for {WORD_SECONDS + PATIENCE_SECONDS:g} s from {self._machine()}. It may still do this when it goes on"
            )
        return answer.result()

    def _machine(self) -> str:
        """The machine in words, with its process and what is known of that."""
        return in_words(peer(self._writer.get_extra_info("socket")), self._home)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                said = _said.decode(line)
                if not said.id and not said.error:
                    note = _note.decode(said.note)
                    for watcher in list(self._watchers):
                        watcher(note)
                elif (future := self._waiting.pop(said.id, None)) is not None and not future.done():
                    future.set_result(said)
        except (OSError, ValueError, msgspec.DecodeError):
            pass  # cut off in the middle of a line: the same as gone
        finally:
            self.gone = True
            self._writer.close()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(Gone("the machine ended this connection before it answered"))
            self._waiting.clear()
