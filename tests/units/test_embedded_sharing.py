"""Forks of one reading share what was computed of it, and are answered as if they did not; where that can't be, it is said.

The same prompt may be rounded otherwise when it is computed in other portions or beside other prompts, so answers are
compared where the model is sure, and weights with a tolerance that a wrong reading is far outside of.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gemot.abi.messages import Message, Reply, Request, Text
from gemot.cli.doctor import doctor
from gemot.models.embedded import install
from gemot.models.embedded.link import Link
from gemot.models.embedded.model import EmbeddedModel
from gemot.models.port import ModelFailed
from tests.units.embedded_weights import needs_weights

pytestmark = needs_weights

SENTENCES = (
    "The harbour office keeps one book for the boats and one for the tides.",
    "A green lamp at the pier says that the gate is open.",
    "The old crane was built by two brothers from the next village.",
    "In winter the ferry brings letters on Monday and bread on Friday.",
    "Whoever finds a rope brings it to the store beside the church.",
)
NOISE = 0.6
"""Of the log-probability of one token, from rounding."""


def passage(number: int) -> str:
    """A text of about 75 tokens, another one for each number."""
    return " ".join(SENTENCES[number:] + SENTENCES[:number])


def repeated(number: int) -> str:
    """The text twice, but for its last three words: a model that reads it knows how it goes on."""
    return f"{passage(number)}\n\n{' '.join(passage(number).split()[:-3])}"


def last_words(number: int) -> str:
    return " " + " ".join(passage(number).split()[-3:]).removesuffix(".")


def request(*texts: str) -> Request:
    roles = ("user", "model") * len(texts)
    messages = tuple(Message(role, (Text(text),)) for role, text in zip(roles, texts, strict=False))
    return Request((Message("system", (Text("You answer briefly."),)), *messages), tokens_out_max=1)


def computed(reply: Reply) -> int:
    return reply.usage.tokens_in - reply.usage.tokens_cached


def quiet(piece: str) -> None: ...


def link_to(*changes: str) -> Link:
    """A link to the real worker, in which these statements ran before it began."""
    head = "import os, signal\nfrom gemot.models.embedded import native, weights, worker\n"
    return Link(install.weights, 1, (sys.executable, "-c", "\n".join((head, *changes, "worker.main()"))))


def with_links(use: Callable[..., Awaitable[None]], *links: Link) -> None:
    async def main() -> None:
        try:
            await use(*links)
        finally:
            await asyncio.gather(*(link.close() for link in links))

    asyncio.run(main())


def with_models(use: Callable[..., Awaitable[None]], *models: EmbeddedModel) -> None:
    async def main() -> None:
        try:
            await use(*models)
        finally:
            await asyncio.gather(*(model.close() for model in models))

    asyncio.run(main())


async def complete(link: Link, text: str, tokens_max: int = 3) -> dict[str, Any]:
    return await link.ask("complete", turns=[["raw", text]], lead="", tokens_max=tokens_max, until=[])


async def score(link: Link, text: str, *options: str) -> dict[str, Any]:
    return await link.ask("score", turns=[["raw", text]], lead="", options=list(options))


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two weighings of the same options differ by no more than rounding."""
    pairs = list(zip(one["scores"], other["scores"], strict=True))
    assert all(here[1] == there[1] for here, there in pairs)
    return all(abs(here[0] - there[0]) <= NOISE * here[1] for here, there in pairs)


def test_forks_and_later_turns_compute_only_what_is_new_of_the_same_prompts() -> None:
    async def use(sharing: EmbeddedModel, plain: EmbeddedModel) -> None:
        first = await sharing.generate(request(passage(0)), quiet)
        assert first.usage.tokens_cached == 0
        bill = 0
        for number in range(8):
            asked = (passage(0), "Yes.", f"Task {number}: who comes first?")
            reply = await sharing.generate(request(*asked), quiet)
            bill += computed(reply)
            if number < 2:
                whole = await plain.generate(request(*asked), quiet)
                assert (whole.usage.tokens_cached, whole.usage.tokens_in) == (0, reply.usage.tokens_in)
                later = await sharing.generate(request(*asked, "The ferry.", "And then?"), quiet)
                assert later.usage.tokens_cached >= reply.usage.tokens_in
        assert bill < 8 * 30

    with_models(use, EmbeddedModel(1), EmbeddedModel(1, sharing=False))


def test_what_is_read_through_a_shared_beginning_is_what_stands_there() -> None:
    async def use(link: Link) -> None:
        for number in (0, 2, 3, 0):
            assert (await complete(link, passage(number)))["tokens_out"]
        for number in (3, 0, 2):
            done = await complete(link, repeated(number))
            assert last_words(number).startswith(done["text"].rstrip("."))
            assert done["tokens_cached"] > 60

    with_links(use, link_to())


def test_a_choice_weighs_the_same_with_and_without_sharing() -> None:
    async def use(link: Link, plain: Link) -> None:
        await score(link, passage(0), " a")
        for number in (0, 2):
            options = (*map(last_words, range(3)), "", " a", " a" * 10)
            one = await score(link, repeated(number), *options)
            other = await score(plain, repeated(number), *options)
            assert alike(one, other)
            assert not alike(one, await score(plain, passage(1), *options)), "any reading would have done"
            assert other["tokens_cached"] == 0
        again = await score(link, repeated(0), *options)
        assert again["tokens_cached"] > 60
        assert (link.unshared, plain.unshared) == ("", "it was not asked to")

    with_links(use, link_to(), Link(install.weights, 1, sharing=False))


def test_what_does_not_fit_is_let_go_and_computed_again_with_the_same_result() -> None:
    async def use(small: Link, large: Link) -> None:
        for number in (0, 2, 3, 4, 0, 4, 4):
            left, right = await complete(small, repeated(number)), await complete(large, repeated(number))
            assert last_words(number).startswith(left["text"].rstrip(".")) and left["text"] == right["text"]
        assert left["tokens_cached"] > 60
        assert (await complete(large, repeated(2)))["tokens_in"] == 2
        assert (await complete(small, repeated(2)))["tokens_cached"] < 60

    with_links(use, link_to("weights.CELLS = 256"), link_to())


def test_cells_that_are_taken_although_they_were_counted_free_are_freed() -> None:
    async def use(link: Link) -> None:
        for number in (0, 2, 3, 4):
            assert last_words(number).startswith((await complete(link, repeated(number), 1))["text"])

    counts_none = "from gemot.models.embedded.prefixes import Prefixes\nPrefixes.cells_taken = property(lambda self: 0)"
    with_links(use, link_to("weights.CELLS = 256", counts_none))


def test_many_forks_of_two_readings_at_once_compute_each_reading_once() -> None:
    async def use(model: EmbeddedModel) -> None:
        asked = [request(passage(number % 2), "Yes.", f"Which is number {number}?") for number in range(8)]
        replies = await asyncio.gather(*(model.generate(one, quiet) for one in asked))
        readings = sum(reply.usage.tokens_in for reply in replies[:2])
        assert sum(map(computed, replies)) < 1.6 * readings

    with_models(use, EmbeddedModel(1))


def test_a_worker_that_was_killed_has_forgotten_and_answers_the_same() -> None:
    async def use(link: Link) -> None:
        before = await complete(link, repeated(0))
        assert (await complete(link, repeated(0)))["tokens_in"] == 2
        assert link.pid is not None
        os.kill(link.pid, signal.SIGKILL)
        after = await complete(link, repeated(0))
        assert (after["text"], after["tokens_cached"], link.starts, link.unshared) == (before["text"], 0, 2, "")

    with_links(use, link_to())


def test_a_request_that_was_given_up_leaves_what_it_computed_and_no_more() -> None:
    async def use(link: Link) -> None:
        talking = asyncio.Event()
        turns = [["raw", repeated(0)]]
        long = asyncio.create_task(
            link.ask("complete", lambda _: talking.set(), turns=turns, lead="", tokens_max=400, until=[])
        )
        await talking.wait()
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        done = await complete(link, repeated(0))
        assert done["tokens_in"] == 2 and last_words(0).startswith(done["text"].rstrip("."))

    with_links(use, link_to())


BROKEN = {
    "does not export llama_memory_seq_cp": "native.missing_to_share = lambda library: ['llama_memory_seq_cp']",
    "gives other numbers": "weights._Cells.copy = lambda *_: None",
    "could not compute": "weights._Cells.cut = lambda *_: None",
    "it ended while it was tried": "weights._Cells.copy = lambda *_: os.kill(os.getpid(), signal.SIGSEGV)",
}


@pytest.mark.parametrize("reason", BROKEN)
def test_an_engine_that_can_not_share_computes_every_prompt_whole_and_says_why(reason: str) -> None:
    async def use(link: Link, sound: Link) -> None:
        options = last_words(0), last_words(2), " a"
        for _ in range(2):
            done = await complete(link, repeated(0))
            assert done["tokens_cached"] == 0 and last_words(0).startswith(done["text"].rstrip("."))
        assert alike(await score(link, passage(0), *options), await score(sound, passage(0), *options))
        assert reason in link.unshared

    with_links(use, link_to(BROKEN[reason]), link_to())


def test_a_worker_that_computes_nonsense_is_not_used() -> None:
    async def use(link: Link) -> None:
        with pytest.raises(ModelFailed, match="can't compute on this computer: it gives no usable numbers"):
            await link.ask("count", text="one")

    with_links(use, link_to("weights.Weights._logits = lambda self: [0.0] * 9"))


def test_a_prompt_of_nothing_is_answered() -> None:
    async def use(model: EmbeddedModel) -> None:
        assert (await model.generate(Request((), tokens_out_max=1), quiet)).usage.tokens_in > 0

    with_models(use, EmbeddedModel(1))


def test_doctor_says_whether_prompts_share(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def unshared(self: EmbeddedModel) -> str:
        return "it does not export llama_memory_seq_cp"

    async def broken(self: EmbeddedModel) -> str:
        raise ModelFailed("garbled", "it can't compute")

    words = {EmbeddedModel.check: "share what was computed", unshared: "every prompt whole", broken: "does not start"}
    for check, said in words.items():
        monkeypatch.setattr(EmbeddedModel, "check", check)
        doctor(None)
        assert said in capsys.readouterr().out
