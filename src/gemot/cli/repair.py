"""Repair: say what of a damaged journal can be had, and put that in its place when the person says yes."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gemot.cli.failing import DONE, Usage, put
from gemot.cli.plain import one_line
from gemot.cli.sight import home_of
from gemot.cli.wording import plural
from gemot.journal import endmark
from gemot.journal.contract import TooOld
from gemot.journal.database import is_broken_off, ready_of
from gemot.journal.salvage import SUFFIX, discard, finish_swap, swap
from gemot.machine import inspecting, memories, memory_salvage
from gemot.machine.home import Home
from gemot.machine.salvaging import Salvage, prepare
from gemot.programs.library import Library, load

SHOWN_MAX = 20
"""So many processes are named in one list."""


def known_programs() -> Library:
    """The programs that there are here; without a readable configuration those that ship."""
    from gemot.cli import programs

    try:
        return programs.library()
    except (Usage, OSError):
        return load()


def prospects(home: Home) -> list[str]:
    """What a salvage would bring back and what it would not, a sentence each. Nothing is changed."""
    if is_broken_off(home.journal):
        return ["it was broken off while it put the new journal in its place; gemot doctor --salvage does the rest"]
    with tempfile.TemporaryDirectory(prefix="gemot-doctor-") as folder:
        return list(told(prepare(home.journal, Path(folder) / "journal.db", known_programs())))


def told(salvage: Salvage) -> Iterator[str]:
    """Sentences that tell the records, texts and processes that a salvage brings back, and those that are lost."""
    gathered = salvage.gathered
    if gathered.lost:
        stretches = ", ".join(
            str(first) if first == last else f"{first} to {last}" for first, last in gathered.lost[:SHOWN_MAX]
        )
        missing = sum(last - first + 1 for first, last in gathered.lost)
        yield f"lost: {plural(missing, 'record')} ({stretches}); whole: {gathered.whole:,} of {gathered.end:,}"
    else:
        yield f"no record is lost: all {gathered.whole:,} are whole"
    if gathered.parted:
        yield f"record {gathered.parted:,} is not the one that was written there last, so what was done in the other journal is not known"
    elif salvage.folded < gathered.end:
        yield f"what began or was done after record {salvage.folded:,} is not known, but for what is named here"
    if gathered.texts_lost:
        yield f"lost: {plural(len(gathered.texts_lost), 'text')}; whole: {gathered.texts:,}"
    if salvage.gone:
        yield f"lost: {plural(len(salvage.gone), 'tree')} of which nothing is left: {_numbers(salvage.gone)}"
    if salvage.regained:
        yield f"begun after the damage, and as their records say: {_named(salvage.regained)}"
    if salvage.begun:
        yield f"lost: {plural(len(salvage.begun), 'tree')} begun after the damage: " + "; ".join(
            f'"{one_line(goal, 60)}"' for goal in salvage.begun[:SHOWN_MAX]
        )
    if salvage.ended:
        yield f"ended after the damage, so they stay ended: {_named(salvage.ended)}"
    if salvage.doubtful:
        yield (
            f"in doubt after record {salvage.folded:,}: {_named(salvage.doubtful)}. They sleep until gemot resume; then they think and look, "
            "and change nothing: each such use is answered in doubt. gemot fork begins a conversation anew from there"
        )
    if salvage.is_known:
        yield "nothing that a process knows or did is lost"


def _named(processes: list[tuple[int, str]]) -> str:
    shown = ", ".join(f"{pid} {one_line(name, 40)}" for pid, name in processes[:SHOWN_MAX])
    more = len(processes) - SHOWN_MAX
    return f"{plural(len(processes), 'process', 'processes')} ({shown}{f' and {more} more' if more > 0 else ''})"


def _numbers(roots: list[int]) -> str:
    return ", ".join(map(str, roots[:SHOWN_MAX])) + (" and more" if len(roots) > SHOWN_MAX else "")


def salvage(folder: Path | None, sure: bool, seal: bool = False) -> int:
    """``sure``: the person said yes before. ``seal``: the records are old, not damaged."""
    home = home_of(folder)
    if not any(there.exists() for there in (home.journal, endmark.path_of(home.journal), ready_of(home.journal))):
        raise Usage(f"there is no journal in {home.folder}, so there is nothing to salvage")
    home.lock()  # raises Busy while a machine runs: it must not lose its journal
    try:
        _salvage_memories(home, sure)
        if is_broken_off(home.journal):
            kept = _kept_last(home.folder) or _free(home.folder)
            finish_swap(home.journal, kept)
            put(
                f"an earlier salvage was broken off, and is done now: kept the damaged journal as {kept}; gemot ps --all shows what is there"
            )
            return DONE
        library = known_programs()
        try:
            found = inspecting.journal(home, library)
        except TooOld:
            if not seal:
                raise  # nothing is damaged
            found = []
        if isinstance(found, inspecting.Sound):
            put(f"the journal is whole ({found.position} records); nothing was changed")
            return DONE
        new = home.journal.with_name(home.journal.name + SUFFIX)
        try:
            made = prepare(home.journal, new, library, seal)
            for line in told(made):
                put(line)
            if not sure:
                _confirm()
        except BaseException:
            discard(new)
            raise
        kept = _free(home.folder)
        swap(home.journal, new, kept)
    finally:
        home.unlock()
    put(f"kept the {'old' if seal else 'damaged'} journal as {kept}; gemot ps --all shows what is there now")
    return DONE


def _salvage_memories(home: Home, sure: bool) -> None:
    """Go on with what is whole of damaged memories."""
    if not home.memories.exists() or not any(memories.flaws(home.memories)):
        return
    new = home.memories.with_name(home.memories.name + SUFFIX)
    try:
        put(told_of_memories(memory_salvage.gather(home.memories, new)))
        if not sure:
            _confirm()
        kept = home.memories.with_name(f"memories.damaged-{time.time_ns()}.sqlite")
        memory_salvage.swap(home.memories, new, kept)
    finally:
        memory_salvage.discard(new)
    put(f"kept the damaged memories as {kept}; gemot memories shows what is there now")


def memory_prospects(home: Home) -> str:
    """What a salvage would bring back of damaged memories. Nothing is changed."""
    with tempfile.TemporaryDirectory(prefix="gemot-doctor-") as folder:
        return told_of_memories(memory_salvage.gather(home.memories, Path(folder) / "memories.sqlite"))


def told_of_memories(regained: memory_salvage.Regained) -> str:
    lost = f"; lost: {_numbers(list(regained.lost))}" if regained.lost else ""
    unsure = (
        "; the tables can't be read, so others may be lost, and forgotten ones may be back"
        if regained.is_carved
        else ""
    )
    return f"memories: {plural(regained.kept, 'memory', 'memories')} whole{lost}{unsure}"


def _kept_last(folder: Path) -> Path | None:
    """The damaged journal that was kept last; the rest of it has names that begin like it."""
    return max(folder.glob("journal.damaged-*.db"), key=lambda kept: kept.stat().st_ctime_ns, default=None)


def _free(folder: Path) -> Path:
    """A name for the damaged file that no other has."""
    stamp = time.strftime("journal.damaged-%Y%m%d-%H%M%S")
    return next(
        path for number in range(1, 1_000) if not (path := folder / f"{stamp}{f'-{number}' * (number > 1)}.db").exists()
    )


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Usage(
            "nobody is here to say yes to this; look at what would be lost, then add --yes. Nothing was changed"
        )
    put("Go on with this? The damaged file is kept. [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Usage("nothing was changed")
