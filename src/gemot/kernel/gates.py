"""Gates: no word of a process under review reaches anybody outside, through any channel, before its review has passed.

A process with a review is a *gate*. It and everybody below it are inside; all others are outside. Words go freely among those
inside, and from outside to inside. A channel from inside to outside is closed: the syscall is refused with words that say what
works, or what the outside sees holds only the kernel's own words.

- Messages, moves on the board of the tree and memories are refused. No check would look at them, so none can release them.
- Progress notes, and the names that those inside give their children, are left out of what `status` shows to the outside.
- The outcome of a process that did not pass has the kernel's own words. Of one that passed, the words that no check
  looked at are left out: its claims and the arguments of its tool uses, unless a reviewer or the person was shown them.
- A person sees everything: questions go to them, and the whole outcome is kept for `gemot log` and `gemot receipt`.

Files are no channel of the kernel's: what is written in a mount that others share is there. A receipt lists it. To hold files
back as well, give the child a copy (`cow`): the tools that show or merge the copy wait for the review.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gemot.abi.answers import Outcome, Receipt, Use
from gemot.abi.labels import KERNEL, Label
from gemot.abi.reviews import PersonCheck, ReviewerCheck
from gemot.authority import evidence
from gemot.authority.labels import Author, join
from gemot.authority.refusal import Refused
from gemot.kernel.process import Process, Review

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

RULE = "review"

INSTEAD = "Put it into your result instead: exit with it, and what passes the review is read. A person can be asked at any time (ask)"


def gate(kernel: Kernel, speaker: Process, reader: Process | None) -> int:
    """The process under review that ``speaker`` is inside of and ``reader`` outside of; 0 where there is none. Without a
    reader: whoever else there is, also in other trees."""
    inside: set[int] = set()
    while reader is not None:
        inside.add(reader.pid)
        reader = kernel.processes[reader.parent] if reader.parent else None
    one: Process | None = speaker
    while one is not None:
        if one.review is not None and one.pid not in inside:
            return one.pid
        one = kernel.processes[one.parent] if one.parent else None
    return 0


def must_be_open(kernel: Kernel, speaker: Process, reader: Process | None, what: str) -> None:
    """Raises :class:`Refused` where ``what`` a process says would reach a reader outside of its gate."""
    closed = gate(kernel, speaker, reader)
    if closed:
        whose = "your result is" if closed == speaker.pid else f"the result of process {closed}, which you work for, is"
        raise Refused(
            RULE, f"{what}: {whose} under review, and until that has passed no words of yours leave {closed}. {INSTEAD}"
        )


def must_reach_the_tree(kernel: Kernel, speaker: Process, what: str) -> None:
    """Raises :class:`Refused` for a move on a board that others read, by a process inside a gate."""
    must_be_open(kernel, speaker, kernel.processes[speaker.root], what)


def must_have_passed(kernel: Kernel, child: Process, tool: str) -> None:
    """Raises :class:`Refused` where a parent's ``tool`` would show or bring in files of a child whose review has not passed."""
    failed = child.outcome is not None and child.outcome.state != "done" and child.whole is not None
    if child.review is None and not failed:  # of one that has ended the review is gone, and what is held is kept
        return
    when = "wait until it has ended" if child.alive else f"a person can look at them (gemot diff {child.pid})"
    raise Refused(RULE, f"{tool}: the files of {child.pid} are held until its review has passed; {when}")


# What the outside reads of an outcome.


def told(process: Process, whole: Outcome, review: Review | None, author: Author) -> Outcome:
    """What the parent of a reviewed process reads of how it ended. ``author``: of the error in the outcome."""
    if review is None or not process.parent:  # the parent of a tree's first process is the person
        return whole
    if whole.state != "done":
        spoken = Label() if author.pid == process.pid else author.label
        return msgspec.structs.replace(
            whole,
            error=f"it failed ({whole.rule}); {_wait(process)}" if author.pid == process.pid else whole.error,
            label=whole.label if whole.finding else join(Label((KERNEL,), "model", whole.label.secrets), spoken),
            receipt=evidence.without_words(whole.receipt),
        )
    if any(isinstance(check, ReviewerCheck | PersonCheck) for check in review.checks):
        return whole
    receipt = whole.receipt
    uses = tuple(msgspec.structs.replace(use, shown=without_words(use)) for use in receipt.uses)
    words = [f"{len(receipt.claims)} claims"] if receipt.claims else []
    words += ["the arguments of its tools"] if any(use.shown != without_words(use) for use in receipt.uses) else []
    if not words:
        return whole
    held = f"no check of its review looked at {' and '.join(words)}: they were not accepted, and {_wait(process)}"
    return msgspec.structs.replace(whole, held=held, receipt=msgspec.structs.replace(receipt, uses=uses, claims={}))


def _wait(process: Process) -> str:
    return f"its words wait for a person (gemot log {process.pid}, gemot receipt {process.pid})"


def without_words(use: Use) -> str:
    """A use without a word that its process wrote."""
    return f"{use.tool}{', failed' if not use.ok else '' if use.exit is None else f', exit code {use.exit}'}"


def receipt_for_person(process: Process) -> Receipt | None:
    """The whole record of a process that has ended."""
    outcome = process.whole or process.outcome
    return None if outcome is None else outcome.receipt
