"""Tables: `ps`, `tree`, `asks`, `programs`: what there is, as lines or as JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gemot.cli.config import program_folders, project_programs
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.paint import coloured, painted
from gemot.cli.plain import first_line, fitted, one_line, plain_json
from gemot.cli.reach import look
from gemot.cli.times import standing
from gemot.cli.tree import ENDED, cost, rows, total
from gemot.cli.wording import Style, count, details, how_to_answer, question, seconds
from gemot.machine.views import ProcessView
from gemot.programs.library import load


def _print(text: str, style: Style = "words") -> None:
    """A line, cut to the terminal's width where there is one."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    put(painted(text if columns is None else fitted(text, columns), style, coloured(sys.stdout)))


def _dump(found: Sequence[msgspec.Struct]) -> int:
    for one in found:
        put(plain_json(msgspec.json.encode(one).decode()))
    return DONE


def ps(home: Path | None, everything: bool, as_json: bool) -> int:
    """Processes, one a line."""
    views = [view for view in look(home)[0] if everything or view.state not in ENDED]
    if as_json:
        return _dump(views)
    if not views:
        _print('nothing is alive; gemot ps --all shows what has ended, gemot run "..." begins something', "quiet")
        return DONE
    _print(f"{'PID':>5} {'PARENT':>6} {'STATE':<8} {'TOKENS':>8} {'CACHED':>8} {'COST':>12} {'TIME':>9}  WHAT", "quiet")
    for view in views:
        what = " ".join(filter(None, (one_line(view.name, 40), one_line(view.doing, 60), ", ".join(standing(view)))))
        style: Style = "done" if view.state == "done" else "failed" if view.state in ENDED else "words"
        _print(
            f"{view.pid:>5} {view.parent or '-':>6} {view.state:<8} {count(view.spent.tokens):>8} "
            f"{count(view.tokens_cached) if view.tokens_cached else '-':>8} {cost(view):>12} "
            f"{seconds(view.spent.millis):>9}  {what}: {first_line(view.brief, 80)}",
            "ask" if view.state == "asking" else style,
        )
    return DONE


def tree(home: Path | None, pid: int | None, as_json: bool) -> int:
    """Whole trees, with guides: the one of ``pid``, or all that live (or the last one)."""
    views = look(home)[0]
    if pid is not None:
        root = next((view.root for view in views if view.pid == pid), None)
        if root is None:
            raise Usage(f"there is no process {pid}; gemot ps --all shows all there were")
        roots = [root]
    else:
        roots = (
            sorted({view.root for view in views if view.state not in ENDED})
            or [view.root for view in views if not view.parent][-1:]
        )
    if as_json:
        return _dump([view for view in views if view.root in roots])
    if not roots:
        _print('there was no process yet; gemot run "..." begins something', "quiet")
        return DONE
    for root in roots:
        for row in rows(views, [root]):
            _print(row.text, row.style)
        _print(total(views, [root]), "state")
        _left(next(view for view in views if view.pid == root))
    return DONE


def _left(view: ProcessView) -> None:
    if view.outcome is None:
        left = view.left
        money = f"${left.usd_micros / 1e6:.2f}"
        _print(
            f"left: {count(left.tokens)} tokens, {money}, {seconds(left.millis)}, {left.processes} processes", "state"
        )


def asks(home: Path | None, as_json: bool) -> int:
    """What people are asked, with the command that answers."""
    found = look(home)[1]
    if as_json:
        return _dump(found)
    if not found:
        _print("nobody asks anything", "quiet")
    for asked in found:
        _print(f"{asked.ask}: process {asked.pid} asks: {question(asked)}", "ask")
        for line in details(asked):
            put(line)
        no = f"   or: gemot answer {asked.ask} no" if asked.tool or asked.actions else ""
        some = f'   or: gemot answer {asked.ask} "1 2"' if asked.actions else ""
        _print(f"    {how_to_answer(asked)}{some}{no}", "quiet")
    return DONE


def programs(as_json: bool) -> int:
    """The programs that can be run from here."""
    specs = load(program_folders(), project=project_programs()).specs()
    if as_json:
        return _dump(specs)
    names = max(len(spec.name) for spec in specs)
    for spec in specs:
        settings = spec.parameters.get("properties", {})
        has = f" (--set {', '.join(settings)})" if settings else ""
        _print(f"{spec.name:<{names}}  {one_line(spec.description)}{has}")
    return DONE
