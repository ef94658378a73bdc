"""Generate, page out, page in: what the kernel says about a model's window, and whose affair a reading is."""

from __future__ import annotations

from worlds import KernelWorld, answer_to, ends, started

from gemot.abi.answers import Error, Ok, Room
from gemot.abi.effects import AskModel
from gemot.abi.events import Cost, Failure, Moved, Trapped
from gemot.abi.grants import Grant
from gemot.abi.syscalls import Exit, Generate, PageIn, PageOut


def ask(world: KernelWorld, pid: int, tokens: int, window: int, most: int = 4096) -> list:
    return world.feed(Trapped(world.at, pid, Generate("q", tokens_out_max=most), Cost(tokens), window=window))


def test_a_question_that_does_not_fit_is_refused_before_anything_is_paid(world: KernelWorld) -> None:
    root = world.tree()
    effects = ask(world, root, 7_001, 8_000)
    answer = answer_to(root, effects)
    assert isinstance(answer, Error) and not started(effects)
    assert (answer.rule, answer.room) == ("window", Room(8_000, 7_001))
    assert "7001 tokens; m takes in 8000" in answer.message
    assert world.kernel.processes[root].spent.tokens == 0
    assert started(ask(world, root, 7_000, 8_000))


def test_a_reply_has_what_the_question_leaves_of_the_window(world: KernelWorld) -> None:
    for tokens, window, most, out in (
        (7_000, 8_000, 4_096, 1_000),
        (100, 8_000, 4_096, 4_096),
        (100, 0, 99_999, 99_900),
    ):
        (effect,) = [one for one in ask(world, world.tree(), tokens, window, most) if isinstance(one, AskModel)]
        assert effect.tokens_out_max == out


def test_a_model_that_takes_in_less_than_was_known_tells_how_much_it_was_shown(world: KernelWorld) -> None:
    root = world.tree()
    (effect,) = started(ask(world, root, 5_000, 8_000))
    answer = answer_to(root, world.done(effect, Failure("window", "prompt is too long")))
    assert answer == Error("window", "prompt is too long", room=Room(8_000, 5_000))
    (effect,) = started(ask(world, root, 5_000, 8_000))
    assert answer_to(root, world.done(effect, Failure("deadline", "it died"))) == Error("deadline", "it died")


def test_of_the_model_that_a_process_is_moved_to_the_window_is_not_known(world: KernelWorld) -> None:
    root = world.tree()
    ask(world, root, 5_000, 8_000)
    (effect,) = started(world.feed(Moved(world.at, root, "n")))
    answer = answer_to(root, world.done(effect, Failure("window", "prompt is too long")))
    assert isinstance(answer, Error) and answer.room == Room(0, 5_000)


def test_pages_are_the_affair_of_whom_they_are_shown_to(world: KernelWorld) -> None:
    talker = world.tree(program="talker", grants=(Grant("disk/read"),))
    for syscall in (PageOut((3, 4)), PageIn((3,)), PageIn()):
        assert world.ask(talker, syscall) == Ok()
    native = world.ask(world.tree(), PageOut((3,)))
    assert isinstance(native, Error) and native.rule == "unavailable"


def test_a_process_that_gives_up_over_its_window_has_failed_by_that_rule(world: KernelWorld) -> None:
    root = world.tree()
    ask(world, root, 9_000, 8_000)
    outcome = ends(world.trap(root, Exit(failed="nothing more can leave")))[root]
    assert (outcome.state, outcome.rule) == ("failed", "window")
