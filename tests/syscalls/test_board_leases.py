"""Claims are leases, and whoever waits for a board is woken: by the clock, by others, by the person; never by themselves."""

from __future__ import annotations

import pytest
from worlds import KernelWorld, answer_to

from gemot.abi import limits
from gemot.abi.answers import Ok, Waited
from gemot.abi.effects import Effect
from gemot.abi.syscalls import (
    Accept,
    Add,
    Claim,
    Complete,
    Exit,
    Fork,
    Kill,
    ListTasks,
    Reorder,
    Spawn,
    Status,
    Task,
    Wait,
)
from gemot.abi.tasks import Drop, Reopen


def states(world: KernelWorld, root: int) -> dict[int, tuple[str, int | None]]:
    return {item.number: (item.state, item.owner) for item in world.kernel.boards[root].items.values()}


def planted(world: KernelWorld, tasks: int = 2) -> tuple[int, int, int]:
    """A first process with tasks on its board, and two of its children."""
    root = world.tree()
    world.ask(root, Add(tuple(Task(f"task {n}") for n in range(tasks))))
    return (
        root,
        world.born(root, Spawn("a", "worker", grants=WORK)),
        world.born(root, Spawn("b", "worker", grants=WORK)),
    )


WORK = ("claim", "complete")


# Leases.


def test_a_lease_that_is_over_opens_the_task_and_tells_its_owner(world: KernelWorld) -> None:
    root, one, other = planted(world)
    world.ask(one, Claim(1, 10.0))
    world.later(9_999)
    assert states(world, root)[1] == ("claimed", one)
    world.later(1)
    assert states(world, root)[1] == ("open", None)
    (mail,) = world.kernel.processes[one].mailbox
    assert mail.sender == -1 and "lease of task 1 is over" in mail.text
    assert isinstance(world.ask(other, Claim(1)), Ok)


def test_a_claim_without_a_lease_has_the_usual_one(world: KernelWorld) -> None:
    root, one, _ = planted(world)
    world.ask(one, Claim(1))
    world.later(int(limits.LEASE_SECONDS * 1000) - 1)
    assert states(world, root)[1] == ("claimed", one)
    world.later(1)
    assert states(world, root)[1] == ("open", None)


def test_a_lease_is_renewed_by_claiming_again(world: KernelWorld) -> None:
    root, one, _ = planted(world)
    world.ask(one, Claim(1, 10.0))
    world.later(8_000)
    world.ask(one, Claim(1, 10.0))
    world.later(8_000)
    assert states(world, root)[1] == ("claimed", one)
    world.later(2_000)
    assert states(world, root)[1] == ("open", None)


def test_a_task_that_was_completed_stays_so_when_its_lease_would_be_over(world: KernelWorld) -> None:
    root, one, other = planted(world)
    world.ask(one, Claim(1, 10.0))
    world.ask(one, Complete(1, "done"))
    world.later(20_000)
    assert states(world, root)[1] == ("completed", one)
    world.ask(root, Accept(1, False, "no"))
    world.ask(other, Claim(1, 100.0))
    world.later(20_000)
    assert states(world, root)[1] == ("claimed", other)


def test_a_lease_is_over_on_time_also_where_the_tree_slept(world: KernelWorld) -> None:
    root, one, _ = planted(world)
    world.ask(one, Claim(1, 10.0))
    world.reboot()
    world.later(60_000)
    assert states(world, root)[1] == ("claimed", one)
    world.resume(root)
    world.later(0)
    assert states(world, root)[1] == ("open", None)


def test_a_claimed_task_of_who_ended_is_open_again_however_it_ended(world: KernelWorld) -> None:
    root, one, other = planted(world)
    world.ask(one, Claim(1))
    world.ask(other, Claim(2))
    world.trap(one, Exit("all done"))
    world.ask(root, Kill(other))
    assert set(states(world, root).values()) == {("open", None)}
    answer = world.ask(root, ListTasks(task=1))
    assert isinstance(answer, Ok) and "without completing it" in answer.value[0]["note"]


def test_a_task_that_was_given_has_no_lease_unless_its_owner_names_one(world: KernelWorld) -> None:
    root, _, _ = planted(world)
    child = world.born(root, Spawn("x", "worker", task=1, grants=WORK))
    world.ask(child, Claim(1))
    world.later(10**8)
    assert states(world, root)[1] == ("claimed", child)
    world.ask(child, Claim(1, 5.0))
    world.later(5_000)
    assert states(world, root)[1] == ("open", None)
    world.trap(child, Exit("too late"))
    assert states(world, root)[1] == ("open", None)


def test_the_result_of_a_child_is_that_of_the_task_it_was_given(world: KernelWorld) -> None:
    root, _, _ = planted(world)
    child = world.born(root, Spawn("x", "worker", task=1))
    world.trap(child, Exit({"lines": 3}))
    answer = world.ask(root, ListTasks(task=1))
    assert isinstance(answer, Ok) and answer.value[0]["result"] == '{"lines":3}'


def test_who_floods_itself_with_leases_has_a_bounded_mailbox(world: KernelWorld) -> None:
    root, one, _ = planted(world, 1)
    for _ in range(limits.MAILBOX_MAX + 5):
        world.ask(one, Claim(1, 1.0))
        world.later(1_000)
    assert len(world.kernel.processes[one].mailbox) == limits.MAILBOX_MAX
    assert states(world, root)[1] == ("open", None)


# Waiting.


def woken(pid: int, effects: list[Effect]) -> tuple[int, ...] | None:
    """The tasks that a waiter is told of; None if it sleeps on."""
    answer = answer_to(pid, effects)
    if answer is None:
        return None
    assert isinstance(answer, Ok) and isinstance(answer.value, Waited), answer
    return answer.value.tasks


def test_who_waits_for_the_board_comes_back_when_somebody_else_changed_it(world: KernelWorld) -> None:
    _, one, other = planted(world)
    assert woken(one, world.trap(one, Wait(board=True))) == (1, 2), "it has never looked"
    assert woken(one, world.trap(one, Wait(board=True))) is None
    world.ask(other, Claim(2))
    assert woken(one, world.trap(other, Complete(2, "done"))) == (2,)
    assert world.ask(one, Status()) is not None
    world.trap(world.kernel.processes[one].root, Accept(2))
    assert woken(one, world.trap(one, Wait(board=True))) == (2,), "it came while nobody waited"


def test_nobody_is_woken_by_what_they_did_themselves(world: KernelWorld) -> None:
    _, one, _ = planted(world)
    world.ask(one, ListTasks())
    world.ask(one, Claim(1))
    world.ask(one, Complete(1, "done"))
    assert woken(one, world.trap(one, Wait(board=True))) is None


def test_what_another_did_is_not_hidden_by_what_one_did_after_it(world: KernelWorld) -> None:
    root, one, other = planted(world)
    world.ask(one, ListTasks())
    world.ask(other, Claim(1))
    world.ask(other, Complete(1, "done"))
    world.ask(root, Accept(1, False, "no"))
    world.ask(one, Claim(1))
    world.ask(one, Complete(1, "better"))
    assert woken(one, world.trap(one, Wait(board=True))) == (1,)


def test_who_looks_has_seen_and_who_looks_at_a_part_has_not(world: KernelWorld) -> None:
    _, one, other = planted(world)
    world.ask(one, ListTasks())
    assert woken(one, world.trap(one, Wait(board=True, timeout_seconds=0.0))) is None
    world.later(0)
    world.ask(other, Claim(1))
    world.ask(other, Complete(1, "done"))
    world.ask(one, ListTasks(ready=True))
    assert woken(one, world.trap(one, Wait(board=True))) == (1,)


@pytest.mark.parametrize("how", ["lease", "end", "person", "reopen", "drop", "reorder", "add"])
def test_every_change_wakes(world: KernelWorld, how: str) -> None:
    root, one, other = planted(world)
    world.ask(other, Claim(1, 10.0))
    world.ask(one, ListTasks())
    assert woken(one, world.trap(one, Wait(board=True))) is None
    match how:
        case "lease":
            effects = world.later(10_000)
        case "end":
            effects = world.stop(other)
        case "person":
            effects = world.work(root, Complete(1, "mine"))
        case "reopen":
            effects = world.work(root, Reopen(1, "wait"))
        case "drop":
            effects = world.work(root, Drop(1))
        case "reorder":
            effects = world.trap(root, Reorder((2,)))
        case _:
            effects = world.work(root, Add((Task("new"),)))
    assert woken(one, effects) == ({"reorder": 2, "add": 3}.get(how, 1),)


@pytest.mark.parametrize("who", ["process", "person", "spawn"])
def test_a_claim_wakes_nobody_and_what_comes_of_it_does(world: KernelWorld, who: str) -> None:
    root, one, other = planted(world)
    world.ask(one, ListTasks())
    world.trap(one, Wait(board=True))
    match who:
        case "process":
            assert woken(one, world.trap(other, Claim(1))) is None
            effects = world.trap(other, Complete(1, "done"))
        case "person":
            assert woken(one, world.work(root, Claim(1))) is None
            effects = world.work(root, Complete(1, "done"))
        case _:
            assert woken(one, world.trap(root, Spawn("x", "worker", task=1))) is None
            effects = world.stop(max(world.kernel.processes))
    assert woken(one, effects) == (1,)


def test_who_waits_is_told_of_what_became_ready(world: KernelWorld) -> None:
    root = world.tree()
    world.ask(root, Add((Task("a", name="a"), Task("b", after=("a",)))))
    doer, waiter = world.born(root, Fork("x")), world.born(root, Fork("y"))
    world.ask(doer, Claim(1))
    world.ask(doer, Complete(1, "done"))
    world.ask(waiter, ListTasks())
    world.trap(waiter, Wait(board=True))
    assert woken(waiter, world.trap(root, Accept(1))) == (1, 2)


def test_a_board_on_which_nothing_ever_was_can_be_waited_for(world: KernelWorld) -> None:
    root = world.tree()
    assert woken(root, world.trap(root, Wait(board=True))) is None
    assert woken(root, world.work(root, Add((Task("from you"),)))) == (1,)


def test_who_waits_for_more_is_told_of_all(world: KernelWorld) -> None:
    root, one, other = planted(world)
    world.ask(root, ListTasks())
    assert woken(root, world.trap(root, Wait(board=True))) is None
    world.ask(one, Claim(1))
    assert woken(root, world.trap(one, Complete(1, "done"))) == (1,)
    world.ask(other, Claim(2))
    world.ask(other, Complete(2, "done"))
    effects = world.trap(root, Wait((other,), board=True))
    assert woken(root, effects) == (2,)
    world.trap(root, Wait((other,), board=True, messages=False, alarms=False))
    effects = world.trap(other, Exit("bye"))
    answer = answer_to(root, effects)
    assert isinstance(answer, Ok) and [one.pid for one in answer.value.ended] == [other] and not answer.value.tasks


def test_who_waits_while_it_sleeps_is_woken_by_the_person(world: KernelWorld) -> None:
    root, one, _ = planted(world)
    world.ask(one, ListTasks())
    world.trap(one, Wait(board=True))
    world.reboot()
    world.work(root, Claim(1))
    assert woken(one, world.work(root, Complete(1, "done"))) == (1,)
