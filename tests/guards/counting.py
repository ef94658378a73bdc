"""Counts the function calls that gemot makes, instead of its seconds: the same on a busy machine and on a quiet one.

    python counting.py [machine | commands]

Counted are calls of functions of this package, and the calls of built-in functions that they make. Libraries and the standard library
count as one call each, so that another version of them changes nothing. Order and time come from the simulator's loop
(`tests/simulation/virtual.py`). The figures are printed as JSON. The counts hold for one minor version of Python.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median_low
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "simulation")]

from virtual import VirtualLoop, VirtualThreads  # noqa: E402

import gemot  # noqa: E402
from gemot import Calls, Grant, Machine, program, request, scripted  # noqa: E402
from gemot.abi.grants import Budget, BudgetRequest  # noqa: E402
from gemot.journal.sqlite import SqliteJournal  # noqa: E402
from gemot.machine.home import Home  # noqa: E402
from gemot.programs.library import load  # noqa: E402

PACKAGE = str(Path(gemot.__file__).parent) + "/"
EPOCH = 1_700_000_000.0
LONG = 1_000
"""Turns of the long conversation."""
FORKS = 21
WIDTHS = (10, 1_000)
"""Children that live beside the one that ends."""
ALARMS = 50
RUNS, TURNS = 500, 25
"""Of the large home: 500 runs of 25 turns are 50,000 records."""
COMMAND_CALLS_MAX = 1_000_000
"""A command is counted so far. One that folds a long history makes more, and counting all of them takes its time."""
COMMANDS = {
    "ps": ("ps",),
    "tree": ("tree", "{last}"),
    "log": ("log", "{last}"),
    "run": ("run", "hello", "--model", "scripted:{script}:reply", "--json"),
}
BUDGET = Budget(tokens=10**15, usd_micros=0, millis=10**12, processes=10**5, depth=5, calls=10**9)
RIGHTS = (Grant("echo/*"), Grant("spawn"), Grant("receive"), Grant("alarm"))
Figures = dict[str, int]


class Counter:
    """``calls``: so many were made while it was on, up to ``most`` (0: without a limit)."""

    def __init__(self, most: int = 0) -> None:
        self.calls = 0
        self._most = most
        self._ours: dict[CodeType, bool] = {}

    def _count(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" or event == "c_call":
            code = frame.f_code
            ours = self._ours.get(code)
            if ours is None:
                ours = self._ours[code] = code.co_filename.startswith(PACKAGE)
            self.calls += ours
            if self._most and self.calls >= self._most:
                sys.setprofile(None)

    def __enter__(self) -> Counter:
        self.calls = 0
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


@gemot.tool("echo/say", effect="computes", repeatable=True)
async def echo(turn: int, text: str) -> str:
    """Say. turn: which. text: what."""
    return text


@program(grants=("spawn",))
async def wide(calls: Calls, brief: str) -> str:
    """Begins so many children, and waits for all."""
    share = BudgetRequest(tokens=1, usd_micros=0, seconds=1, processes=0, depth=0, calls=10)
    for _ in range(int(brief)):
        await calls.spawn("go", "leaf", budget=share)
    await calls.wait()
    return "all"


@program(grants=("receive",))
async def leaf(calls: Calls, brief: str) -> str:
    """Ends when a message comes."""
    await calls.receive()
    return "r" * 100


@program(grants=("alarm", "receive"))
async def sleeper(calls: Calls, brief: str) -> str:
    """Wakes so many times."""
    for _ in range(int(brief)):
        await calls.alarm(60.0)
        await calls.receive()
    return "slept"


def use(question: Any) -> Any:
    """The next tool use of a conversation that makes one in each turn."""
    return request("echo/say", turn=len(question.messages) // 2, text="x" * 100)


def short(question: Any) -> Any:
    """A model that makes one tool use in each turn, and exits after so many."""
    return use(question) if len(question.messages) < 2 * TURNS else request("exit", value="done")


class Guarded:
    """A machine on a real file, in the simulator's loop: its clock is the loop's."""

    def __init__(self, file: Path, model: Callable[[Any], Any]) -> None:
        self.loop = VirtualLoop(Random(1))
        models = {"m": scripted(model, tokens_max=10**9)}
        self.machine = Machine(
            SqliteJournal(file),
            load((), (wide, leaf, sleeper)),
            gemot.drivers.kit.drivers_of([echo]),
            models.__getitem__,
            clock=lambda: EPOCH + self.loop.time(),
        )
        self.machine._loop.stage.uses.threads = VirtualThreads()  # type: ignore[assignment]

    def __enter__(self) -> Guarded:
        self.loop.__enter__()
        self.machine._boot(False)
        self.loop.run()
        return self

    def __exit__(self, *_: object) -> None:
        self.wait(self.machine.close())
        self.loop.__exit__()

    def wait(self, coroutine: Awaitable[Any]) -> Any:
        return self.loop.result(coroutine)  # type: ignore[arg-type]

    def start(self, goal: str, name: str = "solo") -> int:
        return self.wait(self.machine.start(goal, program=name, model="m", grants=RIGHTS, budget=BUDGET))


def conversation(folder: Path) -> Figures:
    """Of one long conversation: a turn early and late, the bytes that turns take, and forks of it when it sleeps."""
    counter, marks = Counter(), list[int]()
    file = folder / "long.db"

    async def model(question: Any) -> Any:
        marks.append(counter.calls)
        if len(marks) > LONG:
            await asyncio.get_running_loop().create_future()  # it thinks until the machine is closed
        return use(question)

    with Guarded(file, model) as guarded:
        pid = guarded.start("go")
        with counter:
            guarded.loop.run(lambda: len(marks) > LONG)
    each = [after - before for before, after in pairwise(marks)]
    figures = {f"calls of turn {at}": median_low(each[at - 5 : at + 5]) for at in (10, LONG - 10)}
    figures["bytes of a turn"] = file.stat().st_size // LONG
    forks: list[int] = []
    with Guarded(file, lambda _: request("exit", value="forked")) as guarded:
        for _ in range(FORKS):
            with counter:
                guarded.wait(guarded.machine.fork(pid, "go on", budget=BUDGET))
            forks.append(counter.calls)
    return figures | {f"calls of a fork of {LONG} turns": median_low(forks)}


def children(folder: Path) -> Figures:
    """From the message to a child until its end is known, beside many that live."""
    counter, figures = Counter(), Figures()
    for width in WIDTHS:
        with Guarded(folder / f"wide {width}.db", lambda _: "") as guarded:
            machine = guarded.machine
            root = guarded.start(str(width), "wide")
            guarded.loop.run(lambda: machine.kernel.processes[root].state == "waiting")
            ends: list[int] = []
            for child in list(machine.kernel.processes[root].children)[:5]:
                with counter:
                    machine._loop.happens_now(gemot.abi.events.Said(machine._now(), child, "end"))
                    guarded.wait(machine.result(child))
                ends.append(counter.calls)
            assert machine.kernel.processes[root].state == "waiting"
        figures[f"calls of the end of one child of {width}"] = median_low(ends)
    return figures


def alarms(folder: Path) -> Figures:
    """From one ring to the next: the tick, the answer, the next alarm, the next wait."""
    counter = Counter()
    with Guarded(folder / "alarms.db", lambda _: "") as guarded:
        pid = guarded.start(str(ALARMS), "sleeper")
        with counter:
            guarded.wait(guarded.machine.result(pid))
    return {"calls of an alarm": counter.calls // ALARMS}


def large(home: Path) -> int:
    """Fill a home with 50,000 records; the pid of its last tree."""
    with Guarded(Home(home).journal, short) as guarded:
        pids = [guarded.start(f"goal {number}") for number in range(RUNS)]
        guarded.wait(asyncio.wait_for(asyncio.gather(*map(guarded.machine.result, pids)), 10**6))
        assert guarded.machine._loop.journal.position >= 50_000, guarded.machine._loop.journal.position
    return pids[-1]


def commands(folder: Path) -> Figures:
    """Of commands on a large home where no machine runs; each in a process of its own."""
    script = folder / "script.py"
    script.write_text(
        'from gemot import request\n\n\ndef reply(question):\n    return request("exit", value="hello")\n'
    )
    last, figures = large(folder / "home"), Figures()
    for name, words in COMMANDS.items():
        typed = [word.format(last=last, script=script) for word in words] + ["--home", str(folder / "home")]
        done = subprocess.run(
            [sys.executable, __file__, "typed", *typed], capture_output=True, text=True, cwd=folder, check=False
        )
        assert done.returncode == 0, done.stderr
        figures[f"calls of gemot {name}, 50,000 records"] = int(done.stderr.splitlines()[-1])
    return figures


def typed(words: list[str]) -> int:
    """One command, as a person types it; the number of its calls is the last line of the standard error."""
    from gemot.cli import main

    sys.argv = ["gemot", *words]
    code = 0
    counter = Counter(COMMAND_CALLS_MAX)
    with counter:
        try:
            main.main()
        except SystemExit as end:
            code = int(end.code or 0)
    print(counter.calls, file=sys.stderr)
    return code


LOOKS = {
    "ps": ("ps", "--all", "--json"),
    "tree": ("tree", "--json"),
    "asks": ("asks",),
    "alarms": ("alarms",),
    "board": ("board", "show"),
    "receipt": ("receipt", "1"),
    "log": ("log", "1"),
}
"""Commands that look."""


def modules(folder: Path) -> Figures:
    """Of commands that look: how many modules each loads."""
    home = folder / "small"
    with Guarded(Home(home).journal, short) as guarded:
        guarded.wait(guarded.machine.result(guarded.start("goal")))
    return {f"modules of gemot {name}": len(loaded(home, *words)) for name, words in LOOKS.items()}


def loaded(home: Path, *words: str) -> list[str]:
    """The modules that a command loads."""
    names = (
        "import sys\nsys.argv = ['gemot', *sys.argv[1:]]\nfrom gemot.cli.main import main\ntry:\n    main()\nfinally:\n"
    )
    names += "    print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", names, *words, "--home", str(home)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1].split()


GROUPS: dict[str, tuple[Callable[[Path], Figures], ...]] = {
    "machine": (conversation, children, alarms),
    "commands": (commands,),
    "modules": (modules,),
}


def main() -> int:
    group, *words = sys.argv[1:] or ["machine"]
    if group == "typed":
        return typed(words)
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        for measure in GROUPS[group]:
            figures |= measure(Path(folder))
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
