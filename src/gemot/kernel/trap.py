"""The one trap: every syscall of every process comes through here. Check everything, then act; acting can't fail.

Each syscall is one function in the file of its group. It raises :class:`Refused` before it has changed anything, or it
changes the tables and sees to it that the syscall is answered: now, or when its work, its wait or its person is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from gemot.abi.answers import Error, Outcome
from gemot.abi.events import Trapped
from gemot.abi.syscalls import (
    ALWAYS_ALLOWED,
    UNAVAILABLE,
    Accept,
    Add,
    Alarm,
    Ask,
    Call,
    CancelAlarm,
    Claim,
    Complete,
    Endorse,
    Exec,
    Exit,
    Forget,
    Fork,
    Generate,
    GrantTo,
    Kill,
    ListTasks,
    Mandate,
    PageIn,
    PageOut,
    Read,
    Recall,
    Receive,
    Remember,
    Reorder,
    Retract,
    Revoke,
    Send,
    Spawn,
    Status,
    Syscall,
    Wait,
    name_of,
)
from gemot.authority.labels import KERNEL_WORDS, join
from gemot.authority.narrowing import syscall_allowed, unused, used
from gemot.authority.refusal import Refused
from gemot.kernel import (
    alarms,
    families,
    hearing,
    judging,
    loops,
    mandate,
    moves,
    purses,
    remembering,
    retracting,
    revoking,
    waiting,
    working,
)
from gemot.kernel.process import Process

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

Act = Callable[["Kernel", Process, Any], None]

TABLE: dict[type, Act] = {
    Spawn: families.spawn,
    Fork: families.fork,
    Exec: families.execute,
    Exit: families.leave,
    Kill: families.kill,
    Status: families.status,
    Wait: waiting.wait,
    Send: waiting.send,
    Receive: waiting.receive,
    CancelAlarm: alarms.cancel_alarm,
    Read: working.read,
    Ask: working.ask,
    PageOut: working.page,
    PageIn: working.page,
    Add: moves.make,
    Claim: moves.make,
    Complete: moves.make,
    Accept: moves.make,
    Reorder: moves.make,
    ListTasks: moves.list_tasks,
    Remember: remembering.remember,
    Recall: remembering.recall,
    Forget: remembering.forget,
    Mandate: mandate.propose,
    GrantTo: revoking.grant,
    Revoke: revoking.revoke,
    Retract: retracting.retract,
}


def trap(kernel: Kernel, event: Trapped) -> None:
    """Let a process's syscall in. A process that has ended meanwhile was answered by its end."""
    process = kernel.process(event.pid)
    if process is None:
        return
    kernel.changed.add(process.root)
    assert process.syscall is None, f"process {event.pid} made a second syscall while one is pending"
    process.heard_at = kernel.now
    syscall = event.syscall
    last_word = (
        isinstance(syscall, Exit) and not process.exit_tries
    )  # a result is not lost for want of one more syscall
    if process.left.calls < 1:
        purses.ensure(kernel, process, "calls", 1)
    if process.left.calls < 1 and not last_word:
        why = "calls: this process has made as many syscalls as its budget allows, so it is ended"
        kernel.end(process, Outcome(process.pid, process.name, "failed", error=why, rule="budget"), KERNEL_WORDS)
        return
    if process.left.calls:
        process.left.calls -= 1
        process.spent.calls += 1
    if isinstance(syscall, Generate):
        hearing.asked(kernel, process)
        _act(kernel, process, syscall, lambda: working.generate(kernel, process, syscall, event))
    elif isinstance(syscall, Alarm):
        _act(kernel, process, syscall, lambda: alarms.alarm(kernel, process, syscall, event.due))
    else:
        _act(kernel, process, syscall, lambda: _by_table(kernel, process, syscall, event.values))


def _by_table(kernel: Kernel, process: Process, syscall: Syscall, values: Mapping[int, str]) -> None:
    """``values``: by handle, the texts that it refers to and that the kernel does not hold."""
    if isinstance(syscall, Call):
        working.call(kernel, process, syscall, values)
    elif isinstance(syscall, Endorse):
        mandate.endorse(kernel, process, syscall, values)
    else:
        TABLE[type(syscall)](kernel, process, syscall)


def _act(kernel: Kernel, process: Process, syscall: Syscall, act: Callable[[], None]) -> None:
    """Let a syscall happen if the process may make it; answer with the refusal where it may not."""
    process.syscall = syscall
    if process.rules and loops.look(kernel, process, syscall):
        return
    grant = -1
    try:
        grant = permitted(kernel, process, syscall)
        act()
    except Refused as refusal:
        if grant >= 0:
            process.grants[grant] = unused(process.grants[grant])
        if refusal.label is not None:
            process.label = join(process.label, refusal.label)
        kernel.answer(process, Error(refusal.rule, refusal.message))


def decide_anew(kernel: Kernel, process: Process, values: Mapping[int, str]) -> None:
    """Decide the pending syscall of a process that came from a file, as if it were made now.

    What may not be repeated and was under way is in doubt, which the process is told when its tree goes on. ``values``: by
    handle, the texts that the syscall refers to.
    """
    syscall, work = process.syscall, process.work
    if not process.alive or syscall is None:
        return
    if isinstance(syscall, Call):
        working.call_anew(kernel, process, syscall, values)
        return
    if process.review is not None:
        judging.dismiss(kernel, process.review)
    if isinstance(syscall, Generate):
        working.generate_anew(kernel, process)
    elif work or isinstance(syscall, Exit):
        process.syscall, process.work, process.state = None, [], "running"
        _act(kernel, process, syscall, lambda: _by_table(kernel, process, syscall, values))


def permitted(kernel: Kernel, process: Process, syscall: Syscall) -> int:
    """May this process make this syscall at all? Counts the use of the grant that says so, and returns its index.

    It is counted before the act, so that a child that is handed the rest can't be handed this use too.
    """
    name = name_of(syscall)
    if name in UNAVAILABLE:
        raise Refused("unavailable", f"{name} is not built yet in this version of gemot")
    if name in ALWAYS_ALLOWED:
        return -1
    bounded = any(grant.where for grant in process.grants if grant.tool == name)
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.asdict(syscall)) if bounded else {}
    index = syscall_allowed(name, fields, process.grants, process.mounts, kernel.today)
    process.grants[index] = used(process.grants[index], 1)
    return index
