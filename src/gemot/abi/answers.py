"""Answers: the one result of one syscall. Three kinds, and every syscall gets exactly one of them."""

from __future__ import annotations

from typing import Any, Literal

from gemot.abi.grants import Budget
from gemot.abi.labels import Handle, Label
from gemot.abi.messages import Image
from gemot.abi.strict import Struct


class Mail(Struct, frozen=True, gc=False, omit_defaults=True):
    """A message as its receiver gets it. ``sender`` is a pid, 0 for the person, -1 for the kernel (an alarm). ``alarm``: the
    number of the one that rang; ``missed``: how many of its firings before this one were not told one by one. ``said_by``: the
    process whose words these are, also where the kernel passes them on; ``moment``: when it was sent (see :class:`Use`).
    ``images``: what the person shows with it."""

    sender: int
    text: str
    label: Label = Label()
    alarm: int = 0
    missed: int = 0
    said_by: int = 0
    moment: int = 0
    images: tuple[Image, ...] = ()


class Ok(Struct, frozen=True, gc=False, tag="ok", omit_defaults=True):
    value: Any = None
    mail: tuple[Mail, ...] = ()


class Room(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a question did not fit its model. ``window``: the tokens that the model's window holds, 0 where nobody knows;
    ``question``: the tokens that the reading and the offers were estimated at."""

    window: int = 0
    question: int = 0


class Error(Struct, frozen=True, gc=False, tag="error", omit_defaults=True):
    """What was asked, which rule refused it, and what would be allowed: ``rule`` for programs, ``message`` for readers.

    ``rule`` is one of: malformed, unknown, grant, path, mount, budget, limit, family, state, schema, refused,
    in_doubt, failed, deadline, unavailable, model (it gave no reply), steering (third parties' text would decide whom or what
    an action reaches), secret (what is to be sent away may not be learned there), review (the result was not accepted), window
    (the model can't take in so much; ``room`` says how much), loop (the same request was made again and again, with the same result),
    not_begun (its turn did not come in time, so it had no effect). Of a use that changes or sends something ``failed`` is the tool's
    own word; ``in_doubt`` and ``deadline`` say that it may have had its effect.
    """

    rule: str
    message: str
    mail: tuple[Mail, ...] = ()
    room: Room | None = None


class Cancelled(Struct, frozen=True, gc=False, tag="cancelled", omit_defaults=True):
    reason: str
    mail: tuple[Mail, ...] = ()


Answer = Ok | Error | Cancelled


class Returned(Struct, frozen=True, gc=False, omit_defaults=True):
    """The result of one tool use inside the answer to a `call`.

    ``text`` is the whole result where it is small, else empty, and ``handle`` names it; a value that may be referred to has a
    handle also when it is small, and one that is sealed has its shape for a text. ``rule`` says why not ``ok``. ``images``:
    what it shows beside the text.
    """

    tool: str
    ok: bool
    text: str = ""
    handle: Handle | None = None
    rule: str = ""
    label: Label = Label()
    images: tuple[Image, ...] = ()


State = Literal["running", "waiting", "asking", "reviewing", "done", "failed", "killed"]


class Use(Struct, frozen=True, gc=False, omit_defaults=True):
    """One use of a tool that really began, as the kernel saw it. ``shown``: all of it in words, its arguments shortened; ``exit``: the
    exit code, of what has one; ``effect`` as in :class:`gemot.abi.tools.ToolSpec`; ``moment``: how many events the kernel had handled by then."""

    tool: str
    shown: str
    ok: bool
    exit: int | None = None
    effect: str = "reads"
    moment: int = 0


class Change(Struct, frozen=True, gc=False, omit_defaults=True):
    """One path that a process left otherwise than it found it, as it sees it: its mount, then the way from there, a folder with all that is in
    it ending in a slash; of text, how many lines were ``added`` and ``removed``. ``ran``: the tool that ran when somebody
    changed it where it is; nobody has seen who, or what was there before."""

    path: str
    what: Literal["added", "changed", "removed"]
    added: int = 0
    removed: int = 0
    ran: str = ""


class Receipt(Struct, frozen=True, gc=False, omit_defaults=True):
    """The kernel's own record of what a process did. ``uses``: in their order, the last ones where there are too many; ``more``: how many
    came before. ``claims``: what the process said it did, each with the use that shows it, or nothing.

    ``changes``: the files that it left otherwise, the first ones where there are too many, and ``changes_more`` how many others: in its
    copies whatever it did that with, elsewhere by tools that say so. ``diffs``: the digests of the text of that in the
    journal. ``unknown``: why copies could not be compared. ``passed``: the checks before the result, in words."""

    uses: tuple[Use, ...] = ()
    more: int = 0
    claims: dict[str, str] = {}
    changes: tuple[Change, ...] = ()
    changes_more: int = 0
    diffs: tuple[str, ...] = ()
    unknown: str = ""
    passed: tuple[str, ...] = ()


class Outcome(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a process ended: what its parent gets from `wait`.

    ``finding``: why its review did not accept it, where the review's author lets its parent read that; ``finding_by``: the
    process that wrote it (0: the kernel, a tool or the person). ``held``: which of its words its parent does not get, though
    its result has passed.
    """

    pid: int
    name: str
    state: Literal["done", "failed", "killed"]
    value: Any = None
    error: str = ""
    rule: str = ""
    spent: Budget = Budget()
    label: Label = Label()
    receipt: Receipt = Receipt()
    finding: str = ""
    finding_by: int = 0
    held: str = ""


class Waited(Struct, frozen=True, gc=False, omit_defaults=True):
    """What `wait` answers: the children that ended, those still at work, whether the time that it named was up, and which tasks on
    the board others have changed since the waiter last looked, if it waited for that."""

    ended: tuple[Outcome, ...] = ()
    running: tuple[int, ...] = ()
    timed_out: bool = False
    tasks: tuple[int, ...] = ()


class Entry(Struct, frozen=True, gc=False, omit_defaults=True):
    """One answer that a process had, its first with the ``number`` 1, at ``moment`` (see :class:`Use`). ``part``: of a batch of uses, only the
    result in this place (-1: all of them). ``places``: the (page, part) of a conversation that hold it; ``handles``: the
    numbers of the values that came with it. ``since``: the moment from which what the process says may rest on it (0: that moment)."""

    number: int
    moment: int
    part: int = -1
    places: tuple[tuple[int, int], ...] = ()
    handles: tuple[int, ...] = ()
    since: int = 0


class Retraction(Struct, frozen=True, gc=False, omit_defaults=True):
    """What came of taking back what process ``pid`` said, or was told: who was told (their readings have a blank there), who was rewound to
    before it was told, who was ended, and what had been done to the world by those who had read it."""

    pid: int
    told: tuple[int, ...] = ()
    rewound: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    effects: tuple[str, ...] = ()


class Born(Struct, frozen=True, gc=False, omit_defaults=True):
    """What `fork` answers. To the parent: ``pid`` of the child. To the child: ``pid`` 0, and its ``brief``."""

    pid: int
    brief: str = ""
