"""Run: give a goal (or resume what sleeps), follow it to its end, and leave with the code that says how it went."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gemot.abi.answers import Outcome
from gemot.abi.effects import Asked
from gemot.cli import failing
from gemot.cli.config import project_programs
from gemot.cli.display import Display, Json, Lines, Quiet, shown
from gemot.cli.failing import put, say
from gemot.cli.follow import AsksMode, Following, Local, Why
from gemot.cli.memory import settle
from gemot.cli.plain import FOREIGN, inert, one_line, plain, plain_json
from gemot.cli.reach import open_or_connect
from gemot.cli.sight import home_of, known_home
from gemot.cli.wording import details, ending, how_to_answer, joined, question, result_text
from gemot.kernel import Kernel
from gemot.kernel.receipts import NO_RECEIPT
from gemot.machine.client import Client, Gone
from gemot.machine.door import Door, given
from gemot.machine.home import Home
from gemot.machine.machine import Machine, MachineError
from gemot.machine.standstill import waits_for_person
from gemot.machine.views import ProcessView, TaskView
from gemot.machine.wishes import Start

HOSTING_SECONDS = 0.2
"""How often a host that has nothing of its own left looks whether others still need it."""


class Manner(msgspec.Struct, frozen=True):
    """How a run is shown and what becomes of asks."""

    quiet: bool = False
    json: bool = False
    asks: AsksMode = "ask"

    def display(self) -> Display:
        if self.json:
            return Json()
        if self.quiet:
            return Quiet()
        if sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
            from gemot.cli.live import Live  # rich is only needed here, and takes its time

            return Live()
        return Lines()


class Stop:
    """Ctrl-C and its relatives: the first one stops cleanly, the second at once.

    The handlers are Python's and not the event loop's: they also run while a model or a driver blocks the loop.
    """

    def __init__(self) -> None:
        self.wanted = asyncio.Event()
        self.wishes: list[Callable[[], None]] = [self.wanted.set]
        self.tell: Callable[[str], None] = say
        self._heard = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._heard:
            return  # it is closing now, and once more still stops that at once
        for number, before in self._before.items():
            signal.signal(number, before)

    def _hear(self, number: int, _: object) -> None:
        if number == signal.SIGHUP:  # the terminal is gone: whatever is still said, is said to nobody
            nobody = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                os.dup2(nobody, stream.fileno())
        if self._heard:
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # the cursor, if the live screen had hidden it
            os._exit(failing.INTERRUPTED)
        self._heard = True
        self._loop.call_soon_threadsafe(self._stop, number)

    def _stop(self, number: int) -> None:
        if number != signal.SIGHUP:
            self.tell("stopping; once more stops at once")
        for wish in self.wishes:
            wish()


def run(home: Path | None, start: Start, manner: Manner) -> int:
    """Start a goal and follow it."""
    return _heard(_follow(home_of(home), manner, start, None))


def resume(home: Path | None, pid: int | None, manner: Manner) -> int:
    """Let what sleeps go on and follow it."""
    return _heard(_follow(known_home(home), manner, None, pid))


def _heard(following: Coroutine[Any, Any, int]) -> int:
    """Follow; where nobody reads the output any more, what has not ended is left asleep, which is no success."""
    try:
        return asyncio.run(following)
    except BrokenPipeError:
        failing.to_nobody()
        say("gemot: nobody reads the output any more; what has not ended sleeps: gemot resume goes on")
        return failing.INTERRUPTED


def _put_result(text: str) -> None:
    """The last line of a run. Its work has ended, whether or not somebody still reads."""
    try:
        put(text)
        sys.stdout.flush()
    except BrokenPipeError:
        failing.to_nobody()


async def _follow(home: Home, manner: Manner, start: Start | None, pid: int | None) -> int:
    while True:
        machine = await open_or_connect(home, project_programs())
        try:
            if isinstance(machine, Machine):
                settle()
                return await _host(machine, home, manner, start, pid)
            return await _visit(machine, home, manner, start, pid)
        except MachineError:
            if isinstance(machine, Machine) and machine.failure is not None:
                raise machine.failure from None  # that says what happened; this only that it did
            raise
        except _TooLate:
            continue  # the machine that ran was just ending: now it is ours to open
        finally:
            await machine.close()


class _TooLate(Exception):
    """The machine ended before it was asked for anything, so asking another one does nothing twice."""


def _must_have_models(machine: Machine, pid: int | None) -> None:
    """A conversation must not fail for want of a key that its person has, just not here. Raises :class:`Usage`."""
    from gemot.cli.models import check

    for name in {view.model for view in machine.look(pid=pid or 0).views if view.outcome is None}:
        check(name)


async def _host(machine: Machine, home: Home, manner: Manner, start: Start | None, pid: int | None) -> int:
    async with Door(machine) as door:
        with Stop() as stop, shown(manner.display()) as display:
            following = Following(Local(machine), display, manner.asks)
            stop.wishes.append(following.stop)
            stop.tell = display.word
            await following.begin()
            if start is not None:
                roots = [await _started(machine, start)]
                display.word(_greeting(roots[0], start))
            else:
                _must_have_models(machine, pid)
                roots = _woken(machine.resume(pid), machine.look(pid=pid or 0).views, pid)
            why = await following.until_ended(roots)
            if machine.failure is not None:
                display.end(_trees(machine, roots), roots)
                raise machine.failure
            if why != "ended":
                await machine.close()  # so that what is shown is how things will be found again
            tasks = [task for root in roots for task in machine.look(pid=root).tasks] if why == "waits" else []
            code = _report(
                _trees(machine, roots), machine.asks(), tasks, roots, following.outcomes, why, manner, display
            )
            ended = [root for root in roots if root in following.outcomes]
            _remind(home, ended, manner, machine.kernel if why == "ended" else None)
            if why == "ended" and not stop.wanted.is_set():
                await _go_on_hosting(door, stop)
            return code


def _trees(machine: Machine, roots: Sequence[int]) -> list[ProcessView]:
    return [view for root in roots for view in machine.processes(root)]


async def _started(machine: Machine, start: Start) -> int:
    from gemot.cli.models import check

    for name in (start.model, *start.route, *start.models):
        check(name)
    return await machine.start(start.goal, **given(start))


async def _visit(client: Client, home: Home, manner: Manner, start: Start | None, pid: int | None) -> int:
    """The same at a machine that another terminal runs."""
    with Stop() as stop, shown(manner.display()) as display:
        following = Following(client, display, manner.asks)
        stop.wishes.append(following.stop)
        stop.tell = display.word
        try:
            await following.begin()
        except Gone:
            raise _TooLate from None
        if start is not None:
            roots = [await client.start(start)]
            display.word(_greeting(roots[0], start))
        else:
            woken = await client.resume(pid)
            roots = woken or _woken(woken, (await client.look(pid=pid or 0)).views, pid)
        why = await following.until_ended(roots)
        if why == "gone":
            display.end((), roots)
            say(f"the machine that ran it has stopped; gemot resume {roots[0]} goes on")
            return failing.INTERRUPTED
        if why in ("stopped", "waits"):
            for root in roots:
                if root not in following.outcomes:
                    await client.pause(root)
        views = [view for root in roots for view in await client.tree(root)]
        tasks = [task for root in roots for task in (await client.look(pid=root)).tasks] if why == "waits" else []
        asks = await client.asks()
        code = _report(views, asks, tasks, roots, following.outcomes, why, manner, display)
        _remind(home, [root for root in roots if root in following.outcomes], manner)
        return code


def _woken(roots: list[int], views: Sequence[ProcessView], pid: int | None) -> list[int]:
    """What a resume follows: what goes on now, or what was asked for and is awake already."""
    if roots:
        return roots
    alive = [view for view in views if view.outcome is None]
    if pid is not None:
        return [view.root for view in alive if view.pid == pid]
    awake = sorted({view.root for view in alive})
    if not awake:
        raise failing.Usage('there is nothing to resume: every process has ended. Begin something with gemot run "..."')
    return awake


def _greeting(pid: int, start: Start) -> str:
    may = {"rw": "may change it", "cow": "works on a copy (gemot diff, gemot merge)"}.get(
        start.mode, "to read only (--work DIR lets it write)"
    )
    kept = "; its files are untrusted" if start.untrusted else ""
    folder = f"sees {one_line(start.work)} as /work, {may}{kept}" if start.work else "sees no folder"
    models = ", then ".join(map(one_line, (start.model, *start.route)))
    blind = (
        "; the embedded model can't see: it is told what its images are"
        if start.images and start.model == "embedded"
        else ""
    )
    return f"process {pid}: {start.program} on {models}, {folder}{blind}"


def _report(
    views: Sequence[ProcessView],
    asks: Sequence[Asked],
    tasks: Sequence[TaskView],
    roots: Sequence[int],
    outcomes: dict[int, Outcome],
    why: Why,
    manner: Manner,
    display: Display,
) -> int:
    """The tree, then the result, then what can be done next; the result alone goes to the standard output."""
    display.end(views, roots)
    code = max((exit_code(outcomes[root]) for root in roots if root in outcomes), default=failing.DONE)
    if why == "waits":
        code = failing.WAITING
    elif why == "stopped":
        code = failing.INTERRUPTED
    for root in roots:
        if root in outcomes:
            model = next((view.model for view in views if view.pid == root), "")
            _result(outcomes[root], model, manner, code)
    if why in ("waits", "stopped"):
        left = [root for root in roots if root not in outcomes]
        _next_steps(views, asks, tasks, left, why, manner, code)
    return code


def exit_code(outcome: Outcome) -> int:
    if outcome.state == "done":
        return failing.DONE
    if outcome.rule == "budget":
        return failing.BUDGET
    return failing.REFUSED if outcome.rule in failing.REFUSALS else failing.FAILED


def hint(outcome: Outcome, model: str) -> str:
    """What would bring a person further who wanted the same again."""
    if outcome.rule == "budget":
        return "; --budget gives more"
    if model == "embedded" and outcome.rule in ("", "failed"):
        return ". The embedded model is small; a bigger one may do it: gemot models lists them, --model names one"
    return ""


def _result(outcome: Outcome, model: str, manner: Manner, code: int) -> None:
    if manner.json:
        result = {"type": "result", **msgspec.to_builtins(outcome), "exit_code": code}
        _put_result(plain_json(json.dumps(result, ensure_ascii=False)))
        return
    if outcome.state == "done":
        text = result_text(outcome.value)
        foreign = outcome.label.integrity == "foreign"
        if foreign:
            say(f"what follows is {FOREIGN}: links in it are shown so that they can't be followed by mistake")
        _put_result(plain(inert(text) if foreign else text) if sys.stdout.isatty() else text)
        for claim, shown in outcome.receipt.claims.items():
            if shown == NO_RECEIPT:
                say(f"it says {plain(claim)!r}, and no receipt shows it: gemot receipt {outcome.pid}")
        return
    say(f"gemot: process {outcome.pid} {ending(outcome)}: {plain(outcome.error, 4000)}{hint(outcome, model)}")


def _remind(home: Home, ended: Iterable[int], manner: Manner, kernel: Kernel | None = None) -> None:
    """What was done on a copy is not where the person looks for it."""
    from gemot.cli.copies import unmerged

    for pid in () if manner.quiet or manner.json else unmerged(home, ended, kernel):
        say(f"process {pid} changed its copy: gemot diff {pid} shows what, gemot merge {pid} brings it home")


def _next_steps(
    views: Sequence[ProcessView],
    asks: Sequence[Asked],
    tasks: Sequence[TaskView],
    roots: Sequence[int],
    why: Why,
    manner: Manner,
    code: int,
) -> None:
    mine = {view.pid for view in views if view.root in roots}
    open_asks = [asked for asked in asks if asked.pid in mine]
    if manner.json:
        for root in roots:
            state = "waiting" if why == "waits" else "interrupted"
            put(json.dumps({"type": "result", "pid": root, "state": state, "exit_code": code}))
        return
    if why == "waits":
        from gemot.cli.board import wanted_of_you

        wanted = list(wanted_of_you([task for task in tasks if task.root in roots and task.wants_person]))
        say("it waits for you:" if open_asks or wanted else f"it waits for a message: gemot send {joined(roots)} TEXT")
        for line in wanted:
            say(f"  {line}")
    for asked in open_asks if why == "waits" else []:
        say(f"  {asked.pid} asks ({asked.ask}): {question(asked)}")
        for line in [] if asked.tool else details(asked):
            say(f"  {line}")
        say(f"      {how_to_answer(asked)}")
    say("\n".join(f"gemot resume {root} goes on" for root in roots))


async def _go_on_hosting(door: Door, stop: Stop) -> None:
    """Others gave this machine goals: stay until those are done, asleep, or wait for people who are not there."""
    machine = door.machine
    said = False
    while machine.failure is None:
        awake = awake_roots(machine)
        if not awake or (not door.watchers and waits_for_person(machine.kernel, awake)):
            return
        if not said:
            say(
                f"others still use this machine: it goes on with {joined(awake[:8])}{' and more' if awake[8:] else ''} until they end; Ctrl-C stops them cleanly"
            )
            said = True
        try:
            await asyncio.wait_for(stop.wanted.wait(), HOSTING_SECONDS)
            return
        except TimeoutError:
            continue


def awake_roots(machine: Machine) -> list[int]:
    """The trees that live and do not sleep."""
    kernel = machine.kernel
    living = {root for root in kernel.trees if kernel.processes[root].alive}
    return sorted((living | kernel.away.keys()) - kernel.asleep)
