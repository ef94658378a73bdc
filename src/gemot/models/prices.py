"""Price tables: the prices and the window of a model, as a provider publishes them. No network; a table is read on first use.

The tables are compiled from the package `genai-prices`, whose import takes longer than most calls. `make prices` does that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from gemot.models.cards import Price, Table, cost

_FOLDER = Path(__file__).parent / "data" / "prices"
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")

FREE = Table("runs here", (Price(0, 0),))
"""The prices of a model on the person's own computer."""


class _Row(Struct, frozen=True):
    """One model. ``match``: how its name is recognized; ``prices``: pairs of a first day and rows by length, see `Price`."""

    match: list[Any]
    prices: list[tuple[str, list[tuple[int, int, int, int | None, int | None]]]]
    window: int | None = None


class _Rows(Struct, frozen=True):
    """The table of one provider. ``source``: the package that it is compiled from."""

    source: str
    models: list[_Row]


def table(name: str, model: str, day: str = "") -> Table | None:
    """What the table ``name`` has of ``model``. ``day``: for which prices are asked (ISO, UTC), today unless it is given."""
    rows = _rows(name)
    plain = model.lower()
    row = _row(rows, plain) or _row(rows, _COMPACT_DATE.sub(r"-\1-\2-\3", plain))
    if row is None:
        return None
    day = day or datetime.now(UTC).date().isoformat()
    by_length = next((rows for first, rows in reversed(row.prices) if first <= day), row.prices[0][1])
    prices = tuple(Price(asked, said, cached, put, above) for above, asked, said, cached, put in by_length)
    return Table(rows.source, prices, row.window)


def table_of(address: str) -> str | None:
    """The name of the table for the server at ``address``."""
    return next((name for name, pattern in _addresses().items() if re.match(pattern, address)), None)


def cost_usd_micros(provider: str, models: Sequence[str], usage: Any) -> int | None:
    """Millionths of a dollar, rounded up, for ``usage`` (tokens: input, output, cache_read, cache_write).

    ``models`` are names to look for, the first one that has a price counts: what was asked for, what answered.
    """
    if provider == "ollama" and not any("cloud" in model for model in models):
        return 0  # it runs on the person's own computer
    if provider not in ("openai", "anthropic", "google"):
        return None
    for model in models:
        known = table(provider, model)
        if known is not None and known.prices:
            counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
            return cost(known.prices, *counts)
    return None


def _row(rows: _Rows, model: str) -> _Row | None:
    return next((row for row in rows.models if _fits(row.match, model)), None)


def _fits(match: list[Any], model: str) -> bool:
    kind, *parts = match
    if kind == "or":
        return any(_fits(part, model) for part in parts)
    if kind == "and":
        return all(_fits(part, model) for part in parts)
    (text,) = parts
    if kind == "is":
        return model == text
    if kind == "starts":
        return model.startswith(text)
    if kind == "ends":
        return model.endswith(text)
    if kind == "has":
        return text in model
    return re.search(text, model) is not None


@lru_cache
def _rows(name: str) -> _Rows:
    return msgspec.json.decode((_FOLDER / f"{name}.json").read_bytes(), type=_Rows)


@lru_cache
def _addresses() -> dict[str, str]:
    return msgspec.json.decode((_FOLDER / "addresses.json").read_bytes(), type=dict[str, str])
