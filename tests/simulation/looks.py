"""What a look at one tree tells, against what a fold of all records tells of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from gemot.journal.sqlite import SqliteJournal
from gemot.machine import notes
from gemot.machine.excerpts import Excerpt, NotIndexed, noted_in
from gemot.machine.snapshot import Snapshot
from gemot.machine.stretches import Noted

Ask = Callable[[SqliteJournal, int], Noted]


def told(snapshot: Snapshot) -> dict[int, list[tuple[int, str]]]:
    """By root: the position and the words of each note about its tree."""
    found = defaultdict[int, list[tuple[int, str]]](list)
    for record, some in snapshot.go_on():
        for note in some:
            pid = notes.pid_of(note) or (note.pid if isinstance(note, notes.Told) else 0)
            process = snapshot.kernel.processes.get(pid) if pid else None
            if process is not None:
                found[process.root].append((record.position, notes.to_json(note)))
    return found


def differences(path: Path, ask: Ask = noted_in) -> Iterator[str]:
    """Says of each tree in the journal whether an excerpt of it tells something else, or can't be had."""
    snapshot = Snapshot(path)
    try:
        whole = told(snapshot)
        roots = [process.root for process in snapshot.kernel.processes.values() if process.pid == process.root]
    finally:
        snapshot.close()
    for root in roots:
        excerpt = Excerpt(path, lambda journal, root=root: ask(journal, root))
        try:
            mine = told(excerpt)[root]
        except NotIndexed as error:
            yield f"there is no excerpt of tree {root}: {error}"
        else:
            pair = next(
                ((a, b) for a, b in zip(mine, whole[root], strict=False) if a != b), (len(mine), len(whole[root]))
            )
            if mine != whole[root]:
                yield f"the excerpt of tree {root} tells something else: {pair[0]} instead of {pair[1]}"
        finally:
            excerpt.close()
