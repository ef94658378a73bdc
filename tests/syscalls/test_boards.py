"""The board: tasks, who does them, and who says that they are done."""

from __future__ import annotations

import pytest
from worlds import KernelWorld

from gemot.abi import limits
from gemot.abi.answers import Error, Ok
from gemot.abi.grants import BudgetRequest, Grant, Rule
from gemot.abi.syscalls import (
    Accept,
    Add,
    Claim,
    Complete,
    Exit,
    Fork,
    ListTasks,
    Reorder,
    Spawn,
    Syscall,
    Task,
)


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
    assert tasks(world, root) == [(1, "completed", root)]
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


NONSENSE = (
    Add(()),
    Add((Task(" "),)),
    Add((Task("x", name="two\nlines"),)),
    Add((Task("x", name="7"),)),
    Add((Task("x", priority=10**30),)),
    Add((Task("x", after=(9,)),)),
    Add((Task("x", after=("nobody",)),)),
    Add((Task("x", after=("²",)),)),
    Add((Task("x", after=(10**40,)),)),
    Add((Task("x", after=("",)),)),
    Add((Task("x", after=(2,)),)),
    Add((Task("x", after=(0, -1)),)),
    Add((Task("x", name="a"), Task("y", name="a"))),
    Add((Task("x", budget=BudgetRequest(tokens=-1)),)),
    Add((Task("x", budget=BudgetRequest(tokens=10**40)),)),
    Add((Task("x", grants=("no/such/tool",)),)),
    Add((Task("x", grants=(Grant("disk/read", uses=10**30),)),)),
    Add((Task("x", grants=(Grant("disk/read", endorsed=True),)),)),
    Add((Task("x", grants=(Grant("disk/read", {"path": Rule(prefix="a")}),)),)),
    Claim(5),
    Claim(10**40),
    Claim(1, 0.0),
    Claim(1, 1e12),
    Complete(5, "x"),
    Accept(5),
    Reorder((1, 5)),
)


@pytest.mark.parametrize("syscall", NONSENSE)
def test_nonsense_is_refused(world: KernelWorld, syscall: Syscall) -> None:
    root = board(world, "a")
    before = tasks(world, root)
    assert refusal(world, root, syscall).rule in ("malformed", "unknown", "limit", "grant", "budget")
    assert tasks(world, root) == before


def test_a_board_is_bounded(world: KernelWorld) -> None:
    many = Add(tuple(Task("x") for _ in range(limits.TASKS_MAX)))
    assert refusal(world, board(world, "a"), many).rule == "limit"


# Order.


def numbers(world: KernelWorld, pid: int, **chosen: object) -> list[int]:
    answer = world.ask(pid, ListTasks(**chosen))  # type: ignore[arg-type]
    assert isinstance(answer, Ok)
    return [one["number"] for one in answer.value]


def test_a_task_is_claimed_only_when_those_before_it_are_accepted(world: KernelWorld) -> None:
    root = world.tree()
    world.ask(root, Add((Task("join", after=("a", "b", 2)), Task("a", name="a"), Task("b", name="b"))))
    child = world.born(root, Fork("x"))
    assert numbers(world, root, ready=True) == [2, 3]
    assert "comes after 2, 3" in refusal(world, child, Claim(1)).message
    assert "ready: 2, 3" in refusal(world, root, Spawn("x", "worker", task=1)).message
    for task in (2, 3):
        world.ask(child, Claim(task))
        world.ask(child, Complete(task, "done"))
        assert refusal(world, child, Claim(1)).rule == "state"
        world.ask(root, Accept(task))
    assert isinstance(world.ask(child, Claim(1)), Ok)


def test_a_number_may_be_one_of_the_tasks_that_are_being_added(world: KernelWorld) -> None:
    root = world.tree()
    world.ask(root, Add((Task("a"), Task("b", after=(1,)), Task("c", after=("2",)))))
    assert numbers(world, root, ready=True) == [1]


def test_a_circle_is_refused_with_its_names(world: KernelWorld) -> None:
    root = world.tree()
    circle = Add(
        (Task("x", name="a", after=("c",)), Task("x", name="b", after=("a",)), Task("x", name="c", after=("b",)))
    )
    message = refusal(world, root, circle).message
    assert "circle" in message and "'a'" in message and "'c'" in message
    assert tasks(world, root) == []


def test_a_task_of_higher_priority_stands_before_the_others(world: KernelWorld) -> None:
    root = board(world, "a", "b")
    world.ask(root, Add((Task("c", priority=5), Task("d"), Task("e", priority=5), Task("f", priority=-1))))
    world.ask(root, Add((Task("g"),)))
    assert numbers(world, root) == [3, 5, 1, 2, 4, 7, 6]
    answer = world.ask(root, Claim())
    assert isinstance(answer, Ok) and answer.value["number"] == 3


def test_who_has_no_number_gets_the_first_that_is_ready(world: KernelWorld) -> None:
    root = world.tree()
    world.ask(root, Add((Task("b", after=("a",)), Task("a", "it is there", name="a"))))
    answer = world.ask(root, Claim())
    assert isinstance(answer, Ok) and (answer.value["text"], answer.value["acceptance"]) == ("a", "it is there")
    assert "no task is ready" in refusal(world, world.born(root, Fork("x")), Claim()).message


def test_the_right_to_claim_can_be_bounded_to_a_task(world: KernelWorld) -> None:
    root = board(world, "a", "b")
    only = Grant("claim", {"task": Rule(one_of=(2,))})
    child = world.born(root, Spawn("x", "worker", grants=(only,)))
    assert refusal(world, child, Claim(1)).rule == "grant"
    assert refusal(world, child, Claim()).rule == "grant"
    assert isinstance(world.ask(child, Claim(2)), Ok)
    assert refusal(world, child, Complete(2, "x")).rule == "grant"


# What a task brings with it.


def test_spawn_takes_budget_and_grants_from_the_task_as_far_as_there_are_any(world: KernelWorld) -> None:
    root = world.tree()
    path = {"path": Rule(one_of=("a.md",))}
    task = Task("t", budget=BudgetRequest(tokens=10**9, calls=7), grants=(Grant("disk/read", path), "sums/add"))
    world.ask(root, Add((task, task, task)))
    child = world.kernel.processes[world.born(root, Spawn("x", "worker", task=1))]
    assert child.left.calls == 7 and child.left.tokens == 100_000
    assert [grant.tool for grant in child.grants] == ["disk/read", "sums/add"]
    world.stop(child.pid)
    named = Spawn("x", "worker", task=2, budget=BudgetRequest(tokens=5), grants=("sums/add",))
    child = world.kernel.processes[world.born(root, named)]
    assert child.left.tokens == 5 and [grant.tool for grant in child.grants] == ["sums/add"]
    poor = world.born(root, Spawn("x", "worker", grants=("spawn", "sums/add")))
    child = world.kernel.processes[world.born(poor, Spawn("x", "worker", task=3))]
    assert [grant.tool for grant in child.grants] == ["sums/add"], "what the spawner has not can't be given"


# What is shown.


def test_a_board_is_shown_in_parts(world: KernelWorld) -> None:
    root = world.tree()
    world.ask(root, Add(tuple(Task("x" * 900) for _ in range(40))))
    seen: list[int] = []
    while True:
        answer = world.ask(root, ListTasks(start=len(seen)))
        assert isinstance(answer, Ok)
        size = sum(len(str(one)) for one in answer.value)
        assert size < 2 * limits.BOARD_PAGE_CHARS
        seen += [one["number"] for one in answer.value if "number" in one]
        if "more" not in answer.value[-1]:
            break
        assert f"start={len(seen)}" in answer.value[-1]["how"]
    assert seen == list(range(1, 41))


def test_a_part_of_the_board_is_shown(world: KernelWorld) -> None:
    root = board(world, "a", "b", "c")
    child = world.born(root, Fork("x"))
    world.ask(child, Claim(2))
    world.ask(child, Complete(2, "y" * 5_000))
    world.ask(child, Claim(3))
    assert numbers(world, root, ready=True) == [1]
    assert numbers(world, root, state="completed") == [2]
    assert numbers(world, child, mine=True) == [2, 3]
    assert numbers(world, child, mine=True, state="claimed") == [3]
    answer = world.ask(root, ListTasks(task=2))
    assert isinstance(answer, Ok) and len(answer.value[0]["result"]) == 5_000
    assert refusal(world, root, ListTasks(task=9)).rule == "unknown"


def test_an_order_of_no_tasks_on_no_board_changes_nothing(world: KernelWorld) -> None:
    root = world.tree()
    assert world.ask(root, Reorder(())) == Ok([{"order": []}])
    world.work(root, Reorder(()))
    assert not world.kernel.boards
