"""Whose event is taken in next: trees take turns, and what belongs to none goes first."""

from __future__ import annotations

import random

from gemot.abi.events import Event, Ticked
from gemot.machine.inbox import Inbox


def event(number: int) -> Event:
    return Ticked(number)


def taken(inbox: Inbox, most: int = 1_000, of_one: int = 1_000) -> list[int]:
    return [one.at for one in inbox.take(most, of_one)]


def test_trees_take_turns_and_each_keeps_its_order() -> None:
    inbox = Inbox()
    for root, number in [(7, 1), (7, 2), (7, 3), (8, 4), (9, 5), (9, 6)]:
        inbox.put(root, event(number))
    assert taken(inbox) == [1, 4, 5, 2, 6, 3]
    assert not inbox and taken(inbox) == []


def test_what_belongs_to_no_tree_goes_before_and_what_happens_now_before_that() -> None:
    inbox = Inbox()
    inbox.put(7, event(1))
    inbox.put(0, event(2))
    inbox.put(0, event(3))
    inbox.put_first((event(4), event(5)))
    assert taken(inbox) == [4, 5, 2, 3, 1]


def test_a_step_has_an_end_for_one_tree_and_for_all() -> None:
    inbox = Inbox()
    for number in range(10):
        inbox.put(7, event(number))
    inbox.put(8, event(100))
    assert taken(inbox, of_one=3) == [0, 100, 1, 2]
    assert taken(inbox, most=2) == [3, 4]
    inbox.put(8, event(101))
    assert inbox and taken(inbox, of_one=2) == [5, 101, 6], "it has waited since its last one"


def test_what_comes_in_during_a_step_is_taken_in_by_it_if_there_is_room() -> None:
    inbox = Inbox()
    inbox.put(7, event(0))
    seen: list[int] = []
    for one in inbox.take(10, 4):
        seen.append(one.at)
        inbox.put(7, event(one.at + 1))
    assert seen == [0, 1, 2, 3] and inbox


def test_nothing_is_lost_and_nobody_waits_for_more_than_one_event_of_each_other() -> None:
    for seed in range(200):
        chance = random.Random(seed)
        inbox, waiting, number = Inbox(), dict[int, list[int]](), 0
        for _ in range(60):
            for _ in range(chance.randrange(6)):
                number += 1
                root = chance.choice((1, 1, 1, 2, 3))
                inbox.put(root, event(number))
                waiting.setdefault(root, []).append(number)
            before = {root for root, numbers in waiting.items() if numbers}
            step = taken(inbox, chance.randrange(1, 6), chance.randrange(1, 4))
            owners = [next(root for root, numbers in waiting.items() if one in numbers) for one in step]
            for one, root in zip(step, owners, strict=True):
                assert waiting[root].pop(0) == one, f"seed {seed}: the order of a tree"
            assert len(set(owners[: len(before)])) == min(len(before), len(step)), f"seed {seed}: each has one first"
        assert sorted(taken(inbox)) == sorted(one for numbers in waiting.values() for one in numbers), f"seed {seed}"
