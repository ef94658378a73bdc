"""A board worked by a planner, three runners and a person, who never wait for each other longer than they must."""

from __future__ import annotations

import json
from typing import Any

from people import SCRIPTS, Person

MODEL = f"scripted:{SCRIPTS / 'boards.py'}:model"


def board(person: Person) -> dict[str, dict[str, Any]]:
    """The tasks of the first tree, by their text."""
    lines = person.gemot("board", "1", "--json", code=None).out.splitlines()
    return {task["text"]: task for task in map(json.loads, lines)}


def states(person: Person, *texts: str) -> set[str]:
    found = board(person)
    return {found[text]["state"] if text in found else "" for text in texts}


def test_a_board_worked_by_three_runners_and_a_person(person: Person) -> None:
    running = person.begin("run", "make a book", "--program", "planner", "--model", MODEL, "--asks", "wait", "-q")
    person.until(lambda: states(person, "choose a title", "join the chapters") == {"completed"})
    found = board(person)
    assert states(person, "write chapter one", "write chapter two", "write chapter three") == {"accepted"}
    assert found["print the book"]["blockers"] == [found["join the chapters"]["number"]]
    assert "comes after" in person.gemot("board", "claim", "5", code=2).err

    # The person judges, adds a task of their own, and does one of them.
    shown = person.gemot("board").out
    assert "tree 1: make a book (3 of 6 tasks done, 0 ready)" in shown
    assert "after 1" in shown and "-> done: choose a title" in shown
    person.gemot("board", "reject", "6", "it should have an animal in it")
    person.until(lambda: states(person, "choose a title") == {"completed"})
    assert "done: choose a title (better)" in person.gemot("board", "task", "6").out
    person.gemot("board", "accept", "6")
    assert "accepted, for good" in person.gemot("board", "reopen", "6", code=2).err
    mine = ("thank everybody", "by name", "--after", "join", "--acceptance")
    assert person.gemot("board", "add", mine[0], *mine[2:], mine[1]).out == "task 7 is on the board of 1\n"

    # The machine is killed, the person goes on, and another machine goes on with what they did.
    running.kill()
    running.wait()
    assert "gemot resume 1" in person.gemot("board", "accept", "1").out
    resumed = person.begin("resume", "1", "--asks", "wait", "-q")
    person.until(lambda: states(person, "print the book", "thank everybody") == {"completed"})
    person.gemot("board", "reorder", "7", "5")
    assert list(board(person))[:2] == ["thank everybody", "print the book"]
    person.gemot("board", "accept", "7", "5")
    out, err = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, err
    assert len(out.splitlines()) == 7 and "done: thank everybody" in out
    tasks = board(person)
    assert {task["state"] for task in tasks.values()} == {"accepted"} and len(tasks) == 7
    assert all(task["owner"] in (2, 3, 4) for task in tasks.values())


def test_a_board_that_nobody_works_on_any_more_offers_no_moves(person: Person) -> None:
    person.run("trouble.py:asker", "paint it", code=5)
    person.gemot("board", "add", "sweep")
    person.gemot("board", "done", "1", "swept")
    assert "gemot board accept 1" in person.gemot("board", "1").out
    person.gemot("kill", "1")
    shown = person.gemot("board", "1").out
    assert "completed" in shown and "accept" not in shown


def test_what_is_sent_back_three_times_brings_the_person(person: Person) -> None:
    stopped = person.run("boards.py:stubborn", "paint it", "--program", "planner", code=5)
    assert "it waits for you:" in stopped.err and "is stuck (paint it)" in stopped.err
    assert 'gemot board reopen 1 "..." --tree 1' in stopped.err
    asks = person.gemot("asks").out
    assert "task 1 of 1 is stuck" in asks and "not this colour" in asks
    shown = person.gemot("board", COLUMNS="50").out
    assert "STUCK" in shown and "sent back: not this colour" in shown
    person.gemot("board", "done", "1", "x" * 50_000, code=2)
    person.gemot("board", "reopen", "1", "take blue")
    assert "note: take blue\nsent back because: not this colour" in person.gemot("board", "task", "1").out
    assert person.gemot("resume", "1", "-q").out.strip() == "painted blue"
    assert "nobody asks anything" in person.gemot("asks").out


def test_a_board_can_be_begun_by_the_person_alone(person: Person) -> None:
    for words in (("board", "add", "x"), ("board", "accept", "1"), ("board", "3"), ("board", "task", "1")):
        assert "gemot" in person.gemot(*words, code=2).err
    assert "no task" in person.gemot("board").out
    person.run("trouble.py:asker", "paint it", code=5)
    person.gemot("board", "add", "tidy \x1b[2J up\nand more", "--name", "tidy")
    person.gemot("board", "add", "sweep", "--after", "tidy, 1", "--priority", "3")
    assert {text: task.get("ready", False) for text, task in board(person).items()} == {
        "tidy \x1b[2J up\nand more": True,
        "sweep": False,
    }
    shown = person.gemot("board").out
    assert "\x1b" not in shown and "\\x1b[2J" in shown
    assert "comes after 1" in person.gemot("board", "claim", "2", code=2).err
    person.gemot("board", "claim", "1")
    assert "claimed" in person.gemot("board").out
    person.gemot("board", "done", "1", "tidied")
    person.gemot("board", "drop", "1", "--why", "it was tidy")
    person.gemot("board", "done", "2", "swept")
    assert "task 2 of 1 is completed (sweep): swept" in person.gemot("asks").out
    person.gemot("board", "accept", "2", "7", code=2)
    found = board(person)
    assert (found["sweep"]["state"], found["tidy \x1b[2J up\nand more"]["state"]) == ("accepted", "dropped")
    for bad in (("add", " "), ("add", "x", "--after", "nobody"), ("accept", "x"), ("paint", "1"), ("accept", "1" * 40)):
        person.gemot("board", *bad, code=2)


def test_two_who_would_wait_for_each_other_for_ever_come_to_an_end(person: Person) -> None:
    ran = person.run("boards.py:idle", "make a book", "--program", "planner", "-q")
    assert "there was nothing to do" in ran.out
    assert "told that nothing would come by itself" in person.gemot("log", "2").out


def test_who_waits_on_for_what_can_t_come_is_shown_to_the_person_who_can_help(person: Person) -> None:
    model = f"scripted:{SCRIPTS / 'boards.py'}:patient"
    running = person.begin("run", "make a book", "--program", "planner", "--model", model, "--asks", "wait", "-q")
    person.until(lambda: "stands still" in person.gemot("asks", code=None).out)
    asked = person.gemot("asks").out
    assert "tree 1 stands still: process 1" in asked and 'gemot send 1 "..."' in asked
    assert "only you can bring it further" in person.gemot("ps").out
    assert "only you can bring it further" in person.gemot("tree").out
    person.gemot("send", "2", "go home")
    assert running.wait(timeout=60) == 0
    assert "stands still" not in person.gemot("asks").out
