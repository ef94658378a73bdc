"""Dates: the timers that go by the time of day, beside those that count how much time passes.

There are two clocks. ``kernel.now`` is the order of events and never goes back. Timeouts, deadlines, leases, intervals and alarms in
seconds go by it. ``kernel.today`` is the time of day as the computer's clock says it, and may go back. Alarms at a date and
by five fields of cron go by it. ``kernel.lead`` is by how much the order is ahead of the time of day.

All timers lie in one heap, by the order. A change of the lead moves those of dates. So only that change costs something.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gemot.abi.events import Due
from gemot.kernel.process import Process, SetAlarm, Timer

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

Entry = tuple[int, int, Timer]

DATED = 1
"""The token of the timer of a tree that is away, of which the first date is due."""


def rings_at(kernel: Kernel, alarm: SetAlarm) -> int:
    """When an alarm rings next, by the order."""
    return alarm.at + (kernel.lead if alarm.dated else 0)


def is_dated(kernel: Kernel, timer: Timer) -> bool:
    """Whether a timer goes by the time of day."""
    if timer.kind == "away":
        return timer.token == DATED
    process = kernel.processes.held(timer.pid) if timer.kind == "alarm" else None
    alarm = None if process is None else process.alarms.get(timer.token)
    return alarm is not None and alarm.dated


def moved(kernel: Kernel, entries: Iterable[Entry], millis: int) -> list[Entry]:
    """Timers, those of dates by so much later."""
    return [(at + millis if is_dated(kernel, timer) else at, number, timer) for at, number, timer in entries]


def lead(kernel: Kernel, millis: int) -> None:
    """From now on the order is ahead of the time of day by so much."""
    if millis == kernel.lead:
        return
    grows = millis > kernel.lead
    for root in sorted(kernel.undated | (kernel.late.keys() if grows else set())):
        kernel.processes.get(root)  # one that is away says when its dates are only when it is here
    kernel.undated.clear()
    kernel.lead, later = millis, millis - kernel.lead
    kernel.timers = moved(kernel, kernel.timers, later)
    for root, entries in kernel.late.items():
        late = moved(kernel, entries, later)
        kernel.late[root] = [entry for entry in late if entry[0] <= kernel.now]
        kernel.timers += [entry for entry in late if entry[0] > kernel.now]  # it is not that late any more
        kernel.changed.add(root)
    heapq.heapify(kernel.timers)


def recurring(kernel: Kernel) -> Iterator[tuple[int, int, SetAlarm]]:
    """Pid, number and alarm of each alarm that comes again by the time of day. Trees with dates are brought into memory."""
    away = {timer.pid for _, _, timer in kernel.timers if timer.kind == "away" and timer.token == DATED}
    for root in sorted(away | kernel.undated | kernel.late.keys()):
        kernel.processes.get(root)
    for pid, process in sorted(kernel.processes.items()):
        for number, alarm in process.alarms.items():
            if alarm.every and alarm.dated:
                yield pid, number, alarm


def set_again(kernel: Kernel, rings: Iterable[tuple[int, int, Due]]) -> None:
    """The dates of these alarms were worked out again, because the time of day went back."""
    again: dict[tuple[int, int], tuple[Process, Due]] = {}
    for pid, number, due in rings:
        process = kernel.process(pid)
        alarm = None if process is None else process.alarms.get(number)
        if process is not None and alarm is not None and due.at and due.since == alarm.at:
            again[pid, number] = process, due
    if not again:
        return

    def stays(entry: Entry) -> bool:
        return entry[2].kind != "alarm" or (entry[2].pid, entry[2].token) not in again

    kernel.timers = list(filter(stays, kernel.timers))
    heapq.heapify(kernel.timers)
    for process, _ in again.values():
        if process.root in kernel.late:
            kernel.late[process.root] = list(filter(stays, kernel.late[process.root]))
    for (pid, number), (process, due) in again.items():
        process.alarms[number].set_to(due)
        kernel.part(process.root, number)
        kernel.set_timer(rings_at(kernel, process.alarms[number]), Timer(pid, "alarm", number))
        kernel.changed.add(process.root)
