"""The price tables that gemot ships, compiled from the package `genai-prices`: `make prices` writes them anew."""

from __future__ import annotations

import json
from decimal import ROUND_CEILING, Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers

FOLDER = Path(__file__).parents[2] / "src/gemot/models/data/prices"

TABLES = (
    *("openai", "anthropic", "google", "cerebras", "deepseek", "fireworks", "groq", "mistral", "moonshotai"),
    *("openrouter", "perplexity", "together", "x-ai", "zai"),
)
"""The providers whose tables are shipped: those of gemot, and well-known servers with OpenAI's chat completions."""

UNITS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
"""What is priced, in the order of the tables: a question, a reply, read from a cache, written to a cache."""


def compiled(name: str) -> dict[str, Any]:
    """The table of one provider: of each model how its name is recognized, its window and its prices."""
    provider = next(provider for provider in providers if provider.id == name)
    return {
        "source": f"genai-prices {version('genai-prices')}",
        "models": [_model(model) for model in provider.models],
    }


def addresses() -> dict[str, str]:
    """Expressions for the addresses of the providers, by the names of their tables."""
    return {provider.id: provider.api_pattern for provider in providers if provider.id in TABLES}


def written(table: dict[str, Any]) -> str:
    """A table as JSON, a line for each model, so that a change can be read."""
    models = ",\n".join(json.dumps(model) for model in table["models"])
    return f'{{"source": {json.dumps(table["source"])}, "models": [\n{models}\n]}}\n'


def _model(model: types.ModelInfo) -> dict[str, Any]:
    row: dict[str, Any] = {"match": _match(model.match)}
    if model.context_window is not None:
        row["window"] = model.context_window
    row["prices"] = _dated(model.prices)
    return row


def _match(clause: Any) -> list[Any]:
    match clause:
        case types.ClauseOr(or_=parts):
            return ["or", *map(_match, parts)]
        case types.ClauseAnd(and_=parts):
            return ["and", *map(_match, parts)]
        case types.ClauseEquals(equals=text):
            return ["is", text.lower()]
        case types.ClauseStartsWith(starts_with=text):
            return ["starts", text.lower()]
        case types.ClauseEndsWith(ends_with=text):
            return ["ends", text.lower()]
        case types.ClauseContains(contains=text):
            return ["has", text.lower()]
        case types.ClauseRegex(regex=text):
            return ["fits", text]
    raise ValueError(clause)


def _dated(prices: Any) -> list[list[Any]]:
    """Pairs of a first day (empty: always) and prices by length, the later pair before the earlier one."""
    if isinstance(prices, types.ModelPrice):
        return [["", _by_length(prices)]]
    pairs: list[list[Any]] = []
    for conditional in prices:
        by_length = _by_length(conditional.prices)
        match conditional.constraint:
            case None:
                pairs.append(["", by_length])
            case types.StartDateConstraint(start_date=day):
                pairs.append([day.isoformat(), by_length])
            case _:  # a price of certain hours: the dearest hour counts all day, so that no cap is overrun
                first, other = pairs[-1]
                pairs[-1] = [first, max(other, by_length, key=lambda rows: rows[0][1:3])]
    return pairs


def _by_length(price: types.ModelPrice) -> list[list[Any]]:
    """Rows of a length in tokens and the prices of longer questions, in millionths of a dollar for a million tokens."""
    values = [getattr(price, unit, None) for unit in UNITS]
    starts = {0} | {tier.start for value in values if isinstance(value, types.TieredPrices) for tier in value.tiers}
    rows = [[start, *(_micros(_at(value, start)) for value in values)] for start in sorted(starts)]
    if any(value is not None for value in values) or not vars(price):
        return [[start, row[0] or 0, row[1] or 0, *row[2:]] for start, *row in rows]
    return []  # priced by the hour, the character or the image alone


def _at(value: Any, start: int) -> Decimal | None:
    if not isinstance(value, types.TieredPrices):
        return value
    return ([value.base] + [tier.price for tier in value.tiers if tier.start <= start])[-1]


def _micros(dollars: Decimal | None) -> int | None:
    return None if dollars is None else int((dollars * 1_000_000).to_integral_value(ROUND_CEILING))


if __name__ == "__main__":
    for table in TABLES:
        (FOLDER / f"{table}.json").write_text(written(compiled(table)), encoding="utf-8")
    (FOLDER / "addresses.json").write_text(json.dumps(addresses(), indent=1) + "\n", encoding="utf-8")
