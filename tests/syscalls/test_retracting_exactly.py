"""Retraction is exact: what somebody had said before they read the words stays, and so does what others said beside them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from test_retracting import ALL, blanks, chain, child, share, take_back, think
from worlds import KernelWorld, answer_to, started

from gemot.abi.answers import Entry, Error, Ok, Retraction
from gemot.abi.effects import Effect, TakeBack
from gemot.abi.events import Retracted, Value
from gemot.abi.reviews import AgreementCheck
from gemot.abi.syscalls import (
    Accept,
    Add,
    Call,
    Claim,
    Complete,
    Exit,
    Generate,
    ListTasks,
    Read,
    Receive,
    Send,
    Spawn,
    Status,
    Task,
    ToolUse,
    Wait,
)
from gemot.abi.tasks import Reopen
from gemot.board.table import Item
from gemot.kernel import retracting


def told(world: KernelWorld, pid: int, part: int = -1, handles: tuple[int, ...] = ()) -> Entry:
    """The last answer that a process had."""
    return Entry(world.kernel.processes[pid].entries, world.kernel.moment, part, (), handles)


def take_back_entry(world: KernelWorld, pid: int, entry: Entry) -> tuple[Retraction, list[Effect]]:
    foreseen = retracting.foreseen(world.kernel, world.kernel.processes[pid], entry)
    return foreseen, world.feed(Retracted(world.at, pid, "it was planted", entry))


def poisoned(world: KernelWorld, reader: int) -> int:
    """A child of ``reader`` that has said something bad to it."""
    leaf = child(world, reader)
    world.trap(leaf, Exit("poison"))
    world.trap(reader, Wait((leaf,)))
    return leaf


def task(world: KernelWorld, root: int, number: int = 1) -> Item:
    return world.kernel.boards[root].items[number]


def test_what_a_reader_had_said_before_stays(world: KernelWorld) -> None:
    root = world.tree()
    middle = child(world, root, "talker")
    world.trap(root, Add((Task("a"), Task("b"))))
    world.trap(middle, Claim(1))
    world.trap(middle, Complete(1, "clean"))
    world.trap(middle, Send(0, "an early word"))
    leaf = poisoned(world, middle)
    think(world, middle)
    world.trap(middle, Claim(2))
    world.trap(middle, Complete(2, "derived"))
    world.trap(middle, Send(0, "a late word"))
    foreseen, effects = take_back(world, leaf)
    assert foreseen.told == (middle,) and foreseen.rewound == () and blanks(effects) == {middle: ((5, leaf),)}
    assert (task(world, root).state, task(world, root).result) == ("completed", "clean")
    assert (task(world, root, 2).state, task(world, root, 2).result) == ("open", "")
    assert [mail.text for mail in world.kernel.processes[root].mailbox] == ["an early word"]


def test_what_a_reader_had_said_before_stays_also_where_it_was_read_after(world: KernelWorld) -> None:
    root = world.tree()
    middle = child(world, root, "talker")
    world.trap(middle, Send(0, "an early word"))
    leaf = poisoned(world, middle)
    world.trap(root, Receive())
    foreseen, _ = take_back(world, leaf)
    assert foreseen.told == (middle,) and foreseen.rewound == ()


def test_a_task_that_was_put_there_on_it_leaves_the_board(world: KernelWorld) -> None:
    root = world.tree()
    middle, worker = child(world, root, "talker"), child(world, root)
    world.trap(middle, Add((Task("before"),)))
    leaf = poisoned(world, middle)
    think(world, middle)
    world.trap(middle, Add((Task("do the poison", "poison is done", "p"), Task("after it", after=("p",)))))
    world.trap(root, Add((Task("c", after=("p",)),)))
    world.trap(worker, Claim(2))
    foreseen, _ = take_back(world, leaf)
    assert foreseen.rewound == (worker,) and foreseen.told == (middle,)
    gone, before = task(world, root, 2), task(world, root)
    assert (gone.state, gone.name, gone.acceptance, gone.owner) == ("dropped", "", "", None)
    assert "poison" not in gone.text and before.text == "before" and before.state == "open"
    assert task(world, root, 3).state == "dropped" and task(world, root, 4).state == "open"
    shown: Any = world.ask(root, ListTasks(ready=True))
    assert isinstance(shown, Ok) and [one["number"] for one in shown.value] == [1, 4]


def test_what_its_own_children_did_for_it_goes_with_it(world: KernelWorld) -> None:
    root = world.tree()
    world.trap(root, Add((Task("a"),)))
    liar = child(world, root, "talker")
    hand = child(world, liar, brief="do what I say")
    world.trap(hand, Claim(1))
    world.trap(hand, Complete(1, "done as the liar said"))
    foreseen, _ = take_back(world, liar)
    assert foreseen.ended == (liar, hand)
    assert (task(world, root).state, task(world, root).result) == ("open", "")


def test_a_judgement_on_it_must_be_made_anew_and_its_reason_is_gone(world: KernelWorld) -> None:
    root = world.tree()
    worker, judge = child(world, root), child(world, root, "talker")
    world.trap(root, Add((Task("a"), Task("b"))))
    for number in (1, 2):
        world.trap(worker, Claim(number))
        world.trap(worker, Complete(number, "clean"))
    leaf = poisoned(world, judge)
    think(world, judge)
    world.trap(judge, Accept(1, True, "the poison says so"))
    world.trap(judge, Accept(2, False, "not as the poison says"))
    take_back(world, leaf)
    assert (task(world, root).state, task(world, root).result) == ("completed", "clean")
    assert (task(world, root, 2).state, task(world, root, 2).result) == ("open", "clean")
    assert not [number for number in (1, 2) if "poison says" in task(world, root, number).note]
    assert not [mail for mail in world.kernel.processes[worker].mailbox if "poison says" in mail.text]
    assert isinstance(world.ask(root, Accept(1)), Ok)


def test_a_reason_that_the_person_added_words_to_is_gone_and_their_words_stay(world: KernelWorld) -> None:
    root = world.tree()
    worker, judge = child(world, root), child(world, root, "talker")
    world.trap(root, Add((Task("a"),)))
    world.trap(worker, Claim(1))
    world.trap(worker, Complete(1, "clean"))
    leaf = poisoned(world, judge)
    think(world, judge)
    world.trap(judge, Accept(1, False, "not as the poison says"))
    world.work(root, Reopen(1, "count the words"))
    world.trap(worker, Claim(1))
    foreseen, _ = take_back(world, leaf)
    assert worker in (*foreseen.told, *foreseen.rewound), "it had read both"
    assert task(world, root).note == "count the words" and "poison says" not in task(world, root).sent_back


def test_code_that_is_put_back_still_knows_what_others_said_beside_it(world: KernelWorld) -> None:
    root = world.tree()
    bad, good = child(world, root), child(world, root)
    for leaf in (bad, good):
        world.trap(leaf, Exit(f"words of {leaf}"))
    world.trap(root, Wait())
    _, effects = take_back(world, bad)
    assert blanks(effects) == {root: ((3, bad),)} and world.kernel.processes[root].uncollected == [bad]
    foreseen, effects = take_back(world, good)
    assert foreseen.rewound == (root,) and blanks(effects) == {root: ((3, good),)}


def test_a_note_of_how_far_it_is_is_its_words(world: KernelWorld) -> None:
    root = world.tree()
    leaf = child(world, root)
    world.trap(leaf, Status(note="poison is half done"))
    world.trap(root, Status())
    foreseen, effects = take_back(world, leaf)
    assert foreseen.rewound == (root,) and blanks(effects) == {root: ((2, leaf),)}


def test_a_result_that_was_being_judged_costs_no_try_when_what_it_rests_on_is_gone(world: KernelWorld) -> None:
    root = world.tree()
    check = (AgreementCheck(2, 2),)
    middle = world.born(
        root, Spawn("x", "worker", grants=ALL, budget=share(world, root), review=check, tries=1, arguments={})
    )
    poisoned(world, middle)
    world.trap(middle, Exit("derived"))
    leaf = next(pid for pid in world.kernel.trees[root] if world.kernel.processes[pid].state == "done")
    take_back(world, leaf)
    process = world.kernel.processes[middle]
    assert process.alive and not process.children and process.review is not None and process.review.tries == 1


# One answer.


def test_a_result_that_was_planted_is_taken_back_and_its_reader_lives(world: KernelWorld) -> None:
    root = world.tree()
    middle = child(world, root, "talker")
    before = child(world, middle)
    (work,) = started(world.trap(middle, Call((ToolUse("disk/read", {"path": "a.md"}),))))
    world.done(work)
    entry = told(world, middle)
    made = child(world, middle)
    world.done(started(world.trap(middle, Call((ToolUse("disk/write", {"path": "b.md"}),))))[0])
    world.trap(middle, Send(0, "what I read"))
    world.trap(root, Receive())
    foreseen, effects = take_back_entry(world, middle, entry)
    assert foreseen == Retraction(
        middle, (middle,), (root,), (made,), (f'process {middle}: disk/write {{"path":"b.md"}}',)
    )
    (own,) = [one for one in effects if isinstance(one, TakeBack) and one.pid == middle]
    assert own.entry == entry and own.places == ((entry.number, 0),)
    alive = {pid: world.kernel.processes[pid].alive for pid in (middle, before, made)}
    assert alive == {middle: True, before: True, made: False}
    (mail,) = world.kernel.processes[middle].mailbox
    assert "was told was taken back: it was planted" in mail.text


def test_the_values_that_came_with_it_can_t_be_read_any_more(world: KernelWorld) -> None:
    root = world.tree()
    reader = child(world, root, "talker")
    numbers: list[int] = []
    for digest in ("a", "b"):
        (work,) = started(world.trap(reader, Call((ToolUse("disk/read", {"path": "a.md"}),))))
        answer: Any = answer_to(reader, world.done(work, Value("begins", digest * 64, 90_000)))
        numbers.append(answer.value[0].handle.number)
    take_back_entry(world, reader, told(world, reader, handles=(numbers[1],)))
    assert isinstance(world.ask(reader, Read(numbers[1], 0, 10)), Error)
    assert answer_to(reader, world.trap(reader, Read(numbers[0], 0, 10))) is None


def test_code_that_was_told_it_is_put_back_to_there(world: KernelWorld) -> None:
    root = world.tree()
    (work,) = started(world.trap(root, Call((ToolUse("disk/read", {"path": "a.md"}),))))
    world.done(work)
    entry = told(world, root)
    later = child(world, root)
    foreseen, effects = take_back_entry(world, root, entry)
    assert foreseen.rewound == (root,) and foreseen.ended == (later,)
    assert blanks(effects) == {root: ((1, 0),)} and world.kernel.processes[root].entries == 1


def test_of_somebody_who_has_ended_what_they_said_since_is_gone(world: KernelWorld) -> None:
    root, middle, leaf = chain(world)
    entry = told(world, middle)
    world.trap(middle, Exit("derived"))
    world.trap(root, Wait())
    foreseen, _ = take_back_entry(world, middle, entry)
    assert foreseen.rewound == (root,) and foreseen.told == ()
    outcome, first = world.kernel.processes[middle].outcome, world.kernel.processes[leaf].outcome
    assert outcome is not None and outcome.value is None and first is not None and first.value == "poison"


def test_a_model_that_is_being_asked_is_asked_again_without_it(world: KernelWorld) -> None:
    root = world.tree()
    reader = child(world, root, "talker")
    (work,) = started(world.trap(reader, Call((ToolUse("disk/read", {"path": "a.md"}),))))
    world.done(work)
    entry = told(world, reader)
    (question,) = started(world.trap(reader, Generate()))
    _, effects = take_back_entry(world, reader, entry)
    again = started(effects)
    assert len(again) == 1 and again != [question]


@pytest.mark.parametrize("means", ["person", "whole"])
def test_the_means_of_a_tree_are_what_they_were(world: KernelWorld, means: str) -> None:
    root = world.tree()
    one = world.born(root, Spawn("x", "talker", grants=ALL, budget=share(world, root)))
    world.done(started(world.trap(one, Call((ToolUse("disk/read", {"path": "a.md"}),))))[0])
    entry = told(world, one)
    for _ in range(2):
        world.born(one, Spawn("y", "worker", budget=share(world, one)))
    if means == "person":
        take_back_entry(world, one, entry)
    else:
        take_back(world, one)
    tree = world.kernel.tree(root)
    held = [msgspec.structs.asdict(process.left.frozen()) for process in tree if process.alive]
    spent = [msgspec.structs.asdict(process.spent.frozen()) for process in tree]
    given = msgspec.structs.asdict(world.kernel.given[root].frozen())
    assert {name: sum(of[name] for of in held + spent) for name in ("tokens", "usd_micros", "millis")} == {
        name: given[name] for name in ("tokens", "usd_micros", "millis")
    }
