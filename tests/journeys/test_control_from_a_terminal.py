"""What a library can ask of a machine, a person can ask from a terminal, while the machine runs and while it rests."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest
from people import SCRIPTS, Person

from gemot import Machine, scripted
from gemot.cli.main import parser
from gemot.machine.client import Client

COMMANDS = {
    "start": "run", "result": "run", "events": "run", "resume": "resume", "send": "send", "answer": "answer",
    "work": "board", "tasks": "board", "kill": "kill", "revoke": "revoke", "retract": "retract", "foresee": "retract",
    "rewind": "rewind", "done_since": "rewind", "move": "move", "fork": "fork", "pause": "pause", "export": "export", "adopt": "import",
    "archive": "archive", "clear": "delete", "processes": "ps", "providers": "models", "asks": "asks", "look": "tree",
    "receipt": "receipt", "noted": "log",
}  # fmt: skip
"""By operation of `Machine`: the command that asks for it."""

LOCAL = {"open", "close", "watch", "portion", "kernel", "idle", "failure"}
"""What concerns the object in one's own program, not the machine behind it."""

THROUGH_NOTES = {"result", "events"}
"""A client hears of these by `watch`."""


def operations() -> set[str]:
    return {name for name, _ in inspect.getmembers(Machine) if not name.startswith("_")} - LOCAL


def test_every_operation_of_a_machine_has_a_command() -> None:
    (commands,) = [action for action in parser()._actions if action.dest == "command"]
    assert operations() == set(COMMANDS)
    assert set(COMMANDS.values()) <= set(commands.choices or ())


def test_every_operation_of_a_machine_can_be_asked_through_its_door() -> None:
    missing = {name for name in operations() - THROUGH_NOTES if not hasattr(Client, name)}
    assert not missing
    for name in operations() - THROUGH_NOTES - {"start", "adopt"}:
        own, remote = (set(inspect.signature(getattr(kind, name)).parameters) for kind in (Machine, Client))
        assert own <= remote, f"{name} takes less through the door"


def test_revoke_takes_a_right_from_a_running_tree(person: Person) -> None:
    person.files(a__txt="words\n")
    running = person.begin("run", "wait", "-q", "--model", f"scripted:{SCRIPTS / 'trouble.py'}:listener")
    person.until(lambda: "waiting" in person.gemot("ps", code=None).out)
    assert "files/* is revoked from process 1" in person.gemot("revoke", "1", "files/*").out
    assert "neither 1 nor a process below it" in person.gemot("revoke", "1", "files/*", code=2).err
    person.gemot("send", "1", "go on")
    running.communicate(timeout=60)
    assert any(event["type"] == "revoked" for event in person.events())


def test_revoke_of_a_tool_that_does_not_exist_names_the_closest(person: Person) -> None:
    person.run("trouble.py:asker", "paint", code=5)
    assert "files/read" in person.gemot("revoke", "1", "files/raed", code=2).err


def test_kill_says_why(person: Person) -> None:
    running = person.begin("run", "wait", "-q", "--model", f"scripted:{SCRIPTS / 'trouble.py'}:listener")
    person.until(lambda: "waiting" in person.gemot("ps", code=None).out)
    person.gemot("kill", "1", "--why", "it took too long")
    running.communicate(timeout=60)
    (process,) = person.processes()
    assert process["outcome"]["error"] == "it took too long"


def test_pause_puts_a_tree_to_sleep(person: Person) -> None:
    running = person.begin("run", "wait", "-q", "--model", f"scripted:{SCRIPTS / 'trouble.py'}:listener")
    person.until(lambda: "waiting" in person.gemot("ps", code=None).out)
    assert "sleeps" in person.gemot("pause", "1").out
    assert "asleep" in person.gemot("ps").out
    person.gemot("resume", "1", "--detach")
    person.gemot("send", "1", "awake again")
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out.strip()) == (0, "awake again"), err


def test_run_with_a_grant_that_the_program_does_not_ask_for_is_refused(person: Person) -> None:
    refused = person.gemot("run", "x", "--program", "runner", "--grant", "bank/pay", code=2).err
    assert "--grant bank/pay" in refused and "asks for" in refused


def test_run_with_a_grant_leaves_the_other_rights_out(person: Person) -> None:
    person.run("trouble.py:asker", "paint", "--grant", "files/read", "--grant", "ask", "--name", "reader", code=5)
    (process,) = person.processes()
    assert process["name"] == "reader"
    assert "neither 1" in person.gemot("revoke", "1", "files/write", code=2).err
    assert "revoked from process 1" in person.gemot("revoke", "1", "files/read").out


def test_a_machine_of_a_library_answers_at_its_door(person: Person) -> None:
    async def story(home: Path) -> str:
        async with await Machine.open(home, models={"s": scripted(["hello"])}) as machine:
            await machine.start("go", model="s", name="embedded here")
            return (await asyncio.to_thread(person.gemot, "ps", "--all")).out

    assert "embedded here" in asyncio.run(story(person.home))


def test_a_machine_without_a_door_says_that_it_has_none(person: Person) -> None:
    async def story(home: Path) -> str:
        async with await Machine.open(home, models={"s": scripted(["hello"])}, door=False):
            return (await asyncio.to_thread(person.gemot, "send", "1", "x", code=None)).err

    assert "does not answer at its door" in asyncio.run(story(person.home))


@pytest.mark.parametrize("tool", [5, None, ""])
def test_revoke_of_something_that_is_no_name_is_an_error(tool: object) -> None:
    from gemot import MachineError

    async def story() -> None:
        async with await Machine.open(in_memory=True, models={"s": scripted(["hello"])}) as machine:
            pid = await machine.start("go", model="s")
            with pytest.raises(MachineError):
                await machine.revoke(pid, tool)  # type: ignore[arg-type]
            assert machine.failure is None

    asyncio.run(story())
