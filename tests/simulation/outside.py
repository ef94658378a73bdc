"""The world outside a simulated machine: models and tools that fail, dawdle, lie and fight their end; and a ledger.

The ledger is kept here, beyond the reach of crashes: what is in it was really done. Every use of a tool that leaves a
trace carries a token that no other use has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from collections import Counter
from random import Random
from typing import Any

from gemot.abi.messages import Reply, Request, Text, ToolRequest, Usage
from gemot.drivers.kit import Driver, ToolError
from gemot.models.port import Heard, Model, ModelFailed

MODELS = ("quick", "slow", "wild")
LARGE = "a large result " * 700


class Outside:
    """``ledger`` counts what was done for good, by token; ``notes`` what may be done twice."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.calm = False
        """From now on everything goes well, and soon."""
        self.ledger: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.returned: Counter[str] = Counter()
        """What was done to its end: the tool's function returned."""
        self.used = 0
        """The tokens that models used, in replies and in attempts that failed."""
        self._words = 0

    def open_model(self, name: str) -> Model:
        if name not in MODELS:
            raise ModelFailed("missing", f"there is no model {name}")
        return SeededModel(name, self)

    def word(self) -> str:
        """A word that was never said before."""
        self._words += 1
        return f"w{self._words}"

    async def dawdle(self) -> None:
        """Take some time, or for ever."""
        draw = self.chance.random()
        if self.calm or draw < 0.5:
            await asyncio.sleep(0)
        elif draw < 0.95:
            await asyncio.sleep(self.chance.random() ** 4 * 100)
        else:
            await asyncio.get_running_loop().create_future()

    def stumble(self) -> None:
        if not self.calm and self.chance.random() < 0.1:
            raise self.chance.choice((ToolError("no such thing"), RuntimeError("broken"), OSError("no network")))

    async def act(self, book: Counter[str], what: str) -> str:
        """Do something and write it down; every failure there is, before and after."""
        stubborn = not self.calm and self.chance.random() < 0.1
        await self.dawdle()
        self.stumble()
        book[what] += 1
        if stubborn:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(self.chance.random() * 200)
            await asyncio.sleep(self.chance.random() * 3)
        else:
            await self.dawdle()
        self.stumble()
        self.returned[what] += 1
        return LARGE if zlib.crc32(what.encode()) % 3 == 0 else f"did {what}"


PASSES = "(this passes)"
"""In the words of each failure that may pass: no process is ever told so."""


class SeededModel:
    """Answers at random: words, requests, nonsense, failures, silence, and more tokens than it was allowed."""

    tokens_max = 100_000

    def __init__(self, name: str, outside: Outside) -> None:
        self.name = name
        self.remote = name == "slow"
        self._outside = outside

    async def generate(self, request: Request, heard: Heard) -> Reply:
        outside, chance = self._outside, self._outside.chance
        if self.name != "quick":
            await outside.dawdle()
        draw = chance.random()
        if draw < 0.03 and not outside.calm:
            raise ModelFailed("window", "prompt is too long")
        if draw < 0.06 and not outside.calm:
            raise ModelFailed("unreachable", "nobody answers")
        if draw < 0.08 and not outside.calm:
            raise ValueError("a provider's library is broken")
        usage = Usage(chance.randrange(1, 40), chance.randrange(40), 0, chance.choice((0, 5, None)))
        if draw < 0.11 and not outside.calm:
            outside.used += usage.tokens_in + usage.tokens_out
            wait = chance.choice((None, None, 0.0, 2.5, 100.0, 7_200.0))
            raise ModelFailed("overloaded", f"busy {PASSES}", passing=True, retry_after_seconds=wait, usage=usage)
        if draw < 0.15:
            usage = Usage(3_000, 2_000, 0, 900)
        outside.used += usage.tokens_in + usage.tokens_out
        parts = self._parts(request) if request.tools else (Text(chance.choice(request.choose or ("yes", "no"))),)
        for part in parts:
            if isinstance(part, Text):
                heard(part.text)
        return Reply(tuple(parts), usage, self.name)

    def _parts(self, request: Request) -> tuple[Any, ...]:
        chance = self._outside.chance
        if chance.random() < 0.08:
            return chance.choice(((), (Text("Let me think."),), (Text("a" * 50), Text("b"))))
        names = [one.name for one in request.tools]
        if chance.random() < len(request.messages) / 20:
            names = ["exit"]
        count = chance.choice((1, 1, 2, 3, 4))
        return tuple(self._request(chance.choice(names), index) for index in range(count))

    def _request(self, name: str, index: int) -> ToolRequest:
        chance, word = self._outside.chance, self._outside.word()
        if chance.random() < 0.05:
            return ToolRequest(word, chance.choice((name, "nothing/there")), chance.choice(("{", "[]", '{"x": 1}', "")))
        return ToolRequest(word, name, json.dumps(self._arguments(name, word)))

    def _arguments(self, name: str, word: str) -> dict[str, Any]:
        chance = self._outside.chance
        match name:
            case "spawn":
                return {"brief": f"m{word}", "program": chance.choice(("wanderer", "talker", "nobody"))}
            case "fork":
                return {"brief": f"m{word}"}
            case "exec":
                return {"program": "wanderer", "brief": f"m{word}"}
            case "wait":
                return {"timeout_seconds": chance.choice((None, None, 0, 5, 100)), "board": chance.random() < 0.5}
            case "receive":
                return {"timeout_seconds": chance.choice((None, None, 0, 5, 100))}
            case "send":
                return {"pid": chance.randrange(6), "text": word}
            case "kill" | "status":
                return {"pid": chance.randrange(1, 9)}
            case "alarm":
                return {"seconds": chance.choice((0, 2, 900))}
            case "cancel_alarm":
                return {"alarm": chance.randrange(30)}
            case "ask":
                return {"question": word}
            case "page_out" | "page_in":
                return {"pages": [chance.randrange(12) for _ in range(chance.randrange(3))]}
            case "add":
                after = chance.choice(([], [chance.randrange(1, 4)], ["one"]))
                return {"tasks": [{"text": word, "after": after}, {"text": word}]}
            case "claim":
                return chance.choice(({}, {"task": chance.randrange(1, 4), "lease_seconds": chance.choice((1, 50))}))
            case "accept":
                accepted = chance.random() < 0.4
                return {"task": chance.randrange(1, 4), "accepted": accepted, "reason": chance.choice((word, ""))}
            case "complete":
                return {"task": chance.randrange(1, 4), "result": word}
            case "reorder":
                return {"tasks": [chance.randrange(1, 4)]}
            case "read":
                return {"handle": chance.randrange(40)}
            case "exit":
                verdict = {"accepted": chance.choice((True, False)), "reason": word}
                return chance.choice(({"value": "yes"}, {"value": word}, {"value": verdict}, {"failed": word}))
            case "list_tasks":
                return {}
            case _:
                return {"what": f"m{word}"}

    async def close(self) -> None:
        """Nothing to close."""


class _Here:
    """The world that the tools are in now: drivers are made once, worlds by the thousand."""

    outside: Outside


HERE = _Here()
SHOP = Driver("shop", "Things to do that leave a trace.")
DESK = Driver("desk", "Things that leave none.")
WIRE = Driver("wire", "Words of third parties.")


@SHOP.tool(effect="sends", repeatable=False)
async def pay(what: str) -> str:
    """Pay for something: never twice."""
    return await HERE.outside.act(HERE.outside.ledger, what)


@SHOP.tool(effect="sends", repeatable=False, asks=True)
async def order(what: str) -> str:
    """Order something, if the person agrees: never twice."""
    return await HERE.outside.act(HERE.outside.ledger, what)


@SHOP.tool(effect="writes", repeatable=True, seconds_max=20)
async def note(what: str) -> str:
    """Write something down; doing it twice is the same as once."""
    return await HERE.outside.act(HERE.outside.notes, what)


@DESK.tool(effect="reads", repeatable=True)
async def look(what: str) -> str:
    """Look at something, which may be large."""
    await HERE.outside.dawdle()
    HERE.outside.stumble()
    return LARGE if HERE.outside.chance.random() < 0.2 else what


@DESK.tool(effect="reads", repeatable=True)
async def check(what: str) -> str:
    """Says whether something is right, or something else."""
    await HERE.outside.dawdle()
    HERE.outside.stumble()
    return HERE.outside.chance.choice(("true", "true", "false", "it looks right"))


@DESK.tool(effect="computes", repeatable=True)
def double(what: str) -> str:
    """Say something twice."""
    return what * 2


@WIRE.tool(effect="reads", repeatable=True, foreign=True)
async def news(what: str) -> str:
    """What third parties say about something, which may be large."""
    await HERE.outside.dawdle()
    HERE.outside.stumble()
    return LARGE if HERE.outside.chance.random() < 0.2 else what


DRIVERS = (SHOP, DESK, WIRE)
TRACELESS = frozenset(DESK.tools | WIRE.tools)
