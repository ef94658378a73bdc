"""Tables: `ps`, `tree`, `asks`, `programs`: what there is, as lines or as JSON."""

from __future__ import annotations

import sys
from pathlib import Path

from gemot.authority.quoting import named
from gemot.cli.dumping import dump
from gemot.cli.failing import DONE, Usage, columns_of, put, say
from gemot.cli.paint import print_line, print_whole
from gemot.cli.plain import first_line, fitted, one_line
from gemot.cli.sight import look, look_at_asks
from gemot.cli.times import standing
from gemot.cli.tree import ENDED, cost, rows, total
from gemot.cli.wording import Style, count, details, how_to_answer, plural, question, seconds
from gemot.machine.looking import TREES_SHOWN, Sight
from gemot.machine.views import ProcessView

NARROW = 90
"""With fewer columns `ps` leaves out what `tree` shows as well, so that there is room for what each process does."""

NEVER = 'there is no process here yet; gemot run "..." begins something'


def ps(home: Path | None, everything: bool, as_json: bool, trees: int | None = None, before: int = 0) -> int:
    """Processes, one a line: of the newest ``trees`` trees (0: of all) that began before process ``before`` (0: of all)."""
    if before < 0 or (trees is not None and trees < 0):
        raise Usage("--trees takes a number from 0 up (0: all), and --before the number of a process")
    shown = TREES_SHOWN if trees is None and (everything or not as_json) else trees or 0
    sight = look(home, "all" if everything else "living", trees_max=shown, before=before)
    views = [view for view in sight.views if everything or view.state not in ENDED]
    if as_json:
        dump(views)
        if sight.next is not None:
            say(f"there are older trees: --before {sight.next.root} goes on there; --trees 0 lists all")
        return DONE
    if not views:
        none = (
            NEVER
            if everything
            else 'nothing is alive; gemot ps --all shows what has ended, gemot run "..." begins something'
        )
        print_whole(none, "quiet")
        return DONE
    columns = columns_of(sys.stdout)
    narrow = columns is not None and columns < NARROW
    more = "" if narrow else f" {'CACHED':>8} {'COST':>12} {'TIME':>9}"
    print_line(f"{'PID':>5} {'PARENT':>6} {'STATE':<8} {'TOKENS':>8}{more}  WHAT", "quiet")
    for view in views:
        what = " ".join(
            filter(None, (fitted(named(view.name), 40), one_line(view.doing, 60), ", ".join(standing(view))))
        )
        style: Style = "done" if view.state == "done" else "failed" if view.state in ENDED else "words"
        cached = count(view.tokens_cached) if view.tokens_cached else "-"
        more = "" if narrow else f" {cached:>8} {cost(view):>12} {seconds(view.spent.millis):>9}"
        print_line(
            f"{view.pid:>5} {view.parent or '-':>6} {view.state:<8} {count(view.spent.tokens):>8}{more}  "
            f"{what}: {first_line(view.brief, 80)}",
            "ask" if view.state == "asking" else style,
        )
    command = "gemot ps --json"
    if everything:
        command = (
            f"gemot ps --all --before {sight.next.root if sight.next else 0} goes on there, gemot ps --all --trees 0"
        )
    _older(sight, command, everything)
    return DONE


def _older(sight: Sight, command: str, uncounted: bool = False) -> None:
    """Say what is not shown."""
    if sight.left:
        many = "older trees are" if uncounted else plural(sight.left, "older tree is", "older trees are")
        print_whole(f"{many} not shown: {command} lists all", "quiet")


def tree(home: Path | None, pid: int | None, as_json: bool) -> int:
    """Whole trees, with guides: the one of ``pid``, or all that live (or the last one)."""
    sight = look(home, pid=pid, trees_max=0 if as_json else TREES_SHOWN)
    if pid is not None and not sight.views:
        raise Usage(f"there is no process {pid}; gemot ps --all shows all there were")
    if not sight.views:
        sight = look(home, "all", trees_max=1, again=True)
    views = sight.views
    roots = sorted({view.root for view in views})
    if as_json:
        return dump(views)
    if not roots:
        print_whole(NEVER, "quiet")
        return DONE
    for root in roots:
        for row in rows(views, [root]):
            print_line(row.text, row.style)
        print_line(total(views, [root]), "state")
        _left(next(view for view in views if view.pid == root))
    if pid is None and any(view.outcome is None for view in views):
        _older(sight, "gemot tree --json")
    return DONE


def _left(view: ProcessView) -> None:
    if view.outcome is None:
        left = view.left
        money = f"${left.usd_micros / 1e6:.2f}"
        print_line(
            f"left: {count(left.tokens)} tokens, {money}, {seconds(left.millis)}, {left.processes} processes", "state"
        )


def asks(home: Path | None, as_json: bool, ask: int | None = None) -> int:
    """What people are asked, with the command that answers. ``ask``: that one, whole."""
    from gemot.cli.board import wanted_of_you

    found = look_at_asks(home)
    if ask is not None:
        found = [asked for asked in found if asked.ask == ask]
        if not found:
            raise Usage(f"there is no open ask {ask}; gemot asks lists them")
    if as_json:
        return dump(found)
    if ask is not None:
        from gemot.cli.asking import whole

        for line in whole(found[0]):
            put(line)
        return DONE
    sight = look(home, trees_max=TREES_SHOWN, again=True)
    still = {view.root: view for view in reversed(sight.views) if view.still}
    wanted = list(wanted_of_you([task for task in sight.tasks if task.wants_person]))
    if not found and not wanted and not still:
        print_line("nobody asks anything", "quiet")
    for asked in found:
        print_whole(f"{asked.ask}: process {asked.pid} asks: {question(asked)}", "ask", "  | ")
        for line in details(asked):
            put(line)
        no = f"   or: gemot answer {asked.ask} no" if asked.tool or asked.actions else ""
        some = f'   or: gemot answer {asked.ask} "1 2"' if asked.actions else ""
        print_line(f"    {how_to_answer(asked)}{some}{no}", "quiet")
    for line in wanted:
        print_line(line, "quiet" if line.startswith(" ") else "ask")
    for root, view in sorted(still.items()):
        who = f"process {view.pid} ({fitted(named(view.name), 40)}) waits"
        print_line(f"tree {root} stands still: {who}, and nothing in the tree would end that", "ask")
        print_line(f'    gemot send {view.pid} "..."   or: gemot kill {root}   why: gemot log {root}', "quiet")
    if sight.left:
        older = plural(sight.left, "older tree wants", "older trees want")
        print_whole(f"whether {older} something of you was not looked at; questions are all here", "quiet")
    return DONE
