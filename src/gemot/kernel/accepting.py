"""Accepting: who may say that a task is done.

The right to accept is a grant; beyond it, nobody judges work that they had a part in:

- not who did it;
- nobody below who did it, for they were told what to do by who did it: a fork, a child, its child;
- nobody above who did it, for they told it what to do, and nobody who shares a context with it by forks, for they know what
  it knew; except who put the task there: those who hand out work may judge what they get.

In the place of an author that has ended stands the nearest of its ancestors that lives. A person may accept anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemot.authority.refusal import Refused
from gemot.board.table import THE_PERSON, Item
from gemot.kernel.process import Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def must_have_had_no_part(kernel: Kernel, item: Item, judge: Process) -> None:
    """See the head of this file. Raises :class:`Refused`."""
    number, doer = item.number, item.owner
    if doer == judge.pid:
        raise Refused(
            "grant",
            f"task {number} was done by this process, and nobody accepts their own work: its author judges it, or anybody who had no part in it",
        )
    if not doer:
        return
    if doer in _line(kernel, judge.pid):
        raise Refused(
            "grant",
            f"task {number} was done by {doer}, which this process comes from: who did it gave it its orders. Its author, "
            "or anybody who had no part in it, judges it",
        )
    answers = author(kernel, item)
    if answers == judge.pid:
        return
    above, shared = judge.pid in _line(kernel, doer), _context(kernel, doer) == _context(kernel, judge.pid)
    if above or shared:
        why = "started by this process" if above else "done by a fork that knew what this process knows"
        who = f"{answers}, which put it there," if answers else "the person, who put it there,"
        raise Refused("grant", f"task {number} was {why}: {who} or anybody who had no part in it, judges it")


def _line(kernel: Kernel, pid: int) -> list[int]:
    """A process, its parent, and so on up to the first of its tree."""
    line: list[int] = []
    while pid:
        line.append(pid)
        pid = kernel.processes[pid].parent
    return line


def _context(kernel: Kernel, pid: int) -> int:
    """The process whose context this one has, by forks of forks."""
    process = kernel.processes[pid]
    while process.forked:
        process = kernel.processes[process.parent]
    return process.pid


def author(kernel: Kernel, item: Item) -> int:
    """Who answers for a task: who put it there, or the nearest of its ancestors that lives (0: the person)."""
    if item.author == THE_PERSON:
        return THE_PERSON
    return next((pid for pid in _line(kernel, item.author) if kernel.processes[pid].alive), THE_PERSON)
