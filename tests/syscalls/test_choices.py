"""Choices: which values a rule names, and that narrowing many of them takes no time that others wait for."""

from __future__ import annotations

import time

import pytest

from gemot.abi.grants import Rule, Source
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
