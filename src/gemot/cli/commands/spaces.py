"""Diff, merge, discard: what processes changed in copies, looked at and brought home by the person."""

from __future__ import annotations

from argparse import Namespace

from gemot.cli.commands.common import Adder, home, json, pid


def add(command: Adder) -> None:
    """The commands of this group."""
    diff = command("diff", _diff, "show what a process changed in its copy, and what stands in the way of merging it")
    merge = command(
        "merge", _merge, "bring what a process changed in its copy into the original: all of it, or nothing"
    )
    discard = command("discard", _discard, "take the copies of a process away, with all that it changed in them")
    for made in (diff, merge, discard):
        pid(made)
        home(made)
    path = "a file or folder as the process sees it"
    diff.add_argument("path", metavar="PATH", nargs="?", help=f"{path}; left out: all of its copies")
    json(diff)
    merge.add_argument("paths", metavar="PATH", nargs="*", help=f"{path}; left out: all of its copies")
    for option, name, about in (
        ("--leave-out", "left_out", "do not merge this file or folder; repeatable"),
        ("--accept", "accepted", "merge this file though it runs code later; repeatable"),
        ("--force", "forced", "merge this file though its original was changed since it was copied; repeatable"),
    ):
        merge.add_argument(option, metavar="PATH", action="append", default=[], dest=name, help=about)


def _diff(typed: Namespace) -> int:
    from gemot.cli.copies import diff

    return diff(typed.home, typed.pid, typed.path, typed.as_json)


def _merge(typed: Namespace) -> int:
    from gemot.cli.copies import merge

    return merge(typed.home, typed.pid, typed.paths, typed.left_out, typed.accepted, typed.forced)


def _discard(typed: Namespace) -> int:
    from gemot.cli.copies import discard

    return discard(typed.home, typed.pid)
