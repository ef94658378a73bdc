"""Outages: a provider fails for longer than a few quick attempts take. The question waits; its process does not end.

The machine makes the attempts and says so with `Waiting`. A further model of the route takes the question over, if the process can pay for
one. Otherwise the question stays with its model, and everything that concerns the process goes on meanwhile: messages, moves, forks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemot.abi.answers import Error
from gemot.abi.events import Waiting
from gemot.kernel import routes, working
from gemot.kernel.process import Outage, Process, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def waiting(kernel: Kernel, event: Waiting) -> None:
    """Book what the failed attempts used. Then let the question wait, move on with the route, or end where the means are used up."""
    pid = kernel.working.get(event.effect, 0)
    if not pid:
        return
    process = kernel.processes[pid]
    kernel.changed.add(process.root)
    usages = () if event.usage is None else (event.usage,)
    working.book(kernel, process, usages, 0, event.provider)
    work = next((each for each in process.work if each.effect == event.effect and each.state == "started"), None)
    if work is None or not process.alive:
        return
    since = event.at if work.outage is None else work.outage.since
    work.outage = Outage(event.why, event.attempts, event.until, since)
    used_up = _used_up(process, event)
    if used_up:
        _end(kernel, process, work, event, used_up)
        return
    model = routes.affordable(process, work)
    if model is not None:
        kernel.stop(work)
        routes.ask(kernel, process, work, model)


def _used_up(process: Process, event: Waiting) -> str:
    """What of its means the failed attempts have used up."""
    if event.usage is None:
        return ""
    if process.left.tokens < 1:
        return "tokens"
    return "money" if event.usage.usd_micros and process.left.usd_micros < 1 else ""


def _end(kernel: Kernel, process: Process, work: Work, event: Waiting, what: str) -> None:
    kernel.stop(work)
    words = f"{what}: {event.attempts} attempts that gave no reply have used up what this process had ({event.why})"
    kernel.answer(process, Error("budget", words))
