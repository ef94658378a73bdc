"""One measurement in one operating-system process: ``python -m benchmarks.worker '{"system": ..., "do": ...}'``.

Runs in the environment of the system that is measured. The last line of its output is the finding, as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any


def work(order: dict[str, Any]) -> dict[str, Any]:
    """``do``: ``import``, ``converse`` or ``fork``; ``job``: fields of `benchmarks.job.Job`."""
    system = importlib.import_module(f"benchmarks.systems.{order['system'].replace('-', '_')}")
    system.load()
    loaded = time.process_time()
    if order["do"] == "import":
        return {"finished": True, "cpu_s": loaded}
    import asyncio

    from benchmarks.job import Job, resident_bytes

    folder = Path(order["folder"])
    before = resident_bytes()

    async def run() -> Job:
        job = Job(**order["job"])
        if order["do"] == "fork":
            await system.fork(folder, order["mode"], job, order["forks"])
        else:
            await system.converse(folder, order["mode"], job, order["count"], order.get("resume", False))
        return job

    cpu, wall = time.process_time(), time.perf_counter()
    job = asyncio.run(run())
    total = {"total_wall_s": time.perf_counter() - wall, "total_cpu_s": time.process_time() - cpu}
    return {**job.found(True), **total, "before_bytes": before, "process_cpu_s": time.process_time()}


if __name__ == "__main__":
    finding = work(json.loads(sys.argv[1]))
    sys.stdout.write("\n" + json.dumps(finding) + "\n")
