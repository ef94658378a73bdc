"""Faults of reviews, races and standstills, planted by hand; see :mod:`faults`."""

from __future__ import annotations

from typing import Any

import msgspec
from faults import FAULTS as FAULTS
from faults import Patch, fault

from gemot.kernel import families, gates, judging, reviewing, standing, waiting
from gemot.kernel.process import Process


@fault
def open_gate(patch: Patch) -> None:
    """A result that is to be reviewed is accepted at once."""
    patch.setattr(reviewing, "begin", lambda kernel, process: families.accepted(kernel, process, process.syscall))


@fault
def gate_fails_open(patch: Patch) -> None:
    """A reviewer that could not judge has approved."""
    inner = judging.judged
    patch.setattr(judging, "judged", lambda outcome: "" if outcome.state != "done" else inner(outcome))


@fault
def told_what_was_rejected(patch: Patch) -> None:
    """A result that was not accepted in the end is told all the same."""
    inner = reviewing.signed

    def signed(process: Process, outcome: Any, *rest: Any) -> Any:
        made = inner(process, outcome, *rest)
        return msgspec.structs.replace(made, value="what it said") if outcome.rule == "review" else made

    patch.setattr(reviewing, "signed", signed)


@fault
def messages_leave_a_gate(patch: Patch) -> None:
    """A process under review writes to whom it likes."""
    patch.setattr(gates, "must_be_open", lambda *what: None)


@fault
def failure_text_leaves_a_gate(patch: Patch) -> None:
    """How a process under review failed is told in its own words."""
    patch.setattr(gates, "told", lambda process, whole, review, own_words: whole)


@fault
def race_without_an_end(patch: Patch) -> None:
    """Those who have lost a race run on."""
    patch.setattr(waiting, "_rest_killed", lambda kernel, process, won, ended, running: ended)


@fault
def standstill_goes_unnoticed(patch: Patch) -> None:
    """Nobody looks whether a tree stands still."""
    patch.setattr(standing, "look", lambda kernel, root: None)


@fault
def told_of_a_standstill_again_and_again(patch: Patch) -> None:
    """Who was told that nothing will come, and waits again, is told again."""

    def may_be_told(process: Process) -> bool:
        return process.state == "waiting" and process.program.inline_mail and bool(process.parent)

    patch.setattr(standing, "_may_be_told", may_be_told)


@fault
def witness_that_sleeps(patch: Patch) -> None:
    """Who was at work when it was last looked is taken to be at work for ever."""
    inner = standing._awake
    seen: set[int] = set()

    def awake(process: Process) -> bool:
        if inner(process):
            seen.add(process.pid)
        return process.pid in seen

    patch.setattr(standing, "_awake", awake)
