"""A retraction reaches the trees that a person forked: they know what was said until then."""

from __future__ import annotations

import asyncio

import pytest
from test_retracting import think
from test_taking_back_on_a_machine import parent
from worlds import PLENTY, KernelWorld, MachineWorld, answer_to, ends, settled

from gemot import MachineError
from gemot.abi.answers import Entry, Ok, Retraction
from gemot.abi.effects import Effect, TakeBack
from gemot.abi.events import Adopted, Copied, Retracted
from gemot.abi.syscalls import Exit, Fork, Generate, Retract, Send, Spawn, Status, Wait
from gemot.kernel import retracting
from gemot.kernel.freezing import carry
from gemot.models.scripted import scripted


def forked(world: KernelWorld, pid: int) -> int:
    """A tree of the person's that begins as ``pid`` is now."""
    world.feed(Copied(world.at, pid, "and you", PLENTY))
    return max(world.kernel.processes)


def take_back(world: KernelWorld, pid: int) -> tuple[Retraction, list[Effect]]:
    foreseen = retracting.foreseen(world.kernel, world.kernel.processes[pid])
    return foreseen, world.feed(Retracted(world.at, pid, "it was wrong"))


def read(world: KernelWorld, program: str = "talker") -> tuple[int, int]:
    """A root that has read what its child said, and asks its model."""
    root = world.tree(program=program)
    child = world.born(root, Spawn("do it", "worker"))
    world.trap(child, Exit("poison"))
    world.trap(root, Wait())
    world.trap(root, Generate())
    return root, child


def blanks(effects: list[Effect]) -> list[int]:
    return [one.pid for one in effects if isinstance(one, TakeBack)]


def test_the_fork_of_a_reader_is_blank_in_the_same_place_and_what_it_said_since_is_gone(world: KernelWorld) -> None:
    root, child = read(world)
    copy = forked(world, root)
    again = forked(world, copy)
    like, made = world.born(copy, Fork("go on from there")), world.born(copy, Spawn("poison", "worker"))
    foreseen, effects = take_back(world, child)
    assert foreseen.told == (root, copy, again, like) and foreseen.ended == (made,)
    assert blanks(effects) == [root, copy, again, like] and list(ends(effects)) == [made]
    assert "taken back" in world.kernel.processes[copy].mailbox[-1].text


def test_who_was_forked_before_it_was_read_knows_nothing_of_it(world: KernelWorld) -> None:
    root = world.tree(program="talker")
    child = world.born(root, Spawn("do it", "worker"))
    world.trap(root, Generate())
    copy = forked(world, root)
    (effect,) = world.kernel.working.keys() - {one for one, pid in world.kernel.working.items() if pid == copy}
    world.done(effect)
    world.trap(child, Exit("poison"))
    world.trap(root, Wait())
    foreseen, _ = take_back(world, child)
    assert foreseen.told == (root,) and foreseen.ended == ()


def test_code_that_was_forked_can_t_be_put_back_to_before_that(world: KernelWorld) -> None:
    root, child = read(world, "worker")
    copy = forked(world, root)
    foreseen, effects = take_back(world, child)
    assert foreseen.rewound == (root,) and foreseen.ended == (copy,) and list(ends(effects)) == [copy]


def test_nor_can_code_that_forked_itself(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("do it", "worker"))
    world.trap(child, Exit("poison"))
    world.trap(root, Wait())
    like = world.born(root, Fork("go on"))
    foreseen, effects = take_back(world, child)
    assert foreseen.rewound == (root,) and foreseen.ended == (like,) and list(ends(effects)) == [like]


def test_code_without_the_answer_by_which_it_was_forked_would_be_somebody_else(world: KernelWorld) -> None:
    """It would do once more what that one did."""
    root = world.tree()
    like = world.born(root, Fork("go on"))
    process = world.kernel.processes[like]
    effects = world.feed(Retracted(world.at, like, "it was planted", Entry(process.entries, process.born, -1, (), ())))
    assert list(ends(effects)) == [like] and world.kernel.processes[root].alive


def test_the_fork_of_what_is_taken_back_itself_is_told_and_what_it_said_is_gone(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("do it", "talker"))
    world.trap(child, Generate())
    copy = forked(world, child)
    foreseen, effects = take_back(world, child)
    assert foreseen.told == (copy,) and foreseen.ended == (child,) and blanks(effects) == []
    (mail,) = world.kernel.processes[copy].mailbox[-1:]
    assert f"what process {child} said was taken back" in mail.text


def test_the_fork_of_somebody_who_was_made_of_it_is_ended_like_that(world: KernelWorld) -> None:
    root, child = read(world)
    for effect in list(world.kernel.working):
        world.done(effect)
    made = world.born(root, Spawn("built on poison", "talker"))
    world.trap(made, Generate())
    copy = forked(world, made)
    foreseen, _ = take_back(world, child)
    assert foreseen.ended == (made, copy)


def test_a_process_that_takes_something_back_reaches_no_tree_but_its_own(world: KernelWorld) -> None:
    """It could end there what the person forked to keep it."""
    root = world.tree(program="talker")
    child = world.born(root, Spawn("do it", "worker"))
    world.trap(child, Exit("poison"))
    world.trap(root, Wait())
    world.trap(root, Generate())
    copy = forked(world, root)
    made = world.born(copy, Spawn("poison", "worker"))
    for effect, pid in list(world.kernel.working.items()):
        if pid == root:
            world.done(effect)
    effects = world.trap(root, Retract(child, "it lied"))
    assert blanks(effects) == [root] and not ends(effects)
    assert world.kernel.processes[made].alive and not world.kernel.processes[copy].mailbox


def test_who_is_woken_by_a_retraction_is_not_told_what_it_takes_back(world: KernelWorld) -> None:
    """Somebody ended by it may be the last one that its parent waits for, together with others who had read it."""
    root = world.tree(program="talker")
    liar = world.born(root, Spawn("lie", "talker", grants=("send",)))
    reader = world.born(root, Spawn("believe", "talker", grants=("status",)))
    world.ask(liar, Send(0, "poison"))
    world.ask(root, Status())
    think(world, root)
    world.ask(root, Send(reader, "it says: poison"))
    world.ask(reader, Status())
    think(world, reader)
    world.trap(reader, Exit("built on poison"))
    world.trap(root, Wait((liar, reader)))
    _, effects = take_back(world, liar)
    answer = answer_to(root, effects)
    assert isinstance(answer, Ok) and "poison" not in str(answer)
    assert [one.rule for one in answer.value.ended] == ["retracted", "retracted"]


def test_a_tree_that_is_carried_elsewhere_brings_no_numbers_of_forks_along(world: KernelWorld) -> None:
    root, _ = read(world)
    copy = forked(world, root)
    assert world.kernel.processes[root].copies == (copy,)
    there = KernelWorld().kernel
    there.handle(Adopted(world.at, carry(world.kernel, root), b"", decided_here=True))
    assert there.processes[root].copies == ()


@pytest.mark.parametrize("restart", [False, True])
def test_on_a_machine_the_fork_goes_on_without_it_after_a_restart_too(restart: bool) -> None:
    async def play() -> None:
        world = MachineWorld(models={"s": scripted(parent)})
        machine = world.boot()
        root = await machine.start("x", model="s")
        await settled(machine)
        (child,) = machine.kernel.trees[root][1:]
        copy = await machine.fork(root, "say what you know")
        await settled(machine)
        if restart:
            machine._loop.checkpoint(0)
            world.crash()
            machine = world.boot(resume=True)
        done = await machine.retract(child, "it lied")
        assert done.told == (root, copy), done
        for ask in list(machine.kernel.asks):
            await machine.answer(ask, text="go on")
        assert [(await machine.result(pid)).value for pid in (root, copy)] == ["clean", "clean"]
        await machine.close()

    asyncio.run(play())


def test_what_was_taken_back_is_not_taken_back_again() -> None:
    """What was said since then was not built on it."""

    async def play() -> None:
        world = MachineWorld(models={"s": scripted(parent)})
        machine = world.boot()
        root = await machine.start("x", model="s")
        await settled(machine)
        await machine.retract(root, "wrong", position := 8)
        with pytest.raises(MachineError, match="is taken back already"):
            await machine.retract(root, "wrong", position)
        await machine.close()

    asyncio.run(play())
