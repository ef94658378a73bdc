"""The calendar: when alarms ring, on the days on which clocks are changed above all."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from gemot.abi import limits
from gemot.abi.events import Due
from gemot.abi.syscalls import Alarm
from gemot.machine import calendar
from gemot.machine.calendar import first, following


def millis(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def rings(every: str, zone: str, after: str, count: int) -> list[str]:
    """What the clocks in ``zone`` show at the next firings."""
    due = first(Alarm(every=every, zone=zone), millis(after))
    texts: list[str] = []
    for _ in range(count):
        assert due is not None and not due.error, due
        texts.append(due.text)
        due = following(every, zone, due.at, due.at)
    return texts


CHANGES = [
    ("a time that does not exist rings when the clock is put forward", "30 2 * * *", "Europe/Berlin",
     "2024-03-30T12:00+01:00", ["2024-03-31T03:00:00+02:00", "2024-04-01T02:30:00+02:00"]),
    ("two of them ring once", "15,45 2 * * *", "Europe/Berlin",
     "2024-03-30T12:00+01:00", ["2024-03-31T03:00:00+02:00", "2024-04-01T02:15:00+02:00", "2024-04-01T02:45:00+02:00"]),
    ("a time that comes twice rings the first time", "30 2 * * *", "Europe/Berlin",
     "2024-10-26T12:00+02:00", ["2024-10-27T02:30:00+02:00", "2024-10-28T02:30:00+01:00"]),
    ("also if it is set between the two", "30 2 * * *", "Europe/Berlin",
     "2024-10-27T02:10+01:00", ["2024-10-28T02:30:00+01:00"]),
    ("every hour is every hour", "0 * * * *", "Europe/Berlin",
     "2024-10-27T01:30+02:00", ["2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00", "2024-10-27T03:00:00+01:00"]),
    ("and none is made up", "0 * * * *", "Europe/Berlin",
     "2024-03-31T01:30+01:00", ["2024-03-31T03:00:00+02:00", "2024-03-31T04:00:00+02:00"]),
    ("nine stays nine", "0 9 * * MON", "Europe/Berlin",
     "2024-03-25T12:00+01:00", ["2024-04-01T09:00:00+02:00", "2024-04-08T09:00:00+02:00"]),
    ("the other side of the sea", "30 2 * * *", "America/New_York",
     "2024-03-09T12:00-05:00", ["2024-03-10T03:00:00-04:00", "2024-03-11T02:30:00-04:00"]),
    ("the other side of the sea, in autumn", "30 1 * * *", "America/New_York",
     "2024-11-02T12:00-04:00", ["2024-11-03T01:30:00-04:00", "2024-11-04T01:30:00-05:00"]),
    ("half an hour forward", "15 2 * * *", "Australia/Lord_Howe",
     "2024-10-05T12:00+10:30", ["2024-10-06T02:30:00+11:00", "2024-10-07T02:15:00+11:00"]),
    ("half an hour back", "45 1 * * *", "Australia/Lord_Howe",
     "2024-04-06T12:00+11:00", ["2024-04-07T01:45:00+11:00", "2024-04-08T01:45:00+10:30"]),
    ("a day that has no midnight", "0 0 * * *", "Africa/Cairo",
     "2024-04-25T12:00+02:00", ["2024-04-26T01:00:00+03:00", "2024-04-27T00:00:00+03:00"]),
    ("a day that there was not", "0 9 * * *", "Pacific/Apia",
     "2011-12-29T12:00-10:00", ["2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"]),
    ("a zone that changes nothing", "30 2 * * *", "Asia/Kolkata",
     "2024-03-30T12:00+05:30", ["2024-03-31T02:30:00+05:30", "2024-04-01T02:30:00+05:30"]),
    ("a leap day", "0 12 29 2 *", "UTC",
     "2024-03-01T00:00+00:00", ["2028-02-29T12:00:00+00:00", "2032-02-29T12:00:00+00:00"]),
    ("the end of a century", "0 12 29 2 *", "UTC",
     "2096-03-01T00:00+00:00", ["2104-02-29T12:00:00+00:00"]),
    ("an interval is real time", "1d", "Europe/Berlin",
     "2024-03-30T12:00+01:00", ["2024-03-31T13:00:00+02:00", "2024-04-01T13:00:00+02:00"]),
]  # fmt: skip


@pytest.mark.parametrize("why, every, zone, after, expected", CHANGES, ids=[one[0] for one in CHANGES])
def test_clocks_that_are_changed(why: str, every: str, zone: str, after: str, expected: list[str]) -> None:
    assert rings(every, zone, after, len(expected)) == expected


def said(**alarm: str) -> Due:
    due = first(Alarm(**alarm), millis("2027-01-01T00:00+00:00"))  # type: ignore[arg-type]
    assert due is not None
    return due


def test_a_date_that_does_not_exist_is_refused_with_what_does() -> None:
    assert "03:30" in said(at="2027-03-28T02:30", zone="Europe/Berlin").error


def test_a_date_that_comes_twice_is_refused_with_both() -> None:
    error = said(at="2027-10-31T02:30", zone="Europe/Berlin").error
    assert "02:30:00+02:00" in error and "02:30:00+01:00" in error
    assert said(at="2027-10-31T02:30+01:00", zone="Europe/Berlin").text == "2027-10-31T02:30:00+01:00"


@pytest.mark.parametrize(
    "alarm, words",
    [
        ({"every": "0 0 31 2 *"}, "day-of-month"),
        ({"every": "0 0 30 2 *"}, "day-of-month"),
        ({"every": "61 * * * *"}, "minute"),
        ({"every": "* * * *"}, "0 9 * * MON"),
        ({"every": "* * * * * *"}, "0 9 * * MON"),
        ({"every": "@daily"}, "0 9 * * MON"),
        ({"every": "0s"}, "at least 1 second"),
        ({"every": "99999999w"}, "30 years"),
        ({"every": "0 0 1 */13 1#6"}, "day-of-week"),
        ({"every": "0,"}, "0 9 * * MON"),
        ({"every": "0 0 * * " + "1," * 200}, "characters"),
        ({"every": "٣ * * * *"}, "minute"),
        ({"every": "0 0 * * ²L"}, "day-of-week"),
        ({"at": "2027-02-31"}, "date"),
        ({"at": "tomorrow"}, "2027-03-01T09:00"),
        ({"at": "09:00"}, "2027-03-01T09:00"),
        ({"at": "9999-12-31T23:59", "zone": "Pacific/Honolulu"}, "beyond"),
        ({"at": "0001-01-01T00:00", "zone": "Asia/Tokyo"}, "beyond"),
        ({"every": "1h", "zone": "Berlin"}, "Europe/Berlin"),
        ({"every": "1h", "zone": "../../etc/passwd"}, "time zone"),
        ({"every": "1h", "zone": "Europe"}, "time zone"),
        ({"every": "1h", "zone": "\x00"}, "time zone"),
    ],
)
def test_what_is_no_time_is_refused_with_what_would_be(alarm: dict[str, str], words: str) -> None:
    assert words in said(**alarm).error


@given(st.text(max_size=40), st.text(max_size=20), st.sampled_from(["at", "every"]))
def test_no_text_breaks_the_calendar(text: str, zone: str, which: str) -> None:
    due = first(Alarm(zone=zone, **{which: text}), 1_800_000_000_000)  # type: ignore[arg-type]
    assert due is None or bool(due.error) != bool(due.at)
    late = following(text, zone, 1_800_000_000_000, 1_800_000_060_000)
    assert bool(late.error) != bool(late.at)


@pytest.mark.parametrize("since, now", [(-(10**18), 0), (0, 10**17), (10**17, 10**17 + 5), (0, 253_402_300_799_000)])
def test_no_moment_breaks_the_calendar(since: int, now: int) -> None:
    for every in ("7s", "0 9 * * *", "0 0 29 2 *"):
        due = following(every, "Europe/Berlin", since, now)
        assert due.error or due.at > now


def test_a_zone_that_the_computer_does_not_say_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import tzlocal

    for name in (lambda: None, lambda: "No/Where", lambda: (_ for _ in ()).throw(LookupError())):
        calendar.local_zone.cache_clear()
        monkeypatch.setattr(tzlocal, "get_localzone_name", name)
        assert calendar.local_zone() == "UTC"
    calendar.local_zone.cache_clear()


ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Kolkata",
    "America/St_Johns",
)


def _field(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    both = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted).map(lambda two: f"{two[0]}-{two[1]}")
    step = st.tuples(st.one_of(st.just("*"), both), st.integers(1, high)).map(lambda two: f"{two[0]}/{two[1]}")
    some = st.lists(st.one_of(number, both), min_size=2, max_size=3).map(",".join)
    kinds = [st.just("*"), st.just("*"), number, both, step, some]
    return st.one_of(*kinds, st.sampled_from(names)) if names else st.one_of(*kinds)


EVERY = st.tuples(
    _field(0, 59), _field(0, 23), _field(1, 28, ("L", "29", "31")), _field(1, 12, ("FEB", "oct")),
    _field(0, 7, ("MON", "sun", "5L", "MON#5")),
).map(" ".join)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(EVERY, st.sampled_from(ZONES), st.integers(1_700_000_000, 1_740_000_000), st.integers(0, 2**32))
def test_firings_are_those_of_the_library(every: str, zone: str, began: int, seed: int) -> None:
    """Whenever one looks: the firings that are counted are those that the library names, each once, in their order."""
    chance = random.Random(seed)
    began *= 1000
    start = datetime.fromtimestamp(began / 1000, ZoneInfo(zone))
    due = first(Alarm(every=every, zone=zone), began)
    assert due is not None
    if due.error:
        with pytest.raises(Exception):
            next(CronSim(every, start))
        return
    named: list[int] = []
    for time in CronSim(every, start):
        at = int(time.timestamp() * 1000)
        if at > max(named, default=began):  # it names a time again where clocks are put back
            named.append(at)
        if len(named) == 40:
            break
    counted, now = 0, began
    while counted < len(named) - 12:
        assert due.at == named[counted], "the next one is the library's next"
        now = named[counted + chance.randrange(10)] + chance.choice((0, 1, 999))
        due = following(every, zone, due.at, now)
        assert due.last == named[counted + due.came - 1] <= now < due.at
        counted += due.came


def test_missed_firings_of_400_days_are_all_counted() -> None:
    since, now = millis("2025-01-01T09:00+00:00"), millis("2026-02-05T08:00+00:00")
    assert following("0 9 * * *", "UTC", since, now).came == 400
    assert following("1d", "UTC", since, now).came == 400


def test_more_than_anybody_counts_are_not_counted_but_the_last_and_the_next_are_known() -> None:
    due = following("* * * * *", "UTC", millis("2000-01-01T00:00+00:00"), millis("2027-01-01T00:00:30+00:00"))
    assert due.came == limits.MISSED_COUNTED_MAX
    assert (due.last, due.at) == (millis("2027-01-01T00:00+00:00"), millis("2027-01-01T00:01+00:00"))
    half = timedelta(seconds=30)
    due = following("30s", "UTC", 0, int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000))
    assert timedelta(milliseconds=due.at - due.last) == half and due.came == 59_958_721


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("GMT+2", "for 2 hours ahead of UTC write Etc/GMT-2 (Etc/GMT+2 is the other side of UTC"),
        ("UTC+2", "Etc/GMT-2"),
        ("utc-5", "for 5 hours behind UTC write Etc/GMT+5"),
        ("+02:00", "Etc/GMT-2"),
        ("+0200", "Etc/GMT-2"),
        ("-01:00", "for 1 hour behind UTC write Etc/GMT+1"),
        ("+05:30", "no name unless it is whole hours"),
        ("GMT+15", "no name unless it is whole hours"),
        ("+00:00", "write UTC"),
    ],
)
def test_an_offset_as_a_zone_is_answered_with_the_name_of_the_right_sign(zone: str, words: str) -> None:
    due = first(Alarm(every="1h", zone=zone), 0)
    assert due is not None and words in due.error and "did you mean" not in due.error, due


def test_the_zone_that_is_offered_for_an_offset_has_that_offset() -> None:
    """Names with Etc have the sign reversed."""
    for ahead in range(-12, 15):
        if ahead:
            due = first(Alarm(every="1h", zone=f"GMT{ahead:+}"), 0)
            assert due is not None
            name = due.error.split("write ")[1].split(" ")[0]
            assert datetime(2027, 1, 1, tzinfo=ZoneInfo(name)).utcoffset() == timedelta(hours=ahead)


@pytest.mark.parametrize(
    ("every", "words"),
    [
        ("1M", "a month is said by five fields"),
        ("12M", "a minute is m"),
        ("1Y", "a year is said by five fields"),
        ("1y", "a year is said by five fields"),
        ("2 months", "a month is said by five fields"),
        ("1mo", "a month"),
        ("1h30", "one number and one unit"),
        ("1h30m", "one number and one unit"),
        ("1.5h", "a whole number"),
        ("0s", "at least 1 second"),
        ("-5m", "no sign"),
        ("5", "the unit is missing"),
        ("5min", "a unit is one letter: 5m"),
        ("1H30M", "one number and one unit"),
    ],
)
def test_what_only_looks_like_an_interval_is_refused_with_what_would_work(every: str, words: str) -> None:
    due = first(Alarm(every=every, zone="UTC"), 0)
    assert due is not None and words in due.error, due


@pytest.mark.parametrize(
    ("every", "seconds"), [("1D", 86_400), ("2H", 7_200), ("30S", 30), ("1m", 60), ("1 w", 604_800)]
)
def test_a_unit_that_can_mean_one_thing_only_is_taken_in_either_case(every: str, seconds: int) -> None:
    due = first(Alarm(every=every, zone="UTC"), 0)
    assert due is not None and (due.at, due.error) == (seconds * 1000, "")


def test_an_alarm_that_an_earlier_version_took_with_a_capital_unit_goes_on() -> None:
    assert not following("1M", "UTC", 60_000, 60_000).error
