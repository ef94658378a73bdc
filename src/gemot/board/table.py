"""The board of a tree: tasks, who does them, who says that they are done, and who has seen what changed.

The moves are in :mod:`gemot.kernel.moves`. What holds at every instant: a claimed task has one owner and no other state has
one at work; an accepted task never changes, unless words that it rests on are taken back; a task is claimed only when all that
it comes after is accepted or dropped; a lease that is over has returned its task.

Nothing that changes is missed by whoever waits for changes: each has a number, each task knows the number of its last change
and of the last one by anybody else than who made that, and each process has the number up to which it has looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Outcome
from gemot.abi.grants import BudgetRequest, Grant
from gemot.abi.labels import Label
from gemot.abi.tasks import TaskState
from gemot.authority.labels import Author, join, joined
from gemot.authority.refusal import Refused

THE_PERSON, THE_KERNEL = 0, -1
"""In the place of a pid: who made a change that no process made."""

DONE_WITH = ("accepted", "dropped")
"""The states in which nobody has to do anything about a task."""


@dataclass(slots=True)
class Item:
    """A task on the board. ``author`` put it there (0: the person). ``owner`` has it now or did it (0: the person, None:
    nobody); ``given``: with its birth, so that its end completes it. ``lease``: the timer that returns it ``until`` then (0:
    none does). ``note``: what was said of it last; ``sent_back``: why it was sent back last. ``said``: by what of it there is (text,
    result, note, sent_back, verdict), which process said that, and at which moment. ``rejections``: since a person last had to do with it. ``label``: of all who had a part in it. ``changed``: the number of
    the last change, by ``changed_by``; ``changed_before``: of the last one by anybody else."""

    number: int
    text: str
    acceptance: str
    author: int
    name: str = ""
    after: tuple[int, ...] = ()
    priority: int = 0
    budget: BudgetRequest | None = None
    grants: tuple[Grant, ...] | None = None
    state: TaskState = "open"
    owner: int | None = None
    given: bool = False
    lease: int = 0
    until: int = 0
    result: str = ""
    note: str = ""
    sent_back: str = ""
    said: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    rejections: int = 0
    label: Label = field(default_factory=Label)
    changed: int = 0
    changed_by: int = THE_KERNEL
    changed_before: int = 0

    def reopen(self, note: str) -> None:
        """Nobody has it any more."""
        self.state, self.owner, self.given, self.note = "open", None, False, note
        self.lease = self.until = 0
        self.said.pop("note", None)

    def send_back(self, why: str, pid: int, moment: int) -> None:
        """What was done is not right. Whoever takes it next reads why, whatever is said of it until then."""
        self.reopen(why)
        self.sent_back = why
        for what in ("note", "sent_back"):
            self.says(what, pid, moment)

    def accept(self, why: str, pid: int, moment: int) -> None:
        """What was done is right."""
        self.state, self.note, self.sent_back = "accepted", why, ""
        self.said.pop("sent_back", None)
        for what in ("note", "verdict"):
            self.says(what, pid, moment)

    @property
    def before(self) -> str:
        """Why it was sent back last, if something else was said of it since."""
        return self.sent_back if self.sent_back != self.note else ""

    def says(self, what: str, pid: int, moment: int) -> None:
        """Note who said it: a process. What the person and the kernel say is never taken back."""
        self.said.pop(what, None)
        if pid > 0:
            self.said[what] = (pid, moment)

    def by(self, what: str) -> int | None:
        """The process that said it."""
        return self.said[what][0] if what in self.said else None

    def changed_for(self, pid: int) -> int:
        """The number of the last change that somebody else made."""
        return self.changed_before if self.changed_by == pid else self.changed


@dataclass(slots=True)
class Board:
    """Tasks in the order in which they are to be done. ``changes``: how many there were; ``looked``: by pid, how many of them
    a process has seen; ``watching``: who may be waiting for the next one."""

    items: dict[int, Item] = field(default_factory=dict[int, Item])
    changes: int = 0
    looked: dict[int, int] = field(default_factory=dict[int, int])
    watching: list[int] = field(default_factory=list[int])

    # What there is.

    def item(self, number: int) -> Item:
        """The task of this number. Raises :class:`Refused`."""
        if number not in self.items:
            raise Refused("unknown", f"there is no task {number}; there are: {listed(list(self.items))}")
        return self.items[number]

    def blockers(self, item: Item) -> list[int]:
        """The tasks that must be accepted before it can be claimed."""
        return [number for number in item.after if self.items[number].state not in DONE_WITH]

    def ready(self, item: Item) -> bool:
        """Whether it can be claimed now."""
        return item.state == "open" and not self.blockers(item)

    def must_be_ready(self, number: int) -> Item:
        """A task that can be claimed. Raises :class:`Refused`."""
        item = self.item(number)
        if item.state != "open":
            raise Refused("state", f"task {number} is {described(item)}, not open{self._ready_now()}")
        blockers = self.blockers(item)
        if blockers:
            raise Refused("state", f"task {number} comes after {listed(blockers)}, not accepted yet{self._ready_now()}")
        return item

    def _ready_now(self) -> str:
        return f"; ready: {listed([one.number for one in self.items.values() if self.ready(one)])}"

    def leased(self, lease: int) -> Item | None:
        """The task that this timer returns, if it still does."""
        return next((one for one in self.items.values() if one.lease == lease), None) if lease else None

    @property
    def wants_person(self) -> bool:
        """Is there a task that the person has, or that nobody but they bring further?"""
        return any(
            wants_person(one.state, one.author) or (one.state == "claimed" and one.owner == THE_PERSON)
            for one in self.items.values()
        )

    def waiting(self) -> str:
        """In words, which tasks somebody could do or judge; empty where there are none."""
        ready = [one.number for one in self.items.values() if self.ready(one)]
        done = [
            f"{one.number} (by {one.author or 'the person'})" for one in self.items.values() if one.state == "completed"
        ]
        told = [f"tasks that can be claimed: {listed(ready)}"] if ready else []
        told += [f"tasks that wait to be accepted: {', '.join(done[:20])}"] if done else []
        return f"; on the board, {'; '.join(told)}" if told else ""

    # What changes.

    def touch(self, item: Item, by: int, label: Label | None = None) -> None:
        """Note that ``by`` changed a task, with words of this label."""
        if label is not None:
            item.label = join(item.label, label)
        self.changes += 1
        if item.changed_by != by:
            item.changed_before = item.changed
        item.changed, item.changed_by = self.changes, by

    def done_with(self, item: Item, by: int) -> None:
        """What came after a task that is done with may be ready now, which changes it, too."""
        for one in self.items.values():
            if item.number in one.after and self.ready(one):
                self.touch(one, by, item.label)

    def give(self, item: Item, owner: int, label: Label) -> None:
        """Let somebody have a task that is ready."""
        item.state, item.owner = "claimed", owner
        self.touch(item, owner, label)

    def owner_ended(self, outcome: Outcome, moment: int, author: Author) -> bool:
        """A task that was given to whoever ended is completed if that was done; any other of theirs is open again. ``author``: of
        the outcome's error. Returns whether there was one."""
        self.looked.pop(outcome.pid, None)
        mine = [one for one in self.items.values() if one.state == "claimed" and one.owner == outcome.pid]
        for item in mine:
            if item.given and outcome.state == "done":
                item.state, item.result, item.lease, item.until = "completed", _words(outcome.value), 0, 0
                item.says("result", outcome.pid, moment)
            else:
                why = outcome.error or "without completing it"
                item.reopen(f"{outcome.pid} ended ({outcome.state}): {why}"[: limits.NOTE_CHARS_MAX])
                item.says("note", author.pid if author.pid > 0 else outcome.pid, moment)
            self.touch(item, THE_KERNEL, outcome.label)
        return bool(mine)

    def take_back(self, since: Mapping[int, int], why: str, author: Author, moment: int) -> bool:
        """What these processes said, each since a moment, is gone: a task whose text it was leaves the board, one that was completed
        with it is open again, a judgement must be made anew. ``author``: of the reason ``why``, said at that ``moment``. Returns
        whether there was any."""
        gone = False
        for item in self.items.values():
            parts = {what for what, (pid, moment) in item.said.items() if pid in since and moment >= since[pid]}
            if parts:
                gone = True
                self._unsay(item, parts, why, author, moment)
        return gone

    def _unsay(self, item: Item, parts: set[str], why: str, author: Author, moment: int) -> None:
        for what in parts:
            del item.said[what]
        if "result" in parts:
            item.result = ""
        if "text" in parts:
            item.name, item.text, item.acceptance = "", why, ""
        if "note" in parts:
            item.note = why
        if "sent_back" in parts:
            item.sent_back = why
        judged = item.state in ("completed", "accepted")
        reopened = False
        if "text" in parts and (item.state not in DONE_WITH or "result" in parts):
            item.reopen(why)
            item.state, reopened = "dropped", True
        elif "result" in parts and judged:
            item.reopen(why)
            reopened = True
        elif "verdict" in parts and item.state == "accepted":
            item.state = "completed"
        for what in ({"note"} if reopened else set[str]()) | (parts & {"text", "note", "sent_back"}):
            item.says(what, author.pid, moment)
        self.touch(item, THE_KERNEL, author.label)
        if item.state == "dropped":
            self.done_with(item, THE_KERNEL)

    # Who has seen what.

    def news(self, pid: int) -> tuple[int, ...]:
        """The tasks that others changed since this process last looked. One that somebody works on is no news: nobody need do
        anything about it, and what comes of it will be some."""
        looked = self.looked.get(pid, 0)
        return tuple(
            one.number for one in self.items.values() if one.state != "claimed" and one.changed_for(pid) > looked
        )

    def look(self, pid: int, numbers: tuple[int, ...], everything: bool, label: Label) -> Label:
        """A process of this label knows of these tasks; ``everything``: and now of all that changed. Returns the label that it
        has then."""
        if everything:
            self.looked[pid] = self.changes
        return joined((self.items[number].label for number in numbers), label)

    def speakers(self, numbers: tuple[int, ...]) -> list[tuple[int, int]]:
        """Who said what there is to read of these tasks, and at which moment."""
        return sorted({one for number in numbers for one in self.items[number].said.values()})

    # What is shown.

    def shown(self, item: Item, now: int, whole: bool = False) -> dict[str, Any]:
        """A task as a process reads it; what says nothing is left out."""
        short = str if whole else _short
        owner = "the person" if item.owner == THE_PERSON else item.owner
        judged = item.state in ("completed", "accepted")
        told: dict[str, Any] = {
            "number": item.number,
            "name": item.name,
            "text": item.text,
            "acceptance": item.acceptance,
            "state": item.state,
            "ready": self.ready(item),
            "after": list(item.after),
            "priority": item.priority,
            "author": "the person" if item.author == THE_PERSON else item.author,
            "owner": owner,
            "lease_seconds_left": max(0, item.until - now) // 1000 if item.lease else None,
            "result" if judged else "result_sent_back": short(item.result),
            "done_by": item.by("result"),
            "note": short(item.note),
            "note_by": item.by("note"),
            "sent_back_because": short(item.before),
            "sent_back_by": item.by("sent_back") if item.before else None,
            "rejections": item.rejections,
            "budget": msgspec.to_builtins(item.budget) if item.budget is not None else None,
            "grants": [grant.tool for grant in item.grants or ()],
        }
        return {name: value for name, value in told.items() if value or (value == 0 and name == "lease_seconds_left")}


def part(shown: Iterator[dict[str, Any]], start: int) -> tuple[list[dict[str, Any]], int]:
    """As many of the shown tasks after the first ``start`` as are shown at once, and how many there are beyond them."""
    told: list[dict[str, Any]] = []
    room, more = limits.BOARD_PAGE_CHARS, 0
    for index, one in enumerate(shown):
        if index < start:
            continue
        room -= len(msgspec.json.encode(one))
        if room < 0 and told:
            more += 1
        else:
            told.append(one)
    return told, more


def listed(numbers: list[int]) -> str:
    """Numbers in words, the first of them where there are many."""
    shown = ", ".join(map(str, numbers[:20])) or "none"
    return f"{shown} and {len(numbers) - 20} more" if len(numbers) > 20 else shown


def wants_person(state: TaskState, author: int) -> bool:
    """Nobody but a person brings such a task further: it is stuck, or was put there by a person and is to be judged."""
    return state == "stuck" or (state == "completed" and author == THE_PERSON)


def described(item: Item) -> str:
    """Its state, and who has to do with that."""
    who = {None: "", THE_PERSON: " by the person"}.get(item.owner, f" by {item.owner}")
    if item.state == "stuck":
        return "stuck: it was sent back too often, and only the person opens it again (wait with board=true)"
    return f"accepted (it was done{who})" if item.state == "accepted" else f"{item.state}{who}"


def _words(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()


def _short(value: str) -> str:
    if len(value) > limits.BOARD_CHARS:
        return f"{value[: limits.BOARD_CHARS]} [... {len(value) - limits.BOARD_CHARS} more characters]"
    return value
