"""Wait, send, receive, alarm: how processes sleep and what wakes them."""

from __future__ import annotations

from random import Random

import pytest
from worlds import EVERY_SYSCALL, KernelWorld, answer_to, ends

from gemot.abi import limits
from gemot.abi.answers import Error, Ok, Waited
from gemot.abi.effects import Effect, WakeAt
from gemot.abi.events import Ticked
from gemot.abi.grants import BudgetRequest
from gemot.abi.syscalls import Add, Alarm, CancelAlarm, Exit, Fork, Generate, Kill, Receive, Send, Spawn, Wait
from gemot.abi.tasks import Task


def waited(pid: int, effects: list[Effect]) -> Waited:
    answer = answer_to(pid, effects)
    assert isinstance(answer, Ok) and isinstance(answer.value, Waited), answer
    return answer.value


def family(world: KernelWorld, children: int = 2, program: str = "worker") -> tuple[int, list[int]]:
    root = world.tree(program=program)
    return root, [world.born(root, Fork(f"part {one}")) for one in range(children)]


def test_wait_all_answers_when_the_last_child_has_ended(world: KernelWorld) -> None:
    root, (a, b) = family(world)
    assert answer_to(root, world.trap(root, Wait())) is None
    assert answer_to(root, world.trap(a, Exit("one"))) is None
    got = waited(root, world.trap(b, Exit("two")))
    assert [(one.pid, one.value) for one in got.ended] == [(a, "one"), (b, "two")]
    assert (got.running, got.timed_out) == ((), False)


def test_wait_any_answers_with_the_first_and_says_who_is_still_at_work(world: KernelWorld) -> None:
    root, (a, b) = family(world)
    world.trap(root, Wait(mode="any"))
    got = waited(root, world.trap(b, Exit("two")))
    assert ([one.pid for one in got.ended], got.running) == ([b], (a,))


def test_wait_for_named_children_does_not_wait_for_others(world: KernelWorld) -> None:
    root, (a, b) = family(world)
    world.trap(root, Wait((a,)))
    assert [one.pid for one in waited(root, world.trap(a, Exit())).ended] == [a]
    assert world.kernel.processes[b].alive


def test_wait_for_a_child_that_has_ended_already_answers_at_once(world: KernelWorld) -> None:
    root, (a, _) = family(world)
    world.trap(a, Exit("early"))
    assert [one.value for one in waited(root, world.trap(root, Wait((a,)))).ended] == ["early"]
    assert [one.value for one in waited(root, world.trap(root, Wait((a,)))).ended] == ["early"], "named: told again"


def test_wait_without_names_gives_each_result_once(world: KernelWorld) -> None:
    root, (a, b) = family(world)
    world.trap(a, Exit())
    assert [one.pid for one in waited(root, world.trap(root, Wait(mode="any"))).ended] == [a]
    world.trap(b, Exit())
    assert [one.pid for one in waited(root, world.trap(root, Wait())).ended] == [b]
    answer = world.ask(root, Wait())
    assert isinstance(answer, Error) and answer.rule == "state" and "exit" in answer.message


def test_wait_answers_at_its_timeout_with_what_there_is(world: KernelWorld) -> None:
    root, (a, b) = family(world)
    world.trap(root, Wait(timeout_seconds=2))
    world.trap(a, Exit())
    assert answer_to(root, world.later(1_999)) is None
    got = waited(root, world.later(1))
    assert ([one.pid for one in got.ended], got.running, got.timed_out) == ([a], (b,), True)


def test_a_timeout_of_an_earlier_wait_does_not_end_a_later_one(world: KernelWorld) -> None:
    root, (a, b) = family(world)
    world.trap(root, Wait((a,), timeout_seconds=2))
    world.trap(a, Exit())
    world.trap(root, Wait((b,)))
    assert answer_to(root, world.later(5_000)) is None


def test_a_wait_of_no_time_looks_and_comes_back(world: KernelWorld) -> None:
    root, _ = family(world)
    world.trap(root, Wait(timeout_seconds=0))
    assert waited(root, world.later(0)).timed_out


@pytest.mark.parametrize("seconds", [-1, 1e12, 1e300])
def test_a_time_that_is_none_is_refused(world: KernelWorld, seconds: float) -> None:
    root, _ = family(world)
    for syscall in (Wait(timeout_seconds=seconds), Receive(seconds), Alarm(seconds)):
        answer = world.ask(root, syscall)
        assert isinstance(answer, Error) and answer.rule == "malformed"


def test_waiting_for_nobody_is_refused_instead_of_lasting_for_ever(world: KernelWorld) -> None:
    root, _ = family(world)
    assert waited(root, world.trap(root, Wait(()))).ended == ()
    answer = world.ask(root, Wait((), "any"))
    assert isinstance(answer, Error) and answer.rule == "state"


def test_waiting_for_a_stranger_is_refused(world: KernelWorld) -> None:
    root, (a, _) = family(world)
    answer = world.ask(a, Wait((root,)))
    assert isinstance(answer, Error) and answer.rule == "family"


def test_a_message_wakes_a_wait_unless_it_asked_not_to(world: KernelWorld) -> None:
    root, (a, b) = family(world, program="talker")
    world.trap(root, Wait(messages=False, alarms=False))
    assert answer_to(root, world.trap(a, Send(0, "half done"))) is None
    world.trap(b, Exit())
    world.trap(a, Exit())
    root, (a, b) = family(world, program="talker")
    world.trap(root, Wait())
    answer = answer_to(root, world.trap(a, Send(root, "half done")))
    assert isinstance(answer, Ok)
    assert [(one.sender, one.text) for one in answer.mail] == [(a, "half done")]


def test_a_message_that_comes_while_a_model_thinks_is_told_with_its_reply(world: KernelWorld) -> None:
    root = world.tree(program="talker")
    world.trap(root, Generate("q"))
    assert world.say(root, "be quick") == []
    answer = answer_to(root, world.done(world.kernel.processes[root].work[0].effect))
    assert answer is not None and [one.text for one in answer.mail] == ["be quick"]


def test_receive_takes_what_has_come_or_waits_for_it(world: KernelWorld) -> None:
    root, (a, _) = family(world)
    world.trap(a, Send(0, "one"))
    world.trap(a, Send(0, "two"))
    answer = world.ask(root, Receive())
    assert isinstance(answer, Ok) and [one.text for one in answer.value] == ["one", "two"]
    assert answer_to(root, world.trap(root, Receive(3))) is None
    answer = answer_to(root, world.say(root, "three"))
    assert isinstance(answer, Ok) and [(one.sender, one.text) for one in answer.value] == [(0, "three")]
    world.trap(root, Receive(3))
    assert answer_to(root, world.later(3_000)) == Ok(())


def test_who_has_nothing_to_wait_for_is_told_of_the_board_if_there_is_one(world: KernelWorld) -> None:
    root = world.tree(grants=EVERY_SYSCALL)
    answer = world.ask(root, Wait())
    assert isinstance(answer, Error) and answer.rule == "state" and "board" not in answer.message
    world.ask(root, Add((Task("sweep"),)))
    answer = world.ask(root, Wait())
    assert isinstance(answer, Error) and "board=true" in answer.message


def test_messages_go_between_parent_and_child_only(world: KernelWorld) -> None:
    root, (a, b) = family(world)
    for pid in (b, a, 12345):
        answer = world.ask(a, Send(pid, "hello"))
        assert isinstance(answer, Error) and answer.rule == "family"
    assert world.ask(root, Send(a, "hello")) == Ok("sent")
    assert world.ask(root, Send(0, "to the person")) == Ok("shown to the person")


def test_a_process_that_ended_can_not_be_told_anything(world: KernelWorld) -> None:
    root, (a, _) = family(world)
    world.trap(a, Exit())
    answer = world.ask(root, Send(a, "hello"))
    assert isinstance(answer, Error) and answer.rule == "state" and "ended" in answer.message


def test_a_mailbox_that_is_full_refuses_the_sender_not_the_person(
    world: KernelWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAILBOX_MAX", 3)
    root, (a, _) = family(world)
    for number in range(3):
        world.ask(root, Send(a, str(number)))
    answer = world.ask(root, Send(a, "one more"))
    assert isinstance(answer, Error) and answer.rule == "limit"
    world.say(a, "from the person")
    assert len(world.kernel.processes[a].mailbox) == 4


def test_an_alarm_rings_once_as_a_message(world: KernelWorld) -> None:
    root = world.tree()
    effects = world.trap(root, Alarm(5, "look again"))
    assert WakeAt(world.at + 5_000) in effects
    world.trap(root, Wait())
    answer = answer_to(root, world.later(5_000))
    assert isinstance(answer, Ok)
    mail = world.ask(root, Receive())
    assert isinstance(mail, Ok) and mail.value[0].sender == -1 and "look again" in mail.value[0].text
    assert isinstance(world.ask(root, Wait()), Error), "there is no alarm any more to wait for"


def test_an_alarm_that_was_taken_back_does_not_ring(world: KernelWorld) -> None:
    root = world.tree()
    answer = world.ask(root, Alarm(5))
    assert isinstance(answer, Ok)
    assert world.ask(root, CancelAlarm(answer.value["alarm"])) == Ok("cancelled")
    assert isinstance(world.ask(root, CancelAlarm(answer.value["alarm"])), Error)
    world.later(6_000)
    assert not world.kernel.processes[root].mailbox


def test_a_wait_can_look_only_for_alarms(world: KernelWorld) -> None:
    root, (a, _) = family(world)
    world.ask(root, Alarm(5))
    world.trap(root, Wait(messages=False))
    assert answer_to(root, world.trap(a, Send(0, "hi"))) is None
    assert answer_to(root, world.later(5_000)) is not None


def test_an_alarm_of_a_process_that_ended_does_nothing(world: KernelWorld) -> None:
    root, (a, _) = family(world)
    world.ask(a, Alarm(5))
    world.trap(root, Kill(a))
    assert world.later(6_000) == [] or not ends(world.later(1))


def test_only_so_many_alarms(world: KernelWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALARMS_MAX", 2)
    root = world.tree()
    for _ in range(2):
        world.ask(root, Alarm(1))
    answer = world.ask(root, Alarm(1))
    assert isinstance(answer, Error) and answer.rule == "limit"


def test_an_alarm_rings_after_a_restart(world: KernelWorld) -> None:
    root = world.tree()
    world.ask(root, Alarm(5, "still here"))
    world.trap(root, Wait())
    effects = world.reboot()
    assert WakeAt(world.at + 5_000) in effects, "the new machine must be told when to wake the kernel"
    world.resume(root)
    assert answer_to(root, world.later(5_000)) is not None


def test_an_alarm_that_was_due_while_the_tree_slept_rings_when_it_is_resumed(world: KernelWorld) -> None:
    root = world.tree()
    world.ask(root, Alarm(5))
    world.trap(root, Wait())
    world.reboot()
    assert answer_to(root, world.later(60_000)) is None
    effects = world.resume(root)
    assert [effect for effect in effects if isinstance(effect, WakeAt)]
    assert answer_to(root, world.feed(Ticked(world.at))) is not None


def test_a_clock_that_goes_back_changes_nothing(world: KernelWorld) -> None:
    root = world.tree()
    world.ask(root, Alarm(5))
    world.feed(Ticked(world.at - 100_000))
    assert world.kernel.now == world.at


def test_a_child_with_a_budget_of_its_own_does_not_wake_a_wait_for_another(world: KernelWorld) -> None:
    root = world.tree()
    a = world.born(root, Spawn("x", "worker", budget=BudgetRequest(tokens=5)))
    b = world.born(root, Spawn("y", "worker"))
    world.trap(root, Wait((b,)))
    assert answer_to(root, world.trap(a, Exit())) is None
    assert answer_to(root, world.trap(b, Exit())) is not None


def test_waits_in_any_mode_are_answered_when_looking_at_every_child_says_they_are(chance: Random) -> None:
    """The kernel looks only at the child that has ended, and counts the rest; here each answer is worked out from all of them."""
    for _ in range(60):
        world = KernelWorld()
        root, children = family(world, chance.randint(1, 7))
        results: dict[int, str] = {}
        collected: set[int] = set()
        pending: Wait | None = None

        def awaited(wait: Wait, ended: list[int], told: set[int]) -> bool:
            mine = [pid for pid in ended if pid not in told] if wait.children is None else wait.children
            over = [pid for pid in mine if pid in ended]
            running = [pid for pid in (children if wait.children is None else wait.children) if pid not in ended]
            if wait.mode == "any":
                return bool(over)
            won = wait.mode == "first" and any(results[pid] == "done" for pid in over)
            return won or (not running and (bool(over) or wait.children is not None))

        for _ in range(30):
            alive = [pid for pid in children if pid not in results]
            if pending is None:
                named = (
                    None if chance.random() < 0.3 else tuple(chance.sample(children, chance.randint(1, len(children))))
                )
                if named is None and not alive and collected >= set(results):
                    break
                pending = Wait(named, chance.choice(("all", "any", "first")))
                effects = world.trap(root, pending)
            elif alive:
                pid = chance.choice(alive)
                results[pid] = chance.choice(("done", "failed"))
                effects = world.trap(pid, Exit("well") if results[pid] == "done" else Exit(failed="no"))
            else:
                break
            answer = answer_to(root, effects)
            assert (answer is not None) is awaited(pending, list(results), collected), (pending, results, collected)
            if answer is not None:
                got = waited(root, effects)
                results |= {one.pid: one.state for one in got.ended if one.pid not in results}
                collected |= {one.pid for one in got.ended}
                assert set(got.running).isdisjoint(results)
                pending = None
