"""Choices: which values a rule names, and that narrowing many of them takes no time that others wait for."""

from __future__ import annotations

import time

import pytest
from worlds import KernelWorld

from gemot.abi import limits
from gemot.abi.effects import BeginFork
from gemot.abi.events import Trapped
from gemot.abi.grants import Grant, Rule, Source
from gemot.abi.syscalls import Fork
from gemot.authority.rules import fits, rule_within

SCALARS = (0, 1, 1.0, 4, 4.5, -0.0, True, False, "1", "true", "", None, 1 << 60, float(1 << 60))


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_a_choice_lies_within_another_as_its_values_fit_it(value: object) -> None:
    for named in SCALARS:
        parent = Rule(one_of=("another", named))
        assert rule_within(Rule(one_of=(value,)), parent) == fits(parent, value)


def test_no_choice_is_so_large_that_it_takes_long_to_narrow() -> None:
    names = tuple(f"file {number}" for number in range(20_000))
    started = time.process_time()
    assert rule_within(Rule(one_of=names[::-1]), Rule(one_of=names))
    assert rule_within(Rule(one_of=names[::-1], source=(Source("a/b"),)), Rule(one_of=names, source=(Source("a/b"),)))
    assert not rule_within(Rule(one_of=(*names, "one more")), Rule(one_of=names))
    assert time.process_time() - started < 2


def test_a_fork_of_whoever_holds_many_grants_takes_no_longer(world: KernelWorld) -> None:
    many = [Grant("disk/read", {"path": Rule(one_of=(f"file {number}",))}) for number in range(limits.GRANTS_MAX - 1)]
    root = world.tree(grants=(*many, Grant("fork")))
    started = time.process_time()
    effects = world.kernel.handle(Trapped(world.at, root, Fork("x")))
    assert time.process_time() - started < 2
    (begun,) = [effect.pid for effect in effects if isinstance(effect, BeginFork)]
    assert world.kernel.processes[begun].grants == world.kernel.processes[root].grants
