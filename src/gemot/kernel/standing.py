"""Standstill: everybody in a tree waits, nothing is under way or due, and no person was asked anything.

Then no wait of it would end by itself: a child waits for the board, its parent for the child. So whoever waits deepest is told,
and its wait ends there. If it waits again, it has chosen to, and the next one is told; once all have been told, the tree really
waits for the person. Each is told once until it has news: a message, also one that came while it was at work, a result that it
did not have yet, a change of the board, the person's word, a verdict on its own result. The words of those who were told are none,
and whoever hears them knows of it, too; nor is the end of a time that it set itself.

Only programs that a model decides are told: a native one waits for its children, and those are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gemot.abi.answers import Answer, Mail, Ok
from gemot.abi.labels import KERNEL, Label
from gemot.abi.syscalls import Receive, Wait
from gemot.kernel import waiting
from gemot.kernel.process import Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

NEAR = 4
"""How many processes are looked at before all of a tree is."""

STANDSTILL = "standstill: nobody in this tree is at work and nothing is due, so your wait would not end by itself"


def words(kernel: Kernel, process: Process) -> str:
    """What a process is told: what it may do about it, and what the board waits for."""
    ask = ", or ask the person" if any(grant.tool in ("ask", "*") for grant in process.grants) else ""
    board = kernel.boards.get(process.root)
    tasks = board.waiting() if board is not None else ""
    return (
        f"{STANDSTILL}{tasks}. Do what is left, exit with what there is and say what is missing{ask}; wait again only for "
        "what the person will do unasked"
    )


def look(kernel: Kernel, root: int) -> None:
    """Somebody in a tree went to sleep, or ended: if it stands still now, whoever waits deepest is told."""
    told = None if root in kernel.asleep or root not in kernel.trees else whom(kernel, root)
    if told is not None:
        kernel.changed.add(root)
        told.mailbox.append(Mail(-1, words(kernel, told), Label((KERNEL,)), moment=kernel.moment))
        waiting.over(kernel, told)
        told.stood = True


def whom(kernel: Kernel, root: int) -> Process | None:
    """Whoever is to be told when a tree in memory that stands still is awake."""
    last = kernel.witnesses.get(root, 0)
    for pid in range(last, last + NEAR) if last else ():  # those born after it are likely to be at work still
        witness = kernel.processes.held(pid)
        if witness is not None and witness.alive and witness.root == root and _awake(witness):
            kernel.witnesses[root] = pid
            return None
    told, depth_told, asking = cast("Process | None", None), 0, 0
    level, depth = [one for one in (kernel.processes[root],) if one.alive], 1
    while level:
        for process in level:
            if _awake(process):
                kernel.witnesses[root] = process.pid
                return None
            asking += process.state == "asking"
            if depth > depth_told and _may_be_told(process):
                told, depth_told = process, depth
        level, depth = [kernel.processes[pid] for process in level for pid in process.children], depth + 1
    kernel.witnesses.pop(root, None)
    board = kernel.boards.get(root)
    if told is None or asking or (board is not None and board.wants_person):
        return None
    mine = (timer for _, _, timer in kernel.timers if timer.kind not in ("away", "alarm"))
    due = any(kernel.processes[timer.pid].root == root and kernel.rings(timer) for timer in mine)
    return None if due else told


def tells(answer: Answer) -> bool:
    """Does an answer tell of a standstill?"""
    value = answer.value if isinstance(answer, Ok) else None
    taken = cast("tuple[object, ...]", value) if isinstance(value, tuple) else ()
    return any(
        isinstance(one, Mail) and one.sender == -1 and one.text.startswith(STANDSTILL) for one in (*answer.mail, *taken)
    )


def _awake(process: Process) -> bool:
    """It goes on by itself: its program decides, something is done for it, or a timer of its own will ring."""
    if process.state not in ("waiting", "asking", "reviewing"):
        return True
    match process.syscall:
        case Wait() as wait:
            if wait.timeout_seconds is not None or (process.alarms and (wait.alarms or wait.messages)):
                return True
        case Receive(timeout_seconds):
            if timeout_seconds is not None or process.alarms:
                return True
        case _:
            pass
    return any(work.state in ("ready", "started", "interrupted") for work in process.work)


def _may_be_told(process: Process) -> bool:
    listens = not process.parent and isinstance(process.syscall, Receive)  # to the person: that is what it waits for
    return process.state == "waiting" and process.program.inline_mail and not process.stood and not listens
