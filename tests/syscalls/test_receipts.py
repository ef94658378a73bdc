"""Receipts: what the kernel writes down of a use comes from a tool, and a tool may say anything."""

from __future__ import annotations

import msgspec
import pytest
from worlds import KernelWorld, started

from gemot.abi.events import Value
from gemot.abi.grants import Grant
from gemot.abi.syscalls import Call, ToolUse
from gemot.kernel import receipts
from gemot.kernel.freezing import freeze_trees


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
    assert receipts.exit_code(said) == code


def test_a_sealed_result_is_in_no_receipt(world: KernelWorld) -> None:
    root = world.tree(grants=(Grant("disk/read", results="handle"),))
    (effect,) = started(world.trap(root, Call((ToolUse("disk/read", {"path": "a"}),))))
    said = '{"exit_code":31337}'
    world.done(effect, Value(said, digest="d" * 64, size_chars=len(said)))
    (use,) = world.kernel.processes[root].uses
    assert (use.shown, use.exit) == ('disk/read {"path":"a"}', 31_337), "a check may ask for it, nobody is shown it"
