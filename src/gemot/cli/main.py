"""The command line's entry: every command with its options. What a command does is imported when it is typed, not before."""

from __future__ import annotations

import argparse
import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from gemot import __version__
from gemot.cli import boards, spaces
from gemot.cli.failing import CODES, USAGE, finish, put

ABOUT = "An operating system for AI agents: give a goal, see who works on it, steer it, stop it, go on with it."

FIRST_STEPS = """\
first steps:
  gemot doctor                                   what this computer has and lacks
  gemot run "sum up what is in this folder"      a goal, worked on until it is done
  gemot run "write index.md" --work notes        in a folder that may be changed
  gemot ps, gemot log 3, gemot send 3 "..."      from another terminal, while it works

exit codes:
"""


class Parser(ArgumentParser):
    """Says what is wrong in one sentence, and where the help is."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"gemot: {_in_our_words(message)}. {self.prog} --help shows how\n")
        raise SystemExit(USAGE)


def _in_our_words(message: str) -> str:
    """What argparse complains about, where a person needs other words."""
    unknown = re.match(r"argument (COMMAND|MOVE): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
    if unknown:
        from difflib import get_close_matches

        near = get_close_matches(unknown[2], re.findall(r"\w+", unknown[3]), 2, 0.5)
        return f"there is no {unknown[1].lower()} {unknown[2]!r}" + (
            f"; did you mean {' or '.join(near)}" if near else ""
        )
    extra = re.match(r"unrecognized arguments: (.*)", message, re.DOTALL)
    if extra:
        quotes = "" if extra[1].startswith("-") else "; a goal or message with spaces goes in quotes"
        return f"not understood: {extra[1]}{quotes}"
    return message.replace("invalid int value", "a number is needed, not")


def parser() -> ArgumentParser:
    codes = "\n".join(f"  {code:>3}  {words}" for code, words in CODES.items())
    top = Parser(
        "gemot",
        description=ABOUT,
        epilog=FIRST_STEPS + codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"gemot {__version__}", help="print the version")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command", parser_class=Parser)

    def command(name: str, does: Callable[[Namespace], int], about: str, shown: bool = True) -> ArgumentParser:
        # argparse lists only those that have a help text
        listed: dict[str, Any] = {"help": about} if shown else {}
        made = commands.add_parser(name, description=about, allow_abbrev=False, **listed)
        made.set_defaults(does=does)
        return made

    _work_commands(command)
    _look_commands(command)
    _change_commands(command)
    boards.add(command, _home, _json)
    spaces.add(command, lambda made: (_pid(made), _home(made))[1])
    _house_commands(command)
    return top


Adder = Callable[..., ArgumentParser]


def _home(made: ArgumentParser) -> None:
    made.add_argument(
        "--home", type=_folder, metavar="DIR", help="the machine's folder; default: GEMOT_HOME, or your data folder"
    )


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("name a folder; an empty name is none")
    return Path(text)


def _json(made: ArgumentParser) -> None:
    made.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")


def _pid(made: ArgumentParser, optional: str = "") -> None:
    made.add_argument(
        "pid",
        type=int,
        metavar="PID",
        nargs="?" if optional else None,
        help=f"a process of the tree; left out: {optional}" if optional else "a process; gemot ps shows them",
    )


def _manner(made: ArgumentParser) -> None:
    made.add_argument(
        "--asks",
        choices=("ask", "wait", "no"),
        default="ask",
        help="ask (default): at this terminal; without one, stop when only a person can go on. wait: stay until somebody "
        "answers. no: refuse every action that needs a yes",
    )
    _json(made)
    made.add_argument("-q", "--quiet", action="store_true", help="print nothing but the result")
    _home(made)


def _work_commands(command: Adder) -> None:
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
        "--show-mandate",
        action="store_true",
        dest="show",
        help="show what it plans to be allowed to do, and do nothing yet; gemot answer endorses it, gemot resume goes on",
    )
    run.add_argument("--detach", action="store_true", help="start it in the background, print its pid and return")
    _manner(run)
    resume = command("resume", _resume, "go on with what was interrupted, and follow it")
    _pid(resume, "all that sleep")
    _manner(resume)


def _look_commands(command: Adder) -> None:
    ps = command("ps", _ps, "list the processes")
    ps.add_argument("-a", "--all", action="store_true", dest="everything", help="those that have ended, too")
    tree = command("tree", _tree, "show who started whom, what each does, and what it has used")
    _pid(tree, "all that live")
    log = command("log", _log, "read what a process was told, said and did")
    _pid(log)
    log.add_argument("-f", "--follow", action="store_true", help="go on as it grows, until the process ends")
    replay = command("replay", _replay, "fold the journal again: see any moment of it, or check every decision in it")
    replay.add_argument("pid", type=int, metavar="PID", nargs="?", help="show what this process was shown")
    replay.add_argument("--to", type=int, metavar="N", help="the position to go to; default: the end")
    replay.add_argument("--check", action="store_true", help="recompute every decision; name the first that differs")
    _home(replay)
    asks = command("asks", _asks, "list what processes ask you")
    for made in (ps, tree, log, asks):
        _json(made)
        _home(made)


def _change_commands(command: Adder) -> None:
    send = command("send", _send, "tell a process something while it works")
    _pid(send)
    send.add_argument("text", metavar="TEXT", help="a new goal, a suggestion, a correction")
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
    _pid(kill)
    fork = command("fork", _fork, "begin a new tree whose first process knows what this one knows")
    _pid(fork)
    fork.add_argument("text", metavar="TEXT", help="what the copy does, unlike the original")
    move = command("move", _move, "move a process to another model; it goes on where it is")
    _pid(move)
    move.add_argument("--model", metavar="NAME", required=True, help="the model it goes on with")
    export = command("export", _export, "write a tree to one file, from which another machine can go on with it")
    archive = command("archive", _archive, "write a tree that has ended to one file, and take it out of this machine")
    for made in (export, archive):
        _pid(made)
        made.add_argument("file", type=Path, metavar="FILE", help="where it goes; there must be no such file yet")
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
    bring.add_argument("--yes", action="store_true", dest="sure", help="do not ask whether what it holds may come in")
    for made in (send, answer, kill, fork, move, export, archive, bring):
        _home(made)


def _house_commands(command: Adder) -> None:
    _json(command("programs", _programs, "list the programs that can be run from here"))
    _json(command("models", _models, "list the models, and what each needs"))
    model = command("model", _model, "model install: download the embedded model, check it and keep it")
    model.add_argument("what", choices=("install",), help="install: download it, check it and keep it")
    doctor = command("doctor", _doctor, "say what this computer has and lacks, and what to do about it")
    doctor.add_argument(
        "--salvage",
        action="store_true",
        help="keep a damaged journal aside and go on with the records before the damage",
    )
    _home(doctor)
    command("version", _version, "print the version")
    _home(command("serve", _serve, "run a machine in the background until nothing is left to do", shown=False))


# What each command does. The imports stand inside, so that a command pays for nothing but itself.


def _run(typed: Namespace) -> int:
    from gemot.cli.goal import prepared
    from gemot.cli.run import Manner, run

    start = prepared(typed.goal, typed.program, typed.model, typed.also_model, typed.work, typed.budget, typed.settings)
    if typed.detach:
        from gemot.cli.background import detach

        return detach(typed.home, start)
    return run(typed.home, start, Manner(typed.quiet, typed.as_json, "show" if typed.show else typed.asks))


def _resume(typed: Namespace) -> int:
    from gemot.cli.run import Manner, resume

    return resume(typed.home, typed.pid, Manner(typed.quiet, typed.as_json, typed.asks))


def _ps(typed: Namespace) -> int:
    from gemot.cli.tables import ps

    return ps(typed.home, typed.everything, typed.as_json)


def _tree(typed: Namespace) -> int:
    from gemot.cli.tables import tree

    return tree(typed.home, typed.pid, typed.as_json)


def _log(typed: Namespace) -> int:
    from gemot.cli.log import log

    return log(typed.home, typed.pid, typed.follow, typed.as_json)


def _replay(typed: Namespace) -> int:
    from gemot.cli.replay import replay

    return replay(typed.home, typed.pid, typed.to, typed.check)


def _asks(typed: Namespace) -> int:
    from gemot.cli.tables import asks

    return asks(typed.home, typed.as_json)


def _send(typed: Namespace) -> int:
    from gemot.cli.change import send

    return send(typed.home, typed.pid, typed.text)


def _answer(typed: Namespace) -> int:
    from gemot.cli.change import answer

    return answer(typed.home, typed.ask, typed.word, typed.scope, typed.why)


def _kill(typed: Namespace) -> int:
    from gemot.cli.change import kill

    return kill(typed.home, typed.pid)


def _fork(typed: Namespace) -> int:
    from gemot.cli.change import fork

    return fork(typed.home, typed.pid, typed.text)


def _move(typed: Namespace) -> int:
    from gemot.cli.change import move
    from gemot.cli.options import model_name

    return move(typed.home, typed.pid, model_name(typed.model))


def _export(typed: Namespace) -> int:
    from gemot.cli.carry import export

    return export(typed.home, typed.pid, typed.file)


def _archive(typed: Namespace) -> int:
    from gemot.cli.carry import archive

    return archive(typed.home, typed.pid, typed.file)


def _import(typed: Namespace) -> int:
    from gemot.cli.carry import bring

    return bring(typed.home, typed.file, typed.mounts, typed.sure)


def _programs(typed: Namespace) -> int:
    from gemot.cli.tables import programs

    return programs(typed.as_json)


def _models(typed: Namespace) -> int:
    from gemot.cli.models import show

    return show(typed.as_json)


def _model(typed: Namespace) -> int:
    from gemot.cli.models import install

    return install()


def _doctor(typed: Namespace) -> int:
    from gemot.cli.doctor import doctor

    return doctor(typed.home, typed.salvage)


def _version(typed: Namespace) -> int:
    put(f"gemot {__version__}")
    return 0


def _serve(typed: Namespace) -> int:
    from gemot.cli.background import serve

    return serve(typed.home)


def main() -> None:
    """`gemot`, as typed. Whatever text comes by, printing it never fails over a character."""
    if sys.stdout is None or sys.stderr is None:  # whoever started us has closed them: then we write to nobody
        nobody = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it is open until we end
        sys.stdout, sys.stderr = sys.stdout or nobody, sys.stderr or nobody
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    known = parser()
    typed = known.parse_args(boards.spelled_out(sys.argv[1:]))
    if typed.command is None:
        known.print_help(sys.stderr)
        raise SystemExit(USAGE)
    does: Callable[[Namespace], int] = typed.does
    finish(lambda: does(typed))
