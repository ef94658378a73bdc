"""What changed: before a process's result is looked at, the machine compares the copies that it worked on with what they are
copies of. So its receipt says what it did to files whatever it did that with: an edit, a command, a program of its own.

What it wrote where it is, on no copy, is what the tools say that change files one by one; of what a command did there, the machine has
seen which files were otherwise afterwards, and nobody knows what was in them before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gemot.abi import limits
from gemot.abi.answers import Change
from gemot.abi.effects import Compare
from gemot.abi.events import Compared, Failure, Result, Value, Wrote
from gemot.abi.grants import Mount
from gemot.abi.labels import Label
from gemot.authority.labels import join
from gemot.authority.narrowing import is_own_copy
from gemot.kernel import results
from gemot.kernel.process import Changed, Process, Work, Written

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def copies(process: Process) -> tuple[Mount, ...]:
    """The mounts that are a process's own copies, or its own empty folders."""
    return tuple(one for one in process.mounts if is_own_copy(one, process.pid))


def look(kernel: Kernel, process: Process) -> bool:
    """A process exits: have its copies compared; False where it has none."""
    if not copies(process):
        return False
    work = Work(kernel.number(), 0, "ready", "compare", millis_max=limits.COMPARE_MILLIS)
    process.state, process.work = "reviewing", [work]
    kernel.start(process, work)
    return True


def start(kernel: Kernel, process: Process, work: Work) -> None:
    """Tell the machine. It is a look, so it is made again after a crash."""
    kernel.emit(Compare(work.effect, process.pid, copies(process), work.millis_max))


def used(kernel: Kernel, process: Process, tool: str, outcome: Value | Failure) -> None:
    """A use of a tool has ended: note what it wrote where it is; or that nobody has looked, for it was stopped."""
    spec, known = kernel.tools.get(tool), outcome.wrote
    stopped = isinstance(outcome, Failure) and outcome.rule in ("deadline", "in_doubt")
    if known is None and stopped and spec is not None and spec.effect == "writes" and (spec.paths or spec.walls):
        where = ", ".join(f"/{one.name}" for one in process.mounts if one.mode != "ro" and one not in copies(process))
        why = f"{tool} gave no result, and nobody has seen what it changed in {where}"
        known = Wrote(unknown=why) if where else None
    if known is not None:
        wrote(kernel, process, known)


def wrote(kernel: Kernel, process: Process, wrote: Wrote) -> None:
    """A tool has said which files it wrote, where they are: what was written before is added to."""
    written = process.written = process.written or Written()
    written.label = join(written.label, kernel.processes[process.root].stored.get(results.FILES, Label()))
    written.diffs = [*written.diffs, *([wrote.diff] if wrote.diff else [])][-limits.RECEIPT_USES_MAX :]
    if wrote.unknown not in written.unknown:
        written.unknown = f"{written.unknown}; {wrote.unknown}".removeprefix("; ")
    written.more += wrote.more
    for one in wrote.changes:
        before = written.changes.get(one.path)
        if one.what == "removed" and one.path.endswith("/") and _one_name(one.path):
            within = [path for path in written.changes if path.startswith(one.path) and path != one.path]
            written.changes = {path: known for path, known in written.changes.items() if path not in within}
        if before is None and len(written.changes) >= limits.CHANGES_MAX:
            written.more += 1
            continue
        now = one if before is None else _both(before, one)
        if now is None:
            del written.changes[one.path]
        else:
            written.changes[one.path] = now


def _both(before: Change, one: Change) -> Change | None:
    """What two changes of a path come to; None: it is not there, as it was not before."""
    if one.what == "removed" and _one_name(one.path):
        return None if before.what == "added" else replace(one, ran=one.ran or before.ran)
    what = before.what if before.what == one.what or (before.what, one.what) == ("added", "changed") else "changed"
    added, removed = before.added + one.added, before.removed + one.removed
    return Change(one.path, what, added, removed, one.ran or before.ran)


def _one_name(path: str) -> bool:
    """Is only one file told as this? Where letters or a part of a name were replaced, it may be one of several."""
    return "\\" not in path and "[...]" not in path


def label(process: Process) -> Label:
    """The label of what is told of a process beyond its own words: of the files that it changed, and of acts that it was put back from."""
    changed, written = process.changed or Changed(), process.written or Written()
    return join(join(changed.label, written.label), process.undone)


def seen(kernel: Kernel, process: Process, outcome: Result) -> None:
    """The machine has looked, or could not. What is told of files that its process may never have read bears their label."""
    match outcome:
        case Compared(changes, more, diff, text):
            written = kernel.processes[process.root].stored.get(results.FILES, Label())
            process.changed = Changed(changes, more, diff, text, label=written if changes else Label())
        case Failure(_, message):
            process.changed = Changed(unknown=message[: limits.NOTE_CHARS_MAX])
        case _:
            raise AssertionError(f"{type(outcome).__name__} came for a comparison")
    process.work = []
