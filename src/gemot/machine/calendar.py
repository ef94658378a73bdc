"""The calendar: when an alarm rings, by the clocks that people live by. The kernel has none; what is worked out here is written
down with the event that it belongs to, so a replay on a computer with other time zones gives the same.

How the days on which clocks are changed are read, for five fields of cron (as Debian's cron does): a time that does not exist
on that day rings when the clock has been put forward; one that comes twice rings the first time; with a ``*`` for the
minute or the hour it follows the real time, through both. For one date: a time that does not exist, or comes twice, is an
error that names what would be clear. An interval is so many seconds, whatever clocks show.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

import msgspec

from gemot.abi import limits
from gemot.abi.events import Due, Ticked
from gemot.abi.syscalls import Alarm
from gemot.drivers.errors import ToolError
from gemot.kernel import Kernel, alarms, dates
from gemot.kernel.process import SetAlarm
from gemot.machine.clock import LARGE_MILLIS, LEAD_MILLIS_MIN, Clock, large

FORMS = 'minute, hour, day of month, month, weekday, e.g. "0 9 * * MON" or "*/15 8-18 * * *"; or an interval: 30s, 15m, 2h, 1d'

_INTERVAL = re.compile(r"([0-9]{1,9})\s?([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


_LIKE_INTERVAL = re.compile(r"([+-]?)([0-9]+)(?:[.,]([0-9]+))?\s*([^\W\d_]*)(.*)", re.DOTALL)
_BY_CRON = {
    "M": 'a minute is m, as in 1m, and a month is said by five fields: "0 9 1 * *" is each first day of a month at nine',
    "mo": 'a month is said by five fields: "0 9 1 * *" is each first day of a month at nine',
    "y": 'a year is said by five fields: "0 9 1 1 *" is each first of January at nine',
    "q": 'a quarter is said by five fields: "0 9 1 */3 *" is each first day of a quarter at nine',
}
"""Units that are no intervals, since they are not always as long, by how they begin."""


class _Unclear(Exception):
    """What is wrong with a time, in words."""


def first(alarm: Alarm, now: int, lead: int = 0) -> Due | None:
    """When an alarm with ``at`` or ``every`` first rings after ``now``, the time of day (milliseconds since 1970); None for others.
    ``lead``: by how much the order of events is ahead of it."""
    if not alarm.at and not alarm.every:
        return None
    try:
        for name in ("at", "every", "zone"):
            if len(getattr(alarm, name)) > limits.TIMES_CHARS_MAX:
                raise _Unclear(f"{name} has at most {limits.TIMES_CHARS_MAX} characters")
        name = alarm.zone or local_zone()
        zone = _zone(name)
        _must_be_meant(alarm.every)
        at = _moment(alarm.at, zone) if alarm.at else _after(alarm.every, zone, now, now)
        passing = not alarm.at and _interval(alarm.every) > 0
        return Due(at + (lead if passing else 0), _text(at, zone), name, passing=passing)
    except _Unclear as unclear:
        return Due(error=str(unclear))


def following(every: str, zone: str, since: int, now: int, lead: int = 0) -> Due:
    """Of an alarm that is due since ``since``: how many firings came until ``now``, and when the next one is. ``lead``: by how much these
    times are ahead of the time of day."""
    try:
        there = _zone(zone)
        came = _came(every, there, since, now)
        last = since if came == 1 else _before(every, there, since, now)
        following = _after(every, there, since, now)
        return Due(following, _text(following - lead, there), zone, since, came, last)
    except _Unclear as unclear:
        return Due(since=since, came=1, last=since, error=str(unclear))


def tick(kernel: Kernel, now: int) -> Ticked:
    """It is ``now``, by the order; with what the kernel must know to let recurring alarms ring."""
    return Ticked(
        now, tuple((pid, number, _next(one, now, kernel.lead)) for pid, number, one in alarms.due(kernel, now))
    )


def _next(alarm: SetAlarm, now: int, lead: int) -> Due:
    if alarm.passing:
        return msgspec.structs.replace(following(alarm.every, alarm.zone, alarm.at, now, lead), passing=True)
    return following(alarm.every, alarm.zone, alarm.at, now - lead)


def begin(kernel: Kernel, clock: Clock) -> tuple[Ticked | None, str]:
    """Set the clock of a machine that opens: the order does not go back behind the journal. Returns the news for the kernel, if the lead is
    another one now, and the words for a person, if the computer's clock does not fit the journal."""
    notice = behind(kernel.today, clock.today())
    clock.begin_after(kernel.now)
    lead = clock.lead()
    return (moved(kernel, clock.order(), lead) if abs(lead - kernel.lead) >= LEAD_MILLIS_MIN else None), notice


def behind(newest: int, today: int) -> str:
    """Words for a person, if the computer's clock is far behind the time of day of the ``newest`` record; else nothing."""
    back = large(newest - today) if newest > today else ""
    if not back:
        return ""
    return (
        f"this computer's clock is {back} behind the newest record of this machine, so it is wrong now or was wrong then. Schedules and "
        "dates go by it as it is now: set it if it is wrong"
    )


def moved(kernel: Kernel, now: int, lead: int) -> Ticked:
    """It is ``now``, by the order, which is ahead of the time of day by ``lead`` from now on. Where the time of day went back, the next
    date of each alarm that recurs is worked out again."""
    today = now - lead
    if lead <= kernel.lead:
        return Ticked(now, (), lead)
    rings: list[tuple[int, int, Due]] = []
    for pid, number, alarm in dates.recurring(kernel):
        due = _again(alarm, today)
        if due.at and due.at < alarm.at:
            rings.append((pid, number, due))
    return Ticked(now, tuple(rings), lead)


def _again(alarm: SetAlarm, today: int) -> Due:
    """When an alarm rings next, now that it is ``today``. A small step back lets no firing come twice."""
    told = alarm.rang if 0 <= alarm.rang - today < LARGE_MILLIS else today
    try:
        zone = _zone(alarm.zone)
        at = _after(alarm.every, zone, alarm.at, max(today, told))
        return Due(at, _text(at, zone), alarm.zone, since=alarm.at)
    except _Unclear as unclear:
        return Due(since=alarm.at, error=str(unclear))


@functools.cache
def local_zone() -> str:
    """The name of the time zone that this computer is set to; UTC where it has none."""
    import tzlocal

    from gemot.drivers.clock import zone_of

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            name = tzlocal.get_localzone_name() or "UTC"
        zone_of(name)
    except (LookupError, ValueError, OSError, ToolError):
        return "UTC"
    return name


def _zone(name: str) -> tzinfo:
    from gemot.drivers.clock import zone_of

    try:
        return zone_of(name)
    except ToolError as error:
        raise _Unclear(str(error)) from None


def _text(at: int, zone: tzinfo) -> str:
    return _there(at, zone).isoformat(timespec="seconds")


def _there(at: int, zone: tzinfo) -> datetime:
    try:
        return datetime.fromtimestamp(at / 1000, zone)
    except (ValueError, OverflowError, OSError):
        raise _Unclear("that is beyond what the calendar knows") from None


def _millis(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _moment(text: str, zone: tzinfo) -> int:
    """A date and time, with its offset or as the clocks in ``zone`` show it."""
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise _Unclear(
            f"at is a date and a time such as 2027-03-01T09:00 or 2027-03-01T09:00+01:00, not {text!r} ({error})"
        ) from None
    try:
        if time.tzinfo is not None:
            return _millis(time)
        here = time.replace(tzinfo=zone)
        if here.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != time:
            there = (here.astimezone(UTC)).astimezone(zone).replace(tzinfo=None)
            raise _Unclear(f"{text} does not exist in {zone}: clocks are put forward over it; {there.isoformat()} does")
        again = here.replace(fold=1)
        if here.utcoffset() != again.utcoffset():
            raise _Unclear(
                f"{text} comes twice in {zone}: clocks are put back; say which: {here.isoformat()} or {again.isoformat()}"
            )
        return _millis(here)
    except (OverflowError, OSError, ValueError):
        raise _Unclear(f"{text} is beyond what the calendar knows") from None


def _must_be_meant(every: str) -> None:
    """Raises :class:`_Unclear` for what looks like an interval, and is none or could be two."""
    text = every.strip()
    found = _LIKE_INTERVAL.fullmatch(text)
    if found is None or len(text.split()) == 5:
        return
    sign, number, part, unit, rest = found.groups()
    if _INTERVAL.fullmatch(text.lower()) and unit != "M":
        return
    low = unit.lower()
    kind = "M" if unit == "M" else "mo" if low.startswith("mo") else low[:1]
    if sign:
        why = "an interval has no sign"
    elif kind in _BY_CRON and not rest:
        why = _BY_CRON[kind]
    elif part and low[:1] in _SECONDS:
        why = f"an interval is a whole number; {number}.{part}{low[:1]} can be said in the next smaller unit"
    elif rest and low[:1] in _SECONDS:
        why = "an interval is one number and one unit: 1h30 is 90m"
    elif not unit and not rest:
        why = f"the unit is missing: {number}s, {number}m, {number}h or {number}d"
    elif low[:1] in _SECONDS and not rest:
        why = f"a unit is one letter: {number}{low[:1]}"
    else:
        return
    raise _Unclear(f"every {every!r} is not understood: {why}")


def _interval(every: str) -> int:
    """An interval in milliseconds; 0 if it is none."""
    found = _INTERVAL.fullmatch(every.strip().lower())
    if found is None:
        return 0
    seconds = int(found[1]) * _SECONDS[found[2]]
    if not limits.ALARM_EVERY_SECONDS_MIN <= seconds < 10**9:
        raise _Unclear(
            f"every {every}: an interval is at least {limits.ALARM_EVERY_SECONDS_MIN} second, and not over 30 years"
        )
    return seconds * 1000


def _after(every: str, zone: tzinfo, since: int, at: int) -> int:
    """The first firing after ``at``. ``since``: one of them, from which an interval counts."""
    interval = _interval(every)
    if interval:
        return since + ((at - since) // interval + 1) * interval
    # Where clocks are put back, what they show next may have been before; and a time in the middle of a second is not one.
    found = next((time for time in _cron(every, _there(at, zone)) if time > at), 0)
    if not found:
        raise _Unclear(f"every {every!r} never comes; write {FORMS}")
    return found


def _before(every: str, zone: tzinfo, since: int, now: int) -> int:
    """The last firing up to ``now``."""
    interval = _interval(every)
    if interval:
        return since + (now - since) // interval * interval
    return max(since, next((time for time in _cron(every, _there(now + 1000, zone), True) if time <= now), since))


def _came(every: str, zone: tzinfo, since: int, now: int) -> int:
    """How many firings there were from ``since`` to ``now``; of times of a calendar at most ``limits.MISSED_COUNTED_MAX`` are counted."""
    interval = _interval(every)
    if interval:
        return (now - since) // interval + 1
    count, last = 1, since
    for time in _cron(every, _there(since, zone)):
        if time > now or count >= limits.MISSED_COUNTED_MAX:
            break
        if time > last:
            count, last = count + 1, time
    return count


def _cron(every: str, start: datetime, reverse: bool = False) -> Iterator[int]:
    """The firings after ``start``, or before it."""
    if len(every.split()) != 5:
        raise _Unclear(f"every is not understood: {every!r}; write {FORMS}")
    from cronsim import CronSim, CronSimError  # here: who looks works out no date

    try:
        for time in CronSim(every, start, reverse):
            yield _millis(time)
    except (CronSimError, ValueError, OverflowError, AssertionError) as error:
        raise _Unclear(f"every {every!r} is not understood ({str(error).lower()}); write {FORMS}") from None
