"""Turns: trees get their shares, urgent calls go first, nobody starves, and a minute holds what it may."""

from __future__ import annotations

from collections import Counter
from random import Random

from gemot.abi import limits
from gemot.machine.turns import AGEING, MINUTE_SECONDS, Turns, Window


def drained(turns: Turns) -> list[int]:
    return [turns.take() for _ in range(len(turns))]


def test_a_tree_with_one_call_is_next_beside_one_with_five_hundred() -> None:
    turns = Turns()
    for call in range(500):
        turns.add(call, 1, 5, 5)
    assert [turns.take() for _ in range(20)] == list(range(20))
    turns.add(1_000, 2, 5, 5)
    assert turns.first() == 1_000


def test_trees_take_turns() -> None:
    turns = Turns()
    for call in range(300):
        turns.add(call, call // 100, 5, 5)
    firsts = drained(turns)[:30]
    assert Counter(call // 100 for call in firsts) == {0: 10, 1: 10, 2: 10}


def test_a_tree_has_turns_in_proportion_to_its_share() -> None:
    turns = Turns()
    for call in range(2_000):
        turns.add(call, call % 2, 9 if call % 2 else 3, 5)
    counted = Counter(turns.take() % 2 for _ in range(400))
    assert counted == {1: 300, 0: 100}


def test_a_tree_that_was_idle_has_saved_up_nothing_and_one_that_was_served_owes() -> None:
    turns = Turns()
    for call in range(100):
        turns.add(call, 1, 5, 5)
    for _ in range(50):
        turns.take()
    for call in range(100, 200):
        turns.add(call, 2, 5, 5)
    assert Counter(call // 100 for call in (turns.take() for _ in range(40))) == {0: 20, 1: 20}
    alone = Turns()
    for call in range(1_000):
        alone.add(call, 1, 5, 5)
    alone.add(1_000, 2, 5, 5)
    served = []
    for call in range(1_001, 1_020):  # tree 2 asks again as soon as it was served: it has every second turn, no more
        served += [alone.take(), alone.take()]
        alone.add(call, 2, 5, 5)
    assert sum(call >= 1_000 for call in served) == len(served) // 2


def test_within_a_tree_the_urgent_go_first_and_equals_in_the_order_they_came() -> None:
    turns = Turns()
    for call, priority in enumerate((5, 1, 9, 5, 9)):
        turns.add(call, 1, 5, priority)
    assert drained(turns) == [2, 4, 0, 3, 1]


def test_a_call_that_is_not_urgent_is_passed_by_no_more_than_those_of_64_turns() -> None:
    turns = Turns()
    turns.add(0, 1, 5, limits.PRIORITY_MIN)
    for turn in range(1, 10_000):
        turns.add(turn, 1, 5, limits.PRIORITY_MAX)
        if turns.take() == 0:
            break
    assert turn == AGEING * (limits.PRIORITY_MAX - limits.PRIORITY_MIN) + 1


def test_who_waits_no_more_is_passed_over() -> None:
    turns = Turns()
    for call in range(6):
        turns.add(call, call % 2, 5, 5)
    for call in (0, 2, 4, 1):
        turns.remove(call)
    turns.remove(77)
    assert len(turns) == 2 and drained(turns) == [3, 5] and turns.first() is None


def test_whatever_comes_and_goes_everybody_left_has_one_turn(chance: Random) -> None:
    turns, here, served = Turns(), set[int](), list[int]()
    for call in range(5_000):
        turns.add(call, chance.randrange(40), chance.randrange(1, 10), chance.randrange(1, 10))
        here.add(call)
        while here and chance.random() < 0.48:
            if chance.random() < 0.3:
                gone = chance.choice(sorted(here)[:50])
                turns.remove(gone)
                here.remove(gone)
            else:
                served.append(turns.take())
                here.remove(served[-1])
    served += drained(turns)
    assert len(served) == len(set(served)) and set(served) >= here
    assert turns.first() is None and len(turns) == 0


def test_trees_that_are_gone_are_forgotten() -> None:
    turns = Turns()
    for root in range(10_000):
        turns.add(root, root, 5, 5)
        turns.take()
    assert not turns._trees
    for root in range(10_000):
        turns.add(10_000 + 2 * root, root, 5, 5)
        turns.add(10_001 + 2 * root, 77_777, 5, 5)
        turns.take()
    assert len(turns._trees) < 200 + len(turns)


def test_no_minute_holds_more_than_it_may(chance: Random) -> None:
    window, now, went = Window(100), 0.0, list[tuple[float, int]]()
    for _ in range(2_000):
        amount = chance.randrange(1, 40)
        now = max(now + chance.random(), window.free_at(amount, now))
        assert window.free_at(amount, now) == now
        window.take(amount, now)
        went.append((now, amount))
        last = [one for at, one in went if at + MINUTE_SECONDS > now]
        assert sum(last) <= 100


def test_what_is_more_than_a_minute_by_itself_goes_alone() -> None:
    window = Window(10)
    assert window.free_at(50, 0.0) == 0.0
    window.take(50, 0.0)
    assert window.free_at(1, 1.0) == MINUTE_SECONDS
    assert window.free_at(1, MINUTE_SECONDS) == MINUTE_SECONDS


def test_what_was_less_than_thought_makes_room_at_once() -> None:
    window = Window(10)
    taken = window.take(9, 0.0)
    assert window.free_at(5, 1.0) == MINUTE_SECONDS
    window.correct(taken, 2)
    assert window.free_at(5, 1.0) == 1.0
    window.take(8, 1.0)
    assert window.free_at(1, MINUTE_SECONDS) == MINUTE_SECONDS
    window.correct(taken, 90)  # too late to matter
    assert window.free_at(2, MINUTE_SECONDS) == MINUTE_SECONDS
