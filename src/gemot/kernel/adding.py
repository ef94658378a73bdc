"""Adding tasks to a board: all of a batch is checked, and what its names stand for is found, before any of it is there."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import msgspec

from gemot.abi import limits
from gemot.abi.grants import Grant
from gemot.abi.tasks import Task
from gemot.authority import ledger
from gemot.authority.labels import joined
from gemot.authority.narrowing import anchor
from gemot.authority.refusal import Refused, closest
from gemot.board.table import DONE_WITH, Board, Item
from gemot.kernel.families import must_be_grantable

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def checked(kernel: Kernel, board: Board, author: int, root: int, tasks: tuple[Task, ...]) -> list[Item]:
    """The tasks as they will stand on the board. Raises :class:`Refused`."""
    if len(board.items) + len(tasks) > limits.TASKS_MAX:
        raise Refused("limit", f"a board has at most {limits.TASKS_MAX} tasks")
    if not tasks or any(not task.text.strip() for task in tasks):
        raise Refused("malformed", "each task needs a text")
    for task in tasks:
        _must_fit(task)
    first = len(board.items) + 1
    named = _names(board, tasks, first)
    items = [
        Item(
            first + index,
            task.text,
            task.acceptance,
            author,
            task.name,
            tuple(dict.fromkeys(_number(one, board, named, first + len(tasks)) for one in task.after)),
            task.priority,
            task.budget,
            _grants(kernel, author or root, task),
        )
        for index, task in enumerate(tasks)
    ]
    _must_have_an_order(items)
    return items


def placed(items: dict[int, Item], item: Item) -> dict[int, Item]:
    """The board's order with one task more: before the first of lower priority that is not done with, else at the end."""
    before = next((n for n, one in items.items() if one.priority < item.priority and one.state not in DONE_WITH), None)
    if before is None:
        items[item.number] = item
        return items
    order: dict[int, Item] = {}
    for number, one in items.items():
        if number == before:
            order[item.number] = item
        order[number] = one
    return order


def _must_fit(task: Task) -> None:
    if len(task.text) + len(task.acceptance) > limits.TASK_CHARS_MAX:
        raise Refused("limit", f"a task and its acceptance have at most {limits.TASK_CHARS_MAX} characters together")
    if len(task.name) > limits.NAME_CHARS_MAX or not task.name.isprintable():
        raise Refused(
            "malformed", f"the name of a task is one line of at most {limits.NAME_CHARS_MAX} printable characters"
        )
    if task.name.strip().isdecimal():
        raise Refused("malformed", f"the name {task.name!r} would be taken for a number; name it with a word")
    if abs(task.priority) > limits.TASK_PRIORITY_MAX:
        raise Refused("limit", f"a priority is a number from -{limits.TASK_PRIORITY_MAX} to {limits.TASK_PRIORITY_MAX}")
    if task.budget is not None:
        ledger.must_be_means(task.budget)
    try:
        msgspec.msgpack.encode(task)
    except OverflowError as error:
        raise Refused("limit", "a number in a task is larger than any that is kept; say it smaller") from error
    if len(task.after) > limits.BATCH_MAX or len(task.grants or ()) > limits.BATCH_MAX:
        raise Refused("limit", f"a task has at most {limits.BATCH_MAX} grants, and comes after as many others at most")


def _names(board: Board, tasks: tuple[Task, ...], first: int) -> dict[str, int]:
    """By name, the numbers of the tasks that have one: on the board, and as they will be there."""
    named = {item.name: item.number for item in board.items.values() if item.name}
    for index, task in enumerate(tasks):
        if task.name in named:
            raise Refused(
                "malformed", f"there is a task {task.name!r} already ({named[task.name]}); name each differently"
            )
        if task.name:
            named[task.name] = first + index
    return named


def _number(one: int | str, board: Board, named: dict[str, int], end: int) -> int:
    """The task that another comes after: a name, or a number of a task that is there or will be (those before ``end``)."""
    if isinstance(one, str) and one in named:
        return named[one]
    number = one if isinstance(one, int) else int(one) if one.isdecimal() and len(one) < 10 else 0
    if 0 < number < end:
        return number
    known = closest(one, named) if isinstance(one, str) and named else f"there are the numbers 1 to {end - 1}"
    message = f"a task is to come after {one!r:.200}, and there is none of that name or number; {known}"
    raise Refused("unknown", message, joined(item.label for item in board.items.values() if item.name))


def _grants(kernel: Kernel, pid: int, task: Task) -> tuple[Grant, ...] | None:
    if task.grants is None:
        return None
    wanted = must_be_grantable(kernel, task.grants)
    anchor(wanted, kernel.processes[pid].mounts, kernel.tools)
    return wanted


def _must_have_an_order(items: list[Item]) -> None:
    """Tasks of one batch may come after each other in any order, but not in a circle."""
    first = items[0].number
    order = TopologicalSorter({item.number: [one for one in item.after if one >= first] for item in items})
    try:
        order.prepare()
    except CycleError as error:
        names = {item.number: repr(item.name or item.number) for item in items}
        circle = " after ".join(names[one] for one in error.args[1][:20])
        raise Refused(
            "malformed", f"these tasks come after each other in a circle, so none could begin: {circle}"
        ) from None
