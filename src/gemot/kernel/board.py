"""The board of a tree: tasks, who does them, and who says that they are done. The completer is never the accepter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gemot.abi import limits
from gemot.abi.answers import Ok, Outcome
from gemot.abi.labels import Label
from gemot.abi.syscalls import Accept, Add, Claim, Complete, ListTasks, Reorder
from gemot.authority.labels import join, joined, words_of
from gemot.authority.refusal import Refused
from gemot.kernel.process import Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


@dataclass(slots=True)
class Item:
    """A task on the board. ``author`` put it there and accepts it; ``owner`` has it now (0: nobody). ``label``: of all who
    had a part in it."""

    number: int
    text: str
    acceptance: str
    author: int
    state: Literal["open", "claimed", "completed", "accepted"] = "open"
    owner: int = 0
    result: str = ""
    note: str = ""
    label: Label = field(default_factory=Label)


@dataclass(slots=True)
class Board:
    """Tasks in the order in which they are to be done."""

    items: dict[int, Item] = field(default_factory=dict[int, Item])

    def item(self, number: int) -> Item:
        if number not in self.items:
            raise Refused(
                "unknown", f"there is no task {number}; there are: {', '.join(map(str, self.items)) or 'none'}"
            )
        return self.items[number]

    def must_be_open(self, number: int) -> Item:
        item = self.item(number)
        if item.state != "open":
            raise Refused(
                "state", f"task {number} is {item.state}{f' by {item.owner}' if item.owner else ''}, not open"
            )
        return item

    def give(self, number: int, owner: Process) -> None:
        item = self.items[number]
        item.state, item.owner = "claimed", owner.pid
        _touched(item, owner)

    def owner_ended(self, outcome: Outcome) -> None:
        """A task whose owner ended is completed if its owner was done, else open again."""
        for item in self.items.values():
            if item.state == "claimed" and item.owner == outcome.pid:
                item.label = join(item.label, outcome.label)
                if outcome.state == "done":
                    item.state, item.result = "completed", str(outcome.value)
                else:
                    item.state, item.owner, item.note = "open", 0, f"{outcome.pid} {outcome.state}: {outcome.error}"

    def shown(self) -> list[dict[str, Any]]:
        return [
            {
                name: value
                for name in ("number", "text", "acceptance", "state", "owner", "result", "note")
                if (value := _short(getattr(item, name)))
            }
            for item in self.items.values()
        ]


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > limits.BOARD_CHARS:
        return f"{value[: limits.BOARD_CHARS]} [... {len(value) - limits.BOARD_CHARS} more characters]"
    return value


def add(kernel: Kernel, process: Process, syscall: Add) -> None:
    board = kernel.boards.get(process.root) or Board()
    if len(board.items) + len(syscall.tasks) > limits.TASKS_MAX:
        raise Refused("limit", f"a board has at most {limits.TASKS_MAX} tasks")
    if not syscall.tasks or any(not task.text.strip() for task in syscall.tasks):
        raise Refused("malformed", "each task needs a text")
    if any(len(task.text) + len(task.acceptance) > limits.TASK_CHARS_MAX for task in syscall.tasks):
        raise Refused("limit", f"a task and its acceptance have at most {limits.TASK_CHARS_MAX} characters together")
    kernel.boards[process.root] = board
    numbers: list[int] = []
    for task in syscall.tasks:
        number = len(board.items) + 1
        board.items[number] = Item(number, task.text, task.acceptance, process.pid, label=words_of(process))
        numbers.append(number)
    kernel.answer(process, Ok(tuple(numbers)))


def _board(kernel: Kernel, process: Process) -> Board:
    return kernel.boards.setdefault(process.root, Board())


def claim(kernel: Kernel, process: Process, syscall: Claim) -> None:
    board = _board(kernel, process)
    board.must_be_open(syscall.task)
    board.give(syscall.task, process)
    kernel.answer(process, Ok(f"task {syscall.task} is yours"))


def complete(kernel: Kernel, process: Process, syscall: Complete) -> None:
    item = _board(kernel, process).item(syscall.task)
    if item.state != "claimed" or item.owner != process.pid:
        raise Refused(
            "state", f"task {syscall.task} is {item.state} and not yours, so you can't complete it; claim an open one"
        )
    if len(syscall.result) > limits.RESULT_CHARS_MAX:
        raise Refused(
            "limit", f"a result has at most {limits.RESULT_CHARS_MAX} characters; write it to a file and name that"
        )
    item.state, item.result = "completed", syscall.result
    _touched(item, process)
    kernel.answer(process, Ok("completed; its author accepts it or sends it back"))


def accept(kernel: Kernel, process: Process, syscall: Accept) -> None:
    item = _board(kernel, process).item(syscall.task)
    if item.owner == process.pid:
        raise Refused("grant", f"task {syscall.task} was done by this process, and nobody accepts their own work")
    if item.author != process.pid:
        raise Refused("grant", f"task {syscall.task} was put on the board by {item.author}: only its author accepts it")
    if item.state != "completed":
        raise Refused("state", f"task {syscall.task} is {item.state}, not completed: there is nothing to judge yet")
    item.note = syscall.reason
    _touched(item, process)
    if syscall.accepted:
        item.state = "accepted"
    else:
        item.state, item.owner = "open", 0
    kernel.answer(process, Ok(item.state))


def reorder(kernel: Kernel, process: Process, syscall: Reorder) -> None:
    board = _board(kernel, process)
    for number in syscall.tasks:
        board.item(number)
    first = {number: board.items[number] for number in dict.fromkeys(syscall.tasks)}
    board.items = first | {number: item for number, item in board.items.items() if number not in first}
    for item in first.values():
        _touched(item, process)
    _show(kernel, process, board)


def list_tasks(kernel: Kernel, process: Process, syscall: ListTasks) -> None:
    _show(kernel, process, _board(kernel, process))


def _show(kernel: Kernel, process: Process, board: Board) -> None:
    process.label = joined((item.label for item in board.items.values()), process.label)
    kernel.answer(process, Ok(board.shown()))


def _touched(item: Item, process: Process) -> None:
    item.label = join(item.label, words_of(process))
