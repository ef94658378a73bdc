"""openai-agents with its SQLite session: the runner saves the session after each turn."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.job import Job

MODES = {"sqlite": "SQLiteSession"}
CANNOT = {"w5_restart": "a session goes on when its caller runs it again with a new input: nothing restarts them all"}
TURNS_MAX = 10**9


def load() -> None:
    import agents  # noqa: F401


def _agent(job: Job) -> Any:
    from agents import Agent, Model, ModelResponse, Usage, function_tool, set_tracing_disabled
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    set_tracing_disabled(True)

    def words(number: int, text: str) -> Any:
        part = ResponseOutputText(text=text, type="output_text", annotations=[])
        return ResponseOutputMessage(
            id=f"message-{number}", content=[part], role="assistant", status="completed", type="message"
        )

    class Scripted(Model):
        async def get_response(self, system_instructions: Any, input: Any, *_: Any, **__: Any) -> Any:
            heard = 0 if isinstance(input, str) else sum(one.get("type") == "function_call_output" for one in input)
            step = await job.ask(heard)
            if step is None:
                return ModelResponse([words(heard, "done")], Usage(), None)
            call = ResponseFunctionToolCall(
                call_id=step.request_id, name="echo", arguments=json.dumps(step.arguments), type="function_call"
            )
            return ModelResponse([words(heard, step.words), call], Usage(), None)

        def stream_response(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError("this model does not stream")

    @function_tool
    async def echo(turn: int, text: str) -> str:
        """Say it again."""
        return job.use(turn, text)

    return Agent(name="bench", model=Scripted(), tools=[echo])


async def converse(folder: Path, mode: str, job: Job, count: int, resume: bool) -> None:
    """``count`` sessions in one database; ``resume``: session 0 is run again with a new input."""
    from agents import Runner, SQLiteSession

    agent = _agent(job)
    sessions = [SQLiteSession(str(number), folder / "openai.db") for number in range(count)]
    said = "go on" if resume else "go"
    await asyncio.gather(*(Runner.run(agent, said, session=one, max_turns=TURNS_MAX) for one in sessions))
    for session in sessions:
        session.close()


async def fork(folder: Path, mode: str, job: Job, forks: int) -> None:
    """A fork is another session that is given the items of the first."""
    from agents import SQLiteSession

    original = SQLiteSession("0", folder / "openai.db")
    sessions: list[Any] = []
    gc.collect()
    with job.measure():
        for number in range(1, forks + 1):
            session = SQLiteSession(str(number), folder / "openai.db")
            await session.add_items(await original.get_items())
            sessions.append(session)
    for session in (original, *sessions):
        session.close()
