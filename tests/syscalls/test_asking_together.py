"""Several uses of one call that need a person's word: one question, one hash, an answer to all of it or to some."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from worlds import EVERY_SYSCALL, KernelWorld, answer_to, put, started

from gemot.abi import limits
from gemot.abi.answers import Ok, Returned
from gemot.abi.effects import Asked, Effect, PutAsk, StartTool, TakeAsk
from gemot.abi.events import Adopted, Answered, Revoked
from gemot.abi.grants import BudgetRequest, Grant, Rule
from gemot.abi.syscalls import Call, Fork, ToolUse
from gemot.kernel import freezing

ONE_ONLY = Grant("post/send", {"text": Rule(one_of=("x",))}, otherwise="ask")


def letters(*texts: str) -> Call:
    return Call(tuple(ToolUse("post/send", {"text": text}) for text in texts))


def asked(effects: list[Effect]) -> list[Asked]:
    return [one.asked for one in effects if isinstance(one, PutAsk)]


def sent(effects: list[Effect]) -> list[str]:
    return [one.arguments["text"] for one in effects if isinstance(one, StartTool)]


def carried_out(world: KernelWorld, effects: list[Effect]) -> list[Effect]:
    """All that comes of these effects, when everything that is started is done."""
    came, todo = list(effects), started(effects)
    while todo:
        more = world.done(todo.pop(0))
        came += more
        todo += started(more)
    return came


def ended(world: KernelWorld, pid: int, effects: list[Effect]) -> list[str]:
    """The rule of each use, when those that were started, and those behind them, have been done."""
    answer = answer_to(pid, carried_out(world, effects))
    assert isinstance(answer, Ok)
    return [one.rule for one in answer.value if isinstance(one, Returned)]


def test_the_uses_of_a_call_are_one_question_under_one_hash(world: KernelWorld) -> None:
    root = world.tree()
    (one,) = asked(world.trap(root, letters("a", "b", "c")))
    assert (one.pid, one.tool, one.arguments, one.options) == (root, "", {}, ())
    assert [(it.tool, it.arguments) for it in one.actions] == [("post/send", {"text": text}) for text in "abc"]
    shown = msgspec.json.encode([["post/send", {"text": text}, {}] for text in "abc"], order="sorted")
    assert one.digest == hashlib.sha256(shown).hexdigest()
    assert "3 things" in one.question and not one.once


@pytest.mark.parametrize(
    ("text", "done"),
    [("", "abc"), ("yes", "abc"), (" All ", "abc"), ("2", "b"), ("3, 1", "ac"), ("1 1", "a")],
)
def test_a_yes_is_to_all_or_to_some_by_number(world: KernelWorld, text: str, done: str) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, letters("a", "b", "c")))
    effects = world.answer(ask, text=text)
    assert ask in [effect.ask for effect in effects if isinstance(effect, TakeAsk)]
    assert sent(effects) == list(done)[:1], "what sends is done in its order"
    effects = carried_out(world, effects)
    assert sent(effects) == list(done)
    assert ended(world, root, effects) == ["" if one in done else "refused" for one in "abc"]


@pytest.mark.parametrize("text", ["4", "0", "1 4", "a", "1-3", "not 2", "1;2", "-1", "9" * 9])
def test_what_can_not_be_understood_answers_nothing(world: KernelWorld, text: str) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, letters("a", "b", "c")))
    assert world.answer(ask, text=text) == []
    assert sent(carried_out(world, world.answer(ask, text="1 2 3"))) == ["a", "b", "c"]


def test_a_no_is_to_all_and_costs_no_use(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send", uses=3)))
    (ask,) = put(world.trap(root, letters("a", "b")))
    effects = world.answer(ask, allow=False, text="1")
    assert sent(effects) == []
    answer = answer_to(root, effects)
    assert isinstance(answer, Ok) and all("this: 1." in one.text for one in answer.value), "words of a no are told"
    (ask,) = put(world.trap(root, letters("a", "b", "c")))
    assert ended(world, root, world.answer(ask, text="3")) == ["refused", "refused", ""]
    assert world.kernel.processes[root].grants[-1].uses == 2


def test_each_is_asked_about_once_and_an_answer_counts_once(world: KernelWorld) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, letters("a", "b")))
    effects = world.answer(ask, text="1")
    assert world.answer(ask, text="2") == [] and world.answer(ask) == []
    ended(world, root, effects)
    assert asked(world.trap(root, letters("a", "b"))), "what was allowed once is asked about the next time"


def test_what_needs_no_word_is_not_in_the_question_and_is_done_in_its_order(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, ONE_ONLY, Grant("sums/add"), Grant("disk/*")))
    others = (ToolUse("sums/none"), ToolUse("sums/add", {"text": "1"}))
    effects = world.trap(root, Call((*letters("x", "a", "b").uses, *others)))
    (one,) = asked(effects)
    assert sent(effects) == ["x"]
    assert [it.arguments["text"] for it in one.actions] == ["a", "b"]
    assert started(world.done(started(effects)[0])) == [], "what comes after what a person is asked about waits for it"
    effects = carried_out(world, world.answer(one.ask, text="2"))
    assert sent(effects) == ["b", "1"]
    assert ended(world, root, effects) == ["", "refused", "", "unknown", ""]


def test_for_the_process_and_below_counts_for_what_breaks_no_rule(world: KernelWorld) -> None:
    only_a = Grant("disk/write", {"path": Rule(one_of=("a",))}, otherwise="ask")
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send"), only_a))
    (one,) = asked(world.trap(root, Call((*letters("a").uses, ToolUse("disk/write", {"path": "b"})))))
    assert one.once and [bool(it.why) for it in one.actions] == [False, True]
    assert one.actions[1].places == {"path": "/srv/data/b"}
    ended(world, root, world.answer(one.ask, scope="subtree"))
    effects = world.trap(root, letters("b"))
    assert sent(effects) == ["b"], "letters are confirmed"
    world.done(started(effects)[0])
    assert asked(world.trap(root, Call((ToolUse("disk/write", {"path": "b"}),)))), "what breaks a rule is not"


def test_for_the_process_counts_only_for_what_was_named(world: KernelWorld) -> None:
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send")))
    (ask,) = put(world.trap(root, letters("a", "b")))
    world.answer(ask, allow=False, scope="process")
    (ask,) = put(world.trap(root, letters("a", "b")))
    ended(world, root, world.answer(ask, text="2", scope="process"))
    assert sent(carried_out(world, world.trap(root, letters("c", "d")))) == ["c", "d"]


def test_more_than_a_person_can_look_at_is_asked_in_parts(world: KernelWorld) -> None:
    root = world.tree()
    many = [str(number) for number in range(limits.ASKED_TOGETHER_MAX + 1)]
    first, second = asked(world.trap(root, letters(*many)))
    assert len(first.actions) == limits.ASKED_TOGETHER_MAX
    assert (second.tool, second.arguments, second.actions) == ("post/send", {"text": many[-1]}, ())
    effects = world.answer(second.ask)
    assert sent(effects) == []
    effects = carried_out(world, world.answer(first.ask, text="10"))
    assert sent(effects) == many[-2:]
    assert ended(world, root, effects) == ["refused"] * 9 + ["", ""]


def test_what_is_taken_back_is_asked_about_no_more_and_the_rest_anew(world: KernelWorld) -> None:
    never = Grant("disk/write", {"path": Rule(one_of=())}, otherwise="ask")
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("post/send"), never))
    child = world.born(root, Fork("x", budget=BudgetRequest(processes=1)))
    uses = (*letters("a").uses, ToolUse("disk/write", {"path": "b"}), *letters("c").uses)
    (ask,) = put(world.trap(child, Call(uses)))
    effects = world.feed(Revoked(world.at, child, "disk/write"))
    (anew,) = asked(effects)
    assert [one for one in effects if isinstance(one, TakeAsk)] == [TakeAsk(ask)] and anew.ask != ask
    assert [it.arguments for it in anew.actions] == [{"text": "a"}, {"text": "c"}]
    assert world.answer(ask) == [], "the first question is gone"
    effects = world.feed(Revoked(world.at, child, "mail/*"))
    assert ended(world, child, world.answer(anew.ask, text="2")) == ["refused", "grant", ""]
    (ask,) = put(world.trap(child, letters("a", "c")))
    effects = world.feed(Revoked(world.at, child, "post/send"))
    assert [one for one in effects if isinstance(one, TakeAsk)] == [TakeAsk(ask)] and not asked(effects)
    assert ended(world, child, effects) == ["grant", "grant"]


def test_the_end_of_a_process_takes_the_question_back_once(world: KernelWorld) -> None:
    root = world.tree()
    (ask,) = put(world.trap(root, letters("a", "b")))
    assert [one for one in world.stop(root) if isinstance(one, TakeAsk)] == [TakeAsk(ask)]
    assert world.answer(ask) == []


def test_a_question_that_is_carried_to_another_machine_means_the_same_there(world: KernelWorld) -> None:
    root = world.tree()
    many = [str(number) for number in range(limits.ASKED_TOGETHER_MAX + 2)]
    first, second = asked(world.trap(root, letters(*many)))
    (kept,) = started(world.answer(first.ask, text="7"))
    world.done(kept)
    there = KernelWorld()
    other = there.tree()
    asks = [put(there.trap(there.born(other, Fork("x")), letters("z")))[0] for _ in range(2)]
    body = freezing.carry(world.kernel, root)
    there.kernel.numbers = (there.kernel.numbers[0], 100, *there.kernel.numbers[2:])
    carried = freezing.carried(body)
    assert [one.asked.ask for one in carried.asks] == [second.ask] == [asks[1]], "the numbers meet"
    for process in carried.tree.processes:
        process.pid = process.root = process.pid + 50
    for one in carried.asks:
        one.asked = msgspec.structs.replace(one.asked, pid=one.asked.pid + 50)
    there.kernel.handle(Adopted(there.at, msgspec.msgpack.encode(carried), b"", decided_here=True))
    (anew,) = [opened.asked for opened in there.kernel.asks.values() if opened.asked.pid == root + 50]
    assert anew.ask not in asks and [it.arguments["text"] for it in anew.actions] == many[-2:]
    there.kernel.asleep.clear()
    effects = there.kernel.handle(Answered(there.at, anew.ask, text="2"))
    assert sent(effects) == many[-1:]
