"""autogen: one agent that loops over its tool; it has no durability, so a hand-written snapshot goes to SQLite after each step."""

from __future__ import annotations

import asyncio
import gc
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.job import Job

MODES = {"snapshot": "save_state() as JSON into one row after each step, WAL, synchronous=FULL"}
CANNOT = {"w5_restart": "a snapshot goes on when its caller loads it: nothing restarts them all"}
ITERATIONS_MAX = 10**9


def load() -> None:
    import autogen_core.models  # noqa: F401


def _agent(job: Job) -> Any:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_core import FunctionCall
    from autogen_core.models import ChatCompletionClient, CreateResult, ModelFamily, RequestUsage

    class Scripted(ChatCompletionClient):
        component_type = "model"

        async def create(self, messages: Any, **_: Any) -> Any:
            step = await job.ask((len(messages) - 1) // 2)
            usage = RequestUsage(0, 0)
            if step is None:
                return CreateResult(finish_reason="stop", content="done", usage=usage, cached=False)
            call = FunctionCall(step.request_id, json.dumps(step.arguments), "echo")
            return CreateResult(
                finish_reason="function_calls", content=[call], usage=usage, cached=False, thought=step.words
            )

        def create_stream(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError("this model does not stream")

        async def close(self) -> None:
            return None

        def actual_usage(self) -> Any:
            return RequestUsage(0, 0)

        def total_usage(self) -> Any:
            return RequestUsage(0, 0)

        def count_tokens(self, *_: Any, **__: Any) -> int:
            return 0

        def remaining_tokens(self, *_: Any, **__: Any) -> int:
            return 10**9

        @property
        def model_info(self) -> Any:
            return {
                "vision": False,
                "function_calling": True,
                "json_output": False,
                "family": ModelFamily.UNKNOWN,
                "structured_output": False,
            }

        @property
        def capabilities(self) -> Any:
            return self.model_info

    async def echo(turn: int, text: str) -> str:
        """Say it again."""
        return job.use(turn, text)

    return AssistantAgent("bench", Scripted(), tools=[echo], system_message=None, max_tool_iterations=ITERATIONS_MAX)


class Snapshots:
    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "autogen.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS snapshots (conversation INTEGER PRIMARY KEY, state TEXT)")

    async def keep(self, number: int, agent: Any) -> None:
        state = json.dumps(dict(await agent.save_state()))
        self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?,?)", (number, state))

    def get(self, number: int) -> Any:
        row = self._db.execute("SELECT state FROM snapshots WHERE conversation=?", (number,)).fetchone()
        return json.loads(row[0]) if row else None

    def close(self) -> None:
        self._db.close()


async def _converse(snapshots: Snapshots, job: Job, number: int, resume: bool) -> None:
    from autogen_agentchat.messages import TextMessage
    from autogen_core import CancellationToken

    agent = _agent(job)
    messages = [TextMessage(content="go", source="user")]
    state = snapshots.get(number) if resume else None
    if state is not None:
        said = state["llm_context"]["messages"]
        if said[-1]["type"] == "AssistantMessage":
            said.pop()  # a request without its result can't be gone on with: the model is asked again
        await agent.load_state(state)
        messages = []
    async for _ in agent.on_messages_stream(messages, CancellationToken()):
        await snapshots.keep(number, agent)


async def converse(folder: Path, mode: str, job: Job, count: int, resume: bool) -> None:
    """``count`` agents at once, one database."""
    snapshots = Snapshots(folder)
    await asyncio.gather(*(_converse(snapshots, job, number, resume) for number in range(count)))
    snapshots.close()


async def fork(folder: Path, mode: str, job: Job, forks: int) -> None:
    """A fork is another agent that loads the state, and its own snapshot."""
    snapshots = Snapshots(folder)
    original = _agent(job)
    await original.load_state(snapshots.get(0))
    agents: list[Any] = []
    gc.collect()
    with job.measure():
        for number in range(1, forks + 1):
            agents.append(_agent(job))
            await agents[-1].load_state(await original.save_state())
            await snapshots.keep(number, agents[-1])
    snapshots.close()
