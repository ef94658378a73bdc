"""parallel: the same goal to n children at once, all of their answers back."""

from __future__ import annotations

from typing import Any

from gemot.abi.grants import BudgetRequest
from gemot.programs.native import Calls, program


@program(grants=("spawn", "retract", "files/*", "calculator/*", "clock/*"))
async def parallel(calls: Calls, brief: str, n: int = 3, program: str = "runner") -> list[dict[str, Any]]:
    """Give the same goal to n children at once and collect their answers."""
    if n < 1:
        await calls.exit(failed=f"n must be at least 1, not {n}")
    left = (await calls.status())["left"]
    if n > left.get("processes", 0):
        await calls.exit(failed=f"n is more than the {left.get('processes', 0)} children that may live at once")
    share = BudgetRequest(
        tokens=left.get("tokens", 0) // (n + 1),
        usd_micros=left.get("usd_micros", 0) // (n + 1),
        seconds=left.get("millis", 0) / 1000 / (n + 1),
        processes=(left.get("processes", 0) - n) // (n + 1),
        calls=left.get("calls", 0) // (n + 1),
    )
    pids = [await calls.spawn(brief, program, name=f"{program} {i + 1} of {n}", budget=share) for i in range(n)]
    waited = await calls.wait(pids)
    return [
        {"pid": outcome.pid, "state": outcome.state, "value": outcome.value}
        | ({"error": outcome.error} if outcome.error else {})
        for outcome in waited.ended
    ]
