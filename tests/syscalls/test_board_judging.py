"""Who judges what was done, what comes of being sent back, and what a person may do that nobody else may."""

from __future__ import annotations

from typing import Any

import pytest
from test_boards import board, numbers, refusal, tasks
from worlds import KernelWorld

from gemot.abi.answers import Mail, Ok
from gemot.abi.grants import BudgetRequest, Grant
from gemot.abi.syscalls import Accept, Add, Claim, Complete, Exit, Fork, ListTasks, Receive, Reorder, Spawn, Task
from gemot.abi.tasks import Drop, Reopen


def completed(world: KernelWorld, author: int, doer: int) -> int:
    answer = world.ask(author, Add((Task("t"),)))
    assert isinstance(answer, Ok)
    (number,) = answer.value
    assert isinstance(world.ask(doer, Claim(number)), Ok)
    assert isinstance(world.ask(doer, Complete(number, "done")), Ok)
    return number


def test_who_had_no_part_in_it_may_judge_with_the_right_to(world: KernelWorld) -> None:
    root = world.tree()
    doer = world.born(root, Spawn("do", "worker", grants=("claim", "complete")))
    judge = world.born(root, Spawn("judge", "worker", grants=("accept",)))
    outsider = world.born(root, Spawn("look", "worker", grants=()))
    number = completed(world, root, doer)
    assert refusal(world, doer, Accept(number)).rule == "grant"
    assert refusal(world, outsider, Accept(number)).rule == "grant"
    assert world.ask(judge, Accept(number)) == Ok("accepted")


def every(*more: Grant | str) -> tuple[Grant | str, ...]:
    return ("add", "claim", "complete", "accept", "spawn", "fork", *more)


@pytest.mark.parametrize("kind", ["child", "grandchild", "fork", "parent", "sibling fork"])
def test_nobody_who_had_a_part_in_it_judges(world: KernelWorld, kind: str) -> None:
    root = world.tree()
    some = BudgetRequest(processes=20)
    parent = world.born(root, Spawn("p", "worker", grants=every(), budget=BudgetRequest(processes=60)))
    doer = world.born(
        parent, Fork("do", budget=some) if "fork" in kind else Spawn("do", "worker", grants=every(), budget=some)
    )
    number = completed(world, root, doer)
    judge = {
        "child": lambda: world.born(doer, Spawn("j", "worker", grants=("accept",))),
        "grandchild": lambda: world.born(
            world.born(doer, Fork("x", budget=BudgetRequest(processes=5))), Spawn("j", "worker", grants=("accept",))
        ),
        "fork": lambda: world.born(doer, Fork("j")),
        "parent": lambda: parent,
        "sibling fork": lambda: world.born(parent, Fork("j")),
    }[kind]()
    assert refusal(world, judge, Accept(number)).rule == "grant"
    assert world.ask(root, Accept(number)) == Ok("accepted")


def test_who_hands_out_work_judges_what_comes_back(world: KernelWorld) -> None:
    root = world.tree()
    for child in (world.born(root, Spawn("do", "worker", grants=every())), world.born(root, Fork("do"))):
        assert world.ask(root, Accept(completed(world, root, child))) == Ok("accepted")


def test_a_puppet_that_put_it_there_does_not_judge_for_its_parent(world: KernelWorld) -> None:
    root = world.tree()
    puppet = world.born(root, Spawn("p", "worker", grants=every()))
    number = completed(world, puppet, root)
    assert refusal(world, puppet, Accept(number)).rule == "grant"
    world.work(root, Accept(number))
    assert tasks(world, root) == [(number, "accepted", root)]


def test_after_the_author_has_ended_its_parent_judges(world: KernelWorld) -> None:
    root = world.tree()
    author = world.born(root, Spawn("a", "worker", grants=every()))
    doer = world.born(root, Spawn("d", "worker", grants=every()))
    number = completed(world, author, doer)
    assert refusal(world, root, Accept(number)).rule == "grant"
    world.stop(author)
    assert world.ask(root, Accept(number)) == Ok("accepted")


def test_who_sends_back_says_why(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Fork("x"))
    number = completed(world, root, child)
    assert "say why" in refusal(world, root, Accept(number, False)).message
    assert world.ask(root, Accept(number, False, "too short")) == Ok("open")
    (mail,) = mails(world, child)
    assert mail.sender == -1 and "too short" in mail.text


def mails(world: KernelWorld, pid: int) -> list[Mail]:
    answer = world.ask(pid, Receive(0.0)) if world.kernel.processes[pid].mailbox else Ok(())
    assert isinstance(answer, Ok)
    return list(answer.value)


def test_after_three_rejections_only_a_person_opens_it(world: KernelWorld) -> None:
    root = world.tree()
    planner = world.born(root, Spawn("p", "worker", grants=every()))
    judge = world.born(root, Spawn("j", "worker", grants=("accept",)))
    doer = world.born(root, Spawn("d", "worker", grants=("claim", "complete")))
    number = completed(world, planner, doer)
    for left in (2, 1, 0):
        assert world.ask(judge, Accept(number, False, "no")) == Ok("open" if left else "stuck")
        if left:
            world.ask(doer, Claim(number))
            world.ask(doer, Complete(number, "again"))
    assert "only the person" in mails(world, planner)[0].text
    for pid, syscall in ((doer, Claim(number)), (judge, Accept(number)), (planner, Spawn("x", "worker", task=number))):
        assert refusal(world, pid, syscall).rule == "state"
    world.work(root, Reopen(number, "count the words"))
    answer = world.ask(doer, Claim(number))
    assert isinstance(answer, Ok) and answer.value["note"] == "count the words"
    assert (answer.value["sent_back_because"], answer.value["sent_back_by"]) == ("no", judge)
    world.ask(doer, Complete(number, "counted"))
    assert world.ask(judge, Accept(number, False, "no")) == Ok("open"), "it is counted anew"


@pytest.mark.parametrize("since", ["reopened with words", "reopened without", "its lease was over", "its owner ended"])
def test_why_it_was_sent_back_is_read_by_whoever_takes_it_next(world: KernelWorld, since: str) -> None:
    root = world.tree()
    doer = world.born(root, Spawn("d", "worker", grants=("claim", "complete", "list_tasks")))
    number = completed(world, root, doer)
    world.ask(root, Accept(number, False, "too short"))
    (shown,) = listed(world, root)
    assert shown["note"] == "too short" and "sent_back_because" not in shown, "it is said once"
    if "reopened" in since:
        world.trap(doer, Claim(number))
        world.work(root, Reopen(number, "count the words" if since.endswith("words") else ""))
    else:
        world.ask(doer, Claim(number, 5))
        if "lease" in since:
            world.later(5_000)
        else:
            world.trap(doer, Exit())
    (shown,) = listed(world, root)
    assert shown.get("note") != "too short"
    assert (shown["sent_back_because"], shown["sent_back_by"]) == ("too short", root)
    world.ask(root, Claim(number))
    world.work(root, Complete(number, "counted"))
    world.work(root, Accept(number))
    assert "sent_back_because" not in listed(world, root)[0], "what is accepted has nothing left to be better"


def listed(world: KernelWorld, pid: int) -> list[dict[str, Any]]:
    answer = world.ask(pid, ListTasks())
    assert isinstance(answer, Ok)
    return answer.value


# The person.


def test_a_person_works_on_the_same_board(world: KernelWorld) -> None:
    root = world.tree()
    world.work(root, Add((Task("yours", name="first"), Task("mine", after=("first",)))))
    child = world.born(root, Fork("x"))
    world.ask(child, Claim(1))
    world.work(root, Complete(1, "I did it"))
    assert "the person completed it" in mails(world, child)[0].text
    assert refusal(world, child, Complete(1, "x")).rule == "state"
    world.work(root, Accept(1))
    world.work(root, Claim(2))
    assert "claimed by the person" in refusal(world, child, Claim(2)).message
    world.later(10**9)
    world.work(root, Complete(2, "that too"))
    assert world.ask(root, Accept(2)) == Ok("accepted")
    answer = world.ask(root, ListTasks())
    assert (
        isinstance(answer, Ok)
        and answer.value[0]["owner"] == "the person"
        and answer.value[0]["author"] == "the person"
    )


def test_what_a_person_may_not_do_changes_nothing(world: KernelWorld) -> None:
    root = board(world, "a", "b")
    child = world.born(root, Fork("x"))
    number = completed(world, root, child)
    world.ask(root, Accept(number))
    before = tasks(world, root)
    for move in (
        Reopen(number),
        Drop(number),
        Accept(number),
        Complete(number, "x"),
        Claim(number),
        Reopen(1),
        Drop(9),
    ):
        world.work(root, move)
    world.work(99, Claim(1))
    assert tasks(world, root) == before


def test_what_is_dropped_is_waited_for_no_more(world: KernelWorld) -> None:
    root = world.tree()
    world.ask(root, Add((Task("a", name="a"), Task("b", after=("a",)))))
    child = world.born(root, Fork("x"))
    world.ask(child, Claim(1))
    world.work(root, Drop(1, "not needed"))
    assert "took it off" in mails(world, child)[0].text
    assert numbers(world, root, ready=True) == [2]
    assert refusal(world, child, Claim(1)).rule == "state"
    world.work(root, Reopen(1))
    assert numbers(world, root, ready=True) == [1]


def test_a_reordered_board_leaves_out_what_is_done_with(world: KernelWorld) -> None:
    root = board(world, "a", "b")
    world.work(root, Drop(1))
    assert "leave it out" in refusal(world, root, Reorder((2, 1))).message


def test_who_finds_nothing_to_claim_is_told_whether_there_will_be(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Add((Task("a", name="a"), Task("b", after=("a",)))))
    worker = world.born(root, Spawn("x", "worker", grants=(Grant("claim"), Grant("complete"))))
    world.trap(worker, Claim(1))
    other = world.born(root, Spawn("x", "worker", grants=(Grant("claim"),)))
    assert "claimed: 1; open: 2. wait with board=true" in refusal(world, other, Claim()).message
    world.trap(worker, Complete(1, "done"))
    for _ in range(2):
        world.trap(root, Accept(1, False, "no"))
        world.trap(worker, Claim(1))
        world.trap(worker, Complete(1, "done"))
    world.trap(root, Accept(1, False, "no"))
    assert "stuck: 1; open: 2. Those that are stuck only the person opens" in refusal(world, other, Claim()).message
    assert "only the person opens it again" in refusal(world, other, Claim(1)).message
    world.work(root, Drop(1))
    world.work(root, Drop(2))
    assert "every task is accepted or dropped" in refusal(world, other, Claim()).message
