"""Visits: ask a running machine through its door, one wish after the other, without an event loop. For commands that only look."""

from __future__ import annotations

import logging
import os
import socket
import stat
import struct
import time
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gemot.abi.effects import Asked
from gemot.journal.holders import holder
from gemot.machine.errors import MachineError
from gemot.machine.home import Home
from gemot.machine.looking import Gathering, Sight, Which
from gemot.machine.wishes import Asks, Look, Said, Wanted, Wish

T = TypeVar("T")

WORD_SECONDS = 5.0
"""How long a machine may take to answer before that is said."""

PATIENCE_SECONDS = 60.0
"""How long it is waited for after that."""

KNOCK_SECONDS = 0.05
"""How long after a knock at a full door the next one is tried."""

_log = logging.getLogger("gemot.machine")


def peer(connection: socket.socket | None) -> int:
    """The process at the other end; 0 where the system does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if connection is None or option is None:
        return 0
    try:
        return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, 12))[0]
    except (OSError, struct.error):
        return 0


def in_words(pid: int, home: Home | None) -> str:
    """The machine with its process (0: not known), and why it does not answer, as far as that is known."""
    if not pid:
        return "the machine, which does not answer"
    try:
        stopped = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except (OSError, IndexError):
        stopped = False
    if stopped:
        return f"the machine (process {pid}), which is stopped: kill -CONT {pid} lets it go on"
    other = holder(home.journal, pid) if home is not None else ""
    if other:
        return f"the machine (process {pid}), which waits for the lock of its journal, held by {other}"
    return f"the machine (process {pid}), which is busy or waits for its disk"


def connect(path: Path, home: Home | None = None) -> Visit | None:
    """``None``: no machine of this person answers at this door. Raises :class:`MachineError` where a machine takes nobody in."""
    try:
        facts = path.lstat()
        if not stat.S_ISSOCK(facts.st_mode) or facts.st_uid != os.geteuid():
            return None  # nobody's word but this person's own machine is taken
        return Visit(_knock(path, home), home)
    except OSError:
        return None


def _knock(path: Path, home: Home | None) -> socket.socket:
    """A connection to the door. A machine that stands still takes nobody in, and so many may wait: then its door is full. Raises
    OSError, :class:`MachineError`."""
    knocking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        knocking.setblocking(False)
        begun, said = time.monotonic(), False
        while True:
            try:
                knocking.connect(str(path))
                knocking.settimeout(WORD_SECONDS)
                return knocking
            except BlockingIOError:
                waited = time.monotonic() - begun
            words = in_words((home.runs() or 0) if home is not None else 0, home)
            if waited > WORD_SECONDS + PATIENCE_SECONDS:
                raise MachineError(full(words, waited))
            if waited > WORD_SECONDS and not said:
                _log.warning("gemot: waiting for %s", words)
                said = True
            time.sleep(KNOCK_SECONDS)
    except BaseException:
        knocking.close()
        raise


def full(words: str, waited: float) -> str:
    """What is said where the door of a machine stays full."""
    return f"{words}: for {waited:.0f} s it has taken in nobody, and others wait at its door. Nothing was asked of it"


class Visit:
    """One connection."""

    def __init__(self, connection: socket.socket, home: Home | None = None) -> None:
        self._connection, self._home = connection, home
        self._lines = connection.makefile("rb")
        self._number = 0

    def ask(self, wanted: Wanted, kind: Any) -> Any:
        """The answer, as ``kind``. Raises :class:`MachineError`."""
        self._number += 1
        line = msgspec.json.encode(Wish(self._number, wanted)) + b"\n"
        try:
            self._connection.sendall(line)
            said = msgspec.json.decode(self._line(), type=Said)
        except TimeoutError as error:
            waited = f"{WORD_SECONDS + PATIENCE_SECONDS:g} s"
            raise MachineError(f"no answer for {waited} from {in_words(peer(self._connection), self._home)}") from error
        except (OSError, msgspec.DecodeError) as error:
            raise MachineError("the machine stopped before it answered") from error
        if said.error:
            raise MachineError(said.error)
        return msgspec.json.decode(said.value, type=kind)

    def _line(self) -> bytes:
        try:
            self._connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            _log.warning("gemot: waiting for %s", in_words(peer(self._connection), self._home))
            self._connection.settimeout(PATIENCE_SECONDS)
            self._connection.recv(1, socket.MSG_PEEK)
        line = self._lines.readline()
        self._connection.settimeout(WORD_SECONDS)
        return line

    def look(self, which: Which, pid: int, trees_max: int, before: int = 0) -> Sight:
        """The views of the newest ``trees_max`` trees (0: of all) before a tree, or of the tree of ``pid``. They come in portions."""
        gathering = Gathering(trees_max, before)
        while gathering.take(self.ask(Look(which, gathering.place, pid, most=trees_max), Sight)):
            pass
        return gathering.whole()

    def asks(self) -> list[Asked]:
        """All open asks. They come in portions."""
        found: list[Asked] = []
        while portion := self.ask(Asks(found[-1].ask if found else 0), list[Asked]):
            found += portion
        return found

    def close(self) -> None:
        self._lines.close()
        self._connection.close()
