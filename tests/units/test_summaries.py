"""Summaries of what leaves a reading: made by a child, said to be derived, and never in the way."""

from __future__ import annotations

import pytest
from talking import GOAL, Talk, long_talk, request, texts, use

from gemot.abi.answers import Answer, Cancelled, Error, Ok, Outcome, Waited
from gemot.abi.effects import TakeBack
from gemot.abi.messages import Reply
from gemot.abi.syscalls import Generate, Spawn, Wait
from gemot.programs import paging


def test_a_child_that_sums_up_is_told_no_more_than_there_is_room_for() -> None:
    talk, _ = long_talk(window=0, turns=1_000)
    for pages in (range(3, 2_000), range(3, 40), range(3, 5)):
        told = paging.brief(talk.conversation.pages, pages, 6_000)
        assert GOAL in told and len(told) < 2 * 6_000 + 300 and "[page 3, said by you]" in told


def test_a_summary_is_made_by_a_child_and_says_what_it_is() -> None:
    talk, shown = long_talk(3_000, turns=60, summaries=True)
    spawned = [one for one in talk.made if isinstance(one, Spawn)]
    assert spawned and all(one.program == "summarizer" and one.grants == () and one.mounts == () for one in spawned)
    assert GOAL in spawned[0].brief and "> files/read: content of folder/file-0.md" in spawned[0].brief
    assert len(spawned[0].brief) < 21_000
    summary = next(text for text in texts(shown[-1]) if text.startswith("[a summary of the pages"))
    assert "derived from them by a model, process 77" in summary and "\n> child 77 found out" in summary
    reading = talk.conversation.pages
    number = next(n for n in range(len(reading), 0, -1) if reading.log.mark(n).derived)
    part, pid, entry = reading.log.mark(number).sources[-1]
    assert (part, pid) == (0, 77) and (number, 0) in reading.sourced(77, entry)
    first = next(n for n in range(1, len(reading)) if reading.log.mark(n).derived)
    assert (first, 0) in reading.log.telling(3)


def test_a_summary_that_is_being_written_of_words_that_are_taken_back_is_not_used() -> None:
    talk, turn, entries, told = Talk(3_000, summaries=True), 0, 0, 0
    wanted = talk.conversation.decide()
    while not (isinstance(wanted, Wait) and wanted.children == (77,)):
        entries += 1
        told = entries if isinstance(wanted, Wait) else told
        if isinstance(wanted, Generate) and talk.tokens <= talk.window - talk.window // 8:
            turn += 1
            asked = request("r2", "wait") if turn == 2 else use(f"r{turn}", "a" * 39)
            talk.conversation.absorb(Ok(Reply((asked,))))
        else:
            talk.conversation.absorb(talk.answer(wanted))
        wanted = talk.conversation.decide()
    assert '"pid":8' in talk.brief
    talk.conversation.take_back(TakeBack(1, ((told, 8),), "retracted: wrong"))
    talk.conversation.absorb(Ok(Waited((Outcome(77, "summary", "done", "child 8 found out a lot"),))))
    shown = talk.until_asked()
    assert talk.conversation.paged and "child 8 found out" not in str(shown) and "[a summary" not in str(shown)


@pytest.mark.parametrize(
    "trouble",
    [
        Error("grant", "may not spawn"),
        Cancelled("forked"),
        Ok(Waited(timed_out=True)),
        Ok(Waited((Outcome(77, "s", "failed"),))),
    ],
    ids=lambda one: type(one).__name__,
)
def test_without_a_summary_pages_leave_all_the_same(trouble: Answer) -> None:
    talk = Talk(3_000, summaries=True)
    fine = talk.answer
    refuse = Wait if isinstance(trouble, Ok) else Spawn
    talk.answer = lambda wanted: trouble if isinstance(wanted, refuse) else fine(wanted)  # type: ignore[method-assign]
    shown = talk.until_asked()
    for turn in range(60):
        shown = talk.reply(use(f"r{turn}", f"folder/file-{turn}.md"))
    assert talk.conversation.paged and not any("[a summary" in text for text in texts(shown))
