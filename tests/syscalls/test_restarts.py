"""Boot, resume, pause, move, a person's fork: the machine stops and starts, and nothing is done twice or lost."""

from __future__ import annotations

import pytest
from worlds import TOOLS, KernelWorld, answer_to, ends, put, replied, started, stopped

from gemot.abi.answers import Cancelled, Ok
from gemot.abi.effects import AskModel, BeginFork, StartTool
from gemot.abi.events import Copied, Failure, Moved, Value
from gemot.abi.grants import Budget
from gemot.abi.syscalls import Call, Exit, Fork, Generate, Read, Status, ToolUse, Wait
from gemot.abi.tools import ToolSpec

GIVEN_UP = Failure("failed", "given up")


def read(path: str = "a") -> ToolUse:
    return ToolUse("disk/read", {"path": path})


def write(path: str = "a") -> ToolUse:
    return ToolUse("disk/write", {"path": path})


def test_nothing_is_started_before_the_tree_is_resumed(world: KernelWorld) -> None:
    root = world.tree()
    world.reboot()
    assert started(world.trap(root, Call((read(), write())))) == []
    (first,) = started(world.resume(root))
    assert len(started(world.done(first))) == 1


def test_a_model_call_is_made_again_after_a_restart(world: KernelWorld) -> None:
    root = world.tree()
    (before,) = started(world.trap(root, Generate("q")))
    world.reboot()
    (after,) = started(world.resume(root))
    assert world.done(before, replied()) == [], "news of the machine before this one is no news"
    assert after != before
    assert answer_to(root, world.done(after, replied())) is not None


def test_what_may_be_repeated_is_repeated_and_the_rest_is_in_doubt(world: KernelWorld) -> None:
    root = world.tree()
    (first,) = started(world.trap(root, Call((read(), write(), read()))))
    world.done(first)
    world.reboot()
    effects = world.resume(root)
    (after,) = [one for one in effects if isinstance(one, StartTool)]
    assert after.tool == "disk/read"
    world.reboot()
    effects = world.resume(root)
    (again,) = [one for one in effects if isinstance(one, StartTool)]
    assert again.tool == "disk/read" and again.effect != after.effect
    answer = answer_to(root, world.done(again.effect))
    assert isinstance(answer, Ok)
    assert [one.rule for one in answer.value] == ["", "in_doubt", ""]
    assert "Look" in answer.value[1].text


@pytest.mark.parametrize("rule", ["failed", "not_begun"])
def test_use_that_acts_and_fails_when_it_is_tried_again_is_in_doubt(world: KernelWorld, rule: str) -> None:
    note = ToolSpec("notes/keep", "Keep a note: twice is the same as once.", TOOLS[0].schema, "writes", True)
    world.install((*TOOLS, note))
    root = world.tree()
    world.trap(root, Call((ToolUse("notes/keep", {"path": "a"}), read())))
    world.reboot()
    (again,) = started(world.resume(root))
    (looking,) = started(world.done(again, Failure(rule, "no room")))
    answer = answer_to(root, world.done(looking, Failure("failed", "no such file")))
    assert isinstance(answer, Ok)
    assert [returned.rule for returned in answer.value] == ["in_doubt", "failed"]
    assert "no room" in answer.value[0].text
    assert "in doubt" in world.kernel.processes[root].uses[0].shown


def test_an_effect_in_doubt_is_answered_at_once(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Call((write(),)))
    world.reboot()
    answer = answer_to(root, world.resume(root))
    assert isinstance(answer, Ok) and answer.value[0].rule == "in_doubt"


def test_a_half_finished_batch_goes_on_with_the_unfinished_only(world: KernelWorld) -> None:
    root = world.tree()
    (one,) = started(world.trap(root, Call((write("a"), write("b"), read("c")))))
    (two,) = started(world.done(one, Value("A")))
    world.reboot()
    world.reboot()
    (three,) = started(world.resume(root))
    answer = answer_to(root, world.done(three, Value("C")))
    assert isinstance(answer, Ok)
    assert [(one.text if one.ok else one.rule) for one in answer.value] == ["A", "in_doubt", "C"]
    assert world.done(two) == []


def test_a_read_of_a_handle_is_made_again(world: KernelWorld) -> None:
    root = world.tree()
    (effect,) = started(world.trap(root, Call((read(),))))
    world.done(effect, Value("x", "d" * 64, 9_000))
    handle = next(iter(world.kernel.processes[root].handles))
    world.trap(root, Read(handle))
    world.reboot()
    assert started(world.resume(root))


def test_a_question_survives_a_restart(world: KernelWorld) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, Call((ToolUse("post/send", {"text": "x"}),))))
    world.reboot()
    assert started(world.answer(ask)) == [], "said yes while the tree sleeps: it is kept until it is resumed"
    assert len(started(world.resume(root))) == 1


def test_a_wait_survives_a_restart(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x"))
    world.trap(root, Wait())
    world.reboot()
    world.resume(root)
    assert answer_to(root, world.trap(child, Exit("fine"))) is not None


def test_a_tool_that_is_gone_after_a_restart_is_not_used(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Call((read(),)))
    world.install(tuple(tool for tool in TOOLS if tool.name != "disk/read"))
    world.reboot()
    answer = answer_to(root, world.resume(root))
    assert isinstance(answer, Ok) and answer.value[0].rule == "unknown"


def test_resuming_twice_starts_nothing_twice(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Generate("q"))
    world.reboot()
    assert len(started(world.resume(root))) == 1
    assert world.resume(root) == []


def test_trees_are_resumed_one_by_one(world: KernelWorld) -> None:
    a, b = world.tree(), world.tree()
    world.trap(a, Generate("q"))
    world.trap(b, Generate("q"))
    world.reboot()
    assert [one.pid for one in world.resume(a) if isinstance(one, AskModel)] == [a]


def test_a_paused_tree_gives_its_model_calls_up_and_makes_them_again(world: KernelWorld) -> None:
    root = world.tree()
    (first,) = started(world.trap(root, Generate("q")))
    assert stopped(world.pause(root)) == [first]
    assert world.done(first, GIVEN_UP) == [], "that it was given up is no answer"
    (second,) = started(world.resume(root))
    assert answer_to(root, world.done(second, replied())) is not None


def test_news_of_the_call_before_a_pause_is_not_taken_for_the_one_after_it(world: KernelWorld) -> None:
    root = world.tree()
    (first,) = started(world.trap(root, Generate("q")))
    world.pause(root)
    (second,) = started(world.resume(root))
    assert world.done(first, GIVEN_UP) == []
    answer = answer_to(root, world.done(second, replied("aye")))
    assert isinstance(answer, Ok) and answer.value.parts[0].text == "aye"


def test_a_reply_that_comes_just_after_a_pause_is_kept(world: KernelWorld) -> None:
    root = world.tree()
    (first,) = started(world.trap(root, Generate("q")))
    world.pause(root)
    assert answer_to(root, world.done(first, replied())) is not None
    assert started(world.resume(root)) == []


def test_a_tool_that_runs_when_its_tree_is_paused_ends_and_its_result_is_kept(world: KernelWorld) -> None:
    root = world.tree()
    (effect,) = started(world.trap(root, Call((write(),))))
    assert stopped(world.pause(root)) == []
    assert answer_to(root, world.done(effect, Value("written"))) is not None
    assert started(world.trap(root, Generate("next"))) == []
    assert len(started(world.resume(root))) == 1


def test_a_process_moves_to_another_model_in_the_middle_of_a_call(world: KernelWorld) -> None:
    root = world.tree()
    (first,) = started(world.trap(root, Generate("q")))
    effects = world.feed(Moved(world.at, root, "other"))
    assert stopped(effects) == [first]
    (again,) = [one for one in effects if isinstance(one, AskModel)]
    assert again.model == "other"
    assert world.done(first, replied("from the old one", tokens_in=7)) == []
    assert world.kernel.processes[root].spent.tokens == 12, "what it cost is paid, what it said is not heard"
    answer = answer_to(root, world.done(again.effect, replied("from the new one")))
    assert isinstance(answer, Ok) and answer.value.parts[0].text == "from the new one"


def test_a_process_that_waits_for_something_else_moves_with_its_next_call(world: KernelWorld) -> None:
    root = world.tree()
    (effect,) = started(world.trap(root, Call((read(),))))
    assert world.feed(Moved(world.at, root, "other")) == []
    world.done(effect)
    (ask,) = [one for one in world.trap(root, Generate("q")) if isinstance(one, AskModel)]
    assert ask.model == "other"
    world.stop(root)
    assert world.feed(Moved(world.at, root, "m")) == []


def test_a_process_that_moved_while_asleep_asks_its_new_model(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Generate("q"))
    world.reboot()
    world.feed(Moved(world.at, root, "other"))
    (ask,) = [one for one in world.resume(root) if isinstance(one, AskModel)]
    assert ask.model == "other"


def test_a_persons_fork_is_a_new_tree_with_the_same_rights_and_means_of_its_own(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x"))
    world.trap(child, Generate("q"))
    effects = world.feed(Copied(world.at, child, "try it without", Budget(tokens=500, millis=1_000, calls=10)))
    copy = next(one.pid for one in effects if isinstance(one, BeginFork))
    answer = answer_to(copy, effects)
    made, original = world.kernel.processes[copy], world.kernel.processes[child]
    assert isinstance(answer, Cancelled)
    assert [one.text for one in (*answer.mail, *made.mailbox)] == ["try it without"]
    assert (made.parent, made.root, made.left.tokens) == (0, copy, 500)
    assert (made.grants, made.mounts, made.models) == (original.grants, original.mounts, original.models)
    assert original.alive and original.syscall == Generate("q")
    world.stop(root)
    assert made.alive


def test_a_person_can_not_fork_what_has_ended(world: KernelWorld) -> None:
    root = world.tree()
    world.stop(root)
    assert world.feed(Copied(world.at, root, "again", Budget(tokens=5))) == []


def test_a_tree_asleep_can_be_ended(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Generate("q"))
    world.reboot()
    assert ends(world.stop(root))[root].state == "killed"
    assert world.resume(root) == []


def test_a_syscall_that_needs_nobody_outside_is_answered_while_asleep(world: KernelWorld) -> None:
    root = world.tree()
    world.reboot()
    assert isinstance(world.ask(root, Status()), Ok)
