"""What was not understood is never written and never ends as a success. No weights needed."""

from __future__ import annotations

import json

import pytest

from gemot.models.embedded.acting import Action, Ending
from gemot.models.embedded.goal import parse
from gemot.models.embedded.results import Step
from gemot.models.embedded.sums import following, spoken
from gemot.models.embedded.tables import look_up
from gemot.models.embedded.wording import globs_of, said_of, sought_of, swap_of
from tests.units.test_embedded_acting import EDIT, EVALUATE, NOW, READ, SEARCH, WRITE, decide, offer

LIST = offer("files/list", path=("string", "."))
FACTS = offer("files/facts", path="string")
OFFERS = (LIST, READ, FACTS, WRITE, EDIT, SEARCH, EVALUATE, NOW)
TABLE = "name,role,age\nIda,gardener,40\nOle,carpenter,50"


@pytest.mark.parametrize(
    "goal",
    [
        "Write a poem about frost to poem.txt",
        "Delete a.txt",
        "Translate a.txt into French and save it as b.txt",
        "Send a.txt to Ida by email",
        "If a.txt mentions Ida, write yes to b.txt",
        "Put the time in Berlin and the time in Tokyo in times.txt",
        "Summarise a.txt in b.txt",
        "What is the capital of France?",
    ],
)
def test_what_it_cannot_do_fails_and_says_which_part(goal: str) -> None:
    ending = decide(goal, offers=OFFERS)
    assert isinstance(ending, Ending)
    assert ending.failed
    assert "could not do this part" in ending.text


@pytest.mark.parametrize(
    ("goal", "seen"),
    [
        ("Save the phone number in a.txt to b.txt", Step("files/read", {"path": "a.txt"}, "Dear Ida,\nhello.", True)),
        ("Save the phone number in a.txt to b.txt", Step("files/facts", {"path": "a.txt"}, '{"size_bytes": 7}', True)),
        ("Read a.txt and write the questions to b.txt", Step("files/read", {"path": "a.txt"}, "one\ntwo", True)),
        (
            "List the files in docs and write the largest to b.txt",
            Step("files/list", {"path": "docs"}, "a.md\nb.md", True),
        ),
    ],
)
def test_what_was_not_understood_is_not_written(goal: str, seen: Step) -> None:
    decided = decide(goal, seen, offers=OFFERS)
    if isinstance(decided, Action):
        assert decided.offer.name == "files/read"
        decided = decide(goal, seen, Step("files/read", {"path": "a.txt"}, "Dear Ida,\nhello.", True), offers=OFFERS)
    assert isinstance(decided, Ending)
    assert decided.failed


def test_a_failure_tells_what_was_done_before_it() -> None:
    wrote = Step("files/write", {"path": "a.txt", "content": "x"}, "wrote a.txt", True)
    ending = decide('Write "x" to a.txt, then translate a.txt', wrote, offers=OFFERS)
    assert isinstance(ending, Ending)
    assert ending.failed
    assert "wrote a.txt" in ending.text
    assert "translate" in ending.text


def test_a_failed_change_is_not_replaced_by_another_kind_of_request() -> None:
    failed = Step("files/edit", {"path": "a.txt", "old": "x", "new": "y"}, "x does not occur", False)
    ending = decide("Replace 'x' with 'y' in a.txt", failed, offers=OFFERS)
    assert isinstance(ending, Ending)
    assert ending.failed
    assert "x does not occur" in ending.text


def test_a_setting_is_changed_where_it_stands() -> None:
    read = Step("files/read", {"path": "a.toml"}, 'port = 80\nhost = "x"', True)
    action = decide("Set the host in a.toml to y", read, offers=OFFERS)
    assert isinstance(action, Action)
    assert action.filling.arguments == {"path": "a.toml", "old": 'host = "x"', "new": 'host = "y"'}


@pytest.mark.parametrize(
    ("words", "cell"),
    [
        ("who is the carpenter", "Ole"),
        ("the role of Ida", "gardener"),
        ("the total of the ages", None),
        ("average age", "45"),
        ("the difference in age between Ida and Ole", None),
        ("the colour of the sea", None),
    ],
)
def test_a_table_tells_what_is_in_it_and_nothing_else(words: str, cell: str | None) -> None:
    assert look_up(TABLE, words) in ((cell, "90") if "total" in words else (cell,))


def test_unquoted_things_are_found_by_the_words_around_them() -> None:
    assert globs_of("which text files are there") == ["*.txt"]
    assert sought_of("did I note anything about the blue door?") == ["blue door"]
    assert swap_of("it should say ten rather than nine") == ("nine", "ten")
    assert said_of("jot down call mum in calls.txt") == "call mum"
    assert said_of("write a story to s.txt") is None
    assert parse("the top two lines of a.txt").paths == ("a.txt",)


def test_arithmetic_in_words() -> None:
    assert spoken("8 boxes at 2.50 each, how much is that?") == ["8 * 2.50"]
    assert spoken("share 90 between four people") == ["90 / 4"]
    assert spoken("there are 3 cats and 2 dogs") == []
    assert following("multiply it by 6", "4") == "4 * 6"
    assert following("write it down", "4") is None


def test_a_count_of_what_was_not_searched_for_is_no_answer() -> None:
    read = Step("files/read", {"path": "a.txt"}, "one\ntwo", True)
    ending = decide("How many lines of a.txt mention the word key?", read, offers=(READ,))
    assert isinstance(ending, Ending)
    assert ending.failed
    assert json.dumps(ending.text)


@pytest.mark.parametrize(
    "goal", ["How many words are in a.txt and in b.txt?", "what does a.txt say", "Which is longer, a.txt or b.txt?"]
)
def test_a_question_changes_nothing(goal: str) -> None:
    from gemot.models.embedded.meanings import only_asks

    assert only_asks(parse(goal))
    action = decide(goal, offers=OFFERS)
    assert isinstance(action, Ending) or action.offer.name not in ("files/write", "files/edit")


def test_a_question_in_form_only_may_change_what_it_asks_for() -> None:
    from gemot.models.embedded.meanings import only_asks

    assert not only_asks(parse('Could you save "hello" to a.txt?'))
