"""The machine itself: what it has, what it lacks."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path

from gemot import __version__
from gemot.cli.commands.common import Adder, home, json, must_do_something
from gemot.cli.failing import put


def add(command: Adder) -> None:
    """The commands of this group."""
    json(command("programs", _programs, "list the programs that can be run from here"))
    models = command("models", _models, "list the models, what each needs, and what goes on at each provider")
    json(models)
    home(models)
    model = command("model", _model, "model install: download the embedded model, check it and keep it")
    model.add_argument(
        "what", metavar="install", choices=("install",), help="install: download it, check it and keep it"
    )
    doctor = command("doctor", _doctor, "say what this computer has and lacks, and what to do about it")
    doctor.add_argument(
        "--deep", action="store_true", help="read and check all that the home holds, and start the embedded model"
    )
    doctor.add_argument(
        "--salvage",
        action="store_true",
        help="go on with what is whole of a damaged journal, and keep the damaged one aside; shows first what is lost",
    )
    doctor.add_argument(
        "--seal",
        action="store_true",
        help="keep a journal that is too old to be folded aside, and begin after it",
    )
    doctor.add_argument("--yes", action="store_true", help="with --salvage or --seal: do not ask")
    home(doctor)
    backup = command("backup", _backup, "copy the machine's folder, also while it runs; or bring such a copy back")
    backup.add_argument(
        "place", metavar="DIR", type=Path, help="a new folder, best on another disk; with --restore: the backup"
    )
    backup.add_argument(
        "--restore", action="store_true", help="bring the backup back into a folder that holds no machine"
    )
    backup.add_argument(
        "--doubt",
        action="store_true",
        help="with --restore: the machine went on after the backup, so what lived then changes nothing any more",
    )
    home(backup)
    command("version", _version, "print the version")
    serve = command("serve", _serve, "run a machine in the background until nothing is left to do", shown=False)
    serve.add_argument("--detached", action="store_true", help=argparse.SUPPRESS)
    home(serve)


def _programs(typed: Namespace) -> int:
    from gemot.cli.programs import programs

    return programs(typed.as_json)


def _models(typed: Namespace) -> int:
    from gemot.cli.models import show

    return show(typed.home, typed.as_json)


def _model(typed: Namespace) -> int:
    from gemot.cli.models import install

    return install()


def _doctor(typed: Namespace) -> int:
    from gemot.cli.doctor import doctor
    from gemot.cli.repair import salvage

    is_repair = typed.salvage or typed.seal
    must_do_something(
        (typed.yes and not is_repair, "--yes", "it answers what --salvage and --seal ask; add one of them")
    )
    if is_repair:
        return salvage(typed.home, typed.yes, typed.seal)
    return doctor(typed.home, typed.deep)


def _backup(typed: Namespace) -> int:
    from gemot.cli.backup import backup, restore

    must_do_something(
        (
            typed.doubt and not typed.restore,
            "--doubt",
            "it is about what --restore brings back; a backup holds all as it is",
        )
    )
    if typed.restore:
        return restore(typed.home, typed.place, typed.doubt)
    return backup(typed.home, typed.place)


def _version(typed: Namespace) -> int:
    put(f"gemot {__version__}")
    return 0


def _serve(typed: Namespace) -> int:
    from gemot.cli.background import serve

    return serve(typed.home, typed.detached)
