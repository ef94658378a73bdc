"""Rights that move while everybody lives: given to a child, taken back from it and from all below it."""

from __future__ import annotations

import pytest
from guarded import guarded, tried
from worlds import KernelWorld, answer_to, put, started

from gemot.abi.answers import Error, Ok
from gemot.abi.events import Revoked
from gemot.abi.grants import BudgetRequest, Grant, MountRequest, Rule
from gemot.abi.syscalls import Call, Fork, GrantTo, Revoke, Spawn, ToolUse
from gemot.authority import narrowing

MANY = BudgetRequest(processes=5)


def told(world: KernelWorld, pid: int, tool: str) -> str:
    parent = world.kernel.processes[pid].parent
    answer = world.ask(parent, Revoke(pid, tool))
    assert isinstance(answer, Ok), answer
    return answer.value


def uses(world: KernelWorld, pid: int, tool: str) -> list[int | None]:
    return [grant.uses for grant in world.kernel.processes[pid].grants if grant.tool == tool]


def test_what_is_taken_back_is_gone_from_the_child_and_all_below_it(world: KernelWorld) -> None:
    root = guarded(world)
    child = world.born(root, Fork("x", budget=MANY))
    below = world.born(child, Fork("y", budget=BudgetRequest(processes=1)))
    assert "mail/send" not in (words := told(world, child, "bank/pay")) and str(below) in words
    for pid in (child, below):
        assert tried(world, pid, "bank/pay", recipient="x", amount=1) == "grant"
        assert tried(world, pid, "mail/send", to="x") == "done", "the rest of a wide grant stays"
    assert tried(world, root, "bank/pay", recipient="x", amount=1) == "done"
    assert tried(world, world.born(child, Fork("z")), "bank/pay", recipient="x", amount=1) == "grant"


def test_all_tools_of_a_driver_or_all_at_all(world: KernelWorld) -> None:
    root = guarded(world)
    child = world.born(root, Fork("x"))
    told(world, child, "mail/*")
    assert [tried(world, child, tool) for tool in ("mail/send", "mail/list", "clock/now")] == ["grant", "grant", "done"]
    told(world, child, "*")
    assert tried(world, child, "clock/now") == "grant"
    assert isinstance(world.ask(child, Fork("y")), Ok | Error)


def test_a_syscall_is_taken_back_like_a_tool(world: KernelWorld) -> None:
    root = guarded(world)
    child = world.born(root, Fork("x", budget=MANY))
    told(world, child, "fork")
    answer = world.ask(child, Fork("y"))
    assert isinstance(answer, Error) and answer.rule == "grant" and "taken back" not in answer.message


def test_uses_that_are_left_come_back_where_they_came_from(world: KernelWorld) -> None:
    root = guarded(world, Grant("clock/now", uses=5), Grant("sums/add"))
    child = world.born(root, Fork("x", grants=(Grant("clock/now", uses=4), Grant("fork")), budget=MANY))
    below = world.born(child, Fork("y", grants=(Grant("clock/now", uses=2),)))
    assert tried(world, below, "clock/now") == "done"
    assert f"3 uses back with {root}" in told(world, child, "clock/now")
    assert uses(world, root, "clock/now") == [4], "five, less the one that was used"
    assert [tried(world, root, "clock/now") for _ in range(5)] == ["done"] * 4 + ["grant"]


def test_uses_come_back_to_the_grant_that_they_were_counted_off_and_to_no_other(world: KernelWorld) -> None:
    one, other = Grant("sums/add", {"text": Rule(prefix="a")}, 2), Grant("sums/add", {"text": Rule(chars_max=5)}, 2)
    root = guarded(world, one, other)
    child = world.born(root, Fork("x", grants=(Grant("sums/add", {"text": Rule(one_of=("ab",))}, 2),)))
    assert f"2 uses back with {root}" in told(world, child, "sums/add")
    assert uses(world, root, "sums/add") == [2, 2]


def test_a_counted_grant_that_is_wider_goes_as_a_whole(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/*", uses=4))
    child = world.born(root, Fork("x", grants=(Grant("mail/*", uses=3),)))
    assert f"3 uses back with {root}" in told(world, child, "mail/send")
    assert tried(world, child, "mail/list") == "grant"
    assert uses(world, root, "mail/*") == [4]


def test_what_waits_for_a_person_does_not_happen_after_that(world: KernelWorld) -> None:
    root = guarded(world)
    child = world.born(root, Fork("x"))
    effects = world.trap(child, Call((ToolUse("sums/add", {"text": "1"}), ToolUse("post/send", {"text": "a"}))))
    (ask,), (sum_,) = put(effects), started(effects)
    taken = world.trap(root, Revoke(child, "post/send"))
    assert answer_to(root, taken) is not None and answer_to(child, taken) is None
    assert world.answer(ask) == []
    answer = answer_to(child, world.done(sum_))
    assert isinstance(answer, Ok) and [one.rule for one in answer.value] == ["", "grant"]


def test_a_tool_that_is_at_work_ends_its_work(world: KernelWorld) -> None:
    root = guarded(world)
    child = world.born(root, Fork("x"))
    (effect,) = started(world.trap(child, Call((ToolUse("clock/now"),))))
    told(world, child, "clock/now")
    answer = answer_to(child, world.done(effect))
    assert isinstance(answer, Ok) and answer.value[0].ok


def test_a_person_takes_a_right_from_whom_they_will(world: KernelWorld) -> None:
    root = guarded(world)
    child = world.born(root, Fork("x"))
    world.feed(Revoked(world.at, root, "mail/*"))
    assert [tried(world, pid, "mail/send", to="x") for pid in (root, child)] == ["grant", "grant"]
    assert world.feed(Revoked(world.at, 999, "mail/*")) == []


@pytest.mark.parametrize(
    ("syscall", "rule"),
    [
        (Revoke(1, "clock/now"), "family"),
        (Revoke(2, "clock/nwo"), "unknown"),
        (Revoke(2, "mail/send"), "state"),
        (GrantTo(1, (Grant("clock/now"),)), "family"),
        (GrantTo(2, ()), "malformed"),
        (GrantTo(2, (Grant("mail/send"),)), "grant"),
        (GrantTo(2, (Grant("clock/now", endorsed=True),)), "grant"),
        (GrantTo(2, (Grant("clock/nwo"),)), "unknown"),
    ],
)
def test_what_can_not_be_given_or_taken_is_refused_in_words(
    world: KernelWorld, syscall: Revoke | GrantTo, rule: str
) -> None:
    root = guarded(world, Grant("clock/now"))
    assert (root, world.born(root, Fork("x"))) == (1, 2)
    answer = world.ask(root, syscall)
    assert isinstance(answer, Error) and answer.rule == rule and answer.message


def test_a_right_is_given_to_a_child_that_lives(world: KernelWorld) -> None:
    root = guarded(world, Grant("clock/now", uses=3), Grant("disk/read", {"path": Rule(under="notes")}))
    child = world.born(root, Fork("x", grants=("fork",), mounts=(MountRequest("notes/mine", "own"),)))
    assert tried(world, child, "clock/now") == "grant"
    assert isinstance(world.ask(root, GrantTo(child, (Grant("clock/now", uses=2), Grant("disk/read", {"path": Rule(under="a")})))), Ok)  # fmt: skip
    assert [tried(world, child, "clock/now") for _ in range(3)] == ["done", "done", "grant"]
    assert uses(world, root, "clock/now") == [1]
    assert [tried(world, child, "disk/read", path=path) for path in ("a/b", "b")] == ["done", "grant"]


def test_nothing_comes_back_for_what_a_wide_enough_parent_gave(world: KernelWorld) -> None:
    root = guarded(world, Grant("clock/now"))
    child = world.born(root, Spawn("x", "worker", grants=(Grant("clock/now", uses=3),)))
    assert "3 uses gone" in told(world, child, "clock/now")
    assert uses(world, root, "clock/now") == [None]


def test_what_was_taken_back_is_in_no_list(world: KernelWorld) -> None:
    root = guarded(world)
    child = world.born(root, Fork("x"))
    told(world, child, "*")
    assert "taken back" not in narrowing.listed(world.kernel.processes[child].grants, ())
