"""A goal again and again: by alarm, in the background, with the machine killed, stopped and started in between."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from people import SCRIPTS, Person

from gemot.cli.sight import is_running
from gemot.journal.records import decode
from gemot.kernel import Kernel
from gemot.machine.home import Home

MODEL = f"scripted:{SCRIPTS / 'reporting.py'}:model"


@pytest.fixture
def keeper(person: Person) -> Iterator[Person]:
    """A person whose background machine is stopped at the end."""
    yield person
    stop(person, signal.SIGKILL)


def stop(person: Person, how: signal.Signals) -> None:
    """End the background machine, and wait until it is gone."""
    home = Home(person.home)
    pid = is_running(home) if person.home.exists() else None
    if pid:
        os.kill(pid, how)
        person.until(lambda: is_running(home) is None)


def reports(person: Person) -> list[str]:
    return sorted(path.name for path in person.work.glob("report-*.md"))


def schedule(person: Person, *words: str, code: int = 0):
    return person.gemot(
        "schedule", "write the weekly report", "--model", MODEL, "--work", str(person.work), *words, code=code
    )


def rings(person: Person) -> list[dict[str, int]]:
    """What the journal says of each ring: when it was due, how many firings came, and when."""
    ticks = [one for one in person.events() if one["type"] == "ticked"]
    return [due | {"now": tick["at"]} for tick in ticks for _, _, due in tick.get("rings", ())]


def test_a_weekly_report_is_written_once_each_time_though_the_machine_is_killed_and_stopped(keeper: Person) -> None:
    """The week lasts two seconds."""
    person = keeper
    done = schedule(person, "--every", "2s", "--runs", "5")
    pid = done.out.strip()
    assert "at most 5" in done.err and "while this computer is on" in done.err
    person.until(lambda: len(reports(person)) >= 2)
    stop(person, signal.SIGKILL)
    killed_with = len(reports(person))
    asleep = person.gemot("alarms")
    assert "asleep" in asleep.out and "every 2s" in asleep.out and "gemot resume --detach" in asleep.err
    time.sleep(7)  # three of its weeks at least, wherever in one it was killed
    assert len(reports(person)) == killed_with, "nobody runs it"
    assert person.gemot("resume", "--detach").out.split() == [pid]
    person.until(lambda: len(reports(person)) >= killed_with + 1)
    stop(person, signal.SIGTERM)
    person.gemot("resume", "--detach", code=None)
    person.until(lambda: all(one["state"] == "done" for one in person.processes()))
    assert reports(person) == [f"report-{n:02d}.md" for n in range(1, 6)], "five reports, each once"
    runs = [one for one in person.processes() if one["parent"] == int(pid)]
    assert [(one["name"], one["outcome"]["state"]) for one in runs] == [(f"run {n}", "done") for n in range(1, 6)]
    assert max(one["came"] for one in rings(person)) >= 3, "one late ring for all that was missed"
    assert "comes out the same" in person.gemot("replay", "--check").out


def test_each_run_has_the_rights_and_the_trust_of_the_first(keeper: Person) -> None:
    person = keeper
    pid = int(schedule(person, "--every", "1s", "--runs", "3").out)
    person.until(lambda: len(reports(person)) >= 3)
    person.until(lambda: all(one["state"] == "done" for one in person.processes()))
    spawned = [
        one["syscall"] for one in person.events() if one["type"] == "trapped" and one["syscall"]["type"] == "spawn"
    ]
    assert len(spawned) == 3 and len({one["brief"] for one in spawned}) == 1
    looks = [one["pid"] for one in person.events() if one["type"] == "trapped" and one["syscall"]["type"] == "wait"]
    assert looks == [pid] * 3
    kernel = Kernel()
    labels: list[str] = []
    for body in person.query("SELECT body FROM records ORDER BY position"):
        known = set(kernel.processes)
        kernel.handle(decode(body))
        labels += [kernel.processes[one].label.integrity for one in set(kernel.processes) - known]
    assert set(labels) == {"person"}


def test_what_the_person_says_changes_the_runs_to_come_and_kill_ends_them(keeper: Person) -> None:
    person = keeper
    pid = schedule(person, "--every", "1s").out.strip()
    person.until(lambda: reports(person))
    person.gemot("send", pid, "In French, please.")
    person.until(lambda: any("In French" in one["brief"] for one in person.processes() if one["parent"]))
    seen = person.gemot("ps").out
    assert "schedule" in seen and "rings" in seen and '"run ' in seen
    person.gemot("kill", pid)
    assert person.gemot("alarms").out.startswith("no alarm is set")


def test_a_goal_for_later_runs_once(keeper: Person) -> None:
    person = keeper
    at = (datetime.now(UTC) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%S")
    schedule(person, "--at", at, "--zone", "UTC")
    person.until(lambda: all(one["state"] == "done" for one in person.processes()))
    (due,) = [one["due"]["at"] for one in person.events() if "due" in one]
    assert due == int(datetime.fromisoformat(at + "+00:00").timestamp() * 1000)
    (began,) = [one["at"] for one in person.events() if one.get("syscall", {}).get("type") == "spawn"]
    assert began >= due
    assert reports(person) == ["report-01.md"]


@pytest.mark.parametrize(
    "words, said",
    [
        (("--every", "0 0 31 2 *"), "day-of-month"),
        (("--every", "now and then"), "0 9 * * MON"),
        (("--every", "0s"), "at least 1 second"),
        (("--every", "0 9 * * *", "--zone", "Berlin"), "Europe/Berlin"),
        (("--at", "2020-01-01T00:00", "--zone", "UTC"), "has passed"),
        (("--at", "9999-12-31T23:59", "--zone", "UTC"), "within 30 years"),
        (("--at", "2026-03-29T02:30", "--zone", "Europe/Berlin"), "does not exist"),
        (("--every", "1s", "--runs", "0"), "--runs"),
        (("--every", "1s", "--at", "2030-01-01T00:00"), "not allowed with"),
        ((), "--every"),
        (("--every", "1s", "--program", "nobody"), "nobody"),
    ],
)
def test_what_can_not_be_meant_is_said_before_anything_begins(
    person: Person, words: tuple[str, ...], said: str
) -> None:
    assert said in schedule(person, *words, code=2).err
    assert not person.home.exists()
