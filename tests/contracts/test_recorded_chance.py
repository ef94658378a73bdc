"""Replies as no server should send them: reordered, of other types, damaged. Each is a reply or a named failure, in bounded work."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_recorded import BODIES
from wire.recorded import Recorded, sse
from wire.recorded_calls import END, READ, tc
from wire.recorded_chat import told
from wire.replaying import Parser, shape

from gemot.abi.messages import Reply
from gemot.models.port import ModelFailed

OTHERS: list[Any] = [None, True, False, 0, -1, 7.5, 1e300, 10**30, "", "x", "\ud83d", "7", [], [None], [[]], {}, {"a": 1}, {"text": {}}]  # fmt: skip
"""Values of every type, to stand where another one should."""
SHORT = [record for record in BODIES if len(record.body) < 6_000]
short_bodies = pytest.mark.parametrize("record", SHORT, ids=lambda record: f"{record.dialect}: {record.name}")


def check(outcome: object) -> None:
    """An outcome is a failure of the short list, or a reply that the journal keeps."""
    if isinstance(outcome, ModelFailed):
        assert outcome.kind in ("refused", "quota", "window", "filtered", "garbled", "unreachable", "overloaded")
        assert "(TypeError)" not in str(outcome) and len(str(outcome)) < 1_500
    else:
        assert isinstance(outcome, Reply)
        assert msgspec.json.decode(msgspec.json.encode(outcome), type=Reply) == outcome


# Requests whose pieces arrive in any order


def pieces(number: int, arguments: str, cuts: list[int], form: str) -> list[dict[str, Any]]:
    """The pieces of one request. ``form``: what of index, id and name stands in each of them."""
    ends = [0, *sorted(cuts), len(arguments)]
    index = 0 if form == "one index" else number
    given: list[dict[str, Any]] = []
    for at, (start, end) in enumerate(pairwise(ends)):
        fields: dict[str, Any] = {"arguments": arguments[start:end]}
        if form != "no index":
            fields["index"] = index
        if form in ("one index", "no index") or (form == "ids once" and not at) or form == "all in each":
            fields["id_"] = f"call_{number}"
        if not at or form == "all in each":
            fields["name"] = READ
        given.append(tc(**fields))
    return given


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[Any]]:
    """Chunks of some requests in a legal order, and the arguments of each."""
    form = draw(st.sampled_from(["ids once", "one index", "no index", "no ids", "all in each"]))
    values = draw(st.lists(st.dictionaries(st.sampled_from("ab{"), st.one_of(st.text('{}"\\x', max_size=6), st.integers(), st.dictionaries(st.just("n"), st.just("}"))), max_size=3), min_size=1, max_size=4))  # fmt: skip
    queues: list[list[dict[str, Any]]] = []
    for number, value in enumerate(values):
        text = json.dumps({"number": number} | value)  # no request is a whole one after its first piece
        cuts = draw(st.lists(st.integers(1, len(text) - 1), max_size=4))
        queues.append(pieces(number, text, [cut for cut in cuts if text[cut:].lstrip()[:1] != "{"], form))
    order: list[dict[str, Any]] = []
    starts = list(range(len(queues)))
    while any(queues):
        number = draw(st.sampled_from([n for n, queue in enumerate(queues) if queue]))
        if starts and number in starts:
            number = starts.pop(0)  # requests begin in their order; their pieces mix
        order.append(queues[number].pop(0))
    return order, [{"number": number} | value for number, value in enumerate(values)]


@given(interleaved())
def test_pieces_of_requests_in_any_legal_order_are_put_together(drawn: tuple[list[dict[str, Any]], list[Any]]) -> None:
    chunks, arguments = drawn
    record = told("chance", *chunks, END)
    outcome = Parser(record).read(True, record.body)
    assert shape(outcome)["calls"] == [("files/read", value) for value in arguments]


# Values of another type


def documents(record: Recorded) -> list[Any] | None:
    """The documents of a record that is a stream of them; None for others."""
    found: list[Any] = []
    for event in record.body.decode("utf-8", "replace").split("\n\n"):
        data = "".join(line.removeprefix("data: ") for line in event.split("\n") if line.startswith("data: "))
        if data and data != "[DONE]":
            try:
                found.append(json.loads(data))
            except ValueError:
                return None
    return found or None


def changed(value: Any, other: Any) -> Iterator[Any]:
    """``value`` with ``other`` in each of its places, one after the other; and without that place."""
    yield other
    if isinstance(value, dict):
        for key in value:
            yield from ({**value, key: inner} for inner in changed(value[key], other))
            yield {name: inner for name, inner in value.items() if name != key}
    elif isinstance(value, list):
        for at in range(len(value)):
            yield from ([*value[:at], inner, *value[at + 1 :]] for inner in changed(value[at], other))


@short_bodies
def test_value_of_another_type_in_any_place_is_a_reply_or_a_failure(record: Recorded, chance: random.Random) -> None:
    stream = documents(record)
    if stream is None:
        pytest.skip("no stream of events")
    parser = Parser(record)
    for at, document in enumerate(stream):
        for other in chance.sample(OTHERS, 4):
            for strange in changed(document, other):
                body = sse(*stream[:at], json.dumps(strange), *stream[at + 1 :], done=record.dialect == "openai-chat")
                check(parser.read(True, body))


# Damaged bytes


@given(st.sampled_from(SHORT), st.data())
def test_damaged_bytes_are_a_reply_or_a_failure(record: Recorded, data: st.DataObject) -> None:
    body = record.body
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 40)))
        piece = data.draw(st.one_of(st.binary(max_size=6), st.just(body[start:end] * 2), st.sampled_from([b"\n\n", b"\r", b'"', b"{", b"}", b"data: ", b"\xef\xbb\xbf", b"[DONE]", b"<"])))  # fmt: skip
        body = body[:start] + piece + body[end:]
    cut = data.draw(st.integers(0, len(body)))
    check(Parser(record).read(data.draw(st.booleans()), body[:cut], body[cut:]))


@given(st.sampled_from(["openai-chat", "openai-responses", "anthropic", "google"]), st.binary(max_size=300))
def test_random_bytes_are_a_failure(dialect: Any, body: bytes) -> None:
    record = Recorded("chance", dialect, body)
    outcome = Parser(record).read(True, body)
    assert isinstance(outcome, ModelFailed)
    check(outcome)


# Work in proportion to the bytes: each of these takes minutes where something is looked at again and again


MEGABYTE = 1_000_000
HEAVY = {
    "one line in small pieces": [b'data: {"a": "', *[b"x" * 64] * (MEGABYTE // 16)],
    "closing braces of a document without an end": [b'{"a": [\n', *[b"}\n"] * MEGABYTE],
    "events that may have ended": [b"data: {{}\n" * (MEGABYTE // 4)],
    "arguments that may be whole": [sse(tc(0, "x", READ, '{"a":')), *[sse(tc(0, arguments='{"'), tc(0, arguments='":"}'))] * 10_000],
    "names in pieces": [sse(tc(0, "x", "n"))] + [sse(tc(0, None, f"n{n}")) for n in range(20_000)],
    "ids without an index": [sse(tc(id_=f"x{n}", name=READ, arguments="{")) for n in range(4_000)] * 2,
    "details": [sse(told_ | {"choices": [{"delta": {"reasoning_details": [{"type": "t", "index": 0, "text": "x" * 9}]}}]}) for told_ in [{}] * 40_000],
    "tags": [sse({"choices": [{"delta": {"content": "<think>"}}]}), *[sse({"choices": [{"delta": {"content": "<" * 99}}]})] * 10_000],
    "empty documents": [b'data: {"choices": []}\n\n' * 400] * 200,
    "comments": [b": ping\n\n" * 400] * 300,
}  # fmt: skip


@pytest.mark.parametrize("name", HEAVY)
def test_much_of_anything_is_read_in_one_pass(name: str) -> None:
    record = told(name, out_max=1_000_000)
    check(Parser(record).read(True, *HEAVY[name]))
