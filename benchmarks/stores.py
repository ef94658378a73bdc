"""The journal's stores beside each other: what a step costs, what reading costs. ``python -m benchmarks.stores [--rounds 5]``.

A step is a batch of four records of 300 bytes. Rounds are interleaved; a cell is the median of the rounds' medians, with
the least and the most. Files are in ``build/bench``, not in a folder that may be memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from gemot.journal import Journal
from gemot.journal.contract import KeptTree
from gemot.journal.lmdb import LmdbJournal
from gemot.journal.memory import MemoryJournal
from gemot.journal.sqlite import SqliteJournal

SCRATCH = Path(__file__).resolve().parents[1] / "build" / "bench"
STORES: dict[str, Callable[[Path], Journal]] = {
    "memory": lambda _: MemoryJournal(),
    "sqlite": SqliteJournal,
    "lmdb": LmdbJournal,
}
STEP = [(1, 1, b"x" * 300)] * 4
STEPS, RECORDS, TREES = 200, 20_000, 2_000


def measure(journal: Journal) -> Iterator[tuple[str, float]]:
    """What is done, and how long one of it takes (microseconds)."""
    for synced in (False, True):
        times: list[float] = []
        for _ in range(STEPS):
            began = time.perf_counter()
            journal.append(journal.position, STEP, synced=synced)
            times.append(time.perf_counter() - began)
        yield f"a step, {'synced' if synced else 'not synced'}", 1e6 * median(times)
    journal.append(journal.position, [(1, 1, b"x" * 300)] * RECORDS, synced=True)
    began = time.perf_counter()
    read = sum(1 for _ in journal.read())
    yield "a record, read", 1e6 * (time.perf_counter() - began) / read
    trees = [KeptTree(root, (root,), b"t" * 2_000) for root in range(1, TREES + 1)]
    began = time.perf_counter()
    journal.put_checkpoint(journal.position, b"whole", trees)
    yield "a tree, written with others", 1e6 * (time.perf_counter() - began) / TREES
    began = time.perf_counter()
    for tree in trees:
        journal.tree(tree.root)
    yield "a tree, fetched", 1e6 * (time.perf_counter() - began) / TREES


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    found: dict[str, dict[str, list[float]]] = {}
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        for turn in range(rounds):
            for name, opened in STORES.items():
                journal = opened(Path(folder) / f"{name}-{turn}")
                for what, micros in measure(journal):
                    found.setdefault(what, {}).setdefault(name, []).append(micros)
                journal.close()
    print(f"| microseconds | {' | '.join(STORES)} |\n|---|{'---|' * len(STORES)}")
    for what, by_store in found.items():
        cells = [f"{median(one):,.1f} ({min(one):,.1f} to {max(one):,.1f})" for one in by_store.values()]
        print(f"| {what} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
