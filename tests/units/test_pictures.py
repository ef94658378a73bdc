"""Pictures on a machine: from a file, a tool or the person to a model that sees them, and what becomes of them afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from wire import KINDS, Kind, Speech, WireServer
from wire.asking import at
from wire.pictures import GIF, JPEG, ONE_OF_EACH, WEBP, png
from worlds import settled

from gemot import Calls, Driver, Grant, Machine, MachineError, Outcome, Picture, ToolError, program, request, scripted
from gemot.abi import limits
from gemot.abi.messages import Image, Message, Request, Text, ToolResult, length_chars
from gemot.drivers import shipped
from gemot.drivers.pictures import header
from gemot.machine import carrying
from gemot.machine.notes import Asking
from gemot.machine.pictures import fetched
from gemot.models.scripted import Said, heard
from gemot.programs.reading import Reading

SHOTS = Driver("shots", "Shots for tests.")


@SHOTS.tool(effect="reads", repeatable=True)
def two() -> list[str | Picture]:
    """Two pictures with words between."""
    return ["before", Picture(png(3, 2), "the left one"), "between", Picture(JPEG)]


@SHOTS.tool(effect="reads", repeatable=True)
def broken() -> Picture:
    """No picture."""
    return Picture(b"GIF89a")


@SHOTS.tool(effect="reads", repeatable=True)
async def many() -> list[Picture]:
    """More than can be shown."""
    return [Picture(png(1, 1, n)) for n in range(limits.IMAGES_MAX + 1)]


@SHOTS.tool(effect="reads", repeatable=True)
def nested() -> dict[str, Any]:
    """A picture where none can be."""
    return {"shot": Picture(png())}


Script = Callable[[Request], Said]


def run(tmp_path: Path, script: Script, **start: Any) -> tuple[Outcome, list[Request]]:
    """One process of a scripted model on a folder; how it ended, and what its model was asked."""
    asked: list[Request] = []

    def model(question: Request) -> Said:
        asked.append(question)
        return script(question)

    async def story() -> Outcome:
        async with await Machine.open(
            in_memory=True, drivers=[SHOTS, *shipped()], models={"m": scripted(model)}
        ) as machine:
            rights = start.pop("grants", (Grant("shots/*"), Grant("files/*")))
            pid = await machine.start("look", model="m", work=tmp_path, mode="ro", grants=rights, **start)
            return await machine.result(pid)

    return asyncio.run(story()), asked


def seen(question: Request) -> list[tuple[str, bytes]]:
    """The images of a question, in their order, with their bytes."""
    found = list[Image]()
    for message in question.messages:
        for part in message.parts:
            found += [part] if isinstance(part, Image) else part.images if isinstance(part, ToolResult) else []
    return [(one.about, question.images.get(one.digest, b"")) for one in found]


# From files and tools.


@pytest.mark.parametrize(("media_type", "data"), ONE_OF_EACH)
def test_a_file_is_shown_as_it_is(tmp_path: Path, media_type: str, data: bytes) -> None:
    (tmp_path / "shot ü").write_bytes(data)

    def script(question: Request) -> Said:
        return request("exit", value="seen") if heard(question) else request("files/view", path="shot ü")

    outcome, asked = run(tmp_path, script)
    assert outcome.value == "seen"
    ((about, shown_bytes),) = seen(asked[-1])
    assert shown_bytes == data and "1 x 1 pixels" in about and about in heard(asked[-1])[0].text
    (part,) = asked[-1].messages[-1].parts
    assert isinstance(part, ToolResult) and part.images[0].media_type == media_type


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no image"),
        (b"hello", "no image"),
        (png()[:10], "damaged"),
        (b"\xff\xd8\xff" + b"\xff" * 1000, "damaged"),
        (WEBP[:14], "damaged"),
        (GIF[:8], "damaged"),
        (png()[:16] + b"\0\0\x7f\xff\0\0\0\x01" + png()[24:], "pixels"),
        (png() + b"\0" * limits.IMAGE_BYTES_MAX, "bytes"),
        (b"<svg width='1' height='1'/>", "no image"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "no image"),
    ],
)
def test_what_is_no_picture_is_said_to_be_none(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "shot.png").write_bytes(data)

    def script(question: Request) -> Said:
        return (
            request("exit", value=heard(question)[0].text)
            if heard(question)
            else request("files/view", path="shot.png")
        )

    outcome, asked = run(tmp_path, script)
    assert why in outcome.value and "shot.png" in outcome.value
    assert not asked[-1].images


def test_whoever_reads_a_picture_as_text_is_told_what_shows_it(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(WEBP)

    def script(question: Request) -> Said:
        return (
            request("exit", value=heard(question)[0].text) if heard(question) else request("files/read", path="a.webp")
        )

    outcome, _ = run(tmp_path, script)
    assert "files/view shows it" in outcome.value


def test_a_tool_may_return_words_and_pictures(tmp_path: Path) -> None:
    def script(question: Request) -> Said:
        results = heard(question)
        if not results:
            return [request(f"shots/{name}") for name in ("two", "broken", "many", "nested")]
        return request("exit", value=[one.text for one in results])

    outcome, asked = run(tmp_path, script)
    two, broken, many, nested = outcome.value
    assert two.startswith("before\n[image 1: the left one: PNG image, 3 x 2 pixels, ")
    assert two.split("\n")[2] == "between" and two.split("\n")[3].startswith("[image 2: JPEG image")
    assert broken.startswith("[an image that can't be shown:") and "damaged" in broken
    assert many.count("[image ") == limits.IMAGES_MAX and f"at most {limits.IMAGES_MAX}" in many
    assert "can't hold a Picture" in nested
    assert [data for _, data in seen(asked[-1])][:2] == [png(3, 2), JPEG] and len(
        seen(asked[-1])
    ) == 2 + limits.IMAGES_MAX


def test_a_result_that_is_not_to_be_read_shows_nothing(tmp_path: Path) -> None:
    def script(question: Request) -> Said:
        return request("exit", value="done") if heard(question) else request("shots/two")

    outcome, asked = run(tmp_path, script, grants=(Grant("shots/two", results="handle"),))
    assert outcome.value == "done" and not asked[-1].images and not seen(asked[-1])


# From the person.


def test_the_person_shows_something_with_the_goal_and_later() -> None:
    asked: list[Request] = []

    def model(question: Request) -> Said:
        asked.append(question)
        if not heard(question):
            return request("receive")
        return (
            request("exit", value="seen")
            if "look again" in str(question.messages)
            else request("wait", timeout_seconds=60)
        )

    async def story() -> Outcome:
        async with await Machine.open(in_memory=True, models={"m": scripted(model)}) as machine:
            pid = await machine.start(
                "what is it?", model="m", images=[Picture(png(), "one.png")], grants=(Grant("receive"),)
            )
            await settled(machine)
            await machine.send(pid, "look again", images=(Picture(JPEG, "two.jpg"), Picture(GIF, "three.gif")))
            return await machine.result(pid)

    assert asyncio.run(story()).value == "seen"
    assert [data for _, data in seen(asked[0])] == [png()]
    assert [data for _, data in seen(asked[-1])] == [png(), JPEG, GIF]
    assert "with 2 images" in str(asked[-1].messages[-1])
    goal, name, image = asked[0].messages[1].parts
    assert isinstance(goal, Text) and isinstance(image, Image) and "one.png" in str(name), "it stands beside the goal"


@program(grants=("receive",))
async def waiter(calls: Calls, brief: str) -> str:
    """Waits for a word."""
    return (await calls.receive())[0].text


def test_what_can_t_be_shown_changes_nothing() -> None:
    async def story() -> None:
        async with await Machine.open(in_memory=True, programs=[waiter]) as machine:
            model = {"model": "scripted:x.py:y"}
            with pytest.raises(MachineError, match="no image"):
                await machine.start("look", images=[Picture(b"x")])
            with pytest.raises(MachineError, match="code, which looks at no image"):
                await machine.start("look", program="waiter", images=[Picture(png())])
            with pytest.raises(MachineError, match="at most"):
                await machine.start("look", images=[Picture(png())] * 9)
            assert not machine.processes() and model
            pid = await machine.start("look", program="waiter")
            with pytest.raises(MachineError, match="code, which looks at no image"):
                await machine.send(pid, "look", images=[Picture(png())])
            await machine.send(pid, "go")
            assert (await machine.result(pid)).value == "go"

    asyncio.run(story())


# What becomes of them.


def sequel(home: Path, script: Script, then: Callable[[Machine, int], Awaitable[None]]) -> list[Request]:
    """A process that views a picture and asks the person, is stopped with its machine, and goes on with the next one."""
    asked: list[Request] = []

    def model(question: Request) -> Said:
        asked.append(question)
        return script(question)

    async def story() -> None:
        options: dict[str, Any] = {"drivers": shipped(), "models": {"m": scripted(model)}}
        async with await Machine.open(home / "home", **options) as machine:
            pid = await machine.start("look", model="m", work=home, grants=(Grant("files/view"), Grant("ask")))
            async for note in machine.events(pid):
                if isinstance(note, Asking):
                    break
        async with await Machine.open(home / "home", resume=True, **options) as machine:
            await then(machine, pid)

    asyncio.run(story())
    return asked


def asks_then_exits(question: Request) -> Said:
    last = heard(question)
    if not last:
        return request("files/view", path="a.png")
    return request("ask", question="Is it?") if last[-1].name == "files/view" else request("exit", value="seen")


def test_it_is_seen_again_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())

    async def then(machine: Machine, pid: int) -> None:
        (tmp_path / "a.png").unlink()  # it was seen as it was then
        await machine.answer(machine.asks()[0].ask, text="yes")
        assert (await machine.result(pid)).value == "seen"

    assert seen(sequel(tmp_path, asks_then_exits, then)[-1])[0][1] == png()


def test_it_is_gone_when_what_was_told_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())

    async def then(machine: Machine, pid: int) -> None:
        position = next(
            record.position
            for record in machine._loop.journal.read()
            if b"image/png" in record.body and record.pid == pid
        )
        await machine.retract(pid, "it was forged", position)
        await machine.answer(machine.asks()[0].ask, text="yes")
        assert (await machine.result(pid)).value == "seen"

    asked = sequel(tmp_path, asks_then_exits, then)
    assert seen(asked[1]) and not seen(asked[-1]) and "it was forged" in str(asked[-1].messages)


def test_it_goes_along_to_another_machine(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    file = tmp_path / "tree.gemot"

    async def then(machine: Machine, pid: int) -> None:
        carrying.write(carrying.pack(machine._loop.journal, machine.kernel, machine._loop.cast, pid), file)

    sequel(tmp_path, asks_then_exits, then)
    asked: list[Request] = []

    def model(question: Request) -> Said:
        asked.append(question)
        return asks_then_exits(question)

    async def there() -> None:
        async with await Machine.open(tmp_path / "there", drivers=shipped(), models={"m": scripted(model)}) as machine:
            pid = await machine.adopt(carrying.read(file), {"work": tmp_path})
            machine.resume(pid)
            await machine.answer(machine.asks()[0].ask, text="yes")
            assert (await machine.result(pid)).value == "seen"

    asyncio.run(there())
    assert seen(asked[-1])[0][1] == png()


def test_it_leaves_the_reading_with_its_page_and_comes_back_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    steps = iter((
        request("files/view", path="a.png"),
        request("files/list"),
        request("page_out", pages=[3]),
        request("page_in", pages=[4]),
        request("exit", value="seen"),
    ))  # fmt: skip
    outcome, asked = run(tmp_path, lambda _: next(steps))
    assert outcome.value == "seen"
    assert [len(seen(one)) for one in asked] == [0, 1, 1, 0, 1]
    assert seen(asked[-1])[0][1] == png()


def images(*sizes: int) -> Mapping[str, int]:
    """Of a reading with an image of each size on a page of its own, what is shown."""
    reading = Reading()
    for n, size in enumerate(sizes):
        image = Image(f"{n}", "image/png", 9, 9, "", size)
        reading.add(Message("tool", (ToolResult("1", "files/view", "x", True, (image,)),)))
    return reading.images


def test_only_the_newest_are_sent_and_the_rest_stays_the_same_for_many_turns() -> None:
    def numbers(*sizes: int) -> list[int]:
        return [int(one) for one in fetched(images(*sizes), lambda digest: "AAAA" * -(-sizes[int(digest)] // 3))]

    assert numbers(*[1] * limits.IMAGES_SHOWN_MAX) == list(range(limits.IMAGES_SHOWN_MAX))
    first = [numbers(*[1] * count)[0] for count in range(1, 4 * limits.IMAGES_SHOWN_MAX)]
    assert first == sorted(first) and len(set(first)) <= 8 and first[-1] > 2 * limits.IMAGES_SHOWN_MAX
    large = limits.IMAGE_BYTES_MAX
    assert numbers(large, large, large) == [1, 2] and numbers(large, large, large, large) == [2, 3]
    assert fetched(images(1, 1), lambda digest: "not base64!") == {}


def test_what_a_picture_counts_for() -> None:
    assert length_chars(Image("d", "image/png", 750, 100)) == 100 * limits.CHARS_PER_TOKEN
    assert length_chars(Image("d", "image/png", 8_000, 8_000)) == limits.IMAGE_TOKENS_MAX * limits.CHARS_PER_TOKEN
    assert length_chars(Image("d", "image/png", -5, 10**9)) > 0
    assert header(png(7, 3), "x").width == 7
    with pytest.raises(ToolError):
        header(b"\x89PNG", "x")


# On the wire.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sees", [True, False])
def test_a_process_at_a_provider(tmp_path: Path, kind: Kind, sees: bool) -> None:
    (tmp_path / "a.png").write_bytes(png(4, 4))

    def speaks(_: dict[str, Any], number: int) -> Speech:
        if number == 0:
            return Speech("I look.", tools=[("files/view", {"path": "a.png"})])
        return Speech("", tools=[("exit", {"value": "grey"})])

    with WireServer(kind, speaks, sees=sees) as server:

        async def story() -> Outcome:
            async with await Machine.open(in_memory=True, drivers=shipped(), models={"m": at(server)}) as machine:
                return await machine.result(
                    await machine.start("look", model="m", work=tmp_path, grants=(Grant("files/view"),))
                )

        assert asyncio.run(story()).value == "grey"
        assert [data for _, data in server.pictures()] == ([png(4, 4)] if sees else [])
        assert "4 x 4 pixels" in str(server.requests[-1])
