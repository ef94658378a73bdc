"""Steer what is going on: words, answers, ends, moves."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from gemot.cli.commands.common import Adder, home, image, json, pid
from gemot.cli.failing import Usage


def add(command: Adder) -> None:
    """The commands of this group."""
    send = command("send", _send, "tell a process something while it works")
    pid(send)
    send.add_argument("text", metavar="TEXT", help="a new goal, a suggestion, a correction")
    image(send)
    answer = command("answer", _answer, "answer an ask")
    answer.add_argument("ask", type=int, metavar="ASK", help="the number of the ask; gemot asks lists them")
    answer.add_argument("word", metavar="yes|no|TEXT", help="yes or no to an action; the answer to a question")
    answer.add_argument(
        "--for",
        choices=("once", "process", "subtree"),
        default="once",
        dest="scope",
        help="how far a yes to this kind of action reaches; default: once",
    )
    answer.add_argument("--why", metavar="TEXT", default="", help="words for the process, with a yes or no")
    kill = command("kill", _kill, "end a process and all of its descendants")
    pid(kill)
    kill.add_argument("--why", metavar="TEXT", default="", help="the reason; its parent and the log have it")
    revoke = command("revoke", _revoke, "take a right from a process and all of its descendants, at once")
    pid(revoke)
    revoke.add_argument(
        "tool",
        metavar="TOOL",
        help="a tool (files/write), all tools of a driver ('files/*'), a syscall (spawn), or '*'",
    )
    pause = command("pause", _pause, "put the tree of a process to sleep; gemot resume lets it go on")
    pid(pause)
    fork = command("fork", _fork, "begin a new tree whose first process knows what this one knows")
    pid(fork)
    fork.add_argument("text", metavar="TEXT", help="what the copy does, unlike the original")
    fork.add_argument(
        "--budget", metavar="NAME=N,...", default="", help="what it may use; names as in gemot run --budget"
    )
    retract = command("retract", _retract, "take back what a process said, or was told, from everybody who read it")
    pid(retract)
    retract.add_argument("reason", metavar="WHY", help="what is wrong with it; those who read it are told")
    retract.add_argument(
        "--told",
        type=int,
        metavar="N",
        help="only what it was told at this position in the journal, and what it said since; gemot log shows them",
    )
    retract.add_argument(
        "--yes", action="store_true", dest="sure", help="do not ask whether what follows from it may happen"
    )
    rewind = command("rewind", _rewind, "put a process back to an earlier moment; it goes on from there")
    pid(rewind)
    rewind.add_argument(
        "--to", type=int, metavar="N", required=True, help="a position in the journal; gemot log shows them"
    )
    rewind.add_argument("--say", metavar="TEXT", default="", dest="text", help="what it is told then")
    move = command("move", _move, "move a process to another model; it goes on where it is")
    pid(move)
    move.add_argument("--model", metavar="NAME", required=True, help="the model it goes on with")
    export = command("export", _export, "write a tree to one file, from which another machine can go on with it")
    pid(export)
    export.add_argument("file", type=Path, metavar="FILE", help="where it goes; there must be no such file yet")
    archive = command("archive", _archive, "write trees that have ended to files, and take them out of this machine")
    archive.add_argument(
        "pid", type=int, metavar="PID", nargs="?", help="a process of the tree; without one, see --keep"
    )
    archive.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="where it goes; there must be no such file yet. With --older-than or --keep: a folder",
    )
    delete = command("delete", _delete, "take trees that have ended out of this machine for good")
    delete.add_argument(
        "pids", type=int, metavar="PID", nargs="*", help="processes of the trees; gemot ps --all shows them"
    )
    for made in (archive, delete):
        made.add_argument(
            "--older-than", metavar="AGE", default="", dest="older", help="all that ended so long ago: 12h, 30d, 8w"
        )
        made.add_argument(
            "--keep", type=int, metavar="N", help="all but the newest N; with --older-than, what both leave over"
        )
        made.add_argument(
            "--dry-run", action="store_true", dest="trial", help="say what would leave, and change nothing"
        )
        json(made)
    bring = command("import", _import, "bring in a tree from a file; it sleeps until you resume it")
    bring.add_argument("file", type=Path, metavar="FILE", help="written by gemot export or gemot archive")
    bring.add_argument(
        "--mount",
        metavar="NAME=DIR",
        action="append",
        default=[],
        dest="mounts",
        help="the folder here that it sees as /NAME; repeatable. It sees no other",
    )
    bring.add_argument(
        "--model",
        metavar="NAME",
        default="",
        help="takes the place of each model in the file that is a script or has an address of its own",
    )
    bring.add_argument("--yes", action="store_true", dest="sure", help="do not ask whether what it holds may come in")
    for made in (send, answer, kill, revoke, pause, fork, retract, rewind, move, export, archive, delete, bring):
        home(made)


def _send(typed: Namespace) -> int:
    from gemot.cli.change import send
    from gemot.cli.options import images

    return send(typed.home, typed.pid, typed.text, images(typed.images))


def _answer(typed: Namespace) -> int:
    from gemot.cli.change import answer

    return answer(typed.home, typed.ask, typed.word, typed.scope, typed.why)


def _kill(typed: Namespace) -> int:
    from gemot.cli.change import kill

    return kill(typed.home, typed.pid, typed.why)


def _revoke(typed: Namespace) -> int:
    from gemot.cli.change import revoke

    return revoke(typed.home, typed.pid, typed.tool)


def _pause(typed: Namespace) -> int:
    from gemot.cli.change import pause

    return pause(typed.home, typed.pid)


def _fork(typed: Namespace) -> int:
    from gemot.cli.change import fork

    return fork(typed.home, typed.pid, typed.text, typed.budget)


def _retract(typed: Namespace) -> int:
    from gemot.cli.taking_back import retract

    return retract(typed.home, typed.pid, typed.reason, typed.told, typed.sure)


def _rewind(typed: Namespace) -> int:
    from gemot.cli.taking_back import rewind

    return rewind(typed.home, typed.pid, typed.to, typed.text)


def _move(typed: Namespace) -> int:
    from gemot.cli.change import move
    from gemot.cli.options import model_name

    return move(typed.home, typed.pid, model_name(typed.model))


def _export(typed: Namespace) -> int:
    from gemot.cli.carry import export

    return export(typed.home, typed.pid, typed.file)


def _archive(typed: Namespace) -> int:
    from gemot.cli.carry import archive
    from gemot.cli.clearing import clear

    if typed.older or typed.keep is not None or typed.trial:
        pids = [] if typed.pid is None else [typed.pid]
        return clear(typed.home, pids, typed.older, typed.keep, typed.file, typed.trial, typed.as_json)
    if typed.pid is None:
        raise Usage(
            "which tree? gemot archive PID FILE takes one; gemot archive --older-than 30d --keep 1000 DIR takes many"
        )
    return archive(typed.home, typed.pid, typed.file)


def _delete(typed: Namespace) -> int:
    from gemot.cli.clearing import clear

    return clear(typed.home, typed.pids, typed.older, typed.keep, None, typed.trial, typed.as_json)


def _import(typed: Namespace) -> int:
    from gemot.cli.carry import bring

    return bring(typed.home, typed.file, typed.mounts, typed.model, typed.sure)
