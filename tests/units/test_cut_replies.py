"""Replies that were cut off, and replies with very many requests: what is whole is done, and the model is told of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gemot.abi.answers import Outcome
from gemot.abi.messages import Reply, Request, Text, ToolRequest, ToolResult, Usage
from gemot.machine.machine import Machine
from gemot.models.scripted import scripted
from gemot.programs.replying import REQUESTS_MAX

EXIT = ToolRequest("e", "exit", '{"value":"done"}')
Answer = Callable[[Request, int], Reply]


def lived(answer: Answer, work: Path | None = None) -> tuple[Outcome, list[Request]]:
    """How a process ends whose model answers so, and what it was asked."""
    asked: list[Request] = []

    def model(request: Request) -> Reply:
        asked.append(request)
        return answer(request, len(asked))

    async def run() -> Outcome:
        async with await Machine.open(in_memory=True, models={"s": scripted(model, name="s")}) as machine:
            return await machine.result(await machine.start("go", model="s", work=work))

    return asyncio.run(run()), asked


def reply(*parts: Text | ToolRequest, finish: str = "tool_call", tokens_out: int = 4_096) -> Reply:
    return Reply(parts, Usage(10, tokens_out), "s", finish)


def told(request: Request) -> str:
    """All that a model was shown, in one text."""
    parts = [part for message in request.messages for part in message.parts]
    return "\n".join(part.text for part in parts if isinstance(part, Text | ToolResult))


def results(request: Request) -> list[ToolResult]:
    return [part for message in request.messages for part in message.parts if isinstance(part, ToolResult)]


def write(number: int, arguments: str) -> ToolRequest:
    return ToolRequest(f"w{number}", "files/write", arguments)


def test_torn_request_is_not_done_and_told_as_cut_off(tmp_path: Path) -> None:
    def answer(_: Request, turn: int) -> Reply:
        if turn == 1:
            whole = write(1, '{"path": "a.md", "content": "whole"}')
            return reply(whole, write(2, '{"path": "b.md", "content": "lorem'), finish="length")
        return reply(EXIT)

    outcome, asked = lived(answer, tmp_path)
    assert outcome.value == "done"
    assert (tmp_path / "a.md").read_text() == "whole" and not (tmp_path / "b.md").exists()
    by_id = {result.id: result for result in results(asked[1])}
    assert by_id["w1"].ok and not by_id["w2"].ok
    assert "cut off at 4,096 tokens" in by_id["w2"].text and "files/edit" in by_id["w2"].text


def test_words_that_are_cut_off_are_no_silence() -> None:
    outcome, asked = lived(lambda _, turn: reply(Text("on and on"), finish="cut") if turn < 4 else reply(EXIT))
    assert outcome.value == "done" and len(asked) == 4
    assert told(asked[3]).count("cut off at 4,096 tokens") == 3


def test_fourth_reply_in_a_row_that_is_cut_off_ends_the_process_with_the_reason() -> None:
    outcome, asked = lived(lambda _, __: reply(Text("on and on"), finish="length"))
    assert outcome.state == "failed" and "4 replies in a row were cut off" in outcome.error
    assert len(asked) == 4


def test_whole_reply_between_cut_ones_begins_the_count_anew() -> None:
    def answer(_: Request, turn: int) -> Reply:
        if turn > 8:
            return reply(EXIT)
        if turn % 3 == 0:
            return reply(ToolRequest(f"s{turn}", "status", "{}"))
        return reply(Text("on and on"), finish="length")

    outcome, _ = lived(answer)
    assert outcome.value == "done"


def test_reply_with_more_requests_than_a_batch_is_done_in_batches(tmp_path: Path) -> None:
    def answer(_: Request, turn: int) -> Reply:
        if turn == 1:
            return reply(*(write(n, f'{{"path": "f{n}.md", "content": "{n}"}}') for n in range(70)))
        return reply(EXIT)

    outcome, _ = lived(answer, tmp_path)
    assert outcome.value == "done" and len(list(tmp_path.iterdir())) == 70


def test_reply_with_very_many_requests_is_taken_in_part() -> None:
    def answer(_: Request, turn: int) -> Reply:
        if turn == 1:
            return reply(*(ToolRequest(f"c{n}", "clock/now", "{}") for n in range(REQUESTS_MAX + 50)))
        return reply(EXIT)

    outcome, asked = lived(answer)
    answers = results(asked[1])
    assert outcome.value == "done" and len(answers) == REQUESTS_MAX + 50
    assert sum("306 requests" in result.text and not result.ok for result in answers) == 50
