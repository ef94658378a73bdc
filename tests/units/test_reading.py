"""The reading: it only grows at its end, and a fork shares what came before."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as some

from gemot.abi.messages import Message, Text
from gemot.programs.reading import Reading, size_chars


def message(words: str) -> Message:
    return Message("user", (Text(words),))


def test_a_fork_sees_what_was_there_and_not_what_came_after() -> None:
    parent = Reading()
    parent.add(message("one"))
    child = parent.fork()
    parent.add(message("two"))
    child.add(message("three"))
    grandchild = child.fork()
    child.add(message("four"))
    assert parent.messages() == (message("one"), message("two"))
    assert child.messages() == (message("one"), message("three"), message("four"))
    assert grandchild.messages() == (message("one"), message("three"))


def test_a_fork_copies_nothing() -> None:
    parent = Reading()
    for number in range(1_000):
        parent.add(message(str(number)))
    child = parent.fork()
    assert child.own == []
    assert len(child) == 1_000 and child.size_chars == parent.size_chars


@given(some.randoms(use_true_random=False), some.integers(1, 60))
def test_any_family_of_readings_is_a_family_of_lists(chance: Random, steps: int) -> None:
    readings: list[tuple[Reading, list[Message]]] = [(Reading(), [])]
    for step in range(steps):
        reading, expected = chance.choice(readings)
        if chance.random() < 0.3:
            readings.append((reading.fork(), list(expected)))
        else:
            reading.add(message(str(step)))
            expected.append(message(str(step)))
    for reading, expected in readings:
        assert reading.messages() == tuple(expected)
        assert (len(reading), reading.size_chars) == (len(expected), sum(map(size_chars, expected)))
