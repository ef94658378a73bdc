"""What a reply reports, or waits for, is not carried out where a request before it in the same reply failed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gemot import Grant, Machine, Outcome, ToolError, request, scripted, tool
from gemot.abi.answers import Born, Error, Ok, Returned
from gemot.abi.messages import Reply, Request, ToolRequest, ToolResult
from gemot.abi.syscalls import Call, Exit, Generate, Spawn, Syscall, Wait
from gemot.models.scripted import Said, heard
from gemot.programs.conversation import Conversation
from gemot.programs.port import Start


def begun(rules: int = 1) -> Conversation:
    conversation = Conversation("You are a test.")
    conversation.absorb(Start(1, "t", "the goal", {}, "", rules=rules))
    assert conversation.decide() == Generate()
    return conversation


def reply(conversation: Conversation, *requests: tuple[str, dict[str, Any]]) -> Syscall:
    """The model requests these; what the conversation does first."""
    parts = [
        ToolRequest(str(number), name, msgspec.json.encode(arguments).decode())
        for number, (name, arguments) in enumerate(requests)
    ]
    conversation.absorb(Ok(Reply(tuple(parts))))
    return conversation.decide()


def told(conversation: Conversation) -> dict[str, str]:
    """By request, in order from 0: what the model reads of the last turn."""
    last = conversation.reading(Generate())[-1]
    return {part.id: part.text for part in last.parts if isinstance(part, ToolResult)}


READ = ("files/read", {"path": "notes.md"})
EXIT = ("exit", {"value": "Replaced it."})
NOT_THERE = Returned("files/read", False, "there is no 'notes.md' here", rule="unknown")


def test_exit_after_a_failed_call_is_not_carried_out_and_says_which_call_failed() -> None:
    conversation = begun()
    assert isinstance(reply(conversation, READ, EXIT), Call)
    conversation.absorb(Ok((NOT_THERE,)))
    assert conversation.decide() == Generate()
    said = told(conversation)["1"]
    assert "exit was not carried out" in said and "files/read (unknown: there is no 'notes.md' here)" in said
    assert "call exit again if you still mean it" in said


def test_exit_after_calls_that_succeeded_is_carried_out() -> None:
    conversation = begun()
    reply(conversation, READ, EXIT)
    conversation.absorb(Ok((Returned("files/read", True, "text"),)))
    assert conversation.decide() == Exit("Replaced it.")


def test_exit_in_the_next_reply_is_carried_out() -> None:
    conversation = begun()
    reply(conversation, READ, EXIT)
    conversation.absorb(Ok((NOT_THERE,)))
    conversation.decide()
    assert reply(conversation, EXIT) == Exit("Replaced it.")


def test_wait_after_a_refused_spawn_is_not_carried_out() -> None:
    conversation = begun()
    spawns = [("spawn", {"brief": name}) for name in ("a", "b")]
    assert isinstance(reply(conversation, *spawns, ("wait", {}), ("status", {})), Spawn)
    conversation.absorb(Ok(Born(2)))
    assert isinstance(conversation.decide(), Spawn)
    conversation.absorb(Error("budget", "no more children may live at once"))
    assert conversation.decide() == Generate()
    said = told(conversation)
    assert "spawn (refused (budget): no more children" in said["2"] and "wait was not carried out" in said["2"]
    assert said["3"] == "not done: wait before it in the same reply was not done"


def test_exit_after_a_malformed_call_is_not_carried_out() -> None:
    conversation = begun()
    parts = (ToolRequest("0", "files/read", "{"), ToolRequest("1", "exit", '{"value": 1}'))
    conversation.absorb(Ok(Reply(parts)))
    assert conversation.decide() == Generate()
    assert "malformed" in told(conversation)["1"]


def test_exit_after_a_command_that_reports_failure_is_not_carried_out() -> None:
    conversation = begun()
    reply(conversation, ("shell/run", {"command": "pytest"}), ("exit", {"value": "All tests pass."}))
    conversation.absorb(Ok((Returned("shell/run", True, '{"exit_code":1,"stdout":"1 failed"}'),)))
    assert conversation.decide() == Generate()
    assert "shell/run (exit code 1)" in told(conversation)["1"]


@pytest.mark.parametrize("name", ["exit", "wait"])
def test_a_corrected_request_of_the_same_name_is_carried_out(name: str) -> None:
    conversation = begun()
    conversation.absorb(Ok(Reply((ToolRequest("0", name, "{"), ToolRequest("1", name, "{}")))))
    assert conversation.decide() == (Exit() if name == "exit" else Wait())


def test_a_tree_of_an_earlier_version_keeps_its_rules() -> None:
    conversation = begun(rules=0)
    reply(conversation, READ, EXIT)
    conversation.absorb(Ok((NOT_THERE,)))
    assert conversation.decide() == Exit("Replaced it.")


@tool("t/edit", effect="writes", repeatable=False)
def edit(path: str) -> str:
    """Edit a file."""
    raise ToolError("the old text is not in the file")


def test_a_run_whose_edit_failed_is_not_done_until_the_model_says_so_again(tmp_path: Path) -> None:
    def clerk(question: Request) -> Said:
        if not heard(question):
            return [request("t/edit", path="a"), request("exit", value="Edited.")]
        return [request("exit", failed="The edit failed.")]

    async def run() -> Outcome:
        async with await Machine.open(tmp_path, models={"m": scripted(clerk)}, tools=[edit]) as machine:
            return await machine.result(await machine.start("edit a", model="m", grants=[Grant("t/edit")]))

    outcome = asyncio.run(run())
    assert (outcome.state, outcome.error) == ("failed", "The edit failed.")
