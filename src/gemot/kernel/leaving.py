"""What leaves the tables for good: trees that have ended, and ended processes of a tree that goes on (decision 63).

In the journal a blank stands for records that were taken out. It says what of the machine as a whole was known by then, so what follows
folds as before. For a living tree its state stands in the place of its earlier records.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import msgspec

from gemot.abi.effects import Adopt, Decide
from gemot.abi.events import Blank, Condensed
from gemot.kernel import freezing

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def known(kernel: Kernel) -> Blank:
    """What of the machine as a whole is known now, beside tools, programs and trees."""
    return Blank(kernel.now, kernel.numbers[:3], kernel.moment, kernel.boots, kernel.rules, dict(kernel.bills))


def pass_over(kernel: Kernel, blank: Blank) -> None:
    """Go on after records that were taken out."""
    kernel.numbers = (*blank.numbers, kernel.numbers[3])
    if blank.moment:
        kernel.moment, kernel.boots, kernel.rules = blank.moment, blank.boots, blank.rules
        kernel.bills = dict(blank.bills)


def stand_in(kernel: Kernel, event: Condensed) -> None:
    """A living tree begins with the state that it had here. A process that had been answered decides again."""
    pass_over(kernel, event.known)
    assert kernel.processes.held(event.root) is None, "the tree is there already"
    tree = msgspec.msgpack.decode(event.tree, type=freezing.FrozenTree)
    freezing.thaw_tree(tree, kernel)
    kernel.changed.add(event.root)
    kernel.emit(Adopt(event.root, event.programs))
    for process in tree.processes:
        if process.alive and process.syscall is None:
            kernel.emit(Decide(process.pid))


def forget(kernel: Kernel, pids: Iterable[int]) -> None:
    """Take ended processes out of the tables."""
    gone = set(pids)
    for pid in gone:
        process = kernel.processes.pop(pid)
        kernel.awaited.pop(pid, None)
        kernel.witnesses.pop(process.root, None)
        if pid == process.root:
            for table in (kernel.trees, kernel.boards, kernel.overdrawn, kernel.given, kernel.late):
                table.pop(pid, None)
        elif process.root in kernel.trees:
            kernel.trees[process.root].remove(pid)
    kernel.working = {effect: pid for effect, pid in kernel.working.items() if pid not in gone}
    kernel.timers = [entry for entry in kernel.timers if entry[2].kind == "away" or entry[2].pid not in gone]
    heapq.heapify(kernel.timers)
    for root, entries in kernel.late.items():
        kernel.late[root] = [entry for entry in entries if entry[2].pid not in gone]


def leave(kernel: Kernel, root: int, pids: Collection[int]) -> None:
    """These ended processes leave a tree that goes on, and is in memory."""
    forget(kernel, pids)
    for process in kernel.tree(root):
        process.heard = [heard for heard in process.heard if heard.source not in pids]
    kernel.changed.add(root)
