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
            return int((price * MICROS).to_integral_value(ROUND_CEILING))
        except Exception:  # noqa: BLE001 - the edge: no such model, counts or tables that can't be used; nobody knows the price then
            continue
    return None


def usage_of(tokens_in: int, tokens_out: int) -> Any:
    """A use as the price tables take it; None where the package `genai_prices` is not installed."""
    try:
        from genai_prices import Usage
    except ImportError:
        return None
    return Usage(input_tokens=tokens_in, output_tokens=tokens_out)


def price_known(provider: str, model: str) -> bool:
    """Whether calls to ``model`` can be charged to a budget in money."""
    usage = usage_of(1, 1)
    if usage is None:
        return provider == "ollama" and "cloud" not in model
    return cost_usd_micros(provider, (model,), usage) is not None
