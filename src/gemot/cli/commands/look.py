"""See what is going on, and what was."""

from __future__ import annotations

from argparse import Namespace

from gemot.cli.commands.common import Adder, home, json, must_do_something, pid


def add(command: Adder) -> None:
    """The commands of this group."""
    ps = command("ps", _ps, "list the processes")
    ps.add_argument("-a", "--all", action="store_true", dest="everything", help="those that have ended, too")
    ps.add_argument(
        "--trees",
        type=int,
        metavar="N",
        help="so many trees, the newest; 0: all; default: 200, of --json without --all: all",
    )
    ps.add_argument("--before", type=int, metavar="PID", default=0, help="only trees that began before this process")
    tree = command("tree", _tree, "show who started whom, what each does, and what it has used")
    pid(tree, "all that live")
    log = command("log", _log, "read what a process was told, said and did, with the positions in the journal")
    pid(log, "the newest records of all")
    log.add_argument("-f", "--follow", action="store_true", help="go on as it grows, until the process ends")
    log.add_argument(
        "-n", "--last", type=int, metavar="N", default=0, help="the last N records that have something to tell"
    )
    log.add_argument(
        "--from", type=int, metavar="POSITION", default=0, dest="first", help="what comes from this position on"
    )
    log.add_argument(
        "-a", "--all", action="store_true", dest="everything", help="all; the default where a process is named"
    )
    replay = command("replay", _replay, "fold the journal again: see any moment of it, or check every decision in it")
    replay.add_argument("pid", type=int, metavar="PID", nargs="?", help="show what this process was shown")
    replay.add_argument("--to", type=int, metavar="N", help="the position to go to; default: the end")
    replay.add_argument("--check", action="store_true", help="recompute every decision; name the first that differs")
    home(replay)
    receipt = command("receipt", _receipt, "show what a process really did, by the kernel's own record")
    pid(receipt)
    receipt.add_argument("--diff", action="store_true", help="and the text of what it changed")
    asks = command("asks", _asks, "list what processes ask you, or show one question whole")
    asks.add_argument("ask", type=int, metavar="ASK", nargs="?", help="the number of a question: every character of it")
    for made in (ps, tree, log, receipt, asks):
        json(made)
        home(made)


def _ps(typed: Namespace) -> int:
    from gemot.cli.tables import ps

    return ps(typed.home, typed.everything, typed.as_json, typed.trees, typed.before)


def _tree(typed: Namespace) -> int:
    from gemot.cli.tables import tree

    return tree(typed.home, typed.pid, typed.as_json)


def _log(typed: Namespace) -> int:
    from gemot.cli.log import Part, log

    part = Part(typed.last, typed.first, typed.everything)
    return log(typed.home, typed.pid, typed.follow, typed.as_json, part)


def _receipt(typed: Namespace) -> int:
    from gemot.cli.receipt import receipt

    return receipt(typed.home, typed.pid, typed.as_json, typed.diff)


def _replay(typed: Namespace) -> int:
    from gemot.cli.replay import replay

    must_do_something(
        (typed.check and typed.pid is not None, "PID", "--check looks at the decisions of every process"),
        (typed.check and typed.to is not None, "--to", "--check looks at the whole journal"),
    )
    return replay(typed.home, typed.pid, typed.to, typed.check)


def _asks(typed: Namespace) -> int:
    from gemot.cli.tables import asks

    return asks(typed.home, typed.as_json, typed.ask)
