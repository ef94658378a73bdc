"""What a model asks for in one reply was decided before it read what came with that reply, so it does not rest on that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from test_retracting import child, take_back, think
from test_retracting_exactly import take_back_entry, told
from worlds import KernelWorld, MachineWorld, replied, settled, started

from gemot.abi.answers import Entry
from gemot.abi.effects import Effect, TakeBack
from gemot.abi.events import Booted, Trapped
from gemot.abi.syscalls import Call, Exec, Exit, Fork, Generate, Send, Spawn, Status, ToolUse, Wait
from gemot.models.scripted import request, scripted


@pytest.fixture(name="family")
def told_with_its_reply(world: KernelWorld) -> tuple[KernelWorld, int, int, int]:
    """A root, and a talker that is told something by its own child together with its model's reply."""
    root = world.tree()
    talker = child(world, root, "talker")
    liar = child(world, talker)
    (work,) = started(world.trap(talker, Generate()))
    world.trap(liar, Send(0, "poison"))
    world.done(work, replied())
    assert [one.source for one in world.kernel.processes[talker].heard] == [liar]
    return world, root, talker, liar


def mailbox(world: KernelWorld, pid: int) -> list[str]:
    return [mail.text for mail in world.kernel.processes[pid].mailbox]


def blanked(effects: list[Effect]) -> list[int]:
    return [one.pid for one in effects if isinstance(one, TakeBack)]


def test_message_of_the_same_reply_stays(family: tuple[KernelWorld, int, int, int]) -> None:
    world, root, talker, liar = family
    world.trap(talker, Send(0, "decided before"))
    _, effects = take_back(world, liar)
    assert mailbox(world, root) == ["decided before"] and blanked(effects) == [talker]


def test_message_of_the_next_reply_goes(family: tuple[KernelWorld, int, int, int]) -> None:
    world, root, talker, liar = family
    think(world, talker)
    world.trap(talker, Send(0, "made of it"))
    take_back(world, liar)
    assert mailbox(world, root) == []


def test_child_of_the_same_reply_lives_and_of_the_next_is_ended(family: tuple[KernelWorld, int, int, int]) -> None:
    world, _, talker, liar = family
    early = child(world, talker)
    think(world, talker)
    late = child(world, talker)
    foreseen, _ = take_back(world, liar)
    assert foreseen.ended == (liar, late) and world.kernel.processes[early].alive


def test_fork_of_the_same_reply_is_blanked_and_lives(family: tuple[KernelWorld, int, int, int]) -> None:
    world, _, talker, liar = family
    fork = world.born(talker, Fork("go on"))
    think(world, fork)
    late = world.born(fork, Spawn("made of it", "worker"))
    foreseen, effects = take_back(world, liar)
    assert foreseen.ended == (liar, late) and blanked(effects) == [talker, fork]


def test_result_of_the_same_reply_stays_after_exit(family: tuple[KernelWorld, int, int, int]) -> None:
    world, root, talker, liar = family
    world.trap(talker, Exit("decided before"))
    take_back(world, liar)
    answer: Any = world.ask(root, Wait((talker,)))
    assert [one.value for one in answer.value.ended] == ["decided before"]


def test_exec_of_the_same_reply_leaves_the_words_behind(family: tuple[KernelWorld, int, int, int]) -> None:
    world, root, talker, liar = family
    world.trap(talker, Exec("talker", "decided before"))
    think(world, talker)
    world.trap(talker, Send(0, "said later"))
    foreseen, effects = take_back(world, liar)
    assert mailbox(world, root) == ["said later"] and foreseen.told == () and blanked(effects) == []


def test_words_read_from_a_status_or_a_board_count_from_the_next_reply(world: KernelWorld) -> None:
    root = world.tree()
    talker = child(world, root, "talker")
    liar = child(world, talker)
    world.trap(liar, Status(note="poison"))
    world.trap(talker, Status(liar))
    world.trap(talker, Send(0, "decided before"))
    think(world, talker)
    world.trap(talker, Send(0, "made of it"))
    take_back(world, liar)
    assert mailbox(world, root) == ["decided before"]


def test_what_rests_on_an_answer_begins_when_the_model_is_asked_again(world: KernelWorld) -> None:
    root = world.tree()
    talker = child(world, root, "talker")
    (work,) = started(world.trap(talker, Call((ToolUse("disk/read", {"path": "a.md"}),))))
    world.done(work)
    entry = told(world, talker)
    world.trap(talker, Send(0, "decided before"))
    fork = world.born(talker, Fork("go on"))
    think(world, fork)
    world.trap(fork, Send(root, "from the fork"))
    late = world.born(fork, Spawn("made of it", "worker"))
    since = world.kernel.moment + 1
    think(world, talker)
    world.trap(talker, Send(0, "made of it"))
    entry = Entry(entry.number, entry.moment, entry.part, entry.places, entry.handles, since)
    foreseen, effects = take_back_entry(world, talker, entry)
    assert mailbox(world, root) == ["decided before"]
    assert foreseen.ended == (late,) and sorted(blanked(effects)) == [talker, fork]


@pytest.mark.parametrize(("rules", "left"), [(3, []), (4, ["decided before"])])
def test_tree_keeps_the_rules_it_began_with(world: KernelWorld, rules: int, left: list[str]) -> None:
    world.feed(Booted(world.at, "", rules))
    root = world.tree()
    talker = child(world, root, "talker")
    liar = child(world, talker)
    world.feed(Booted(world.at, "", 4))
    world.resume(root)
    (work,) = started(world.trap(talker, Generate()))
    world.trap(liar, Send(0, "poison"))
    world.done(work, replied())
    world.trap(talker, Send(0, "decided before"))
    take_back(world, liar)
    assert mailbox(world, root) == left


def test_machine_knows_when_a_model_was_asked_after_an_answer() -> None:
    """A result is taken back: what the same reply asked for after it stays."""

    def script(question: Any) -> Any:
        replies = [message for message in question.messages if message.role == "model"]
        if "begin" not in str(question.messages[1]):
            return request("wait", messages=True, timeout_seconds=900)
        if not replies:
            return [request("status"), request("spawn", brief="decided before", program="solo")]
        if len(replies) == 1:
            return request("spawn", brief="made of it", program="solo")
        return request("wait", messages=True, timeout_seconds=900)

    async def play() -> None:
        world = MachineWorld(models={"m": scripted(script)})
        machine = world.boot()
        pid = await machine.start("begin", model="m")
        await settled(machine)
        asked = [
            position
            for position, event in enumerate(world.history(), 1)
            if isinstance(event, Trapped) and event.pid == pid and isinstance(event.syscall, Status)
        ]
        briefs = {one.pid: one.brief for one in machine.kernel.processes.values()}
        done = await machine.retract(pid, "wrong", asked[0])
        assert [briefs[one] for one in done.ended] == ["made of it"]
        await machine.close()

    asyncio.run(play())
