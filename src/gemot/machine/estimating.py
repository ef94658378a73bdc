"""What a model call will take, before it is made: so that a budget refuses it instead of finding out afterwards."""

from __future__ import annotations

from gemot.abi.events import Cost
from gemot.abi.limits import CHARS_PER_TOKEN


def estimate(model: str, chars: int, tokens_out_max: int) -> Cost:
    """Tokens of the question; and the most that one call can cost, 0 where the price is unknown or nothing."""
    tokens = chars // CHARS_PER_TOKEN + 1
    return Cost(tokens, price(model, tokens, tokens_out_max))


def price(model: str, tokens_in: int, tokens_out: int) -> int:
    """Millionths of a dollar for one call, 0 where nobody knows."""
    kind = model.partition(":")[0]
    if kind not in ("openai", "anthropic", "google"):
        return 0
    from gemot.models.prices import cost_usd_micros, usage_of

    usage = usage_of(tokens_in, tokens_out)
    return 0 if usage is None else cost_usd_micros(kind, (model.partition(":")[2],), usage) or 0
