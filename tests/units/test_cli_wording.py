"""What happens, in lines that a person reads."""

from __future__ import annotations

import pytest

from gemot.cli.wording import Teller
from gemot.machine.notes import Arranged, Did, Note


def shown(note: Note, full: bool = False) -> list[str]:
    return [line.text for line in Teller(full).lines(note)]


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (
            Did(1, "add", {"tasks": [{"name": "list", "text": "Write list.csv"}, {"text": "Sum it"}]}),
            "add 2 tasks: list; Sum it",
        ),
        (Arranged(1, "add", {"tasks": [{"text": "Sweep"}]}), "you: add 1 task: Sweep"),
        (
            Did(1, "accept", {"task": 2, "accepted": False, "reason": "the sum is wrong"}),
            "send back 2: the sum is wrong",
        ),
        (Did(1, "accept", {"task": 2}), "accept 2"),
        (Did(1, "status", {"note": "3 of 10"}), "status 3 of 10"),
    ],
)
def test_a_move_is_told_in_words(note: Note, words: str) -> None:
    assert shown(note) == [words]


def test_a_look_at_oneself_is_in_the_log_only() -> None:
    assert shown(Did(1, "status", {})) == []
    assert shown(Did(1, "status", {}), full=True) == ["status"]
