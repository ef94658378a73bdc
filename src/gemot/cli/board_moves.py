"""The moves that a person makes on a board. On a running machine and on one that sleeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gemot.abi.events import BoardMove
from gemot.abi.syscalls import Add
from gemot.abi.tasks import Drop, Task
from gemot.cli.board import only_tree
from gemot.cli.change import told
from gemot.cli.failing import DONE, put
from gemot.cli.reach import change
from gemot.cli.wording import joined
from gemot.machine.client import Client
from gemot.machine.machine import Machine
from gemot.machine.views import ProcessView, TaskView


def add_task(home: Path | None, pid: int | None, task: Task) -> int:
    """Put a task of the person's on a board; prints its number."""

    async def work(machine: Machine | Client) -> None:
        views, _ = await _seen(machine)
        root = only_tree(views, ()) if pid is None else pid
        (number,) = await machine.work(root, Add((task,)))
        told(f"task {number} is on the board of {root}", machine, root)

    change(home, work)
    return DONE


def move(home: Path | None, pid: int | None, moves: Sequence[BoardMove], what: str) -> int:
    """Make moves, one after the other; says of each task ``what`` has become of it."""

    async def work(machine: Machine | Client) -> None:
        root = pid
        if root is None:
            root = only_tree(*await _seen(machine))
        for one in moves:
            numbers = await machine.work(root, one)
            told(f"task {joined(numbers)} {what}" if len(numbers) == 1 else f"{what}: {joined(numbers)}", machine, root)
            if isinstance(one, Drop):
                _, tasks = await _seen(machine)
                freed = [task.number for task in tasks if task.ready and task.root == root and one.task in task.after]
                if freed:
                    put(f"ready now, since it came only after that: {joined(freed)}")

    change(home, work)
    return DONE


async def _seen(machine: Machine | Client) -> tuple[list[ProcessView], list[TaskView]]:
    """The trees that live, and their boards."""
    sight = await machine.look() if isinstance(machine, Client) else machine.look()
    return sight.views, sight.tasks
