"""What a model call will take, before it is made: so that a budget refuses it instead of finding out afterwards."""

from __future__ import annotations

from functools import lru_cache

from gemot.abi.events import Cost
from gemot.abi.limits import CHARS_PER_TOKEN
from gemot.models.cards import Card


def estimate(model: str, chars: int, tokens_out_max: int) -> Cost:
    """Tokens of the question; and the most that one call can cost, 0 where the price is unknown or nothing."""
    tokens = chars // CHARS_PER_TOKEN + 1
    return Cost(tokens, price(model, tokens, tokens_out_max))


def price(model: str, tokens_in: int, tokens_out: int) -> int:
    """Millionths of a dollar for one call, 0 where nobody knows."""
    card = _card(model)
    return 0 if card is None else card.usd_micros(tokens_in, tokens_out) or 0


@lru_cache
def _card(model: str) -> Card | None:
    from gemot.models.registry import card_of  # here: only a model that is used needs it

    return card_of(model)
