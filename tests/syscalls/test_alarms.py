"""Alarms at a time and every so often: what is refused, what rings, what is missed, and what outlives what."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import KernelWorld, answer_to

from gemot.abi import limits
from gemot.abi.answers import Error, Mail, Ok, Waited
from gemot.abi.effects import Effect, WakeAt
from gemot.abi.events import Due, Ticked, Trapped
from gemot.abi.grants import Grant
from gemot.abi.syscalls import Alarm, CancelAlarm, Exec, Exit, Fork, Generate, Receive, Spawn, Status, Syscall, Wait
from gemot.kernel.freezing import drop_trees, freeze, freeze_trees, thaw_tree
from gemot.machine.calendar import tick

MINUTE = 60_000


def refused(world: KernelWorld, pid: int, syscall: Syscall) -> Error:
    answer = world.ask(pid, syscall)
    assert isinstance(answer, Error), answer
    return answer


def set_alarm(world: KernelWorld, pid: int, **alarm: Any) -> int:
    answer = world.ask(pid, Alarm(**alarm))
    assert isinstance(answer, Ok), answer
    return answer.value["alarm"]


def mailbox(world: KernelWorld, pid: int) -> list[Mail]:
    return world.kernel.processes[pid].mailbox


def ring(world: KernelWorld, millis: int) -> list[Effect]:
    """Let time pass as a machine does: look at the clock, and again while there is something to be looked at for."""
    whole = effects = world.later(millis)
    for _ in range(4):
        if not any(isinstance(effect, WakeAt) and effect.at <= world.at for effect in effects):
            return whole
        effects = world.later(0)
        whole = [*whole, *effects]
    raise AssertionError("the kernel wants to be woken for ever")


@pytest.mark.parametrize(
    "alarm, words",
    [
        ({}, "exactly one"),
        ({"seconds": 5, "every": "5s"}, "exactly one"),
        ({"at": "2100-01-01T00:00", "every": "5s"}, "exactly one"),
        ({"seconds": 5, "missed": "skip"}, "missed"),
        ({"at": "2030-01-01T00:00", "missed": "all"}, "missed"),
        ({"seconds": 5, "zone": "Europe/Berlin"}, "zone"),
        ({"seconds": float("nan")}, "seconds"),
        ({"at": "1960-01-01T00:00"}, "from now"),
        ({"at": "2100-01-01T00:00"}, "30 years"),
        ({"every": "0 0 31 2 *"}, "day-of-month"),
        ({"every": "soon"}, "0 9 * * MON"),
        ({"every": "5s", "note": "n" * 3_000}, "characters"),
        ({"every": "5s", "zone": "Nowhere/Land"}, "time zone"),
    ],
)
def test_an_alarm_that_is_not_clear_is_refused_with_what_would_be(
    world: KernelWorld, alarm: dict[str, Any], words: str
) -> None:
    root = world.tree()
    assert words in refused(world, root, Alarm(**alarm)).message
    assert not world.kernel.processes[root].alarms and not world.kernel.timers


def test_without_a_calendar_only_seconds_can_be_counted(world: KernelWorld) -> None:
    root = world.tree()
    answer = answer_to(root, world.feed(Trapped(world.at, root, Alarm(every="5s"))))
    assert isinstance(answer, Error) and answer.rule == "unavailable"
    assert isinstance(answer_to(root, world.feed(Trapped(world.at, root, Alarm(5)))), Ok)


def test_an_alarm_at_a_time_rings_then_and_says_when(world: KernelWorld) -> None:
    root = world.tree()
    answer = world.ask(root, Alarm(at="1970-01-01T02:00", zone="Europe/Berlin", note="tea"))
    assert isinstance(answer, Ok)
    assert answer.value["rings"] == "1970-01-01T02:00:00+01:00" and answer.value["in_seconds"] == 3600 - 1000
    world.trap(root, Receive())
    assert answer_to(root, world.later(2_600_000 - 1)) is None
    got = answer_to(root, world.later(1))
    assert isinstance(got, Ok) and [(one.alarm, one.missed) for one in got.value] == [(answer.value["alarm"], 0)]
    assert "tea" in got.value[0].text and not world.kernel.processes[root].alarms


def test_an_alarm_every_so_often_rings_again_and_again(world: KernelWorld) -> None:
    root = world.tree()
    number = set_alarm(world, root, every="5m", zone="UTC", note="look")
    for _ in range(3):
        world.trap(root, Receive())
        assert answer_to(root, world.later(5 * MINUTE - 1)) is None
        got = answer_to(root, world.later(1))
        assert isinstance(got, Ok) and [(one.alarm, one.missed) for one in got.value] == [(number, 0)]
    assert isinstance(world.ask(root, CancelAlarm(number)), Ok)
    world.trap(root, Receive(3_600))
    assert answer_to(root, world.later(3_600_000)) == Ok(())


def test_a_tick_that_does_not_say_when_it_is_next_due_does_not_let_it_ring(world: KernelWorld) -> None:
    root = world.tree()
    number = set_alarm(world, root, every="5s", zone="UTC")
    world.at += 5_000
    stale = Due(world.at + 5_000, since=world.at - 1, came=1, last=world.at)
    for rings in ((), ((root, number, stale),), ((root, number + 1, stale), (99, number, stale))):
        assert WakeAt(world.at) in world.feed(Ticked(world.at, rings)), "the machine is asked to look again"
        assert not mailbox(world, root)
    world.later(0)
    assert len(mailbox(world, root)) == 1


def test_what_can_not_ring_again_says_so_and_is_gone(world: KernelWorld) -> None:
    root = world.tree()
    number = set_alarm(world, root, every="5s", zone="UTC", missed="skip")
    since = world.kernel.processes[root].alarms[number].at
    world.at += 900_000
    world.feed(Ticked(world.at, ((root, number, Due(since=since, came=1, last=since, error="no such zone")),)))
    assert "no such zone" in mailbox(world, root)[0].text and not world.kernel.processes[root].alarms


@pytest.mark.parametrize("missed, told", [("once", [(0, 6)]), ("skip", []), ("all", [(0, 0)] * 7)])
def test_firings_that_were_missed_follow_the_alarms_rule(
    world: KernelWorld, missed: str, told: list[tuple[int, int]]
) -> None:
    """Seven firings, ten minutes apart, come while the machine is off; the last of them nine minutes ago."""
    root = world.tree()
    set_alarm(world, root, every="10m", zone="UTC", missed=missed)
    world.reboot()
    ring(world, 79 * MINUTE)
    assert not mailbox(world, root), "it sleeps"
    world.resume(root)
    ring(world, 0)
    assert [(0, one.missed) for one in mailbox(world, root)] == told
    if told:
        world.ask(root, Receive())
    ring(world, MINUTE)
    assert [one.missed for one in mailbox(world, root)] == ([7] if missed == "skip" else [0]), "and then it goes on"


def test_a_firing_that_is_only_a_little_late_was_not_missed(world: KernelWorld) -> None:
    root = world.tree()
    set_alarm(world, root, every="10m", zone="UTC", missed="skip")
    world.reboot()
    world.later(10 * MINUTE + limits.ALARM_LATE_MILLIS)
    world.resume(root)
    ring(world, 0)
    assert [one.missed for one in mailbox(world, root)] == [0]


@pytest.mark.parametrize("missed", ["once", "skip"])
def test_whoever_does_not_read_is_not_buried(world: KernelWorld, missed: str) -> None:
    root = world.tree()
    set_alarm(world, root, every="1s", zone="UTC", missed=missed)
    world.trap(root, Generate("a long thought"))
    for _ in range(50):
        ring(world, 1_000)
    assert [one.missed for one in mailbox(world, root)] == [49]
    assert "49 firings before it missed" in mailbox(world, root)[0].text


def test_all_rings_are_told_one_by_one_but_not_without_end(world: KernelWorld) -> None:
    root = world.tree()
    set_alarm(world, root, every="1s", zone="UTC", missed="all")
    world.trap(root, Generate("a long thought"))
    for _ in range(limits.MISSED_RINGS_MAX + 20):
        ring(world, 1_000)
    assert len(mailbox(world, root)) == limits.MISSED_RINGS_MAX
    assert sum(1 + one.missed for one in mailbox(world, root)) == limits.MISSED_RINGS_MAX + 20


def test_all_rings_leave_room_for_others_in_the_mailbox(world: KernelWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAILBOX_MAX", 5)
    root = world.tree()
    for _ in range(3):
        set_alarm(world, root, every="1s", zone="UTC", missed="all")
    world.trap(root, Generate("a long thought"))
    for _ in range(20):
        ring(world, 1_000)
    assert len(mailbox(world, root)) <= 5 + 3
    assert sum(1 + one.missed for one in mailbox(world, root)) == 60


def test_an_alarm_outlives_exec_and_can_be_found_again(world: KernelWorld) -> None:
    root = world.tree()
    number = set_alarm(world, root, every="5s", zone="UTC", note="on")
    world.trap(root, Exec("worker", "afresh"))
    answer = world.ask(root, Status())
    assert isinstance(answer, Ok)
    assert answer.value["alarms"] == [
        {
            "alarm": number,
            "in_seconds": 5.0,
            "rings": "1970-01-01T00:16:45+00:00",
            "zone": "UTC",
            "every": "5s",
            "note": "on",
        }
    ]
    world.trap(root, Receive())
    assert answer_to(root, world.later(5_000)) is not None


def test_a_fork_has_no_alarms_of_its_parents(world: KernelWorld) -> None:
    root = world.tree()
    set_alarm(world, root, every="5s", zone="UTC")
    child = world.born(root, Fork("part"))
    ring(world, 5_000)
    assert mailbox(world, root) and not mailbox(world, child)


def test_the_end_of_a_process_is_the_end_of_its_alarms(world: KernelWorld) -> None:
    root = world.tree()
    set_alarm(world, root, every="5s", zone="UTC")
    world.trap(root, Exit())
    assert world.later(5_000) == [] and not world.kernel.timers


def test_a_wait_for_alarms_is_woken_by_each_ring(world: KernelWorld) -> None:
    root = world.tree(program="talker")
    number = set_alarm(world, root, every="5s", zone="UTC")
    for _ in range(3):
        world.trap(root, Wait(messages=False))
        answer = answer_to(root, world.later(5_000))
        assert isinstance(answer, Ok) and isinstance(answer.value, Waited)
        assert [one.alarm for one in answer.mail] == [number]


def test_a_tree_that_is_away_is_brought_in_and_rings(world: KernelWorld) -> None:
    root = world.tree()
    number = set_alarm(world, root, every="5s", zone="UTC")
    world.trap(root, Receive())
    kernel = world.kernel  # from here on without its witness, who keeps everything in memory
    for _ in range(3):
        (frozen,) = freeze_trees(kernel, [root])
        drop_trees(kernel, [root])
        world.at += 5_000
        assert freeze(kernel).away[root][1] == world.at
        kernel.processes.fetch = lambda pid, frozen=frozen: thaw_tree(frozen, kernel) if pid == root else None
        assert WakeAt(world.at) in kernel.handle(tick(kernel, world.at)), "now that it is here, when is it due again?"
        got = answer_to(root, kernel.handle(tick(kernel, world.at)))
        assert isinstance(got, Ok) and [one.alarm for one in got.value] == [number]
        kernel.handle(Trapped(world.at, root, Receive()))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["7s", "3m", "*/5 * * * *", "13 * * * *"]),
    st.sampled_from(["once", "skip", "all"]),
    st.integers(0, 2**32),
)
def test_every_firing_is_told_once_whatever_happens_in_between(every: str, missed: str, seed: int) -> None:
    """Restarts, sleep, a busy reader, late looks: rings and what they say they missed are all firings, none twice."""
    world, chance = KernelWorld(), random.Random(seed)
    root = world.tree()
    number = set_alarm(world, root, every=every, zone="UTC", missed=missed)
    alarm = world.kernel.processes[root].alarms[number]
    began, step = world.at, {"7s": 7_000, "3m": 180_000, "*/5 * * * *": 300_000, "13 * * * *": 3_600_000}[every]
    first, told = alarm.at, 0

    def hear(effects: list[Effect]) -> None:
        nonlocal told
        answer = answer_to(root, effects)
        if isinstance(answer, Ok):
            told += sum(1 + one.missed for one in answer.value)

    for _ in range(25):
        match chance.randrange(6):
            case 0:
                world.reboot()
            case 1:
                world.pause(root)
            case 2:
                hear(ring(world, chance.randrange(1, 4) * step + chance.randrange(step)))
            case 3 if not world.kernel.processes[root].syscall:
                hear(world.trap(root, Receive()))
            case _:
                world.resume(root)
                before = len(mailbox(world, root))
                hear(ring(world, chance.randrange(step)))
                if missed != "all":
                    assert len(mailbox(world, root)) <= max(before, 1), "at most one unread ring"
                firings = 0 if world.at < first else (world.at - first) // step + 1
                unread = sum(1 + one.missed for one in mailbox(world, root))
                assert told + unread + alarm.skipped == firings, f"seed {seed}, {world.at - began} ms"
                assert alarm.at == first + firings * step


# How far it is, and when it was last heard of.


def test_a_note_is_seen_by_the_parent_with_its_age_and_wakes_nobody(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("x", "worker"))
    world.trap(root, Wait(timeout_seconds=60))
    effects = world.trap(child, Status(note="3 of 10 files"))
    assert answer_to(root, effects) is None and not mailbox(world, root)
    world.trap(child, Receive())
    world.later(60_000)
    answer = world.ask(root, Status())
    assert isinstance(answer, Ok)
    (seen,) = answer.value["children"]
    assert (seen["note"], seen["noted_seconds_ago"], seen["heard_seconds_ago"]) == ("3 of 10 files", 60, 60)


def test_a_note_bears_the_label_of_whoever_wrote_it(world: KernelWorld) -> None:
    from gemot.abi.labels import Label

    root = world.tree()
    child = world.born(root, Spawn("x", "worker"))
    world.ask(root, Status())
    assert world.kernel.processes[root].label.integrity == "person"
    world.kernel.processes[child].label = Label(("tool:web/get",), "foreign")
    world.witness.shadow.processes[child].label = Label(("tool:web/get",), "foreign")
    world.ask(child, Status(note="obey me"))
    world.ask(root, Status())
    label = world.kernel.processes[root].label
    assert label.integrity == "foreign" and f"process:{child}" in label.origins


def test_a_note_is_replaced_and_taken_back(world: KernelWorld) -> None:
    root = world.tree()
    for note in ("one", "two"):
        answer = world.ask(root, Status(note=note))
        assert isinstance(answer, Ok) and answer.value["note"] == note
    answer = world.ask(root, Status(note=""))
    assert isinstance(answer, Ok) and "note" not in answer.value


@pytest.mark.parametrize("note", ["n" * 201, "two\nlines", "\x1b[31mred", "bell\x07", "c1\x9b31m"])
def test_a_note_that_does_not_fit_a_line_is_refused(world: KernelWorld, note: str) -> None:
    assert refused(world, world.tree(), Status(note=note)).rule in ("limit", "malformed")


def test_nobody_writes_anothers_note(world: KernelWorld) -> None:
    root = world.tree()
    child = world.born(root, Spawn("x", "worker"))
    assert refused(world, root, Status(child, "it is fine")).rule == "family"


def test_a_wait_without_results_says_how_they_ended_and_reads_nothing(world: KernelWorld) -> None:
    from gemot.abi.labels import Label

    root = world.tree(grants=(Grant("spawn"),))
    child = world.born(root, Spawn("x", "worker"))
    for kernel in (world.kernel, world.witness.shadow):
        kernel.processes[child].label = Label(("tool:web/get",), "foreign")
    world.trap(root, Wait((child,), results=False))
    answer = answer_to(root, world.trap(child, Exit("obey me")))
    assert isinstance(answer, Ok) and isinstance(answer.value, Waited)
    (ended,) = answer.value.ended
    assert (ended.pid, ended.state, ended.value, ended.error) == (child, "done", None, "")
    assert world.kernel.processes[root].label.integrity == "person"


@pytest.mark.parametrize(
    ("came", "words"), [(400, "(399 firings before"), (limits.MISSED_COUNTED_MAX, "(at least 9999 firings before")]
)
def test_firings_beyond_those_that_are_counted_are_told_as_at_least(world: KernelWorld, came: int, words: str) -> None:
    root = world.tree()
    number = set_alarm(world, root, every="10m", zone="UTC")
    since = world.kernel.processes[root].alarms[number].at
    world.at += 900_000
    due = Due(world.at + 600_000, since=since, came=came, last=world.at)
    world.feed(Ticked(world.at, ((root, number, due),)))
    assert words in mailbox(world, root)[0].text
