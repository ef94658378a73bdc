"""The clock: the right time in the right zone, and errors that name the right zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from gemot.drivers.clock import now
from gemot.drivers.kit import ToolError


def test_now_is_the_time_in_utc_with_its_offset_and_weekday() -> None:
    text, day = now().split(" ")
    assert abs(datetime.fromisoformat(text) - datetime.now(UTC)) < timedelta(seconds=5)
    assert text.endswith("+00:00") and day == f"{datetime.fromisoformat(text):%A}"


def test_now_in_another_zone_is_the_same_moment() -> None:
    text = now("Asia/Kolkata").split(" ")[0]
    assert text.endswith("+05:30")
    assert abs(datetime.fromisoformat(text) - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Berlin", "did you mean Europe/Berlin?"),
        ("new york", "did you mean America/New_York?"),
        ("Europe/Berln", "Europe/Berlin"),
        ("../../etc/passwd", "write UTC, or a name"),
        ("/etc/passwd", "write UTC, or a name"),
        ("", "write UTC, or a name"),
        ("a\x00b", "write UTC"),
        ("Europe", "no time zone"),
        ("\ud800", "no time zone"),
    ],
)
def test_an_unknown_zone_is_answered_with_what_was_probably_meant(zone: str, hint: str) -> None:
    with pytest.raises(ToolError, match=re.escape(hint)):
        now(zone)
