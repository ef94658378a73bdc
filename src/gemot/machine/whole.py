"""Whole values: what a syscall refers to and the kernel does not hold comes with the event, read from the journal.

The kernel decides on whole values only, and holds few of them. So whoever hands it an event of a syscall looks first which
texts it refers to, and puts them into the event: the loop before it decides, and everybody who folds the journal again. A text
is kept under its digest, so each fold reads the same one, and the journal has it once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from msgspec.structs import replace

from gemot.abi.events import Adopted, Event, Trapped
from gemot.abi.syscalls import Syscall
from gemot.journal.contract import Damaged
from gemot.kernel import Kernel, adopting
from gemot.kernel.process import Process
from gemot.kernel.working import values_wanted


def with_values(event: Event, kernel: Kernel, value: Callable[[str], str]) -> Event:
    """The event, and of a syscall all texts that it needs; of a tree that comes in, those of its pending syscalls. ``value``:
    what the journal keeps under a digest. A text that is not kept any more is left out, and the kernel refuses the use. Raises
    :class:`JournalError` where the journal can't be read now: a decision without the text would not be made again."""
    if isinstance(event, Adopted) and event.decided_here:
        arrivals = adopting.pending(event.tree)
        texts = {process.pid: _texts(process, syscall, value) for process, syscall in arrivals}
        return replace(event, values={pid: found for pid, found in texts.items() if found})
    if not isinstance(event, Trapped):
        return event
    process = kernel.process(event.pid)
    texts_here = {} if process is None else _texts(process, event.syscall, value)
    return replace(event, values=texts_here) if texts_here or event.values else event


def _texts(process: Process, syscall: Syscall, value: Callable[[str], str]) -> dict[int, str]:
    texts: dict[int, str] = {}
    for number in values_wanted(process, syscall):
        with contextlib.suppress(Damaged):
            texts[number] = value(process.handles[number].digest)
    return texts
