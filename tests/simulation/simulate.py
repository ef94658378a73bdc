"""Search seeded histories for one that breaks a law; replay one as a readable story.

make simulate SEEDS=2000          two thousand histories, from a seed that is printed
make simulate SEEDS=2000 FROM=0   the same ones every time
make simulate SEED=812            one history, told line by line
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import gc
import itertools
import os
import pstats
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from checkers import LawBroken
from history import History

TWICE_EVERY = 10
"""One seed in so many is run twice, and must give the same history."""

STORY_LINES = 60


@dataclass(frozen=True)
class Finding:
    """A seed that breaks a law, which one, and how it came to that."""

    seed: int
    law: str
    story: list[str]

    def __str__(self) -> str:
        shown = "\n".join(line[:200] for line in self.story[-STORY_LINES:])
        return f"{shown}\n\nseed {self.seed} broke a law: {self.law}\nreplay it: make simulate SEED={self.seed}"


@dataclass
class Tally:
    histories: int = 0
    events: int = 0
    lives: int = 0
    turns: int = 0
    lost: int = 0
    done: int = 0
    on_file: int = 0

    def count(self, history: History) -> None:
        self.histories += 1
        self.events += len(history.watcher.events)
        self.lives += history.lives
        self.turns += history.loop.turns
        self.lost += history.disk.lost
        self.done += sum(history.outside.ledger.values())
        self.on_file += history.disk.path is not None


def search(seeds: Iterable[int], folder: Path | None = None, tally: Tally | None = None) -> Finding | None:
    """Live the histories of ``seeds``, in order, until one breaks a law."""
    with _tidy_memory():
        for seed in seeds:
            try:
                history = _live(seed, folder)
                if seed % TWICE_EVERY == 0:
                    _compare(history, _live(seed, _again(folder)))
            except Exception as broken:  # whatever a machine does that nobody expected is a finding
                return Finding(seed, _law(broken), tell(seed, _again(folder)))
            if tally is not None:
                tally.count(history)
            if history.disk.path is not None:
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{history.disk.path}{suffix}").unlink(missing_ok=True)
    return None


@contextlib.contextmanager
def _tidy_memory() -> Iterator[None]:
    """When garbage is collected is chance that no seed decides, and what ends then may schedule something: so it is collected
    between histories only. What other tests left is collected first, and what they hold is not looked through again."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _live(seed: int, folder: Path | None) -> History:
    try:
        return History(seed, folder).run()
    finally:
        gc.collect()


def _compare(one: History, other: History) -> None:
    """The same seed, lived twice: says where the two begin to differ."""
    if one.trace() == other.trace():
        return
    bodies = [[record.body for record in history.disk.records()] for history in (one, other)]
    pairs = enumerate(itertools.zip_longest(*bodies, fillvalue=b"(no record)"))
    where = next((f"record {at}: {a!r:.300} / {b!r:.300}" for at, (a, b) in pairs if a != b), "after the last record")
    ends = " / ".join(f"{history.loop.turns} turns, {history.loop.time()} s" for history in (one, other))
    raise LawBroken(
        f"chance: the same seed gave two different histories, so a choice is not seeded. They differ at {where}; they end at {ends}"
    )


def _again(folder: Path | None) -> Path | None:
    """Where the same seed can be lived once more."""
    return None if folder is None else Path(tempfile.mkdtemp(dir=folder))


def tell(seed: int, folder: Path | None) -> list[str]:
    """The story of one seed."""
    story: list[str] = []
    try:
        History(seed, folder, tell=story.append).run()
    except Exception as broken:
        story.append(f"LAW BROKEN: {_law(broken)}")
    return story


def _law(broken: Exception) -> str:
    return str(broken) if isinstance(broken, LawBroken) else f"nobody expected {broken!r}"


def first_seed() -> int:
    """Where to begin: ``GEMOT_SEED``, or chance."""
    return int(os.environ.get("GEMOT_SEED") or random.SystemRandom().randrange(10**9))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories")
    parser.add_argument("--from", type=int, default=None, dest="first", help="the first seed; default: chance")
    parser.add_argument("--seed", type=int, default=None, help="tell one history")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gemot-simulation-") as name:
        folder = Path(name)
        if wanted.seed is not None:
            story = tell(wanted.seed, folder)
            print("\n".join(story))
            return int(story[-1].startswith("LAW BROKEN"))
        first = first_seed() if wanted.first is None else wanted.first
        print(f"seeds {first} to {first + wanted.seeds - 1}")
        profile = cProfile.Profile()
        if wanted.profile:
            profile.enable()
        tally, began, clock = Tally(), time.process_time(), time.perf_counter()
        found = search(range(first, first + wanted.seeds), folder, tally)
        seconds, wall = time.process_time() - began, time.perf_counter() - clock
        profile.disable()
    print(
        f"{tally.histories} histories, {tally.events} events, {tally.lives} lives of machines, {tally.turns} awaits, "
        f"{tally.lost} records lost to power cuts, {tally.done} effects in the ledger, {tally.on_file} on real files\n"
        f"{seconds:.1f} s of one core, {wall:.1f} s in all: {tally.histories / seconds * 60:.0f} histories a minute of one core"
    )
    if wanted.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    if found is not None:
        print(found)
    return int(found is not None)


if __name__ == "__main__":
    sys.exit(main())
