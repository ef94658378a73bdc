"""One attempt, run without walls and in a box."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from evals.escapes.arena import NAME, Arena
from evals.escapes.attempt import Attempt
from gemot.boxes import Bind, Boxes, BoxFailed, Call, Ended, Key, Limits, building
from gemot.boxes.proxy import Host, Proxy

HERE = Path(__file__).parent
NEEDS_ROOT = "only root could, without walls too"


@dataclass(frozen=True)
class Result:
    """``got``: it got through. ``why``: how it ended, in its own words."""

    got: bool
    why: str


@dataclass(frozen=True)
class Pair:
    attempt: Attempt
    without: Result
    boxed: Result


def without_walls(attempt: Attempt) -> Result:
    """As a process of this user: with its terminal, its environment and its open files, started by a process that waits."""
    if attempt.root and os.geteuid():
        return Result(False, NEEDS_ROOT)
    with Arena() as arena, tempfile.TemporaryFile() as output, socket.socket(socket.AF_UNIX) as proxy:
        if attempt.proxy:
            proxy.bind(arena.proxy)
            proxy.listen()
        source = f"{_source(attempt, arena, boxed=False)}\nif not os.fork():\n    judge(attempt, a)\n    os._exit(0)\nos.wait()\n"
        process = subprocess.Popen(
            [sys.executable, "-c", source],
            cwd=arena.work,
            env={**os.environ, NAME: arena.name},
            stdout=output,
            stderr=subprocess.DEVNULL,
            close_fds=False,
        )
        try:
            process.wait(attempt.seconds)
        except subprocess.TimeoutExpired:
            process.kill()  # as a program without walls would: the one process that it knows of
            process.wait()
        ends = time.monotonic() + 1
        while time.monotonic() < ends and not _verdict(said := _all(output)):
            time.sleep(0.05)
        arena.said = len(said := _all(output))
        return _result(attempt, arena, said, "it ended without a word")


def boxed(attempt: Attempt) -> Result:
    """In a fresh box, with the same facts and the folders of the arena."""
    with Arena() as arena:
        if attempt.afresh:
            building.private.cache_clear()
        try:
            ended = asyncio.run(_in_a_box(attempt, arena))
        except BoxFailed as error:
            return Result(attempt.check is not None and attempt.check(arena), f"the box ended: {error}")
        said = ended.out.head + ended.out.tail
        arena.said = len(said)
        why = f"stopped: {ended.stopped}" if ended.stopped else f"it ended with {ended.code}"
        return _result(attempt, arena, said, why)


async def _in_a_box(attempt: Attempt, arena: Arena) -> Ended:
    binds = (Bind(str(arena.work), "/work", True), Bind(str(arena.fixed), "/fixed"))
    limits = attempt.limits or Limits()
    boxes, proxy = Boxes(), Proxy((Host("allowed.invalid", tunnel=True),))
    if attempt.proxy:
        await proxy.start(arena.proxy)
    way = arena.proxy if attempt.proxy else ""
    try:
        source = _source(attempt, arena, boxed=True)
        if attempt.before:
            before = await boxes.run(
                Key("escape", binds, ("other",), limits), Call(python=f"{source}\n{attempt.before}")
            )
            assert before.code == 0, before.error.text()
        call = Call(python=f"{source}\njudge(attempt, a)", folder="/work", seconds=attempt.seconds, cpu_seconds=1)
        return await boxes.run(Key("escape", binds, ("own",), limits, way), call)
    finally:
        await boxes.close()
        await proxy.close()


def _source(attempt: Attempt, arena: Arena, boxed: bool) -> str:
    """The attempt as a program of its own: what is at hand, the helpers of its module, itself."""
    module = inspect.getmodule(attempt.function)
    own = textwrap.dedent(inspect.getsource(module.own_mounts)) if hasattr(module, "own_mounts") else ""
    lines = inspect.getsource(attempt.function).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("def "))
    body = "\n".join(lines[start:])
    name = attempt.function.__name__
    facts = f"a = Facts(**{arena.facts(boxed)!r})"
    return f"{(HERE / 'inside.py').read_text()}\n{own}\n{body}\nattempt = {name}\n{facts}\n"


def _verdict(said: bytes) -> str:
    for line in reversed(said[-4_000:].decode(errors="replace").splitlines()):
        if line == "GOT" or line.startswith("NO: "):
            return line
    return ""


def _result(attempt: Attempt, arena: Arena, said: bytes, silent: str) -> Result:
    verdict = _verdict(said)
    why = verdict.removeprefix("NO: ") if verdict.startswith("NO") else "it was done" if verdict else silent
    if attempt.check is not None:
        return Result(attempt.check(arena), why)
    return Result(verdict == "GOT", why)


def _all(file: object) -> bytes:
    file.seek(0)  # type: ignore[attr-defined]
    return file.read()  # type: ignore[attr-defined]
