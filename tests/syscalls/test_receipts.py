"""Receipts: what the kernel writes down of a use comes from a tool, and a tool may say anything."""

from __future__ import annotations

import msgspec
import pytest
from worlds import KernelWorld, ends, started

from gemot.abi.effects import Begin
from gemot.abi.events import Value
from gemot.abi.grants import Grant
from gemot.abi.reviews import ReceiptCheck, ReviewerCheck, SchemaCheck, ToolCheck
from gemot.abi.syscalls import Call, Exit, Spawn, ToolUse
from gemot.authority import evidence
from gemot.kernel import receipts
from gemot.kernel.freezing import freeze_trees
from gemot.programs.telling import plain


@pytest.mark.parametrize(
    "said",
    [
        '{"exit_code":²,',
        '{"exit_code":--5,',
        '{"exit_code":-,',
        '{"exit_code":' + "1" * 5_000 + ",",
        '{"exit_code":' + "1" * 5_000 + "}",
        '{"exit_code":' + "1" * 30 + "}",
        '{"exit_code":-' + "1" * 30 + ',"out":"cut',
        '{"exit_code":true}',
        '{"exit_code":1e400}',
    ],
    ids=lambda said: said[:30],
)
def test_what_looks_like_an_exit_code_and_is_none_is_only_a_text(world: KernelWorld, said: str) -> None:
    root = world.tree()
    (effect,) = started(world.trap(root, Call((ToolUse("disk/read", {"path": "a"}),))))
    world.done(effect, Value(said))
    (use,) = world.kernel.processes[root].uses
    assert use.ok and use.exit is None
    assert msgspec.msgpack.encode(freeze_trees(world.kernel, [root])), "the tables can still be kept"


@pytest.mark.parametrize(
    ("said", "code"),
    [('{"exit_code":0}', 0), ('{"exit_code":-9,"out":"cut', -9), ('{"exit_code":3221225786,"out":"cut', 3_221_225_786)],
)
def test_an_exit_code_is_found(said: str, code: int) -> None:
    assert evidence.exit_code(said) == code


def test_a_sealed_result_is_in_no_receipt(world: KernelWorld) -> None:
    root = world.tree(grants=(Grant("disk/read", results="handle"),))
    (effect,) = started(world.trap(root, Call((ToolUse("disk/read", {"path": "a"}),))))
    said = '{"exit_code":31337}'
    world.done(effect, Value(said, digest="d" * 64, size_chars=len(said)))
    (use,) = world.kernel.processes[root].uses
    assert (use.shown, use.exit) == ('disk/read {"path":"a"}', 31_337), "a check may ask for it, nobody is shown it"


def test_nothing_hides_behind_what_is_harmless(world: KernelWorld) -> None:
    """A long command shows its end, and that something was left out; a check finds what stands there, and not the exit code."""
    pid = world.tree()
    long = f"echo {'a' * 5_000}; rm all; make test"
    (effect,) = started(world.trap(pid, Call((ToolUse("sums/add", {"text": long}),))))
    world.done(effect, Value('{"exit_code":0,"stdout":""}'))
    (use,) = world.kernel.processes[pid].uses
    assert "rm all; make test" in use.shown and " characters ...] " in use.shown and len(use.shown) < 1_200
    process = world.kernel.processes[pid]
    assert receipts.bears(process, ReceiptCheck("sums/add", matching="make test", exit=0)) is use
    assert receipts.bears(process, ReceiptCheck("sums/add", matching="exit code")) is None


def test_what_a_result_has_passed_is_in_its_receipt_and_before_its_reviewer(world: KernelWorld) -> None:
    root = world.tree()
    checks = (SchemaCheck({"type": "string"}), ToolCheck("sums/add", {"text": "make"}), ReviewerCheck(program="worker"))
    child = world.born(root, Spawn("work", "worker", review=checks))
    (effect,) = started(world.trap(child, Exit("done")))
    assert 'sums/add {"text":"make"} does not pass it' in str(world.done(effect, Value("false")))
    (effect,) = started(world.trap(child, Exit("done")))
    (judge,) = [one for one in world.done(effect, Value("true")) if isinstance(one, Begin)]
    assert 'which the kernel made:\n- its schema\n- sums/add {"text":"make"}' in judge.brief
    outcome = ends(world.trap(judge.pid, Exit({"accepted": True, "reason": "right"})))[child]
    assert outcome.receipt.passed == ("its schema", 'sums/add {"text":"make"}', "a reviewer")
    assert evidence.lines(outcome.receipt)[-1] == "passed: a reviewer"
    assert '"passed":["its schema"' in plain(outcome)
