"""The questions, put to a store of memories."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import msgspec

from gemot.abi.effects import FindMemories, KeepMemory
from gemot.abi.labels import Label
from gemot.abi.limits import RECALL_MAX
from gemot.abi.memories import Shelf
from gemot.machine.memories import Memories

Way = Literal["same", "inflected", "other"]
WAYS: tuple[Way, ...] = get_args(Way)


class Question(msgspec.Struct, frozen=True):
    memory: str
    same: str
    inflected: str
    other: str


def questions() -> list[Question]:
    lines = (Path(__file__).parent / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [msgspec.json.decode(line, type=Question) for line in lines]


def places(way: Way) -> list[int]:
    """For each memory the place at which it is found, from 1; 0 where it is not."""
    memories, shelf = Memories(None), Shelf("person")
    asked = questions()
    for number, one in enumerate(asked):
        memories.keep(KeepMemory(1, 0, shelf, f"{number}", one.memory, "", Label(), 0))
    found: list[int] = []
    for number, one in enumerate(asked, 1):
        numbers = [
            memory.number
            for memory in memories.find(FindMemories(1, 0, shelf, getattr(one, way), RECALL_MAX, False, 0))
        ]
        found.append(numbers.index(number) + 1 if number in numbers else 0)
    memories.close()
    return found
