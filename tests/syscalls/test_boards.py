"""The board: tasks, who does them, and who says that they are done."""

from __future__ import annotations

import pytest
from worlds import KernelWorld

from gemot.abi import limits
from gemot.abi.answers import Error, Ok
from gemot.abi.syscalls import Accept, Add, Claim, Complete, Exit, Fork, ListTasks, Reorder, Spawn, Syscall, Task


def board(world: KernelWorld, *texts: str) -> int:
    root = world.tree()
    assert world.ask(root, Add(tuple(Task(text) for text in texts))) == Ok(tuple(range(1, len(texts) + 1)))
    return root


def tasks(world: KernelWorld, pid: int) -> list[tuple[int, str, int]]:
    answer = world.ask(pid, ListTasks())
    assert isinstance(answer, Ok)
    return [(one["number"], one["state"], one.get("owner", 0)) for one in answer.value]


def refusal(world: KernelWorld, pid: int, syscall: Syscall) -> Error:
    answer = world.ask(pid, syscall)
    assert isinstance(answer, Error), answer
    return answer


def test_a_task_goes_from_open_to_accepted(world: KernelWorld) -> None:
    root = board(world, "write")
    child = world.born(root, Fork("x"))
    assert isinstance(world.ask(child, Claim(1)), Ok)
    assert isinstance(world.ask(child, Complete(1, "written")), Ok)
    assert tasks(world, root) == [(1, "completed", child)]
    assert world.ask(root, Accept(1)) == Ok("accepted")
    assert tasks(world, root) == [(1, "accepted", child)]


def test_nobody_accepts_their_own_work(world: KernelWorld) -> None:
    root = board(world, "write")
    world.ask(root, Claim(1))
    world.ask(root, Complete(1, "written"))
    assert "own work" in refusal(world, root, Accept(1)).message
    child = world.born(root, Fork("x"))
    assert str(root) in refusal(world, child, Accept(1)).message


def test_a_task_has_one_owner(world: KernelWorld) -> None:
    root = board(world, "write")
    a, b = world.born(root, Fork("x")), world.born(root, Fork("y"))
    world.ask(a, Claim(1))
    assert str(a) in refusal(world, b, Claim(1)).message
    assert refusal(world, b, Complete(1, "mine")).rule == "state"


def test_work_that_is_sent_back_is_open_again_with_the_reason(world: KernelWorld) -> None:
    root = board(world, "write")
    child = world.born(root, Fork("x"))
    world.ask(child, Claim(1))
    assert refusal(world, root, Accept(1)).rule == "state"
    world.ask(child, Complete(1, "written"))
    assert world.ask(root, Accept(1, False, "too short")) == Ok("open")
    answer = world.ask(child, ListTasks())
    assert isinstance(answer, Ok) and answer.value[0]["note"] == "too short"
    assert isinstance(world.ask(child, Claim(1)), Ok)


def test_the_task_of_a_child_that_ends_is_completed_or_open_again(world: KernelWorld) -> None:
    root = board(world, "write", "read")
    good, bad = world.born(root, Spawn("w", "worker", task=1)), world.born(root, Spawn("r", "worker", task=2))
    assert tasks(world, root) == [(1, "claimed", good), (2, "claimed", bad)]
    world.trap(good, Exit("written"))
    world.stop(bad)
    assert tasks(world, root) == [(1, "completed", good), (2, "open", 0)]


def test_a_task_that_is_taken_can_not_be_given_to_a_child(world: KernelWorld) -> None:
    root = board(world, "write")
    world.born(root, Spawn("w", "worker", task=1))
    assert refusal(world, root, Spawn("w", "worker", task=1)).rule == "state"
    assert "there are: 1" in refusal(world, root, Spawn("w", "worker", task=7)).message
    assert len(world.kernel.processes[root].children) == 1


def test_tasks_can_be_put_into_another_order(world: KernelWorld) -> None:
    root = board(world, "a", "b", "c")
    world.ask(root, Reorder((3, 1)))
    assert [number for number, _, _ in tasks(world, root)] == [3, 1, 2]
    assert refusal(world, root, Reorder((9,))).rule == "unknown"


def test_a_board_is_its_trees_own(world: KernelWorld) -> None:
    board(world, "a")
    assert tasks(world, world.tree()) == []


@pytest.mark.parametrize("syscall", [Add(()), Add((Task(" "),)), Claim(5), Complete(5, "x"), Accept(5)])
def test_nonsense_is_refused(world: KernelWorld, syscall: Syscall) -> None:
    assert refusal(world, board(world, "a"), syscall).rule in ("malformed", "unknown")


def test_a_board_is_bounded(world: KernelWorld) -> None:
    many = Add(tuple(Task("x") for _ in range(limits.TASKS_MAX)))
    assert refusal(world, board(world, "a"), many).rule == "limit"
