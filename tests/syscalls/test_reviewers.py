"""What those who judge a result may look at."""

from __future__ import annotations

import pytest
from worlds import EVERY_SYSCALL, KernelWorld

from gemot.abi.grants import BudgetRequest, Grant, Mount, Rule
from gemot.abi.reviews import AgreementCheck, Check, ReviewerCheck
from gemot.abi.syscalls import Exit, Spawn


@pytest.mark.parametrize("rule", [Rule(one_of=("a.md", "/home/b.md")), Rule(under="notes")])
@pytest.mark.parametrize(
    "check", [ReviewerCheck(program="talker"), AgreementCheck(2, 2)], ids=["reviewer", "agreement"]
)
def test_who_judges_may_look_at_the_paths_that_the_judged_may(world: KernelWorld, rule: Rule, check: Check) -> None:
    mounts = (Mount("work", "/srv/work", "rw"), Mount("home", "/srv/home", "ro", "of/ada"))
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("*")), mounts=mounts)
    grants = (Grant("disk/read", {"path": rule}),)
    means = BudgetRequest(processes=20, depth=3)
    child = world.born(root, Spawn("do it", "worker", grants=grants, review=(check,), budget=means))
    world.trap(child, Exit("42"))
    (judge,) = world.kernel.processes[child].children
    held, judged = world.kernel.processes[judge].grants, world.kernel.processes[child].grants
    assert [one.where for one in held] == [one.where for one in judged]
