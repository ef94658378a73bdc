"""gemot, through its public library only: an AI program whose scripted model makes one tool use a turn."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.job import Job

MODES = {"full": 'durability="full"', "normal": 'durability="normal"'}
CANNOT: dict[str, str] = {}
INSTRUCTIONS_AND_GOAL = 2
"""Messages before the first turn."""


def load() -> None:
    """Import what a first turn needs: `import gemot` alone loads nothing yet."""
    import gemot

    assert gemot.Machine and gemot.tool and gemot.scripted


async def _open(folder: Path, mode: str, job: Job, **more: Any) -> Any:
    import gemot

    async def script(request: Any) -> Any:
        step = await job.ask((len(request.messages) - INSTRUCTIONS_AND_GOAL) // 2)
        if step is None:
            return gemot.request("exit", value="done")
        return [gemot.say(step.words), gemot.request("bench/echo", turn=step.turn, text=step.text)]

    async def echo(turn: int, text: str) -> str:
        """Say it again. turn: which turn this is. text: what to say."""
        return job.use(turn, text)

    safe = not job.ledger  # with a ledger, the tool has an effect outside that must not happen twice
    tool = gemot.tool("bench/echo", effect="computes" if safe else "writes", repeatable=safe)(echo)
    return await gemot.Machine.open(
        folder / "home", tools=[tool], models={"bench": gemot.scripted(script)}, durability=mode, **more
    )


def _budget() -> Any:
    import gemot

    return gemot.Budget(tokens=10**15, usd_micros=0, millis=10**12, processes=10, depth=2, calls=10**9)


async def converse(folder: Path, mode: str, job: Job, count: int, resume: bool) -> None:
    """``count`` processes at once; ``resume``: those that are in the journal go on. Held ones stay unfinished."""
    import gemot

    async with await _open(folder, mode, job, resume=resume) as machine:
        if resume:
            pids = [one.pid for one in machine.processes()]
        else:
            grants = [gemot.Grant("bench/echo")]
            starts = (machine.start("go", model="bench", grants=grants, budget=_budget()) for _ in range(count))
            pids = await asyncio.gather(*starts)
        if job.hold:
            await job.held.wait()
            return
        for outcome in await asyncio.gather(*map(machine.result, pids)):
            if outcome.state != "done":
                raise RuntimeError(f"a process has failed: {outcome.value}")


async def fork(folder: Path, mode: str, job: Job, forks: int) -> None:
    """Fork a sleeping process: the forks sleep too, so the price is that of the fork; should one ask its model, it waits."""
    async with await _open(folder, mode, job) as machine:
        original = machine.processes()[0].pid
        gc.collect()
        with job.measure():
            for _ in range(forks):
                await machine.fork(original, "You are a copy.", budget=_budget())
