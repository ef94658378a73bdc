"""agent-framework with its file history: saved after each model call."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.job import Job

MODES = {"file": "FileHistoryProvider, require_per_service_call_history_persistence=True; it does not sync"}
CANNOT = {"w5_restart": "a session goes on when its caller runs it again with a new message: nothing restarts them all"}
ITERATIONS_MAX = 10**9


def load() -> None:
    import agent_framework

    assert agent_framework.Agent and agent_framework.FileHistoryProvider


def _agent(folder: Path, job: Job) -> Any:
    from agent_framework import (
        Agent,
        BaseChatClient,
        ChatMiddlewareLayer,
        ChatResponse,
        Content,
        FileHistoryProvider,
        FunctionInvocationLayer,
        Message,
    )

    class Scripted(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
        async def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **_: Any) -> Any:
            step = await job.ask(sum(one.role == "tool" for one in messages))
            if step is None:
                return ChatResponse(messages=[Message("assistant", ["done"])])
            call = Content.from_function_call(step.request_id, "echo", arguments=step.arguments)
            return ChatResponse(messages=[Message("assistant", [step.words, call])])

    async def echo(turn: int, text: str) -> str:
        """Say it again."""
        return job.use(turn, text)

    client = Scripted()
    client.function_invocation_configuration["max_iterations"] = ITERATIONS_MAX
    return Agent(
        client,
        tools=[echo],
        context_providers=[FileHistoryProvider(folder / "history")],
        require_per_service_call_history_persistence=True,
    )


async def converse(folder: Path, mode: str, job: Job, count: int, resume: bool) -> None:
    """``count`` sessions at once; ``resume``: session 0 is run again with a new message."""
    agent = _agent(folder, job)
    sessions = [agent.create_session(session_id=f"conversation-{number}") for number in range(count)]
    await asyncio.gather(*(agent.run("go on" if resume else "go", session=one) for one in sessions))


async def fork(folder: Path, mode: str, job: Job, forks: int) -> None:
    """A fork is another session whose history is given the messages of the first."""
    from agent_framework import FileHistoryProvider

    history = FileHistoryProvider(folder / "history")
    gc.collect()
    with job.measure():
        for number in range(1, forks + 1):
            await history.save_messages(f"conversation-{number}", await history.get_messages("conversation-0"))
