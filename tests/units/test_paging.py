"""Paging: what is pinned never leaves, what left can be brought back as it was, and the beginning stays the same."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from talking import GOAL, RULES, Talk, long_talk, request, texts, use, whole_exchanges

from gemot.abi.answers import Error, Mail, Room
from gemot.abi.messages import Message, Text, ToolRequest, ToolResult
from gemot.abi.syscalls import Exit, Generate, PageOut
from gemot.programs import freezing
from gemot.programs.conversation import Conversation
from gemot.programs.pages import size_chars
from gemot.programs.port import Start
from gemot.programs.reading import Shown
from gemot.programs.stubs import Stub, sizes


@settings(max_examples=60, deadline=None)
@given(some.randoms(use_true_random=False), some.sampled_from([600, 1_000, 1_500, 3_000, 8_000]), some.booleans())
def test_what_is_pinned_never_leaves_whatever_is_said_and_asked_for(
    chance: Random, window: int, summaries: bool
) -> None:
    talk = Talk(window, summaries=summaries)
    shown = talk.until_asked()
    pinned = [RULES, GOAL]
    for turn in range(chance.randrange(5, 60)):
        id = f"r{turn}"
        pages = tuple(chance.randrange(-1, len(talk.conversation.pages) + 3) for _ in range(chance.randrange(4)))
        options: list[list[ToolRequest]] = [
            [use(id, "a" * chance.randrange(1, 40))],
            [use(id, "b"), use(f"{id}x", "c" * chance.randrange(1, 40))],
            [request(id, "page_out", pages=pages)],
            [request(id, "page_in", pages=pages, start=chance.randrange(-2, 50))],
            [request(id, "wait")],
            [request(id, "nothing")],
        ]
        if turn % 9 == 4:
            options = [[request(id, "ask", question=f"question {turn}"), use(f"{id}x", "d" * 30)]]
            pinned += [f'{{"question":"question {turn}"}}', f"the person's answer to question {turn}"]
        if turn == 7:
            options = [[use(f"{id}x", "e" * 30), request(id, "mandate", steps=[{"title": "a step", "grants": []}])]]
            pinned += ['{"endorsed":[1]}']
        mail: tuple[Mail, ...] = ()
        if turn % 11 == 5:
            mail = (Mail(3, "from a child " * 20), Mail(0, f"from the person {turn}"))
        reply = chance.choice(options)
        shown = talk.reply(Text(f"turn {turn} " + "words " * chance.randrange(20)), *reply, mail=mail)
        pinned += [f"[message from the person]\n{one.text}" for one in talk.told if not one.sender]
        talk.told = ()
        if chance.random() < 0.1:
            talk = Talk(window, chance.choice([_frozen, Conversation.fork])(talk.conversation))
            again = talk.until_asked()
            assert again == shown
        if not shown:
            assert window <= 1_000, "where there is room, nobody gives up"
            return
        said = texts(shown)
        assert shown[0] == Message("system", (Text(RULES),)) and shown[1] == Message("user", (Text(GOAL),))
        missing = [text for text in pinned if text not in said]
        assert not missing, f"turn {turn} of a window of {window}"
        latest = next(one for one in reversed(shown) if one.role == "model")
        assert [part.id for part in latest.parts if isinstance(part, ToolRequest)] == [one.id for one in reply]
        whole_exchanges(shown)
        reading = talk.conversation.pages
        assert reading.size_chars == sum(map(size_chars, shown))
        assert talk.tokens <= window - window // 8
        numbers = [n for one in reading.items() if isinstance(one, Shown) for n in range(one.first, one.last + 1)]
        assert len(numbers) == len(set(numbers)), "no page is shown twice"


def _frozen(conversation: Conversation) -> Conversation:
    body = msgspec.msgpack.encode(freezing.freeze({1: conversation}))
    thawed = freezing.thaw_conversations(
        msgspec.msgpack.decode(body, type=freezing.FrozenPrograms), freezing.Shelf(lambda _: ())
    )
    return thawed[1]


def test_what_left_comes_back_exactly_as_it_was() -> None:
    talk, shown = long_talk()
    reading = talk.conversation.pages
    page = reading.log.message(8).parts[0]
    assert isinstance(page, ToolResult) and not reading.resident(8)
    shown.append(talk.reply(request("x", "page_in", pages=[8])))
    result = shown[-1][-1].parts[0]
    assert isinstance(result, ToolResult) and result.ok
    quoted = "\n".join(line.removeprefix("> ") for line in result.text.split("\n")[1:])
    assert quoted == f"files/read: {page.text}"
    assert shown[-1][: len(shown[-2])] == shown[-2], "it is appended; what was shown before stays as it is"


def test_a_long_page_comes_back_in_parts() -> None:
    talk = Talk(2_000)
    talk.until_asked()
    text = "".join(f"line {number}\n" for number in range(300))
    talk.result = lambda path: text  # type: ignore[method-assign]
    talk.reply(use("one", "long"))
    del talk.result
    for turn in range(30):
        talk.reply(use(f"r{turn}", "b" * 40))
    found, start = "", 0
    for turn in range(20):
        shown = talk.reply(request(f"p{turn}", "page_in", pages=[4], start=start))
        part = shown[-1].parts[0]
        assert isinstance(part, ToolResult)
        lines = part.text.split("\n")
        goes_on = lines[-1].startswith("[page 4 has")
        piece = "\n".join(line.removeprefix("> ") for line in (lines[1:-1] if goes_on else lines[1:]))
        found += piece
        start += len(piece)
        if not goes_on:
            break
    assert found == f"files/read: {text}"


def test_pages_leave_in_few_large_steps_and_the_beginning_stays_in_between() -> None:
    talk, shown = long_talk()
    steps = sum(isinstance(one, PageOut) for one in talk.made)
    stable = [before == after[: len(before)] for before, after in pairwise(shown)]
    assert steps == stable.count(False) and 300 / steps > 10
    left = [len(one.pages) for one in talk.made if isinstance(one, PageOut)]
    assert min(left) > 10


@pytest.mark.parametrize("summaries", [False, True])
def test_stubs_take_their_share_and_no_more_however_much_has_left(summaries: bool) -> None:
    talk, _ = long_talk(turns=1_500, summaries=summaries)
    reading = talk.conversation.pages
    stubs = [one for one in reading.items() if isinstance(one, Stub)]
    assert len(reading) > 3_000 and sizes(stubs, reading.log) <= 21_000 // 6 + 600
    assert reading.head is not None and len(reading.head.items) < 40


def test_a_stub_says_what_left_and_a_list_says_all_of_it() -> None:
    talk, shown = long_talk()
    stub = next(text for text in texts(shown[-1]) if text.startswith("[paged out; page_in"))
    assert "files/read folder/file-2" in stub and '.md -> "content of' in stub
    start, numbers = 1, list[int]()
    for turn in range(60):
        listed = talk.reply(request(f"l{turn}", "page_in", start=start))[-1].parts[0]
        assert isinstance(listed, ToolResult)
        lines = listed.text.split("\n")
        numbers += [int(line.partition("-")[0]) for line in lines if "-" in line.partition(":")[0]]
        if not lines[-1].startswith("[there are more"):
            break
        start = int(lines[-1].partition("start=")[2].partition(")")[0])
    assert numbers == sorted(set(numbers)) and {3, 5, 101, 333} <= set(numbers)


def test_a_model_lets_pages_leave_by_itself_and_learns_which_it_can_not() -> None:
    talk = Talk(0)
    talk.until_asked()
    for turn in range(6):
        talk.reply(use(f"r{turn}", "a" * 39))
    listed = talk.reply(request("l", "page_out"))[-1].parts[0]
    assert isinstance(listed, ToolResult) and "\n3-4: files/read" in listed.text and "\n1:" not in listed.text
    shown = talk.reply(request("o", "page_out", pages=[4, 6, 1, 99]))
    told = shown[-1].parts[0]
    assert isinstance(told, ToolResult) and not told.ok
    assert told.text.startswith("paged out: 3 to 6. not paged out: 1, 99;")
    assert talk.conversation.pages.out() == [(3, 6)] and talk.conversation.paged
    whole_exchanges(shown)


def test_forks_page_by_themselves_and_share_what_they_have() -> None:
    parent, _ = long_talk(turns=100)
    shown = parent.conversation.reading(Generate())
    children = [parent.conversation.fork() for _ in range(1_000)]
    assert {id(one.pages.head) for one in children} == {id(parent.conversation.pages.head)}
    child = Talk(8_000, children[0])
    child.until_asked()
    for turn in range(40):
        child.reply(use(f"c{turn}", "d" * 39))
    assert child.conversation.pages.head is not parent.conversation.pages.head
    assert parent.conversation.reading(Generate()) == children[1].reading(Generate()) == shown
    frozen = freezing.freeze(dict(enumerate([parent.conversation, *children[1:]], 1)))
    assert len(frozen.heads) == 1 and len(msgspec.msgpack.encode(frozen)) < 600_000


def test_a_turn_makes_no_new_copy_of_what_was_shown() -> None:
    talk, shown = long_talk(turns=100)
    again = talk.reply(use("more", "a" * 39))
    head = talk.conversation.pages.head
    assert head is not None and again[5] is shown[-1][5]
    made = head.messages(talk.conversation.pages.log)
    talk.reply(use("and more", "a"))
    assert head.messages(talk.conversation.pages.log) is made


def test_the_latest_exchange_is_shown_shortened_when_it_alone_does_not_fit() -> None:
    talk = Talk(4_000)
    talk.until_asked()
    talk.result = lambda path: f"content of {path}: " + "x" * 7_900  # type: ignore[method-assign]
    shown = talk.reply(*(use(f"r{number}", f"f{number}") for number in range(6)))
    results = [part for part in shown[-1].parts if isinstance(part, ToolResult)]
    assert len(results) == 6 and all(part.text.startswith("content of f") for part in results)
    assert all("page_in(pages=[4]) brings more of it]" in part.text for part in results)
    assert sum(len(part.text) for part in results) > 4_000, "as much as fits is shown"
    brought = talk.reply(request("p", "page_in", pages=[4]))[-1].parts[0]
    assert isinstance(brought, ToolResult) and brought.text.startswith("[page 4, results]")


def test_what_the_person_answered_is_not_shortened() -> None:
    talk = Talk(3_000)
    talk.until_asked()
    talk.result = lambda path: "x" * 7_900  # type: ignore[method-assign]
    question = "which one? " * 60
    shown = talk.reply(
        request("q", "ask", question=question), *(use(f"r{number}", f"f{number}") for number in range(3))
    )
    assert f"the person's answer to {question}" in texts(shown) and f'{{"question":"{question}"}}' in texts(shown)
    assert sum("page_in(pages=[4]) brings more" in text for text in texts(shown)) == 3


def test_a_provider_that_says_too_long_all_the_same_is_shown_less_until_it_takes_it() -> None:
    talk, _ = long_talk(window=0, turns=60)
    sizes_shown = [talk.conversation.size_chars]
    for _ in range(4):
        talk.conversation.absorb(Error("window", "prompt is too long", room=Room(0, talk.tokens)))
        talk.until_asked()
        sizes_shown.append(talk.conversation.size_chars)
    assert all(later < before * 0.7 for before, later in pairwise(sizes_shown)), sizes_shown


def test_a_window_that_not_even_the_pinned_fit_ends_the_process_with_words() -> None:
    conversation = Conversation(RULES * 500)
    conversation.absorb(Start(1, "one", GOAL, {}, ""))
    assert isinstance(conversation.decide(), Generate)
    for _ in range(20):
        conversation.absorb(Error("window", "the question takes 4000 tokens", room=Room(1_000, 4_000)))
        wanted = conversation.decide()
        if not isinstance(wanted, Generate):
            break
    assert isinstance(wanted, Exit) and "never leaves its reading" in wanted.failed
