"""Events: everything that ever happens to a machine. They are written to the journal; folding them gives the machine.

``at`` is the order: milliseconds since 1970 as the machine's clock said, which never goes back. The kernel has no other clock. `Booted`
and `Ticked` tell it the time of day, as a difference: ``lead`` is by how many milliseconds the order is ahead of it.
"""

from __future__ import annotations

from typing import Any, Literal

from gemot.abi import limits
from gemot.abi.answers import Change, Entry
from gemot.abi.grants import Budget, Grant, Mount
from gemot.abi.labels import Label
from gemot.abi.memories import Memory
from gemot.abi.messages import Image, Reply, Usage
from gemot.abi.programs import ProgramSpec
from gemot.abi.reviews import TRIES, Check
from gemot.abi.rules import RULES as RULES
from gemot.abi.strict import Struct
from gemot.abi.syscalls import Accept, Add, Claim, Complete, Reorder, Syscall
from gemot.abi.tasks import Drop, Reopen
from gemot.abi.tools import Manifest


class Booted(Struct, frozen=True, gc=False, tag="booted", omit_defaults=True):
    """The machine was started: whatever was at work outside the kernel is gone. Every tree sleeps until `Resumed`.
    ``rules``: those that decide all that follows, see :mod:`gemot.abi.rules`."""

    at: int
    version: str = ""
    rules: int = 0
    lead: int | None = None
    """By how much the order is ahead of the time of day, where that has changed."""


class Installed(Struct, frozen=True, gc=False, tag="installed", omit_defaults=True):
    """The drivers and programs that exist from now on; what is not listed does not exist."""

    at: int
    manifests: tuple[Manifest, ...]
    programs: tuple[ProgramSpec, ...]


class Arrived(Struct, frozen=True, gc=False, tag="arrived", omit_defaults=True):
    """A person gave a goal: the first process of a new tree, with the rights and means they gave it. ``route``: models of it
    in the order in which it goes on when one fails or is not good enough. ``priority``: its tree's share where model calls
    queue. ``images``: what its model is shown beside the goal."""

    at: int
    goal: str
    program: str
    models: tuple[str, ...]
    mounts: tuple[Mount, ...] = ()
    budget: Budget = Budget()
    grants: tuple[Grant, ...] | None = None
    arguments: dict[str, Any] = {}
    name: str = ""
    policy: tuple[Grant, ...] = ()
    review: tuple[Check, ...] = ()
    tries: int = TRIES
    route: tuple[str, ...] = ()
    priority: int = limits.PRIORITY
    images: tuple[Image, ...] = ()


class Cost(Struct, frozen=True, gc=False, omit_defaults=True):
    """What something cost, or at most will cost."""

    tokens: int = 0
    usd_micros: int = 0
    millis: int = 0


class Due(Struct, frozen=True, gc=False, omit_defaults=True):
    """When an alarm rings next, as the machine's calendar says: the kernel has none, and a replay must not need the same one.

    ``at``: milliseconds since 1970; 0: never again. ``text``: the same as a clock in ``zone`` shows it. Of an alarm that is
    due: ``since`` when; ``came``: how many firings there were from then to now (of times of a calendar at most ``limits.MISSED_COUNTED_MAX``);
    ``last``: the latest of them. None (0) of an alarm that is only set again. ``error``: why it can't be said when it is due.
    """

    at: int = 0
    text: str = ""
    zone: str = ""
    since: int = 0
    came: int = 0
    last: int = 0
    error: str = ""
    passing: bool = False
    """It counts time that passes, as an interval does, so ``at``, ``since`` and ``last`` are by the order, not by the time of day."""


class Trapped(Struct, frozen=True, gc=False, tag="trapped", omit_defaults=True):
    """A program made a syscall. For `generate` more is set: ``estimate``, the input's tokens and the price of one call;
    ``prices``, of one call to each of the models that its route has for later, where that is known; ``window``, the tokens that
    the model takes in and says together (0: nobody knows). ``due``: for an `alarm` at
    a time of day or a date. ``values``: for a `call` and an `endorse`, by handle, the texts that it refers to and that the
    kernel does not hold. The journal has each once, under its digest, so they are not written with the event."""

    at: int
    pid: int
    syscall: Syscall
    estimate: Cost | None = None
    prices: dict[str, int] = {}
    due: Due | None = None
    window: int = 0
    values: dict[int, str] = {}


class Wrote(Struct, frozen=True, gc=False, omit_defaults=True):
    """What became of files where they are, on no copy, while a tool was used. ``changes``, ``more`` and ``unknown`` as in
    :class:`gemot.abi.answers.Receipt`; ``diff``: the digest of the text of it, of what is known."""

    changes: tuple[Change, ...] = ()
    more: int = 0
    diff: str = ""
    unknown: str = ""


class Value(Struct, frozen=True, gc=False, tag="value", omit_defaults=True):
    """A tool's result. Large ones are in the blob store: then ``text`` is their beginning and ``digest`` names them. One that
    was wanted whole is there in any case; ``document`` is all of its text, where ``text`` is not and it is not too long.
    ``images``: what it shows beside that; ``wrote``: what became of files meanwhile."""

    text: str
    digest: str = ""
    size_chars: int = 0
    label: Label = Label()
    document: str = ""
    images: tuple[Image, ...] = ()
    wrote: Wrote | None = None


class Failure(Struct, frozen=True, gc=False, tag="failure", omit_defaults=True):
    """A model or tool could not do it. ``rule`` as in :class:`gemot.abi.answers.Error`, or ``given_up``: the machine stopped
    it, so nobody knows how far it came. ``wrote``: what became of files meanwhile, where somebody has looked."""

    rule: str
    message: str
    wrote: Wrote | None = None
    label: Label = Label()
    """Where the words come from, as far as the driver knows: a failure may name files of an untrusted mount."""
    usage: Usage | None = None
    """What a model's call used although it failed, with the attempts before it. It is booked."""


class Replied(Struct, frozen=True, gc=False, tag="replied", omit_defaults=True):
    """A model's whole reply."""

    reply: Reply
    failed: Usage | None = None
    """What the attempts before it used that gave no reply. It is booked beside the reply's own usage, in which it is not counted."""


class Compared(Struct, frozen=True, gc=False, tag="compared", omit_defaults=True):
    """What is otherwise in the copies of a process; the fields as in :class:`gemot.abi.answers.Receipt`. ``text``: the beginning
    of the diff."""

    changes: tuple[Change, ...] = ()
    more: int = 0
    diff: str = ""
    text: str = ""


class Kept(Struct, frozen=True, gc=False, tag="kept"):
    """A memory is kept, under this number; or was already, by an earlier try."""

    memory: int


class Found(Struct, frozen=True, gc=False, tag="found"):
    """The memories that were looked for, best first."""

    memories: tuple[Memory, ...]


Result = Value | Failure | Replied | Compared | Kept | Found
"""What came of a piece of work."""


class Done(Struct, frozen=True, gc=False, tag="done", omit_defaults=True):
    """What the machine was told to do has ended. ``millis`` is how long it took."""

    at: int
    effect: int
    outcome: Result
    millis: int = 0
    provider: str = ""
    """Of a model's call that used something and gave no reply: the provider. Its process may have another model by now."""


class Waiting(Struct, frozen=True, gc=False, tag="waiting", omit_defaults=True):
    """A model's provider has failed as often as the quick attempts allow. The question is put again later, and its process waits
    for that. Each later attempt that fails is told the same way."""

    at: int
    effect: int
    """The number of the question."""
    why: str
    """What the last attempt met with."""
    attempts: int
    """How many attempts have failed so far."""
    until: int
    """When the next one is made, by the order of events (milliseconds since 1970)."""
    usage: Usage | None = None
    """What the attempts used that are not booked yet."""
    provider: str = ""
    """Which provider that is paid to."""


class Ticked(Struct, frozen=True, gc=False, tag="ticked", omit_defaults=True):
    """It is later now; something was to happen by this time. ``rings``: of each recurring alarm that is due its pid, its number
    and when it is due next."""

    at: int
    rings: tuple[tuple[int, int, Due], ...] = ()
    lead: int | None = None
    """By how much the order is ahead of the time of day, where that has changed."""


class Said(Struct, frozen=True, gc=False, tag="said", omit_defaults=True):
    """A person sent a process a message: a new goal, a suggestion, a correction; perhaps with ``images``."""

    at: int
    pid: int
    text: str
    images: tuple[Image, ...] = ()


class Answered(Struct, frozen=True, gc=False, tag="answered", omit_defaults=True):
    """A person answered an ask. ``scope``: this once, or every such action of the process or of its whole subtree."""

    at: int
    ask: int
    allow: bool = True
    text: str = ""
    scope: Literal["once", "process", "subtree"] = "once"


BoardMove = Add | Claim | Complete | Accept | Reorder | Reopen | Drop
"""What a person may do with a board: what processes may, and two moves of their own."""


class Worked(Struct, frozen=True, gc=False, tag="worked", omit_defaults=True):
    """A person made a move on the board of the tree whose first process is ``root``."""

    at: int
    root: int
    move: BoardMove


class Stopped(Struct, frozen=True, gc=False, tag="stopped", omit_defaults=True):
    """A person ended a process and its descendants."""

    at: int
    pid: int
    reason: str = ""


class Revoked(Struct, frozen=True, tag="revoked", omit_defaults=True):
    """A person took a right from a process and its descendants. ``tool`` as in :class:`gemot.abi.grants.Grant`."""

    at: int
    pid: int
    tool: str


class Retracted(Struct, frozen=True, gc=False, tag="retracted", omit_defaults=True):
    """A person took back all that a process said; with ``entry`` that answer, and all that the process said since it had it."""

    at: int
    pid: int
    reason: str
    entry: Entry | None = None


class Rewound(Struct, frozen=True, tag="rewound", omit_defaults=True):
    """A person put a process back to where it had had its answer ``entry``, at ``moment`` (see `gemot.abi.answers.Use`), and tells it
    ``text``. ``program``: of a conversation, what it was then; ``label``: of what it had read then."""

    at: int
    pid: int
    entry: int
    moment: int
    label: Label
    program: bytes = b""
    text: str = ""
    stays: tuple[str, ...] = ()
    """What was done to the world after that moment, a line each: no rewinding undoes it, and a conversation is told so."""


class Moved(Struct, frozen=True, gc=False, tag="moved", omit_defaults=True):
    """A person moved a process to another model."""

    at: int
    pid: int
    model: str


class Copied(Struct, frozen=True, gc=False, tag="copied", omit_defaults=True):
    """A person forked a process: a new tree whose first process shares the log of ``pid`` so far, with its rights,
    the person's ``text`` and a ``budget`` of its own."""

    at: int
    pid: int
    text: str
    budget: Budget = Budget()


class Faulted(Struct, frozen=True, gc=False, tag="faulted", omit_defaults=True):
    """A program broke a rule (it raised, or diverged from its log): it dies, its parent learns."""

    at: int
    pid: int
    message: str


class Resumed(Struct, frozen=True, gc=False, tag="resumed", omit_defaults=True):
    """A person (or the machine for them) lets a sleeping tree go on. ``root`` is its first process; 0: all trees."""

    at: int
    root: int


class Paused(Struct, frozen=True, gc=False, tag="paused", omit_defaults=True):
    """A person lets a tree sleep: nothing new is started for it until `Resumed`."""

    at: int
    root: int


class Adopted(Struct, frozen=True, gc=False, tag="adopted", omit_defaults=True):
    """A person brings in a tree from another machine; it sleeps. ``tree`` and ``programs``: as `gemot export` wrote them.
    ``decided_here``: nothing in them counts as decided (not so in journals that 0.1.0 wrote). ``values``: by process and handle,
    the texts that pending syscalls refer to; as in `Trapped`, they are not written with the event."""

    at: int
    tree: bytes
    programs: bytes
    decided_here: bool = False
    values: dict[int, dict[int, str]] = {}


class Blank(Struct, frozen=True, tag="blank", omit_defaults=True):
    """Something of a tree that was taken out of the journal since, and what of the machine as a whole was known by then."""

    at: int
    numbers: tuple[int, int, int]
    """The last number, pid and ask that the kernel had given."""
    moment: int = 0
    """How many events were handled. 0: an earlier version wrote this, which did not say; then the fields below say nothing."""
    boots: int = 0
    """How often the machine had been started."""
    rules: int = 0
    """The rules that decide what follows."""
    bills: dict[str, tuple[int, int]] = {}
    """As `Kernel.bills`."""


class Condensed(Struct, frozen=True, tag="condensed", omit_defaults=True):
    """A living tree as it was at this position. Its earlier records were taken out of the journal, and the ended processes that
    they told of."""

    at: int
    known: Blank
    """What of the machine as a whole was known by then."""
    root: int
    tree: bytes
    """Its tables, as a checkpoint keeps them."""
    programs: bytes
    """The programs of its processes, as a checkpoint keeps them."""
    schema: int
    """The number of the shape of both."""


class Salvaged(Struct, frozen=True, gc=False, tag="salvaged", omit_defaults=True):
    """The journal was damaged, and a person had it salvaged. All that is known from before is here and in the `Restored` that follow;
    the records before are evidence, and are not folded."""

    at: int
    kernel: bytes
    """What is known apart from the trees, as a checkpoint keeps it."""
    schema: int
    """The number of the shape of what is kept here and in the `Restored`."""
    rules: int
    """The rules that decided the last record that was folded."""
    folded: int
    """The position of that record. What was begun after it is in doubt."""
    lost: tuple[tuple[int, int], ...] = ()
    """Stretches of positions of records that can't be had any more."""


class Restored(Struct, frozen=True, gc=False, tag="restored", omit_defaults=True):
    """One tree, as it was known when the journal was salvaged."""

    at: int
    root: int
    tree: bytes
    """Its tables."""
    programs: bytes
    """The programs of its processes."""


Event = (
    Booted | Installed | Arrived | Trapped | Done | Ticked | Said | Answered | Worked | Stopped | Revoked | Retracted | Rewound
    | Moved | Copied | Faulted | Waiting | Resumed | Paused | Adopted | Blank | Condensed | Salvaged | Restored
)  # fmt: skip
