"""The laws of boards, from books of their own: who has which task until when, who did it, what it came after, who has seen what.

The books are kept from what was asked and what was answered; the kernel's tables are compared with them after every event.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from checkers import LawBroken

from gemot.abi.answers import Ok, Waited
from gemot.abi.effects import Begin, BeginFork, Deliver, Effect
from gemot.abi.events import Event, Ticked, Trapped, Worked
from gemot.abi.syscalls import Accept, Add, Claim, Complete, ListTasks, Spawn, Syscall, Wait
from gemot.board.table import Item
from gemot.kernel import Kernel

LEASE_SECONDS = 1_800
NEXT = {
    "": {"open"},
    "open": {"claimed", "completed", "dropped"},
    "claimed": {"open", "completed", "dropped"},
    "completed": {"accepted", "open", "stuck", "dropped"},
    "stuck": {"open", "completed", "dropped"},
    "dropped": {"open"},
    "accepted": set[str](),
}
"""State -> those that may follow it."""

TAKEN_BACK = {
    "": set[str](),
    "dropped": set[str](),
    "stuck": {"dropped"},
    "open": {"dropped"},
    "claimed": {"open", "dropped"},
}
TAKEN_BACK |= {"completed": {"open", "dropped"}, "accepted": {"open", "dropped", "completed", "accepted"}}
"""The same when words are taken back: an accepted task is so no more if its result, its text or the judgement is gone."""


@dataclass
class Tree:
    """What is known of one board. ``members``: the processes of its tree; ``shown``: each task as it was last seen; ``until``:
    when whoever was told that a task is theirs loses it (0: never); ``unseen``: by pid, what others changed since it looked."""

    members: list[int] = field(default_factory=list[int])
    shown: dict[int, tuple[Any, ...]] = field(default_factory=dict[int, tuple[Any, ...]])
    authors: dict[int, int] = field(default_factory=dict[int, int])
    owner: dict[int, int] = field(default_factory=dict[int, int])
    until: dict[int, int] = field(default_factory=dict[int, int])
    done_by: dict[int, int] = field(default_factory=dict[int, int])
    unseen: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict[int, set[int]](set))


class Boards:
    """``parents``: by pid; ``forks``: those that began with their parent's context and have not left it since."""

    def __init__(self) -> None:
        self.trees: defaultdict[int, Tree] = defaultdict(Tree)
        self.parents: dict[int, int] = {}
        self.forks: set[int] = set()

    # What happened.

    def note(
        self, kernel: Kernel, event: Event, effects: list[Effect], wants: dict[int, Syscall], taken: bool = False
    ) -> None:
        """``wants``: what each process had asked for when this happened; ``taken``: something was taken back."""
        mover = event.pid if isinstance(event, Trapped) else -1
        for effect in effects:
            match effect:
                case Begin(pid) | BeginFork(pid):
                    self._born(kernel, pid, isinstance(effect, BeginFork))
                case _:
                    pass
        self._compare(kernel, mover, taken)
        for effect in effects:
            if isinstance(effect, Deliver) and isinstance(effect.answer, Ok) and effect.pid in wants:
                process = kernel.processes[effect.pid]
                self._answered(kernel, self.trees[process.root], effect.pid, wants[effect.pid], effect.answer.value)
        if isinstance(event, Worked) and event.root in kernel.boards:
            self._person(kernel, event.root, event.move)
        self._settle(kernel, event, taken)

    def _born(self, kernel: Kernel, pid: int, forked: bool) -> None:
        process = kernel.processes[pid]
        if pid in self.parents:
            self.forks.discard(pid)  # exec: it knows nothing any more
            return
        self.parents[pid] = process.parent
        self.trees[process.root].members.append(pid)
        if forked and process.parent:
            self.forks.add(pid)

    # Tables against what they were before.

    def _compare(self, kernel: Kernel, mover: int, taken: bool) -> None:
        """A board changes by the steps that there are; whoever did not make a change has not seen it."""
        for root, board in kernel.boards.items():
            tree = self.trees[root]
            for number, item in board.items.items():
                shown, before = _shown(item), tree.shown.get(number)
                if shown != before:
                    self._changed(tree, item, before, shown, TAKEN_BACK if taken else NEXT)
                    for pid in tree.members:
                        if pid != mover:
                            tree.unseen[pid].add(number)
                    tree.shown[number] = shown

    def _changed(
        self, tree: Tree, item: Item, before: tuple[Any, ...] | None, after: tuple[Any, ...], steps: dict[str, set[str]]
    ) -> None:
        was = before[0] if before is not None else ""
        if was == "accepted" and not steps[was]:
            raise LawBroken(f"board: task {item.number} was accepted and has changed: {before} -> {after}")
        if was != item.state and item.state not in steps[was]:
            raise LawBroken(f"board: task {item.number} went from {was or 'nothing'} to {item.state}")
        if was == item.state == "claimed" and before is not None and before[1] != item.owner:
            raise LawBroken(f"board: one owner: task {item.number} went from {before[1]} to {item.owner}")

    # What was answered.

    def _answered(self, kernel: Kernel, tree: Tree, pid: int, syscall: Syscall, value: Any) -> None:
        root = kernel.processes[pid].root
        match syscall:
            case Add(tasks):
                tree.authors.update({number: pid for number in value})
                _law(len(value) == len(tasks), f"board: {len(tasks)} tasks were added, and {value} are there")
            case Claim(_, seconds):
                number = value["number"]
                renewed = tree.owner.get(number) == pid
                if not renewed:
                    self._taken(kernel, tree, root, number, pid)
                if seconds is not None or not (renewed and not tree.until[number]):
                    tree.until[number] = kernel.now + int((LEASE_SECONDS if seconds is None else seconds) * 1000)
            case Spawn(task=int(number)):
                self._taken(kernel, tree, root, number, value.pid)
                tree.until[number] = 0
            case Complete(number):
                _law(tree.owner.get(number) == pid, f"board: {pid} completed task {number} of {tree.owner.get(number)}")
                tree.done_by[number] = pid
            case Accept(number, accepted) if accepted:
                self._accepted(kernel, tree, number, pid)
            case Wait(board=True) if isinstance(value, Waited):
                items = kernel.boards[root].items
                at_work = {number for number in tree.unseen[pid] if items[number].state == "claimed"}
                tree.unseen[pid] -= set(value.tasks) | (at_work if value.tasks else set[int]())
            case ListTasks(task=None) if len(value) == len(tree.shown):
                tree.unseen[pid].clear()
            case _:
                pass

    def _taken(self, kernel: Kernel, tree: Tree, root: int, number: int, owner: int) -> None:
        _law(number not in tree.owner, f"board: one owner: {tree.owner.get(number)} has task {number}, now {owner} has")
        items = kernel.boards[root].items
        early = [one for one in items[number].after if items[one].state not in ("accepted", "dropped")]
        _law(not early, f"board: order: {owner} got task {number}, which comes after {early}")
        tree.owner[number] = owner

    def _accepted(self, kernel: Kernel, tree: Tree, number: int, judge: int) -> None:
        doer = tree.done_by[number]
        if doer == 0:
            return
        above = self._line(judge)
        _law(doer not in above, f"board: own work: {judge} accepted task {number}, done by {doer}, which it comes from")
        author = tree.authors.get(number, 0)
        while author and not kernel.processes[author].alive:
            author = self.parents[author]
        if author == judge:
            return
        _law(judge not in self._line(doer), f"board: own work: {judge} accepted what its own {doer} did")
        _law(self._top(judge) != self._top(doer), f"board: own work: {judge} shares a context with {doer}")

    def _line(self, pid: int) -> list[int]:
        line = [pid]
        while self.parents[line[-1]]:
            line.append(self.parents[line[-1]])
        return line

    def _top(self, pid: int) -> int:
        while pid in self.forks:
            pid = self.parents[pid]
        return pid

    def _person(self, kernel: Kernel, root: int, move: Any) -> None:
        """A person is not answered: what they did is what the table says they did."""
        tree, items = self.trees[root], kernel.boards[root].items
        match move:
            case Claim(int(number), seconds) if number in items and items[number].owner == 0:
                if items[number].state != "claimed":
                    return
                if number not in tree.owner:
                    self._taken(kernel, tree, root, number, 0)
                    tree.until[number] = 0
                if seconds is not None:
                    tree.until[number] = kernel.now + int(seconds * 1000)
            case Complete(number) if number in items and (items[number].state, items[number].owner) == ("completed", 0):
                tree.done_by[number] = 0
            case _:
                pass

    # What must hold now.

    def _settle(self, kernel: Kernel, event: Event, taken: bool) -> None:
        for root, board in kernel.boards.items():  # of those that are not in memory nothing happens
            tree = self.trees[root]
            awake = root not in kernel.asleep and kernel.processes[root].alive
            for number, owner in list(tree.owner.items()):
                item = board.items[number]
                if item.state != "claimed":
                    if item.state == "completed":
                        tree.done_by.setdefault(number, owner)  # its end was its result
                    elif owner and kernel.processes[owner].alive and not (isinstance(event, Worked) or taken):
                        over = 0 < tree.until[number] <= kernel.now
                        _law(over, f"board: lease: task {number} was taken from {owner} before its time")
                    del tree.owner[number]
                    continue
                _law(
                    item.owner == owner, f"board: one owner: task {number} is {owner}'s, the table says {item.owner}'s"
                )
                _law(owner == 0 or kernel.processes[owner].alive, f"board: task {number} is {owner}'s, who has ended")
                over = 0 < tree.until[number] <= kernel.now and awake
                _law(
                    not (isinstance(event, Ticked) and over),
                    f"board: lease: task {number} is still {owner}'s, though its time is over",
                )
            for number, item in board.items.items():
                _law(
                    (item.state == "claimed") == (number in tree.owner),
                    f"board: nobody was told of task {number}'s owner",
                )
                if item.state in ("open", "stuck", "dropped"):
                    tree.done_by.pop(number, None)

    def check_rest(self, kernel: Kernel, now: int) -> None:
        """Nothing happens any more: no lease is over."""
        for root, tree in self.trees.items():
            for number, owner in tree.owner.items():
                over = 0 < tree.until[number] < now and root not in kernel.asleep and kernel.processes[root].alive
                _law(not over, f"board: lease: task {number} is still {owner}'s, and now it is {now}")

    def unseen(self, kernel: Kernel, pid: int) -> set[int]:
        """What others changed since a process looked; what somebody is at work on is no news."""
        root = kernel.processes[pid].root
        items = kernel.boards[root].items if root in kernel.boards else {}
        return {number for number in self.trees[root].unseen[pid] if items[number].state != "claimed"}


def _shown(item: Item) -> tuple[Any, ...]:
    """All of a task that anybody can change."""
    return item.state, item.owner, item.result, item.note, item.sent_back, item.rejections, item.text, item.after


def _law(holds: bool, words: str) -> None:
    if not holds:
        raise LawBroken(words)
