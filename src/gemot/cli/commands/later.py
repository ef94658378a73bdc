"""Goals for later and again and again, and when what is set rings next."""

from __future__ import annotations

from argparse import Namespace

from gemot.cli.commands.common import Adder, goal, home, json, must_do_something, typed_goal

RUNS = 1000


def add(command: Adder) -> None:
    """The commands of this group."""
    schedule = command("schedule", _schedule, "work on a goal at a time, or again and again, in the background")
    goal(schedule)
    when = schedule.add_mutually_exclusive_group(required=True)
    when.add_argument(
        "--every",
        metavar="WHEN",
        default="",
        help='minute, hour, day of month, month, weekday: "0 9 * * MON"; or an interval: 30s, 15m, 2h, 1d',
    )
    when.add_argument("--at", metavar="TIME", default="", help="once, at a date and time: 2027-03-01T09:00")
    schedule.add_argument("--zone", metavar="ZONE", default="", help="such as Europe/Berlin; default: this computer's")
    schedule.add_argument(
        "--missed",
        choices=("once", "skip", "all"),
        default="once",
        help="what becomes of times that were missed, for instance while this computer was off. once (default): one run for "
        "all of them. skip: none. all: one run for each, up to 100",
    )
    schedule.add_argument("--runs", metavar="N", type=int, help=f"end after so many runs; default: {RUNS}")
    alarms = command("alarms", _alarms, "list the alarms that are set, and when each rings next")
    json(alarms)
    for made in (schedule, alarms):
        home(made)


def _schedule(typed: Namespace) -> int:
    from gemot.cli.scheduling import Plan, schedule

    must_do_something((typed.at and typed.runs is not None, "--runs", "a goal --at a time is worked on once"))
    runs = RUNS if typed.runs is None else typed.runs
    plan = Plan(typed.every, typed.at, typed.zone, typed.missed, runs)
    return schedule(typed.home, plan, typed_goal(typed))


def _alarms(typed: Namespace) -> int:
    from gemot.cli.alarms import alarms

    return alarms(typed.home, typed.as_json)
