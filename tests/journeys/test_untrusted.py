"""What is read from an untrusted mount is foreign, whichever tool reads it, and nothing else is: command line and library."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from people import SCRIPTS, Person

from gemot import Calls, Grant, Machine, Mount, Outcome, program, tool
from gemot.abi.grants import MountRequest
from gemot.boxes import guarantees
from gemot.drivers.boxed import WALLS

BOXED = not guarantees().missing(WALLS)
needs_box = pytest.mark.skipif(not BOXED, reason="needs a box")
STEPPER = """+++
name = "stepper"
description = "Does the steps that it is told."
grants = ["files/*", "shell/run", "python/run"]
+++
Do it. $files
"""


def run(person: Person, wanted: list[Any], *words: str) -> dict[str, Any]:
    """The result of `gemot run` with these steps, as `--json` prints it."""
    programs = person.folder / "config" / "gemot" / "programs"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "stepper.md").write_text(STEPPER)
    model = f"scripted:{SCRIPTS / 'stepping.py'}:steps"
    goal = json.dumps(wanted)
    done = person.gemot("run", goal, "--program", "stepper", "--model", model, "--json", *words)
    return person.notes(done)[-1]


READS: list[tuple[str, dict[str, Any]]] = [
    ("files/read", {"path": "a.txt"}),
    ("files/list", {"path": "."}),
    ("files/find", {"pattern": "*"}),
    ("files/search", {"text": "nothing of it"}),
    ("files/facts", {"path": "a.txt"}),
    ("files/read", {"path": "nothing of that name"}),
]
RUNS = [READS, [("shell/run", {"command": "true"})], [("python/run", {"code": "pass"})]]
"""Each in a run of its own: who has read foreign text is asked about a command."""


@pytest.mark.parametrize("mark", ["ro,untrusted", "untrusted", "cow,untrusted", "ro"])
def test_what_every_tool_says_of_an_untrusted_work_folder_is_foreign(person: Person, mark: str) -> None:
    person.files(a__txt="hello\n")
    expected = "foreign" if "untrusted" in mark else "person"
    for steps in RUNS if BOXED else RUNS[:1]:
        run(person, steps, "--work", f"{person.work}:{mark}")
    done = [event["outcome"] for event in person.events() if event["type"] == "done"]
    results = [one for one in done if one["type"] in ("value", "failure")]
    assert [one.get("label", {}).get("integrity", "person") for one in results] == [expected] * len(results), results
    assert len(results) >= len(READS)
    result = run(person, [], "--work", f"{person.work}:{mark}")
    assert result["label"]["integrity"] == "model", "who has read nothing is not tainted"


@pytest.mark.parametrize("listed", ["wörk", "wörk/sub", "."])
def test_a_folder_that_the_configuration_calls_untrusted_is_so_in_every_mount(person: Person, listed: str) -> None:
    person.files(a__txt="hello\n")
    (person.work / "sub").mkdir()
    run(person, [], "--work", f"{person.work}:ro")
    place = person.folder if listed == "." else person.folder / listed
    (person.folder / "config" / "gemot" / "gemot.toml").write_text(f'[files]\nuntrusted = ["{place}"]\n')
    result = run(person, [("files/read", {"path": "a.txt"})], "--work", f"{person.work}:ro")
    assert result["label"]["integrity"] == "foreign"


def test_an_imported_tree_keeps_the_mark_and_the_person_can_set_it(person: Person) -> None:
    person.files(a__txt="hello\n")
    for number, mark in ((1, "ro"), (2, "ro,untrusted")):
        run(person, [("files/read", {"path": "a.txt"})], "--work", f"{person.work}:{mark}")
        person.gemot("export", str(number), f"tree{number}")
    for number, said in ((1, ":untrusted"), (2, "")):
        home = person.folder / f"new{number}"
        mount = f"work={person.work}{said}"
        person.gemot("import", f"tree{number}", "--mount", mount, "--yes", "--home", str(home))
        pid = str(number)
        person.gemot("export", pid, f"again{number}", "--home", str(home))
        from gemot.machine import carrying

        mounts = carrying.mounts(carrying.read(person.work / f"again{number}"))
        assert [one.untrusted for one in mounts] == [True]
    person.gemot("import", "tree1", "--mount", f"work={person.work}:rw", "--yes", "--home", "another", code=2)


# -- several mounts, children, merges: the library ----------------------------------------------------------

RIGHTS = tuple(map(Grant, ("files/*", "copies/*", "shell/*", "spawn", "wait", "send", "receive")))


@program(grants=("files/*", "shell/*"))
async def reader(calls: Calls, brief: str) -> Any:
    """Uses one tool, as its brief says."""
    (result,) = await calls.call_all(*[(tool, given) for tool, given in json.loads(brief)])
    return result.text


def told(tmp_path: Path, tell: Any, *mounts: Mount) -> Outcome:
    """How a parent ended that sees these mounts and does what ``tell`` does."""

    @program(grants=("files/*", "copies/*", "shell/*", "spawn", "wait"))
    async def parent(calls: Calls, brief: str) -> Any:
        """Tells its story."""
        return await tell(calls)

    async def ran() -> Outcome:
        async with await Machine.open(tmp_path / "home", programs=[parent, reader]) as machine:
            pid = await machine.start("x", program="parent", mounts=mounts, grants=RIGHTS)
            return await asyncio.wait_for(machine.result(pid), 60)

    outcome = asyncio.run(ran())
    assert outcome.state == "done", outcome
    return outcome


@pytest.fixture
def mounts(tmp_path: Path) -> tuple[Mount, Mount]:
    """A trusted one and an untrusted one."""
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(f"{name}\n")
    return Mount("mine", str(tmp_path / "mine"), "rw"), Mount("theirs", str(tmp_path / "theirs"), untrusted=True)


@pytest.mark.parametrize(("path", "integrity"), [("/mine/a.txt", "person"), ("/theirs/a.txt", "foreign")])
def test_of_two_mounts_only_the_one_that_is_named_counts(
    tmp_path: Path, mounts: tuple[Mount, Mount], path: str, integrity: str
) -> None:
    async def tell(calls: Calls) -> Any:
        return (await calls.call_all(("files/read", {"path": path})))[0].text

    assert told(tmp_path, tell, *mounts).label.integrity == integrity


@needs_box
def test_what_a_box_carried_out_of_an_untrusted_mount_stays_foreign_for_the_whole_tree(
    tmp_path: Path, mounts: tuple[Mount, Mount]
) -> None:
    """The command runs in a child whose result nobody reads."""

    async def tell(calls: Calls) -> Any:
        brief = json.dumps([["shell/run", {"command": "cp /theirs/a.txt /mine/b.txt"}]])
        await calls.spawn(brief, "reader")
        await calls.wait(results=False)
        return (await calls.call_all(("files/read", {"path": "/mine/b.txt"})))[0].text

    outcome = told(tmp_path, tell, *mounts)
    assert outcome.value == "theirs\n" and outcome.label.integrity == "foreign"


@pytest.mark.parametrize(
    ("request_", "integrity"),
    [
        (MountRequest("/mine", "work", "ro"), "person"),
        (MountRequest("/mine", "work", "ro", untrusted=True), "foreign"),
        (MountRequest("/theirs", "work", "ro"), "foreign"),
        (MountRequest("/theirs", "work", "cow", untrusted=False), "foreign"),
    ],
)
def test_a_child_keeps_the_mark_and_a_parent_can_only_set_it(
    tmp_path: Path, mounts: tuple[Mount, Mount], request_: MountRequest, integrity: str
) -> None:
    async def tell(calls: Calls) -> Any:
        await calls.spawn(json.dumps([["files/read", {"path": "a.txt"}]]), "reader", mounts=(request_,))
        return (await calls.wait()).ended[0].value

    assert told(tmp_path, tell, *mounts).label.integrity == integrity


def test_merging_a_copy_of_an_untrusted_mount_carries_the_mark(tmp_path: Path, mounts: tuple[Mount, Mount]) -> None:
    async def tell(calls: Calls) -> Any:
        step = [["files/write", {"path": "new.txt", "content": "x"}]]
        pid = await calls.spawn(
            json.dumps(step), "reader", mounts=(MountRequest("/mine", "work", "cow", untrusted=True),)
        )
        await calls.wait(results=False)
        return [one.text for one in await calls.call_all(("copies/merge", {"pid": pid}))]

    assert told(tmp_path, tell, *mounts).label.integrity == "foreign"


# -- what was read from a private path that is shown, and what may leave ----------------------------------------


@pytest.mark.parametrize(
    ("carries", "leaves"),
    [((), False), (("private:.pem",), False), (("private:.env",), True), (("*",), True), (None, False)],
)
@pytest.mark.parametrize("command", [False, True])
def test_what_was_read_from_a_shown_private_path_leaves_only_where_the_grant_carries_it(
    tmp_path: Path, carries: tuple[str, ...] | None, leaves: bool, command: bool
) -> None:
    if command and not BOXED:
        pytest.skip("needs a box")
    work = tmp_path / "work"
    work.mkdir()
    (work / ".env").write_text("PIN=4711\n")
    sent: list[str] = []

    @tool("post/send", effect="sends", repeatable=False)
    def send(body: str) -> str:
        """Send a letter."""
        sent.append(body)
        return "sent"

    look = ("shell/run", {"command": "cat .env"}) if command else ("files/read", {"path": ".env"})

    @program(grants=("files/*", "shell/*", "post/send"))
    async def parent(calls: Calls, brief: str) -> Any:
        """Reads, then sends what it has read, and then something else."""
        (read,) = await calls.call_all(look)
        assert "4711" in read.text, read
        return [
            one.text for body in (read.text, "hello") for one in await calls.call_all(("post/send", {"body": body}))
        ]

    async def ran() -> Outcome:
        async with await Machine.open(in_memory=True, programs=[parent], tools=[send]) as machine:
            mounts = (Mount("work", str(work), shown=(".env",)),)
            rights = (Grant("files/*"), Grant("shell/*"), Grant("post/send", carries=carries))
            pid = await machine.start("x", program="parent", mounts=mounts, grants=rights)
            return await asyncio.wait_for(machine.result(pid), 60)

    outcome = asyncio.run(ran())
    assert outcome.state == "done", outcome
    assert len(sent) == (2 if leaves else 0), (sent, outcome.value)
    assert leaves or all("may tell of private:.env" in text for text in outcome.value), outcome.value
