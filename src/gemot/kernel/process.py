"""The process table: what the kernel knows of one conversation. Never its words: those are in the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from gemot.abi import limits
from gemot.abi.answers import Change, Mail, Outcome, Returned, Room, State, Use
from gemot.abi.effects import Asked
from gemot.abi.events import Due
from gemot.abi.grants import Grant, Mount
from gemot.abi.labels import Handle, Label
from gemot.abi.programs import ProgramSpec
from gemot.abi.reviews import Check
from gemot.abi.syscalls import Syscall
from gemot.authority.documents import Document
from gemot.authority.ledger import Means


class Filled(Struct, frozen=True):
    """A place in the arguments of a tool use (names and indices), and the digest of the text that belongs there."""

    place: tuple[str | int, ...]
    digest: str


class Outage(Struct, frozen=True):
    """Why a model's call waits for its provider."""

    why: str
    """What the last attempt met with."""
    attempts: int
    """How many attempts have failed."""
    until: int
    """When the next one is made, by the order of events (milliseconds since 1970)."""
    since: int
    """When the quick attempts were used up, by the order of events (milliseconds since 1970)."""


@dataclass(slots=True)
class Work:
    """One thing that a pending syscall needs from outside: a model call, a tool use, a read, a memory, or a person's word.

    ``asking``: a person must answer first. ``held``: allowed, and waits for what comes before it in its batch. ``ready``: to be
    started when its tree is awake. ``started``: the machine was told.
    ``interrupted``: the machine stopped since; nobody knows how far it came. ``grant`` is the index of the grant that
    allowed it, so that its use is counted when it starts. ``arguments``: of a tool use
    with references, what they stood for when it was checked; ``filled``: of one that an earlier version of gemot checked,
    the places where it had only the beginning of a value; such a use is not started.
    ``label``: of what it uses; ``sealed``: its result is not to be
    read here; ``why``: the rule that a person may let it break, this once; ``only``: the paths that a check is confined to.
    ``key``: of what is done to a memory, the same when it is tried again.
    ``prices``: of a model call, what one may cost (millionths of a dollar) with the models that come later on the route;
    ``room``: how much of its window it takes.
    """

    effect: int
    index: int
    state: Literal["asking", "held", "ready", "started", "interrupted", "done"]
    kind: Literal["model", "tool", "read", "question", "check", "compare", "memory"]
    repeatable: bool = True
    ask: int = 0
    millis_max: int = 0
    tokens_out_max: int = 0
    grant: int = -1
    result: Returned | None = None
    arguments: dict[str, Any] | None = None
    filled: tuple[Filled, ...] = ()
    label: Label = field(default_factory=Label)
    sealed: bool = False
    why: str = ""
    only: tuple[str, ...] = ()
    key: str = ""
    prices: dict[str, int] = field(default_factory=dict[str, int])
    room: Room | None = None
    once: tuple[str, ...] = ()
    """Of a use under a grant that allows each value once: the keys of those that it is the first to use."""
    again: bool = False
    """The machine stopped during a try before this one, which may have had its effect."""
    outage: Outage | None = None
    """Of a model's call: why it waits for its provider. It stays until the question is put anew, so also while the tree sleeps."""


@dataclass(slots=True)
class Review:
    """The gate before a process's result. ``brief``, ``program``, ``arguments``: what it was begun with, whatever it has become
    since; ``tries``: how often it may still be rejected;
    ``label``: of whoever wrote the review. ``grants``: of a first process whose review no person wrote, the rights that its
    checks are made by. ``at``: the check that is being made; ``judges``: who is at work on it;
    ``verdicts``: of those who have ended, whether they came to the same."""

    checks: tuple[Check, ...]
    tries: int
    brief: str
    program: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    label: Label = field(default_factory=Label)
    grants: list[Grant] = field(default_factory=list[Grant])
    at: int = 0
    judges: list[int] = field(default_factory=list[int])
    verdicts: list[bool] = field(default_factory=list[bool])


@dataclass(slots=True)
class SetAlarm:
    """An alarm that is set, and next rings ``at`` (milliseconds since 1970), which in ``zone`` is ``text``. ``every``: it is set
    again when it rings. ``skipped``: how many of its firings were missed since, and are to be told with the next ring;
    ``set_at``: the moment at which it was set; ``label``: of the note."""

    at: int
    note: str = ""
    every: str = ""
    zone: str = ""
    text: str = ""
    missed: Literal["once", "skip", "all"] = "once"
    skipped: int = 0
    set_at: int = 0
    label: Label = field(default_factory=Label)
    passing: bool = False
    """It counts time that passes: ``at`` is by the order of events, not by the time of day."""
    rang: int = 0
    """The last of its firings that was taken in."""

    @property
    def dated(self) -> bool:
        """Whether it goes by the time of day."""
        return bool(self.zone) and not self.passing

    def set_to(self, due: Due) -> None:
        self.at, self.zone, self.text, self.passing = due.at, due.zone, due.text, due.passing


@dataclass(slots=True)
class Progress:
    """What a process said of how far it is, when, and what that is to be trusted for."""

    text: str
    at: int
    label: Label
    moment: int = 0


class Changed(NamedTuple):
    """What a process left otherwise in its copies, as in :class:`gemot.abi.answers.Receipt`, and the beginning of its text.
    ``label``: of what may stand there, and so of each word of this."""

    changes: tuple[Change, ...] = ()
    more: int = 0
    diff: str = ""
    text: str = ""
    unknown: str = ""
    label: Label = Label()


@dataclass(slots=True)
class Written:
    """What tools wrote where it is, by path; ``more``: how often elsewhere; ``label``: of what is written there."""

    changes: dict[str, Change] = field(default_factory=dict[str, Change])
    more: int = 0
    diffs: list[str] = field(default_factory=list[str])
    unknown: str = ""
    label: Label = field(default_factory=Label)


@dataclass(slots=True)
class Habit:
    """What a process requested lately, see :mod:`gemot.kernel.loops`."""

    recent: bytes = b""
    """The prints of the last outcomes, the newest at the end."""
    turn: bytes = b""
    """The prints of the turn under way."""
    words: bytes = b""
    """The print of the reply that began the turn, ids and white space left out."""
    open: bool = False
    """A reply has begun a turn that is not looked at yet."""
    fresh: bool = False
    """Something in this turn was new."""
    outcomes: int = 0
    """How many syscalls of this turn were answered."""
    repeats: int = 0
    """How many turns in a row nothing was new."""
    stage: int = 0
    """1: the process was told of this row; 2: its parent or person was, too."""
    asked: bytes = b""
    """Of a native program: the prints of the requests of this row, without what came of them."""
    named: tuple[str, ...] = ()
    """The requests of this turn, in one line each."""
    shown: tuple[str, ...] = ()
    """The requests of this row, in one line each."""
    changed_at: int = 0
    """The moment at which the process, or its parent or person, was told."""
    answered_at: int = 0
    """When its last syscall was answered (milliseconds since 1970)."""


class Heard(NamedTuple):
    """Words of another process that one was told by its answer ``entry``; they were ``said`` at that moment. ``moment``: from then on
    what it says may rest on them (0: its model was not asked since, so nothing does)."""

    moment: int
    source: int
    entry: int
    said: int


@dataclass(slots=True)
class Process:
    """``parent`` is 0 for the first process of a tree. ``syscall`` is the pending one: a live process always has one
    while no program is deciding. ``uncollected``: ended children whose result was not waited for yet. ``tokens_cached``: of
    the tokens in ``spent``, those that a model had not to compute anew. ``confirmed``: tools that a person need not confirm
    again here; ``confirmed_below``: nor in descendants. ``last_rule``: why the last thing it wanted was refused, if it was.
    ``plan``: the steps that it has put to a person; ``mandate``: the grants of the plan that binds it and all below it (None: it
    made none); ``came_from``: see :mod:`gemot.kernel.rights`; ``named``: the label of its name. Of a tree's first process: ``policy``, what the person endorses in
    advance in all of the tree. ``waits`` counts waits, so that a
    timer of an earlier one does nothing. ``label``: of all that it has read. ``documents``: results that values can be
    selected from, by handle. ``uses``: of tools, the last ones, and how many came before. ``heard_at``: when it last made a
    syscall, or began. ``born``: the moment at which it began; ``entries``: how many answers it has had; ``heard``: whose
    words it was told; ``forked``: it began with its
    parent's context; ``stood``: its last wait ended because nothing else would have; ``written``: what
    it wrote where it is; ``whole``: its outcome as a person sees it, where its parent gets less of it; ``changed``: what its copies were like when it last exited; ``copies``: the first processes of trees
    that a person forked from it. Of a tree's first process: ``sourced``, the tools that a grant in the tree names as a source;
    ``stored``, by driver (``""``: in its files), the label of what the tree wrote with it, and so may read again.
    ``models``: the one that it uses, then the others that it may; ``route``: see :mod:`gemot.kernel.routes`."""

    pid: int
    parent: int
    root: int
    name: str
    program: ProgramSpec
    brief: str
    models: tuple[str, ...]
    mounts: tuple[Mount, ...]
    grants: list[Grant]
    left: Means
    spent: Means = field(default_factory=Means)
    tokens_cached: int = 0
    state: State = "running"
    syscall: Syscall | None = None
    work: list[Work] = field(default_factory=list[Work])
    children: list[int] = field(default_factory=list[int])
    uncollected: list[int] = field(default_factory=list[int])
    mailbox: list[Mail] = field(default_factory=list[Mail])
    alarms: dict[int, SetAlarm] = field(default_factory=dict[int, SetAlarm])
    handles: dict[int, Handle] = field(default_factory=dict[int, Handle])
    confirmed: frozenset[str] = frozenset()
    confirmed_below: frozenset[str] = frozenset()
    returns: dict[str, Any] | None = None
    exit_tries: int = 0
    waits: int = 0
    last_rule: str = ""
    plan: list[tuple[Grant, ...]] = field(default_factory=list[tuple[Grant, ...]])
    named: Label = field(default_factory=Label)
    policy: tuple[Grant, ...] = ()
    mandate: tuple[Grant, ...] | None = None
    came_from: dict[int, int] = field(default_factory=dict[int, int])
    used_once: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Of a tree's first process: by pool, the keys of the values that were used under grants that allow each once."""
    outcome: Outcome | None = None
    label: Label = field(default_factory=Label)
    documents: dict[int, Document] = field(default_factory=dict[int, Document])
    sourced: frozenset[str] = frozenset()
    stored: dict[str, Label] = field(default_factory=dict[str, Label])
    review: Review | None = None
    uses: list[Use] = field(default_factory=list[Use])
    uses_before: int = 0
    route: tuple[str, ...] = ()
    priority: int = limits.PRIORITY
    progress: Progress | None = None
    heard_at: int = 0
    born: int = 0
    entries: int = 0
    heard: list[Heard] = field(default_factory=list[Heard])
    forked: bool = False
    stood: bool = False
    changed: Changed | None = None
    written: Written | None = None
    undone: Label = field(default_factory=Label)
    """Of what it had read before a person put it back: its receipt tells what it did then."""
    copies: tuple[int, ...] = ()
    whole: Outcome | None = None
    imported: bool = False
    """It came from a file: its log and receipt up to then are what the file says."""
    habit: Habit | None = None
    """What it requested lately; None before its first syscall is answered."""
    open: frozenset[str] = frozenset()
    """The kinds of means that it draws from a purse when it is short; see :mod:`gemot.kernel.purses`."""
    part: Means | None = None
    """The equal share of its present children; None while it has none."""
    reserve: Means | None = None
    """What it keeps for its own work of what others may draw; None of a tree's first process, where the kernel knows it."""
    doubt: int = 0
    """From this record on it is not known what it did, because records are lost; 0: nothing is lost. It changes nothing
    any more: whatever it would do may have been done already."""
    rules: int = 0
    """The rules that its tree lives by, see :mod:`gemot.abi.rules`."""

    @property
    def alive(self) -> bool:
        return self.outcome is None

    def interrupt(self) -> None:
        """The machine stopped: whatever was at work is not any more, and nobody knows how far it came."""
        for work in self.work:
            if work.state == "started":
                work.state = "interrupted"

    @property
    def outage(self) -> Outage | None:
        """Why its model's call waits for the provider; None where it does not."""
        return next((work.outage for work in self.work if work.outage is not None and work.state != "done"), None)

    def unfinished(self) -> list[Work]:
        return [one for one in self.work if one.state != "done"]


@dataclass(slots=True)
class OpenAsk:
    """A question that a person has not answered, and the work that waits for it."""

    asked: Asked
    effect: int
    root: int


@dataclass(slots=True, order=True)
class Timer:
    """Something that happens by itself. ``token`` ties it to what set it: a stale timer does nothing. ``away``: something
    of the tree with the root ``pid``, which is not in memory, is due (token 1: a date). ``lease``: ``pid`` is the first process of the tree on
    whose board a task is to be open again."""

    pid: int
    kind: Literal["wait", "alarm", "deadline", "lease", "away"]
    token: int
    note: str = ""
