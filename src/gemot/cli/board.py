"""What `gemot board` shows: the tasks as a person reads them. On a running machine and on one that sleeps."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gemot.cli.dumping import dump
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.paint import print_line
from gemot.cli.plain import FOREIGN, first_line, folded, inert, one_line, plain
from gemot.cli.sight import look
from gemot.cli.tree import ENDED
from gemot.cli.wording import Style, joined, plural, seconds
from gemot.machine.looking import TREES_SHOWN
from gemot.machine.views import ProcessView, TaskView

NARROW = 60
"""With fewer columns a task takes two lines."""

STYLES: dict[str, Style] = {
    "accepted": "done",
    "dropped": "quiet",
    "stuck": "ask",
    "claimed": "use",
    "completed": "mail",
}


def show(home: Path | None, pid: int | None, as_json: bool) -> int:
    """The boards of the trees that live, or the one of the tree of ``pid``, task by task."""
    sight = look(home, pid=pid, trees_max=0 if as_json else TREES_SHOWN)
    views, tasks = sight.views, sight.tasks
    if pid is not None:
        _must_be(views, pid)
    if as_json:
        return dump(tasks)
    if not tasks:
        print_line('no task is on a board; gemot board add "..." puts one there, if something lives', "quiet")
    for view in views:
        mine = [task for task in tasks if task.root == view.pid]
        if mine:
            _print_board(view, mine)
    if sight.left:
        print_line(
            f"the boards of {plural(sight.left, 'older tree')} are not shown: gemot board --json lists all", "quiet"
        )
    return DONE


def task(home: Path | None, pid: int | None, number: int, as_json: bool) -> int:
    """All about one task."""
    sight = look(home, pid=pid)
    root = only_tree(sight.views, sight.tasks) if pid is None else _must_be(sight.views, pid)
    tasks = sight.tasks
    mine = {task.number: task for task in tasks if task.root == root}
    if number not in mine:
        raise Usage(f"there is no task {number} on the board of {root}; there are: {joined(mine) or 'none'}")
    if as_json:
        return dump([mine[number]])
    for name, text in _all_about(mine[number]):
        lines = plain(text).split("\n")
        if len(lines) == 1:
            put(f"{name}: {lines[0]}")
        else:
            put(f"{name}:")
            for line in lines:
                for piece in folded(line, max(20, shutil.get_terminal_size().columns - 4)):
                    put(f"  | {piece}")
    return DONE


def _print_board(view: ProcessView, tasks: Sequence[TaskView]) -> None:
    done, ready = sum(task.done_with for task in tasks), sum(task.ready for task in tasks)
    counts = f"{done} of {plural(len(tasks), 'task')} done, {ready} ready"
    print_line(f"tree {view.pid}: {first_line(view.brief, 80)} ({counts})", "state")
    narrow = shutil.get_terminal_size((100, 24)).columns < NARROW
    for task in tasks:
        for line, style in _rows(task, narrow):
            print_line(line, style)
    judged = [task.number for task in tasks if task.state == "completed"]
    if judged and view.state not in ENDED:
        print_line(f'  gemot board accept {judged[0]}   or: gemot board reject {judged[0]} "..."', "quiet")


def _rows(task: TaskView, narrow: bool) -> Iterator[tuple[str, Style]]:
    style = STYLES.get(task.state, "words" if task.ready else "quiet")
    text = f"{task.name}: {task.text}" if task.name else task.text
    what = first_line(_shown(task, text), 160)
    if narrow:
        yield f"{task.number:>4}  {_state(task)} {_who(task)}".rstrip(), style
        yield f"      {what}", style
    else:
        yield f"{task.number:>4}  {_state(task):<12} {_who(task):<14} {what}", style
    if task.state == "completed" and task.result:
        yield f"      -> {first_line(_shown(task, task.result))}", "words"
    if task.state == "stuck":
        yield f"      sent back: {first_line(_shown(task, task.note))}", "refused"
        yield f"      {how_to_free(task)}", "quiet"
    elif task.note and not task.done_with:
        yield f"      {first_line(_shown(task, task.note))}", "quiet"


def _shown(task: TaskView, text: str) -> str:
    return f"{FOREIGN} {inert(text)}" if task.foreign else text


def _state(task: TaskView) -> str:
    if task.state == "open":
        return f"after {joined(task.blockers)}" if task.blockers else "ready"
    return task.state.upper() if task.state == "stuck" else task.state


def _who(task: TaskView) -> str:
    if task.owner is None or task.state == "dropped":
        return ""
    who = "by you" if task.owner == 0 else f"by {task.owner}"
    left = task.until_ms - int(time.time() * 1000)
    return f"{who}, {seconds(max(0, left))}" if task.until_ms else who


def _all_about(task: TaskView) -> Iterator[tuple[str, str]]:
    yield "task", f"{task.number} of tree {task.root}" + (f", {one_line(task.name)}" if task.name else "")
    yield "state", f"{_state(task)} {_who(task)}".rstrip()
    yield "put there by", str(task.author or "you")
    for name, value in (
        ("text", task.text),
        ("acceptance", task.acceptance),
        ("result", task.result),
        ("note", task.note),
        ("sent back because", task.sent_back),
    ):
        if value:
            yield name, _shown(task, value)
    if task.after:
        yield "after", joined(task.after)
    for name, number in (("priority", task.priority), ("sent back", task.rejections)):
        if number:
            yield name, str(number)


def how_to_free(task: TaskView) -> str:
    """The commands that bring a stuck task further."""
    return f'gemot board reopen {task.number} "..." --tree {task.root}   or: gemot board drop {task.number} --tree {task.root}'


def wanted_of_you(tasks: Sequence[TaskView]) -> Iterator[str]:
    """What only a person brings further, in lines: each task, then how."""
    for task in tasks:
        what = first_line(_shown(task, task.text), 80)
        if task.state == "stuck":
            yield (
                f"task {task.number} of {task.root} is stuck ({what}): it was sent back again and again, last: "
                + first_line(_shown(task, task.note), 120)
            )
            yield f"    {how_to_free(task)}"
        elif task.wants_person:
            yield f"task {task.number} of {task.root} is completed ({what}): {first_line(_shown(task, task.result), 120)}"
            number, root = task.number, task.root
            yield f'    gemot board accept {number} --tree {root}   or: gemot board reject {number} "..." --tree {root}'


def _must_be(views: Sequence[ProcessView], pid: int) -> int:
    """The root of the tree of ``pid``."""
    found = next((view.root for view in views if view.pid == pid), None)
    if found is None:
        raise Usage(f"there is no process {pid}; gemot ps --all shows all there were")
    return found


def only_tree(views: Sequence[ProcessView], tasks: Sequence[TaskView]) -> int:
    """The one tree that lives, or the only one of those that has tasks."""
    living = sorted({view.root for view in views if view.state not in ENDED})
    with_tasks = [root for root in living if any(task.root == root for task in tasks)]
    chosen = with_tasks or living
    if not chosen:
        raise Usage('nothing lives, so there is no board to work on; gemot run "..." begins something')
    if len(chosen) > 1:
        raise Usage(f"which board? These trees live: {joined(chosen)}. Say --tree {chosen[0]}")
    return chosen[0]
