"""Programs as folds: the conversation that every AI program is, and the files that programs come from."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gemot import Machine, request, scripted
from gemot.abi.answers import Born, Error, Mail, Ok, Returned
from gemot.abi.labels import Handle
from gemot.abi.messages import Message, Reply, Text, ToolRequest, ToolResult
from gemot.abi.syscalls import Call, Exit, Fork, Generate, ToolUse, Wait
from gemot.programs.conversation import NUDGE, Conversation
from gemot.programs.library import SHIPPED, ProgramError, load, parse
from gemot.programs.port import Start


def begun() -> Conversation:
    conversation = Conversation("You are a test.")
    conversation.absorb(Start(1, "t", "the goal", {}, "you see none"))
    assert conversation.decide() == Generate()
    return conversation


def wants(*requests: tuple[str, str]) -> Ok:
    return Ok(Reply(tuple(ToolRequest(str(index), name, text) for index, (name, text) in enumerate(requests))))


def last(conversation: Conversation) -> Message:
    return conversation.reading(Generate())[-1]


def results(conversation: Conversation) -> dict[str, tuple[bool, str]]:
    return {part.id: (part.ok, part.text) for part in last(conversation).parts if isinstance(part, ToolResult)}


def orphans(conversation: Conversation) -> set[str]:
    parts = [part for message in conversation.reading(Generate()) for part in message.parts]
    asked = [part.id for part in parts if isinstance(part, ToolRequest)]
    told = [part.id for part in parts if isinstance(part, ToolResult)]
    assert len(told) == len(set(told))
    return set(asked) - set(told)


def test_several_tools_of_one_reply_are_one_call() -> None:
    conversation = begun()
    conversation.absorb(wants(("a/b", "{}"), ("a/c", '{"x": 1}')))
    assert conversation.decide() == Call((ToolUse("a/b"), ToolUse("a/c", {"x": 1})))
    conversation.absorb(Ok((Returned("a/b", True, "B"), Returned("a/c", False, "no", rule="grant"))))
    assert conversation.decide() == Generate()
    assert results(conversation) == {"0": (True, "B"), "1": (False, "grant: no")}


def test_requests_are_done_in_their_order_and_malformed_ones_are_answered() -> None:
    conversation = begun()
    conversation.absorb(wants(("a/b", "{}"), ("wait", "{"), ("wait", "{}"), ("a/c", "{}")))
    assert conversation.decide() == Call((ToolUse("a/b"),))
    conversation.absorb(Ok((Returned("a/b", True, "B"),)))
    assert conversation.decide() == Wait()
    conversation.absorb(Error("state", "nothing to wait for"))
    assert conversation.decide() == Call((ToolUse("a/c"),))
    conversation.absorb(Ok((Returned("a/c", True, "C"),)))
    assert conversation.decide() == Generate()
    assert not orphans(conversation)
    assert (
        results(conversation)["1"][1].startswith("malformed") and "nothing to wait for" in results(conversation)["2"][1]
    )


def test_a_refused_exit_leaves_no_request_without_its_result() -> None:
    conversation = begun()
    conversation.absorb(wants(("exit", '{"value": 1}'), ("a/b", "{}")))
    assert conversation.decide() == Exit(1)
    conversation.absorb(Error("schema", "not what was asked for"))
    assert conversation.decide() == Generate()
    assert not orphans(conversation)
    assert "exit came before it" in results(conversation)["1"][1]


def test_words_alone_are_answered_and_then_fail() -> None:
    conversation = begun()
    conversation.absorb(Ok(Reply((Text("Done!"),))))
    assert conversation.decide() == Generate()
    assert last(conversation).parts == (Text(NUDGE),)
    conversation.absorb(Ok(Reply((Text("Really done!"),))))
    decided = conversation.decide()
    assert isinstance(decided, Exit) and "without calling exit" in decided.failed


def test_a_message_is_shown_after_the_results_it_came_with() -> None:
    conversation = begun()
    conversation.absorb(wants(("a/b", "{}")))
    conversation.decide()
    conversation.absorb(Ok((Returned("a/b", True, "B"),), mail=(Mail(0, "faster"),)))
    assert "from the person" in str(last(conversation)) and "faster" in str(last(conversation))
    assert not orphans(conversation)


def test_a_model_that_failed_fails_its_process() -> None:
    conversation = begun()
    conversation.absorb(Error("failed", "no key"))
    assert conversation.decide() == Exit(failed="no key")


def test_a_fork_has_the_same_past_and_its_own_task() -> None:
    parent = begun()
    parent.absorb(wants(("fork", '{"brief": "left"}'), ("a/b", "{}")))
    assert parent.decide() == Fork("left")
    child = parent.fork()
    child.absorb(Ok(Born(0, "left")))
    assert child.decide() == Generate()
    parent.absorb(Ok(Born(7)))
    assert parent.decide() == Call((ToolUse("a/b"),))
    assert not orphans(child) and "left" in results(child)["0"][1]
    assert child.reading(Generate())[:3] == parent.reading(Generate())[:3]


def test_a_large_result_says_how_to_read_the_rest() -> None:
    conversation = begun()
    conversation.absorb(wants(("a/b", "{}")))
    conversation.decide()
    conversation.absorb(Ok((Returned("a/b", True, handle=Handle(9, "d", 5_000, "start")),)))
    assert "handle=9, start=5" in results(conversation)["0"][1]


# Program files.

GOOD = '+++\nname = "p"\ndescription = "d"\ngrants = ["files/*"]\n+++\nYou are $name. $$5'


def test_a_program_file_is_parsed() -> None:
    program = parse(GOOD, "p.md")
    assert (program.spec.name, program.spec.kind, program.spec.grants[0].tool) == ("p", "ai", "files/*")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no front matter", r"\+\+\+"),
        (GOOD.replace("$name", "$nobody"), "nobody"),
        (GOOD.replace("$$5", "$5"), "lone"),
        (GOOD.replace("description", "descripton"), "descripton"),
        (GOOD.replace('["files/*"]', '[{ tool = "files/read", were = {} }]'), "were"),
        (GOOD.replace('= "p"', "= p"), "p.md"),
    ],
)
def test_a_program_file_that_is_wrong_says_where_and_why(text: str, words: str) -> None:
    with pytest.raises(ProgramError, match=words):
        parse(text, "p.md")


def test_a_later_folder_replaces_a_program_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "solo.md").write_text(GOOD.replace('"p"', '"solo"'))
    assert load([tmp_path]).texts["solo"].spec.description == "d"


def test_the_programs_that_ship_are_all_found() -> None:
    names = {spec.name for spec in load([]).specs()}
    assert {path.stem for path in SHIPPED.glob("*.md")} <= names


def test_a_programs_limits_are_the_most_that_its_processes_are_given(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    text = '+++\nname = "small"\ndescription = "x"\nlimits = { tokens = 500, seconds = 2 }\n+++\nBe brief.\n'
    (folder / "small.md").write_text(text)

    async def story() -> tuple[int, int]:
        async with await Machine.open(
            in_memory=True, program_folders=[folder], models={"s": scripted(lambda _: request("wait"))}
        ) as machine:
            pid = await machine.start("go", program="small", model="s")
            (view,) = machine.processes(pid)
            return view.left.tokens + view.spent.tokens, view.left.millis + view.spent.millis

    assert asyncio.run(story()) == (500, 2000)
