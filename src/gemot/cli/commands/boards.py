"""What is typed to see the tasks of a tree and to work on them: `gemot board`, and a word for each move."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence

from gemot.cli.commands.common import Adder, home, json

EXAMPLES = """\
examples:
  gemot board                      the tasks of all trees that live
  gemot board 3                    the tasks of the tree that 3 is in
  gemot board add "say it in French, too" --after 1,2
  gemot board reject 2 "it has no numbers in it"
  gemot board drop 3 4

The numbers of tasks are those of the one tree that lives; --tree PID names another.
"""


def spelled_out(words: Sequence[str]) -> list[str]:
    """A command line in which `gemot board` and `gemot board 3` say what they mean: `gemot board show 3`."""
    bare = words[:1] == ["board"] and (len(words) < 2 or words[1].isdecimal() or words[1] in ("--json", "--home"))
    return ["board", "show", *words[1:]] if bare else list(words)


def add(command: Adder) -> None:
    """The command, with a word for each move."""
    board = command("board", _show, "see the tasks of a tree, put some there, judge what was done")
    board.epilog = EXAMPLES
    board.formatter_class = argparse.RawDescriptionHelpFormatter
    moves = board.add_subparsers(title="moves", metavar="MOVE", required=True, parser_class=type(board))

    def move(name: str, does: Callable[[Namespace], int], about: str, at_home: bool = False) -> ArgumentParser:
        made = moves.add_parser(name, help=about, description=about, allow_abbrev=False)
        made.set_defaults(does=does)
        if not at_home:
            made.add_argument("--tree", type=int, metavar="PID", help="a process of the tree whose board it is")
        home(made)
        return made

    show = move("show", _show, "show the board; what gemot board alone does", at_home=True)
    show.add_argument("pid", type=int, metavar="PID", nargs="?", help="a process of the tree; left out: all that live")
    json(show)
    task = move("task", _task, "all about one task")
    _number(task)
    json(task)
    new = move("add", _add, "put a task on the board")
    new.add_argument("text", metavar="TEXT", help="what is to be done")
    new.add_argument("--acceptance", metavar="TEXT", default="", help="how to tell that it is done")
    new.add_argument("--name", metavar="NAME", default="", help="by which other tasks can come after it")
    new.add_argument(
        "--after", metavar="TASK,...", default="", help="tasks, by number or name, that must be accepted before it"
    )
    new.add_argument("--priority", metavar="N", type=int, default=0, help="before those of lower priority; default: 0")
    _number(move("claim", _claim, "do it yourself: nobody else takes it meanwhile"))
    done = move("done", _done, "it is done, whoever has it")
    _number(done)
    done.add_argument("result", metavar="RESULT", help="what came of it")
    accept = move("accept", _accept, "what was done is right")
    _numbers(accept)
    accept.add_argument("--why", metavar="TEXT", default="", help="words that stay on the task")
    reject = move("reject", _reject, "what was done is not right: it is open again")
    _number(reject)
    reject.add_argument("reason", metavar="REASON", help="why, and what would be")
    reopen = move("reopen", _reopen, "open it again, whoever has it, also when it is stuck or dropped")
    _number(reopen)
    reopen.add_argument("advice", metavar="ADVICE", nargs="?", default="", help="words for whoever takes it next")
    _numbers(move("reorder", _reorder, "put these first"))
    drop = move("drop", _drop, "it is not wanted any more; what comes after it waits for it no longer")
    _numbers(drop)
    drop.add_argument("--why", metavar="TEXT", default="", help="words that stay on the task")


def _number(made: ArgumentParser) -> None:
    made.add_argument("task", type=int, metavar="TASK", help="its number on the board")


def _numbers(made: ArgumentParser) -> None:
    made.add_argument("tasks", type=int, metavar="TASK", nargs="+", help="numbers on the board")


def _show(typed: Namespace) -> int:
    from gemot.cli.board import show

    return show(typed.home, typed.pid, typed.as_json)


def _task(typed: Namespace) -> int:
    from gemot.cli.board import task

    return task(typed.home, typed.tree, typed.task, typed.as_json)


def _add(typed: Namespace) -> int:
    from gemot.abi.tasks import Task
    from gemot.cli.board_moves import add_task

    after = tuple(word.strip() for word in typed.after.split(",") if word.strip())
    return add_task(typed.home, typed.tree, Task(typed.text, typed.acceptance, typed.name, after, typed.priority))


def _claim(typed: Namespace) -> int:
    from gemot.abi.syscalls import Claim
    from gemot.cli.board_moves import move

    return move(typed.home, typed.tree, [Claim(typed.task)], "is yours")


def _done(typed: Namespace) -> int:
    from gemot.abi.syscalls import Complete
    from gemot.cli.board_moves import move

    return move(
        typed.home, typed.tree, [Complete(typed.task, typed.result)], "is completed; accept it, too, if it is right"
    )


def _accept(typed: Namespace) -> int:
    from gemot.abi.syscalls import Accept
    from gemot.cli.board_moves import move

    return move(typed.home, typed.tree, [Accept(task, True, typed.why) for task in typed.tasks], "is accepted")


def _reject(typed: Namespace) -> int:
    from gemot.abi.syscalls import Accept
    from gemot.cli.board_moves import move

    return move(typed.home, typed.tree, [Accept(typed.task, False, typed.reason)], "is open again")


def _reopen(typed: Namespace) -> int:
    from gemot.abi.tasks import Reopen
    from gemot.cli.board_moves import move

    return move(typed.home, typed.tree, [Reopen(typed.task, typed.advice)], "is open again")


def _reorder(typed: Namespace) -> int:
    from gemot.abi.syscalls import Reorder
    from gemot.cli.board_moves import move

    return move(typed.home, typed.tree, [Reorder(tuple(typed.tasks))], "first")


def _drop(typed: Namespace) -> int:
    from gemot.abi.tasks import Drop
    from gemot.cli.board_moves import move

    return move(typed.home, typed.tree, [Drop(task, typed.why) for task in typed.tasks], "is dropped")
