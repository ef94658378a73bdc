"""Recorded replies of every family: each comes out right, also where it is cut in two at any byte."""

from __future__ import annotations

import random

import pytest
from wire import recorded_anthropic, recorded_calls, recorded_chat, recorded_google, recorded_responses
from wire.recorded import Recorded
from wire.replaying import Parser, expected, over_http, shape

from gemot.abi.messages import Reply, ToolRequest
from gemot.models.port import ModelFailed

FAMILIES = (recorded_chat, recorded_calls, recorded_responses, recorded_anthropic, recorded_google)
RECORDS = [record for family in FAMILIES for record in family.RECORDS]
BODIES = [record for record in RECORDS if record.status == 200]
PLACES_MAX = 12
"""At so many places a long body is cut."""

every_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.dialect}: {record.name}")
every_body = pytest.mark.parametrize("record", BODIES, ids=lambda record: f"{record.dialect}: {record.name}")


def places(record: Recorded, chance: random.Random) -> list[int]:
    length = len(record.body)
    if record.cuts == "every":
        return list(range(length + 1))
    return sorted(chance.sample(range(length + 1), min(length, PLACES_MAX)))


@every_record
def test_recorded_reply_comes_out_as_expected_over_http(record: Recorded) -> None:
    outcome = over_http(record)
    assert shape(outcome) == expected(record), str(outcome)
    if isinstance(outcome, ModelFailed):
        assert all(word in str(outcome) for word in record.words), str(outcome)
        assert len(str(outcome)) < 1_500
    else:
        ids = [part.id for part in outcome.parts if isinstance(part, ToolRequest)]
        assert len(set(ids)) == len(ids) and all(ids)
        assert not _halves(outcome)


def _halves(reply: Reply) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in str(reply))


@every_body
def test_reply_cut_in_two_anywhere_is_the_same(record: Recorded, chance: random.Random) -> None:
    parser = Parser(record)
    whole, heard = parser.read(record.framed, record.body), "".join(parser.heard)
    for place in places(record, chance):
        outcome = parser.read(record.framed, record.body[:place], record.body[place:])
        assert _same(outcome, whole), place
        if isinstance(whole, Reply):
            assert "".join(parser.heard) == heard, place
            assert all(piece.encode() for piece in parser.heard), place  # no half of a character
            assert ("\ufffd" in heard) == ("\ufffd" in record.text)


@every_body
def test_reply_cut_into_single_bytes_is_the_same(record: Recorded) -> None:
    if len(record.body) > 20_000:
        pytest.skip("too long for that")
    parser = Parser(record)
    whole = parser.read(record.framed, record.body)
    assert _same(parser.read(record.framed, *(record.body[at : at + 1] for at in range(len(record.body)))), whole)


def _same(one: Reply | ModelFailed, other: Reply | ModelFailed) -> bool:
    if isinstance(one, ModelFailed) and isinstance(other, ModelFailed):
        return (one.kind, one.passing, one.usage) == (other.kind, other.passing, other.usage)
    return one == other


@every_body
@pytest.mark.parametrize("framed", [False, True])
def test_reply_cut_short_is_the_whole_one_or_a_failure(record: Recorded, framed: bool, chance: random.Random) -> None:
    """Never a part of the words, and never half arguments, as if they were all; where the server said that all has come, it may be."""
    parser = Parser(record)
    whole = shape(parser.read(record.framed, record.body))
    for place in places(record, chance):
        outcome = parser.read(framed, record.body[:place])
        if isinstance(outcome, ModelFailed) or "fails" in whole:
            continue
        short = shape(outcome)
        if short["finish"] not in ("stop", "tool_call"):
            continue  # it says itself that it is not whole
        if framed:  # a good end of the message: what had begun is whole
            assert not _half(short["calls"], whole["calls"]), place
        elif record.name not in SAID_TO_BE_WHOLE:
            assert {**short, "usage": 0} == {**whole, "usage": 0}, place


SAID_TO_BE_WHOLE = {"the reason comes before the last word"}
"""Their server says that they have ended before it sends the rest."""


def _half(short: list[tuple[str, object]], whole: list[tuple[str, object]]) -> bool:
    """Whether a request has arguments that the whole reply does not have."""
    texts = [arguments for _, arguments in short if isinstance(arguments, str)]
    return any(text not in [arguments for _, arguments in whole] for text in texts)
