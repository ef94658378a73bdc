"""Booting: a machine opens its journal, says what is installed now, and notes that whatever was at work is not any more."""

from __future__ import annotations

from collections.abc import Collection

import gemot
from gemot.abi.events import RULES, Booted, Installed
from gemot.drivers.kit import Driver
from gemot.machine import calendar, recovery, starting
from gemot.machine.clock import Clock
from gemot.machine.loop import Loop
from gemot.programs.library import Library


def boot(loop: Loop, library: Library, drivers: Collection[Driver], clock: Clock) -> str:
    """Fold the journal and begin. Returns words for a person, if the computer's clock does not fit the journal. Raises ``JournalError``,
    :class:`MachineError`."""
    kernel = loop.kernel
    loop.spaces.tidy()
    starting.keep_texts(loop.journal, library)
    opened = recovery.fold(loop.journal, kernel, loop.cast, stretches=loop.stretches)
    loop.checkpointed = (loop.journal.checkpoint() or (0, b""))[0]
    moved, notice = calendar.begin(kernel, clock)
    manifests = tuple(driver.manifest() for driver in drivers)
    specs = library.specs()
    tools = {tool.name: tool for manifest in manifests for tool in manifest.tools}
    here = tools, {spec.name: spec for spec in specs}
    if not (loop.stretches.knows_installed and starting.same(here, (kernel.tools, kernel.programs))):
        loop.happened(Installed(clock.order(), manifests, specs))
    loop.happened(Booted(clock.order(), gemot.__version__, RULES, None if moved is None else moved.lead))
    if moved is not None and moved.rings:
        loop.happened(moved)
    for pid, decided in opened.decided.items():
        loop.decided(pid, decided)
    loop.step()
    loop.must_run()
    loop.lead = clock.lead
    if opened.aged:
        loop.checkpoint(0)  # so the next opening begins here, and no record of the other version is folded again
    return notice
