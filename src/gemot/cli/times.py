"""Times: moments as the person's clock shows them, and how long ago or ahead they are."""

from __future__ import annotations

import time
from datetime import datetime

from gemot.cli.plain import inert, one_line
from gemot.machine.views import ProcessView

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))

SILENCE_SECONDS = 60
"""How long a process must have done nothing for that to be shown."""


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def when(at: int) -> str:
    """A moment (milliseconds since 1970) as the person's clock shows it."""
    try:
        there = datetime.fromtimestamp(at / 1000)
    except (ValueError, OverflowError, OSError):
        return "never"
    return f"{_DAYS[there.weekday()]} {there:%Y-%m-%d %H:%M}{f':{there.second:02d}' if there.second else ''}"


def span(millis: int) -> str:
    """How long that is, in its largest unit."""
    seconds = max(0, millis // 1000)
    size, unit = next((one for one in _UNITS if seconds >= 2 * one[0]), _UNITS[-1])
    return f"{seconds // size} {unit}"


def standing(view: ProcessView) -> list[str]:
    """How far a living process says it is, when it was last heard of, when it is woken, whether only a person can,
    whether it repeats itself, and whether it waits for its provider."""
    if view.outcome is not None:
        return []
    at, said = now(), list[str]()
    if view.note:
        text = inert(view.note) if view.note_foreign else view.note
        said.append(f'"{one_line(text, 200)}" {span(at - view.noted_at)} ago')
    if view.state == "running" and view.heard_at and at - view.heard_at >= SILENCE_SECONDS * 1000:
        said.append(f"last heard of {span(at - view.heard_at)} ago")
    if view.alarms:
        said.append(f"rings {when(min(one.at for one in view.alarms))}")
    if view.still:
        said.append("stands still: only you can bring it further")
    if view.repeats:
        said.append(view.repeats)
    if view.outage is not None:
        often = f"asked {view.outage.attempts} times since {when(view.outage.since)}"
        said.append(
            f"waits for its provider: {one_line(view.outage.why, 200)} {often}; again {when(view.outage.until)}"
        )
    return said
