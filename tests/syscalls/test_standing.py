"""Standstill: where everybody waits and nothing would ever come, whoever waits deepest is told, each once."""

from __future__ import annotations

import msgspec
import pytest
from worlds import KernelWorld, answer_to, put, replied

from gemot.abi.answers import Error, Ok, Waited
from gemot.abi.effects import Deliver, Effect
from gemot.abi.events import Resumed
from gemot.abi.grants import Grant
from gemot.abi.reviews import SchemaCheck
from gemot.abi.syscalls import (
    Add,
    Alarm,
    Ask,
    Claim,
    Complete,
    Exec,
    Exit,
    Fork,
    Generate,
    Receive,
    Send,
    Spawn,
    Status,
    Syscall,
    Wait,
)
from gemot.abi.tasks import Task
from gemot.kernel.freezing import FrozenTree, drop_trees, freeze_trees, thaw_tree
from gemot.machine.views import process_views

BOARD = Wait(board=True)


def told(effects: list[Effect]) -> list[int]:
    """Who was told that nothing would come."""
    return [one.pid for one in effects if isinstance(one, Deliver) and "standstill" in str(one.answer)]


def pair(world: KernelWorld, program: str = "talker") -> tuple[int, int]:
    root = world.tree(program=program)
    return root, world.born(root, Fork("a part"))


def test_a_parent_that_waits_for_a_child_that_waits_for_the_board(world: KernelWorld) -> None:
    root, child = pair(world)
    assert told(world.trap(root, Wait())) == []
    effects = world.trap(child, BOARD)
    assert told(effects) == [child]
    answer = answer_to(child, effects)
    assert isinstance(answer, Ok) and answer.value == Waited(), "no time was up: it had named none"
    (mail,) = answer.mail
    assert mail.sender == -1 and "ask the person" in mail.text and "say what is missing" in mail.text
    assert answer_to(root, effects) is None
    ended = answer_to(root, world.trap(child, Exit("nothing to do")))
    assert isinstance(ended, Ok) and ended.value.ended[0].value == "nothing to do"


def test_who_waits_again_has_chosen_to_and_the_next_one_is_told_each_once(world: KernelWorld) -> None:
    root, child = pair(world)
    grandchild = world.born(child, Fork("a part of it"))
    world.trap(root, Wait())
    world.trap(child, Wait())
    assert told(world.trap(grandchild, BOARD)) == [grandchild]
    assert told(world.trap(grandchild, BOARD)) == [child]
    assert told(world.trap(child, Wait())) == [root]
    assert told(world.trap(root, Wait())) == [], "now they wait for the person"
    assert {world.kernel.processes[pid].state for pid in (root, child, grandchild)} == {"waiting"}


def test_what_ends_a_wait_makes_it_news_again(world: KernelWorld) -> None:
    root, child = pair(world)
    world.trap(root, Wait())
    world.trap(child, BOARD)
    world.trap(child, BOARD)
    world.trap(root, Wait())
    assert told(world.say(child, "look at the door")) == []
    assert told(world.trap(child, BOARD)) == [child], "told anew, and its parent not: nothing woke that"
    assert told(world.trap(child, BOARD)) == []


def test_of_several_that_wait_one_is_told_at_a_time(world: KernelWorld) -> None:
    root = world.tree(program="talker")
    children = [world.born(root, Fork(f"part {one}")) for one in range(3)]
    world.trap(root, Wait())
    assert [told(world.trap(one, BOARD)) for one in children] == [[], [], [children[0]]]
    assert told(world.trap(children[0], BOARD)) == [children[1]]
    assert told(world.trap(children[1], Exit())) == [children[2]]


@pytest.mark.parametrize("wait", [Wait(board=True, timeout_seconds=5), Receive(timeout_seconds=5)])
def test_a_wait_that_ends_by_itself_is_left_alone(world: KernelWorld, wait: Syscall) -> None:
    root, child = pair(world)
    world.trap(root, Wait())
    assert told(world.trap(child, wait)) == []
    assert told(world.later(5_000)) == []
    assert told(world.trap(child, BOARD)) == [child]


def test_an_alarm_that_will_ring_is_waited_for(world: KernelWorld) -> None:
    root, child = pair(world)
    world.ask(child, Alarm(60))
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == []
    world.later(60_000)
    assert told(world.trap(child, BOARD)) == [child]


def test_an_alarm_that_its_wait_does_not_listen_to_is_not_waited_for(world: KernelWorld) -> None:
    root, child = pair(world)
    world.ask(child, Alarm(every="7s"))
    world.trap(root, Wait())
    deaf = Wait(board=True, messages=False, alarms=False)
    assert told(world.trap(child, deaf)) == [child]
    assert told(world.trap(child, deaf)) == [root]
    assert told(world.trap(root, Receive())) == []


def test_whoever_becomes_another_program_may_be_told_again(world: KernelWorld) -> None:
    root, child = pair(world)
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == [child]
    world.trap(child, Exec("talker", "something else"))
    assert told(world.trap(child, BOARD)) == [child]


def test_a_deadline_that_will_pass_is_waited_for(world: KernelWorld) -> None:
    root = world.tree(program="talker")
    child = world.born(root, Spawn("a part", "talker", deadline_seconds=60))
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == []
    assert isinstance(answer_to(root, world.later(60_000)), Ok)


def test_a_lease_that_will_be_over_is_waited_for(world: KernelWorld) -> None:
    root, child = pair(world)
    world.ask(root, Add((Task("write"),)))
    world.ask(child, Claim(1, lease_seconds=60))
    world.trap(root, Wait())
    assert told(world.trap(child, Receive())) == []
    assert told(world.later(60_000)) == [], "it was told that its task is open again"
    assert told(world.trap(child, Receive())) == [child]


def test_who_was_asked_is_waited_for(world: KernelWorld) -> None:
    root, child = pair(world)
    other = world.born(root, Fork("another part"))
    world.trap(root, Wait())
    world.trap(other, Ask("red or blue?"))
    assert told(world.trap(child, BOARD)) == []
    assert told(world.answer(1, text="red")) == [], "it goes on with that"
    assert told(world.trap(other, BOARD)) == [child]


def test_a_task_that_only_the_person_brings_further_is_waited_for(world: KernelWorld) -> None:
    root, child = pair(world)
    world.work(root, Add((Task("choose a title"),)))
    world.ask(child, Claim(1))
    world.ask(child, Complete(1, "A Book"))
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == []


def test_a_task_that_the_person_does_is_waited_for(world: KernelWorld) -> None:
    root, child = pair(world)
    world.work(root, Add((Task("choose a title"),)))
    world.work(root, Claim(1))
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == []


def test_the_first_process_may_listen_to_the_person(world: KernelWorld) -> None:
    root = world.tree(program="talker")
    assert told(world.trap(root, Receive())) == []
    assert isinstance(answer_to(root, world.say(root, "hello")), Ok)
    child = world.born(root, Fork("a part"))
    world.trap(root, Receive())
    assert told(world.trap(child, Receive())) == [child], "but nobody talks to this one"
    assert told(world.trap(child, Receive())) == []


def test_nobody_is_told_while_somebody_is_at_work(world: KernelWorld) -> None:
    root, child = pair(world)
    other = world.born(root, Fork("another part"))
    world.trap(root, Wait())
    world.trap(other, Generate())
    assert told(world.trap(child, BOARD)) == []
    (effect,) = world.kernel.working
    assert told(world.done(effect, replied())) == []
    assert told(world.trap(other, BOARD)) == [child]


def test_native_programs_are_not_told_but_their_children_are(world: KernelWorld) -> None:
    root = world.tree(program="worker")
    child = world.born(root, Spawn("talk", "talker"))
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == [child]
    assert told(world.trap(child, BOARD)) == []
    assert world.kernel.processes[root].state == "waiting"


def test_a_tree_that_sleeps_is_told_when_it_goes_on(world: KernelWorld) -> None:
    root, child = pair(world)
    world.trap(root, Wait())
    world.pause(root)
    assert told(world.trap(child, BOARD)) == []
    assert told(world.resume(root)) == [child]
    world.trap(child, BOARD)
    world.reboot()
    assert told(world.resume(root)) == [], "the root had been told before"


@pytest.mark.parametrize("away", [False, True])
def test_a_tree_that_came_to_stand_still_while_it_was_paused_is_looked_at_when_it_goes_on(
    world: KernelWorld, away: bool
) -> None:
    """Also where it left the memory meanwhile: the same events give the same tables."""
    root, child = pair(world)
    world.trap(root, Wait())
    world.pause(root)
    assert told(world.trap(child, BOARD)) == []
    kernel = world.kernel
    if away:
        body = msgspec.msgpack.encode(freeze_trees(kernel, [root])[0])
        drop_trees(kernel, [root])
        frozen = msgspec.msgpack.decode(body, type=FrozenTree)
        kernel.processes.fetch = lambda pid: thaw_tree(frozen, kernel) if root in kernel.away else None
    assert told(kernel.handle(Resumed(world.at, root))) == [child]


def test_two_that_tell_each_other_that_they_wait_are_not_told_for_ever(world: KernelWorld) -> None:
    root, child = pair(world)
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == [child]
    world.ask(child, Send(0, "still waiting"))
    world.ask(root, Send(child, "so do I"))
    assert told(world.trap(root, Wait())) == []
    assert answer_to(child, world.trap(child, BOARD)) is not None, "it reads that"
    assert told(world.trap(child, BOARD)) == [], "and now they wait for the person"
    assert told(world.say(child, "go on")) == []
    assert told(world.trap(child, BOARD)) == [child], "the person's words are news"


def test_the_message_says_what_its_reader_may_do_and_what_the_board_waits_for(world: KernelWorld) -> None:
    root = world.tree(program="talker")
    child = world.born(root, Spawn("a part", "talker", grants=(Grant("wait"), Grant("claim"), Grant("complete"))))
    world.ask(root, Add((Task("one"), Task("two"), Task("three", after=(2,)))))
    world.ask(child, Claim(1))
    world.ask(child, Complete(1, "done"))
    world.trap(root, Wait())
    answer = answer_to(child, world.trap(child, BOARD))
    assert isinstance(answer, Ok) and answer.value.tasks, "it has never looked"
    answer = answer_to(child, world.trap(child, BOARD))
    assert isinstance(answer, Ok)
    (mail,) = answer.mail
    assert "can be claimed: 2; tasks that wait to be accepted: 1 (by 1)" in mail.text
    assert "ask the person" not in mail.text, "it may not"


def test_the_end_of_a_time_that_it_set_itself_is_no_news_and_a_message_that_came_meanwhile_is(
    world: KernelWorld,
) -> None:
    root, child = pair(world)
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == [child]
    world.trap(child, Wait(board=True, timeout_seconds=5))
    world.later(5_000)
    assert told(world.trap(child, BOARD)) == [root], "it knows, and nothing has happened"
    world.trap(root, Wait())
    world.say(child, "go on")
    assert told(world.trap(child, BOARD)) == [child]
    world.trap(child, Wait(messages=False, alarms=False, timeout_seconds=5))
    world.say(child, "and on")
    answer = answer_to(child, world.later(5_000))
    assert isinstance(answer, Ok) and answer.mail
    assert told(world.trap(child, BOARD)) == [child]


def collected(world: KernelWorld) -> tuple[int, int, Wait]:
    """A pair, somebody who has ended, and how the root, which has read that one's result, waits for both."""
    root, child = pair(world)
    gone = world.born(root, Fork("another part"))
    world.trap(gone, Exit("x"))
    both = Wait(children=(gone, child), mode="all")
    world.ask(root, Wait(children=(gone,)))
    world.trap(root, both)
    return root, child, both


def test_a_result_that_was_collected_before_is_no_news_when_it_is_named_again(world: KernelWorld) -> None:
    root, child, both = collected(world)
    assert told(world.trap(child, BOARD)) == [child]
    assert told(world.trap(child, BOARD)) == [root]
    world.trap(root, msgspec.structs.replace(both, timeout_seconds=5))
    world.later(5_000)
    assert told(world.trap(root, both)) == [], "it had collected that"


def test_two_that_tell_each_other_beside_an_old_result_are_not_told_for_ever(world: KernelWorld) -> None:
    root, child, both = collected(world)
    times = [told(world.trap(child, BOARD))]
    for _ in range(5):
        if child in times[-1]:
            world.trap(child, Send(0, "I wait"))
            world.trap(child, BOARD)
            world.trap(root, Send(child, "I wait, too"))
            times.append(told(world.trap(root, both)) + told(world.trap(child, BOARD)))
    assert times == [[child], []]


def test_a_message_that_came_while_it_was_at_work_is_news_like_one_that_ended_its_wait(world: KernelWorld) -> None:
    root, child = pair(world)
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == [child]
    world.say(child, "look at the door")
    answer = world.ask(child, Status())
    assert isinstance(answer, Ok) and answer.mail
    assert told(world.trap(child, BOARD)) == [child]


def test_the_word_of_a_person_who_was_asked_is_news(world: KernelWorld) -> None:
    root, child = pair(world)
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == [child]
    (ask,) = put(world.trap(child, Ask("what now?")))
    world.answer(ask, text="look at the door")
    assert told(world.trap(child, BOARD)) == [child]


def test_a_result_that_was_not_accepted_is_news(world: KernelWorld) -> None:
    root = world.tree(program="talker")
    review = (SchemaCheck({"type": "integer"}),)
    child = world.born(root, Spawn("a part", "talker", review=review))
    world.trap(root, Wait())
    assert told(world.trap(child, BOARD)) == [child]
    assert isinstance(world.ask(child, Exit("nothing to do")), Error)
    assert told(world.trap(child, BOARD)) == [child]


def test_a_tree_that_asks_the_person_is_not_shown_as_standing_still(world: KernelWorld) -> None:
    root, child = pair(world)

    def still() -> list[int]:
        return [one.pid for one in process_views(world.kernel, world.kernel.tree(root)) if one.still]

    world.trap(root, Wait())
    world.trap(child, BOARD)
    assert told(world.trap(child, BOARD)) == [root]
    assert still() == []
    (ask,) = put(world.trap(root, Ask("what now?")))
    assert still() == []
    world.answer(ask, text="as you like")
    world.trap(root, Wait())
    assert told(world.trap(root, Wait())) == [] and still() == [root, child]
