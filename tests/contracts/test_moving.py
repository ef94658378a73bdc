"""One conversation, several providers: begun at one, moved in the middle of a batch, finished at another."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from wire import KINDS, Kind, Speech, WireServer
from wire.asking import READ, ask, at, question, text, wanted
from wire.pictures import ONE_OF_EACH, Album

from gemot.abi.messages import Image, Message, Reasoning, Reply, Request, Text, ToolOffer, ToolRequest, ToolResult
from gemot.models.naming import ToolNames, self_contained
from gemot.models.repairing import repaired

SIGNATURE = "c2lnbmVkIGJ5IG1l"
every_wire = pytest.mark.parametrize("kind", KINDS)


def opening(_: dict[str, Any], number: int) -> Speech | str:
    if number == 0:
        calls = [("files/read", {"path": "a.md"}), ("files/read", {"path": "b.md"})]
        return Speech("I look.", tools=calls, reasoning="A secret thought.", signature=SIGNATURE)
    return "The end."


@pytest.mark.parametrize(("one", "other"), list(product(KINDS, KINDS)))
def test_a_conversation_moves_in_the_middle_of_a_batch(one: Kind, other: Kind) -> None:
    """Begun at one provider, with reasoning and a request that was never answered; finished at another; and back."""
    with WireServer(one, opening) as here, WireServer(other, opening) as there:
        begun, _ = ask(at(here), question())
        assert any(isinstance(part, Reasoning) for part in begun.parts)
        answered, _ = wanted(begun)
        so_far = (
            Message("model", begun.parts),
            Message("tool", (ToolResult(answered.id, answered.name, "alpha"), ToolResult("lost", "clock/now", "noon"))),
            Message("user", (Text("Go on."),)),
        )
        if one == other:
            there.signatures.add(SIGNATURE)  # the same provider at another address
        moved, _ = ask(at(there), question(*so_far))
        assert not there.refused
        sent = json.dumps(there.requests[0])
        assert one == other or ("secret thought" not in sent and SIGNATURE not in sent)
        assert "<think" not in sent
        assert "alpha" in sent and "Not executed" in sent and "noon" in sent

        results = tuple(ToolResult(request.id, request.name, "beta") for request in wanted(moved))
        further = (*so_far, Message("model", moved.parts), Message("tool", results))
        finished, _ = ask(at(here), question(*further))
        assert text(finished) == "The end."
        assert not here.refused
        last, _ = ask(at(there), question(*further, Message("model", finished.parts), tools=()))
        assert text(last) == "The end."
        assert not there.refused


@pytest.mark.parametrize("kind", ["anthropic", "google"])
def test_signatures_return_to_the_provider_that_gave_them(kind: Kind) -> None:
    with WireServer(kind, opening) as server:
        begun, _ = ask(at(server), question())
        results = tuple(ToolResult(request.id, request.name, "x") for request in wanted(begun))
        ask(at(server), question(Message("model", begun.parts), Message("tool", results)))
    assert SIGNATURE in json.dumps(server.requests[1])
    assert not server.refused


@every_wire
def test_what_was_recorded_survives_a_journal(kind: Kind) -> None:
    with WireServer(kind, opening) as server:
        reply, _ = ask(at(server), question())
    assert msgspec.json.decode(msgspec.json.encode(reply), type=Reply) == reply


@every_wire
def test_the_oddest_log_is_accepted(kind: Kind) -> None:
    odd = (
        Message("model", (Text("I begin."),)),
        Message("model", (ToolRequest("same", "files/read", "[1]"), ToolRequest("same", "gone/tool", "{}"))),
        Message("model", (Reasoning("Only a thought.", "elsewhere", {"elsewhere": {"signature": "x"}}),)),
        Message("tool", (ToolResult("same", "files/read", "1"), ToolResult("same", "gone/tool", "2"))),
        Message("tool", (ToolResult("same", "files/read", "3"),)),
        Message("system", (Text("Time is short."),)),
        Message("user", (Text("   "),)),
        Message("user", ()),
        Message("model", (Text(""), ToolRequest("an id/with:odd signs " + "x" * 80, "files/read", "{}"))),
        Message("model", (ToolRequest("same", "a" * 90 + "/é", "{}"),)),
        Message("model", (Text("I end."),)),
    )
    with WireServer(kind) as server:
        ask(at(server), Request(odd, (READ,)), Request(odd, ()), Request((), ()))
    assert not server.refused
    sent = json.dumps(server.requests)
    assert "Only a thought." not in sent and "Time is short." in sent


# Repairs, for any log at all

ALBUM = Album()
IMAGES = some.sampled_from(
    [Image("gone", "image/png", 1, 1), *(ALBUM.add(data, media_type) for media_type, data in ONE_OF_EACH)]
)
IDS = some.sampled_from(["a", "b", "c", "an odd id!"])
PARTS = some.one_of(
    some.builds(Text, some.sampled_from(["word", " ", ""])),
    some.builds(Reasoning, some.just("thought"), some.sampled_from(["openai", "anthropic", ""])),
    some.builds(ToolRequest, IDS, some.sampled_from(["files/read", "clock/now"]), some.just("{}")),
    some.builds(
        ToolResult,
        IDS,
        some.just("files/read"),
        some.sampled_from(["result", ""]),
        some.booleans(),
        some.lists(IMAGES, max_size=2).map(tuple),
    ),
    IMAGES,
)
ROLES = some.sampled_from(["system", "user", "model", "tool"])
LOGS = some.lists(some.builds(Message, ROLES, some.lists(PARTS, max_size=4).map(tuple)), max_size=12)


@given(LOGS)
@settings(max_examples=400, deadline=None)
def test_any_log_becomes_turns_in_which_every_request_has_its_result(log: list[Message]) -> None:
    turns = repaired(log).turns
    assert [turn.role for turn in turns] == ["user", "model"] * (len(turns) // 2) + ["user"]
    seen: set[str] = set()
    for turn, following in zip(turns[1::2], turns[2::2], strict=True):
        asked = [part.id for part in turn.parts if isinstance(part, ToolRequest)]
        answers = [part.id for part in following.parts if isinstance(part, ToolResult)]
        assert asked == answers
        assert seen.isdisjoint(asked) and len(set(asked)) == len(asked)
        seen.update(asked)
        assert all(isinstance(part, ToolResult) for part in following.parts[: len(asked)])
    assert all(turn.parts for turn in turns)


def images_of(log: list[Message]) -> list[str]:
    parts = [part for message in log for part in message.parts if message.role != "model"]
    found: list[Image] = []
    for part in parts:
        found += part.images if isinstance(part, ToolResult) else [part] if isinstance(part, Image) else []
    return sorted(image.digest for image in found)


@given(LOGS)
@settings(max_examples=400, deadline=None)
def test_no_image_is_lost_or_shown_twice(log: list[Message]) -> None:
    log = [message for message in log if message.role != "system"]  # which has no results
    assert images_of(log) == images_of(list(repaired(log).turns))


@given(LOGS, some.integers(0, 12))
@settings(max_examples=400, deadline=None)
def test_a_longer_log_keeps_the_beginning_that_caches_know(log: list[Message], cut: int) -> None:
    shorter, longer = repaired(log[:cut]).turns, repaired(log).turns
    assert shorter[:-2] == longer[: max(len(shorter) - 2, 0)]


@every_wire
@given(logs=some.lists(LOGS, min_size=5, max_size=10))
@settings(max_examples=10, deadline=None)
def test_any_log_is_what_every_provider_accepts(kind: Kind, logs: list[list[Message]]) -> None:
    with WireServer(kind) as server:
        ask(at(server), *(Request(tuple(log), (READ,), images=ALBUM.bytes) for log in logs))
    assert not server.refused


# Names and schemas


def test_names_come_back_however_odd_they_are() -> None:
    names = ["files/read", "files__read", "a" * 90, "a" * 91, "7/days", "ünï/cödé", "x.y"]
    both = ToolNames(names)
    wire = [both.wire(name) for name in names]
    assert len(set(wire)) == len(names)
    assert all(len(name) <= 64 and name.replace("_", "a").replace("-", "a").isalnum() for name in wire)
    assert [both.ours(name) for name in wire] == names
    assert both.ours("never/offered") == "never/offered"


def test_references_are_written_out_and_recursion_ends() -> None:
    plain = self_contained(READ.schema)
    assert plain["properties"]["path"] == {"type": "string", "description": "Beneath the mount."}
    assert "$defs" not in plain
    tree: dict[str, Any] = {"$defs": {"T": {"type": "object", "properties": {"of": {"$ref": "#/$defs/T"}}}}}
    tree |= {"type": "object", "properties": {"root": {"$ref": "#/$defs/T"}}}
    again = {"type": "object", "description": "Of the same form again."}
    root = {"type": "object", "properties": {"of": again}}
    assert self_contained(tree) == {"type": "object", "properties": {"root": root}}
    assert self_contained({}) == {"type": "object", "properties": {}}


@every_wire
def test_a_recursive_schema_is_offered_all_the_same(kind: Kind) -> None:
    node = {"type": "object", "properties": {"of": {"$ref": "#/$defs/T"}}}
    schema = {"type": "object", "properties": {"root": {"$ref": "#/$defs/T"}}, "$defs": {"T": node}}
    with WireServer(kind) as server:
        reply, _ = ask(at(server), question(tools=(ToolOffer("trees/plant", "Plant.", schema),)))
    assert text(reply) == "Hello."
    assert "same form again" in json.dumps(server.requests)
