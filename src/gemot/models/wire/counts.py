"""The usage that a server reports while it replies: once, again and again, or piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

CHARS_PER_TOKEN_MAX = 16
"""No text has so many characters in a token, on the whole."""


@dataclass(slots=True)
class Counts:
    """One report; None: it says nothing of this."""

    tokens_in: int | None = None
    """The tokens of the question."""
    tokens_out: int | None = None
    """The tokens of the reply, with its reasoning."""
    cached: int | None = None
    """The tokens of the question that came from a cache."""
    written: int | None = None
    """The tokens of the question that were written to a cache."""
    reasoning: int | None = None
    """The tokens of the reply that are reasoning."""
    apart: bool = False
    """``tokens_in`` has neither those from a cache nor those written to one (Anthropic)."""

    @property
    def any(self) -> bool:
        return bool(self.tokens_in or self.tokens_out)


class Ledger:
    """All reports of one reply. Of several the last one counts, unless they are of the pieces between them."""

    __slots__ = ("_all_out", "_falls", "_last", "_most_out", "_reports")

    def __init__(self) -> None:
        self._last = Counts()
        self._all_out = self._most_out = self._reports = 0
        self._falls = False  # a count of the whole reply never does

    def add(self, counts: Counts) -> None:
        last, out = self._last, counts.tokens_out or 0
        if counts.any and out:
            self._falls = self._falls or out < (last.tokens_out or 0)
            self._all_out += out
            self._most_out = max(self._most_out, out)
            self._reports += 1
        for name in ("tokens_in", "tokens_out", "cached", "written", "reasoning"):
            value = getattr(counts, name)
            if value is not None and (value or getattr(last, name) is None):
                setattr(last, name, value)  # a later report may leave out what an earlier one told
        last.apart = last.apart or counts.apart

    def total(self, chars: int) -> Counts:
        """The usage of the whole reply, which has ``chars`` characters."""
        last = self._last
        tokens_in, out = last.tokens_in, last.tokens_out
        if self._reports > 2 and (self._falls or self._most_out * CHARS_PER_TOKEN_MAX < chars):
            out = self._all_out
        elif out is not None:
            out = max(out, self._most_out)
        if last.apart and tokens_in is not None:
            tokens_in += (last.cached or 0) + (last.written or 0)
        return Counts(tokens_in, out, last.cached, last.written, last.reasoning)
