"""Showing something: an image with the goal, one from a file, one with a message; and what is no image."""

from __future__ import annotations

import json

from people import SCRIPTS, Person
from wire.pictures import JPEG, png

MODEL = ("--model", f"scripted:{SCRIPTS / 'pictures.py'}:model")


def test_images_with_the_goal_from_a_file_and_with_a_message(person: Person) -> None:
    (person.work / "a.png").write_bytes(png(5, 4))
    (person.work / "the goal.png").write_bytes(png(2, 1))
    (person.work / "photo ü.jpg").write_bytes(JPEG)
    person.gemot("run", "what is on a.png?", *MODEL, "--image", "the goal.png", "-q", code=5)
    person.gemot("send", "1", "and this", "--image", "photo ü.jpg")
    person.gemot("answer", "1", "the photo")
    said = json.loads(person.gemot("resume", "1", "-q").out)
    assert [line.partition(":")[0] for line in said] == ["the goal.png", "photo ü.jpg", "a.png"]
    assert said[2].endswith(f"({len(png(5, 4))})")
    log = person.gemot("log", "1").out
    assert "5 x 4 pixels" in log and "and this" in log
    sent = next(line.split()[0] for line in log.splitlines() if "and this" in line)
    assert "[an image: the goal.png" in person.gemot("replay", "1", "--to", sent).out


def test_what_can_t_be_shown_is_said_before_anything_begins(person: Person) -> None:
    (person.work / "notes.png").write_text("no image")
    (person.work / "big.png").write_bytes(png() + b"\0" * 4_000_000)
    for name, why in (
        ("notes.png", "no image"),
        ("big.png", "4,000,067 bytes"),
        ("gone.png", "can't be read"),
        (".", "is a folder"),
    ):
        assert why in person.gemot("run", "look", *MODEL, "--image", name, code=2).err
    (person.work / "a.png").write_bytes(png())
    assert "looks at no image" in person.gemot("run", "x", "--program", "label", *MODEL, "--image", "a.png", code=2).err
    assert "no process" in person.gemot("ps", "--all").out
