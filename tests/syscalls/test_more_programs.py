"""researcher, babyagi and autogpt on a machine in memory, with models that are functions."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from worlds import MachineWorld

from gemot import Budget, Grant, Outcome, request, scripted
from gemot.abi.events import Trapped
from gemot.abi.grants import Mount
from gemot.abi.messages import Request, Text
from gemot.abi.syscalls import SYSCALLS, Fork
from gemot.drivers import shipped
from gemot.models.scripted import Script, heard

EVERYTHING = (*(Grant(name) for name in SYSCALLS), Grant("*"))
BUDGET = Budget(tokens=10**6, usd_micros=10**6, millis=10**6, processes=50, depth=4, calls=5_000)


def words(question: Request) -> str:
    return "\n".join(part.text for message in question.messages for part in message.parts if isinstance(part, Text))


def run(
    name: str, script: Script, folder: Path, goal: str = "the goal", **arguments: Any
) -> tuple[Outcome, MachineWorld]:
    async def story() -> tuple[Outcome, MachineWorld]:
        world = MachineWorld(drivers=shipped(), models={"s": scripted(script)})
        machine = world.boot()
        pid = await machine.start(
            goal,
            program=name,
            model="s",
            grants=EVERYTHING,
            budget=BUDGET,
            mounts=(Mount("work", str(folder), "rw"),),
            arguments=arguments,
        )
        outcome = await machine.result(pid)
        await machine.close()
        return outcome, world

    return asyncio.run(story())


def found(**fields: Any) -> str:
    return json.dumps({"relevant": True, "quotes": [], "answer": ""} | fields)


# researcher


def test_a_folder_without_documents_is_said(tmp_path: Path) -> None:
    outcome, _ = run("researcher", lambda _: "", tmp_path)
    assert outcome.state == "failed" and "no file **/*" in outcome.error


def test_quotes_that_do_not_stand_in_the_document_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Water boils at\n100 degrees.\n")
    (tmp_path / "b.bin").write_bytes(b"\0\1")
    (tmp_path / "c.txt").write_text("")

    def model(question: Request) -> Any:
        text = words(question)
        if "The quotes:" in text:
            assert "at 90" not in text
            return "It does [1]."
        return found(quotes=["boils at 100 degrees", "boils at 90 degrees", " ", "x" * 600])

    outcome, world = run("researcher", model, tmp_path)
    assert outcome.value["answer"] == "It does [1]."
    assert outcome.value["sources"] == [{"number": 1, "path": "a.txt", "quote": "boils at 100 degrees"}]
    assert "binary data" in outcome.value["left_out"]["b.bin"] and "c.txt" in outcome.value["left_out"]
    assert outcome.label.integrity == "model", "a model wrote it, and it says so"
    forks = [one.syscall for one in world.history() if isinstance(one, Trapped) and isinstance(one.syscall, Fork)]
    held = [
        [(grant.tool, grant.where["path"].one_of) for grant in one.grants or () if isinstance(grant, Grant)]
        for one in forks
    ]
    assert held == [[("files/read", (name,))] for name in ("a.txt", "b.bin", "c.txt")] + [[]], (
        "its own file, and nothing"
    )


def test_a_long_document_is_read_in_pieces_and_its_end_is_said_to_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("word word word word\n" * 7_500)
    asked: list[str] = []

    def model(question: Request) -> Any:
        asked.append(words(question))
        return "All words [1]." if "The quotes:" in asked[-1] else found(quotes=["word word"])

    outcome, _ = run("researcher", model, tmp_path)
    assert len(asked) == 8 + 1
    assert "long.txt, its end" in outcome.value["left_out"]
    assert [one["number"] for one in outcome.value["sources"]] == [1]


def test_a_document_of_one_long_line_is_said_to_be_read_in_part(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_text("word " * 30_000)
    outcome, _ = run(
        "researcher", lambda one: "Words [1]." if "The quotes:" in words(one) else found(quotes=["word word"]), tmp_path
    )
    assert "cut to 20,000 characters" in outcome.value["left_out"]["line.txt, parts"]


NOTHING = '{"relevant": false}'


def test_a_document_that_was_not_read_to_its_end_is_not_said_to_be_silent(tmp_path: Path) -> None:
    (tmp_path / "timetable.txt").write_text("word word word word\n" * 7_500 + "The ferry leaves at 9.\n")
    (tmp_path / "short.txt").write_text("Nothing here.\n")
    outcome, _ = run("researcher", lambda _: NOTHING, tmp_path)
    assert outcome.value["answer"].startswith("Not found in what was read. 1 of 2 documents were read to their end")
    assert outcome.value["left_out"]["timetable.txt"] == (
        "not found in the 92,500 of 150,023 characters that were read"
    )
    assert outcome.value["left_out"]["short.txt"] == "says nothing about it"


def test_a_line_that_was_cut_is_not_said_to_be_silent(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_text("word " * 30_000)
    outcome, _ = run("researcher", lambda _: NOTHING, tmp_path)
    assert "None of the documents" not in outcome.value["answer"]
    assert "the file is longer than that" in outcome.value["left_out"]["line.txt"]


def test_documents_that_were_read_to_their_end_are_said_to_be_silent(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Nothing here.\n")
    outcome, _ = run("researcher", lambda _: NOTHING, tmp_path)
    assert outcome.value["answer"] == "None of the documents says."


@pytest.mark.parametrize("reply", ["no idea", '{"relevant": "maybe"}', "{}", ""])
def test_a_reader_that_never_replies_in_the_form_is_left_out(tmp_path: Path, reply: str) -> None:
    (tmp_path / "a.txt").write_text("Something.\n")
    outcome, _ = run("researcher", lambda _: reply, tmp_path)
    assert outcome.value["answer"].startswith("Not found in what was read. 0 of 1 documents")
    assert "did not reply in the form" in outcome.value["left_out"]["a.txt"]


def test_an_answer_without_sources_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Something.\n")
    outcome, _ = run(
        "researcher",
        lambda one: "Trust me [7]." if "The quotes:" in words(one) else found(quotes=["Something."]),
        tmp_path,
    )
    assert outcome.state == "failed" and "no answer was written" in outcome.error


# babyagi


def baby(*, creation: dict[str, list[str]], order: str, failing: str = "") -> Script:
    """Makes the tasks of ``creation`` after the tasks they are listed under."""

    def model(question: Request) -> Any:
        text = words(question)
        if "Put these tasks" in text:
            return order
        if "Which new tasks" in text:
            task = re.search(r'The task "(.*?)" was tried', text)
            assert task
            return json.dumps({"tasks": creation.get(task[1], [])})
        task = re.search(r"Your task: (.*)", text)
        assert task and "the goal" in text
        if task[1] == failing:
            return request("exit", failed="can't")
        return request("exit", value=f"{task[1]} is done" + (" after buying" if "buy is done" in text else ""))

    return model


def test_tasks_make_tasks_in_the_order_that_the_model_wants_until_none_is_left(tmp_path: Path) -> None:
    creation = {"think": ["cook", "buy", "think"], "buy": ["cook"]}
    outcome, world = run("babyagi", baby(creation=creation, order='{"order": [3, 99, 2]}'), tmp_path, first="think")
    assert [one["result"] for one in outcome.value["results"]] == [
        "think is done",
        "buy is done",
        "cook is done after buying",
    ]
    assert outcome.value["left"] == []
    (board,) = world.machine.kernel.boards.values()
    assert {one.state for one in board.items.values()} == {"accepted"}


def test_a_task_that_fails_is_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    outcome, _ = run("babyagi", baby(creation={}, order="", failing="think"), tmp_path, first="think")
    (only,) = outcome.value["results"]
    assert only["result"] == "not done (failed): can't"


def test_rounds_end_what_would_go_on_and_what_is_left_is_said(tmp_path: Path) -> None:
    creation = {f"step {n}": [f"step {n + 1}"] for n in range(50)}
    outcome, _ = run("babyagi", baby(creation=creation, order=""), tmp_path, first="step 0", rounds=3)
    assert [one["task"] for one in outcome.value["results"]] == ["step 0", "step 1", "step 2"]
    assert outcome.value["left"] == ["step 3"]


# autogpt


def turn(name: str, **args: Any) -> str:
    return json.dumps({"thoughts": {"text": "so", "plan": ["this"]}, "command": {"name": name, "args": args}})


def test_commands_are_carried_out_refusals_are_told_and_finish_ends(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("seven\n")
    seen: list[str] = []

    def model(question: Request) -> Any:
        text = words(question)
        if "the child's part" in text and "Goal:" not in text:
            return request("exit", value="42")
        if heard(question):
            raise AssertionError(text)
        seen.append(text)
        replies = [
            "I think I shall read.",
            turn("files/read", path="a.txt"),
            turn("files/raed", path="a.txt"),
            turn("delegate"),
            turn("delegate", task="the child's part"),
            turn("files/write", path="out.txt", content="7"),
            turn("finish", result="written"),
        ]
        return replies[len(seen) - 1]

    outcome, _ = run("autogpt", model, tmp_path)
    assert (outcome.state, outcome.value) == ("done", "written")
    assert (tmp_path / "out.txt").read_text() == "7"
    assert "not of this form" in seen[1] and '"command"' in seen[1]
    assert "seven" in seen[2] and "refused (unknown)" in seen[3] and "files/read" in seen[3]
    assert "delegate takes" in seen[4] and "42" in seen[5]


def test_commands_are_bounded_and_old_turns_make_room(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 10_000)
    longest: list[int] = []

    def model(question: Request) -> Any:
        longest.append(len(words(question)))
        return turn("files/read", path="a.txt")

    outcome, _ = run("autogpt", model, tmp_path, rounds=12)
    assert outcome.state == "failed" and "12 commands are used up" in outcome.error
    assert len(longest) == 12 and max(longest) < 30_000
