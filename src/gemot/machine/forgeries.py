"""Forgeries: whether the tables of a tree that comes from a file could be those of one whole tree.

A file is anybody's words. The kernel believes its own tables: it adds to every count, goes from each process to its parent and
children, and from each task to those before it. What it would stumble over does not come in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from gemot.abi import limits
from gemot.abi.reviews import AgreementCheck, ReviewerCheck, ToolCheck
from gemot.abi.syscalls import Ask, Call, Endorse, Exit, Forget, Generate, Mandate, Read, Recall, Remember
from gemot.board.table import Board
from gemot.kernel.asking import asked_about
from gemot.kernel.freezing import CarriedTree
from gemot.kernel.process import Process

NUMBER_MAX = 1 << 53
"""No count of anything is as large: a file that says so is wrong, or wants to break what reads it."""

_WORK: dict[str, tuple[type, ...]] = {
    "model": (Generate,),
    "tool": (Call,),
    "read": (Read,),
    "question": (Ask, Mandate, Endorse, Exit),
    "check": (Exit,),
    "compare": (Exit,),
    "memory": (Remember, Recall, Forget),
}
"""By kind of work: the syscalls that it is for."""


def whole(coming: CarriedTree) -> bool:
    """Does what a file says fit together?"""
    tree = coming.tree
    by_pid = {process.pid: process for process in tree.processes}
    if not tree.processes or len(by_pid) != len(tree.processes):
        return False
    first = tree.processes[0]
    if first.parent or first.root != first.pid or not all(0 <= count < NUMBER_MAX for count in _counts(coming)):
        return False
    living: defaultdict[int, list[int]] = defaultdict(list)
    for pid, process in by_pid.items():
        if process.alive:
            living[process.parent].append(pid)
    depths: dict[int, int] = {}
    for process in tree.processes:
        if sorted(process.children) != sorted(living[process.pid]) or not _placed(process, first, by_pid, depths):
            return False
    if not all(_busy_rightly(process) and _judged_rightly(process) for process in tree.processes):
        return False
    if not all(timer.pid in by_pid and timer.kind != "away" for _, _, timer in (*tree.timers, *tree.late)):
        return False
    return _asked_rightly(coming, by_pid) and (tree.board is None or _board(tree.board, by_pid))


def _counts(coming: CarriedTree) -> Iterator[int]:
    """Everything that is counted on from."""
    tree = coming.tree
    yield from (coming.numbers, coming.moment, tree.boots)
    yield from _numbers(tree.given)
    if tree.overdrawn is not None:
        yield from _numbers(tree.overdrawn)
    for at, number, timer in (*tree.timers, *tree.late):
        yield from (at, number, timer.token)
    for one in tree.processes:
        yield from (*_numbers(one.left), *_numbers(one.spent), one.pid, one.tokens_cached, one.entries, one.waits)
        yield from (one.exit_tries, one.uses_before, one.born, one.heard_at)
        yield from (number for heard in one.heard for number in heard)
        yield from (number for alarm in one.alarms.values() for number in (alarm.at, alarm.skipped, alarm.set_at))
        yield from (number for mail in one.mailbox for number in (mail.missed, mail.moment))
    if tree.board is not None:
        yield tree.board.changes
        for item in tree.board.items.values():
            yield from (item.number, item.lease, item.until, item.rejections, item.changed, item.changed_before)
            yield from (moment for _, moment in item.said.values())


def _numbers(means: Any) -> list[int]:
    return list(msgspec.to_builtins(means).values())


def _placed(process: Process, first: Process, by_pid: dict[int, Process], depths: dict[int, int]) -> bool:
    """Is it where it says in the family, with no more than its place allows? Parents come first."""
    parent = by_pid.get(process.parent)
    if process is not first and (parent is None or process.parent >= process.pid):
        return False
    depths[process.pid] = depth = depths.get(process.parent, -1) + 1
    ended = [by_pid[pid] for pid in process.uncollected if pid in by_pid]
    urgent = limits.PRIORITY_MAX if parent is None else parent.priority
    return (
        process.pid > 0
        and process.root == first.pid
        and depth + process.left.depth <= limits.DEPTH_MAX
        and len(set(process.uncollected)) == len(ended) == len(process.uncollected)
        and all(one.parent == process.pid and not one.alive for one in ended)
        and (process.alive or not process.children)
        and bool(process.models)
        and limits.PRIORITY_MIN <= process.priority <= urgent
        and set(process.route) <= set(process.models)
        and _derived(process, parent)
        and all(_own(space, by_pid) for mount in process.mounts for space in (mount.space, mount.source) if space)
    )


def _derived(process: Process, parent: Process | None) -> bool:
    """Does each grant that is a part of the parent's name one that the parent has?"""
    count = 0 if parent is None else len(parent.grants)
    return all(0 <= place < len(process.grants) and 0 <= source < count for place, source in process.came_from.items())


def _own(space: str, by_pid: dict[int, Process]) -> bool:
    """No space but those of its own."""
    pid = space.partition("-")[0]
    return pid.isdecimal() and len(pid) < 17 and int(pid) in by_pid


def _busy_rightly(process: Process) -> bool:
    """Is what it waits for something that its syscall can wait for?"""
    syscall = process.syscall
    if process.alive == (syscall is None):
        return False
    if isinstance(syscall, Read) and syscall.handle not in process.handles:
        return False
    uses = syscall.uses if isinstance(syscall, Call) else ()
    return all(
        isinstance(syscall, _WORK[work.kind])
        and (work.kind != "tool" or 0 <= work.index < len(uses))
        and -1 <= work.grant < len(process.grants)
        for work in process.work
    )


def _judged_rightly(process: Process) -> bool:
    """Is its review at one of its checks, and made by its own children?"""
    review, ends = process.review, isinstance(process.syscall, Exit)
    checks = [work for work in process.work if work.kind == "check"]
    if any(work.kind == "compare" for work in process.work):
        return len(process.work) == 1 and (
            review is None or (not review.judges and 0 < review.tries <= limits.TRIES_MAX)
        )
    if review is None:
        return not checks and not ends
    check = review.checks[review.at] if 0 <= review.at < len(review.checks) else None
    return (
        check is not None
        and 0 < review.tries <= limits.TRIES_MAX
        and set(review.judges) <= set(process.children)
        and (not checks or isinstance(check, ToolCheck))
        and (not review.judges or (ends and isinstance(check, ReviewerCheck | AgreementCheck)))
    )


def _asked_rightly(coming: CarriedTree, by_pid: dict[int, Process]) -> bool:
    at_work = {(pid, work.effect) for pid, process in by_pid.items() for work in process.work if work.state == "asking"}
    for opened in coming.asks:
        if (opened.asked.pid, opened.effect) not in at_work:
            return False
        works = asked_about(by_pid[opened.asked.pid], opened.asked.ask)
        if len(works) != max(1, len(opened.asked.actions)):
            return False
    return True


def _board(board: Board, by_pid: dict[int, Process]) -> bool:
    """Is every task there that another comes after, and everybody who has to do with one?"""
    people = {None, 0, *by_pid}
    return all(
        number == item.number
        and set(item.after) <= board.items.keys()
        and {item.author, item.owner, *(pid for pid, _ in item.said.values())} <= people
        for number, item in board.items.items()
    ) and set(board.watching) <= set(by_pid)
