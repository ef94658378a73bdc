"""The command line's entry: every command with its options. What a command does is imported when it is typed, not before."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any, NoReturn

from gemot import __version__
from gemot.cli.commands import boards, change, house, later, look, memories, spaces, work
from gemot.cli.failing import CODES, FAILED, USAGE, finish, say, written

ABOUT = "An operating system for AI agents: give a goal, see who works on it, steer it, stop it, go on."

FIRST_STEPS = """\
first steps:
  gemot doctor                                   what this computer has and lacks
  gemot run "Which files mention Friday?"        a goal, worked on until it is done
  gemot run "..." --work notes                   in a folder that may be changed
  gemot run "..." --model openai:gpt-5-mini      by a bigger model; gemot models lists them
  gemot ps, gemot log 3, gemot send 3 "..."      from another terminal, while it works

exit codes:
"""


class Parser(ArgumentParser):
    """Says what is wrong in one sentence, and where the help is."""

    def error(self, message: str) -> NoReturn:
        say(f"gemot: {_in_our_words(message)}. {self.prog} --help shows how")
        raise SystemExit(USAGE)


def _in_our_words(message: str) -> str:
    """What argparse complains about, where a person needs other words."""
    unknown = re.match(r"argument (COMMAND|MOVE): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL)
    if unknown:
        from difflib import get_close_matches

        near = get_close_matches(unknown[2], re.findall(r"\w+", unknown[3]), 2, 0.6)
        return f"there is no {unknown[1].lower()} {unknown[2]!r}" + (
            f"; did you mean {' or '.join(near)}" if near else ""
        )
    extra = re.match(r"unrecognized arguments: (.*)", message, re.DOTALL)
    if extra:
        quotes = "" if extra[1].startswith("-") else "; a goal or message with spaces goes in quotes"
        return f"not understood: {extra[1]}{quotes}"
    if message == "argument --zone: expected one argument":
        return "--zone names a time zone; one that begins with - is written --zone=-02:00"
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

    for group in (work, later, look, change, boards, spaces, memories, house):
        group.add(command)
    return top


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
    words = sys.argv[1:]
    if words[:1] == ["help"]:  # `gemot help run` is `gemot run --help`
        words = [*words[1:], "--help"]
    try:
        typed = known.parse_args(boards.spelled_out(words))
    except SystemExit as end:  # a help text, or a mistake that has been said
        if not written():
            raise SystemExit(FAILED) from None
        raise end from None
    if typed.command is None:
        known.print_help(sys.stderr)
        raise SystemExit(USAGE)
    does: Callable[[Namespace], int] = typed.does
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # see gemot.cli.start; from here on what is open is closed
        signal.signal(signal.SIGINT, signal.default_int_handler)
    finish(lambda: does(typed))
