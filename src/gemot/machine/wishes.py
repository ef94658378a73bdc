"""Wishes: what can be asked of a running machine through its door, as data. One JSON object a line.

By itself, so that who asks needs nothing of what a machine is made of."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from gemot.abi.events import BoardMove
from gemot.abi.grants import DEFAULT_BUDGET, Budget, Grant, Mode, Mount
from gemot.abi.limits import PRIORITY
from gemot.abi.reviews import TRIES, Check
from gemot.machine.looking import Place, Which
from gemot.machine.retaining import Retention

LINE_BYTES_MAX = 16 << 20
"""The longest line: the longest goal, with every character escaped, with all images that it may have, and room for the rest."""

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
    """Answers what left (:class:`gemot.machine.retaining.Cleared`), or with ``trial`` what would leave: by ``rules``, or the trees of ``pids``.
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
    ``place``: where it begins, as the portion before says; none: at the newest. ``pid``: only of the tree of this process. ``receipts``: what processes did comes, too. ``most``: so many
    trees at most (0: as many as a portion has)."""

    which: Which = "living"
    place: Place | None = None
    pid: int = 0
    receipts: bool = False
    most: int = 0


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
