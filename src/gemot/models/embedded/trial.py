"""Whether sequences can share what was computed on this computer: tried with a few tokens before it is relied on.

A wrong signature or layout would not fail; it would give other numbers. So the same short text is computed whole, and
again from a shared beginning, and the results are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gemot.models.embedded.prefixes import Memory

DIFFERENCE_MAX = 1.0
"""Between logits, which are up to about 20, of the same text computed in different portions. None was seen with so short a
text, and rounding can make it 0.8; a text that lacks its beginning, or has a stranger's, was off by 6."""

Compute = Callable[[int, int, Sequence[int]], Sequence[float]]
"""Computes tokens in a sequence from a position on; the logits of the last one. Raises ``RuntimeError``."""


def unsound(text: Sequence[int], memory: Memory, compute: Compute) -> str:
    """Why the engine's numbers can't be trusted at all: nothing but finite, unequal, repeatable logits can. ``""``: they can."""
    try:
        memory.clear()
        once = compute(0, 0, text)
        memory.clear()
        again = compute(0, 0, text)
    except RuntimeError as error:
        return str(error)
    if not all(map(math.isfinite, once)) or max(once) - min(once) < 1:
        return "it gives no usable numbers"
    return "" if _difference(once, again) < DIFFERENCE_MAX else "it gives other numbers for the same text"


def unshared(text: Sequence[int], memory: Memory, compute: Compute) -> str:
    """Why sequences must not share here; ``""``: they may. ``text`` is at least four tokens; all cells are free after it."""
    half = len(text) // 2
    try:
        memory.clear()
        whole = compute(0, 0, text)
        memory.copy(0, 1, half)
        if _difference(whole, compute(1, half, text[half:])) > DIFFERENCE_MAX:
            return "a text with a shared beginning gives other numbers than the whole text"
        memory.cut(0, 0)
        memory.cut(1, half)
        if _difference(whole, compute(1, half, text[half:])) > DIFFERENCE_MAX:
            return "a shared beginning changes when the text that it is shared with goes"
        compute(0, 0, text[half:])
        memory.cut(0, 0)
        if _difference(whole, compute(0, 0, text)) > DIFFERENCE_MAX:
            return "what was let go of is still there"
    except RuntimeError as error:
        return str(error)
    finally:
        memory.clear()
    return ""


def _difference(one: Sequence[float], other: Sequence[float]) -> float:
    return max((abs(left - right) for left, right in zip(one, other, strict=True)), default=math.inf)
