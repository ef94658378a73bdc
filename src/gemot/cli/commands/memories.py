"""Memories, remember, forget: what the person and their processes keep for later, looked at and put right by the person."""

from __future__ import annotations

from argparse import Namespace

from gemot.cli.commands.common import Adder, home, json, must_do_something

SHOWN = 20


def add(command: Adder) -> None:
    """The commands of this group."""
    memories = command("memories", _memories, "list what is remembered, or search it")
    memories.add_argument(
        "query", metavar="QUERY", nargs="?", default="", help="words to look for; left out: the newest"
    )
    memories.add_argument(
        "--most", type=int, metavar="N", default=SHOWN, help=f"of each place at most; default: {SHOWN}"
    )
    json(memories)
    remember = command("remember", _remember, "keep something for later conversations, in your own words")
    remember.add_argument("text", metavar="TEXT", help="a fact that stands by itself, in quotes")
    remember.add_argument("--about", metavar="WORDS", default="", help="a few words to find it by")
    forget = command("forget", _forget, "take memories away")
    forget.add_argument("numbers", type=int, metavar="N", nargs="*", help="a memory; gemot memories shows them")
    forget.add_argument("--all", action="store_true", dest="everything", help="all of the place that --scope names")
    forget.add_argument("--yes", action="store_true", dest="sure", help="do not ask whether all are to go")
    for made in (memories, remember, forget):
        made.add_argument("--scope", choices=("person", "project", "program"), help=_scope(made is remember))
        made.add_argument(
            "--of",
            metavar="NAME",
            help="of which project (its folder; default: the one you are in), or of which program (its name)",
        )
        home(made)


def _scope(default: bool) -> str:
    about = "whose: the person's (in every project), the project's, or the program's"
    return f"{about}; default: project" if default else about


def _memories(typed: Namespace) -> int:
    from gemot.cli.memories import show

    return show(typed.home, typed.query, typed.scope, typed.of, typed.most, typed.as_json)


def _remember(typed: Namespace) -> int:
    from gemot.cli.memories import keep

    return keep(typed.home, typed.text, typed.about, typed.scope, typed.of)


def _forget(typed: Namespace) -> int:
    from gemot.cli.memories import clear, forget

    must_do_something((typed.sure and not typed.everything, "--yes", "only --all asks; what numbers name goes at once"))
    if typed.everything:
        return clear(typed.home, typed.numbers, typed.scope, typed.of, typed.sure)
    return forget(typed.home, typed.numbers, typed.scope, typed.of)
