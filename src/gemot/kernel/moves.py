"""Moves: what processes and the person do with a board. Check everything, then act: a move is first prepared, which may refuse
it and changes nothing; what that returns makes it, and can't fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gemot.abi import limits
from gemot.abi.answers import Mail, Ok
from gemot.abi.events import BoardMove
from gemot.abi.labels import KERNEL, PERSON, Label
from gemot.abi.syscalls import Accept, Add, Claim, Complete, ListTasks, Reorder, name_of
from gemot.abi.tasks import Drop, Reopen
from gemot.authority.labels import join, words_of
from gemot.authority.refusal import Refused
from gemot.board.table import DONE_WITH, THE_KERNEL, THE_PERSON, Board, Item, described, listed, part
from gemot.kernel import accepting, adding, gates, hearing
from gemot.kernel.process import Heard, Process, Timer

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

Act = Callable[[], Any]


@dataclass(slots=True, frozen=True)
class Mover:
    """Who makes a move on which board: a process of its tree, or (``pid`` 0) the person. ``label``: of what they say."""

    pid: int
    root: int
    label: Label
    board: Board

    @property
    def is_person(self) -> bool:
        return self.pid == THE_PERSON


# The doors.


def make(kernel: Kernel, process: Process, syscall: Add | Claim | Complete | Accept | Reorder) -> None:
    """A process's move: refused, or made and answered, and told to whoever waits for it."""
    gates.must_reach_the_tree(kernel, process, f"{name_of(syscall)} changes the board, which others read")
    mover = Mover(process.pid, process.root, words_of(process), _board(kernel, process.root))
    value = _made(kernel, mover, syscall)
    if isinstance(syscall, Claim):
        _read(kernel, process, mover.board, (value["number"],), False)
    kernel.answer(process, Ok(value))
    kernel.board_changed(process.root)


def by_person(kernel: Kernel, root: int, move: BoardMove) -> None:
    """A person's move, which was checked before it happened."""
    if kernel.process(root) is None:
        return
    mover = Mover(THE_PERSON, root, Label((PERSON,)), _board(kernel, root))
    try:
        _made(kernel, mover, move)
    except Refused:
        return
    kernel.changed.add(root)
    kernel.board_changed(root)


def check_person(kernel: Kernel, root: int, move: BoardMove) -> None:
    """Would a person's move be made? Raises :class:`Refused`; changes nothing."""
    prepared(kernel, Mover(THE_PERSON, root, Label((PERSON,)), _board(kernel, root)), move)


def list_tasks(kernel: Kernel, process: Process, syscall: ListTasks) -> None:
    board = _board(kernel, process.root)
    if syscall.task is not None:
        item = board.item(syscall.task)
        _read(kernel, process, board, (item.number,), False)
        kernel.answer(process, Ok([board.shown(item, kernel.now, whole=True)]))
        return
    chosen = [
        one
        for one in board.items.values()
        if (syscall.state is None or one.state == syscall.state)
        and (not syscall.mine or process.pid in (one.owner, one.author))
        and (not syscall.ready or board.ready(one))
    ]
    told, more = part((board.shown(one, kernel.now) for one in chosen), syscall.start)
    everything = len(told) == len(board.items)
    _read(kernel, process, board, tuple(one["number"] for one in told), everything)
    if more:
        start = len(chosen) - more
        told.append({"more": more, "how": f"list_tasks with start={start} shows the next; task=NUMBER shows one whole"})
    kernel.answer(process, Ok(told))


def _read(kernel: Kernel, process: Process, board: Board, numbers: tuple[int, ...], everything: bool) -> None:
    """What is said of these tasks is in the answer that a process gets next."""
    process.label = board.look(process.pid, numbers, everything, process.label)
    said = [one for one in board.speakers(numbers) if one[0] != process.pid]
    rests = hearing.resting(kernel, process)
    process.heard += [Heard(rests, pid, process.entries + 1, moment) for pid, moment in said]


def _board(kernel: Kernel, root: int) -> Board:
    """The board of a tree; a new one is in the tables from the first task on."""
    return kernel.boards.get(root) or Board()


def _made(kernel: Kernel, mover: Mover, move: BoardMove) -> Any:
    return prepared(kernel, mover, move)()


def prepared(kernel: Kernel, mover: Mover, move: BoardMove) -> Act:
    """A move that may be made, ready to be. Raises :class:`Refused`."""
    match move:
        case Add():
            items = adding.checked(kernel, mover.board, mover.pid, mover.root, move.tasks)
            return lambda: _add(kernel, mover, items)
        case Claim():
            return _claim(kernel, mover, move)
        case Complete():
            return _complete(kernel, mover, move)
        case Accept():
            return _accept(kernel, mover, move)
        case Reorder():
            return _reorder(kernel, mover, move)
        case Reopen():
            return _reopen(kernel, mover, move)
        case Drop():
            return _drop(kernel, mover, move)


# The moves.


def _add(kernel: Kernel, mover: Mover, items: list[Item]) -> tuple[int, ...]:
    board = mover.board
    kernel.boards[mover.root] = board
    for item in items:
        board.items = adding.placed(board.items, item)
        item.says("text", mover.pid, kernel.moment)
        board.touch(item, mover.pid, mover.label)
    return tuple(item.number for item in items)


def _claim(kernel: Kernel, mover: Mover, move: Claim) -> Act:
    board, seconds = mover.board, move.lease_seconds
    if seconds is not None and not limits.LEASE_SECONDS_MIN <= seconds <= limits.LEASE_SECONDS_MAX:
        most = f"{limits.LEASE_SECONDS_MIN:g} to {limits.LEASE_SECONDS_MAX:g}"
        raise Refused("limit", f"a lease is {most} seconds long, not {seconds}")
    item = _first_ready(board) if move.task is None else board.item(move.task)
    mine = item.state == "claimed" and item.owner == mover.pid
    if not mine:
        board.must_be_ready(item.number)
    if seconds is None and not mover.is_person and not (mine and not item.lease):
        seconds = limits.LEASE_SECONDS

    def act() -> dict[str, Any]:
        if not mine:
            board.give(item, mover.pid, mover.label)
        if seconds is not None:
            item.lease, item.until = kernel.number(), kernel.now + int(seconds * 1000)
            kernel.set_timer(item.until, Timer(mover.root, "lease", item.lease))
        return board.shown(item, kernel.now, whole=True)

    return act


def _first_ready(board: Board) -> Item:
    ready = next((one for one in board.items.values() if board.ready(one)), None)
    if ready is None:
        raise Refused("state", f"no task is ready to be claimed: {_none_ready(board)}")
    return ready


def _none_ready(board: Board) -> str:
    """Why nobody can claim anything, and what to do instead."""
    left: dict[str, list[int]] = {}
    for item in board.items.values():
        if item.state not in DONE_WITH:
            left.setdefault(item.state, []).append(item.number)
    if not left:
        return "every task is accepted or dropped. There is nothing left to do here"
    states = "; ".join(f"{state}: {listed(numbers)}" for state, numbers in left.items())
    if set(left) <= {"open", "stuck"}:
        return f"{states}. Those that are stuck only the person opens again, and the others come after them"
    return f"{states}. wait with board=true returns when the board has changed"


def _complete(kernel: Kernel, mover: Mover, move: Complete) -> Act:
    board = mover.board
    item = board.item(move.task)
    if mover.is_person:
        if item.state == "open":
            board.must_be_ready(item.number)
        elif item.state not in ("claimed", "stuck"):
            raise Refused("state", f"task {item.number} is {described(item)}: there is nothing left to do about it")
    elif item.state != "claimed" or item.owner != mover.pid:
        raise Refused(
            "state",
            f"task {item.number} is {described(item)} and not yours, so you can't complete it; claim an open one",
        )
    if len(move.result) > limits.RESULT_CHARS_MAX:
        raise Refused(
            "limit", f"a result has at most {limits.RESULT_CHARS_MAX} characters; write it to a file and name that"
        )

    def act() -> str:
        _tell_owner(kernel, mover, item, "completed it")
        item.state, item.owner, item.result = "completed", mover.pid, move.result
        item.says("result", mover.pid, kernel.moment)
        item.lease = item.until = 0
        board.touch(item, mover.pid, mover.label)
        return "completed; somebody who had no part in it accepts it or sends it back"

    return act


def _accept(kernel: Kernel, mover: Mover, move: Accept) -> Act:
    board = mover.board
    item = board.item(move.task)
    if item.state != "completed":
        raise Refused("state", f"task {item.number} is {described(item)}, not completed: there is nothing to judge")
    if not mover.is_person:
        accepting.must_have_had_no_part(kernel, item, kernel.processes[mover.pid])
    if not move.accepted and not move.reason.strip():
        raise Refused("malformed", "say why it is sent back, and what would be accepted, in reason")
    _fits(move.reason)

    def act() -> str:
        if move.accepted:
            item.accept(move.reason, mover.pid, kernel.moment)
            board.touch(item, mover.pid, mover.label)
            board.done_with(item, mover.pid)
        else:
            _send_back(kernel, mover, item, move.reason)
        return item.state

    return act


def _send_back(kernel: Kernel, mover: Mover, item: Item, reason: str) -> None:
    """Open again; for the third time in a row it is stuck, and only a person opens it."""
    done_by = item.owner
    item.rejections = 0 if mover.is_person else item.rejections + 1
    stuck = item.rejections >= limits.REJECTIONS_MAX
    item.send_back(reason, mover.pid, kernel.moment)
    if stuck:
        item.state = "stuck"
    mover.board.touch(item, mover.pid, mover.label)
    end = "only the person can open it again now" if stuck else "it is open again"
    _tell(kernel, done_by, f"task {item.number} was sent back, and {end}: {reason}", mover.label, mover.pid)
    if stuck:
        author = accepting.author(kernel, item)
        if author not in (done_by, mover.pid):
            times = limits.REJECTIONS_MAX
            words = f"task {item.number} was sent back {times} times: only the person can open it again or drop it"
            _tell(kernel, author, words, mover.label)


def _reorder(kernel: Kernel, mover: Mover, move: Reorder) -> Act:
    board = mover.board
    for number in move.tasks:
        item = board.item(number)
        if item.state in DONE_WITH:
            raise Refused("state", f"task {number} is {item.state}, so its place means nothing any more; leave it out")

    def act() -> list[dict[str, Any]]:
        first = {number: board.items[number] for number in dict.fromkeys(move.tasks)}
        board.items = first | {number: item for number, item in board.items.items() if number not in first}
        for item in first.values():
            board.touch(item, mover.pid, mover.label)
        return [{"order": [one.number for one in board.items.values() if one.state not in DONE_WITH]}]

    return act


def _reopen(kernel: Kernel, mover: Mover, move: Reopen) -> Act:
    item = mover.board.item(move.task)
    if item.state == "accepted":
        raise Refused("state", f"task {item.number} is accepted, for good; add a new one for what is still to be done")
    if item.state == "open" and not move.advice.strip():
        raise Refused("state", f"task {item.number} is open; with an advice that is put on it")
    _fits(move.advice)

    def act() -> None:
        _tell_owner(kernel, mover, item, f"opened it again{f': {move.advice}' if move.advice else ''}")
        item.reopen(move.advice)
        item.rejections = 0
        mover.board.touch(item, mover.pid, mover.label)

    return act


def _drop(kernel: Kernel, mover: Mover, move: Drop) -> Act:
    item = mover.board.item(move.task)
    if item.state in DONE_WITH:
        raise Refused("state", f"task {item.number} is {item.state} already")
    _fits(move.reason)

    def act() -> None:
        _tell_owner(kernel, mover, item, f"took it off the board{f': {move.reason}' if move.reason else ''}")
        item.reopen(move.reason)
        item.state = "dropped"
        mover.board.touch(item, mover.pid, mover.label)
        mover.board.done_with(item, mover.pid)

    return act


def _fits(words: str) -> None:
    if len(words) > limits.NOTE_CHARS_MAX:
        raise Refused("limit", f"a reason or an advice has at most {limits.NOTE_CHARS_MAX} characters")


# What is told, and what happens by itself.


def _tell_owner(kernel: Kernel, mover: Mover, item: Item, what: str) -> None:
    if item.state == "claimed" and item.owner != mover.pid:
        _tell(kernel, item.owner, f"task {item.number} is not yours any more: the person {what}", mover.label)


def _tell(kernel: Kernel, pid: int | None, text: str, label: Label, said_by: int = 0) -> None:
    """A word from the kernel, or passed on by it, to a process that lives and has room for it."""
    process = kernel.process(pid) if pid else None
    if process is not None and len(process.mailbox) < limits.MAILBOX_MAX:
        kernel.post(process, Mail(THE_KERNEL, text, join(Label((KERNEL,)), label), said_by=said_by))


def lease_over(kernel: Kernel, root: int, lease: int) -> None:
    """A timer came due: the task that it returns is open again, unless it was renewed, completed or taken meanwhile."""
    board = kernel.boards.get(root)
    item = board.leased(lease) if board is not None else None
    if board is None or item is None:
        return
    owner = item.owner
    item.reopen(f"the lease of {owner or 'the person'} was over")
    board.touch(item, THE_KERNEL)
    again = "claim it again, if nobody else has, before you go on with it"
    _tell(kernel, owner, f"your lease of task {item.number} is over, and it is open again; {again}", Label())
    kernel.board_changed(root)


def rings(kernel: Kernel, timer: Timer) -> bool:
    """Whether a task still waits for this timer."""
    board = kernel.boards.get(timer.pid)
    return board is not None and board.leased(timer.token) is not None
