"""Long-term memory, full: python -m benchmarks.recall [HOW MANY].

A shelf with 100,000 memories of 8 to 30 words, drawn as words are drawn in a language (the n-th most frequent in proportion
to 1/n), in a file; and a tenth as many on another shelf. Measured is `gemot.machine.memories.Memories.find` as a process's
`recall` makes it: questions of 3 to 12 words of the same language, so that most hold very common words and some rare ones; a single
rare word; only the most common words; and the newest that can be trusted. Beside it, in the same run and on the same rows, what
a plain scan with LIKE takes for one word. To remember is measured with its sync, one at a time, on the full shelf. Printed is the time
that passed, and the time that this thread worked: the computer may have others to serve.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gemot.abi.effects import FindMemories, KeepMemory
from gemot.abi.labels import Label
from gemot.abi.memories import Shelf
from gemot.machine import indexing
from gemot.machine.memories import Memories

SEED, VOCABULARY, TIMES = 1, 30_000, 400
BUILD = Path("build/bench")
SHELF, OTHER = Shelf("project", "/srv/project"), Shelf("person")
LABELS = (Label(("process:1",), "model"), Label(("process:2", "tool:web/get"), "foreign"))


class Language:
    """Words that are as frequent as words are."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.words = [_word(number) for number in range(VOCABULARY)]
        self._sums = list(itertools.accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))

    def text(self, least: int, most: int) -> str:
        drawn = (self.chance.random() * self._sums[-1] for _ in range(self.chance.randint(least, most)))
        return " ".join(self.words[bisect.bisect(self._sums, one)] for one in drawn)


def _word(number: int) -> str:
    """A word that can be said, another one for each number."""
    syllables = [one + two for one in "bdfgklmnprst" for two in "aeiou"]
    said = syllables[number % 60]
    while number >= 60:
        number = number // 60 - 1
        said += syllables[number % 60]
    return said


def fill(memories: Memories, language: Language, count: int) -> None:
    """Many memories in one transaction, as nobody else writes them: to get there."""
    with memories._writing() as (database, _):
        inner = memories._writing
        memories._writing = lambda key="": contextlib.nullcontext((database, 0))  # type: ignore[method-assign]
        for number in range(count + count // 10):
            shelf = SHELF if number % 11 else OTHER
            keep(memories, language, shelf, number)
        memories._writing = inner  # type: ignore[method-assign]


def keep(memories: Memories, language: Language, shelf: Shelf, number: int) -> None:
    about, text = language.text(1, 3), language.text(8, 30)
    memories.keep(KeepMemory(1, 1, shelf, f"{number}", text, about, LABELS[number % 2], number * 1000))


Took = list[tuple[float, float]]


def timed(work: Callable[[], object], times: int = TIMES) -> Took:
    """Of each, the milliseconds that passed and those that this thread worked."""
    took: Took = []
    for _ in range(times):
        began, worked = time.perf_counter(), time.thread_time()
        work()
        took.append(((time.perf_counter() - began) * 1000, (time.thread_time() - worked) * 1000))
    return took


def show(name: str, took: Took) -> None:
    cells: list[str] = []
    for what, times in zip(("wall", "own"), zip(*took, strict=True), strict=True):
        cuts = statistics.quantiles(times, n=100)
        cells.append(f"{what} p50 {cuts[49]:6.2f} p99 {cuts[98]:6.2f} ms")
    print(f"{name:44} {'   '.join(cells)}   n {len(took)}", flush=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    language = Language(random.Random(SEED))
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        path = Path(folder) / "memories.sqlite"
        memories = Memories(path)
        began = time.perf_counter()
        fill(memories, language, count)
        held = dict(memories.shelves())
        print(
            f"{held[SHELF]:,} memories on the shelf, {held[OTHER]:,} on another; {time.perf_counter() - began:.1f} s to fill"
        )

        def recall(query: Callable[[], str], trusted: bool = False) -> Took:
            return timed(lambda: memories.find(FindMemories(1, 1, SHELF, query(), 5, trusted, 0)))

        show("recall, a question of 3 to 12 words", recall(lambda: language.text(3, 12)))
        show("recall, the same, only what can be trusted", recall(lambda: language.text(3, 12), True))
        show("recall, one rare word", recall(lambda: language.words[language.chance.randrange(1_000, VOCABULARY)]))
        show("recall, the ten most common words", recall(lambda: " ".join(language.words[:10])))
        most = " ".join(language.words[60:92])
        show(f"recall, 32 words that weigh up to {indexing.WEIGHED_MAX:,}", recall(lambda: most))
        show("recall, the newest that can be trusted", recall(lambda: "", True))
        numbers = itertools.count(10**9)
        show("remember, synced", timed(lambda: keep(memories, language, SHELF, next(numbers))))
        plain = sqlite3.connect(path)
        scan = "SELECT number FROM memories WHERE shelf = 1 AND text LIKE ? ORDER BY number DESC"
        rare = (f"%{language.words[language.chance.randrange(1_000, VOCABULARY)]}%" for _ in range(60))
        show("a plain scan: LIKE, one rare word", timed(lambda: plain.execute(scan, (next(rare),)).fetchall(), 50))
        plain.close()
        memories.close()
        size = sum(one.stat().st_size for one in Path(folder).iterdir())
        print(f"{size / 1e6:.0f} MB on the disk, {size / sum(held.values()):.0f} bytes a memory")


if __name__ == "__main__":
    main()
