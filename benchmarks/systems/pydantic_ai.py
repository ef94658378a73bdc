"""pydantic-ai with DBOS on SQLite: each model call and each tool use is a step of a durable workflow."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.job import Job

MODES = {"dbos": "DBOSDurability, the tool a DBOS step"}
CANNOT: dict[str, str] = {}


def load() -> None:
    import pydantic_ai
    import pydantic_ai.durable_exec.dbos
    import pydantic_ai.models.function  # noqa: F401


def _workflow(folder: Path, job: Job) -> Any:
    from dbos import DBOS
    from pydantic_ai import Agent, ModelResponse, TextPart, ToolCallPart, UsageLimits
    from pydantic_ai.durable_exec.dbos import DBOSDurability
    from pydantic_ai.models.function import FunctionModel

    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{folder / 'dbos.db'}",
            "log_level": "ERROR",
            "application_version": "1",
        }
    )

    async def script(messages: Any, info: Any) -> Any:
        step = await job.ask((len(messages) - 1) // 2)
        if step is None:
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(parts=[TextPart(step.words), ToolCallPart("echo", step.arguments, step.request_id)])

    @DBOS.step()
    async def echo(turn: int, text: str) -> str:
        """Say it again."""
        return job.use(turn, text)

    agent = Agent(FunctionModel(script), name="bench", tools=[echo], capabilities=[DBOSDurability()])

    @DBOS.workflow()
    async def work(goal: str) -> str:
        result = await agent.run(goal, usage_limits=UsageLimits(request_limit=None))
        return str(result.output)

    return work


async def converse(folder: Path, mode: str, job: Job, count: int, resume: bool) -> None:
    """``count`` workflows at once; ``resume``: DBOS recovers those that did not end by itself."""
    from dbos import DBOS

    work = _workflow(folder, job)
    DBOS.launch()
    if resume:
        pending = await DBOS.list_workflows_async()
        handles = [await DBOS.retrieve_workflow_async(one.workflow_id) for one in pending]
    else:
        handles = await asyncio.gather(*(DBOS.start_workflow_async(work, "go") for _ in range(count)))
    await asyncio.gather(*(handle.get_result() for handle in handles))
    DBOS.destroy()


async def fork(folder: Path, mode: str, job: Job, forks: int) -> None:
    """A fork is a new workflow that is given a copy of the recorded steps; made but not run to its end."""
    from dbos import DBOS

    _workflow(folder, job)
    DBOS.launch()
    original = (await DBOS.list_workflows_async())[0].workflow_id
    last = max(step["function_id"] for step in await DBOS.list_workflow_steps_async(original))
    gc.collect()
    with job.measure():
        for _ in range(forks):
            await DBOS.fork_workflow_async(original, last)
    DBOS.destroy()
