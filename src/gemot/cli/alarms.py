"""Alarms: those that are set, the next one first."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from gemot.cli import times
from gemot.cli.failing import DONE, put, say
from gemot.cli.paint import print_line
from gemot.cli.plain import first_line, one_line, plain_json
from gemot.cli.sight import look
from gemot.machine.looking import TREES_SHOWN


class Row(Struct, frozen=True):
    """An alarm as `gemot alarms --json` prints it. ``at``: milliseconds since 1970; ``next``: as the person's clock shows it."""

    pid: int
    alarm: int
    at: int
    next: str
    every: str
    zone: str
    missed: str
    note: str
    asleep: bool


def alarms(home: Path | None, as_json: bool) -> int:
    """All alarms, the next one first."""
    sight = look(home, "alarms", trees_max=0 if as_json else TREES_SHOWN)
    views = sight.views
    rows = sorted(
        (
            Row(
                view.pid,
                one.number,
                one.at,
                times.when(one.at),
                one.every,
                one.zone,
                one.missed,
                one.note,
                view.state == "asleep",
            )
            for view in views
            for one in view.alarms
        ),
        key=lambda row: (row.at, row.pid, row.alarm),
    )
    for row in rows if as_json else ():
        put(plain_json(msgspec.json.encode(row).decode()))
    if as_json:
        return DONE
    if not rows:
        put('no alarm is set; gemot schedule "..." --every "0 9 * * MON" sets one')
        return DONE
    put(f"{'PID':>5} {'ALARM':>6} {'NEXT':<24} {'IN':>7}  WHAT")
    for row in rows:
        every = f"every {one_line(row.every, 40)} ({one_line(row.zone, 40)}) " if row.every else ""
        left = row.at - times.now()
        due = "asleep" if row.asleep else times.span(left) if left >= 0 else "due"
        print_line(f"{row.pid:>5} {row.alarm:>6} {row.next:<24} {due:>7}  {every}{first_line(row.note, 80)}".rstrip())
    if sight.left:
        put(f"{sight.left} more trees have something due later: gemot alarms --json lists all")
    sleeping = sorted({view.root for view in views if view.alarms and view.state == "asleep"})
    if sleeping:
        say(f"{len(sleeping)} of these trees sleep and do not ring: gemot resume --detach wakes them")
    return DONE
