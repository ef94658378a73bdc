"""What `memories`, `remember` and `forget` do. They work beside a running machine: its store may be open more than once."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
import uuid
from collections.abc import Generator
from pathlib import Path

from gemot.abi import limits
from gemot.abi.effects import KeepMemory
from gemot.abi.labels import PERSON, Label
from gemot.abi.memories import Scope, Shelf
from gemot.cli.dumping import dump
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.plain import FOREIGN, folded, inert, one_line, plain
from gemot.cli.sight import home_of, known_home
from gemot.machine.home import here as whole_path
from gemot.machine.home import not_utf8
from gemot.machine.memories import Held, Memories
from gemot.programs.recalling import age, origin

MARGIN = 6


def show(home: Path | None, query: str, scope: Scope | None, name: str | None, most: int, as_json: bool) -> int:
    """Memories, place by place, as texts that nothing can be done with but to read them."""
    if most < 1:
        raise Usage(f"--most must be at least 1, not {most}")
    now = int(time.time() * 1000)
    shown = 0
    with _opened(home) as memories:
        named = _shelf(scope, name) if name is not None or scope == "project" else None
        for shelf, count in memories.shelves():
            if scope not in (None, shelf.scope) or named not in (None, shelf):
                continue
            found = memories.listed(shelf, query, most, now)
            shown += len(found)
            if as_json:
                dump(found)
            elif found:
                put(_heading(shelf, count, len(found)))
                for held in found:
                    _show(held)
    if not shown and not as_json:
        put("nothing is remembered that fits" if query else "nothing is remembered")
    return DONE


def _heading(shelf: Shelf, count: int, shown: int) -> str:
    more = f" ({shown} of {count} are shown; --most shows more)" if count > shown else ""
    return " ".join(filter(None, (shelf.scope, one_line(shelf.name)))) + f":{more}"


def _show(held: Held) -> None:
    memory = held.memory
    columns = max(20, shutil.get_terminal_size().columns - MARGIN - 2)
    put(f"{memory.number:>4}  {one_line(f'{age(memory.age_seconds)}, {origin(memory)}', 1_000)}")
    if memory.label.integrity == "foreign":
        put(" " * MARGIN + FOREIGN)
    about = [f"about: {one_line(inert(memory.about))}"] if memory.about else []
    for line in [*about, *plain(inert(memory.text)).split("\n")]:
        for piece in folded(line, columns):
            put(" " * MARGIN + "| " + piece)


def keep(home: Path | None, text: str, about: str, scope: Scope | None, name: str | None) -> int:
    if not text.strip() or len(text) > limits.MEMORY_CHARS_MAX:
        raise Usage(f"a memory has 1 to {limits.MEMORY_CHARS_MAX} characters, this has {len(text)}")
    if len(about) > limits.MEMORY_ABOUT_CHARS_MAX:
        raise Usage(f"--about is a few words, at most {limits.MEMORY_ABOUT_CHARS_MAX} characters")
    shelf = _shelf(scope, name)
    now = int(time.time() * 1000)
    with _opened(home, new=True) as memories:
        key = f"person-{uuid.uuid4().hex}"
        number = memories.keep(KeepMemory(0, 0, shelf, key, text, about, Label((PERSON,)), now))
    put(f"memory {number} is kept for {_whose(shelf)}")
    return DONE


def forget(home: Path | None, numbers: list[int], scope: Scope | None, name: str | None) -> int:
    if numbers and (scope is not None or name is not None):
        option = "--of" if name is not None else "--scope"
        raise Usage(
            f"a number names its memory in whatever place it is kept: leave {option} out, as in gemot forget {numbers[0]}; "
            "--scope and --of go with --all"
        )
    if not numbers:
        raise Usage("name the memories by their numbers, such as: gemot forget 12; gemot memories shows them")
    with _opened(home) as memories:
        gone = memories.forget(*numbers)
    if gone:
        put(f"forgotten: {', '.join(map(str, gone))}")
    missing = [number for number in numbers if number not in gone]
    if missing:
        raise Usage(f"there is no memory {', '.join(map(str, missing))}; gemot memories shows those there are")
    return DONE


def clear(home: Path | None, numbers: list[int], scope: Scope | None, name: str | None, sure: bool) -> int:
    """Forget all that is kept in one place."""
    if numbers or scope is None:
        raise Usage("--all goes with --scope (and --of), and without numbers: it forgets all that is kept there")
    shelf = _shelf(scope, name)
    if not sure:
        if not sys.stdin.isatty():
            raise Usage(f"nobody is here to say yes to forgetting all that is kept for {_whose(shelf)}; add --yes")
        put(f"Forget all that is kept for {_whose(shelf)}? [y/N]")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Usage("nothing was forgotten")
    with _opened(home) as memories:
        put(f"forgotten: {memories.clear(shelf)}, all that was kept for {_whose(shelf)}")
    return DONE


@contextlib.contextmanager
def _opened(home: Path | None, new: bool = False) -> Generator[Memories]:
    memories = Memories((home_of(home) if new else known_home(home)).memories)
    try:
        yield memories
    finally:
        memories.close()


def _shelf(scope: Scope | None, name: str | None) -> Shelf:
    match scope or "project":
        case "person":
            if name is not None:
                raise Usage("--of names a project or a program; the person is you")
            return Shelf("person")
        case "program":
            if not name:
                raise Usage("which program? Name it: --scope program --of solo")
            return Shelf("program", name)
        case _:
            folder = whole_path(Path(name or ".")).resolve()
            if not_utf8(folder):
                raise Usage(not_utf8(folder))
            return Shelf("project", str(folder))


def _whose(shelf: Shelf) -> str:
    return "you, in every project" if shelf.scope == "person" else f"the {shelf.scope} {one_line(shelf.name)}"
