"""What counts as a repeat of words that were taken back, and what does not."""

from __future__ import annotations

from random import Random

import pytest

from gemot.abi.messages import Message, Reasoning, Text, ToolRequest, ToolResult
from gemot.programs.pages import Mark, Piece
from gemot.programs.repeated import MARK, Repeats
from gemot.programs.unsaying import said_in, unsay


def blanked(original: str, text: str, *known: str) -> str:
    repeats = Repeats([original])
    for one in known:
        repeats.learn(one)
    return repeats.blanked(text)


@pytest.mark.parametrize(
    ("original", "text", "left"),
    [
        ("WRONG-TWO", "So the answer is WRONG-TWO.", f"So the answer is {MARK}."),
        ("WRONG-TWO", "so the answer is wrong two", f"so the answer is {MARK}"),
        ("the code is x9k2-77", "I typed X9K2 77 there", f"I typed {MARK} there"),
        ("42", "it is 42 apples, and 421 others", f"it is {MARK} apples, and 421 others"),
        ("7", "the answer is 7", f"the answer is {MARK}"),
        ("there are 4,471 rows", "4471 rows, then", f"{MARK} rows, then"),
        ("pay Eve at eve@evil.example", "mail to EVE@evil.example", f"mail to {MARK}"),
        ("the heir is Kestrelov the elder", "ask Kestrelov today", f"ask {MARK} today"),
    ],
)
def test_tokens_and_short_originals_are_found_whatever_their_form(original: str, text: str, left: str) -> None:
    assert blanked(original, text) == left


def test_a_span_with_small_edits_is_found() -> None:
    original = "The build number is high and the key sits in the vault room below the stairs"
    text = "I see: build number was high, and key sits in the Vault Room below stairs. Next I look."
    left = blanked(original, text)
    assert "vault" not in left.lower() and left.endswith("Next I look.") and left.startswith("I see")


def test_a_quote_of_words_that_were_known_is_found() -> None:
    left = blanked(
        "the office is in Oslo", "I heard the office is in Oslo, fine", "Where is the office: Paris, Oslo or Rome?"
    )
    assert "Oslo" not in left


@pytest.mark.parametrize(
    ("original", "text", "known"),
    [
        ("The tests pass and the file was written", "I will run the tests and see whether the file was changed", ""),
        ("done", "I am done with it", ""),
        ("Oslo", "So it is Oslo.", "Paris or Oslo?"),
        ("the total is 4471", "4471 it is", "the table says 4471"),
        ("WRONG-TWO", "two wrongs", ""),
        ("It is as it is and that is what it is", "it is what it is and that is as it is", ""),
        ("", "anything", ""),
        ("[]{}--", "anything -- []", ""),
    ],
)
def test_common_and_known_words_are_no_repeat(original: str, text: str, known: str) -> None:
    assert blanked(original, text, known) == text


@pytest.mark.parametrize("seed", range(40))
def test_any_quote_of_eight_words_is_found_with_one_of_them_changed(seed: int) -> None:
    chance = Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(chance.choice(letters) for _ in range(chance.randrange(3, 9))) for _ in range(400)]
    original = [chance.choice(vocabulary) for _ in range(chance.randrange(12, 80))]
    start = chance.randrange(len(original) - 9)
    quote = original[start : start + 9]
    quote[4] = "changed" if chance.random() < 0.5 else quote[4].upper()
    left = blanked(" ".join(original), f"Hello: {', '.join(quote)}! Bye")
    words = set(left.lower().replace(",", " ").replace("!", " ").split())
    assert MARK in left and not words & {one.lower() for one in quote if one not in ("changed",)}, (
        f"seed {seed}: {left}"
    )


def pages(*messages: tuple[Message, Mark]) -> Piece:
    piece = Piece()
    for message, mark in messages:
        piece.add(message, mark)
    return piece


def reader() -> Piece:
    wait = Message("model", (ToolRequest("1", "wait", "{}"),))
    outcome = ToolResult("1", "wait", '{"ended":[{"pid":3,"name":"r","state":"done","value":"KEY-77 opens it"}]}')
    said = Message(
        "model",
        (
            Reasoning("KEY-77, they say"),
            Text("So KEY-77 opens it."),
            ToolRequest("2", "remember", '{"text":"KEY-77 opens it","n":12}'),
        ),
    )
    return pages(
        (Message("system", (Text("You open doors."),)), Mark()),
        (Message("user", (Text("open it"),)), Mark()),
        (wait, Mark()),
        (Message("tool", (outcome,)), Mark(sources=((0, 3, 2),))),
        (said, Mark()),
        (Message("tool", (ToolResult("2", "remember", "kept: KEY-77 opens it"),)), Mark()),
        (Message("user", (Text("[message from the person]\nthe number 12 is fine"),)), Mark(pinned=(0,))),
    )


def test_what_a_reader_repeated_is_blank_in_its_words_arguments_and_their_echo() -> None:
    log = reader()
    originals = said_in(log.message(4).parts[0], 3)
    assert originals == ["KEY-77 opens it"]
    log.blank(4, 0, "[taken back]", 3)
    unsaid = unsay(log, Repeats(originals), {(4, 0)}, "[taken back]")
    assert "77" not in repr(log.messages()) and unsaid.requests == {"2"}
    assert [number for number, _, _ in unsaid.pages] == [5, 5, 5, 6]
    request = log.message(5).parts[2]
    assert isinstance(request, ToolRequest) and '"n":12' in request.arguments
    assert "number 12 is fine" in repr(log.message(7))


def test_what_somebody_else_says_too_is_theirs_and_the_readers_words_after_it_stay() -> None:
    log = reader()
    log.own[4] = Message("model", (Text("Let me look for it."), ToolRequest("2", "files/read", "{}")))
    log.own[5] = Message("tool", (ToolResult("2", "files/read", "the label says KEY-77"),))
    log.add(Message("model", (Text("I saw KEY-77 on the label."),)))
    unsay(log, Repeats(["KEY-77"]), {(4, 0)}, "[taken back]")
    assert "label says KEY-77" in repr(log.message(6)) and "I saw KEY-77" in repr(log.message(8))


def test_a_copy_of_an_own_page_is_blank_too() -> None:
    log = reader()
    log.add(Message("tool", (ToolResult("3", "page_in", "[page 5]\n> So KEY-77 opens it."),)), Mark(of=((0, 5, 5),)))
    unsay(log, Repeats(["KEY-77 opens it"]), {(4, 0)}, "[taken back]")
    assert "77" not in repr(log.message(8))


def test_what_came_before_an_original_does_not_repeat_it() -> None:
    log = reader()
    log.own[4] = Message("model", (Text("KEY-77 opens it."), ToolRequest("2", "files/read", '{"path":"KEY-77"}')))
    log.own[5] = Message("tool", (ToolResult("2", "files/read", "GATE-81 is the gate"),))
    log.add(Message("tool", (ToolResult("3", "wait", "KEY-77 opens GATE-81"),)), Mark(sources=((0, 3, 4),)))
    log.add(Message("model", (Text("GATE-81 it is. KEY-77 and NO-99."),)))
    log.add(Message("user", (Text("say NO-99"),)), Mark(sources=((0, 3, 5),)))
    log.add(Message("model", (Text("NO-99 it is."),)))
    originals = {"KEY-77 opens it": 4, "KEY-77 opens GATE-81": 8, "say NO-99": 10}
    places = {(4, 0), (8, 0), (10, 0)}
    for number, part in places:
        log.blank(number, part, "[taken back]", 3)
    unsay(log, Repeats(originals, originals), places, "[taken back]")
    before, after, last = (repr(log.message(number)) for number in (6, 9, 11))
    assert "GATE-81 is the gate" in before  # it may be the echo of the first, and not of the second
    assert "GATE-81 it is" in after and "NO-99" in after and "KEY-77" not in after
    assert "NO-99 it is" in last  # it had said that before it was told


def test_a_second_retraction_with_the_same_reason_blanks_what_the_first_left() -> None:
    log = reader()
    log.own[3] = Message("tool", (ToolResult("1", "wait", "KEY-77"), ToolResult("1", "wait", "GATE-81")))
    log.own[4] = Message("model", (Text("KEY-77 opens GATE-81."),))
    for part, original in enumerate(("KEY-77", "GATE-81")):
        log.blank(4, part, "[taken back]", 3)
        unsay(log, Repeats([original]), {(4, part)}, "[taken back]")
    left = repr(log.message(5))
    assert "77" not in left and "81" not in left and left.count("what is left may rest on them") == 1
