"""Call, read, generate, ask: what needs somebody outside, and what happens when it comes back, late, or never."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from worlds import EVERY_SYSCALL, TOOLS, KernelWorld, answer_to, ends, put, replied, started, stopped

from gemot.abi import limits
from gemot.abi.answers import Error, Ok, Returned
from gemot.abi.effects import AskModel, PutAsk, ReadValue, StartTool, TakeAsk
from gemot.abi.events import Failure, Value
from gemot.abi.grants import BudgetRequest, Grant
from gemot.abi.labels import Label
from gemot.abi.syscalls import Ask, Call, Fork, Generate, Read, ToolUse


def letter(text: str = "hello") -> Call:
    return Call((ToolUse("post/send", {"text": text}),))


def file(*paths: str, tool: str = "disk/read") -> Call:
    return Call(tuple(ToolUse(tool, {"path": path}) for path in paths))


def results(pid: int, effects: list) -> tuple[Returned, ...]:
    answer = answer_to(pid, effects)
    assert isinstance(answer, Ok), answer
    return answer.value


def test_a_call_is_answered_with_its_result(world: KernelWorld) -> None:
    root = world.tree()
    (effect,) = started(world.trap(root, file("a.md")))
    (result,) = results(root, world.done(effect, Value("alpha", label=Label(("tool:disk/read",)))))
    assert result == Returned("disk/read", True, "alpha", label=Label(("tool:disk/read",)))


def test_a_batch_is_answered_once_in_its_order_when_all_of_it_is_done(world: KernelWorld) -> None:
    root = world.tree()
    one, two, three = started(world.trap(root, file("a", "b", "c")))
    assert answer_to(root, world.done(three, Value("C"))) is None
    assert answer_to(root, world.done(one, Failure("failed", "no such file"))) is None
    got = results(root, world.done(two, Value("B")))
    assert [(one.ok, one.text, one.rule) for one in got] == [
        (False, "no such file", "failed"),
        (True, "B", ""),
        (True, "C", ""),
    ]


def test_the_good_uses_of_a_batch_are_done_and_the_others_say_why_not(world: KernelWorld) -> None:
    root = world.tree()
    uses = (
        ToolUse("disk/read", {"path": "a"}),
        ToolUse("disk/raed", {"path": "a"}),
        ToolUse("disk/read", {}),
        ToolUse("disk/read", {"path": 7}),
        ToolUse("sums/add", {"text": "1", "more": 2}),
    )
    (effect,) = started(world.trap(root, Call(uses)))
    got = results(root, world.done(effect))
    assert [one.rule for one in got] == ["", "unknown", "malformed", "malformed", "malformed"]
    assert "disk/read" in got[1].text and "path is missing" in got[2].text
    assert "string" in got[3].text and "more" in got[4].text


@pytest.mark.parametrize("count", [0, limits.BATCH_MAX + 1])
def test_a_batch_of_none_or_too_many_is_refused(world: KernelWorld, count: int) -> None:
    answer = world.ask(world.tree(), file(*["a"] * count))
    assert isinstance(answer, Error) and answer.rule == "limit"


def test_a_large_result_is_a_handle_that_can_be_read_in_parts(world: KernelWorld) -> None:
    root = world.tree()
    (effect,) = started(world.trap(root, file("long.txt")))
    (result,) = results(root, world.done(effect, Value("begin", "d" * 64, 50_000)))
    handle = result.handle
    assert handle is not None and (handle.preview, handle.size_chars, result.text) == ("begin", 50_000, "")
    (read,) = [one for one in world.trap(root, Read(handle.number, 100, 200)) if isinstance(one, ReadValue)]
    assert (read.digest, read.start, read.length) == ("d" * 64, 100, 200)
    assert answer_to(root, world.done(read.effect, Value("part"))) == Ok("part")
    for bad in (
        Read(handle.number, -1),
        Read(handle.number, 0, 0),
        Read(handle.number, 50_001),
        Read(handle.number, 0, 10**6),
    ):
        answer = world.ask(root, bad)
        assert isinstance(answer, Error) and answer.rule == "limit"
    answer = world.ask(root, Read(999))
    assert isinstance(answer, Error) and str(handle.number) in answer.message
    assert started(world.trap(world.born(root, Fork("x")), Read(handle.number))), (
        "a forked child knows its parent's handles"
    )


def test_a_models_reply_is_the_answer_and_so_is_its_failure(world: KernelWorld) -> None:
    root = world.tree()
    (effect,) = [one for one in world.trap(root, Generate("q")) if isinstance(one, AskModel)]
    assert effect.model == "m"
    answer = answer_to(root, world.done(effect.effect, replied("aye")))
    assert isinstance(answer, Ok) and answer.value.parts[0].text == "aye"
    (number,) = started(world.trap(root, Generate("q")))
    assert answer_to(root, world.done(number, Failure("failed", "429"))) == Error("failed", "429")


def test_news_of_work_that_nobody_wants_changes_nothing(world: KernelWorld) -> None:
    root = world.tree()
    (effect,) = started(world.trap(root, file("a")))
    assert world.done(effect) != []
    assert world.done(effect) == []
    assert world.done(424242) == []


# People.


def test_a_tool_that_asks_is_not_started_before_the_person_says_yes(world: KernelWorld) -> None:
    root = world.tree()
    effects = world.trap(root, letter("hello"))
    assert started(effects) == []
    (asked,) = [one.asked for one in effects if isinstance(one, PutAsk)]
    assert (asked.pid, asked.tool, asked.arguments) == (root, "post/send", {"text": "hello"})
    shown = msgspec.json.encode(["post/send", {"text": "hello"}, {}], order="sorted")
    assert asked.digest == hashlib.sha256(shown).hexdigest()
    effects = world.answer(asked.ask)
    assert asked.ask in [effect.ask for effect in effects if isinstance(effect, TakeAsk)]
    (start,) = [one for one in effects if isinstance(one, StartTool)]
    assert start.arguments == {"text": "hello"}
    assert results(root, world.done(start.effect))[0].ok


def test_a_no_is_told_and_nothing_is_done(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send", uses=1)))
    (ask,) = put(world.trap(root, letter()))
    effects = world.answer(ask, allow=False, text="not to him")
    assert started(effects) == []
    (result,) = results(root, effects)
    assert result.rule == "refused" and "not to him" in result.text
    assert put(world.trap(root, letter())), "what was not done has cost no use"


def test_an_answer_counts_once(world: KernelWorld) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, letter()))
    assert len(started(world.answer(ask))) == 1
    assert world.answer(ask) == []
    assert world.answer(777) == []


def test_yes_once_is_asked_again_the_next_time(world: KernelWorld) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, letter()))
    world.done(started(world.answer(ask))[0])
    assert put(world.trap(root, letter()))


def test_yes_for_the_process_holds_for_it_and_not_for_its_children(world: KernelWorld) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, letter()))
    world.done(started(world.answer(ask, scope="process"))[0])
    (effect,) = started(world.trap(root, letter("again")))
    world.done(effect)
    assert put(world.trap(world.born(root, Fork("x")), letter()))


def test_yes_for_the_subtree_holds_below_now_and_later_and_not_above(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x", budget=BudgetRequest(processes=5)))
    before = world.born(child, Fork("x"))
    (ask,) = put(world.trap(child, letter()))
    world.done(started(world.answer(ask, scope="subtree"))[0])
    after = world.born(child, Fork("x"))
    for pid in (child, before, after):
        assert started(world.trap(pid, letter())), pid
    assert put(world.trap(root, letter())), "what holds below does not hold above"


def test_silence_suspends_only_the_process_that_asked(world: KernelWorld) -> None:
    root = world.tree()
    asking, working = world.born(root, Fork("x")), world.born(root, Fork("y"))
    world.trap(asking, letter())
    assert world.kernel.processes[asking].state == "asking"
    (effect,) = started(world.trap(working, file("a")))
    assert results(working, world.done(effect))
    assert world.later(10**8) == []
    assert world.kernel.processes[asking].state == "asking"


def test_a_batch_goes_on_with_what_needs_no_asking(world: KernelWorld) -> None:
    root = world.tree()
    effects = world.trap(root, Call((*file("a").uses, *letter("one").uses)))
    (effect,), (one,) = started(effects), put(effects)
    assert answer_to(root, world.done(effect)) is None
    assert answer_to(root, world.later(10**8)) is None
    assert [one.ok for one in results(root, world.answer(one, allow=False))] == [True, False]


def test_a_question_is_answered_by_the_person(world: KernelWorld) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, Ask("Which one?", ("left", "right"))))
    assert world.answer(ask, text="middle") == [], "not one of the options: the question stays open"
    assert answer_to(root, world.answer(ask, text="left")) == Ok("left")
    (ask,) = put(world.trap(root, Ask("Why?")))
    answer = answer_to(root, world.answer(ask, allow=False, text="ask somebody else"))
    assert isinstance(answer, Error) and answer.rule == "refused" and "somebody else" in answer.message
    answer = world.ask(root, Ask("  "))
    assert isinstance(answer, Error) and answer.rule == "malformed"


def test_the_end_of_a_process_takes_its_questions_back(world: KernelWorld) -> None:
    root = world.tree()
    (question,) = put(world.trap(root, Ask("Why?")))
    effects = world.stop(root)
    assert TakeAsk(question) in effects
    assert world.answer(question, text="because") == []


def test_a_tree_can_not_tire_a_person_with_questions(world: KernelWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ASKS_OPEN_MAX", 3)
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send", uses=9)))
    monkeypatch.setattr(limits, "ASKED_TOGETHER_MAX", 1)
    effects = world.trap(root, Call(tuple(letter(str(one)).uses[0] for one in range(5))))
    assert len(put(effects)) == 3
    assert put(world.trap(world.tree(), letter())), "another tree's questions are its own"
    for ask in put(effects):
        last = world.answer(ask, allow=False)
    assert [one.rule for one in results(root, last)] == ["refused"] * 3 + ["limit"] * 2
    assert world.kernel.processes[root].grants[-1].uses == 9, "what was not done has cost no use"


def test_a_tool_that_is_gone_when_the_person_says_yes_is_not_used(world: KernelWorld) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, letter()))
    world.install(tuple(tool for tool in TOOLS if tool.name != "post/send"))
    (result,) = results(root, world.answer(ask))
    assert result.rule == "unknown" and "not installed" in result.text


def test_killing_stops_tools_questions_and_model_calls_alike(world: KernelWorld) -> None:
    root = world.tree()
    effects = world.trap(root, Call((*file("a", "b").uses, *letter().uses)))
    last = world.stop(root)
    assert stopped(last) == started(effects)
    assert [one.ask for one in last if isinstance(one, TakeAsk)] == put(effects)
    assert ends(last)[root].state == "killed"
