"""The driver ``clock``: what time it is, anywhere."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from gemot.drivers.kit import Driver, ToolError

clock = Driver("clock", "What time it is.")


@clock.tool(effect="reads", repeatable=True)
def now(zone: str = "UTC") -> str:
    """The date, the time and the weekday now. zone: UTC, or an IANA name such as Europe/Berlin."""
    time = datetime.now(zone_of(zone)).replace(microsecond=0)
    return f"{time.isoformat()} {_DAYS[time.weekday()]}"


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises :class:`ToolError`, which says what it may have been meant to be."""
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolError(f'there is no time zone "{name[:80]}"; {_hint(name, zoneinfo.available_timezones())}') from None


_OFFSET = re.compile(r"(?:UTC|GMT|Etc/GMT|Z)?\s*([+\u2212-])\s*(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)


def _fixed(zone: str) -> str:
    """Words about a fixed offset such as GMT+2 or +02:00; ``""`` for any other name."""
    found = _OFFSET.fullmatch(zone.strip())
    if found is None:
        return ""
    ahead, hours, minutes = found[1] == "+", int(found[2]), int(found[3] or 0)
    place = "or name a place, such as Europe/Berlin, whose clocks are changed in spring and autumn"
    side = "ahead of" if ahead else "behind"
    if not hours and not minutes:
        return f"write UTC; {place}"
    if minutes or hours > (14 if ahead else 12):
        return f"an offset has no name unless it is whole hours, up to 14 ahead of UTC or 12 behind; {place}"
    name, other = f"Etc/GMT{'-' if ahead else '+'}{hours}", f"Etc/GMT{'+' if ahead else '-'}{hours}"
    there = f" ({other} is the other side of UTC: in these names the sign is reversed)"
    hour = "1 hour" if hours == 1 else f"{hours} hours"
    return f"for {hour} {side} UTC write {name}{there}; {place}"


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""Not strftime: its words depend on the computer's language."""


def _hint(zone: str, zones: set[str]) -> str:
    from gemot.drivers.names import closest

    if not zones:
        return "this computer knows only UTC; the package tzdata would teach it the others"
    fixed = _fixed(zone)
    if fixed:
        return fixed
    city = zone.rsplit("/", 1)[-1].strip().replace(" ", "_").lower()
    same = sorted(name for name in zones if name.rsplit("/", 1)[-1].lower() == city)
    near = same[:3] or closest(zone, sorted(zones))
    return f"did you mean {' or '.join(near)}?" if near else "write UTC, or a name such as Europe/Berlin"
