"""Whole values: what a syscall refers to and the kernel does not hold comes with the event, read from the journal.

The kernel decides on whole values only, and holds few of them. So whoever hands it an event of a syscall looks first which
texts it refers to, and puts them into the event: the loop before it decides, and everybody who folds the journal again. A text
is kept under its digest, so each fold reads the same one, and the journal has it once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from msgspec.structs import replace

from gemot.abi.events import Event, Trapped
from gemot.journal.contract import JournalError
from gemot.kernel import Kernel
from gemot.kernel.working import values_wanted


def with_values(event: Event, kernel: Kernel, value: Callable[[str], str]) -> Event:
    """The event, and of a syscall all texts that it needs. ``value``: what the journal keeps under a digest. A text that is not
    kept any more is left out, and the kernel refuses the use."""
    if not isinstance(event, Trapped):
        return event
    process = kernel.process(event.pid)
    wanted = () if process is None else values_wanted(process, event.syscall)
    if process is None or not (wanted or event.values):
        return event
    values: dict[int, str] = {}
    for number in wanted:
        with contextlib.suppress(JournalError):
            values[number] = value(process.handles[number].digest)
    return replace(event, values=values)
