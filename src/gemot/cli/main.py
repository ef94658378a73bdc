"""The command line's entry: every command with its options. What a command does is imported when it is typed, not before."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gemot.cli.failing import CODES, finish

app = typer.Typer(
    name="gemot",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="An operating system for AI agents: give a goal, see who works on it, steer it, stop it, go on with it.",
    epilog="Exit codes: " + "; ".join(f"{code} {words}" for code, words in CODES.items()) + ".",
)
model_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The model that comes with gemot.")
app.add_typer(model_app, name="model")


class AsksMode(str, Enum):
    ask = "ask"
    wait = "wait"
    no = "no"


class Scope(str, Enum):
    once = "once"
    process = "process"
    subtree = "subtree"


Home = Annotated[Path | None, typer.Option(help="The machine's folder. Default: GEMOT_HOME, or your data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing but the result.")]
Pid = Annotated[int, typer.Argument(help="A process; gemot ps shows them.")]
Asks = Annotated[
    AsksMode,
    typer.Option(
        help="ask: at this terminal; without one, stop when only a person can go on. wait: stay until somebody answers. "
        "no: refuse every action that needs a yes."
    ),
]


@app.command()
def run(
    goal: Annotated[str | None, typer.Argument(help="What is to be done; - reads it from the standard input.")] = None,
    program: Annotated[str | None, typer.Option(help="Who does it; gemot programs lists them. Default: solo.")] = None,
    model: Annotated[str | None, typer.Option(help="The model it uses; gemot models lists them.")] = None,
    also_model: Annotated[list[str] | None, typer.Option(help="Another model its children may use. Repeatable.")] = None,
    work: Annotated[
        str | None,
        typer.Option(metavar="DIR[:ro|:rw]", help="The folder it works in. Default: this one, to read only."),
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="NAME=N,...", help="tokens, usd, seconds, processes, depth, calls: what it may use.")
    ] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the program. Repeatable.")
    ] = None,
    asks: Asks = AsksMode.ask,
    detach: Annotated[bool, typer.Option(help="Start it in the background, print its pid and return.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    home: Home = None,
) -> None:
    """Give a goal and follow the work to its end."""

    def work_on_it() -> int:
        from gemot.cli.goal import prepared
        from gemot.cli.run import Manner, run

        start = prepared(goal, program, model, also_model or [], work, budget, settings or [])
        if detach:
            from gemot.cli.background import detach as send_off

            return send_off(home, start)
        return run(home, start, Manner(quiet, as_json, asks.value))

    finish(work_on_it)


@app.command()
def resume(
    pid: Annotated[int | None, typer.Argument(help="A process of the tree that goes on. Left out: all of them.")] = None,
    asks: Asks = AsksMode.ask,
    as_json: AsJson = False,
    quiet: Quiet = False,
    home: Home = None,
) -> None:
    """Go on with what was interrupted, and follow it."""

    def work_on_it() -> int:
        from gemot.cli.run import Manner, resume

        return resume(home, pid, Manner(quiet, as_json, asks.value))

    finish(work_on_it)


@app.command()
def ps(
    everything: Annotated[bool, typer.Option("--all", "-a", help="Those that have ended, too.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List the processes."""

    def show() -> int:
        from gemot.cli.tables import ps

        return ps(home, everything, as_json)

    finish(show)


@app.command()
def tree(
    pid: Annotated[int | None, typer.Argument(help="A process of the tree. Left out: all that live.")] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show who started whom, what each does, and what it has used."""

    def show() -> int:
        from gemot.cli.tables import tree

        return tree(home, pid, as_json)

    finish(show)


@app.command()
def log(
    pid: Pid,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows, until the process ends.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Read what a process was told, said and did."""

    def show() -> int:
        from gemot.cli.log import log

        return log(home, pid, follow, as_json)

    finish(show)


@app.command()
def send(
    pid: Pid,
    text: Annotated[str, typer.Argument(help="What to tell it: a new goal, a suggestion, a correction.")],
    home: Home = None,
) -> None:
    """Tell a process something while it works."""

    def work() -> int:
        from gemot.cli.change import send

        return send(home, pid, text)

    finish(work)


@app.command()
def asks(as_json: AsJson = False, home: Home = None) -> None:
    """List what processes ask you."""

    def show() -> int:
        from gemot.cli.tables import asks

        return asks(home, as_json)

    finish(show)


@app.command()
def answer(
    ask: Annotated[int, typer.Argument(help="The number of the ask; gemot asks lists them.")],
    word: Annotated[str, typer.Argument(metavar="yes|no|TEXT", help="yes or no to an action; the answer to a question.")],
    scope: Annotated[Scope, typer.Option("--for", help="How far a yes reaches for this kind of action.")] = Scope.once,
    why: Annotated[str, typer.Option(help="Words for the process, with a yes or no.")] = "",
    home: Home = None,
) -> None:
    """Answer an ask."""

    def work() -> int:
        from gemot.cli.change import answer

        return answer(home, ask, word, scope.value, why)

    finish(work)


@app.command()
def kill(pid: Pid, home: Home = None) -> None:
    """End a process and all of its descendants."""

    def work() -> int:
        from gemot.cli.change import kill

        return kill(home, pid)

    finish(work)


@app.command()
def fork(
    pid: Pid,
    text: Annotated[str, typer.Argument(help="What the copy does, unlike the original.")],
    home: Home = None,
) -> None:
    """Begin a new tree whose first process knows what this one knows."""

    def work() -> int:
        from gemot.cli.change import fork

        return fork(home, pid, text)

    finish(work)


@app.command()
def move(
    pid: Pid,
    model: Annotated[str, typer.Option(help="The model it goes on with.")],
    home: Home = None,
) -> None:
    """Move a process to another model; it goes on where it is."""

    def work() -> int:
        from gemot.cli.change import move
        from gemot.cli.options import model_name

        return move(home, pid, model_name(model))

    finish(work)


@app.command()
def programs(as_json: AsJson = False) -> None:
    """List the programs that can be run from here."""

    def show() -> int:
        from gemot.cli.tables import programs

        return programs(as_json)

    finish(show)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models, and what each needs."""

    def show() -> int:
        from gemot.cli.models import show

        return show(as_json)

    finish(show)


@model_app.callback()
def model_commands() -> None:
    """The model that comes with gemot."""


@model_app.command("install")
def model_install() -> None:
    """Download the embedded model, check it and keep it."""

    def work() -> int:
        from gemot.cli.models import install

        return install()

    finish(work)


@app.command()
def doctor(
    salvage: Annotated[
        bool, typer.Option(help="Keep a damaged journal aside and go on with the records before the damage.")
    ] = False,
    home: Home = None,
) -> None:
    """Say what this computer has and lacks, and what to do about it."""

    def show() -> int:
        from gemot.cli.doctor import doctor

        return doctor(home, salvage)

    finish(show)


@app.command()
def version() -> None:
    """Print the version."""

    def show() -> int:
        from gemot import __version__

        print(__version__)
        return 0

    finish(show)


@app.command(hidden=True)
def serve(home: Home = None) -> None:
    """Run a machine in the background until nothing is left to do."""

    def work() -> int:
        from gemot.cli.background import serve

        return serve(home)

    finish(work)


def main() -> None:
    """`gemot`, as typed. Whatever text comes by, printing it never fails over a character."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    app(prog_name="gemot")
