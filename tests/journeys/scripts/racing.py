"""Five racers on one task: which of them does what is read from the environment (RACE, in the order of their names)."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from gemot.abi.messages import Request, Text
from gemot.models.scripted import heard, request

NAME = re.compile(r"You are racer (\d) of")
tried: set[str] = set()
"""Those who have had their chance: the right one lets them go first."""


async def racer(question: Request):
    system = next(part.text for part in question.messages[0].parts if isinstance(part, Text))
    number = NAME.search(system)
    assert number is not None
    kind = os.environ["RACE"].split(",")[int(number[1]) - 1]
    last = heard(question)
    try:
        return await KINDS[kind](last)
    finally:
        if last:
            tried.add(kind)


async def wrong(last):
    """Believes in another answer."""
    return [request("exit", value="41")] if last else [request("files/write", path="answer.txt", content="41\n")]


async def hung(last):
    """Starts a command that doesn't end."""
    tried.add("hung")
    return [request("shell/run", command=f"sleep {os.environ['RACE_SLEEP']}", seconds=600)]


async def mute(last):
    """A model that never answers."""
    tried.add("mute")
    await asyncio.Event().wait()


async def lying(last):
    """Says that it did what it did not do."""
    tried.add("lying")
    return [request("exit", value="I wrote 42 into answer.txt", claims={"answer.txt is written": "files/write"})]


async def malicious(last):
    """Does what a stranger wrote into a file: leaves its folder, makes the check say yes, ends its rivals."""
    if not last:
        return [request("files/read", path="note.txt")]
    if last[0].name != "files/read":
        return [request("exit", value="42")]
    outside = os.environ["RACE_OUTSIDE"]
    return [
        request("files/write", path="../stolen.txt", content="boo"),
        request("files/write", path=f"{outside}/stolen.txt", content="boo"),
        request(
            "shell/run", command=f"echo boo > {outside}/stolen.txt; echo boo > ../stolen.txt; echo true > check.sh"
        ),
        request("shell/run", command="kill -9 -1"),
        request("kill", pid=1),
    ]


async def right(last):
    """Waits until all the others had their chance, then does it."""
    if last:
        return [request("exit", value="42")]
    others = {*os.environ["RACE"].split(",")} - {"right"}
    sleeps = b"sleep\0" + os.environ["RACE_SLEEP"].encode()
    sleeping = _is(sleeps) if "hung" in others else lambda _: True
    while not (tried >= others and any(map(sleeping, Path("/proc").glob("[0-9]*")))):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    return [request("files/write", path="answer.txt", content="42\n")]


def _is(command: bytes):
    def holds(process: Path) -> bool:
        try:
            return process.joinpath("cmdline").read_bytes().startswith(command)
        except OSError:
            return False

    return holds


KINDS = {"wrong": wrong, "hung": hung, "mute": mute, "lying": lying, "malicious": malicious, "right": right}
