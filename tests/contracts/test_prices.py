"""The shipped price tables say what the package that they are compiled from says: which model, from which day, at which cost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price, types
from genai_prices.data import providers
from price_tables import FOLDER, TABLES, addresses, compiled, written

from gemot.models import prices
from gemot.models.cards import cost
from gemot.models.catalogue import PROVIDERS, card
from gemot.models.registry import card_of, price_known

FAMILIES = ("openai", "anthropic", "google")

USAGES = (
    (0, 0, 0, 0),
    (1, 1, 0, 0),
    (1_000, 100, 0, 0),
    (1_000, 100, 400, 0),
    (1_000, 100, 0, 400),
    (1_000, 100, 400, 600),
    (199_999, 7, 13, 17),
    (200_000, 7, 13, 17),
    (200_001, 7, 13, 17),
    (272_000, 128_000, 100_000, 0),
    (272_001, 128_000, 100_000, 0),
    (999_999, 65_537, 333_333, 1),
)
"""Tokens of a question, of a reply, read from a cache, written to a cache; around the lengths at which prices change."""


@pytest.mark.parametrize("name", TABLES)
def test_shipped_table_is_the_one_that_the_package_gives(name: str) -> None:
    shipped = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert shipped == written(compiled(name)), "run `make prices`"


@pytest.mark.parametrize("name", FAMILIES)
def test_cost_is_that_of_the_package_rounded_up(name: str) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    compared = 0
    for model, info in names_of(name):
        for day in days_of(info):
            known = prices.table(name, model, day.isoformat())
            for usage in chance.sample(USAGES, 4):
                expected = by_package(name, model, day, usage)
                if expected is None or known is None or not known.prices:
                    assert expected in (None, 0), (model, day, usage)  # priced by the hour, the character or the image
                    continue
                assert cost(known.prices, *usage) == expected, (model, day, usage)
                compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", TABLES)
def test_name_of_a_model_is_recognized_as_the_package_recognizes_it(name: str) -> None:
    provider = next(provider for provider in providers if provider.id == name)
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for model, _ in names_of(name):
        for changed in (
            model,
            model.upper(),
            f"{model}-20251211",
            f"x{model}",
            model[: chance.randrange(len(model)) + 1],
        ):
            expected = provider.find_model(changed)
            known = prices.table(name, changed)
            assert (known is None) == (expected is None), changed
            assert known is None or known.window == (expected and expected.context_window), changed


def test_price_of_certain_hours_counts_all_day_if_it_is_the_dearest() -> None:
    known = prices.table("deepseek", "deepseek-v4-pro", "2026-11-30")
    assert known is not None
    for hour in range(24):
        at = datetime(2026, 11, 30, hour, 30, tzinfo=UTC)
        price = calc_price(
            Usage(input_tokens=10**6), "deepseek-v4-pro", provider_id="deepseek", genai_request_timestamp=at
        )
        assert (cost(known.prices, 10**6, 0) or 0) >= price.total_price * 10**6


def test_server_is_known_by_its_address() -> None:
    assert addresses() == {name: pattern for name, pattern in prices._addresses().items()}  # pyright: ignore[reportPrivateUsage]
    assert prices.table_of("https://api.deepseek.com/v1#deepseek-chat") == "deepseek"
    assert prices.table_of("http://127.0.0.1:8000/v1#deepseek-chat") is None


def test_card_has_the_prices_of_its_server() -> None:
    groq = card_of("openai-compatible:https://api.groq.com/openai/v1#openai/gpt-oss-20b")
    assert groq is not None
    assert groq.prices == prices.table("groq", "openai/gpt-oss-20b").prices  # pyright: ignore[reportOptionalMemberAccess]
    assert groq.sources["price_in"] == groq.sources["window"] == "genai-prices 0.2.3"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("openai:gpt-5-mini", True),
        ("openai/gpt-5-mini", True),
        ("openai:gpt-99", False),
        ("ollama:qwen3:8b", True),
        ("ollama:qwen3-coder:480b-cloud", False),
        ("openai-compatible:http://127.0.0.1:8000/v1#x", False),
        ("openai-compatible:https://api.deepseek.com#deepseek-chat", True),
        ("hand:http://127.0.0.1:8765/v1", False),
        ("embedded", True),
        ("bestiary:obeys", True),
        ("nothing:x", False),
        ("openai:", False),
    ],
)
def test_price_is_known_or_not(name: str, known: bool) -> None:
    assert price_known(name) is known


def test_price_that_the_table_lacks_stays_unknown() -> None:
    assert card(PROVIDERS["openai"], "gpt-99").usd_micros(1, 1) is None


def names_of(name: str) -> Iterator[tuple[str, types.ModelInfo]]:
    """A name for each way in which the models of a provider are recognized."""
    provider = next(provider for provider in providers if provider.id == name)
    for model in provider.models:
        for text in {model.id, *texts(model.match)}:
            yield text, model


def texts(clause: Any) -> Iterator[str]:
    for part in getattr(clause, "or_", None) or getattr(clause, "and_", None) or ():
        yield from texts(part)
    for field in ("equals", "starts_with", "ends_with", "contains"):
        if text := getattr(clause, field, ""):
            yield text


def days_of(model: types.ModelInfo) -> list[date]:
    """A day of today's prices, and the days around each change of a price."""
    starts = {
        conditional.constraint.start_date
        for conditional in (model.prices if isinstance(model.prices, list) else [])
        if isinstance(conditional.constraint, types.StartDateConstraint)
    }
    return sorted({date(2026, 12, 1)} | {start + timedelta(days=days) for start in starts for days in (-1, 0)})


def by_package(name: str, model: str, day: date, usage: tuple[int, int, int, int]) -> int | None:
    asked, said, cached, put = usage
    tokens = Usage(input_tokens=asked, output_tokens=said, cache_read_tokens=cached, cache_write_tokens=put)
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    try:
        price: Decimal = calc_price(tokens, model, provider_id=name, genai_request_timestamp=at).total_price
    except LookupError:
        return None
    return int((price * 1_000_000).to_integral_value(ROUND_CEILING))
