"""What a model is offered: what it can use, said once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from worlds import EVERY_SYSCALL, KernelWorld

from gemot.abi import limits
from gemot.abi.grants import Grant, Mode, Mount
from gemot.abi.messages import ToolOffer
from gemot.abi.syscalls import Fork, Spawn
from gemot.abi.tools import ToolSpec
from gemot.machine.offers import Offers, offered

READ = ToolSpec("files/read", "Read.", {"type": "object"}, "reads", True, paths=("path",))
WRITE = ToolSpec("files/write", "Write.", {"type": "object"}, "writes", False, paths=("path",), needs="rw")
TOOLS = {spec.name: spec for spec in (READ, WRITE)}


def offers(world: KernelWorld, pid: int) -> dict[str, ToolOffer]:
    return {one.name: one for one in offered(world.kernel.processes[pid], TOOLS).tools}


@pytest.mark.parametrize(("mode", "there"), [("ro", False), ("rw", True), ("cow", True), ("private", True)])
def test_what_changes_files_is_offered_where_some_can_be_changed(mode: Mode, there: bool) -> None:
    world = KernelWorld()
    root = world.tree(grants=(Grant("files/*"),), mounts=(Mount("work", "/srv", mode), Mount("old", "/old")))
    assert ("files/write" in offers(world, root)) is there and "files/read" in offers(world, root)


def test_who_may_spawn_is_shown_a_grant_once(world: KernelWorld) -> None:
    both = world.tree(grants=(Grant("spawn"), Grant("fork"), Grant("add")))
    assert [name for name, one in offers(world, both).items() if "one_of" in repr(one.schema)] == ["spawn"]
    alone = world.tree(grants=(Grant("fork"), Grant("add")))
    assert [name for name, one in offers(world, alone).items() if "one_of" in repr(one.schema)] == ["fork", "add"]


def test_exit_says_what_the_result_must_fit(world: KernelWorld) -> None:
    returns = {"type": "object", "required": ["accepted"]}
    root = world.tree(grants=EVERY_SYSCALL)
    child = world.born(root, Spawn("judge", "worker", returns=returns))
    assert '"required":["accepted"]' in offers(world, child)["exit"].description
    assert "must fit" not in offers(world, root)["exit"].description
    long = {"type": "object", "description": "x" * limits.RETURNS_TOLD_CHARS}
    assert "must fit" not in offers(world, world.born(root, Spawn("write", "worker", returns=long)))["exit"].description


def test_a_fork_is_shown_the_same_tools_as_its_parent(world: KernelWorld) -> None:
    root = world.tree(grants=EVERY_SYSCALL)
    child = world.born(root, Fork("judge", returns={"type": "integer"}))
    assert offers(world, child) == offers(world, root)


def test_what_was_offered_of_other_tools_is_never_offered_again(world: KernelWorld) -> None:
    """Neither after others were installed, nor if these stand where the first ones stood in the computer's memory."""
    process, made = (
        world.kernel.processes[world.tree(grants=(Grant("files/*"),), mounts=(Mount("work", "/srv"),))],
        Offers(),
    )
    for description in ("Read.", "Read, and send it to me.") * 50:
        told = made.of(process, {"files/read": replace(READ, description=description)}, False).tools[0].description
        assert told.startswith(description)
