"""Models that write: many files one after the other, or one and then a long thought."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from gemot.abi.messages import Request
from gemot.models.scripted import heard, request

COUNT = 25


def many(question: Request):
    """Looks at what is there, writes the next file, looks again: so it can go on whatever happened in between."""
    last = heard(question)
    if not last or last[0].name != "files/list":
        return [request("files/list")]
    there = sum(line.startswith("file-") for line in last[0].text.splitlines())
    if there >= COUNT:
        return [request("exit", value=f"{there} files")]
    return [request("files/write", path=f"file-{there:02d}.txt", content=f"{there}\n" * 300)]


async def slow(question: Request):
    """Writes a file, then thinks for ever, unless it is told to hurry."""
    last = heard(question)
    if not last:
        return [request("files/write", path="first.txt", content="first\n")]
    if not last[0].ok:
        return [request("exit", failed=last[0].text)]
    if not os.environ.get("HURRY"):
        Path(os.environ["THINKING"]).touch()
        await asyncio.sleep(3600)
    return [request("exit", value="thought")]
