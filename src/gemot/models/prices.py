"""What a model call cost, from kept price tables; None where nobody knows. Reads the tables on first use only."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

MICROS = Decimal(1_000_000)


def cost_usd_micros(provider: str, models: Sequence[str], usage: Any) -> int | None:
    """Millionths of a dollar, rounded up, for ``usage`` (a `genai_prices` usage: tokens in, out, cached, written).

    ``models`` are names to look for, the first one that has a price counts: what was asked for, what answered.
    """
    if provider == "ollama" and not any("cloud" in model for model in models):
        return 0  # it runs on the person's own computer
    if provider not in ("openai", "anthropic", "google"):
        return None
    try:
        from genai_prices import calc_price
    except ImportError:
        return None
    for model in models:
        try:
            price: Decimal = calc_price(usage, model, provider_id=provider).total_price
        except (LookupError, ValueError):  # LookupError: no such model; ValueError: counts that can't be priced
            continue
        return int((price * MICROS).to_integral_value(ROUND_CEILING))
    return None


def price_known(provider: str, model: str) -> bool:
    """Whether calls to ``model`` can be charged to a budget in money."""
    try:
        from genai_prices import Usage
    except ImportError:
        return provider == "ollama" and "cloud" not in model
    return cost_usd_micros(provider, (model,), Usage(input_tokens=1, output_tokens=1)) is not None
