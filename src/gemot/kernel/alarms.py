"""Alarms: at, after, every. The kernel has no calendar: what the days and the clocks of a place say comes in as data.

An alarm that rings once has one timer. One that rings every so often has one, too; it rings only on a tick that says
when it is due next (see :class:`gemot.abi.events.Ticked`), and is set to that in the same step. So between two events
every alarm has its next time, whatever crashes, sleeps or is carried away; and the same events give the same rings on
a computer whose calendar is another one.

The rule for firings that were missed, because the machine was off or the tree slept, or because the one before was not
read yet, is the alarm's own. A mailbox holds one unread ring of an alarm at most (``all``: so many), and that says how many
firings it stands for: whoever does not read is not buried.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gemot.abi import limits
from gemot.abi.answers import Mail, Ok
from gemot.abi.events import Due
from gemot.abi.labels import KERNEL, Label
from gemot.abi.syscalls import Alarm, CancelAlarm
from gemot.authority.labels import join, words_of
from gemot.authority.refusal import Refused
from gemot.kernel import dates
from gemot.kernel.process import Process, SetAlarm, Timer

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel


def alarm(kernel: Kernel, process: Process, syscall: Alarm, due: Due | None) -> None:
    at = _first(kernel, syscall, due)
    if len(syscall.note) > limits.NOTE_CHARS_MAX:
        raise Refused("limit", f"the note of an alarm has at most {limits.NOTE_CHARS_MAX} characters")
    if len(process.alarms) >= limits.ALARMS_MAX:
        raise Refused("limit", f"a process has at most {limits.ALARMS_MAX} alarms; cancel_alarm takes one back")
    due = due or Due()
    number = kernel.number()
    process.alarms[number] = set_alarm = SetAlarm(
        at,
        syscall.note,
        syscall.every,
        due.zone,
        due.text,
        syscall.missed,
        set_at=kernel.moment,
        label=words_of(process),
        passing=due.passing,
    )
    kernel.set_timer(dates.rings_at(kernel, set_alarm), Timer(process.pid, "alarm", number))
    kernel.answer(process, Ok(_shown(kernel, number, set_alarm)))


def _first(kernel: Kernel, syscall: Alarm, due: Due | None) -> int:
    """When it first rings. Raises :class:`Refused`."""
    named = [name for name in ("seconds", "at", "every") if getattr(syscall, name) not in (None, "")]
    if len(named) != 1:
        raise Refused(
            "malformed",
            "an alarm rings in so many seconds, at a time, or every so often: name exactly one of seconds, at, every; "
            f"named: {', '.join(named) or 'none'}",
        )
    if syscall.missed != "once" and not syscall.every:
        raise Refused(
            "malformed", f"missed={syscall.missed} is for alarms with every; one that rings once is never left out"
        )
    if syscall.seconds is not None:
        if syscall.zone:
            raise Refused("malformed", "zone is for at and every; so many seconds from now are the same everywhere")
        if not 0 <= syscall.seconds < 10**9:
            raise Refused("malformed", f"seconds must be a time from now, not {syscall.seconds}")
        return kernel.now + int(syscall.seconds * 1000)
    if due is None:
        raise Refused("unavailable", "there is no calendar here; set an alarm in so many seconds")
    if due.error:
        raise Refused("malformed", due.error)
    if not 0 <= due.at - (kernel.now if due.passing else kernel.today) < limits.ALARM_AHEAD_MILLIS_MAX:
        raise Refused("malformed", f"{named[0]} must be a time from now, within 30 years; {due.text or 'that'} is not")
    return due.at


def cancel_alarm(kernel: Kernel, process: Process, syscall: CancelAlarm) -> None:
    if process.alarms.pop(syscall.alarm, None) is None:
        raise Refused(
            "unknown", f"there is no alarm {syscall.alarm}; set: {', '.join(map(str, process.alarms)) or 'none'}"
        )
    kernel.answer(process, Ok("cancelled"))


def listed(kernel: Kernel, process: Process) -> list[dict[str, Any]]:
    """All alarms of a process, as it is told them itself."""
    return [_shown(kernel, number, set_alarm) for number, set_alarm in process.alarms.items()]


def _shown(kernel: Kernel, number: int, set_alarm: SetAlarm) -> dict[str, Any]:
    words = {"rings": set_alarm.text, "zone": set_alarm.zone, "every": set_alarm.every, "note": set_alarm.note}
    in_seconds = max(0, dates.rings_at(kernel, set_alarm) - kernel.now) / 1000
    return {"alarm": number, "in_seconds": in_seconds} | {name: text for name, text in words.items() if text}


def due(kernel: Kernel, now: int) -> Iterator[tuple[int, int, SetAlarm]]:
    """The recurring alarms that a tick at this time makes ring: their pids, numbers, and as they are. Trees that sleep are
    left out, and so are those that are not in memory. The work is in proportion to what is due, not to what is set."""
    places = [0]
    while places:
        place = places.pop()
        if place >= len(kernel.timers) or kernel.timers[place][0] > now:
            continue
        places += (2 * place + 1, 2 * place + 2)  # the timers are a heap: nothing is due below what is not
        timer = kernel.timers[place][2]
        process = kernel.processes.held(timer.pid) if timer.kind == "alarm" else None
        set_alarm = None if process is None else process.alarms.get(timer.token)
        if process is not None and set_alarm is not None and set_alarm.every and process.root not in kernel.asleep:
            yield process.pid, timer.token, set_alarm


def ring(kernel: Kernel, process: Process, number: int, due: Due | None) -> bool:
    """The timer of an alarm came due. False: nobody has said yet when it is due next, so it does not ring yet."""
    set_alarm = process.alarms.get(number)
    if set_alarm is None:
        return True
    note = f": {set_alarm.note}" if set_alarm.note else ""
    if not set_alarm.every:
        del process.alarms[number]
        kernel.post(process, Mail(-1, f"alarm {number} rang{note}", _passed_on(set_alarm), number))
        return True
    if due is None or due.since != set_alarm.at:
        return False
    if due.at:
        set_alarm.set_to(due)
        set_alarm.rang = due.last
        kernel.set_timer(dates.rings_at(kernel, set_alarm), Timer(process.pid, "alarm", number))
    else:
        del process.alarms[number]
        note += f" (it does not ring again: {due.error or 'its times are over'})"
    late = (kernel.now if due.passing else kernel.today) - due.last > limits.ALARM_LATE_MILLIS
    came, set_alarm.skipped = due.came + set_alarm.skipped, 0
    if set_alarm.missed == "skip" and late and due.at:
        set_alarm.skipped = came
    else:
        _tell(kernel, process, number, set_alarm, note, came)
    return True


def _tell(kernel: Kernel, process: Process, number: int, alarm: SetAlarm, note: str, came: int) -> None:
    """Put the ring into the mailbox, each firing by itself where its rule says so, as far as there is room; or let the one that lies there
    unread stand for these firings, too."""
    each = alarm.missed == "all"
    unread = [place for place, mail in enumerate(process.mailbox) if mail.alarm == number]
    rings = 1
    if each:
        room = min(limits.MISSED_RINGS_MAX - len(unread), limits.MAILBOX_MAX - len(process.mailbox))
        rings = max(min(came, room), 0 if unread else 1)
    if unread and (not each or not rings):
        place = unread[-1]
        process.mailbox[place] = _mail(number, note, process.mailbox[place].missed + came, _passed_on(alarm))
        return
    more = came == limits.MISSED_COUNTED_MAX  # no more were counted
    for place in range(rings):
        kernel.post(process, _mail(number, note, 0 if place else came - rings, _passed_on(alarm), more and not place))


def _passed_on(alarm: SetAlarm) -> Label:
    """The label of a ring: its note is what the process said when it set the alarm."""
    return join(Label((KERNEL,)), alarm.label)


def _mail(number: int, note: str, missed: int, label: Label, more: bool = False) -> Mail:
    """``more``: at least so many were missed."""
    count = f"{'at least ' * more}{missed} {'firing' if missed == 1 else 'firings'}"
    before = f" ({count} before it missed)" if missed else ""
    return Mail(-1, f"alarm {number} rang{before}{note}", label, number, missed)
