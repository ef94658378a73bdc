"""Amounts of money, as whole cents. Refunds are negative amounts."""

from __future__ import annotations

from decimal import Decimal


def cents(text: str) -> int:
    """``"12.50"`` -> 1250. Raises ``ValueError`` for what is no amount."""
    whole, point, part = text.strip().partition(".")
    if point and len(part) != 2:
        raise ValueError(f"{text!r} is no amount: write cents with two digits, as in 12.50")
    sign = -1 if whole.startswith("-") else 1
    return int(whole) * 100 + sign * int(part or 0)


def percent(amount: int, rate: str) -> int:
    """``rate`` percent of an amount, in cents: ``percent(1000, "7")`` is 70."""
    return round(amount * Decimal(rate) / 100)


def text(amount: int) -> str:
    """1250 -> ``"12.50"``."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02}"
