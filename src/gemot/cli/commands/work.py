"""Give work and go on with it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from gemot.cli.commands.common import Adder, goal, image, manner, must_do_something, pid, typed_goal


def add(command: Adder) -> None:
    """The commands of this group."""
    run = command("run", _run, "give a goal and follow the work to its end")
    goal(run)
    run.add_argument(
        "--show-mandate",
        action="store_true",
        dest="show",
        help="show what it plans to be allowed to do, and do nothing yet; gemot answer endorses it, gemot resume goes on",
    )
    image(run)
    run.add_argument("--detach", action="store_true", help="start it in the background, print its pid and return")
    manner(run)
    resume = command("resume", _resume, "go on with what was interrupted, and follow it")
    pid(resume, "all that sleep")
    resume.add_argument("--detach", action="store_true", help="go on in the background, and return")
    manner(resume)


def _unfollowed(typed: Namespace) -> Iterator[tuple[object, str, str]]:
    """Options that say how work is followed, which --detach does not do."""
    yield typed.detach and typed.asks, "--asks", "with --detach questions wait for gemot answer"
    yield typed.detach and typed.as_json, "--json", "with --detach only numbers are printed; gemot ps --json follows"


def _run(typed: Namespace) -> int:
    from gemot.cli.goal import prepared
    from gemot.cli.run import Manner, run

    must_do_something(
        *_unfollowed(typed),
        (typed.detach and typed.show, "--show-mandate", "with --detach nothing is shown; leave --detach out"),
        (typed.show and typed.asks, "--asks", "--show-mandate ends at the first question"),
    )
    start = prepared(*typed_goal(typed, typed.images), quiet=typed.quiet)
    if typed.detach:
        from gemot.cli.background import detach

        return detach(typed.home, start)
    return run(typed.home, start, Manner(typed.quiet, typed.as_json, "show" if typed.show else typed.asks or "ask"))


def _resume(typed: Namespace) -> int:
    from gemot.cli.run import Manner, resume

    must_do_something(
        *_unfollowed(typed), (typed.detach and typed.quiet, "--quiet", "with --detach only numbers are printed")
    )
    if typed.detach:
        from gemot.cli.background import go_on

        return go_on(typed.home, typed.pid)
    return resume(typed.home, typed.pid, Manner(typed.quiet, typed.as_json, typed.asks or "ask"))
