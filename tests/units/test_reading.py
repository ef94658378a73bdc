"""The reading: it grows at its end, a fork shares what came before, and what is blanked is blanked for all who share it."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from gemot.abi.messages import Image, Message, Text, ToolRequest, ToolResult
from gemot.programs import freezing, paging
from gemot.programs.album import Album
from gemot.programs.conversation import Conversation
from gemot.programs.pages import PLAIN, Mark, images_of, size_chars
from gemot.programs.reading import Reading


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
    assert child.log.own == [] and child.log.before is parent.log
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


def picture(number: int) -> Image:
    return Image(f"digest {number}", "image/png", 9, 9, "", 1)


@given(some.randoms(use_true_random=False), some.integers(1, 80))
def test_images_kept_page_by_page_equal_images_searched_for_in_all_pages(chance: Random, steps: int) -> None:
    """Pages are added, forked, blanked and left out in any order; what is kept of them must follow."""
    readings = [Reading()]
    for step in range(steps):
        reading = chance.choice(readings)
        kind = chance.random()
        if kind < 0.2:
            readings.append(reading.fork())
        elif kind < 0.3 and len(reading):
            reading.blank(chance.randint(1, len(reading)), 0, "blanked")
        elif kind < 0.35 and len(reading):
            reading.show(chance.sample(reading.items(), chance.randint(0, len(reading.items()))))
        else:
            image = picture(chance.randrange(2 * steps) if chance.random() < 0.5 else step)
            result = ToolResult("1", "look", "x", images=(image,) if chance.random() < 0.5 else ())
            reading.add(Message("tool", (result,)) if chance.random() < 0.7 else Message("user", (image,)))
    for reading in readings:
        searched = Album(image for message in reading.messages() for image in images_of(message)).shown
        assert list(reading.images.items()) == list(searched.items())
        assert reading.size_chars == sum(map(size_chars, reading.messages()))


def sourced(reading: Reading) -> None:
    """Rules, a goal, what children 5 and 6 said, a letter of 5, and a model's words."""
    both = msgspec.json.encode(
        {"ended": [{"pid": 5, "state": "done", "value": "five says so"}, {"pid": 6, "state": "done", "value": "six"}]}
    ).decode()
    reading.add(message("rules"))
    reading.add(message("goal"))
    reading.add(Message("model", (ToolRequest("a", "wait", "{}"), ToolRequest("b", "list_tasks", "{}"))))
    tasks = '[{"number":1,"author":7,"text":"t","done_by":5,"result":"five did it"},{"number":2,"done_by":6,"result":"six did"}]'
    results = (ToolResult("a", "wait", both), ToolResult("b", "list_tasks", tasks))
    reading.add(Message("tool", results), Mark(sources=((0, 5, 2), (0, 6, 2), (1, 5, 2), (1, 6, 2))))
    letters = (Text("[message from the person]\nhello"), Text("[message from process 5]\n> five wrote"))
    reading.add(Message("user", letters), Mark((0,), ((1, 5, 2),)))


def said(reading: Reading) -> str:
    return str(reading.messages())


def test_what_a_process_said_is_blanked_for_everybody_who_shares_the_page_and_nothing_else_is() -> None:
    parent = Reading()
    sourced(parent)
    child = parent.fork()
    parent.add(message("only the parent's"), Mark(sources=((0, 5, 2),)))
    child.add(message("five, told again"), Mark(sources=((0, 5, 2),), of=((0, 4, 4),)))
    sizes = parent.size_chars, child.size_chars
    assert child.sourced(5, 2) == [(4, 0), (4, 1), (5, 1), (6, 0)] and child.log.telling(4) == [(6, 0)]
    for number, part in child.sourced(5, 2):
        child.blank(number, part, "[retracted: wrong]", 5)
    for reading, size in zip((parent, child), sizes, strict=True):
        assert "five says so" not in said(reading) and "five did it" not in said(reading)
        assert "five wrote" not in said(reading) and reading.size_chars != size
        assert '"value":"six"' in said(reading) and "six did" in said(reading) and "from the person" in said(reading)
        assert reading.size_chars == sum(map(size_chars, reading.messages()))
    assert "five, told again" not in said(child) and "only the parent's" in said(parent)
    assert child.sourced(5, 2) == [] and parent.sourced(5, 2) == [(6, 0)] and child.sourced(6, 2) == [(4, 0), (4, 1)]
    with pytest.raises(LookupError):
        child.blank(6, 3, "nothing there")


def test_a_page_that_is_out_or_told_in_a_stub_is_blanked_too() -> None:
    reading = Reading()
    sourced(reading)
    reading.add(message("five says more"), Mark(sources=((0, 5, 2),)))
    for number in range(40):
        reading.add(Message("model", (ToolRequest(f"r{number}", "files/read", '{"path":"a"}'),)))
        reading.add(Message("tool", (ToolResult(f"r{number}", "files/read", "x" * 200),)))
    paging.put_away(reading, range(3, 60), 4_000, None, PLAIN)
    other = reading.fork()
    assert "five says" in said(other), "in the line about it"
    for number, part in reading.sourced(5, 2):
        reading.blank(number, part, "[retracted]", 5)
    for one in (reading, other):
        assert "five" not in said(one) and "five" not in paging.brought(one, [4, 5], 0, 9_000)[0]
        assert "hello" in said(one), "the person's words are pinned"


def test_a_blank_is_written_down_and_so_is_who_said_what() -> None:
    written: dict[int, dict[int, bytes]] = {}

    def keep(shelf: freezing.Shelf) -> None:
        for number, start, body in shelf.new():
            written.setdefault(number, {})
            if not start:
                written[number].clear()
            written[number][start] = body
        shelf.written()

    shelf = freezing.Shelf(lambda number: [body for _, body in sorted(written[number].items())])
    one = Conversation("rules")
    sourced(one.pages)
    freezing.freeze({1: one}, shelf)
    keep(shelf)
    one.pages.add(message("later"), Mark(sources=((0, 7, 3),)))
    frozen = freezing.freeze({1: one, 2: one.fork()}, shelf)
    keep(shelf)
    for number, part in one.pages.sourced(5, 2):
        shelf.put(one.pages.blank(number, part, "[retracted]", 5))
    keep(shelf)
    held = [piece for piece in frozen.pieces if piece.before < 0]
    again = freezing.thaw_conversations(
        msgspec.msgpack.decode(msgspec.msgpack.encode(frozen), type=freezing.FrozenPrograms),
        freezing.Shelf(lambda number: [body for _, body in sorted(written.get(number, {}).items())]),
    )
    assert len(held) == 1
    for thawed in again.values():
        assert "five" not in said(thawed.pages) and thawed.pages.messages() == one.pages.messages()
        assert thawed.pages.sourced(6, 2) == one.pages.sourced(6, 2) and thawed.pages.sourced(7, 3) == [(6, 0)]
