"""Faults planted in salvage: what ended lives again, what is in doubt acts, or it is begun before a person says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gemot.journal.salvage import Gathered
from gemot.kernel import salvaged
from gemot.kernel.process import Process
from gemot.machine import backups, salvaging
from gemot.machine.machine import Machine

Patch = pytest.MonkeyPatch


def salvage_that_revives(patch: Patch) -> None:
    """The trees are as they were before the damage, and nothing is said of what came after."""
    patch.setattr(salvaging, "_end", lambda journal, kernel, *_: salvaging._fetch_all(kernel, journal))


def doubt_that_acts(patch: Patch) -> None:
    """A use in doubt is carried out all the same."""
    inner = salvaging._end

    def end(journal: Any, kernel: Any, *rest: Any) -> None:
        inner(journal, kernel, *rest)
        for process in kernel.processes.values():
            process.doubt = 0

    patch.setattr(salvaging, "_end", end)


def ends_that_are_not_read(patch: Patch) -> None:
    """Whoever ended after the damage lives on."""
    inner = salvaging._end
    patch.setattr(
        salvaging, "_end", lambda journal, kernel, cast, later, *rest: inner(journal, kernel, cast, [], *rest)
    )


def salvage_that_resumes(patch: Patch) -> None:
    """What was salvaged goes on by itself."""
    inner = Machine._boot
    patch.setattr(Machine, "_boot", lambda self, resume: inner(self, resume or self._loop.journal.base > 0))
    patch.setattr(salvaged, "doubt", _carried_out)


def _carried_out(kernel: Any, process: Process, work: Any, use: Any) -> None:
    process.doubt = 0
    kernel.start(process, work)


def restore_that_loses(patch: Patch) -> None:
    """A backup lacks the last batch of records, and says nothing of that."""
    inner = backups._copy_database

    def copied(path: Path, into: Path) -> None:
        inner(path, into)
        _without_the_last(into)

    patch.setattr(backups, "_copy_database", copied)


def salvage_that_loses(patch: Patch) -> None:
    """A salvage leaves out the last batch that it gathers."""
    inner = salvaging.gather

    def gathered(path: Path, into: Path) -> Gathered:
        found = inner(path, into)
        _without_the_last(into)
        return found

    patch.setattr(salvaging, "gather", gathered)


def _without_the_last(file: Path) -> None:
    with sqlite3.connect(file) as database:
        last = "SELECT max(position) FROM records WHERE typeof(seal)='blob'"
        database.execute(f"DELETE FROM records WHERE position>({last} AND position<({last}))")
    database.close()


STEPS: dict[Callable[[Patch], None], str] = {restore_that_loses: "backup: ", salvage_that_loses: "salvage: "}
"""Faults that a step between two lives shows, and how the law that they break begins."""

FAULTS: tuple[Callable[[Patch], None], ...] = (
    salvage_that_revives,
    ends_that_are_not_read,
    salvage_that_resumes,
)
