"""Boards as the person has them: their moves, checked before they happen, and what there is to see."""

from __future__ import annotations

from collections.abc import Iterable

from gemot.abi.events import BoardMove, Worked
from gemot.abi.syscalls import Add, Claim, Reorder
from gemot.authority.refusal import Refused
from gemot.board.table import Board
from gemot.kernel import moves
from gemot.kernel.freezing import FrozenTree
from gemot.machine.loop import Loop, MachineError
from gemot.machine.views import TaskView, task_views


def work(loop: Loop, root: int, move: BoardMove) -> tuple[int, ...]:
    """Make a person's move; returns the numbers of the tasks that it is about. Raises :class:`MachineError`."""
    if isinstance(move, Claim) and move.task is None:
        raise MachineError("a person claims a task by its number: say which")
    loop.must_run()
    try:
        moves.check_person(loop.kernel, root, move)
    except Refused as refusal:
        raise MachineError(refusal.message) from refusal
    before = len(loop.kernel.boards[root].items) if root in loop.kernel.boards else 0
    loop.happens_now(Worked(loop.now(), root, move))
    if isinstance(move, Add):
        return tuple(range(before + 1, before + 1 + len(move.tasks)))
    return move.tasks if isinstance(move, Reorder) else (move.task or 0,)


def tasks(loop: Loop, kept: Iterable[FrozenTree], root: int) -> list[TaskView]:
    """The board of one tree, or (``root`` 0) all: those in memory as they are, the others as they are ``kept``."""
    kernel = loop.kernel
    boards: dict[int, Board] = {one: board for one, board in kernel.boards.items() if root in (0, one)}
    boards.update({tree.root: tree.board for tree in kept if tree.root not in kernel.trees and tree.board is not None})
    return task_views(sorted(boards.items()))
