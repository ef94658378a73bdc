"""Replay: what a journal was at any of its positions, and whether every decision in it comes out the same again."""

from __future__ import annotations

import time
from pathlib import Path

from gemot.abi.messages import Image, Message, Reasoning, Text, ToolRequest, ToolResult
from gemot.cli.config import program_folders, project_programs
from gemot.cli.failing import DONE, FAILED, Usage, put
from gemot.cli.paint import print_line, print_whole
from gemot.cli.plain import plain
from gemot.cli.sight import known_home
from gemot.cli.tree import rows
from gemot.machine.replay import Replay
from gemot.machine.views import process_views
from gemot.programs.library import load


def replay(home: Path | None, pid: int | None, to: int | None, check: bool) -> int:
    place = known_home(home)
    if not place.journal.exists():
        raise Usage(f"there is no journal in {place.folder}, so there is nothing to replay")
    if to is not None and to < 0:
        raise Usage(f"--to takes a position from 0 up, not {to}")
    folded = Replay(place.journal, load(program_folders(), project=project_programs()))
    try:
        return _check(folded) if check else _show(folded, pid, to)
    finally:
        folded.close()


def _check(folded: Replay) -> int:
    divergence = folded.check()
    if divergence:
        put(f"first divergence: {divergence}")
        return FAILED
    put(f"{folded.position} records, {len(folded.kernel.processes)} processes: every decision comes out the same")
    return DONE


def _show(folded: Replay, pid: int | None, to: int | None) -> int:
    folded.fold(to)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(folded.at / 1000)) if folded.at else "before anything"
    put(f"position {folded.position}, {when}")
    if pid is not None and pid not in folded.kernel.processes:
        raise Usage(f"there was no process {pid} at position {folded.position}; gemot ps --all shows all there were")
    root = folded.kernel.processes[pid].root if pid is not None else None
    kernel = folded.kernel
    views = process_views(kernel, list(kernel.processes.values()) if root is None else kernel.tree(root))
    for row in rows(views, [view.pid for view in views if not view.parent]):
        print_line(row.text, row.style)
    if pid is not None:
        put(f"\nWhat {pid} was shown:")
        for message in folded.reading(pid):
            for text in _lines(message):
                print_whole(f"  {message.role:<6} {text}".rstrip(), lead=" " * 9)
        if not folded.reading(pid):
            put("  nothing: it had ended, or its program is not here")
    refused = [(position, note) for position, note in folded.refusals if pid in (None, note.pid)]
    if refused:
        put("\nWhat was refused until then, and why:")
    for position, note in refused:
        print_whole(f"  at {position}: {note.pid} {plain(note.what)} ({note.rule}): {plain(note.message)}", lead="    ")
    return DONE


def _lines(message: Message) -> list[str]:
    found: list[str] = []
    for part in message.parts:
        match part:
            case Text(text) | Reasoning(text):
                found.extend(plain(line) for line in text.splitlines())
            case ToolRequest(_, name, arguments):
                found.append(plain(f"-> {name} {arguments}"))
            case Image(about=about):
                found.append(plain(f"[an image: {about}]"))
            case ToolResult(_, name, text):
                found.extend(plain(f"{name}: {line}") for line in text.splitlines() or [""])
    return found
