"""Pictures on a machine: kept once, shown where they may be, whatever a file says of them."""

from __future__ import annotations

import asyncio
import struct
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from gemot import Grant, Machine, scripted
from gemot.abi.messages import Image, Request, ToolResult
from gemot.drivers import shipped
from gemot.drivers.kit import Picture, Secret, tool
from gemot.journal.memory import MemoryJournal
from gemot.machine import carrying, pictures
from gemot.machine.replay import Replay
from gemot.models.scripted import request
from gemot.programs.album import Album
from gemot.programs.library import load


def png(number: int = 0) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 8, 8) + bytes([8, 2, 0, 0, 0]) + bytes([number]) * 9


def shown(journal: MemoryJournal, *images: Image) -> dict[str, bytes]:
    return pictures.fetched(Album(images).shown, journal.value)


@pytest.mark.parametrize("size", [-1_000_000_000, 0, 1, 1 << 40])
def test_an_image_whose_size_is_a_lie_is_only_spoken_of(size: int) -> None:
    """A tree that was carried here says what it likes: less than nothing would make room for any number of bytes."""
    journal = MemoryJournal()
    digest = journal.put_value(b64encode(png()).decode())
    (right,) = pictures.kept(journal, pictures.looked_at([Picture(png(1))]))
    lie = Image(digest, "image/png", 8, 8, "a lie", size)
    assert shown(journal, lie, right) == {right.digest: png(1)}


@tool("shots/take", effect="reads", repeatable=True)
def take() -> list[Any]:
    """A picture and words on it."""
    return ["before", Picture(png(7), "a shot"), {"key": Secret("what nobody may see")}, Secret("nor this")]


class Eyes:
    """A model that uses the camera once and notes what it is shown."""

    def __init__(self) -> None:
        self.seen: list[dict[str, bytes]] = []
        self.told: list[str] = []

    def __call__(self, question: Request) -> Any:
        self.seen.append(question.images)
        results = [part for one in question.messages for part in one.parts if isinstance(part, ToolResult)]
        self.told += [one.text for one in results[-1:]]
        if len(question.messages) == 2:
            return request("shots/take")
        return request("ask", question="Well?") if len(question.messages) == 4 else request("exit", value="done")


async def opened(home: Path, eyes: Eyes) -> Machine:
    return await Machine.open(home, tools=[take], drivers=shipped(), models={"s": scripted(eyes)})


async def asked(machine: Machine) -> None:
    for _ in range(2_000):
        if machine.asks() and not machine._loop.stage.busy:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody asked")


@pytest.mark.parametrize("results", ["page", "handle"])
def test_a_result_that_is_not_to_be_read_shows_nothing(tmp_path: Path, results: Any) -> None:
    eyes = Eyes()

    async def story() -> None:
        async with await opened(tmp_path / "one", eyes) as machine:
            await machine.start(
                "go", program="runner", model="s", grants=(Grant("shots/*", results=results), Grant("ask"))
            )
            await asked(machine)

    asyncio.run(story())
    assert (set(eyes.seen[-1].values()) == {png(7)}) is (results == "page")
    assert "nobody" not in eyes.told[-1] and "nor this" not in eyes.told[-1]
    assert ("a shot" in eyes.told[-1]) is (results == "page"), eyes.told


def test_a_tree_takes_its_images_along_and_is_replayed(tmp_path: Path) -> None:
    eyes, other = Eyes(), Eyes()

    async def story() -> Any:
        async with await opened(tmp_path / "one", eyes) as machine:
            pid = await machine.start(
                "go",
                program="runner",
                model="s",
                grants=(Grant("shots/*"), Grant("ask")),
                images=[Picture(png(3), "goal")],
            )
            await asked(machine)
            await machine.send(pid, "and this", [Picture(png(4), "more")])
            machine.pause(pid)
            machine.export(pid, tmp_path / "tree")
        async with await opened(tmp_path / "two", other) as machine:
            root = await machine.adopt(carrying.read(tmp_path / "tree"), {})
            machine.resume(root)
            await machine.answer(machine.asks()[0].ask, text="go on")
            return await machine.result(root)

    outcome = asyncio.run(story())
    assert outcome.state == "done", outcome
    assert set(other.seen[-1].values()) == {png(3), png(4), png(7)}
    for home in ("one", "two"):
        assert Replay(tmp_path / home / "journal.db", load((), [])).check() == ""


def test_a_tree_whose_message_names_an_image_that_is_not_here_can_be_carried_on(tmp_path: Path) -> None:
    eyes = Eyes()

    async def story() -> None:
        async with await opened(tmp_path / "one", eyes) as machine:
            pid = await machine.start("go", program="runner", model="s", grants=(Grant("shots/*"), Grant("ask")))
            await asked(machine)
            await machine.send(pid, "look", [Picture(png(5))])
            machine.pause(pid)
            packed = carrying.pack(machine._loop.journal, machine.kernel, machine._loop.cast, pid)
            lost = b64encode(png(5)).decode()
            assert lost in packed.values
            without = carrying.replace(packed, values=[one for one in packed.values if one != lost])
            carrying.write(without, tmp_path / "tree")
        async with await opened(tmp_path / "two", Eyes()) as machine:
            root = await machine.adopt(carrying.read(tmp_path / "tree"), {})
            machine.export(root, tmp_path / "again")

    asyncio.run(story())
    assert (tmp_path / "again").exists()
