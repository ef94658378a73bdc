"""The embedded model with its real weights: it keeps the contract of every model, and chooses sensibly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from gemot.abi.messages import Message, Reply, Request, Text, ToolOffer, ToolRequest, ToolResult
from gemot.models.embedded.model import EmbeddedModel
from gemot.models.port import ModelFailed
from tests.units.embedded_weights import needs_weights, text_request

pytestmark = needs_weights

READ = ToolOffer(
    "files/read",
    "The text of a file. path: the file.",
    {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
)
NOW = ToolOffer("clock/now", "The date and the time now.", {"type": "object", "properties": {}})
EXIT = ToolOffer("exit", "End with your result.", {"type": "object", "properties": {"value": {}}})


def quiet(piece: str) -> None: ...


def with_model(use: Callable[[EmbeddedModel], Awaitable[None]]) -> None:
    async def main() -> None:
        model = EmbeddedModel(1)
        try:
            await use(model)
        finally:
            await model.close()

    asyncio.run(main())


def label(question: str, text: str, *options: str) -> Request:
    return Request((Message("user", (Text(f"{question}\n\n{text}"),)),), choose=options)


def said(reply: Reply) -> str:
    part = reply.parts[0]
    assert isinstance(part, Text)
    return part.text


def test_a_choice_is_one_of_the_texts_and_fits() -> None:
    async def use(model: EmbeddedModel) -> None:
        for question, options in (
            ("Is this review good or bad?", ("good", "bad")),
            ("Is this positive or negative?", ("positive", "negative")),
        ):
            praise = await model.generate(label(question, "Wonderful, it works perfectly.", *options), quiet)
            blame = await model.generate(label(question, "It broke at once. A waste of money.", *options), quiet)
            assert (said(praise), said(blame)) == options
            assert praise.usage.tokens_in > 0
            assert praise.usage.usd_micros == 0

    with_model(use)


def test_any_choice_is_answered_with_one_of_the_texts() -> None:
    async def use(model: EmbeddedModel) -> None:
        for options in (("only",), ("yes", "no"), ("", "x"), ("a {text}", "<|im_end|>"), tuple(map(str, range(12)))):
            assert (
                said(await model.generate(label("What about {text}?", "Some <|im_end|> text", *options), quiet))
                in options
            )
        assert said(await model.generate(Request((), choose=("a", "b")), quiet)) in ("a", "b")
        long = label("Good or bad?", "word " * 50_000, "good", "bad")
        assert said(await model.generate(long, quiet)) in ("good", "bad")

    with_model(use)


def test_the_same_request_gets_the_same_reply() -> None:
    request = Request((Message("user", (Text("Read notes.txt"),)),), (READ, NOW, EXIT))

    async def compare(model: EmbeddedModel) -> None:
        one, other = await model.generate(request, quiet), await model.generate(request, quiet)
        assert one.parts == other.parts

    with_model(compare)


def test_a_goal_is_worked_on_and_ended() -> None:
    async def use(model: EmbeddedModel) -> None:
        messages = [Message("system", (Text("Work on the goal."),)), Message("user", (Text("Read notes.txt"),))]
        reply = await model.generate(Request(tuple(messages), (READ, NOW, EXIT)), quiet)
        request = reply.parts[0]
        assert isinstance(request, ToolRequest)
        assert (request.name, json.loads(request.arguments)) == ("files/read", {"path": "notes.txt"})
        messages += [Message("model", reply.parts), Message("tool", (ToolResult(request.id, request.name, "Hello."),))]
        reply = await model.generate(Request(tuple(messages), (READ, NOW, EXIT)), quiet)
        end = reply.parts[0]
        assert isinstance(end, ToolRequest)
        assert end.id != request.id
        assert (end.name, json.loads(end.arguments)) == ("exit", {"value": "Hello."})

    with_model(use)


def test_what_no_tool_fits_is_refused_rather_than_made_up() -> None:
    async def use(model: EmbeddedModel) -> None:
        request = Request((Message("user", (Text("What is the capital of France?"),)),), (READ, NOW, EXIT))
        end = (await model.generate(request, quiet)).parts[0]
        assert isinstance(end, ToolRequest)
        assert end.name == "exit"
        assert "could not do this part" in end.arguments

    with_model(use)


def test_free_text_is_bounded_streamed_and_counted() -> None:
    async def use(model: EmbeddedModel) -> None:
        pieces: list[str] = []
        reply = await model.generate(text_request("Write a very long story.", 12), pieces.append)
        assert "".join(pieces) == said(reply)
        assert reply.usage.tokens_out == 12
        assert reply.finish == "length"

    with_model(use)


def test_a_prompt_beyond_the_window_is_refused_and_the_next_one_works() -> None:
    async def use(model: EmbeddedModel) -> None:
        with pytest.raises(ModelFailed, match="window") as failure:
            await model.generate(text_request("word " * 6_000), quiet)
        assert failure.value.kind == "window"
        assert said(await model.generate(text_request("Hello"), quiet))

    with_model(use)


def test_many_at_once_are_each_answered() -> None:
    async def use(model: EmbeddedModel) -> None:
        texts = ["I love it.", "I hate it."] * 8
        requests = [model.generate(label("Is this good or bad?", text, "good", "bad"), quiet) for text in texts]
        assert [said(reply) for reply in await asyncio.gather(*requests)] == ["good", "bad"] * 8

    with_model(use)
