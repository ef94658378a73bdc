"""Those who look on: a model that notes what is asked of it and told to it, and a neighbour whose turns are timed."""

from __future__ import annotations

import re
import time
from collections import Counter

from gemot import Calls, SyscallFailed, program, scripted
from gemot.abi.messages import Reply, Request, ToolRequest
from gemot.models.port import Heard, Model
from gemot.models.scripted import heard as results

_RULE = re.compile(r"(?:refused \((\w+)\)|(\w+)): ")


class Watched:
    """A model, and what it asked for (``tried``), was told (``told``), and by which rules it was refused (``rules``)."""

    def __init__(self, model: Model) -> None:
        self.name, self.tokens_max, self._model = model.name, model.tokens_max, model
        self.tried: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.told: list[str] = []
        """The beginnings of what it was told: enough to see a secret in."""

    async def generate(self, request: Request, heard: Heard) -> Reply:
        for result in results(request):
            if result.ok:
                self.told.append(result.text[:500])
                continue
            if result.text.startswith("not done"):
                continue  # by a fork, of what its parent does
            found = _RULE.match(result.text)
            self.rules[(found[1] or found[2]) if found else "failed"] += 1
        reply = await self._model.generate(request, heard)
        self.tried.update(part.name for part in reply.parts if isinstance(part, ToolRequest))
        return reply

    async def close(self) -> None:
        await self._model.close()


class Neighbour:
    """The model of :func:`lives_here`. ``seconds``: how long each of its turns took; ``worked``: what of that this process had
    the processor, for a computer that others use, too. Set ``over`` and it goes home."""

    def __init__(self) -> None:
        self.over = False
        self.seconds: list[float] = []
        self.worked: list[float] = []
        self._last = self._last_worked = 0.0
        self.model = scripted(self._answer, name="neighbour")

    def _answer(self, question: Request) -> str:
        del question
        now, worked = time.perf_counter(), time.process_time()
        if self._last:
            self.seconds.append(now - self._last)
            self.worked.append(worked - self._last_worked)
        self._last, self._last_worked = now, worked
        return "no" if self.over else "yes"


@program(name="lives_here", grants=("calculator/*",))
async def lives_here(calls: Calls, brief: str) -> str:
    """Asks its model, adds up, asks again: one turn is a call of a model and a use of a tool, written to the disk."""
    turns = 0  # in each sum: a process that only repeats itself is ended
    while await calls.generate("go on?", choose=("yes", "no")) == "yes":
        turns += 1
        try:
            await calls.call("calculator/evaluate", expression=f"{turns} * 7")
        except SyscallFailed as error:
            return f"disturbed: {error}"
    return "undisturbed"
