"""Changes: `send`, `answer`, `kill`, `revoke`, `pause`, `fork`, `move`. They work on a running machine and on one that sleeps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from pathlib import Path
from typing import Literal

from gemot.cli import config, options
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.reach import change
from gemot.cli.wording import joined
from gemot.drivers.kit import Picture
from gemot.machine.client import Client
from gemot.machine.machine import DEFAULT_BUDGET, Machine
from gemot.machine.wishes import Shown


def told(words: str, machine: Machine | Client, pid: int) -> None:
    """Say what was done; and, where nobody runs the machine, how the process goes on."""
    if isinstance(machine, Machine):
        # A native program may have needed nothing but this to come to its end.
        alive = machine.kernel.processes[pid].alive
        words += f"; it sleeps: gemot resume {pid} lets it go on" if alive else "; it has ended: gemot tree shows how"
    put(words)


def send(home: Path | None, pid: int, text: str, images: Sequence[Shown] = ()) -> int:
    async def work(machine: Machine | Client) -> None:
        await machine.send(pid, text, list(starmap(Picture, images)))
        told(f"sent to {pid}", machine, pid)

    change(home, work)
    return DONE


def answer(home: Path | None, ask: int, word: str, scope: Literal["once", "process", "subtree"], why: str) -> int:
    async def work(machine: Machine | Client) -> None:
        found = machine.asks() if isinstance(machine, Machine) else await machine.asks()
        asked = next((one for one in found if one.ask == ask), None)
        if asked is None:
            open_now = ", ".join(str(one.ask) for one in found) or "none"
            raise Usage(f"there is no open ask {ask}; open: {open_now}")
        if asked.tool:
            allow = _yes_or_no(ask, word)
            await machine.answer(ask, allow, why, scope)
            told(f"{'allowed' if allow else 'refused'} {asked.tool} for {asked.pid}", machine, asked.pid)
        elif asked.actions:
            some = word if word[:1].isdecimal() else ""
            allow = bool(some) or _yes_or_no(ask, word, ', or the numbers of what is allowed, as in "1 3"')
            if allow and why:
                raise Usage(
                    f"--why would do nothing here: ask {ask} is about several actions, and reasons go with a no"
                )
            await machine.answer(ask, allow, some if allow else why, scope)
            told(f"{'allowed' if allow else 'refused'} {some or 'all'} of what {asked.pid} asked", machine, asked.pid)
        elif asked.plan:
            if scope != "once":
                raise Usage(f"ask {ask} is about a plan: what is endorsed counts for its process; leave --for out")
            allow = word.lower() not in ("n", "no")
            if allow and why:
                raise Usage(f"--why would do nothing here: ask {ask} is about a plan, and reasons go with a no")
            await machine.answer(ask, allow, word if allow else why)
            told(f"{'endorsed' if allow else 'refused'} what {asked.pid} asked", machine, asked.pid)
        else:
            if scope != "once" or why:
                raise Usage(f"ask {ask} is a question: --for and --why are for actions")
            await machine.answer(ask, True, word)
            told(f"answered ask {ask} of {asked.pid}", machine, asked.pid)

    change(home, work)
    return DONE


def _yes_or_no(ask: int, word: str, more: str = "") -> bool:
    if word.lower() in ("y", "yes"):
        return True
    if word.lower() in ("n", "no"):
        return False
    raise Usage(f'ask {ask} is about an action: answer yes or no{more}, not {word!r}; say more with --why "..."')


def kill(home: Path | None, pid: int, reason: str) -> int:
    async def work(machine: Machine | Client) -> None:
        await machine.kill(pid, reason)
        put(f"ended {pid} and all of its descendants")

    change(home, work)
    return DONE


def revoke(home: Path | None, pid: int, tool: str) -> int:
    """Take a right away, and say from whom."""

    async def work(machine: Machine | Client) -> None:
        holders = await machine.revoke(pid, tool)
        put(f"{tool} is revoked from process{'es' if len(holders) > 1 else ''} {joined(holders)}")

    change(home, work)
    return DONE


def pause(home: Path | None, pid: int) -> int:
    """Put a tree to sleep. One that no machine runs sleeps already."""

    async def work(machine: Machine | Client) -> None:
        if isinstance(machine, Client):
            await machine.pause(pid)
            put(f"the tree of {pid} sleeps; gemot resume {pid} lets it go on")
        else:
            machine.pause(pid)
            put(f"the tree of {pid} sleeps already: no machine runs; gemot resume {pid} lets it go on")

    change(home, work)
    return DONE


def fork(home: Path | None, pid: int, text: str, budget: str) -> int:
    means = options.budget(budget, config.read().budget, DEFAULT_BUDGET)

    async def work(machine: Machine | Client) -> None:
        made = await machine.fork(pid, text, means)
        told(f"process {made} knows what {pid} knows, and your words", machine, made)

    change(home, work)
    return DONE


def move(home: Path | None, pid: int, model: str) -> int:
    from gemot.cli.models import check

    check(model)  # a conversation that goes on with a model that can't answer ends there

    async def work(machine: Machine | Client) -> None:
        await machine.move(pid, model)
        told(f"{pid} goes on with {model}", machine, pid)

    change(home, work)
    return DONE
