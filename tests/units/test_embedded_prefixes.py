"""What the engine still holds: what is written down of it is true, the longest beginning is found, room is made in order."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from gemot.models.embedded.prefixes import Kept, Prefixes, shared
from gemot.models.embedded.trial import unshared, unsound


class Cells:
    """The engine's memory: cells with a position, a token and the sequences they belong to. It refuses what has gaps."""

    def __init__(self, capacity: int = 10**6) -> None:
        self.capacity = capacity
        self.cells: list[tuple[int, int, set[int]]] = []
        self.computed = 0

    def copy(self, source: int, target: int, length: int) -> None:
        assert not self.read(target), "the target is not empty"
        for position, _, owners in self.cells:
            if source in owners and position < length:
                owners.add(target)

    def cut(self, sequence: int, start: int) -> None:
        for position, _, owners in self.cells:
            if position >= start:
                owners.discard(sequence)
        self.cells = [cell for cell in self.cells if cell[2]]

    def clear(self) -> None:
        self.cells = []

    def compute(self, sequence: int, start: int, tokens: Sequence[int]) -> list[float]:
        """As the engine: the next positions only, and numbers that depend on everything before them."""
        if start != len(self.read(sequence)) or len(self.cells) + len(tokens) > self.capacity:
            raise RuntimeError("the engine could not compute (status 1)")
        self.cells += [(start + at, token, {sequence}) for at, token in enumerate(tokens)]
        self.computed += len(tokens)
        chance = random.Random(str(self.read(sequence)))
        return [chance.uniform(-20, 20) for _ in range(8)]

    def read(self, sequence: int) -> list[int]:
        mine = sorted((position, token) for position, token, owners in self.cells if sequence in owners)
        assert [position for position, _ in mine] == list(range(len(mine))), "positions with gaps or twice"
        return [token for _, token in mine]


def visit(prefixes: Prefixes, cells: Cells, prompt: list[int], made: Sequence[int] = ()) -> Kept:
    """One request: compute what is missing of the prompt, then what is made, which does not stay. Returns the sequence."""
    mine = prefixes.begin(prompt, len(made))
    new = prompt[len(mine.tokens) :]
    cells.compute(mine.sequence, len(mine.tokens), new)
    mine.tokens += new
    prefixes.settle(mine)
    if made:
        cells.compute(mine.sequence, len(prompt), made)
        prefixes.cut(mine, len(prompt))
    return mine


def words(chance: random.Random, length: int) -> list[int]:
    return [chance.randrange(50_000) for _ in range(length)]


def test_what_two_lists_begin_with() -> None:
    assert shared([], [1]) == shared([1], []) == shared([2], [1]) == 0
    assert shared([1, 2], [1, 2]) == shared([1, 2], [1, 2, 3]) == shared([1, 2, 4], [1, 2, 3]) == 2


def test_eight_forks_compute_their_parents_reading_once(chance: random.Random) -> None:
    cells = Cells(6144)
    prefixes = Prefixes(cells, 16, 6144, sharing=True)
    parent = words(chance, 1500)
    visit(prefixes, cells, parent)
    for _ in range(8):
        visit(prefixes, cells, parent + words(chance, 24), words(chance, 4))
    assert cells.computed == 1500 + 8 * 28
    assert len(cells.cells) < 1500 + 8 * 24 + 4


def test_without_sharing_everything_is_computed_every_time(chance: random.Random) -> None:
    cells = Cells(6144)
    prefixes = Prefixes(cells, 16, 6144, sharing=False)
    parent = words(chance, 100)
    for count in (1, 2, 3):
        visit(prefixes, cells, parent)
        assert (cells.computed, len(cells.cells)) == (100 * count, 100)


def test_two_families_that_take_turns_keep_what_each_has(chance: random.Random) -> None:
    cells = Cells(6144)
    prefixes = Prefixes(cells, 16, 6144, sharing=True)
    readings = [words(chance, 1500) for _ in range(2)]
    talks = [readings[number % 2] + words(chance, 10) for number in range(8)]
    for _ in range(4):
        for number, talk in enumerate(talks):
            made = words(chance, 8)
            visit(prefixes, cells, talk, made)
            talks[number] = talk + made + words(chance, 10)
    assert cells.computed == 2 * 1500 + 8 * (4 * 10 + 3 * 8) + 8 * 4 * 8


def test_a_mismatch_in_the_middle_shares_what_is_before_it_and_leaves_the_other_whole(chance: random.Random) -> None:
    cells = Cells()
    prefixes = Prefixes(cells, 4, 6144, sharing=True)
    one = words(chance, 100)
    other = [*one[:60], 50_001, *one[61:]]
    visit(prefixes, cells, one)
    visit(prefixes, cells, other)
    assert cells.computed == 100 + 40
    visit(prefixes, cells, [*one, 1])
    visit(prefixes, cells, [*other, 1])
    assert cells.computed == 140 + 4


def test_the_same_prompt_again_computes_two_tokens_and_is_kept_once(chance: random.Random) -> None:
    cells = Cells()
    prefixes = Prefixes(cells, 4, 6144, sharing=True)
    prompt, made = words(chance, 50), words(chance, 5)
    for _ in range(5):
        visit(prefixes, cells, prompt, made)
    assert cells.computed == 55 + 4 * 7
    assert len(prefixes.kept) == 1


def test_a_beginning_of_what_is_kept_is_not_kept_beside_it(chance: random.Random) -> None:
    cells = Cells()
    prefixes = Prefixes(cells, 4, 6144, sharing=True)
    prompt = words(chance, 50)
    visit(prefixes, cells, prompt)
    visit(prefixes, cells, prompt[:30])  # the next one goes on from here
    visit(prefixes, cells, prompt)
    assert [one.tokens for one in prefixes.kept] == [prompt]


def test_what_was_used_longest_ago_is_let_go_first(chance: random.Random) -> None:
    cells = Cells(400)
    prefixes = Prefixes(cells, 16, 400, sharing=True)
    first, second, third, fourth = (words(chance, 120) for _ in range(4))
    for prompt in (first, second, third, [*first, 1], fourth):
        visit(prefixes, cells, prompt)
    assert [one.tokens for one in prefixes.kept] == [third, [*first, 1], fourth]


def test_a_prompt_that_leaves_room_for_no_other_is_still_taken(chance: random.Random) -> None:
    cells = Cells(400)
    prefixes = Prefixes(cells, 16, 400, sharing=True)
    for prompt in (words(chance, 200), words(chance, 390), words(chance, 100)):
        assert visit(prefixes, cells, prompt).tokens == prompt


def test_what_is_written_down_is_what_the_engine_holds(chance: random.Random) -> None:
    """Histories of talks that branch anywhere, are given up in the middle, repeated, and too large to be kept all."""
    for _ in range(40):
        capacity, sequences = chance.randrange(150, 600), chance.randrange(2, 8)
        cells = Cells(capacity)
        prefixes = Prefixes(cells, sequences, capacity, sharing=True)
        known: list[list[int]] = [[]]
        for _ in range(60):
            old = chance.choice(known)
            prompt = [
                *old[: chance.randrange(len(old) + 1)],
                *[chance.randrange(3) for _ in range(chance.randrange(20))],
            ]
            prompt = prompt[:100] or [0]
            assert len(cells.cells) <= prefixes.cells_taken
            most = max((shared(one.tokens, prompt) for one in prefixes.kept), default=0)
            mine = prefixes.begin(prompt, 20)
            assert mine.tokens == prompt[: min(most, max(0, len(prompt) - 2))]
            stop = chance.choice((len(prompt), chance.randrange(len(mine.tokens), len(prompt) + 1)))
            new, made = prompt[len(mine.tokens) : stop], [chance.randrange(3) for _ in range(chance.randrange(20))]
            if new:
                cells.compute(mine.sequence, len(mine.tokens), new)
                mine.tokens += new
            if stop == len(prompt):
                prefixes.settle(mine)
                kept = sorted(one.tokens for one in prefixes.kept if one is not mine)
                assert not any(one == prompt[: len(one)] for one in kept)
                if made:
                    cells.compute(mine.sequence, len(prompt), made)
                    assert len(cells.cells) <= capacity
                    prefixes.cut(mine, len(prompt))
            for one in prefixes.kept:
                assert cells.read(one.sequence) == one.tokens
            assert len(cells.cells) <= capacity
            known.append([*prompt, *made])


def test_a_sequence_may_have_computed_two_tokens_anew_that_another_holds() -> None:
    """A seed whose histories have both of them: with one for each sequence fewer cells are counted than are taken."""
    test_what_is_written_down_is_what_the_engine_holds(random.Random(12))


TEXT = (1, 2, 3, 4, 5, 6)


def test_an_engine_that_shares_passes_the_trial_and_is_left_empty() -> None:
    cells = Cells()
    assert unsound(TEXT, cells, cells.compute) == unshared(TEXT, cells, cells.compute) == ""
    assert not cells.cells


class CopiesNothing(Cells):
    def copy(self, source: int, target: int, length: int) -> None: ...


class CopiesTheWrongPart(Cells):
    def copy(self, source: int, target: int, length: int) -> None:
        super().copy(source, target, length - 1)


class CopiesAStranger(Cells):
    def copy(self, source: int, target: int, length: int) -> None:
        self.compute(target, 0, [99] * length)


class CutsNothing(Cells):
    def cut(self, sequence: int, start: int) -> None: ...


class CutsFromAll(Cells):
    def cut(self, sequence: int, start: int) -> None:
        self.cells = [cell for cell in self.cells if cell[0] < start]


@pytest.mark.parametrize("broken", [CopiesNothing, CopiesTheWrongPart, CopiesAStranger, CutsNothing, CutsFromAll])
def test_an_engine_that_shares_wrongly_is_found_out(broken: type[Cells]) -> None:
    cells = broken()
    assert unshared(TEXT, cells, cells.compute)


def test_numbers_that_mean_nothing_are_found_out() -> None:
    cells = Cells()
    chance = random.Random(1)
    assert "other numbers" in unsound(TEXT, cells, lambda *_: [chance.uniform(-20, 20) for _ in range(8)])
    for strange in ([0.0] * 8, [float("nan")] * 8, [float("inf"), 0.0]):
        assert "no usable numbers" in unsound(TEXT, cells, lambda *_, strange=strange: strange)

    def fails(*_: object) -> list[float]:
        raise RuntimeError("status -3")

    assert unsound(TEXT, cells, fails) == unshared(TEXT, cells, fails) == "status -3"
