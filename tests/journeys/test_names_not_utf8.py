"""A folder whose name is not UTF-8 never becomes another folder: it is refused with the reason before anything starts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from people import SCRIPTS, Person

from gemot import Machine, MachineError, scripted
from gemot.abi.grants import Mount
from gemot.machine.home import HomeError

ODD = os.fsdecode(b"l\xe9")
MODEL = ("--model", f"scripted:{SCRIPTS / 'stepping.py'}:steps")


@pytest.fixture
def twins(person: Person) -> Person:
    """A folder that is not UTF-8 beside each that could be taken for it."""
    for name in (ODD, "l?", "l\N{REPLACEMENT CHARACTER}", "l\\xe9", "l\\udce9"):
        (person.work / name).mkdir()
    return person


@pytest.mark.parametrize(
    "words",
    [
        ("run", "[]", *MODEL, "--work", ODD),
        ("run", "[]", *MODEL, "--work", f"{ODD}:cow"),
        ("run", "[]", "--model", f"scripted:{ODD}/x.py:m"),
        ("schedule", "[]", *MODEL, "--every", "1h", "--work", ODD),
        ("import", "x", "--mount", f"work={ODD}"),
        ("import", f"{ODD}/x"),
        ("export", "1", f"{ODD}/x"),
        ("memories", "--scope", "project", "--of", ODD),
        ("ps", "--home", ODD),
        ("run", "[]", *MODEL, "--home", ODD),
    ],
)
def test_a_name_that_is_not_utf_8_is_refused_with_the_reason(twins: Person, words: tuple[str, ...]) -> None:
    done = twins.gemot(*words, code=None)
    assert done.code in (1, 2) and "l\\xe9" in done.err and "not UTF-8" in done.err, done
    assert "mistake in gemot" not in done.err
    assert not any(list(folder.iterdir()) for folder in twins.work.iterdir() if folder.name.startswith("l"))


def test_a_link_with_a_readable_name_leads_there(twins: Person) -> None:
    (twins.work / "link").symlink_to(ODD)
    twins.gemot("run", "[]", *MODEL, "--work", "link")
    twins.gemot("remember", "x", "--scope", "project", "--of", "l?")
    assert "x" not in twins.gemot("memories", "--scope", "project", "--of", "l\\udce9").out


@pytest.mark.parametrize("how", ["work", "mounts", "home"])
def test_the_library_refuses_it_too(tmp_path: Path, how: str) -> None:
    for name in (ODD, "l?"):
        (tmp_path / name).mkdir()
    odd = tmp_path / ODD

    async def work() -> None:
        if how == "home":
            await Machine.open(odd)
        async with await Machine.open(tmp_path / "home", models={"s": scripted(lambda view: "")}) as machine:
            if how == "work":
                await machine.start("x", model="s", work=odd, mode="rw")
            else:
                await machine.start("x", model="s", mounts=(Mount("work", str(odd), "rw"),))

    with pytest.raises((MachineError, HomeError), match="not UTF-8"):
        asyncio.run(work())
