"""Forks that share a reading, with the embedded model: what is computed and how long it takes, shared and whole.

``python -m benchmarks.prefix [--tokens 1500] [--forks 8] [--rounds 1]``. Each side is a machine of its own with a real
worker process; a native program reads a text of so many tokens, forks, and each fork asks its own question about the
text. The sides take turns, and both are asked the same; the figures come from the journal's own bills.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import gemot
from gemot.machine.notes import Spoke
from gemot.models.embedded.model import EmbeddedModel

SENTENCES = (
    "The harbour office keeps one book for the boats and one for the tides.",
    "Every morning a clerk writes down which boat came in and what it carried.",
    "Fishing boats pay by their length, and sailing boats by the night.",
    "A green lamp at the pier says that the gate is open.",
    "In winter the ferry brings letters on Monday and bread on Friday.",
    "Whoever finds a rope brings it to the store beside the church.",
)
TOKENS_OUT = 4


@gemot.program(grants=("fork",))
async def family(calls: gemot.Calls, brief: str, reading: str = "", forks: int = 8) -> list[str]:
    """Read a text, then let each fork answer a question of its own about it."""
    said = [await calls.generate("What is this about?", system=reading, tokens_out_max=TOKENS_OUT)]
    children: list[int] = []
    for number in range(forks):
        child = await calls.fork(f"question {number}")
        if child == 0:
            return [
                await calls.generate(f"Question {number}: who comes first?", system=reading, tokens_out_max=TOKENS_OUT)
            ]
        children.append(child)
    waited = await calls.wait(children)
    return said + [text for outcome in sorted(waited.ended, key=lambda one: one.pid) for text in outcome.value]


@dataclass
class Side:
    """What one side did. ``parent_tokens``: computed for the parent's prompt; ``tokens``: for all prompts together."""

    parent_tokens: int
    tokens: int
    seconds: float
    parent_seconds: float
    answers: Any
    unshared: str


async def reading_of(tokens: int) -> str:
    """A text of about so many tokens."""
    model = EmbeddedModel()
    lines: list[str] = []
    try:
        while await model.count(" ".join(lines)) < tokens:
            lines.append(f"Day {len(lines) + 1}. {SENTENCES[len(lines) % len(SENTENCES)]}")
    finally:
        await model.close()
    return " ".join(lines)


async def run(reading: str, forks: int, sharing: bool) -> Side:
    """The whole family on a fresh machine. The worker is started before the clock is."""
    model = EmbeddedModel(sharing=sharing)
    unshared = await model.check()
    spoke: list[tuple[Spoke, float]] = []
    budget = gemot.Budget(tokens=10**9, usd_micros=0, millis=10**9, processes=100, depth=3, calls=10**6)
    with tempfile.TemporaryDirectory() as home:
        machine = await gemot.Machine.open(home, programs=[family], models={"engine": model})
        async with machine:
            began = time.perf_counter()

            def watch(note: Any) -> None:
                if isinstance(note, Spoke):
                    spoke.append((note, time.perf_counter() - began))

            machine.watch(watch)
            arguments = {"reading": reading, "forks": forks}
            pid = await machine.start("read", program="family", model="engine", arguments=arguments, budget=budget)
            outcome = await machine.result(pid)
            seconds = time.perf_counter() - began
    if outcome.state != "done" or len(spoke) != forks + 1:
        raise RuntimeError(f"the family did not end well: {outcome}")
    computed = [note.usage.tokens_in - note.usage.tokens_cached for note, _ in spoke]
    return Side(computed[0], sum(computed), seconds, spoke[0][1], outcome.value, unshared)


def _line(name: str, side: Side, forks: int) -> str:
    return (
        f"{name:<10} {side.parent_tokens:>7,} {side.tokens:>9,} {side.tokens / side.parent_tokens:>8.2f} "
        f"{side.parent_seconds:>9.2f} {(side.seconds - side.parent_seconds) / forks:>9.2f} {side.seconds:>9.2f}"
    )


async def compare(tokens: int, forks: int, rounds: int) -> bool:
    """Print both sides, round by round; says whether the answers were the same."""
    reading = await reading_of(tokens)
    walls: list[float] = []
    same = True
    print(f"{forks} forks of a reading; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{'':<10} {'parent':>7} {'all':>9} {'ratio':>8} {'parent s':>9} {'a fork s':>9} {'all s':>9}")
    for _ in range(rounds):
        shared, whole = await run(reading, forks, True), await run(reading, forks, False)
        if shared.unshared:
            print(f"nothing is shared on this computer: {shared.unshared}", file=sys.stderr)
        print(_line("shared", shared, forks), _line("whole", whole, forks), sep="\n")
        walls.append(shared.seconds / whole.seconds)
        same = same and shared.answers == whole.answers
        print(f"tokens {shared.tokens / whole.tokens:.3f} of whole, wall {walls[-1]:.3f} of whole")
    print(f"wall, median of {rounds}: {statistics.median(walls):.3f}; answers {'the same' if same else 'DIFFER'}")
    return same


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prefix", description=__doc__)
    parser.add_argument("--tokens", type=int, default=1500, help="how long the parent's reading is")
    parser.add_argument("--forks", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    asked = parser.parse_args()
    sys.exit(0 if asyncio.run(compare(asked.tokens, asked.forks, asked.rounds)) else 1)


if __name__ == "__main__":
    main()
