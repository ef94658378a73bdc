"""The driver ``clock``: what time it is, anywhere."""

from __future__ import annotations

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


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""Not strftime: its words depend on the computer's language."""


def _hint(zone: str, zones: set[str]) -> str:
    from gemot.drivers.names import closest

    if not zones:
        return "this computer knows only UTC; the package tzdata would teach it the others"
    city = zone.rsplit("/", 1)[-1].strip().replace(" ", "_").lower()
    same = sorted(name for name in zones if name.rsplit("/", 1)[-1].lower() == city)
    near = same[:3] or closest(zone, sorted(zones))
    return f"did you mean {' or '.join(near)}?" if near else "write UTC, or a name such as Europe/Berlin"
