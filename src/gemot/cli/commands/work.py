"""Give work and go on with it."""

from __future__ import annotations

from argparse import Namespace

from gemot.cli.commands.common import Adder, manner, pid


def add(command: Adder) -> None:
    """The commands of this group."""
    run = command("run", _run, "give a goal and follow the work to its end")
    run.add_argument(
        "goal", metavar="GOAL", nargs="?", help="what is to be done, in quotes; - reads it from the standard input"
    )
    run.add_argument("--program", metavar="NAME", help="who does it; gemot programs lists them; default: solo")
    run.add_argument("--model", metavar="NAME", help="the model it uses; gemot models lists them; default: embedded")
    run.add_argument(
        "--also-model",
        metavar="NAME",
        action="append",
        default=[],
        help="another model that it and its children may use; repeatable",
    )
    run.add_argument(
        "--work",
        metavar="DIR[:ro|:rw|:cow]",
        help="the folder it works in, or (cow) a copy of it; default: this one, to read only",
    )
    run.add_argument(
        "--budget",
        metavar="NAME=N,...",
        default="",
        help="what it may use: tokens, usd, seconds, processes, depth, calls",
    )
    run.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        dest="settings",
        help="a parameter of the program; repeatable",
    )
    run.add_argument(
        "--check",
        metavar="COMMAND",
        action="append",
        default=[],
        dest="checks",
        help="its result counts only if this command, run on its files behind walls, ends with exit code 0; repeatable",
    )
    run.add_argument(
        "--review",
        choices=("reviewer", "person"),
        action="append",
        default=[],
        dest="reviews",
        help="who must accept its result: another process that only looks, or you; repeatable",
    )
    run.add_argument(
        "--show-mandate",
        action="store_true",
        dest="show",
        help="show what it plans to be allowed to do, and do nothing yet; gemot answer endorses it, gemot resume goes on",
    )
    run.add_argument("--detach", action="store_true", help="start it in the background, print its pid and return")
    manner(run)
    resume = command("resume", _resume, "go on with what was interrupted, and follow it")
    pid(resume, "all that sleep")
    manner(resume)


def _run(typed: Namespace) -> int:
    from gemot.cli.goal import prepared
    from gemot.cli.run import Manner, run

    start = prepared(
        typed.goal,
        typed.program,
        typed.model,
        typed.also_model,
        typed.work,
        typed.budget,
        typed.settings,
        typed.checks,
        typed.reviews,
    )
    if typed.detach:
        from gemot.cli.background import detach

        return detach(typed.home, start)
    return run(typed.home, start, Manner(typed.quiet, typed.as_json, "show" if typed.show else typed.asks))


def _resume(typed: Namespace) -> int:
    from gemot.cli.run import Manner, resume

    return resume(typed.home, typed.pid, Manner(typed.quiet, typed.as_json, typed.asks))
