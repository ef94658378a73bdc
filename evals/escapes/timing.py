"""How long walls take: a plain process, a fresh box, a call in a box that is kept."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time

from gemot.boxes import Boxes, Call, Key, once

ROUNDS = 50
TRUE = Call(("/bin/true",))


def timing() -> None:
    """Medians and the fastest of each, in milliseconds. The rounds are interleaved, so that all see the same computer."""
    for name, times in asyncio.run(_measured()).items():
        middle, best = statistics.median(times) * 1000, min(times) * 1000
        print(f"{name:<44}{middle:8.2f} ms   fastest {best:.2f}")


async def _measured() -> dict[str, list[float]]:
    boxes, kept = Boxes(), Key("timing")
    times: dict[str, list[float]] = {}

    async def plain() -> None:
        subprocess.run(["/bin/true"], check=True)  # noqa: ASYNC221 - it is what is measured

    works = {
        "a plain process (true)": plain,
        "a fresh box, its use (true) and its end": lambda: once(Key("timing"), TRUE),
        "a use (true) of a box that is kept": lambda: boxes.run(kept, TRUE),
        "a use (Python) of a box that is kept": lambda: boxes.run(kept, Call(python="pass")),
    }
    try:
        for number in range(ROUNDS + 2):
            for name, work in works.items():
                began = time.perf_counter()
                await work()
                if number >= 2:
                    times.setdefault(name, []).append(time.perf_counter() - began)
    finally:
        await boxes.close()
    return times
