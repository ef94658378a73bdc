"""Images move, too: from every provider to every other and back, and what was sent is exactly what arrives.

Servers and turns are those of test_migration. In every story the log has images in the three places where it may have some:
a person's message, a result, one of several parallel results. Each server checks what it is sent as the real one does.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from test_migration import TURNS, every_pair, thinking
from wire import KINDS, Kind, Speech, WireServer
from wire.asking import ask, at, in_turn, question, text, wanted
from wire.pictures import ONE_OF_EACH, Album, Picture, png

from gemot.abi.messages import Image, Message, Reply, Text, ToolRequest, ToolResult
from gemot.models.repairing import repaired

every_wire = pytest.mark.parametrize("kind", KINDS)
A, B, C, D = (png(3, 2, grey) for grey in (10, 20, 30, 40))


def shown(*data: bytes) -> list[Picture]:
    return [("image/png", one) for one in data]


class Log:
    """A conversation that grows, with the images in it."""

    def __init__(self) -> None:
        self.album = Album()
        self.messages: list[Message] = []

    def image(self, data: bytes, about: str = "") -> Image:
        return self.album.add(data, about=about)

    def hear(self, *parts: Text | Image | ToolResult) -> None:
        role = "tool" if isinstance(parts[0], ToolResult) else "user"
        self.messages.append(Message(role, parts))

    def ask(self, server: WireServer) -> Reply:
        reply, _ = ask(at(server), question(*self.messages, images=self.album.bytes))
        self.messages.append(Message("model", reply.parts))
        return reply


@every_pair
def test_images_go_there_and_back_each_once_and_in_their_order(one: Kind, other: Kind) -> None:
    batch = thinking(one, TURNS["parallel requests"])
    with WireServer(one, in_turn(batch, "I see.")) as here, WireServer(other, "I see, too.") as there:
        if one == other:
            there.signatures.add(batch.signature)
        log = Log()
        log.hear(Text("What is this?"), log.image(A), Text("Look twice."))
        asked = wanted(log.ask(here))
        assert here.pictures() == shown(A)
        log.hear(
            ToolResult(asked[0].id, asked[0].name, "no image"),
            ToolResult(asked[1].id, asked[1].name, "two images", images=(log.image(B), log.image(C))),
            ToolResult(asked[2].id, asked[2].name, "one that failed", ok=False, images=(log.image(D),)),
        )
        for server in (there, here):
            log.ask(server)
            assert server.pictures() == shown(A, B, C, D)
            assert "What is this?" in json.dumps(server.requests[-1])
            log.hear(Text("And again."))
        log.ask(there)
        assert there.pictures() == shown(A, B, C, D)
        assert not here.refused and not there.refused


@every_pair
def test_an_image_alone_is_a_message_and_a_result(one: Kind, other: Kind) -> None:
    """Without a word beside it, which no provider minds; a late result's image, too, and one after a request's id changed."""
    with WireServer(one, in_turn(Speech(tools=[("files/read", {})]))) as here, WireServer(other) as there:
        log = Log()
        log.hear(log.image(A))
        (request,) = wanted(log.ask(here))
        log.hear(ToolResult(request.id, request.name, "", images=(log.image(B),)))
        log.ask(there)
        assert there.pictures() == shown(A, B)
        log.hear(ToolResult("lost", "clock/now", "", images=(log.image(C),)))
        odd = ToolRequest("an odd id!", "files/read", "{}")
        log.messages.append(Message("model", (odd, odd)))
        log.hear(ToolResult(odd.id, odd.name, "", images=(log.image(D),)))
        for server in (here, there):
            log.ask(server)
            assert server.pictures() == shown(A, B, C, D)
        assert not here.refused and not there.refused


@every_pair
def test_an_image_whose_bytes_are_gone_is_spoken_of_in_its_place(one: Kind, other: Kind) -> None:
    with WireServer(one, in_turn(Speech(tools=[("files/read", {})]))) as here, WireServer(other) as there:
        log = Log()
        log.hear(Text("first"), log.image(A, "a cat"), Text("last"))
        (request,) = wanted(log.ask(here))
        log.hear(ToolResult(request.id, request.name, "a dog and a cow", images=(log.image(B, "a dog"), log.image(C))))
        log.album.bytes = {digest: data for digest, data in log.album.bytes.items() if data == C}
        for server in (there, here):
            log.ask(server)
            assert server.pictures() == shown(C)
            sent = json.dumps(server.requests[-1])
            places = [sent.index(word) for word in ("first", "[an image that is not shown here: a cat]", "last")]
            assert places == sorted(places)
            assert "a dog and a cow" in sent and "[an image that is not shown here: a dog]" in sent
        assert not here.refused and not there.refused


@every_pair
def test_a_conversation_moves_to_a_model_that_cannot_see_and_is_seen_again_where_it_returns(
    one: Kind, other: Kind
) -> None:
    with (
        WireServer(one, in_turn(Speech(tools=[("files/read", {})]), "Seen.")) as here,
        WireServer(other, "Not seen.", sees=False) as there,
    ):
        log = Log()
        log.hear(Text("Look."), log.image(A, "a red square"))
        (request,) = wanted(log.ask(here))
        log.hear(ToolResult(request.id, request.name, "a file", images=(log.image(B, "a blue square"),)))
        blind = at(there)

        async def there_twice() -> list[Reply]:
            asked = question(*log.messages, images=log.album.bytes)
            replies = [await blind.generate(asked, lambda _: None) for _ in range(2)]
            await blind.close()
            return replies

        replies = asyncio.run(there_twice())
        assert [text(reply) for reply in replies] == ["Not seen.", "Not seen."]
        assert there.unseen == 1 and len(there.requests) == 3
        for number in (1, 2):
            assert there.pictures(number) == []
            sent = json.dumps(there.requests[number])
            for about in ("a red square", "a blue square"):
                assert f"[an image, which this model can't see: {about}]" in sent
        log.messages.append(Message("model", replies[-1].parts))
        log.hear(Text("Look again."))
        assert text(log.ask(here)) == "Seen."
        assert here.pictures() == shown(A, B)
        assert not here.refused and not there.refused


@every_wire
@pytest.mark.parametrize(("media_type", "data"), ONE_OF_EACH, ids=[media_type for media_type, _ in ONE_OF_EACH])
def test_every_format_is_shown_where_it_is_taken_and_said_in_words_elsewhere(
    kind: Kind, media_type: str, data: bytes
) -> None:
    album = Album()
    image = album.add(data, media_type, "a dot")
    with WireServer(kind) as server:
        ask(at(server), question(Message("user", (image,)), images=album.bytes))
        assert not server.refused and len(server.requests) == 1
        if media_type == "image/gif" and kind in ("google", "ollama"):
            assert server.pictures() == []
            assert "does not take: a dot]" in json.dumps(server.requests)
        else:
            assert server.pictures() == [(media_type, data)]


# Where each wire has its images


BATCH = Speech("I look.", tools=[("files/read", {"path": "a"}), ("files/read", {"path": "b"}), ("clock/now", {})])


def after_a_batch(server: WireServer) -> dict[str, Any]:
    """What is sent when the first and the last of three results have images, and the person speaks."""
    log = Log()
    log.hear(Text("Begin."))
    asked = wanted(log.ask(server))
    log.hear(
        ToolResult(asked[0].id, asked[0].name, "first", images=(log.image(A), log.image(B))),
        ToolResult(asked[1].id, asked[1].name, "second"),
        ToolResult(asked[2].id, asked[2].name, "third", ok=False, images=(log.image(C, "the clock"),)),
    )
    log.hear(Text("And this?"), log.image(D))
    log.ask(server)
    assert server.pictures() == shown(A, B, C, D) and not server.refused
    return server.requests[-1]


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_chat_completions_have_all_results_first_and_then_the_images_each_under_its_name(kind: Kind) -> None:
    with WireServer(kind, in_turn(BATCH, "Done.")) as server:
        messages = after_a_batch(server)["messages"]
    roles = [message["role"] for message in messages]
    assert roles[-6:] == ["assistant", "tool", "tool", "tool", "user", "user"]
    first, second, third, images, person = messages[-5:]
    assert first["content"] == "first\n[its images follow after the results]" and second["content"] == "second"
    assert third["content"].startswith("third\n")
    kinds = [part["type"] for part in images["content"]]
    assert kinds == ["text", "image_url"] * 3
    names = [part["text"] for part in images["content"] if part["type"] == "text"]
    assert names == [
        "[image 1 of 2 from result 1 of 3, of files__read (call_0_0):]",
        "[image 2 of 2 from result 1 of 3, of files__read (call_0_0):]",
        "[image 1 of 1 from result 3 of 3, of clock__now (call_0_2): the clock]",
    ]
    assert [part["type"] for part in person["content"]] == ["text", "image_url"]


def test_anthropic_has_images_in_their_results_and_those_of_failures_after_them() -> None:
    with WireServer("anthropic", in_turn(BATCH, "Done.")) as server:
        blocks = after_a_batch(server)["messages"][-1]["content"]
    assert [block["type"] for block in blocks[:3]] == ["tool_result"] * 3
    assert [one["type"] for one in blocks[0]["content"]] == ["text", "image", "image"]
    assert blocks[2]["is_error"] and isinstance(blocks[2]["content"], str)
    assert [block["type"] for block in blocks[3:]] == ["text", "image", "text", "image"]
    assert "from result 3 of 3" in blocks[3]["text"]


@pytest.mark.parametrize(("model", "inside"), [("gemini-2.5-flash", False), ("gemini-3-flash-preview", True)])
def test_gemini_has_images_in_a_response_since_its_third_version(model: str, inside: bool) -> None:
    with WireServer("google", in_turn(BATCH, "Done."), model=model) as server:
        *_, results, further = after_a_batch(server)["contents"]
    assert all(set(part) == {"functionResponse"} for part in results["parts"])
    first, second, third = (part["functionResponse"] for part in results["parts"])
    assert len(first.get("parts", [])) == (2 if inside else 0)
    assert "parts" not in second and "parts" not in third
    assert sum("inlineData" in part for part in further["parts"]) == (2 if inside else 4)


def test_anthropic_takes_many_images_only_if_all_are_small() -> None:
    large = png(2001, 1)
    album = Album()
    parts = tuple(album.add(png(1, 1, grey)) for grey in range(20))
    with WireServer("anthropic") as server:
        among_few = question(Message("user", (album.add(large, about="wide"), *parts[1:])), images=album.bytes)
        among_many = question(Message("user", (album.add(large, about="wide"), *parts)), images=album.bytes)
        ask(at(server), among_few, among_many)
        assert not server.refused
        assert len(server.pictures(0)) == 20 and len(server.pictures(1)) == 20
        assert "beside so many others: wide]" in json.dumps(server.requests[1])


# What stays with a log


def test_a_message_with_images_survives_a_journal() -> None:
    image = Image("d" * 64, "image/png", 640, 480, "a screen")
    for message in (
        Message("user", (Text("Look."), image)),
        Message("tool", (ToolResult("id", "screen/shot", "", images=(image, image)), ToolResult("b", "a/b", "x"))),
    ):
        assert msgspec.json.decode(msgspec.json.encode(message), type=Message) == message
    plain = Message("tool", (ToolResult("id", "clock/now", "noon"),))
    assert b"images" not in msgspec.json.encode(plain)  # what was journalled before there were images reads the same


def test_repairs_keep_every_image_where_it_belongs() -> None:
    a, b, c, d = (Image(name, "image/png", 1, 1) for name in "abcd")
    turns = repaired(
        [
            Message("system", (Text("Rules."), a)),
            Message("user", (Text(" "), b)),
            Message("model", (ToolRequest("same", "x/y", "{}"), ToolRequest("same", "x/y", "{}"))),
            Message("tool", (ToolResult("late", "x/z", "old", images=(c,)),)),
            Message("tool", (ToolResult("same", "x/y", "1"), ToolResult("same", "x/y", "2", images=(d,)))),
        ]
    ).turns
    assert turns[0].parts == (a, b)
    first, second, words, late = turns[2].parts
    assert isinstance(first, ToolResult) and isinstance(second, ToolResult) and first.id != second.id
    assert (first.images, second.images, late) == ((), (d,), c)
    assert isinstance(words, Text) and "old" in words.text
