"""The code that the documentation shows is run as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from embedded_weights import needs_weights

from gemot.abi.syscalls import Task
from gemot.machine.machine import Machine
from gemot.models.scripted import scripted
from gemot.programs.native import Calls, program

ROOT = Path(__file__).parents[2]


def python_of(page: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S))


def test_library_page_runs_as_it_stands(tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text(python_of("docs/how-to/library.md"))
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_library_page_shows_a_program_and_a_tool_in_under_thirty_lines_each() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/how-to/library.md").read_text(), re.S)
    assert all(len(block.splitlines()) < 30 for block in blocks)


def test_clerks_of_the_board_page_do_what_is_ready_until_nothing_is_left(tmp_path: Path) -> None:
    page: dict[str, Any] = {}
    exec(python_of("docs/how-to/work-a-board.md"), page)

    @program(grants=("add", "accept", "spawn", "claim", "complete", "files/*"))
    async def boss(calls: Calls, brief: str) -> list[str]:
        await calls.add(Task("b.txt", after=("a",)), Task("a.txt", name="a"))
        clerks = [await calls.spawn("work", "clerk") for _ in range(2)]
        while clerks:
            waited = await calls.wait(clerks, mode="any", board=True)
            clerks = list(waited.running)
            for task in await calls.tasks("completed"):
                await calls.accept(task["number"])
        return [task["result"] for task in await calls.tasks("accepted")]

    async def work() -> None:
        async with await Machine.open(
            in_memory=True, programs=[page["clerk"], boss], models={"none": scripted(str)}
        ) as machine:
            pid = await machine.start("read both", program="boss", work=tmp_path, model="none")
            outcome = await asyncio.wait_for(machine.result(pid), 30)
            assert outcome.value == ["two", "one"], outcome

    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    asyncio.run(work())


def test_the_driver_of_its_page_counts_and_is_one_of_a_machine(tmp_path: Path) -> None:
    page: dict[str, Any] = {}
    exec(python_of("docs/how-to/write-a-tool.md"), page)
    page["test_count"](tmp_path)

    async def work() -> None:
        async with await page["opened"](str(tmp_path / "home")) as machine:
            assert {"words/count", "files/read"} <= set(machine.kernel.tools)

    asyncio.run(work())


def test_the_clerk_of_the_page_on_models_reads_and_ends(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/how-to/models.md").read_text(), re.S)
    page: dict[str, Any] = {}
    exec(blocks[-1], page)
    (tmp_path / "a.md").write_text("one")
    (tmp_path / "b.md").write_text("two")

    async def work() -> None:
        async with await Machine.open(in_memory=True, models={"clerk": page["model"]}) as machine:
            pid = await machine.start("read both", work=tmp_path, model="clerk")
            outcome = await asyncio.wait_for(machine.result(pid), 30)
            assert (outcome.state, outcome.value) == ("done", "one, two"), outcome

    asyncio.run(work())


@needs_weights
def test_every_command_of_the_tour_does_what_the_readme_says(tmp_path: Path) -> None:
    """In one shell, in order, on the embedded model; what stands after ``# ->`` must be in the output."""
    tour = (ROOT / "README.md").read_text().split("## A tour in five minutes")[1].split("\n## ")[0]
    script = "\n".join(re.findall(r"```sh\n(.*?)```", tour, re.S))
    commands = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "GEMOT_HOME": str(tmp_path / "home"),
        "GEMOT_CONFIG": str(tmp_path / "config"),
    }
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    missing = [text for text in re.findall(r"^# -> (.*)$", script, re.M) if text not in done.stdout]
    assert missing == [], done.stdout + done.stderr
