"""Wait, send, receive: how processes sleep and what wakes them. No wake-up is lost: whatever changes what somebody
may wait for calls one of the functions here in the same step."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from gemot.abi import limits
from gemot.abi.answers import Mail, Ok, Outcome, Waited
from gemot.abi.syscalls import Receive, Send, Wait
from gemot.authority.labels import KERNEL_WORDS, words_of
from gemot.authority.refusal import Refused
from gemot.board.table import Board
from gemot.kernel import gates, moves
from gemot.kernel.families import own_child
from gemot.kernel.process import Process, Timer

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def wait(kernel: Kernel, process: Process, syscall: Wait) -> None:
    if syscall.children is None:
        nothing_else = not ((syscall.alarms and process.alarms) or syscall.board) and syscall.timeout_seconds is None
        if not process.children and not process.uncollected and nothing_else:
            tasks = "; board=true waits for the board" if process.root in kernel.boards else ""
            raise Refused(
                "state",
                "there is nothing to wait for: no child at work, no result to collect, no alarm set. Go on, or exit"
                f"{tasks}",
            )
    else:
        endless = syscall.timeout_seconds is None and not syscall.board
        if not syscall.children and syscall.mode != "all" and endless:
            raise Refused(
                "state",
                "children is empty, so none of them will ever end; name at least one, or leave it out to wait for all of them",
            )
        for pid in syscall.children:
            own_child(kernel, process, pid)
    if syscall.board:
        _watch(kernel, process)
    _sleep(kernel, process, syscall.timeout_seconds)
    kernel.awaited.pop(process.pid, None)
    _look(kernel, process, process.uncollected if syscall.children is None else syscall.children)


def _sleep(kernel: Kernel, process: Process, timeout_seconds: float | None) -> None:
    if timeout_seconds is not None and not 0 <= timeout_seconds < 10**9:
        raise Refused("malformed", f"timeout_seconds must be a time from now, not {timeout_seconds}")
    process.waits += 1
    process.state = "waiting"
    kernel.settled.add(process.root)
    if timeout_seconds is not None:
        kernel.set_timer(kernel.now + int(timeout_seconds * 1000), Timer(process.pid, "wait", process.waits))


def _look(kernel: Kernel, process: Process, ended: Collection[int] = (), over: bool = False) -> None:
    """Answer a pending wait or receive if what it waits for is there, or it is ``over`` without that. ``ended``: children that
    may have ended and were not looked at yet, of those that it waits for."""
    # That a time of one's own was over is no news, nor is a result that was collected before.
    heard = is_echo(kernel, process) if process.mailbox else process.stood
    match process.syscall:
        case Wait() as syscall:
            enough = _enough(kernel, process, syscall, ended)
            mail = bool(process.mailbox) and (
                syscall.messages or (syscall.alarms and any(one.sender < 0 for one in process.mailbox))
            )
            changed = _changed_tasks(kernel, process) if syscall.board else ()
            if enough or mail or over or changed:
                kernel.awaited.pop(process.pid, None)
                ended, running = _children(kernel, process, syscall)
                collected = set(ended)
                news = changed or not collected.isdisjoint(process.uncollected)
                process.uncollected = [pid for pid in process.uncollected if pid not in collected]
                outcomes = tuple(_outcome(kernel, pid, syscall.results) for pid in ended)
                late = over and syscall.timeout_seconds is not None and not enough and not changed
                if changed:
                    process.label = kernel.boards[process.root].look(process.pid, changed, True, process.label)
                process.stood = not news and heard
                kernel.answer(process, Ok(Waited(outcomes, tuple(running), late, changed)))
        case Receive():
            if process.mailbox or over:
                process.stood, taken = heard, tuple(process.mailbox)
                process.mailbox.clear()
                kernel.answer(process, Ok(taken))
        case _:
            pass


def _enough(kernel: Kernel, process: Process, syscall: Wait, ended: Collection[int]) -> bool:
    """Whether the children that a wait is for have ended, as its mode wants it. ``ended`` as above. To look at all of them at
    each end would cost the square of their number, so only those are looked at, and the living are counted."""
    if syscall.mode == "any":
        return any(not kernel.processes[pid].alive for pid in ended)
    if syscall.mode == "first" and any(kernel.processes[pid].state == "done" for pid in ended):
        return True
    if syscall.children is None:
        return not process.children and bool(process.uncollected)
    rest = kernel.awaited.setdefault(process.pid, list(syscall.children))
    while rest and not kernel.processes[rest[-1]].alive:
        rest.pop()  # an end is for ever, so each is taken off once
    return not rest


def _children(kernel: Kernel, process: Process, syscall: Wait) -> tuple[list[int], list[int]]:
    """Those that a wait is for: who has ended, and who still runs. Where the first valid result was waited for and has come,
    nobody runs any more."""
    named = syscall.children
    ended = [pid for pid in (process.uncollected if named is None else named) if not kernel.processes[pid].alive]
    running = [pid for pid in (process.children if named is None else named) if kernel.processes[pid].alive]
    if syscall.mode == "first":
        won = next((pid for pid in ended if kernel.processes[pid].state == "done"), 0)
        if won:
            return _rest_killed(kernel, process, won, ended, running), []
    return ended, running


def is_echo(kernel: Kernel, process: Process) -> bool:
    """What only those say who were told of a standstill is no news: else two that are polite tell each other for ever."""
    return all(one.sender > 0 and kernel.processes[one.sender].stood for one in process.mailbox)


def _rest_killed(kernel: Kernel, process: Process, won: int, ended: list[int], running: list[int]) -> list[int]:
    """The first result that is valid has come: whoever still runs for it is ended, and what it has left is back. Returns who
    has ended, the winner first."""
    pending, process.syscall = process.syscall, None  # their ends must not answer it
    for pid in running:
        loser = kernel.processes[pid]
        if loser.alive:
            why = f"{won} was the first with a valid result"
            kernel.end(loser, Outcome(pid, loser.name, "killed", error=why, rule="family"), KERNEL_WORDS)
    process.syscall = pending
    return [won, *(pid for pid in (*ended, *running) if pid != won)]


def _outcome(kernel: Kernel, pid: int, with_results: bool) -> Outcome:
    outcome = kernel.processes[pid].outcome
    assert outcome is not None
    return (
        outcome if with_results else Outcome(pid, outcome.name, outcome.state, rule=outcome.rule, spent=outcome.spent)
    )


def child_ended(kernel: Kernel, parent: Process, pid: int) -> None:
    """A child of ``parent`` has ended: it may be what the parent waits for."""
    named = parent.syscall.children if isinstance(parent.syscall, Wait) else None
    _look(kernel, parent, (pid,) if named is None or pid in named else ())


def over(kernel: Kernel, process: Process) -> None:
    """A process has waited long enough: its time is up, or it is told that nothing would come."""
    _look(kernel, process, over=True)


def mail_came(kernel: Kernel, process: Process) -> None:
    """A message lies in the mailbox: it may be what the process waits for."""
    _look(kernel, process)


def _watch(kernel: Kernel, process: Process) -> None:
    """Whoever waits for a board stands on it, also on one that has no task yet."""
    board = kernel.boards.setdefault(process.root, Board())
    if process.pid not in board.watching:
        board.watching.append(process.pid)


def _changed_tasks(kernel: Kernel, process: Process) -> tuple[int, ...]:
    return kernel.boards[process.root].news(process.pid)


def board_changed(kernel: Kernel, board: Board) -> None:
    """Somebody changed a board: it may be what those who watch it wait for."""
    watching, board.watching = board.watching, []
    for pid in watching:
        process = kernel.process(pid)
        if process is not None:
            _look(kernel, process)
            if isinstance(process.syscall, Wait) and process.syscall.board:
                board.watching.append(pid)


def send(kernel: Kernel, process: Process, syscall: Send) -> None:
    if len(syscall.text) > limits.RESULT_CHARS_MAX:
        raise Refused(
            "limit", f"a message has at most {limits.RESULT_CHARS_MAX} characters; write it to a file and send its path"
        )
    if syscall.pid in (0, process.parent) and process.parent:
        receiver = kernel.processes[process.parent]
    elif syscall.pid == 0:
        kernel.answer(process, Ok("shown to the person"))
        return
    else:
        receiver = own_child(kernel, process, syscall.pid)
    gates.must_be_open(kernel, process, receiver, f"the message was not sent to {receiver.pid}")
    if not receiver.alive:
        raise Refused("state", f"{receiver.pid} has ended ({receiver.state}), so it can't be told anything")
    if len(receiver.mailbox) >= limits.MAILBOX_MAX:
        raise Refused(
            "limit",
            f"the mailbox of {receiver.pid} is full ({limits.MAILBOX_MAX} messages); wait until it has read them",
        )
    if sum(len(mail.text) for mail in receiver.mailbox) + len(syscall.text) > limits.MAILBOX_CHARS_MAX:
        raise Refused(
            "limit", f"the mailbox of {receiver.pid} has no room for this; wait until it has read what is there"
        )
    kernel.answer(process, Ok("sent"))
    kernel.post(receiver, Mail(process.pid, syscall.text, words_of(process)))


def receive(kernel: Kernel, process: Process, syscall: Receive) -> None:
    _sleep(kernel, process, syscall.timeout_seconds)
    _look(kernel, process)


def ring(kernel: Kernel, timer: Timer) -> None:
    """A timer came due. What set it may be gone: then it does nothing."""
    process = kernel.process(timer.pid)
    if process is None:
        return
    kernel.settled.add(process.root)
    if timer.kind == "wait" and timer.token == process.waits and process.state == "waiting":
        over(kernel, process)
    elif timer.kind == "lease":
        moves.lease_over(kernel, timer.pid, timer.token)
    elif timer.kind == "deadline":
        why = "its deadline passed before it was done"
        kernel.end(process, Outcome(process.pid, process.name, "failed", error=why, rule="deadline"), KERNEL_WORDS)
