"""Remember, recall, forget: memories that outlive the process. The kernel decides the shelf and the label; the machine keeps them.

A memory bears the label of the process that wrote it, and gives it back to whoever recalls it: what a stranger planted stays
a stranger's, and has no more authority than the page it came from. Nothing is recalled by itself.

The project is the folder that the person mounted for the tree's first process, for all of the tree: a child that sees no part of
it has no project, and no child can make another folder of its parent's its own. A process forgets only what can be trusted no
more than itself, so that no stranger has the person's words forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemot.abi import limits
from gemot.abi.answers import Error, Ok
from gemot.abi.effects import DropMemory, Effect, FindMemories, KeepMemory
from gemot.abi.events import Failure, Found, Kept, Result
from gemot.abi.grants import Mount
from gemot.abi.memories import Scope, Shelf
from gemot.abi.syscalls import Forget, Recall, Remember
from gemot.authority.labels import written_by
from gemot.authority.refusal import Refused
from gemot.kernel import gates, receipts
from gemot.kernel.process import Process, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

NO_PROJECT = (
    "there is no project here: a project is the one folder that the person mounted (or the one called work), and this process "
    "must see some of it. The scopes person and program need none"
)


def remember(kernel: Kernel, process: Process, syscall: Remember) -> None:
    gates.must_be_open(kernel, process, None, "nothing was remembered: others recall it")
    if not syscall.text.strip() or len(syscall.text) > limits.MEMORY_CHARS_MAX:
        raise Refused(
            "limit",
            f"a memory has 1 to {limits.MEMORY_CHARS_MAX} characters, this has {len(syscall.text)}; "
            "put what is longer into a file and remember where it is",
        )
    if len(syscall.about) > limits.MEMORY_ABOUT_CHARS_MAX:
        raise Refused("limit", f"about is a few words, at most {limits.MEMORY_ABOUT_CHARS_MAX} characters")
    _start(kernel, process, syscall.scope)


def recall(kernel: Kernel, process: Process, syscall: Recall) -> None:
    if len(syscall.query) > limits.MEMORY_QUERY_CHARS_MAX:
        raise Refused("limit", f"a query has at most {limits.MEMORY_QUERY_CHARS_MAX} characters")
    if not 0 < syscall.limit <= limits.RECALL_MAX:
        raise Refused("limit", f"a recall answers 1 to {limits.RECALL_MAX} memories, not {syscall.limit}")
    _start(kernel, process, syscall.scope)


def forget(kernel: Kernel, process: Process, syscall: Forget) -> None:
    if syscall.memory < 1:
        raise Refused("malformed", f"memory is a number that remember or recall gave, not {syscall.memory}")
    _start(kernel, process, syscall.scope)


def _start(kernel: Kernel, process: Process, scope: Scope) -> None:
    shelf_of(kernel, process, scope)
    number = kernel.number()
    process.work = [work := Work(number, 0, "ready", "memory", key=f"{kernel.now}-{process.pid}-{number}")]
    kernel.start(process, work)


def shelf_of(kernel: Kernel, process: Process, scope: Scope) -> Shelf:
    """Where a process's memories of this scope are. Raises :class:`Refused`."""
    match scope:
        case "person":
            return Shelf("person")
        case "program":
            return Shelf("program", process.program.name)
        case "project":
            return Shelf("project", _project(kernel, process))


def _project(kernel: Kernel, process: Process) -> str:
    given = [mount for mount in kernel.processes[process.root].mounts if _of_the_person(mount)]
    named = [mount for mount in given if mount.name == "work"] or given
    if len(named) != 1 or not any(mount.folder == named[0].folder for mount in process.mounts):
        raise Refused("mount", NO_PROJECT)
    return "/".join(part for part in (named[0].folder, named[0].beneath) if part)


def _of_the_person(mount: Mount) -> bool:
    return mount.mode != "private" and bool(mount.folder)


def effect_of(kernel: Kernel, process: Process, work: Work) -> Effect:
    """What the machine is told to do for the pending syscall. Raises :class:`Refused` where the process has lost its project
    since it made it."""
    syscall = process.syscall
    assert isinstance(syscall, Remember | Recall | Forget)
    shelf = shelf_of(kernel, process, syscall.scope)
    number, pid, now = work.effect, process.pid, kernel.today
    match syscall:
        case Remember(text, about):
            return KeepMemory(number, pid, shelf, work.key, text, about, written_by(process), now)
        case Recall(query, _, limit, trusted):
            return FindMemories(number, pid, shelf, query, limit, trusted, now)
        case Forget(memory):
            return DropMemory(number, pid, shelf, work.key, memory, process.label.integrity)


def done(kernel: Kernel, process: Process, outcome: Result) -> None:
    """The machine has done it, or could not."""
    match outcome:
        case Kept(memory):
            if isinstance(process.syscall, Remember):
                receipts.note_memory(kernel, process, memory)
            kernel.answer(process, Ok(memory))
        case Found(memories):
            kernel.answer(process, Ok(memories))
        case Failure(rule, message):
            kernel.answer(process, Error(rule, message))
        case _:
            raise AssertionError(f"{type(outcome).__name__} came for a memory")
