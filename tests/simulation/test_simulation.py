"""Seeded histories of whole machines: every law holds after every event, whatever fails and whenever it crashes."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import pytest
from history import History
from simulate import first_seed, search, tell

HISTORIES = 150


def test_no_history_breaks_a_law(tmp_path: Path) -> None:
    first = first_seed()
    print(f"GEMOT_SEED={first}")
    found = search(range(first, first + HISTORIES), tmp_path)
    assert found is None, str(found)


def test_the_same_seed_is_the_same_history_in_memory_and_on_a_real_file(tmp_path: Path) -> None:
    """A differential test of the stores: what one gives back, the other does."""
    first = first_seed()
    print(f"GEMOT_SEED={first}")
    for seed in range(first, first + 12):
        on_file = History(seed, tmp_path, sqlite=True).run()
        in_memory = History(seed, tmp_path, sqlite=False).run()
        assert on_file.trace() == in_memory.trace(), f"seed {seed}"


LONG = {"turns": 20, "before": 5, "after": 5, "full": 5}
"""How many awaits and writes there are at least in a history in which every one of them is tried."""


@functools.cache
def long_histories() -> list[int]:
    """The first three seeds whose histories are that long."""
    long = (seed for seed in itertools.count(1) if all(History(seed).run_cut(**{how: n}) for how, n in LONG.items()))
    return list(itertools.islice(long, 3))


@pytest.mark.parametrize("which", range(3))
def test_a_machine_dropped_at_any_await_is_recovered_from(which: int) -> None:
    """For every n: the machine is dropped after n awaits, and the next one brings everything to an end."""
    seed, turns = long_histories()[which], 1
    while History(seed).run_cut(turns):
        turns += 1
    assert turns > LONG["turns"], "the history has more awaits than that"


@pytest.mark.parametrize("how", ["before", "after", "full"])
@pytest.mark.parametrize("which", range(3))
def test_a_machine_that_fails_at_any_write_is_recovered_from(which: int, how: str) -> None:
    """For every n: the power is cut just before or just after the n-th write, or there is no room for it."""
    seed, write = long_histories()[which], 1
    while History(seed).run_cut(**{how: write}) or write < LONG[how]:  # a checkpoint without room stops nothing
        write += 1
    assert write > LONG[how], "the history has more writes than that"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_story_can_be_read_and_is_told_the_same_way_twice(seed: int) -> None:
    story = tell(seed, None)
    assert story == tell(seed, None)
    assert any("calls" in line for line in story) and any("--- life" in line for line in story)
